//! Boot images for rigs, built without root, loop mounts or the network.
//!
//! | module | what |
//! |---|---|
//! | [`disk`] | whole disks: BIOS and UEFI, ARM64 UEFI, Raspberry Pi |
//! | [`grub`] | what starts a disk under a BIOS |
//! | [`fat`], [`gpt`], [`mbr`] | file system and partition tables |
//! | [`sparse`] | a file that is mostly zeros |
//! | [`manifest`] | what an image consists of, signed |
//! | [`secrets`] | the search for what no image may hold |

pub mod disk;
pub mod fat;
pub mod gpt;
pub mod grub;
pub mod manifest;
pub mod mbr;
pub mod secrets;
pub mod sparse;
