//! What all simulated rigs did, counted while they run: written by them, read by who measures.

use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::Deadline;

/// Nothing of the kind has happened.
const NEVER: u64 = u64::MAX;

/// Sums over all rigs, and one moment of each.
#[derive(Debug)]
pub(super) struct Tally {
    /// Since the fleet was made: the one clock of all figures.
    clock: Deadline,
    /// Connections begun.
    pub(super) dials: Count,
    /// Connections that were not accepted, or closed before a Welcome.
    pub(super) turned_away: Count,
    /// Links that came up, and that ended.
    pub(super) links: Count,
    pub(super) ended: Count,
    /// Statistics sent.
    pub(super) heartbeats: Count,
    /// Commands that had an effect, and that were sent again or came late and had none.
    pub(super) effects: Count,
    pub(super) repeats: Count,
    /// Of each rig: when it last did as told, in milliseconds of the clock.
    obeyed_ms: Vec<AtomicU64>,
}

/// One sum.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// Of so many rigs.
    pub(super) fn new(rigs: u32) -> Self {
        Self {
            clock: Deadline::after(Duration::MAX),
            dials: Count::default(),
            turned_away: Count::default(),
            links: Count::default(),
            ended: Count::default(),
            heartbeats: Count::default(),
            effects: Count::default(),
            repeats: Count::default(),
            obeyed_ms: (0..rigs).map(|_| AtomicU64::new(NEVER)).collect(),
        }
    }

    /// Milliseconds since the fleet was made.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Rigs with a link now.
    pub(super) fn online(&self) -> u64 {
        // In this order: a link that ends between the two looks is not counted twice.
        let ended = self.ended.get();
        self.links.get().saturating_sub(ended)
    }

    /// The rig of this number has done as told.
    pub(super) fn obeyed(&self, number: u32) {
        self.effects.add();
        let at = usize::try_from(number).ok();
        if let Some(place) = at.and_then(|at| self.obeyed_ms.get(at)) {
            place.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    /// How long after this moment each rig did as told that has done so since.
    pub(super) fn obeyed_since(&self, begun_ms: u64) -> Vec<Duration> {
        let at = self.obeyed_ms.iter().map(|at| at.load(Ordering::Relaxed));
        at.filter(|at| *at != NEVER && *at >= begun_ms)
            .map(|at| Duration::from_millis(at - begun_ms))
            .collect()
    }
}
