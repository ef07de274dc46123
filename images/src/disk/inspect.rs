//! The volumes on a finished disk.

use std::ops::Range;

use crate::fat::{Reader, SECTOR};
use crate::{gpt, mbr};

/// A FAT volume on a disk.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its label, from the boot sector.
    pub label: String,
    /// Its bytes on the disk.
    pub place: Range<usize>,
    /// What is in it.
    pub volume: Reader<'a>,
}

/// The FAT volumes of a disk with a GPT, or else with an MBR.
pub fn volumes(disk: &[u8]) -> Vec<Found<'_>> {
    let by_gpt = gpt::read(disk).map(|partitions| {
        let places = partitions
            .iter()
            .map(|p| (p.first, p.last.saturating_add(1)));
        places.collect()
    });
    let places: Vec<(u64, u64)> = by_gpt.unwrap_or_else(|_| {
        let partitions = mbr::partitions(disk).into_iter();
        partitions
            .map(|p| (p.first.into(), u64::from(p.first) + u64::from(p.sectors)))
            .collect()
    });
    let found = places.into_iter().filter_map(|(first, end)| {
        let place = byte(first)?..byte(end)?;
        let volume = Reader::open(disk.get(place.clone())?).ok()?;
        Some(Found {
            label: volume.label(),
            place,
            volume,
        })
    });
    found.collect()
}

fn byte(sector: u64) -> Option<usize> {
    usize::try_from(sector).ok()?.checked_mul(SECTOR)
}
