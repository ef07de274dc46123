//! Progress of long work: a line that is written over on a terminal, nothing in a pipe.

use std::io::{self, IsTerminal as _, Write as _};

use miner_images::sparse::Progress;

use crate::clock::Clock;

/// Between two drawings of the line, in milliseconds.
const DRAW_MS: u64 = 100;

/// Says on standard error what is being done.
#[derive(Debug)]
pub(super) struct Teller {
    clock: Clock,
    shown: bool,
    drawn_ms: u64,
    begun_ms: u64,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::start(),
            shown: io::stderr().is_terminal(),
            drawn_ms: 0,
            begun_ms: 0,
        }
    }

    /// The next step begins.
    pub(super) fn step(&mut self, what: &str) {
        self.begun_ms = self.clock.now().mono.0;
        self.draw(what);
    }

    /// Bytes of this step, with their rate and the time that is left.
    pub(super) fn bytes(&mut self, what: &str, progress: Progress) {
        let now = self.clock.now().mono.0;
        if now.saturating_sub(self.drawn_ms) < DRAW_MS {
            return;
        }
        self.drawn_ms = now;
        let line = line(what, progress, now.saturating_sub(self.begun_ms));
        self.draw(&line);
    }

    fn draw(&self, text: &str) {
        if self.shown {
            // With stderr gone there is nobody to tell.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.draw("");
    }
}

/// `writing: 12 of 80 MB (15 %), 24 MB/s, 3 s left`.
fn line(what: &str, Progress { written, total }: Progress, ms: u64) -> String {
    let mb = |bytes: u64| bytes / 1_000_000;
    let percent = written
        .saturating_mul(100)
        .checked_div(total)
        .unwrap_or(100);
    let mut line = format!("{what}: {} of {} MB ({percent} %)", mb(written), mb(total));
    let rate = written.saturating_mul(1_000).checked_div(ms).unwrap_or(0);
    if let Some(left) = total.saturating_sub(written).checked_div(rate) {
        line.push_str(&format!(", {} MB/s, {left} s left", mb(rate)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_rate_and_the_time_left_once_they_are_known() {
        let progress = |written| Progress {
            written,
            total: 80_000_000,
        };
        let known = line("writing", progress(20_000_000), 2_000);
        assert_eq!(known, "writing: 20 of 80 MB (25 %), 10 MB/s, 6 s left");
        assert_eq!(line("writing", progress(0), 0), "writing: 0 of 80 MB (0 %)");
    }
}
