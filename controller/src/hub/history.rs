//! What the hub gives to the history, and takes from it at the start.

use std::collections::BTreeSet;
use std::ops::Bound;

use miner_shared::identity::Fingerprint;
use miner_shared::wire::RigStats;

use super::{Effort, Hub, Moves};
use crate::clock::{EpochMs, Now};
use crate::history::{Point, Shares};
use crate::registry::Registry;

/// Steps in which each rig's statistics are kept for the next start once, while its link is up: 15 minutes.
const KEEP_STEPS: u64 = 90;
/// Rigs whose statistics are kept in one step; 10,000 that come at once take 100 s.
const KEEP_MOST: usize = 1_000;

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

    /// Statistics to keep for the next start: of rigs whose link has ended since, of those of which none are
    /// kept yet, of a part of the others in each step, [`KEEP_MOST`] at most; without a step of all.
    pub fn take_unkept(&mut self, step: Option<u64>) -> Vec<(Fingerprint, RigStats, Now)> {
        let most = step.map_or(usize::MAX, |_| KEEP_MOST);
        let mut unkept = Vec::new();
        for (key, rig) in &mut self.rigs {
            let [first, second, ..] = key.0;
            let turn = u64::from(u16::from_be_bytes([first, second])) % KEEP_STEPS;
            let is_its_turn = step.is_none_or(|step| step % KEEP_STEPS == turn);
            let due = is_its_turn || rig.is_never_kept() || !self.sessions.contains_key(key);
            if due && let Some((stats, at)) = rig.take_unkept() {
                unkept.push((*key, stats.clone(), *at));
                if unkept.len() == most {
                    break;
                }
            }
        }
        unkept
    }

    /// Keeps in mind whose rows change from now on, or no longer.
    pub fn watch_changes(&mut self, watched: bool) {
        if watched != self.changed.is_some() {
            self.changed = watched.then(BTreeSet::new);
        }
    }

    /// Up to so many rigs whose rows have changed, those behind `after` first, in turn; the others keep for
    /// the next call.
    pub fn take_changed(&mut self, after: Fingerprint, most: usize) -> Vec<Fingerprint> {
        let Some(changed) = &mut self.changed else {
            return Vec::new();
        };
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let before = (Bound::Unbounded, Bound::Included(after));
        let order = changed.range(behind).chain(changed.range(before));
        let taken: Vec<_> = order.take(most).copied().collect();
        for key in &taken {
            changed.remove(key);
        }
        taken
    }

    /// A rig has reported these shares.
    pub(super) fn note_shares(&mut self, registry: &Registry, key: &Fingerprint, shares: Shares) {
        self.shares = self.shares.plus(shares);
        self.note_change(registry, Some(key));
    }

    /// Shares that rigs reported to this process.
    pub fn shares(&self) -> Shares {
        self.shares
    }

    /// What they took, against what they were worth.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Which pools rigs have left.
    pub(crate) fn moves(&self) -> &Moves {
        &self.moves
    }

    /// A rig's row has changed.
    pub(super) fn note_change(&mut self, registry: &Registry, about: Option<&Fingerprint>) {
        if let (Some(changed), Some(key)) = (&mut self.changed, about)
            && registry.peer(key).is_some()
        {
            changed.insert(*key);
        }
    }

    /// What a rig said to the process before this one.
    pub fn restore(&mut self, key: &Fingerprint, stats: RigStats, at: EpochMs) {
        self.rigs.entry(*key).or_default().restore(stats, at);
    }
}
