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
use farm_tests::farm::{Farm, TOKEN};
use farm_tests::home::{Home, MINER};
use farm_tests::service::Service;

/// Fifty agents start, make keys and are let in, on a machine that does much else.
const LINKS: Duration = Duration::from_secs(120);
const COPIES: usize = 50;

type Outcome = Result<(), String>;

fn rig(farm: &Farm, home: &Home) -> Result<Service, String> {
    let serve = ["node", "serve", "--controller", &farm.link];
    home.serve(MINER, &[&serve[..], &["--token-file", TOKEN]].concat())
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
    let farm = Farm::start_in(machine("farm")?, "127.0.0.1", "127.0.0.1")?;
    farm.token_for(COPIES)?;
    let medium = farm.home.path().join(TOKEN);
    let mut rigs = Vec::new();
    for _ in 0..COPIES {
        let home = machine("rig")?;
        fs::copy(&medium, home.path().join(TOKEN)).map_err(|error| error.to_string())?;
        let agent = rig(&farm, &home)?;
        rigs.push((home, agent));
    }
    let all = farm.linked_when(COPIES, LINKS)?;
    let ids: BTreeSet<_> = all.iter().map(|(id, _)| id).collect();
    let names: BTreeSet<_> = all.iter().map(|(_, name)| name).collect();
    assert_eq!((ids.len(), names.len()), (COPIES, COPIES), "{all:?}");

    for (home, agent) in rigs.iter_mut().take(5) {
        agent.kill()?;
        *agent = rig(&farm, home)?;
    }
    assert_eq!(
        farm.linked_when(COPIES, LINKS)?,
        all,
        "they are who they were"
    );

    let copied = machine("copy")?;
    let (used, _) = rigs.last().ok_or("there are some")?;
    copy(used.path(), copied.path()).map_err(|error| error.to_string())?;
    let _second = rig(&farm, &copied)?;
    let told = eventually("the controller says so", LINKS, || {
        let events = ["events", "--type", "duplicateIdentity"];
        let events = farm.json(&events).ok()?;
        (!events["events"].as_array()?.is_empty()).then_some(())
    });
    told?;
    assert_eq!(
        farm.linked_when(COPIES, LINKS)?,
        all,
        "the first keeps its link"
    );
    Ok(())
}
