//! End to end: the real programs on loopback, each machine with a data directory of its own.
//!
//! | test | what runs |
//! |---|---|
//! | `newcomer_…` | `miner-ctrl up`: controller, page, practice pool and local rig from one command |
//! | `rig_is_paired_…` | the commands of the operating manual: init, serve, pair, ping, profile, start, status, logs, stop, and a restart of either side |
//! | `rig_mines_on_…` | the controller goes away and comes back, then both lose power; the rig mines on |
//! | `stranger_…` | a key that nobody registered gets nothing |
//! | `rig_that_comes_by_a_token_…` | enrolment by a token file, pending, approved, removed |
//! | `rig_that_dials_wss_…` | the same through TLS with a pinned key, the command line too |
//! | `taken_port_…` | what `up` says when a port is in use |
//! | [`again`] | a rig that was removed is paired or added again |
//! | [`key_file`] | a key file that cannot be trusted |
//! | [`owner`] | what `owner.toml` does not allow |
//! | [`secrets`] | what a whole run leaves behind holds no secret |
//!
//! Nothing waits a fixed time: every step asks the programs until the answer is there or its deadline
//! has passed. Mining is RandomX in light mode with one thread, as slow as it gets.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

#[path = "e2e/again.rs"]
mod again;
#[path = "e2e/key_file.rs"]
mod key_file;
#[path = "e2e/owner.rs"]
mod owner;
#[path = "e2e/secrets.rs"]
mod secrets;

use core::time::Duration;
use std::net::TcpListener;
use std::path::Path;

use farm_tests::home::{self, Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use farm_tests::{Deadline, eventually};
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// The promise to a newcomer: from start to the first accepted share.
const FIRST_SHARE: Duration = Duration::from_secs(60);
/// A share is found and accepted on a machine that does much else: seconds when it does not.
const SHARE: Duration = Duration::from_secs(180);
/// A rig that was told something has done it and said so.
const ANSWER: Duration = Duration::from_secs(15);
/// Ctrl-C to the end.
const END: Duration = Duration::from_secs(2);

/// `remote stop` to a rig that has stopped, on its own console; statistics follow a little later.
const STOP: Duration = Duration::from_secs(1);
/// Nothing of a test is reached by its well-known port.
const ANY_PORTS: &[&str] = &["--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];

type Outcome = Result<(), String>;

/// A machine with the practice pool, which lives through every restart of the controller under test.
struct Pool {
    address: String,
    _home: Home,
    _service: Service,
}

impl Pool {
    fn start() -> Result<Self, String> {
        let home = Home::new("pool").unwrap();
        let up = [
            &["up", "--no-worker", "--pool-listen", "127.0.0.1:0"],
            ANY_PORTS,
        ]
        .concat();
        let mut service = home.serve(MINER_CTRL, &up)?;
        let address = last_word(&service.expect("practice pool", START)?);
        Ok(Self {
            address,
            _home: home,
            _service: service,
        })
    }
}

/// A controller as the manual starts it.
struct Controller {
    home: Home,
    service: Service,
}

impl Controller {
    fn start() -> Result<Self, String> {
        let home = Home::new("control-center").unwrap();
        home.run(
            MINER_CTRL,
            &[
                "node",
                "init",
                "--name",
                "control-center",
                "--role",
                "controller",
            ],
        )?
        .ok()?;
        let service = Self::serve(&home)?;
        Ok(Self { home, service })
    }

    fn serve(home: &Home) -> Result<Service, String> {
        let mut service = home.serve(MINER_CTRL, &[&["node", "serve"], ANY_PORTS].concat())?;
        service.expect("http://", START)?;
        Ok(service)
    }

    fn restart(&mut self) -> Outcome {
        self.service = Self::serve(&self.home)?;
        Ok(())
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        self.home.run(MINER_CTRL, arguments)?.ok()
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        self.home
            .run(MINER_CTRL, &[arguments, &["--json"]].concat())?
            .json()
    }

    /// The rig's built-in miner, as `remote status` shows it.
    fn miner(&self) -> Option<Value> {
        let status = self.json(&["remote", "status", "rig-alpha"]).ok()?;
        status["miners"]
            .as_array()?
            .iter()
            .find(|miner| miner["name"] == "miner-rx0")
            .cloned()
    }

    /// What the controller says of the rig, once `is_so`.
    fn peer_when(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let found = eventually(what, ANSWER, || {
            let peers = self.json(&["peer", "list"]).ok()?;
            peers
                .as_array()?
                .iter()
                .find(|peer| peer["name"] == "rig-alpha" && is_so(peer))
                .cloned()
        });
        found.map_err(|error| format!("{error}\n{:?}", self.json(&["peer", "list"])))
    }

    fn wait_for_share(&self, more_than: u64) -> Result<Value, String> {
        let found = eventually("an accepted share of rig-alpha", SHARE, || {
            self.miner()
                .filter(|miner| miner["shares"].as_u64() > Some(more_than))
        });
        found.map_err(|error| format!("{error}\n{:?}", self.miner()))
    }
}

/// A rig that waits for its controller.
struct Rig {
    home: Home,
    address: String,
    service: Service,
}

impl Rig {
    fn start() -> Result<Self, String> {
        let home = Home::new("rig-alpha").unwrap();
        let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
        home.run(MINER, &init)?.ok()?;
        let mut service = home.serve(MINER, &["node", "serve", "--listen", "127.0.0.1:0"])?;
        let address = last_word(&service.expect("listening", START)?);
        Ok(Self {
            home,
            address,
            service,
        })
    }

    /// The one-time code on the rig's console.
    fn pairing_code(&mut self) -> Result<String, String> {
        Ok(last_word(&self.service.expect("pairing code", START)?))
    }

    /// `peer add` of this rig, with the code on standard input.
    fn add_by_code(&self) -> [&str; 8] {
        let address = &self.address;
        [
            "peer",
            "add",
            "--address",
            address,
            "--name",
            "rig-alpha",
            "--pair-file",
            "-",
        ]
    }

    fn restart(&mut self) -> Outcome {
        let serve = ["node", "serve", "--listen", &self.address];
        self.service = self.home.serve(MINER, &serve)?;
        Ok(())
    }
}

fn last_word(line: &str) -> String {
    line.split_whitespace()
        .next_back()
        .unwrap_or_default()
        .to_owned()
}

/// A pool, a controller, and a rig that is paired and mines `my-profile` in light mode.
fn mining_farm() -> Result<(Pool, Controller, Rig), String> {
    let pool = Pool::start()?;
    let controller = Controller::start()?;
    let mut rig = Rig::start()?;
    let code = rig.pairing_code()?;
    controller
        .home
        .run_with_input(MINER_CTRL, &rig.add_by_code(), &code)?
        .ok()?;
    controller.peer_when("the paired rig is online", |peer| peer["connected"] == true)?;

    controller.run(&[
        "profile",
        "create",
        "--name",
        "my-profile",
        "--pool",
        &pool.address,
        "--user",
        "rig-alpha",
        "--threads",
        "1",
        "--mode",
        "light",
    ])?;
    controller.run(&["remote", "start", "rig-alpha", "--profile", "my-profile"])?;
    Ok((pool, controller, rig))
}

#[test]
fn newcomer_sees_an_accepted_share_and_ctrl_c_ends_it() -> Outcome {
    let started = Deadline::after(FIRST_SHARE);
    let home = Home::new("newcomer").unwrap();
    let up = [
        &[
            "up",
            "--light",
            "--threads",
            "1",
            "--pool-listen",
            "127.0.0.1:0",
        ],
        ANY_PORTS,
    ]
    .concat();
    let mut up = home.serve(MINER_CTRL, &up)?;
    let page = last_word(&up.expect("http://", START)?);
    up.expect("accepted", started.left())?;
    println!(
        "measured: first accepted share after {} ms",
        started.elapsed().as_millis()
    );

    let shares = eventually("the share in remote status", ANSWER, || {
        let status = home
            .run(MINER_CTRL, &["remote", "status", "--json"])
            .ok()?
            .json()
            .ok()?;
        let rig = status.as_object()?.values().next()?.clone();
        rig["miners"][0]["shares"]
            .as_u64()
            .filter(|shares| *shares > 0)
    })?;
    let token = home.api_token()?;
    let frame = home::page(&page, &token)?;
    assert!(frame.contains(">Nodes"), "{frame}");
    let html = home::page(&format!("{page}plain"), &token)?;
    let (_, total) = html
        .split_once("Shares accepted</dt><dd>")
        .unwrap_or_default();
    let shown: u64 = total
        .split('<')
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    assert!(shown >= shares, "{shares} shares, but {html}");

    let local_rig = up.children();
    assert!(
        !local_rig.is_empty(),
        "the local rig is a process of its own"
    );
    let (status, took) = up.interrupt(END)?;
    println!("measured: Ctrl-C to the end {} ms", took.as_millis());
    assert_eq!(status.code(), Some(0), "{}", up.transcript());
    let left = local_rig
        .iter()
        .find(|id| Path::new(&format!("/proc/{id}")).exists());
    assert_eq!(left, None, "a process outlived `up`");
    Ok(())
}

#[test]
fn rig_is_paired_commanded_and_stays_true_to_its_state() -> Outcome {
    let (_pool, mut controller, mut rig) = mining_farm()?;
    let ping = controller.json(&["peer", "ping", "rig-alpha"])?;
    assert!(ping.to_string().contains("ms"), "{ping}");

    let miner = controller.wait_for_share(0)?;
    let rate = eventually("a hash rate", ANSWER, || {
        controller.miner()?["hashrate"].as_f64()
    })?;
    assert!(rate > 0.0, "{miner}");
    let logs = controller.run(&["remote", "logs", "rig-alpha", "miner-rx0", "--lines", "100"])?;
    assert!(logs.contains("share accepted"), "{logs}");
    let unknown = ["remote", "logs", "rig-alpha", "xmrig-123", "--lines", "100"];
    let unknown = controller.home.run(MINER_CTRL, &unknown)?;
    assert!(
        unknown.code != Some(0) && unknown.text().contains("miner-rx0"),
        "{unknown:#?}"
    );

    rig.service.kill()?;
    rig.restart()?;
    rig.service.expect("share accepted", SHARE)?;
    controller.peer_when("the rig is back after a power cut and mines", |peer| {
        peer["connected"] == true && peer["activity"]["state"] == "mining"
    })?;

    controller.service.interrupt(END)?;
    controller.restart()?;
    controller.peer_when("the controller finds its rig true to its wish", |peer| {
        peer["connected"] == true && peer["desired"]["status"] == "applied"
    })?;

    rig.service.transcript();
    let asked = Deadline::after(STOP);
    controller.run(&["remote", "stop", "rig-alpha"])?;
    rig.service.expect("mining nothing", asked.left())?;
    println!(
        "measured: stop, on the rig, {} ms",
        asked.elapsed().as_millis()
    );
    controller.peer_when("the controller sees the rig stopped", |peer| {
        peer["activity"]["state"] == "stopped" && peer["desired"]["status"] == "applied"
    })?;
    Ok(())
}

#[test]
fn rig_mines_on_while_its_controller_is_away() -> Outcome {
    let (_pool, mut controller, mut rig) = mining_farm()?;
    let before = controller.wait_for_share(0)?;
    controller.service.kill()?;
    rig.service.transcript();

    rig.service.expect("share accepted", SHARE)?;
    controller.restart()?;
    eventually(
        "the same run of the miner, with more hashes",
        ANSWER,
        || {
            let now = controller.miner()?;
            let more = now["hashes"].as_u64() > before["hashes"].as_u64();
            (more && now["uptime"].as_u64() >= before["uptime"].as_u64()).then_some(())
        },
    )?;

    controller.service.kill()?;
    rig.service.kill()?;
    rig.restart()?;
    rig.service.expect("share accepted", SHARE)?;
    Ok(())
}

#[test]
fn stranger_is_refused_and_not_remembered() -> Outcome {
    let controller = Controller::start()?;
    let (mut rig, mut other) = (Rig::start()?, Rig::start()?);
    rig.pairing_code()?;
    let wrong = other.pairing_code()?;
    let refused = controller
        .home
        .run_with_input(MINER_CTRL, &rig.add_by_code(), &wrong)?;
    assert_ne!(refused.code, Some(0), "{refused:#?}");

    let unproven = [
        "peer",
        "add",
        "--address",
        &rig.address,
        "--name",
        "rig-alpha",
    ];
    let asked = controller.home.run(MINER_CTRL, &unproven)?;
    assert_eq!(asked.code, Some(3), "{asked:#?}");
    assert!(asked.text().contains("--fingerprint"), "{asked:#?}");
    assert_eq!(
        controller.json(&["peer", "list"])?,
        Value::Array(Vec::new())
    );
    Ok(())
}

#[test]
fn rig_that_comes_by_a_token_waits_is_approved_and_stays_out_once_removed() -> Outcome {
    let mut controller = Controller::start()?;
    let dial_in = last_word(&controller.service.expect("rigs dial in", START)?);
    let token = controller.home.path().join("hall.token");
    let token = token.to_str().unwrap();
    let create = ["token", "create", "--name-pattern", "rig-*", "--out", token];
    controller.run(&[&create[..], &["--pending"]].concat())?;
    let secret = std::fs::read_to_string(token).unwrap();

    let home = Home::new("rig-alpha").unwrap();
    let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
    home.run(MINER, &init)?.ok()?;
    let serve = ["node", "serve", "--controller", &dial_in];
    let by_token = [&serve[..], &["--token-file", token]].concat();
    let mut rig = home.serve(MINER, &by_token)?;
    rig.expect("has yet to approve", START)?;
    controller.run(&["peer", "approve", "rig-alpha", "--name", "corner"])?;
    controller.run(&["peer", "rename", "corner", "rig-alpha"])?;
    // It would come again within a minute; a restart comes at once.
    rig.interrupt(END)?;
    let mut rig = home.serve(MINER, &by_token)?;
    rig.expect("link up", START)?;
    controller.peer_when("the approved rig is online", |peer| {
        peer["connected"] == true
    })?;

    // From now on the key that it pinned is enough.
    rig.interrupt(END)?;
    let mut rig = home.serve(MINER, &serve)?;
    rig.expect("link up", START)?;
    controller.run(&["peer", "remove", "rig-alpha"])?;
    rig.expect("link down", START)?;
    rig.expect("link refused", START)?;
    assert_eq!(
        controller.json(&["peer", "list"])?,
        Value::Array(Vec::new())
    );
    let said = controller.service.transcript() + &rig.transcript();
    assert!(!said.contains(secret.trim()), "the token is on a console");
    Ok(())
}

#[test]
fn rig_that_dials_wss_with_a_pin_is_commanded_and_another_key_hears_nothing() -> Outcome {
    let home = Home::new("control-center").unwrap();
    let init = ["node", "init", "--name", "main", "--role", "controller"];
    home.run(MINER_CTRL, &init)?.ok()?;
    let serve = [&["node", "serve", "--tls"], ANY_PORTS].concat();
    let mut service = home.serve(MINER_CTRL, &serve)?;
    let page = last_word(&service.expect("https://", START)?);
    let dial_in = last_word(&service.expect("rigs dial in", START)?);
    assert!(dial_in.starts_with("wss://"), "{dial_in}");
    let pin = last_word(&service.expect("TLS pin", START)?);
    let fingerprint = last_word(&service.expect("TLS SHA-256", START)?);
    assert_eq!(fingerprint.len(), 95, "{fingerprint}");

    // The command line speaks TLS with the controller that runs, from its first command on.
    let token = home.path().join("hall.token");
    let token = token.to_str().unwrap();
    home.run(MINER_CTRL, &["token", "create", "--out", token])?
        .ok()?;
    let second = home.run(MINER_CTRL, &serve)?;
    assert!(second.stderr.contains(&page), "{second:#?}");
    let plain = home::page(&page.replacen("https", "http", 1), "")?;
    assert!(plain.contains("TLS_REQUIRED"), "{plain}");

    let rig_home = Home::new("rig-alpha").unwrap();
    let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
    rig_home.run(MINER, &init)?.ok()?;
    let serve = ["node", "serve", "--controller", &dial_in];
    let by_token = [&serve[..], &["--token-file", token, "--tls-pin"]].concat();
    let mut wrong = rig_home.serve(
        MINER,
        &[&by_token[..], &["00".repeat(32).as_str()]].concat(),
    )?;
    wrong.expect("its TLS key is not the pinned one", START)?;
    wrong.interrupt(END)?;
    let mut rig = rig_home.serve(MINER, &[&by_token[..], &[&pin]].concat())?;
    rig.expect("link up", START)?;
    home.run(MINER_CTRL, &["peer", "ping", "rig-alpha"])?.ok()?;
    let stopped = home.run(MINER_CTRL, &["remote", "stop", "rig-alpha", "--json"])?;
    stopped.json()?;
    rig.expect("state applied", START)?;

    // The key is made once: after a restart the pin holds.
    service.interrupt(END)?;
    rig.expect("link down", START)?;
    let port = dial_in.strip_prefix("wss://").unwrap();
    let again = ["node", "serve", "--tls", "--tls-only", "--listen", port];
    let again = [&again[..], &["--http", "127.0.0.1:0"]].concat();
    let mut service = home.serve(MINER_CTRL, &again)?;
    assert_eq!(last_word(&service.expect("TLS pin", START)?), pin);
    rig.expect("link up", START)?;
    Ok(())
}

#[test]
fn taken_port_names_the_flag_that_changes_it() -> Outcome {
    let home = Home::new("second").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for flag in ["--http", "--listen", "--pool-listen"] {
        let free = ["--http", "--listen", "--pool-listen"]
            .into_iter()
            .filter(|other| *other != flag);
        let mut up = vec!["up", "--no-worker", flag, &taken];
        up.extend(free.flat_map(|other| [other, "127.0.0.1:0"]));
        let refused = home.run(MINER_CTRL, &up)?;
        assert_ne!(refused.code, Some(0), "{refused:#?}");
        assert!(refused.stderr.contains(flag), "{refused:#?}");
    }
    Ok(())
}
