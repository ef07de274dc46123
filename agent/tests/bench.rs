//! The benchmark's known sums. Those that take minutes are ignored:
//! `cargo test --release -p miner-agent --test bench -- --ignored --nocapture --test-threads 1`.
#![expect(clippy::expect_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Instant;

use miner_agent::bench::{BenchConfig, BenchProgress, BenchReport, BenchVerdict, Engine, run};
use miner_agent::mining::Now;
use miner_engine::Algorithm;
use miner_shared::time::Millis;
use miner_shared::wire::Memory;

#[expect(clippy::disallowed_methods, reason = "the clock of these tests")]
fn clock() -> Now {
    let start = Instant::now();
    Arc::new(move || Millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)))
}

fn bench(hashes: u32, threads: u16, memory: Memory) -> BenchReport {
    bench_of(Algorithm::Rx0, hashes, threads, None, memory)
}

/// By one thread with one input in flight, each depending on earlier hashes.
fn chained(hashes: u32, memory: Memory) -> BenchReport {
    bench_of(Algorithm::Rx0, hashes, 1, Some(1), memory)
}

fn bench_of(
    algorithm: Algorithm,
    hashes: u32,
    threads: u16,
    ways: Option<usize>,
    memory: Memory,
) -> BenchReport {
    let config = BenchConfig {
        hashes,
        threads: Some(threads),
        ways,
        prefetch: None,
        tuned: None,
        memory,
        engine: Engine::Native,
        algorithm,
    };
    let mut last = None;
    let report = run(config, &clock(), &mut |progress| last = Some(progress)).expect("memory");
    println!("{report:#?} sum {:016X}", report.sum);
    assert!(
        matches!(last, Some(BenchProgress::Hashing { done, total, .. }) if (done, total) == (hashes, hashes)),
        "{last:?}"
    );
    report
}

/// Frozen from an engine whose sums of 10,000 hashes were the known ones.
#[test]
fn the_sum_of_several_threads_does_not_depend_on_their_number() {
    let two = bench(60, 2, Memory::Light);
    assert_eq!(two.sum, 0x1C02_52A1_3091_A690);
    assert_eq!(two.verdict, BenchVerdict::Unknown);
    assert_eq!(bench(60, 3, Memory::Light).sum, two.sum);
    assert_eq!(chained(60, Memory::Light).sum, 0x8820_D030_C832_B318);
}

#[test]
fn one_hash_is_one_hash_for_any_number_of_threads() {
    assert_eq!(
        bench(1, 1, Memory::Light).sum,
        bench(1, 4, Memory::Light).sum
    );
    assert_eq!(bench(0, 2, Memory::Light).sum, 0);
}

#[test]
#[ignore = "10,000 hashes in light mode: minutes"]
fn known_sums_in_light_mode() {
    assert_eq!(bench(10_000, 2, Memory::Light).verdict, BenchVerdict::Right);
    assert_eq!(chained(10_000, Memory::Light).verdict, BenchVerdict::Right);
}

/// A stage of CI by itself.
#[test]
#[ignore = "fills 2,080 MiB twice and makes 20,000 hashes: two minutes on two cores"]
fn known_sums_of_two_threads_in_fast_mode() {
    for (algorithm, sum) in [
        (Algorithm::Rx0, 0x4A59_7463_865A_CF0E),
        (Algorithm::Rx2, 0x57D2_051D_0996_13A4),
    ] {
        let report = bench_of(algorithm, 10_000, 2, None, Memory::Fast);
        assert_eq!((report.sum, report.verdict), (sum, BenchVerdict::Right));
    }
}

#[test]
#[ignore = "fills 2,080 MiB and makes 10,000 hashes: a minute on two cores"]
fn known_sum_of_one_thread_in_fast_mode() {
    let report = chained(10_000, Memory::Fast);
    assert_eq!(report.sum, 0xADFC_3A66_F79B_FE7F);
    assert_eq!(report.verdict, BenchVerdict::Right);
}
