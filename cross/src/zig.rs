//! The static `miner` for rigs: Rust by cargo, the little C that is left (ring's) by zig.
//!
//! A C compiler for each machine and its musl is one download with zig, and one package for each with
//! a distribution. Both tools come from PyPI into a virtual environment below `target/`, pinned by
//! hash in `cross/requirements.txt`; nothing is installed on the machine.
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
use crate::tools::{Context as _, Failure, cargo, read, root, run, target_dir};

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
        build(target)?;
        println!("{}", target.miner().display());
        Ok(())
    }
}

/// Builds the agent for `target` and proves that the result is static.
///
/// # Errors
/// A tool cannot be had, the build fails, or the binary needs anything at run time.
pub(crate) fn build(target: &Target) -> Result<(), Failure> {
    let tools = environment()?;
    let bin = tools.join("bin");
    let paths = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([bin.clone()].into_iter().chain(env::split_paths(&paths)))
        .context("PATH")?;
    let cache = target_dir().join("tools/zig-cache");
    let mut command = cargo();
    command
        .args([
            "zigbuild",
            "--locked",
            "--package",
            "miner-agent",
            "--bin",
            "miner",
        ])
        .args(["--profile", "agent", "--target", &target.triple])
        .env("PATH", path)
        .env("CARGO_ZIGBUILD_CACHE_DIR", &cache)
        .env("ZIG_GLOBAL_CACHE_DIR", &cache);
    run(&mut command)?;
    elf::check(&target.miner())
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
