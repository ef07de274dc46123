//! The files of FARMBOOT.

use miner_shared::slots::{
    BootState, GRUBENV_PATH, INITRAMFS_FILE, KERNEL_FILE, SCRIPT_FILE, Slot, UKI_FOLDER, UkiName,
};

use super::{Bios, Disk, DiskError, Machine, Uefi, pi};
use crate::fat::Tree;
use crate::grub::{boot_cfg, grub_cfg};

/// systemd-boot's settings: no menu, nothing to edit, no other systems.
const LOADER_CONF: &str = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n";

/// The files, and how many bytes of them belong to the slot.
pub(super) fn files<'a>(disk: &Disk<'a>) -> Result<(Tree<'a>, u64), DiskError> {
    let mut files = Tree::default();
    let slot = match &disk.machine {
        Machine::Pc { uefi, bios } => {
            let under_uefi = add_uefi(&mut files, disk, uefi, "EFI/BOOT/BOOTX64.EFI")?;
            under_uefi + add_bios(&mut files, bios)?
        }
        Machine::Arm64(uefi) => add_uefi(&mut files, disk, uefi, "EFI/BOOT/BOOTAA64.EFI")?,
        Machine::RaspberryPi(raspberry_pi) => pi::add(&mut files, raspberry_pi)?,
    };
    Ok((files, slot))
}

fn add_uefi<'a>(
    files: &mut Tree<'a>,
    disk: &Disk<'a>,
    uefi: &Uefi<'a>,
    boot_manager: &str,
) -> Result<u64, DiskError> {
    let name = UkiName::confirmed(disk.version);
    files.add(boot_manager, uefi.boot_manager)?;
    files.add("loader/loader.conf", LOADER_CONF.as_bytes())?;
    files.add(&format!("{UKI_FOLDER}/{name}"), uefi.uki)?;
    Ok(uefi.uki.len() as u64)
}

fn add_bios<'a>(files: &mut Tree<'a>, bios: &Bios<'a>) -> Result<u64, DiskError> {
    let slot = Slot::A;
    let boot_cfg = boot_cfg(slot, bios.command_line).ok_or(DiskError::CommandLine)?;
    let state = BootState::confirmed(slot).encode();
    files.add("grub/grub.cfg", grub_cfg().into_bytes())?;
    files.add(GRUBENV_PATH, state.to_vec())?;
    files.add(&format!("{slot}/{SCRIPT_FILE}"), boot_cfg.into_bytes())?;
    files.add(&format!("{slot}/{KERNEL_FILE}"), bios.kernel)?;
    files.add(&format!("{slot}/{INITRAMFS_FILE}"), bios.initramfs)?;
    Ok((bios.kernel.len() + bios.initramfs.len()) as u64)
}
