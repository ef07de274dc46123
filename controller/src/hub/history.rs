//! What the hub gives to the history, and takes from it at the start.

use miner_shared::identity::Fingerprint;
use miner_shared::wire::RigStats;

use super::Hub;
use crate::clock::{EpochMs, Now};
use crate::history::Point;
use crate::registry::Registry;

/// Steps in which each rig's statistics are kept for the next start once, while its link is up: 15 minutes.
const KEEP_STEPS: u64 = 90;

impl Hub {
    /// Closes the open step of every registered rig; those of which nothing is known are left out.
    pub fn take_step(&mut self, registry: &Registry) -> Vec<(Fingerprint, Point)> {
        let mut points = Vec::with_capacity(self.rigs.len());
        for (key, _) in registry.peers() {
            let live = self.sessions.contains_key(key);
            let Some(rig) = self.rigs.get_mut(key) else {
                continue;
            };
            let point = rig.take_point(live);
            if !point.is_empty() {
                points.push((*key, point));
            }
        }
        points
    }

    /// Statistics to keep for the next start: of rigs whose link has ended since, of a part of the others
    /// in each step, of all of them without one.
    pub fn take_unkept(&mut self, step: Option<u64>) -> Vec<(Fingerprint, RigStats, Now)> {
        let mut unkept = Vec::new();
        for (key, rig) in &mut self.rigs {
            let [first, second, ..] = key.0;
            let turn = u64::from(u16::from_be_bytes([first, second])) % KEEP_STEPS;
            let due = step.is_none_or(|step| step % KEEP_STEPS == turn);
            if (due || !self.sessions.contains_key(key))
                && let Some((stats, at)) = rig.take_unkept()
            {
                unkept.push((*key, stats.clone(), *at));
            }
        }
        unkept
    }

    /// What a rig said to the process before this one.
    pub fn restore(&mut self, key: &Fingerprint, stats: RigStats, at: EpochMs) {
        self.rigs.entry(*key).or_default().restore(stats, at);
    }
}
