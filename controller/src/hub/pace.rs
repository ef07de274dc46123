//! How fast a peer is read. A rig that sends too much is slowed, never cut and never dropped from: its
//! own network holds back what was not read yet, and nobody else notices.

use miner_shared::limits::{PEER_RATE, STRANGER_LOG_RATE};
use miner_shared::time::Millis;

use super::{ConnId, Env, EventKind, Hub};

/// Between two events about one peer that sends too much, in milliseconds.
const EVENT_MS: u64 = 60_000;

impl Hub {
    /// Counts what came on a connection; how long nothing is to be read from it, in milliseconds. Who
    /// is unproven has no rate but an end: its few bytes and its 5 s.
    pub fn pace(&mut self, env: &mut Env<'_>, id: ConnId) -> u64 {
        let Some(key) = self.conns.get(&id).and_then(|conn| conn.key) else {
            return 0;
        };
        let now = env.now.mono;
        let rig = self.rigs.entry(key).or_default();
        let pause = rig.frames.take_ahead(PEER_RATE, now);
        if pause == 0 {
            return 0;
        }
        rig.delayed += 1;
        if rig.throttled_at.is_none_or(|at| now.since(at) >= EVENT_MS) {
            rig.throttled_at = Some(now);
            let frames = std::mem::take(&mut rig.delayed);
            self.record(env, Some(&key), EventKind::Throttled { frames });
        }
        pause
    }

    /// Whether a line about a stranger may be logged now: then with the number of those that were not.
    pub fn may_log_stranger(&mut self, now: Millis) -> Option<u64> {
        self.events.debug.may(STRANGER_LOG_RATE, now)
    }
}
