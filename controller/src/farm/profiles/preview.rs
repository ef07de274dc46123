//! What a change of a profile would do, before anything is stored: to the profile, and to each rig that
//! would be given the new version.

use miner_agent::mining::fast_mode_mib;
use miner_shared::identity::Fingerprint;
use miner_shared::wire::{Memory, Mode, State, Threads};
use serde::Serialize;
use utoipa::ToSchema;

use super::diff;
use super::view::{ChangeView, short_hash};
use super::{Farm, NewVersion};
use crate::error::FarmError;
use crate::farm::errors;
use crate::hub::{Hub, Rig};
use crate::registry::{MachineRecord, ProfileId, ProfileRecord, Registry};

/// What a change of a profile would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewView {
    /// The profile.
    pub id: String,
    /// Its newest version now.
    pub from: u32,
    /// The beginning of its hash.
    pub from_hash: String,
    /// The version that would be made; the same as `from` if nothing changes.
    pub to: u32,
    /// The beginning of its hash.
    pub to_hash: String,
    /// What both differ in.
    pub changes: Vec<ChangeView>,
    /// Whether somebody else would be paid.
    pub payout_changed: bool,
    /// The rigs that are told to mine with the profile, by name. Storing the change tells them nothing;
    /// this is what becomes of them once they are started with it or a rollout brings it.
    pub rigs: Vec<RigChangeView>,
}

/// What the new version would change for one rig.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RigChangeView {
    /// Node ID.
    pub node_id: String,
    /// Name.
    pub name: String,
    /// Whether a link is up.
    pub connected: bool,
    /// The version that it is told to mine with.
    pub from: u32,
    /// The beginning of that one's hash; `null` if it is no longer kept.
    pub from_hash: Option<String>,
    /// Whether it would carry out anything else than now.
    pub changes: bool,
    /// Why it would refuse, as far as that can be known.
    pub would_refuse: Option<String>,
    /// What cannot be known, or what it cannot do fully.
    pub note: Option<String>,
}

impl Farm {
    /// What [`Farm::change_profile`] with the same would do. Stores nothing.
    pub fn preview_profile(&self, text: &str, new: NewVersion) -> Result<PreviewView, FarmError> {
        let core = self.lock();
        let registry = &core.registry;
        let id = ProfileId::of(text);
        let newest = registry.version(&id, None);
        let newest = newest.map_err(|error| errors::registry(error, text))?;
        let new = new.completed(Some(&newest.profile))?;
        let next = registry
            .next_version(&id, new.spec.clone(), new.expected)
            .map_err(|error| errors::registry(error, text))?;
        let before = newest.spec();
        let mut rigs: Vec<_> = registry
            .peers()
            .filter_map(|(key, _)| rig_change(key, &next, registry, &core.hub))
            .collect();
        rigs.sort_by(|a, b| (&a.name, &a.node_id).cmp(&(&b.name, &b.node_id)));
        Ok(PreviewView {
            id: id.to_string(),
            from: newest.version,
            from_hash: short_hash(&newest.hash()),
            to: next.version,
            to_hash: short_hash(&next.hash()),
            changes: diff::changes(&before, &new.spec),
            payout_changed: diff::pays_others(&before, &new.spec),
            rigs,
        })
    }
}

/// What the next version would change for this rig; `None` if it is not told to mine with the profile.
fn rig_change(
    key: &Fingerprint,
    next: &ProfileRecord,
    registry: &Registry,
    hub: &Hub,
) -> Option<RigChangeView> {
    let told = registry.desired(key)?;
    let id = ProfileId::of(next.profile.name.as_str());
    if told.profile.as_ref() != Some(&id) {
        return None;
    }
    let current = registry.version(&id, Some(told.version)).ok();
    let verdict = verdict(key, next, registry, hub);
    Some(RigChangeView {
        node_id: key.node_id().to_string(),
        name: registry.peer(key)?.name.to_string(),
        connected: hub.is_live(key),
        from: told.version,
        from_hash: current.map(|row| short_hash(&row.hash())),
        changes: current.is_none_or(|row| row.hash() != next.hash()),
        would_refuse: verdict.as_ref().err().cloned(),
        note: verdict.ok().flatten(),
    })
}

/// Whether a rig would take this version, as far as it can be known: `Err` is why not, `Ok` may hold
/// what cannot be known.
fn verdict(
    key: &Fingerprint,
    next: &ProfileRecord,
    registry: &Registry,
    hub: &Hub,
) -> Result<Option<String>, String> {
    let Some(protocol) = hub.protocol(key) else {
        return Ok(Some(
            "whether it would take it is not known while it is away".to_owned(),
        ));
    };
    if State::Plan(next.plan(false))
        .for_version(protocol)
        .is_none()
    {
        return Err(format!(
            "its agent speaks protocol version {protocol}, which has no words for this profile: update it"
        ));
    }
    if next.profile.mode == Mode::Fast && !is_fast(key, hub) {
        return fits_fast(next, registry.machine(key));
    }
    Ok(None)
}

/// Whether one of its miners has the memory of fast mode already.
fn is_fast(key: &Fingerprint, hub: &Hub) -> bool {
    let stats = hub.rig(key).and_then(Rig::stats);
    stats.is_some_and(|(stats, _)| {
        let mut miners = stats.miners.iter();
        miners.any(|miner| miner.memory == Some(Memory::Fast))
    })
}

/// Whether a machine has the memory that fast mode takes. What else uses it, nobody knows here.
fn fits_fast(
    next: &ProfileRecord,
    machine: Option<&MachineRecord>,
) -> Result<Option<String>, String> {
    let Some((machine, has)) = machine.and_then(|machine| Some((machine, machine.memory_mib?)))
    else {
        return Ok(Some("how much memory it has is not known".to_owned()));
    };
    let threads = match next.profile.threads {
        Threads::Count(count) => count,
        Threads::Auto | Threads::Percent(_) => machine.cpus,
    };
    let takes = fast_mode_mib(threads);
    if has < takes {
        return Err(format!("fast mode takes {takes} MiB, and it has {has}"));
    }
    Ok(None)
}
