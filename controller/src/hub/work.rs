//! Since when a rig hashes, or does not, by what it says.
//!
//! Ages are bounded by this process: of what was before it, nothing is remembered but the reports themselves.

use miner_shared::time::Millis;
use miner_shared::wire::RigStats;

/// Moments of one rig, by the controller's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Its link came up, this one or the last.
    linked_at: Option<Millis>,
    /// It said anything for the first time.
    first_at: Option<Millis>,
    /// Since then each report had a hash rate.
    hashing_since: Option<Millis>,
    /// The last report with a hash rate.
    hashed_at: Option<Millis>,
}

impl Work {
    pub(super) fn linked(&mut self, now: Millis) {
        self.linked_at = Some(now);
    }

    pub(super) fn heard(&mut self, stats: &RigStats, now: Millis) {
        let rates = stats.miners.iter().filter_map(|miner| miner.hashrate.s10);
        self.first_at.get_or_insert(now);
        if rates.max().is_some_and(|rate| rate > 0) {
            self.hashing_since.get_or_insert(now);
            self.hashed_at = Some(now);
        } else {
            self.hashing_since = None;
        }
    }

    /// Since its link came up, in milliseconds; unknown before its first one.
    pub fn linked_ms(&self, now: Millis) -> Option<u64> {
        self.linked_at.map(|at| now.since(at))
    }

    /// For how long it has hashed without a report that says otherwise, in milliseconds.
    pub fn hashing_ms(&self, now: Millis) -> Option<u64> {
        self.hashing_since.map(|at| now.since(at))
    }

    /// Since it last said that it hashes, or first said anything, in milliseconds.
    pub fn idle_ms(&self, now: Millis) -> Option<u64> {
        self.hashed_at.or(self.first_at).map(|at| now.since(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::point::tests::report;

    #[test]
    fn hashing_lasts_from_the_first_report_with_a_rate_to_the_next_one_without() {
        let mut work = Work::default();
        assert_eq!(work.idle_ms(Millis(5)), None);
        work.heard(&report(None, 0), Millis(10));
        assert_eq!(work.idle_ms(Millis(15)), Some(5));
        work.heard(&report(Some(7), 0), Millis(20));
        work.heard(&report(Some(8), 0), Millis(30));
        assert_eq!(work.hashing_ms(Millis(40)), Some(20));
        work.heard(&report(Some(0), 0), Millis(40));
        assert_eq!(work.hashing_ms(Millis(50)), None, "0 is no hash rate");
        assert_eq!(work.idle_ms(Millis(50)), Some(20));
    }
}
