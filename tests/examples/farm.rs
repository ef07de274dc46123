//! A farm to look at: a controller with simulated rigs that stays until its input ends or Ctrl-C.
//!
//! `cargo run -p farm-tests --example farm -- --rigs 50` prints where the page is and how to log in.
//! The tests of the page in a browser run it too.

use std::io::{Read as _, stdin};
use std::process::ExitCode;

use argh::FromArgs;
use farm_tests::load::{Plan, Show};
use serde_json::json;

/// Switch on a farm of simulated rigs and look at its page. The controller is made for it and ends with it.
#[derive(FromArgs)]
struct Farm {
    /// simulated rigs, 0 to 12000; default: 50
    #[argh(option, default = "50")]
    rigs: u32,
    /// all rigs are well; default: some are in each kind of trouble
    #[argh(switch)]
    well: bool,
    /// print JSON with an API token: page, token, login, and the controller's pid
    #[argh(switch)]
    json: bool,
}

fn main() -> ExitCode {
    let farm: Farm = argh::from_env();
    let shown = Show::start(farm.rigs.min(Plan::MAX_RIGS), !farm.well).and_then(|show| {
        let login = show.login()?;
        if farm.json {
            let page = format!("http://{}/", show.page());
            println!(
                "{}",
                json!({"page": page, "token": show.token(), "login": login, "pid": show.pid()})
            );
        } else {
            println!("log in at {login}");
            println!("Ctrl-C ends the farm");
        }
        // It stays while somebody holds the other end; an error is an end too.
        let _ended = stdin().read_to_end(&mut Vec::new());
        Ok(())
    });
    match shown {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("farm: {error}");
            ExitCode::FAILURE
        }
    }
}
