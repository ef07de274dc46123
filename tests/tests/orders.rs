//! Orders to a rig, with the real programs on loopback: pause, restart, locate, followed logs, and an
//! order that outlives the controller which was given it.
//!
//! ```text
//!   controller ◀── dials in ── rig, mining in light mode on the practice pool
//!   remote pause, resume, restart, locate, doctor, logs --follow      the rig is there
//!   remote reboot, poweroff                                           refused: the machine is not the rig's
//!   rig off, remote restart, controller killed, both start again      sent once the rig is back
//!   events --follow over that kill                                    it goes on where it was
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
/// A rig hashes, on a machine that does much else.
const HASH: Duration = Duration::from_secs(120);

type Outcome = Result<(), String>;

fn last_word(line: &str) -> String {
    let words = line.split_whitespace();
    words.last().unwrap_or_default().to_owned()
}

fn machine(name: &'static str) -> Result<Home, String> {
    Home::new(name).map_err(|error| error.to_string())
}

fn init(home: &Home, program: &str, name: &str, role: &str) -> Result<String, String> {
    let init = ["node", "init", "--name", name, "--role", role];
    home.run(program, &init)?.ok()?;
    let info = home.run(program, &["node", "info", "--json"])?.json()?;
    Ok(info["fingerprint"].as_str().unwrap_or_default().to_owned())
}

/// A practice pool, a controller, and a rig that dials it and mines.
struct Farm {
    control: Home,
    controller: Service,
    /// Where rigs dial in, also after a restart.
    dial_in: String,
    key: String,
    rig: Home,
    agent: Option<Service>,
    _pool: (Home, Service),
}

impl Farm {
    fn start() -> Result<Self, String> {
        let home = machine("pool")?;
        let ports = [
            "--pool-listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
        ];
        let mut pool = home.serve(MINER_CTRL, &[&["up", "--no-worker"], &ports[..]].concat())?;
        let address = last_word(&pool.expect("practice pool", START)?);

        let (control, rig) = (machine("control-center")?, machine("rig-alpha")?);
        let key = init(&control, MINER_CTRL, "control-center", "controller")?;
        let rig_key = init(&rig, MINER, "rig-alpha", "worker")?;
        let (controller, dial_in) = serve(&control, "127.0.0.1:0")?;
        let mut farm = Self {
            control,
            controller,
            dial_in,
            key,
            rig,
            agent: None,
            _pool: (home, pool),
        };
        farm.ctrl(&[
            "peer",
            "add",
            "--name",
            "rig-alpha",
            "--fingerprint",
            &rig_key,
        ])?;
        farm.rig_on()?;
        farm.ctrl(&[
            "profile",
            "create",
            "--name",
            "p",
            "--pool",
            &address,
            "--user",
            "rig-alpha",
            "--threads",
            "1",
            "--mode",
            "light",
        ])?;
        farm.ctrl(&["remote", "start", "rig-alpha", "--profile", "p"])?;
        farm.peer_when("the rig mines", |peer| {
            peer["activity"]["state"] == "mining"
        })?;
        Ok(farm)
    }

    fn rig_on(&mut self) -> Outcome {
        let serve = [
            "node",
            "serve",
            "--controller",
            &self.dial_in,
            "--fingerprint",
            &self.key,
        ];
        self.agent = Some(self.rig.serve(MINER, &serve)?);
        self.peer_when("the rig is linked", |peer| peer["connected"] == true)?;
        Ok(())
    }

    fn rig_off(&mut self) -> Outcome {
        if let Some(mut agent) = self.agent.take() {
            agent.kill()?;
        }
        self.peer_when("the rig is gone", |peer| peer["connected"] == false)?;
        Ok(())
    }

    fn ctrl(&self, arguments: &[&str]) -> Result<String, String> {
        self.control.run(MINER_CTRL, arguments)?.ok()
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        self.control
            .run(MINER_CTRL, &[arguments, &["--json"]].concat())?
            .json()
    }

    fn peer_when(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let found = eventually(what, HASH.max(LINK), || {
            let peers = self.json(&["peer", "list"]).ok()?;
            peers.as_array()?.iter().find(|peer| is_so(peer)).cloned()
        });
        found.map_err(|error| format!("{error}\n{:?}", self.json(&["peer", "list"])))
    }

    /// The rig's hash counter.
    fn hashes(&self) -> Option<u64> {
        let status = self.json(&["remote", "status", "rig-alpha"]).ok()?;
        status["miners"][0]["hashes"].as_u64()
    }

    fn hashes_above(&self, than: u64) -> Result<u64, String> {
        eventually("more hashes", HASH, || {
            self.hashes().filter(|now| *now > than)
        })
    }
}

fn serve(home: &Home, listen: &str) -> Result<(Service, String), String> {
    let serve = ["node", "serve", "--http", "127.0.0.1:0", "--listen", listen];
    let mut service = home.serve(MINER_CTRL, &serve)?;
    service.expect("http://", START)?;
    let dial_in = last_word(&service.expect("rigs dial in", START)?);
    Ok((service, dial_in))
}

#[test]
fn a_rig_rests_restarts_and_shows_itself_and_its_log_is_followed() -> Outcome {
    let farm = Farm::start()?;
    farm.hashes_above(0)?;

    let paused = farm.json(&["remote", "pause", "rig-alpha"])?;
    assert_eq!(paused["status"], "applied", "{paused}");
    let peer = farm.peer_when("the rig rests", |peer| {
        peer["activity"]["state"] == "paused"
    })?;
    assert_eq!(
        (&peer["desired"]["paused"], &peer["desired"]["drift"]),
        (&true.into(), &false.into())
    );
    let status = farm.json(&["remote", "status", "rig-alpha"])?;
    assert!(
        status["miners"][0]["pool"].is_string(),
        "logged in: {status}"
    );
    // A hash that was begun is ended.
    let rests = eventually("it hashes nothing", HASH, || {
        let now = farm.hashes()?;
        let same = || farm.hashes() == Some(now);
        (same() && same() && same()).then_some(now)
    })?;
    farm.ctrl(&["remote", "resume", "rig-alpha"])?;
    let hashes = farm.hashes_above(rests)?;

    let restarted = farm.json(&["remote", "restart", "rig-alpha"])?;
    assert_eq!(restarted["status"], "done", "{restarted}");
    farm.hashes_above(hashes)?;
    let located = farm.json(&["remote", "locate", "rig-alpha", "--seconds", "1"])?;
    assert_eq!(
        (&located["status"], &located["detail"]),
        (&"done".into(), &"1".into())
    );
    let level = farm.json(&["remote", "log-level", "rig-alpha", "debug"])?;
    assert_eq!(level["status"], "done", "{level}");
    for verb in ["reboot", "poweroff"] {
        let yes = if verb == "poweroff" {
            &["--yes"][..]
        } else {
            &[]
        };
        let refused = farm
            .control
            .run(MINER_CTRL, &[&["remote", verb, "rig-alpha"], yes].concat())?;
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        assert!(refused.stderr.contains("not its own"), "{refused:#?}");
    }
    let findings = farm.ctrl(&["remote", "doctor", "rig-alpha"])?;
    assert!(
        findings.contains("huge-pages") && findings.contains("logged in at"),
        "{findings}"
    );

    let warnings = farm.ctrl(&[
        "remote",
        "logs",
        "rig-alpha",
        "miner-rx0",
        "--level",
        "warn",
    ])?;
    assert!(warnings.contains("this machine is rig-alpha"), "{warnings}");
    assert!(!warnings.contains(" info "), "{warnings}");
    let follow = [
        "remote",
        "logs",
        "rig-alpha",
        "miner-rx0",
        "--follow",
        "--lines",
        "1",
    ];
    let mut follower = farm.control.serve(MINER_CTRL, &follow)?;
    follower.expect(" ", START)?;
    farm.ctrl(&["remote", "locate", "rig-alpha", "--seconds", "77"])?;
    follower.expect("shown for 77 s", START)?;

    let orders = farm.json(&["remote", "orders", "rig-alpha"])?;
    let statuses: Vec<_> = orders.as_array().into_iter().flatten().collect();
    let count = |status: &str| {
        statuses
            .iter()
            .filter(|order| order["status"] == status)
            .count()
    };
    assert_eq!((count("done"), count("refused")), (4, 2), "{orders}");
    Ok(())
}

#[test]
fn an_order_given_while_the_rig_is_off_outlives_a_killed_controller_and_is_done_once() -> Outcome {
    let mut farm = Farm::start()?;
    farm.rig_off()?;
    let given = farm.json(&["remote", "restart", "rig-alpha", "--within", "3600"])?;
    assert_eq!(
        (&given["status"], &given["sentAt"]),
        (&"waiting".into(), &Value::Null)
    );
    let events = ["events", "--follow", "--type", "controllerStarted"];
    let mut follower = farm.control.serve(MINER_CTRL, &events)?;
    follower.expect("controllerStarted", START)?;
    farm.controller.kill()?;
    follower.expect("it is asked again", START)?;
    let (controller, _) = serve(&farm.control, &farm.dial_in)?;
    farm.controller = controller;
    // One is on standard error, the other on standard output: which is read first is chance.
    follower.expect_all(
        &[
            "connected again; it goes on behind event",
            "controllerStarted",
        ],
        LINK,
    )?;
    let kept = farm.json(&["remote", "orders"])?;
    assert_eq!(kept[0], given, "as it was");

    farm.rig_on()?;
    let done = eventually("the order is done", LINK, || {
        let orders = farm.json(&["remote", "orders", "rig-alpha"]).ok()?;
        orders[0]["endedAt"].is_string().then(|| orders[0].clone())
    })?;
    assert_eq!(
        (&done["status"], &done["id"]),
        (&"done".into(), &given["id"])
    );
    let mut agent = farm.agent.take().ok_or("it runs")?;
    agent.kill()?;
    let restarts = agent.transcript().matches("restarting the miner").count();
    assert_eq!(restarts, 1, "{}", agent.transcript());
    Ok(())
}
