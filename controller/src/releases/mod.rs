//! The releases that this controller has for rigs: files in its data directory, in the shape in which
//! `image build` writes them, and checked before they are handed to anyone.
//!
//! ```text
//!   releases/key                  the farm's release key, its public half: 64 digits, noted with the first release
//!   releases/<sha256>/manifest    <sha256> is that of the manifest: by this a release is called
//!                     vmlinuz, initrd
//!   releases/.<sha256>            a release that is being copied; whole, it gets its name
//! ```
//! The command line copies, and the controller takes in what it finds: no path ever comes over the network.
//! Rigs check everything again; who breaks into the controller can withhold releases, and not make them.
//!
//! | file | what |
//! |---|---|
//! | `mod` | what a release is, and the index of those that are here |
//! | `shelf` | the folder: copying in, checking, removing |
//! | `reader` | the thread that reads pieces |

mod reader;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use miner_shared::limits::MAX_PIECE;
use miner_shared::release::{ManifestError, Version};
use miner_shared::wire::{Offer, Wanted};
use smol::channel::{Sender, bounded};

pub use self::shelf::{Shelf, parse_key};
use crate::hub::ConnId;

/// Names of a release's files that rigs with slots take, beside the manifest.
pub const FILES: [&str; 2] = ["vmlinuz", "initrd"];
/// Releases that are kept: some 12 MB each.
pub const MAX_RELEASES: usize = 32;
/// Questions that wait for the disk: one of each connection at most, and who asked too much asks again.
const QUEUE: usize = 1_024;

/// SHA-256 of a manifest.
pub type ReleaseId = [u8; 32];

/// A release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// By this it is called.
    pub id: ReleaseId,
    /// What it runs on.
    pub arch: String,
    /// Its version.
    pub version: Version,
    /// The lowest version that can be updated to it.
    pub min_from: Version,
    /// Bytes of its manifest.
    pub manifest_size: u32,
    /// Its files with their lengths, as the manifest lists them.
    pub files: Vec<(String, u64)>,
}

impl Release {
    /// As a rig is told of it.
    pub const fn offer(&self) -> Offer {
        Offer {
            release: self.id,
            manifest_size: self.manifest_size,
            version: self.version,
        }
    }

    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        let files: u64 = self.files.iter().map(|(_, size)| size).sum();
        u64::from(self.manifest_size) + files
    }

    /// Name and length of a file, by its number on the wire.
    fn file(&self, number: u8) -> Option<(&str, u64)> {
        match usize::from(number).checked_sub(1) {
            None => Some((shelf::MANIFEST, self.manifest_size.into())),
            Some(at) => {
                let (name, size) = self.files.get(at)?;
                Some((name, *size))
            }
        }
    }
}

/// Why a release is not taken, or not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Untaken {
    /// The disk did not do it.
    #[error("{}: {error}", path.display())]
    Io {
        /// Of what.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// It is no manifest of this key.
    #[error("{}: {error}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// It is of another kind.
    #[error("the release is of `{0}`, and rigs are updated with `image`")]
    OtherProduct(String),
    /// It has other files than rigs with slots take.
    #[error(
        "the release has other files than vmlinuz and initrd: build it by a recipe whose output is boot files"
    )]
    OtherFiles,
    /// A file is not the one that the manifest names.
    #[error("{} is not the file that was signed: do not use it", .0.display())]
    OtherFile(PathBuf),
    /// A release of this version or a later one is here.
    #[error(
        "{version} is not above {there}, which is here for {arch}: rigs never go back; give the release a higher version"
    )]
    NotAbove {
        /// What was to be taken.
        version: Version,
        /// What is there.
        there: Version,
        /// For which machines.
        arch: String,
    },
    /// No key is known yet.
    #[error(
        "the farm's release key is not known here yet: add --public-key with the 64 digits that `image key` printed"
    )]
    NoKey,
    /// Another key than the one that is known.
    #[error("another release key is known here; who changes it has to write new images on all rigs, and removes the file {}", .0.display())]
    OtherKey(PathBuf),
    /// There are too many.
    #[error("{MAX_RELEASES} releases are kept already: `update remove` makes room")]
    TooMany,
    /// It is not here.
    #[error("there is no such release here; `update add` copies one in")]
    Unknown,
}

/// The releases of a controller that runs, and the thread that reads them. Dropping it ends the thread.
#[derive(Debug)]
pub struct Releases {
    shelf: Shelf,
    index: Index,
    work: Sender<Work>,
}

type Index = Arc<Mutex<BTreeMap<ReleaseId, Arc<Release>>>>;

/// What the thread does.
enum Work {
    /// Reads a piece for who is at the other end of this connection.
    Read(ConnId, Wanted),
    /// Checks a release that was copied in, and takes it.
    Take(ReleaseId, Sender<Result<Arc<Release>, Untaken>>),
    /// Removes a release.
    Remove(ReleaseId, Sender<Result<(), Untaken>>),
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// Takes a piece that was read: the bytes, none if there are no such.
pub type Deliver = Box<dyn Fn(ConnId, Wanted, &[u8]) -> bool + Send>;

impl Releases {
    /// Those on this shelf. `deliver` gets what is read on the thread; the thread ends when that says false.
    pub fn open(shelf: Shelf, deliver: Deliver) -> io::Result<Self> {
        let index: Index = Arc::default();
        for release in shelf.load() {
            lock(&index).insert(release.id, Arc::new(release));
        }
        let (work, todo) = bounded(QUEUE);
        let reader = reader::Reader::new(shelf.clone(), Arc::clone(&index), deliver);
        std::thread::Builder::new()
            .name("releases".to_owned())
            .spawn(move || reader.run(&todo))?;
        Ok(Self { shelf, index, work })
    }

    /// All, the highest version first.
    pub fn all(&self) -> Vec<Arc<Release>> {
        let mut all: Vec<_> = lock(&self.index).values().cloned().collect();
        all.sort_by(|a, b| b.version.cmp(&a.version).then_with(|| a.arch.cmp(&b.arch)));
        all
    }

    /// The release of this version for this architecture.
    pub fn of(&self, version: Version, arch: &str) -> Option<Arc<Release>> {
        let all = lock(&self.index);
        let mut found = all
            .values()
            .filter(|it| it.version == version && it.arch == arch);
        found.next().cloned()
    }

    /// The key that signs them, if one is known.
    pub fn key(&self) -> Option<[u8; 32]> {
        self.shelf.key().ok()
    }

    /// Asks for a piece; where too many ask, this one is forgotten, and asks again.
    pub fn read(&self, conn: ConnId, wanted: Wanted) {
        if let Err(error) = self.work.try_send(Work::Read(conn, wanted)) {
            log::debug!("piece not read reason={error}");
        }
    }

    /// Checks a release whose folder is on the shelf, and takes it.
    pub async fn take(&self, id: ReleaseId) -> Result<Arc<Release>, Untaken> {
        self.ask(|done| Work::Take(id, done)).await
    }

    /// Takes a release from those that are here, at once; its files are there until [`Self::remove`].
    pub fn withdraw(&self, id: &ReleaseId) -> Option<Arc<Release>> {
        lock(&self.index).remove(id)
    }

    /// Removes a release with its files.
    pub async fn remove(&self, id: ReleaseId) -> Result<(), Untaken> {
        self.ask(|done| Work::Remove(id, done)).await
    }

    async fn ask<T>(
        &self,
        work: impl FnOnce(Sender<Result<T, Untaken>>) -> Work,
    ) -> Result<T, Untaken> {
        let (done, answer) = bounded(1);
        // The thread lives as long as this does.
        let _sent = self.work.send(work(done)).await;
        answer.recv().await.unwrap_or(Err(Untaken::Unknown))
    }
}

fn lock(index: &Index) -> std::sync::MutexGuard<'_, BTreeMap<ReleaseId, Arc<Release>>> {
    // A panic while it was held is a bug that was reported; the map is whole.
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many bytes a piece from here on has.
fn piece_len(size: u64, from: u64) -> usize {
    let left = size.saturating_sub(from);
    usize::try_from(left).map_or(MAX_PIECE, |left| left.min(MAX_PIECE))
}
