//! Time: the only place of the agent that reads a clock.
//!
//! Everything else gets [`Millis`] as an argument, so tests decide what time it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use miner_shared::time::Millis;

/// A monotonic clock that started at zero when it was made. Copies tell the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// How much faster than the world it runs: 1, except in tests that do not wait out real deadlines.
    haste: u32,
    /// By how many milliseconds it was set forward, where that is possible at all.
    ahead: Option<&'static AtomicU64>,
}

impl Clock {
    /// A clock that is at zero now.
    #[expect(clippy::disallowed_methods, reason = "the agent's one monotonic clock")]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            haste: 1,
            ahead: None,
        }
    }

    /// A clock for tests over real sockets: it runs so many times faster, and can [`Clock::leap`] as
    /// that of a machine does which slept.
    pub fn hasty(haste: u32) -> Self {
        Self {
            haste: haste.max(1),
            ahead: Some(Box::leak(Box::default())),
            ..Self::start()
        }
    }

    /// Sets a hasty clock forward. Timers that run already fire when they would have.
    pub fn leap(&self, ms: u64) {
        if let Some(ahead) = self.ahead {
            ahead.fetch_add(ms, Ordering::Relaxed);
        }
    }

    fn ahead(&self) -> u64 {
        self.ahead.map_or(0, |ahead| ahead.load(Ordering::Relaxed))
    }

    /// The time since the start.
    pub fn now(&self) -> Millis {
        let elapsed = self.start.elapsed().saturating_mul(self.haste).as_millis();
        Millis(u64::try_from(elapsed).unwrap_or(u64::MAX)) + self.ahead()
    }

    /// A timer that fires at `at`, at once if that has passed.
    pub fn timer_at(&self, at: Millis) -> smol::Timer {
        let elapsed = Duration::from_millis(at.0.saturating_sub(self.ahead())) / self.haste;
        match self.start.checked_add(elapsed) {
            Some(instant) => smol::Timer::at(instant),
            None => smol::Timer::never(),
        }
    }
}

/// Seconds since 1970 by the system's wall clock, for what people read; `None` where the clock is
/// evidently unset (before 2020, as on boards without a battery).
#[expect(clippy::disallowed_methods, reason = "the agent's one wall clock")]
pub fn wall_secs() -> Option<u64> {
    const YEAR_2020: u64 = 1_577_836_800;
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(since_epoch.as_secs()).filter(|secs| *secs >= YEAR_2020)
}

/// `secs` since 1970 as RFC 3339 in UTC, such as `2026-01-31T23:59:59Z`.
pub fn rfc3339(secs: u64) -> String {
    let (days, rest) = (secs / 86_400, secs % 86_400);
    // Civil date from a day number, counting years from 1 March so that leap days come last
    // (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_written_as_rfc_3339() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(secs), text);
        }
    }
}
