//! When a version on trial has shown that it works.

use miner_shared::limits::{TRIAL_GOOD_MS, TRIAL_MS};
use miner_shared::time::Millis;
use miner_shared::wire::Activity;

use crate::report::Report;

/// How a version on trial does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    begun: Millis,
    good_since: Option<Millis>,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It works.
    Works,
    /// It has not worked in all this time.
    StartAnew,
    /// Nothing yet.
    Wait,
}

impl Trial {
    pub(super) const fn begin(now: Millis) -> Self {
        Self {
            begun: now,
            good_since: None,
        }
    }

    /// A look at the worker, each second.
    pub(super) fn look(&mut self, now: Millis, is_good: bool) -> Verdict {
        let since = self.good_since.unwrap_or(now);
        self.good_since = is_good.then_some(since);
        if is_good && now.since(since) >= TRIAL_GOOD_MS {
            Verdict::Works
        } else if now.since(self.begun) >= TRIAL_MS {
            Verdict::StartAnew
        } else {
            Verdict::Wait
        }
    }
}

/// Whether a worker that reports this does what it was told: it is linked, and hashes unless it shall not.
pub(in crate::init) const fn is_good(report: &Report) -> bool {
    let does = matches!(
        report.activity,
        Activity::Mining | Activity::Filling { .. } | Activity::Stopped | Activity::Paused
    );
    report.linked && does
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;

    #[test]
    fn a_minute_without_a_break_confirms() {
        let mut trial = Trial::begin(Millis(0));
        for second in 5..65 {
            let verdict = trial.look(Millis(second * SECOND), true);
            assert_eq!(verdict, Verdict::Wait, "{second}");
        }
        assert_eq!(trial.look(Millis(65 * SECOND), true), Verdict::Works);
    }

    #[test]
    fn a_break_begins_the_minute_anew() {
        let mut trial = Trial::begin(Millis(0));
        for second in 0..120 {
            let good = second != 59;
            let verdict = trial.look(Millis(second * SECOND), good);
            assert_eq!(verdict, Verdict::Wait, "{second}");
        }
        assert_eq!(trial.look(Millis(120 * SECOND), true), Verdict::Works);
    }

    #[test]
    fn ten_minutes_without_a_good_one_start_the_machine_anew() {
        let mut trial = Trial::begin(Millis(0));
        for second in 0..600 {
            // Good for half a minute, then not for the other half.
            let good = second % 60 < 30;
            let verdict = trial.look(Millis(second * SECOND), good);
            assert_eq!(verdict, Verdict::Wait, "{second}");
        }
        let verdict = trial.look(Millis(600 * SECOND), true);
        assert_eq!(verdict, Verdict::StartAnew);
    }
}
