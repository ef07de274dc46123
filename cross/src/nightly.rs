//! Checks that need a nightly compiler, and so are no part of CI: fuzzing and Miri.

use std::fs;

use argh::FromArgs;

use crate::tools::{Context as _, Failure, read, root, run};

/// Run one fuzz target, or all of them in turn.
#[derive(FromArgs)]
#[argh(subcommand, name = "fuzz")]
pub(crate) struct Fuzz {
    /// name of the target; without it, all
    #[argh(positional)]
    target: Option<String>,
    /// seconds for each target
    #[argh(option, default = "600")]
    seconds: u32,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<(), Failure> {
        // The same versions as everywhere; the manifest adds the fuzzer itself.
        let lock = root().join("tests/fuzz/Cargo.lock");
        fs::write(lock, read("Cargo.lock")?).context("tests/fuzz/Cargo.lock")?;
        let targets = match self.target {
            Some(target) => vec![target],
            None => targets()?,
        };
        targets
            .iter()
            .try_for_each(|target| fuzz(target, self.seconds))
    }
}

fn fuzz(target: &str, seconds: u32) -> Result<(), Failure> {
    // New inputs go to a folder that is not committed; the committed ones are where it begins.
    let found = format!("tests/fuzz/artifacts/corpus/{target}");
    fs::create_dir_all(root().join(&found)).context(&found)?;
    let (limit, known) = (
        format!("-max_total_time={seconds}"),
        format!("tests/fuzz/corpus/{target}"),
    );
    run(rustup("fuzz")
        .args(["run", "--fuzz-dir", "tests/fuzz", "--sanitizer", "none"])
        .args([target, &found, &known, "--", &limit])
        .args(["-timeout=10", "-report_slow_units=1", "-max_len=4200"])
        .arg("-print_final_stats=1"))
}

/// The names of the targets: those of their binaries.
fn targets() -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("tests/fuzz/fuzz_targets"))? {
        let path = entry?.path();
        if let Some(stem) = path.file_stem() {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Run the tests of `shared` in Miri, which sees undefined behaviour.
#[derive(FromArgs)]
#[argh(subcommand, name = "miri")]
pub(crate) struct Miri {}

/// Tests that Miri takes too long for: curves, ciphers and thousands of SHA-256; days of samples, a full
/// memory of handshakes, a log of any lines, shares by the dozen.
const SKIPPED: [&str; 11] = [
    "a_miner_that_floods_waits_and_every_claim_is_answered_at_the_end",
    "a_window_is_unknown_until_it_is_covered",
    "base32::",
    "crypto::",
    "each_share_is_answered_or_lost_exactly_once",
    "identity::",
    "memory_stays_bounded_and_right_over_days",
    "record::",
    "smsg::",
    "the_last_256_first_messages_are_known_again",
    "the_ring_holds_the_last_records_as_pushed",
];

impl Miri {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let skipped = SKIPPED.iter().flat_map(|name| ["--skip", *name]);
        run(rustup("miri")
            .args(["test", "--package", "miner-shared", "--lib", "--"])
            .args(skipped)
            // proptest looks for a folder of earlier failures and reads how many cases to try.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            .env("PROPTEST_CASES", "2"))
    }
}

/// `cargo +nightly TOOL`: the cargo that runs us is not rustup's.
fn rustup(tool: &str) -> std::process::Command {
    let mut command = std::process::Command::new("rustup");
    command
        .current_dir(root())
        .args(["run", "nightly", "cargo", tool]);
    command.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}
