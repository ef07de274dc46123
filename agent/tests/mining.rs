//! The miner with real RandomX. Those that fill the dataset to its end are ignored:
//! `cargo test --release -p miner-agent --test mining -- --ignored --nocapture`.
#![expect(clippy::expect_used, clippy::panic, reason = "these are tests")]

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use common::{clock, config, job, wait_until};
use miner_agent::mining::topology::{Cpu, Topology};
use miner_agent::mining::{Miner, MinerConfig, Phase, WhyLight, fast_mode_mib};
use miner_engine::{Cache, DATASET_MIB, EngineError, HashEngine, MAX_WAYS, Vm};
use miner_shared::mining::{Job, Share};
use miner_shared::wire::{Memory, Mode, PageWish, Pages, Threads};

/// An engine of the test's own, to check the miner's.
fn verifier(job: &Job) -> Vm {
    let mut cache = Cache::new().expect("memory");
    cache.key(&job.seed);
    Vm::light(&Arc::new(cache)).expect("memory")
}

fn assert_right(verifier: &mut Vm, job: &Job, share: &Share) {
    let blob = job.blob.with_nonce(share.nonce);
    assert_eq!(share.hash, verifier.hash(blob.as_bytes()));
    assert!(job.target.is_met_by(&share.hash));
}

/// Shares of this job; those of an earlier one may still come before.
fn shares_of(miner: &Miner, job: &Job, count: usize) -> Vec<Share> {
    let shares = miner.shares();
    let next = || shares.recv_blocking().expect("the miner runs");
    std::iter::repeat_with(next)
        .filter(|share| share.job_id == job.id)
        .take(count)
        .collect()
}

#[test]
fn shares_are_right_and_no_nonce_comes_twice_over_jobs_and_seeds() {
    let miner = Miner::start(config(Mode::Light), clock()).expect("a thread");
    assert_eq!(miner.snapshot().phase, Phase::Idle);
    let first = job("first", 1, 3);
    let other_seed = job("other seed", 2, 3);
    let again = job("first again", 1, 2);
    let mut nonces_of_first = HashSet::new();
    for job in [&first, &other_seed, &again] {
        miner.set_job(job);
        let mut verifier = verifier(job);
        for share in shares_of(&miner, job, 4) {
            assert_right(&mut verifier, job, &share);
            if job.seed == first.seed {
                assert!(nonces_of_first.insert(share.nonce), "{}", share.nonce);
            }
        }
    }
    let snapshot = miner.snapshot();
    assert_eq!(snapshot.phase, Phase::Mining);
    assert_eq!(snapshot.memory, Some(Memory::Light));
    assert_eq!(snapshot.why_light, Some(WhyLight::Asked));
    assert_eq!(snapshot.threads, 2);
    assert!(snapshot.hashes >= 12 && snapshot.shares_found >= 12);

    miner.configure(MinerConfig {
        threads: Threads::Count(1),
        ..config(Mode::Light)
    });
    let one = wait_until(&miner, |snapshot| snapshot.threads == 1);
    wait_until(&miner, |snapshot| snapshot.hashes > one.hashes);
}

#[test]
fn without_a_job_it_rests_and_stopped_it_has_no_memory() {
    let miner = Miner::start(config(Mode::Light), clock()).expect("a thread");
    let job = job("a", 1, 1);
    miner.set_job(&job);
    shares_of(&miner, &job, 1);
    miner.clear_job();
    assert_eq!(miner.snapshot().phase, Phase::Idle);
    let stopped = {
        miner.stop();
        wait_until(&miner, |snapshot| snapshot.memory.is_none())
    };
    assert_eq!((stopped.threads, stopped.phase), (0, Phase::Idle));
    let hashes = stopped.hashes;
    assert_eq!(miner.snapshot().hashes, hashes);
    miner.set_job(&job);
    wait_until(&miner, |snapshot| snapshot.hashes > hashes);
}

#[test]
fn paused_it_hashes_nothing_and_resumed_it_goes_on_at_once_with_other_nonces() {
    let miner = Miner::start(config(Mode::Light), clock()).expect("a thread");
    let job = job("a", 1, 1);
    miner.set_job(&job);
    let mut nonces: HashSet<_> = shares_of(&miner, &job, 4).iter().map(|s| s.nonce).collect();
    let pause = |paused| {
        miner.configure(MinerConfig {
            paused,
            ..config(Mode::Light)
        });
    };
    pause(true);
    // Threads end the hash that they are at.
    let mut rests = wait_until(&miner, |snapshot| snapshot.phase == Phase::Paused);
    loop {
        let later = wait_until(&miner, |_| true);
        if later.hashes == rests.hashes {
            break;
        }
        rests = later;
    }
    assert_eq!((rests.threads, rests.memory), (2, Some(Memory::Light)));
    while let Ok(share) = miner.shares().try_recv() {
        nonces.insert(share.nonce);
    }
    pause(false);
    for share in shares_of(&miner, &job, 4) {
        assert!(nonces.insert(share.nonce), "{} again", share.nonce);
    }
}

#[test]
fn a_restart_and_other_pages_make_memory_anew() {
    let miner = Miner::start(config(Mode::Light), clock()).expect("a thread");
    let job = job("a", 1, 1);
    miner.set_job(&job);
    let before = wait_until(&miner, |snapshot| snapshot.hashes > 0).hashes;
    miner.restart();
    wait_until(&miner, |snapshot| snapshot.threads == 0);
    wait_until(&miner, |snapshot| snapshot.hashes > before + 4);
    miner.configure(MinerConfig {
        pages: PageWish::Small,
        nice: 7,
        ..config(Mode::Light)
    });
    wait_until(&miner, |snapshot| snapshot.pages == Some(Pages::Small));
}

#[test]
fn it_hashes_while_the_dataset_fills_and_ends_at_once() {
    let now = clock();
    let miner = Miner::start(config(Mode::Auto), now.clone()).expect("a thread");
    miner.set_job(&job("a", 1, 1));
    let filling = wait_until(&miner, |snapshot| {
        matches!(snapshot.phase, Phase::Filling { .. }) && snapshot.hashes > 0
    });
    assert_eq!(filling.memory, Some(Memory::Light));
    assert_eq!(filling.why_light, Some(WhyLight::Filling));
    let before = now();
    drop(miner);
    let took_ms = now().since(before);
    println!("ended in {took_ms} ms");
    // A second is promised on a machine of its own, ten times that is the ceiling of a shared one.
    assert!(took_ms < 10_000, "{took_ms} ms");
}

#[test]
fn too_little_memory_means_light_mode_or_failure_as_configured() {
    let mut config = config(Mode::Fast);
    let needed_mib = fast_mode_mib(2);
    config.memory_available_mib = Some(needed_mib - 1);
    let miner = Miner::start(config, clock()).expect("a thread");
    miner.set_job(&job("a", 1, 1));
    wait_until(&miner, |snapshot| {
        snapshot.phase == Phase::Failed(EngineError::NoDatasetMemory)
    });
    config.mode = Mode::Auto;
    miner.configure(config);
    let light = wait_until(&miner, |snapshot| snapshot.phase == Phase::Mining);
    assert_eq!(
        light.why_light,
        Some(WhyLight::TooLittleMemory {
            needed_mib,
            available_mib: needed_mib - 1
        })
    );
    let scratchpads = 2 * u32::try_from(MAX_WAYS).expect("few");
    assert_eq!(needed_mib, 2080 + 256 + 64 + 2 * (scratchpads + 1));
}

#[test]
#[ignore = "fills 2,080 MiB three times: minutes on two cores"]
fn it_goes_from_light_to_fast_and_follows_the_seed() {
    let now = clock();
    let miner = Miner::start(config(Mode::Auto), now.clone()).expect("a thread");
    let (first, second) = (job("first", 1, 20), job("second", 2, 20));
    for job in [&first, &second, &first] {
        let asked = now();
        miner.set_job(job);
        let mut verifier = verifier(job);
        let light = &shares_of(&miner, job, 1)[0];
        println!("first share after {} ms", now().since(asked));
        assert_right(&mut verifier, job, light);
        let fast = wait_until(&miner, |snapshot| snapshot.memory == Some(Memory::Fast));
        println!("fast after {} ms: {fast:?}", now().since(asked));
        assert_eq!((fast.phase, fast.why_light), (Phase::Mining, None));
        let (hashes, start) = (fast.hashes, now());
        for share in shares_of(&miner, job, 100) {
            assert_right(&mut verifier, job, &share);
        }
        let done = miner.snapshot().hashes - hashes;
        let rate = done * 1000 / now().since(start).max(1);
        println!("{rate} H/s beside a verifier");
    }
}

/// Two processors as Linux would describe them, each on a NUMA node of its own.
fn two_nodes() -> Topology {
    let cpu = |number| Cpu {
        number,
        core: number,
        l3: None,
        node: Some(number),
    };
    Topology {
        cpus: [0, 1].map(cpu).into(),
        granted: 2,
    }
}

#[test]
#[ignore = "fills 4,160 MiB twice and 2,080 once: minutes on two cores"]
fn threads_on_two_nodes_have_a_dataset_each_if_there_is_memory_for_both() {
    let mut config = config(Mode::Fast);
    config.memory_available_mib = Some(fast_mode_mib(2) + DATASET_MIB);
    let miner = Miner::start_on(two_nodes(), config, clock()).expect("a thread");
    for job in [job("first", 1, 20), job("second", 2, 20)] {
        miner.set_job(&job);
        wait_until(&miner, |snapshot| snapshot.memory == Some(Memory::Light));
        let fast = wait_until(&miner, |snapshot| snapshot.memory == Some(Memory::Fast));
        assert_eq!((fast.datasets, fast.nodes), (2, 2));
        let (mut verifier, mut threads) = (verifier(&job), HashSet::new());
        while threads.len() < 2 {
            for share in shares_of(&miner, &job, 10) {
                assert_right(&mut verifier, &job, &share);
                threads.insert(share.thread);
            }
        }
    }
    // Another plan on the same nodes lets the datasets be.
    let mut fewer = config;
    fewer.threads = Threads::Count(1);
    miner.configure(fewer);
    let one = wait_until(&miner, |snapshot| snapshot.threads == 1);
    assert_eq!(
        (one.memory, one.datasets, one.nodes),
        (Some(Memory::Fast), 2, 1)
    );

    let mut little = config;
    little.memory_available_mib = Some(fast_mode_mib(2) + DATASET_MIB - 1);
    miner.configure(little);
    miner.restart();
    let shared = wait_until(&miner, |snapshot| snapshot.datasets == 1);
    assert_eq!((shared.memory, shared.nodes), (Some(Memory::Fast), 2));
}
