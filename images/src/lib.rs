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

pub mod arch;
mod bytes;
pub mod cpio;
pub mod deb;
pub mod elf;
pub mod initramfs;
pub mod modules;
pub mod packages;
pub mod pe;
pub mod recipe;
pub mod source;
pub mod uki;
