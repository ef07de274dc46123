//! Keys change on a running farm, with the real programs on loopback: nobody is introduced again.
//!
//! ```text
//!   controller A ── pairs, recovery key ──▶ rig            pinned
//!   A: node rotate-key ─────────────────▶ the rig, and a rig with an older token, follow
//!   A: remote rotate-key ───────────────▶ the rig has a new key and is the same rig
//!   N: node recover, with the key's file ▶ the rig obeys N, and A no more
//! ```
//! Nothing waits a fixed time: every step asks the programs until the answer is there or its deadline
//! has passed.

use core::time::Duration;

use farm_tests::eventually;
use farm_tests::home::{Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// A link that was lost is made again: the redial's pause, and the handshake on a busy machine.
const LINK: Duration = Duration::from_secs(90);
/// Ctrl-C to the end.
const END: Duration = Duration::from_secs(2);

type Outcome = Result<(), String>;

fn init(home: &Home, program: &str, name: &str, role: &str) -> Outcome {
    let init = ["node", "init", "--name", name, "--role", role];
    home.run(program, &init)?.ok().map(drop)
}

/// Serves a controller where rigs dial in at `listen`; that address.
fn serve(home: &Home, listen: &str) -> Result<(Service, String), String> {
    let serve = ["node", "serve", "--http", "127.0.0.1:0", "--listen", listen];
    let mut service = home.serve(MINER_CTRL, &serve)?;
    service.expect("http://", START)?;
    let dial_in = last_word(&service.expect("rigs dial in", START)?);
    Ok((service, dial_in))
}

fn last_word(line: &str) -> String {
    let words = line.split_whitespace();
    words.last().unwrap_or_default().to_owned()
}

fn json(home: &Home, arguments: &[&str]) -> Result<Value, String> {
    home.run(MINER_CTRL, &[arguments, &["--json"]].concat())?
        .json()
}

fn fingerprint(home: &Home, program: &str) -> Result<String, String> {
    let info = home.run(program, &["node", "info", "--json"])?.json()?;
    Ok(info["fingerprint"].as_str().unwrap_or_default().to_owned())
}

/// What a controller says of the rig of this name, once `is_so`.
fn peer_when(
    home: &Home,
    name: &str,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> Result<Value, String> {
    let found = eventually(what, LINK, || {
        let peers = json(home, &["peer", "list"]).ok()?;
        let mut peers = peers.as_array()?.iter();
        peers
            .find(|peer| peer["name"] == name && is_so(peer))
            .cloned()
    });
    found.map_err(|error| format!("{error}\n{:?}", json(home, &["peer", "list"])))
}

fn is_linked(peer: &Value) -> bool {
    peer["connected"] == true
}

/// That this controller, under the key that it has now, decides for the rig.
fn assert_decides(home: &Home) -> Outcome {
    let managers = json(home, &["remote", "managers", "rig-alpha"])?;
    let first = &managers["managers"][0];
    assert_eq!(first["thisController"], true, "{managers}");
    assert_eq!(
        first["fingerprint"].as_str(),
        Some(fingerprint(home, MINER_CTRL)?.as_str())
    );
    assert_eq!(managers["managers"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn keys_of_controller_and_rig_change_and_a_lost_controller_is_replaced() -> Outcome {
    let (a, rig) = (
        Home::new("control-center").unwrap(),
        Home::new("rig-alpha").unwrap(),
    );
    init(&a, MINER_CTRL, "control-center", "controller")?;
    init(&rig, MINER, "rig-alpha", "worker")?;
    let (mut control, dial_in) = serve(&a, "127.0.0.1:0")?;
    let mut service = rig.serve(MINER, &["node", "serve", "--listen", "127.0.0.1:0"])?;
    let address = last_word(&service.expect("listening", START)?);
    let code = last_word(&service.expect("pairing code", START)?);
    let add = ["peer", "add", "--address", &address, "--name", "rig-alpha"];
    let by_code = [&add[..], &["--pair-file", "-"]].concat();
    a.run_with_input(MINER_CTRL, &by_code, &code)?.ok()?;

    // The recovery key reaches the rig; its file is never written over.
    let secret = a.path().join("recovery.key");
    let secret = secret.to_str().unwrap();
    let create = ["node", "recovery", "create", "--out", secret];
    a.run(MINER_CTRL, &create)?.ok()?;
    peer_when(&a, "rig-alpha", "the recovery key is pinned", |peer| {
        peer["recovery"] == "pinned"
    })?;
    let kept = std::fs::read_to_string(secret).unwrap();
    let again = a.run(MINER_CTRL, &create)?;
    assert_eq!(again.code, Some(1), "{again:#?}");
    assert_eq!(std::fs::read_to_string(secret).unwrap(), kept);

    // The controller's key, with the controller stopped: the rig follows, and an older token holds.
    let token = a.path().join("hall.token");
    let token = token.to_str().unwrap();
    a.run(MINER_CTRL, &["token", "create", "--out", token])?
        .ok()?;
    let rotate = ["node", "rotate-key"];
    let running = a.run(MINER_CTRL, &[&rotate[..], &["--yes"]].concat())?;
    assert!(
        running.code == Some(1) && running.stderr.contains("end it"),
        "{running:#?}"
    );
    control.interrupt(END)?;
    let unasked = a.run(MINER_CTRL, &rotate)?;
    assert!(
        unasked.code == Some(3) && unasked.stderr.contains("--yes"),
        "{unasked:#?}"
    );
    let old = fingerprint(&a, MINER_CTRL)?;
    a.run(MINER_CTRL, &[&rotate[..], &["--yes"]].concat())?
        .ok()?;
    assert_ne!(fingerprint(&a, MINER_CTRL)?, old);
    let (mut control, _) = serve(&a, &dial_in)?;
    peer_when(&a, "rig-alpha", "the rig follows its controller", is_linked)?;
    assert_decides(&a)?;
    let newcomer = Home::new("rig-beta").unwrap();
    init(&newcomer, MINER, "rig-beta", "worker")?;
    let by_token = [
        "node",
        "serve",
        "--controller",
        &dial_in,
        "--token-file",
        token,
    ];
    let _beta = newcomer.serve(MINER, &by_token)?;
    peer_when(
        &a,
        "rig-beta",
        "a token from before admits a rig",
        is_linked,
    )?;

    // The rig's key, by command: it stays the same rig.
    let before = peer_when(&a, "rig-alpha", "the rig is linked", is_linked)?;
    let rotated = json(&a, &["remote", "rotate-key", "rig-alpha"])?;
    assert_eq!(rotated["status"], "applied", "{rotated}");
    let after = peer_when(&a, "rig-alpha", "the rig is back", |peer| {
        is_linked(peer) && peer["id"] != before["id"]
    })?;
    assert_eq!(
        after["fingerprint"].as_str(),
        Some(fingerprint(&rig, MINER)?.as_str())
    );
    assert_eq!(
        (&after["trust"], &after["recovery"]),
        (&before["trust"], &"pinned".into())
    );
    let removed = json(&a, &["peer", "list", "--removed"])?;
    assert_eq!(removed[0]["id"], before["id"]);
    assert_eq!(removed[0]["succeededBy"], after["id"]);

    // The controller is lost. Another one, with nothing but the recovery key's file, takes the rig.
    control.interrupt(END)?;
    let n = Home::new("new-center").unwrap();
    init(&n, MINER_CTRL, "new-center", "controller")?;
    let recover = ["node", "recover", "--recovery-file", "-"];
    n.run_with_input(MINER_CTRL, &recover, &kept)?.ok()?;
    let (mut new_control, _) = serve(&n, "127.0.0.1:0")?;
    let key = fingerprint(&rig, MINER)?;
    let by_key = [&add[..], &["--fingerprint", &key]].concat();
    n.run(MINER_CTRL, &by_key)?.ok()?;
    peer_when(
        &n,
        "rig-alpha",
        "the rig follows the recovery key",
        is_linked,
    )?;
    assert_decides(&n)?;
    let (mut old_control, _) = serve(&a, "127.0.0.1:0")?;
    let ping = a.run(MINER_CTRL, &["peer", "ping", "rig-alpha"])?;
    assert_eq!(
        ping.code,
        Some(1),
        "the lost controller is obeyed: {ping:#?}"
    );

    let said = [
        &mut control,
        &mut new_control,
        &mut old_control,
        &mut service,
    ];
    let said: String = said.map(|service| service.transcript()).concat();
    assert!(
        !said.contains(kept.trim()),
        "the recovery key is on a console"
    );
    Ok(())
}
