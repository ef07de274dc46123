//! Whole disks: what a stick, an SSD or an SD card of a rig holds.
//!
//! | sectors of 512 bytes | PC (GPT) | ARM64 with UEFI (GPT) | Raspberry Pi (MBR) |
//! |---|---|---|---|
//! | 0 | GRUB's code, protective MBR | protective MBR | MBR |
//! | 1-33, and the last 33 | GPT | GPT | |
//! | 2048-4095 | p3 BIOS boot: GRUB's core | | |
//! | 4096-.. | p1 FARMBOOT, FAT32 | p1 FARMBOOT, FAT32 | p1 FARMBOOT, FAT32 |
//! | .. | p2 FARMSTATE, FAT16, 32 MiB | p2, 48 MiB | p2, 48 MiB |
//!
//! FARMBOOT has room for two slots, of which one is filled: [`miner_shared::slots`] says how an update
//! fills the other, from files that were fetched to FARMSTATE. All ids are constants, so that the same files make the same disk and no disk tells
//! who made it; a rig gets its identity when it starts for the first time.

mod boot;
mod inspect;
mod pi;
#[cfg(test)]
mod tests;

pub use inspect::{Found, volumes};
pub use pi::RaspberryPi;

use miner_shared::release::Version;
use miner_shared::slots::{BOOT_LABEL, STATE_LABEL};

use crate::fat::{FatError, FatKind, SECTOR, Tree, Volume};
use crate::gpt::{self, GptError, Guid};
use crate::grub::{self, GrubError};
use crate::mbr;
use crate::sparse::Image;

/// What an image for x86-64 may hold, in bytes; its holes do not count.
pub const X86_64_BUDGET: u64 = 24_000_000;

const MIB: u64 = (1 << 20) / SECTOR as u64;
const BIOS_BOOT_AT: u64 = MIB;
const BOOT_AT: u64 = 2 * MIB;
/// FARMSTATE holds a fetched slot beside the rig's own files.
const STATE_X86_64: u64 = 32 * MIB;
const STATE_ARM64: u64 = 48 * MIB;
/// FARMBOOT grows in steps, so that small changes of a kernel leave the layout as it is.
const BOOT_STEP: u64 = 16 * MIB;
const MIN_BOOT: u64 = 64 * MIB;

const DISK_ID: Guid = Guid::new(0x83ba_03f7, 0xea7b, 0x4aff, 0xb267_f667_5a01_2616);
const BOOT_ID: Guid = Guid::new(0xe024_3eea, 0x858a, 0x47ee, 0x94cb_9c5e_7ec5_9fc9);
const STATE_ID: Guid = Guid::new(0x16c6_7dd6, 0x4302, 0x48ab, 0xb330_1b16_5d54_916c);
const BIOS_BOOT_ID: Guid = Guid::new(0x7288_5ef0, 0xc83f, 0x445c, 0x94b6_aa97_f45d_573d);
const MBR_ID: u32 = 0x68a0_14d7;
const BOOT_SERIAL: u32 = 0xeba6_b1fa;
const STATE_SERIAL: u32 = 0x9416_4f49;

/// A disk to be made.
#[derive(Clone, Copy, Debug)]
pub struct Disk<'a> {
    /// The version in its first slot.
    pub version: Version,
    /// What it boots.
    pub machine: Machine<'a>,
    /// Files that FARMSTATE begins with, such as the owner file and an enrolment token.
    pub state: &'a [(&'a str, &'a [u8])],
}

/// What a disk boots, and how.
#[derive(Clone, Copy, Debug)]
pub enum Machine<'a> {
    /// x86-64, with UEFI or a BIOS.
    Pc {
        /// `systemd-bootx64.efi`, for UEFI.
        boot_manager: &'a [u8],
        /// GRUB, for a BIOS.
        grub: &'a grub::Parts,
        /// What both of them start.
        kernel: Kernel<'a>,
    },
    /// ARM64 with UEFI.
    Arm64 {
        /// `systemd-bootaa64.efi`.
        boot_manager: &'a [u8],
        /// What it starts.
        kernel: Kernel<'a>,
    },
    /// A Raspberry Pi with its own firmware.
    RaspberryPi(RaspberryPi<'a>),
}

/// What boot managers start.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// `vmlinuz`; with UEFI it is started as a program, which Debian's kernels are.
    pub image: &'a [u8],
    /// The initramfs, compressed.
    pub initramfs: &'a [u8],
    /// The kernel's command line: printable ASCII, no quotes.
    pub command_line: &'a str,
}

impl Kernel<'_> {
    const fn bytes(&self) -> u64 {
        (self.image.len() + self.initramfs.len()) as u64
    }
}

/// Why a disk cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// A volume cannot be made.
    #[error(transparent)]
    Fat(#[from] FatError),
    /// The partition table cannot be made.
    #[error(transparent)]
    Gpt(#[from] GptError),
    /// GRUB cannot be embedded.
    #[error(transparent)]
    Grub(#[from] GrubError),
    /// The command line would say something else to a boot loader.
    #[error("the kernel command line may hold printable ASCII only, and none of \" ' \\ $ `")]
    CommandLine,
    /// The files of a slot are too many bytes.
    #[error("the boot files are too large for a disk image")]
    TooLarge,
}

impl<'a> Disk<'a> {
    /// The disk; [`Image::save`] writes it to a file.
    pub fn layout(&self) -> Result<Image<'a>, DiskError> {
        let (files, slot) = boot::files(self)?;
        let boot_sectors = boot_sectors(slot).ok_or(DiskError::TooLarge)?;
        let state_at = BOOT_AT + boot_sectors;
        let state_sectors = match self.machine {
            Machine::Pc { .. } => STATE_X86_64,
            Machine::Arm64 { .. } | Machine::RaspberryPi(_) => STATE_ARM64,
        };
        // The mirror of the GPT takes part of one more MiB.
        let sectors = state_at + state_sectors + MIB;
        let mut disk = Image::new(sectors * SECTOR as u64);
        match &self.machine {
            Machine::Pc { grub, .. } => {
                let core = partition(
                    Guid::BIOS_BOOT,
                    BIOS_BOOT_ID,
                    BIOS_BOOT_AT,
                    MIB,
                    "BIOS boot",
                );
                let [boot, state] = volumes_of_gpt(boot_sectors, state_sectors);
                gpt::write(&mut disk, DISK_ID, &[boot, state, core])?;
                let room = usize::try_from(MIB).unwrap_or(0);
                let embedded = grub::embed(grub, BIOS_BOOT_AT, room)?;
                disk.put(0, embedded.boot.to_vec());
                disk.put(BIOS_BOOT_AT * SECTOR as u64, embedded.core);
            }
            Machine::Arm64 { .. } => {
                let volumes = volumes_of_gpt(boot_sectors, state_sectors);
                gpt::write(&mut disk, DISK_ID, &volumes)?;
            }
            Machine::RaspberryPi(_) => {
                let table = pi::table(small(BOOT_AT)?, small(boot_sectors)?, small(state_sectors)?);
                disk.put(0, mbr::sector(MBR_ID, &table).to_vec());
            }
        }
        let boot = Volume {
            label: BOOT_LABEL,
            serial: BOOT_SERIAL,
            sectors: small(boot_sectors)?,
            hidden: small(BOOT_AT)?,
            kind: Some(FatKind::Fat32),
        };
        disk.put_image(BOOT_AT * SECTOR as u64, boot.format(files)?);
        let state = Volume {
            label: STATE_LABEL,
            serial: STATE_SERIAL,
            sectors: small(state_sectors)?,
            hidden: small(state_at)?,
            kind: None,
        };
        let mut files = Tree::default();
        for (path, bytes) in self.state {
            files.add(path, *bytes)?;
        }
        disk.put_image(state_at * SECTOR as u64, state.format(files)?);
        Ok(disk)
    }
}

/// Length of FARMBOOT for two slots of so many bytes, each of which may grow by a quarter.
fn boot_sectors(slot: u64) -> Option<u64> {
    let two = slot.checked_mul(5)?.div_ceil(2);
    let sectors = two.div_ceil(SECTOR as u64).max(MIN_BOOT);
    sectors.checked_next_multiple_of(BOOT_STEP)
}

fn volumes_of_gpt(boot_sectors: u64, state_sectors: u64) -> [gpt::Partition<'static>; 2] {
    let state_at = BOOT_AT + boot_sectors;
    [
        partition(Guid::ESP, BOOT_ID, BOOT_AT, boot_sectors, BOOT_LABEL),
        partition(
            Guid::BASIC_DATA,
            STATE_ID,
            state_at,
            state_sectors,
            STATE_LABEL,
        ),
    ]
}

const fn partition(
    kind: Guid,
    id: Guid,
    first: u64,
    sectors: u64,
    name: &str,
) -> gpt::Partition<'_> {
    gpt::Partition {
        kind,
        id,
        first,
        last: first + sectors - 1,
        name,
    }
}

fn small(sectors: u64) -> Result<u32, DiskError> {
    u32::try_from(sectors).map_err(|_| DiskError::TooLarge)
}
