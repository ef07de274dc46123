//! A volume from its files: clusters are given out in one pass, so that every file lies in one piece.

use super::geometry::{ENTRY, FIRST_CLUSTER, FatKind, Geometry, ROOT_ENTRIES, SECTOR, TABLES};
use super::name::{self, ATTRIBUTE_AT, Short};
use super::tree::{Folder, Node, Tree};
use super::{FatError, Volume};
use crate::sparse::Image;

const MEDIA: u8 = 0xF8;
/// 1 January 1980, the first day that FAT knows.
const DATE: u16 = (1 << 5) | 1;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_FOLDER: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
/// Ends a chain; cut to the width of the table.
const END: u32 = 0x0FFF_FFFF;
/// Where FAT32 keeps FSInfo, and a copy of the boot sector.
const FSINFO_SECTOR: u16 = 1;
const BACKUP_SECTOR: u16 = 6;
const SIGNATURE_AT: usize = 510;
const SIGNATURE: [u8; 2] = [0x55, 0xAA];
const MAX_LABEL: usize = 11;

pub(super) fn volume<'f>(volume: &Volume<'_>, files: Tree<'f>) -> Result<Image<'f>, FatError> {
    let geometry = Geometry::new(volume.sectors, volume.kind)?;
    let label = label(volume.label)?;
    let full = || FatError::Full(volume.label.to_owned());
    let mut writer = Writer {
        geometry,
        image: Image::new(u64::from(volume.sectors) * SECTOR as u64),
        table: vec![END & !0xFF | u32::from(MEDIA), END],
    };
    writer.root(label, files.root).ok_or_else(full)?;
    writer.put_sector(0, boot_sector(volume, &geometry, label));
    if geometry.kind == FatKind::Fat32 {
        let info = fs_info(&geometry, writer.next());
        writer.put_sector(FSINFO_SECTOR, info);
        writer.put_sector(BACKUP_SECTOR, boot_sector(volume, &geometry, label));
        writer.put_sector(BACKUP_SECTOR + FSINFO_SECTOR, info);
    }
    Ok(writer.finish())
}

/// The label as an entry holds it.
fn label(text: &str) -> Result<Short, FatError> {
    let is_valid = (1..=MAX_LABEL).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if !is_valid {
        return Err(FatError::BadLabel(text.to_owned()));
    }
    let mut label = [b' '; MAX_LABEL];
    label.iter_mut().zip(text.bytes()).for_each(|(l, b)| *l = b);
    Ok(label)
}

struct Writer<'f> {
    geometry: Geometry,
    image: Image<'f>,
    /// The part of the table that is in use.
    table: Vec<u32>,
}

impl<'f> Writer<'f> {
    /// The cluster that is given out next.
    fn next(&self) -> u32 {
        u32::try_from(self.table.len()).unwrap_or(u32::MAX)
    }

    /// A chain of clusters for so many bytes: its first, or 0 for no bytes. `None` if it is too long.
    fn allocate(&mut self, bytes: usize) -> Option<u32> {
        let count = u32::try_from(bytes.div_ceil(self.geometry.cluster_bytes())).ok()?;
        let Some(before_last) = count.checked_sub(1) else {
            return Some(0);
        };
        let first = self.next();
        let last = first.checked_add(before_last)?;
        if last >= self.geometry.clusters + FIRST_CLUSTER {
            return None;
        }
        self.table.extend(first + 1..=last);
        self.table.push(END);
        Some(first)
    }

    /// Writes the root folder, which begins with the label, and all that is in it.
    fn root(&mut self, label: Short, root: Folder<'f>) -> Option<()> {
        let head = vec![entry(&label, ATTRIBUTE_LABEL, 0, 0)];
        let names = names(&root)?;
        let bytes = bytes_of(&head, &names);
        let at = if self.geometry.kind == FatKind::Fat32 {
            let own = self.allocate(bytes)?;
            self.geometry.cluster_at(own)
        } else if bytes <= usize::from(ROOT_ENTRIES) * ENTRY {
            self.geometry.root_at()
        } else {
            return None;
        };
        // The root is cluster 0 to the folders in it, even where it has another number.
        self.folder(root, names, head, 0, at)
    }

    /// Writes a folder in `parent` and returns its first cluster.
    fn inner_folder(&mut self, folder: Folder<'f>, parent: u32) -> Option<u32> {
        let names = names(&folder)?;
        let mut head = vec![[0; ENTRY]; 2];
        let own = self.allocate(bytes_of(&head, &names))?;
        head[0] = entry(b".          ", ATTRIBUTE_FOLDER, own, 0);
        head[1] = entry(b"..         ", ATTRIBUTE_FOLDER, parent, 0);
        self.folder(folder, names, head, own, self.geometry.cluster_at(own))?;
        Some(own)
    }

    /// Writes the files of a folder, and at `at` its entries behind those of `entries`.
    fn folder(
        &mut self,
        folder: Folder<'f>,
        names: Vec<Name>,
        mut entries: Vec<[u8; ENTRY]>,
        own: u32,
        at: u64,
    ) -> Option<()> {
        for (child, Name { short, long }) in folder.0.into_values().zip(names) {
            entries.extend(long);
            entries.push(match child.node {
                Node::File(bytes) => {
                    let size = u32::try_from(bytes.len()).ok()?;
                    let first = self.allocate(bytes.len())?;
                    self.image.put(self.geometry.cluster_at(first), bytes);
                    entry(&short, ATTRIBUTE_ARCHIVE, first, size)
                }
                Node::Folder(inner) => {
                    let first = self.inner_folder(inner, own)?;
                    entry(&short, ATTRIBUTE_FOLDER, first, 0)
                }
            });
        }
        self.image.put(at, entries.concat());
        Some(())
    }

    fn put_sector(&mut self, sector: u16, bytes: [u8; SECTOR]) {
        let at = u64::from(sector) * SECTOR as u64;
        self.image.put(at, bytes.to_vec());
    }

    fn finish(mut self) -> Image<'f> {
        let bytes = encode_table(self.geometry.kind, &self.table);
        for number in 0..TABLES {
            self.image
                .put(self.geometry.table_at(number), bytes.clone());
        }
        self.image
    }
}

/// A child's name as entries.
struct Name {
    short: Short,
    long: Vec<[u8; ENTRY]>,
}

/// The names of a folder's children, in their order. `None` if there are too many alike.
fn names(folder: &Folder<'_>) -> Option<Vec<Name>> {
    let mut taken = Vec::new();
    let mut names = Vec::new();
    for child in folder.0.values() {
        let (short, needs_long) = name::short(&child.name, &taken)?;
        let long = if needs_long {
            name::long_entries(&child.name, &short)
        } else {
            Vec::new()
        };
        taken.push(short);
        names.push(Name { short, long });
    }
    Some(names)
}

/// Length of a folder with these entries.
fn bytes_of(head: &[[u8; ENTRY]], names: &[Name]) -> usize {
    let entries: usize = names.iter().map(|name| name.long.len() + 1).sum();
    (head.len() + entries) * ENTRY
}

fn entry(short: &Short, attribute: u8, cluster: u32, size: u32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    let [low0, low1, high0, high1] = cluster.to_le_bytes();
    put(&mut entry, 0, short);
    put(&mut entry, ATTRIBUTE_AT, &[attribute]);
    // Made, read and written on the same day, at midnight.
    for at in [16, 18, 24] {
        put(&mut entry, at, &DATE.to_le_bytes());
    }
    put(&mut entry, 20, &[high0, high1]);
    put(&mut entry, 26, &[low0, low1]);
    put(&mut entry, 28, &size.to_le_bytes());
    entry
}

fn boot_sector(volume: &Volume<'_>, geometry: &Geometry, label: Short) -> [u8; SECTOR] {
    let is_fat32 = geometry.kind == FatKind::Fat32;
    let small = |value: u32| u16::try_from(value).unwrap_or(0);
    let short_length = if is_fat32 { 0 } else { small(volume.sectors) };
    let mut sector = [0; SECTOR];
    put(&mut sector, 3, b"MSWIN4.1");
    put(&mut sector, 11, &512_u16.to_le_bytes());
    put(&mut sector, 13, &[geometry.cluster_sectors]);
    put(&mut sector, 14, &geometry.reserved.to_le_bytes());
    put(&mut sector, 16, &[TABLES]);
    put(
        &mut sector,
        17,
        &(if is_fat32 { 0 } else { ROOT_ENTRIES }).to_le_bytes(),
    );
    put(&mut sector, 19, &short_length.to_le_bytes());
    put(&mut sector, 21, &[MEDIA]);
    // Sectors of a track and heads: nobody asks any more, but 0 breaks old readers.
    put(&mut sector, 24, &63_u16.to_le_bytes());
    put(&mut sector, 26, &255_u16.to_le_bytes());
    put(&mut sector, 28, &volume.hidden.to_le_bytes());
    if short_length == 0 {
        put(&mut sector, 32, &volume.sectors.to_le_bytes());
    }
    let (extended, jump) = if is_fat32 {
        put(&mut sector, 36, &geometry.table.to_le_bytes());
        put(&mut sector, 44, &FIRST_CLUSTER.to_le_bytes());
        put(&mut sector, 48, &FSINFO_SECTOR.to_le_bytes());
        put(&mut sector, 50, &BACKUP_SECTOR.to_le_bytes());
        (64, 0x58)
    } else {
        put(&mut sector, 22, &small(geometry.table).to_le_bytes());
        (36, 0x3C)
    };
    put(&mut sector, extended, &[0x80, 0, 0x29]);
    put(&mut sector, extended + 3, &volume.serial.to_le_bytes());
    put(&mut sector, extended + 7, &label);
    put(&mut sector, extended + 18, geometry.kind.text());
    // A jump over the above to code that asks the BIOS for the next disk, and then halts.
    put(&mut sector, 0, &[0xEB, jump, 0x90]);
    put(&mut sector, extended + 26, &[0xCD, 0x18, 0xF4, 0xEB, 0xFD]);
    put(&mut sector, SIGNATURE_AT, &SIGNATURE);
    sector
}

/// FAT32 keeps what is free, to spare drivers a walk through the table.
fn fs_info(geometry: &Geometry, next: u32) -> [u8; SECTOR] {
    let free = geometry.clusters + FIRST_CLUSTER - next;
    let mut sector = [0; SECTOR];
    put(&mut sector, 0, b"RRaA");
    put(&mut sector, 484, b"rrAa");
    put(&mut sector, 488, &free.to_le_bytes());
    put(&mut sector, 492, &next.to_le_bytes());
    put(&mut sector, SIGNATURE_AT, &SIGNATURE);
    sector
}

fn encode_table(kind: FatKind, table: &[u32]) -> Vec<u8> {
    let mut bytes = Vec::new();
    match kind {
        FatKind::Fat12 => {
            for pair in table.chunks(2) {
                let second = pair.get(1).copied().unwrap_or(0) & 0xFFF;
                let both = pair[0] & 0xFFF | second << 12;
                bytes.extend_from_slice(&both.to_le_bytes()[..3]);
            }
        }
        FatKind::Fat16 => {
            for entry in table {
                bytes.extend_from_slice(&entry.to_le_bytes()[..2]);
            }
        }
        FatKind::Fat32 => {
            for entry in table {
                bytes.extend_from_slice(&entry.to_le_bytes());
            }
        }
    }
    bytes
}

/// Copies `bytes` to where a field begins.
fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}
