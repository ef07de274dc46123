//! End to end: the real programs on loopback, each machine with a data directory of its own.
//!
//! | test | what runs |
//! |---|---|
//! | `newcomer_…` | `miner-ctrl up`: controller, page, practice pool and local rig from one command |
//! | `rig_is_paired_…` | the commands of the operating manual: init, serve, pair, ping, profile, start, status, logs, stop, and a restart of either side |
//! | `rig_mines_on_…` | the controller goes away and comes back; the rig does not notice |
//! | `stranger_…` | a key that nobody registered gets nothing |
//!
//! Nothing waits a fixed time: every step asks the programs until the answer is there or its deadline
//! has passed. Mining is RandomX in light mode with one thread, as slow as it gets.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;

use farm_tests::eventually;
use farm_tests::home::{Home, MINER, MINER_CTRL, free_port};
use farm_tests::service::Service;
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// A share is found and accepted: the cache is filled, and a light hash takes up to 0.2 s in a debug
/// build on a busy machine. The promise for a person is 60 s.
const SHARE: Duration = Duration::from_secs(60);
/// A rig that was told something has done it and said so.
const ANSWER: Duration = Duration::from_secs(15);
/// Ctrl-C to the end.
const END: Duration = Duration::from_secs(2);

type Outcome = Result<(), String>;

/// A machine with the practice pool, which lives through every restart of the controller under test.
struct Pool {
    port: u16,
    _home: Home,
    _service: Service,
}

impl Pool {
    fn start() -> Result<Self, String> {
        let home = Home::new("pool").unwrap();
        let port = free_port().unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut service = home.serve(
            MINER_CTRL,
            &[
                "up",
                "--no-worker",
                "--http",
                "127.0.0.1:0",
                "--listen",
                "127.0.0.1:0",
                "--pool-listen",
                &address,
            ],
        )?;
        service.expect("practice pool", START)?;
        Ok(Self {
            port,
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
        let mut service = home.serve(
            MINER_CTRL,
            &[
                "node",
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
            ],
        )?;
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

    fn hashes(&self) -> Option<u64> {
        self.miner()?["hashes"].as_u64()
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
    let add = [
        "peer",
        "add",
        "--address",
        &rig.address,
        "--name",
        "rig-alpha",
        "--pair-file",
        "-",
    ];
    controller
        .home
        .run_with_input(MINER_CTRL, &add, &code)?
        .ok()?;
    controller.peer_when("the paired rig is online", |peer| peer["connected"] == true)?;

    let address = format!("127.0.0.1:{}", pool.port);
    controller.run(&[
        "profile",
        "create",
        "--name",
        "my-profile",
        "--pool",
        &address,
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
    let home = Home::new("newcomer").unwrap();
    let mut up = home.serve(
        MINER_CTRL,
        &[
            "up",
            "--light",
            "--threads",
            "1",
            "--http",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
            "--pool-listen",
            "127.0.0.1:0",
        ],
    )?;
    let page = up.expect("http://", START)?;
    up.expect("accepted", SHARE)?;

    let status = home
        .run(MINER_CTRL, &["remote", "status", "--json"])?
        .json()?;
    let shown = eventually("the share in remote status", ANSWER, || {
        let status = home
            .run(MINER_CTRL, &["remote", "status", "--json"])
            .ok()?
            .json()
            .ok()?;
        status
            .to_string()
            .contains("\"miner-rx0\"")
            .then_some(status)
    });
    shown.map_err(|error| format!("{error}\n{status}"))?;
    let url = page
        .split_whitespace()
        .find(|word| word.starts_with("http://"))
        .unwrap_or_default();
    assert!(farm_tests::home::page(url)?.contains("Nodes"), "{url}");

    let local_rig = up.children();
    assert!(
        !local_rig.is_empty(),
        "the local rig is a process of its own"
    );
    let (status, _took) = up.interrupt(END)?;
    assert_eq!(status.code(), Some(0), "{}", up.transcript());
    let left = local_rig
        .iter()
        .find(|id| std::path::Path::new(&format!("/proc/{id}")).exists());
    assert_eq!(left, None, "a process outlived `up`");
    Ok(())
}

#[test]
fn rig_is_paired_commanded_and_stays_true_to_its_state() -> Outcome {
    let (_pool, mut controller, mut rig) = mining_farm()?;
    let ping = controller.json(&["peer", "ping", "rig-alpha"])?;
    assert!(
        ping.to_string().contains("ms") || ping["pingMs"].is_number(),
        "{ping}"
    );

    let miner = controller.wait_for_share(0)?;
    let rate = eventually("a hash rate", ANSWER, || {
        controller.miner()?["hashrate"].as_f64()
    })?;
    assert!(rate > 0.0, "{miner}");
    let logs = controller.run(&["remote", "logs", "rig-alpha", "miner-rx0", "--lines", "100"])?;
    assert!(logs.contains("accepted"), "{logs}");

    rig.service.kill()?;
    rig.restart()?;
    controller.peer_when("the rig resumes its state after a power cut", |peer| {
        peer["connected"] == true && peer["activity"]["state"] == "mining"
    })?;

    controller.service.interrupt(END)?;
    controller.restart()?;
    controller.peer_when("the controller finds its rig mining again", |peer| {
        peer["connected"] == true && peer["desired"]["status"] == "applied"
    })?;

    controller.run(&["remote", "stop", "rig-alpha"])?;
    let stopped = eventually(
        "the rig stops within a second",
        Duration::from_secs(1),
        || {
            let peers = controller.json(&["peer", "list"]).ok()?;
            let peer = peers.as_array()?.first()?.clone();
            (peer["activity"]["state"] == "stopped" || peer["activity"]["state"] == "idle")
                .then_some(())
        },
    );
    stopped.map_err(|error| format!("{error}\n{:?}", controller.json(&["peer", "list"])))
}

#[test]
fn rig_mines_on_while_its_controller_is_away() -> Outcome {
    let (_pool, mut controller, mut rig) = mining_farm()?;
    controller.wait_for_share(0)?;
    let before = controller.hashes().unwrap_or_default();
    controller.service.kill()?;

    rig.service.expect("accepted", SHARE)?;
    controller.restart()?;
    let after = eventually("the rig is back with more hashes", ANSWER, || {
        controller.hashes().filter(|hashes| *hashes > before)
    })?;
    assert!(after > before);
    Ok(())
}

#[test]
fn stranger_is_refused_and_not_remembered() -> Outcome {
    let controller = Controller::start()?;
    let mut rig = Rig::start()?;
    rig.pairing_code()?;
    let wrong = "0000-0000-0000-0000-0000-0000-0000";
    let add = [
        "peer",
        "add",
        "--address",
        &rig.address,
        "--name",
        "rig-alpha",
        "--pair-file",
        "-",
    ];
    let refused = controller.home.run_with_input(MINER_CTRL, &add, wrong)?;
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
    assert_eq!(
        controller.json(&["peer", "list"])?,
        Value::Array(Vec::new())
    );
    Ok(())
}
