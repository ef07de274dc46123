//! Runs a whole farm of simulated rigs on a controller of its own and prints what both came to.
//!
//! `cargo run --release -p farm-tests --example fleet -- --rigs 10000`; docs/SPECIFICATION.md has the
//! figures of such runs.

use std::cell::RefCell;
use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use argh::FromArgs;
use farm_tests::load::{Figure, Plan};
use serde_json::json;

/// Switch on a farm of simulated rigs on loopback, command it, restart its controller, and measure all
/// of it. The controller is made for it and ends with it.
#[derive(FromArgs)]
struct Fleet {
    /// simulated rigs, 1 to 12000; default: 10000
    #[argh(option, default = "10_000")]
    rigs: u32,
    /// loopback addresses that they come from; default: one of each rig
    #[argh(option)]
    sources: Option<u32>,
    /// the controller knows none of these addresses; default: rigs came from them within a day
    #[argh(switch)]
    strangers: bool,
    /// seconds of the steady phase and of each query; default: 30
    #[argh(option, default = "30")]
    seconds: u64,
    /// let the controller use all processors
    #[argh(switch)]
    all_processors: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

fn main() -> ExitCode {
    let fleet: Fleet = argh::from_env();
    let rigs = fleet.rigs.clamp(1, Plan::MAX_RIGS);
    let plan = Plan {
        rigs,
        sources: fleet.sources.unwrap_or(rigs).clamp(1, rigs),
        known: !fleet.strangers,
        seconds: fleet.seconds.max(1),
        pinned: !fleet.all_processors,
    };
    let is_watched = stderr().is_terminal();
    let said = RefCell::new(String::new());
    let progress = |doing: &str| {
        if is_watched && *said.borrow() != doing {
            eprint!("\r\x1b[K{doing}");
            doing.clone_into(&mut said.borrow_mut());
        }
    };
    let measured = plan.run(progress);
    if is_watched {
        eprint!("\r\x1b[K");
    }
    match measured {
        Ok(figures) => {
            if fleet.json {
                println!("{}", json!({"figures": figures.json()}));
            } else {
                print!("{figures}");
            }
            if figures.0.iter().all(Figure::holds) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::from(2)
        }
    }
}
