//! The benchmark: N hashes of a known input whose sum proves the engine right.
//!
//! Input and sums are those of XMRig's `--bench` (docs/SPECIFICATION.md): 112 zero bytes, key of 32
//! zero bytes, nonces 0 to N-1 at offset 39; the sum is the XOR over `u64_LE(hash[24..32])`. With
//! two threads or more the order does not matter. With one thread each input depends on earlier
//! hashes, so that nobody can compute it side by side.

use miner_engine::EngineError;
use miner_shared::wire::{Memory, Pages};

use crate::mining::Now;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchConfig {
    /// Number of hashes; [`expected_sum`] knows the sums of 10,000, 20,000, 250,000, 500,000,
    /// 1,000,000 and 10,000,000.
    pub hashes: u32,
    /// Hash threads, 1 to [`miner_shared::limits::MAX_THREADS`]; `None` as the miner would choose.
    pub threads: Option<u16>,
    /// Light or fast.
    pub memory: Memory,
}

/// How far a benchmark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchProgress {
    /// Cache and dataset are being made ready.
    Preparing {
        /// Part that is ready, 0 to 100.
        percent: u8,
        /// Estimated time left, in milliseconds; `None` until it can be told.
        left_ms: Option<u64>,
    },
    /// Hashing.
    Hashing {
        /// Hashes done.
        done: u32,
        /// Hashes to do.
        total: u32,
        /// Hash rate so far, in thousandths of a hash per second; `None` until it can be told.
        rate: Option<u64>,
        /// Estimated time left, in milliseconds; `None` until it can be told.
        left_ms: Option<u64>,
    },
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchReport {
    /// Number of hashes.
    pub hashes: u32,
    /// Hash threads.
    pub threads: u16,
    /// Memory used.
    pub memory: Memory,
    /// Pages that the memory got; `None` where the system does not say.
    pub pages: Option<Pages>,
    /// Part of that memory in huge pages, in percent; `None` where the system does not say.
    pub huge_percent: Option<u8>,
    /// What the engine uses of the machine, for people: `jit=on aes=hard argon2=avx2`.
    pub features: String,
    /// Time to make cache and dataset ready, in milliseconds.
    pub init_ms: u64,
    /// Time to hash, in milliseconds.
    pub hashing_ms: u64,
    /// Hash rate, in thousandths of a hash per second; `None` if the clock did not move.
    pub rate: Option<u64>,
    /// The sum; shown as 16 upper-case digits.
    pub sum: u64,
    /// What the sum is.
    pub verdict: BenchVerdict,
}

/// Whether the sum is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchVerdict {
    /// It is the known one.
    Right,
    /// It is not the known one, which is this: the engine or the machine computes wrongly.
    Wrong(u64),
    /// No sum is known for this number of hashes.
    Unknown,
}

/// Runs a benchmark on this thread and as many more as asked for; `progress` is called a few times
/// per second.
///
/// # Errors
/// Memory or threads that the system does not give.
pub fn run(
    config: BenchConfig,
    now: &Now,
    progress: &mut dyn FnMut(BenchProgress),
) -> Result<BenchReport, EngineError> {
    todo!()
}

/// The known sum of so many hashes, by one thread or by more.
pub const fn expected_sum(hashes: u32, one_thread: bool) -> Option<u64> {
    todo!()
}
