//! Our engine and the reference implementation side by side in one process, in turns, so that what
//! else happens on the machine hits both. `cargo xtask bench-engine` runs it.
//!
//! | question | how |
//! |---|---|
//! | `code` | programs, AES and all, on a dataset without a way to wait for memory: one 2 MiB page stands for all of it |
//! | `memory` | the real dataset, one thread and all |
//! | `light` | hashes from the cache |
//! | `fill` | dataset items per second |
//! | `prefetch` | ours with each kind of prefetch against ours with the usual one, on the real dataset |
//! | `pages` | ours on datasets in reserved pages against ours on one in other pages |
//!
//! Each round measures ours, theirs, theirs, ours; the ratio of a round is of the two sums, and what is
//! reported are medians over the rounds, with the lowest and the highest ratio. Hashes are counted per second
//! of processor time, items per second by the clock. `code_2_1` is by two
//! threads with one input in flight each. `pages` is measured only when asked for: it takes three datasets,
//! and 3 pages of 1 GiB and 1,040 of 2 MiB that were reserved, no more, since the last dataset and the
//! scratchpads are to lie in others.
#![expect(
    clippy::expect_used,
    reason = "a measurement that cannot be made has no result"
)]
#![expect(clippy::disallowed_methods, reason = "it measures, by the clock")]

use std::env;
use std::fs;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use miner_engine::{
    Cache, Dataset, EngineError, HashEngine, MAX_WAYS, Prefetch, Progress, Vm, reference,
};
use miner_shared::wire::PageWish;

/// What to measure, and how long.
struct Plan {
    rounds: usize,
    slice: Duration,
    threads: usize,
    json: bool,
    only: Option<String>,
}

impl Plan {
    fn read() -> Self {
        let mut plan = Self {
            rounds: 7,
            slice: Duration::from_secs(3),
            threads: thread::available_parallelism().map_or(1, usize::from),
            json: false,
            only: None,
        };
        let mut arguments = env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok());
            match argument.as_str() {
                "--json" => plan.json = true,
                "--rounds" => plan.rounds = number().expect("--rounds takes a number"),
                "--seconds" => {
                    plan.slice = Duration::from_secs(number().expect("a number") as u64);
                }
                "--threads" => plan.threads = number().expect("--threads takes a number"),
                name => plan.only = Some(name.to_owned()),
            }
        }
        plan
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == name)
    }
}

/// Rates of one question: per second, in the order of the rounds.
struct Measured {
    name: String,
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Measured {
    /// Measures in turns. `ours` and `theirs` work for a slice, and return how much per second.
    fn new(
        plan: &Plan,
        name: &str,
        mut ours: impl FnMut(Duration) -> f64,
        mut theirs: impl FnMut(Duration) -> f64,
    ) -> Self {
        let mut measured = Self {
            name: name.to_owned(),
            ours: Vec::new(),
            theirs: Vec::new(),
        };
        for round in 0..plan.rounds {
            if io::stderr().is_terminal() {
                eprint!("\r\x1b[K{name}: round {} of {}", round + 1, plan.rounds);
            }
            let first = ours(plan.slice);
            let both = theirs(plan.slice) + theirs(plan.slice);
            measured.ours.push((first + ours(plan.slice)) / 2.0);
            measured.theirs.push(both / 2.0);
        }
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        if !plan.json {
            measured.print();
        }
        measured
    }

    fn print(&self) {
        let ratios = self.ratios();
        let lowest = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = ratios.iter().copied().fold(0.0, f64::max);
        println!(
            "{:<20} {:>10.1} {:>11.1} {:>7.3} {lowest:>8.3} {highest:>8.3}",
            self.name,
            median(self.ours.clone()),
            median(self.theirs.clone()),
            median(ratios),
        );
    }

    fn ratios(&self) -> Vec<f64> {
        let pairs = self.ours.iter().zip(&self.theirs);
        pairs.map(|(ours, theirs)| ours / theirs).collect()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Hashes per second of all machines at once, each by the time that its thread had a processor: a thread
/// that had to wait for one says nothing about hashing.
fn rate<E: HashEngine>(machines: &mut [E], slice: Duration) -> f64 {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let threads: Vec<_> = machines
            .iter_mut()
            .map(|machine| {
                let over = &over;
                scope.spawn(move || {
                    let (mut count, mut hash) = (0_u64, [0; 32]);
                    machine.first(&count.to_le_bytes());
                    let started = processor_seconds();
                    while !over.load(Ordering::Relaxed) {
                        count += 1;
                        machine.next(&count.to_le_bytes(), &mut hash);
                    }
                    count as f64 / (processor_seconds() - started)
                })
            })
            .collect();
        thread::sleep(slice);
        over.store(true, Ordering::Relaxed);
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|rate| rate.expect("no panic")).sum()
    })
}

/// What this thread has had of a processor so far.
fn processor_seconds() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("procfs");
    let nanoseconds = text.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or(f64::NAN, |nanoseconds: f64| nanoseconds / 1e9)
}

/// Items per second of a filling that is cut off after the slice.
fn fill_rate<R: Send>(slice: Duration, fill: impl FnOnce(&Progress) -> R + Send) -> f64 {
    let progress = Progress::new();
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| fill(&progress));
        thread::sleep(slice);
        progress.cancel();
    });
    progress.done() as f64 / started.elapsed().as_secs_f64()
}

fn main() {
    let plan = Plan::read();
    if !plan.json {
        println!("question                 ours/s    theirs/s   ratio   lowest  highest");
    }
    let key = b"side by side";
    let mut cache = Cache::new().expect("memory");
    cache.key_bytes(key);
    let cache = Arc::new(cache);
    let mut their_cache = reference::Cache::new().expect("memory");
    their_cache.key_bytes(key);
    let their_cache = Arc::new(their_cache);
    let mut results = Vec::new();

    if plan.wants("code") {
        let ours = Arc::new(Dataset::without_stalls(&cache).expect("a reserved 2 MiB page"));
        let theirs = reference::Dataset::without_stalls(&ours).expect("memory");
        let theirs = Arc::new(theirs);
        results.extend(each(
            &plan,
            "code",
            || Vm::fast(&ours),
            || reference::Vm::fast(&theirs),
        ));
    }
    if plan.wants("light") {
        results.extend(each(
            &plan,
            "light",
            || Vm::light(&cache),
            || reference::Vm::light(&their_cache),
        ));
    }
    if plan.only.as_deref() == Some("pages") {
        results.extend(pages(&plan, &cache));
    }
    if ["fill", "memory", "prefetch"]
        .iter()
        .any(|name| plan.wants(name))
    {
        let mut ours = Dataset::new().expect("memory");
        let mut theirs = reference::Dataset::new().expect("memory");
        let threads = u16::try_from(plan.threads).expect("few");
        ours.fill(&cache, threads, &Progress::new())
            .expect("filled");
        theirs.copy(&ours);
        let (shared, their_shared) = (Arc::new(ours), Arc::new(theirs));
        if plan.wants("memory") {
            results.extend(each(
                &plan,
                "memory",
                || Vm::fast(&shared),
                || reference::Vm::fast(&their_shared),
            ));
        }
        if plan.wants("prefetch") {
            results.extend(prefetches(&plan, &shared));
        }
        ours = Arc::into_inner(shared).expect("no machine is left");
        theirs = Arc::into_inner(their_shared).expect("no machine is left");
        if plan.wants("fill") {
            results.push(Measured::new(
                &plan,
                &format!("fill_{threads}"),
                |slice| fill_rate(slice, |progress| ours.fill(&cache, threads, progress)),
                |slice| {
                    fill_rate(slice, |progress| {
                        theirs.fill(&their_cache, threads, progress)
                    })
                },
            ));
        }
    }
    if plan.json {
        print_json(&results);
    }
}

/// One thread, and all; each with one input in flight, and with as many as there can be. The reference
/// has one.
fn each(
    plan: &Plan,
    name: &str,
    ours: impl Fn() -> Result<Vm, EngineError>,
    theirs: impl Fn() -> Result<reference::Vm, EngineError>,
) -> Vec<Measured> {
    let mut measured = Vec::new();
    let each = [1, plan.threads].map(|threads| (1..=MAX_WAYS).map(move |ways| (threads, ways)));
    for (threads, ways) in each.into_iter().flatten() {
        let mut ours = machines(threads, || ours()?.with_ways(ways));
        let mut theirs = machines(threads, &theirs);
        let name = format!("{name}_{threads}_{ways}");
        measured.push(side_by_side(plan, &name, &mut ours, &mut theirs));
    }
    measured
}

fn machines<E>(count: usize, machine: impl Fn() -> Result<E, EngineError>) -> Vec<E> {
    (0..count).map(|_| machine().expect("memory")).collect()
}

fn side_by_side<E: HashEngine, F: HashEngine>(
    plan: &Plan,
    name: &str,
    ours: &mut [E],
    theirs: &mut [F],
) -> Measured {
    assert_eq!(ours[0].hash(b"same"), theirs[0].hash(b"same"));
    let theirs = |slice| rate(theirs, slice);
    Measured::new(plan, name, |slice| rate(ours, slice), theirs)
}

/// Each kind of prefetch, on all threads, against the usual one.
fn prefetches(plan: &Plan, dataset: &Arc<Dataset>) -> Vec<Measured> {
    let machines = |prefetch| {
        let machine = || {
            Ok(Vm::fast(dataset)?
                .with_ways(MAX_WAYS)?
                .prefetching(prefetch))
        };
        machines(plan.threads, machine)
    };
    let measured = Prefetch::ALL.iter().map(|prefetch| {
        let (mut ours, mut usual) = (machines(*prefetch), machines(Prefetch::default()));
        let name = format!("prefetch_{}", prefetch.name());
        side_by_side(plan, &name, &mut ours, &mut usual)
    });
    measured.collect()
}

/// Reserved pages against others, on one thread and on all.
fn pages(plan: &Plan, cache: &Cache) -> Vec<Measured> {
    let [giant, huge, other] = [PageWish::Huge1G, PageWish::Huge2M, PageWish::Auto].map(|wish| {
        let mut dataset = Dataset::with_pages(wish).expect("memory");
        let threads = u16::try_from(plan.threads).expect("few");
        let filled = dataset.fill(cache, threads, &Progress::new());
        filled.expect("not cancelled");
        Arc::new(dataset)
    });
    let mut measured = Vec::new();
    for threads in [1, plan.threads] {
        for dataset in [&giant, &huge] {
            let pages = |dataset: &Dataset| dataset.backing().map(|backing| backing.pages);
            let name = format!("{:?}_{:?}_{threads}", pages(dataset), pages(&other));
            let name = name.replace("Some(", "").replace(')', "");
            let on = |dataset| machines(threads, || Vm::fast(dataset)?.with_ways(MAX_WAYS));
            let (mut ours, mut theirs) = (on(dataset), on(&other));
            measured.push(side_by_side(plan, &name, &mut ours, &mut theirs));
        }
    }
    measured
}

fn print_json(results: &[Measured]) {
    let fields: Vec<String> = results
        .iter()
        .map(|result| {
            let name = &result.name;
            format!(
                "\"ours_{name}\":{:.1},\"reference_{name}\":{:.1},\"ratio_{name}\":{:.3}",
                median(result.ours.clone()),
                median(result.theirs.clone()),
                median(result.ratios())
            )
        })
        .collect();
    println!("{{{}}}", fields.join(","));
}
