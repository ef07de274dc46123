//! The partition table of the PC BIOS, in the first sector: the protective one before a GPT, and the
//! one that a Raspberry Pi reads.
//!
//! ```text
//!   0  440  boot code                446  4 * 16  partitions
//! 440    4  disk signature           510       2  55 AA
//! partition: flag 1, first CHS 3, type 1, last CHS 3, first LBA u32, sectors u32
//! ```
//! CHS addresses are those of a disk larger than CHS can say: FE FF FF. Everybody reads the LBA.

use crate::fat::SECTOR;

/// Bytes before the disk signature, which a boot loader may fill.
pub const BOOT_CODE: usize = 440;
/// Partitions in the table.
pub const MAX_PARTITIONS: usize = 4;
/// FAT32, addressed by LBA.
pub const FAT32: u8 = 0x0C;
/// FAT16, addressed by LBA.
pub const FAT16: u8 = 0x0E;
/// A GPT's: the disk is not empty.
const PROTECTIVE: u8 = 0xEE;

const TABLE_AT: usize = 446;
const ENTRY: usize = 16;
const FAR: [u8; 3] = [0xFE, 0xFF, 0xFF];

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What is in it.
    pub kind: u8,
    /// Its first sector.
    pub first: u32,
    /// Its length in sectors.
    pub sectors: u32,
}

/// The sector with these partitions; more than four are left out.
pub fn sector(signature: u32, partitions: &[Partition]) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    sector[BOOT_CODE..BOOT_CODE + 4].copy_from_slice(&signature.to_le_bytes());
    let slots = sector[TABLE_AT..].chunks_exact_mut(ENTRY);
    for (slot, partition) in slots.take(MAX_PARTITIONS).zip(partitions) {
        slot[1..4].copy_from_slice(&FAR);
        slot[4] = partition.kind;
        slot[5..8].copy_from_slice(&FAR);
        slot[8..12].copy_from_slice(&partition.first.to_le_bytes());
        slot[12..16].copy_from_slice(&partition.sectors.to_le_bytes());
    }
    sector[SECTOR - 2..].copy_from_slice(&[0x55, 0xAA]);
    sector
}

/// The sector before a GPT on a disk of so many sectors, without boot code.
pub fn protective(sectors: u64) -> [u8; SECTOR] {
    let covered = u32::try_from(sectors.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut sector = sector(
        0,
        &[Partition {
            kind: PROTECTIVE,
            first: 1,
            sectors: covered,
        }],
    );
    // UEFI 2.10, table 5-4: the protective partition begins at CHS 0/0/2.
    sector[TABLE_AT + 1..TABLE_AT + 4].copy_from_slice(&[0, 2, 0]);
    sector[TABLE_AT + 5..TABLE_AT + 8].copy_from_slice(&[0xFF; 3]);
    sector
}

/// The partitions of a table, empty places left out; nothing if the sector is not signed.
pub fn partitions(sector: &[u8]) -> Vec<Partition> {
    let Some((sector, _)) = sector.split_first_chunk::<SECTOR>() else {
        return Vec::new();
    };
    if sector[SECTOR - 2..] != [0x55, 0xAA] {
        return Vec::new();
    }
    let u32_at = |slot: &[u8], at: usize| {
        u32::from_le_bytes([slot[at], slot[at + 1], slot[at + 2], slot[at + 3]])
    };
    sector[TABLE_AT..SECTOR - 2]
        .chunks_exact(ENTRY)
        .map(|slot| Partition {
            kind: slot[4],
            first: u32_at(slot, 8),
            sectors: u32_at(slot, 12),
        })
        .filter(|partition| partition.kind != 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_read_back() {
        let table = [
            Partition {
                kind: FAT32,
                first: 8192,
                sectors: 131_072,
            },
            Partition {
                kind: FAT16,
                first: 139_264,
                sectors: 16_384,
            },
        ];
        let sector = sector(0x4d49_4e52, &table);
        assert_eq!(partitions(&sector), table);
        assert_eq!(&sector[440..444], b"RNIM");
        assert_eq!(partitions(&[0; SECTOR]), []);
        assert_eq!(partitions(&sector[1..]), []);
    }

    #[test]
    fn the_protective_partition_covers_the_disk_as_far_as_it_can_say() {
        let of = |sectors| partitions(&protective(sectors))[0].sectors;
        assert_eq!((of(131_072), of(1 << 40)), (131_071, u32::MAX));
        let entry = &protective(131_072)[TABLE_AT..TABLE_AT + 8];
        assert_eq!(entry, [0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF]);
    }
}
