//! The rules of the registry, written once over any store: who may be added, what removal means,
//! how a wish gets its number, when a profile may go.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::{Address, Name};
use miner_shared::wire::{OpId, State};

use super::index::Index;
use super::labels::MAX_TAGS;
use super::record::{DesiredRecord, PeerRecord, ProfileId, Told, Tombstone, rests};
use super::store::{Change, Contents, Durable, KnownSource, Store, StoreError};
use super::tokens::TokenRefusal;
use crate::clock::EpochMs;

/// The registry: all rows in memory, every change in the store first.
#[derive(Debug)]
pub struct Registry {
    store: Box<dyn Store>,
    pub(super) rows: Contents,
    /// Orders that made room since this process began.
    pub(super) orders_lost: u64,
    pub(super) index: Index,
    /// Rows that say more than the store's, until [`Registry::keep_notes`].
    noted: BTreeSet<(Fingerprint, Note)>,
}

/// A row that a rig's word changes, and that a power cut may take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Note {
    /// When it was last seen, what it told of itself.
    Peer,
    /// What machine it is.
    Machine,
}

impl Registry {
    /// Reads all rows of the store.
    pub fn open(store: Box<dyn Store>) -> Result<Self, StoreError> {
        let mut rows = store.load()?;
        rows.label_by_origin();
        let index = Index::of(&rows);
        Ok(Self {
            store,
            rows,
            orders_lost: 0,
            index,
            noted: BTreeSet::new(),
        })
    }

    /// All registered peers, by fingerprint.
    pub fn peers(&self) -> impl ExactSizeIterator<Item = (&Fingerprint, &PeerRecord)> {
        self.rows.peers.iter()
    }

    /// The peers behind this fingerprint, by fingerprint; all without one.
    pub fn peers_after(
        &self,
        after: Option<Fingerprint>,
    ) -> impl Iterator<Item = (&Fingerprint, &PeerRecord)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.peers.range((from, Bound::Unbounded))
    }

    /// The peer with this key.
    pub fn peer(&self, key: &Fingerprint) -> Option<&PeerRecord> {
        self.rows.peers.get(key)
    }

    /// The peer with this node ID.
    pub fn by_id(&self, id: NodeId) -> Option<(Fingerprint, &PeerRecord)> {
        let key = self.index.by_id(id)?;
        Some((*key, self.rows.peers.get(key)?))
    }

    /// The tombstone of this key, if its peer was removed.
    pub fn tombstone(&self, key: &Fingerprint) -> Option<&Tombstone> {
        self.rows.tombstones.get(key)
    }

    /// The peer that has this name, if one has.
    pub fn by_name(&self, name: &Name) -> Option<Fingerprint> {
        self.index.by_name(name).copied()
    }

    /// Whether this key could bear this name: names are unique among peers.
    pub(super) fn name_for(&self, key: &Fingerprint, name: &Name) -> Result<(), RegistryError> {
        match self.by_name(name) {
            Some(other) if other != *key => Err(RegistryError::NameTaken(name.clone(), other)),
            _ => Ok(()),
        }
    }

    /// Registers a peer. The owner names the key explicitly, so a tombstone of it is taken away.
    pub fn add(&mut self, key: Fingerprint, peer: PeerRecord) -> Result<(), RegistryError> {
        self.check_free(&key)?;
        self.name_for(&key, &peer.name)?;
        let batch = vec![
            Change::DeleteTombstone(key),
            Change::DeletePending(key),
            Change::PutPeer(key, peer),
        ];
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Removes a peer and writes its tombstone, together. What it should be doing stays stored, so
    /// that its generation goes on rising if it is ever added again. The token that it came by is
    /// suspended in the same step, unless `keep_token`: who had the rig has the token too.
    pub fn remove(
        &mut self,
        key: &Fingerprint,
        keep_token: bool,
        now: EpochMs,
    ) -> Result<(), RegistryError> {
        self.remove_all(&[*key], keep_token, now)
    }

    /// The same for all of these peers, in one step.
    pub fn remove_all(
        &mut self,
        keys: &[Fingerprint],
        keep_token: bool,
        now: EpochMs,
    ) -> Result<(), RegistryError> {
        let (mut batch, mut tokens) = (Vec::new(), BTreeMap::new());
        for key in keys {
            let peer = self.rows.peers.get(key).ok_or(RegistryError::NoSuchPeer)?;
            let tombstone = Tombstone {
                name: peer.name.clone(),
                removed_at_ms: now.0,
                successor: None,
            };
            batch.extend([
                Change::DeletePeer(*key),
                Change::DeletePinned(*key),
                Change::DeleteOrigin(*key),
                Change::PutTombstone(*key, tombstone),
            ]);
            batch.extend(Self::unlabelled(key));
            batch.extend(self.orders_gone(key));
            self.token_after_removal(key, keep_token, now, &mut tokens);
        }
        batch.extend(
            tokens
                .into_iter()
                .map(|(id, row)| Change::PutToken(id, row)),
        );
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Forgets a removed peer altogether: its key becomes a stranger's, and so do those before it.
    pub fn forget(&mut self, key: &Fingerprint) -> Result<(), RegistryError> {
        if !self.rows.tombstones.contains_key(key) {
            return Err(RegistryError::NoSuchPeer);
        }
        let mut batch = vec![Change::DeleteTombstone(*key), Change::DeleteDesired(*key)];
        batch.extend(self.predecessors(key).map(Change::DeleteTombstone));
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Gives a peer another address, and another name if one is given.
    pub fn readdress(
        &mut self,
        key: &Fingerprint,
        address: Address,
        name: Option<Name>,
    ) -> Result<(), RegistryError> {
        let mut peer = self
            .rows
            .peers
            .get(key)
            .cloned()
            .ok_or(RegistryError::NoSuchPeer)?;
        peer.address = Some(address);
        if let Some(name) = name {
            self.name_for(key, &name)?;
            peer.name = name;
        }
        Ok(self.commit(vec![Change::PutPeer(*key, peer)], Durable::Now)?)
    }

    /// Gives a peer another name.
    pub fn rename(&mut self, key: &Fingerprint, name: Name) -> Result<(), RegistryError> {
        let peer = self.rows.peers.get(key).cloned();
        let mut peer = peer.ok_or(RegistryError::NoSuchPeer)?;
        self.name_for(key, &name)?;
        peer.name = name;
        Ok(self.commit(vec![Change::PutPeer(*key, peer)], Durable::Now)?)
    }

    /// Notes what a peer told of itself when its link came up, and that it was seen. The name that
    /// it gives itself replaces its node ID where the owner gave it none and no other peer has it.
    pub fn note_link(&mut self, key: &Fingerprint, told: Told, own_name: &Name, now: EpochMs) {
        let is_free = self.name_for(key, own_name).is_ok();
        self.note(key, |peer| {
            if is_free && peer.name.as_str() == key.node_id().to_string() {
                peer.name = own_name.clone();
            }
            peer.told = Some(told);
            peer.last_seen_ms = Some(now.0);
        });
    }

    /// Notes when a peer was last seen.
    pub fn note_seen(&mut self, key: &Fingerprint, at: EpochMs) {
        self.note(key, |peer| peer.last_seen_ms = Some(at.0));
    }

    fn note(&mut self, key: &Fingerprint, change: impl FnOnce(&mut PeerRecord)) {
        if let Some(mut peer) = self.rows.peers.get(key).cloned() {
            change(&mut peer);
            self.noted(*key, Note::Peer, &Change::PutPeer(*key, peer));
        }
    }

    /// Makes a change here and now, and in the store with the next [`Registry::keep_notes`]: a power cut
    /// in between loses what the rig will tell again.
    pub(super) fn noted(&mut self, key: Fingerprint, note: Note, change: &Change) {
        self.noted.insert((key, note));
        self.apply(change);
    }

    /// Gives at most so many of the rows that were noted to the store, in one batch.
    pub fn keep_notes(&mut self, most: usize) -> Result<(), StoreError> {
        let kept: Vec<_> = self.noted.iter().take(most).copied().collect();
        let rows = &self.rows;
        let batch = kept.iter().filter_map(|(key, note)| {
            Some(match note {
                Note::Peer => Change::PutPeer(*key, rows.peers.get(key)?.clone()),
                Note::Machine => Change::PutMachine(*key, rows.machines.get(key)?.clone()),
            })
        });
        let batch: Vec<_> = batch.collect();
        if !batch.is_empty() {
            self.store.commit(&batch, Durable::Soon)?;
        }
        for note in kept {
            self.noted.remove(&note);
        }
        Ok(())
    }

    /// Addresses that registered peers came from, as they were last noted.
    pub fn sources(&self) -> &[KnownSource] {
        &self.rows.sources
    }

    /// Notes all addresses that registered peers came from. Losing them costs a slow return, no rig.
    pub fn note_sources(&mut self, all: Vec<KnownSource>) -> Result<(), StoreError> {
        self.commit(vec![Change::PutSources(all)], Durable::Soon)
    }

    /// All rows, for a copy of the registry.
    pub fn contents(&self) -> &Contents {
        &self.rows
    }

    /// Makes durable what was only noted.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.keep_notes(usize::MAX)?;
        self.store.commit(&[], Durable::Now)
    }

    /// What this rig should be doing; `None` if it was never told.
    pub fn desired(&self, key: &Fingerprint) -> Option<&DesiredRecord> {
        self.rows.desired.get(key)
    }

    /// Stores a wish for a rig under the next number: above the last one stored, and above `told`,
    /// what the rig says it was told (a restored backup may be behind it). Returns the number.
    pub fn wish(
        &mut self,
        key: &Fingerprint,
        wish: Wish,
        told: u64,
        now: EpochMs,
    ) -> Result<u64, RegistryError> {
        let numbers = self.wish_all(vec![(*key, wish, told)], now)?;
        numbers.first().copied().ok_or(RegistryError::NoSuchPeer)
    }

    /// The same for many rigs in one step, each of which is there once: all wishes are stored, or
    /// none. Returns their numbers in this order.
    pub fn wish_all(
        &mut self,
        wishes: Vec<(Fingerprint, Wish, u64)>,
        now: EpochMs,
    ) -> Result<Vec<u64>, RegistryError> {
        if wishes.is_empty() {
            return Ok(Vec::new());
        }
        let (mut batch, mut numbers) = (Vec::new(), Vec::new());
        for (key, wish, told) in wishes {
            if !self.rows.peers.contains_key(&key) {
                return Err(RegistryError::NoSuchPeer);
            }
            let stored = self.desired(&key).map_or(0, |row| row.generation);
            let row = DesiredRecord {
                generation: stored.max(told).saturating_add(1),
                op_id: wish.op_id,
                profile: wish.profile,
                state: wish.state,
                set_at_ms: now.0,
                version: wish.version,
                held: wish.held,
            };
            numbers.push(row.generation);
            batch.push(Change::PutDesired(key, row));
        }
        self.commit(batch, Durable::Now)?;
        Ok(numbers)
    }

    /// The store first: what it did not take has not happened.
    pub(super) fn commit(
        &mut self,
        batch: Vec<Change>,
        durable: Durable,
    ) -> Result<(), StoreError> {
        self.store.commit(&batch, durable)?;
        batch.iter().for_each(|change| self.apply(change));
        Ok(())
    }

    fn apply(&mut self, change: &Change) {
        self.index.follow(&self.rows, change);
        self.rows.apply(change);
    }
}

/// What a rig should be doing from now on.
#[derive(Clone, Debug)]
pub struct Wish {
    /// 16 random bytes that name the command which carries it.
    pub op_id: OpId,
    /// The profile's id, if it is to mine.
    pub profile: Option<ProfileId>,
    /// Which version of the profile; without one it means nothing.
    pub version: u32,
    /// Whether a person has paused the rig.
    pub held: bool,
    /// What the rig is told.
    pub state: State,
}

impl Wish {
    /// Whether a rig with a profile is told to rest, in whatever words.
    pub fn rests(&self) -> bool {
        rests(self.profile.as_ref(), &self.state)
    }
}

/// Why the registry refused something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// This key is registered already.
    #[error("this key is registered already")]
    PeerExists(Fingerprint),
    /// Another key with the same node ID is registered. By chance this does not happen.
    #[error(
        "another key with the same node ID is registered: one of the two was made to look alike"
    )]
    IdTaken(Fingerprint),
    /// Another peer has this name; that one.
    #[error("another peer is called {0}")]
    NameTaken(Name, Fingerprint),
    /// No such peer.
    #[error("no such peer")]
    NoSuchPeer,
    /// A text names more than one peer; these.
    #[error("it names more than one peer")]
    Ambiguous(Vec<(NodeId, Name)>),
    /// A profile without a pool.
    #[error("a profile needs at least one pool")]
    NoPool,
    /// A profile with this id exists.
    #[error("a profile {0} exists")]
    ProfileExists(ProfileId),
    /// These rigs are told to mine with it.
    #[error("rigs are told to mine with it")]
    ProfileInUse(Vec<Name>),
    /// No such profile.
    #[error("no such profile")]
    NoSuchProfile,
    /// No such version of the profile; these are kept, newest first.
    #[error("no such version")]
    NoSuchVersion(Vec<u32>),
    /// The profile was changed meanwhile: its newest version.
    #[error("the profile was changed meanwhile: its newest version is {0}")]
    VersionMoved(u32),
    /// All versions that are kept are in use.
    #[error("all {} versions that are kept of it are in use", super::MAX_VERSIONS)]
    VersionsInUse,
    /// The id of a profile follows from its name, and would change.
    #[error("under that name it would be the profile {0}")]
    OtherProfile(ProfileId),
    /// A rollout of the profile is under way.
    #[error("a rollout of it is under way")]
    ProfileInRollout,
    /// No such rollout.
    #[error("no such rollout")]
    NoSuchRollout,
    /// No room for another rollout.
    #[error("{} rollouts are under way already", super::MAX_OPEN_ROLLOUTS)]
    TooManyRollouts,
    /// No room for another profile.
    #[error("there are {} profiles already", super::MAX_PROFILES)]
    TooManyProfiles,
    /// The key was removed, denied or replaced, and not forgotten since.
    #[error("this key was removed")]
    Removed,
    /// The farm has a recovery key, and the one before must sign for another.
    #[error("this farm has a recovery key")]
    RecoveryExists,
    /// The proof is not by the recovery key of this farm.
    #[error("the proof is not by the recovery key of this farm")]
    BadProof,
    /// No such token.
    #[error("no such token")]
    NoSuchToken,
    /// A token of this name exists.
    #[error("a token of this name exists")]
    TokenExists,
    /// No room for another tag on a rig.
    #[error("a rig has at most {MAX_TAGS} tags")]
    TooManyTags,
    /// No room for another order: as many as may are open, of this rig or of all.
    #[error("there are too many orders that are not done")]
    TooManyOrders,
    /// No room for another token.
    #[error("there are too many tokens")]
    TooManyTokens,
    /// A token does not admit this rig.
    #[error(transparent)]
    Token(#[from] TokenRefusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
