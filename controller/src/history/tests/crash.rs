//! The file cut off after every write, and in the middle of every write.

use miner_shared::identity::Fingerprint;

use super::super::archive::{Archive, Kept, Step, Unopened};
use super::super::disk::{Change, MemoryDisk};
use super::super::{Fleet, Point, Shares, Tier};
use super::model::wall;
use crate::clock::EpochMs;

const KEYS: [Fingerprint; 2] = [Fingerprint([1; 32]), Fingerprint([2; 32])];
/// Within these steps a minute and a quarter of an hour end.
const BEGIN: u64 = 90 * 1_000_000 - 8;
const STEPS: u64 = 20;

fn point(step: u64, rig: usize) -> Point {
    let shares = Shares {
        accepted: step % 7,
        ..Shares::default()
    };
    Point::new(Some((step % 100) as f64 + rig as f64), Some(shares), true)
}

fn step(number: u64) -> Step {
    let rigs: Vec<_> = (0..KEYS.len())
        .map(|rig| (KEYS[rig], point(number, rig)))
        .collect();
    Step {
        number,
        fleet: Fleet::of(2, rigs.iter().map(|(_, point)| *point)),
        rigs,
        reports: vec![Kept {
            key: KEYS[0],
            at: wall(number),
            bytes: vec![7; 100],
        }],
    }
}

/// The writes of a run, and how many of them there were after each step.
fn run() -> (Vec<Change>, Vec<usize>) {
    let mut archive = Archive::open(MemoryDisk::default(), wall(BEGIN)).expect("memory");
    let mut disk = archive.into_disk();
    let mut ends = Vec::new();
    let mut log = std::mem::take(&mut disk.log);
    archive = Archive::open(disk, wall(BEGIN)).expect("memory");
    for number in BEGIN..BEGIN + STEPS {
        archive.close(&step(number)).expect("memory");
        let mut disk = archive.into_disk();
        log.append(&mut disk.log);
        ends.push(log.len());
        // What was in memory goes at each step, as by a kill.
        archive = Archive::open(disk, wall(number + 1)).expect("memory");
    }
    (log, ends)
}

/// Opens what is there, and compares it with the steps of which all was written.
fn check(disk: MemoryDisk, whole: u64, place: &str) {
    let now = wall(BEGIN + STEPS);
    let archive = Archive::open(disk, now).unwrap_or_else(|error| panic!("{place}: {error:?}"));
    for (rig, key) in KEYS.iter().enumerate() {
        let fine = archive
            .rig(key, Tier::Fine, BEGIN..BEGIN + STEPS)
            .expect("memory");
        for (number, read) in (BEGIN..).zip(&fine) {
            let written = point(number, rig);
            if number < BEGIN + whole {
                assert_eq!(*read, written, "{place}: step {number} was written");
            } else {
                assert!(
                    read.is_empty() || *read == written,
                    "{place}: step {number}"
                );
            }
        }
        for tier in [Tier::Minute, Tier::Quarter] {
            let steps = tier.step_of(BEGIN)..tier.step_of(BEGIN + STEPS) + 1;
            let known: u64 = archive
                .rig(key, tier, steps)
                .expect("memory")
                .iter()
                .filter_map(Point::shares)
                .map(|shares| shares.accepted)
                .sum();
            let shares =
                |numbers: std::ops::Range<u64>| numbers.map(|number| number % 7).sum::<u64>();
            let least = shares(BEGIN..BEGIN + whole);
            let most = shares(BEGIN..(BEGIN + whole + 1).min(BEGIN + STEPS));
            assert!((least..=most).contains(&known), "{place}: {tier} {known}");
        }
    }
    for kept in archive.reports().expect("memory") {
        assert_eq!((kept.key, kept.bytes.len()), (KEYS[0], 100), "{place}");
    }
}

#[test]
fn every_prefix_of_the_writes_opens_and_has_all_steps_that_were_written() {
    let (log, ends) = run();
    let mut disk = MemoryDisk::default();
    for (count, change) in log.iter().enumerate() {
        disk.replay(change, usize::MAX);
        let whole = ends.iter().filter(|end| **end <= count + 1).count() as u64;
        check(
            disk.clone(),
            whole,
            &format!("{} of {} writes", count + 1, log.len()),
        );
    }
}

#[test]
fn a_write_that_was_torn_costs_at_most_the_newest_step() {
    let (log, ends) = run();
    let mut disk = MemoryDisk::default();
    for (count, change) in log.iter().enumerate() {
        let whole = ends.iter().filter(|end| **end <= count).count() as u64;
        if let Change::Write(_, bytes) = change
            && count > 0
        {
            for part in [1, 8, 15, 17, bytes.len() / 2, bytes.len() - 1] {
                let mut torn = disk.clone();
                torn.replay(change, part);
                check(torn, whole, &format!("write {count}, {part} bytes of it"));
            }
        }
        disk.replay(change, usize::MAX);
    }
}

#[test]
fn a_header_that_was_torn_is_not_taken_for_an_archive() {
    let (log, _) = run();
    let mut disk = MemoryDisk::default();
    disk.replay(&log[0], 40);
    let opened = Archive::open(disk, EpochMs(0));
    assert!(matches!(opened, Err(Unopened::Foreign(_))));
}
