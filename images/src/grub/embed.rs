//! Patching GRUB's two parts for their places on a disk.

use super::{GrubError, Parts};
use crate::fat::SECTOR;
use crate::mbr::BOOT_CODE;

/// Of boot.img: the sector of the core, and the jump past the check of the drive number.
const CORE_SECTOR_AT: usize = 0x5C;
const DRIVE_CHECK_AT: usize = 0x66;
const NOP: u8 = 0x90;
/// Of the core's first sector: one block list of sector, length and segment.
const LIST_SECTOR_AT: usize = 0x1F4;
const LIST_LENGTH_AT: usize = 0x1FC;
const LIST_SEGMENT_AT: usize = 0x1FE;
/// The segment that every core loads its second sector to.
const SEGMENT: u16 = 0x0820;

/// What goes to the disk.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// For the beginning of sector 0.
    pub boot: [u8; BOOT_CODE],
    /// For the BIOS boot partition; whole sectors.
    pub core: Vec<u8>,
}

/// Patches the parts for a core that lies at this sector, in a partition of `room` sectors.
pub fn embed(parts: &Parts, core_sector: u64, room: usize) -> Result<Embedded, GrubError> {
    let boot = parts.boot.first_chunk::<BOOT_CODE>();
    let mut boot = *boot.ok_or(GrubError::Unknown("boot.img"))?;
    boot[CORE_SECTOR_AT..CORE_SECTOR_AT + 8].copy_from_slice(&core_sector.to_le_bytes());
    boot[DRIVE_CHECK_AT..DRIVE_CHECK_AT + 2].fill(NOP);

    let unknown = GrubError::Unknown("core.img");
    let mut core = parts.core.clone();
    core.resize(core.len().next_multiple_of(SECTOR), 0);
    let sectors = core.len() / SECTOR;
    let Some(rest) = sectors.checked_sub(1).and_then(|n| u16::try_from(n).ok()) else {
        return Err(unknown);
    };
    let is_known = core[LIST_SEGMENT_AT..SECTOR] == SEGMENT.to_le_bytes();
    if !is_known || rest == 0 || sectors > room {
        return Err(unknown);
    }
    core[LIST_SECTOR_AT..LIST_SECTOR_AT + 8].copy_from_slice(&(core_sector + 1).to_le_bytes());
    core[LIST_LENGTH_AT..LIST_LENGTH_AT + 2].copy_from_slice(&rest.to_le_bytes());
    Ok(Embedded { boot, core })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let mut core = vec![7; 1000];
        core[LIST_SEGMENT_AT..SECTOR].copy_from_slice(&[0x20, 0x08]);
        Parts {
            boot: vec![1; 512],
            core,
        }
    }

    #[test]
    fn the_places_on_the_disk_are_patched_in() {
        let embedded = embed(&parts(), 2048, 2048).unwrap();
        assert_eq!(embedded.boot[0x5C..0x64], [0, 8, 0, 0, 0, 0, 0, 0]);
        assert_eq!(embedded.boot[0x65..0x69], [1, 0x90, 0x90, 1]);
        assert_eq!(embedded.core.len(), 1024);
        let list = &embedded.core[0x1F4..0x200];
        assert_eq!(list, [1, 8, 0, 0, 0, 0, 0, 0, 1, 0, 0x20, 0x08]);
        assert_eq!(embedded.core[1000..], [0; 24]);
    }

    #[test]
    fn parts_of_another_form_or_too_large_are_refused() {
        assert!(embed(&parts(), 2048, 1).is_err());
        let mut other = parts();
        other.core[0x1FE] = 0;
        assert!(embed(&other, 2048, 2048).is_err());
        other.core.truncate(512);
        assert!(embed(&other, 2048, 2048).is_err());
        other.core.clear();
        assert!(embed(&other, 2048, 2048).is_err());
        let mut short = parts();
        short.boot.truncate(439);
        assert!(embed(&short, 2048, 2048).is_err());
    }
}
