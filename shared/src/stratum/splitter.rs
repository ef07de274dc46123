//! Cuts a byte stream into lines, in one fixed buffer, each byte looked at once.
//!
//! ```text
//!   let n = socket.read(splitter.spare())?;
//!   splitter.filled(now, n);
//!   while let Some(line) = splitter.next_line()? { .. }
//!   if splitter.waiting_since().is_some_and(|t| now.since(t) > LINE_MS) { close }   // slow loris
//! ```

use crate::time::Millis;

/// Splits a stream into lines of at most `N` bytes, newline included.
#[derive(Clone, Debug)]
pub struct LineSplitter<const N: usize> {
    bytes: [u8; N],
    /// Where the current line begins.
    start: usize,
    /// Bytes from here on have not been looked at.
    scanned: usize,
    /// Bytes from here on are free.
    end: usize,
    filled_at: Millis,
    waiting_since: Millis,
}

/// The other side sent more than fits one line: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong;

impl<const N: usize> Default for LineSplitter<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> LineSplitter<N> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            start: 0,
            scanned: 0,
            end: 0,
            filled_at: Millis(0),
            waiting_since: Millis(0),
        }
    }

    /// The memory to read into. Never empty after [`Self::next_line`] returned `None`.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.scanned -= self.start;
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that the first `count` bytes of [`Self::spare`] were filled at `now`.
    pub fn filled(&mut self, now: Millis, count: usize) {
        if self.start == self.end {
            self.waiting_since = now;
        }
        self.filled_at = now;
        self.end = self.end.saturating_add(count).min(N);
    }

    /// The next line without its ending (`\n` or `\r\n`); `None` until it is complete.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let fresh = self.bytes.get(self.scanned..self.end).unwrap_or_default();
        let Some(length) = fresh.iter().position(|b| *b == b'\n') else {
            self.scanned = self.end;
            return if self.end - self.start == N {
                Err(LineTooLong)
            } else {
                Ok(None)
            };
        };
        let newline = self.scanned + length;
        let line = self.bytes.get(self.start..newline).unwrap_or_default();
        self.start = newline + 1;
        self.scanned = self.start;
        self.waiting_since = self.filled_at;
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Since when an unfinished line has been growing; `None` between lines.
    pub fn waiting_since(&self) -> Option<Millis> {
        (self.start < self.end).then_some(self.waiting_since)
    }
}

impl core::fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the line is too long")
    }
}

impl core::error::Error for LineTooLong {}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Feeds `chunks` and collects the lines.
    fn split<const N: usize>(chunks: &[&[u8]]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut splitter = LineSplitter::<N>::new();
        let mut lines = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let spare = splitter.spare();
                let n = spare.len().min(rest.len());
                spare[..n].copy_from_slice(&rest[..n]);
                splitter.filled(Millis(0), n);
                rest = &rest[n..];
                while let Some(line) = splitter.next_line()? {
                    lines.push(line.to_vec());
                }
            }
        }
        Ok(lines)
    }

    #[test]
    fn a_line_of_exactly_the_bound_passes_and_one_more_byte_does_not() {
        assert_eq!(split::<4>(&[b"abc\n"]), Ok(Vec::from([b"abc".to_vec()])));
        assert_eq!(split::<4>(&[b"abcd\n"]), Err(LineTooLong));
        assert_eq!(
            split::<4>(&[b"abcd"]),
            Err(LineTooLong),
            "not after the newline only"
        );
    }

    #[test]
    fn many_short_lines_fit_in_one_read_and_both_endings_count() {
        let lines = split::<8>(&[b"a\r\n\nb\nc", b"c\n"]).expect("short");
        assert_eq!(lines, [&b"a"[..], b"", b"b", b"cc"]);
    }

    #[test]
    fn the_age_of_an_unfinished_line_is_known() {
        let mut splitter = LineSplitter::<16>::new();
        let mut feed = |now, bytes: &[u8]| {
            splitter.spare()[..bytes.len()].copy_from_slice(bytes);
            splitter.filled(Millis(now), bytes.len());
            while let Ok(Some(_)) = splitter.next_line() {}
            splitter.waiting_since()
        };
        assert_eq!(feed(10, b"a"), Some(Millis(10)));
        assert_eq!(
            feed(20, b"b"),
            Some(Millis(10)),
            "one byte now and then does not help"
        );
        assert_eq!(feed(30, b"\n"), None);
        assert_eq!(feed(40, b"c"), Some(Millis(40)));
        assert_eq!(feed(50, b"c\nd"), Some(Millis(50)), "a line of its own");
    }

    /// Bytes of one case; Miri takes long for each.
    const BYTES: usize = if cfg!(miri) { 40 } else { 300 };

    proptest! {
        #[test]
        fn split_points_never_matter(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..BYTES),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&text[from..cut]);
                from = cut;
            }
            chunks.push(&text[from..]);
            prop_assert_eq!(split::<64>(&chunks), split::<64>(&[&text]));
        }
    }
}
