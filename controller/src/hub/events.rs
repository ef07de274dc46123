//! What happened on the farm: typed, bounded, and honest about what it lost.

use serde::Serialize;

use crate::clock::EpochMs;

/// One entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Number since the controller's start, without gaps.
    pub seq: u64,
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// Node ID of the peer concerned, if one is.
    pub node_id: Option<String>,
    /// Its name in the registry, if it has one.
    pub node_name: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum EventKind {
    /// A peer was registered.
    PeerAdded,
    /// A peer was removed, its key is refused from now on.
    PeerRemoved,
    /// A link is up.
    LinkUp {
        /// Whether the peer dialled in.
        dialled_in: bool,
    },
    /// A link ended.
    LinkDown {
        /// Why.
        reason: &'static str,
    },
    /// A stranger completed a handshake and got nothing.
    UnknownKey {
        /// Its fingerprint.
        fingerprint: String,
    },
    /// A removed peer came back and got nothing.
    RemovedKey,
    /// The node at a peer's address has another key than the one pinned.
    WrongKey,
    /// Two processes use one key at the same time: a copied image or a stolen key.
    DuplicateIdentity,
    /// A handshake or session broke the protocol.
    ProtocolError {
        /// What was wrong.
        reason: String,
    },
    /// A new wish for a rig was stored.
    DesiredSet {
        /// Its number.
        generation: u64,
        /// Profile to mine with; `null` is "mine nothing".
        profile: Option<String>,
    },
    /// A rig reported that it has a wish.
    Applied {
        /// Its number.
        generation: u64,
    },
    /// A rig refused a wish.
    Refused {
        /// Its number.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// A rig was told something newer than the registry knows.
    Behind {
        /// The rig's generation.
        generation: u64,
    },
}
