//! What is done to the files of the boot volume, step by step.
//!
//! Each step is on the disk before the next begins, and what is written is read back from the disk, not from
//! memory. Nothing is renamed: on FAT a power cut within a rename can leave two names for one file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use miner_shared::limits::MAX_SLOT_ENTRIES;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};

/// Bytes that are copied at a time.
const CHUNK: usize = 16 * 1024;

/// The folder that the boot volume is mounted at.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    /// Steps until a test's power cut.
    #[cfg(test)]
    pub(super) left: std::cell::Cell<Option<u32>>,
}

impl Disk {
    pub(super) const fn at(folder: PathBuf) -> Self {
        Self {
            folder,
            #[cfg(test)]
            left: std::cell::Cell::new(None),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// What of these bytes is written in this step: all, unless a test cuts the power.
    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, reason = "a test's power cut is an error")]
    const fn step<'b>(&self, bytes: &'b [u8]) -> io::Result<(&'b [u8], bool)> {
        Ok((bytes, true))
    }

    /// As above; the step in which the power is cut is half done.
    #[cfg(test)]
    fn step<'b>(&self, bytes: &'b [u8]) -> io::Result<(&'b [u8], bool)> {
        let left = self.left.get();
        self.left.set(left.map(|left| left.saturating_sub(1)));
        match left {
            None | Some(2..) => Ok((bytes, true)),
            Some(1) => Ok((bytes.get(..bytes.len() / 2).unwrap_or_default(), false)),
            Some(0) => Err(io::Error::other("no power")),
        }
    }

    /// A small file; `None` if there is none. One that is longer than it may be is none of ours.
    pub(super) fn read(&self, path: &str, max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        match File::open(self.path(path)) {
            Ok(file) => file.take(max as u64 + 1).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok((bytes.len() <= max).then_some(bytes))
    }

    /// The names in a folder, those that are text; none where there is no folder.
    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(folder)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?.take(MAX_SLOT_ENTRIES),
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        Ok(names.filter_map(|name| name.into_string().ok()).collect())
    }

    pub(super) fn make_folder(&self, path: &str) -> io::Result<()> {
        self.step(&[])?;
        match fs::create_dir(self.path(path)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.sync(&self.folder),
        }
    }

    /// Removes a file; that there is none is success too.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        self.step(&[])?;
        let path = self.path(path);
        match fs::remove_file(&path) {
            Ok(()) => self.sync(path.parent().unwrap_or(&self.folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes a small file, which is made if it is not there.
    pub(super) fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.copy(path, &mut { bytes }, bytes.len() as u64)?;
        match self.read(path, bytes.len())? {
            Some(back) if back == bytes => Ok(()),
            _ => Err(other_bytes()),
        }
    }

    /// Writes over the bytes of a file of the same length, where they are on the disk: boot loaders do the
    /// same. What matters of it lies in its first sector, which a disk writes in one piece.
    pub(super) fn overwrite(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let (_, powered) = self.step(bytes)?;
        let file = OpenOptions::new().write(true).open(self.path(path))?;
        file.write_all_at(bytes, 0)?;
        file.sync_all()?;
        powered.then_some(()).ok_or_else(other_bytes)
    }

    /// Writes a file of so many bytes from what `from` has, and gives their SHA-256.
    pub(super) fn copy(&self, path: &str, from: &mut dyn Read, size: u64) -> io::Result<[u8; 32]> {
        self.step(&[])?;
        let path = self.path(path);
        let mut file = File::create(&path)?;
        let sum = through(&mut from.take(size), &mut |chunk| {
            let (part, powered) = self.step(chunk)?;
            file.write_all(part)?;
            powered.then_some(()).ok_or_else(other_bytes)
        })?;
        self.step(&[])?;
        file.sync_all()?;
        // The next to read it gets what is on the disk.
        fadvise(&file, 0, None, Advice::DontNeed)?;
        self.sync(path.parent().unwrap_or(&self.folder))?;
        Ok(sum)
    }

    /// A file to be copied.
    pub(super) fn open(&self, path: &str) -> io::Result<File> {
        File::open(self.path(path))
    }

    /// Length and SHA-256 of a file.
    pub(super) fn sum(&self, path: &str) -> io::Result<(u64, [u8; 32])> {
        let mut file = self.open(path)?;
        let len = file.metadata()?.len();
        Ok((len, through(&mut file, &mut |_| Ok(()))?))
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

/// Hands all bytes on, a few at a time, and gives their SHA-256.
fn through(
    from: &mut dyn Read,
    to: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(count) => {
                let chunk = buffer.get(..count).unwrap_or_default();
                hash.update(chunk);
                to(chunk)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn other_bytes() -> io::Error {
    io::Error::other("the disk does not read back what was written")
}
