//! The one error that a person, a script or the REST API gets from the farm.
//!
//! A code that programs match on (the original's where it has one), a sentence for people, the field
//! that was wrong, what to do about it, and whether trying the same again can help. What happened
//! inside (a database error, a broken frame) goes to the log, not into the message.

use std::borrow::Cow;
use std::fmt;

use miner_shared::identity::Fingerprint;
use serde::Serialize;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FarmError {
    /// What kind of failure, for programs.
    pub code: Code,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// The input field that was wrong, as REST and CLI name it.
    pub field: Option<Cow<'static, str>>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
    /// The fingerprint that was found, where the error is about one.
    pub fingerprint: Option<Fingerprint>,
}

impl FarmError {
    /// An error of this kind; whether it is worth a retry follows from the code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            hint: None,
            retryable: code.is_retryable(),
            fingerprint: None,
        }
    }

    /// The same, about this input field.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with the fingerprint that was found.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }
}

/// `{code, message, field?, hint?, retryable, fingerprint?}`: the body of every REST error.
impl Serialize for FarmError {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            code: Code,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            field: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            hint: Option<&'a str>,
            retryable: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            fingerprint: Option<String>,
        }
        Body {
            code: self.code,
            message: &self.message,
            field: self.field.as_deref(),
            hint: self.hint.as_deref(),
            retryable: self.retryable,
            fingerprint: self.fingerprint.map(|f| f.to_string()),
        }
        .serialize(serializer)
    }
}

/// Declares the codes once: variant, text for programs, HTTP status, worth a retry.
macro_rules! codes {
    ($($(#[$meta:meta])* $name:ident = $text:literal, $status:literal, $retry:literal;)*) => {
        /// Kinds of failure. Texts are stable: scripts match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$meta])* $name,)*
        }

        impl Code {
            /// The code as programs see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status that REST answers with.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether the same request may succeed later without a change.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry,)* }
            }
        }
    };
}

codes! {
    /// The rig's agent does not know what it is asked.
    AgentTooOld = "AGENT_TOO_OLD", 409, false;
    /// The rig, or what waits for it here, is asked more than its rate; try again.
    Busy = "BUSY", 429, true;
    /// The rig could not be reached.
    ConnectionFailed = "CONNECTION_FAILED", 503, true;
    /// The registry could not be read or written.
    DatabaseError = "DATABASE_ERROR", 500, false;
    /// The node at the address has another fingerprint than the one given.
    FingerprintMismatch = "FINGERPRINT_MISMATCH", 409, false;
    /// Nobody has confirmed the fingerprint that the node at the address has.
    FingerprintUnconfirmed = "FINGERPRINT_UNCONFIRMED", 409, false;
    /// A fault of this program.
    InternalError = "INTERNAL_ERROR", 500, false;
    /// A profile that no rig could apply.
    InvalidConfig = "INVALID_CONFIG", 400, false;
    /// A field does not keep its rule.
    InvalidInput = "INVALID_INPUT", 400, false;
    /// The rig has no manager of this ID or fingerprint.
    ManagerNotFound = "MANAGER_NOT_FOUND", 404, false;
    /// The rig has no miner of this name.
    MinerNotFound = "MINER_NOT_FOUND", 404, false;
    /// The rig has told of no network card that could wake it.
    NoWakeAddress = "NO_WAKE_ADDRESS", 409, false;
    /// The rig is told to mine nothing, so it cannot rest.
    NothingMined = "NOTHING_MINED", 409, false;
    /// No order of this ID is kept.
    OrderNotFound = "ORDER_NOT_FOUND", 404, false;
    /// The rig refused an order.
    OrderRefused = "ORDER_REFUSED", 409, false;
    /// The pairing code was refused, used before, or has run out.
    PairingFailed = "PAIRING_FAILED", 403, false;
    /// The rig refused to rest.
    PauseFailed = "PAUSE_FAILED", 500, false;
    /// Rigs would mine for another wallet, and nobody has repeated its end.
    PayoutUnconfirmed = "PAYOUT_UNCONFIRMED", 409, false;
    /// Another peer has this name.
    PeerNameTaken = "PEER_NAME_TAKEN", 409, false;
    /// The text names more than one peer.
    PeerAmbiguous = "PEER_AMBIGUOUS", 409, false;
    /// The peer, its ID or its name is registered already.
    PeerExists = "PEER_EXISTS", 409, false;
    /// No peer has this ID, prefix or name.
    PeerNotFound = "PEER_NOT_FOUND", 404, false;
    /// The peer was removed and not forgotten since.
    PeerRemoved = "PEER_REMOVED", 409, false;
    /// A profile of this id exists.
    ProfileExists = "PROFILE_EXISTS", 409, false;
    /// Rigs are told to mine with this profile.
    ProfileInUse = "PROFILE_IN_USE", 409, false;
    /// No profile has this id or name.
    ProfileNotFound = "PROFILE_NOT_FOUND", 404, false;
    /// The farm has a recovery key already.
    RecoveryExists = "RECOVERY_EXISTS", 409, false;
    /// The farm has no recovery key.
    RecoveryNotFound = "RECOVERY_NOT_FOUND", 404, false;
    /// The proof is not by the recovery key of the farm.
    RecoveryRefused = "RECOVERY_REFUSED", 403, false;
    /// The rig refused to go on.
    ResumeFailed = "RESUME_FAILED", 500, false;
    /// The rollout, or a rig in another one, does not allow it now.
    RolloutConflict = "ROLLOUT_CONFLICT", 409, false;
    /// No release of this name is here.
    ReleaseNotFound = "RELEASE_NOT_FOUND", 404, false;
    /// No rollout has this number.
    RolloutNotFound = "ROLLOUT_NOT_FOUND", 404, false;
    /// Other rigs are selected than were expected.
    SelectionChanged = "SELECTION_CHANGED", 409, false;
    /// No token has this ID.
    TokenNotFound = "TOKEN_NOT_FOUND", 404, false;
    /// The rig refused to start.
    StartFailed = "START_FAILED", 500, false;
    /// The rig refused to stop.
    StopFailed = "STOP_FAILED", 500, false;
    /// As many orders wait for the rig as may.
    TooManyOrders = "TOO_MANY_ORDERS", 429, true;
    /// No answer in time.
    Timeout = "TIMEOUT", 504, true;
    /// Too much is going on; try again.
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503, true;
    /// The profile has a newer version than the one that was seen.
    VersionConflict = "VERSION_CONFLICT", 412, false;
    /// The profile has no such version, or it is no longer kept.
    VersionNotFound = "VERSION_NOT_FOUND", 404, false;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_serialise_to_the_one_shape_of_the_api() {
        let error = FarmError::new(Code::PeerNotFound, "no peer is called \"rig\"")
            .field("peer")
            .hint("see `peer list`");
        assert_eq!(
            serde_json::to_string(&error).expect("serialises"),
            r#"{"code":"PEER_NOT_FOUND","message":"no peer is called \"rig\"","field":"peer","hint":"see `peer list`","retryable":false}"#
        );
        assert_eq!(error.code.http_status(), 404);
    }
}
