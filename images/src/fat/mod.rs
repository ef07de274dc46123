//! FAT volumes: FAT12, FAT16 and FAT32 with long names, as Microsoft's "FAT: General Overview of
//! On-Disk Format" 1.03 lays them out.
//!
//! ```text
//! sector 0              boot sector: the BIOS parameter block, label, serial
//!        1, 6, 7        FAT32: FSInfo, copies of sector 0 and 1
//!        reserved..     two equal tables: cluster → next cluster of the file
//!        ..             FAT12, FAT16: the root folder, 512 entries
//!        ..             clusters, counted from 2
//! ```
//! | | FAT12 | FAT16 | FAT32 |
//! |---|---|---|---|
//! | clusters | < 4085 | < 65525 | the rest |
//! | reserved sectors | 1 | 1 | 32 |
//!
//! The number of clusters alone says which of the three a volume is; that is why none is written that
//! a strict driver would read as another. Times are constant (1 January 1980) and the serial number is
//! given, so that the same files make the same bytes.

mod geometry;
mod name;
mod read;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub use geometry::{FatKind, SECTOR};
pub use read::{Entry, Reader};
pub use tree::Tree;

use crate::sparse::Image;

/// How a volume is made.
#[derive(Clone, Copy, Debug)]
pub struct Volume<'a> {
    /// 1 to 11 capital letters, digits or `_`; found in the boot sector and in the root folder.
    pub label: &'a str,
    /// A constant of the image: never random, never the time.
    pub serial: u32,
    /// Length in sectors of 512 bytes.
    pub sectors: u32,
    /// Sectors before the volume on its disk.
    pub hidden: u32,
    /// FAT32 where firmware wants it; `None` takes what the length suggests.
    pub kind: Option<FatKind>,
}

impl Volume<'_> {
    /// The volume that holds these files.
    pub fn format<'f>(&self, files: Tree<'f>) -> Result<Image<'f>, FatError> {
        write::volume(self, files)
    }
}

/// Why a volume could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatError {
    /// Not 1 to 11 characters of `A-Z0-9_`.
    #[error("{0:?} is no volume label: 1 to 11 characters of A-Z, 0-9 and _")]
    BadLabel(String),
    /// A name that FAT cannot hold, or not ASCII.
    #[error(
        "{0:?} cannot be a file's path on FAT: ASCII names of 1 to 255 characters, parted by /"
    )]
    BadPath(String),
    /// Two files of one name; FAT takes `a` and `A` for the same.
    #[error("{0:?} is there twice; FAT does not tell capitals from small letters")]
    Twice(String),
    /// The length does not make a volume of this kind.
    #[error("a volume of {sectors} sectors cannot be {kind}: choose another length")]
    WrongSize {
        /// The kind that was asked for.
        kind: FatKind,
        /// The length that was asked for.
        sectors: u32,
    },
    /// The files do not fit.
    #[error("the files do not fit into the FAT volume {0}: make it larger")]
    Full(String),
    /// Not a FAT volume, or one that is damaged.
    #[error("this is no FAT volume that can be read: {0}")]
    Damaged(&'static str),
    /// No file of this path.
    #[error("there is no file {0:?} on the FAT volume")]
    NotFound(String),
}
