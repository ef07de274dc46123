//! A difficulty that fits the rig: the first share within seconds, then one per 15 s or so.
//!
//! | seen at this difficulty | then |
//! |---|---|
//! | 4 shares, each in under a quarter of the aim | twice as hard |
//! | 8 shares, each in under half of the aim | twice as hard |
//! | 60 s without a share, or 120 s with one per 30 s at most | half as hard |
//! | 16 shares, or 240 s, and none of it | count anew |
//!
//! One step per job and never more than a factor of two, so that a miner's rate cannot be thrown
//! off by luck; the old target stays valid for the old job. With the first rule a fast rig climbs
//! from the start within a minute or two, since every step costs it four shares.

use miner_shared::mining::Difficulty;
use miner_shared::time::Millis;

/// Wanted time from share to share, in milliseconds.
const AIM_MS: u64 = 15_000;
/// 20 H/s need 5 s for it on average.
pub(super) const START: Difficulty = Difficulty(100);
const EASIEST: u64 = 2;
const HARDEST: u64 = 1 << 40;

/// The difficulty of one miner.
#[derive(Debug)]
pub(super) struct Vardiff {
    difficulty: u64,
    since: Millis,
    shares: u64,
}

impl Vardiff {
    /// Begins with this difficulty.
    pub(super) fn new(now: Millis, start: Difficulty) -> Self {
        Self {
            difficulty: start.0.clamp(EASIEST, HARDEST),
            since: now,
            shares: 0,
        }
    }

    /// Difficulty for the next job.
    pub(super) const fn difficulty(&self) -> Difficulty {
        Difficulty(self.difficulty)
    }

    /// Counts a share of a job of `difficulty`; `true` when a new job is due. Shares of
    /// easier jobs from before the last step say nothing about this one.
    pub(super) fn handle_share(&mut self, now: Millis, difficulty: Difficulty) -> bool {
        if difficulty.0 < self.difficulty {
            return false;
        }
        self.shares += 1;
        let elapsed = now.since(self.since);
        let quick = |shares, times| self.shares >= shares && elapsed * times < self.shares * AIM_MS;
        if quick(4, 4) || quick(8, 2) {
            return self.step(now, self.difficulty.saturating_mul(2));
        }
        if self.shares >= 16 {
            self.restart(now);
        }
        false
    }

    /// When time alone may make it easier.
    pub(super) fn poll_timeout(&self) -> Millis {
        self.since
            + match self.shares {
                0 => 4 * AIM_MS,
                1..=4 => 8 * AIM_MS,
                _ => 16 * AIM_MS,
            }
    }

    /// Makes it easier when too little came; `true` when a new job is due.
    pub(super) fn handle_timeout(&mut self, now: Millis) -> bool {
        if now < self.poll_timeout() {
            return false;
        }
        if self.shares <= 4 {
            return self.step(now, self.difficulty / 2);
        }
        self.restart(now);
        false
    }

    fn step(&mut self, now: Millis, difficulty: u64) -> bool {
        let before = self.difficulty;
        self.difficulty = difficulty.clamp(EASIEST, HARDEST);
        self.restart(now);
        self.difficulty != before
    }

    const fn restart(&mut self, now: Millis) {
        self.since = now;
        self.shares = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mines with this many hashes per second for `secs`, shares as luck has it; returns the time
    /// of the first share and of the last hundred, in milliseconds.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of a simulation, far below any bound"
    )]
    fn mine(hashes_per_sec: f64, secs: u64, seed: u64) -> (u64, Vec<u64>) {
        let (mut random, mut now) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0_u64);
        let mut vardiff = Vardiff::new(Millis(0), START);
        let mut times = Vec::new();
        while now < secs * 1_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let luck = -((random >> 11) as f64 / (1_u64 << 53) as f64)
                .max(1e-12)
                .ln();
            let difficulty = vardiff.difficulty();
            let wait = luck * difficulty.0 as f64 / hashes_per_sec * 1_000.0;
            let share_at = now + wait as u64 + 1;
            let before = vardiff.difficulty().0;
            if vardiff.poll_timeout() < Millis(share_at) {
                // Mining has no memory: dropping the share that would have come changes no odds.
                now = vardiff.poll_timeout().0;
                vardiff.handle_timeout(Millis(now));
            } else {
                now = share_at;
                times.push(now);
                vardiff.handle_share(Millis(now), difficulty);
            }
            let after = vardiff.difficulty().0;
            assert!(
                after <= before * 2 && after * 2 + 1 >= before,
                "{before} -> {after}"
            );
        }
        (times[0], times.split_off(times.len().saturating_sub(100)))
    }

    #[test]
    fn a_slow_rig_finds_its_first_share_within_10_s_on_average() {
        let mean = (1..=200).map(|seed| mine(20.0, 120, seed).0).sum::<u64>() / 200;
        assert!((3_000..8_000).contains(&mean), "{mean} ms");
    }

    #[test]
    fn every_rig_ends_near_one_share_per_15_s() {
        for rate in [20.0, 450.0, 20_000.0, 1e6] {
            for seed in 1..=5 {
                let (_, last) = mine(rate, 6 * 3_600, seed);
                let mean = (last[last.len() - 1] - last[0]) / (last.len() as u64 - 1);
                assert!((8_000..25_000).contains(&mean), "{rate} H/s: {mean} ms");
            }
        }
    }

    #[test]
    fn a_fast_rig_climbs_within_two_minutes() {
        for seed in 1..=20 {
            let (_, times) = mine(450.0, 120, seed);
            let recent = times.iter().filter(|at| **at > 90_000).count();
            assert!(
                recent <= 14,
                "{recent} shares in the last 30 s of two minutes"
            );
        }
    }

    #[test]
    fn silence_makes_it_easier_down_to_a_floor() {
        let mut vardiff = Vardiff::new(Millis(0), Difficulty(8));
        let mut seen = Vec::new();
        for _ in 0..4 {
            assert!(!vardiff.handle_timeout(Millis(vardiff.poll_timeout().0 - 1)));
            seen.push((
                vardiff.handle_timeout(vardiff.poll_timeout()),
                vardiff.difficulty().0,
            ));
        }
        assert_eq!(seen, [(true, 4), (true, 2), (false, 2), (false, 2)]);
    }

    #[test]
    fn shares_of_easier_jobs_do_not_push_it_up() {
        let mut vardiff = Vardiff::new(Millis(0), Difficulty(100));
        for _ in 0..100 {
            assert!(!vardiff.handle_share(Millis(1), Difficulty(50)));
        }
        assert!((1..=4).any(|_| vardiff.handle_share(Millis(1), Difficulty(100))));
        assert_eq!(vardiff.difficulty(), Difficulty(200));
    }
}
