//! The log on disk: what it holds after kills, rotations and tampering.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::segments::{Writer, segments};
use super::*;
use crate::clock::EpochMs;

const NOW: EpochMs = EpochMs(1_700_000_000_000);

fn draft(number: usize) -> Draft {
    Draft {
        at: NOW.to_string(),
        who: Some("local".to_owned()),
        status: Some(200),
        request_id: Some(format!("{number:016x}")),
        ..Draft::of_request("POST", "/peers/{id}/ping", "/peers/rig-alpha/ping")
    }
}

/// A log of so many entries in segments of this size.
fn log_of(entries: usize, segment: u64) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut log = Writer::with_segments_of(segment, folder.path(), NOW).expect("opens");
    for number in 0..entries {
        log.append(vec![draft(number)]).expect("appended");
    }
    folder
}

fn checked(folder: &Path) -> Report {
    verify(folder, None).expect("readable")
}

fn last_segment(folder: &Path) -> PathBuf {
    segments(folder).expect("readable").pop().expect("one").1
}

#[test]
fn what_was_written_is_there_in_order_and_verifies() {
    let folder = log_of(10, SEGMENT_BYTES);
    let report = checked(folder.path());
    assert_eq!((report.entries, report.first, report.last), (11, 1, 11));
    assert_eq!(report.broken, None);
    let page = segments::page(folder.path(), None, 3).expect("readable");
    let numbers: Vec<_> = page.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [11, 10, 9], "the newest first");
    assert_eq!(page[0].target.as_deref(), Some("/peers/rig-alpha/ping"));
    let older = segments::page(folder.path(), Some(9), 100).expect("readable");
    assert_eq!(older.len(), 8);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&last_segment(folder.path())), 0o600);
}

#[test]
fn a_changed_byte_anywhere_is_found_and_its_entry_named() {
    let folder = log_of(4, 700);
    let all = segments(folder.path()).expect("readable");
    assert!(all.len() > 1, "over the seam of two segments");
    let mut looked_at = 0;
    for (first, path) in &all {
        let whole = fs::read(path).expect("readable");
        for at in 0..whole.len() {
            // Another digit, another case, and no text at all.
            for bit in [0, 5, 7] {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                fs::write(path, &changed).expect("written");
                let report = checked(folder.path());
                let broken = report.broken.unwrap_or_else(|| panic!("{at}.{bit} unseen"));
                let line = whole[..at].iter().filter(|byte| **byte == b'\n').count();
                let line = u64::try_from(line).expect("few");
                // The flip of a line feed glues its line to the next, so both are one that is none.
                assert_eq!(broken.seq, first + line, "{at}.{bit}: {broken:?}");
                looked_at += 1;
            }
        }
        fs::write(path, &whole).expect("written");
    }
    assert!(looked_at > 3 * 1000 && checked(folder.path()).broken.is_none());
}

#[test]
fn entries_taken_out_put_in_twice_or_swapped_are_found() {
    let folder = log_of(5, SEGMENT_BYTES);
    let path = last_segment(folder.path());
    let text = fs::read_to_string(&path).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let tampered = |order: &[usize]| {
        let lines: String = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
        fs::write(&path, lines).expect("written");
        checked(folder.path()).broken.map(|broken| broken.line)
    };
    assert_eq!(tampered(&[0, 1, 2, 3, 4, 5]), None);
    assert_eq!(tampered(&[0, 1, 3, 4, 5]), Some(3));
    assert_eq!(tampered(&[0, 1, 2, 2, 3, 4, 5]), Some(4));
    assert_eq!(tampered(&[0, 2, 1, 3, 4, 5]), Some(2));
    assert_eq!(tampered(&[1, 2, 3, 4, 5]), Some(1));
}

#[test]
fn what_is_cut_off_at_the_end_shows_by_the_hash_that_was_kept() {
    let folder = log_of(5, SEGMENT_BYTES);
    let kept = checked(folder.path()).head;
    let expects = || verify(folder.path(), Some(&kept)).expect("readable");
    assert_eq!(expects().expected, Some(true));
    let path = last_segment(folder.path());
    let text = fs::read_to_string(&path).expect("text");
    let shorter = text.trim_end().rfind('\n').expect("lines") + 1;
    fs::write(&path, &text[..shorter]).expect("written");
    let report = expects();
    assert_eq!((report.broken, report.expected), (None, Some(false)));
}

#[test]
fn a_kill_at_any_byte_of_the_last_entry_cuts_it_counts_it_and_goes_on() {
    let folder = log_of(3, SEGMENT_BYTES);
    let path = last_segment(folder.path());
    let whole = fs::read(&path).expect("readable");
    let last = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n');
    let last = last.expect("lines") + 1;
    for end in last..whole.len() {
        fs::write(&path, &whole[..end]).expect("written");
        let torn = checked(folder.path()).broken.map(|broken| broken.why);
        assert_eq!(torn, (end > last).then_some(Flaw::Torn), "{end}");
        let mut log = Writer::open(folder.path(), NOW).expect("opens");
        log.append(vec![draft(9)]).expect("appended");
        let report = checked(folder.path());
        assert_eq!(report.broken, None, "{end}");
        assert_eq!(report.cut, u64::from(end > last), "{end}");
    }
}

#[test]
fn a_segment_whose_first_line_was_never_whole_is_begun_anew() {
    let folder = log_of(2, SEGMENT_BYTES);
    let path = folder.path().join(format!("{:020}.jsonl", 4));
    for half in ["", "{\"seq\":4"] {
        fs::write(&path, half).expect("written");
        let mut log = Writer::open(folder.path(), NOW).expect("opens");
        log.append(vec![draft(1)]).expect("appended");
        assert!(!path.exists());
        assert_eq!(checked(folder.path()).broken, None);
    }
}

#[test]
fn full_segments_are_followed_by_others_and_the_oldest_go_without_breaking_the_chain() {
    let folder = log_of(120, 1_000);
    let report = checked(folder.path());
    assert_eq!(report.broken, None);
    assert_eq!(report.segments, KEPT_SEGMENTS);
    assert!(report.first > 1 && report.last > 120, "{report:?}");
    let sizes = segments(folder.path()).expect("readable");
    for (_, path) in sizes {
        // A segment is over its size by one entry at most.
        assert!(fs::metadata(path).expect("there").len() < 1_600);
    }
    let all = segments::page(folder.path(), None, 10_000).expect("readable");
    assert_eq!(u64::try_from(all.len()).expect("few"), report.entries);

    let oldest = segments(folder.path()).expect("readable").remove(0).1;
    fs::remove_file(oldest).expect("there");
    let why = checked(folder.path()).broken.expect("found").why;
    assert_eq!(why, Flaw::Missing, "not by age");
}

#[test]
fn a_log_that_was_changed_goes_on_and_stays_named() {
    let folder = log_of(3, SEGMENT_BYTES);
    let path = last_segment(folder.path());
    let text = fs::read_to_string(&path).expect("text");
    fs::write(&path, text.replacen("rig-alpha", "rig-betaa", 1)).expect("written");
    let mut log = Writer::open(folder.path(), NOW).expect("opens");
    log.append(vec![draft(4)]).expect("appended");
    let report = checked(folder.path());
    assert_eq!((report.segments, report.broken.expect("named").seq), (2, 2));
}

#[test]
fn all_that_wait_are_written_and_acknowledged() {
    let data = tempfile::tempdir().expect("temporary folder");
    let log = AuditLog::in_files(data.path(), Clock::start());
    smol::block_on(async {
        let many = (0..200).map(|number| log.record(draft(number)));
        let done = futures_of(many).await;
        assert!(done.iter().all(Result::is_ok));
    });
    let report = checked(&folder(data.path()));
    assert_eq!((report.entries, report.broken), (201, None));
}

async fn futures_of<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let executor = smol::LocalExecutor::new();
    let mut outputs = Vec::new();
    let tasks: Vec<_> = all.map(|future| executor.spawn(future)).collect();
    executor
        .run(async {
            for task in tasks {
                outputs.push(task.await);
            }
        })
        .await;
    outputs
}

#[test]
fn refusals_of_strangers_are_noted_at_a_rate_and_the_rest_is_counted() {
    let log = AuditLog::in_memory(Clock::start());
    let refused = Draft {
        who: None,
        ..draft(0)
    };
    smol::block_on(async {
        for _ in 0..100 {
            log.record(refused.clone()).await.expect("noted or counted");
        }
        log.record(draft(1)).await.expect("noted");
    });
    let all = log.page(None, 1_000).expect("readable");
    assert_eq!(all.len(), 31);
    assert_eq!(all.first().map(|entry| entry.unrecorded), Some(70));
    assert_eq!(all.last().map(|entry| &*entry.who), Some("nobody"));
}

#[test]
fn what_the_disk_does_not_take_is_said_and_counted() {
    let data = tempfile::tempdir().expect("temporary folder");
    fs::write(
        data.path().join("audit"),
        "a file where the folder should be",
    )
    .expect("written");
    let log = AuditLog::in_files(data.path(), Clock::start());
    smol::block_on(async {
        assert!(log.record(draft(0)).await.is_err());
        assert!(log.ready().await.is_err(), "no change is made meanwhile");
        fs::remove_file(data.path().join("audit")).expect("there");
        log.ready().await.expect("again");
        log.record(draft(1)).await.expect("written");
    });
    let report = checked(&folder(data.path()));
    assert_eq!((report.broken, report.unrecorded), (None, 2));
}

#[test]
fn a_digest_says_what_was_asked_and_nothing_about_secrets() {
    let of = |text: &str| digest(text.as_bytes());
    let body = of(r#"{"name":"p","pools":[{"user":"w","pass":"x"}]}"#).expect("JSON");
    assert_eq!(body.len(), 64);
    let same = of(r#"{"pools":[{"pass":"other","user":"w"}],"name":"p"}"#);
    assert_eq!(
        same,
        Some(body.clone()),
        "order, blanks and secrets do not count"
    );
    let other = of(r#"{"name":"p","pools":[{"user":"v","pass":"x"}]}"#);
    assert_ne!(other, Some(body));
    assert_eq!(of("no JSON"), None);
}

#[test]
fn a_token_that_was_put_into_a_path_is_in_no_entry() {
    let draft = Draft::of_request("DELETE", "/api-tokens/{id}", "/api-tokens/mct_SECRET");
    let entry = draft.into_entry(1);
    assert_eq!(entry.target.as_deref(), Some("/api-tokens/mct_…"));
    let long = Draft::of_request("PUT", "/x", &"y".repeat(10_000)).into_entry(1);
    assert_eq!(long.target.map(|target| target.len()), Some(MAX_TARGET));
}
