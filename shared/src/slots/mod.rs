//! The boot partition of a disk image: two slots, and a trial that ends by itself.
//!
//! ```text
//! FARMBOOT   EFI/BOOT/BOOTX64.EFI               systemd-boot          (BOOTAA64.EFI on ARM64)
//!            loader/loader.conf
//!            EFI/Linux/miner-1.2.3.efi          a slot under UEFI: one file
//!            EFI/Linux/miner-1.2.4+3.efi        the other, on trial: three more starts
//!            grub/grub.cfg, grub/grubenv        what a BIOS needs
//!            a/vmlinuz, a/initrd, a/boot.cfg    a slot under a BIOS
//!            b/…                                     the other
//! FARMSTATE  private.key, owner.toml, …
//! ```
//! | step | UEFI: the Boot Loader Specification's boot counting | BIOS: GRUB's saved environment |
//! |---|---|---|
//! | write | delete the other file; write `miner-NEW+3.efi` under another name, flush, read back, rename | delete `boot.cfg` of the other folder, write the files, `boot.cfg` last |
//! | try | systemd-boot starts the highest version; it renames `+3` to `+2-1` first | [`BootState::on_trial`]; GRUB counts down first |
//! | confirm | rename to `miner-NEW.efi` | [`BootState::confirmed`] |
//! | fall back | after `+0-3` the file counts as bad: the other one starts | after 0 tries the other folder starts |
//!
//! Nothing that the running system would need again is written to: a power cut at any moment leaves one
//! slot that starts. The boot state is one sector, written in one piece. Reading back is not optional:
//! systemd-boot leaves the machine to its firmware when a file does not load, and only the next start
//! counts on.

mod grubenv;
mod names;

pub use grubenv::{BootState, GRUBENV, Trial};
pub use names::{NotASlot, Slot, UkiName};

/// Label of the volume that firmware boots from.
pub const BOOT_LABEL: &str = "FARMBOOT";
/// Label of the volume with the rig's identity.
pub const STATE_LABEL: &str = "FARMSTATE";
/// Where GRUB keeps the boot state, below the boot volume's root.
pub const GRUBENV_PATH: &str = "grub/grubenv";
/// The files of a slot under a BIOS; GRUB takes a folder without the script for an empty slot.
pub const KERNEL_FILE: &str = "vmlinuz";
/// As above: the initramfs, compressed.
pub const INITRAMFS_FILE: &str = "initrd";
/// As above: the script that starts them.
pub const SCRIPT_FILE: &str = "boot.cfg";
/// Where systemd-boot looks for slots.
pub const UKI_FOLDER: &str = "EFI/Linux";
/// Starts that a slot on trial has.
pub const TRIES: u8 = 3;
