//! Enrolment: rigs that dial in with a token, and what becomes of them.
//!
//! ```text
//!   HS1 names a token ─▶ known, not suspended? ─ no ─▶ closed, one event
//!        │ its secret opens HS1, or the link closes
//!   Hello proves a stranger's key ─▶ Registry::enrol, one transaction ─┬▶ Welcome, session
//!                                                                      ├▶ Welcome "pending", closed
//!                                                                      └▶ closed, one event
//! ```
//! Expiry, uses, network, name and role are checked in the transaction alone, once the key is proven:
//! a registered rig that comes by a token which is used up meanwhile must still get in.

use std::net::IpAddr;

use miner_shared::identity::{Enrolment, Fingerprint};
use miner_shared::smsg::{LinkError, Peer};
use miner_shared::text::Name;
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, NodeCard};

use super::{ConnId, Env, EventKind, Hub, Timer, Unreached};
use crate::registry::{
    Applicant, Enrolled, RegistryError, Relabel, Terms, TokenId, TokenRecord, TokenRefusal,
};

/// How long an ephemeral entry outlives its link, in milliseconds.
pub(super) const VANISH_MS: u64 = 600_000;

impl Hub {
    /// Notes from which address an accepted connection came.
    pub fn came_from(&mut self, id: ConnId, from: IpAddr) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.from = Some(from);
        }
    }

    /// A dialler names a token: the handshake goes on if there is one that may still be used.
    pub(super) fn answer_token(&mut self, env: &mut Env<'_>, id: ConnId, token: [u8; 8]) {
        let token = TokenId(token);
        let row = env.registry.token(&token);
        let refusal = match row {
            None => Some(TokenRefusal::Unknown),
            Some(row) => row.suspended_at_ms.map(|_| TokenRefusal::Suspended),
        };
        let secret = row
            .filter(|_| refusal.is_none())
            .map(|row| row.secret.clone());
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let secret = secret.as_ref().map(|secret| secret.expose());
        let Err(error) = conn.link.answer_token(secret) else {
            return;
        };
        let reason = match (refusal, error) {
            (Some(refusal), _) => refusal.to_string(),
            (None, LinkError::Noise(_)) => "it does not know the token's secret".to_owned(),
            (None, error) => error.to_string(),
        };
        // Strangers choose the name of a token: only those that there are get into the log.
        let token = (refusal != Some(TokenRefusal::Unknown)).then(|| token.to_string());
        self.record(env, None, EventKind::EnrolRefused { token, reason });
        self.close(env, id, "token refused", Unreached::Closed);
    }

    /// A key that is no peer's has proven itself. With a token it may become one.
    pub(super) fn on_stranger(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        peer: &Peer,
        card: &NodeCard,
        token: Option<[u8; 8]>,
    ) {
        let key = peer.fingerprint;
        let from = self.conns.get(&id).and_then(|conn| conn.from);
        if env.registry.is_waiting(&key) {
            return self.have_it_wait(env, id, key);
        }
        let removed = env.registry.tombstone(&key).is_some();
        let Some(token) = token.filter(|_| !removed) else {
            let kind = if removed {
                EventKind::RemovedKey
            } else {
                EventKind::UnknownKey {
                    fingerprint: key.to_string(),
                }
            };
            self.record(env, Some(&key), kind);
            return self.close(env, id, "not registered", Unreached::Closed);
        };
        let applicant = Applicant {
            peer,
            card,
            token: TokenId(token),
            from,
        };
        let name = applicant.token.to_string();
        match env.registry.enrol(&applicant, env.now.wall) {
            Ok(Enrolled::Registered) => {
                self.record(env, Some(&key), EventKind::Enrolled { token: name });
                self.settle(id, key, true);
                self.await_end(&key, env);
                self.admit(env, id, peer, card);
            }
            Ok(Enrolled::Pending) => {
                self.record(env, Some(&key), EventKind::EnrolPending { token: name });
                self.have_it_wait(env, id, key);
            }
            Err(error) => {
                let kind = EventKind::EnrolRefused {
                    token: Some(name),
                    reason: error.to_string(),
                };
                self.record(env, Some(&key), kind);
                self.close(env, id, "not enrolled", Unreached::Closed);
            }
        }
    }

    /// Says "pending", after which the link closes by itself. Its sequence numbers are remembered like
    /// those of any session, under the key.
    fn have_it_wait(&mut self, env: &mut Env<'_>, id: ConnId, key: Fingerprint) {
        let memory = self.memory_to_dial(&key);
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.key = Some(key);
        if let Err(error) = conn.link.welcome(Admission::Pending, memory) {
            self.fail(env, id, error);
        }
    }

    /// Stores a new token of these terms.
    pub fn add_token(
        &mut self,
        env: &mut Env<'_>,
        enrolment: &Enrolment,
        terms: Terms,
    ) -> Result<(), RegistryError> {
        let id = TokenId(enrolment.token_id);
        let by = env.me.card().name.clone();
        let row = TokenRecord::new(enrolment, terms, by, env.now.wall);
        env.registry.add_token(id, row)?;
        let token = id.to_string();
        self.record(env, None, EventKind::TokenCreated { token });
        Ok(())
    }

    /// Suspends a token; nobody enrols by it any more.
    pub fn revoke_token(&mut self, env: &mut Env<'_>, id: &TokenId) -> Result<(), RegistryError> {
        env.registry.revoke_token(id, env.now.wall)?;
        let token = id.to_string();
        self.record(env, None, EventKind::TokenRevoked { token });
        Ok(())
    }

    /// Makes a peer of a rig that waits, under this name or its own; its next dialling brings the link.
    pub fn approve(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        name: Option<Name>,
    ) -> Result<(), RegistryError> {
        env.registry.approve(key, name, env.now.wall)?;
        self.record(env, Some(key), EventKind::PeerAdded);
        self.await_end(key, env);
        Ok(())
    }

    /// Refuses a rig that waits, until its key is forgotten.
    pub fn deny(&mut self, env: &mut Env<'_>, key: &Fingerprint) -> Result<(), RegistryError> {
        env.registry.deny(key, env.now.wall)?;
        self.record(env, Some(key), EventKind::PeerRemoved);
        Ok(())
    }

    /// Gives a peer another name.
    pub fn rename(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        name: Name,
    ) -> Result<(), RegistryError> {
        env.registry.rename(key, name)?;
        self.record(env, Some(key), EventKind::PeerRenamed);
        Ok(())
    }

    /// Writes on all of these peers, or on none. Returns those that it changed.
    pub fn relabel(
        &mut self,
        env: &mut Env<'_>,
        keys: &[Fingerprint],
        change: &Relabel,
    ) -> Result<Vec<Fingerprint>, RegistryError> {
        let changed = env.registry.relabel(keys, change)?;
        for key in &changed {
            self.record(env, Some(key), EventKind::PeerLabelled);
        }
        Ok(changed)
    }

    /// Has all ephemeral entries vanish whose rigs do not come back. For the start of the program,
    /// when no link is up.
    pub fn await_ends(&mut self, env: &mut Env<'_>) {
        let keys: Vec<_> = env.registry.peers().map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| self.await_end(key, env));
    }

    /// The link of an ephemeral entry is not up: some time from now it vanishes.
    pub(super) fn await_end(&mut self, key: &Fingerprint, env: &Env<'_>) {
        if env.registry.origin(key).is_some_and(|o| o.ephemeral) {
            let at = env.now.mono + VANISH_MS;
            self.rigs.entry(*key).or_default().vanishes_at = Some(at);
            self.timers.insert((at, Timer::Vanish(*key)));
        }
    }

    /// The time of an ephemeral entry has come, unless its rig is back or has been.
    pub(super) fn vanish_due(&mut self, env: &mut Env<'_>, key: &Fingerprint, at: Millis) {
        let due = self.rigs.get(key).and_then(|rig| rig.vanishes_at) == Some(at);
        if !due || self.is_live(key) {
            return;
        }
        let name = env.registry.peer(key).map(|row| row.name.to_string());
        match env.registry.vanish(key) {
            Ok(true) => {
                self.fail_requests(key);
                let name = name.unwrap_or_default();
                self.record(env, Some(key), EventKind::PeerVanished { name });
            }
            Ok(false) => {}
            Err(error) => log::warn!("entry not taken away node={} reason={error}", key.node_id()),
        }
    }
}
