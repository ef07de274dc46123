//! The words of the wire that both ends use: error texts and their effect.

/// Why a server refuses something. The text decides what a stock miner does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The pool behind cannot be asked.
    BadGateway,
    /// The same nonce was claimed for this job before.
    DuplicateShare,
    /// Another algorithm than the job's.
    IncorrectAlgorithm,
    /// Not the hash of that nonce.
    InvalidPow,
    /// Not a method of ours.
    InvalidMethod,
    /// A nonce outside the miner's slot; the connection ends.
    InvalidNonce,
    /// Members missing or of the wrong kind.
    InvalidRequest,
    /// Above the target, or malformed.
    LowDifficulty,
    /// Nothing that the miner knows is mined here; the connection ends.
    NoAlgorithm,
    /// Not with this password; the connection ends.
    PermissionDenied,
    /// The job is over.
    StaleShare,
    /// Not logged in, or in another session. A stock miner logs in again.
    Unauthenticated,
}

impl Refusal {
    /// The text sent.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadGateway => "Bad gateway",
            Self::DuplicateShare => "Duplicate share",
            Self::IncorrectAlgorithm => "Incorrect algorithm",
            Self::InvalidPow => "Invalid PoW",
            Self::InvalidMethod => "Invalid method",
            Self::InvalidNonce => "Invalid nonce; is miner not compatible with NiceHash?",
            Self::InvalidRequest => "Invalid request",
            Self::LowDifficulty => "Low difficulty share",
            Self::NoAlgorithm => "No compatible algorithm found",
            Self::PermissionDenied => "Permission denied",
            Self::StaleShare => "Stale share",
            Self::Unauthenticated => "Unauthenticated",
        }
    }

    /// Whether the server closes the connection once the text has left.
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Self::InvalidNonce | Self::NoAlgorithm | Self::PermissionDenied
        )
    }
}
