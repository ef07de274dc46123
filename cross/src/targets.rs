//! `cross/targets.toml`: what is built for rigs, and what each result may weigh.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::tools::{Context as _, Failure, read, target_dir};

/// The file as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Targets {
    pub(crate) agent: AgentBudget,
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

/// One kind of rig.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Rust's name of the target.
    pub(crate) triple: String,
    /// Most bytes of the static binary.
    pub(crate) binary_bytes: u64,
}

impl Targets {
    /// # Errors
    /// The file is missing or holds an unknown key.
    pub(crate) fn read() -> Result<Self, Failure> {
        toml::from_str(&read("cross/targets.toml")?).context("cross/targets.toml")
    }

    /// # Errors
    /// No such target; the message names those that exist.
    pub(crate) fn named(&self, name: &str) -> Result<&Target, Failure> {
        self.target.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.target.keys().map(String::as_str).collect();
            Failure::new(format!("no target {name}; known: {}", known.join(", ")))
        })
    }
}

impl Target {
    /// Where the static `miner` of this target lies after `cargo xtask build`.
    pub(crate) fn miner(&self) -> PathBuf {
        target_dir().join(&self.triple).join("agent/miner")
    }
}
