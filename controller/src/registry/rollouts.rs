//! Rollouts: a version of a profile on its way to many rigs, stage by stage. What is here survives the
//! controller; what a stage has measured so far does not, and is measured anew.
//!
//! ```text
//!   rollouts      number               -> how far it has come
//!   rollout_rigs  number, fingerprint  -> what this rig had before, and what became of it
//! ```

use std::collections::{BTreeMap, BTreeSet};

use miner_shared::identity::Fingerprint;
use miner_shared::text::Text;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::profiles::{Author, Comment};
use super::record::{ProfileId, Row};
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable};

/// Rollouts that are kept, those under way included; the oldest that has ended falls out. With 10,000
/// rigs each at 80 bytes: 32 * 0.8 MB = 26 MB at the very most.
pub const MAX_ROLLOUTS: usize = 32;
/// Rollouts that may be under way at a time, also those that are paused or halted.
pub const MAX_OPEN_ROLLOUTS: usize = 8;
/// Stages of one rollout.
pub const MAX_STAGES: usize = 8;

/// Longest reason, in bytes.
const MAX_REASON: usize = 200;

/// Why a rollout stands still or a rig refused, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(Box<str>);

impl Reason {
    /// The text, cut to 200 bytes.
    pub fn lossy(text: &str) -> Self {
        Self(Text::<MAX_REASON>::lossy(text).as_str().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A rollout. Its number is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRecord {
    /// The profile.
    pub profile: ProfileId,
    /// The version that rigs get.
    pub version: u32,
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

/// How a rollout is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutTerms {
    /// Rigs that have the version after each stage, in rising order.
    pub stages: Vec<Step>,
    /// How long the rigs of a stage are watched, in seconds.
    pub observe_secs: u32,
    /// What they must make together, in percent of what they made before.
    pub min_percent: u8,
    /// What is done if they do not.
    pub on_failure: OnFailure,
}

/// How many rigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// This many.
    Rigs(u32),
    /// This part of all, in percent; rounded up.
    Percent(u8),
}

/// What is done when a stage falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// No further rig gets the version; those that have it keep it until a person decides.
    Halt,
    /// They get back what they had.
    RollBack,
}

/// What a rollout does in its stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing yet.
    Begin,
    /// Waits for rigs to apply.
    Apply,
    /// Watches what they make.
    Observe,
}

/// How far a rollout has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutStatus {
    /// Under way.
    Running,
    /// A person has it wait.
    Paused,
    /// It stopped by itself.
    Halted,
    /// Rigs get back what they had.
    RollingBack,
    /// They got it back.
    RolledBack,
    /// A person ended it; rigs keep what they have.
    Aborted,
    /// All stages were good.
    Done,
}

impl RolloutStatus {
    /// Whether nothing more will come of it.
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::RolledBack | Self::Aborted | Self::Done)
    }

    /// The word for it in REST and CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Halted => "halted",
            Self::RollingBack => "rollingBack",
            Self::RolledBack => "rolledBack",
            Self::Aborted => "aborted",
            Self::Done => "done",
        }
    }
}

/// One rig of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutRig {
    /// Its place, from 0: stages take rigs in this order.
    pub place: u32,
    /// What it was told before; unknown until its stage begins.
    pub before: Option<Before>,
    /// What it made before, in thousandths of a hash per second; `None` if that was not known.
    pub baseline: Option<u64>,
    /// What it made in its stage's observation, likewise.
    pub observed: Option<u64>,
    /// What became of it.
    pub outcome: RigOutcome,
}

/// What a rig was told before a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Number of that wish: as long as it is the rig's newest, nobody has told it anything since.
    pub generation: u64,
    /// The profile.
    pub profile: ProfileId,
    /// Its version.
    pub version: u32,
}

/// What became of a rig in a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RigOutcome {
    /// Its stage has not begun.
    Waiting,
    /// It had the version before.
    HadIt,
    /// It is told to mine nothing, or was removed: left out.
    LeftOut,
    /// Told, and has not said that it has it: it may be away.
    Told,
    /// It has it.
    Applied,
    /// It will not, and why.
    Refused(Reason),
    /// Somebody told it something else since.
    Superseded,
    /// It was told what it had before.
    ToldBack,
}

impl Row for RolloutRecord {}
impl Row for RolloutRig {}

/// The rigs of one rollout.
pub type RolloutRigs = BTreeMap<Fingerprint, RolloutRig>;

impl Registry {
    /// Rollouts that are kept, by number.
    pub fn rollouts(&self) -> impl DoubleEndedIterator<Item = (u32, &RolloutRecord)> {
        self.rows.rollouts.iter().map(|(id, row)| (*id, row))
    }

    /// The rollout of this number.
    pub fn rollout(&self, id: u32) -> Option<&RolloutRecord> {
        self.rows.rollouts.get(&id)
    }

    /// The rigs of a rollout.
    pub fn rollout_rigs(&self, id: u32) -> RolloutRigs {
        let first = (id, Fingerprint([0; 32]));
        let last = (id, Fingerprint([u8::MAX; 32]));
        let rows = self.rows.rollout_rigs.range(first..=last);
        rows.map(|((_, key), row)| (*key, row.clone())).collect()
    }

    /// Stores a new rollout with its rigs, whole; returns its number. The oldest that has ended makes
    /// room, if there is none.
    pub fn create_rollout(
        &mut self,
        record: RolloutRecord,
        rigs: &RolloutRigs,
    ) -> Result<u32, RegistryError> {
        let open = self.rollouts().filter(|(_, row)| !row.status.is_ended());
        if open.count() >= MAX_OPEN_ROLLOUTS {
            return Err(RegistryError::TooManyRollouts);
        }
        let newest = self.rollouts().next_back().map_or(0, |(id, _)| id);
        let id = newest.saturating_add(1);
        let mut batch = Vec::new();
        if self.rows.rollouts.len() >= MAX_ROLLOUTS {
            let oldest = self.rollouts().find(|(_, row)| row.status.is_ended());
            batch.extend(oldest.map(|(id, _)| Change::DeleteRollout(id)));
        }
        batch.push(Change::PutRollout(id, record));
        batch.extend(put_rigs(id, rigs.iter()));
        self.commit(batch, Durable::Now)?;
        Ok(id)
    }

    /// Stores how far a rollout has come, and what became of these rigs, together.
    pub fn save_rollout<'a>(
        &mut self,
        id: u32,
        record: &RolloutRecord,
        rigs: impl Iterator<Item = (&'a Fingerprint, &'a RolloutRig)>,
    ) -> Result<(), StoreError> {
        let mut batch = vec![Change::PutRollout(id, record.clone())];
        batch.extend(put_rigs(id, rigs));
        self.commit(batch, Durable::Now)
    }

    /// The open rollout that this rig is in, if it is in one.
    pub fn rollout_of(&self, key: &Fingerprint) -> Option<u32> {
        let mut open = self.rollouts().filter(|(_, row)| !row.status.is_ended());
        open.find(|(id, _)| self.rows.rollout_rigs.contains_key(&(*id, *key)))
            .map(|(id, _)| id)
    }

    /// What rollouts keep of a rig, under another key.
    pub(super) fn moved_in_rollouts<'a>(
        &'a self,
        old: &Fingerprint,
        new: Fingerprint,
    ) -> impl Iterator<Item = Change> + use<'a> {
        let rows = self.rows.rollout_rigs.iter();
        let old = *old;
        let of_rig = rows.filter(move |((_, key), _)| *key == old);
        of_rig.flat_map(move |((id, _), row)| {
            [
                Change::DeleteRolloutRig(*id, old),
                Change::PutRolloutRig(*id, new, row.clone()),
            ]
        })
    }

    /// Versions of a profile that open rollouts bring or may lead back to.
    pub(super) fn versions_in_rollouts(&self, profile: &ProfileId) -> BTreeSet<u32> {
        let open = self.rollouts().filter(|(_, row)| !row.status.is_ended());
        let mut versions = BTreeSet::new();
        for (id, row) in open {
            if row.profile == *profile {
                versions.insert(row.version);
            }
            let rigs = self.rollout_rigs(id).into_values();
            let before = rigs.filter_map(|rig| rig.before);
            versions.extend(
                before
                    .filter(|before| before.profile == *profile)
                    .map(|before| before.version),
            );
        }
        versions
    }
}

fn put_rigs<'a>(
    id: u32,
    rigs: impl Iterator<Item = (&'a Fingerprint, &'a RolloutRig)>,
) -> impl Iterator<Item = Change> {
    rigs.map(move |(key, rig)| Change::PutRolloutRig(id, *key, rig.clone()))
}
