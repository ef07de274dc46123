//! A controller is lost and comes back from its backup, with the real programs on loopback.
//!
//! ```text
//!   A: backup --out farm.backup   while it runs, with a rig that is linked
//!   A is destroyed
//!   B: restore farm.backup        the same key, the same rigs, profiles and tokens
//!   the rig links up with B as if nothing had happened
//! ```

use core::time::Duration;
use std::fs;

use farm_tests::eventually;
use farm_tests::home::{Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// A link that was lost is made again: the redial's pause, and the handshake on a busy machine.
const LINK: Duration = Duration::from_secs(90);
const PASSPHRASE: &str = "four words of mine\n";

type Outcome = Result<(), String>;

fn serve(home: &Home, listen: &str) -> Result<(Service, String), String> {
    let serve = ["node", "serve", "--http", "127.0.0.1:0", "--listen", listen];
    let mut service = home.serve(MINER_CTRL, &serve)?;
    service.expect("http://", START)?;
    let dial_in = service.expect("rigs dial in", START)?;
    let dial_in = dial_in.split_whitespace().last().unwrap_or_default();
    Ok((service, dial_in.to_owned()))
}

fn json(home: &Home, arguments: &[&str]) -> Result<Value, String> {
    home.run(MINER_CTRL, &[arguments, &["--json"]].concat())?
        .json()
}

fn linked(home: &Home) -> Outcome {
    eventually("the rig is linked", LINK, || {
        let peers = json(home, &["peer", "list"]).ok()?;
        (peers[0]["connected"] == true).then_some(())
    })
}

/// A controller on this address with one rig and one profile; both programs run.
fn farm(a: &Home, rig: &Home, listen: &str) -> Result<(Service, String, Service), String> {
    let init = [
        "node",
        "init",
        "--name",
        "control-center",
        "--role",
        "controller",
    ];
    a.run(MINER_CTRL, &init)?.ok()?;
    let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
    rig.run(MINER, &init)?.ok()?;
    let (control, dial_in) = serve(a, listen)?;
    let token = json(a, &["token", "create"])?;
    let file = rig.path().join("token");
    let secret = token["token"].as_str().unwrap_or_default();
    fs::write(&file, secret).map_err(|error| error.to_string())?;
    let file = file.display().to_string();
    let worker = [
        "node",
        "serve",
        "--controller",
        &dial_in,
        "--token-file",
        &file,
    ];
    let worker = rig.serve(MINER, &worker)?;
    linked(a)?;
    let profile = [
        "profile",
        "create",
        "--name",
        "home",
        "--pool",
        "127.0.0.1:1",
        "--user",
        "me",
    ];
    a.run(MINER_CTRL, &profile)?.ok()?;
    Ok((control, dial_in, worker))
}

#[test]
fn a_controller_that_is_lost_comes_back_from_its_backup_with_its_rigs() -> Outcome {
    let homes = ["control-center", "rig-alpha", "new-machine"].map(Home::new);
    let [Ok(a), Ok(rig), Ok(b)] = homes else {
        return Err("no temporary folders".to_owned());
    };
    let (mut control, dial_in, _worker) = farm(&a, &rig, "127.0.0.1:0")?;
    let before = json(&a, &["node", "info"])?;

    // While it serves, and without the passphrase in the request or the process list.
    let file = rig.path().join("farm.backup").display().to_string();
    let backup = ["backup", "--out", &file, "--passphrase-file", "-"];
    let said = a.run_with_input(MINER_CTRL, &backup, PASSPHRASE)?.ok()?;
    let recipient = said.split_whitespace().last().unwrap_or_default();
    assert!(recipient.starts_with("BAK1-"), "{}", said);
    // A file is never replaced, and the next one needs no passphrase.
    let again = a.run(MINER_CTRL, &["backup", "--out", &file, "--to", recipient])?;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    let second = rig.path().join("second.backup").display().to_string();
    a.run(MINER_CTRL, &["backup", "--out", &second, "--to", recipient])?
        .ok()?;
    control.kill()?;
    drop(a);

    let wrong = ["restore", &file, "--passphrase-file", "-"];
    let wrong = b.run_with_input(MINER_CTRL, &wrong, "other words of mine\n")?;
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong.stderr.contains("passphrase is not the one"),
        "{}",
        wrong.stderr
    );
    for (backup, force) in [(&second, None), (&file, Some("--force"))] {
        let mut restore = vec!["restore", backup, "--passphrase-file", "-"];
        restore.extend(force);
        b.run_with_input(MINER_CTRL, &restore, PASSPHRASE)?.ok()?;
    }
    let unforced = ["restore", &file, "--passphrase-file", "-"];
    let unforced = b.run_with_input(MINER_CTRL, &unforced, PASSPHRASE)?;
    assert_eq!(unforced.code, Some(3), "{}", unforced.stderr);

    let (_control, _) = serve(&b, &dial_in)?;
    linked(&b)?;
    let after = json(&b, &["node", "info"])?;
    assert_eq!(
        before["identity"]["fingerprint"],
        after["identity"]["fingerprint"]
    );
    assert_eq!(json(&b, &["profile", "list"])?[0]["id"], "home");
    Ok(())
}
