//! Why a session ended.

use std::fmt;

use miner_shared::identity::Fingerprint;
use miner_shared::smsg::LinkError;

use super::socket::{CloseCode, SocketError};
use crate::store::StoreError;

/// Why a session ended. For the local log: the peer is told nothing.
#[derive(Debug)]
pub(crate) enum End {
    /// The controller with this key has yet to approve this rig.
    Pending(Fingerprint),
    /// Time for new keys of the session.
    Renew,
    /// This node has a new key.
    NewKey,
    /// Another connection of the same manager took its place.
    Replaced,
    /// Another process runs under this manager's key, and it is alive.
    Duplicate,
    /// The peer is nobody whom this rig obeys.
    NotAManager(Fingerprint),
    /// The pin of this manager was taken back.
    Unpinned,
    /// The program ends.
    Stopping,
    /// As many managers are connected as may be.
    TooMany,
    /// The peer does not take what it is sent.
    Stuck,
    Link(LinkError),
    Socket(SocketError),
    Store(StoreError),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(_) => f.write_str("the controller's owner has yet to approve this rig"),
            Self::Renew => f.write_str("time for new keys"),
            Self::NewKey => f.write_str("this rig has a new key"),
            Self::Replaced => f.write_str("replaced by a newer connection"),
            Self::Duplicate => f.write_str("duplicate-identity: another process uses this key"),
            Self::NotAManager(who) => write!(
                f,
                "not a manager; if it should be, run: miner peer accept {who}"
            ),
            Self::Unpinned => f.write_str("its manager is not pinned any more"),
            Self::Stopping => f.write_str("this program ends"),
            Self::TooMany => f.write_str("too many managers at a time"),
            Self::Stuck => f.write_str("the peer does not take what it is sent"),
            Self::Link(error) => error.fmt(f),
            Self::Socket(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl End {
    /// What of this a peer may know.
    pub(super) fn close_code(&self) -> CloseCode {
        match self {
            Self::Socket(error) => error.close_code(),
            Self::Stopping => CloseCode::Away,
            _ => CloseCode::Normal,
        }
    }
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

impl From<SocketError> for End {
    fn from(error: SocketError) -> Self {
        Self::Socket(error)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
