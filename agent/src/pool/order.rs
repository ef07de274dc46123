//! Which pool to dial next, and when: no I/O, no clock.
//!
//! ```text
//!   first pool ── 3 failures in a row ──▶ second ── 1 failure ──▶ third ── 1 ──▶ first ..
//!        ▲                                                                        │
//!        └──────────── any successful login starts the count anew ◀───────────────┘
//! ```
//! Pauses between attempts grow with full jitter, so that a farm whose pool restarts does not come
//! back in one second.

use miner_shared::limits::MAX_POOLS;
use miner_shared::pause::full_jitter;
use rand_core::CryptoRng;

/// Failures in a row after which the first pool is left for the second.
const FIRST_TRIES: u32 = 3;
/// First and longest pause before another attempt, in milliseconds.
const PAUSE_MS: (u64, u64) = (1_000, 30_000);

/// The order of attempts over a list of 1 to [`MAX_POOLS`] pools.
#[derive(Clone, Debug)]
pub(crate) struct PoolOrder {
    pools: usize,
    current: usize,
    /// Failures in a row at the current pool.
    failures: u32,
    /// Failures in a row anywhere.
    in_a_row: u32,
}

impl PoolOrder {
    /// Begins at the first of so many pools.
    pub(crate) fn new(pools: usize) -> Self {
        Self {
            pools: pools.clamp(1, MAX_POOLS),
            current: 0,
            failures: 0,
            in_a_row: 0,
        }
    }

    /// Index of the pool to dial.
    pub(crate) const fn current(&self) -> usize {
        self.current
    }

    /// The pool of this index let us in.
    pub(crate) const fn logged_in(&mut self, index: usize) {
        self.current = index;
        self.failures = 0;
        self.in_a_row = 0;
    }

    /// The current pool could not be reached, or the connection ended. Moves on where it is time to,
    /// and says how long to pause, in milliseconds.
    pub(crate) fn failed(&mut self, rng: &mut dyn CryptoRng) -> u64 {
        let doublings = self.in_a_row.min(16);
        self.failures += 1;
        self.in_a_row = self.in_a_row.saturating_add(1);
        let tries = if self.current == 0 { FIRST_TRIES } else { 1 };
        if self.failures >= tries && self.pools > 1 {
            self.current = (self.current + 1) % self.pools;
            self.failures = 0;
        }
        full_jitter(PAUSE_MS, doublings, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::system_rng;

    #[test]
    fn the_first_pool_gets_three_tries_and_the_others_one() {
        let mut order = PoolOrder::new(3);
        let mut dialled = Vec::new();
        for _ in 0..8 {
            dialled.push(order.current());
            order.failed(&mut system_rng());
        }
        assert_eq!(dialled, [0, 0, 0, 1, 2, 0, 0, 0]);
    }

    #[test]
    fn a_login_starts_the_count_anew() {
        let mut order = PoolOrder::new(2);
        order.failed(&mut system_rng());
        order.failed(&mut system_rng());
        order.logged_in(0);
        order.failed(&mut system_rng());
        assert_eq!(order.current(), 0);
    }

    #[test]
    fn a_single_pool_is_tried_for_ever_with_bounded_pauses() {
        let mut order = PoolOrder::new(1);
        for attempt in 0..100 {
            let pause = order.failed(&mut system_rng());
            let ceiling = (1_000 << attempt.min(20)).min(30_000);
            assert!(pause <= ceiling, "{pause} after {attempt}");
            assert_eq!(order.current(), 0);
        }
    }
}
