//! The files of FARMBOOT.

use miner_shared::slots::{
    BootState, ENTRY_FOLDER, EntryName, GRUBENV_PATH, INITRAMFS_FILE, KERNEL_FILE, SCRIPT_FILE,
    Slot, Start,
};

use super::{Disk, DiskError, Kernel, Machine, pi};
use crate::fat::Tree;
use crate::grub::grub_cfg;

/// systemd-boot's settings: no menu, nothing to edit, no other systems.
const LOADER_CONF: &str = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\n";

/// The files, and how many bytes of them belong to the slot.
pub(super) fn files<'a>(disk: &Disk<'a>) -> Result<(Tree<'a>, u64), DiskError> {
    let mut files = Tree::default();
    let slot = match &disk.machine {
        Machine::Pc {
            boot_manager,
            kernel,
            ..
        } => {
            files.add("EFI/BOOT/BOOTX64.EFI", *boot_manager)?;
            files.add("grub/grub.cfg", grub_cfg().into_bytes())?;
            let state = BootState::confirmed(Slot::A).encode();
            files.add(GRUBENV_PATH, state.to_vec())?;
            let start = add_slot(&mut files, disk, kernel)?;
            let script = start.script().to_string();
            let path = format!("{}/{SCRIPT_FILE}", start.slot());
            files.add(&path, script.into_bytes())?;
            kernel.bytes()
        }
        Machine::Arm64 {
            boot_manager,
            kernel,
        } => {
            files.add("EFI/BOOT/BOOTAA64.EFI", *boot_manager)?;
            add_slot(&mut files, disk, kernel)?;
            kernel.bytes()
        }
        Machine::RaspberryPi(raspberry_pi) => pi::add(&mut files, raspberry_pi)?,
    };
    Ok((files, slot))
}

/// The slot that every firmware starts, and how UEFI does.
fn add_slot<'a>(
    files: &mut Tree<'a>,
    disk: &Disk<'a>,
    kernel: &Kernel<'a>,
) -> Result<Start<'a>, DiskError> {
    let slot = Slot::A;
    let start = Start::new(slot, disk.version, kernel.command_line);
    let start = start.ok_or(DiskError::CommandLine)?;
    let name = EntryName::confirmed(disk.version);
    files.add("loader/loader.conf", LOADER_CONF.as_bytes())?;
    let entry = start.entry().to_string();
    files.add(&format!("{ENTRY_FOLDER}/{name}"), entry.into_bytes())?;
    files.add(&format!("{slot}/{KERNEL_FILE}"), kernel.image)?;
    files.add(&format!("{slot}/{INITRAMFS_FILE}"), kernel.initramfs)?;
    Ok(start)
}
