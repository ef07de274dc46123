//! The controller's two clocks; the only place of the program that reads them.
//!
//! | clock | type | used for |
//! |---|---|---|
//! | monotonic | [`Millis`] since the program's start | every timeout, deadline, age |
//! | wall | [`EpochMs`] since 1970, UTC | what people read: `addedAt`, `lastSeen`, events |
//!
//! No decision of a link depends on the wall clock (only when a token ends), so a laptop that wakes in 1970 or 2106 keeps its links.
//! Everything below `farm` takes both as arguments ([`Now`]) and so runs in virtual time.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use miner_shared::time::Millis;

/// Reads the clocks; started once per program and copied to whoever needs it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// How much faster than the world the monotonic clock runs: 1, except in tests over real sockets,
    /// which do not wait out real deadlines.
    haste: u32,
}

impl Clock {
    /// Starts the monotonic clock at zero.
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock module is where it is read"
    )]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            haste: 1,
        }
    }

    /// A clock whose milliseconds pass so many times faster.
    #[cfg(test)]
    pub(crate) fn hasty(haste: u32) -> Self {
        Self {
            haste,
            ..Self::start()
        }
    }

    /// Both clocks now.
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock module is where it is read"
    )]
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Now {
            mono: Millis(whole_ms(self.start.elapsed().saturating_mul(self.haste))),
            wall: EpochMs(whole_ms(since_epoch)),
        }
    }

    /// The moment of the monotonic clock, for the runtime's timers.
    pub fn instant(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(at.0) / self.haste
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: for decisions.
    pub mono: Millis,
    /// Wall: for people.
    pub wall: EpochMs,
}

/// A moment of the wall clock, in milliseconds since 1970-01-01T00:00:00Z. Shown as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct EpochMs(pub u64);

impl fmt::Display for EpochMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, ms) = (self.0 / DAY_MS, self.0 % DAY_MS);
        let (year, month, day) = civil(days);
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, ms) = (ms / 1000 % 60, ms % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
        )
    }
}

impl serde::Serialize for EpochMs {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar.
///
/// Years are counted from 1 March, so that the leap day is the last of its year; the constants are
/// days per 400, 100, 4 and 1 years and days per five months from March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + MARCH_0000;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const MARCH_0000: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_is_shown_as_rfc_3339() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_234_567_890_123, "2009-02-13T23:31:30.123Z"),
        ] {
            assert_eq!(EpochMs(ms).to_string(), text);
        }
    }

    #[test]
    fn monotonic_time_starts_near_zero_and_turns_back_into_an_instant() {
        let clock = Clock::start();
        let now = clock.now().mono;
        assert!(now < Millis(60_000));
        assert!(clock.instant(now + 1000) > clock.instant(now));
    }
}
