//! What a place must do to hold the registry: give back all rows, and take batches of changes, each
//! batch whole or not at all.
//!
//! The one rule that every store enforces by itself is the one that must hold even if two
//! controllers ever share a store: a rig's generation only rises ([`StoreError::Conflict`]).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use miner_shared::identity::Fingerprint;
use miner_shared::wire::OpId;

use super::access::{ApiTokenId, ApiTokenRecord};
use super::labels::{LabelsRecord, MachineRecord};
use super::orders::OrderRecord;
use super::profiles::{ProfileRecord, YieldRecord};
use super::record::{DesiredRecord, PeerRecord, ProfileId, SCHEMA, Tombstone};
use super::recovery::{PinnedRecord, RecoveryRecord};
use super::rollouts::{RolloutRecord, RolloutRig};
use super::tokens::{Origin, PendingRecord, TokenId, TokenRecord};
use super::updates::{UpdateRecord, UpdateRig};

/// Where the registry's rows live.
pub trait Store: Send + fmt::Debug {
    /// All rows.
    fn load(&self) -> Result<Contents, StoreError>;

    /// Makes all changes of the batch, or none of them.
    fn commit(&mut self, batch: &[Change], durable: Durable) -> Result<(), StoreError>;
}

/// When a batch survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    /// Before `commit` returns. For everything that someone is told has happened.
    Now,
    /// With one of the next batches. For what may be lost, such as when a peer was last seen.
    Soon,
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Writes a peer's row.
    PutPeer(Fingerprint, PeerRecord),
    /// Deletes a peer's row.
    DeletePeer(Fingerprint),
    /// Writes a tombstone.
    PutTombstone(Fingerprint, Tombstone),
    /// Deletes a tombstone.
    DeleteTombstone(Fingerprint),
    /// Writes a rig's wish, whose generation must be above the stored one.
    PutDesired(Fingerprint, DesiredRecord),
    /// Deletes a rig's wish.
    DeleteDesired(Fingerprint),
    /// Writes a profile.
    PutProfile(ProfileId, ProfileRecord),
    /// Deletes a profile; its older versions are rows of their own.
    DeleteProfile(ProfileId),
    /// Writes an older version of a profile.
    PutVersion(ProfileId, u32, ProfileRecord),
    /// Deletes an older version of a profile.
    DeleteVersion(ProfileId, u32),
    /// Writes what rigs made with a version of a profile.
    PutYield(ProfileId, u32, YieldRecord),
    /// Deletes what rigs made with a version of a profile.
    DeleteYield(ProfileId, u32),
    /// Writes a rollout.
    PutRollout(u32, RolloutRecord),
    /// Deletes a rollout with all of its rigs.
    DeleteRollout(u32),
    /// Writes a rig of a rollout.
    PutRolloutRig(u32, Fingerprint, RolloutRig),
    /// Deletes a rig of a rollout.
    DeleteRolloutRig(u32, Fingerprint),
    /// Writes an update rollout.
    PutUpdate(u32, UpdateRecord),
    /// Deletes an update rollout with all of its rigs.
    DeleteUpdate(u32),
    /// Writes a rig of an update rollout.
    PutUpdateRig(u32, Fingerprint, UpdateRig),
    /// Deletes a rig of an update rollout.
    DeleteUpdateRig(u32, Fingerprint),
    /// Writes a token.
    PutToken(TokenId, TokenRecord),
    /// Deletes a token.
    DeleteToken(TokenId),
    /// Writes a rig that waits for approval.
    PutPending(Fingerprint, PendingRecord),
    /// Deletes a rig that waits for approval.
    DeletePending(Fingerprint),
    /// Writes by which token a peer came.
    PutOrigin(Fingerprint, Origin),
    /// Deletes by which token a peer came.
    DeleteOrigin(Fingerprint),
    /// Writes a peer's labels.
    PutLabels(Fingerprint, LabelsRecord),
    /// Deletes a peer's labels.
    DeleteLabels(Fingerprint),
    /// Writes what a peer said of its machine.
    PutMachine(Fingerprint, MachineRecord),
    /// Deletes what a peer said of its machine.
    DeleteMachine(Fingerprint),
    /// Writes an order.
    PutOrder(OpId, OrderRecord),
    /// Deletes an order.
    DeleteOrder(OpId),
    /// Writes the recovery key of the farm.
    PutRecovery(RecoveryRecord),
    /// Writes which recovery key a peer has pinned.
    PutPinned(Fingerprint, PinnedRecord),
    /// Deletes which recovery key a peer has pinned.
    DeletePinned(Fingerprint),
    /// Writes an API token.
    PutApiToken(ApiTokenId, ApiTokenRecord),
    /// Deletes an API token.
    DeleteApiToken(ApiTokenId),
    /// Writes all addresses that registered peers came from; those written before are gone.
    PutSources(Vec<KnownSource>),
}

/// An address, or the network of an IPv6 customer, that a registered peer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownSource {
    /// Which, as [`miner_shared::gate::source_of`] numbers them.
    pub source: u64,
    /// How much longer it is remembered, in milliseconds of a running controller.
    pub left_ms: u64,
}

/// All rows of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Registered peers.
    pub peers: BTreeMap<Fingerprint, PeerRecord>,
    /// Removed peers.
    pub tombstones: BTreeMap<Fingerprint, Tombstone>,
    /// What rigs should be doing.
    pub desired: BTreeMap<Fingerprint, DesiredRecord>,
    /// The newest version of each profile.
    pub profiles: BTreeMap<ProfileId, ProfileRecord>,
    /// Older versions of profiles, by number.
    pub versions: BTreeMap<(ProfileId, u32), ProfileRecord>,
    /// What rigs made with each version.
    pub yields: BTreeMap<(ProfileId, u32), YieldRecord>,
    /// Rollouts, by number.
    pub rollouts: BTreeMap<u32, RolloutRecord>,
    /// Their rigs.
    pub rollout_rigs: BTreeMap<(u32, Fingerprint), RolloutRig>,
    /// Update rollouts, by number.
    pub updates: BTreeMap<u32, UpdateRecord>,
    /// Their rigs.
    pub update_rigs: BTreeMap<(u32, Fingerprint), UpdateRig>,
    /// Enrolment tokens.
    pub tokens: BTreeMap<TokenId, TokenRecord>,
    /// Rigs that wait for approval.
    pub pending: BTreeMap<Fingerprint, PendingRecord>,
    /// By which token peers came.
    pub origins: BTreeMap<Fingerprint, Origin>,
    /// What is written on peers.
    pub labels: BTreeMap<Fingerprint, LabelsRecord>,
    /// What peers said of their machines.
    pub machines: BTreeMap<Fingerprint, MachineRecord>,
    /// What rigs are to do once, and what became of it.
    pub orders: BTreeMap<OpId, OrderRecord>,
    /// The recovery key of the farm, if it has one.
    pub recovery: Option<RecoveryRecord>,
    /// Which recovery key peers have pinned.
    pub pinned: BTreeMap<Fingerprint, PinnedRecord>,
    /// API tokens.
    pub api_tokens: BTreeMap<ApiTokenId, ApiTokenRecord>,
    /// Addresses that registered peers came from, by their numbers.
    pub sources: Vec<KnownSource>,
}

impl Contents {
    /// Makes one change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::PutPeer(key, row) => drop(self.peers.insert(*key, row.clone())),
            Change::DeletePeer(key) => drop(self.peers.remove(key)),
            Change::PutTombstone(key, row) => drop(self.tombstones.insert(*key, row.clone())),
            Change::DeleteTombstone(key) => drop(self.tombstones.remove(key)),
            Change::PutDesired(key, row) => drop(self.desired.insert(*key, row.clone())),
            Change::DeleteDesired(key) => drop(self.desired.remove(key)),
            Change::PutProfile(key, row) => drop(self.profiles.insert(key.clone(), row.clone())),
            Change::DeleteProfile(key) => drop(self.profiles.remove(key)),
            Change::PutVersion(key, version, row) => {
                drop(self.versions.insert((key.clone(), *version), row.clone()));
            }
            Change::DeleteVersion(key, version) => {
                drop(self.versions.remove(&(key.clone(), *version)));
            }
            Change::PutYield(key, version, row) => {
                self.yields.insert((key.clone(), *version), *row);
            }
            Change::DeleteYield(key, version) => {
                self.yields.remove(&(key.clone(), *version));
            }
            Change::PutRollout(id, row) => drop(self.rollouts.insert(*id, row.clone())),
            Change::DeleteRollout(id) => {
                self.rollouts.remove(id);
                self.rollout_rigs.retain(|(of, _), _| of != id);
            }
            Change::PutRolloutRig(id, key, row) => {
                drop(self.rollout_rigs.insert((*id, *key), row.clone()));
            }
            Change::DeleteRolloutRig(id, key) => drop(self.rollout_rigs.remove(&(*id, *key))),
            Change::PutUpdate(id, row) => drop(self.updates.insert(*id, row.clone())),
            Change::DeleteUpdate(id) => {
                self.updates.remove(id);
                self.update_rigs.retain(|(of, _), _| of != id);
            }
            Change::PutUpdateRig(id, key, row) => {
                drop(self.update_rigs.insert((*id, *key), row.clone()));
            }
            Change::DeleteUpdateRig(id, key) => drop(self.update_rigs.remove(&(*id, *key))),
            Change::PutToken(key, row) => drop(self.tokens.insert(*key, row.clone())),
            Change::DeleteToken(key) => drop(self.tokens.remove(key)),
            Change::PutPending(key, row) => drop(self.pending.insert(*key, row.clone())),
            Change::DeletePending(key) => drop(self.pending.remove(key)),
            Change::PutOrigin(key, row) => drop(self.origins.insert(*key, row.clone())),
            Change::DeleteOrigin(key) => drop(self.origins.remove(key)),
            Change::PutLabels(key, row) => drop(self.labels.insert(*key, row.clone())),
            Change::DeleteLabels(key) => drop(self.labels.remove(key)),
            Change::PutMachine(key, row) => drop(self.machines.insert(*key, row.clone())),
            Change::DeleteMachine(key) => drop(self.machines.remove(key)),
            Change::PutOrder(key, row) => drop(self.orders.insert(*key, row.clone())),
            Change::DeleteOrder(key) => drop(self.orders.remove(key)),
            Change::PutRecovery(row) => self.recovery = Some(row.clone()),
            Change::PutPinned(key, row) => drop(self.pinned.insert(*key, *row)),
            Change::DeletePinned(key) => drop(self.pinned.remove(key)),
            Change::PutApiToken(key, row) => drop(self.api_tokens.insert(*key, row.clone())),
            Change::DeleteApiToken(key) => drop(self.api_tokens.remove(key)),
            Change::PutSources(all) => self.sources.clone_from(all),
        }
    }
}

impl Contents {
    /// The batch that makes an empty store hold all of this.
    pub fn changes(&self) -> Vec<Change> {
        let mut all = Vec::new();
        all.extend(puts(&self.peers, Change::PutPeer));
        all.extend(puts(&self.tombstones, Change::PutTombstone));
        all.extend(puts(&self.desired, Change::PutDesired));
        all.extend(puts(&self.profiles, Change::PutProfile));
        all.extend(puts(&self.versions, |(id, n), row| {
            Change::PutVersion(id, n, row)
        }));
        all.extend(puts(&self.yields, |(id, n), row| {
            Change::PutYield(id, n, row)
        }));
        all.extend(puts(&self.rollouts, Change::PutRollout));
        all.extend(puts(&self.rollout_rigs, |(id, key), row| {
            Change::PutRolloutRig(id, key, row)
        }));
        all.extend(puts(&self.updates, Change::PutUpdate));
        all.extend(puts(&self.update_rigs, |(id, key), row| {
            Change::PutUpdateRig(id, key, row)
        }));
        all.extend(puts(&self.tokens, Change::PutToken));
        all.extend(puts(&self.pending, Change::PutPending));
        all.extend(puts(&self.origins, Change::PutOrigin));
        all.extend(puts(&self.labels, Change::PutLabels));
        all.extend(puts(&self.machines, Change::PutMachine));
        all.extend(puts(&self.api_tokens, Change::PutApiToken));
        all.extend(puts(&self.orders, Change::PutOrder));
        all.extend(self.recovery.clone().map(Change::PutRecovery));
        all.extend(puts(&self.pinned, Change::PutPinned));
        all.push(Change::PutSources(self.sources.clone()));
        all
    }
}

fn puts<'r, K: Clone, R: Clone>(
    rows: &'r BTreeMap<K, R>,
    put: impl Fn(K, R) -> Change + 'r,
) -> impl Iterator<Item = Change> + 'r {
    rows.iter()
        .map(move |(key, row)| put(key.clone(), row.clone()))
}

/// Why a store cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the file.
    #[error("{} is in use by another miner-ctrl: stop that one, or talk to it", .0.display())]
    InUse(PathBuf),
    /// The file, or a row of it, is not what this program wrote.
    #[error(
        "the registry is damaged ({0}): restore it from a backup, or move the file away to begin with an empty one"
    )]
    Damaged(String),
    /// Written by a later version of this program.
    #[error(
        "the registry was written by a newer miner-ctrl (schema {0}, this one reads up to {SCHEMA}): run that version"
    )]
    Newer(u8),
    /// A rig's generation would not rise.
    #[error("someone else has changed what this rig should be doing: look again, then repeat")]
    Conflict,
    /// A row does not fit; the bounded types make this impossible.
    #[error("a row of the registry is too long")]
    RowTooLong,
    /// The disk did not do it.
    #[error("the registry cannot be read or written: {0}")]
    Io(String),
}
