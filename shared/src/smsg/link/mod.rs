//! One end of one connection, without I/O: frames in, frames out, time as an argument.
//!
//! It holds no frame: what it owes to the peer it remembers as a flag and writes when polled, into
//! the caller's buffer. Four kinds of methods, as in quinn:
//!
//! * getters: `peer`, `is_up`, `memory`, …
//! * `handle_frame`, `handle_timeout`: something came, or time passed;
//! * orders of the program: `answer_token`, `accept`, `welcome`, `seal`, `ping`;
//! * `poll_transmit`, `poll_timeout`: what the link wants. Ask after each of the above.
//!
//! ```text
//!  dialler: FirstOwed ▶ SentFirst [▶ AwaitChain] ▶ ThirdOwed ▶ HelloOwed ▶ AwaitWelcome ▶ Up
//!                           another key └ accept ┘
//!  listener: AwaitFirst [▶ TokenAsked] ▶ SecondOwed ▶ SentSecond ▶ AwaitHello ▶ Proven ▶ WelcomeOwed ▶ Up
//!                           └ answer_token                            welcome ┘
//! ```
//! Any failure of a frame ends in `Closed`; nothing is sent about it.

mod error;
mod steps;
#[cfg(test)]
mod tests;
mod timers;

pub use error::{Event, LinkError};

use rand_core::CryptoRng;

use super::envelope;
use super::frame::{self, Kind};
use super::noise::{FirstMessage, ReadFirst, ReadSecond, SentFirst, SentSecond, Start};
use super::session::Session;
use super::{Dial, Expect, LocalNode, Peer};
use crate::identity::{Enrolment, Role, Statement};
use crate::limits::{FRAME_HEADER, MAX_FRAME, MAX_HANDSHAKE_FRAME, MAX_MESSAGE, RENEW_FRAMES, SEQ};
use crate::time::Millis;
use crate::wire::{Admission, Message, WireError};
use timers::Timers;

/// One end of one connection.
#[derive(Debug)]
pub struct Link {
    stage: Stage,
    side: Side,
    /// Which part dials.
    dial: Dial,
    /// Name of the token of suite 02.
    token_id: Option<[u8; 8]>,
    /// What the caller remembers of the sequence numbers, until they are in use.
    memory: Option<SeqMemory>,
    peer: Option<Peer>,
    tx: u64,
    rx: u64,
    /// Statements of ours that the peer has been shown.
    shown: u8,
    /// Statements of the peer that are still to come.
    awaited: u8,
    pong_owed: Option<u64>,
    /// Why the link closed while it was to send, until the caller looks.
    failed: Option<LinkError>,
    timers: Timers,
}

#[derive(Debug)]
enum Side {
    Dialler(Expect),
    Listener,
}

#[derive(Debug)]
enum Stage {
    FirstOwed(Start),
    SentFirst(SentFirst),
    /// Another key than the expected one has answered, and says how it came there.
    AwaitChain(ReadSecond),
    ThirdOwed(ReadSecond),
    AwaitFirst,
    TokenAsked(FirstMessage),
    SecondOwed(ReadFirst),
    SentSecond(SentSecond),
    Session(Session, Phase),
    Closed,
}

/// How far two ends with a session are in greeting each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    HelloOwed,
    AwaitWelcome,
    AwaitHello,
    Proven,
    WelcomeOwed(Admission),
    Up,
}

/// Where the sequence numbers between two boots stand. The caller keeps it for each peer as long as
/// its own process lives, also across sessions and across removal of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeqMemory {
    /// The peer's process start that the numbers belong to.
    pub peer_boot: [u8; 16],
    /// The last number sent.
    pub tx: u64,
    /// The last number received.
    pub rx: u64,
}

impl SeqMemory {
    /// What two links with the same peer add up to: `self` the earlier, `other` the later one.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self.peer_boot != other.peer_boot {
            return other;
        }
        Self {
            peer_boot: other.peer_boot,
            tx: self.tx.max(other.tx),
            rx: self.rx.max(other.rx),
        }
    }
}

impl Link {
    /// The dialler's end of a new connection. With `enrol` it uses suite 02.
    pub fn dial(
        dial: Dial,
        expect: Expect,
        enrol: Option<&Enrolment>,
        memory: Option<SeqMemory>,
        now: Millis,
    ) -> Self {
        let token_id = enrol.map(|enrolment| enrolment.token_id);
        let stage = Stage::FirstOwed(steps::start(dial, enrol));
        Self::new(stage, Side::Dialler(expect), dial, token_id, memory, now)
    }

    /// The listener's end of a new connection, for diallers of this part only: a controller's
    /// listener takes workers, a rig's takes controllers, whatever else their roles allow.
    pub fn listen(dial: Dial, now: Millis) -> Self {
        Self::new(Stage::AwaitFirst, Side::Listener, dial, None, None, now)
    }

    fn new(
        stage: Stage,
        side: Side,
        dial: Dial,
        token_id: Option<[u8; 8]>,
        memory: Option<SeqMemory>,
        now: Millis,
    ) -> Self {
        Self {
            stage,
            side,
            dial,
            token_id,
            memory,
            peer: None,
            tx: 0,
            rx: 0,
            shown: 0,
            awaited: 0,
            pong_owed: None,
            failed: None,
            timers: Timers::new(now),
        }
    }

    /// Handles one received WebSocket binary message, in place. An error closes the link.
    pub fn handle_frame(
        &mut self,
        me: &LocalNode,
        now: Millis,
        frame: &mut [u8],
    ) -> Result<Event, LinkError> {
        let result = self.receive(me, now, frame);
        if result.is_err() {
            self.stage = Stage::Closed;
        }
        result
    }

    /// Writes the next frame that the link owes by itself into `out` and returns its length. Call it
    /// until `None` after every other call that changes the link. `out` takes
    /// [`crate::limits::MAX_FRAME`] bytes; in a shorter one the link closes. If it closes here,
    /// [`Link::handle_timeout`], due at once, says why.
    pub fn poll_transmit(
        &mut self,
        me: &LocalNode,
        now: Millis,
        rng: &mut dyn CryptoRng,
        out: &mut [u8],
    ) -> Option<usize> {
        let owed = match out.first_chunk_mut() {
            Some(out) => self.transmit(me, now, rng, out),
            None => Err(LinkError::BufferTooSmall),
        };
        owed.unwrap_or_else(|error| {
            self.stage = Stage::Closed;
            self.failed = Some(error);
            None
        })
    }

    /// Does what is due by time. An error closes the link, or says why it is closed if that is not
    /// known yet, or that it is.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), LinkError> {
        if self.is_closed() {
            return Err(self.failed.take().unwrap_or(LinkError::Closed));
        }
        let result = self.timers.handle(now);
        if result.is_err() {
            self.stage = Stage::Closed;
        }
        result
    }

    /// When [`Link::handle_timeout`] wants to be called next; at once if the link is closed.
    pub fn poll_timeout(&self) -> Millis {
        if self.is_closed() {
            Millis(0)
        } else {
            self.timers.next()
        }
    }

    /// Seals `message` into `out` and returns the frame's length. Frames must reach the socket in the
    /// order in which they were sealed or polled. Only what this side may say at all: queries and
    /// commands towards the worker, everything else from it; greetings and pings are the link's own. And
    /// only what the version knows that both ends agreed on.
    /// A refused message costs nothing; a link that is too old or used up closes.
    pub fn seal(
        &mut self,
        me: &LocalNode,
        now: Millis,
        message: &Message,
        out: &mut [u8],
    ) -> Result<usize, LinkError> {
        if !self.is_up() {
            return Err(LinkError::NotUp);
        }
        if self.timers.expired(now) {
            self.stage = Stage::Closed;
            return Err(LinkError::Expired);
        }
        if sender(message) != Some(self.part()) {
            return Err(LinkError::Misplaced);
        }
        if self.peer.is_some_and(|peer| message.since() > peer.version) {
            return Err(LinkError::TooNew);
        }
        let out = out.first_chunk_mut().ok_or(LinkError::BufferTooSmall)?;
        let sealed = self.seal_any(me, message, out);
        if let Err(LinkError::Noise(_)) = sealed {
            self.stage = Stage::Closed;
        }
        sealed
    }

    /// Asks the peer for a sign of life: [`Event::Pong`] says how long it took from `now`.
    pub fn ping(&mut self, now: Millis) {
        self.timers.ping(now);
    }

    /// Which part dials on this link.
    pub fn dialling_part(&self) -> Dial {
        self.dial
    }

    /// Round trip of the last answered ping, in milliseconds.
    pub fn rtt_ms(&self) -> Option<u64> {
        self.timers.rtt_ms()
    }

    /// The other end, once it has proven who it is.
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// The sequence numbers, to be given to the next link with this peer, also if this one never came
    /// up: what was said may have been heard. `None` before the first number is in use.
    pub fn memory(&self) -> Option<SeqMemory> {
        let peer = self.peer.filter(|_| self.tx > 0 || self.rx > 0)?;
        Some(SeqMemory {
            peer_boot: peer.boot_id,
            tx: self.tx,
            rx: self.rx,
        })
    }

    /// Listener, after [`Event::TokenAsked`]: the dialler's ephemeral key, by which a recorded first
    /// message is known again before anything is computed for it.
    pub fn first_ephemeral(&self) -> Option<[u8; 32]> {
        match &self.stage {
            Stage::TokenAsked(first) => Some(first.ephemeral),
            _ => None,
        }
    }

    /// Whether messages may be sealed: the Welcome as registered was sent or came.
    pub fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Session(_, Phase::Up))
    }

    /// Whether the link is closed. It will neither send nor take anything any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// Dialler: whether a new link should take this one's place, which stays up meanwhile.
    pub fn wants_renewal(&self, now: Millis) -> bool {
        let (Side::Dialler(_), Stage::Session(session, Phase::Up)) = (&self.side, &self.stage)
        else {
            return false;
        };
        session.frames() >= RENEW_FRAMES || self.timers.wants_renewal(now)
    }

    /// When the last authentic frame came; before the first one, when the link was made.
    pub fn last_received(&self) -> Millis {
        self.timers.last_received()
    }

    /// The hash of the whole handshake, the same at both ends and at no other link.
    pub fn handshake_hash(&self) -> Option<[u8; 32]> {
        match &self.stage {
            Stage::Session(session, _) => Some(session.hash()),
            _ => None,
        }
    }

    /// The part that this end plays.
    fn part(&self) -> Role {
        match (&self.side, self.dial) {
            (Side::Dialler(_), Dial::WorkerDials) | (Side::Listener, Dial::ControllerDials) => {
                Role::Worker
            }
            (Side::Dialler(_), Dial::ControllerDials) | (Side::Listener, Dial::WorkerDials) => {
                Role::Controller
            }
        }
    }

    fn receive(
        &mut self,
        me: &LocalNode,
        now: Millis,
        frame: &mut [u8],
    ) -> Result<Event, LinkError> {
        let max = match self.stage {
            Stage::Closed => return Err(LinkError::Closed),
            Stage::Session(..) => MAX_FRAME,
            _ => MAX_HANDSHAKE_FRAME,
        };
        let frame = frame::split(frame, max)?;
        match frame.kind {
            Kind::First => self.handle_first(me, frame),
            Kind::Second => self.handle_second(me, frame),
            Kind::Third => self.handle_third(me, frame),
            Kind::Succession => self.handle_succession(frame),
            Kind::Message => self.handle_message(me, now, frame),
        }
    }

    fn transmit(
        &mut self,
        me: &LocalNode,
        now: Millis,
        rng: &mut dyn CryptoRng,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<Option<usize>, LinkError> {
        let len = match core::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::FirstOwed(start) => self.write_first(me, rng, start, out)?,
            Stage::SecondOwed(read) => self.write_second(me, rng, read, out)?,
            Stage::ThirdOwed(read) => self.write_third(me, now, read, out)?,
            Stage::SentSecond(sent) => {
                self.stage = Stage::SentSecond(sent);
                return Ok(self
                    .next_statement(me)
                    .map(|s| steps::write_statement(s, out)));
            }
            stage => {
                self.stage = stage;
                return self.transmit_message(me, out);
            }
        };
        Ok(Some(len))
    }

    /// Seals the message that the link owes, if it has a session and owes one.
    fn transmit_message(
        &mut self,
        me: &LocalNode,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<Option<usize>, LinkError> {
        let Stage::Session(_, phase) = self.stage else {
            return Ok(None);
        };
        let (message, next) = match phase {
            Phase::HelloOwed => match self.next_statement(me) {
                Some(statement) => (Message::Succession(statement.clone()), phase),
                None => (Message::Hello(me.card().clone()), Phase::AwaitWelcome),
            },
            Phase::WelcomeOwed(admission) => {
                (Message::Welcome(admission, me.card().clone()), Phase::Up)
            }
            Phase::Up => match (self.pong_owed.take(), self.timers.ping_owed()) {
                (Some(number), _) => (Message::Pong(number), Phase::Up),
                (None, true) => (Message::Ping(self.timers.send_ping()), Phase::Up),
                (None, false) => return Ok(None),
            },
            Phase::AwaitWelcome | Phase::AwaitHello | Phase::Proven => return Ok(None),
        };
        let len = self.seal_any(me, &message, out)?;
        self.enter(next);
        if phase == Phase::WelcomeOwed(Admission::Pending) {
            self.stage = Stage::Closed;
        }
        Ok(Some(len))
    }

    /// The next statement of ours that the peer has yet to be shown.
    fn next_statement<'n>(&mut self, me: &'n LocalNode) -> Option<&'n Statement> {
        let next = me.chain().get(usize::from(self.shown));
        self.shown += u8::from(next.is_some());
        next
    }

    fn enter(&mut self, next: Phase) {
        if let Stage::Session(_, phase) = &mut self.stage {
            *phase = next;
        }
        if next == Phase::Up {
            self.timers.up();
        }
    }

    /// Numbers, signs and seals any message.
    fn seal_any(
        &mut self,
        me: &LocalNode,
        message: &Message,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<usize, LinkError> {
        let (Stage::Session(session, _), Some(peer)) = (&mut self.stage, &self.peer) else {
            return Err(LinkError::NotUp);
        };
        let plain = out.get_mut(FRAME_HEADER..).unwrap_or_default();
        let place = plain.get_mut(SEQ..SEQ + MAX_MESSAGE).unwrap_or_default();
        let body = message.encode(place).map_err(LinkError::BadMessage)?.len();
        let seq = self.tx + 1;
        let plain = envelope::sign(me, peer, seq, body, plain)
            .ok_or(LinkError::BadMessage(WireError::TooLong))?;
        let len = session.seal(Kind::Message, plain, out)?;
        self.tx = seq;
        Ok(len)
    }
}

/// The part whose messages these are; `None` for those of the link itself.
fn sender(message: &Message) -> Option<Role> {
    match message {
        Message::Hello(_)
        | Message::Welcome(..)
        | Message::Ping(_)
        | Message::Pong(_)
        | Message::Succession(_) => None,
        Message::Query(..) | Message::Command(..) | Message::Piece(_) => Some(Role::Controller),
        Message::Heartbeat(_)
        | Message::Answer(..)
        | Message::Receipt(..)
        | Message::Applied { .. }
        | Message::FoundShares(_)
        | Message::Image(_)
        | Message::Wanted(_) => Some(Role::Worker),
    }
}
