//! `miner bench`: a hash rate, and the proof that this machine hashes right.
//!
//! On a terminal one line of progress is rewritten on stderr; in a pipe it is quiet until the result.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use miner_engine::{Algorithm, MAX_WAYS, Prefetch};
use miner_shared::limits::MAX_THREADS;
use miner_shared::wire::{Memory, Pages};

use super::{Exit, Failure, say};
use crate::bench::{self, BenchConfig, BenchProgress, BenchReport, BenchVerdict, Engine};
use crate::clock::Clock;
use crate::mining::Now;
use crate::node_cli::store;

/// Hash the standard benchmark and compare its check sum; exit code 4 if it is wrong.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "bench")]
pub(super) struct Bench {
    /// how many hashes; sums are known for 10000, 20000, 250000, 500000, 1000000, 10000000
    #[argh(option)]
    hashes: u32,
    /// hash threads; default: as `miner tune` kept it, or as many as suit the processor
    #[argh(option)]
    threads: Option<u16>,
    /// inputs in flight per thread, 1 or 2; default: as `miner tune` kept it, or as many as suit the processor
    #[argh(option)]
    ways: Option<usize>,
    /// how memory is asked for ahead: none, t0, nta or mov; default: as `miner tune` kept it, or t0
    #[argh(option, from_str_fn(prefetch))]
    prefetch: Option<Prefetch>,
    /// use 256 MiB instead of 2.3 GiB: several times slower
    #[argh(switch)]
    light: bool,
    /// whose hashes: native, or reference in builds with the feature of that name; default: native
    #[argh(option, default = "Engine::default()", from_str_fn(engine))]
    engine: Engine,
    /// rx/0, rx/2, rx/wow, rx/arq, rx/graft, rx/sfx or rx/yada; default: rx/0
    #[argh(option, default = "Algorithm::default()", from_str_fn(algorithm))]
    algorithm: Algorithm,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let known = Algorithm::ALL;
    let found = known.into_iter().find(|known| known.name() == name);
    found.ok_or_else(|| format!("takes one of {}", known.map(Algorithm::name).join(", ")))
}

fn prefetch(name: &str) -> Result<Prefetch, String> {
    let known = Prefetch::ALL;
    let found = known.iter().find(|known| known.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|known| known.name()).collect();
        format!("takes one of {} on this processor", names.join(", "))
    })
}

fn engine(name: &str) -> Result<Engine, String> {
    match name {
        "native" => Ok(Engine::Native),
        #[cfg(feature = "reference")]
        "reference" => Ok(Engine::Reference),
        #[cfg(not(feature = "reference"))]
        "reference" => Err(String::from(
            "this miner was built without it: cargo build --features reference",
        )),
        _ => Err(String::from("takes native or reference")),
    }
}

impl Bench {
    pub(super) fn run(self) -> Result<(), Failure> {
        let in_range = |n: u16| (1..=MAX_THREADS).contains(&usize::from(n));
        if self.hashes == 0 {
            return Err(Failure::usage("--hashes takes 1 or more"));
        }
        if self.threads.is_some_and(|n| !in_range(n)) {
            return Err(Failure::usage(format!(
                "--threads takes 1 to {MAX_THREADS}"
            )));
        }
        if self.ways.is_some_and(|n| !(1..=MAX_WAYS).contains(&n)) {
            return Err(Failure::usage(format!("--ways takes 1 to {MAX_WAYS}")));
        }
        if self.engine != Engine::Native && self.algorithm != Algorithm::Rx0 {
            return Err(Failure::usage("the reference engine has rx/0 alone"));
        }
        let config = BenchConfig {
            hashes: self.hashes,
            threads: self.threads,
            ways: self.ways,
            prefetch: self.prefetch,
            // Where there is no node, or what it keeps cannot be read, nothing was tuned.
            tuned: store().ok().and_then(|store| store.tuning().ok().flatten()),
            memory: if self.light {
                Memory::Light
            } else {
                Memory::Fast
            },
            engine: self.engine,
            algorithm: self.algorithm,
        };
        let clock = Clock::start();
        let now: Now = Arc::new(move || clock.now());
        let shows = io::stderr().is_terminal();
        let report = bench::run(config, &now, &mut |progress| {
            if shows {
                show_progress(progress);
            }
        });
        if shows {
            show_line("");
        }
        let report = report?;
        say(if self.json {
            json(&report)
        } else {
            text(&report)
        });
        match report.verdict {
            BenchVerdict::Wrong(right) => Err(Failure {
                exit: Exit::WrongSum,
                line: format!(
                    "wrong sum, {right:016X} is right: do not mine with this machine; \
                     check its memory, clocks and temperatures"
                ),
            }),
            BenchVerdict::Right | BenchVerdict::Unknown => Ok(()),
        }
    }
}

fn show_progress(progress: BenchProgress) {
    let line = match progress {
        BenchProgress::Preparing { percent, left_ms } => {
            format!("preparing memory {percent} %{}", left(left_ms))
        }
        BenchProgress::Hashing {
            done,
            total,
            rate,
            left_ms,
        } => format!(
            "{done} of {total} hashes, {}{}",
            rate_text(rate),
            left(left_ms)
        ),
    };
    show_line(&line);
}

/// In place of the line that is there.
pub(super) fn show_line(line: &str) {
    let mut stderr = io::stderr();
    let _ = write!(stderr, "\r\x1b[K{line}");
    let _ = stderr.flush();
}

pub(super) fn left(ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!(", {} s left", ms.div_ceil(1_000)))
}

/// `millis` is in thousandths of a hash per second.
pub(super) fn rate_text(millis: Option<u64>) -> String {
    match millis {
        Some(millis) => format!("{}.{} H/s", millis / 1_000, millis % 1_000 / 100),
        None => String::from("rate not known yet"),
    }
}

fn text(report: &BenchReport) -> String {
    let verdict = match report.verdict {
        BenchVerdict::Right => "right",
        BenchVerdict::Wrong(_) => "WRONG",
        BenchVerdict::Unknown => "not known for this number of hashes",
    };
    let huge = report
        .huge_percent
        .map_or_else(String::new, |percent| format!(", {percent} % huge"));
    let nodes = match report.datasets {
        0 | 1 => String::new(),
        nodes => format!(", on each of {nodes} NUMA nodes"),
    };
    format!(
        "hashes   {}\nthreads  {}, {} in flight each, prefetch {}\nmemory   {}, {} pages{huge}{nodes}\nengine   {}\nready    {} ms\n\
         time     {} ms\nrate     {}\nsum      {:016X} ({verdict})",
        report.hashes,
        report.threads,
        report.ways,
        report.prefetch.name(),
        memory_name(report.memory),
        pages_name(report.pages).unwrap_or("unknown"),
        report.features,
        report.init_ms,
        report.hashing_ms,
        rate_text(report.rate),
        report.sum,
    )
}

pub(super) fn or_null(text: Option<String>) -> String {
    text.unwrap_or_else(|| String::from("null"))
}

fn json(report: &BenchReport) -> String {
    let right = match report.verdict {
        BenchVerdict::Right => "true",
        BenchVerdict::Wrong(_) => "false",
        BenchVerdict::Unknown => "null",
    };
    let rate = report
        .rate
        .map(|millis| format!("{}.{:03}", millis / 1_000, millis % 1_000));
    format!(
        "{{\"hashes\":{},\"threads\":{},\"ways\":{},\"prefetch\":\"{}\",\"memory\":\"{}\",\"pages\":{},\"hugePercent\":{},\"datasets\":{},\
         \"initMs\":{},\"hashingMs\":{},\"hashrate\":{},\"sum\":\"{:016X}\",\"sumRight\":{right}}}",
        report.hashes,
        report.threads,
        report.ways,
        report.prefetch.name(),
        memory_name(report.memory),
        or_null(pages_name(report.pages).map(|name| format!("\"{name}\""))),
        or_null(report.huge_percent.map(|percent| percent.to_string())),
        report.datasets,
        report.init_ms,
        report.hashing_ms,
        or_null(rate),
        report.sum,
    )
}

const fn memory_name(memory: Memory) -> &'static str {
    match memory {
        Memory::Light => "light",
        Memory::Fast => "fast",
    }
}

pub(super) const fn pages_name(pages: Option<Pages>) -> Option<&'static str> {
    match pages {
        Some(Pages::Small) => Some("4 KiB"),
        Some(Pages::Transparent) => Some("transparent"),
        Some(Pages::Huge2M) => Some("2 MiB"),
        Some(Pages::Huge1G) => Some("1 GiB"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> BenchReport {
        BenchReport {
            hashes: 10_000,
            threads: 2,
            ways: 1,
            prefetch: Prefetch::T0,
            memory: Memory::Fast,
            pages: None,
            huge_percent: None,
            datasets: 1,
            features: String::from("jit=on"),
            init_ms: 1,
            hashing_ms: 20_000,
            rate: Some(500_250),
            sum: 0x4A59_7463_865A_CF0E,
            verdict: BenchVerdict::Right,
        }
    }

    #[test]
    fn an_algorithm_is_known_by_its_name() {
        for known in Algorithm::ALL {
            assert_eq!(algorithm(known.name()), Ok(known));
        }
        assert!(algorithm("rx/1").is_err_and(|why| why.ends_with("rx/sfx, rx/yada")));
    }

    #[test]
    fn json_says_null_for_what_is_unknown() {
        assert_eq!(
            json(&report()),
            r#"{"hashes":10000,"threads":2,"ways":1,"prefetch":"t0","memory":"fast","pages":null,"hugePercent":null,"datasets":1,"initMs":1,"hashingMs":20000,"hashrate":500.250,"sum":"4A597463865ACF0E","sumRight":true}"#
        );
    }

    #[test]
    fn people_read_the_rate_the_sum_and_of_numa_nodes_where_there_are_several() {
        let two = text(&BenchReport {
            datasets: 2,
            ..report()
        });
        assert!(two.contains("pages, on each of 2 NUMA nodes\n"), "{two}");
        let text = text(&report());
        assert!(!text.contains("NUMA"), "{text}");
        assert!(text.contains("rate     500.2 H/s"), "{text}");
        assert!(text.contains("sum      4A597463865ACF0E (right)"), "{text}");
    }
}
