//! Enrolment tokens, the rigs that wait for approval, and which rig came by which token.
//!
//! ```text
//!   create ─▶ token ── enrol: one batch takes the use and stores the entry ─┬▶ peer
//!               │                                                           └▶ pending ── approve ─▶ peer
//!               └ revoke, or removal of a peer that came by it ─▶ suspended        └ deny ─▶ tombstone
//! ```
//! The secret of a token is stored as it is: the pre-shared key of the handshake is made of it, so
//! a hash of it would be as good as the secret. It never leaves this file but into the handshake.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use miner_shared::identity::{Enrolment, Fingerprint, Role};
use miner_shared::limits::MAX_NAME;
use miner_shared::smsg::Peer;
use miner_shared::text::Name;
use miner_shared::wire::NodeCard;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::labels;
use super::pattern::{NamePattern, Network};
use super::record::{PeerRecord, Row, Told, Tombstone, Trust};
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable};
use crate::clock::EpochMs;

/// Rigs that may wait for approval at a time.
pub const MAX_WAITING: usize = 256;
/// Tokens that are kept, suspended ones too.
pub const MAX_TOKENS: usize = 1024;
/// Uses that one token may have.
pub const MAX_USES: u32 = 10_000;

/// Names a token, in the registry and on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TokenId(pub [u8; 8]);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The secret of a token. `Debug` hides it; it is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSecret([u8; 16]);

impl TokenSecret {
    /// For the handshake.
    pub fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for TokenSecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A token. Its name is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// What the rigs that hold it prove to know.
    pub secret: TokenSecret,
    /// What the owner asked for.
    pub terms: Terms,
    /// Uses left; of an ephemeral token, entries that may still live beside those that do.
    pub left: u32,
    /// The controller that made it.
    pub created_by: Name,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// When it was revoked, or suspended because a rig that came by it was removed.
    pub suspended_at_ms: Option<u64>,
}

/// What a token admits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What the owner calls it.
    pub label: Option<Name>,
    /// How many rigs; of an ephemeral token, how many at a time.
    pub uses: u32,
    /// When it ends by the controller's wall clock, in milliseconds since 1970.
    pub expires_at_ms: u64,
    /// Names that rigs must have.
    pub name_pattern: Option<NamePattern>,
    /// Group that rigs get as a label.
    pub group: Option<Name>,
    /// Network that rigs must dial from.
    pub from: Option<Network>,
    /// Admit at once; otherwise the owner approves each rig.
    pub approve: bool,
    /// Entries vanish some time after their link was lost.
    pub ephemeral: bool,
}

/// A rig that waits for approval. Its fingerprint is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRecord {
    /// The name that it will have.
    pub name: Name,
    /// What it proved and said.
    pub told: Told,
    /// The token that it came by.
    pub origin: Origin,
    /// Where it dialled from.
    pub from: Option<IpAddr>,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
}

/// By which token a peer came. Its fingerprint is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The token.
    pub token: TokenId,
    /// The group that the token gave it.
    pub group: Option<Name>,
    /// Whether the entry vanishes after its link was lost.
    pub ephemeral: bool,
}

impl Row for TokenRecord {}
impl Row for PendingRecord {}
impl Row for Origin {}

/// A rig that has proven its key and the secret of a token.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// What it proved.
    pub peer: &'a Peer,
    /// What it says.
    pub card: &'a NodeCard,
    /// The token whose secret it knows.
    pub token: TokenId,
    /// Where it dials from.
    pub from: Option<IpAddr>,
}

/// What became of an applicant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// It is a peer.
    Registered,
    /// It waits for approval.
    Pending,
}

/// Why a token admits a rig no further. For the owner; the rig is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// No such token.
    #[error("no such token")]
    Unknown,
    /// Revoked, or suspended by a removal.
    #[error("the token is suspended")]
    Suspended,
    /// Past its end.
    #[error("the token has expired")]
    Expired,
    /// No use left.
    #[error("the token is used up")]
    UsedUp,
    /// From another network.
    #[error("the address is outside the token's network")]
    Network,
    /// Another name.
    #[error("the name does not fit the token's pattern")]
    Name,
    /// More than a worker.
    #[error("tokens admit workers only")]
    Role,
    /// Too many wait.
    #[error("too many rigs wait for approval")]
    TooManyWaiting,
}

impl TokenRecord {
    /// A new token of these terms.
    pub fn new(enrolment: &Enrolment, terms: Terms, by: Name, now: EpochMs) -> Self {
        Self {
            secret: TokenSecret(*enrolment.secret),
            left: terms.uses,
            terms,
            created_by: by,
            created_at_ms: now.0,
            suspended_at_ms: None,
        }
    }

    fn give_use_back(&mut self) {
        self.left = self.left.saturating_add(1).min(self.terms.uses);
    }

    fn admits(&self, who: &Applicant<'_>, now: EpochMs) -> Result<(), TokenRefusal> {
        let Terms {
            expires_at_ms,
            name_pattern,
            from,
            ..
        } = &self.terms;
        let fits = |pattern: &NamePattern| pattern.matches(who.card.name.as_str());
        let inside = |net: &Network| who.from.is_some_and(|from| net.contains(from));
        if self.suspended_at_ms.is_some() {
            Err(TokenRefusal::Suspended)
        } else if now.0 >= *expires_at_ms {
            Err(TokenRefusal::Expired)
        } else if who.peer.role != Role::Worker {
            Err(TokenRefusal::Role)
        } else if from.as_ref().is_some_and(|net| !inside(net)) {
            Err(TokenRefusal::Network)
        } else if name_pattern.as_ref().is_some_and(|p| !fits(p)) {
            Err(TokenRefusal::Name)
        } else if self.left == 0 {
            Err(TokenRefusal::UsedUp)
        } else {
            Ok(())
        }
    }
}

impl Registry {
    /// All tokens, by name.
    pub fn tokens(&self) -> impl ExactSizeIterator<Item = (&TokenId, &TokenRecord)> {
        self.rows.tokens.iter()
    }

    /// The token of this name.
    pub fn token(&self, id: &TokenId) -> Option<&TokenRecord> {
        self.rows.tokens.get(id)
    }

    /// All rigs that wait for approval.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = (&Fingerprint, &PendingRecord)> {
        self.rows.pending.iter()
    }

    /// Whether this rig waits for approval.
    pub fn is_waiting(&self, key: &Fingerprint) -> bool {
        self.rows.pending.contains_key(key)
    }

    /// The name that a waiting rig will have.
    pub fn waiting_name(&self, key: &Fingerprint) -> Option<&Name> {
        self.rows.pending.get(key).map(|row| &row.name)
    }

    /// By which token this peer came.
    pub fn origin(&self, key: &Fingerprint) -> Option<&Origin> {
        self.rows.origins.get(key)
    }

    /// All removed peers.
    pub fn tombstones(&self) -> impl ExactSizeIterator<Item = (&Fingerprint, &Tombstone)> {
        self.rows.tombstones.iter()
    }

    /// Stores a new token.
    pub fn add_token(&mut self, id: TokenId, token: TokenRecord) -> Result<(), RegistryError> {
        if self.rows.tokens.len() >= MAX_TOKENS {
            return Err(RegistryError::TooManyTokens);
        }
        if self.rows.tokens.contains_key(&id) {
            return Err(RegistryError::TokenExists);
        }
        self.commit(vec![Change::PutToken(id, token)], Durable::Now)?;
        Ok(())
    }

    /// Suspends a token for good; one that is suspended already is deleted.
    pub fn revoke_token(&mut self, id: &TokenId, now: EpochMs) -> Result<(), RegistryError> {
        let mut token = self.token(id).ok_or(RegistryError::NoSuchToken)?.clone();
        let change = if token.suspended_at_ms.is_some() {
            Change::DeleteToken(*id)
        } else {
            token.suspended_at_ms = Some(now.0);
            Change::PutToken(*id, token)
        };
        Ok(self.commit(vec![change], Durable::Now)?)
    }

    /// Admits a stranger by its token, or has it wait: everything is checked again here, and the use
    /// and the entry are on disk when this returns.
    pub fn enrol(&mut self, who: &Applicant<'_>, now: EpochMs) -> Result<Enrolled, RegistryError> {
        let key = who.peer.fingerprint;
        if self.rows.tombstones.contains_key(&key) {
            return Err(RegistryError::Removed);
        }
        self.check_free(&key)?;
        let mut token = self.token(&who.token).ok_or(TokenRefusal::Unknown)?.clone();
        token.admits(who, now)?;
        token.left -= 1;
        let (approve, told) = (token.terms.approve, Told::new(who.peer, who.card));
        let entry = PendingRecord {
            name: self.free_name(&key, &who.card.name),
            told,
            origin: Origin {
                token: who.token,
                group: token.terms.group.clone(),
                ephemeral: token.terms.ephemeral,
            },
            from: who.from,
            since_ms: now.0,
        };
        let mut batch = vec![Change::PutToken(who.token, token)];
        if approve {
            batch.extend(registration(key, entry, now));
        } else if self.rows.pending.len() >= MAX_WAITING {
            return Err(TokenRefusal::TooManyWaiting.into());
        } else {
            batch.push(Change::PutPending(key, entry));
        }
        self.commit(batch, Durable::Now)?;
        if !approve {
            return Ok(Enrolled::Pending);
        }
        Ok(Enrolled::Registered)
    }

    /// Makes a peer of a rig that waits, under this name or its own.
    pub fn approve(
        &mut self,
        key: &Fingerprint,
        name: Option<Name>,
        now: EpochMs,
    ) -> Result<(), RegistryError> {
        let entry = self.rows.pending.get(key).cloned();
        let mut entry = entry.ok_or(RegistryError::NoSuchPeer)?;
        self.check_free(key)?;
        entry.name = match name {
            Some(name) => self.name_for(key, &name).map(|()| name)?,
            // A peer may have got its name while it waited.
            None => self.free_name(key, &entry.name),
        };
        let mut batch = vec![Change::DeletePending(*key)];
        batch.extend(registration(*key, entry, now));
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Refuses a rig that waits, and its key from now on.
    pub fn deny(&mut self, key: &Fingerprint, now: EpochMs) -> Result<(), RegistryError> {
        let entry = self.rows.pending.get(key);
        let entry = entry.ok_or(RegistryError::NoSuchPeer)?;
        let tombstone = Tombstone {
            name: entry.name.clone(),
            removed_at_ms: now.0,
            successor: None,
        };
        let batch = vec![
            Change::DeletePending(*key),
            Change::PutTombstone(*key, tombstone),
        ];
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Takes an ephemeral entry away, and gives its use back to the token. `false` if it is none.
    pub fn vanish(&mut self, key: &Fingerprint) -> Result<bool, RegistryError> {
        let Some(origin) = self.origin(key).filter(|origin| origin.ephemeral) else {
            return Ok(false);
        };
        let mut batch = vec![
            Change::DeletePeer(*key),
            Change::DeleteOrigin(*key),
            Change::DeleteDesired(*key),
            Change::DeletePinned(*key),
        ];
        batch.extend(Self::unlabelled(key));
        batch.extend(self.orders_gone(key));
        batch.extend(self.predecessors(key).map(Change::DeleteTombstone));
        batch.extend(self.use_given_back(origin.token));
        self.commit(batch, Durable::Now)?;
        Ok(true)
    }

    /// What the removal of a peer does to its token: suspended, or a use given back if the token is
    /// kept and ephemeral. `tokens` are those that the same batch has changed already.
    pub(super) fn token_after_removal(
        &self,
        key: &Fingerprint,
        keep_token: bool,
        now: EpochMs,
        tokens: &mut BTreeMap<TokenId, TokenRecord>,
    ) {
        let Some(origin) = self.origin(key) else {
            return;
        };
        let id = origin.token;
        let Some(before) = tokens.get(&id).or_else(|| self.token(&id)) else {
            return;
        };
        let mut token = before.clone();
        if !keep_token && token.suspended_at_ms.is_none() {
            token.suspended_at_ms = Some(now.0);
        } else if origin.ephemeral {
            token.give_use_back();
        } else {
            return;
        }
        tokens.insert(id, token);
    }

    fn use_given_back(&self, id: TokenId) -> Option<Change> {
        let mut token = self.token(&id)?.clone();
        token.give_use_back();
        Some(Change::PutToken(id, token))
    }

    /// That neither this key nor another of the same node ID is registered.
    pub(super) fn check_free(&self, key: &Fingerprint) -> Result<(), RegistryError> {
        match self.index.by_id(key.node_id()) {
            Some(other) if other == key => Err(RegistryError::PeerExists(*key)),
            Some(other) => Err(RegistryError::IdTaken(*other)),
            None => Ok(()),
        }
    }

    /// The name that a rig gives itself, with the beginning of its ID if another has that name: a
    /// stranger must not make commands by name ambiguous.
    fn free_name(&self, key: &Fingerprint, own: &Name) -> Name {
        let peers = self.peers().map(|(_, peer)| &peer.name);
        let others = self.waiting().filter(|(other, _)| *other != key);
        let waiting = others.map(|(_, entry)| &entry.name);
        let taken: BTreeSet<&str> = peers.chain(waiting).map(Name::as_str).collect();
        if !taken.contains(own.as_str()) {
            return own.clone();
        }
        let id = key.node_id().to_string();
        let [short, full] = [id.get(..4).unwrap_or(&id), &id].map(|id| suffixed(own, id));
        match (short, full) {
            (Some(short), _) if !taken.contains(short.as_str()) => short,
            (_, Some(full)) => full,
            (_, None) => own.clone(),
        }
    }
}

/// `NAME-ID`, the name cut to what fits.
fn suffixed(name: &Name, id: &str) -> Option<Name> {
    let room = MAX_NAME - id.len() - 1;
    let cut = name.as_str().get(..room).unwrap_or(name.as_str());
    Name::parse(&format!("{cut}-{id}")).ok()
}

/// The rows of a rig that came by a token.
fn registration(key: Fingerprint, entry: PendingRecord, now: EpochMs) -> Vec<Change> {
    let peer = PeerRecord {
        name: entry.name,
        address: None,
        trust: Trust::Token,
        added_at_ms: now.0,
        last_seen_ms: None,
        told: Some(entry.told),
    };
    let mut batch = vec![Change::PutPeer(key, peer)];
    if let Some(group) = &entry.origin.group {
        batch.push(Change::PutLabels(key, labels::of_group(group)));
    }
    batch.push(Change::PutOrigin(key, entry.origin));
    batch
}
