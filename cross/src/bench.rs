//! `cargo xtask bench-engine`: our RandomX engine against the reference implementation, in turns in
//! one process. agent/engine/examples/compare.rs does it; this builds and runs it.

use argh::FromArgs;

use crate::tools::{Failure, cargo, run};

/// Measure our RandomX engine against the reference implementation.
#[derive(FromArgs)]
#[argh(subcommand, name = "bench-engine")]
pub(crate) struct BenchEngine {
    /// one question: code, memory, light, fill, prefetch or pages; default: all but pages, about a quarter of an hour
    #[argh(positional)]
    question: Option<String>,
    /// rounds of four measurements; default: 7
    #[argh(option)]
    rounds: Option<u32>,
    /// seconds of each measurement; default: 3
    #[argh(option)]
    seconds: Option<u32>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl BenchEngine {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut command = cargo();
        command
            .args(["run", "--quiet", "--release", "--locked"])
            .args(["--package", "miner-engine", "--features", "reference"])
            .args(["--example", "compare", "--"])
            .args(self.question);
        for (name, value) in [("--rounds", self.rounds), ("--seconds", self.seconds)] {
            if let Some(value) = value {
                command.args([name, &value.to_string()]);
            }
        }
        command.args(self.json.then_some("--json"));
        run(&mut command)
    }
}
