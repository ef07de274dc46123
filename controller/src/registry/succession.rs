//! A peer's key takes another's place: everything that was kept under the old one moves.

use std::collections::BTreeSet;

use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_STATEMENTS;
use miner_shared::text::Name;

use super::record::Tombstone;
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable};
use crate::clock::EpochMs;

/// What a key is to this farm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A peer's.
    Peer,
    /// A rig's that waits for approval.
    Waiting,
    /// Refused: its peer was removed or denied, or has another key now.
    Removed,
    /// Nobody's.
    Stranger,
}

impl Registry {
    /// What this key is to this farm.
    pub fn standing(&self, key: &Fingerprint) -> Standing {
        if self.rows.peers.contains_key(key) {
            Standing::Peer
        } else if self.rows.pending.contains_key(key) {
            Standing::Waiting
        } else if self.rows.tombstones.contains_key(key) {
            Standing::Removed
        } else {
            Standing::Stranger
        }
    }

    /// Keys that came before this one, the last first. There are at most [`MAX_STATEMENTS`].
    pub fn predecessors(&self, key: &Fingerprint) -> impl Iterator<Item = Fingerprint> + use<'_> {
        let before = |key: &Fingerprint| {
            let mut stones = self.rows.tombstones.iter();
            stones.find_map(|(old, row)| (row.successor == Some(*key)).then_some(*old))
        };
        std::iter::successors(before(key), move |key| before(key))
    }

    /// The key that the peer of this one has now; the same if it never had another.
    pub fn current_key(&self, key: &Fingerprint) -> Fingerprint {
        let mut key = *key;
        // Each step leads to a key that was a stranger's when it was taken, so there is no circle; a
        // key that its owner has put back by hand is a peer's and ends the way.
        for _ in 0..=MAX_STATEMENTS {
            let successor = self.tombstone(&key).and_then(|row| row.successor);
            let Some(next) = successor else {
                break;
            };
            key = next;
        }
        key
    }

    /// A peer, or a rig that waits, has another key from now on. All of its rows move in one step, and
    /// the old key is refused. The new one must be nobody's.
    pub fn succeed(
        &mut self,
        old: &Fingerprint,
        new: Fingerprint,
        now: EpochMs,
    ) -> Result<(), RegistryError> {
        match self.standing(&new) {
            Standing::Stranger => self.check_free(&new)?,
            Standing::Removed => return Err(RegistryError::Removed),
            Standing::Peer | Standing::Waiting => return Err(RegistryError::PeerExists(new)),
        }
        let (name, mut batch) = self.moved(old, new).ok_or(RegistryError::NoSuchPeer)?;
        let stone = Tombstone {
            name,
            removed_at_ms: now.0,
            successor: Some(new),
        };
        batch.push(Change::PutTombstone(*old, stone));
        // Nobody follows from further back, and a rig must not fill the disk with keys.
        let forgotten: BTreeSet<_> = self.predecessors(old).skip(MAX_STATEMENTS - 1).collect();
        batch.extend(forgotten.into_iter().map(Change::DeleteTombstone));
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// The rows of a peer or of a waiting rig under another key, and its name.
    fn moved(&self, old: &Fingerprint, new: Fingerprint) -> Option<(Name, Vec<Change>)> {
        if let Some(row) = self.rows.pending.get(old) {
            let batch = vec![
                Change::DeletePending(*old),
                Change::PutPending(new, row.clone()),
            ];
            return Some((row.name.clone(), batch));
        }
        let mut peer = self.peer(old)?.clone();
        let name = peer.name.clone();
        // Nobody has named it but its ID.
        if name.as_str() == old.node_id().to_string()
            && let Ok(id) = Name::parse(&new.node_id().to_string())
        {
            peer.name = id;
        }
        let mut batch = vec![Change::DeletePeer(*old), Change::PutPeer(new, peer)];
        if let Some(row) = self.desired(old) {
            batch.push(Change::DeleteDesired(*old));
            batch.push(Change::PutDesired(new, row.clone()));
        }
        if let Some(row) = self.origin(old) {
            batch.push(Change::DeleteOrigin(*old));
            batch.push(Change::PutOrigin(new, row.clone()));
        }
        if let Some(row) = self.rows.pinned.get(old) {
            batch.push(Change::DeletePinned(*old));
            batch.push(Change::PutPinned(new, *row));
        }
        batch.extend(self.moved_in_rollouts(old, new));
        batch.extend(self.moved_in_updates(old, new));
        batch.extend(self.labels_moved(old, new));
        batch.extend(self.orders_moved(old, new));
        Some((name, batch))
    }
}
