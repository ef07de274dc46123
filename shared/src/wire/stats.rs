//! What a rig says of itself.
//!
//! Unknown is `None`, never 0. Ages are durations on the rig's own clock, so that no two clocks
//! need to agree; whoever shows them adds the time since the message came.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::{Algo, Backend};
use crate::limits::MAX_MINERS;
use crate::text::{Address, MinerName, Name};

/// Statistics of one rig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RigStats {
    /// Since the agent's start, in milliseconds.
    pub uptime_ms: u64,
    /// Generation of the state applied; 0 if the rig was never told one.
    pub generation: u64,
    /// Name of the profile applied, if it mines.
    pub profile: Option<Name>,
    /// What it is doing.
    pub activity: Activity,
    /// Its miners.
    pub miners: Vec<MinerStats, MAX_MINERS>,
    /// Log records that fell out of the ring since the start.
    pub logs_lost: u64,
}

/// What a rig is doing, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Activity {
    /// Told to mine nothing, or never told anything.
    Stopped,
    /// Getting memory and keys ready; no hash yet.
    Starting,
    /// No pool of the profile can be reached; hashing rests.
    NoPool,
    /// Hashing in light mode while the dataset is being filled.
    Filling {
        /// Part of the dataset that is ready, in percent.
        percent: u8,
        /// Estimated time left, in milliseconds; `None` until it can be told.
        left_ms: Option<u64>,
    },
    /// Hashing.
    Mining,
    /// It should mine and cannot.
    Failed,
    /// Told to rest: logged in, memory kept, no hash. Since version 2.
    Paused,
}

/// Statistics of one miner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerStats {
    /// Its name on the rig, such as `miner-rx0`.
    pub name: MinerName,
    /// Kind of miner.
    pub backend: Backend,
    /// Proof of work.
    pub algo: Algo,
    /// Hash threads running.
    pub threads: u16,
    /// RandomX memory in use, if any.
    pub memory: Option<Memory>,
    /// Pages that the memory got, if any.
    pub pages: Option<Pages>,
    /// Hash rate.
    pub hashrate: Windows,
    /// Hashes since the miner's start.
    pub hashes: u64,
    /// Shares that the pool accepted.
    pub accepted: u64,
    /// Shares that the pool refused, stale ones apart.
    pub rejected: u64,
    /// Shares for a job that was over.
    pub stale: u64,
    /// Shares that were found and could not be sent or got no answer.
    pub lost: u64,
    /// Since the last accepted share, in milliseconds.
    pub last_share_ms: Option<u64>,
    /// Since the miner's start, in milliseconds.
    pub uptime_ms: u64,
    /// Pool that it is logged in to.
    pub pool: Option<Address>,
    /// Difficulty of the current job.
    pub difficulty: Option<u64>,
}

/// Hash rate over the field's windows, in thousandths of a hash per second; `None` until the
/// window has enough samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// Over the last 10 s.
    pub s10: Option<u64>,
    /// Over the last 60 s.
    pub s60: Option<u64>,
    /// Over the last 15 min.
    pub m15: Option<u64>,
    /// Highest 10 s figure since the start.
    pub highest: Option<u64>,
}

/// RandomX memory in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// 256 MiB cache.
    Light,
    /// 2,080 MiB dataset.
    Fast,
}

/// Pages behind the RandomX memory, the slowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Pages {
    /// 4 KiB pages: expect 50 to 70 % of the hash rate.
    Small,
    /// Transparent huge pages, by `madvise`.
    Transparent,
    /// Reserved 2 MiB pages.
    Huge2M,
    /// Reserved 1 GiB pages.
    Huge1G,
}
