//! A release of the image on its way to a rig, with the real programs on loopback. The test is what stands
//! around them: it signs releases, and plays process 1 of the rig's machine, which installs them.
//!
//! ```text
//!   image key ─▶ update add ─▶ update rollout ── pieces ──▶ rig: update/{manifest,vmlinuz,initrd,ready}
//!                                  │ controller killed in the middle, and back
//!                                  ◀── confirmed ── the test writes `system` as process 1 does
//! ```
//! Nothing waits a fixed time: every step asks the programs until the answer is there or its deadline
//! has passed.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;
use std::fs;
use std::path::PathBuf;

use farm_tests::home::{Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use farm_tests::{Deadline, eventually, release};
use miner_shared::record;
use miner_shared::release::Version;
use miner_shared::text::Text;
use miner_shared::wire::{Boot, ImageId, ImageStatus, Step, Update};
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// A link that was lost is made again, and a release fetched, on a machine that does much else.
const LONG: Duration = Duration::from_secs(150);
/// Bytes of the report that a worker writes to process 1.
const REPORT: u64 = 512;
/// Bytes of a release's larger file: a few seconds at the rate of one rig.
const MANY: usize = 4_000_000;

type Outcome = Result<(), String>;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn last_word(line: &str) -> String {
    let words = line.split_whitespace();
    words.last().unwrap_or_default().to_owned()
}

fn init(home: &Home, program: &str, name: &str, role: &str) -> Result<String, String> {
    let init = ["node", "init", "--name", name, "--role", role];
    home.run(program, &init)?.ok()?;
    let info = home.run(program, &["node", "info", "--json"])?.json()?;
    Ok(info["fingerprint"].as_str().unwrap_or_default().to_owned())
}

fn serve(home: &Home, listen: &str) -> Result<(Service, String), String> {
    let serve = ["node", "serve", "--http", "127.0.0.1:0", "--listen", listen];
    let mut service = home.serve(MINER_CTRL, &serve)?;
    service.expect("http://", START)?;
    let dial_in = last_word(&service.expect("rigs dial in", START)?);
    Ok((service, dial_in))
}

/// A controller, and a rig under a process 1 that the test plays.
struct Farm {
    control: Home,
    controller: Service,
    dial_in: String,
    rig: Home,
    _agent: Service,
}

impl Farm {
    fn start() -> Result<Self, String> {
        let (control, rig) = (
            Home::new("control-center").unwrap(),
            Home::new("rig").unwrap(),
        );
        let key = init(&control, MINER_CTRL, "control-center", "controller")?;
        let rig_key = init(&rig, MINER, "rig-alpha", "worker")?;
        let (controller, dial_in) = serve(&control, "127.0.0.1:0")?;
        let add = [
            "peer",
            "add",
            "--name",
            "rig-alpha",
            "--fingerprint",
            &rig_key,
        ];
        control.run(MINER_CTRL, &add)?.ok()?;
        let report = rig.path().join("report");
        fs::write(&report, vec![0; usize::try_from(REPORT).unwrap()]).unwrap();
        says(&rig, "1.0.0", None);
        let report = report.display().to_string();
        let words = [
            "node",
            "serve",
            "--controller",
            &dial_in,
            "--fingerprint",
            &key,
        ];
        let agent = rig.serve(MINER, &[&words[..], &["--supervised", &report]].concat())?;
        let farm = Self {
            control,
            controller,
            dial_in,
            rig,
            _agent: agent,
        };
        eventually("the rig says what it was booted from", LONG, || {
            let peers = farm.json(&["peer", "list"]).ok()?;
            (peers[0]["image"]["boot"] == "slot").then_some(())
        })?;
        Ok(farm)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        let words = [arguments, &["--json"]].concat();
        self.control.run(MINER_CTRL, &words)?.json()
    }

    /// A release as `image build` leaves it, signed by the farm's key.
    fn release(&self, to: &str, bytes: usize) -> (PathBuf, Vec<Vec<u8>>) {
        let folder = self.control.path().join(format!("image-{to}"));
        let salt = usize::try_from(version(to).minor).unwrap();
        let content = |factor: usize| {
            let byte = move |n: usize| u8::try_from((n * factor + n / 251 + salt) % 251).unwrap();
            move |len: usize| (0..len).map(byte).collect::<Vec<u8>>()
        };
        let files = [content(7)(bytes), content(11)(bytes / 3)];
        release::write(&folder, version(to), &files).unwrap();
        (folder, files.into())
    }

    /// Copies a release in; its name.
    fn add(&self, folder: &std::path::Path) -> Result<String, String> {
        let (folder, key) = (folder.display().to_string(), release::public_key());
        let added = self.json(&["update", "add", &folder, "--public-key", &key])?;
        Ok(added["release"].as_str().unwrap_or_default().to_owned())
    }

    fn fetched(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.rig.path().join("data/update").join(name)).ok()
    }

    fn fetched_len(&self, name: &str) -> u64 {
        let path = self.rig.path().join("data/update").join(name);
        fs::metadata(path).map_or(0, |meta| meta.len())
    }

    fn update(&self, is_so: impl Fn(&Value) -> bool) -> Result<Value, String> {
        let found = eventually("the update is so far", LONG, || {
            let update = self.json(&["update", "status"]).ok()?;
            is_so(&update).then_some(update)
        });
        found.map_err(|error| format!("{error}\n{:?}", self.json(&["update", "status"])))
    }
}

/// Writes what process 1 would: the version that the machine runs, and how an update to one does.
fn says(rig: &Home, runs: &str, update: Option<(Step, [u8; 32], &str)>) {
    let status = ImageStatus {
        boot: Boot::Slot,
        image: Some(ImageId {
            arch: Text::lossy("x86_64"),
            version: version(runs),
            on_trial: false,
            release_key: Some(release::key().public()),
        }),
        update: update.map(|(step, release, to)| Update {
            release,
            version: version(to),
            step,
        }),
    };
    let (mut body, mut out) = ([0; 256], [0; 256 + record::OVERHEAD]);
    let none_of_its_files: &[[u8; 32]] = &[];
    let body = postcard::to_slice(&(status, none_of_its_files), &mut body).unwrap();
    let bytes = record::encode(b"MINERSY1", body, &mut out).unwrap();
    let unfinished = rig.path().join("system.new");
    fs::write(&unfinished, bytes).unwrap();
    fs::rename(unfinished, rig.path().join("system")).unwrap();
}

fn release_id(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn a_release_gets_to_a_rig_over_a_killed_controller_and_what_was_changed_there_does_not() -> Outcome
{
    let mut farm = Farm::start()?;
    let (folder, files) = farm.release("1.1.0", MANY);
    let id = farm.add(&folder)?;
    let listed = farm.json(&["update", "list"])?;
    assert_eq!(
        (&listed[0]["version"], &listed[0]["release"]),
        (&"1.1.0".into(), &id.as_str().into())
    );
    let again = farm.add(&folder)?;
    assert_eq!(again, id, "the same again is no other");
    let (lower, _) = farm.release("1.0.9", 10);
    let refused = farm.add(&lower).unwrap_err();
    assert!(refused.contains("1.0.9 is not above 1.1.0"), "{refused}");

    let rollout = [
        "update",
        "rollout",
        "1.1.0",
        "--stages",
        "1,all",
        "--observe",
        "60",
    ];
    let tried = farm.json(&[&rollout[..], &["--dry-run"]].concat())?;
    assert_eq!(
        (&tried["update"]["rigs"], &tried["update"]["id"]),
        (&1.into(), &Value::Null)
    );
    farm.json(&rollout)?;
    eventually("a part is there", LONG, || {
        (farm.fetched_len("vmlinuz") > 1_000_000).then_some(())
    })?;
    farm.controller.kill()?;
    let there = farm.fetched_len("vmlinuz");
    assert!(there < MANY as u64, "it was killed in the middle");
    assert!(farm.fetched("ready").is_none());
    let (controller, _) = serve(&farm.control, &farm.dial_in.clone())?;
    farm.controller = controller;
    eventually("all is there", LONG, || {
        assert!(
            farm.fetched_len("vmlinuz") >= there,
            "it goes on where it was"
        );
        farm.fetched("ready")
    })?;
    for (name, bytes) in ["vmlinuz", "initrd"].iter().zip(&files) {
        assert_eq!(farm.fetched(name).as_ref(), Some(bytes), "{name}");
    }
    let manifest = fs::read(folder.join("manifest")).unwrap();
    assert_eq!(farm.fetched("manifest"), Some(manifest));

    // Process 1 takes it, and the machine comes back with it.
    let done = |step| Some((step, release_id(&id), "1.1.0"));
    says(&farm.rig, "1.0.0", done(Step::Installing));
    fs::remove_dir_all(farm.rig.path().join("data/update")).unwrap();
    farm.update(|it| it["members"][0]["image"]["update"]["step"] == "installing")?;
    says(&farm.rig, "1.1.0", done(Step::Confirmed));
    let done = farm.update(|it| it["status"] == "done")?;
    assert_eq!(
        (&done["done"], &done["members"][0]["before"]),
        (&1.into(), &"1.0.0".into())
    );

    // A byte that is changed on the controller's disk gets as far as the rig's check.
    let (folder, _) = farm.release("1.2.0", 100_000);
    let id = farm.add(&folder)?;
    let kept = farm.control.path().join("data/lethean-desktop/releases");
    let kept = kept.join(&id).join("initrd");
    let mut bytes = fs::read(&kept).unwrap();
    bytes[12_345] ^= 1;
    fs::write(&kept, bytes).unwrap();
    farm.json(&["update", "rollout", "1.2.0", "--observe", "60"])?;
    let halted = farm.update(|it| it["status"] == "halted")?;
    let reason = halted["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("not the one that was signed"), "{halted}");
    let step = &halted["members"][0]["image"]["update"];
    assert_eq!(step["step"], "failed", "{halted}");
    assert!(farm.fetched("ready").is_none() && farm.fetched("initrd").is_none());
    let cancel = halted["id"].to_string();
    let cancelled = farm.json(&["update", "cancel", &cancel])?;
    assert_eq!(cancelled["status"], "aborted");
    farm.json(&["update", "remove", "1.2.0"])?;
    assert!(!kept.exists());
    Ok(())
}

/// How long twelve megabytes to one rig take, and what they cost the controller: run it alone, optimised.
#[test]
#[ignore = "a measurement"]
fn twelve_megabytes_to_one_rig() -> Outcome {
    let farm = Farm::start()?;
    let (folder, _) = farm.release("1.1.0", 9_000_000);
    farm.add(&folder)?;
    let cpu = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", farm.controller.id())).unwrap();
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let ticks = rest.split_whitespace().skip(11).take(2);
        ticks
            .filter_map(|word| word.parse::<f64>().ok())
            .sum::<f64>()
            / 100.0
    };
    let (before, clock) = (cpu(), Deadline::after(LONG));
    farm.json(&["update", "rollout", "1.1.0", "--observe", "60"])?;
    eventually("all is there", LONG, || farm.fetched("ready"))?;
    let (secs, cpu) = (clock.elapsed().as_secs_f64(), cpu() - before);
    println!("12 MB: {secs:.1} s, controller {cpu:.2} s of CPU");
    Ok(())
}
