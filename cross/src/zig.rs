//! The static `miner` for rigs: Rust by cargo, the little C that is left (ring's) by zig.
//!
//! A C compiler for each machine and its musl is one download with zig, and one package for each with
//! a distribution. Both tools come from PyPI into a virtual environment below `target/`, pinned by
//! hash in `cross/requirements.txt`; nothing is installed on the machine.
//!
//! The result is to depend on nothing but sources, `Cargo.lock` and the versions of Rust and zig: the compiler
//! is told to write other names for the folders of this machine. `cargo xtask reproducible` shows it.
//!
//! ```text
//! requirements.txt ──pip──▶ target/tools/zig ──PATH──▶ cargo zigbuild ──▶ target/TRIPLE/agent/miner
//! ```

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use argh::FromArgs;

use crate::elf;
use crate::targets::{Target, Targets};
use crate::tools::{Context as _, Failure, cargo, output, read, root, run, target_dir};

/// Build the static `miner` for a kind of rig.
#[derive(FromArgs)]
#[argh(subcommand, name = "build")]
pub(crate) struct Build {
    /// name of the target in cross/targets.toml, such as x86_64
    #[argh(option)]
    target: String,
}

impl Build {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let targets = Targets::read()?;
        let target = targets.named(&self.target)?;
        build(&self.target, target)?;
        println!("{}", target.miner().display());
        Ok(())
    }
}

/// The folders that a build takes part in.
pub(crate) struct Place {
    /// The sources.
    pub(crate) root: PathBuf,
    /// What is built.
    pub(crate) target_dir: PathBuf,
    /// Cargo's own, with the sources of foreign crates.
    pub(crate) cargo_home: PathBuf,
}

impl Place {
    /// This workspace.
    ///
    /// # Errors
    /// Neither `CARGO_HOME` nor `HOME` is set.
    pub(crate) fn here() -> Result<Self, Failure> {
        let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
        let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
        Ok(Self {
            root: root(),
            target_dir: target_dir(),
            cargo_home: cargo_home
                .ok_or_else(|| Failure::new("neither CARGO_HOME nor HOME is set"))?,
        })
    }

    /// Flags for rustc that take these folders out of what it writes. The last that fits counts, so
    /// that a folder within another one comes after it.
    fn rustflags(&self) -> String {
        [
            (&self.root, "/src"),
            (&self.target_dir, "/src/target"),
            (&self.cargo_home, "/cargo"),
        ]
        .map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display()))
        .join("\x1f")
    }
}

/// Builds the agent for `target` and proves that the result is static and for the machine `name`.
///
/// # Errors
/// A tool cannot be had, the build fails, or the binary needs anything at run time.
pub(crate) fn build(name: &str, target: &Target) -> Result<(), Failure> {
    build_in(&Place::here()?, target)?;
    elf::check(&target.miner(), Some(name))
}

/// Builds the agent for `target` in a place.
///
/// # Errors
/// A tool cannot be had, or the build fails.
pub(crate) fn build_in(place: &Place, target: &Target) -> Result<(), Failure> {
    needs_library(&target.triple)?;
    let tools = environment()?;
    let paths = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(
        [tools.join("bin")]
            .into_iter()
            .chain(env::split_paths(&paths)),
    )
    .context("PATH")?;
    let cache = place.target_dir.join("tools/zig-cache");
    run(cargo()
        .current_dir(&place.root)
        .args(["zigbuild", "--locked"])
        .args(["--package", "miner-agent", "--bin", "miner"])
        .args(["--profile", "agent", "--target", &target.triple])
        .env("PATH", path)
        .env("CARGO_HOME", &place.cargo_home)
        .env("CARGO_TARGET_DIR", &place.target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", place.rustflags())
        .env("CARGO_ZIGBUILD_CACHE_DIR", &cache)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache))
}

/// Rust's library for another machine is a download of its own.
fn needs_library(triple: &str) -> Result<(), Failure> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder =
        output(Command::new(rustc).args(["--print", "target-libdir", "--target", triple]))?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "no Rust library for {triple}: rustup target add {triple}"
    )))
}

/// The virtual environment with zig and cargo-zigbuild; made anew when the pins change.
fn environment() -> Result<PathBuf, Failure> {
    let dir = target_dir().join("tools/zig");
    let stamp = dir.join("requirements.txt");
    let pins = read("cross/requirements.txt")?;
    if fs::read_to_string(&stamp).is_ok_and(|have| have == pins) {
        return Ok(dir);
    }
    if dir.exists() {
        fs::remove_dir_all(&dir).context(dir.display())?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
    run(Command::new(dir.join("bin/pip"))
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--require-hashes",
        ])
        .arg("--requirement")
        .arg(root().join("cross/requirements.txt")))?;
    write(&stamp, &pins)?;
    Ok(dir)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).context(path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_of_two_folders_is_renamed_last() {
        let place = Place {
            root: "/a".into(),
            target_dir: "/a/target".into(),
            cargo_home: "/a/cargo-home".into(),
        };
        assert_eq!(
            place.rustflags().split('\x1f').collect::<Vec<_>>(),
            [
                "--remap-path-prefix=/a=/src",
                "--remap-path-prefix=/a/target=/src/target",
                "--remap-path-prefix=/a/cargo-home=/cargo"
            ]
        );
    }
}
