//! `cross/targets.toml`: what is built for rigs, and what each result may weigh.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::tools::{Context as _, Failure, read, target_dir};

/// The file as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Targets {
    pub(crate) agent: AgentBudget,
    pub(crate) known_hashes: KnownHashes,
    target: BTreeMap<String, Target>,
}

/// Budgets of the agent that hold for every target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentBudget {
    /// Linked crates.
    pub(crate) crates: u64,
    /// Resident memory without RandomX, in KiB.
    pub(crate) resident_kib: u64,
}

/// What every agent has to compute.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownHashes {
    /// Number of hashes.
    pub(crate) hashes: u32,
    /// Their sum, 16 upper-case hexadecimal digits.
    pub(crate) sum: String,
}

/// One kind of rig.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Rust's name of the target.
    pub(crate) triple: String,
    /// Most bytes of the static binary.
    pub(crate) binary_bytes: u64,
    /// How programs run, as `miner bench` says it: `on` or `none`.
    pub(crate) jit: String,
    /// The program that runs the binary where the processor does not.
    pub(crate) emulator: Option<String>,
}

/// Machines that rustup has a Rust library for in some releases only; none was built yet.
const NOT_YET: [(&str, &str); 2] = [
    ("armv7", "armv7-unknown-linux-musleabihf"),
    ("riscv64", "riscv64gc-unknown-linux-musl"),
];

impl Targets {
    /// # Errors
    /// The file is missing or holds an unknown key.
    pub(crate) fn read() -> Result<Self, Failure> {
        toml::from_str(&read("cross/targets.toml")?).context("cross/targets.toml")
    }

    /// The names of all targets.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.target.keys().map(String::as_str)
    }

    /// # Errors
    /// No such target; the message names those that exist.
    pub(crate) fn named(&self, name: &str) -> Result<&Target, Failure> {
        self.target.get(name).ok_or_else(|| {
            if let Some((_, triple)) = NOT_YET.iter().find(|(not_yet, _)| *not_yet == name) {
                return Failure::new(format!(
                    "no target {name} yet: `rustup target add {triple}`, then give it an entry in \
                     cross/targets.toml"
                ));
            }
            let known: Vec<&str> = self.names().collect();
            Failure::new(format!("no target {name}; known: {}", known.join(", ")))
        })
    }
}

impl Target {
    /// Where the static `miner` of this target lies after `cargo xtask build`.
    pub(crate) fn miner(&self) -> PathBuf {
        self.miner_in(&target_dir())
    }

    /// The same below another build directory.
    pub(crate) fn miner_in(&self, target_dir: &Path) -> PathBuf {
        target_dir.join(&self.triple).join("agent/miner")
    }

    /// A command that runs `miner`, in the emulator where there is one.
    pub(crate) fn command(&self) -> Command {
        let Some(emulator) = &self.emulator else {
            return Command::new(self.miner());
        };
        let mut command = Command::new(emulator);
        command.arg(self.miner());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_cannot_be_built_for_yet_says_what_is_missing() {
        let targets = Targets::read().unwrap();
        for (name, triple) in NOT_YET {
            let text = targets.named(name).unwrap_err().to_string();
            assert!(text.contains(&format!("rustup target add {triple}")));
        }
        let text = targets.named("m68k").unwrap_err().to_string();
        assert_eq!(text, "no target m68k; known: aarch64, i686, x86_64");
    }
}
