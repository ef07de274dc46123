//! What nodes say to each other once a link is up: the body of a MESSAGE frame.
//!
//! One enum, [`Message`], encoded by postcard. The encoding is append-only and frozen by bytes:
//! variants and fields are never reordered, changed or removed; what is new becomes a new variant
//! at the end (`tests/tests/wire_v01.rs` fails otherwise). The set of commands is closed: there is no shell, no
//! file path, no environment and no address to download from.
//!
//! ```text
//!   dialler ── Hello ─────────────────────────────▶ listener
//!           ◀──────────────────────────── Welcome ──
//!   either  ── Ping ──▶ Pong                          (the link answers by itself)
//!   manager ── Query { id, .. } ──▶ Answer { id, .. } no effect, may be repeated
//!   manager ── Command { op_id, .. } ──▶ Receipt { op_id, .. }   at most one effect per op_id
//!   worker  ── Heartbeat ──▶ manager                  each 10 s and on change
//!           ── Applied, FoundShares ──▶               version 2: on link up, and when there is something new
//!           ── Image ──▶                              version 3: as those
//!           ── Wanted ──▶ Piece                       version 3: after an Update was applied
//!   dialler ── Succession ──▶ listener                before Hello, if its key took another's place
//! ```

mod doctor;
mod found;
mod image;
mod plan;
mod profile;
mod stats;
mod version;

pub use doctor::{Finding, Findings, Interface, Interfaces, Severity};
pub use found::{FoundBatch, FoundShare, ShareVerdict};
pub use image::{
    Boot, ImageId, ImageStatus, Offer, OwnerView, Piece, Step, Update, UpdateFault, Wanted,
};
pub use plan::{PageWish, Plan};
pub use profile::{Algo, Backend, Mode, Pool, Profile, Threads};
pub use stats::{Activity, Memory, MinerStats, Pages, RigStats, Windows};

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::identity::{Fingerprint, Statement};
use crate::limits::{MAX_LOG_LINES, MAX_MANAGERS, MAX_MINERS, SIGNATURE};
use crate::text::{Label, LogText, MinerName, Name};

/// Lowest protocol version that this code still speaks.
pub const MIN_VERSION: u8 = 1;
/// Highest protocol version that this code speaks.
pub const MAX_VERSION: u8 = 3;

/// Names one command with an effect; 16 random bytes chosen by the manager.
pub type OpId = [u8; 16];

/// The body of one MESSAGE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; a message lives for one call"
)]
#[non_exhaustive]
pub enum Message {
    /// First message of the dialler, sent together with the third handshake message.
    Hello(NodeCard),
    /// The listener's answer to `Hello`; nothing else is said before it.
    Welcome(Admission, NodeCard),
    /// Asks for a [`Message::Pong`] with the same number.
    Ping(u64),
    /// The number of the ping that it answers.
    Pong(u64),
    /// A worker's statistics, each 10 s and on change.
    Heartbeat(RigStats),
    /// A question; answered by [`Message::Answer`] with the same id.
    Query(u32, Query),
    /// The answer to the query of this id.
    Answer(u32, Answer),
    /// An order with an effect; answered by [`Message::Receipt`] with the same op_id.
    Command(OpId, Command),
    /// What became of the command of this op_id.
    Receipt(OpId, Outcome),
    /// One of the statements that the dialler announced in its payload; sent before `Hello`.
    Succession(Statement),
    /// Which state a worker has in force, after each link up and each change. Since version 2.
    Applied {
        /// The state's number.
        generation: u64,
        /// [`State::hash`] of it.
        hash: [u8; 32],
    },
    /// Shares that a worker found. Since version 2.
    FoundShares(FoundBatch),
    /// What the worker's machine was booted from, and how its update does: after each link up, and on
    /// change. Since version 3.
    Image(ImageStatus),
    /// A worker asks for a piece of a release. Since version 3.
    Wanted(Wanted),
    /// The piece that it asked for. Since version 3.
    Piece(Piece),
}

/// How a node introduces itself. A label, not an identity: that is proven by the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeCard {
    /// Human-readable name.
    pub name: Name,
    /// Program and version, such as `miner 0.1.0`.
    pub software: Label,
    /// Operating system and architecture, such as `linux x86_64`.
    pub host: Label,
}

/// What the listener made of the dialler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Admission {
    /// The dialler's key is in the listener's registry.
    Registered,
    /// The owner has yet to approve it: the link closes, the dialler comes again in 60 s.
    Pending,
}

/// A question without effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Query {
    /// Who and what the node is.
    GetInfo,
    /// Statistics now.
    GetStats,
    /// Log records of a miner.
    GetLogs {
        /// Which miner; an unknown name is refused with those present.
        miner: MinerName,
        /// Number of the first record wanted; `None` for the last `lines` of the log.
        cursor: Option<u64>,
        /// How many records, at most [`MAX_LOG_LINES`] of which come in one answer.
        lines: u16,
    },
    /// Whom the rig obeys.
    GetManagers,
    /// Log records of a miner that are at least this serious. Since version 2.
    GetLogsFrom {
        /// As in [`Query::GetLogs`].
        miner: MinerName,
        /// Number of the first record looked at; `None` for the last `lines` that are serious enough.
        cursor: Option<u64>,
        /// As in [`Query::GetLogs`].
        lines: u16,
        /// Least serious level wanted.
        level: Level,
    },
    /// What the rig finds wrong with itself and its machine. Since version 2.
    GetDoctor,
    /// Its network interfaces, for who wants to wake it. Since version 2.
    GetNetwork,
    /// What its owner lets it do. Since version 3.
    GetOwner,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Query::GetInfo`].
    Info(NodeInfo),
    /// To [`Query::GetStats`].
    Stats(RigStats),
    /// To [`Query::GetLogs`] and [`Query::GetLogsFrom`].
    Logs(LogPage),
    /// Not answered, and why.
    Refused(Refusal),
    /// To [`Query::GetManagers`]: the first holds desired state.
    Managers(Vec<Manager, MAX_MANAGERS>),
    /// To [`Query::GetDoctor`].
    Doctor(Findings),
    /// To [`Query::GetNetwork`]: the interfaces that are up, without loopback.
    Network(Interfaces),
    /// To [`Query::GetOwner`].
    Owner(OwnerView),
}

/// A controller that a rig obeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manager {
    /// Its identity.
    pub fingerprint: Fingerprint,
    /// Ed25519 key that may put another controller in its place, if it named one.
    pub recovery: Option<[u8; 32]>,
}

/// Who and what a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Name, program, host.
    pub card: NodeCard,
    /// Logical processors.
    pub cpus: u16,
    /// Model name of the processor, empty if the system does not say.
    pub cpu_model: Label,
    /// Memory of the machine, in MiB; `None` if the system does not say.
    pub memory_mib: Option<u32>,
    /// Since the agent's start, in milliseconds.
    pub uptime_ms: u64,
}

/// Part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Number of the first record in `lines`; records are numbered from 0 at the agent's start.
    pub first: u64,
    /// Number that the next record after those in `lines` has: the cursor to go on with.
    pub next: u64,
    /// Number that the log's next new record will get; `next == end` means nothing is left.
    pub end: u64,
    /// Records that were wanted but have fallen out of the ring.
    pub lost: u64,
    /// The rig's clock when it answered: milliseconds since the agent's start.
    pub now_ms: u64,
    /// The records, oldest first.
    pub lines: Vec<LogLine, MAX_LOG_LINES>,
}

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in milliseconds since the agent's start.
    pub at_ms: u64,
    /// How serious.
    pub level: Level,
    /// What.
    pub text: LogText,
}

/// Seriousness of a log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// The program cannot go on with something.
    Error,
    /// Worth waking someone.
    Warn,
    /// A change of state that an operator cares for.
    Info,
    /// A decision.
    Debug,
    /// A frame or a line.
    Trace,
}

/// An order with an effect. Closed: what is not here cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; a command lives for one call"
)]
#[non_exhaustive]
pub enum Command {
    /// Be in this state from now on, also after a power cut. The first manager's alone.
    SetState(Desired),
    /// Pin this Ed25519 key as the sender's recovery key. Any manager's, for its own pin.
    PinRecovery {
        /// The recovery key.
        key: [u8; 32],
        /// By the recovery key that is pinned, if another one is
        /// ([`RecoveryKey::hand_over`](crate::identity::RecoveryKey::hand_over)).
        proof: Option<Bytes<SIGNATURE>>,
    },
    /// Take this manager for the first. The first manager's alone.
    Handover {
        /// A manager of this rig.
        to: Fingerprint,
    },
    /// Obey this manager no more. The first manager's alone, about another.
    Revoke {
        /// A manager of this rig.
        manager: Fingerprint,
    },
    /// Make a new key, and let it take the old one's place. The first manager's alone.
    Rotate,
    /// End the miner with its threads and memory, and start it anew from the stored state. The first
    /// manager's alone, as all that follow. Since version 2.
    Restart,
    /// Start the machine anew. Only on machines that are the rig's own. Since version 2.
    Reboot,
    /// Switch the machine off. As `Reboot`. Since version 2.
    PowerOff,
    /// Show the person beside the machine which one it is. Since version 2.
    Locate {
        /// For how long, at most [`MAX_LOCATE_SECS`](crate::limits::MAX_LOCATE_SECS).
        seconds: u16,
    },
    /// Log what is at least this serious, and never less than info, until the agent's next start. Since
    /// version 2.
    SetLogLevel(Level),
    /// Fetch this release and start it on trial. Only on machines with slots. Since version 3.
    Update(Offer),
    /// Fetch no more of the release of this name, and forget what was fetched. A slot that was written
    /// already is tried all the same. Since version 3.
    CancelUpdate([u8; 32]),
}

/// What a rig should be doing, with the number that orders such wishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// Rises with every change at the controller; 0 is "never told".
    pub generation: u64,
    /// The wish.
    pub state: State,
}

/// Mining with a profile, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Mine nothing.
    Stopped,
    /// Mine as the profile says.
    Mine(Profile),
    /// Mine as the plan says, or rest. Since version 2.
    Plan(Plan),
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, and kept on disk.
    Applied,
    /// The rig was there already: same generation.
    AlreadyThere,
    /// The rig has been told something newer: its generation.
    Behind(u64),
    /// Not done, and why.
    Refused(Refusal),
}

/// Why a node did not do or answer something. A closed set: no free text from the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The sender is not a manager of this node, or not the one that holds desired state.
    NotAllowed,
    /// No miner has this name; these exist.
    NoSuchMiner(Vec<MinerName, MAX_MINERS>),
    /// The node cannot run this backend or algorithm.
    Unsupported,
    /// The op_id was used before for another command.
    OpIdReused,
    /// The state could not be written to disk, so it was not applied.
    NotStored,
    /// The profile needs TLS to the pool, which this agent was built without.
    NoTls,
    /// The profile wants fast mode, and the machine has too little memory for it.
    TooLittleMemory,
    /// The node is no worker.
    NotAWorker,
    /// Too much was asked at once: ask again later.
    Busy,
    /// No manager of this rig has this fingerprint.
    NoSuchManager,
    /// Another recovery key is pinned, and the proof is not by it.
    BadProof,
    /// The machine is not the rig's own: its agent was not started as the one to restart it or switch it
    /// off. Since version 2.
    NotOurImage,
    /// The owner of the machine does not allow it. Since version 2.
    OwnerForbids,
    /// The machine has no slots to update: it boots from the network, or by a system of its own. Since
    /// version 3.
    NoSlots,
}

impl Message {
    /// Encodes into `out`, which [`crate::limits::MAX_MESSAGE`] bytes always satisfy.
    pub fn encode<'b>(&self, out: &'b mut [u8]) -> Result<&'b [u8], WireError> {
        postcard::to_slice(self, out)
            .map(|bytes| &*bytes)
            .map_err(|_| WireError::TooLong)
    }

    /// Decodes exactly these bytes: what is left over is an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        match postcard::take_from_bytes(bytes) {
            Ok((message, [])) => Ok(message),
            Ok(_) => Err(WireError::TrailingBytes),
            Err(_) => Err(WireError::Malformed),
        }
    }
}

/// Why bytes are no message, or a message no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// Not an encoding of any message of this version.
    Malformed,
    /// The buffer is too small.
    TooLong,
    /// A message, and then something else.
    TrailingBytes,
}

impl core::fmt::Display for WireError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a message of this version",
            Self::TooLong => "the buffer is too small for the message",
            Self::TrailingBytes => "bytes follow the message",
        })
    }
}

impl core::error::Error for WireError {}
