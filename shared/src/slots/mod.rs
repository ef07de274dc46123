//! The boot partition of a disk image: two slots, and a trial that ends by itself.
//!
//! ```text
//! FARMBOOT   EFI/BOOT/BOOTX64.EFI               systemd-boot          (BOOTAA64.EFI on ARM64)
//!            loader/loader.conf
//!            loader/entries/miner-1.2.3.conf    how UEFI starts a slot
//!            loader/entries/miner-1.2.4+3.conf  the other, on trial: three more starts
//!            grub/grub.cfg, grub/grubenv        what a BIOS needs, on a PC
//!            a/vmlinuz, a/initrd                a slot: the same files for both
//!            a/boot.cfg                         how a BIOS starts it
//!            b/…                                the other
//!            update                             which release was tried, and what came of it
//! FARMSTATE  private.key, owner.toml, …
//! ```
//! | step | UEFI: the Boot Loader Specification's boot counting | BIOS: GRUB's saved environment |
//! |---|---|---|
//! | write | delete the other slot's entry, write its files, read back, the entry `miner-NEW+3.conf` last | delete its `boot.cfg`, write the files, `boot.cfg` last |
//! | try | systemd-boot starts the highest version; it renames `+3` to `+2-1` first | [`BootState::on_trial`]; GRUB counts down first |
//! | confirm | write `miner-NEW.conf`, delete the one that counts | [`BootState::confirmed`] |
//! | fall back | after `+0-3` the entry counts as bad: the other one starts | after 0 tries the other folder starts |
//!
//! Each step is done for both firmwares, so that a disk may move from one to the other at any time. Nothing
//! that the running system would need again is written to: a power cut at any moment leaves one slot that
//! starts. The boot state is one sector, written in one piece. Reading back is not optional: systemd-boot
//! leaves the machine to its firmware when a file does not load, and only the next start counts on.

mod grubenv;
mod names;
mod start;

pub use grubenv::{BootState, GRUBENV, Trial};
pub use names::{EntryName, NotAnEntry, Slot};
pub use start::{SLOT_WORD, Start};

/// Label of the volume that firmware boots from.
pub const BOOT_LABEL: &str = "FARMBOOT";
/// Label of the volume with the rig's identity.
pub const STATE_LABEL: &str = "FARMSTATE";
/// Where GRUB keeps the boot state, below the boot volume's root.
pub const GRUBENV_PATH: &str = "grub/grubenv";
/// The kernel of a slot, in its folder.
pub const KERNEL_FILE: &str = "vmlinuz";
/// As above: the initramfs, compressed.
pub const INITRAMFS_FILE: &str = "initrd";
/// GRUB's script in a slot's folder; GRUB takes one without for an empty slot.
pub const SCRIPT_FILE: &str = "boot.cfg";
/// Where systemd-boot looks for entries.
pub const ENTRY_FOLDER: &str = "loader/entries";
/// What process 1 remembers of an update, below the boot volume's root.
pub const UPDATE_PATH: &str = "update";
/// Starts that a slot on trial has.
pub const TRIES: u8 = 3;
