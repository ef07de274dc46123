//! What the worker has fetched. It has no rights and is not trusted: nothing here follows a link, waits for a
//! pipe, or reads more than it may.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use miner_shared::limits::MAX_MANIFEST;
use miner_shared::slots::{INITRAMFS_FILE, KERNEL_FILE};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fsync, openat, unlinkat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The folder, below the worker's home.
pub(super) const FOLDER: &str = "update";
pub(super) const MANIFEST: &str = "manifest";
/// Written last, when all is there that the running slot does not have.
pub(super) const READY: &str = "ready";
/// What it is, for the worker itself.
const OFFER: &str = "offer";

/// A folder with a release in it.
#[derive(Debug)]
pub(super) struct Fetched(OwnedFd);

impl Fetched {
    /// The folder below the worker's home, once it says that it is complete.
    pub(super) fn look(home: &Path) -> Option<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let folder = openat(CWD, home.join(FOLDER), flags, Mode::empty()).ok()?;
        let fetched = Self(folder);
        fetched.open(READY).ok()?;
        Some(fetched)
    }

    /// A regular file of the folder.
    pub(super) fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::RDONLY | OFlags::CLOEXEC;
        let file = File::from(openat(&self.0, name, flags, Mode::empty())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("it is not a file")),
        }
    }

    /// The manifest's file.
    pub(super) fn manifest(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.open(MANIFEST)?;
        file.take(MAX_MANIFEST as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Removes what was fetched, for good; what says that it is complete goes first. An error says that it
    /// will be found again.
    pub(super) fn clear(&self) -> io::Result<()> {
        let remove = |name: &str| match unlinkat(&self.0, name, AtFlags::empty()) {
            // The worker empties the folder too.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        remove(READY)?;
        // With the offer there the worker would fetch it once more.
        remove(OFFER)?;
        fsync(&self.0)?;
        for name in [MANIFEST, KERNEL_FILE, INITRAMFS_FILE] {
            // What is left does no harm, and the next release is written over it.
            let _ = remove(name);
        }
        Ok(())
    }
}
