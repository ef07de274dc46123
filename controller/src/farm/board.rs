//! Rows and sums for those who watch: once a second the rows that have changed, made once for all.
//!
//! ```text
//!   hub: whose row changed ─▶ up to 2,000 of them a second ─▶ JSON, made once ─▶ each watcher's queue of 4
//!                             the others wait for the next      full: it misses ticks, by their numbers
//! ```
//! While nobody watches nothing is kept in mind.

use std::sync::Arc;
use std::time::Duration;

use miner_shared::identity::Fingerprint;
use serde::Serialize;
use smol::Timer;
use smol::channel::{Receiver, bounded};
use utoipa::ToSchema;

use super::events::heard;
use super::view::DesiredStatus;
use super::{ActivityView, Farm, show};
use crate::hub::Rig;

/// Between two ticks.
const TICK: Duration = Duration::from_secs(1);
/// Rows of one tick. 10,000 rigs that report each 10 s are 1,000; 2,000 * 250 bytes = 500 KB.
const ROWS: usize = 2_000;
/// Ticks between two sums.
const SUM_TICKS: u64 = 2;
/// Ticks that a watcher may be behind.
const BEHIND: usize = 4;

/// What a second brings.
#[derive(Clone, Debug)]
pub struct Tick {
    /// Number of the tick; one that is missing was lost.
    pub number: u64,
    /// The rows that have changed, as a JSON array; `None` if none has.
    pub rows: Option<Arc<str>>,
    /// The sum of the farm ([`SummaryView`](super::SummaryView)) as JSON, every other second.
    pub summary: Option<Arc<str>>,
}

/// A rig as a table shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BoardRow {
    /// Node ID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether a link is up.
    pub connected: bool,
    /// How far its wish has come.
    pub status: DesiredStatus,
    /// What it last said that it does.
    pub activity: Option<ActivityView>,
    /// Sum of its miners' hash rates over 10 s, in H/s.
    pub hashrate: Option<f64>,
    /// Shares that pools accepted, over all its miners.
    pub shares: Option<u64>,
    /// Round trip of the last ping, in milliseconds.
    pub ping_ms: Option<u64>,
    /// Age of what it said, in milliseconds.
    pub age_ms: Option<u64>,
}

impl Farm {
    /// Ticks from now on; closed when the farm is.
    pub(crate) fn watch(&self) -> Receiver<Tick> {
        let (sender, receiver) = bounded(BEHIND);
        let mut core = self.lock();
        core.hub.watch_changes(true);
        core.watchers.push(sender);
        receiver
    }

    pub(super) async fn keep_board(self: Arc<Self>) {
        let mut after = Fingerprint([0; 32]);
        for number in 0.. {
            Timer::after(TICK).await;
            self.tick(number, &mut after);
        }
    }

    /// Tells what has changed; the next rows are those behind `after`.
    pub(crate) fn tick(&self, number: u64, after: &mut Fingerprint) {
        let rows = {
            let mut core = self.lock();
            core.watchers.retain(|watcher| !watcher.is_closed());
            let watched = !core.watchers.is_empty();
            core.hub.watch_changes(watched);
            if !watched {
                return;
            }
            let changed = core.hub.take_changed(*after, ROWS);
            *after = changed.last().copied().unwrap_or(*after);
            let rows = changed.iter().filter_map(|key| self.row(&core, key));
            rows.collect::<Vec<_>>()
        };
        let summary = number.is_multiple_of(SUM_TICKS).then(|| self.summary());
        let tick = Tick {
            number,
            rows: Some(&rows).filter(|rows| !rows.is_empty()).and_then(json),
            summary: summary.as_ref().and_then(json),
        };
        let mut core = self.lock();
        core.watchers
            .retain(|watcher| heard(watcher.try_send(tick.clone())));
    }

    pub(super) fn row(&self, core: &super::Core, key: &Fingerprint) -> Option<BoardRow> {
        let peer = core.registry.peer(key)?;
        let rig = core.hub.rig(key);
        let stats = rig.and_then(|rig| rig.last_stats(self.clock.now()));
        Some(BoardRow {
            id: key.node_id().to_string(),
            name: peer.name.as_str().to_owned(),
            connected: core.hub.is_live(key),
            status: show::desired_status(key, &core.registry, rig),
            activity: stats.map(|(stats, _)| show::activity(stats.activity)),
            hashrate: stats.and_then(|(stats, _)| show::per_second(show::thousandths(stats))),
            shares: stats.map(|(stats, _)| stats.miners.iter().map(|miner| miner.accepted).sum()),
            ping_ms: rig.and_then(Rig::rtt_ms),
            age_ms: stats.map(|(_, age_ms)| age_ms),
        })
    }
}

fn json<T: Serialize>(what: &T) -> Option<Arc<str>> {
    serde_json::to_string(what).ok().map(Into::into)
}
