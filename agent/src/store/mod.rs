//! What a node keeps on disk: who it is, whom it obeys, what it was told last.
//!
//! | file | record | content |
//! |---|---|---|
//! | `node.json` | no, public | id, name, role, public keys, fingerprint |
//! | `private.key` | `SMSGKEY1` | the seed of all keys |
//! | `succession` | `SMSGSUC1` | 0 to 4 statements: how the key came to be this node's |
//! | `managers` | `SMSGMGR2` | 0 to 4 pins; the first holds desired state |
//! | `state` | `SMSGSTA1` | the last [`Desired`] applied, with its generation |
//! | `pairing` | `SMSGPAI1` | a one-time pairing code and when it ends |
//! | `owner.toml` | no, a person's | what the owner allows ([`OwnerWord`]); never written here |
//! | `candidates` | `SMSGCAN1` | the last 8 keys that were refused, for `miner peer list` |
//! | `tuning` | `SMSGTUN1` | what `miner tune` found, beside `node/` |
//!
//! The rig and the controller keep their identity by the same code. A damaged file is an error that
//! says what to do, never something to be replaced silently. Files are read when they are needed,
//! so what `miner peer accept` writes holds for a running `node serve` from the next handshake on, and
//! what `miner peer remove` takes back, or `miner node rotate-key` makes, within a second.

mod candidates;
#[cfg(test)]
mod cuts;
mod dirs;
pub mod file;
mod follow;
mod identity;
mod managers;
mod owner;
mod pairing;
mod reset;
mod rotate;
mod state;
#[cfg(test)]
mod testing;
mod tuning;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

pub use candidates::Candidates;
pub use dirs::Dirs;
pub use follow::Followed;
pub(crate) use follow::lead;
pub use identity::Node;
pub use managers::Managers;

use miner_shared::identity::NodeId;
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::owner::{OwnerError, OwnerWord};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

#[cfg(doc)]
use miner_shared::wire::Desired;

/// The files of one node.
#[derive(Clone, Debug)]
pub struct NodeStore {
    dirs: Dirs,
    owner: Option<Arc<OwnerWord>>,
}

impl NodeStore {
    /// The store in these folders; nothing is read or made yet.
    pub const fn new(dirs: Dirs) -> Self {
        Self { dirs, owner: None }
    }

    /// The folders.
    pub const fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    /// Claims the node for one serving process; held until the file is dropped. Two processes under
    /// one key would take each other for impostors.
    pub fn claim(&self) -> Result<File, StoreError> {
        let path = self.dirs.node().join("lock");
        let failed = |e| StoreError::Io(path.clone(), e);
        file::make_folder(&self.dirs.node(), file::Access::Private).map_err(failed)?;
        let mode = 0o600;
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true).mode(mode);
        let lock = options.open(&path).map_err(failed)?;
        let claim = FlockOperation::NonBlockingLockExclusive;
        match rustix::fs::flock(&lock, claim) {
            Ok(()) => Ok(lock),
            Err(Errno::WOULDBLOCK) => Err(StoreError::InUse(self.dirs.node())),
            Err(e) => Err(failed(e.into())),
        }
    }
}

/// Why a file was not read or written. `Display` is one line that says what to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The content is not what it should be: wrong magic, checksum, length or form.
    Damaged(PathBuf),
    /// The file is there already, and must not be replaced.
    Exists(PathBuf),
    /// Another process serves under this identity.
    InUse(PathBuf),
    /// The system refused.
    Io(PathBuf, io::Error),
    /// The owner's word cannot be read as one.
    Owner(PathBuf, OwnerError),
    /// The owner does not let this controller manage the machine.
    OwnerForbids(NodeId),
    /// The file that is to be the owner's word is not there.
    OwnerMissing(PathBuf),
    /// Public identity without private key.
    KeyMissing {
        /// Where the key should be.
        key: PathBuf,
        /// The public identity that is there.
        json: PathBuf,
    },
    /// The public identity belongs to another key.
    KeyMismatch(PathBuf),
    /// Neither XDG variables nor `$HOME` are set.
    NoHome,
    /// This machine is no node yet.
    NoNode,
    /// Not a regular file.
    NotAFile(PathBuf),
    /// Another user owns the file.
    NotOurs(PathBuf),
    /// A symbolic link stands where the file should be.
    Symlink(PathBuf),
    /// Others may read or write a private file; its mode.
    TooOpen(PathBuf, u32),
    /// Others may write a file that is the owner's; its mode.
    Writable(PathBuf, u32),
    /// Four managers are pinned already.
    TooManyManagers,
    /// A node cannot be its own manager.
    OwnFingerprint,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(path) => write!(
                f,
                "{} is damaged; restore it from a backup, or remove it to start without it",
                path.display()
            ),
            Self::Exists(path) => write!(
                f,
                "{} is there already; if this machine shall become a new node, run `node reset` first",
                path.display()
            ),
            Self::InUse(path) => write!(
                f,
                "another process serves with {}; stop it, or give this one folders of its own \
                 through XDG_CONFIG_HOME and XDG_DATA_HOME",
                path.display()
            ),
            Self::Io(path, e) => write!(f, "{}: {e}", path.display()),
            Self::KeyMissing { key, json } => write!(
                f,
                "{} is missing though {} is there; restore the key, or become a new node by \
                 `node reset`",
                key.display(),
                json.display()
            ),
            Self::KeyMismatch(path) => write!(
                f,
                "{} belongs to another key; remove it and it is written anew",
                path.display()
            ),
            Self::NoHome => {
                f.write_str("neither XDG_CONFIG_HOME and XDG_DATA_HOME nor HOME are set")
            }
            Self::NoNode => f.write_str(
                "this machine is no node yet; `node init` or any serving verb makes it one",
            ),
            Self::NotAFile(path) => write!(f, "{} is not a regular file", path.display()),
            Self::NotOurs(path) => write!(
                f,
                "{} belongs to another user; run as that user, or chown it",
                path.display()
            ),
            Self::Symlink(path) => write!(
                f,
                "{} is a symbolic link; put the file itself there",
                path.display()
            ),
            Self::TooOpen(path, mode) => write!(
                f,
                "{0} has mode {mode:04o}, so others may have read it; run: chmod 600 {0}",
                path.display()
            ),
            Self::Owner(path, error) => write!(
                f,
                "{}, {error}; until it is corrected this machine does not mine",
                path.display()
            ),
            Self::OwnerForbids(controller) => write!(
                f,
                "the owner of this machine does not let controller {controller} manage it; \
                 owner.toml lists who may"
            ),
            Self::OwnerMissing(path) => write!(
                f,
                "{} is not there, and without it nobody knows what the owner allows",
                path.display()
            ),
            Self::Writable(path, mode) => write!(
                f,
                "{0} has mode {mode:04o}, so others may write it; run: chmod go-w {0}",
                path.display()
            ),
            Self::TooManyManagers => write!(
                f,
                "{MAX_MANAGERS} managers are pinned already; `miner peer remove` makes room"
            ),
            Self::OwnFingerprint => f.write_str("that is this node's own fingerprint"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The system's random source. It waits until the kernel has seeded it, which matters on a machine
/// that has just booted.
pub fn system_rng() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_serves_under_an_identity() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let claim = store.claim().expect("free");
        assert!(matches!(store.claim(), Err(StoreError::InUse(_))));
        drop(claim);
        store.claim().expect("free again");
    }
}
