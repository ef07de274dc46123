//! The recovery key of the farm on its way to the rigs: each linked rig pins it, once.
//!
//! ```text
//!   link up ─▶ pinned already? ─ no ─▶ PinRecovery(the key in force) ─┬─ applied ─▶ stored, one event
//!                                                                     └─ bad proof ─▶ the keys before it,
//!                                     from the one that the rig pinned last; none of them ─▶ refused
//! ```
//! What the registry knows of a rig decides whether it is asked, so restarts of either side cost
//! nothing. A rig that refused is asked once more on its next link: its owner may have put it right.

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::limits::HEARTBEAT_MS;
use miner_shared::time::Millis;
use miner_shared::wire::{Command, Manager, OpId, Outcome, Refusal};

use super::conn::Outgoing;
use super::{Env, EventKind, Hub, refusal_text};
use crate::registry::{Authority, PinnedRecord, Registry, RegistryError};

/// Pause before a key without a receipt is sent again: the next heartbeat may do it.
const RESEND_MS: u64 = HEARTBEAT_MS;

/// How far the recovery key has come with a rig, on its link of now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offer {
    /// What waits for its receipt: the command, the key's place in the registry's list, since when.
    sent: Option<(OpId, usize, Millis)>,
    /// The place that is to be sent next; `None` is the key in force, which comes first.
    next: Option<usize>,
    /// The rig has refused all that there is.
    over: bool,
}

/// The label of a recovery key: hex of the first 8 bytes of its public half.
pub fn recovery_id(key: &[u8; 32]) -> NodeId {
    Fingerprint(*key).node_id()
}

/// The command that has a rig pin the key of this place in the registry's list.
pub(super) fn recovery_pin(registry: &Registry, place: usize) -> Option<Command> {
    let pin = registry.recovery()?.keys.get(place)?;
    Some(Command::PinRecovery {
        key: pin.key,
        proof: pin.proof,
    })
}

impl Hub {
    /// Puts a recovery key in force, and offers it to all rigs.
    pub fn set_recovery(
        &mut self,
        env: &mut Env<'_>,
        key: [u8; 32],
        authority: Authority,
    ) -> Result<(), RegistryError> {
        env.registry.set_recovery(key, authority, env.now.wall)?;
        let recovery = recovery_id(&key).to_string();
        self.record(env, None, EventKind::RecoverySet { recovery });
        let live: Vec<_> = self.sessions.keys().copied().collect();
        for key in live {
            self.rigs.entry(key).or_default().offer = Offer::default();
            self.offer_recovery(env, &key);
        }
        Ok(())
    }

    /// Sends the recovery key to a rig that has not pinned it.
    pub(super) fn offer_recovery(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        let keys = env.registry.recovery().map_or(0, |row| row.keys.len());
        let Some(last) = keys.checked_sub(1) else {
            return;
        };
        let Some(conn) = self.sessions.get(key).map(|session| session.conn) else {
            return;
        };
        if env.registry.pinned(key).pinned.as_ref() == env.registry.recovery_key() {
            return;
        }
        let now = env.now.mono;
        let offer = &mut self.rigs.entry(*key).or_default().offer;
        let waits = |(_, _, at): (OpId, usize, Millis)| now.since(at) < RESEND_MS;
        if offer.over || offer.sent.is_some_and(waits) {
            return;
        }
        let place = offer.next.unwrap_or(last);
        let mut op_id = [0; 16];
        env.rng.fill_bytes(&mut op_id);
        offer.sent = Some((op_id, place, now));
        self.send(env, conn, Outgoing::Recovery(op_id, place));
    }

    /// What became of a PinRecovery; `false` if this command was none, or no longer counts.
    pub(super) fn on_recovery_receipt(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        op_id: &OpId,
        outcome: &Outcome,
    ) -> bool {
        let rig = self.rigs.entry(*key).or_default();
        let sent = rig.offer.sent.filter(|(sent, ..)| sent == op_id);
        let (Some((_, place, _)), Some(row)) = (sent, env.registry.recovery()) else {
            return false;
        };
        if *outcome == Outcome::Refused(Refusal::Busy) {
            // It has not looked at the key: a later heartbeat brings it again.
            return true;
        }
        rig.offer.sent = None;
        let last = row.keys.len().saturating_sub(1);
        match outcome {
            Outcome::Applied | Outcome::AlreadyThere => {
                let pinned = row.keys.get(place).map(|pin| pin.key);
                rig.offer.next = Some(place + 1);
                self.note_pinned(env, key, pinned);
            }
            Outcome::Refused(Refusal::BadProof) => {
                let pinned = env.registry.pinned(key).pinned;
                let known = row.keys.iter().position(|pin| Some(pin.key) == pinned);
                // The key in force was tried first: its word may be that of the one pinned there.
                let next = match rig.offer.next {
                    None => known.map_or(0, |place| place + 1),
                    Some(_) => place + 1,
                };
                let tried = next > last || (rig.offer.next.is_none() && next == last);
                rig.offer.next = Some(next);
                if tried {
                    self.give_up(env, key, &Refusal::BadProof);
                }
            }
            Outcome::Refused(refusal) => self.give_up(env, key, refusal),
            _ => {}
        }
        self.offer_recovery(env, key);
        true
    }

    /// A rig has said which recovery key it has pinned.
    fn note_pinned(&mut self, env: &mut Env<'_>, key: &Fingerprint, pinned: Option<[u8; 32]>) {
        let before = env.registry.pinned(key);
        let in_force = pinned.is_some() && pinned.as_ref() == env.registry.recovery_key();
        let row = PinnedRecord {
            pinned,
            refused: before.refused.filter(|_| !in_force),
        };
        if let Err(error) = env.registry.note_pinned(key, row) {
            log::warn!("pinned key not noted node={} reason={error}", key.node_id());
        }
        if let Some(pinned) = pinned
            && in_force
            && before.pinned != Some(pinned)
        {
            let recovery = recovery_id(&pinned).to_string();
            self.record(env, Some(key), EventKind::RecoveryPinned { recovery });
        }
    }

    /// The rig will not have the recovery key. It is said once for each key.
    fn give_up(&mut self, env: &mut Env<'_>, key: &Fingerprint, refusal: &Refusal) {
        self.rigs.entry(*key).or_default().offer.over = true;
        let Some(current) = env.registry.recovery_key().copied() else {
            return;
        };
        let before = env.registry.pinned(key);
        if before.refused == Some(current) {
            return;
        }
        let row = PinnedRecord {
            refused: Some(current),
            ..before
        };
        if let Err(error) = env.registry.note_pinned(key, row) {
            log::warn!("refusal not noted node={} reason={error}", key.node_id());
        }
        let kind = EventKind::RecoveryRefused {
            recovery: recovery_id(&current).to_string(),
            reason: refusal_text(refusal).to_owned(),
        };
        self.record(env, Some(key), kind);
    }

    /// Whom a rig obeys, as it says: what was believed about this controller's place is put right.
    pub(super) fn on_managers(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        managers: &[Manager],
    ) {
        let me = env.me.fingerprint();
        let Some(mine) = managers.iter().find(|manager| manager.fingerprint == me) else {
            return;
        };
        let first = managers
            .first()
            .is_some_and(|first| first.fingerprint == me);
        let rig = self.rigs.entry(*key).or_default();
        if first && matches!(rig.refused, Some((_, Refusal::NotAllowed))) {
            (rig.refused, rig.sent) = (None, None);
            self.reconcile(env, key);
        }
        if env.registry.pinned(key).pinned != mine.recovery {
            self.rigs.entry(*key).or_default().offer = Offer::default();
            self.note_pinned(env, key, mine.recovery);
            self.offer_recovery(env, key);
        }
    }
}
