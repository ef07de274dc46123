//! Hash rate over the field's windows: 10 s, 60 s, 15 min, and the highest 10 s figure.
//!
//! The caller records (now, total hashes) about once per second. Two rings keep enough of it: one
//! sample per second for the short windows, one per 15 s for the long one, 2 KiB in all. A rate is
//! what was hashed between the newest sample and the newest one that is at least a window older,
//! divided by the time that really passed between the two.
//!
//! A window is `None` until it is covered, and again when nothing was recorded within it.

use heapless::Deque;

use crate::time::Millis;
use crate::wire::Windows;

const S10_MS: u64 = 10_000;
const S60_MS: u64 = 60_000;
const M15_MS: u64 = 900_000;
const FINE_MS: u64 = 1_000;
const COARSE_MS: u64 = 15_000;
const SAMPLES: usize = 64;

// Each ring reaches one step further back than its longest window.
const _: () = assert!((SAMPLES as u64 - 1) * FINE_MS >= S60_MS + FINE_MS);
const _: () = assert!((SAMPLES as u64 - 1) * COARSE_MS >= M15_MS + COARSE_MS);

/// Measures a hash rate.
#[derive(Clone, Debug, Default)]
pub struct HashrateMeter {
    fine: Deque<Sample, SAMPLES>,
    coarse: Deque<Sample, SAMPLES>,
    newest: Option<Sample>,
    highest: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Millis,
    hashes: u64,
}

impl HashrateMeter {
    /// Knows nothing yet.
    pub const fn new() -> Self {
        Self {
            fine: Deque::new(),
            coarse: Deque::new(),
            newest: None,
            highest: None,
        }
    }

    /// Notes the number of hashes done so far. A number that fell means a new count: what was
    /// known of the old one is forgotten, except the highest figure.
    pub fn record(&mut self, now: Millis, hashes: u64) {
        if self.newest.is_some_and(|before| hashes < before.hashes) {
            self.reset();
        }
        let sample = Sample { at: now, hashes };
        push_spaced(&mut self.fine, sample, FINE_MS);
        push_spaced(&mut self.coarse, sample, COARSE_MS);
        self.newest = Some(sample);
        self.highest = self.highest.max(self.rate(&self.fine, now, S10_MS));
    }

    /// Forgets the samples, when mining rests or starts anew; the highest figure stays.
    pub fn reset(&mut self) {
        self.fine.clear();
        self.coarse.clear();
        self.newest = None;
    }

    /// The rates, in thousandths of a hash per second.
    pub fn windows(&self, now: Millis) -> Windows {
        Windows {
            s10: self.rate(&self.fine, now, S10_MS),
            s60: self.rate(&self.fine, now, S60_MS),
            m15: self.rate(&self.coarse, now, M15_MS),
            highest: self.highest,
        }
    }

    fn rate(&self, ring: &Deque<Sample, SAMPLES>, now: Millis, window_ms: u64) -> Option<u64> {
        let newest = self
            .newest
            .filter(|sample| now.since(sample.at) < window_ms)?;
        let base = ring
            .iter()
            .rev()
            .find(|sample| newest.at.since(sample.at) >= window_ms)?;
        let hashes = u128::from(newest.hashes.checked_sub(base.hashes)?);
        // Hashes per millisecond times a million are thousandths of a hash per second.
        let millihashes = (hashes * 1_000_000).checked_div(newest.at.since(base.at).into())?;
        u64::try_from(millihashes).ok()
    }
}

/// Appends the sample unless the last one is too near; the oldest falls out of a full ring.
fn push_spaced(ring: &mut Deque<Sample, SAMPLES>, sample: Sample, spacing_ms: u64) {
    if ring
        .back()
        .is_some_and(|last| sample.at.since(last.at) < spacing_ms)
    {
        return;
    }
    if ring.is_full() {
        ring.pop_front();
    }
    let _ = ring.push_back(sample);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records `rate` hashes per second, each second, for `secs` seconds after `start`.
    fn run(meter: &mut HashrateMeter, start: (u64, u64), secs: u64, rate: u64) -> (u64, u64) {
        let (mut at, mut hashes) = start;
        for _ in 0..secs {
            at += 1_000;
            hashes += rate;
            meter.record(Millis(at), hashes);
        }
        (at, hashes)
    }

    #[test]
    fn a_window_is_unknown_until_it_is_covered() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        let mut state = run(&mut meter, (0, 0), 9, 400);
        assert_eq!(meter.windows(Millis(state.0)), Windows::default());
        state = run(&mut meter, state, 1, 400);
        let known = meter.windows(Millis(state.0));
        assert_eq!(
            (known.s10, known.s60, known.m15),
            (Some(400_000), None, None)
        );
        assert_eq!(known.highest, Some(400_000));
        state = run(&mut meter, state, 50, 400);
        assert_eq!(meter.windows(Millis(state.0)).s60, Some(400_000));
        state = run(&mut meter, state, 840, 400);
        assert_eq!(meter.windows(Millis(state.0)).m15, Some(400_000));
    }

    #[test]
    fn windows_forget_and_highest_does_not() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        let fast = run(&mut meter, (0, 0), 60, 500);
        let slow = run(&mut meter, fast, 30, 100);
        let windows = meter.windows(Millis(slow.0));
        assert_eq!(windows.s10, Some(100_000));
        assert_eq!(windows.s60, Some(300_000));
        assert_eq!(windows.highest, Some(500_000));
    }

    #[test]
    fn a_rate_below_one_hash_per_second_is_not_zero() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        meter.record(Millis(10_000), 5);
        assert_eq!(meter.windows(Millis(10_000)).s10, Some(500));
    }

    #[test]
    fn silence_makes_a_window_unknown_again() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        let (at, _) = run(&mut meter, (0, 0), 60, 400);
        assert_eq!(meter.windows(Millis(at + 9_999)).s10, Some(400_000));
        assert_eq!(meter.windows(Millis(at + 10_000)).s10, None);
    }

    #[test]
    fn a_counter_that_starts_again_gives_no_false_rate() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        let (at, _) = run(&mut meter, (0, 0), 60, 400);
        meter.record(Millis(at + 1_000), 3);
        assert_eq!(meter.windows(Millis(at + 1_000)).s10, None);
    }

    #[test]
    fn memory_stays_bounded_and_right_over_days() {
        let mut meter = HashrateMeter::new();
        meter.record(Millis(0), 0);
        let (at, _) = run(&mut meter, (0, 0), 100_000, 7);
        let windows = meter.windows(Millis(at));
        assert_eq!(
            (windows.s10, windows.s60, windows.m15),
            (Some(7_000), Some(7_000), Some(7_000))
        );
        assert!(size_of::<HashrateMeter>() < 2_200);
    }
}
