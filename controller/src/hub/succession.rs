//! Succession: a rig comes by another key than the one it was registered under, and shows why.
//!
//! | the statements lead to its key from | then |
//! |---|---|
//! | a peer | it is that peer: all that was kept under the old key moves, one event |
//! | a rig that waits | it waits, under the new key |
//! | a removed or denied key, or one that was replaced | refused, like that one |
//! | nobody | a stranger |
//!
//! A rig that was dialled shows them before it is told who asks; one that dials in, before its Hello.
//! Signatures are verified only of statements that begin at a key which the registry knows: at most
//! four on a connection, two each.

use miner_shared::identity::{Fingerprint, Pin, Statement};
use miner_shared::smsg::{LinkError, Peer};

use super::conn::{Conn, Purpose, Target};
use super::{Action, ConnId, Env, EventKind, Hub, Unreached};
use crate::registry::{RegistryError, Standing};

/// Where the statements that a connection has shown lead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trail {
    /// The last key on the way that the registry knows.
    from: Fingerprint,
    pin: Pin,
}

impl Hub {
    /// The peer shows a statement.
    pub(super) fn on_succession(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        peer: &Peer,
        statement: &Statement,
        left: u8,
    ) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let dialled = match conn.purpose {
            Purpose::Dialled(Target::Peer(key)) => Some(key),
            _ => None,
        };
        // Whom it was dialled as is known; anybody else may be whoever the registry knows.
        let begins = statement.predecessor().filter(|key| match dialled {
            Some(dialled) => *key == dialled,
            None => env.registry.standing(key) != Standing::Stranger,
        });
        if let Some(from) = begins {
            let pin = Pin::new(from);
            conn.trail = Some(Trail { from, pin });
        }
        if let Some(trail) = &mut conn.trail {
            trail.pin.follow(statement);
        }
        let arrived = self.led_from(id, &peer.fingerprint);
        match (dialled, arrived) {
            (Some(_), Some(old)) => self.go_on_as(env, id, &old, peer.fingerprint),
            (Some(_), None) if left == 0 => {
                let other = peer.fingerprint.node_id();
                self.fail(env, id, LinkError::WrongPeer(other));
            }
            // More will come, or the Hello.
            _ => {}
        }
    }

    /// The dialled peer has rightly another key: the handshake goes on once that is stored.
    fn go_on_as(&mut self, env: &mut Env<'_>, id: ConnId, old: &Fingerprint, new: Fingerprint) {
        if self.change_key(env, id, old, new).is_err() {
            return;
        }
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.purpose = Purpose::Dialled(Target::Peer(new));
        if let Err(error) = conn.link.accept() {
            self.fail(env, id, error);
        }
    }

    /// A stranger's key has proven itself: it may be a known rig's by what it showed before. An error
    /// if the connection is closed.
    pub(super) fn follow_dialler(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        key: Fingerprint,
    ) -> Result<(), Closed> {
        let Some(old) = self.led_from(id, &key) else {
            return Ok(());
        };
        match env.registry.standing(&old) {
            Standing::Peer | Standing::Waiting => self.change_key(env, id, &old, key),
            Standing::Removed => {
                self.record(env, Some(&old), EventKind::RemovedKey);
                self.close(env, id, "its key before was removed", Unreached::Closed);
                Err(Closed)
            }
            Standing::Stranger => Ok(()),
        }
    }

    /// The known key from which the statements of this connection lead to this one.
    fn led_from(&self, id: ConnId, key: &Fingerprint) -> Option<Fingerprint> {
        let trail = self.conns.get(&id)?.trail?;
        (trail.pin.fingerprint == *key && trail.from != *key).then_some(trail.from)
    }

    /// The rig of the old key has the new one from now on; `id` is where it showed so. An error if
    /// that could not be, and the connection is closed.
    fn change_key(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        old: &Fingerprint,
        new: Fingerprint,
    ) -> Result<(), Closed> {
        match env.registry.succeed(old, new, env.now.wall) {
            Ok(()) => {}
            Err(RegistryError::Removed) => {
                self.record(env, Some(&new), EventKind::RemovedKey);
                self.close(env, id, "its key was removed", Unreached::Closed);
                return Err(Closed);
            }
            Err(error) => {
                let (old, new) = (old.node_id(), new.node_id());
                log::warn!("key not changed old={old} new={new} reason={error}");
                self.close(env, id, "not stored", Unreached::Registry);
                return Err(Closed);
            }
        }
        let kind = EventKind::KeyChanged {
            old: old.to_string(),
            new: new.to_string(),
        };
        self.record(env, Some(&new), kind);
        self.rename_rig(old, new);
        // The new key is the answer, whatever became of the receipt.
        self.end_rotations(env, &new);
        self.actions
            .push_back(Action::KeyChanged { old: *old, new });
        self.cut(env, old, "its key has changed", Some(id));
        // Its old link's end has set a time for an entry that is no longer under that key.
        self.await_end(&new, env);
        Ok(())
    }

    /// Moves what is remembered of a rig. Sequence numbers stay with the key that they were signed by.
    fn rename_rig(&mut self, old: &Fingerprint, new: Fingerprint) {
        let mut rig = self.rigs.remove(old).unwrap_or_default();
        let memory = rig.memory.take();
        rig.memory = self.rigs.get(&new).and_then(|rig| rig.memory);
        for id in &rig.requests {
            if let Some(request) = self.requests.get_mut(id) {
                request.key = new;
            }
        }
        self.rigs.insert(new, rig);
        self.remember(old, memory);
        self.unasked(&new);
    }

    /// Cuts all links of a key but one.
    pub(super) fn cut(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        reason: &'static str,
        except: Option<ConnId>,
    ) {
        let theirs = |conn: &Conn| {
            conn.key == Some(*key)
                || matches!(&conn.purpose, Purpose::Dialled(Target::Peer(k)) if k == key)
        };
        let conns = self.conns.iter().filter(|(_, conn)| theirs(conn));
        let ids: Vec<_> = conns.map(|(id, _)| *id).collect();
        // The newcomer of a contest must not move up when the older one is cut.
        if let Some(session) = self.sessions.get_mut(key) {
            session.contest = None;
        }
        for id in ids.into_iter().filter(|id| Some(*id) != except) {
            self.close(env, id, reason, Unreached::Closed);
        }
    }
}

/// The connection has been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;
