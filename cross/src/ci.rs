//! Everything that CI runs, in its order; the first stage that fails ends it.
//!
//! | stage | gate |
//! |---|---|
//! | format, clippy | push |
//! | pure: `shared` for a chip without an operating system | push |
//! | tests, doc tests, docs | push |
//! | reference engine: our RandomX against the reference implementation | push |
//! | engine elsewhere: our RandomX as AArch64 code, in an emulator, and interpreted in 32 bits | push |
//! | lock file, longest files | push |
//! | end to end: the real programs on loopback | push |
//! | page: the page in Chromium, with farms of up to 50 simulated rigs | push |
//! | static: the agent for x86_64 rigs, its proof, its budgets and a known sum | push |
//! | short boot: a kernel with our initramfs in qemu, to an accepted share | push |
//! | images: every kind of image likewise | `--images`, and nothing else then |
//! | long images: fifty copies of one disk, a rig whose power is cut two hundred times | `--images --long` |
//! | advisories: the RustSec database | `--full` |
//! | slow tests: the long forms of tests, marked `#[ignore]` | `--full` |
//! | page, 10,000: the same with 10,000 rigs | `--full` |
//! | static elsewhere: the agent for every other target, in an emulator where need be | `--full` |
//! | reproducible: the static agent from a second folder, byte for byte | `--full` |
//!
//! What must be compiled first on a fresh machine stays out of the push gate.

use std::process::Command;
use std::{env, fs};

use argh::FromArgs;

use crate::clock::StopWatch;
use crate::lockfile::{self, Lockfile};
use crate::longest::Longest;
use crate::size::Size;
use crate::targets::Targets;
use crate::tools::{Context as _, Failure, cargo, has_cargo_tool, root, run, target_dir};
use crate::{hashes, reproducible, zig};

/// Run every check, as CI does.
#[derive(FromArgs)]
#[argh(subcommand, name = "ci")]
pub(crate) struct Ci {
    /// also run what is too slow for every push
    #[argh(switch)]
    full: bool,
    /// build images and boot them, instead of everything else
    #[argh(switch)]
    images: bool,
    /// with --images, also copies of a disk by the dozen and power cuts: three hours
    #[argh(switch)]
    long: bool,
    /// begin at this stage, to go on where a run failed
    #[argh(option)]
    from: Option<String>,
}

type Stage = (&'static str, fn() -> Result<(), Failure>);

const PUSH: [Stage; 14] = [
    ("format", format),
    ("clippy", clippy),
    ("pure shared", pure),
    ("tests", tests),
    ("doc tests", doc_tests),
    ("docs", docs),
    ("reference engine", reference_engine),
    ("engine elsewhere", engine_elsewhere),
    ("lock file", || Lockfile {}.run()),
    ("longest files", || Longest {}.run()),
    ("end to end", end_to_end),
    ("page", || page(&[])),
    ("static agent", static_agent),
    ("short boot", || boots("images", "short")),
];

const IMAGES: [Stage; 2] = [
    ("static agents", static_agents),
    ("images", || boots("images", "")),
];

const LONG: [Stage; 1] = [("long images", || boots("images_long", ""))];

const FULL: [Stage; 5] = [
    ("advisories", lockfile::advisories),
    ("slow tests", slow_tests),
    ("page, 10,000", || page(&["--full"])),
    ("static elsewhere", static_elsewhere),
    ("reproducible", || reproducible::check(PUSHED)),
];

impl Ci {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut times = Vec::new();
        if self.long && !self.images {
            return Err(Failure::new("--long goes with --images"));
        }
        let stages: Vec<&Stage> = match (self.images, self.full) {
            (true, _) if self.long => IMAGES.iter().chain(&LONG).collect(),
            (true, _) => IMAGES.iter().collect(),
            (false, true) => PUSH.iter().chain(&FULL).collect(),
            (false, false) => PUSH.iter().collect(),
        };
        let begin = match &self.from {
            None => 0,
            Some(from) => {
                let named = |(name, _): &&Stage| name == from;
                let unknown = || Failure::new(format!("no stage is called {from}"));
                stages.iter().position(named).ok_or_else(unknown)?
            }
        };
        let mut outcome = Ok(());
        for (name, stage) in &stages[begin..] {
            eprintln!("\n== {name}");
            let watch = StopWatch::start();
            outcome = stage().context(name);
            times.push((*name, watch.secs()));
            if outcome.is_err() {
                break;
            }
        }
        print_times(&times, outcome.is_ok());
        outcome
    }
}

fn print_times(times: &[(&str, f64)], good: bool) {
    let total: f64 = times.iter().map(|(_, secs)| secs).sum();
    println!("\nstage             seconds");
    for (name, secs) in times {
        println!("{name:<16} {secs:>8.1}");
    }
    let verdict = if good {
        "all stages passed"
    } else {
        "the last stage failed"
    };
    println!(
        "total            {total:>8.1}   ({:.1} min, {verdict})",
        total / 60.0
    );
}

fn format() -> Result<(), Failure> {
    run(cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<(), Failure> {
    run(cargo()
        .args(["clippy", "--locked", "--workspace", "--all-targets"])
        .args(["--", "--deny", "warnings"]))
}

/// `shared` for a chip without an operating system: the proof that it needs neither std nor heap.
fn pure() -> Result<(), Failure> {
    run(cargo()
        .args(["build", "--locked", "--package", "miner-shared"])
        .args(["--target", "thumbv7em-none-eabihf"]))
}

/// Our RandomX against the reference implementation, whose C++ is built for this stage alone, and
/// against XMRig's check sums of 10,000 hashes.
fn reference_engine() -> Result<(), Failure> {
    let engine = [
        "--locked",
        "--package",
        "miner-engine",
        "--features",
        "reference",
    ];
    run(cargo()
        .arg("clippy")
        .args(engine)
        .args(["--all-targets", "--", "--deny", "warnings"]))?;
    run(cargo()
        .arg("test")
        .args(engine)
        .args(["--no-fail-fast", "--", "reference"]))?;
    run(cargo()
        .args([
            "test",
            "--locked",
            "--package",
            "miner-agent",
            "--test",
            "bench",
        ])
        .args(["--", "--ignored", "known_sums_of_two_threads"]))
}

/// Our RandomX for other processors; .cargo/config.toml names the emulator.
fn engine_elsewhere() -> Result<(), Failure> {
    for (target, tests) in [
        (
            "aarch64-unknown-linux-musl",
            &["--lib", "--test", "vectors"][..],
        ),
        ("i686-unknown-linux-musl", &["--lib"]),
    ] {
        run(cargo()
            .args(["test", "--locked", "--package", "miner-engine"])
            .args(["--target", target])
            .args(tests))?;
    }
    Ok(())
}

/// The test binaries that run the real programs.
const END_TO_END: [&str; 9] = [
    "backup", "clones", "e2e", "fleet", "images", "keys", "kills", "orders", "updates",
];

/// Every test but end to end, which is a stage of its own.
fn tests() -> Result<(), Failure> {
    if has_cargo_tool("nextest") {
        return run(cargo()
            .args([
                "nextest",
                "run",
                "--locked",
                "--workspace",
                "--no-fail-fast",
            ])
            .args(["--filterset", &format!("not ({})", end_to_end_binaries())]));
    }
    run(cargo()
        .args(["test", "--locked", "--workspace", "--exclude", "farm-tests"])
        .args(["--lib", "--bins", "--tests", "--no-fail-fast"]))?;
    let mut command = cargo();
    command.args([
        "test",
        "--locked",
        "--package",
        "farm-tests",
        "--no-fail-fast",
        "--lib",
    ]);
    for name in integration_tests()? {
        command.args(["--test", &name]);
    }
    run(&mut command)
}

/// Names of the integration tests of `farm-tests` except end to end.
fn integration_tests() -> Result<Vec<String>, Failure> {
    let dir = root().join("tests/tests");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).context(dir.display())? {
        let path = entry.context(dir.display())?.path();
        let is_test = path.extension().is_some_and(|extension| extension == "rs")
            || path.join("main.rs").exists();
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        names.extend(stem.filter(|stem| is_test && !END_TO_END.contains(&stem.as_str())));
    }
    names.sort();
    Ok(names)
}

fn doc_tests() -> Result<(), Failure> {
    run(cargo().args(["test", "--locked", "--workspace", "--doc"]))
}

/// Documentation of everything, private items included: they may be linked to.
fn docs() -> Result<(), Failure> {
    run(cargo()
        .args([
            "doc",
            "--locked",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ])
        .env(
            "RUSTDOCFLAGS",
            "--deny warnings --allow rustdoc::private_intra_doc_links",
        ))
}

/// The real programs, built first so that the tests' deadlines measure the programs only, and one
/// test at a time because each of them hashes.
fn end_to_end() -> Result<(), Failure> {
    run(cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    let mut command = cargo();
    if has_cargo_tool("nextest") {
        command.args([
            "nextest",
            "run",
            "--locked",
            "--workspace",
            "--no-fail-fast",
        ]);
        command.args(["--filterset", &end_to_end_binaries(), "--test-threads", "1"]);
    } else {
        command.args(["test", "--locked", "--package", "farm-tests"]);
        command.args(END_TO_END.iter().flat_map(|name| ["--test", name]));
        command.args(["--", "--test-threads", "1"]);
    }
    run(command.env("FARM_PROGRAMS", target_dir().join("debug")))
}

/// The page in Chromium, with farms of simulated rigs.
fn page(arguments: &[&str]) -> Result<(), Failure> {
    run(cargo()
        .args(["build", "--locked", "--package", "farm-tests"])
        .args(["--example", "farm"]))?;
    let folder = root().join("tests/browser");
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(&folder))?;
    let programs = target_dir().join("debug");
    run(Command::new("node")
        .arg("run.mjs")
        .args(arguments)
        .current_dir(&folder)
        .env("FARM_PROGRAM", programs.join("examples/farm"))
        .env("FARM_PROGRAMS", programs))
}

/// The same as a filter of nextest's.
fn end_to_end_binaries() -> String {
    END_TO_END
        .map(|name| format!("binary({name})"))
        .join(" or ")
}

/// The target whose agent is built in every push.
const PUSHED: &str = "x86_64";
/// The targets that there are images for.
const IMAGE_TARGETS: [&str; 2] = [PUSHED, "aarch64"];
/// Module of the tests that boot machines.
const IN_QEMU: &str = "in_qemu::";

fn static_agent() -> Result<(), Failure> {
    agent_of(&Targets::read()?, PUSHED)
}

fn static_elsewhere() -> Result<(), Failure> {
    let targets = Targets::read()?;
    let mut elsewhere = targets.names().filter(|name| *name != PUSHED);
    elsewhere.try_for_each(|name| agent_of(&targets, name))
}

/// The agents that images are built of.
fn static_agents() -> Result<(), Failure> {
    let targets = Targets::read()?;
    IMAGE_TARGETS
        .into_iter()
        .try_for_each(|name| zig::build(name, targets.named(name)?))
}

/// Images in qemu: of these tests those whose names begin so.
fn boots(tests: &str, which: &str) -> Result<(), Failure> {
    run(cargo().args(["build", "--locked", "--workspace", "--bins"]))?;
    run(cargo()
        .args(["test", "--locked", "--package", "farm-tests"])
        .args(["--test", tests, "--"])
        .args(["--ignored", "--nocapture", "--test-threads", "1"])
        .arg(format!("{IN_QEMU}{which}"))
        .env("FARM_PROGRAMS", target_dir().join("debug")))
}

fn agent_of(targets: &Targets, name: &str) -> Result<(), Failure> {
    zig::build(name, targets.named(name)?)?;
    Size {
        target: name.to_owned(),
        json: false,
    }
    .run()?;
    hashes::check(targets, name)
}

/// The long forms of tests; an optimised build, or the counts take hours.
fn slow_tests() -> Result<(), Failure> {
    let jobs = env::var("FARM_SLOW_THREADS").unwrap_or_else(|_| "1".to_owned());
    run(cargo()
        .args([
            "test",
            "--locked",
            "--release",
            "--workspace",
            "--",
            "--ignored",
        ])
        .args(["--skip", IN_QEMU])
        .args(["--test-threads", &jobs]))
}
