//! Time as an argument: monotonic milliseconds since some start that the caller chose.

use core::ops::{Add, AddAssign};

/// A moment of the caller's monotonic clock, in milliseconds. It says nothing about wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// Milliseconds from `earlier` to `self`; zero when the order is the other way round.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Millis {
    type Output = Self;

    fn add(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

impl AddAssign<u64> for Millis {
    fn add_assign(&mut self, ms: u64) {
        *self = *self + ms;
    }
}
