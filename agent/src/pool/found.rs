//! The last shares found, numbered, for managers that want to know them one by one.

use std::collections::VecDeque;

use miner_shared::limits::{FOUND_RING, MAX_FOUND_SHARES};
use miner_shared::mining::Submitted;
use miner_shared::time::Millis;
use miner_shared::wire::{FoundBatch, FoundShare, ShareVerdict};

/// At most [`FOUND_RING`] shares, oldest out first. Numbers say what is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FoundRing {
    kept: VecDeque<(Millis, Submitted, ShareVerdict)>,
    /// Number of the oldest kept.
    first: u64,
}

impl FoundRing {
    /// Keeps what became of a share at this time.
    pub(crate) fn push(&mut self, at: Millis, share: Submitted, verdict: ShareVerdict) {
        if self.kept.len() >= FOUND_RING {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back((at, share, verdict));
    }

    /// The shares from this number on, as many as a batch takes; `None` if there are none.
    pub(crate) fn batch(&self, from: u64, now: Millis) -> Option<FoundBatch> {
        let first = from.max(self.first);
        let skip = usize::try_from(first - self.first).ok()?;
        let told = |(at, share, verdict): &(Millis, Submitted, ShareVerdict)| FoundShare {
            height: share.height,
            nonce: share.nonce,
            thread: share.thread,
            verdict: *verdict,
            age_ms: now.since(*at),
        };
        let kept = self.kept.iter().skip(skip).take(MAX_FOUND_SHARES);
        let shares: heapless::Vec<_, MAX_FOUND_SHARES> = kept.map(told).collect();
        (!shares.is_empty()).then_some(FoundBatch { first, shares })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_goes_on_where_it_stopped_and_sees_by_the_number_what_it_missed() {
        let mut ring = FoundRing::default();
        let share = |nonce| Submitted {
            height: None,
            nonce,
            thread: 1,
        };
        assert_eq!(ring.batch(0, Millis(0)), None);
        for nonce in 0..40 {
            ring.push(Millis(10), share(nonce), ShareVerdict::Accepted);
        }
        let batch = ring.batch(0, Millis(30)).expect("some");
        assert_eq!((batch.first, batch.shares.len()), (0, MAX_FOUND_SHARES));
        assert_eq!((batch.shares[0].nonce, batch.shares[0].age_ms), (0, 20));
        let rest = ring.batch(32, Millis(30)).expect("eight");
        assert_eq!((rest.first, rest.shares.len()), (32, 8));
        assert_eq!(ring.batch(40, Millis(30)), None);

        for nonce in 40..200 {
            ring.push(Millis(50), share(nonce), ShareVerdict::Lost);
        }
        let batch = ring.batch(40, Millis(50)).expect("some");
        let kept = FOUND_RING as u64;
        assert_eq!(batch.first, 200 - kept);
        assert_eq!(u64::from(batch.shares[0].nonce), 200 - kept);
    }
}
