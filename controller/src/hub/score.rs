//! How reliable a peer is, 0 to 100, from its last exchanges.
//!
//! An exchange is a question, an order, a ping, or an attempt to reach the peer. Of the last
//! [`WINDOW`] of them:
//!
//! ```text
//!                   100 × answered
//!   score = ──────────────────────────────────     rounded down; unknown before the first exchange
//!            answered + 3 × late + 5 × failed
//! ```
//!
//! The weights are the original's (success +1, timeout −3, failure −5): a peer that answers 19 of 20
//! has 86 if the last one was late and 79 if the link broke.

/// Exchanges that count.
const WINDOW: usize = 20;

/// What an exchange came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// Answered in time.
    Answered,
    /// No answer in time.
    Late,
    /// The link broke or could not be made.
    Failed,
}

/// The last exchanges with one peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    last: heapless::Deque<Exchange, WINDOW>,
}

/// How many exchanges came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answered: u8,
    pub(crate) late: u8,
    pub(crate) failed: u8,
}

impl Score {
    /// Counts one exchange; the oldest falls out.
    pub(crate) fn count(&mut self, exchange: Exchange) {
        if self.last.is_full() {
            self.last.pop_front();
        }
        // Cannot fail: a place was made above.
        let _full = self.last.push_back(exchange);
    }

    /// The figure; `None` before the first exchange.
    pub(crate) fn value(&self) -> Option<u8> {
        let counts = self.counts();
        let answered = u32::from(counts.answered);
        let weight = answered + 3 * u32::from(counts.late) + 5 * u32::from(counts.failed);
        u8::try_from((100 * answered).checked_div(weight)?).ok()
    }

    /// What it is made of.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for exchange in &self.last {
            match exchange {
                Exchange::Answered => counts.answered += 1,
                Exchange::Late => counts.late += 1,
                Exchange::Failed => counts.failed += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(exchanges: &[(Exchange, usize)]) -> Option<u8> {
        let mut score = Score::default();
        for (exchange, times) in exchanges {
            (0..*times).for_each(|_| score.count(*exchange));
        }
        score.value()
    }

    #[test]
    fn score_is_unknown_before_the_first_exchange() {
        assert_eq!(Score::default().value(), None);
    }

    #[test]
    fn score_follows_the_documented_formula() {
        use Exchange::{Answered, Failed, Late};
        assert_eq!(score(&[(Answered, 20)]), Some(100));
        assert_eq!(score(&[(Answered, 19), (Late, 1)]), Some(86));
        assert_eq!(score(&[(Answered, 19), (Failed, 1)]), Some(79));
        assert_eq!(score(&[(Failed, 1)]), Some(0));
        assert_eq!(score(&[(Answered, 10), (Late, 10)]), Some(25));
    }

    #[test]
    fn only_the_last_twenty_exchanges_count() {
        use Exchange::{Answered, Failed};
        assert_eq!(score(&[(Failed, 50), (Answered, 20)]), Some(100));
    }
}
