//! What the process that supervises a worker tells it of the machine: what it was booted from, and how an update of
//! that does. The other way round is [`crate::report`].
//!
//! ```text
//!   supervisor ── how the machine was booted, how an update does ── record in FILE's sibling `system` ──▶ worker
//!
//!   a record (miner_shared::record) with the magic MINERSY1; its body is the postcard of `ImageStatus`
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
const MAX_BODY: usize = 256;

/// What is known where nobody says anything.
pub(crate) const UNKNOWN: ImageStatus = ImageStatus {
    boot: Boot::Foreign,
    image: None,
    update: None,
};

/// Where the file is: beside the worker's report.
pub(crate) fn beside(report: &Path) -> PathBuf {
    report.with_file_name(FILE)
}

/// Replaces the file: the supervisor's end.
pub(crate) fn write(path: &Path, status: &ImageStatus) -> Result<(), StoreError> {
    let (mut body, mut bytes) = ([0; MAX_BODY], [0; MAX_BODY + OVERHEAD]);
    let failed = |why: String| StoreError::Io(path.to_owned(), std::io::Error::other(why));
    let body = postcard::to_slice(status, &mut body).map_err(|error| failed(error.to_string()))?;
    let bytes =
        record::encode(MAGIC, body, &mut bytes).map_err(|error| failed(error.to_string()))?;
    file::write(path, bytes, Access::Public)
}

/// Reads the file: the worker's end. Where there is none, or none that can be read, nothing is known.
pub(crate) fn read(path: &Path) -> ImageStatus {
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

fn decode(bytes: &[u8]) -> Option<ImageStatus> {
    postcard::from_bytes(record::decode(MAGIC, bytes).ok()?).ok()
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

    fn longest() -> ImageStatus {
        let version = Version {
            major: u32::MAX,
            minor: u32::MAX,
            patch: u32::MAX,
        };
        ImageStatus {
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
        }
    }

    #[test]
    fn the_longest_status_is_read_as_it_was_written_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = beside(&folder.path().join("report"));
        assert_eq!(path, folder.path().join("system"));
        assert_eq!(read(&path), UNKNOWN, "there is none");
        for status in [longest(), UNKNOWN, longest()] {
            write(&path, &status).expect("written");
            assert_eq!(read(&path), status);
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
