//! Attacks a controller of its own and prints what its registered rigs felt of it.
//!
//! `cargo run --release -p farm-tests --example flood -- --case D1`; docs/SPECIFICATION.md has the
//! figures of such runs.

use std::io::{IsTerminal as _, stderr};
use std::process::ExitCode;

use argh::FromArgs;
use farm_tests::load::{Case, Extent};
use serde_json::json;

/// Attack a controller on loopback and measure what its rigs feel. The controller is made for it and
/// ends with it.
#[derive(FromArgs)]
struct Flood {
    /// D1 flood of handshakes (default), D2 slow sockets, D3 oversized input, D4 hostile rigs
    #[argh(option, default = "Case::Flood", from_str_fn(case))]
    case: Case,
    /// connections in a second (D1); default: 5000
    #[argh(option)]
    rate: Option<u32>,
    /// seconds of each phase; default: 60 for D1
    #[argh(option)]
    seconds: Option<u64>,
    /// loopback addresses that strangers come from; default: 200
    #[argh(option)]
    sources: Option<u32>,
    /// sockets of each kind (D2, D3), hostile rigs (D4)
    #[argh(option)]
    count: Option<u32>,
    /// registered rigs that are commanded meanwhile; default: 8
    #[argh(option)]
    rigs: Option<u8>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

fn case(id: &str) -> Result<Case, String> {
    Case::parse(id).ok_or_else(|| "it is one of D1, D2, D3, D4".to_owned())
}

fn main() -> ExitCode {
    let flood: Flood = argh::from_env();
    let promised = flood.case.promised();
    let extent = Extent {
        seconds: flood.seconds.unwrap_or(promised.seconds).max(1),
        rate: flood.rate.unwrap_or(promised.rate),
        sources: flood.sources.unwrap_or(promised.sources).max(1),
        count: flood.count.unwrap_or(promised.count),
        rigs: flood.rigs.unwrap_or(promised.rigs).clamp(1, 100),
    };
    let is_watched = stderr().is_terminal();
    let progress = |doing: &str| {
        if is_watched {
            eprintln!("{doing}");
        }
    };
    match flood.case.run(&extent, progress) {
        Ok(figures) => {
            if flood.json {
                println!(
                    "{}",
                    json!({"case": format!("{:?}", flood.case), "figures": figures.json()})
                );
            } else {
                print!("{figures}");
            }
            let holds = figures.0.iter().all(farm_tests::load::Figure::holds);
            if holds {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("flood: {error}");
            ExitCode::from(2)
        }
    }
}
