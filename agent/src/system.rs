//! What the process that supervises a worker tells it of the machine: what it was booted from, how an update of
//! that does, and which files a release need not bring. The other way round is [`crate::report`].
//!
//! ```text
//!   supervisor ── how the machine was booted, how an update does ── record in FILE's sibling `system` ──▶ worker
//!
//!   a record (miner_shared::record) with the magic MINERSY1; its body is the postcard of the fields of `System`
//! ```
//! The file is root's, everybody reads it, and each change replaces it whole. A worker on a system that is not ours
//! finds none.

use std::path::{Path, PathBuf};

use log::warn;
use miner_shared::record::{self, OVERHEAD};
use miner_shared::wire::{Boot, ImageStatus};

use crate::store::StoreError;
use crate::store::file::{self, Access};

/// The file's name.
const FILE: &str = "system";
const MAGIC: &[u8; 8] = b"MINERSY1";
/// Longest body: a test writes the longest there is.
const MAX_BODY: usize = 320;
/// A kernel and an initramfs.
const FILES_OF_A_SLOT: usize = 2;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) status: ImageStatus,
    /// SHA-256 of the files of the slot that runs.
    pub(crate) files: Files,
}

/// SHA-256 of each file of a slot.
pub(crate) type Files = heapless::Vec<[u8; 32], FILES_OF_A_SLOT>;

/// What is known where nobody says anything.
pub(crate) const UNKNOWN: System = System {
    status: ImageStatus {
        boot: Boot::Foreign,
        image: None,
        update: None,
    },
    files: Files::new(),
};

/// Where the file is: beside the worker's report.
pub(crate) fn beside(report: &Path) -> PathBuf {
    report.with_file_name(FILE)
}

/// Replaces the file: the supervisor's end.
pub(crate) fn write(path: &Path, system: &System) -> Result<(), StoreError> {
    let (mut body, mut bytes) = ([0; MAX_BODY], [0; MAX_BODY + OVERHEAD]);
    let failed = |why: String| StoreError::Io(path.to_owned(), std::io::Error::other(why));
    let fields = (&system.status, &system.files);
    let body = postcard::to_slice(&fields, &mut body).map_err(|error| failed(error.to_string()))?;
    let bytes =
        record::encode(MAGIC, body, &mut bytes).map_err(|error| failed(error.to_string()))?;
    file::write(path, bytes, Access::Public)
}

/// Reads the file: the worker's end. Where there is none, or none that can be read, nothing is known.
pub(crate) fn read(path: &Path) -> System {
    let max = (MAX_BODY + OVERHEAD) as u64;
    match file::read(path, Access::Owners, max) {
        Ok(None) => UNKNOWN,
        Ok(Some(bytes)) => decode(&bytes).unwrap_or_else(|| {
            warn!("{}: damaged; nothing is known of the image", path.display());
            UNKNOWN
        }),
        Err(error) => {
            warn!("{error}; nothing is known of the image");
            UNKNOWN
        }
    }
}

fn decode(bytes: &[u8]) -> Option<System> {
    let (status, files) = postcard::from_bytes(record::decode(MAGIC, bytes).ok()?).ok()?;
    Some(System { status, files })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use miner_shared::limits::MAX_NAME;
    use miner_shared::release::Version;
    use miner_shared::text::Text;
    use miner_shared::wire::{ImageId, Step, Update};

    use super::*;

    fn longest() -> System {
        let version = Version {
            major: u32::MAX,
            minor: u32::MAX,
            patch: u32::MAX,
        };
        let status = ImageStatus {
            boot: Boot::Slot,
            image: Some(ImageId {
                arch: Text::parse(&"a".repeat(MAX_NAME)).expect("valid"),
                version,
                on_trial: true,
                release_key: Some([0xff; 32]),
            }),
            update: Some(Update {
                release: [0xff; 32],
                version,
                step: Step::Fetching {
                    done: u64::MAX,
                    total: u64::MAX,
                },
            }),
        };
        System {
            status,
            files: [[0xff; 32]; FILES_OF_A_SLOT].into(),
        }
    }

    #[test]
    fn the_longest_status_is_read_as_it_was_written_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = beside(&folder.path().join("report"));
        assert_eq!(path, folder.path().join("system"));
        assert_eq!(read(&path), UNKNOWN, "there is none");
        for system in [longest(), UNKNOWN, longest()] {
            write(&path, &system).expect("written");
            assert_eq!(read(&path), system);
        }
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn what_is_damaged_or_could_be_anybodys_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("system");
        write(&path, &longest()).expect("written");
        let whole = fs::read(&path).expect("there");
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).expect("written");
            assert_eq!(read(&path), UNKNOWN, "cut at {cut}");
        }
        fs::write(&path, &whole).expect("written");
        assert_eq!(read(&path), longest());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("set");
        assert_eq!(read(&path), UNKNOWN, "others may write it");
    }
}
