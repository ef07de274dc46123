//! One end of one connection. API first; bodies follow.
#![expect(unused_variables, clippy::todo, reason = "bodies follow")]

use rand_core::CryptoRng;

use super::{Dial, Expect, LocalNode, Peer};
use crate::identity::Enrolment;
use crate::time::Millis;
use crate::wire::{Admission, Message, NodeCard, WireError};

/// One end of one connection.
#[derive(Debug)]
pub struct Link {
    _private: (),
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

/// What a received frame meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; an event lives for one call"
)]
#[non_exhaustive]
pub enum Event {
    /// Nothing for the caller; ask [`Link::poll_transmit`] as always.
    Idle,
    /// A message of the peer.
    Message(Message),
    /// Listener: the dialler has proven who it is and said Hello. Decide, then [`Link::welcome`] or
    /// drop the link: until then it sends nothing.
    PeerProven {
        /// The dialler.
        peer: Peer,
        /// How it introduces itself.
        card: NodeCard,
        /// Name of the token whose secret it knows, if it came with one.
        enrolled_by: Option<[u8; 8]>,
    },
    /// The answer to the last ping came.
    Pong {
        /// From sending the ping to the answer, in milliseconds.
        rtt_ms: u64,
    },
    /// Dialler with [`Expect::Probe`]: this node is there. The link is closed.
    Probed(Peer),
    /// A message with a number not above the last: dropped.
    Stale,
    /// Listener: the dialler names a token. Answer by [`Link::answer_token`].
    TokenAsked {
        /// The token's name.
        token_id: [u8; 8],
    },
    /// Dialler: the listener's Welcome came. With [`Admission::Pending`] the link is closed.
    Up {
        /// The listener.
        peer: Peer,
        /// How it introduces itself.
        card: NodeCard,
        /// What it made of us.
        admission: Admission,
    },
}

/// Why a link closed, or why a call was refused. For the local log: the peer is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// The message does not decode.
    BadMessage(WireError),
    /// The link was closed before.
    Closed,
}

impl core::fmt::Display for LinkError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        todo!()
    }
}

impl core::error::Error for LinkError {}

impl Link {
    /// The dialler's end of a new connection.
    pub fn dial(
        dial: Dial,
        expect: Expect,
        enrol: Option<&Enrolment>,
        memory: Option<SeqMemory>,
        now: Millis,
    ) -> Self {
        todo!()
    }

    /// The listener's end of a new connection.
    pub fn listen(now: Millis) -> Self {
        todo!()
    }

    /// Handles one received WebSocket binary message, in place. An error closes the link.
    pub fn handle_frame(
        &mut self,
        me: &LocalNode,
        now: Millis,
        rng: &mut dyn CryptoRng,
        frame: &mut [u8],
    ) -> Result<Event, LinkError> {
        todo!()
    }

    /// Writes the next frame that the link owes by itself into `out` and returns its length. Call it
    /// until `None` after every other call that changes the link. `out` takes
    /// [`crate::limits::MAX_FRAME`] bytes.
    pub fn poll_transmit(
        &mut self,
        me: &LocalNode,
        now: Millis,
        rng: &mut dyn CryptoRng,
        out: &mut [u8],
    ) -> Option<usize> {
        todo!()
    }

    /// Does what is due by time. An error closes the link, or says why it is closed.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<(), LinkError> {
        todo!()
    }

    /// When [`Link::handle_timeout`] wants to be called next; the past if the link is closed.
    pub fn poll_timeout(&self) -> Millis {
        todo!()
    }

    /// Listener, after [`Event::TokenAsked`]: the secret of that token, or `None` to close.
    pub fn answer_token(&mut self, secret: Option<&[u8; 16]>) -> Result<(), LinkError> {
        todo!()
    }

    /// Listener, after [`Event::PeerProven`]: admits the dialler, or holds it as pending, which
    /// closes the link once the Welcome is sent.
    pub fn welcome(
        &mut self,
        admission: Admission,
        memory: Option<SeqMemory>,
    ) -> Result<(), LinkError> {
        todo!()
    }

    /// Seals `message` into `out` and returns the frame's length. Frames must reach the socket in the
    /// order in which they were sealed or polled.
    pub fn seal(
        &mut self,
        me: &LocalNode,
        now: Millis,
        message: &Message,
        out: &mut [u8],
    ) -> Result<usize, LinkError> {
        todo!()
    }

    /// Asks the peer for a sign of life: [`Event::Pong`] says how long it took.
    pub fn ping(&mut self, now: Millis) {
        todo!()
    }

    /// Round trip of the last answered ping, in milliseconds.
    pub fn rtt_ms(&self) -> Option<u64> {
        todo!()
    }

    /// The other end, once it has proven who it is.
    pub fn peer(&self) -> Option<&Peer> {
        todo!()
    }

    /// The sequence numbers, to be given to the next link with this peer; `None` before the peer is
    /// proven.
    pub fn memory(&self) -> Option<SeqMemory> {
        todo!()
    }

    /// Whether messages may be sealed: the listener has welcomed the dialler as registered.
    pub fn is_up(&self) -> bool {
        todo!()
    }

    /// Whether the link is closed.
    pub fn is_closed(&self) -> bool {
        todo!()
    }

    /// Dialler: whether a new link should take this one's place, which stays up meanwhile.
    pub fn wants_renewal(&self, now: Millis) -> bool {
        todo!()
    }

    /// When the last authentic frame came; before the first one, when the link was made.
    pub fn last_received(&self) -> Millis {
        todo!()
    }

    /// The hash of the whole handshake, the same at both ends and at no other link.
    pub fn handshake_hash(&self) -> Option<[u8; 32]> {
        todo!()
    }
}
