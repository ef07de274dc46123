//! Bytes in memory or on disk, some of them replaced for one rig.

use core::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::limits::{HTTP_PIECE, MAX_BOOT_FILE};

/// A file that is ready to be served. Clones share the bytes.
#[derive(Clone)]
pub struct Content {
    base: Base,
    len: u64,
    sha256: [u8; 32],
    patches: Arc<[Patch]>,
}

#[derive(Clone)]
enum Base {
    Memory(Arc<[u8]>),
    Disk(Arc<File>),
}

/// Bytes that stand in place of those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// Where they begin, from the start of the file.
    pub at: u64,
    /// As many as are replaced.
    pub bytes: Vec<u8>,
}

impl Content {
    /// A file in memory.
    pub fn memory(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            len: length(bytes.len()),
            sha256: Sha256::digest(&bytes).into(),
            base: Base::Memory(bytes),
            patches: Arc::default(),
        }
    }

    /// Opens and hashes a file. It is served as long as the content lives, even if the name goes.
    ///
    /// # Errors
    /// It cannot be read, is empty, no file, or longer than [`MAX_BOOT_FILE`].
    pub fn disk(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let len = metadata.len();
        if !metadata.is_file() || len == 0 || len > MAX_BOOT_FILE {
            let what = format!("a boot file has 1 to {MAX_BOOT_FILE} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut content = Self {
            base: Base::Disk(Arc::new(file)),
            len,
            sha256: [0; 32],
            patches: Arc::default(),
        };
        content.sha256 = content.hash()?;
        Ok(content)
    }

    fn hash(&self) -> io::Result<[u8; 32]> {
        let (mut hasher, mut piece) = (Sha256::new(), vec![0; HTTP_PIECE]);
        let mut at = 0;
        while at < self.len {
            let read = self.read_at(at, &mut piece)?;
            hasher.update(piece.get(..read).unwrap_or_default());
            at += length(read);
        }
        Ok(hasher.finalize().into())
    }

    /// Its bytes.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Of the bytes as they were before they were patched.
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The same file with other bytes in places.
    ///
    /// # Errors
    /// A patch goes beyond the file.
    pub fn patched(&self, patches: Vec<Patch>) -> io::Result<Self> {
        for patch in &patches {
            let end = patch.at.checked_add(length(patch.bytes.len()));
            if end.is_none_or(|end| end > self.len) {
                return Err(io::Error::other("a patch goes beyond the boot file"));
            }
        }
        Ok(Self {
            patches: patches.into(),
            ..self.clone()
        })
    }

    /// All of it.
    ///
    /// # Errors
    /// Those of [`Self::read_at`].
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.len).map_err(io::Error::other)?];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `out` from this place on; less only where the file ends.
    ///
    /// # Errors
    /// Those of the disk, also that the file has become shorter.
    pub fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let wanted = left.min(out.len());
        let out = out.get_mut(..wanted).unwrap_or_default();
        match &self.base {
            Base::Memory(bytes) => {
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                let bytes = bytes.get(at..).and_then(|rest| rest.get(..wanted));
                out.copy_from_slice(bytes.unwrap_or_default());
            }
            Base::Disk(file) => file.read_exact_at(out, at)?,
        }
        for patch in &*self.patches {
            patch.apply(at, out);
        }
        Ok(wanted)
    }
}

impl Patch {
    /// Writes the part of it that lies in `out`, which begins at `at` of the file.
    fn apply(&self, at: u64, out: &mut [u8]) {
        let skipped =
            |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let bytes = self.bytes.get(skipped(self.at, at)..).unwrap_or_default();
        let place = out.get_mut(skipped(at, self.at)..).unwrap_or_default();
        for (place, byte) in place.iter_mut().zip(bytes) {
            *place = *byte;
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.len)
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
