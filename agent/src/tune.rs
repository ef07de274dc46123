//! Which way to hash is the fastest on this machine: measured, not guessed.
//!
//! ```text
//!   threads x inputs in flight, with the usual prefetch ──▶ the best of them ──▶ kinds of prefetch ──▶ pick
//! ```
//!
//! All choices of a stage are measured in turns, in rounds, forth and back, so that what else happens on
//! the machine hits all alike. A choice takes the place of the usual one only if it was faster by the
//! median of the rounds' ratios, and in nearly all rounds: what lies within the noise changes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use miner_engine::{
    Backing, Cache, Dataset, EngineError, Hash, HashEngine, MAX_WAYS, Prefetch, Progress, Vm,
};
use miner_shared::mining::SeedHash;
use miner_shared::wire::Threads;

use crate::bench::{Readers, datasets, fill, input};
use crate::mining::datasets::PerNode;
use crate::mining::topology::Topology;
use crate::mining::tuned::Tuned;
use crate::mining::{Left, Now, settle};

/// Rounds in which all choices of a stage are measured.
pub const ROUNDS: usize = 9;

/// Rounds that a choice must have won to be picked: one that is no faster does so once in fifty times.
const WON: usize = ROUNDS - 1;

/// Least gain of a choice that is picked, in thousandths of the usual one's rate.
const GAIN: u64 = 10;

/// A way to hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As it is kept.
    pub tuned: Tuned,
    /// Where its threads go.
    plan: Vec<Option<u16>>,
}

impl Choice {
    fn new(topology: &Topology, threads: Threads, ways: usize, prefetch: Prefetch) -> Self {
        Self {
            tuned: Tuned {
                threads: match threads {
                    Threads::Count(count) => Some(count),
                    Threads::Auto | Threads::Percent(_) => None,
                },
                ways,
                prefetch,
            },
            plan: topology.plan(threads),
        }
    }

    /// Number of hash threads.
    pub fn threads(&self) -> usize {
        self.plan.len()
    }
}

/// What was measured of a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Which.
    pub choice: Choice,
    /// Median of the rounds' hash rates, in thousandths of a hash per second.
    pub rate: u64,
    /// Median of the rounds' ratios to the first choice of the stage, in thousandths.
    pub ratio: u64,
    /// Rounds in which it was faster than that one.
    pub won: usize,
    /// Between the rounds' lowest and highest hash rate, in thousandths of the median: what else the machine
    /// did meanwhile.
    pub spread: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TuneReport {
    /// By stage, and the first of each is what the others are compared with. The first of all is what the
    /// miner does by itself.
    pub stages: Vec<Vec<Measured>>,
    /// The pick.
    pub picked: Choice,
    /// Pages of the memory; `None` where the system does not say.
    pub backing: Option<Backing>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TuneProgress {
    /// Memory is being made ready: percent, and time left if it can be told.
    Preparing(u8, Option<u64>),
    /// Measuring: percent, and time left if it can be told.
    Measuring(u8, Option<u64>),
}

/// Why there is no pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TuneError {
    /// Memory or threads that the system does not give.
    Engine(EngineError),
    /// This choice hashes otherwise than the usual one.
    WrongHash(Tuned),
}

impl From<EngineError> for TuneError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Measures each choice for so many milliseconds in all; `progress` is called on this thread a few times
/// per second.
///
/// # Errors
/// [`TuneError`].
pub fn run(
    choice_ms: u64,
    now: &Now,
    progress: &mut dyn FnMut(TuneProgress),
) -> Result<TuneReport, TuneError> {
    let topology = Topology::read();
    let crowds = crowds(&topology);
    let datasets = prepare(&topology, &crowds, now, progress)?;
    let prefetches = Prefetch::ALL;
    let bench = Bench {
        datasets: &datasets,
        now,
        slice: Duration::from_millis(choice_ms / ROUNDS as u64),
    };
    let slices = ROUNDS * (crowds.len() + prefetches.len());
    let mut done = 0;
    let mut step = || {
        let percent = Left::of(done, slices as u64, 0).percent;
        let left = (slices as u64).saturating_sub(done);
        let left_ms = choice_ms / ROUNDS as u64 * left;
        progress(TuneProgress::Measuring(percent, Some(left_ms)));
        done += 1;
    };
    let first = bench.stage(crowds, &mut step)?;
    let best = pick(&first).clone();
    let kinds = prefetches.iter().map(|prefetch| {
        let mut choice = best.clone();
        choice.tuned.prefetch = *prefetch;
        choice
    });
    let second = bench.stage(kinds.collect(), &mut step)?;
    Ok(TuneReport {
        picked: pick(&second).clone(),
        stages: vec![first, second],
        backing: datasets.backing(),
    })
}

/// The datasets of any key, for all choices.
fn prepare(
    topology: &Topology,
    choices: &[Choice],
    now: &Now,
    progress: &mut dyn FnMut(TuneProgress),
) -> Result<PerNode<Arc<Dataset>>, EngineError> {
    progress(TuneProgress::Preparing(0, None));
    // The larger memory first: reserved pages may not suffice for both.
    let plans = choices.iter().map(|choice| &choice.plan);
    let most = plans.max_by_key(|plan| plan.len());
    let mut datasets = datasets(Readers::of(topology, most.map_or(&[], |plan| plan)))?;
    let mut cache = Cache::new()?;
    cache.key(&SeedHash([0; 32]));
    let fill_it = |threads, filled: &Progress| datasets.fill(&cache, threads, filled);
    fill(fill_it, now, &mut |left| {
        progress(TuneProgress::Preparing(left.percent, left.ms));
    })?;
    Ok(datasets.share())
}

/// Numbers of threads with inputs in flight, what the miner does by itself first: its own number of
/// threads, one for each core, one for each processor.
fn crowds(topology: &Topology) -> Vec<Choice> {
    let auto = topology.plan(Threads::Auto);
    let mut cores: Vec<_> = topology.cpus.iter().map(|cpu| cpu.core).collect();
    cores.sort_unstable();
    cores.dedup();
    let mut counts = [auto.len(), cores.len(), topology.cpus.len()].to_vec();
    counts.dedup();
    let usual = topology.ways(&auto);
    let mut choices = vec![Choice::new(
        topology,
        Threads::Auto,
        usual,
        Prefetch::default(),
    )];
    for count in counts {
        let threads = match u16::try_from(count) {
            Ok(count) if usize::from(count) != auto.len() => Threads::Count(count),
            _ => Threads::Auto,
        };
        for ways in 1..=MAX_WAYS {
            let choice = Choice::new(topology, threads, ways, Prefetch::default());
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
    }
    choices
}

/// The best choice of a stage that is better than its first; else the first.
#[expect(clippy::indexing_slicing, reason = "a stage has its first choice")]
fn pick(stage: &[Measured]) -> &Choice {
    let better = stage
        .iter()
        .filter(|measured| measured.won >= WON && measured.ratio >= 1_000 + GAIN);
    let best = better.max_by_key(|measured| measured.ratio);
    &best.unwrap_or(&stage[0]).choice
}

/// Where choices are measured.
#[derive(Clone, Copy)]
struct Bench<'a> {
    datasets: &'a PerNode<Arc<Dataset>>,
    now: &'a Now,
    /// Time for a choice in a round.
    slice: Duration,
}

impl Bench<'_> {
    /// Measures in turns; `step` is told before each.
    fn stage(
        self,
        choices: Vec<Choice>,
        step: &mut dyn FnMut(),
    ) -> Result<Vec<Measured>, TuneError> {
        self.compare_hashes(&choices)?;
        let mut rates = vec![[0; ROUNDS]; choices.len()];
        for round in 0..ROUNDS {
            let mut turns: Vec<_> = choices.iter().zip(&mut rates).collect();
            if round % 2 == 1 {
                turns.reverse();
            }
            for (choice, rates) in turns {
                step();
                if let Some(rate) = rates.get_mut(round) {
                    *rate = self.rate(choice)?;
                }
            }
        }
        Ok(measured(choices, &rates))
    }

    /// A kind of code that is wrong on this processor is not to be picked for its rate.
    fn compare_hashes(self, choices: &[Choice]) -> Result<(), TuneError> {
        let mut right: Option<Hash> = None;
        for choice in choices {
            let hash = self.machine(None, choice.tuned)?.hash(&input(0, 0));
            if *right.get_or_insert(hash) != hash {
                return Err(TuneError::WrongHash(choice.tuned));
            }
        }
        Ok(())
    }

    /// Hashes for a slice of time; returns thousandths of a hash per second.
    fn rate(self, choice: &Choice) -> Result<u64, EngineError> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let mut threads = Vec::with_capacity(choice.threads());
            for (index, cpu) in (0_u32..).zip(&choice.plan) {
                let (over, ended) = (&over, ended.clone());
                let body = move || {
                    let _ended = ended;
                    settle(*cpu, 0);
                    self.rate_of_one(*cpu, choice.tuned, index, over)
                };
                let thread = thread::Builder::new().name(format!("rx-tune-{index}"));
                match thread.spawn_scoped(scope, body) {
                    Ok(thread) => threads.push(thread),
                    Err(_) => {
                        over.store(true, Ordering::Relaxed);
                        return Err(EngineError::NoThread);
                    }
                }
            }
            drop(ended);
            // The time, unless all threads have ended.
            let _ = end.recv_timeout(self.slice);
            over.store(true, Ordering::Relaxed);
            let rates = threads.into_iter().map(|thread| thread.join());
            rates
                .map(|rate| rate.unwrap_or(Err(EngineError::NoThread)))
                .sum()
        })
    }

    /// Each thread by its own time, which begins when its machine is ready.
    fn rate_of_one(
        &self,
        cpu: Option<u16>,
        tuned: Tuned,
        index: u32,
        over: &AtomicBool,
    ) -> Result<u64, EngineError> {
        let mut machine = self.machine(cpu, tuned)?;
        let (mut hashes, mut hash) = (0, [0; 32]);
        let started = (self.now)();
        while !over.load(Ordering::Relaxed) {
            machine.next(&input(u64::from(index), hashes), &mut hash);
            hashes += 1;
        }
        let elapsed_ms = (self.now)().since(started).max(1);
        Ok(u64::from(hashes) * 1_000_000 / elapsed_ms)
    }

    fn machine(&self, cpu: Option<u16>, tuned: Tuned) -> Result<Vm, EngineError> {
        let machine = Vm::fast(self.datasets.near(cpu))?.with_ways(tuned.ways)?;
        Ok(machine.prefetching(tuned.prefetch))
    }
}

/// Medians, each choice against the first.
fn measured(choices: Vec<Choice>, rates: &[[u64; ROUNDS]]) -> Vec<Measured> {
    let first = rates.first().copied().unwrap_or([0; ROUNDS]);
    let each = choices.into_iter().zip(rates);
    each.map(|(choice, rates)| {
        let pairs = || rates.iter().zip(&first);
        let ratio = |(rate, first): (&u64, &u64)| rate * 1_000 / (*first).max(1);
        let rate = median(rates.to_vec());
        let ends = rates.iter().max().zip(rates.iter().min());
        let range = ends.map_or(0, |(highest, lowest)| highest - lowest);
        Measured {
            choice,
            rate,
            spread: range * 1_000 / rate.max(1),
            ratio: median(pairs().map(ratio).collect()),
            won: pairs().filter(|(rate, first)| rate > first).count(),
        }
    })
    .collect()
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::topology::{Cpu, L3};

    fn topology(cores: u16, threads_of_core: u16, l3_mib: u64) -> Topology {
        let cpu = |number| Cpu {
            number,
            core: number % cores,
            l3: Some(L3 {
                first: 0,
                bytes: l3_mib << 20,
            }),
            node: None,
        };
        let count = cores * threads_of_core;
        Topology {
            cpus: (0..count).map(cpu).collect(),
            granted: count.into(),
        }
    }

    fn short(choices: &[Choice]) -> Vec<(Option<u16>, usize, usize)> {
        let short = |choice: &Choice| (choice.tuned.threads, choice.threads(), choice.tuned.ways);
        choices.iter().map(short).collect()
    }

    #[test]
    fn what_the_miner_does_by_itself_comes_first_and_nothing_twice() {
        let most = MAX_WAYS;
        let two = crowds(&topology(2, 1, 32));
        assert_eq!(two.len(), MAX_WAYS);
        assert_eq!(short(&two)[0], (None, 2, most));
        let eight = crowds(&topology(8, 2, 12));
        assert_eq!(short(&eight)[0], (None, 6, 1));
        let counts: Vec<_> = eight.iter().map(Choice::threads).collect();
        assert!(counts.contains(&8) && counts.contains(&16), "{counts:?}");
        assert_eq!(eight.len(), 3 * MAX_WAYS);
    }

    #[test]
    fn a_choice_is_picked_only_if_it_is_faster_beyond_the_noise() {
        let topology = topology(2, 1, 32);
        let choice = |prefetch| Choice::new(&topology, Threads::Auto, 1, prefetch);
        let picked = |others: [[u64; ROUNDS]; 2]| {
            let choices = [Prefetch::T0, Prefetch::Nta, Prefetch::Mov].map(choice);
            let rates = [
                [1_000, 1_100, 900, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000],
                others[0],
                others[1],
            ];
            let measured = measured(choices.to_vec(), &rates);
            pick(&measured).tuned.prefetch
        };
        let same = [1_000; ROUNDS];
        assert_eq!(picked([same, same]), Prefetch::T0);
        // Less than one in a hundred.
        let little = [1_005, 1_105, 905, 1_005, 1_005, 1_005, 1_005, 1_005, 1_005];
        assert_eq!(picked([little, same]), Prefetch::T0);
        // Much, but not in two of the rounds.
        let lucky = [1_500, 1_050, 890, 1_500, 1_500, 1_500, 1_500, 1_500, 1_500];
        assert_eq!(picked([lucky, same]), Prefetch::T0);
        let fast = [1_040, 1_150, 890, 1_030, 1_030, 1_030, 1_030, 1_030, 1_030];
        let faster = [1_050, 1_160, 950, 1_050, 1_050, 1_050, 1_050, 1_050, 1_050];
        assert_eq!(picked([fast, same]), Prefetch::Nta);
        assert_eq!(picked([fast, faster]), Prefetch::Mov);
    }
}
