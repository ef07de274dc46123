//! Connections: one [`Link`] each, from the first byte to the close.
//!
//! ```text
//!   accept ─▶ pending ── PeerProven ─▶ registered, also under an earlier key? ── yes ─▶ session.rs
//!                                          └─ no ─▶ enrol.rs: a token, or closed, one event
//!   dial   ─▶ Peer  ── Up ─▶ session.rs         another key, and why: succession.rs
//!             Pair  ── Up ─▶ registered, then session.rs
//!             Probe ── Probed ─▶ closed
//! ```

use std::collections::VecDeque;
use std::net::IpAddr;

use miner_shared::identity::{Enrolment, Fingerprint};
use miner_shared::limits::{MAX_CONTROLLER_LINKS, MAX_PENDING_HANDSHAKES};
use miner_shared::smsg::{self, Dial, Expect, Link, LinkError, Peer};
use miner_shared::text::{Address, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Admission, Command, Desired, MIN_VERSION, Message, NodeCard, OpId, Piece, Query, Wanted,
};

use super::recovery::recovery_pin;
use super::succession::Trail;
use super::{Action, Env, EventKind, Hub, Timer};
use crate::registry::{Order, PeerRecord, Registry, RegistryError, Standing, Trust};

/// Messages that wait to be sealed on one connection: all requests of a rig and one wish.
const OUTBOX: usize = 32;

/// Names one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(u64);

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) link: Link,
    pub(super) purpose: Purpose,
    /// Who it is, once proven and admitted.
    pub(super) key: Option<Fingerprint>,
    /// Where it was accepted from, if it was.
    pub(super) from: Option<IpAddr>,
    /// Where the statements of succession lead that it has shown.
    pub(super) trail: Option<Trail>,
    /// At most [`OUTBOX`]; almost always empty.
    outbox: VecDeque<Outgoing>,
    /// When its timer is set.
    armed: Option<Millis>,
    /// The piece of a release that it waits for.
    pub(super) wanted: Option<Wanted>,
    /// When that may be read, if it was asked for early: the one timer that there is for it.
    pub(super) piece_at: Option<Millis>,
}

/// Why a connection exists.
#[derive(Debug)]
pub(super) enum Purpose {
    /// Somebody dialled in and has not proven anything yet.
    Accepted,
    /// Dialled, not up yet.
    Dialled(Target),
    /// Up, or waiting to be.
    Settled {
        /// Whether the peer dialled.
        dialled_in: bool,
    },
}

/// Why to dial.
#[derive(Clone, Debug)]
pub enum Target {
    /// A registered peer.
    Peer(Fingerprint),
    /// Whoever knows the pairing code: it becomes a peer.
    Pair(Box<NewPeer>),
    /// Nobody yet: learn which key is there.
    Probe,
}

/// How a peer that is about to be proven will be registered.
#[derive(Clone, Debug)]
pub struct NewPeer {
    /// The pairing code's name and secret.
    pub enrolment: Enrolment,
    /// Its name; without one, the name that it gives itself.
    pub name: Option<Name>,
    /// Where it was dialled.
    pub address: Address,
}

/// Why a dialled connection reached nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreached {
    /// It closed before the handshake was complete: what a node does that does not know us.
    #[error("it closed the connection during the handshake")]
    Closed,
    /// The handshake failed on our side.
    #[error("the handshake failed: {0}")]
    Handshake(LinkError),
    /// The node has us wait for its owner's approval.
    #[error("its owner has yet to approve this controller")]
    Pending,
    /// The registry did not take the peer.
    #[error("the registry refused it")]
    Registry,
    /// Another connection with the same peer is in use.
    #[error("another link with it is up")]
    Superfluous,
}

/// No further connection is accepted for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A message that waits to be sealed.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    /// What the rig should be doing, as the registry says when the message is sealed.
    Desired,
    /// A question.
    Query(u32, Query),
    /// A command that an owner waits for.
    Order(OpId, Order),
    /// A piece of a release that it asked for.
    Piece(Box<Piece>),
    /// The recovery key of this place in the registry's list.
    Recovery(OpId, usize),
}

impl Hub {
    /// A socket was accepted. Its handshake's 5 s begin now.
    pub fn accept(&mut self, now: Millis) -> Result<ConnId, Full> {
        if self.pending >= MAX_PENDING_HANDSHAKES || self.conns.len() >= MAX_CONTROLLER_LINKS {
            return Err(Full);
        }
        self.pending += 1;
        Ok(self.open(Link::listen(Dial::WorkerDials, now), Purpose::Accepted, now))
    }

    /// A socket was connected, for this reason.
    pub fn dial(&mut self, now: Millis, target: Target) -> ConnId {
        let (expect, enrolment, memory) = match &target {
            Target::Peer(key) => (Expect::Fingerprint(*key), None, self.memory_to_dial(key)),
            Target::Pair(new) => (Expect::Anyone, Some(&new.enrolment), None),
            Target::Probe => (Expect::Probe, None, None),
        };
        let link = Link::dial(Dial::ControllerDials, expect, enrolment, memory, now);
        self.open(link, Purpose::Dialled(target), now)
    }

    fn open(&mut self, link: Link, purpose: Purpose, now: Millis) -> ConnId {
        let id = ConnId(self.next_conn);
        self.next_conn += 1;
        let conn = Conn {
            link,
            purpose,
            key: None,
            from: None,
            trail: None,
            outbox: VecDeque::new(),
            armed: None,
            wanted: None,
            piece_at: None,
        };
        self.conns.insert(id, Box::new(conn));
        self.touched(id, now);
        id
    }

    /// A WebSocket binary message came; it is opened in place.
    pub fn handle_frame(&mut self, env: &mut Env<'_>, id: ConnId, frame: &mut [u8]) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        match conn.link.handle_frame(env.me, env.now.mono, frame) {
            Ok(event) => self.on_link_event(env, id, event),
            Err(error) => self.fail(env, id, error),
        }
        self.touched(id, env.now.mono);
    }

    /// Writes the next frame of a connection into `out`, which takes a frame of the largest size,
    /// and returns its length. Frames must reach the socket in the order of these calls.
    pub fn poll_transmit(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        out: &mut [u8],
    ) -> Option<usize> {
        let now = env.now.mono;
        let conn = self.conns.get_mut(&id)?;
        if let Some(len) = conn.link.poll_transmit(env.me, now, env.rng, out) {
            return Some(len);
        }
        let error = if conn.link.is_closed() {
            LinkError::Closed
        } else {
            match conn.seal_next(env.me, env.registry, now, out)? {
                Ok(len) => return Some(len),
                Err(error) => error,
            }
        };
        self.fail(env, id, error);
        None
    }

    /// The socket of a connection is gone.
    pub fn handle_closed(&mut self, env: &mut Env<'_>, id: ConnId) {
        if self.conns.contains_key(&id) {
            self.close(env, id, "closed by the peer", Unreached::Closed);
        }
    }

    /// A dialled peer was not reached; its address may not even have been connected to.
    pub fn handle_unreachable(&mut self, key: &Fingerprint) {
        if !self.is_live(key) {
            self.unreachable(key);
        }
    }

    /// Closes everything: the program ends.
    pub fn shut_down(&mut self, env: &mut Env<'_>) {
        let ids: Vec<_> = self.conns.keys().copied().collect();
        for id in ids {
            self.close(env, id, "this controller ends", Unreached::Closed);
        }
    }

    /// Queues a message; one that does not fit breaks the connection's bound and closes it.
    pub(super) fn send(&mut self, env: &mut Env<'_>, id: ConnId, message: Outgoing) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if conn.outbox.len() >= OUTBOX {
            return self.close(env, id, "too many messages wait", Unreached::Closed);
        }
        conn.outbox.push_back(message);
        self.actions.push_back(Action::Transmit(id));
    }

    /// Forgets a connection and has its socket closed; ends what hangs on it.
    pub(super) fn close(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        reason: &'static str,
        unreached: Unreached,
    ) {
        self.end(env, id, EventKind::LinkDown { reason }, unreached);
    }

    /// The same because the peer broke the protocol: one event, which includes the end of a link that
    /// was up.
    pub(super) fn broken(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        reason: String,
        unreached: Unreached,
    ) {
        let link_down = self.live_key(id).is_some();
        let event = EventKind::ProtocolError { reason, link_down };
        if !link_down {
            let key = self.conns.get(&id).and_then(|conn| conn.key);
            let about = key.or_else(|| self.dialled(id));
            self.record(env, about.as_ref(), event.clone());
        }
        self.end(env, id, event, unreached);
    }

    /// `event` is recorded if the connection speaks for a peer: its link is down then.
    fn end(&mut self, env: &mut Env<'_>, id: ConnId, event: EventKind, unreached: Unreached) {
        let Some(conn) = self.conns.remove(&id) else {
            return;
        };
        if let Some(at) = conn.piece_at {
            self.timers.remove(&(at, Timer::Piece(id)));
        }
        self.actions.push_back(Action::Close(id));
        // Whom we dialled may have heard our Hello, also if no Welcome came back: its number is used.
        let heard_by = match (conn.key, &conn.purpose, conn.link.peer()) {
            (None, Purpose::Dialled(_), Some(peer)) => Some(peer.fingerprint),
            (key, ..) => key,
        };
        match conn.purpose {
            Purpose::Accepted => self.pending -= 1,
            Purpose::Dialled(ref target) => {
                self.actions.push_back(Action::Reached(id, Err(unreached)));
                if let Target::Peer(key) = target {
                    self.not_up(env, key, unreached);
                }
            }
            Purpose::Settled { .. } => {}
        }
        if let Some(key) = heard_by {
            self.remember(&key, conn.link.memory());
        }
        if let Some(key) = conn.key {
            self.session_lost(env, id, &key, event);
        }
    }

    /// A dialled peer has not let us in. One that never did has yet to accept this controller: that
    /// is its owner's turn, and no failed exchange.
    fn not_up(&mut self, env: &Env<'_>, key: &Fingerprint, unreached: Unreached) {
        let never_linked = env
            .registry
            .peer(key)
            .is_some_and(|peer| peer.told.is_none());
        let turned_away = matches!(unreached, Unreached::Closed | Unreached::Pending);
        if never_linked && turned_away {
            self.offline(key);
        } else {
            self.handle_unreachable(key);
        }
    }

    /// The link broke its rules, or its time ran out.
    pub(super) fn fail(&mut self, env: &mut Env<'_>, id: ConnId, error: LinkError) {
        if log::log_enabled!(log::Level::Debug)
            && let Some(unsaid) = self.may_log_stranger(env.now.mono)
        {
            log::debug!("link failed conn={} reason={error} unsaid={unsaid}", id.0);
        }
        let reason = match error {
            LinkError::Dead => "silent for too long",
            LinkError::Expired => "too old",
            // Whoever connects and says nothing is a port scan, not an event.
            LinkError::HandshakeTimeout | LinkError::Closed => "the handshake took too long",
            error => {
                return self.broken(env, id, error.to_string(), Unreached::Handshake(error));
            }
        };
        self.close(env, id, reason, Unreached::Handshake(error));
    }

    fn dialled(&self, id: ConnId) -> Option<Fingerprint> {
        match self.conns.get(&id)?.purpose {
            Purpose::Dialled(Target::Peer(key)) => Some(key),
            _ => None,
        }
    }

    fn on_link_event(&mut self, env: &mut Env<'_>, id: ConnId, event: smsg::Event) {
        match event {
            smsg::Event::PeerProven {
                peer,
                card,
                enrolled_by,
            } => self.on_proven(env, id, &peer, &card, enrolled_by),
            smsg::Event::Up {
                peer,
                card,
                admission,
            } => self.on_up(env, id, &peer, &card, admission),
            smsg::Event::Answered(peer) => {
                let memory = self.memory_to_dial(&peer.fingerprint);
                if let Some(conn) = self.conns.get_mut(&id)
                    && let Err(error) = conn.link.go_on_from(memory)
                {
                    self.fail(env, id, error);
                }
            }
            smsg::Event::Probed(peer) => self.on_probed(env, id, &peer),
            smsg::Event::TokenAsked { token_id } => self.on_token_asked(env, id, token_id),
            smsg::Event::Message(message) => self.on_message(env, id, message),
            smsg::Event::Succession {
                peer,
                statement,
                left,
            } => self.on_succession(env, id, &peer, &statement, left),
            smsg::Event::Pong { rtt_ms } => self.on_pong(env, id, rtt_ms),
            // A number that was used before: the link has counted and dropped it.
            smsg::Event::Idle | smsg::Event::Stale => {}
            _ => {}
        }
    }

    /// A dialler is who it says. The registry is asked under the same lock that installs the
    /// session, so a removal cannot slip in between.
    fn on_proven(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        peer: &Peer,
        card: &NodeCard,
        token: Option<[u8; 8]>,
    ) {
        let key = peer.fingerprint;
        let stranger = env.registry.standing(&key) == Standing::Stranger;
        if stranger && self.follow_dialler(env, id, key).is_err() {
            return;
        }
        if env.registry.peer(&key).is_some() {
            self.settle(id, key, true);
            self.admit(env, id, peer, card);
            return;
        }
        self.on_stranger(env, id, peer, card, token);
    }

    /// A listener has welcomed us.
    fn on_up(
        &mut self,
        env: &mut Env<'_>,
        id: ConnId,
        peer: &Peer,
        card: &NodeCard,
        admission: Admission,
    ) {
        if admission != Admission::Registered {
            return self.close(env, id, "not approved yet", Unreached::Pending);
        }
        let key = peer.fingerprint;
        let pairing = match self.conns.get(&id).map(|conn| &conn.purpose) {
            Some(Purpose::Dialled(Target::Pair(new))) => Some(new.clone()),
            _ => None,
        };
        if let Some(new) = pairing
            && let Err(error) = self.register_paired(env, key, &new, card)
        {
            log::warn!("pairing not stored node={} reason={error}", key.node_id());
            return self.close(env, id, "not stored", Unreached::Registry);
        }
        // Removed since it was dialled.
        if env.registry.peer(&key).is_none() {
            return self.close(env, id, "removed", Unreached::Closed);
        }
        self.settle(id, key, false);
        self.actions.push_back(Action::Reached(id, Ok(key)));
        self.admit(env, id, peer, card);
    }

    /// A rig that let itself be paired. One that is registered already keeps its entry and its
    /// trust, and gets the new address.
    fn register_paired(
        &mut self,
        env: &mut Env<'_>,
        key: Fingerprint,
        new: &NewPeer,
        card: &NodeCard,
    ) -> Result<(), RegistryError> {
        if env.registry.peer(&key).is_some() {
            return env
                .registry
                .readdress(&key, new.address.clone(), new.name.clone());
        }
        // Without a name of the owner's, the node ID: the rig's own takes its place if it is free.
        let stand_in = || Name::parse(&key.node_id().to_string()).ok();
        let name = new.name.clone().or_else(stand_in);
        let peer = PeerRecord {
            name: name.unwrap_or_else(|| card.name.clone()),
            address: Some(new.address.clone()),
            trust: Trust::Pairing,
            added_at_ms: env.now.wall.0,
            last_seen_ms: None,
            told: None,
        };
        env.registry.add(key, peer)?;
        self.record(env, Some(&key), EventKind::PeerAdded);
        Ok(())
    }

    fn on_probed(&mut self, env: &mut Env<'_>, id: ConnId, peer: &Peer) {
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.purpose = Purpose::Settled { dialled_in: false };
        }
        self.actions
            .push_back(Action::Reached(id, Ok(peer.fingerprint)));
        self.close(env, id, "probed", Unreached::Closed);
    }

    /// The connection's owner is known from here on.
    pub(super) fn settle(&mut self, id: ConnId, key: Fingerprint, dialled_in: bool) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if matches!(conn.purpose, Purpose::Accepted) {
            self.pending -= 1;
        }
        conn.purpose = Purpose::Settled { dialled_in };
        conn.key = Some(key);
        self.actions.push_back(Action::Proven(id));
    }

    /// Timer of a connection's link.
    pub(super) fn conn_due(&mut self, env: &mut Env<'_>, id: ConnId, at: Millis) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if conn.armed != Some(at) {
            return;
        }
        conn.armed = None;
        let now = env.now.mono;
        if let Err(error) = conn.link.handle_timeout(now) {
            return self.fail(env, id, error);
        }
        self.renew_if_wanted(id, now);
        self.touched(id, now);
    }

    /// A connection changed: there may be frames to send, and another moment to wake at.
    pub(super) fn touched(&mut self, id: ConnId, now: Millis) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        self.actions.push_back(Action::Transmit(id));
        // A timer that is set too early is harmless: it looks and sets itself anew.
        let at = conn.link.poll_timeout().max(now + 1);
        if conn.armed.is_none_or(|armed| at < armed) {
            conn.armed = Some(at);
            self.timers.insert((at, Timer::Conn(id)));
        }
    }
}

impl Conn {
    /// Seals the next message that waits; `None` if there is none or the link is not up yet.
    fn seal_next(
        &mut self,
        me: &smsg::LocalNode,
        registry: &Registry,
        now: Millis,
        out: &mut [u8],
    ) -> Option<Result<usize, LinkError>> {
        if !self.link.is_up() {
            return None;
        }
        loop {
            let message = match self.outbox.pop_front()? {
                Outgoing::Query(id, query) => Message::Query(id, query),
                Outgoing::Piece(piece) => Message::Piece(*piece),
                Outgoing::Order(op_id, order) => Message::Command(op_id, order.into()),
                Outgoing::Recovery(op_id, place) => match recovery_pin(registry, place) {
                    Some(command) => Message::Command(op_id, command),
                    None => continue,
                },
                Outgoing::Desired => match self.key.and_then(|key| registry.desired(&key)) {
                    Some(row) => {
                        let version = self.link.peer().map_or(MIN_VERSION, |peer| peer.version);
                        // A wish that came since may have no words here: that one waits.
                        let Some(state) = row.state.for_version(version) else {
                            continue;
                        };
                        let generation = row.generation;
                        Message::Command(
                            row.op_id,
                            Command::SetState(Desired { generation, state }),
                        )
                    }
                    None => continue,
                },
            };
            return Some(self.link.seal(me, now, &message, out));
        }
    }
}
