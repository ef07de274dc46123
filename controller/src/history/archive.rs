//! The archive: rings of points in a file, the places of rigs in it, and the points that are still open.
//!
//! ```text
//!   close(step) ─▶ row of the finest ring
//!              └▶ merged into the open minute and the open quarter, which are in memory
//!                 └─ written when they are over: with the last step of theirs, or with the first behind it
//! ```
//!
//! A kill loses what is in memory, and nothing of it matters: at the next start the open points are merged
//! anew from the ring below, and so are rows that were over and not written yet. The record of the fleet is
//! written after the rows of its step, so a step whose record is there is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;

use miner_shared::identity::Fingerprint;

use super::disk::Disk;
use super::format::{
    self, ENTRY, FLEET_RECORD, GROUP, GROUP_LEN, GROUPS_AT, Header, LAST_RECORD, MAX_GROUPS, PAGE,
    PAGE_LEN, STAMP,
};
use super::point::{Fleet, Point};
use super::tier::Tier;
use crate::clock::EpochMs;

/// Rows that are read at a time: 256 KiB.
const RUN: usize = 64;

/// Everything that one step of the finest tier brings.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Its number.
    pub number: u64,
    /// The points of rigs of which something is known.
    pub rigs: Vec<(Fingerprint, Point)>,
    /// The point of the fleet.
    pub fleet: Fleet,
    /// Reports to keep over a restart.
    pub reports: Vec<Kept>,
}

/// What a rig said last, as bytes of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which rig.
    pub key: Fingerprint,
    /// When it said so.
    pub at: EpochMs,
    /// What, in the encoding of [`super::report`].
    pub bytes: Vec<u8>,
}

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive<D> {
    disk: D,
    groups: usize,
    places: BTreeMap<Fingerprint, Place>,
    free: BTreeSet<usize>,
    minute: Open,
    quarter: Open,
    /// Rigs of the last step that got no place, as all are taken.
    left_out: usize,
}

/// Where a rig's points are.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    /// What is older in this place is another rig's.
    since_s: u64,
}

impl Place {
    /// Whether a step can hold anything of this rig.
    const fn holds(self, tier: Tier, step: u64) -> bool {
        (step + 1) * tier.step_s() > self.since_s
    }
}

/// The point of a coarser tier that steps are still merged into.
#[derive(Debug)]
struct Open {
    step: u64,
    fleet: Fleet,
    /// By place.
    rigs: Vec<Point>,
}

impl Open {
    fn new(step: u64, places: usize) -> Self {
        Self {
            step,
            fleet: Fleet::default(),
            rigs: vec![Point::default(); places],
        }
    }

    fn merge(&mut self, rigs: &[Point], fleet: &Fleet) {
        self.fleet = self.fleet.merge(fleet);
        for (sum, point) in self.rigs.iter_mut().zip(rigs) {
            *sum = sum.merge(point);
        }
    }
}

/// Why a file is not used.
#[derive(Debug)]
pub(super) enum Unopened {
    /// It cannot be read or written.
    Io(io::Error),
    /// It is not of this layout; it is to be set aside.
    Foreign(Header),
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<D: Disk> Archive<D> {
    /// Opens an archive, or makes one of a file without content.
    pub(super) fn open(mut disk: D, now: EpochMs) -> Result<Self, Unopened> {
        let len = disk.len()?;
        if len == 0 {
            disk.write(0, &format::header())?;
        } else {
            let mut page = [0; PAGE_LEN];
            disk.read(0, &mut page)?;
            match format::read_header(&page) {
                Header::Ours => {}
                other => return Err(Unopened::Foreign(other)),
            }
        }
        let whole = len.saturating_sub(GROUPS_AT).div_ceil(GROUP_LEN);
        let groups = usize::try_from(whole).unwrap_or(MAX_GROUPS).min(MAX_GROUPS);
        if len < format::file_len(groups) {
            disk.set_len(format::file_len(groups))?;
        }
        let places = groups * GROUP;
        let mut archive = Self {
            disk,
            groups,
            places: BTreeMap::new(),
            free: BTreeSet::new(),
            minute: Open::new(Tier::Minute.step_at(now), places),
            quarter: Open::new(Tier::Quarter.step_at(now), places),
            left_out: 0,
        };
        archive.read_directory()?;
        archive.repair()?;
        Ok(archive)
    }

    fn read_directory(&mut self) -> io::Result<()> {
        for group in 0..self.groups {
            let mut entries = [0; GROUP * ENTRY];
            self.disk
                .read(format::entry_at(group * GROUP), &mut entries)?;
            for (index, entry) in (group * GROUP..).zip(entries.chunks_exact(ENTRY)) {
                match format::read_entry(entry) {
                    // One rig has one place; a second one is what a torn change of its key left.
                    Some((since_s, key)) if !self.places.contains_key(&key) => {
                        self.places.insert(key, Place { index, since_s });
                    }
                    _ => {
                        self.free.insert(index);
                    }
                }
            }
        }
        Ok(())
    }

    /// Merges anew what was in memory when the last process ended: the open points, and what was over
    /// and not written.
    fn repair(&mut self) -> io::Result<()> {
        for tier in [Tier::Minute, Tier::Quarter] {
            let Some(below) = tier.below() else { continue };
            let open = self.open_mut(tier).step;
            let ratio = tier.step_s() / below.step_s();
            let parts = self.stamps(below)?;
            let steps: BTreeSet<u64> = parts
                .into_iter()
                .map(|part| part / ratio)
                .chain([open])
                .collect();
            for step in steps {
                // What a later lap of the ring has written stays.
                let missing =
                    step == open || self.stamp(tier, step)?.is_none_or(|there| there < step);
                if missing && let Some(merged) = self.merged(tier, below, step)? {
                    if step == open {
                        *self.open_mut(tier) = merged;
                    } else {
                        self.write_step(tier, step, &merged.rigs, &merged.fleet)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Numbers of all steps that a ring has, in the order of their places.
    fn stamps(&self, tier: Tier) -> io::Result<Vec<u64>> {
        let places = 0..tier.points();
        let stamps = places.map(|place| self.stamp(tier, place));
        stamps.filter_map(Result::transpose).collect()
    }

    /// Number of the step that is in the ring where this one would be.
    fn stamp(&self, tier: Tier, step: u64) -> io::Result<Option<u64>> {
        let mut record = [0; FLEET_RECORD];
        self.disk.read(format::fleet_at(tier, step), &mut record)?;
        Ok(format::opened(&record).map(|(stamp, _)| stamp))
    }

    /// A point of a coarser tier, merged of the ring below; `None` if that has nothing of it.
    fn merged(&self, tier: Tier, below: Tier, step: u64) -> io::Result<Option<Open>> {
        let ratio = tier.step_s() / below.step_s();
        let mut merged = Open::new(step, self.groups * GROUP);
        for part in step * ratio..(step + 1) * ratio {
            if below == Tier::Minute && part == self.minute.step {
                // It is over when its row is written, and in memory until then.
                merged.merge(&self.minute.rigs, &self.minute.fleet);
            } else if let Some(fleet) = self.fleet_point(below, part)? {
                merged.merge(&self.all_points(below, part)?, &fleet);
            }
        }
        Ok((!merged.fleet.is_empty()).then_some(merged))
    }

    fn open_mut(&mut self, tier: Tier) -> &mut Open {
        match tier {
            Tier::Quarter => &mut self.quarter,
            Tier::Fine | Tier::Minute => &mut self.minute,
        }
    }

    /// Takes a step that is over. What can be written is, whatever goes wrong; the first error is
    /// reported.
    pub(super) fn close(&mut self, step: &Step) -> io::Result<()> {
        let mut result = Ok(());
        self.left_out = 0;
        let mut rigs = vec![Point::default(); self.groups * GROUP];
        for (key, point) in &step.rigs {
            let place = match self.places.get(key).copied() {
                Some(place) => {
                    keep_first(&mut result, self.hold(key, place, step.number));
                    Some(place.index)
                }
                // A rig gets a place with its first statistics.
                None if point.rate().is_none() && point.shares().is_none() => continue,
                None => self.allot(key, step.number).unwrap_or_else(|error| {
                    keep_first(&mut result, Err(error));
                    None
                }),
            };
            rigs.resize(self.groups * GROUP, Point::default());
            match place.and_then(|index| rigs.get_mut(index)) {
                Some(place) => *place = *point,
                None => self.left_out += 1,
            }
        }
        for tier in [Tier::Minute, Tier::Quarter] {
            keep_first(&mut result, self.begin(tier, tier.step_of(step.number)));
        }
        keep_first(
            &mut result,
            self.write_step(Tier::Fine, step.number, &rigs, &step.fleet),
        );
        for tier in [Tier::Minute, Tier::Quarter] {
            let open = self.open_mut(tier);
            open.merge(&rigs, &step.fleet);
            if tier.step_of(step.number + 1) > open.step {
                keep_first(&mut result, self.write_open(tier));
            }
        }
        for report in &step.reports {
            keep_first(&mut result, self.keep_report(report));
        }
        result
    }

    /// Has this step of a coarser tier open; the one before it is written.
    fn begin(&mut self, tier: Tier, step: u64) -> io::Result<()> {
        let places = self.groups * GROUP;
        let open = self.open_mut(tier);
        if open.step == step {
            open.rigs.resize(places, Point::default());
            return Ok(());
        }
        let written = self.write_open(tier);
        *self.open_mut(tier) = Open::new(step, places);
        written
    }

    fn write_open(&mut self, tier: Tier) -> io::Result<()> {
        let step = self.open_mut(tier).step;
        let open = std::mem::replace(self.open_mut(tier), Open::new(step, 0));
        let written = if open.fleet.is_empty() {
            Ok(())
        } else {
            self.write_step(tier, open.step, &open.rigs, &open.fleet)
        };
        *self.open_mut(tier) = open;
        written
    }

    /// Writes the rows of a step, and then the record that says that they are there. A group of which
    /// nothing is known keeps the hole, or the older row, that it has.
    fn write_step(
        &mut self,
        tier: Tier,
        step: u64,
        rigs: &[Point],
        fleet: &Fleet,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for (group, points) in rigs.chunks(GROUP).enumerate() {
            if points.iter().all(Point::is_empty) {
                continue;
            }
            let mut row = [0; PAGE_LEN];
            let places = row.get_mut(STAMP..).unwrap_or_default();
            for (place, point) in places.chunks_exact_mut(Point::BYTES).zip(points) {
                place.copy_from_slice(&point.encode());
            }
            format::seal(step, &mut row);
            keep_first(
                &mut result,
                self.disk.write(format::row_at(group, tier, step), &row),
            );
        }
        let mut record = [0; FLEET_RECORD];
        if let Some(place) = record.get_mut(STAMP..) {
            place.copy_from_slice(&fleet.encode());
        }
        format::seal(step, &mut record);
        keep_first(
            &mut result,
            self.disk.write(format::fleet_at(tier, step), &record),
        );
        result
    }

    /// A place for this rig; `None` if all are taken.
    fn allot(&mut self, key: &Fingerprint, step: u64) -> io::Result<Option<usize>> {
        if self.free.is_empty() {
            if self.groups == MAX_GROUPS {
                return Ok(None);
            }
            self.disk.set_len(format::file_len(self.groups + 1))?;
            self.free
                .extend(self.groups * GROUP..(self.groups + 1) * GROUP);
            self.groups += 1;
        }
        let Some(index) = self.free.pop_first() else {
            return Ok(None);
        };
        // First what the last owner said, so that it is never taken for the new one's.
        self.disk.write(format::last_at(index), &[0; STAMP])?;
        self.give(key, index, step)?;
        Ok(Some(index))
    }

    /// A rig that got its place while the clock was ahead has it from this step on.
    fn hold(&mut self, key: &Fingerprint, place: Place, step: u64) -> io::Result<()> {
        if place.holds(Tier::Fine, step) {
            return Ok(());
        }
        self.give(key, place.index, step)
    }

    fn give(&mut self, key: &Fingerprint, index: usize, step: u64) -> io::Result<()> {
        let since_s = (step * Tier::Fine.step_s()).max(1);
        self.places.insert(*key, Place { index, since_s });
        let entry = format::entry(since_s, key);
        self.disk.write(format::entry_at(index), &entry)
    }

    /// Frees a rig's place.
    pub(super) fn forget(&mut self, key: &Fingerprint) -> io::Result<()> {
        let Some(place) = self.places.remove(key) else {
            return Ok(());
        };
        for tier in [Tier::Minute, Tier::Quarter] {
            if let Some(point) = self.open_mut(tier).rigs.get_mut(place.index) {
                *point = Point::default();
            }
        }
        self.free.insert(place.index);
        self.disk
            .write(format::entry_at(place.index), &format::entry(0, key))
    }

    /// A rig has another key: its history goes on under it.
    pub(super) fn rename(&mut self, old: &Fingerprint, new: &Fingerprint) -> io::Result<()> {
        let Some(place) = self.places.get(old).copied() else {
            return Ok(());
        };
        self.forget(new)?;
        self.places.remove(old);
        self.places.insert(*new, place);
        let entry = format::entry(place.since_s, new);
        self.disk.write(format::entry_at(place.index), &entry)
    }

    /// Keeps what a rig said last; a rig without a place has none for that either.
    pub(super) fn keep_report(&mut self, report: &Kept) -> io::Result<()> {
        let record = format::last(report.at.0, super::report::VERSION, &report.bytes);
        match (self.places.get(&report.key), record) {
            (Some(place), Some(record)) => self.disk.write(format::last_at(place.index), &record),
            _ => Ok(()),
        }
    }

    /// What all rigs said last.
    pub(super) fn reports(&self) -> io::Result<Vec<Kept>> {
        let mut reports = Vec::new();
        for (key, place) in &self.places {
            let mut record = [0; LAST_RECORD];
            self.disk.read(format::last_at(place.index), &mut record)?;
            if let Some((at, bytes)) = format::read_last(&record, super::report::VERSION) {
                reports.push(Kept {
                    key: *key,
                    at: EpochMs(at),
                    bytes: bytes.to_vec(),
                });
            }
        }
        Ok(reports)
    }

    /// Rigs that have a place.
    pub(super) fn rigs(&self) -> impl Iterator<Item = &Fingerprint> {
        self.places.keys()
    }

    /// Rigs of the last step that got no place.
    pub(super) const fn left_out(&self) -> usize {
        self.left_out
    }

    /// A rig's points of these steps; empty ones where nothing is known.
    pub(super) fn rig(
        &self,
        key: &Fingerprint,
        tier: Tier,
        steps: Range<u64>,
    ) -> io::Result<Vec<Point>> {
        let Some(place) = self.places.get(key).copied() else {
            return Ok(steps.map(|_| Point::default()).collect());
        };
        let (group, column) = (place.index / GROUP, place.index % GROUP);
        let mut points = Vec::new();
        let mut buffer = vec![0; RUN * PAGE_LEN];
        let mut at = steps.start;
        while at < steps.end {
            // As many rows as lie side by side: up to the ring's end.
            let run = (tier.points() - at % tier.points())
                .min(steps.end - at)
                .min(RUN as u64);
            let length = usize::try_from(run * PAGE).unwrap_or(buffer.len());
            let rows = buffer.get_mut(..length).unwrap_or_default();
            self.disk.read(format::row_at(group, tier, at), rows)?;
            for (step, row) in (at..).zip(rows.chunks_exact(PAGE_LEN)) {
                let point = match format::opened(row) {
                    Some((stamp, content)) if stamp == step && place.holds(tier, step) => content
                        .as_chunks()
                        .0
                        .get(column)
                        .copied()
                        .map(Point::decode),
                    _ => None,
                };
                points.push(point.unwrap_or_default());
            }
            at += run;
        }
        if let Some((open, steps_before)) = self.open_in(tier, &steps)
            && let (Some(place), Some(open)) =
                (points.get_mut(steps_before), open.rigs.get(place.index))
        {
            *place = *open;
        }
        Ok(points)
    }

    /// The fleet's points of these steps; empty ones where nothing is known.
    pub(super) fn fleet(&self, tier: Tier, steps: Range<u64>) -> io::Result<Vec<Fleet>> {
        let mut points = steps
            .clone()
            .map(|step| Ok(self.fleet_point(tier, step)?.unwrap_or_default()))
            .collect::<io::Result<Vec<_>>>()?;
        if let Some((open, steps_before)) = self.open_in(tier, &steps)
            && let Some(place) = points.get_mut(steps_before)
        {
            *place = open.fleet;
        }
        Ok(points)
    }

    /// The open point of a tier, if it is one of these steps, and how many steps are before it.
    fn open_in(&self, tier: Tier, steps: &Range<u64>) -> Option<(&Open, usize)> {
        let open = match tier {
            Tier::Fine => return None,
            Tier::Minute => &self.minute,
            Tier::Quarter => &self.quarter,
        };
        let within = steps.contains(&open.step) && !open.fleet.is_empty();
        let before = usize::try_from(open.step.checked_sub(steps.start)?).ok()?;
        within.then_some((open, before))
    }

    fn fleet_point(&self, tier: Tier, step: u64) -> io::Result<Option<Fleet>> {
        let mut record = [0; FLEET_RECORD];
        self.disk.read(format::fleet_at(tier, step), &mut record)?;
        let content = format::opened(&record).filter(|(stamp, _)| *stamp == step);
        let point = content.and_then(|(_, content)| content.first_chunk());
        Ok(point.map(|bytes| Fleet::decode(*bytes)))
    }

    /// The points of all places in one step.
    fn all_points(&self, tier: Tier, step: u64) -> io::Result<Vec<Point>> {
        let mut points = vec![Point::default(); self.groups * GROUP];
        let mut row = [0; PAGE_LEN];
        for (group, out) in points.chunks_mut(GROUP).enumerate() {
            self.disk
                .read(format::row_at(group, tier, step), &mut row)?;
            if let Some((stamp, content)) = format::opened(&row)
                && stamp == step
            {
                for (out, bytes) in out.iter_mut().zip(content.as_chunks().0) {
                    *out = Point::decode(*bytes);
                }
            }
        }
        let mut owned = vec![Point::default(); points.len()];
        for place in self.places.values().filter(|place| place.holds(tier, step)) {
            if let (Some(out), Some(point)) = (owned.get_mut(place.index), points.get(place.index))
            {
                *out = *point;
            }
        }
        Ok(owned)
    }

    #[cfg(test)]
    pub(super) fn into_disk(self) -> D {
        self.disk
    }
}

/// Keeps the first error of many attempts.
fn keep_first(result: &mut io::Result<()>, next: io::Result<()>) {
    if result.is_ok() {
        *result = next;
    }
}
