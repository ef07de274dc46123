//! The owner's word on a machine: what it does not allow is refused and shown, and a wrong one keeps the
//! machine from starting.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use farm_tests::eventually;
use farm_tests::home::{Home, MINER, MINER_CTRL};

use super::{ANSWER, Outcome, Rig, mining_farm};

/// Puts this word where the machine's agent looks for it.
fn write(home: &Home, word: &str) {
    let path = home.path().join("config/lethean-desktop/owner.toml");
    fs::write(&path, word).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_wallet_that_the_owner_does_not_allow_is_refused_and_shown() -> Outcome {
    let (pool, controller, mut rig) = mining_farm()?;
    let status = |status: &'static str| {
        controller.peer_when(status, |peer| peer["desired"]["status"] == status)
    };
    status("applied")?;

    // The wish is on the rig's disk already when the owner comes to forbid it.
    rig.service.kill()?;
    write(&rig.home, "owner = \"Alice\"\nwallets = [\"44Alice\"]");
    rig.restart()?;
    rig.service
        .expect("the wallet at pool 1 is not in wallets", ANSWER)?;
    let peer = status("refused")?;
    assert_eq!(peer["activity"]["state"], "stopped", "{peer}");

    let drift = controller.home.run(MINER_CTRL, &["drift", "--json"])?;
    assert_eq!(drift.code, Some(1), "{drift:#?}");
    assert!(drift.stdout.contains("owner.toml"), "{drift:#?}");
    assert!(drift.stdout.contains("\"field\": \"pools\""), "{drift:#?}");
    let events = controller.json(&["events"])?.to_string();
    assert!(events.contains("owner.toml"), "{events}");
    let findings = controller.json(&["remote", "doctor", "rig-alpha"])?;
    let findings = findings.to_string();
    let said = "refused: the wallet at pool 1 is not in wallets";
    assert!(findings.contains(said), "{findings}");
    let word = controller.json(&["remote", "owner", "rig-alpha"])?;
    assert_eq!(
        (&word["owner"], &word["mine"]),
        (&"Alice".into(), &true.into())
    );
    assert_eq!(
        (&word["wallets"], &word["pools"]),
        (&1.into(), &serde_json::Value::Null)
    );
    assert!(
        !word.to_string().contains("44Alice"),
        "the list stays there: {word}"
    );

    let create = [
        "profile",
        "create",
        "--name",
        "alice",
        "--user",
        "44Alice.rig-alpha",
    ];
    let how = ["--pool", &pool.address, "--threads", "1", "--mode", "light"];
    controller.run(&[&create[..], &how].concat())?;
    let start = ["remote", "start", "rig-alpha", "--confirm-payout"];
    controller.run(&[&start[..], &["4Alice", "--profile", "alice"]].concat())?;
    status("applied")?;
    let refused = [&start[..], &["rig", "--profile", "my-profile"]].concat();
    let refused = controller.home.run(MINER_CTRL, &refused)?;
    assert!(
        refused.code != Some(0) && refused.text().contains("owner.toml"),
        "{refused:#?}"
    );
    let profile = eventually("the allowed profile is still mined", ANSWER, || {
        let status = controller.json(&["remote", "status", "rig-alpha"]).ok()?;
        status["profile"].as_str().map(str::to_owned)
    })?;
    assert_eq!(profile, "alice");
    Ok(())
}

#[test]
fn a_word_that_cannot_be_read_keeps_the_machine_from_starting() -> Outcome {
    let rig = Rig::start()?;
    let Rig { home, service, .. } = rig;
    drop(service);
    write(&home, "owner = \"Alice\"\nwallet = [\"44Alice\"]\n");
    let serve = ["node", "serve", "--listen", "127.0.0.1:0"];
    let refused = home.run(MINER, &serve)?;
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    let said = "owner.toml, line 2: no key is called so";
    assert!(refused.stderr.contains(said), "{refused:#?}");
    let named = home.run(MINER, &[&serve[..], &["--owner", "nowhere"]].concat())?;
    assert_eq!(named.code, Some(1), "{named:#?}");
    Ok(())
}

#[test]
fn a_controller_that_the_owner_does_not_list_is_not_accepted() -> Outcome {
    let [rig, listed, other] = ["rig", "listed", "other"].map(|name| Home::new(name).unwrap());
    let key = |home: &Home| -> Result<String, String> {
        let init = ["node", "init", "--role", "controller"];
        home.run(MINER_CTRL, &init)?.ok()?;
        let info = home.run(MINER_CTRL, &["node", "info", "--json"])?.json()?;
        Ok(info["fingerprint"].as_str().unwrap_or_default().to_owned())
    };
    let (listed, other) = (key(&listed)?, key(&other)?);
    rig.run(MINER, &["node", "init", "--role", "worker"])?
        .ok()?;
    write(&rig, &format!("controllers = [\"{listed}\"]"));
    let refused = rig.run(MINER, &["peer", "accept", &other])?;
    assert!(
        refused.code == Some(1) && refused.text().contains("owner.toml lists who may"),
        "{refused:#?}"
    );
    let dial = [
        "node",
        "serve",
        "--controller",
        "127.0.0.1:1",
        "--fingerprint",
    ];
    let refused = rig.run(MINER, &[&dial[..], &[&other]].concat())?;
    assert!(
        refused.code == Some(1) && refused.text().contains("owner.toml lists who may"),
        "{refused:#?}"
    );
    rig.run(MINER, &["peer", "accept", &listed])?.ok()?;
    Ok(())
}
