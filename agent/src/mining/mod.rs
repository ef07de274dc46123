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
//! | a dataset on each NUMA node | `datasets` |
//! | the loop of a hash thread | `crew` |
//! | the job that they hash, and which nonces | `slot` |
//! | how many threads, on which processors | [`topology`] |
//! | what was measured to be the fastest | [`tuned`] |
//!
//! It mines in light mode at once while all cores fill the dataset, then in fast mode. A job of
//! another seed re-keys the memory in place. Everything here returns without waiting; only the drop
//! of a [`Miner`] waits for its threads.

mod control;
mod crew;
pub(crate) mod datasets;
mod slot;
pub mod topology;
pub mod tuned;

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use miner_engine::{CACHE_BYTES, DATASET_MIB, EngineError, MAX_WAYS, SCRATCHPAD_BYTES};
use miner_shared::mining::{Job, Share};
use miner_shared::time::Millis;
use miner_shared::wire::{Memory, Mode, PageWish, Pages, Threads};
use smol::channel::Receiver;

use control::{Control, Desk, Status};
use crew::Floor;
pub(crate) use crew::settle;
use topology::Topology;
use tuned::Tuned;

/// Tells the time: the agent's clock, or a test's.
pub type Now = Arc<dyn Fn() -> Millis + Send + Sync>;

/// How the miner is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinerConfig {
    /// Hash threads; `Auto` asks [`topology`].
    pub threads: Threads,
    /// Fast or light.
    pub mode: Mode,
    /// Memory that fast mode may count on, in MiB; `None` asks the system when it is to be got.
    pub memory_available_mib: Option<u32>,
    /// Pages wanted; other ones than before start the memory anew.
    pub pages: PageWish,
    /// How much hash threads, and those that fill the dataset, give way: 0 to 19.
    pub nice: u8,
    /// Rest, whatever job there is: memory and threads stay, and nothing new is filled.
    pub paused: bool,
    /// What was measured to be the fastest here; the same for ever.
    pub tuned: Option<Tuned>,
}

impl Default for MinerConfig {
    fn default() -> Self {
        Self {
            threads: Threads::Auto,
            mode: Mode::Auto,
            memory_available_mib: None,
            pages: PageWish::Auto,
            nice: 0,
            paused: false,
            tuned: None,
        }
    }
}

/// The rig's miner. One lasts as long as the agent, so that it remembers which nonces were hashed;
/// dropping it ends its threads, which takes up to a second.
pub struct Miner {
    desk: Arc<Desk>,
    floor: Arc<Floor>,
    shares: Receiver<Share>,
    now: Now,
    control: Option<JoinHandle<()>>,
}

impl Miner {
    /// Starts the control thread; no hash thread and no memory before the first job.
    ///
    /// # Errors
    /// [`EngineError::NoThread`].
    pub fn start(config: MinerConfig, now: Now) -> Result<Self, EngineError> {
        Self::start_on(Topology::read(), config, now)
    }

    /// The same on a machine of these processors.
    ///
    /// # Errors
    /// [`EngineError::NoThread`].
    pub fn start_on(
        topology: Topology,
        config: MinerConfig,
        now: Now,
    ) -> Result<Self, EngineError> {
        let desk = Arc::new(Desk::new(config));
        let (floor, shares) = Floor::new();
        let floor = Arc::new(floor);
        let control = Control::new(
            Arc::clone(&desk),
            Arc::clone(&floor),
            Arc::clone(&now),
            topology,
        );
        let thread = thread::Builder::new().name("rx-control".into());
        let control = thread.spawn(move || control.run());
        Ok(Self {
            desk,
            floor,
            shares,
            now,
            control: Some(control.map_err(|_| EngineError::NoThread)?),
        })
    }

    /// Hashes this job from now on. Threads switch within one hash; a job that is being hashed
    /// already changes nothing; one with another seed first re-keys the memory.
    pub fn set_job(&self, job: &Job) {
        self.desk.wish(|wish| wish.job = Some(job.clone()));
    }

    /// Rests until the next job. The memory stays and is filled on, for a pool that comes back.
    pub fn clear_job(&self) {
        self.desk.wish(|wish| {
            wish.job = None;
            wish.release = false;
        });
    }

    /// Rests, ends the hash threads, and gives the memory back, within a second; nonce positions
    /// stay. The next job starts it all again.
    pub fn stop(&self) {
        self.desk.wish(|wish| {
            wish.job = None;
            wish.release = true;
        });
    }

    /// Ends the hash threads and gives the memory back as [`Self::stop`] does, and starts again with the
    /// job that there is.
    pub fn restart(&self) {
        self.desk.wish(|wish| wish.restarts += 1);
    }

    /// Works like this from now on. What does not change goes on undisturbed.
    pub fn configure(&self, config: MinerConfig) {
        self.desk.wish(|wish| wish.config = config);
    }

    /// Where found shares come out: at most [`miner_shared::limits::SHARE_QUEUE`] wait, further
    /// ones are counted in [`MinerSnapshot::shares_lost`]. All receivers draw from one queue; it
    /// closes when the miner is dropped.
    pub fn shares(&self) -> Receiver<Share> {
        self.shares.clone()
    }

    /// How it is doing.
    pub fn snapshot(&self) -> MinerSnapshot {
        let status = self.desk.status();
        let (shares_found, shares_lost) = self.floor.shares();
        MinerSnapshot {
            phase: self.phase(&status),
            memory: status.memory,
            pages: status.pages,
            datasets: status.datasets,
            nodes: status.nodes,
            threads: status.threads,
            hashes: self.floor.hashes(),
            shares_found,
            shares_lost,
            exhausted: self.floor.slot.is_exhausted(),
            why_light: status.why_light,
        }
    }

    fn phase(&self, status: &Status) -> Phase {
        match (&status.failed, &status.fill) {
            _ if self.desk.is_paused() => Phase::Paused,
            _ if !self.desk.has_job() => Phase::Idle,
            (Some(error), _) => Phase::Failed(*error),
            _ if status.threads == 0 => Phase::Starting,
            (None, Some((progress, started))) => {
                let left = Left::of(
                    progress.done(),
                    progress.total(),
                    (self.now)().since(*started),
                );
                Phase::Filling {
                    percent: left.percent,
                    left_ms: left.ms,
                }
            }
            (None, None) => Phase::Mining,
        }
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.desk.wish(|wish| wish.end = true);
        if let Some(control) = self.control.take() {
            let _ = control.join();
        }
    }
}

impl fmt::Debug for Miner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miner")
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
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
    /// Datasets, in fast mode: one for each NUMA node that hash threads stay on, or have stayed on since the memory was
    /// got; or one for all.
    pub datasets: usize,
    /// NUMA nodes that hash threads stay on.
    pub nodes: usize,
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
    /// The configuration says to rest.
    Paused,
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
    /// A 32-bit program has no room for fast mode.
    TooFewBits,
    /// The system refused the memory when asked for it.
    NotAllocated,
}

/// What fast mode takes at most with this many hash threads, in MiB: one dataset, cache, for each thread
/// code and a scratchpad for each input that it can have in flight, and 64 for all the rest.
pub const fn fast_mode_mib(threads: u16) -> u32 {
    const MIB: usize = 1 << 20;
    const SHARED: usize = DATASET_MIB as usize + CACHE_BYTES / MIB + 64;
    const EACH: usize = MAX_WAYS * SCRATCHPAD_BYTES / MIB + 1;
    const _: () = assert!(SHARED + EACH * (u16::MAX as usize) < u32::MAX as usize);
    #[expect(clippy::cast_possible_truncation, reason = "asserted above")]
    const PARTS: (u32, u32) = (SHARED as u32, EACH as u32);
    PARTS.0 + PARTS.1 * threads as u32
}

/// What is left of a piece of work, from how it went so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) percent: u8,
    pub(crate) ms: Option<u64>,
}

impl Left {
    /// The time is told after a second at the earliest: the first moments say little.
    pub(crate) fn of(done: u64, total: u64, elapsed_ms: u64) -> Self {
        let percent = done.min(total) * 100 / total.max(1);
        let left = u128::from(total.saturating_sub(done)) * u128::from(elapsed_ms);
        let ms = left.checked_div(done.into()).filter(|_| elapsed_ms >= 1000);
        Self {
            percent: u8::try_from(percent).unwrap_or(100),
            ms: ms.and_then(|ms| u64::try_from(ms).ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_from_the_time_it_took_and_is_unknown_at_first() {
        let left = |done, total, ms| {
            let left = Left::of(done, total, ms);
            (left.percent, left.ms)
        };
        assert_eq!(left(0, 100, 5_000), (0, None));
        assert_eq!(left(10, 100, 999), (10, None));
        assert_eq!(left(25, 100, 5_000), (25, Some(15_000)));
        assert_eq!(left(100, 100, 5_000), (100, Some(0)));
        assert_eq!(left(u64::MAX / 100, u64::MAX / 100, 9_000), (100, Some(0)));
        assert_eq!(left(0, 0, 9_000).0, 0);
    }

    #[test]
    fn fast_mode_takes_dataset_cache_and_scratchpads_for_each_thread() {
        assert_eq!(fast_mode_mib(0), 2_080 + 256 + 64);
        assert_eq!(
            fast_mode_mib(16),
            fast_mode_mib(0) + 16 * (2 * u32::try_from(MAX_WAYS).unwrap_or(1) + 1)
        );
    }
}
