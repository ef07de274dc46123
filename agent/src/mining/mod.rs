//! The rig's own miner, `miner-rx0`: from a job to shares.
//!
//! ```text
//!   pool connection ── set_job ──▶ control thread ── JobSlot (sequence-locked) ──▶ hash threads
//!        ▲                          │  ▲  keys the cache, fills the dataset,        │  pinned; they
//!        │                          ▼  │  makes and ends crews of hash threads      │  allocate, lock
//!        │                         fill threads                                     │  and log nothing
//!        └──────────── shares() ◀──────────── bounded channel, losses counted ◀─────┘
//! ```
//!
//! | what | where |
//! |---|---|
//! | wishes, snapshot | this file |
//! | memory and crews | `control` |
//! | the loop of a hash thread | `crew` |
//! | the job that they hash | `slot` |
//! | which nonces | `nonces` |
//! | how many threads, on which processors | [`topology`] |
//!
//! It mines in light mode at once while all cores fill the dataset, then in fast mode. A job of
//! another seed re-keys the memory in place. Everything here returns without waiting, except
//! [`Miner::stop`], which waits for the threads: a second at most.

pub mod topology;

use std::fmt;
use std::sync::Arc;

use miner_engine::EngineError;
use miner_shared::mining::{Job, Share};
use miner_shared::time::Millis;
use miner_shared::wire::{Memory, Mode, Pages, Threads};
use smol::channel::Receiver;

/// Tells the time: the agent's clock, or a test's.
pub type Now = Arc<dyn Fn() -> Millis + Send + Sync>;

/// How the miner is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinerConfig {
    /// Hash threads; `Auto` asks [`topology`].
    pub threads: Threads,
    /// Fast or light.
    pub mode: Mode,
    /// Memory that the system can give without swapping, in MiB; `None` if it does not say, which
    /// counts as enough. Only looked at when the dataset is not there yet.
    pub memory_available_mib: Option<u32>,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            threads: Threads::Auto,
            mode: Mode::Auto,
            memory_available_mib: None,
        }
    }
}

/// The rig's miner. Dropping it stops it.
pub struct Miner {}

impl Miner {
    /// Starts the control thread; no hash thread before the first job.
    ///
    /// # Errors
    /// [`EngineError::NoThread`].
    pub fn start(config: MinerConfig, now: Now) -> Result<Self, EngineError> {
        todo!()
    }

    /// Hashes this job from now on. Threads switch within one hash; a job that is being hashed
    /// already changes nothing; one with another seed first re-keys the memory.
    pub fn set_job(&self, job: &Job) {
        todo!()
    }

    /// Rests until the next job; memory and nonce positions stay.
    pub fn clear_job(&self) {
        todo!()
    }

    /// Works like this from now on. What does not change goes on undisturbed.
    pub fn configure(&self, config: MinerConfig) {
        todo!()
    }

    /// Ends all threads and gives the memory back. Returns within a second.
    pub fn stop(self) {
        todo!()
    }

    /// Where found shares come out: at most [`miner_shared::limits::SHARE_QUEUE`] wait, further
    /// ones are counted in [`MinerSnapshot::shares_lost`]. All receivers draw from one queue; it
    /// closes when the miner ends.
    pub fn shares(&self) -> Receiver<Share> {
        todo!()
    }

    /// How it is doing.
    pub fn snapshot(&self) -> MinerSnapshot {
        todo!()
    }
}

impl fmt::Debug for Miner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miner").finish_non_exhaustive()
    }
}

/// How a miner is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinerSnapshot {
    /// What it is doing.
    pub phase: Phase,
    /// RandomX memory that hash threads use; `None` while there are none.
    pub memory: Option<Memory>,
    /// Pages behind that memory, as the system reports them.
    pub pages: Option<Pages>,
    /// Hash threads running.
    pub threads: u16,
    /// Hashes done since the start.
    pub hashes: u64,
    /// Shares found since the start, lost ones included.
    pub shares_found: u64,
    /// Shares that found the queue full.
    pub shares_lost: u64,
    /// All nonces of the job were hashed: threads rest until another job comes.
    pub exhausted: bool,
    /// Why hash threads use the light memory, if they do.
    pub why_light: Option<WhyLight>,
}

/// What a miner is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is no job.
    Idle,
    /// Getting memory and keys ready; no hash yet.
    Starting,
    /// Hashing in light mode while the dataset is being filled.
    Filling {
        /// Part of the dataset that is ready, 0 to 100.
        percent: u8,
        /// Estimated time left, in milliseconds; `None` until it can be told.
        left_ms: Option<u64>,
    },
    /// Hashing.
    Mining,
    /// It should mine and cannot. Another job or configuration makes it try again.
    Failed(EngineError),
}

/// Why a miner hashes in light mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyLight {
    /// The configuration says so.
    Asked,
    /// Until the dataset is filled.
    Filling,
    /// Too little memory for fast mode.
    TooLittleMemory {
        /// What fast mode takes, in MiB.
        needed_mib: u32,
        /// What there is, in MiB.
        available_mib: u32,
    },
    /// The system refused the memory when asked for it.
    NotAllocated,
}

/// What fast mode takes with this many hash threads, in MiB: dataset, cache, scratchpads, and some
/// for the rest.
pub const fn fast_mode_mib(threads: u16) -> u32 {
    todo!()
}
