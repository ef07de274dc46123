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
    /// which do not wait out real deadlines, or for which none may pass.
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

    /// A clock that stands still: no deadline passes, however busy the machine is.
    #[cfg(test)]
    pub(crate) fn still() -> Self {
        Self::hasty(0)
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
        let never = Duration::from_secs(86_400);
        let after = Duration::from_millis(at.0).checked_div(self.haste);
        self.start + after.unwrap_or(never)
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

/// A moment as people write it: `2026-11-26T04:19:50Z`, milliseconds since 1970, or an age such as `24h`
/// (`s`, `m`, `h`, `d`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// By the clock.
    At(EpochMs),
    /// So many milliseconds ago.
    Ago(u64),
}

impl When {
    /// The moment, as seen now.
    pub const fn at(self, now: EpochMs) -> EpochMs {
        match self {
            Self::At(at) => at,
            Self::Ago(age_ms) => EpochMs(now.0.saturating_sub(age_ms)),
        }
    }
}

/// Text that is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be an age such as 24h, or a moment such as 2026-11-26T04:19:50Z")]
pub struct NoMoment;

impl std::str::FromStr for When {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        if let Ok(ms) = text.parse() {
            return Ok(Self::At(EpochMs(ms)));
        }
        let units = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", DAY_MS)];
        let age = units.into_iter().find_map(|(unit, unit_ms)| {
            let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
            count.checked_mul(unit_ms)
        });
        let moment = || rfc_3339(text).map(Self::At);
        age.map(Self::Ago).or_else(moment).ok_or(NoMoment)
    }
}

/// Reads `2026-11-26T04:19:50Z`, with or without milliseconds, and nothing else.
fn rfc_3339(text: &str) -> Option<EpochMs> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "000"));
    let number = |text: &str, digits: usize| -> Option<u64> {
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    };
    let (mut date, mut time) = (date.split('-'), time.split(':'));
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    let of_day = (number(hour, 2)? * 3_600 + number(minute, 2)? * 60 + number(second, 2)?) * 1_000
        + number(fraction, 3)?;
    let days = days_to(year, month, day)?;
    (of_day < DAY_MS && civil(days) == (year, month, day))
        .then_some(EpochMs(days * DAY_MS + of_day))
}

/// Days from 1970-01-01 to a date: [`civil`] backwards. What is no date gives the days of another one.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    let from_march = (month + 9) % 12;
    let year = year.checked_sub(u64::from(month <= 2))?;
    let leap_days = year / 4 - year / 100 + year / 400;
    let of_year = (153 * from_march + 2) / 5 + day;
    (year * 365 + leap_days + of_year).checked_sub(MARCH_0000 + 1)
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
    fn a_moment_is_read_back_as_it_is_shown() {
        for ms in [
            0,
            951_782_400_000,
            1_709_251_199_999,
            4_107_542_400_000,
            1_234_567_890_123,
        ] {
            let at = EpochMs(ms);
            assert_eq!(at.to_string().parse(), Ok(When::At(at)));
        }
        assert_eq!(
            "1970-01-02T00:00:01Z".parse(),
            Ok(When::At(EpochMs(DAY_MS + 1_000)))
        );
    }

    #[test]
    fn ages_and_milliseconds_are_moments_too_and_nothing_else_is() {
        let now = EpochMs(10 * DAY_MS);
        for (text, at) in [
            ("90s", 90_000),
            ("5m", 300_000),
            ("24h", DAY_MS),
            ("2d", 2 * DAY_MS),
        ] {
            let when: When = text.parse().expect(text);
            assert_eq!(when.at(now), EpochMs(now.0 - at), "{text}");
        }
        assert_eq!("100d".parse::<When>().expect("an age").at(now), EpochMs(0));
        assert_eq!("77".parse(), Ok(When::At(EpochMs(77))));
        for text in [
            "",
            "h",
            "1w",
            "-1h",
            "1.5h",
            "99999999999999999999h",
            "2026-11-26",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-26T24:00:00Z",
            "2026-11-26T04:19:50+01:00",
            "2026-11-26T4:19:50Z",
            "1969-12-31T23:59:59Z",
            "é",
        ] {
            assert_eq!(text.parse::<When>(), Err(NoMoment), "{text}");
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
