//! The state volume of a rig whose power is cut: who the rig is afterwards, and what it knows.
//!
//! | after a cut | promise |
//! |---|---|
//! | identity | none yet, and one can be made; or the one that was there; or the one that takes its place, for good |
//! | whom it obeys | once known, never forgotten |
//! | what it was told | one of the two that a write lies between |
//! | a fetched update | whole, if it says that it is ready; what is not may be beyond reading |
//!
//! Whatever is on the volume, each other file can be read, and the next start makes a node of it: that is what "no
//! brick" means here. The volume is read as it is, by [`miner_images::fat`], without a check that repairs.

use core::fmt::Display;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_images::fat::Reader;
use miner_shared::crypto::sha256;
use miner_shared::identity::{Fingerprint, Role};
use miner_shared::release::Manifest;
use miner_shared::text::Name;

use crate::release;
use crate::writes::{Cut, Writes};

/// Where an update is fetched to.
const UPDATE: &str = "update";

/// What a rig knows by its volume.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    identity: Option<Fingerprint>,
    managers: usize,
    /// The generation of what it was told last.
    told: Option<u64>,
    update_is_ready: bool,
}

/// What a look at every cut found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Cuts that were looked at.
    pub cuts: usize,
    /// Of these, those in which a disk's own cache lost a write that came before others.
    pub with_lost: usize,
    /// Identities, one after the other.
    pub identities: usize,
    /// Different states that it was told.
    pub told: usize,
    /// Cuts after which an update is ready.
    pub ready: usize,
}

/// Cuts the power after every write, and looks at what is there.
///
/// # Errors
/// The first cut after which a promise is broken.
pub fn survives(writes: &Writes) -> Result<Seen, String> {
    let mut seen = Seen::default();
    // By all writes so far, and by those that are surely on the disk.
    let (mut last, mut flushed): (Option<Known>, Option<Known>) = (None, None);
    let mut flushed_at = 0;
    writes.cut_everywhere(|cut, volume| {
        if cut.flushed != flushed_at {
            (flushed_at, flushed) = (cut.flushed, last.clone());
        }
        let before = if cut.lost.is_none() { &last } else { &flushed };
        let known = look(volume).and_then(|known| follows(&known, before.as_ref()).map(|()| known));
        let known = known.map_err(|why| at(cut, writes, &why))?;
        seen.cuts += 1;
        if cut.lost.is_some() {
            seen.with_lost += 1;
            return Ok(());
        }
        seen.ready += usize::from(known.update_is_ready);
        let before = last.replace(known.clone());
        let before = before.as_ref();
        seen.identities += usize::from(before.and_then(|before| before.identity) != known.identity);
        seen.told += usize::from(before.and_then(|before| before.told) != known.told);
        Ok::<(), String>(())
    })?;
    Ok(seen)
}

fn at(cut: Cut, writes: &Writes, why: &dyn Display) -> String {
    let lost = cut.lost.map(|lost| format!(", of which {lost} is lost"));
    let (after, of, lost) = (cut.writes, writes.count(), lost.unwrap_or_default());
    format!("cut after {after} of {of} writes{lost}: {why}")
}

/// Whether a rig may know this that knew that.
fn follows(known: &Known, before: Option<&Known>) -> Result<(), String> {
    let Some(before) = before else {
        return Ok(());
    };
    let forgotten = before.identity.is_some() && known.identity.is_none();
    if forgotten || known.managers < before.managers || known.told < before.told {
        return Err(format!("{known:?} after {before:?}"));
    }
    Ok(())
}

/// What a rig with this volume knows, and whether it starts.
fn look(volume: &[u8]) -> Result<Known, String> {
    let failed = |error: &dyn Display| error.to_string();
    let volume = Reader::open(volume).map_err(|error| failed(&error))?;
    let home = tempfile::tempdir().map_err(|error| failed(&error))?;
    for entry in volume.list().map_err(|error| failed(&error))? {
        let path = home.path().join(&entry.path);
        let made = if entry.is_folder {
            fs::create_dir(&path)
        } else {
            match volume.read(&entry.path) {
                Ok(bytes) => fs::write(&path, bytes)
                    .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600))),
                // It was being fetched: the rig begins it anew.
                Err(_) if entry.path.starts_with(UPDATE) => Ok(()),
                Err(error) => return Err(format!("{}: {error}", entry.path)),
            }
        };
        made.map_err(|error| format!("{}: {error}", entry.path))?;
    }
    let store = NodeStore::new(Dirs::at(home.path(), home.path()));
    let node = store.load().map_err(|error| failed(&error))?;
    let told = store.state().map_err(|error| failed(&error))?;
    let managers = store.managers().map_err(|error| failed(&error))?;
    let known = Known {
        identity: node.map(|node| node.fingerprint()),
        managers: managers.iter().count(),
        told: told.map(|desired| desired.generation),
        update_is_ready: update_is_ready(home.path())?,
    };
    let name = Name::parse("rig").map_err(|error| failed(&error))?;
    let started = store.load_or_create(name, Role::Worker, &mut system_rng());
    let started = started.map_err(|error| failed(&error))?.fingerprint();
    match known.identity {
        Some(identity) if identity != started => Err("it becomes another rig".to_owned()),
        _ => Ok(known),
    }
}

/// Whether an update is ready; it is whole then.
fn update_is_ready(home: &Path) -> Result<bool, String> {
    let folder = home.join(UPDATE);
    if !folder.join("ready").exists() {
        return Ok(false);
    }
    let read = |name: &str| {
        fs::read(folder.join(name)).map_err(|error| format!("an update is ready, {name}: {error}"))
    };
    let manifest = read("manifest")?;
    let key = release::key().public();
    let manifest = Manifest::verify(&manifest, &key).map_err(|error| error.to_string())?;
    for file in manifest.files() {
        let name = file.name.as_str();
        if sha256(&[&read(name)?]) != file.sha256 {
            return Err(format!("an update is ready, {name} is not whole"));
        }
    }
    Ok(true)
}
