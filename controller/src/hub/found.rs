//! The last shares that a rig found, as it tells of them.
//!
//! The rig numbers them from its agent's start, and tells on each link all that it still has: what is
//! known already is known by its number, and a gap is a loss. Another process of the rig begins anew.

use std::collections::VecDeque;

use miner_shared::time::Millis;
use miner_shared::wire::{FoundBatch, FoundShare};

/// Shares that are kept of one rig, 48 bytes each: 3 KiB of the 32 that a rig may take.
const KEPT: usize = 64;

/// The last shares of one rig.
#[derive(Debug, Default)]
pub struct FoundShares {
    boot: [u8; 16],
    kept: VecDeque<(FoundShare, Millis)>,
    /// Number that the next share has.
    next: u64,
    lost: u64,
}

impl FoundShares {
    /// Takes what a rig of this process start tells.
    pub(super) fn take(&mut self, boot: [u8; 16], batch: &FoundBatch, now: Millis) {
        if self.boot != boot {
            *self = Self {
                boot,
                ..Self::default()
            };
        }
        // A number that no rig reaches is a lie; it costs the liar's own figures.
        self.lost = self
            .lost
            .saturating_add(batch.first.saturating_sub(self.next));
        self.next = self.next.max(batch.first);
        let known = usize::try_from(self.next - batch.first).unwrap_or(usize::MAX);
        for share in batch.shares.iter().skip(known) {
            if self.kept.len() >= KEPT {
                self.kept.pop_front();
            }
            self.kept.push_back((*share, now));
            self.next = self.next.saturating_add(1);
        }
    }

    /// Number of the oldest that is kept.
    pub fn first(&self) -> u64 {
        self.next.saturating_sub(self.kept.len() as u64)
    }

    /// Those that are kept, oldest first, with the age that each has now, in milliseconds.
    pub fn shares(&self, now: Millis) -> impl Iterator<Item = (&FoundShare, u64)> {
        let aged = move |(share, at): &'_ (FoundShare, Millis)| {
            share.age_ms.saturating_add(now.since(*at))
        };
        self.kept.iter().map(move |kept| (&kept.0, aged(kept)))
    }

    /// Shares since its agent's start that nobody here has heard of.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::wire::ShareVerdict;

    use super::*;

    fn batch(first: u64, nonces: std::ops::Range<u32>) -> FoundBatch {
        let share = |nonce| FoundShare {
            height: None,
            nonce,
            thread: 0,
            verdict: ShareVerdict::Accepted,
            age_ms: 5,
        };
        FoundBatch {
            first,
            shares: nonces.map(share).collect(),
        }
    }

    fn nonces(found: &FoundShares) -> Vec<u32> {
        let shares = found.shares(Millis(100));
        shares.map(|(share, _)| share.nonce).collect()
    }

    #[test]
    fn what_is_told_again_counts_once_and_a_gap_is_a_loss() {
        let mut found = FoundShares::default();
        found.take([1; 16], &batch(0, 0..3), Millis(90));
        found.take([1; 16], &batch(0, 0..5), Millis(95));
        assert_eq!((nonces(&found), found.lost()), (vec![0, 1, 2, 3, 4], 0));
        let ages: Vec<_> = found.shares(Millis(100)).map(|(_, age)| age).collect();
        assert_eq!(ages, [15, 15, 15, 10, 10]);
        found.take([1; 16], &batch(9, 9..10), Millis(100));
        assert_eq!(
            (found.first(), found.lost()),
            (4, 4),
            "the numbers are those of the end"
        );
        found.take([1; 16], &batch(2, 2..4), Millis(100));
        assert_eq!(nonces(&found), [0, 1, 2, 3, 4, 9], "an old batch");
    }

    #[test]
    fn another_process_of_the_rig_begins_anew() {
        let mut found = FoundShares::default();
        found.take([1; 16], &batch(7, 0..3), Millis(0));
        found.take([2; 16], &batch(0, 5..6), Millis(0));
        assert_eq!(
            (nonces(&found), found.first(), found.lost()),
            (vec![5], 0, 0)
        );
    }

    #[test]
    fn so_many_are_kept_and_a_number_without_end_does_no_harm() {
        let mut found = FoundShares::default();
        for n in 0..10_u64 {
            let first = u32::try_from(n * 32).expect("small");
            found.take([1; 16], &batch(n * 32, first..first + 32), Millis(0));
        }
        assert_eq!((nonces(&found).len(), found.first()), (KEPT, 320 - 64));
        found.take([1; 16], &batch(u64::MAX, 0..2), Millis(0));
        assert_eq!(nonces(&found).len(), KEPT);
    }
}
