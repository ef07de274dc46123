//! Proof that the static `miner` of a target hashes right: a sum that is known, in light mode.
//!
//! ```text
//! [emulator] miner bench --light … ──▶ "engine   jit=on aes=hard"   as targets.toml has it?
//!                                      "sum      119E3FD31F7FAC64"  the known one?
//! ```
//! The tests of the engine compare compiled programs with interpreted ones on each machine; this is
//! about the file that rigs get.

use argh::FromArgs;

use crate::targets::{KnownHashes, Target, Targets};
use crate::tools::{Failure, output};
use crate::zig;

/// Prove that the static `miner` hashes right, in an emulator where need be.
#[derive(FromArgs)]
#[argh(subcommand, name = "hashes")]
pub(crate) struct Hashes {
    /// name of the target in cross/targets.toml (default: x86_64)
    #[argh(option, default = "\"x86_64\".to_owned()")]
    target: String,
}

impl Hashes {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let targets = Targets::read()?;
        let target = targets.named(&self.target)?;
        if !target.miner().exists() {
            zig::build(&self.target, target)?;
        }
        check(&targets, &self.target)
    }
}

/// Runs the built agent and prints one line about it.
///
/// # Errors
/// It does not run, hashes wrongly, or not in the way that its target should.
pub(crate) fn check(targets: &Targets, name: &str) -> Result<(), Failure> {
    let (target, known) = (targets.named(name)?, &targets.known_hashes);
    let report = output(
        target
            .command()
            .args(["bench", "--light", "--threads", "1", "--ways", "1"])
            .args(["--hashes", &known.hashes.to_string()]),
    )?;
    verdict(&report, target, known).map_err(|fault| Failure::new(format!("{name}: {fault}")))?;
    println!(
        "{name}: {} hashes have the known sum, jit={}",
        known.hashes, target.jit
    );
    Ok(())
}

/// What is wrong with a report of `miner bench`.
fn verdict(report: &str, target: &Target, known: &KnownHashes) -> Result<(), String> {
    let said = |row: &str| {
        let line = report.lines().find_map(|line| line.strip_prefix(row));
        line.and_then(|line| line.split_whitespace().next())
    };
    let (jit, sum) = (format!("jit={}", target.jit), known.sum.as_str());
    for (row, expected) in [("engine ", jit.as_str()), ("sum ", sum)] {
        let said = said(row).unwrap_or("nothing");
        if said != expected {
            return Err(format!("{row}is {said}, not {expected}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_sum_and_a_wrong_way_to_hash_are_faults() {
        let targets = Targets::read().unwrap();
        let (target, known) = (targets.named("x86_64").unwrap(), &targets.known_hashes);
        let report = |jit: &str, sum: &str| {
            format!("hashes   4\nengine   jit={jit} aes=hard\nsum      {sum} (?)")
        };
        verdict(&report("on", &known.sum), target, known).unwrap();
        let wrong = verdict(&report("on", "0000000000000000"), target, known);
        assert_eq!(
            wrong.unwrap_err(),
            format!("sum is 0000000000000000, not {}", known.sum)
        );
        let interpreted = verdict(&report("off", &known.sum), target, known);
        assert_eq!(interpreted.unwrap_err(), "engine is jit=off, not jit=on");
        let silent = verdict("", target, known);
        assert_eq!(silent.unwrap_err(), "engine is nothing, not jit=on");
    }
}
