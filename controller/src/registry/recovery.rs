//! The recovery key of the farm, its public half, and which rigs have pinned it.
//!
//! ```text
//!   RecoveryRecord   keys k1, k2, …   each but the first with its predecessor's word; the last is in force
//!   PinnedRecord     per peer         the key that its receipt was about, the key that it refused
//! ```
//! The secret half is in a file that the owner keeps away from here. Keys before the last stay, so
//! that a rig that was off while keys were replaced can be led from the one it pinned to the last.

use miner_shared::bytes::Bytes;
use miner_shared::identity::{Fingerprint, Pin};
use miner_shared::limits::SIGNATURE;
use serde::{Deserialize, Serialize};

use super::record::Row;
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable, StoreError};
use crate::clock::EpochMs;

/// Recovery keys that are remembered: a rig that pinned an older one has to be introduced again.
pub const MAX_RECOVERY_KEYS: usize = 8;

/// The recovery keys of the farm. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryRecord {
    /// In order; the last is in force.
    pub keys: Vec<RecoveryPin>,
    /// Counter of the last statement of succession that this controller made with one; 0 if none.
    pub counter: u64,
}

/// What is sent to rigs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryPin {
    /// The Ed25519 key.
    pub key: [u8; 32],
    /// The word of the key before, if there was one.
    pub proof: Option<Bytes<SIGNATURE>>,
    /// When it was made or made known here, in milliseconds since 1970.
    pub made_at_ms: u64,
}

/// What a peer has made of the recovery key. Its fingerprint is the key of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedRecord {
    /// The key that it has pinned, as it said last.
    pub pinned: Option<[u8; 32]>,
    /// The key that it would not pin, in whose force nothing has changed since.
    pub refused: Option<[u8; 32]>,
}

impl Row for RecoveryRecord {}
impl Row for PinnedRecord {}

impl RecoveryRecord {
    /// The key in force.
    pub fn current(&self) -> Option<&RecoveryPin> {
        self.keys.last()
    }
}

impl Registry {
    /// The recovery key of the farm, if it has one.
    pub fn recovery(&self) -> Option<&RecoveryRecord> {
        self.rows.recovery.as_ref()
    }

    /// The recovery key in force, if there is one.
    pub fn recovery_key(&self) -> Option<&[u8; 32]> {
        Some(&self.recovery()?.current()?.key)
    }

    /// What this peer has made of it.
    pub fn pinned(&self, key: &Fingerprint) -> PinnedRecord {
        self.rows.pinned.get(key).copied().unwrap_or_default()
    }

    /// Puts a recovery key in force: the first one, another by the word of the one before, or, if that
    /// one is lost, without. Rigs that have pinned a lost key will refuse it.
    pub fn set_recovery(
        &mut self,
        key: [u8; 32],
        authority: Authority,
        now: EpochMs,
    ) -> Result<(), RegistryError> {
        let mut row = self.recovery().cloned().unwrap_or(RecoveryRecord {
            keys: Vec::new(),
            counter: 0,
        });
        let before = row.current().map(|pin| pin.key);
        let proof = match (before, authority) {
            (None, Authority::First | Authority::Lost) => None,
            (Some(_), Authority::First) => return Err(RegistryError::RecoveryExists),
            (Some(_), Authority::Lost) => {
                row.keys.clear();
                None
            }
            (before, Authority::Proof(proof)) => {
                let pin = Pin {
                    recovery: before,
                    ..Pin::new(Fingerprint([0; 32]))
                };
                if before.is_none() || !pin.may_pin_recovery(&key, Some(&proof.0)) {
                    return Err(RegistryError::BadProof);
                }
                Some(proof)
            }
        };
        if row.keys.len() >= MAX_RECOVERY_KEYS {
            row.keys.remove(0);
        }
        row.keys.push(RecoveryPin {
            key,
            proof,
            made_at_ms: now.0,
        });
        Ok(self.commit(vec![Change::PutRecovery(row)], Durable::Now)?)
    }

    /// A counter for the next statement of succession by this recovery key: the wall clock, so that it
    /// rises also for an owner who has lost this registry, but above the last one known here. It is
    /// stored as such; where no key is in force, this one is from now on.
    pub fn next_counter(&mut self, key: [u8; 32], now: EpochMs) -> Result<u64, RegistryError> {
        if self.recovery().is_none() {
            self.set_recovery(key, Authority::First, now)?;
        }
        let mut row = match self.recovery() {
            Some(row) if row.current().is_some_and(|pin| pin.key == key) => row.clone(),
            Some(_) | None => return Err(RegistryError::BadProof),
        };
        row.counter = now.0.max(row.counter.saturating_add(1));
        let counter = row.counter;
        self.commit(vec![Change::PutRecovery(row)], Durable::Now)?;
        Ok(counter)
    }

    /// Notes what a peer has made of the recovery key. A note that is lost in a power cut is made
    /// again: the rig is asked once more.
    pub fn note_pinned(&mut self, key: &Fingerprint, row: PinnedRecord) -> Result<(), StoreError> {
        if self.peer(key).is_none() || self.pinned(key) == row {
            return Ok(());
        }
        self.commit(vec![Change::PutPinned(*key, row)], Durable::Soon)
    }
}

/// By what right a recovery key comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// There was none before.
    First,
    /// The word of the one before
    /// ([`RecoveryKey::hand_over`](miner_shared::identity::RecoveryKey::hand_over)).
    Proof(Bytes<SIGNATURE>),
    /// The owner's, who has lost the one before.
    Lost,
}
