//! The three resolutions of the history, and where in its ring a moment is.
//!
//! A step has a number: seconds since 1970 by the controller's wall clock, divided by the step's length.
//! Its place in the ring is that number modulo the ring's size, so a place needs no pointer that a crash
//! could leave behind: each row carries its step's number, and one with another number is not there.

use std::fmt;
use std::str::FromStr;

use crate::clock::EpochMs;

/// How fine, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// 10 s for 1 h.
    Fine,
    /// 1 min for 24 h.
    Minute,
    /// 15 min for 90 d.
    Quarter,
}

impl Tier {
    /// All, the finest first.
    pub const ALL: [Self; 3] = [Self::Fine, Self::Minute, Self::Quarter];

    /// Length of a step, in seconds.
    pub const fn step_s(self) -> u64 {
        match self {
            Self::Fine => 10,
            Self::Minute => 60,
            Self::Quarter => 900,
        }
    }

    /// Points in the ring.
    pub const fn points(self) -> u64 {
        match self {
            Self::Fine => 360,
            Self::Minute => 1_440,
            Self::Quarter => 8_640,
        }
    }

    /// How far back the ring reaches, in seconds.
    pub const fn span_s(self) -> u64 {
        self.step_s() * self.points()
    }

    /// The tier whose points this one is merged of.
    pub(super) const fn below(self) -> Option<Self> {
        match self {
            Self::Fine => None,
            Self::Minute => Some(Self::Fine),
            Self::Quarter => Some(Self::Minute),
        }
    }

    /// Number of the step that this moment is in.
    pub const fn step_at(self, wall: EpochMs) -> u64 {
        wall.0 / 1_000 / self.step_s()
    }

    /// Number of this tier's step that a step of the finest tier is part of.
    pub(super) const fn step_of(self, fine: u64) -> u64 {
        fine * Self::Fine.step_s() / self.step_s()
    }

    /// Points of all finer rings: where this one begins when the rings are laid end to end.
    pub(super) const fn begins(self) -> u64 {
        match self {
            Self::Fine => 0,
            Self::Minute => Self::Fine.points(),
            Self::Quarter => Self::Fine.points() + Self::Minute.points(),
        }
    }

    /// The finest tier that reaches back so many seconds; the coarsest if none does.
    pub fn reaching(age_s: u64) -> Self {
        let reaches = |tier: &Self| tier.span_s() >= age_s;
        Self::ALL.into_iter().find(reaches).unwrap_or(Self::Quarter)
    }

    /// Its name in the API: `10s`, `1m`, `15m`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "10s",
            Self::Minute => "1m",
            Self::Quarter => "15m",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Text that names no tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be 10s, 1m or 15m")]
pub struct NoTier;

impl FromStr for Tier {
    type Err = NoTier;

    fn from_str(text: &str) -> Result<Self, NoTier> {
        let named = |tier: &Self| tier.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(NoTier)
    }
}

/// Which step of the finest tier is open, guarded against a wall clock that jumps.
///
/// | the wall clock | what becomes of it |
/// |---|---|
/// | goes on, or leaps ahead (suspend, a first time signal) | the open step is closed under its own number; the steps leapt over stay unknown |
/// | goes back by up to [`MAX_HOLD`] steps | the open step stays open until the clock has caught up; nothing is lost, one point holds more |
/// | goes back further: it was wrong before | the open step is closed under the number before the new one; points in the false future are never shown and are written over in time |
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    open: u64,
}

/// Steps by which the wall clock may go back before it is believed: 5 minutes.
pub const MAX_HOLD: u64 = 30;

impl Timeline {
    /// Begins with the step that this moment is in.
    pub const fn starting(wall: EpochMs) -> Self {
        Self {
            open: Tier::Fine.step_at(wall),
        }
    }

    /// The number of the step that is over, if one is.
    pub fn tick(&mut self, wall: EpochMs) -> Option<u64> {
        let current = Tier::Fine.step_at(wall);
        let over = if current > self.open {
            self.open
        } else if self.open - current <= MAX_HOLD {
            return None;
        } else {
            current.saturating_sub(1)
        };
        self.open = current;
        Some(over)
    }

    /// From this moment to the next that is worth a [`tick`](Self::tick), in milliseconds.
    pub const fn pause_ms(wall: EpochMs) -> u64 {
        let step_ms = Tier::Fine.step_s() * 1_000;
        step_ms - wall.0 % step_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_is_a_whole_number_of_the_one_below() {
        for tier in [Tier::Minute, Tier::Quarter] {
            let below = tier.below().expect("not the finest");
            assert_eq!(tier.step_s() % below.step_s(), 0);
            assert!(
                below.span_s() >= tier.step_s(),
                "a point can be merged anew"
            );
        }
        let spans = Tier::ALL.map(|tier| tier.span_s() / 3_600);
        assert_eq!(spans, [1, 24, 90 * 24]);
    }

    #[test]
    fn the_finest_tier_that_reaches_back_is_taken() {
        assert_eq!(Tier::reaching(3_600), Tier::Fine);
        assert_eq!(Tier::reaching(3_601), Tier::Minute);
        assert_eq!(Tier::reaching(86_401), Tier::Quarter);
        assert_eq!(Tier::reaching(u64::MAX), Tier::Quarter);
        for tier in Tier::ALL {
            assert_eq!(tier.as_str().parse(), Ok(tier));
        }
        assert_eq!("1h".parse::<Tier>(), Err(NoTier));
    }

    const T: u64 = 1_700_000_000_000;

    #[test]
    fn time_that_passes_closes_one_step_after_the_other() {
        let mut time = Timeline::starting(EpochMs(T));
        assert_eq!(time.tick(EpochMs(T + 9_999)), None);
        assert_eq!(time.tick(EpochMs(T + 10_000)), Some(T / 10_000));
        assert_eq!(time.tick(EpochMs(T + 20_001)), Some(T / 10_000 + 1));
        assert_eq!(Timeline::pause_ms(EpochMs(T + 9_990)), 10);
        assert_eq!(Timeline::pause_ms(EpochMs(T)), 10_000);
    }

    #[test]
    fn a_leap_ahead_closes_the_open_step_under_its_own_number() {
        let mut time = Timeline::starting(EpochMs(0));
        assert_eq!(time.tick(EpochMs(T)), Some(0));
        assert_eq!(time.tick(EpochMs(T + 10_000)), Some(T / 10_000));
    }

    #[test]
    fn a_small_jump_back_holds_the_open_step_until_the_clock_has_caught_up() {
        let mut time = Timeline::starting(EpochMs(T));
        for late in (0..300_000).step_by(10_000) {
            assert_eq!(time.tick(EpochMs(T - 300_000 + late)), None);
        }
        assert_eq!(time.tick(EpochMs(T + 10_000)), Some(T / 10_000));
    }

    #[test]
    fn a_large_jump_back_is_believed_at_once() {
        let mut time = Timeline::starting(EpochMs(4 * T));
        assert_eq!(time.tick(EpochMs(T)), Some(T / 10_000 - 1));
        assert_eq!(time.tick(EpochMs(T + 10_000)), Some(T / 10_000));
    }
}
