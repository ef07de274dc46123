//! The GUID partition table, UEFI 2.10 chapter 5.3: 128 entries behind a header, and all of it again,
//! mirrored, at the end of the disk.
//!
//! ```text
//! sector 0     protective MBR          header: "EFI PART", revision 1.0, 92 bytes, CRC-32 of itself,
//!        1     header                          own LBA, the other's LBA, first and last usable LBA,
//!        2-33  entries                         disk GUID, LBA of the entries, 128, 128, their CRC-32
//!        ..    partitions              entry:  type GUID, own GUID, first LBA, last LBA, flags,
//!        -33   entries                         name of 36 UTF-16 units
//!        -1    header
//! ```

use crate::fat::SECTOR;
use crate::mbr;
use crate::sparse::Image;

/// Sectors before the first one that a partition may use.
pub const HEAD: u64 = 34;
/// Sectors behind the last one that a partition may use.
pub const TAIL: u64 = 33;

const ENTRIES: usize = 128;
const ENTRY: usize = 128;
const HEADER: usize = 92;
const NAME_UNITS: usize = 36;

/// A GUID as it lies on disk: the first three fields little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// EFI system partition.
    pub const ESP: Self = Self::new(0xC12A_7328, 0xF81F, 0x11D2, 0xBA4B_00A0_C93E_C93B);
    /// Microsoft basic data: any FAT volume.
    pub const BASIC_DATA: Self = Self::new(0xEBD0_A0A2, 0xB9E5, 0x4433, 0x87C0_68B6_B726_99C7);
    /// Where GRUB keeps its core under a BIOS.
    pub const BIOS_BOOT: Self = Self::new(0x2168_6148, 0x6449, 0x6E6F, 0x744E_6565_6445_4649);

    /// From the fields of its text: `AAAAAAAA-BBBB-CCCC-DDDD-DDDDDDDDDDDD`.
    pub const fn new(a: u32, b: u16, c: u16, d: u64) -> Self {
        let [a0, a1, a2, a3] = a.to_le_bytes();
        let [b0, b1] = b.to_le_bytes();
        let [c0, c1] = c.to_le_bytes();
        let [d0, d1, d2, d3, d4, d5, d6, d7] = d.to_be_bytes();
        Self([
            a0, a1, a2, a3, b0, b1, c0, c1, d0, d1, d2, d3, d4, d5, d6, d7,
        ])
    }
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition<'a> {
    /// What is in it.
    pub kind: Guid,
    /// A constant of the image: never random.
    pub id: Guid,
    /// Its first sector.
    pub first: u64,
    /// Its last sector.
    pub last: u64,
    /// At most 36 ASCII characters.
    pub name: &'a str,
}

/// A partition as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is in it.
    pub kind: Guid,
    /// Its own GUID.
    pub id: Guid,
    /// Its first sector.
    pub first: u64,
    /// Its last sector.
    pub last: u64,
    /// Its name.
    pub name: String,
}

/// Why a table could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GptError {
    /// A partition that overlaps another or the table itself, or has a name that is too long.
    #[error("the partition {0:?} does not fit into the table or onto the disk")]
    DoesNotFit(String),
    /// No table, or one whose checksum is wrong.
    #[error("there is no GUID partition table: {0}")]
    Damaged(&'static str),
}

/// Writes protective MBR, table and its mirror; the image's length is the disk's.
pub fn write(
    image: &mut Image<'_>,
    disk: Guid,
    partitions: &[Partition<'_>],
) -> Result<(), GptError> {
    let sectors = image.len() / SECTOR as u64;
    check(sectors, partitions)?;
    let mut entries = vec![0; ENTRIES * ENTRY];
    for (entry, partition) in entries.chunks_exact_mut(ENTRY).zip(partitions) {
        entry[..16].copy_from_slice(&partition.kind.0);
        entry[16..32].copy_from_slice(&partition.id.0);
        entry[32..40].copy_from_slice(&partition.first.to_le_bytes());
        entry[40..48].copy_from_slice(&partition.last.to_le_bytes());
        for (unit, c) in entry[56..].chunks_exact_mut(2).zip(partition.name.bytes()) {
            unit[0] = c;
        }
    }
    let last = sectors - 1;
    let crc = crc32(&entries);
    image.put(0, mbr::protective(sectors).to_vec());
    image.put(byte(1), header(disk, 1, last, 2, crc).to_vec());
    image.put(byte(2), entries.clone());
    image.put(byte(sectors - TAIL), entries);
    let mirror = header(disk, last, 1, sectors - TAIL, crc);
    image.put(byte(last), mirror.to_vec());
    Ok(())
}

/// The partitions of a disk, by the table at its beginning.
pub fn read(disk: &[u8]) -> Result<Vec<Found>, GptError> {
    let header = disk
        .get(SECTOR..SECTOR + HEADER)
        .filter(|header| header.starts_with(b"EFI PART"))
        .ok_or(GptError::Damaged("no header in sector 1"))?;
    let mut checked = header.to_vec();
    checked[16..20].fill(0);
    if header[16..20] != crc32(&checked).to_le_bytes() {
        return Err(GptError::Damaged("the header's checksum is wrong"));
    }
    let entries = disk
        .get(2 * SECTOR..2 * SECTOR + ENTRIES * ENTRY)
        .filter(|entries| header[88..92] == crc32(entries).to_le_bytes())
        .ok_or(GptError::Damaged("the entries' checksum is wrong"))?;
    let found = entries
        .chunks_exact(ENTRY)
        .filter(|entry| entry[..16] != [0; 16])
        .map(|entry| Found {
            kind: Guid(array(&entry[..16])),
            id: Guid(array(&entry[16..32])),
            first: u64::from_le_bytes(array(&entry[32..40])),
            last: u64::from_le_bytes(array(&entry[40..48])),
            name: name(&entry[56..]),
        });
    Ok(found.collect())
}

fn check(sectors: u64, partitions: &[Partition<'_>]) -> Result<(), GptError> {
    for (number, partition) in partitions.iter().enumerate() {
        let overlaps =
            |other: &Partition<'_>| partition.first <= other.last && other.first <= partition.last;
        let fits = number < ENTRIES
            && partition.first >= HEAD
            && partition.first <= partition.last
            && partition.last.saturating_add(TAIL) < sectors
            && partition.name.is_ascii()
            && partition.name.len() <= NAME_UNITS
            && !partitions[..number].iter().any(overlaps);
        if !fits {
            return Err(GptError::DoesNotFit(partition.name.to_owned()));
        }
    }
    if sectors < HEAD + TAIL {
        return Err(GptError::DoesNotFit("GPT".to_owned()));
    }
    Ok(())
}

/// A header's sector. `other` is where the other header lies.
fn header(disk: Guid, own: u64, other: u64, entries: u64, entries_crc: u32) -> [u8; SECTOR] {
    let mut header = [0; SECTOR];
    let last_usable = own.max(other) - TAIL;
    header[..8].copy_from_slice(b"EFI PART");
    header[8..12].copy_from_slice(&0x0001_0000_u32.to_le_bytes());
    header[12..16].copy_from_slice(&92_u32.to_le_bytes());
    header[24..32].copy_from_slice(&own.to_le_bytes());
    header[32..40].copy_from_slice(&other.to_le_bytes());
    header[40..48].copy_from_slice(&HEAD.to_le_bytes());
    header[48..56].copy_from_slice(&last_usable.to_le_bytes());
    header[56..72].copy_from_slice(&disk.0);
    header[72..80].copy_from_slice(&entries.to_le_bytes());
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    header[88..92].copy_from_slice(&entries_crc.to_le_bytes());
    let crc = crc32(&header[..HEADER]);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
    header
}

const fn byte(sector: u64) -> u64 {
    sector * SECTOR as u64
}

fn name(units: &[u8]) -> String {
    let units = units
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0);
    String::from_utf16_lossy(&units.collect::<Vec<u16>>())
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}

/// CRC-32 of IEEE 802.3; bit by bit, for it is asked for 16 KiB.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISK: Guid = Guid::new(1, 2, 3, 4);

    fn partition(name: &str, first: u64, last: u64) -> Partition<'_> {
        Partition {
            kind: Guid::ESP,
            id: Guid::new(9, 9, 9, first),
            first,
            last,
            name,
        }
    }

    fn disk(partitions: &[Partition<'_>]) -> Result<Vec<u8>, GptError> {
        let mut image = Image::new(1 << 20);
        write(&mut image, DISK, partitions)?;
        assert_eq!(image.len(), 1 << 20);
        Ok(image.to_vec())
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_guid_lies_on_disk_as_uefi_says() {
        let want = b"\x28\x73\x2A\xC1\x1F\xF8\xD2\x11\xBA\x4B\x00\xA0\xC9\x3E\xC9\x3B";
        assert_eq!(&Guid::ESP.0, want);
        assert_eq!(&Guid::BIOS_BOOT.0, b"Hah!IdontNeedEFI");
    }

    #[test]
    fn a_table_reads_back() {
        let bytes = disk(&[partition("FARMBOOT", 34, 99), partition("x", 100, 2014)]).unwrap();
        let found = read(&bytes).unwrap();
        assert_eq!((found.len(), &found[0].name[..]), (2, "FARMBOOT"));
        assert_eq!((found[1].first, found[1].last), (100, 2014));
        assert_eq!(found[0].kind, Guid::ESP);
    }

    #[test]
    fn the_mirror_at_the_end_says_the_same() {
        let bytes = disk(&[partition("FARMBOOT", 34, 99)]).unwrap();
        let (first, last) = (&bytes[512..1024], &bytes[2047 * 512..]);
        let u64_at = |header: &[u8], at| u64::from_le_bytes(array(&header[at..at + 8]));
        // Own sector, the other header's, first and last usable, the entries'.
        let places = |header| [24, 32, 40, 48, 72].map(|at| u64_at(header, at));
        assert_eq!(places(first), [1, 2047, 34, 2014, 2]);
        assert_eq!(places(last), [2047, 1, 34, 2014, 2015]);
        assert_eq!(first[56..72], last[56..72]);
        assert_eq!(first[80..92], last[80..92]);
        let mut checked = last[..HEADER].to_vec();
        checked[16..20].fill(0);
        assert_eq!(last[16..20], crc32(&checked).to_le_bytes());
        let entries = 128 * 128;
        assert_eq!(
            bytes[1024..1024 + entries],
            bytes[2015 * 512..2015 * 512 + entries]
        );
    }

    #[test]
    fn any_changed_byte_of_the_table_is_noticed() {
        let good = disk(&[partition("FARMBOOT", 34, 99)]).unwrap();
        for at in (512..512 + 92).chain((1024..1024 + 16384).step_by(97)) {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            assert!(read(&bytes).is_err(), "byte {at}");
        }
        assert!(read(&good[..2000]).is_err());
        assert!(read(&[]).is_err());
    }

    #[test]
    fn partitions_off_the_disk_or_over_each_other_are_refused() {
        for (first, last) in [(33, 99), (34, 2015), (99, 98), (34, u64::MAX)] {
            assert!(disk(&[partition("x", first, last)]).is_err());
        }
        let over = [partition("a", 34, 100), partition("b", 100, 200)];
        assert_eq!(disk(&over), Err(GptError::DoesNotFit("b".to_owned())));
        assert!(disk(&[partition(&"n".repeat(37), 34, 99)]).is_err());
        assert!(write(&mut Image::new(512), DISK, &[]).is_err());
    }
}
