//! Counters of the controller itself, for those who watch it.

use miner_shared::identity::Fingerprint;

use super::Farm;
use super::board::BoardRow;
use crate::history::Shares;

/// What has been counted since the controller's start, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Since the controller's start, in milliseconds.
    pub uptime_ms: u64,
    /// Connections of rigs in any state, now.
    pub connections: usize,
    /// Shares that rigs reported.
    pub shares: Shares,
    /// Numbers given to events since the farm's first start.
    pub events: u64,
    /// Events that did not get to the disk.
    pub events_lost: u64,
    /// Steps of the history that were lost, as the disk was too slow.
    pub steps_lost: u64,
    /// Steps of the history that were not written whole.
    pub steps_failed: u64,
    /// Rigs without a place in the history file, now.
    pub unplaced: usize,
}

impl Farm {
    /// The counters now.
    pub fn counters(&self) -> Counters {
        let core = self.lock();
        let writing = core.history.as_ref().map(|history| history.writing());
        let writing = writing.unwrap_or_default();
        Counters {
            uptime_ms: self.clock.now().mono.0,
            connections: core.hub.connections(),
            shares: core.hub.shares(),
            events: core.hub.next_event(),
            events_lost: core.journal.as_ref().map_or(0, |journal| journal.lost()),
            steps_lost: writing.lost,
            steps_failed: writing.failed,
            unplaced: writing.left_out,
        }
    }

    /// The rows of the rigs that were registered first, and how many others there are.
    pub fn oldest_rows(&self, most: usize) -> (Vec<BoardRow>, usize) {
        let core = self.lock();
        let peers = core.registry.peers();
        let mut keys: Vec<(u64, Fingerprint)> =
            peers.map(|(key, peer)| (peer.added_at_ms, *key)).collect();
        keys.sort_unstable();
        let left_out = keys.len().saturating_sub(most);
        let oldest = keys.iter().take(most);
        let rows = oldest.filter_map(|(_, key)| self.row(&core, key));
        (rows.collect(), left_out)
    }
}
