//! A Raspberry Pi's card: its firmware starts the kernel by itself.
//!
//! ```text
//! bootcode.bin, start*.elf, fixup*.dat     the firmware, which the user brings: it is not free
//! config.txt                               os_prefix=a/: everything below comes from that folder
//! a/kernel8.img, a/initrd, a/*.dtb, a/cmdline.txt
//! ```
//! An update fills `b/` and writes `tryboot.txt`, which is `config.txt` with `os_prefix=b/`; a restart with
//! the flag `tryboot` reads it once. Confirming puts it in the place of `config.txt`. Not tried on a board.

use miner_shared::slots::{INITRAMFS_FILE, Slot};

use super::DiskError;
use crate::fat::Tree;
use crate::mbr::{self, Partition};

/// What a Raspberry Pi starts.
#[derive(Clone, Copy, Debug)]
pub struct RaspberryPi<'a> {
    /// The raw ARM64 kernel.
    pub kernel: &'a [u8],
    /// The initramfs, compressed.
    pub initramfs: &'a [u8],
    /// The kernel's command line: one line of printable ASCII.
    pub command_line: &'a str,
    /// Device trees by file name, such as `bcm2711-rpi-4-b.dtb`.
    pub device_trees: &'a [(&'a str, &'a [u8])],
    /// The user's firmware, by path below the volume's root.
    pub firmware: &'a [(&'a str, &'a [u8])],
}

pub(super) fn add<'a>(files: &mut Tree<'a>, pi: &RaspberryPi<'a>) -> Result<u64, DiskError> {
    let slot = Slot::A;
    if !pi.command_line.bytes().all(|b| (b' '..0x7F).contains(&b)) {
        return Err(DiskError::CommandLine);
    }
    for (path, bytes) in pi.firmware {
        files.add(path, *bytes)?;
    }
    files.add("config.txt", config(slot).into_bytes())?;
    let command_line = format!("{} miner.slot={slot}\n", pi.command_line);
    files.add(&format!("{slot}/cmdline.txt"), command_line.into_bytes())?;
    files.add(&format!("{slot}/kernel8.img"), pi.kernel)?;
    files.add(&format!("{slot}/{INITRAMFS_FILE}"), pi.initramfs)?;
    let mut length = (pi.kernel.len() + pi.initramfs.len()) as u64;
    for (name, bytes) in pi.device_trees {
        files.add(&format!("{slot}/{name}"), *bytes)?;
        length += bytes.len() as u64;
    }
    Ok(length)
}

fn config(slot: Slot) -> String {
    format!(
        "arm_64bit=1\nenable_uart=1\nos_prefix={slot}/\nkernel=kernel8.img\n\
         initramfs {INITRAMFS_FILE} followkernel\n"
    )
}

/// The card's partitions: FARMBOOT, and FARMSTATE behind it.
pub(super) fn table(boot_at: u32, boot: u32, state: u32) -> [Partition; 2] {
    [
        Partition {
            kind: mbr::FAT32,
            first: boot_at,
            sectors: boot,
        },
        Partition {
            kind: mbr::FAT16,
            first: boot_at + boot,
            sectors: state,
        },
    ]
}
