//! E3: fifty copies of one medium, with the real programs on loopback, are fifty rigs; a copy of a medium
//! that has been in use is found out.
//!
//! ```text
//!   one token for fifty ── copied fifty times ──▶ agents, all started at once ──▶ fifty keys, fifty names
//!   five of them ── started anew ──────────────▶ the same five rigs
//!   one of them ── its files copied ───────────▶ two machines, one key: the controller says so, the first
//!                                                keeps its link
//! ```

use core::time::Duration;
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

use farm_tests::eventually;
use farm_tests::home::{Home, MINER, MINER_CTRL};
use farm_tests::service::Service;
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// Fifty agents start, make keys and are let in, on a machine that does much else.
const LINKS: Duration = Duration::from_secs(120);
const COPIES: usize = 50;

type Outcome = Result<(), String>;

struct Farm {
    home: Home,
    _service: Service,
    dial_in: String,
}

impl Farm {
    /// A controller with a token, in a file, for as many rigs as there are copies.
    fn start() -> Result<Self, String> {
        let home = machine("control-center")?;
        let init = [
            "node",
            "init",
            "--name",
            "control-center",
            "--role",
            "controller",
        ];
        home.run(MINER_CTRL, &init)?.ok()?;
        let listen = ["--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
        let mut service = home.serve(MINER_CTRL, &[&["node", "serve"][..], &listen].concat())?;
        let said = service.expect("rigs dial in", START)?;
        let dial_in = said
            .split_whitespace()
            .last()
            .unwrap_or_default()
            .to_owned();
        let uses = COPIES.to_string();
        let create = ["token", "create", "--uses", &uses, "--out", "token"];
        home.run(MINER_CTRL, &create)?.ok()?;
        Ok(Self {
            home,
            _service: service,
            dial_in,
        })
    }

    /// The ID of each rig that is linked, with its name.
    fn linked(&self) -> Option<BTreeSet<(String, String)>> {
        let peers = self.home.run(MINER_CTRL, &["peer", "list", "--json"]);
        let peers = peers.ok()?.json().ok()?;
        let text = |peer: &Value, field: &str| Some(peer[field].as_str()?.to_owned());
        peers
            .as_array()?
            .iter()
            .filter(|peer| peer["connected"] == true)
            .map(|peer| Some((text(peer, "id")?, text(peer, "name")?)))
            .collect()
    }

    fn linked_when(&self, count: usize) -> Result<BTreeSet<(String, String)>, String> {
        let what = format!("{count} rigs linked");
        eventually(&what, LINKS, || {
            self.linked().filter(|rigs| rigs.len() == count)
        })
    }

    fn rig(&self, home: &Home) -> Result<Service, String> {
        let serve = ["node", "serve", "--controller", &self.dial_in];
        home.serve(MINER, &[&serve[..], &["--token-file", "token"]].concat())
    }
}

fn machine(name: &'static str) -> Result<Home, String> {
    Home::new(name).map_err(|error| error.to_string())
}

/// Copies all files of a machine to another.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[test]
fn fifty_copies_of_one_medium_are_fifty_rigs_and_a_copy_of_a_used_one_is_found_out() -> Outcome {
    let farm = Farm::start()?;
    let medium = farm.home.path().join("token");
    let mut rigs = Vec::new();
    for _ in 0..COPIES {
        let home = machine("rig")?;
        fs::copy(&medium, home.path().join("token")).map_err(|error| error.to_string())?;
        let agent = farm.rig(&home)?;
        rigs.push((home, agent));
    }
    let all = farm.linked_when(COPIES)?;
    let ids: BTreeSet<_> = all.iter().map(|(id, _)| id).collect();
    let names: BTreeSet<_> = all.iter().map(|(_, name)| name).collect();
    assert_eq!((ids.len(), names.len()), (COPIES, COPIES), "{all:?}");

    for (home, agent) in rigs.iter_mut().take(5) {
        agent.kill()?;
        *agent = farm.rig(home)?;
    }
    assert_eq!(farm.linked_when(COPIES)?, all, "they are who they were");

    let copied = machine("copy")?;
    let (used, _) = rigs.last().ok_or("there are some")?;
    copy(used.path(), copied.path()).map_err(|error| error.to_string())?;
    let _second = farm.rig(&copied)?;
    let events = ["events", "--type", "duplicateIdentity", "--json"];
    let told = eventually("the controller says so", LINKS, || {
        let events = farm.home.run(MINER_CTRL, &events).ok()?.json().ok()?;
        (!events["events"].as_array()?.is_empty()).then_some(())
    });
    told?;
    assert_eq!(farm.linked_when(COPIES)?, all, "the first keeps its link");
    Ok(())
}
