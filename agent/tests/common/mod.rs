//! What the tests of the miner share: a real clock, jobs, and waiting without sleeping.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use miner_agent::mining::{Miner, MinerConfig, MinerSnapshot, Now};
use miner_shared::mining::{Blob, Difficulty, Job, JobId, SeedHash, Target};
use miner_shared::time::Millis;
use miner_shared::wire::{Algo, Mode, Threads};

#[expect(clippy::disallowed_methods, reason = "the clock of these tests")]
pub(crate) fn clock() -> Now {
    let start = Instant::now();
    Arc::new(move || Millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

pub(crate) fn config(mode: Mode) -> MinerConfig {
    MinerConfig {
        threads: Threads::Count(2),
        mode,
        ..MinerConfig::default()
    }
}

pub(crate) fn job(id: &str, seed: u8, difficulty: u64) -> Job {
    Job {
        id: JobId::parse(id).expect("short"),
        blob: Blob::from_bytes(&[16; 76]).expect("of the right size"),
        target: Target::from_difficulty(Difficulty(difficulty)),
        algo: Algo::Rx0,
        height: None,
        seed: SeedHash([seed; 32]),
        next_seed: None,
        nicehash: false,
    }
}

/// Looks at the miner until it is as wanted; gives up after two minutes.
pub(crate) fn wait_until(miner: &Miner, wanted: impl Fn(&MinerSnapshot) -> bool) -> MinerSnapshot {
    for _ in 0..12_000 {
        let snapshot = miner.snapshot();
        if wanted(&snapshot) {
            return snapshot;
        }
        // Nobody unparks this thread: it only looks again a little later.
        thread::park_timeout(Duration::from_millis(10));
    }
    panic!("the miner stays {:?}", miner.snapshot());
}
