//! Numbers, bounds, filters, kills.

use std::fs;
use std::path::Path;

use super::*;
use crate::clock::EpochMs;

fn line(seq: u64) -> String {
    let (at, kind) = (
        EpochMs(seq * 1_000),
        ["linkUp", "linkDown"][usize::from(seq % 2 == 1)],
    );
    let rig = seq % 3;
    format!(
        r#"{{"seq":{seq},"at":"{at}","nodeId":"id-{rig}","nodeName":"rig-{rig}","type":"{kind}"}}"#
    )
}

fn numbers(page: &Page) -> Vec<u64> {
    page.lines
        .iter()
        .map(|line| query::head(line.as_bytes()).expect("an event").seq)
        .collect()
}

/// Opens, appends so many, and ends as is said; the numbers that it began with.
fn run(data: &Path, count: u64, clean: bool) -> Begun {
    let (journal, begun) = Journal::open(data).expect("opens");
    smol::block_on(async {
        for seq in begun.next..begun.next + count {
            journal.append(seq, line(seq));
            // The queue is bounded; a test is faster than the disk.
            if seq % 500 == 0 {
                let _page = journal.query(EventFilter::default()).await.expect("reads");
            }
        }
        journal.end().await;
    });
    assert_eq!(journal.lost(), 0);
    if !clean {
        fs::remove_file(Journal::folder(data).join("ended")).expect("was there");
    }
    begun
}

fn ask(data: &Path, filter: EventFilter) -> Page {
    let (journal, _) = Journal::open(data).expect("opens");
    smol::block_on(async {
        let page = journal.query(filter).await.expect("reads");
        journal.end().await;
        page
    })
}

#[test]
fn numbers_go_on_after_a_clean_end_and_skip_what_a_crash_may_have_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    assert_eq!(
        run(data, 10, true),
        Begun {
            next: 0,
            skipped: 0
        }
    );
    assert_eq!(
        run(data, 10, false),
        Begun {
            next: 10,
            skipped: 0
        }
    );
    assert_eq!(
        run(data, 1, true),
        Begun {
            next: 20 + SKIP,
            skipped: SKIP
        }
    );
    let page = ask(
        data,
        EventFilter {
            from: Some(19),
            limit: 10,
            ..EventFilter::default()
        },
    );
    assert_eq!(numbers(&page), [19, 20 + SKIP]);
}

#[test]
fn a_torn_last_line_is_cut_off_and_the_ones_before_it_stay() {
    for cut in 1..line(9).len() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path();
        run(data, 10, false);
        let file = Journal::folder(data).join(format!("{:020}.jsonl", 0));
        let bytes = fs::read(&file).expect("is there");
        fs::write(&file, &bytes[..bytes.len() - cut]).expect("written");
        assert_eq!(run(data, 2, true).next, 9 + SKIP);
        let page = ask(
            data,
            EventFilter {
                limit: 100,
                ..EventFilter::default()
            },
        );
        let expected: Vec<u64> = (0..9).chain(9 + SKIP..11 + SKIP).collect();
        assert_eq!(numbers(&page), expected, "{cut} bytes are missing");
    }
}

#[test]
fn what_is_no_event_is_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    run(folder.path(), 3, true);
    let file = Journal::folder(folder.path()).join(format!("{:020}.jsonl", 0));
    let text = fs::read_to_string(&file).expect("is there");
    fs::write(&file, format!("\u{0}\u{0}\n{text}[]\n{{\"seq\":\"x\"}}\n")).expect("written");
    let page = ask(
        folder.path(),
        EventFilter {
            limit: 9,
            ..EventFilter::default()
        },
    );
    assert_eq!(numbers(&page), [0, 1, 2]);
}

#[test]
fn filters_and_cursors() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    run(data, 20, true);
    let filter = |limit| EventFilter {
        limit,
        ..EventFilter::default()
    };
    let newest = ask(data, filter(3));
    assert_eq!(
        (numbers(&newest), newest.last, newest.more),
        (vec![17, 18, 19], Some(19), false)
    );
    let first = ask(
        data,
        EventFilter {
            from: Some(17),
            ..filter(2)
        },
    );
    assert_eq!(
        (numbers(&first), first.last, first.more),
        (vec![17, 18], Some(18), true)
    );
    let rest = ask(
        data,
        EventFilter {
            from: Some(19),
            ..filter(2)
        },
    );
    assert_eq!((numbers(&rest), rest.more), (vec![19], false));
    let none = ask(
        data,
        EventFilter {
            from: Some(20),
            ..filter(2)
        },
    );
    assert_eq!((numbers(&none), none.last), (vec![], None));
    let since = ask(
        data,
        EventFilter {
            since: Some(EpochMs(17_500)),
            ..filter(9)
        },
    );
    assert_eq!(numbers(&since), [18, 19]);
    let types = vec!["linkDown".to_owned(), "other".to_owned()];
    let downs = ask(data, EventFilter { types, ..filter(2) });
    assert_eq!(numbers(&downs), [17, 19]);
    for peer in ["rig-2", "id-2"] {
        let peer = Some(peer.to_owned());
        let about = ask(
            data,
            EventFilter {
                peer,
                from: Some(11),
                ..filter(9)
            },
        );
        assert_eq!(numbers(&about), [11, 14, 17]);
    }
}

#[test]
fn the_log_is_bounded_and_says_what_fell_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path();
    let (mut segments, _) = Segments::open(&Journal::folder(data)).expect("opens");
    let pad = "x".repeat(256 * 1024);
    let count = (SEGMENTS as u64 + 3) * 16;
    for seq in 0..count {
        let line = line(seq).replace("rig-", &format!("{pad}-"));
        segments.append(seq, &line).expect("written");
        segments.flush().expect("written");
    }
    segments.end().expect("written");
    let files = fs::read_dir(Journal::folder(data)).expect("is there");
    let files: Vec<_> = files
        .map(|file| file.expect("one").metadata().expect("is there").len())
        .collect();
    assert_eq!(files.len(), SEGMENTS + 1, "and the word of the clean end");
    let line_bytes = pad.len() as u64 + 200;
    assert!(
        files.iter().all(|len| *len <= SEGMENT_BYTES + line_bytes),
        "{files:?}"
    );

    let oldest = segments.firsts[0];
    assert!(oldest > 0);
    let page = ask(
        data,
        EventFilter {
            from: Some(oldest - 7),
            limit: 2,
            ..EventFilter::default()
        },
    );
    assert_eq!((numbers(&page), page.lost), (vec![oldest, oldest + 1], 7));
    assert_eq!(run(data, 1, true).next, count);
}

#[test]
fn a_disk_that_hangs_costs_events_that_are_counted_and_nobody_waits() {
    let (queue, work) = bounded(QUEUE);
    let (_running, ended) = bounded(1);
    let journal = Journal {
        queue,
        turns: Semaphore::new(QUERIES),
        state: Arc::default(),
        ended,
    };
    for seq in 0..QUEUE as u64 + 5 {
        journal.append(seq, line(seq));
    }
    assert_eq!((journal.lost(), work.len()), (5, QUEUE));
}
