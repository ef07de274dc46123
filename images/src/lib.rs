//! Boot images for rigs, built without root, loop mounts or the network.
//!
//! | module | what |
//! |---|---|
//! | [`recipe`] | which images there are, and their kernel command line |
//! | [`packages`], [`deb`] | Debian's packages, downloaded and unpacked without installing |
//! | [`source`] | what an image is made of: kernel, modules, stub, agent |
//! | [`modules`] | which kernel modules, in which order |
//! | [`cpio`], [`initramfs`] | the file system that the kernel starts with |
//! | [`pe`], [`uki`] | kernel, initramfs and command line in one EFI program |
//! | [`disk`] | whole disks: BIOS and UEFI, ARM64 UEFI, Raspberry Pi |
//! | [`grub`] | what starts a disk under a BIOS |
//! | [`fat`], [`gpt`], [`mbr`] | file system and partition tables |
//! | [`sparse`] | a file that is mostly zeros |
//! | [`build`] | from the parts to what a recipe makes |
//! | [`flash`] | an image onto a stick, card or disk |
//! | [`manifest`] | what an image consists of, signed |
//! | [`secrets`] | the search for what no image may hold |

pub mod arch;
pub mod build;
mod bytes;
pub mod cpio;
pub mod deb;
pub mod disk;
pub mod elf;
pub mod fat;
pub mod flash;
pub mod gpt;
pub mod grub;
pub mod initramfs;
pub mod manifest;
pub mod mbr;
pub mod modules;
pub mod packages;
pub mod pe;
pub mod recipe;
pub mod secrets;
pub mod source;
pub mod sparse;
pub mod uki;
