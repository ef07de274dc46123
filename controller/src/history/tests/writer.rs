//! The file on a disk, through the thread that owns it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use miner_shared::identity::Fingerprint;

use super::super::archive::Kept;
use super::super::format::file_len;
use super::super::{Fleet, History, Point, Points, Step, Tier, Whose};
use super::model::wall;
use crate::clock::Clock;

const BEGIN: u64 = 170_000_000;

fn key(n: u64) -> Fingerprint {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&n.to_be_bytes());
    Fingerprint(key)
}

fn step(number: u64, rigs: u64) -> Step {
    let rigs: Vec<_> = (0..rigs)
        .map(|n| (key(n), Point::new(Some(n as f64 + 1.0), None, true)))
        .collect();
    Step {
        number,
        fleet: Fleet::of(rigs.len(), rigs.iter().map(|(_, point)| *point)),
        rigs,
        reports: Vec::new(),
    }
}

fn rates(points: Points) -> Vec<Option<f64>> {
    match points {
        Points::Rig(points) => points.iter().map(Point::rate).collect(),
        Points::Fleet(points) => points.iter().map(Fleet::rate).collect(),
    }
}

#[test]
fn ten_thousand_rigs_for_an_hour_lose_nothing_and_take_the_room_that_was_said() {
    const RIGS: u64 = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let (history, _) = History::open(folder.path(), wall(BEGIN)).expect("opens");
    let clock = Clock::start();
    smol::block_on(async {
        for number in BEGIN..BEGIN + 360 {
            history.close(step(number, RIGS));
            // Here an hour takes seconds: wait for the thread, as ten real seconds would.
            let read = history.read(Whose::Fleet, Tier::Fine, number..number + 1);
            let sum = (RIGS * (RIGS + 1) / 2) as f64;
            assert_eq!(rates(read.await.expect("reads")), [Some(sum)]);
        }
        let took = clock.now().mono.0;
        println!(
            "360 steps of {RIGS} rigs: {took} ms, {} us each",
            took * 1_000 / 360
        );
        let begun = clock.now().mono;
        for n in [0, 254, 255, RIGS - 1] {
            let whose = Whose::Rig(key(n));
            let fine = history.read(whose, Tier::Fine, BEGIN..BEGIN + 360).await;
            assert_eq!(rates(fine.expect("reads")), vec![Some(n as f64 + 1.0); 360]);
            let minutes = Tier::Minute.step_of(BEGIN + 6)..Tier::Minute.step_of(BEGIN + 359);
            let read = history.read(whose, Tier::Minute, minutes).await;
            assert!(
                rates(read.expect("reads"))
                    .iter()
                    .all(|rate| *rate == Some(n as f64 + 1.0))
            );
        }
        println!("8 reads: {} ms", clock.now().mono.since(begun));
        let writing = history.writing();
        assert_eq!((writing.lost, writing.failed, writing.left_out), (0, 0, 0));
        assert_eq!(writing.written, Some(BEGIN + 359));
        history.end().await;
        assert!(!history.writing().running);
    });
    let file = fs::metadata(History::file(folder.path())).expect("is there");
    assert_eq!(file.len(), file_len(40));
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    // An hour of the finest ring, and a page of each other table that was touched.
    println!(
        "{} bytes long, {} on the disk",
        file.len(),
        file.blocks() * 512
    );
    assert!(file.blocks() * 512 < 40 * (360 + 60 + 8 + 4 + 128) * 4_096 + 1_000_000);
}

#[test]
fn what_rigs_said_last_is_there_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Kept {
        key: key(1),
        at: wall(BEGIN),
        bytes: b"report".to_vec(),
    };
    smol::block_on(async {
        let (history, found) = History::open(folder.path(), wall(BEGIN)).expect("opens");
        assert!(found.rigs.is_empty() && found.reports.is_empty());
        history.close(step(BEGIN, 2));
        history.keep(vec![kept.clone()]);
        history.rename(key(0), key(7));
        history.end().await;
        let (history, found) = History::open(folder.path(), wall(BEGIN + 1)).expect("opens");
        assert_eq!(found.rigs, [key(1), key(7)]);
        assert_eq!(found.reports, [kept]);
        history.keep_only([key(7)].into());
        let read = history
            .read(Whose::Rig(key(7)), Tier::Fine, BEGIN..BEGIN + 1)
            .await;
        assert_eq!(
            rates(read.expect("reads")),
            [Some(1.0)],
            "its history went with it"
        );
        history.end().await;
        let (history, found) = History::open(folder.path(), wall(BEGIN + 2)).expect("opens");
        assert_eq!(found.rigs, [key(7)]);
        assert!(found.reports.is_empty());
        history.end().await;
    });
}

#[test]
fn a_damaged_header_sets_the_file_aside_and_the_controller_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = History::file(folder.path());
    fs::write(&file, b"something else").expect("written");
    smol::block_on(async {
        let (history, found) = History::open(folder.path(), wall(BEGIN)).expect("opens");
        assert!(found.rigs.is_empty());
        history.close(step(BEGIN, 1));
        history.end().await;
    });
    let aside = fs::read(folder.path().join("history.farm.aside")).expect("is there");
    assert_eq!(aside, b"something else");
    assert!(fs::metadata(&file).expect("is there").len() > 1_000_000);
}
