//! What the agent weighs, against the budgets of `cross/targets.toml`.
//!
//! ```text
//! agent x86_64           measured     budget
//! binary bytes            1015008    1500000
//! linked crates                79         90
//! resident KiB               2304       4096
//! ```

use std::fs;

use argh::FromArgs;
use serde::Serialize;

use crate::targets::{Target, Targets};
use crate::tools::{Context as _, Failure};
use crate::{graph, memory, zig};

/// Measure binary size, crates and memory of the agent against their budgets.
#[derive(FromArgs)]
#[argh(subcommand, name = "size")]
pub(crate) struct Size {
    /// name of the target in cross/targets.toml (default: x86_64)
    #[argh(option, default = "\"x86_64\".to_owned()")]
    pub(crate) target: String,
    /// print JSON
    #[argh(switch)]
    pub(crate) json: bool,
}

/// One figure. Unknown is not a figure: a failed measurement is an error.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figure {
    measured: u64,
    budget: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    target: String,
    binary_bytes: Figure,
    linked_crates: Figure,
    /// Not where an emulator runs the agent: it would be the emulator's.
    resident_kib: Option<Figure>,
}

impl Size {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let targets = Targets::read()?;
        let target = targets.named(&self.target)?;
        if !target.miner().exists() {
            zig::build(&self.target, target)?;
        }
        let report = Report::measure(self.target, &targets, target)?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&report).context("JSON")?);
        } else {
            report.print();
        }
        report.verdict()
    }
}

impl Report {
    fn measure(name: String, targets: &Targets, target: &Target) -> Result<Self, Failure> {
        let miner = target.miner();
        let bytes = fs::metadata(&miner).context(miner.display())?.len();
        let crates = u64::try_from(graph::agent(&target.triple)?.len()).context("crates")?;
        let budgets = &targets.agent;
        let resident_kib = match &target.emulator {
            Some(_) => None,
            None => Some(Figure {
                measured: memory::resident_kib(&miner)?,
                budget: budgets.resident_kib,
            }),
        };
        Ok(Self {
            target: name,
            binary_bytes: Figure {
                measured: bytes,
                budget: target.binary_bytes,
            },
            linked_crates: Figure {
                measured: crates,
                budget: budgets.crates,
            },
            resident_kib,
        })
    }

    fn figures(&self) -> impl Iterator<Item = (&'static str, Figure)> {
        [
            ("binary bytes", Some(self.binary_bytes)),
            ("linked crates", Some(self.linked_crates)),
            ("resident KiB", self.resident_kib),
        ]
        .into_iter()
        .filter_map(|(name, figure)| Some((name, figure?)))
    }

    fn print(&self) {
        let head = format!("agent {}", self.target);
        println!("{head:<18} {:>12} {:>10}", "measured", "budget");
        for (name, figure) in self.figures() {
            println!("{name:<18} {:>12} {:>10}", figure.measured, figure.budget);
        }
    }

    fn verdict(&self) -> Result<(), Failure> {
        let over = self
            .figures()
            .filter(|(_, figure)| figure.measured > figure.budget);
        let names: Vec<&str> = over.map(|(name, _)| name).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("over budget: {}", names.join(", "))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(resident: u64) -> Report {
        let figure = Figure {
            measured: 10,
            budget: 10,
        };
        let resident_kib = Figure {
            measured: resident,
            budget: 10,
        };
        let target = "x86_64".to_owned();
        Report {
            target,
            binary_bytes: figure,
            linked_crates: figure,
            resident_kib: Some(resident_kib),
        }
    }

    #[test]
    fn figure_at_its_budget_passes_and_one_above_fails() {
        report(10).verdict().unwrap();
        assert_eq!(
            report(11).verdict().unwrap_err().to_string(),
            "over budget: resident KiB"
        );
    }
}
