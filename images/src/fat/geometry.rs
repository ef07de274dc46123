//! Where the parts of a volume lie, by its length.

use std::fmt;

use super::FatError;

/// Bytes of a sector.
pub const SECTOR: usize = 512;
/// Entries of a root folder of FAT12 and FAT16.
pub(super) const ROOT_ENTRIES: u16 = 512;
/// Bytes of a folder's entry.
pub(super) const ENTRY: usize = 32;
/// Both tables are equal; the second is there for repairs.
pub(super) const TABLES: u8 = 2;
/// The first cluster; two entries of the table are used up by its head.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// One below the first number of clusters that makes FAT16, and FAT32.
const MAX_FAT12: u32 = 4084;
const MAX_FAT16: u32 = 65_524;
/// FAT32 has 28 bits for a cluster.
const MAX_FAT32: u32 = 0x0FFF_FFF5;
/// Volumes up to here become FAT12, and FAT16, if nobody asks for another; in sectors.
const AUTO_FAT12: u32 = 8_400;
const AUTO_FAT16: u32 = 1_048_576;
/// Microsoft's tables: volumes up to so many sectors get clusters of so many.
const FAT16_CLUSTERS: [(u32, u8); 5] = [
    (32_680, 2),
    (262_144, 4),
    (524_288, 8),
    (1_048_576, 16),
    (2_097_152, 32),
];
const FAT32_CLUSTERS: [(u32, u8); 4] = [
    (532_480, 1),
    (16_777_216, 8),
    (33_554_432, 16),
    (67_108_864, 32),
];
/// Longer ones: 32 KiB, the most that every driver takes.
const MAX_CLUSTER_SECTORS: u8 = 64;

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatKind {
    /// 12 bits for a cluster.
    Fat12,
    /// 16 bits for a cluster.
    Fat16,
    /// 28 bits for a cluster; the root folder is one like any other.
    Fat32,
}

impl FatKind {
    /// What a volume of this many clusters is.
    pub(super) const fn of(clusters: u32) -> Self {
        if clusters <= MAX_FAT12 {
            Self::Fat12
        } else if clusters <= MAX_FAT16 {
            Self::Fat16
        } else {
            Self::Fat32
        }
    }

    /// Bits of an entry in the table.
    pub(super) const fn bits(self) -> u32 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
            Self::Fat32 => 32,
        }
    }

    /// The type's text in the boot sector, which drivers do not look at.
    pub(super) const fn text(self) -> &'static [u8; 8] {
        match self {
            Self::Fat12 => b"FAT12   ",
            Self::Fat16 => b"FAT16   ",
            Self::Fat32 => b"FAT32   ",
        }
    }

    /// What Microsoft's tables make of a volume of this length.
    fn suggested(sectors: u32) -> Self {
        if sectors <= AUTO_FAT12 {
            Self::Fat12
        } else if sectors <= AUTO_FAT16 {
            Self::Fat16
        } else {
            Self::Fat32
        }
    }

    /// Sectors of a cluster on a volume of this length.
    fn cluster_sectors(self, sectors: u32) -> u8 {
        let by_length = |table: &[(u32, u8)]| {
            let row = table.iter().find(|(longest, _)| sectors <= *longest);
            row.map_or(MAX_CLUSTER_SECTORS, |(_, size)| *size)
        };
        match self {
            // There is no table for it: the least that keeps away from FAT16.
            Self::Fat12 => (0..7)
                .map(|power| 1 << power)
                .find(|size| sectors / u32::from(*size) < MAX_FAT12 - 16)
                .unwrap_or(MAX_CLUSTER_SECTORS),
            Self::Fat16 => by_length(&FAT16_CLUSTERS),
            Self::Fat32 => by_length(&FAT32_CLUSTERS),
        }
    }
}

impl fmt::Display for FatKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Fat12 => "FAT12",
            Self::Fat16 => "FAT16",
            Self::Fat32 => "FAT32",
        })
    }
}

/// Where everything lies; lengths in sectors unless they say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) kind: FatKind,
    pub(super) sectors: u32,
    pub(super) cluster_sectors: u8,
    pub(super) reserved: u16,
    /// One table.
    pub(super) table: u32,
    /// The root folder of FAT12 and FAT16; 0 for FAT32.
    pub(super) root: u32,
    /// Clusters that hold data.
    pub(super) clusters: u32,
}

impl Geometry {
    pub(super) fn new(sectors: u32, kind: Option<FatKind>) -> Result<Self, FatError> {
        let kind = kind.unwrap_or_else(|| FatKind::suggested(sectors));
        let reserved: u16 = if kind == FatKind::Fat32 { 32 } else { 1 };
        let root_bytes = usize::from(ROOT_ENTRIES) * ENTRY;
        let root = match kind {
            FatKind::Fat32 => 0,
            _ => (root_bytes / SECTOR) as u64,
        };
        let wrong = FatError::WrongSize { kind, sectors };
        let cluster_sectors = kind.cluster_sectors(sectors);
        let cluster = u64::from(cluster_sectors);
        let Some(rest) = u64::from(sectors).checked_sub(u64::from(reserved) + root) else {
            return Err(wrong);
        };
        // As if the tables took no place: a little more than is needed, which is allowed.
        let bits = (rest / cluster + u64::from(FIRST_CLUSTER)) * u64::from(kind.bits());
        let table = bits.div_ceil(8 * SECTOR as u64);
        let clusters = rest.saturating_sub(u64::from(TABLES) * table) / cluster;
        let (Ok(table), Ok(root), Ok(clusters)) = (
            u32::try_from(table),
            u32::try_from(root),
            u32::try_from(clusters),
        ) else {
            return Err(wrong);
        };
        if clusters == 0 || clusters > MAX_FAT32 || FatKind::of(clusters) != kind {
            return Err(wrong);
        }
        Ok(Self {
            kind,
            sectors,
            cluster_sectors,
            reserved,
            table,
            root,
            clusters,
        })
    }

    /// Byte where the table of this number begins.
    pub(super) fn table_at(&self, number: u8) -> u64 {
        (u64::from(self.reserved) + u64::from(number) * u64::from(self.table)) * SECTOR as u64
    }

    /// Byte where the root folder of FAT12 and FAT16 begins.
    pub(super) fn root_at(&self) -> u64 {
        self.table_at(TABLES)
    }

    /// Byte where a cluster begins, which is 2 or more.
    pub(super) fn cluster_at(&self, cluster: u32) -> u64 {
        let data = self.root_at() + u64::from(self.root) * SECTOR as u64;
        data + u64::from(cluster.saturating_sub(FIRST_CLUSTER)) * self.cluster_bytes() as u64
    }

    pub(super) fn cluster_bytes(&self) -> usize {
        usize::from(self.cluster_sectors) * SECTOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u32 = 2048;

    #[test]
    fn the_length_suggests_the_kind() {
        for (sectors, kind, cluster_sectors) in [
            (2880, FatKind::Fat12, 1),
            (AUTO_FAT12, FatKind::Fat12, 4),
            (AUTO_FAT12 + 1, FatKind::Fat16, 2),
            (8 * MIB, FatKind::Fat16, 2),
            (64 * MIB, FatKind::Fat16, 4),
            (512 * MIB, FatKind::Fat16, 16),
            (513 * MIB, FatKind::Fat32, 8),
        ] {
            let geometry = Geometry::new(sectors, None).unwrap();
            let got = (geometry.kind, geometry.cluster_sectors);
            assert_eq!(got, (kind, cluster_sectors), "{sectors} sectors");
        }
    }

    #[test]
    fn every_length_gives_the_kind_its_clusters_say_or_none() {
        for sectors in (0..300 * MIB).step_by(37) {
            for kind in [FatKind::Fat12, FatKind::Fat16, FatKind::Fat32] {
                let Ok(geometry) = Geometry::new(sectors, Some(kind)) else {
                    continue;
                };
                assert_eq!(FatKind::of(geometry.clusters), kind, "{sectors}");
                let entries = u64::from(geometry.table) * 512 * 8 / u64::from(kind.bits());
                assert!(entries >= u64::from(geometry.clusters + 2), "{sectors}");
                let end = geometry.cluster_at(geometry.clusters + 2);
                assert!(end <= u64::from(sectors) * 512, "{sectors}");
            }
        }
    }

    #[test]
    fn a_volume_too_small_for_fat32_is_refused() {
        assert!(Geometry::new(34 * MIB, Some(FatKind::Fat32)).is_ok());
        assert_eq!(
            Geometry::new(32 * MIB, Some(FatKind::Fat32)),
            Err(FatError::WrongSize {
                kind: FatKind::Fat32,
                sectors: 32 * MIB
            })
        );
        assert!(Geometry::new(20, None).is_err());
    }
}
