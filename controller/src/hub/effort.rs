//! Hashes that were done against what accepted shares were worth.

use miner_shared::wire::{MinerStats, RigStats};

/// Accepted shares below which nothing is said: the standard error is 22 % there.
pub(crate) const EFFORT_SHARES: u64 = 20;

/// Sums since the controller's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    hashes: u64,
    /// Hashes that the accepted shares let expect.
    worth: u64,
    shares: u64,
}

impl Effort {
    /// Adds what came between two reports of one rig; of a miner that is new, or started again, nothing:
    /// how its shares were spread over difficulties nobody saw.
    pub(super) fn add(&mut self, old: &RigStats, new: &RigStats) {
        for miner in &new.miners {
            let before = old.miners.iter().find(|before| before.name == miner.name);
            let Some((hashes, shares)) = before.and_then(|before| grown(before, miner)) else {
                continue;
            };
            // Without a difficulty its shares have no worth, so its hashes do not count either.
            let of_before = || before.and_then(|before| before.difficulty);
            let Some(difficulty) = miner.difficulty.or_else(of_before) else {
                continue;
            };
            self.hashes = self.hashes.saturating_add(hashes);
            self.shares = self.shares.saturating_add(shares);
            let worth = shares.saturating_mul(difficulty);
            self.worth = self.worth.saturating_add(worth);
        }
    }

    /// In percent; `None` below [`EFFORT_SHARES`] shares.
    #[expect(clippy::cast_precision_loss, reason = "a quotient of large sums")]
    pub fn percent(&self) -> Option<f64> {
        let known = self.shares >= EFFORT_SHARES && self.worth > 0;
        known.then(|| self.hashes as f64 / self.worth as f64 * 100.0)
    }
}

fn grown(old: &MinerStats, new: &MinerStats) -> Option<(u64, u64)> {
    Some((
        new.hashes.checked_sub(old.hashes)?,
        new.accepted.checked_sub(old.accepted)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::point::tests::report;

    fn after(hashes: u64, accepted: u64, difficulty: Option<u64>) -> RigStats {
        let mut stats = report(Some(1), accepted);
        stats.miners[0].hashes = hashes;
        stats.miners[0].difficulty = difficulty;
        stats
    }

    #[test]
    fn a_hundred_percent_is_one_share_per_difficulty() {
        let mut effort = Effort::default();
        effort.add(&after(500, 3, Some(1_000)), &after(19_500, 22, Some(1_000)));
        assert_eq!(effort.percent(), None, "19 shares say little");
        effort.add(&after(19_500, 22, Some(1_000)), &after(20_500, 23, None));
        assert_eq!(effort.percent(), Some(100.0));
        effort.add(
            &after(0, 0, Some(10_000)),
            &after(400_000, 20, Some(10_000)),
        );
        let percent = effort.percent().expect("known");
        assert!((percent - 420_000.0 / 220_000.0 * 100.0).abs() < 1e-9);
    }

    #[test]
    fn a_miner_that_started_again_and_one_without_a_difficulty_add_nothing() {
        let mut effort = Effort::default();
        effort.add(&after(500, 30, Some(9)), &after(400, 31, Some(9)));
        effort.add(&after(0, 0, None), &after(400, 31, None));
        effort.add(&after(u64::MAX, 9, Some(9)), &after(1, 99, Some(9)));
        assert_eq!(effort, Effort::default());
    }
}
