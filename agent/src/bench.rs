//! The benchmark: N hashes of a known input whose sum proves the engine right.
//!
//! Input and sums are those of XMRig's `--bench` (docs/SPECIFICATION.md): 112 zero bytes, key of 32
//! zero bytes, nonces 0 to N-1 at offset 39; the sum is the XOR over `u64_LE(hash[24..32])`. With
//! two threads or more the order does not matter. With one thread each input depends on earlier
//! hashes, so that nobody can compute it side by side. In rx/2 commitments stand for hashes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use miner_engine::{
    Algorithm, Backing, Cache, Dataset, EngineError, Hash, HashEngine, Prefetch, Progress, Vm,
    commitment,
};
use miner_shared::mining::{NONCE_OFFSET, SeedHash};
use miner_shared::wire::{Memory, PageWish, Pages, Threads};

use crate::mining::datasets::{PerNode, available_mib, is_affordable};
use crate::mining::topology::{Node, Topology};
use crate::mining::tuned::{self, Tuned};
use crate::mining::{Left, Now, settle};

/// Whose hashes to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// Our own.
    #[default]
    Native,
    /// The reference implementation, in builds with the feature `reference`.
    #[cfg(feature = "reference")]
    Reference,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchConfig {
    /// Number of hashes; [`expected_sum`] knows the sums of 10,000, 20,000, 250,000, 500,000,
    /// 1,000,000 and 10,000,000.
    pub hashes: u32,
    /// Hash threads, 1 to [`miner_shared::limits::MAX_THREADS`]; `None` as the miner would choose.
    pub threads: Option<u16>,
    /// Inputs in flight per thread, 1 to [`miner_engine::MAX_WAYS`]; `None` as the miner would choose.
    pub ways: Option<usize>,
    /// How memory is asked for ahead; `None` as the miner would choose.
    pub prefetch: Option<Prefetch>,
    /// What the miner's choices go by, if it was tuned.
    pub tuned: Option<Tuned>,
    /// Light or fast.
    pub memory: Memory,
    /// Whose.
    pub engine: Engine,
    /// Of which algorithm; the reference has rx/0 alone, whatever is asked for.
    pub algorithm: Algorithm,
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
    /// Inputs in flight per thread.
    pub ways: usize,
    /// How memory is asked for ahead.
    pub prefetch: Prefetch,
    /// Memory used.
    pub memory: Memory,
    /// Pages that the memory got; `None` where the system does not say.
    pub pages: Option<Pages>,
    /// Part of that memory in huge pages, in percent; `None` where the system does not say.
    pub huge_percent: Option<u8>,
    /// Datasets, in fast mode: one for each NUMA node that threads are on, or one for all.
    pub datasets: usize,
    /// What the engine uses of the machine, for people: `jit=on aes=hard`.
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

/// Runs a benchmark; `progress` is called on this thread a few times per second.
///
/// # Errors
/// Memory or threads that the system does not give.
pub fn run(
    config: BenchConfig,
    now: &Now,
    progress: &mut dyn FnMut(BenchProgress),
) -> Result<BenchReport, EngineError> {
    let topology = Topology::read();
    let by_itself = config.tuned.map_or(Threads::Auto, Tuned::threads);
    let plan = topology.plan(config.threads.map_or(by_itself, Threads::Count));
    let tuned_ways = || tuned::ways(config.tuned, &topology, &plan);
    let ways = config.ways.unwrap_or_else(tuned_ways);
    let usual = tuned::prefetch(config.tuned);
    let prefetch = config.prefetch.unwrap_or(usual);
    let started = now();
    let prepare = match config.engine {
        Engine::Native => native,
        #[cfg(feature = "reference")]
        Engine::Reference => reference,
    };
    let readers = match config.memory {
        Memory::Light => None,
        Memory::Fast => Some(Readers::of(&topology, &plan)),
    };
    let prepared = prepare(config.algorithm, readers, now, progress)?;
    let backing = prepared.backing;
    let init_ms = now().since(started);

    let started = now();
    let mut machines = Vec::with_capacity(plan.len());
    for cpu in &plan {
        machines.push(there(*cpu, || (prepared.machine)(*cpu, ways, prefetch))?);
    }
    let ways = machines.first().map_or(1, HashEngine::ways);
    let sum = hash_all(config.hashes, &mut machines, &plan, now, progress)?;
    let hashing_ms = now().since(started);
    Ok(BenchReport {
        hashes: config.hashes,
        threads: u16::try_from(plan.len()).unwrap_or(u16::MAX),
        ways,
        prefetch,
        memory: config.memory,
        pages: backing.map(|backing| backing.pages),
        huge_percent: backing.map(|backing| backing.huge_percent),
        datasets: prepared.datasets,
        features: prepared.features,
        init_ms,
        hashing_ms,
        rate: rate(config.hashes, hashing_ms),
        sum,
        verdict: match expected_sum(config.algorithm, config.hashes, plan.len() * ways == 1) {
            Some(expected) if expected == sum => BenchVerdict::Right,
            Some(expected) => BenchVerdict::Wrong(expected),
            None => BenchVerdict::Unknown,
        },
    })
}

/// The known sum of so many hashes, by one thread or by more.
pub const fn expected_sum(algorithm: Algorithm, hashes: u32, one_thread: bool) -> Option<u64> {
    match algorithm {
        Algorithm::Rx0 => expected_of_rx_0(hashes, one_thread),
        Algorithm::Rx2 if one_thread => None,
        Algorithm::Rx2 => expected_of_rx_2(hashes),
        Algorithm::Wow => expected_of_rx_wow(hashes, one_thread),
        Algorithm::Arq | Algorithm::Graft | Algorithm::Sfx | Algorithm::Yada => None,
    }
}

const fn expected_of_rx_wow(hashes: u32, one_thread: bool) -> Option<u64> {
    let (many, one) = match hashes {
        10_000 => (0x6B09_1875_7100_B338, 0x9EC1_B9B8_C8C7_F082),
        20_000 => (0x0B55_785C_1837_F41B, 0xF1DA_44FA_2A20_D730),
        250_000 => (0xC7F7_12C9_603E_2603, 0x7B40_9F09_6C86_3207),
        500_000 => (0x21A0_E5AA_E6DA_7D8D, 0x70B7_B80D_1565_4216),
        1_000_000 => (0x0F3E_5400_B39E_A96A, 0x3130_1CC5_5030_6A59),
        10_000_000 => (0x0F9E_00C5_A511_C200, 0xC403_F220_189E_8430),
        _ => return None,
    };
    Some(if one_thread { one } else { many })
}

const fn expected_of_rx_2(hashes: u32) -> Option<u64> {
    Some(match hashes {
        10_000 => 0x57D2_051D_0996_13A4,
        20_000 => 0x0BAE_0155_CC79_7F01,
        250_000 => 0x18CF_741A_7148_4072,
        500_000 => 0xCD8C_3E6E_C31B_2FAE,
        1_000_000 => 0x88D6_B8FB_70CD_479D,
        10_000_000 => 0x7EFB_DDFF_3F30_FB74,
        _ => return None,
    })
}

const fn expected_of_rx_0(hashes: u32, one_thread: bool) -> Option<u64> {
    let (many, one) = match hashes {
        10_000 => (0x4A59_7463_865A_CF0E, 0xADFC_3A66_F79B_FE7F),
        20_000 => (0xC82B_490C_757D_A738, 0x8ED5_78A6_0D55_C0DB),
        250_000 => (0x7D60_5475_7BB0_8A63, 0x90A1_5B79_9486_F3EB),
        500_000 => (0x9660_7546_DE1F_5ECC, 0xAA83_118F_EE57_0F9A),
        1_000_000 => (0x898B_6E04_31C2_8A6B, 0x3DF4_7B0A_427C_93D9),
        10_000_000 => (0xB523_1262_E279_2B26, 0x95E6_BAE6_8DD7_79CD),
        _ => return None,
    };
    Some(if one_thread { one } else { many })
}

/// Between two calls of the progress function.
const TICK: Duration = Duration::from_millis(250);

/// Memory that is ready, whoever's it is.
struct Prepared {
    backing: Option<Backing>,
    datasets: usize,
    features: String,
    /// Makes a machine on it for a thread on this processor, with so many inputs in flight if it can.
    machine: Box<dyn Fn(Option<u16>, usize, Prefetch) -> Made + Sync>,
}

type Made = Result<Box<dyn HashEngine>, EngineError>;

/// Makes the memory of an engine ready, in fast mode for these threads; both engines have types of
/// the same names and shapes, but for what is named.
macro_rules! prepare_with {
    (
        $name:ident of $engine:path,
        cache: $cache:expr,
        datasets: $datasets:expr,
        share: $share:expr,
        near: $near:expr,
        machine: $machine:expr $(,)?
    ) => {
        fn $name(
            algorithm: Algorithm,
            readers: Option<Readers>,
            now: &Now,
            progress: &mut dyn FnMut(BenchProgress),
        ) -> Result<Prepared, EngineError> {
            use $engine as engine;
            let features = engine::Features::detect().to_string();
            // The larger memory first: reserved pages may not suffice for both.
            let datasets = readers.map($datasets).transpose()?;
            progress(BenchProgress::Preparing {
                percent: 0,
                left_ms: None,
            });
            let mut cache = $cache(engine::Cache::new()?, algorithm);
            cache.key(&SeedHash([0; 32]));
            let Some(mut datasets) = datasets else {
                let cache = Arc::new(cache);
                return Ok(Prepared {
                    backing: cache.backing(),
                    datasets: 0,
                    features,
                    machine: Box::new(move |_, ways, prefetch| {
                        $machine(engine::Vm::light(&cache)?, algorithm, ways, prefetch)
                    }),
                });
            };
            fill(
                |threads, filled| datasets.fill(&cache, threads, filled),
                now,
                &mut |left| {
                    progress(BenchProgress::Preparing {
                        percent: left.percent,
                        left_ms: left.ms,
                    });
                },
            )?;
            let (datasets, count) = $share(datasets);
            Ok(Prepared {
                backing: datasets.backing(),
                datasets: count,
                features,
                machine: Box::new(move |cpu, ways, prefetch| {
                    let vm = engine::Vm::fast($near(&datasets, cpu))?;
                    $machine(vm, algorithm, ways, prefetch)
                }),
            })
        }
    };
}

prepare_with!(
    native of miner_engine,
    cache: Cache::hashing,
    datasets: datasets,
    share: |datasets: PerNode<_>| {
        let count = datasets.count();
        (datasets.share(), count)
    },
    near: PerNode::near,
    machine: machine,
);
#[cfg(feature = "reference")]
prepare_with!(
    reference of miner_engine::reference,
    cache: |cache, _| cache,
    datasets: |_| miner_engine::reference::Dataset::new(),
    share: |dataset| (Arc::new(dataset), 1),
    near: |dataset, _| dataset,
    machine: |vm, _, _, _| Ok(Box::new(vm)),
);

/// Threads that read datasets, and the NUMA nodes that they stay on.
pub(crate) struct Readers {
    threads: u16,
    nodes: Vec<Node>,
}

impl Readers {
    pub(crate) fn of(topology: &Topology, plan: &[Option<u16>]) -> Self {
        Self {
            threads: u16::try_from(plan.len()).unwrap_or(u16::MAX),
            nodes: topology.nodes(plan),
        }
    }
}

/// The datasets that the miner would have for them, not filled yet.
pub(crate) fn datasets(
    Readers { threads, nodes }: Readers,
) -> Result<PerNode<Dataset>, EngineError> {
    let each = is_affordable(nodes.len(), threads, available_mib(PageWish::Auto));
    PerNode::new(&nodes, each, PageWish::Auto)
}

/// Makes something on a processor, so that memory that it takes lies there.
fn there<T: Send>(
    cpu: Option<u16>,
    make: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<T, EngineError> {
    thread::scope(|scope| {
        let maker = thread::Builder::new().spawn_scoped(scope, || {
            settle(cpu, 0);
            make()
        });
        let made = maker.map_err(|_| EngineError::NoThread)?.join();
        made.unwrap_or(Err(EngineError::NoThread))
    })
}

fn machine(vm: Vm, algorithm: Algorithm, ways: usize, prefetch: Prefetch) -> Made {
    let engine = vm.with_ways(ways)?.prefetching(prefetch);
    Ok(if algorithm == Algorithm::Rx2 {
        Box::new(Committing {
            inputs: vec![[0; 112]; engine.ways()].into(),
            engine,
        })
    } else {
        Box::new(engine)
    })
}

/// Gives commitments for hashes, which takes the inputs as well.
struct Committing {
    engine: Vm,
    /// In flight, the oldest first.
    inputs: VecDeque<Input>,
}

impl Committing {
    /// Puts an input behind the others; returns the oldest.
    fn turn(&mut self, input: &[u8]) -> Input {
        self.inputs.push_back(input.try_into().unwrap_or([0; 112]));
        self.inputs.pop_front().unwrap_or([0; 112])
    }
}

impl HashEngine for Committing {
    fn ways(&self) -> usize {
        self.inputs.len()
    }

    fn first(&mut self, input: &[u8]) {
        self.engine.first(input);
        self.turn(input);
    }

    fn next(&mut self, input: &[u8], hash: &mut Hash) {
        self.engine.next(input, hash);
        *hash = commitment(&self.turn(input), hash);
    }

    fn last(&mut self, hash: &mut Hash) {
        self.engine.last(hash);
        *hash = commitment(&self.turn(&[]), hash);
    }
}

/// Fills a dataset on all cores.
pub(crate) fn fill(
    fill: impl FnOnce(u16, &Progress) -> Result<(), EngineError> + Send,
    now: &Now,
    progress: &mut dyn FnMut(Left),
) -> Result<(), EngineError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = u16::try_from(cores).unwrap_or(u16::MAX);
    let (filled, started) = (Progress::new(), now());
    while_it_runs(
        || fill(cores, &filled),
        || {
            progress(Left::of(
                filled.done(),
                filled.total(),
                now().since(started),
            ));
        },
    )
}

fn hash_all(
    total: u32,
    machines: &mut [Box<dyn HashEngine>],
    plan: &[Option<u16>],
    now: &Now,
    progress: &mut dyn FnMut(BenchProgress),
) -> Result<u64, EngineError> {
    let (started, done) = (now(), AtomicU32::new(0));
    while_it_runs(
        || match machines {
            [machine] if machine.ways() == 1 => {
                settle(plan.first().copied().flatten(), 0);
                Ok(chained_sum(machine, total, &done))
            }
            machines => shared_sum(machines, plan, total, &done),
        },
        || {
            let (done, elapsed) = (done.load(Relaxed), now().since(started));
            progress(BenchProgress::Hashing {
                done,
                total,
                rate: rate(done, elapsed),
                left_ms: Left::of(done.into(), total.into(), elapsed).ms,
            });
        },
    )
}

/// Runs `work` on a thread of its own and `watch` on this one until the work is done, then once
/// more.
fn while_it_runs<T: Send>(
    work: impl FnOnce() -> Result<T, EngineError> + Send,
    mut watch: impl FnMut(),
) -> Result<T, EngineError> {
    thread::scope(|scope| {
        let (sender, result) = mpsc::channel();
        let worker = thread::Builder::new().name("rx-bench".into());
        worker
            .spawn_scoped(scope, move || {
                // The receiver lives as long as this scope.
                let _ = sender.send(work());
            })
            .map_err(|_| EngineError::NoThread)?;
        loop {
            let result = result.recv_timeout(TICK);
            watch();
            match result {
                Ok(result) => return result,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(EngineError::NoThread),
            }
        }
    })
}

/// The sum of one thread. Input j carries, in its first 8 bytes, the XOR over all i < j of the sum of
/// the first i hashes. That hash j-1 is still in flight when input j is made is part of the rule.
fn chained_sum<E: HashEngine>(engine: &mut E, total: u32, done: &AtomicU32) -> u64 {
    let (mut sum, mut carried) = (0, 0);
    let mut hash = [0; 32];
    let mut nonces = 0..total;
    let Some(nonce) = nonces.next() else {
        return 0;
    };
    engine.first(&input(carried, nonce));
    for nonce in nonces {
        carried ^= sum;
        engine.next(&input(carried, nonce), &mut hash);
        sum ^= word(&hash);
        done.fetch_add(1, Relaxed);
    }
    engine.last(&mut hash);
    done.fetch_add(1, Relaxed);
    sum ^ word(&hash)
}

/// The sum of several threads, which does not depend on who hashes what.
fn shared_sum<E: HashEngine>(
    engines: &mut [E],
    plan: &[Option<u16>],
    total: u32,
    done: &AtomicU32,
) -> Result<u64, EngineError> {
    let (next, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for (engine, cpu) in engines.iter_mut().zip(plan) {
            let (next, sum) = (&next, &sum);
            let body = move || {
                settle(*cpu, 0);
                sum.fetch_xor(part_of_sum(engine, next, total, done), Relaxed);
            };
            let thread = thread::Builder::new();
            if thread.spawn_scoped(scope, body).is_err() {
                return Err(EngineError::NoThread);
            }
        }
        Ok(())
    })?;
    Ok(sum.into_inner())
}

fn part_of_sum<E: HashEngine>(
    engine: &mut E,
    next: &AtomicU64,
    total: u32,
    done: &AtomicU32,
) -> u64 {
    // Goes beyond the total by one per thread, so it is wider than a nonce: it must not come round.
    let take = || {
        let nonce = u32::try_from(next.fetch_add(1, Relaxed)).ok();
        nonce.filter(|nonce| *nonce < total)
    };
    let mut sum = 0;
    let mut hash = [0; 32];
    // Whether each input in flight is one of ours, the oldest first.
    let mut in_flight = VecDeque::from(vec![false; engine.ways()]);
    while let Some(nonce) = take() {
        engine.next(&input(0, nonce), &mut hash);
        in_flight.push_back(true);
        if in_flight.pop_front() == Some(true) {
            sum ^= word(&hash);
            done.fetch_add(1, Relaxed);
        }
    }
    for is_ours in in_flight {
        engine.last(&mut hash);
        if is_ours {
            sum ^= word(&hash);
            done.fetch_add(1, Relaxed);
        }
    }
    sum
}

/// What is hashed.
pub(crate) type Input = [u8; 112];

/// What is carried at 0, the nonce at 39, zeros.
pub(crate) fn input(carried: u64, nonce: u32) -> Input {
    let mut input = [0; 112];
    let fields = [
        (0, &carried.to_le_bytes()[..]),
        (NONCE_OFFSET, &nonce.to_le_bytes()[..]),
    ];
    for (at, bytes) in fields {
        for (to, from) in input.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    }
    input
}

/// What of a hash goes into the sum: the part that targets are compared with.
fn word(hash: &Hash) -> u64 {
    hash.last_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// In thousandths of a hash per second.
fn rate(hashes: u32, elapsed_ms: u64) -> Option<u64> {
    (u64::from(hashes) * 1_000_000).checked_div(elapsed_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its hash is made of what was carried and the nonce, in the part that counts.
    #[derive(Default)]
    struct Mixer(u64);

    impl Mixer {
        fn mix(carried: u64, nonce: u32) -> u64 {
            (carried.rotate_left(7) ^ u64::from(nonce + 1)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        }
    }

    impl HashEngine for Mixer {
        fn first(&mut self, input: &[u8]) {
            assert_eq!(input.len(), 112);
            let carried = u64::from_le_bytes(*input.first_chunk().expect("8 bytes"));
            let nonce = u32::from_le_bytes(input[39..43].try_into().expect("4 bytes"));
            self.0 = Self::mix(carried, nonce);
        }

        fn next(&mut self, input: &[u8], hash: &mut Hash) {
            self.last(hash);
            self.first(input);
        }

        fn last(&mut self, hash: &mut Hash) {
            hash[24..].copy_from_slice(&self.0.to_le_bytes());
        }
    }

    #[test]
    fn one_thread_chains_as_the_definition_says() {
        let total = 50;
        let mut words: Vec<u64> = Vec::new();
        for nonce in 0..total {
            // XOR over i < nonce of (XOR over k < i of word k).
            let sum_before = |i: usize| words[..i].iter().fold(0, |sum, word| sum ^ word);
            let carried = (0..words.len()).fold(0, |carried, i| carried ^ sum_before(i));
            words.push(Mixer::mix(carried, nonce));
        }
        let expected = words.iter().fold(0, |sum, word| sum ^ word);
        let done = AtomicU32::new(0);
        assert_eq!(chained_sum(&mut Mixer::default(), total, &done), expected);
        assert_eq!(done.into_inner(), total);
    }

    #[test]
    fn several_threads_hash_each_nonce_once() {
        let expected = (0..1000).fold(0, |sum, nonce| sum ^ Mixer::mix(0, nonce));
        let mut engines: Vec<_> = (0..4).map(|_| Mixer::default()).collect();
        let done = AtomicU32::new(0);
        let sum = shared_sum(&mut engines, &[None; 4], 1000, &done);
        assert_eq!(sum, Ok(expected));
        assert_eq!(done.into_inner(), 1000);
    }

    #[test]
    fn the_largest_number_of_hashes_has_an_end() {
        let next = AtomicU64::new(u64::from(u32::MAX) - 2);
        let done = AtomicU32::new(0);
        for _ in 0..3 {
            part_of_sum(&mut Mixer::default(), &next, u32::MAX, &done);
        }
        assert_eq!(done.into_inner(), 2, "the last two, once");
    }

    #[test]
    fn rate_is_in_thousandths_and_unknown_without_time() {
        assert_eq!(rate(10_000, 20_000), Some(500_000));
        assert_eq!(rate(1, 0), None);
    }
}
