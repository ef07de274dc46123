//! What a full queue or a failing disk cost, and when that was last.

use miner_shared::time::Millis;

use super::Core;

/// How long a loss is worth a look, in milliseconds: a day.
const NEWS_MS: u64 = 86_400_000;

/// A counter of what is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loss {
    /// Since the controller's start.
    pub(super) count: u64,
    risen_at: Option<Millis>,
}

impl Loss {
    fn note(&mut self, count: u64, now: Millis) {
        if count > self.count {
            self.risen_at = Some(now);
        }
        self.count = count;
    }

    /// How long ago it last rose, in milliseconds, if that is worth a look.
    pub(super) fn since_ms(&self, now: Millis) -> Option<u64> {
        let since_ms = self.risen_at.map(|at| now.since(at));
        since_ms.filter(|ms| *ms < NEWS_MS)
    }
}

/// All that are counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    /// Steps of the history that were lost, or not written whole.
    pub(super) history: Loss,
    /// Events that did not get to the disk.
    pub(super) events: Loss,
}

impl Core {
    /// Looks at the counters.
    pub(super) fn note_losses(&mut self, now: Millis) {
        let writing = self.history.as_ref().map(|history| history.writing());
        let steps = writing.map_or(0, |writing| writing.lost.saturating_add(writing.failed));
        let events = self.journal.as_ref().map_or(0, |journal| journal.lost());
        self.losses.history.note(steps, now);
        self.losses.events.note(events, now);
    }
}

#[cfg(test)]
impl Losses {
    /// Something is lost of each.
    pub(super) fn lose(&mut self) {
        for loss in [&mut self.history, &mut self.events] {
            loss.note(1, Millis(0));
            loss.note(0, Millis(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_news_for_a_day_after_its_counter_rose() {
        let mut loss = Loss::default();
        loss.note(0, Millis(1));
        assert_eq!(loss.since_ms(Millis(2)), None);
        loss.note(3, Millis(10));
        loss.note(3, Millis(20));
        assert_eq!(loss.since_ms(Millis(30)), Some(20));
        assert_eq!(loss.since_ms(Millis(10 + NEWS_MS)), None);
        loss.note(4, Millis(10 + NEWS_MS));
        assert_eq!(loss.since_ms(Millis(11 + NEWS_MS)), Some(1));
    }
}
