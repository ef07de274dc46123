//! What the farm comes to: the one place where rigs are added up.
//!
//! | figure | of which rigs |
//! |---|---|
//! | hash rate, 10 s, 60 s, 15 min | those with a link that told one; `null` if none did |
//! | shares, ages | those with a link that told anything |
//! | counts by state | all; each is in exactly one of `offline`, or one of what it does |
//! | `refused`, `behind`, `pending` | all, beside their state: how far their wish has come |

use miner_shared::wire::{Activity, MinerStats, RigStats};
use serde::Serialize;
use utoipa::ToSchema;

use super::view::{DesiredStatus, WindowsView};
use super::{Farm, show};
use crate::clock::EpochMs;

/// The farm at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SummaryView {
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// Sum of the live rigs' hash rates, in H/s; `highest` is always `null`.
    pub hashrate: WindowsView,
    /// Shares of live rigs that pools accepted since their miners' start.
    pub accepted: u64,
    /// Shares that pools refused, stale ones apart, likewise.
    pub rejected: u64,
    /// Shares for a job that was over, likewise.
    pub stale: u64,
    /// Rigs by state.
    pub rigs: RigsView,
    /// Hashes that were done against hashes that accepted shares were worth, in percent, since the
    /// controller's start: `100 × hashes ÷ Σ (new accepted shares × difficulty of then)`, from one report
    /// to the next of each miner. 100 is par, more is bad luck or lost shares. Chance alone makes it err by
    /// `100 ÷ √shares` percent (10 % at 100 shares, 1 % at 10,000); a difficulty that changed between two
    /// reports errs once more, for those shares. `null` until 20 shares are in.
    pub effort: Option<f64>,
    /// Age of the newest report of a live rig, in milliseconds; `null` if none has one.
    pub newest_age_ms: Option<u64>,
    /// Age of the oldest, likewise.
    pub oldest_age_ms: Option<u64>,
}

/// Rigs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RigsView {
    /// In the registry.
    pub registered: u64,
    /// With a link.
    pub online: u64,
    /// Without one.
    pub offline: u64,
    /// Online and hashing, also while the dataset is being filled.
    pub mining: u64,
    /// Online and getting ready.
    pub starting: u64,
    /// Online and without a pool that can be reached.
    pub no_pool: u64,
    /// Online and told to mine nothing.
    pub stopped: u64,
    /// Online, and resting though told to mine.
    pub paused: u64,
    /// Online, and unable to mine.
    pub failed: u64,
    /// Online, and has not said yet what it does.
    pub unknown: u64,
    /// Refused what they should be doing.
    pub refused: u64,
    /// Were told something newer than the registry knows.
    pub behind: u64,
    /// Have yet to be told what they should be doing.
    pub pending: u64,
}

/// What the sum needs of one rig.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Whether a link is up.
    pub(super) live: bool,
    /// How far its wish has come.
    pub(super) status: DesiredStatus,
    /// What it said last, and the age of that in milliseconds.
    pub(super) stats: Option<(&'a RigStats, u64)>,
}

/// Adds the rigs up.
pub(super) fn sum<'a>(at: EpochMs, rigs: impl Iterator<Item = Line<'a>>) -> SummaryView {
    let mut summary = SummaryView {
        at,
        ..SummaryView::default()
    };
    for rig in rigs {
        summary.rigs.count(rig);
        if let (true, Some((stats, age_ms))) = (rig.live, rig.stats) {
            summary.add(stats, age_ms);
        }
    }
    summary
}

impl SummaryView {
    fn add(&mut self, stats: &RigStats, age_ms: u64) {
        for miner in &stats.miners {
            self.accepted = self.accepted.saturating_add(miner.accepted);
            self.rejected = self.rejected.saturating_add(miner.rejected);
            self.stale = self.stale.saturating_add(miner.stale);
            self.add_rates(miner);
        }
        let pick = |known: Option<u64>, better: fn(u64, u64) -> u64| {
            Some(known.map_or(age_ms, |known| better(known, age_ms)))
        };
        self.newest_age_ms = pick(self.newest_age_ms, u64::min);
        self.oldest_age_ms = pick(self.oldest_age_ms, u64::max);
    }

    fn add_rates(&mut self, miner: &MinerStats) {
        let WindowsView { s10, s60, m15, .. } = show::windows(&miner.hashrate);
        let hashrate = &mut self.hashrate;
        for (sum, rate) in [
            (&mut hashrate.s10, s10),
            (&mut hashrate.s60, s60),
            (&mut hashrate.m15, m15),
        ] {
            if let Some(rate) = rate {
                *sum = Some(sum.unwrap_or_default() + rate);
            }
        }
    }
}

impl RigsView {
    fn count(&mut self, rig: Line<'_>) {
        self.registered += 1;
        match rig.status {
            DesiredStatus::Refused => self.refused += 1,
            DesiredStatus::Behind => self.behind += 1,
            DesiredStatus::Pending => self.pending += 1,
            _ => {}
        }
        if !rig.live {
            self.offline += 1;
            return;
        }
        self.online += 1;
        let state = match rig.stats.map(|(stats, _)| stats.activity) {
            Some(Activity::Mining | Activity::Filling { .. }) => &mut self.mining,
            Some(Activity::Starting) => &mut self.starting,
            Some(Activity::NoPool) => &mut self.no_pool,
            Some(Activity::Stopped) => &mut self.stopped,
            Some(Activity::Paused) => &mut self.paused,
            Some(Activity::Failed) => &mut self.failed,
            _ => &mut self.unknown,
        };
        *state += 1;
    }
}

impl Farm {
    /// The farm now.
    pub fn summary(&self) -> SummaryView {
        let core = self.lock();
        let now = self.clock.now();
        let lines = core.registry.peers().map(|(key, _)| {
            let rig = core.hub.rig(key);
            Line {
                live: core.hub.is_live(key),
                status: show::desired_status(key, &core.registry, rig),
                stats: rig.and_then(|rig| rig.last_stats(now)),
            }
        });
        SummaryView {
            effort: core.hub.effort().percent(),
            ..sum(now.wall, lines)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::point::tests::report;

    fn line(stats: Option<&RigStats>, live: bool, age_ms: u64) -> Line<'_> {
        Line {
            live,
            status: DesiredStatus::Applied,
            stats: stats.map(|stats| (stats, age_ms)),
        }
    }

    #[test]
    fn only_live_rigs_are_added_up_and_all_are_counted() {
        let (fast, slow) = (report(Some(2_000), 5), report(Some(500), 1));
        let lines = [
            line(Some(&fast), true, 400),
            line(Some(&slow), true, 9_000),
            line(Some(&fast), false, 86_400_000),
            line(None, true, 0),
        ];
        let summary = sum(EpochMs(1), lines.into_iter());
        assert_eq!(summary.hashrate.s10, Some(2.5));
        assert_eq!(summary.hashrate.s60, None, "no rig told one");
        assert_eq!(summary.accepted, 6);
        assert_eq!(
            (summary.newest_age_ms, summary.oldest_age_ms),
            (Some(400), Some(9_000))
        );
        let rigs = summary.rigs;
        assert_eq!((rigs.registered, rigs.online, rigs.offline), (4, 3, 1));
        assert_eq!((rigs.mining, rigs.unknown), (2, 1));
    }

    #[test]
    fn a_farm_that_says_nothing_has_no_hash_rate_and_not_none() {
        let summary = sum(EpochMs(1), std::iter::empty());
        assert_eq!(summary.hashrate, WindowsView::default());
        assert_eq!(summary.newest_age_ms, None);
    }

    #[test]
    fn every_rig_is_in_one_state() {
        let states = [
            Activity::Stopped,
            Activity::Starting,
            Activity::NoPool,
            Activity::Filling {
                percent: 1,
                left_ms: None,
            },
            Activity::Mining,
            Activity::Failed,
        ];
        let reports = states.map(|activity| RigStats {
            activity,
            ..report(None, 0)
        });
        let lines = reports.iter().map(|stats| Line {
            status: DesiredStatus::Refused,
            ..line(Some(stats), true, 0)
        });
        let rigs = sum(EpochMs(1), lines).rigs;
        let each = [
            rigs.stopped,
            rigs.starting,
            rigs.no_pool,
            rigs.mining,
            rigs.failed,
        ];
        assert_eq!(each, [1, 1, 1, 2, 1]);
        assert_eq!((rigs.online, rigs.refused), (6, 6));
    }
}
