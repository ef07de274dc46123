//! Archives in the form "newc" (kernel: Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! ```text
//! "070701" ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
//!          13 fields of 8 hexadecimal digits; namesize counts the NUL; check is 0
//! name NUL, zeros to a multiple of 4 | contents, zeros to a multiple of 4
//! … "TRAILER!!!", zeros to a multiple of 512
//! ```
//! Same entries, same bytes: inodes count from 1, owner and times are 0. Folders come before what is
//! in them, and come by themselves.

use std::collections::BTreeSet;

const FOLDER: u32 = 0o40_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o20_000;
const TRAILER: &str = "TRAILER!!!";
/// Longest name that the kernel takes, in bytes (PATH_MAX, with its NUL).
const MAX_NAME: usize = 4095;

/// Why an entry cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpioError {
    /// The name is absolute, leaves the archive, or is no name.
    #[error("{0:?} is no relative path of plain names")]
    BadName(String),
    /// Two entries with one name.
    #[error("{0} would be in the archive twice")]
    Twice(String),
    /// More than fits a field of eight hexadecimal digits.
    #[error("{0} is larger than 4 GiB")]
    TooLarge(String),
}

/// An archive in the making.
#[derive(Clone, Debug, Default)]
pub struct Cpio {
    out: Vec<u8>,
    names: BTreeSet<String>,
}

struct Entry<'a> {
    mode: u32,
    device: (u32, u32),
    contents: &'a [u8],
}

impl Cpio {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a folder, which need not have something in it.
    pub fn folder(&mut self, name: &str) -> Result<(), CpioError> {
        check_name(name)?;
        self.parents(name)?;
        self.folder_once(name)
    }

    /// Adds a file that everybody may read.
    pub fn file(&mut self, name: &str, contents: &[u8]) -> Result<(), CpioError> {
        self.add(name, FILE, (0, 0), contents)
    }

    /// Adds a file that everybody may start.
    pub fn program(&mut self, name: &str, contents: &[u8]) -> Result<(), CpioError> {
        self.add(name, PROGRAM, (0, 0), contents)
    }

    /// Adds a character device, such as `dev/console`, 0o600, (5, 1).
    pub fn device(&mut self, name: &str, mode: u32, device: (u32, u32)) -> Result<(), CpioError> {
        self.add(name, CHARACTER_DEVICE | mode, device, &[])
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        // No field of it can be too large.
        let _ = self.write(
            TRAILER,
            0,
            &Entry {
                mode: 0,
                device: (0, 0),
                contents: &[],
            },
        );
        pad(&mut self.out, 512);
        self.out
    }

    fn add(
        &mut self,
        name: &str,
        mode: u32,
        device: (u32, u32),
        contents: &[u8],
    ) -> Result<(), CpioError> {
        check_name(name)?;
        self.parents(name)?;
        if self.names.contains(name) {
            return Err(CpioError::Twice(name.to_owned()));
        }
        self.entry(
            name,
            &Entry {
                mode,
                device,
                contents,
            },
        )
    }

    fn parents(&mut self, name: &str) -> Result<(), CpioError> {
        for (at, _) in name.match_indices('/') {
            if let Some(parent) = name.get(..at) {
                self.folder_once(parent)?;
            }
        }
        Ok(())
    }

    fn folder_once(&mut self, name: &str) -> Result<(), CpioError> {
        if self.names.contains(name) {
            return Ok(());
        }
        self.entry(
            name,
            &Entry {
                mode: FOLDER,
                device: (0, 0),
                contents: &[],
            },
        )
    }

    fn entry(&mut self, name: &str, entry: &Entry<'_>) -> Result<(), CpioError> {
        self.names.insert(name.to_owned());
        self.write(name, self.names.len(), entry)
    }

    fn write(&mut self, name: &str, inode: usize, entry: &Entry<'_>) -> Result<(), CpioError> {
        let field =
            |number: usize| u32::try_from(number).map_err(|_| CpioError::TooLarge(name.to_owned()));
        let (major, minor) = entry.device;
        let fields = [
            field(inode)?,
            entry.mode,
            0,
            0,
            1,
            0,
            field(entry.contents.len())?,
            0,
            0,
            major,
            minor,
            field(name.len() + 1)?,
            0,
        ];
        self.out.extend(b"070701");
        for field in fields {
            self.out.extend(format!("{field:08X}").bytes());
        }
        self.out.extend(name.bytes());
        self.out.push(0);
        pad(&mut self.out, 4);
        self.out.extend(entry.contents);
        pad(&mut self.out, 4);
        Ok(())
    }
}

fn pad(out: &mut Vec<u8>, to: usize) {
    out.resize(out.len().next_multiple_of(to), 0);
}

fn check_name(name: &str) -> Result<(), CpioError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    if name.len() < MAX_NAME && name != TRAILER && name.split('/').all(plain) {
        Ok(())
    } else {
        Err(CpioError::BadName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_small_archive_are_these() {
        let mut cpio = Cpio::new();
        cpio.device("dev/console", 0o600, (5, 1)).unwrap();
        cpio.program("init", b"hello").unwrap();
        let bytes = cpio.finish();
        let text = String::from_utf8(bytes.clone()).unwrap().replace('\0', "~");
        let zeros = "00000000";
        let want = [
            format!("070701{:08X}{:08X}{zeros}{zeros}{:08X}", 1, 0o40_755, 1),
            zeros.repeat(6),
            format!("{:08X}{zeros}dev~~~", 4),
            format!("070701{:08X}{:08X}{zeros}{zeros}{:08X}", 2, 0o20_600, 1),
            zeros.repeat(4),
            format!("{:08X}{:08X}{:08X}{zeros}dev/console~~~", 5, 1, 12),
            format!("070701{:08X}{:08X}{zeros}{zeros}{:08X}", 3, 0o100_755, 1),
            zeros.to_owned(),
            format!("{:08X}{}", 5, zeros.repeat(4)),
            format!("{:08X}{zeros}init~~hello~~~", 5),
            format!("070701{}{:08X}", zeros.repeat(4), 1),
            zeros.repeat(6),
            format!("{:08X}{zeros}TRAILER!!!~", 11),
        ]
        .concat();
        assert_eq!(text.trim_end_matches('~'), want.trim_end_matches('~'));
        assert_eq!(bytes.len() % 512, 0);
    }

    #[test]
    fn a_folder_comes_once_and_before_what_is_in_it() {
        let mut cpio = Cpio::new();
        cpio.file("a/b/c", b"").unwrap();
        cpio.folder("a/b").unwrap();
        cpio.file("a/b/d", b"").unwrap();
        let text = String::from_utf8(cpio.finish()).unwrap();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("a\0") < at("a/b\0") && at("a/b\0") < at("a/b/c\0"));
        assert_eq!(text.matches("a/b\0").count(), 1);
    }

    #[test]
    fn names_that_leave_the_archive_or_come_twice_are_refused() {
        let mut cpio = Cpio::new();
        for name in [
            "", "/a", "a/", "a//b", "../a", "a/..", "./a", "a\0b", TRAILER,
        ] {
            let refused = CpioError::BadName(name.to_owned());
            assert_eq!(cpio.file(name, b""), Err(refused));
        }
        cpio.file("a", b"").unwrap();
        assert_eq!(cpio.file("a", b""), Err(CpioError::Twice("a".to_owned())));
    }
}
