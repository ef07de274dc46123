//! Anyone who builds the agent from the same sources gets the same bytes: built here, and from a copy
//! in another folder with another home of cargo's and another cache of zig's.
//!
//! ```text
//! workspace ────────────────────────▶ target/TRIPLE/agent/miner ───────────────────┐
//!     │ git checkout-index                                                         ├─▶ equal?
//!     └──▶ target/repro/src ──▶ target/repro/src/target/TRIPLE/agent/miner ─────────┘
//! ```
//! The copy is what git has in its index: what is changed and not added is in one of the two only, and
//! so are files that git does not know.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use argh::FromArgs;
use sha2::{Digest as _, Sha256};

use crate::clock::StopWatch;
use crate::targets::Targets;
use crate::tools::{Context as _, Failure, root, run, target_dir};
use crate::zig::{self, Place};

/// Build the static `miner` in two folders and compare.
#[derive(FromArgs)]
#[argh(subcommand, name = "reproducible")]
pub(crate) struct Reproducible {
    /// name of the target in cross/targets.toml (default: x86_64)
    #[argh(option, default = "\"x86_64\".to_owned()")]
    target: String,
}

impl Reproducible {
    pub(crate) fn run(self) -> Result<(), Failure> {
        check(&self.target)
    }
}

/// Builds here and in a copy; prints the hash that both have. A copy that differs is kept.
///
/// # Errors
/// A build fails, or the results differ.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    let targets = Targets::read()?;
    let target = targets.named(name)?;
    let watch = StopWatch::start();
    zig::build(name, target)?;
    let here = watch.secs();

    let folder = target_dir().join("repro");
    if folder.exists() {
        fs::remove_dir_all(&folder).context(folder.display())?;
    }
    let copy = copy_to(&folder)?;
    let watch = StopWatch::start();
    zig::build_in(&copy, target)?;
    let there = watch.secs();

    let hash = same(&target.miner(), &target.miner_in(&copy.target_dir))?;
    fs::remove_dir_all(&folder).context(folder.display())?;
    println!("{name}: SHA-256 {hash}, built here in {here:.0} s, in a copy in {there:.0} s");
    Ok(())
}

/// A copy of the sources with everything that a build needs to be nowhere else. Foreign crates are
/// those of this machine, by another path.
fn copy_to(folder: &Path) -> Result<Place, Failure> {
    let place = Place {
        root: folder.join("src"),
        target_dir: folder.join("src/target"),
        cargo_home: folder.join("cargo"),
    };
    for dir in [&place.root, &place.cargo_home] {
        fs::create_dir_all(dir).context(dir.display())?;
    }
    run(Command::new("git")
        .current_dir(root())
        .args(["checkout-index", "--all"])
        .arg(format!("--prefix={}/", place.root.display())))?;
    let registry = Place::here()?.cargo_home.join("registry");
    symlink(&registry, place.cargo_home.join("registry")).context(registry.display())?;
    Ok(place)
}

/// The SHA-256 of two files, in hexadecimal.
fn same(one: &Path, other: &Path) -> Result<String, Failure> {
    let read = |path: &Path| fs::read(path).context(path.display());
    let (first, second) = (read(one)?, read(other)?);
    if first != second {
        let at = first
            .iter()
            .zip(&second)
            .take_while(|(a, b)| a == b)
            .count();
        return Err(Failure::new(format!(
            "{} ({} bytes) and {} ({} bytes) differ from byte {at} on",
            one.display(),
            first.len(),
            other.display(),
            second.len()
        )));
    }
    let digest = Sha256::digest(&first);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_differ_are_named_with_the_first_byte_that_does() {
        let folder = target_dir().join("repro-test");
        fs::create_dir_all(&folder).unwrap();
        let [one, same_as_one, other] = ["one", "same", "other"].map(|name| folder.join(name));
        fs::write(&one, b"abc").unwrap();
        fs::write(&same_as_one, b"abc").unwrap();
        fs::write(&other, b"abd!").unwrap();
        assert_eq!(
            same(&one, &same_as_one).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let fault = same(&one, &other).unwrap_err().to_string();
        assert!(
            fault.ends_with("(4 bytes) differ from byte 2 on"),
            "{fault}"
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
