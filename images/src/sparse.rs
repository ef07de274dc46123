//! A file that is mostly zeros: the parts that are not, and how they get to disk.
//!
//! ```text
//!   0 ───────────────────────────────────────────── len
//!   [part]      [part][part]              [part]          holes between them are never written
//! ```
//! Parts borrow from the caller: a disk image of 128 MiB costs no more memory than its tables.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that are written between two reports of progress.
const CHUNK: usize = 1 << 20;

/// The content of a file of `len` bytes.
#[derive(Clone, Debug, Default)]
pub struct Image<'a> {
    len: u64,
    parts: Vec<(u64, Cow<'a, [u8]>)>,
}

/// How far [`Image::save`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of content that were written.
    pub written: u64,
    /// Bytes of content in all.
    pub total: u64,
}

impl<'a> Image<'a> {
    /// `len` bytes of zeros.
    pub const fn new(len: u64) -> Self {
        Self {
            len,
            parts: Vec::new(),
        }
    }

    /// Puts the bytes at this offset, over what was put there before. The image grows if they reach
    /// beyond its end.
    pub fn put(&mut self, at: u64, bytes: impl Into<Cow<'a, [u8]>>) {
        let bytes = bytes.into();
        self.len = self.len.max(at + bytes.len() as u64);
        if !bytes.is_empty() {
            self.parts.push((at, bytes));
        }
    }

    /// Puts a whole image at this offset, its holes excepted.
    pub fn put_image(&mut self, at: u64, image: Self) {
        self.len = self.len.max(at + image.len);
        self.parts.extend(
            image
                .parts
                .into_iter()
                .map(|(inner, part)| (at + inner, part)),
        );
    }

    /// Length in bytes, holes included.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes at all, not even zeros.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the parts, which is what the file takes on a disk that knows holes.
    pub fn content(&self) -> u64 {
        self.parts.iter().map(|(_, part)| part.len() as u64).sum()
    }

    /// Writes the image to `path`: to a temporary name beside it, flushed to the disk, then renamed, so
    /// that `path` is the whole image or what it was before. On Unix only the user may read the file,
    /// for it may hold an enrolment token.
    pub fn save(&self, path: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<()> {
        let partial = partial_name(path);
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let saved = self
            .write_to(&partial, progress)
            .and_then(|()| fs::rename(&partial, path));
        if saved.is_err() {
            // The error that counts is the first one.
            let _ = fs::remove_file(&partial);
        }
        saved.and_then(|()| flush_folder(path))
    }

    fn write_to(&self, path: &Path, progress: &mut dyn FnMut(Progress)) -> io::Result<()> {
        let mut file = create(path)?;
        file.set_len(self.len)?;
        let total = self.content();
        let mut written = 0;
        for (at, part) in &self.parts {
            file.seek(SeekFrom::Start(*at))?;
            for chunk in part.chunks(CHUNK) {
                file.write_all(chunk)?;
                written += chunk.len() as u64;
                progress(Progress { written, total });
            }
        }
        file.sync_all()
    }

    /// All bytes, holes included; for tests and for images that are known to be small.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        for (at, part) in &self.parts {
            let at = usize::try_from(*at).unwrap_or(usize::MAX);
            bytes[at..at + part.len()].copy_from_slice(part);
        }
        bytes
    }
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// A new file; never one that somebody else laid there.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A new name is on disk when its folder is.
fn flush_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_zeros_and_later_parts_lie_over_earlier_ones() {
        let mut image = Image::new(8);
        image.put(1, &b"abc"[..]);
        image.put(2, vec![b'X']);
        assert_eq!(image.to_vec(), b"\0aXc\0\0\0\0");
        assert_eq!((image.len(), image.content()), (8, 4));
    }

    #[test]
    fn an_image_grows_to_hold_what_is_put_into_it() {
        let mut outer = Image::new(2);
        let mut inner = Image::new(3);
        inner.put(0, &b"i"[..]);
        outer.put_image(4, inner);
        assert_eq!(outer.to_vec(), b"\0\0\0\0i\0\0");
    }

    #[test]
    fn a_saved_file_takes_the_old_ones_place_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("farm.img");
        fs::write(&path, b"old").unwrap();
        fs::write(partial_name(&path), b"left by a crash").unwrap();
        let mut image = Image::new(3 << 20);
        image.put(1 << 20, vec![7; CHUNK + 1]);
        let mut reports = Vec::new();
        image.save(&path, &mut |p| reports.push(p.written)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), image.to_vec());
        assert_eq!(reports, [1 << 20, (1 << 20) + 1]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_save_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("farm.img");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"").unwrap();
        assert!(Image::new(1).save(&path, &mut |_| {}).is_err());
        assert!(path.is_dir());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn holes_take_no_space() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("farm.img");
        let mut image = Image::new(64 << 20);
        image.put(32 << 20, vec![1; 4096]);
        image.save(&path, &mut |_| {}).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 64 << 20);
        assert!(metadata.blocks() * 512 < 1 << 20);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
}
