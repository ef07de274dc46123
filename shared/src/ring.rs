//! The log of a rig: numbered records in a fixed number of bytes, oldest out first, losses counted.
//!
//! ```text
//!   ... lost ... │ 41 │ 42 │ 43 │ 44 │        page(None, 2)     -> 43, 44        next = end = 45
//!                 first           end = 45    page(Some(40), 9) -> 41 .. 44      lost = 1
//! ```
//!
//! A reader keeps the cursor that it got (`next`) and asks again; it learns from `lost` what fell
//! out in between, so a gap is never silent. Each record takes [`HEADER`] bytes and its text.

use crate::limits::{MAX_LOG_LINE, MAX_LOG_LINES};
use crate::text::LogText;
use crate::wire::{Level, LogLine, LogPage};

/// Time (8), level (1), length of the text (1).
const HEADER: usize = 8 + 1 + 1;
const _: () = assert!(MAX_LOG_LINE <= u8::MAX as usize);

/// A log in `BYTES` bytes.
#[derive(Clone, Debug)]
pub struct LogRing<const BYTES: usize> {
    bytes: [u8; BYTES],
    /// Where the oldest record begins.
    head: usize,
    /// Bytes in use.
    used: usize,
    /// Number of the oldest record.
    first: u64,
    /// Number that the next record gets.
    end: u64,
}

impl<const BYTES: usize> Default for LogRing<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BYTES: usize> LogRing<BYTES> {
    const ONE_RECORD_FITS: () = assert!(BYTES >= HEADER + MAX_LOG_LINE);

    /// Empty.
    pub const fn new() -> Self {
        let () = Self::ONE_RECORD_FITS;
        Self {
            bytes: [0; BYTES],
            head: 0,
            used: 0,
            first: 0,
            end: 0,
        }
    }

    /// Appends a record; `at_ms` is the rig's clock, the text is cut to its bound.
    pub fn push(&mut self, at_ms: u64, level: Level, text: &str) {
        let text = LogText::lossy(text);
        let text = text.as_str().as_bytes();
        while self.used + HEADER + text.len() > BYTES {
            self.drop_oldest();
        }
        self.append(&at_ms.to_le_bytes());
        // Both fit a byte: see the assertion above, and `code`.
        self.append(&[code(level), u8::try_from(text.len()).unwrap_or(u8::MAX)]);
        self.append(text);
        self.end += 1;
    }

    /// Up to `lines` records from `cursor` on, or the last `lines` of the log; never more than
    /// [`MAX_LOG_LINES`] at a time.
    pub fn page(&self, cursor: Option<u64>, lines: u16, now_ms: u64) -> LogPage {
        let wanted = cursor
            .unwrap_or_else(|| self.end.saturating_sub(lines.into()))
            .min(self.end);
        self.page_from(wanted, lines, Level::Trace, now_ms)
    }

    /// The same of records that are at least as serious as `least`. The cursor passes over the others,
    /// which do not count.
    pub fn page_of(&self, cursor: Option<u64>, lines: u16, least: Level, now_ms: u64) -> LogPage {
        let from = cursor.unwrap_or_else(|| {
            let serious = || self.records().map(|line| line.level <= least);
            let spare = serious().filter(|is| *is).count();
            let mut spare = spare.saturating_sub(lines.into());
            // Passes over as many as are not wanted, and what lies between them.
            let passed = serious().take_while(|is| {
                let over = *is && spare > 0;
                spare -= usize::from(over);
                over || !is
            });
            self.first + u64::try_from(passed.count()).unwrap_or(u64::MAX)
        });
        self.page_from(from.min(self.end), lines, least, now_ms)
    }

    fn page_from(&self, wanted: u64, lines: u16, least: Level, now_ms: u64) -> LogPage {
        let first = wanted.max(self.first);
        let mut page = LogPage {
            first,
            next: first,
            end: self.end,
            lost: first - wanted,
            now_ms,
            lines: heapless::Vec::new(),
        };
        let skip = usize::try_from(first - self.first).unwrap_or(usize::MAX);
        let most = MAX_LOG_LINES.min(lines.into());
        for line in self.records().skip(skip) {
            if line.level <= least {
                if page.lines.len() >= most {
                    break;
                }
                // Cannot be full: it has just been looked.
                let _ = page.lines.push(line);
            }
            page.next += 1;
        }
        page
    }

    /// Records that have fallen out since the start.
    pub const fn lost(&self) -> u64 {
        self.first
    }

    /// Number that the next record gets.
    pub const fn end(&self) -> u64 {
        self.end
    }

    fn records(&self) -> impl Iterator<Item = LogLine> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let (line, size) = self.record(at)?;
            at += size;
            Some(line)
        })
    }

    /// The record that begins `at` bytes behind the head, and its size.
    fn record(&self, at: usize) -> Option<(LogLine, usize)> {
        if at >= self.used {
            return None;
        }
        let mut at_ms = [0; 8];
        self.copy(at, &mut at_ms);
        let mut tail = [0; 2];
        self.copy(at + 8, &mut tail);
        let [level, length] = tail;
        let mut text = [0; MAX_LOG_LINE];
        let text = text.get_mut(..length.into())?;
        self.copy(at + HEADER, text);
        let line = LogLine {
            at_ms: u64::from_le_bytes(at_ms),
            level: level_of(level),
            text: LogText::lossy(core::str::from_utf8(text).unwrap_or_default()),
        };
        Some((line, HEADER + usize::from(length)))
    }

    fn drop_oldest(&mut self) {
        let mut length = [0];
        self.copy(HEADER - 1, &mut length);
        let [length] = length;
        let size = HEADER + usize::from(length);
        self.head = (self.head + size) % BYTES;
        self.used = self.used.saturating_sub(size);
        self.first += 1;
    }

    fn append(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let at = (self.head + self.used) % BYTES;
            if let Some(place) = self.bytes.get_mut(at) {
                *place = *byte;
            }
            self.used += 1;
        }
    }

    fn copy(&self, at: usize, out: &mut [u8]) {
        let start = (self.head + at) % BYTES;
        let (back, front) = self.bytes.split_at(start);
        for (byte, out) in front.iter().chain(back).zip(out) {
            *out = *byte;
        }
    }
}

const fn code(level: Level) -> u8 {
    match level {
        Level::Error => 1,
        Level::Warn => 2,
        Level::Info => 3,
        Level::Debug => 4,
        Level::Trace => 5,
    }
}

const fn level_of(code: u8) -> Level {
    match code {
        1 => Level::Error,
        2 => Level::Warn,
        3 => Level::Info,
        4 => Level::Debug,
        _ => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn texts(page: &LogPage) -> Vec<String> {
        page.lines.iter().map(|l| l.text.as_str().into()).collect()
    }

    #[test]
    fn a_reader_follows_the_log_by_its_cursor() {
        let mut ring = LogRing::<4096>::new();
        for n in 0..20 {
            ring.push(n * 10, Level::Info, &format!("line {n}"));
        }
        let page = ring.page(None, 2, 500);
        assert_eq!(texts(&page), ["line 18", "line 19"]);
        assert_eq!(
            (page.first, page.next, page.end, page.lost),
            (18, 20, 20, 0)
        );
        assert_eq!((page.now_ms, page.lines[0].at_ms), (500, 180));

        let all = ring.page(None, 100, 0);
        assert_eq!(
            (all.first, all.lines.len()),
            (0, MAX_LOG_LINES),
            "a page is bounded"
        );
        let rest = ring.page(Some(all.next), 100, 0);
        assert_eq!((rest.first, rest.next, rest.end), (15, 20, 20));
        ring.push(999, Level::Error, "new");
        let new = ring.page(Some(rest.next), 100, 0);
        assert_eq!(texts(&new), ["new"]);
        assert_eq!(new.lines[0].level, Level::Error);
        assert_eq!(
            ring.page(Some(1_000), 5, 0).first,
            21,
            "a cursor from the future"
        );
    }

    #[test]
    fn what_falls_out_is_counted_and_told() {
        let mut ring = LogRing::<300>::new();
        for _ in 0..100 {
            ring.push(0, Level::Info, &"x".repeat(90));
        }
        assert_eq!((ring.lost(), ring.end()), (97, 100));
        let page = ring.page(Some(90), 10, 0);
        assert_eq!((page.first, page.lost, page.lines.len()), (97, 7, 3));
        assert_eq!(ring.page(None, 10, 0).lost, 7);
        assert_eq!(ring.page(None, 2, 0).lost, 0, "not wanted, so not missed");
    }

    #[test]
    fn long_lines_are_cut_and_control_characters_replaced() {
        let mut ring = LogRing::<1024>::new();
        ring.push(0, Level::Debug, &"é".repeat(200));
        ring.push(0, Level::Debug, "a\nb");
        let page = ring.page(None, 9, 0);
        assert_eq!(page.lines[0].text.as_str().len(), MAX_LOG_LINE);
        assert_eq!(page.lines[1].text.as_str(), "a?b");
    }

    #[test]
    fn a_reader_of_serious_records_is_not_held_up_by_the_others() {
        let mut ring = LogRing::<4096>::new();
        for n in 0..60 {
            let level = if n % 10 == 3 {
                Level::Warn
            } else {
                Level::Info
            };
            ring.push(n, level, &format!("line {n}"));
        }
        let last = ring.page_of(None, 2, Level::Warn, 0);
        assert_eq!(texts(&last), ["line 43", "line 53"]);
        assert_eq!((last.next, last.end, last.lost), (60, 60, 0));
        let none = ring.page_of(None, 2, Level::Error, 0);
        assert_eq!((none.lines.len(), none.next), (0, 60));
        let from = ring.page_of(Some(4), 2, Level::Warn, 0);
        assert_eq!(texts(&from), ["line 13", "line 23"]);
        assert_eq!((from.next, from.end), (33, 60), "more are left");
        let rest = ring.page_of(Some(from.next), 9, Level::Warn, 0);
        assert_eq!(texts(&rest), ["line 33", "line 43", "line 53"]);
        for lines in [0, 2, 9] {
            let all = ring.page_of(None, lines, Level::Trace, 7);
            assert_eq!(all, ring.page(None, lines, 7), "{lines}");
        }
    }

    proptest! {
        #[test]
        fn the_ring_holds_the_last_records_as_pushed(
            lines in proptest::collection::vec((any::<u64>(), "[a-zé]{0,200}"), 0..60),
        ) {
            let mut ring = LogRing::<700>::new();
            for (at, text) in &lines {
                ring.push(*at, Level::Warn, text);
            }
            prop_assert_eq!(ring.end(), lines.len() as u64);
            let mut cursor = ring.lost();
            while cursor < ring.end() {
                let page = ring.page(Some(cursor), 15, 0);
                prop_assert_eq!(page.lost, 0);
                for line in &page.lines {
                    let (at, text) = &lines[usize::try_from(cursor).expect("small")];
                    prop_assert_eq!(line.at_ms, *at);
                    let cut = LogText::lossy(text);
                    prop_assert_eq!(line.text.as_str(), cut.as_str());
                    cursor += 1;
                }
            }
        }
    }
}
