//! Schemathesis against a controller that runs: thousands of requests made from the description, and
//! every answer compared with it. Slow, and it installs what it needs, so it is run by `--ignored`.
//!
//! | check left out | because |
//! |---|---|
//! | `positive_data_acceptance` | values have rules that a schema does not say, such as check sums |
//! | `ignored_auth` | many bad tokens are answered 429, as they should; W1 asks each route without one |
//! | `unsupported_method`, `allow_header_conformance` | a form is refused as one before its path is looked at, and `GET /login` is a page |

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use farm_tests::home::{Home, MINER_CTRL};
use farm_tests::sources::root;

const START: Duration = Duration::from_secs(60);
/// Requests that are made at random for each operation, apart from those at the bounds of its schema.
const EXAMPLES: &str = "20";

/// The virtual environment with Schemathesis; made anew when the pins change.
fn environment() -> Result<PathBuf, Box<dyn Error>> {
    let dir = root().join("target/tools/schemathesis");
    let (pins, stamp) = (root().join("tests/schemathesis.txt"), dir.join("pins.txt"));
    let wanted = fs::read_to_string(&pins)?;
    if fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(dir);
    }
    let python = ["-m", "venv", "--clear"];
    done(Command::new("python3").args(python).arg(&dir).output()?)?;
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]);
    done(pip.arg("--requirement").arg(&pins).output()?)?;
    fs::write(&stamp, &wanted)?;
    Ok(dir)
}

/// What a command said, if it ended well.
fn done(output: Output) -> Result<String, String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(said + &String::from_utf8_lossy(&output.stderr))
}

#[test]
#[ignore = "slow, and installs Schemathesis"]
fn schemathesis_finds_no_answer_that_the_description_does_not_know() -> Result<(), Box<dyn Error>> {
    let tools = environment()?;
    let home = Home::new("control-center")?;
    let init = ["node", "init", "--name", "main", "--role", "controller"];
    home.run(MINER_CTRL, &init)?.ok()?;
    let ports = ["--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let serve = [&["node", "serve", "--no-announce"], &ports[..]].concat();
    let mut service = home.serve(MINER_CTRL, &serve)?;
    let page = service.expect("http://", START)?;
    let page = page.split_whitespace().next_back().unwrap_or_default();
    // It reads this file where it runs; the token is in nobody's list of processes.
    let config = "headers = { Authorization = \"Bearer ${FARM_TOKEN}\" }\n";
    fs::write(home.path().join("schemathesis.toml"), config)?;
    let out = Command::new(tools.join("bin/st"))
        .current_dir(home.path())
        .env("FARM_TOKEN", home.api_token()?)
        .args(["run", &format!("{page}api/v1/mining/openapi.json")])
        .args(["--checks", "all", "--exclude-checks"])
        .arg("positive_data_acceptance,ignored_auth,unsupported_method,allow_header_conformance")
        // The first asks the network, for seconds each time; the second answers for ever.
        .args(["--exclude-operation-id", "discover"])
        .args(["--exclude-operation-id", "followEvents"])
        .args([
            "--seed",
            "1",
            "--max-examples",
            EXAMPLES,
            "--continue-on-failure",
            "--no-color",
        ])
        .output()?;
    let said = done(out).unwrap_or_else(|said| panic!("{said}"));
    let summary = said.rfind("SUMMARY").map_or(&*said, |at| &said[at..]);
    println!("{summary}");
    assert!(summary.contains("generated"), "{said}");
    Ok(())
}
