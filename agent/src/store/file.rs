//! One small file, written whole or not at all, and read only if nobody else could have written it.
//!
//! ```text
//!   write:  temporary name, mode at creation ─▶ fsync ─▶ rename ─▶ fsync ─▶ fsync of the folder
//!   read:   no symlink ─▶ regular file ─▶ ours ─▶ private: mode & 077 == 0 ─▶ not longer than it may be
//!                                         └ the owner's: root's too, mode & 022 == 0
//! ```
//! The second fsync is for FAT, the file system of a rig's state volume: where a file begins and how long it is
//! stands in its name's entry there. Of a rename alone an fsync of the folder writes the new name of an empty
//! file; the rest followed up to half a minute later.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::StoreError;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only its owner: 0600 in a folder of 0700, and refused at reading if looser.
    Private,
    /// Everybody: 0644.
    Public,
    /// Everybody, and only the machine's owner writes it: root or us, refused if others may write it.
    Owners,
}

impl Access {
    const fn file_mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public | Self::Owners => 0o644,
        }
    }

    const fn folder_mode(self) -> u32 {
        match self {
            Self::Private => 0o700,
            Self::Public | Self::Owners => 0o755,
        }
    }
}

/// Replaces the file by `bytes`, so that after a power cut either the old or the new content is
/// there. Makes missing folders.
pub fn write(path: &Path, bytes: &[u8], access: Access) -> Result<(), StoreError> {
    publish(path, bytes, access, |temporary, path| {
        fs::rename(temporary, path)
    })
}

/// As [`write()`], but fails with [`StoreError::Exists`] if the file is there, also when another
/// process makes it at the same moment.
pub fn create(path: &Path, bytes: &[u8], access: Access) -> Result<(), StoreError> {
    let outcome = publish(path, bytes, access, rename_new);
    match outcome {
        Err(StoreError::Io(path, e)) if e.kind() == io::ErrorKind::AlreadyExists => {
            Err(StoreError::Exists(path))
        }
        other => other,
    }
}

/// Renames, unless the new name is there.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        // Not every file system can; those have hard links, which FAT does not have.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

fn publish(
    path: &Path,
    bytes: &[u8],
    access: Access,
    into_place: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> Result<(), StoreError> {
    let failed = |e| StoreError::Io(path.to_owned(), e);
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    make_folder(folder, access).map_err(failed)?;
    let temporary = temporary_name(path);
    let outcome = write_new(&temporary, bytes, access).and_then(|file| {
        powered()?;
        into_place(&temporary, path)?;
        file.sync_all()?;
        sync_folder(folder)
    });
    outcome.map_err(|e| {
        if powered().is_err() {
            return failed(e);
        }
        // The file that failed to become `path` is of no use; a second failure changes nothing.
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

/// The content of the file, `None` if there is none, refused if it breaks a rule of the module head
/// or is longer than `max` bytes.
pub fn read(path: &Path, access: Access, max: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |e| StoreError::Io(path.to_owned(), e);
    // Non-blocking, so that opening a FIFO cannot hang the program.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) if e.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(StoreError::Symlink(path.to_owned()));
        }
        Err(e) => return Err(failed(e)),
    };
    check(path, &file, access)?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > max) {
        return Err(StoreError::Damaged(path.to_owned()));
    }
    Ok(Some(bytes))
}

/// Removes the file for good; that there is none is success too.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    let failed = |e| StoreError::Io(path.to_owned(), e);
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path.parent().unwrap_or_else(|| Path::new("/"))).map_err(failed),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(e)),
    }
}

/// The rules of SMSG section 1, asked of the open file so that nobody can swap it meanwhile.
fn check(path: &Path, file: &File, access: Access) -> Result<(), StoreError> {
    let meta = file
        .metadata()
        .map_err(|e| StoreError::Io(path.to_owned(), e))?;
    if !meta.is_file() {
        return Err(StoreError::NotAFile(path.to_owned()));
    }
    let roots = access == Access::Owners && meta.uid() == 0;
    if meta.uid() != rustix::process::geteuid().as_raw() && !roots {
        return Err(StoreError::NotOurs(path.to_owned()));
    }
    if access == Access::Private && meta.mode() & 0o077 != 0 {
        return Err(StoreError::TooOpen(path.to_owned(), meta.mode() & 0o777));
    }
    if access == Access::Owners && meta.mode() & 0o022 != 0 {
        return Err(StoreError::Writable(path.to_owned(), meta.mode() & 0o777));
    }
    Ok(())
}

pub(super) fn make_folder(folder: &Path, access: Access) -> io::Result<()> {
    // The folder of a bare name is the current one.
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent();
    if let Some(above) = above {
        // Folders above ours (`~/.local/share`) get the ordinary mode.
        make_folder(above, Access::Public)?;
    }
    let made = DirBuilder::new().mode(access.folder_mode()).create(folder);
    match (made, above) {
        (Err(e), _) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // What is in it is on the disk only if it is. On FAT, Linux also counts the first entries of a new folder
        // among those of the folder above until that one is synced: fsync of the new one leaves them out.
        (Ok(()), Some(above)) => sync_folder(above),
        (made, _) => made,
    }
}

/// Unique per process; within one process the same file is never written twice at a time.
fn temporary_name(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Whether a folder's entry is a temporary file of the file `name`, of whatever process.
pub(super) fn is_temporary_of(entry: &OsStr, name: &OsStr) -> bool {
    let parts = entry.to_str().zip(name.to_str());
    parts.is_some_and(|(entry, name)| {
        let id = entry
            .strip_prefix('.')
            .and_then(|rest| rest.strip_prefix(name));
        let id = id.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"));
        id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

fn write_new(path: &Path, bytes: &[u8], access: Access) -> io::Result<File> {
    // A process of this id may have died here before us.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    powered()?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(access.file_mode())
        .open(path)?;
    let (half, rest) = bytes.split_at(bytes.len() / 2);
    for part in [half, rest] {
        powered()?;
        file.write_all(part)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// Whether the power is still on; it always is, but in tests that cut it.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "a test's power cut is an error")]
const fn powered() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
use super::cuts::powered;

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn secret(root: &tempfile::TempDir) -> PathBuf {
        root.path().join("a/node/private.key")
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
    }

    #[test]
    fn a_private_file_is_0600_in_a_folder_of_0700_and_leaves_nothing_else() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        write(&path, b"one", Access::Private).expect("written");
        write(&path, b"two", Access::Private).expect("replaced");
        assert_eq!(
            read(&path, Access::Private, 3).expect("read"),
            Some(b"two".to_vec())
        );
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        let folder = path.parent().expect("has one");
        assert_eq!(fs::metadata(folder).expect("there").mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(folder).expect("there").count(), 1);
    }

    #[test]
    fn a_file_that_is_not_there_is_none() {
        let root = tempfile::tempdir().expect("temporary folder");
        assert_eq!(
            read(&secret(&root), Access::Private, 8).expect("none"),
            None
        );
        remove(&secret(&root)).expect("nothing to remove");
    }

    #[test]
    fn create_does_not_replace() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        create(&path, b"one", Access::Private).expect("new");
        assert!(matches!(
            create(&path, b"two", Access::Private),
            Err(StoreError::Exists(_))
        ));
        assert_eq!(fs::read(&path).expect("there"), b"one");
        assert_eq!(
            fs::read_dir(path.parent().expect("has one"))
                .expect("there")
                .count(),
            1
        );
    }

    #[test]
    fn a_temporary_file_is_known_by_its_name_and_nothing_else_is() {
        let path = Path::new("/a/private.key");
        let name = path.file_name().expect("has one");
        let ours = temporary_name(path);
        assert!(is_temporary_of(ours.file_name().expect("has one"), name));
        for other in [
            "private.key",
            ".private.key.tmp",
            ".private.key..tmp",
            ".private.key.7",
            ".private.key.7a.tmp",
            ".state.7.tmp",
            "private.key.7.tmp",
        ] {
            assert!(!is_temporary_of(OsStr::new(other), name), "{other}");
        }
    }

    #[test]
    fn a_symlink_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        write(&path, b"one", Access::Private).expect("written");
        let link = path.with_file_name("link");
        symlink(&path, &link).expect("linked");
        assert!(matches!(
            read(&link, Access::Private, 8),
            Err(StoreError::Symlink(_))
        ));
    }

    #[test]
    fn a_folder_and_a_fifo_are_refused_without_hanging() {
        let root = tempfile::tempdir().expect("temporary folder");
        assert!(matches!(
            read(root.path(), Access::Private, 8),
            Err(StoreError::NotAFile(_))
        ));
        let fifo = root.path().join("fifo");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).expect("made");
        assert!(matches!(
            read(&fifo, Access::Private, 8),
            Err(StoreError::NotAFile(_))
        ));
    }

    #[test]
    fn a_private_file_that_others_may_touch_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        write(&path, b"one", Access::Private).expect("written");
        for mode in [0o640, 0o604, 0o620, 0o601] {
            set_mode(&path, mode);
            assert!(
                matches!(read(&path, Access::Private, 8), Err(StoreError::TooOpen(_, m)) if m == mode)
            );
        }
        set_mode(&path, 0o400);
        assert!(read(&path, Access::Private, 8).is_ok());
    }

    #[test]
    fn a_file_of_another_owner_is_refused() {
        // Only root can make one; elsewhere the rule is exercised on a file that root owns.
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        write(&path, b"one", Access::Private).expect("written");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(12_345), None).expect("root may");
            assert!(matches!(
                read(&path, Access::Private, 8),
                Err(StoreError::NotOurs(_))
            ));
        } else {
            assert!(matches!(
                read(Path::new("/etc/passwd"), Access::Public, 1 << 20),
                Err(StoreError::NotOurs(_))
            ));
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = secret(&root);
        write(&path, b"12345", Access::Private).expect("written");
        assert!(matches!(
            read(&path, Access::Private, 4),
            Err(StoreError::Damaged(_))
        ));
    }
}
