//! A rig that was removed at either end, or at both, is added again; neither program restarts.

use farm_tests::home::{MINER, MINER_CTRL};

use super::{Controller, Outcome, Rig, last_word};

#[test]
fn rig_that_was_removed_is_paired_or_added_again() -> Outcome {
    let controller = Controller::start()?;
    let mut rig = Rig::start()?;
    let code = rig.pairing_code()?;
    let pair = |code: &str| {
        let add = rig.add_by_code();
        controller.home.run_with_input(MINER_CTRL, &add, code)?.ok()
    };
    let online = |what: &str| controller.peer_when(what, |peer| peer["connected"] == true);
    pair(&code)?;
    online("paired")?;
    let key = |home: &super::Home, program| -> Result<String, String> {
        let info = home.run(program, &["node", "info", "--json"])?.json()?;
        Ok(info["fingerprint"].as_str().unwrap_or_default().to_owned())
    };
    let manager = key(&controller.home, MINER_CTRL)?;
    let fingerprint = key(&rig.home, MINER)?;

    for at_the_rig in [false, true] {
        controller.run(&["peer", "remove", "rig-alpha"])?;
        controller.run(&["peer", "forget", "rig-alpha"])?;
        if at_the_rig {
            rig.home.run(MINER, &["peer", "remove", &manager])?.ok()?;
        }
        let said = rig.home.run(MINER, &["peer", "pair"])?.ok()?;
        pair(&last_word(said.lines().next().unwrap_or_default()))?;
        online("paired again")?;
    }

    controller.run(&["peer", "remove", "rig-alpha"])?;
    controller.run(&["peer", "forget", "rig-alpha"])?;
    let add = [
        "peer",
        "add",
        "--address",
        &rig.address,
        "--name",
        "rig-alpha",
    ];
    controller.run(&[&add[..], &["--fingerprint", &fingerprint]].concat())?;
    online("added again by its fingerprint")?;

    // Here the controller does not even know that the rig has forgotten it.
    rig.home.run(MINER, &["peer", "remove", &manager])?.ok()?;
    controller.peer_when("cut off by the rig", |peer| peer["connected"] == false)?;
    rig.home.run(MINER, &["peer", "accept", &manager])?.ok()?;
    let again = farm_tests::eventually("accepted again", super::START, || {
        let peers = controller.json(&["peer", "ping", "rig-alpha"]).ok()?;
        peers.to_string().contains("ms").then_some(())
    });
    again.map_err(|error| error + &controller.run(&["peer", "list"]).unwrap_or_default())
}
