//! Hours of mining: weekly windows in the controller's local time, such as
//! `mon-fri 22:00-06:00`. Rigs need no clock for them; the controller pauses and resumes.
//!
//! ```text
//!   window   DAYS HH:MM-HH:MM      one that ends at or before its beginning ends on the next day
//!   days     mon,wed  fri-mon  daily
//! ```
//!
//! Windows become spans of real time, which are joined where they touch, and only then compared with
//! the clock. So the change to and from summer time needs no rule of its own but this: a time of day
//! that comes twice counts the first time, and one that is left out is the moment of the change.

mod parse;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::parse::NoWindow;
use crate::clock::EpochMs;

/// Windows of one profile: one for each day of a week, and one more.
pub const MAX_WINDOWS: usize = 8;
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Days that are looked ahead: a week, and the day that its last window may run into.
const AHEAD: i32 = 8;

/// When to mine, every week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Days on which it begins; Monday is the lowest of seven bits.
    days: u8,
    /// Beginning, in minutes from midnight.
    from: u16,
    /// End likewise, up to 24 * 60; not above `from` means on the next day.
    to: u16,
}

/// Whether it is time to mine, and when that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Whether a window is open.
    pub open: bool,
    /// When the answer changes; `None` if it never does.
    pub next: Option<EpochMs>,
}

/// The time zone of this machine, and its name if it has one. Without one it is UTC.
pub fn local_zone() -> TimeZone {
    TimeZone::try_system().unwrap_or_else(|error| {
        log::warn!("no local time zone, hours of mining are in UTC reason={error}");
        TimeZone::UTC
    })
}

/// Whether one of these windows is open at this moment. No windows at all are always open.
pub fn open_at(windows: &[Window], zone: &TimeZone, at: EpochMs) -> Opening {
    let always = Opening {
        open: true,
        next: None,
    };
    let now = i64::try_from(at.0).ok();
    let Some(now) = now.and_then(|ms| Timestamp::from_millisecond(ms).ok()) else {
        return always;
    };
    if windows.is_empty() {
        return always;
    }
    let today = zone.to_datetime(now).date();
    let spans = joined(windows, zone, today);
    let horizon = today.saturating_add(Span::new().days(AHEAD));
    let current = spans.iter().find(|(_, end)| *end > now);
    let (open, next) = match current {
        Some((start, end)) if *start <= now => (true, Some(*end)),
        Some((start, _)) => (false, Some(*start)),
        None => (false, None),
    };
    // A span that runs to where nobody looked has no end.
    let next = next.filter(|next| zone.to_datetime(*next).date() < horizon);
    let epoch = |time: Timestamp| u64::try_from(time.as_millisecond()).ok().map(EpochMs);
    Opening {
        open,
        next: next.and_then(epoch),
    }
}

/// What the windows cover from yesterday on, in order and without overlaps.
fn joined(windows: &[Window], zone: &TimeZone, today: Date) -> Vec<(Timestamp, Timestamp)> {
    let mut spans = Vec::new();
    for day in -1..=AHEAD {
        let date = today.saturating_add(Span::new().days(day));
        let covers = |window: &&Window| window.days & bit(date) != 0;
        let on_day = windows.iter().filter(covers);
        spans.extend(on_day.filter_map(|window| window.on(date, zone)));
    }
    spans.sort_unstable();
    let mut joined: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (start, end) in spans {
        match joined.last_mut() {
            Some((_, until)) if start <= *until => *until = end.max(*until),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// The bit of this date's day of the week.
fn bit(date: Date) -> u8 {
    1 << date.weekday().to_monday_zero_offset()
}

impl Window {
    /// What it covers if it begins on this date; `None` if the clock is turned over all of it.
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let last = if self.to <= self.from {
            date.tomorrow().ok()?
        } else {
            date
        };
        let start = moment(zone, date, self.from)?;
        let end = moment(zone, last, self.to)?;
        (start < end).then_some((start, end))
    }
}

/// The moment of a time of day, given in minutes from midnight.
fn moment(zone: &TimeZone, date: Date, minutes: u16) -> Option<Timestamp> {
    let (date, minutes) = match minutes {
        DAY => (date.tomorrow().ok()?, 0),
        minutes => (date, minutes),
    };
    let hour = i8::try_from(minutes / 60).ok()?;
    let minute = i8::try_from(minutes % 60).ok()?;
    let time = date.to_datetime(Time::new(hour, minute, 0, 0).ok()?);
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(time).ok()?;
            let change = zone.following(earlier).next()?;
            Some(change.timestamp())
        }
    }
}

#[cfg(test)]
mod tests;
