//! `cargo xtask`: the build matrix, budgets and every check that CI runs.
//!
//! | task | what it does |
//! |---|---|
//! | `ci [--full]` | every check in the order of CI, with the seconds of each stage |
//! | `bench-engine [QUESTION] [--json]` | our RandomX engine against the reference implementation |
//! | `build --target x86_64` | the static `miner` for rigs; cross/targets.toml has the targets |
//! | `hashes [--target x86_64]` | proves that the static `miner` hashes right, in an emulator if need be |
//! | `reproducible [--target x86_64]` | the same bytes from two folders |
//! | `static-check FILE` | proves that a binary needs no interpreter and no library |
//! | `size [--json]` | binary size, crates and memory of the agent against their budgets |
//! | `lockfile` | licences, generations, bans and advisories of Cargo.lock |
//! | `longest` | the ten longest source files |
//! | `coverage [--missed]` | lines of the parsers that the fuzz corpora reach |
//! | `fuzz [TARGET] [--seconds N]`, `miri` | what needs a nightly compiler |

mod bench;
mod ci;
mod clock;
mod coverage;
mod elf;
mod graph;
mod hashes;
mod licence;
mod lockfile;
mod longest;
mod memory;
mod nightly;
mod reproducible;
mod size;
mod targets;
mod tools;
mod zig;

use std::process::ExitCode;

use argh::FromArgs;

use crate::tools::Failure;

/// Builds, measures and checks the farm.
#[derive(FromArgs)]
struct Xtask {
    #[argh(subcommand)]
    task: Task,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Task {
    BenchEngine(bench::BenchEngine),
    Build(zig::Build),
    Ci(ci::Ci),
    Coverage(coverage::Coverage),
    Fuzz(nightly::Fuzz),
    Hashes(hashes::Hashes),
    Lockfile(lockfile::Lockfile),
    Longest(longest::Longest),
    Miri(nightly::Miri),
    Reproducible(reproducible::Reproducible),
    Size(size::Size),
    StaticCheck(elf::StaticCheck),
}

fn main() -> ExitCode {
    let Xtask { task } = argh::from_env();
    let done: Result<(), Failure> = match task {
        Task::BenchEngine(task) => task.run(),
        Task::Build(task) => task.run(),
        Task::Ci(task) => task.run(),
        Task::Coverage(task) => task.run(),
        Task::Fuzz(task) => task.run(),
        Task::Hashes(task) => task.run(),
        Task::Lockfile(task) => task.run(),
        Task::Longest(task) => task.run(),
        Task::Miri(task) => task.run(),
        Task::Reproducible(task) => task.run(),
        Task::Size(task) => task.run(),
        Task::StaticCheck(task) => task.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
