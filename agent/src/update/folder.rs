//! The folder that a release is fetched into.
//!
//! | file | content |
//! |---|---|
//! | `offer` | record `MINEROF1`: what is fetched; written first |
//! | `manifest` | as the manager has it |
//! | `vmlinuz`, `initrd` | as far as they are there; not one that the slot that runs has too |
//! | `ready` | nothing; written last, when all others are on the disk |

use std::cmp::Ordering;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use log::warn;
use miner_shared::limits::{MAX_MANIFEST, MAX_PIECE};
use miner_shared::record;
use miner_shared::wire::Offer;
use rustix::fs::OFlags;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

/// Name of the manifest's file.
pub(super) const MANIFEST: &str = "manifest";
const OFFER: &str = "offer";
const READY: &str = "ready";
const MAGIC: &[u8; 8] = b"MINEROF1";
/// Name, length and three numbers of an offer, rounded up.
const MAX_OFFER: usize = 64;
/// When so many bytes were written since the last sync, there is another: none takes longer than they do.
const SYNC_BYTES: u64 = 1 << 20;
/// Bytes at the end of a file that may not be on the disk: a power cut can leave its length without them.
pub(super) const UNSURE: u64 = SYNC_BYTES + MAX_PIECE as u64;
/// What is left free of the file system for everything else on it.
const SPARE_BYTES: u64 = 1 << 20;

/// The folder.
pub(super) struct Folder(PathBuf);

/// A file of a release.
pub(super) struct Part {
    pub(super) name: Box<str>,
    pub(super) size: u64,
    pub(super) sha256: [u8; 32],
    /// Whether the slot that runs has the same, so that it is not fetched.
    pub(super) is_there: bool,
}

/// A file that is being fetched.
pub(super) struct Open {
    file: File,
    /// Bytes that are there.
    pub(super) len: u64,
    hash: Sha256,
    unsynced: u64,
    /// Whether some of it was there before.
    pub(super) resumed: bool,
}

/// The hash of a file that is whole and on the disk.
pub(super) struct Whole(pub(super) [u8; 32]);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What is being fetched.
    pub(super) fn offer(&self) -> Option<Offer> {
        let mut bytes = Vec::new();
        let file = File::open(self.0.join(OFFER)).ok()?;
        file.take(1 + (MAX_OFFER + record::OVERHEAD) as u64)
            .read_to_end(&mut bytes)
            .ok()?;
        let body = record::decode(MAGIC, &bytes).ok()?;
        match postcard::take_from_bytes(body) {
            Ok((offer, [])) => Some(offer),
            _ => None,
        }
    }

    /// Bytes of what is there, if it is left to process 1.
    pub(super) fn ready_bytes(&self) -> Option<u64> {
        fs::symlink_metadata(self.0.join(READY)).ok()?;
        let len = |name: &str| fs::metadata(self.0.join(name)).map_or(0, |meta| meta.len());
        let files = super::FILES.iter().copied();
        Some(files.chain([MANIFEST]).map(len).sum())
    }

    /// Empties it for another release.
    pub(super) fn begin(&self, offer: &Offer) -> io::Result<()> {
        self.empty()?;
        let (mut body, mut out) = ([0; MAX_OFFER], [0; MAX_OFFER + record::OVERHEAD]);
        let body = postcard::to_slice(offer, &mut body).map_err(io::Error::other)?;
        let bytes = record::encode(MAGIC, body, &mut out).map_err(io::Error::other)?;
        let mut file = options().create_new(true).open(self.0.join(OFFER))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        self.sync()
    }

    /// Nothing is in it then. What says that it is whole goes first, for good.
    pub(super) fn empty(&self) -> io::Result<()> {
        if self.0.exists() {
            absent(fs::remove_file(self.0.join(READY)))?;
            self.sync()?;
            fs::remove_dir_all(&self.0)?;
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        // On FAT Linux counts the first entries of a new folder among those of the folder above, until that
        // one is synced: as long as it is not, a sync of this one leaves them where they are.
        let above = self.0.parent().map(File::open);
        above.map_or(Ok(()), |above| above?.sync_all())
    }

    /// A file, from where it is: from what is surely on the disk, or the end of one that seems whole. One
    /// that is longer than it may be begins anew, as does one that the disk does not give back: on FAT a power
    /// cut can leave a file without some of its clusters.
    pub(super) fn open(&self, part: &Part) -> io::Result<Open> {
        let path = self.0.join(&*part.name);
        resume(&path, part.size).or_else(|error| {
            if error.raw_os_error() != Some(Errno::IO.raw_os_error()) {
                return Err(error);
            }
            warn!("{}: {error}; it is fetched anew", path.display());
            absent(fs::remove_file(&path))?;
            resume(&path, part.size)
        })
    }

    /// The manifest's bytes.
    pub(super) fn manifest(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = options().open(self.0.join(MANIFEST))?;
        file.take(1 + MAX_MANIFEST as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether what is not there of these files fits.
    pub(super) fn has_room_for(&self, parts: &[Part]) -> io::Result<bool> {
        let room = rustix::fs::statvfs(&self.0)?;
        let free = room.f_bavail.saturating_mul(room.f_frsize);
        let there = |part: &Part| {
            let meta = fs::symlink_metadata(self.0.join(&*part.name));
            meta.map_or(0, |meta| meta.len())
        };
        let fetched = parts.iter().filter(|part| !part.is_there);
        let missing = fetched.fold(SPARE_BYTES, |sum, part| {
            sum.saturating_add(part.size.saturating_sub(there(part)))
        });
        Ok(free >= missing)
    }

    /// Says that all is there.
    pub(super) fn ready(&self) -> io::Result<()> {
        self.sync()?;
        options()
            .create(true)
            .open(self.0.join(READY))?
            .sync_all()?;
        self.sync()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

impl Open {
    /// Writes what came to its end.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Forgets what is there.
    pub(super) fn begin_anew(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.len, self.unsynced, self.resumed) = (0, 0, false);
        self.hash = Sha256::new();
        Ok(())
    }

    /// The hash of what is there, which is on the disk then.
    pub(super) fn finish(&mut self) -> io::Result<Whole> {
        self.file.sync_all()?;
        Ok(Whole(self.hash.clone().finalize().into()))
    }
}

/// Opens a file that is to have so many bytes, and reads what is there of it.
fn resume(path: &Path, size: u64) -> io::Result<Open> {
    let mut file = options().create(true).open(path)?;
    let there = file.metadata()?.len();
    let kept = match there.cmp(&size) {
        Ordering::Less => there.saturating_sub(UNSURE),
        Ordering::Equal => there,
        Ordering::Greater => 0,
    };
    if kept < there {
        file.set_len(kept)?;
    }
    let (mut len, mut hash, mut buffer) = (0, Sha256::new(), [0; 4096]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => {
                hash.update(buffer.get(..count).unwrap_or_default());
                len += count as u64;
            }
        }
    }
    Ok(Open {
        file,
        len,
        hash,
        unsynced: 0,
        resumed: len > 0,
    })
}

fn options() -> OpenOptions {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed();
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(flags);
    options
}

fn absent(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
