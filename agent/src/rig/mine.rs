//! The miner as the rig sees it: a job in, shares out.
//!
//! [`Miner`] is the one that hashes. Tests put another in its place, which needs no RandomX memory.

use miner_shared::mining::{Job, Share};
use smol::channel::Receiver;

use crate::mining::{Miner, MinerConfig, MinerSnapshot};

/// What the rig asks of a miner. No call waits; dropping it ends its threads, within a second.
pub trait Mine {
    /// Hashes this job from now on.
    fn set_job(&self, job: &Job);
    /// Rests until the next job, and keeps the memory ready for it.
    fn clear_job(&self);
    /// Rests and gives the memory back.
    fn stop(&self);
    /// Ends its threads, gives the memory back and starts with the job that there is.
    fn restart(&self);
    /// Works like this from now on.
    fn configure(&self, config: MinerConfig);
    /// Where found shares come out.
    fn shares(&self) -> Receiver<Share>;
    /// How it is doing.
    fn snapshot(&self) -> MinerSnapshot;
}

impl Mine for Miner {
    fn set_job(&self, job: &Job) {
        Self::set_job(self, job);
    }

    fn clear_job(&self) {
        Self::clear_job(self);
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn restart(&self) {
        Self::restart(self);
    }

    fn configure(&self, config: MinerConfig) {
        Self::configure(self, config);
    }

    fn shares(&self) -> Receiver<Share> {
        Self::shares(self)
    }

    fn snapshot(&self) -> MinerSnapshot {
        Self::snapshot(self)
    }
}
