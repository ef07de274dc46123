//! Which block device is the state volume, or the boot volume: a FAT volume labelled `FARMSTATE` or `FARMBOOT`,
//! never a device's name.
//!
//! ```text
//!   a partition whose uevent says PARTNAME=FARMSTATE (GPT) ─▶ else the label in a boot sector
//!
//!   boot sector   FAT32                 FAT12, FAT16
//!         label   71..82                43..54          space-padded
//!          type   82..87 "FAT32"        54..59 "FAT12" or "FAT16"
//!     signature   510..512: 55 AA
//! ```
//! Two volumes of that name are none: the rig could come up as another one each time that it starts.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use log::warn;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::Root;

/// Block devices that are looked at, at most.
const MAX_DEVICES: usize = 256;
const SECTOR: usize = 512;

/// What a look at all devices found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// None, or not yet.
    Nothing,
    /// The one.
    Device(PathBuf),
    /// More than one: their names.
    Several(Vec<String>),
}

/// Looks at every block device for the volume of this label, which is the partition's name too.
pub(super) fn find(root: &Root, label: &str) -> Found {
    let folder = root.at("sys/class/block");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.take(MAX_DEVICES).collect();
    names.sort_unstable();
    let named = |name: &&String| {
        let uevent = root.text(&format!("sys/class/block/{name}/uevent"));
        uevent.is_some_and(|text| is_named(&text, label))
    };
    let labelled =
        |name: &&String| boot_sector(root, name).is_some_and(|sector| is_labelled(&sector, label));
    let mut found: Vec<String> = names.iter().filter(named).cloned().collect();
    if found.is_empty() {
        found = names.iter().filter(labelled).cloned().collect();
    }
    match &*found {
        [] => Found::Nothing,
        [one] => Found::Device(root.at("dev").join(one)),
        _ => Found::Several(found),
    }
}

/// Mounts a FAT volume. FAT has no owners: all files are this user's, mode 0600. What a power cut left of one file
/// does not make the volume read-only for all others.
pub(super) fn mount_fat(device: &Path, folder: &Path, owner: u32) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let flags = MountFlags::NOATIME | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options = format!("uid={owner},gid={owner},fmask=0177,dmask=0077,tz=UTC,errors=continue");
    let options = CString::new(options)?;
    Ok(mount(device, folder, "vfat", flags, &*options)?)
}

/// Lets go of a volume; what is on it is whole then.
pub(super) fn unmount_whole(folder: &Path) {
    rustix::fs::sync();
    if let Err(error) = unmount(folder, UnmountFlags::empty()) {
        warn!("{} is in use still: {error}", folder.display());
        let _ = unmount(folder, UnmountFlags::DETACH);
    }
}

fn is_named(uevent: &str, label: &str) -> bool {
    let name = uevent
        .lines()
        .find_map(|line| line.strip_prefix("PARTNAME="));
    name == Some(label)
}

fn boot_sector(root: &Root, name: &str) -> Option<[u8; SECTOR]> {
    let mut sector = [0; SECTOR];
    let mut device = File::open(root.at("dev").join(name)).ok()?;
    device.read_exact(&mut sector).ok()?;
    Some(sector)
}

fn is_labelled(sector: &[u8; SECTOR], wanted: &str) -> bool {
    let at = |range: std::ops::Range<usize>| sector.get(range).unwrap_or_default();
    let label = match (at(82..87), at(54..59)) {
        (b"FAT32", _) => at(71..82),
        (_, b"FAT12" | b"FAT16") => at(43..54),
        _ => return false,
    };
    at(510..512) == [0x55, 0xaa] && label.trim_ascii_end() == wanted.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "FARMSTATE";

    fn sector(kind: &str, label: &str) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        let (label_at, kind_at) = if kind == "FAT32" { (71, 82) } else { (43, 54) };
        let label = format!("{label:<11}");
        sector[label_at..label_at + 11].copy_from_slice(label.as_bytes());
        sector[kind_at..kind_at + 5].copy_from_slice(kind.as_bytes());
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    fn devices(all: &[(&str, &str, [u8; SECTOR])]) -> (tempfile::TempDir, Root) {
        let (folder, root) = Root::with(&[("dev/null", "")]);
        for (name, uevent, sector) in all {
            let class = root.at("sys/class/block").join(name);
            fs::create_dir_all(&class).expect("made");
            fs::write(class.join("uevent"), uevent).expect("written");
            fs::write(root.at("dev").join(name), sector).expect("written");
        }
        (folder, root)
    }

    #[test]
    fn the_label_stands_where_the_kind_of_fat_says() {
        for kind in ["FAT12", "FAT16", "FAT32"] {
            assert!(is_labelled(&sector(kind, "FARMSTATE"), LABEL), "{kind}");
            assert!(!is_labelled(&sector(kind, "FARMSTATE2"), LABEL), "{kind}");
            assert!(!is_labelled(&sector(kind, "FARMBOOT"), LABEL), "{kind}");
            let mut unsigned = sector(kind, "FARMSTATE");
            unsigned[511] = 0;
            assert!(!is_labelled(&unsigned, LABEL), "{kind}");
        }
        assert!(!is_labelled(&sector("NTFS ", "FARMSTATE"), LABEL));
        assert!(!is_labelled(&[0xff; SECTOR], LABEL));
    }

    #[test]
    fn a_partitions_name_goes_before_a_label() {
        let (_folder, root) = devices(&[
            ("sda1", "DEVTYPE=partition\n", sector("FAT12", "FARMSTATE")),
            ("sdb2", "PARTN=2\nPARTNAME=FARMSTATE\n", [0; SECTOR]),
            ("sdb3", "PARTNAME=FARMSTATE2\n", [0; SECTOR]),
        ]);
        assert_eq!(find(&root, LABEL), Found::Device(root.at("dev/sdb2")));
    }

    #[test]
    fn a_whole_disk_may_be_the_volume_and_two_are_none() {
        let other = ("vda", "", sector("FAT32", "FARMBOOT"));
        let (_folder, root) = devices(&[other, ("vdb", "", sector("FAT32", "FARMSTATE"))]);
        assert_eq!(find(&root, LABEL), Found::Device(root.at("dev/vdb")));
        let (_folder, root) = devices(&[
            ("vda1", "", sector("FAT12", "FARMSTATE")),
            ("vdb1", "", sector("FAT12", "FARMSTATE")),
        ]);
        let both = vec!["vda1".to_owned(), "vdb1".to_owned()];
        assert_eq!(find(&root, LABEL), Found::Several(both));
        assert_eq!(find(&devices(&[other]).1, LABEL), Found::Nothing);
    }
}
