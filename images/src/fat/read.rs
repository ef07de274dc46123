//! Reading a volume: for `inspect`, and to test what was written.

use super::FatError;
use super::geometry::{ENTRY, FIRST_CLUSTER, FatKind, Geometry, SECTOR, TABLES};
use super::name::{self, ATTRIBUTE_AT, LONG_ATTRIBUTE, Long, Short};

const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_FOLDER: u8 = 0x10;
/// First byte of an entry that was deleted, and of the one behind the last.
const DELETED: u8 = 0xE5;
const END: u8 = 0;
/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 16;
/// Files and folders that are listed.
const MAX_LISTED: usize = 65_536;

/// A view of a volume's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    geometry: Geometry,
    root_cluster: u32,
}

/// A file, or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, without a slash in front.
    pub path: String,
    /// Whether it is a folder, whose size is 0.
    pub is_folder: bool,
    /// Its length in bytes.
    pub size: u32,
    cluster: u32,
}

impl<'a> Reader<'a> {
    /// Looks at the boot sector.
    pub fn open(bytes: &'a [u8]) -> Result<Self, FatError> {
        let boot: &[u8; SECTOR] = bytes
            .first_chunk()
            .ok_or(FatError::Damaged("it has no boot sector"))?;
        let u16_at = |at: usize| u16::from_le_bytes([boot[at], boot[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        if boot[510..] != [0x55, 0xAA] {
            return Err(FatError::Damaged("its boot sector is not signed"));
        }
        if usize::from(u16_at(11)) != SECTOR || !boot[13].is_power_of_two() {
            return Err(FatError::Damaged("its sectors are not of 512 bytes"));
        }
        if boot[16] != TABLES {
            return Err(FatError::Damaged("it has not two tables"));
        }
        let either = |short: u16, long: u32| if short == 0 { long } else { short.into() };
        let sectors = either(u16_at(19), u32_at(32));
        let table = either(u16_at(22), u32_at(36));
        let root = (usize::from(u16_at(17)) * ENTRY).div_ceil(SECTOR) as u64;
        let before = u64::from(u16_at(14)) + u64::from(TABLES) * u64::from(table) + root;
        let data = u64::from(sectors).checked_sub(before);
        let clusters = data.map_or(0, |data| data / u64::from(boot[13]));
        let (Ok(clusters), Ok(root)) = (u32::try_from(clusters), u32::try_from(root)) else {
            return Err(FatError::Damaged("its lengths do not add up"));
        };
        if clusters == 0 {
            return Err(FatError::Damaged("its lengths do not add up"));
        }
        let kind = FatKind::of(clusters);
        let geometry = Geometry {
            kind,
            sectors,
            cluster_sectors: boot[13],
            reserved: u16_at(14),
            table,
            root,
            clusters,
        };
        Ok(Self {
            bytes,
            geometry,
            root_cluster: if kind == FatKind::Fat32 {
                u32_at(44)
            } else {
                0
            },
        })
    }

    /// Which of the three it is.
    pub const fn kind(&self) -> FatKind {
        self.geometry.kind
    }

    /// The label in the boot sector, which is the one that a rig looks for.
    pub fn label(&self) -> String {
        let at = if self.kind() == FatKind::Fat32 {
            71
        } else {
            43
        };
        let label = self.bytes.get(at..at + 11).unwrap_or_default();
        String::from_utf8_lossy(label).trim_end().to_owned()
    }

    /// The label in the root folder, which is the one that GRUB and other systems look for.
    pub fn root_label(&self) -> Result<Option<String>, FatError> {
        let root = self.folder(self.root_cluster)?;
        let label = entries(&root).find(|e| is_label(e)).map(short_name);
        Ok(label.map(|label| String::from_utf8_lossy(&label).trim_end().to_owned()))
    }

    /// Every file and folder; a folder comes before what is in it.
    pub fn list(&self) -> Result<Vec<Entry>, FatError> {
        let mut listed = Vec::new();
        self.list_into(&mut listed, "", self.root_cluster, 0)?;
        Ok(listed)
    }

    /// The content of a file. Capitals and small letters are the same.
    pub fn read(&self, path: &str) -> Result<Vec<u8>, FatError> {
        let path = path.trim_start_matches('/');
        let listed = self.list()?;
        let entry = listed
            .iter()
            .find(|entry| !entry.is_folder && entry.path.eq_ignore_ascii_case(path))
            .ok_or_else(|| FatError::NotFound(path.to_owned()))?;
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let mut bytes = self.chain(entry.cluster)?;
        if bytes.len() < size {
            return Err(FatError::Damaged("a file is shorter than its folder says"));
        }
        bytes.truncate(size);
        Ok(bytes)
    }

    fn list_into(
        &self,
        listed: &mut Vec<Entry>,
        folder: &str,
        cluster: u32,
        depth: usize,
    ) -> Result<(), FatError> {
        if depth > MAX_DEPTH || listed.len() > MAX_LISTED {
            return Err(FatError::Damaged("its folders do not end"));
        }
        let mut long = Long::default();
        for raw in entries(&self.folder(cluster)?) {
            if raw[ATTRIBUTE_AT] == LONG_ATTRIBUTE {
                long.push(raw);
                continue;
            }
            let short = short_name(raw);
            let name = long.take(&short).unwrap_or_else(|| name::text(&short));
            if raw[0] == b'.' || is_label(raw) {
                continue;
            }
            let entry = Entry {
                path: format!("{folder}{name}"),
                is_folder: raw[ATTRIBUTE_AT] & ATTRIBUTE_FOLDER != 0,
                size: u32::from_le_bytes([raw[28], raw[29], raw[30], raw[31]]),
                cluster: u32::from_le_bytes([raw[26], raw[27], raw[20], raw[21]]),
            };
            let inner = entry.is_folder.then(|| format!("{}/", entry.path));
            let cluster = entry.cluster;
            listed.push(entry);
            if let Some(inner) = inner {
                self.list_into(listed, &inner, cluster, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The entries of a folder; 0 is the root of FAT12 and FAT16.
    fn folder(&self, cluster: u32) -> Result<Vec<u8>, FatError> {
        if cluster != 0 {
            return self.chain(cluster);
        }
        let length = u64::from(self.geometry.root) * SECTOR as u64;
        self.slice(self.geometry.root_at(), length)
            .map(<[u8]>::to_vec)
    }

    /// The bytes of a chain of clusters.
    fn chain(&self, first: u32) -> Result<Vec<u8>, FatError> {
        let mut bytes = Vec::new();
        let mut cluster = first;
        let data = FIRST_CLUSTER..self.geometry.clusters + FIRST_CLUSTER;
        // A chain that is longer than the volume runs in a circle.
        for _ in data.clone() {
            if !data.contains(&cluster) {
                break;
            }
            let at = self.geometry.cluster_at(cluster);
            bytes.extend_from_slice(self.slice(at, self.geometry.cluster_bytes() as u64)?);
            cluster = self.next(cluster)?;
        }
        if data.contains(&cluster) {
            return Err(FatError::Damaged("a file runs in a circle"));
        }
        Ok(bytes)
    }

    /// The table's entry for a cluster.
    fn next(&self, cluster: u32) -> Result<u32, FatError> {
        let bit = u64::from(cluster) * u64::from(self.geometry.kind.bits());
        let at = self.geometry.table_at(0) + bit / 8;
        let byte = |number| self.slice(at + number, 1).map(|b| u32::from(b[0]));
        let low = byte(0)? | byte(1)? << 8;
        Ok(match self.geometry.kind {
            FatKind::Fat12 => (low >> (bit % 8)) & 0xFFF,
            FatKind::Fat16 => low,
            FatKind::Fat32 => (low | byte(2)? << 16 | byte(3)? << 24) & 0x0FFF_FFFF,
        })
    }

    fn slice(&self, at: u64, length: u64) -> Result<&'a [u8], FatError> {
        let cut = FatError::Damaged("it was cut short");
        let (Ok(from), Ok(to)) = (usize::try_from(at), usize::try_from(at + length)) else {
            return Err(cut);
        };
        self.bytes.get(from..to).ok_or(cut)
    }
}

/// The entries that are in use.
fn entries(folder: &[u8]) -> impl Iterator<Item = &[u8; ENTRY]> {
    let (entries, _) = folder.as_chunks::<ENTRY>();
    entries
        .iter()
        .take_while(|entry| entry[0] != END)
        .filter(|entry| entry[0] != DELETED)
}

fn is_label(entry: &[u8; ENTRY]) -> bool {
    entry[ATTRIBUTE_AT] != LONG_ATTRIBUTE && entry[ATTRIBUTE_AT] & ATTRIBUTE_LABEL != 0
}

fn short_name(entry: &[u8; ENTRY]) -> Short {
    let mut short = [0; 11];
    short.copy_from_slice(&entry[..11]);
    short
}
