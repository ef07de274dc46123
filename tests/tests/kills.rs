//! R2: a controller that is killed at any moment has lost nothing that it acknowledged.
//!
//! `cargo test --package farm-tests --test kills -- --ignored --nocapture` is the long form.
//! `FARM_SEED=N` sets the seed of either.

use std::env;

use farm_tests::kill::Plan;
use farm_tests::load::Figures;

type Outcome = Result<(), String>;

fn kill(kills: u32) -> Result<Figures, String> {
    let seed = env::var("FARM_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let plan = Plan {
        kills,
        seed: seed.unwrap_or(1),
    };
    let figures = plan.run(|at| println!("{at}"))?;
    println!("{figures}");
    Ok(figures)
}

#[test]
fn what_was_acknowledged_is_there_after_fifty_kills() -> Outcome {
    let figures = kill(50)?;
    for what in [
        "rigs added, acknowledged",
        "of these enrolled by a token",
        "rigs removed, acknowledged",
        "rollouts started, acknowledged",
        "rollouts that went on after a kill",
        "kills about the beginning of a second stage",
        "kills within a second of a step's end",
        "steps of the history compared",
    ] {
        assert!(figures.of(what) > 0.0, "{what}\n{figures}");
    }
    Ok(())
}

#[test]
#[ignore = "slow: a thousand kills"]
fn what_was_acknowledged_is_there_after_a_thousand_kills() -> Outcome {
    kill(1_000).map(drop)
}
