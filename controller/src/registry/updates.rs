//! Update rollouts: a release of the image on its way to many rigs, stage by stage. As with rollouts of
//! profiles, what is here survives the controller; what a stage has measured so far is measured anew.
//!
//! ```text
//!   updates       number               -> how far it has come
//!   update_rigs   number, fingerprint  -> what this rig ran before, and what became of it
//! ```

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;
use miner_shared::release::Version;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::profiles::{Author, Comment};
use super::record::Row;
use super::rollouts::{Phase, Reason, RolloutStatus, RolloutTerms};
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable};

/// Update rollouts that are kept, the one under way included; the oldest falls out. With 10,000 rigs each
/// at 80 bytes: 16 * 0.8 MB = 13 MB at the very most.
pub const MAX_UPDATES: usize = 16;

/// An update rollout. Its number is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// The version that rigs get, each in the release for its architecture.
    pub version: Version,
    /// Whether rigs that boot from the network are started anew, to boot what is there by then.
    pub restart: bool,
    /// How it is done.
    pub terms: RolloutTerms,
    /// Rigs in all stages up to and with each.
    pub bounds: Vec<u32>,
    /// The stage that it is in, from 0.
    pub stage: u8,
    /// What it does in that stage.
    pub phase: Phase,
    /// How far it has come.
    pub status: RolloutStatus,
    /// Why it stands still, if it does.
    pub reason: Option<Reason>,
    /// Who started it, if that is known.
    pub by: Option<Author>,
    /// Why.
    pub comment: Option<Comment>,
    /// When it was started, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
}

/// One rig of an update rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRig {
    /// Its place, from 0: stages take rigs in this order.
    pub place: u32,
    /// What it ran before, if that is known.
    pub before: Option<Version>,
    /// What it made before, in thousandths of a hash per second; `None` if that was not known.
    pub baseline: Option<u64>,
    /// What it made in its stage's observation, likewise.
    pub observed: Option<u64>,
    /// What became of it.
    pub outcome: UpdateOutcome,
}

/// What became of a rig in an update rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateOutcome {
    /// Its stage has not begun, or it is away.
    Waiting,
    /// It ran the version, or a later one, before.
    HadIt,
    /// Told: it fetches, installs, or tries it.
    Told {
        /// When, in milliseconds since 1970.
        at_ms: u64,
        /// Whether its receipt came. The order itself is not kept for ever.
        taken: bool,
    },
    /// It runs it, and has shown that it works.
    Done,
    /// It does not, and why.
    Failed(Reason),
    /// The same, and a person went on nevertheless: it stops nothing any more.
    Accepted(Reason),
}

impl Row for UpdateRecord {}
impl Row for UpdateRig {}

/// The rigs of one update rollout.
pub type UpdateRigs = BTreeMap<Fingerprint, UpdateRig>;

impl Registry {
    /// Update rollouts that are kept, by number.
    pub fn updates(&self) -> impl DoubleEndedIterator<Item = (u32, &UpdateRecord)> {
        self.rows.updates.iter().map(|(id, row)| (*id, row))
    }

    /// The update rollout of this number.
    pub fn update(&self, id: u32) -> Option<&UpdateRecord> {
        self.rows.updates.get(&id)
    }

    /// The one that has not ended, if there is one.
    pub fn open_update(&self) -> Option<(u32, &UpdateRecord)> {
        self.updates().find(|(_, row)| !row.status.is_ended())
    }

    /// The rigs of an update rollout.
    pub fn update_rigs(&self, id: u32) -> UpdateRigs {
        let first = (id, Fingerprint([0; 32]));
        let last = (id, Fingerprint([u8::MAX; 32]));
        let rows = self.rows.update_rigs.range(first..=last);
        rows.map(|((_, key), row)| (*key, row.clone())).collect()
    }

    /// Stores a new update rollout with its rigs, whole; returns its number. One is under way at a time.
    pub fn create_update(
        &mut self,
        record: UpdateRecord,
        rigs: &UpdateRigs,
    ) -> Result<u32, RegistryError> {
        if self.open_update().is_some() {
            return Err(RegistryError::TooManyRollouts);
        }
        let newest = self.updates().next_back().map_or(0, |(id, _)| id);
        let id = newest.saturating_add(1);
        let mut batch = Vec::new();
        if self.rows.updates.len() >= MAX_UPDATES {
            let oldest = self.updates().next();
            batch.extend(oldest.map(|(id, _)| Change::DeleteUpdate(id)));
        }
        batch.push(Change::PutUpdate(id, record));
        batch.extend(put_rigs(id, rigs.iter()));
        self.commit(batch, Durable::Now)?;
        Ok(id)
    }

    /// Stores how far an update rollout has come, and what became of these rigs, together.
    pub fn save_update<'a>(
        &mut self,
        id: u32,
        record: &UpdateRecord,
        rigs: impl Iterator<Item = (&'a Fingerprint, &'a UpdateRig)>,
    ) -> Result<(), StoreError> {
        let mut batch = vec![Change::PutUpdate(id, record.clone())];
        batch.extend(put_rigs(id, rigs));
        self.commit(batch, Durable::Now)
    }

    /// What update rollouts keep of a rig, under another key.
    pub(super) fn moved_in_updates<'a>(
        &'a self,
        old: &Fingerprint,
        new: Fingerprint,
    ) -> impl Iterator<Item = Change> + use<'a> {
        let old = *old;
        let rows = self.rows.update_rigs.iter();
        let of_rig = rows.filter(move |((_, key), _)| *key == old);
        of_rig.flat_map(move |((id, _), row)| {
            [
                Change::DeleteUpdateRig(*id, old),
                Change::PutUpdateRig(*id, new, row.clone()),
            ]
        })
    }
}

fn put_rigs<'a>(
    id: u32,
    rigs: impl Iterator<Item = (&'a Fingerprint, &'a UpdateRig)>,
) -> impl Iterator<Item = Change> {
    rigs.map(move |(key, rig)| Change::PutUpdateRig(id, *key, rig.clone()))
}
