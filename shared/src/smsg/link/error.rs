//! What a link tells its caller: events, and why it closed.

use core::fmt;

use super::super::Peer;
use super::super::frame::FrameError;
use super::super::noise::NoiseError;
use super::super::payload::PayloadError;
use crate::identity::{NotAStatement, Statement};
use crate::wire::{Admission, Message, NodeCard, WireError};

/// What a received frame meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; an event lives for one call"
)]
#[non_exhaustive]
pub enum Event {
    /// Nothing for the caller; ask [`poll_transmit`](super::Link::poll_transmit) as always.
    Idle,
    /// A message of the peer.
    Message(Message),
    /// Listener: the dialler has proven who it is and said Hello. Decide, then
    /// [`welcome`](super::Link::welcome) it or drop the link, which says nothing by itself.
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
    /// Dialler that named no fingerprint: who listens, before anything of us was told. Say the numbers
    /// that are remembered of it by [`go_on_from`](super::Link::go_on_from).
    Answered(Peer),
    /// Dialler with [`Expect::Probe`](super::Expect::Probe): this node is there. The link is closed.
    Probed(Peer),
    /// A message with a number not above the last: dropped.
    Stale,
    /// The peer shows a statement of succession. A program that has pinned a key which is not the
    /// peer's follows it ([`Pin::follow`](crate::identity::Pin::follow)). A dialler that arrives at
    /// the peer's key by it stores the new pin and says [`accept`](super::Link::accept); a listener
    /// decides when the peer has said Hello.
    Succession {
        /// The node that shows it.
        peer: Peer,
        /// What it shows.
        statement: Statement,
        /// How many more will come.
        left: u8,
    },
    /// Listener: the dialler names a token. Answer by [`answer_token`](super::Link::answer_token).
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
    /// The first frame names a suite, a dialling part or a token that there is not.
    BadFirst,
    /// The message does not decode.
    BadMessage(WireError),
    /// A frame of succession holds no statement.
    BadStatement(NotAStatement),
    /// The buffer for a frame holds less than [`crate::limits::MAX_FRAME`] bytes.
    BufferTooSmall,
    /// The link was closed before.
    Closed,
    /// No frame came for [`crate::limits::DEAD_MS`].
    Dead,
    /// The link is older than [`crate::limits::CLOSE_MS`].
    Expired,
    /// Not a frame that may come now.
    Frame(FrameError),
    /// The handshake took too long.
    HandshakeTimeout,
    /// A message that may not be sent or come at this point, or not from this side.
    Misplaced,
    /// A handshake or frame did not prove its sender.
    Noise(NoiseError),
    /// The link is not up.
    NotUp,
    /// The other end has our own key.
    OwnKey,
    /// The peer's handshake payload.
    Payload(PayloadError),
    /// The peer counts messages from a lower number than before in the same process.
    SeqForgotten,
    /// The token is unknown, used up or over.
    TokenRefused,
    /// A message of a later version than both ends agreed on.
    TooNew,
    /// The message has no good signature of the peer for us.
    Unsigned,
    /// Another node than the one expected; this is its fingerprint's node ID.
    WrongPeer(crate::identity::NodeId),
    /// One end's role does not contain the part that it would play on this link.
    WrongRole,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadFirst => f.write_str("the first frame names no suite or part"),
            Self::BadMessage(error) => write!(f, "bad message: {error}"),
            Self::BadStatement(error) => write!(f, "bad frame of succession: {error}"),
            Self::BufferTooSmall => f.write_str("the buffer is too small for a frame"),
            Self::Closed => f.write_str("the link is closed"),
            Self::Dead => f.write_str("the peer was silent for too long"),
            Self::Expired => f.write_str("the link is too old"),
            Self::Frame(error) => write!(f, "{error}"),
            Self::HandshakeTimeout => f.write_str("the handshake took too long"),
            Self::Misplaced => f.write_str("a message out of turn or from the wrong side"),
            Self::Noise(error) => write!(f, "handshake or frame refused: {error}"),
            Self::NotUp => f.write_str("the link is not up"),
            Self::OwnKey => f.write_str("the other end has this node's own key"),
            Self::Payload(error) => write!(f, "handshake payload refused: {error}"),
            Self::SeqForgotten => f.write_str("the peer forgot its sequence numbers"),
            Self::TokenRefused => f.write_str("the token is unknown, used up or over"),
            Self::TooNew => f.write_str("a message of a later version than agreed"),
            Self::Unsigned => f.write_str("a message without a good signature"),
            Self::WrongPeer(id) => write!(f, "another node answered: {id}"),
            Self::WrongRole => f.write_str("the role does not allow this part of the link"),
        }
    }
}

impl core::error::Error for LinkError {}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<NoiseError> for LinkError {
    fn from(error: NoiseError) -> Self {
        Self::Noise(error)
    }
}

impl From<NotAStatement> for LinkError {
    fn from(error: NotAStatement) -> Self {
        Self::BadStatement(error)
    }
}

impl From<PayloadError> for LinkError {
    fn from(error: PayloadError) -> Self {
        Self::Payload(error)
    }
}
