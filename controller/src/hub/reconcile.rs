//! Wish against report: what a rig should be doing, and what it says that it does.
//!
//! The controller never starts a miner. It stores a wish under the next generation; whenever a link
//! comes up and with every report the two generations are compared:
//!
//! | rig's generation | then |
//! |---|---|
//! | unknown or lower | SetState with the wish, again after [`RESEND_MS`] without a receipt |
//! | equal | nothing: whoever waits is told that it is applied |
//! | unknown or lower, and its protocol version has no words for the wish | nothing: whoever waits is told that its agent is too old |
//! | higher | nothing is sent: an event says so once, and the next wish is numbered above it |
//!
//! A rig that refused a wish is not asked again on the same link; one that was only busy is, after a pause
//! that doubles to [`BUSY_MS`] at most, and whoever waits goes on waiting. The command's op_id is stored with
//! the wish, so that however often it is sent it has at most one effect per boot of the rig.

use miner_shared::identity::Fingerprint;
use miner_shared::limits::HEARTBEAT_MS;
use miner_shared::wire::{OpId, Outcome, Refusal};

use super::conn::Outgoing;
use super::rig::Sent;
use super::{Env, EventKind, Hub};
use crate::registry::{RegistryError, Wish};

/// Pause before a wish without a receipt is sent again: the next heartbeat may do it.
const RESEND_MS: u64 = HEARTBEAT_MS;
/// Longest pause before a wish is sent again to a rig that says that it is busy.
const BUSY_MS: u64 = 16 * RESEND_MS;

impl Hub {
    /// Stores what a rig should be doing from now on and sends it if the rig can be reached.
    /// Returns the wish's generation. What is stored reaches the rig sooner or later.
    pub fn wish(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        wish: Wish,
    ) -> Result<u64, RegistryError> {
        let numbers = self.wish_all(env, vec![(*key, wish)])?;
        numbers.first().copied().ok_or(RegistryError::NoSuchPeer)
    }

    /// The same for many rigs, each of which is there once, in one step of the registry: all wishes
    /// are stored, or none. Returns their generations in this order.
    pub fn wish_all(
        &mut self,
        env: &mut Env<'_>,
        wishes: Vec<(Fingerprint, Wish)>,
    ) -> Result<Vec<u64>, RegistryError> {
        let set: Vec<_> = wishes
            .iter()
            .map(|(key, wish)| (*key, wish.profile.as_ref().map(ToString::to_string)))
            .collect();
        let told = |key: &Fingerprint| self.rigs.get(key).map_or(0, super::Rig::told);
        let wishes = wishes
            .into_iter()
            .map(|(key, wish)| (key, wish, told(&key)));
        let numbers = env.registry.wish_all(wishes.collect(), env.now.wall)?;
        for ((key, profile), generation) in set.into_iter().zip(numbers.iter().copied()) {
            let kind = EventKind::DesiredSet {
                generation,
                profile,
            };
            self.record(env, Some(&key), kind);
            self.supersede_wishes(&key, generation);
            self.reconcile(env, &key);
        }
        Ok(numbers)
    }

    /// A rig has said which generation it has.
    pub(super) fn on_report(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        if let Some(rig) = self.rigs.get_mut(key) {
            rig.applied = rig.stats.as_ref().map(|said| said.0.generation);
        }
        self.offer_recovery(env, key);
        self.reconcile(env, key);
    }

    /// Compares wish and report.
    pub(super) fn reconcile(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        let row = env.registry.desired(key);
        let wished = row.map_or(0, |row| row.generation);
        let Some((conn, version)) = self.sessions.get(key).map(|s| (s.conn, s.version)) else {
            return;
        };
        let sayable = row.is_some_and(|row| row.state.for_version(version).is_some());
        let rig = self.rigs.entry(*key).or_default();
        match rig.applied {
            Some(applied) if applied > wished => self.rig_is_ahead(env, key, applied),
            Some(applied) if applied == wished => {
                self.answer_wish(key, wished, &Outcome::AlreadyThere);
            }
            // Nothing was ever wished of it.
            _ if wished == 0 => {}
            _ if !sayable => {
                rig.too_old = Some(wished);
                self.too_old_for(key, wished);
            }
            _ => {
                let refused = rig.refused.as_ref().is_some_and(|(g, _)| *g == wished);
                let sent = rig
                    .sent
                    .filter(|sent| (sent.generation, sent.on) == (wished, conn));
                let pause_ms = sent.map_or(RESEND_MS, |sent| sent.pause_ms);
                let on_its_way = sent.is_some_and(|sent| env.now.mono.since(sent.at) < pause_ms);
                if !refused && !on_its_way {
                    rig.sent = Some(Sent {
                        generation: wished,
                        on: conn,
                        at: env.now.mono,
                        pause_ms,
                    });
                    self.send(env, conn, Outgoing::Desired);
                }
            }
        }
    }

    /// What became of a SetState. A receipt for an older wish says nothing about the current one.
    pub(super) fn on_receipt(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        op_id: &OpId,
        outcome: Outcome,
    ) {
        let Some(row) = env.registry.desired(key).filter(|row| row.op_id == *op_id) else {
            return;
        };
        let generation = row.generation;
        let rig = self.rigs.entry(*key).or_default();
        match &outcome {
            Outcome::Applied => {
                rig.applied = Some(generation);
                self.record(env, Some(key), EventKind::Applied { generation });
            }
            Outcome::AlreadyThere => rig.applied = Some(generation),
            Outcome::Behind(newer) => {
                let newer = *newer;
                self.rig_is_ahead(env, key, newer);
            }
            Outcome::Refused(Refusal::Busy) => return self.wait_for_busy(env, key, generation),
            Outcome::Refused(refusal) => {
                let refused = Some((generation, refusal.clone()));
                rig.refused.clone_from(&refused);
                // A rig that another controller decides for says so on every link.
                if rig.refusal_told != refused {
                    rig.refusal_told = refused;
                    let reason = refusal_text(refusal).to_owned();
                    self.record(env, Some(key), EventKind::Refused { generation, reason });
                }
            }
            _ => {}
        }
        self.answer_wish(key, generation, &outcome);
    }

    /// A rig that is asked too fast has not looked at the wish: it gets it again later.
    fn wait_for_busy(&mut self, env: &Env<'_>, key: &Fingerprint, generation: u64) {
        let sent = self.rigs.get_mut(key).and_then(|rig| rig.sent.as_mut());
        if let Some(sent) = sent.filter(|sent| sent.generation == generation) {
            sent.pause_ms = (2 * sent.pause_ms).min(BUSY_MS);
        }
        let reason = refusal_text(&Refusal::Busy).to_owned();
        self.record(env, Some(key), EventKind::Refused { generation, reason });
    }

    /// A wish may have come to its end before anyone waited for it.
    pub(super) fn look_at_wish(&mut self, key: &Fingerprint, generation: u64) {
        let rig = self.rigs.entry(*key).or_default();
        if rig.is_too_old_for(generation) {
            return self.too_old_for(key, generation);
        }
        let outcome = match (rig.applied, &rig.refused) {
            (Some(applied), _) if applied == generation => Outcome::AlreadyThere,
            (Some(applied), _) if applied > generation => Outcome::Behind(applied),
            (_, Some((refused, refusal))) if *refused == generation => {
                Outcome::Refused(refusal.clone())
            }
            _ => return,
        };
        self.answer_wish(key, generation, &outcome);
    }

    fn rig_is_ahead(&mut self, env: &mut Env<'_>, key: &Fingerprint, generation: u64) {
        let rig = self.rigs.entry(*key).or_default();
        rig.applied = Some(generation);
        if rig.ahead.replace(generation) != Some(generation) {
            self.record(env, Some(key), EventKind::Behind { generation });
        }
    }
}

/// Why a rig cannot be told something, in words.
pub const TOO_OLD: &str = "its agent is too old";

/// The field of a profile that a refusal is about, if it is about one.
pub const fn refused_field(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::NoTls | Refusal::OwnerForbids => Some("pools"),
        Refusal::TooLittleMemory => Some("mode"),
        Refusal::Unsupported => Some("algorithm"),
        _ => None,
    }
}

/// A refusal in words.
pub fn refusal_text(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::BadProof => "another recovery key is pinned there, which has no word for this one",
        Refusal::Busy => "it is asked too much at once",
        Refusal::NoSuchMiner(_) => "it has no such miner",
        Refusal::NoSuchManager => "it has no such manager",
        Refusal::NoTls => "its agent was built without TLS, which the pool needs",
        Refusal::NoSlots => {
            "it has no slots: it boots from the network, or by a system that is not our image"
        }
        Refusal::NotAWorker => "it is no worker",
        Refusal::NotAllowed => "another controller holds its desired state",
        Refusal::NotStored => "it could not write the state to its disk",
        Refusal::NotOurImage => {
            "the machine is not its own: it was not started with --owns-machine, nor by our image"
        }
        Refusal::OwnerForbids => {
            "the machine's owner.toml does not allow this pool, this wallet, or mining at all"
        }
        Refusal::OpIdReused => "it has seen this command's number with other content",
        Refusal::TooLittleMemory => "it has too little memory for fast mode",
        Refusal::Unsupported => "it cannot run this backend or algorithm",
        _ => "it says no",
    }
}
