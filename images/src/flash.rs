//! Writing an image to a stick, card or disk.
//!
//! What the kernel says of the device decides (`/sys/class/block/NAME`, `/proc/self/mountinfo`, `/proc/swaps`):
//!
//! | device | then |
//! |---|---|
//! | no block device, a partition, read-only, too small | refused |
//! | mounted, swapped on, or part of a RAID, LVM or encrypted volume | refused |
//! | a disk that is built in: not removable, not on USB, no memory card | refused, unless told |
//! | else | written, flushed, and read back |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::sparse::Progress;

/// Bytes that are written or compared in one step.
const CHUNK: usize = 4 << 20;
/// Unit of `/sys/class/block/NAME/size`, whatever the disk's own.
const SECTOR: u64 = 512;

/// Why nothing was written, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlashError {
    /// A file or device.
    #[error("{}: {}", .0.display(), .1)]
    Io(PathBuf, io::Error),
    /// The target.
    #[error("{}: {}", .0.display(), .1)]
    Refused(PathBuf, Refusal),
    /// What was read back is not what was written.
    #[error("{}: byte {} reads back as something else; the device is broken", .0.display(), .1)]
    Differs(PathBuf, u64),
}

/// Why a device is not written to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No block device.
    #[error("no disk; give one such as /dev/sdb")]
    NotADisk,
    /// A partition.
    #[error("a partition; give the whole disk, such as /dev/{0}")]
    Partition(String),
    /// It cannot be written to.
    #[error("it is write-protected")]
    ReadOnly,
    /// The image does not fit.
    #[error("it has {has} bytes, and the image {needs}")]
    TooSmall {
        /// Bytes of the device.
        has: u64,
        /// Bytes of the image.
        needs: u64,
    },
    /// Somebody uses it.
    #[error("in use: {0}; unmount it first")]
    InUse(String),
    /// A disk of this machine.
    #[error(
        "a disk that is built in ({0}); say --fixed-disk if this machine is to lose what is on it"
    )]
    Fixed(String),
}

/// Where the kernel says what it knows; another folder in tests.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// `/sys`.
    pub sys: &'a Path,
    /// `/proc`.
    pub proc: &'a Path,
}

/// A disk that may be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The device.
    pub path: PathBuf,
    /// What it calls itself, such as `SanDisk Ultra`.
    pub model: String,
    /// Its length in bytes.
    pub bytes: u64,
}

impl System<'_> {
    /// Looks at a device that `needs` bytes of an image are to be written to; `fixed_too` allows a disk that
    /// is built in.
    ///
    /// # Errors
    /// The device is not one to write to.
    pub fn examine(
        &self,
        device: &Path,
        needs: u64,
        fixed_too: bool,
    ) -> Result<Target, FlashError> {
        let path =
            fs::canonicalize(device).map_err(|error| FlashError::Io(device.into(), error))?;
        let refused = |why| FlashError::Refused(path.clone(), why);
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| refused(Refusal::NotADisk))?;
        let block = self.sys.join("class/block").join(name);
        let size = text(&block.join("size")).parse::<u64>();
        let Ok(sectors) = size else {
            return Err(refused(Refusal::NotADisk));
        };
        // A name in /sys is a link to the device's place among buses and disks.
        let place = fs::canonicalize(&block).unwrap_or_else(|_| block.clone());
        if block.join("partition").exists() {
            let whole = place.parent().and_then(Path::file_name).unwrap_or_default();
            return Err(refused(Refusal::Partition(
                whole.to_string_lossy().into_owned(),
            )));
        }
        if text(&block.join("ro")) == "1" {
            return Err(refused(Refusal::ReadOnly));
        }
        let bytes = sectors.saturating_mul(SECTOR);
        if bytes < needs {
            return Err(refused(Refusal::TooSmall { has: bytes, needs }));
        }
        if let Some(user) = self.user_of(&block, name) {
            return Err(refused(Refusal::InUse(user)));
        }
        let model = [
            text(&block.join("device/vendor")),
            text(&block.join("device/model")),
        ]
        .join(" ");
        let model = if model.trim().is_empty() {
            name
        } else {
            model.trim()
        }
        .to_owned();
        let plugged = text(&block.join("removable")) == "1"
            || place.components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                part.starts_with("usb") || part.starts_with("mmc")
            });
        if !plugged && !fixed_too {
            return Err(refused(Refusal::Fixed(model)));
        }
        Ok(Target { path, model, bytes })
    }

    /// Who uses the disk or one of its partitions, in words.
    fn user_of(&self, block: &Path, name: &str) -> Option<String> {
        let mounts = text(&self.proc.join("self/mountinfo"));
        let swaps = text(&self.proc.join("swaps"));
        let parts = fs::read_dir(block).into_iter().flatten().flatten();
        let parts = parts
            .map(|entry| entry.path())
            .filter(|path| path.join("partition").exists());
        for part in std::iter::once(block.to_owned()).chain(parts) {
            let called = part
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or(name);
            let number = text(&part.join("dev"));
            // mountinfo: id, parent, major:minor, root, mount point, …
            let mounted = mounts.lines().find_map(|line| {
                let mut words = line.split(' ').skip(2);
                let same = words.next() == Some(&*number);
                same.then(|| words.nth(1).unwrap_or_default().to_owned())
            });
            if let Some(point) = mounted {
                return Some(format!("{called} is mounted at {point}"));
            }
            let device = format!("/dev/{called}");
            if swaps
                .lines()
                .any(|line| line.split_ascii_whitespace().next() == Some(&*device))
            {
                return Some(format!("{called} is swap"));
            }
            let holder = fs::read_dir(part.join("holders"))
                .into_iter()
                .flatten()
                .flatten()
                .next();
            if let Some(holder) = holder {
                return Some(format!(
                    "{called} is part of {}",
                    holder.file_name().to_string_lossy()
                ));
            }
        }
        None
    }
}

impl Target {
    /// Writes the image, flushes it, and reads it back. `progress` counts both ways.
    ///
    /// # Errors
    /// The image or the device fails, or what was written does not read back.
    pub fn write(
        &self,
        image: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), FlashError> {
        let of_image = |error| FlashError::Io(image.to_owned(), error);
        let of_device = |error| FlashError::Io(self.path.clone(), error);
        let mut from = File::open(image).map_err(of_image)?;
        let total = 2 * from.metadata().map_err(of_image)?.len();
        let mut options = OpenOptions::new();
        let mut to = options
            .read(true)
            .write(true)
            .open(&self.path)
            .map_err(of_device)?;
        let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
        let mut written = 0;
        loop {
            let len = fill(&mut from, &mut ours).map_err(of_image)?;
            if len == 0 {
                break;
            }
            to.write_all(ours.get(..len).unwrap_or_default())
                .map_err(of_device)?;
            written += len as u64;
            progress(Progress { written, total });
        }
        to.sync_all().map_err(of_device)?;
        from.seek(SeekFrom::Start(0)).map_err(of_image)?;
        to.seek(SeekFrom::Start(0)).map_err(of_device)?;
        let mut at = 0;
        loop {
            let len = fill(&mut from, &mut ours).map_err(of_image)?;
            if len == 0 {
                return Ok(());
            }
            let back = theirs.get_mut(..len).unwrap_or_default();
            to.read_exact(back).map_err(of_device)?;
            let differs = ours
                .iter()
                .zip(back.iter())
                .position(|(ours, theirs)| ours != theirs);
            if let Some(offset) = differs {
                return Err(FlashError::Differs(self.path.clone(), at + offset as u64));
            }
            at += len as u64;
            progress(Progress {
                written: written + at,
                total,
            });
        }
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(from: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = buffer.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            read => len += read,
        }
    }
    Ok(len)
}

/// A file of the kernel's without its last line end; empty if it is not there.
fn text(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with one disk of 1,000 sectors, `sdb`, with one partition.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(files: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let usual = [
                ("dev/sdb", ""),
                ("dev/sdb1", ""),
                ("dev/notes.txt", ""),
                ("sys/class/block/sdb/size", "1000\n"),
                ("sys/class/block/sdb/removable", "1\n"),
                ("sys/class/block/sdb/ro", "0\n"),
                ("sys/class/block/sdb/dev", "8:16\n"),
                ("sys/class/block/sdb/device/model", "Stick 3000 \n"),
                ("sys/class/block/sdb/sdb1/partition", "1\n"),
                ("sys/class/block/sdb/sdb1/dev", "8:17\n"),
                (
                    "proc/self/mountinfo",
                    "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n",
                ),
                ("proc/swaps", "Filename Type Size\n/dev/sda2 partition 1\n"),
            ];
            for (name, text) in usual.iter().chain(files) {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }

        fn examine(&self, name: &str, needs: u64, fixed_too: bool) -> Result<Target, FlashError> {
            let system = System {
                sys: &self.0.path().join("sys"),
                proc: &self.0.path().join("proc"),
            };
            system.examine(&self.0.path().join("dev").join(name), needs, fixed_too)
        }

        fn refusal(&self, name: &str) -> Refusal {
            match self.examine(name, 512, false) {
                Err(FlashError::Refused(_, refusal)) => refusal,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_stick_that_nobody_uses_is_taken_and_called_by_its_name() {
        let target = Machine::new(&[]).examine("sdb", 512_000, false).unwrap();
        assert_eq!((target.bytes, &*target.model), (512_000, "Stick 3000"));
    }

    #[test]
    fn what_is_no_whole_free_disk_is_refused() {
        let machine = Machine::new(&[]);
        assert_eq!(machine.refusal("notes.txt"), Refusal::NotADisk);
        let small = machine
            .examine("sdb", 512_001, false)
            .unwrap_err()
            .to_string();
        assert!(
            small.ends_with("it has 512000 bytes, and the image 512001"),
            "{small}"
        );
        let part = Machine::new(&[
            ("sys/class/block/sdb1/partition", "1\n"),
            ("sys/class/block/sdb1/size", "10\n"),
        ]);
        assert!(matches!(part.refusal("sdb1"), Refusal::Partition(_)));
        let locked = Machine::new(&[("sys/class/block/sdb/ro", "1\n")]);
        assert_eq!(locked.refusal("sdb"), Refusal::ReadOnly);
    }

    #[test]
    fn a_disk_in_use_is_refused_with_who_uses_it() {
        let mounted = (
            "proc/self/mountinfo",
            "30 21 8:17 / /media/stick rw - vfat /dev/sdb1 rw\n",
        );
        let swap = ("proc/swaps", "Filename Type\n/dev/sdb1 partition\n");
        let raid = ("sys/class/block/sdb/holders/md0", "");
        for (file, user) in [
            (mounted, "sdb1 is mounted at /media/stick"),
            (swap, "sdb1 is swap"),
            (raid, "sdb is part of md0"),
        ] {
            assert_eq!(
                Machine::new(&[file]).refusal("sdb"),
                Refusal::InUse(user.to_owned())
            );
        }
    }

    #[test]
    fn a_disk_that_is_built_in_is_written_to_only_when_told() {
        let fixed = Machine::new(&[("sys/class/block/sdb/removable", "0\n")]);
        assert_eq!(
            fixed.refusal("sdb"),
            Refusal::Fixed("Stick 3000".to_owned())
        );
        assert!(fixed.examine("sdb", 512, true).is_ok());
    }

    #[test]
    fn what_is_written_is_read_back_and_progress_ends_at_all() {
        let machine = Machine::new(&[]);
        let image = machine.0.path().join("image");
        let bytes: Vec<u8> = (0..CHUNK + 5).map(|at| at.to_le_bytes()[0]).collect();
        fs::write(&image, &bytes).unwrap();
        let target = machine.examine("sdb", 5, false).unwrap();
        let mut last = None;
        target
            .write(&image, &mut |progress| last = Some(progress))
            .unwrap();
        assert_eq!(fs::read(&target.path).unwrap(), bytes);
        let last = last.unwrap();
        assert_eq!(
            (last.written, last.total),
            (2 * bytes.len() as u64, 2 * bytes.len() as u64)
        );
    }
}
