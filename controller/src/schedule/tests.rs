//! Weeks of Central Europe: summer time begins on 2026-03-29 at 02:00, which becomes 03:00, and ends
//! on 2026-10-25 at 03:00, which becomes 02:00 again.

use super::*;

fn zone() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone")
}

/// A moment by its UTC time.
fn utc(text: &str) -> EpochMs {
    let time: Timestamp = text.parse().expect("a time");
    EpochMs(time.as_millisecond().cast_unsigned())
}

fn windows(texts: &[&str]) -> Vec<Window> {
    texts
        .iter()
        .map(|text| text.parse().expect("valid"))
        .collect()
}

/// Whether it is open at this UTC time, and when that changes.
fn at(texts: &[&str], time: &str) -> (bool, Option<String>) {
    let opening = open_at(&windows(texts), &zone(), utc(time));
    let shown = |at: EpochMs| {
        let time = Timestamp::from_millisecond(at.0 as i64).expect("in range");
        time.to_string()
    };
    (opening.open, opening.next.map(shown))
}

fn until(open: bool, time: &str) -> (bool, Option<String>) {
    (open, Some(time.to_owned()))
}

#[test]
fn a_window_is_open_from_its_first_to_its_last_millisecond() {
    // Monday, 12 January 2026; local time is one hour ahead.
    let day = &["mon 08:00-09:00"];
    assert_eq!(
        at(day, "2026-01-12T06:59:59.999Z"),
        until(false, "2026-01-12T07:00:00Z")
    );
    assert_eq!(
        at(day, "2026-01-12T07:00:00Z"),
        until(true, "2026-01-12T08:00:00Z")
    );
    assert_eq!(
        at(day, "2026-01-12T07:59:59.999Z"),
        until(true, "2026-01-12T08:00:00Z")
    );
    assert_eq!(
        at(day, "2026-01-12T08:00:00Z"),
        until(false, "2026-01-19T07:00:00Z")
    );
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let nights = &["mon-fri 22:00-06:00"];
    // Saturday at 02:00 is still Friday's night; Monday at 02:00 is nobody's.
    assert_eq!(
        at(nights, "2026-01-17T01:00:00Z"),
        until(true, "2026-01-17T05:00:00Z")
    );
    assert_eq!(
        at(nights, "2026-01-19T01:00:00Z"),
        until(false, "2026-01-19T21:00:00Z")
    );
    assert_eq!(
        at(nights, "2026-01-17T12:00:00Z"),
        until(false, "2026-01-19T21:00:00Z")
    );
}

#[test]
fn windows_that_touch_are_one() {
    let weekend = &[
        "fri 22:00-24:00",
        "sat 00:00-24:00",
        "sat 20:00-23:00",
        "sun 00:00-12:00",
    ];
    assert_eq!(
        at(weekend, "2026-01-16T21:30:00Z"),
        until(true, "2026-01-18T11:00:00Z")
    );
}

#[test]
fn all_of_every_day_and_nothing_at_all_never_change() {
    assert_eq!(
        at(&["daily 00:00-24:00"], "2026-03-28T12:00:00Z"),
        (true, None)
    );
    assert_eq!(at(&[], "2026-03-28T12:00:00Z"), (true, None));
    assert_eq!(
        at(&["mon-sat 00:00-24:00"], "2026-01-12T12:00:00Z"),
        until(true, "2026-01-17T23:00:00Z")
    );
}

#[test]
fn the_night_in_which_summer_time_begins_is_an_hour_shorter() {
    let night = &["sat 22:00-06:00"];
    // 22:00 CET is 21:00 UTC, 06:00 CEST is 04:00 UTC: seven hours.
    assert_eq!(
        at(night, "2026-03-28T21:00:00Z"),
        until(true, "2026-03-29T04:00:00Z")
    );
    // A time that is left out is the moment of the change, 01:00 UTC.
    assert_eq!(
        at(&["sun 02:15-03:10"], "2026-03-29T00:30:00Z"),
        until(false, "2026-03-29T01:00:00Z")
    );
    assert_eq!(
        at(&["sun 02:15-03:10"], "2026-03-29T01:00:00Z"),
        until(true, "2026-03-29T01:10:00Z")
    );
    assert_eq!(
        at(&["sat 22:00-02:30"], "2026-03-29T00:59:00Z"),
        until(true, "2026-03-29T01:00:00Z")
    );
    // A window that is left out whole waits for the next week.
    assert_eq!(
        at(&["sun 02:10-02:50"], "2026-03-29T00:30:00Z"),
        until(false, "2026-04-05T00:10:00Z")
    );
}

#[test]
fn the_night_in_which_summer_time_ends_is_an_hour_longer() {
    let night = &["sat 22:00-06:00"];
    // 22:00 CEST is 20:00 UTC, 06:00 CET is 05:00 UTC: nine hours.
    assert_eq!(
        at(night, "2026-10-24T20:00:00Z"),
        until(true, "2026-10-25T05:00:00Z")
    );
    // 02:30 comes twice, at 00:30 and 01:30 UTC; the first counts.
    assert_eq!(
        at(&["sat 22:00-02:30"], "2026-10-25T00:00:00Z"),
        until(true, "2026-10-25T00:30:00Z")
    );
    assert_eq!(
        at(&["sat 22:00-02:30"], "2026-10-25T01:10:00Z"),
        until(false, "2026-10-31T21:00:00Z")
    );
    assert_eq!(
        at(&["sun 02:30-04:00"], "2026-10-25T00:30:00Z"),
        until(true, "2026-10-25T03:00:00Z")
    );
}

#[test]
fn every_edge_is_where_the_answer_changes() {
    let windows = windows(&["mon-fri 22:00-06:00", "sat 12:00-24:00", "sun 02:30-05:00"]);
    for start in ["2026-03-20T00:00:00Z", "2026-10-16T00:00:00Z"] {
        let (mut now, mut edges) = (utc(start), 0);
        let end = now.0 + 14 * 86_400_000;
        while now.0 < end {
            let here = open_at(&windows, &zone(), now);
            let next = here.next.expect("it changes every week");
            assert!(next.0 > now.0, "time goes on");
            assert_eq!(
                open_at(&windows, &zone(), EpochMs(next.0 - 1)).open,
                here.open
            );
            assert_eq!(open_at(&windows, &zone(), next).open, !here.open);
            (now, edges) = (next, edges + 1);
        }
        assert!(edges >= 24, "{edges} edges in two weeks");
    }
}
