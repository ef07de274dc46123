//! A job: the unit of work that a pool hands out.

use core::fmt;

use super::{Blob, NonceSlot, Target, hex};
use crate::limits::MAX_JOB_ID;
use crate::text::{Text, TextError};
use crate::wire::Algo;

/// 32 bytes of proof of work, in the order of the hash function.
pub type Hash = [u8; 32];

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The pool's name for it, echoed with every share.
    pub id: JobId,
    /// What is hashed.
    pub blob: Blob,
    /// What a share has to be below.
    pub target: Target,
    /// Proof of work.
    pub algo: Algo,
    /// Height of the block worked on, where the pool says.
    pub height: Option<u64>,
    /// Key of the RandomX memory.
    pub seed: SeedHash,
    /// The seed after this one, where the pool says.
    pub next_seed: Option<SeedHash>,
    /// Whether only the low 24 bits of the nonce are ours to vary.
    pub nicehash: bool,
}

/// The pool's opaque name of a job: 1 to [`MAX_JOB_ID`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobId(Text<MAX_JOB_ID>);

/// Keys RandomX's cache and dataset: the ID of a block some 2,048 blocks back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeedHash(pub [u8; 32]);

/// An algorithm that this program does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgo;

impl Job {
    /// The nonces that are ours in this job.
    pub fn slot(&self) -> NonceSlot {
        if self.nicehash {
            let [.., slot] = self.blob.nonce().to_le_bytes();
            NonceSlot::Byte(slot)
        } else {
            NonceSlot::Whole
        }
    }
}

impl JobId {
    /// The name, if it is not empty, fits, and has no control character.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        Text::parse(text).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl SeedHash {
    /// Reads exactly 64 digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        hex::array(text).map(Self)
    }
}

impl fmt::Display for SeedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SeedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeedHash({self})")
    }
}

/// The algorithm of a name that pools use; those of RandomX v2 (`rx/2`) are not ours yet.
pub fn algo_from_name(name: &str) -> Result<Algo, UnknownAlgo> {
    const RX0: [&str; 6] = [
        "rx/0",
        "rx",
        "randomx",
        "randomx/0",
        "rx/test",
        "randomx/test",
    ];
    if RX0.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        Ok(Algo::Rx0)
    } else {
        Err(UnknownAlgo)
    }
}

/// Blocks that share one seed.
pub const SEED_EPOCH: u64 = 2048;
/// Blocks between the seed's own block and its first use.
const SEED_LAG: u64 = 64;

/// Height of the block whose ID is the seed at `height` (p2pool src/p2pool.cpp).
pub const fn seed_height(height: u64) -> u64 {
    match height.checked_sub(SEED_LAG + 1) {
        Some(past) => past & !(SEED_EPOCH - 1),
        None => 0,
    }
}

/// Whether the next seed is already fixed: the last 64 blocks before a change, about two hours.
pub const fn seed_changes_soon(height: u64) -> bool {
    seed_height(height) != seed_height(height.saturating_add(SEED_LAG))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_examples_of_seed_heights() {
        for (height, seed) in [
            (0, 0),
            (64, 0),
            (65, 0),
            (2_112, 0),
            (2_113, 2_048),
            (4_161, 4_096),
            (3_500_000, 3_497_984),
        ] {
            assert_eq!(seed_height(height), seed, "{height}");
        }
    }

    #[test]
    fn next_seed_is_announced_64_blocks_ahead() {
        for height in [2_049, 2_112, 65 + 1_984, 65 + 2_047] {
            assert!(seed_changes_soon(height), "{height}");
        }
        for height in [100, 2_048, 2_113, u64::MAX] {
            assert!(!seed_changes_soon(height), "{height}");
        }
    }

    #[test]
    fn names_of_randomx_are_known_and_v2_is_not() {
        for name in [
            "rx/0",
            "RX",
            "randomx",
            "randomx/0",
            "rx/test",
            "randomx/test",
        ] {
            assert_eq!(algo_from_name(name), Ok(Algo::Rx0));
        }
        for name in ["rx/2", "rx/v2", "randomx/v2", "rx/wow", "cn/r", ""] {
            assert_eq!(algo_from_name(name), Err(UnknownAlgo), "{name}");
        }
    }

    #[test]
    fn the_slot_is_the_last_nonce_byte_in_nicehash_mode_only() {
        let mut job = Job {
            id: JobId::parse("1").expect("valid"),
            blob: Blob::from_hex(crate::mining::KNOWN_BLOB).expect("valid"),
            target: Target::EASIEST,
            algo: Algo::Rx0,
            height: None,
            seed: SeedHash([0; 32]),
            next_seed: None,
            nicehash: true,
        };
        assert_eq!(job.slot(), NonceSlot::Byte(0x40));
        job.nicehash = false;
        assert_eq!(job.slot(), NonceSlot::Whole);
    }
}
