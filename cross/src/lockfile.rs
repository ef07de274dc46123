//! The lock-file check: what may be in `Cargo.lock`, by `cross/policy.toml`.
//!
//! Licences and bans hold for every crate, tests and tools included. Inside the agent there is one
//! generation of each crypto and runtime crate, exceptions apart. Other duplicates are listed, not refused. The checked-in
//! list of advisories only keeps us from going back; `ci --full` asks the RustSec database.

use std::collections::{BTreeMap, BTreeSet};

use argh::FromArgs;
use cargo_metadata::semver::Version;
use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;

use crate::graph::{self, Linked};
use crate::licence;
use crate::targets::Targets;
use crate::tools::{Context as _, Failure, cargo, read, root, run};

/// Check licences, generations, bans and advisories of Cargo.lock.
#[derive(FromArgs)]
#[argh(subcommand, name = "lockfile")]
pub(crate) struct Lockfile {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    licences: Vec<String>,
    banned: Vec<String>,
    banned_in_agent: Vec<String>,
    one_generation_in_agent: Vec<String>,
    second_generation_in_agent: Vec<Exception>,
    crates: usize,
    advisories: Vec<Advisory>,
}

/// A crate that is linked although another generation of it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    version: String,
    /// For the reader of the policy.
    #[serde(rename = "because")]
    _because: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    #[serde(rename = "crate")]
    name: String,
    fixed: Version,
    id: String,
}

impl Lockfile {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let policy: Policy =
            toml::from_str(&read("cross/policy.toml")?).context("cross/policy.toml")?;
        let metadata = MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .other_options(["--locked".to_owned()])
            .exec()
            .context("cargo metadata")?;
        let targets = Targets::read()?;
        let agent = graph::agent(&targets.named("x86_64")?.triple)?;

        let foreign = foreign(&metadata);
        let mut faults = policy.faults_of_all(&foreign);
        faults.extend(policy.faults_of_agent(&agent));
        println!(
            "Cargo.lock: {} foreign crates, {} in the agent",
            foreign.len(),
            agent.len()
        );
        list_duplicates(&foreign);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Failure::new(faults.join("\n       ")))
        }
    }
}

impl Policy {
    fn faults_of_all(&self, packages: &[&Package]) -> Vec<String> {
        let mut faults = Vec::new();
        if packages.len() > self.crates {
            faults.push(format!(
                "{} crates; the budget is {}",
                packages.len(),
                self.crates
            ));
        }
        for package in packages {
            let name = package.name.as_str();
            let licence = package.license.as_deref().unwrap_or("no licence stated");
            if !licence::is_allowed(licence, &self.licences) {
                faults.push(format!("{name}: licence {licence} is not on the list"));
            }
            if self.banned.iter().any(|banned| banned == name) {
                faults.push(format!("{name} is banned"));
            }
            for advisory in self
                .advisories
                .iter()
                .filter(|advisory| advisory.name == name)
            {
                if package.version < advisory.fixed {
                    faults.push(format!("{name} {}: {}", package.version, advisory.id));
                }
            }
        }
        faults
    }

    fn faults_of_agent(&self, linked: &BTreeSet<Linked>) -> Vec<String> {
        let excepted = |(name, version): &&Linked| {
            let mut exceptions = self.second_generation_in_agent.iter();
            exceptions.any(|e| (&e.name, &e.version) == (name, version))
        };
        let (besides, linked): (Vec<_>, Vec<_>) = linked.iter().partition(excepted);
        let generations = |name: &String| linked.iter().filter(|(n, _)| n == name).count();
        let idle = self
            .second_generation_in_agent
            .iter()
            .filter(|e| !besides.iter().any(|(n, v)| (n, v) == (&e.name, &e.version)));
        let banned = self
            .banned_in_agent
            .iter()
            .filter(|name| generations(name) > 0);
        let doubled = self
            .one_generation_in_agent
            .iter()
            .filter(|name| generations(name) != 1);
        banned
            .map(|name| format!("{name} is banned in the agent"))
            .chain(doubled.map(|name| {
                format!(
                    "the agent has {} generations of {name}, not one",
                    generations(name)
                )
            }))
            .chain(idle.map(|e| {
                let Exception { name, version, .. } = e;
                format!("{name} {version} is not linked in the agent: take the exception out")
            }))
            .collect()
    }
}

/// Asks the RustSec database about Cargo.lock, with cargo-deny. For `ci --full`.
///
/// # Errors
/// cargo-deny is not installed, or an advisory stands.
pub(crate) fn advisories() -> Result<(), Failure> {
    run(cargo().args([
        "deny",
        "--locked",
        "check",
        "--config",
        "cross/deny.toml",
        "advisories",
    ]))
}

/// Every package that is not our own.
fn foreign(metadata: &Metadata) -> Vec<&Package> {
    let own: BTreeSet<_> = metadata.workspace_members.iter().collect();
    metadata
        .packages
        .iter()
        .filter(|package| !own.contains(&package.id))
        .collect()
}

fn list_duplicates(packages: &[&Package]) {
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(package.name.as_str())
            .or_default()
            .push(package.version.to_string());
    }
    versions.retain(|_, versions| versions.len() > 1);
    let list: Vec<String> = versions
        .iter()
        .map(|(name, versions)| format!("{name} {}", versions.join(" + ")))
        .collect();
    println!(
        "duplicate versions: {}",
        if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(", ")
        }
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        toml::from_str(&read("cross/policy.toml").unwrap()).unwrap()
    }

    /// An agent that obeys the policy, changed by `name version` pairs.
    fn agent(more: &[(&str, &str)]) -> BTreeSet<Linked> {
        let one = policy()
            .one_generation_in_agent
            .into_iter()
            .map(|name| (name, "1.0.0".to_owned()));
        let besides = policy().second_generation_in_agent;
        let besides = besides.into_iter().map(|e| (e.name, e.version));
        one.chain(besides)
            .chain(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())))
            .collect()
    }

    #[test]
    fn agent_with_one_generation_of_each_passes() {
        assert_eq!(
            policy().faults_of_agent(&agent(&[("memchr", "2.0.0")])),
            Vec::<String>::new()
        );
    }

    #[test]
    fn second_generation_of_the_random_source_is_refused() {
        let faults = policy().faults_of_agent(&agent(&[("rand_core", "0.6.4")]));
        assert_eq!(
            faults,
            ["the agent has 2 generations of rand_core, not one"]
        );
    }

    #[test]
    fn an_exception_is_one_version_and_only_as_long_as_it_is_linked() {
        let faults = policy().faults_of_agent(&agent(&[("getrandom", "0.3.4")]));
        assert_eq!(
            faults,
            ["the agent has 2 generations of getrandom, not one"]
        );
        let mut linked = agent(&[]);
        linked
            .retain(|(name, version)| (name.as_str(), version.as_str()) != ("getrandom", "0.2.17"));
        let faults = policy().faults_of_agent(&linked);
        assert_eq!(
            faults,
            ["getrandom 0.2.17 is not linked in the agent: take the exception out"]
        );
    }

    #[test]
    fn second_runtime_in_the_agent_is_refused() {
        let faults = policy().faults_of_agent(&agent(&[("tokio", "1.50.0")]));
        assert_eq!(faults, ["tokio is banned in the agent"]);
    }
}
