//! What is in a backup, and how it gets back to where it was.
//!
//! The pieces are a closed set: an archive names no paths, so none can lead anywhere. They are written
//! in an order in which a power cut leaves nothing that starts as something else:
//!
//! ```text
//!   node.json ─▶ certificate, configuration, state ─▶ registry ─▶ private key
//! ```
//! `node.json` without a key is a node that does not start, and a restore can be repeated.

use std::path::{Path, PathBuf};

use miner_agent::store::file::{self, Access};
use miner_agent::store::{Dirs, StoreError as FileError};
use miner_shared::identity::{Fingerprint, NodeId};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::seal::{MAX_BACKUP, Unsealed};
use crate::clock::EpochMs;
use crate::registry::RedbStore;
use crate::tls;

/// Bytes of the largest piece besides the registry: a certificate chain in PEM.
const MAX_FILE: u64 = 64 * 1024;

/// A file that a backup holds. Append-only: its number is in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Piece {
    /// Public identity.
    NodeJson,
    /// The seed of all keys.
    PrivateKey,
    /// How the key took the place of earlier ones.
    Succession,
    /// Whom a dual node obeys.
    Managers,
    /// What a dual node was told last.
    State,
    /// Key of `--tls`.
    TlsKey,
    /// Certificate of `--tls`.
    TlsCert,
    /// Rigs, wishes, profiles, tokens.
    Registry,
    /// Options of the service.
    Config,
}

impl Piece {
    /// In the order in which they are written.
    const ALL: [Self; 9] = [
        Self::NodeJson,
        Self::TlsKey,
        Self::TlsCert,
        Self::Config,
        Self::Succession,
        Self::Managers,
        Self::State,
        Self::Registry,
        Self::PrivateKey,
    ];

    /// Where it belongs.
    pub fn path(self, dirs: &Dirs) -> PathBuf {
        let [tls_key, tls_cert] = tls::own_files(dirs.data());
        match self {
            Self::NodeJson => dirs.node_json(),
            Self::PrivateKey => dirs.private_key(),
            Self::Succession => dirs.succession(),
            Self::Managers => dirs.managers(),
            Self::State => dirs.state(),
            Self::TlsKey => tls_key,
            Self::TlsCert => tls_cert,
            Self::Registry => RedbStore::file(dirs.data()),
            Self::Config => dirs.config().join("controller.toml"),
        }
    }

    const fn access(self) -> Access {
        match self {
            Self::NodeJson | Self::TlsCert | Self::Config => Access::Public,
            _ => Access::Private,
        }
    }
}

/// All that a backup holds. Wiped when dropped.
#[derive(Serialize, Deserialize)]
pub struct Archive {
    /// When it was made, in milliseconds since 1970.
    pub made_at_ms: u64,
    /// The program that made it.
    pub software: String,
    /// Whose it is.
    pub fingerprint: Fingerprint,
    pieces: Vec<(Piece, Vec<u8>)>,
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sizes: Vec<_> = self.sizes().collect();
        write!(f, "Archive {{ {}, {sizes:?} }}", self.fingerprint.node_id())
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        for (_, bytes) in &mut self.pieces {
            bytes.zeroize();
        }
    }
}

impl Archive {
    /// Whose it is.
    pub fn node_id(&self) -> NodeId {
        self.fingerprint.node_id()
    }

    /// Its pieces with their sizes in bytes.
    pub fn sizes(&self) -> impl Iterator<Item = (Piece, usize)> {
        self.pieces
            .iter()
            .map(|(piece, bytes)| (*piece, bytes.len()))
    }

    /// The plaintext of a backup.
    ///
    /// # Errors
    /// It is larger than a backup may be.
    pub fn encode(&self) -> Result<Unsealed, ArchiveError> {
        let pieces: usize = self.pieces.iter().map(|(_, bytes)| bytes.len() + 16).sum();
        let mut out = Unsealed::new(vec![0; pieces + self.software.len() + 256]);
        let len = postcard::to_slice(self, &mut out).map_err(|_| ArchiveError::TooLarge)?;
        let len = len.len();
        out.truncate(len);
        match u64::try_from(len) {
            Ok(len) if len < MAX_BACKUP => Ok(out),
            _ => Err(ArchiveError::TooLarge),
        }
    }

    /// The archive of an opened backup; each piece is there once, and the two that make a controller are.
    ///
    /// # Errors
    /// It is of a later version of this program, or not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let (archive, rest) =
            postcard::take_from_bytes::<Self>(bytes).map_err(|_| ArchiveError::Unknown)?;
        let mut seen: Vec<_> = archive.sizes().map(|(piece, _)| piece).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        let whole = [Piece::NodeJson, Piece::PrivateKey, Piece::Registry];
        if seen.len() != count
            || !rest.is_empty()
            || !whole.iter().all(|piece| seen.contains(piece))
        {
            return Err(ArchiveError::Unknown);
        }
        Ok(archive)
    }
}

/// Reads the pieces of the node in these folders; the registry's is given, since whoever serves has
/// it open.
///
/// # Errors
/// A file cannot be read, or is not private as it must be.
pub fn collect(
    dirs: &Dirs,
    registry: Vec<u8>,
    fingerprint: Fingerprint,
    now: EpochMs,
) -> Result<Archive, ArchiveError> {
    let mut pieces = vec![(Piece::Registry, registry)];
    for piece in Piece::ALL {
        if piece != Piece::Registry
            && let Some(bytes) = file::read(&piece.path(dirs), piece.access(), MAX_FILE)?
        {
            pieces.push((piece, bytes));
        }
    }
    Ok(Archive {
        made_at_ms: now.0,
        software: concat!("miner-ctrl ", env!("CARGO_PKG_VERSION")).to_owned(),
        fingerprint,
        pieces,
    })
}

/// Notes when a backup was made, for `doctor`.
///
/// # Errors
/// The disk did not do it.
pub fn note_made(dirs: &Dirs, now: EpochMs) -> Result<(), ArchiveError> {
    let text = format!("{}\n", now.0);
    Ok(file::write(&note(dirs), text.as_bytes(), Access::Private)?)
}

/// When the last backup was made here; `None` if none was.
///
/// # Errors
/// The note cannot be read.
pub fn made_at(dirs: &Dirs) -> Result<Option<EpochMs>, ArchiveError> {
    let bytes = file::read(&note(dirs), Access::Private, 32)?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().parse().ok());
    Ok(text.flatten().map(EpochMs))
}

fn note(dirs: &Dirs) -> PathBuf {
    dirs.data().join("backup.made")
}

/// The files of these folders that a restore would replace.
pub fn present(dirs: &Dirs) -> Vec<PathBuf> {
    let paths = Piece::ALL.map(|piece| piece.path(dirs));
    let there = |path: &PathBuf| path.symlink_metadata().is_ok();
    paths.into_iter().filter(there).collect()
}

/// Writes all pieces to where they belong. What is there goes to the folder `aside` first, as it is.
///
/// # Errors
/// The disk did not do it; repeat it with the same backup.
pub fn restore(archive: &Archive, dirs: &Dirs, aside: &Path) -> Result<(), ArchiveError> {
    for path in present(dirs) {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let to = aside.join(name);
        std::fs::create_dir_all(aside)
            .and_then(|()| std::fs::rename(&path, &to))
            .map_err(|error| FileError::Io(path, error))?;
    }
    for piece in Piece::ALL {
        let found = archive.pieces.iter().find(|(other, _)| *other == piece);
        if let Some((_, bytes)) = found {
            file::write(&piece.path(dirs), bytes, piece.access())?;
        }
    }
    Ok(())
}

/// Why there is no archive, or it was not written back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// More than a backup may hold.
    #[error("the registry is too large for a backup of {} MiB", MAX_BACKUP >> 20)]
    TooLarge,
    /// A later version's, or not whole.
    #[error("the backup was made by a newer miner-ctrl, or is not whole: run that version")]
    Unknown,
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use miner_agent::store::{NodeStore, system_rng};
    use miner_shared::identity::Role;
    use miner_shared::text::Name;

    use super::*;

    fn node(root: &Path) -> (Dirs, Fingerprint) {
        let dirs = Dirs::below(root);
        let store = NodeStore::new(dirs.clone());
        let name = Name::parse("control-center").expect("valid");
        let node = store.init(name, Role::Controller, &mut system_rng());
        (dirs, node.expect("new").fingerprint())
    }

    fn archive(dirs: &Dirs, fingerprint: Fingerprint) -> Archive {
        collect(dirs, b"rows".to_vec(), fingerprint, EpochMs(5)).expect("readable")
    }

    #[test]
    fn what_was_collected_is_written_back_elsewhere() {
        let (from, to) = (tempfile::tempdir(), tempfile::tempdir());
        let (from, to) = (from.expect("folder"), to.expect("folder"));
        let (dirs, fingerprint) = node(from.path());
        let bytes = archive(&dirs, fingerprint).encode().expect("small");
        let archive = Archive::decode(&bytes).expect("whole");
        assert_eq!(archive.node_id(), fingerprint.node_id());

        let there = Dirs::below(to.path());
        restore(&archive, &there, &to.path().join("aside")).expect("written");
        let restored = NodeStore::new(there.clone())
            .load()
            .expect("good")
            .expect("there");
        assert_eq!(restored.fingerprint(), fingerprint);
        assert_eq!(
            std::fs::read(RedbStore::file(there.data())).expect("there"),
            b"rows"
        );
        assert!(!to.path().join("aside").exists(), "nothing was in the way");
    }

    #[test]
    fn what_is_in_the_way_is_moved_aside_as_it_is() {
        let root = tempfile::tempdir().expect("folder");
        let (dirs, fingerprint) = node(root.path());
        let old = std::fs::read(dirs.private_key()).expect("there");
        let aside = root.path().join("aside");
        restore(&archive(&dirs, fingerprint), &dirs, &aside).expect("written");
        assert_eq!(std::fs::read(aside.join("private.key")).expect("kept"), old);
        assert_eq!(std::fs::read(dirs.private_key()).expect("there"), old);
    }

    #[test]
    fn a_power_cut_while_restoring_never_leaves_a_node_that_starts_as_another() {
        let from = tempfile::tempdir().expect("folder");
        let (dirs, fingerprint) = node(from.path());
        let archive = archive(&dirs, fingerprint);
        for written in 0..Piece::ALL.len() {
            let to = tempfile::tempdir().expect("folder");
            let there = Dirs::below(to.path());
            for piece in Piece::ALL.into_iter().take(written) {
                if let Some((_, bytes)) = archive.pieces.iter().find(|(p, _)| *p == piece) {
                    file::write(&piece.path(&there), bytes, piece.access()).expect("written");
                }
            }
            let found = NodeStore::new(there.clone()).load();
            let starts_anew = matches!(found, Ok(None));
            assert!(!matches!(found, Ok(Some(_))), "{written}: no key yet");
            assert_eq!(
                starts_anew,
                written == 0,
                "{written}: only an empty folder is new"
            );
        }
    }

    #[test]
    fn an_archive_without_a_key_or_with_a_piece_twice_is_refused() {
        let root = tempfile::tempdir().expect("folder");
        let (dirs, fingerprint) = node(root.path());
        let mut twice = archive(&dirs, fingerprint);
        twice.pieces.push((Piece::Registry, Vec::new()));
        let mut keyless = archive(&dirs, fingerprint);
        keyless
            .pieces
            .retain(|(piece, _)| *piece != Piece::PrivateKey);
        for bad in [twice, keyless] {
            let bytes = bad.encode().expect("small");
            assert!(matches!(
                Archive::decode(&bytes),
                Err(ArchiveError::Unknown)
            ));
        }
    }
}
