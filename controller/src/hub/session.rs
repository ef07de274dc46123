//! Sessions: which connection speaks for a peer. One per fingerprint, never two.
//!
//! | a further connection of the same key has | then |
//! |---|---|
//! | the same boot_id | it replaces the first: the peer reconnected, or renews its keys |
//! | another boot_id | the first is pinged; an answer within 5 s keeps it and raises `duplicateIdentity`, silence replaces it |
//!
//! Until that is decided the newcomer gets no Welcome and the live session is not touched.

use miner_shared::identity::Fingerprint;
use miner_shared::smsg::{Peer, SeqMemory};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, NodeCard};

use super::conn::Purpose;
use super::recovery::Offer;
use super::score::Exchange;
use super::{Action, ConnId, Env, EventKind, Hub, Timer, Unreached};
use crate::clock::Now;
use crate::registry::{RegistryError, Told};

/// How long the older of two boots of one key has to answer, in milliseconds.
const CONTEST_MS: u64 = 5_000;
/// How long other boots are refused after a duplicate, in milliseconds.
const DUPLICATE_MS: u64 = 60_000;
/// How often the round trip is measured, in milliseconds.
const PING_MS: u64 = 30_000;

/// The connection that speaks for a peer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) conn: ConnId,
    pub(super) boot_id: [u8; 16],
    /// Protocol version of the link: what a later one brought is not said on it.
    pub(super) version: u8,
    pub(super) contest: Option<Contest>,
    /// Whether a measuring ping waits for its answer.
    pinged: bool,
    /// When the next one is due.
    ping_at: Millis,
    /// Whether a link is wanted that takes this one's place.
    pub(super) renewing: bool,
}

/// A connection with another boot of the same key.
#[derive(Debug)]
pub(super) struct Contest {
    conn: ConnId,
    peer: Peer,
    card: NodeCard,
    until: Millis,
}

impl Hub {
    /// A registered peer has proven itself on this connection: now or never.
    pub(super) fn admit(&mut self, env: &mut Env<'_>, id: ConnId, peer: &Peer, card: &NodeCard) {
        let key = peer.fingerprint;
        let now = env.now.mono;
        let Some(session) = self.sessions.get_mut(&key) else {
            self.make_live(env, id, peer, card);
            return;
        };
        if session.boot_id == peer.boot_id {
            let old = session.conn;
            if self.make_live(env, id, peer, card) {
                self.close(env, old, "replaced", Unreached::Superfluous);
            }
            return;
        }
        let refused = self
            .rigs
            .get(&key)
            .and_then(|rig| rig.closed_to_others)
            .is_some_and(|until| now < until);
        if refused || session.contest.is_some() {
            return self.close(env, id, "another boot is live", Unreached::Superfluous);
        }
        let until = now + CONTEST_MS;
        session.contest = Some(Contest {
            conn: id,
            peer: *peer,
            card: card.clone(),
            until,
        });
        let old = session.conn;
        if let Some(conn) = self.conns.get_mut(&old) {
            conn.link.ping(now);
        }
        self.touched(old, now);
        self.timers.insert((until, Timer::Contest(key)));
    }

    /// From here on this connection speaks for the peer; not if its link cannot go on with the
    /// sequence numbers of the pair, which touches nothing.
    fn make_live(&mut self, env: &mut Env<'_>, id: ConnId, peer: &Peer, card: &NodeCard) -> bool {
        let key = peer.fingerprint;
        let now = env.now.mono;
        // Numbers of a session that is being replaced count on in this one.
        self.remember(&key, self.memory_to_dial(&key));
        let memory = self.rigs.entry(key).or_default().memory;
        let Some(conn) = self.conns.get_mut(&id) else {
            return false;
        };
        let dialled_in = matches!(conn.purpose, Purpose::Settled { dialled_in: true });
        if dialled_in && let Err(error) = conn.link.welcome(Admission::Registered, memory) {
            self.fail(env, id, error);
            return false;
        }
        conn.link.ping(now);
        self.replace_session(id, peer, now);
        env.registry
            .note_link(&key, Told::new(peer, card), &card.name, env.now.wall);
        self.greet_rig(&key, env.now);
        self.record(env, Some(&key), EventKind::LinkUp { dialled_in });
        self.reconcile(env, &key);
        self.offer_recovery(env, &key);
        self.send_orders(env, &key);
        self.ask_waiting(env, &key);
        self.ask_machine(env, id);
        self.touched(id, now);
        true
    }

    /// What was asked on an older connection will be asked on this one.
    fn replace_session(&mut self, id: ConnId, peer: &Peer, now: Millis) {
        let key = peer.fingerprint;
        let session = Session {
            conn: id,
            boot_id: peer.boot_id,
            version: peer.version,
            contest: None,
            pinged: true,
            ping_at: now + PING_MS,
            renewing: false,
        };
        self.timers.insert((session.ping_at, Timer::Ping(key)));
        self.sessions.insert(key, session);
        self.unasked(&key);
    }

    /// A new link: what the rig has applied or refused is to be heard anew.
    fn greet_rig(&mut self, key: &Fingerprint, now: Now) {
        let rig = self.rigs.entry(*key).or_default();
        rig.score.count(Exchange::Answered);
        rig.last_seen = Some(now);
        rig.work.linked(now.mono);
        rig.applied = None;
        rig.applied_hash = None;
        rig.refused = None;
        rig.too_old = None;
        rig.sent = None;
        rig.offer = Offer::default();
    }

    /// A connection that had an owner is gone; `event` says why, if it was the peer's live one.
    pub(super) fn session_lost(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        key: &Fingerprint,
        event: EventKind,
    ) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.conn != id {
            if session.contest.as_ref().is_some_and(|c| c.conn == id) {
                session.contest = None;
            }
            return;
        }
        let contest = session.contest.take();
        self.sessions.remove(key);
        self.unasked(key);
        self.record(env, Some(key), event);
        if let Some(rig) = self.rigs.get_mut(key) {
            rig.score.count(Exchange::Failed);
            if let Some(seen) = rig.last_seen {
                env.registry.note_seen(key, seen.wall);
            }
        }
        self.await_end(key, env);
        if let Some(contest) = contest {
            self.make_live(env, contest.conn, &contest.peer, &contest.card);
        } else {
            self.actions.push_back(Action::Dial {
                key: *key,
                now: false,
            });
        }
    }

    /// The older boot has been silent: it is replaced.
    pub(super) fn contest_due(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        let due = self.sessions.get(key).and_then(|session| {
            let contest = session.contest.as_ref()?;
            (contest.until <= env.now.mono).then_some(session.conn)
        });
        if let Some(old) = due {
            self.close(env, old, "silent, and another boot came", Unreached::Closed);
        }
    }

    /// A ping was answered: the round trip is known, and the session is alive.
    pub(super) fn on_pong(&mut self, env: &mut Env<'_>, id: ConnId, rtt_ms: u64) {
        let Some(key) = self.live_key(id) else {
            return;
        };
        if let Some(rig) = self.rigs.get_mut(&key) {
            rig.rtt_ms = Some(rtt_ms);
            rig.last_seen = Some(env.now);
            rig.score.count(Exchange::Answered);
        }
        let contest = self.sessions.get_mut(&key).and_then(|session| {
            session.pinged = false;
            session.contest.take()
        });
        self.answer_pings(&key, rtt_ms);
        let Some(contest) = contest else {
            return;
        };
        if let Some(rig) = self.rigs.get_mut(&key) {
            rig.closed_to_others = Some(env.now.mono + DUPLICATE_MS);
        }
        self.record(env, Some(&key), EventKind::DuplicateIdentity);
        self.close(
            env,
            contest.conn,
            "another boot is live",
            Unreached::Superfluous,
        );
    }

    /// Measures the round trip again; a ping that is still unanswered counts as late.
    pub(super) fn ping_due(&mut self, now: Millis, key: &Fingerprint, at: Millis) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.ping_at != at {
            return;
        }
        session.ping_at = now + PING_MS;
        self.timers.insert((session.ping_at, Timer::Ping(*key)));
        let late = std::mem::replace(&mut session.pinged, true);
        let id = session.conn;
        if late && let Some(rig) = self.rigs.get_mut(key) {
            rig.score.count(Exchange::Late);
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.link.ping(now);
        }
        self.touched(id, now);
    }

    /// Removes a peer from the registry and cuts its links, in one step.
    /// `keep_token`: others may still enrol by the token that it came by.
    pub fn remove(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        keep_token: bool,
    ) -> Result<(), RegistryError> {
        self.remove_all(env, &[*key], keep_token)
    }

    /// The same for all of these peers, or for none.
    pub fn remove_all(
        &mut self,
        env: &mut Env<'_>,
        keys: &[Fingerprint],
        keep_token: bool,
    ) -> Result<(), RegistryError> {
        env.registry.remove_all(keys, keep_token, env.now.wall)?;
        for key in keys {
            self.record(env, Some(key), EventKind::PeerRemoved);
            self.fail_requests(key);
            self.cut(env, key, "removed", None);
        }
        Ok(())
    }

    /// Whose session this connection is, if it is one.
    pub(super) fn live_key(&self, id: ConnId) -> Option<Fingerprint> {
        let key = self.conns.get(&id)?.key?;
        (self.sessions.get(&key)?.conn == id).then_some(key)
    }

    /// Has a dialled link replaced before it wears out.
    pub(super) fn renew_if_wanted(&mut self, id: ConnId, now: Millis) {
        let Some(key) = self.live_key(id) else {
            return;
        };
        let wanted = self
            .conns
            .get(&id)
            .is_some_and(|conn| conn.link.wants_renewal(now));
        if wanted
            && let Some(session) = self.sessions.get_mut(&key)
            && !std::mem::replace(&mut session.renewing, true)
        {
            self.actions.push_back(Action::Dial { key, now: true });
        }
    }

    /// The sequence numbers that a link dialled now goes on with.
    pub(super) fn memory_to_dial(&self, key: &Fingerprint) -> Option<SeqMemory> {
        let live = self.sessions.get(key).map(|session| session.conn);
        live.and_then(|conn| self.conns.get(&conn)?.link.memory())
            .or_else(|| self.rigs.get(key)?.memory)
    }

    /// Keeps the sequence numbers of a link for the next one.
    pub(super) fn remember(&mut self, key: &Fingerprint, memory: Option<SeqMemory>) {
        let Some(memory) = memory else {
            return;
        };
        let rig = self.rigs.entry(*key).or_default();
        rig.memory = Some(rig.memory.map_or(memory, |kept| kept.merge(memory)));
    }
}
