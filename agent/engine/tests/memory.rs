//! Memory that the system does not give is an error, and fillings can be cancelled. The tests that
//! starve a process run it as a child of their own: an address-space limit cannot be taken back.
#![expect(clippy::expect_used, reason = "these are tests")]

use std::env;
use std::process::Command;
use std::sync::Arc;

use miner_engine::{Cache, Dataset, EngineError, HashEngine, Progress, Vm};
use rustix::process::{Resource, Rlimit, setrlimit};

const CHILD: &str = "MINER_ENGINE_STARVED_CHILD";

/// Runs the named test of this file once more, as a child that may starve; true in that child.
fn am_i_the_child(test: &str) -> bool {
    if env::var_os(CHILD).is_some() {
        return true;
    }
    let status = Command::new(env::current_exe().expect("a path"))
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .status()
        .expect("runs");
    assert!(status.success(), "the starved child: {status}");
    false
}

/// Leaves this process only so much more address space than it has now.
fn leave_mib(mib: u64) {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: u64 = statm
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("number");
    let limit = Rlimit {
        current: Some(pages * 4096 + (mib << 20)),
        maximum: None,
    };
    setrlimit(Resource::As, limit).expect("allowed");
}

#[test]
fn no_memory_for_cache_or_dataset_is_an_error() {
    if am_i_the_child("no_memory_for_cache_or_dataset_is_an_error") {
        leave_mib(128);
        assert_eq!(Cache::new().err(), Some(EngineError::NoCacheMemory));
        assert_eq!(Dataset::new().err(), Some(EngineError::NoDatasetMemory));
    }
}

#[test]
fn no_memory_for_a_machine_is_an_error_and_the_others_go_on() {
    if am_i_the_child("no_memory_for_a_machine_is_an_error_and_the_others_go_on") {
        let mut cache = Cache::new().expect("memory");
        cache.key_bytes(b"test key 000");
        let cache = Arc::new(cache);
        leave_mib(24);
        let mut machines = Vec::with_capacity(64);
        let error = loop {
            match Vm::light(&cache) {
                Ok(vm) => machines.push(vm),
                Err(error) => break error,
            }
            assert!(machines.len() < 64, "the limit does not hold");
        };
        assert_eq!(error, EngineError::NoVmMemory);
        let first = machines.first_mut().expect("some fit");
        assert_eq!(first.hash(b"This is a test")[..3], [0x63, 0x91, 0x83]);
    }
}

#[test]
fn a_cancelled_filling_leaves_a_dataset_that_makes_no_machine() {
    let mut cache = Cache::new().expect("memory");
    cache.key_bytes(b"cancel");
    let mut dataset = Dataset::new().expect("address space");
    let progress = Progress::new();
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| dataset.fill(&cache, 2, &progress));
        while progress.done() == 0 {
            std::thread::yield_now();
        }
        progress.cancel();
        let result = filling.join().expect("no panic");
        assert_eq!(result, Err(EngineError::Cancelled));
    });
    assert!(progress.done() < progress.total());
    assert_eq!(dataset.backing(), None);
    let machine = Vm::fast(&Arc::new(dataset));
    assert_eq!(machine.err(), Some(EngineError::NotFilled));
}

#[test]
fn a_cache_without_a_key_fills_nothing() {
    let cache = Cache::new().expect("memory");
    let mut dataset = Dataset::new().expect("address space");
    let progress = Progress::new();
    let result = dataset.fill(&cache, 1, &progress);
    assert_eq!((result, progress.done()), (Err(EngineError::NotKeyed), 0));
}

#[test]
#[ignore = "fills 2,080 MiB: half a minute on two cores"]
fn light_and_fast_give_the_same_hashes_before_and_after_a_new_key() {
    let mut cache = Arc::new(Cache::new().expect("memory"));
    let mut dataset = Arc::new(Dataset::new().expect("memory"));
    let threads = std::thread::available_parallelism().expect("known").get();
    let threads = u16::try_from(threads).expect("few");
    for key in [&b"test key 000"[..], b"test key 001"] {
        let cache_mut = Arc::get_mut(&mut cache).expect("no machine is left");
        cache_mut.key_bytes(key);
        let dataset_mut = Arc::get_mut(&mut dataset).expect("no machine is left");
        let filled = dataset_mut.fill(&cache, threads, &Progress::new());
        assert_eq!(filled, Ok(()));
        println!(
            "cache {:?}, dataset {:?}",
            cache.backing(),
            dataset.backing()
        );
        let mut light = Vm::light(&cache).expect("memory");
        let mut fast = Vm::fast(&dataset).expect("memory");
        for input in 0..100_u32 {
            let input = input.to_le_bytes();
            assert_eq!(light.hash(&input), fast.hash(&input));
        }
    }
}
