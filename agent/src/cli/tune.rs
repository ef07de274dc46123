//! `miner tune`: which way to hash is the fastest here, kept for `node serve` and `bench`.
//!
//! On a terminal one line of progress is rewritten on stderr; in a pipe it is quiet until the result.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};

use super::bench::{left, or_null, pages_name, rate_text, show_line};
use super::{Exit, Failure, say};
use crate::clock::Clock;
use crate::mining::Now;
use crate::mining::tuned::Tuned;
use crate::node_cli::store;
use crate::platform;
use crate::tune::{self, Choice, Measured, TuneError, TuneProgress, TuneReport};

/// Most seconds for each choice.
const MAX_SECONDS: u16 = 600;

/// Measure which threads, inputs in flight and prefetches hash fastest here, and keep it for this processor;
/// exit code 4 if one of them hashes wrongly.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "tune")]
pub(super) struct Tune {
    /// seconds for each of some six to ten choices, 1 to 600; default: 10
    #[argh(option, default = "10")]
    seconds: u16,
    /// measure, and keep what was kept before
    #[argh(switch)]
    dry_run: bool,
    /// forget what was kept, and measure nothing
    #[argh(switch)]
    forget: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Tune {
    pub(super) fn run(self) -> Result<(), Failure> {
        if !(1..=MAX_SECONDS).contains(&self.seconds) {
            return Err(Failure::usage(format!(
                "--seconds takes 1 to {MAX_SECONDS}"
            )));
        }
        let store = store()?;
        if self.forget {
            store.forget_tuning()?;
            say(if self.json {
                r#"{"kept":null}"#
            } else {
                "forgotten: the miner works as it does by itself"
            });
            return Ok(());
        }
        // A miner that runs would be measured too.
        let _claim = store.claim()?;
        let report = measure(self.seconds)?;
        if !self.dry_run {
            store.set_tuning(report.picked.tuned)?;
        }
        say(if self.json {
            json(&report, self.seconds, !self.dry_run)
        } else {
            text(&report, !self.dry_run)
        });
        Ok(())
    }
}

fn measure(seconds: u16) -> Result<TuneReport, Failure> {
    let clock = Clock::start();
    let now: Now = Arc::new(move || clock.now());
    let shows = io::stderr().is_terminal();
    let report = tune::run(u64::from(seconds) * 1_000, &now, &mut |progress| {
        if shows {
            let (what, percent, left_ms) = match progress {
                TuneProgress::Preparing(percent, ms) => ("preparing memory", percent, ms),
                TuneProgress::Measuring(percent, ms) => ("measuring", percent, ms),
            };
            show_line(&format!("{what} {percent} %{}", left(left_ms)));
        }
    });
    if shows {
        show_line("");
    }
    report.map_err(|error| match error {
        TuneError::Engine(error) => Failure::new(error),
        TuneError::WrongHash(tuned) => Failure {
            exit: Exit::WrongSum,
            line: format!(
                "with {tuned} this machine hashes wrongly, and nothing was kept; please report it \
                 with the name of the processor"
            ),
        },
    })
}

/// Thousandths as a number with three places.
fn thousandths(value: u64) -> String {
    format!("{}.{:03}", value / 1_000, value % 1_000)
}

fn text(report: &TuneReport, kept: bool) -> String {
    let mut lines =
        String::from("threads  in flight  prefetch         rate  of the usual  spread\n");
    for (number, stage) in (1..).zip(&report.stages) {
        if number > 1 {
            lines += "with the best of these\n";
        }
        for measured in stage {
            let Measured {
                choice,
                rate,
                ratio,
                spread,
                ..
            } = measured;
            lines += &format!(
                "{:>7}  {:>9}  {:<8}  {:>11}  {:>8}.{} %  {:>4} %\n",
                choice.threads(),
                choice.tuned.ways,
                choice.tuned.prefetch.name(),
                rate_text(Some(*rate)),
                ratio / 10,
                ratio % 10,
                spread / 10,
            );
        }
    }
    let Tuned { ways, prefetch, .. } = report.picked.tuned;
    let usual = report.stages.iter().flatten().next();
    let same = usual.is_some_and(|usual| usual.choice == report.picked);
    lines += &format!(
        "memory   {} pages\npicked   {} threads, {ways} in flight, prefetch {}{}\n{}",
        pages_name(report.backing.map(|backing| backing.pages)).unwrap_or("unknown"),
        report.picked.threads(),
        prefetch.name(),
        if same {
            ": as usual, nothing was faster beyond the noise"
        } else {
            ""
        },
        if kept {
            "kept     for this processor: `node serve` begins with it when it is next started"
        } else {
            "kept     nothing, as you said"
        },
    );
    lines
}

fn json(report: &TuneReport, seconds: u16, kept: bool) -> String {
    let choice = |Choice { tuned, .. }: &Choice, threads| {
        format!(
            "\"threads\":{threads},\"ways\":{},\"prefetch\":\"{}\"",
            tuned.ways,
            tuned.prefetch.name()
        )
    };
    let measured = |measured: &Measured| {
        format!(
            "{{{},\"hashrate\":{},\"ratio\":{},\"won\":{},\"spread\":{}}}",
            choice(&measured.choice, measured.choice.threads()),
            thousandths(measured.rate),
            thousandths(measured.ratio),
            measured.won,
            thousandths(measured.spread)
        )
    };
    let stage = |stage: &Vec<Measured>| {
        let all: Vec<_> = stage.iter().map(measured).collect();
        format!("[{}]", all.join(","))
    };
    let stages: Vec<_> = report.stages.iter().map(stage).collect();
    let pages = pages_name(report.backing.map(|backing| backing.pages));
    let processor: String = platform::cpu_model()
        .as_str()
        .chars()
        .filter(|c| !matches!(c, '"' | '\\') && !c.is_control())
        .collect();
    format!(
        "{{\"processor\":\"{processor}\",\"pages\":{},\"seconds\":{seconds},\"rounds\":{},\"stages\":[{}],\
         \"picked\":{{{}}},\"kept\":{kept}}}",
        or_null(pages.map(|name| format!("\"{name}\""))),
        tune::ROUNDS,
        stages.join(","),
        choice(&report.picked, report.picked.threads()),
    )
}
