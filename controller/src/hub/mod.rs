//! The hub: all live links of the farm, as one state machine without I/O.
//!
//! The clock, the registry, the random source and the local node are arguments ([`Env`]); sockets
//! belong to `net`, waiting to [`crate::farm`]. So the same hub runs under smol and in
//! tests with hundreds of rigs and virtual time. After every `handle_*` and every command the
//! caller drains [`Hub::poll_action`].
//!
//! ```text
//!  socket ── handle_frame ──▶ Conn (one Link each)          conn.rs
//!         ◀─ poll_transmit ──   │ proven, admitted
//!                               ▼
//!                            Session, one per fingerprint   session.rs   who may be live
//!                               │ heartbeat   ▲ SetState
//!                               ▼             │
//!                            Rig, one per peer  reconcile.rs  wish against report, by generation
//!                               ▲ answers                   requests.rs   questions with deadlines
//!                               │ receipts                  orders.rs     orders, each once
//!                               └ score.rs, events.rs      enrol.rs      strangers with a token
//!                                 work.rs, moves.rs, effort.rs            what its reports say over time
//!                                                         succession.rs  rigs with a new key
//!                                                         recovery.rs   the farm's recovery key
//!                                                         machine.rs    what is at the other end
//!                                                         updates.rs    what it was booted from; releases for it
//! ```
//!
//! The hub is the **managing** side: its sessions are indexed by fingerprint alone because every one
//! of them is with a rig that this node commands. Obeying other controllers is the agent's part.

mod conn;
mod effort;
mod enrol;
mod events;
mod found;
mod history;
mod machine;
mod moves;
mod orders;
mod pace;
mod reconcile;
mod recovery;
mod replay;
mod requests;
mod rig;
mod score;
mod session;
mod succession;
#[cfg(test)]
mod tests;
mod updates;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use miner_shared::identity::Fingerprint;
use miner_shared::smsg::LocalNode;
use miner_shared::time::Millis;
use miner_shared::wire::{OpId, Wanted};
use rand_core::CryptoRng;

use self::conn::Conn;
pub use self::conn::{ConnId, Full, NewPeer, Target, Unreached};
pub use self::effort::Effort;
use self::events::EventLog;
pub use self::events::{Event, EventKind};
pub use self::found::FoundShares;
pub use self::moves::MAX_MOVES;
pub(crate) use self::moves::Moves;
pub use self::reconcile::{TOO_OLD, refusal_text, refused_field};
pub use self::recovery::recovery_id;
use self::requests::Request;
pub use self::requests::{Ask, Failure, Reply, RequestId};
pub use self::rig::Rig;
use self::session::Session;
pub use self::work::Work;
use crate::cause::Cause;
use crate::clock::Now;
use crate::history::Shares;
use crate::registry::Registry;

/// What the hub needs from outside, for one call.
#[expect(
    missing_debug_implementations,
    reason = "a random source shows nothing"
)]
pub struct Env<'a> {
    /// Both clocks.
    pub now: Now,
    /// This node.
    pub me: &'a LocalNode,
    /// Who may talk to us, and what rigs should be doing.
    pub registry: &'a mut Registry,
    /// Where handshakes get their randomness.
    pub rng: &'a mut dyn CryptoRng,
    /// Who asked for this call, if somebody did.
    pub cause: Cause,
}

/// All live links.
#[derive(Debug, Default)]
pub struct Hub {
    /// Boxed, as a tree keeps room for a third more than it holds.
    conns: BTreeMap<ConnId, Box<Conn>>,
    next_conn: u64,
    /// Accepted connections that have not proven themselves yet.
    pending: usize,
    sessions: BTreeMap<Fingerprint, Session>,
    /// What is remembered of peers while the process lives, of removed ones too: their sequence
    /// numbers must go on if they are added again. Strangers get no entry.
    rigs: BTreeMap<Fingerprint, Rig>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    next_query: u32,
    /// What is due when. An entry that no longer means anything is ignored when its time comes.
    timers: BTreeSet<(Millis, Timer)>,
    actions: VecDeque<Action>,
    events: EventLog,
    /// Shares that rigs reported to this process.
    shares: Shares,
    /// What these took, against what they were worth.
    effort: Effort,
    /// Which pools rigs have left.
    moves: Moves,
    /// Rigs whose row has changed since it was last taken; `None` while nobody watches.
    changed: Option<BTreeSet<Fingerprint>>,
    answered: replay::Answered,
}

/// What the caller has to do.
#[derive(Debug)]
pub enum Action {
    /// Close this connection's socket; the hub has forgotten it.
    Close(ConnId),
    /// There is reason to dial this peer.
    Dial {
        /// Whom.
        key: Fingerprint,
        /// At once: somebody waits, or a link is to be replaced. Otherwise after a pause: the link
        /// was lost.
        now: bool,
    },
    /// A rig has another key: what is kept under the old one moves.
    KeyChanged {
        /// What it was.
        old: Fingerprint,
        /// What it is.
        new: Fingerprint,
    },
    /// A registered peer has proven itself on this connection.
    Proven(ConnId),
    /// A request came to its end.
    Finished(RequestId, Result<Reply, Failure>),
    /// A dialled connection came to its first end: whom it reached, or why nobody.
    Reached(ConnId, Result<Fingerprint, Unreached>),
    /// Ask [`Hub::poll_transmit`] about this connection.
    Transmit(ConnId),
    /// Read this piece of a release, and hand it to [`Hub::deliver_piece`].
    Read(ConnId, Wanted),
}

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The link of a connection wants to be asked.
    Conn(ConnId),
    /// The older of two boots of one key has not answered.
    Contest(Fingerprint),
    /// A round trip is to be measured.
    Ping(Fingerprint),
    /// An order is not sent any more.
    Order(OpId),
    /// A piece that was asked for early may be read.
    Piece(ConnId),
    /// A request has waited long enough.
    Request(RequestId),
    /// An ephemeral peer has been away for long.
    Vanish(Fingerprint),
}

impl Hub {
    /// The next thing that the caller has to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Hub::handle_timeout`] wants to be called next.
    pub fn poll_timeout(&self) -> Option<Millis> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, env: &mut Env<'_>) {
        let now = env.now.mono;
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::Conn(id) => self.conn_due(env, id, at),
                Timer::Contest(key) => self.contest_due(env, &key),
                Timer::Ping(key) => self.ping_due(now, &key, at),
                Timer::Order(op_id) => self.order_due(env, &op_id),
                Timer::Piece(id) => self.piece_due(id),
                Timer::Request(id) => self.request_due(id),
                Timer::Vanish(key) => self.vanish_due(env, &key, at),
            }
        }
    }

    /// What is known of a peer besides the registry's row; `None` if it was never heard of.
    pub fn rig(&self, key: &Fingerprint) -> Option<&Rig> {
        self.rigs.get(key)
    }

    /// Whether a link with this peer is up.
    pub fn is_live(&self, key: &Fingerprint) -> bool {
        self.sessions.contains_key(key)
    }

    /// Protocol version of the link with this peer; `None` if none is up.
    pub fn protocol(&self, key: &Fingerprint) -> Option<u8> {
        self.sessions.get(key).map(|session| session.version)
    }

    /// Whether there is nothing to dial: a link with this peer is up and wants no successor.
    pub fn is_served(&self, key: &Fingerprint) -> bool {
        self.sessions
            .get(key)
            .is_some_and(|session| !session.renewing)
    }

    /// Peers with a link that is up.
    pub fn live(&self) -> usize {
        self.sessions.len()
    }

    /// Connections in any state.
    pub fn connections(&self) -> usize {
        self.conns.len()
    }

    /// Kept events from this number on, oldest first.
    pub fn events_since(&self, seq: u64) -> impl Iterator<Item = &Event> {
        self.events.since(seq)
    }

    /// Number that the next event gets.
    pub fn next_event(&self) -> u64 {
        self.events.next()
    }

    /// The first event gets this number; call it before anything is recorded.
    pub fn begin_events_at(&mut self, next: u64) {
        self.events.begin_at(next);
    }

    /// Events that have fallen out of the log.
    pub fn events_lost(&self) -> u64 {
        self.events.lost()
    }

    /// Records what happened, about this peer if one is named.
    pub fn record(&mut self, env: &Env<'_>, about: Option<&Fingerprint>, kind: EventKind) {
        if about.is_none_or(|key| env.registry.peer(key).is_none())
            && kind.is_strangers()
            && let Err(()) = self.events.admit_stranger(env.now, env.registry)
        {
            return;
        }
        self.note_change(env.registry, about);
        self.events
            .record((env.now.wall, &env.cause), env.registry, about, kind);
    }
}
