//! A share, and what a pool made of it.

use super::{Hash, JobId};

/// A hash below a job's target, as it is claimed to the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Of which job.
    pub job_id: JobId,
    /// With which nonce in the blob.
    pub nonce: u32,
    /// The hash.
    pub hash: Hash,
    /// Which hash thread found it, from 0; the pool is not told.
    pub thread: u16,
}

/// A share as the books know it once it is on its way to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// Height of its job's block; `None` where the pool does not say, or has since given another job.
    pub height: Option<u64>,
    /// Nonce in the blob.
    pub nonce: u32,
    /// Which hash thread found it, from 0.
    pub thread: u16,
}

/// What became of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Counted.
    Accepted,
    /// Its job was over.
    Stale,
    /// Not below the target.
    LowDifficulty,
    /// Claimed before.
    Duplicate,
    /// The hash is not the hash of that nonce, or the claim is malformed.
    Invalid,
    /// Refused for another reason: the pool is at fault, or it did not say.
    Refused,
}

impl Verdict {
    /// What an error text means; pools agree on words, not on codes. An unknown one is `Refused`.
    pub fn from_message(message: &str) -> Self {
        const MEANINGS: [(&str, Verdict); 11] = [
            ("stale", Verdict::Stale),
            ("expired", Verdict::Stale),
            ("invalid job id", Verdict::Stale),
            ("job not found", Verdict::Stale),
            ("block expired", Verdict::Stale),
            ("low diff", Verdict::LowDifficulty),
            ("duplicate", Verdict::Duplicate),
            ("invalid nonce", Verdict::Invalid),
            ("invalid pow", Verdict::Invalid),
            ("invalid share", Verdict::Invalid),
            ("bad hash", Verdict::Invalid),
        ];
        MEANINGS
            .iter()
            .find(|(words, _)| contains_ignoring_case(message, words))
            .map_or(Self::Refused, |(_, verdict)| *verdict)
    }
}

fn contains_ignoring_case(text: &str, words: &str) -> bool {
    text.as_bytes()
        .windows(words.len())
        .any(|part| part.eq_ignore_ascii_case(words.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_known_pools_are_understood() {
        for (message, verdict) in [
            ("Low difficulty share", Verdict::LowDifficulty),
            ("Low diff share", Verdict::LowDifficulty),
            ("Stale share", Verdict::Stale),
            ("Invalid job id", Verdict::Stale),
            ("Duplicate share", Verdict::Duplicate),
            ("Invalid PoW", Verdict::Invalid),
            (
                "Invalid nonce; is miner not compatible with NiceHash?",
                Verdict::Invalid,
            ),
            ("Bad gateway", Verdict::Refused),
            ("", Verdict::Refused),
        ] {
            assert_eq!(Verdict::from_message(message), verdict, "{message}");
        }
    }
}
