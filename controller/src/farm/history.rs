//! The history of the farm: written every 10 s, read by range, and what it says at the start.
//!
//! An answer is a list of points, each of `step` seconds, the first of which begins at `from`; a point of
//! which nothing is known is `null`. The tier is the finest that reaches back far enough, unless one is
//! named; points are merged until there are no more than were asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use miner_shared::identity::{Fingerprint, NodeId};
use serde::Serialize;
use smol::Timer;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Farm, errors};
use crate::clock::EpochMs;
use crate::error::{Code, FarmError};
use crate::history::{
    Fleet, Found, History, Kept, Point, Points, Shares, Step, Tier, Timeline, Whose, report,
};
use crate::hub::EventKind;
use crate::registry::Registry;

/// Most points of one answer: about 150 KiB of JSON.
pub const MAX_POINTS: u64 = 1_440;
/// Points of one answer, unless another number is asked for.
pub const DEFAULT_POINTS: u64 = 360;
/// How far back an answer reaches, unless a beginning is named: 1 h.
const DEFAULT_SPAN_MS: u64 = 3_600_000;
/// Steps between two looks at whose places in the file are to be freed: an hour.
const TIDY_STEPS: u64 = 360;

/// Which points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Resolution; without one the finest that reaches back to `since`.
    pub tier: Option<Tier>,
    /// The first moment; without one an hour before `until`.
    pub since: Option<EpochMs>,
    /// The first moment that is not wanted any more; without one now.
    pub until: Option<EpochMs>,
    /// At most so many points, 1 to [`MAX_POINTS`].
    pub points: Option<u64>,
}

/// Points of a rig or of the farm.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryView<P> {
    /// Node ID of the rig; `null` for the farm.
    pub node_id: Option<String>,
    /// Name of the rig; `null` for the farm.
    pub node_name: Option<String>,
    /// Resolution that they come from: `10s`, `1m` or `15m`.
    pub tier: &'static str,
    /// When the first point begins.
    pub from: EpochMs,
    /// Seconds that each point stands for.
    pub step: u64,
    /// One after the other; `null` where nothing is known.
    #[schema(schema_with = points_or_null::<P>)]
    pub points: Vec<Option<P>>,
}

/// The schema of a list of these or `null`: the derived one forgets `null` where the items are objects.
fn points_or_null<P: PartialSchema>() -> Array {
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let either = OneOfBuilder::new().item(null).item(P::schema());
    ArrayBuilder::new()
        .items(either)
        .description(Some("One after the other; `null` where nothing is known."))
        .build()
}

/// One point of a rig.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RigPointView {
    /// Mean hash rate while it was known, in H/s.
    pub hashrate: Option<f64>,
    /// Shares that pools accepted.
    pub accepted: Option<u64>,
    /// Shares that pools refused, stale ones apart.
    pub rejected: Option<u64>,
    /// Shares for a job that was over.
    pub stale: Option<u64>,
    /// Part of the time with a link, 0 to 1.
    pub online: f64,
}

/// One point of the farm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetPointView {
    /// Mean of the sum of the live rigs' hash rates, in H/s; `null` if no live rig told one.
    pub hashrate: Option<f64>,
    /// Shares that pools accepted.
    pub accepted: u64,
    /// Shares that pools refused, stale ones apart.
    pub rejected: u64,
    /// Shares for a job that was over.
    pub stale: u64,
    /// Mean number of rigs with a link.
    pub online: f64,
    /// Mean number of rigs in the registry.
    pub registered: f64,
}

/// Steps of a tier, and how many of them make a point of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    tier: Tier,
    first: u64,
    points: u64,
    merged: u64,
}

impl Range {
    fn of(query: HistoryQuery, now: EpochMs) -> Result<Self, FarmError> {
        let wrong = |field, why: &str| Err(FarmError::new(Code::InvalidInput, why).field(field));
        let until = query.until.unwrap_or(now).min(now);
        let since = query.since;
        let since = since.unwrap_or_else(|| EpochMs(until.0.saturating_sub(DEFAULT_SPAN_MS)));
        if since >= until {
            return wrong("since", "it must be before `until` and before now");
        }
        let wanted = query.points.unwrap_or(DEFAULT_POINTS);
        if !(1..=MAX_POINTS).contains(&wanted) {
            let why = format!("it must be from 1 to {MAX_POINTS}");
            return wrong("points", &why);
        }
        let age_s = now.0.saturating_sub(since.0).div_ceil(1_000);
        let tier = query.tier.unwrap_or_else(|| Tier::reaching(age_s));
        // Nothing is before the ring's beginning, and nothing of the finest step that is going on.
        let open = tier.step_at(now);
        let newest = if tier == Tier::Fine {
            open.saturating_sub(1)
        } else {
            open
        };
        let last = tier.step_at(EpochMs(until.0 - 1)).min(newest);
        let oldest = open.saturating_sub(tier.points());
        let first = tier.step_at(since).max(oldest).min(last);
        let merged = (last + 1 - first).div_ceil(wanted);
        // Aligned, so that the same moment is in the same point whenever it is asked for.
        let first = first - first % merged;
        Ok(Self {
            tier,
            first,
            points: (last + 1 - first).div_ceil(merged).min(wanted),
            merged,
        })
    }

    const fn steps(self) -> std::ops::Range<u64> {
        self.first..self.first + self.points * self.merged
    }

    fn view<T, P>(
        self,
        whose: Option<(NodeId, String)>,
        steps: &[T],
        show: impl Fn(&[T], u64) -> Option<P>,
    ) -> HistoryView<P> {
        let step = self.merged * self.tier.step_s();
        let merged = usize::try_from(self.merged).unwrap_or(usize::MAX);
        let points = steps.chunks(merged).map(|steps| show(steps, step));
        let (node_id, node_name) = whose.map(|(id, name)| (id.to_string(), name)).unzip();
        HistoryView {
            node_id,
            node_name,
            tier: self.tier.as_str(),
            from: EpochMs(self.first * self.tier.step_s() * 1_000),
            step,
            points: points.collect(),
        }
    }
}

impl Farm {
    /// From now on this is the farm's history: it is read here, and written once [`Farm::serve`] was called.
    /// Rigs that are not heard of yet show what they said last to the process before.
    pub fn remember(&self, history: History, found: Found) {
        let mut core = self.lock();
        for old in found.rigs {
            let new = core.registry.current_key(&old);
            if new != old && core.registry.peer(&new).is_some() {
                history.rename(old, new);
            }
        }
        for kept in found.reports {
            let key = core.registry.current_key(&kept.key);
            if core.registry.peer(&key).is_some()
                && let Some(stats) = report::decode(&kept.bytes)
            {
                core.hub.restore(&key, stats, kept.at);
            }
        }
        history.keep_only(known(&core.registry));
        core.history = Some(Arc::new(history));
    }

    /// The farm of a controller that serves: writes the history until it closes, tells rows to those who
    /// watch, and its own life in events. Call it once, after [`Farm::run`].
    pub fn serve(self: &Arc<Self>) {
        self.with(|hub, env| hub.record(env, None, EventKind::ControllerStarted));
        let mut core = self.lock();
        core.serving = true;
        if let Some(executor) = &core.executor {
            let history = executor.spawn(Arc::clone(self).keep_history());
            let board = executor.spawn(Arc::clone(self).keep_board());
            core.tasks.extend([history, board]);
        }
    }

    async fn keep_history(self: Arc<Self>) {
        let mut time = Timeline::starting(self.clock.now().wall);
        loop {
            let pause = Timeline::pause_ms(self.clock.now().wall);
            Timer::after(std::time::Duration::from_millis(pause)).await;
            if let Some(step) = time.tick(self.clock.now().wall) {
                self.close_step(step);
            }
        }
    }

    /// Hands the step that is over to the history.
    pub(super) fn close_step(&self, number: u64) {
        let mut core = self.lock();
        let core = &mut *core;
        let Some(history) = core.history.clone() else {
            return;
        };
        let rigs = core.hub.take_step(&core.registry);
        let registered = core.registry.peers().len();
        let fleet = Fleet::of(registered, rigs.iter().map(|(_, point)| *point));
        let reports = kept(core.hub.take_unkept(Some(number)));
        if number.is_multiple_of(TIDY_STEPS) {
            history.keep_only(known(&core.registry));
        }
        history.close(Step {
            number,
            rigs,
            fleet,
            reports,
        });
    }

    /// Keeps what all rigs said last, and waits until the history is written.
    pub(super) async fn end_history(&self) {
        let history = {
            let mut core = self.lock();
            let history = core.history.clone();
            let reports = kept(core.hub.take_unkept(None));
            history.inspect(|history| history.keep(reports))
        };
        if let Some(history) = history {
            history.end().await;
        }
    }

    /// The wall clock.
    pub fn now(&self) -> EpochMs {
        self.clock.now().wall
    }

    /// A rig's history.
    pub async fn history(
        &self,
        id: NodeId,
        query: HistoryQuery,
    ) -> Result<HistoryView<RigPointView>, FarmError> {
        let (key, name) = self.named(id)?;
        let range = Range::of(query, self.now())?;
        let Points::Rig(points) = self.read(Whose::Rig(key), range).await? else {
            return Err(errors::no_history());
        };
        Ok(range.view(Some((id, name)), &points, rig_point))
    }

    /// The farm's history.
    pub async fn fleet_history(
        &self,
        query: HistoryQuery,
    ) -> Result<HistoryView<FleetPointView>, FarmError> {
        let range = Range::of(query, self.now())?;
        let Points::Fleet(points) = self.read(Whose::Fleet, range).await? else {
            return Err(errors::no_history());
        };
        Ok(range.view(None, &points, fleet_point))
    }

    async fn read(&self, whose: Whose, range: Range) -> Result<Points, FarmError> {
        let history = self.lock().history.clone();
        let history = history.ok_or_else(errors::no_history)?;
        let points = history.read(whose, range.tier, range.steps()).await;
        points.map_err(|error| FarmError::new(Code::ServiceUnavailable, error.to_string()))
    }
}

/// All keys that the registry knows as peers, present or removed: what keeps its place in the file.
fn known(registry: &Registry) -> BTreeSet<Fingerprint> {
    let peers = registry.peers().map(|(key, _)| *key);
    let removed = registry.tombstones().map(|(key, _)| *key);
    peers.chain(removed).collect()
}

/// Statistics as they are kept; longer ones than the file has room for are not.
fn kept(unkept: Vec<(Fingerprint, miner_shared::wire::RigStats, crate::clock::Now)>) -> Vec<Kept> {
    let kept = unkept.into_iter().filter_map(|(key, stats, at)| {
        Some(Kept {
            key,
            at: at.wall,
            bytes: report::encode(&stats)?,
        })
    });
    kept.collect()
}

fn rig_point(steps: &[Point], step_s: u64) -> Option<RigPointView> {
    let shares = steps.iter().filter_map(Point::shares).reduce(Shares::plus);
    let count = |of: fn(Shares) -> u64| shares.map(of);
    let live_s = steps.iter().map(|step| u64::from(step.live_s())).sum();
    steps
        .iter()
        .any(|step| !step.is_empty())
        .then(|| RigPointView {
            hashrate: mean(steps.iter().map(|step| (step.rate(), step.rate_s().into()))),
            accepted: count(|shares| shares.accepted),
            rejected: count(|shares| shares.rejected),
            stale: count(|shares| shares.stale),
            online: quotient(live_s, step_s).min(1.0),
        })
}

fn fleet_point(steps: &[Fleet], _: u64) -> Option<FleetPointView> {
    let known = steps.iter().filter(|step| !step.is_empty());
    let shares = known.clone().map(Fleet::shares).reduce(Shares::plus)?;
    let by_time = |of: fn(&Fleet) -> f64| {
        let weighed = known.clone().map(|step| (Some(of(step)), step.seconds()));
        mean(weighed).unwrap_or_default()
    };
    Some(FleetPointView {
        hashrate: mean(known.clone().map(|step| (step.rate(), step.rate_s()))),
        accepted: shares.accepted,
        rejected: shares.rejected,
        stale: shares.stale,
        online: by_time(Fleet::live),
        registered: by_time(Fleet::registered),
    })
}

/// Mean of what is known, by the seconds that it stands for.
fn mean(figures: impl Iterator<Item = (Option<f64>, u32)>) -> Option<f64> {
    let known = figures.filter_map(|(figure, seconds)| Some((figure?, f64::from(seconds))));
    let (sum, seconds) = known.fold((0.0, 0.0), |(sum, all), (figure, seconds)| {
        (sum + figure * seconds, all + seconds)
    });
    (seconds > 0.0).then(|| sum / seconds)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of 90 days at most")]
fn quotient(seconds: u64, of: u64) -> f64 {
    seconds as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = EpochMs(1_700_000_000_000);

    fn range(query: HistoryQuery) -> Range {
        Range::of(query, NOW).expect("understood")
    }

    fn ago(seconds: u64) -> Option<EpochMs> {
        Some(EpochMs(NOW.0 - seconds * 1_000))
    }

    #[test]
    fn an_hour_in_the_finest_tier_is_what_nobody_had_to_ask_for() {
        let hour = range(HistoryQuery::default());
        assert_eq!((hour.tier, hour.merged), (Tier::Fine, 1));
        assert_eq!(hour.points, 360);
        assert_eq!(hour.steps().end, Tier::Fine.step_at(NOW));
    }

    #[test]
    fn a_longer_range_takes_a_coarser_tier_and_merges_to_the_points_that_are_wanted() {
        for (seconds, tier) in [
            (3_700, Tier::Minute),
            (86_400, Tier::Minute),
            (86_500, Tier::Quarter),
            (400 * 86_400, Tier::Quarter),
        ] {
            for points in [1, 7, 360, MAX_POINTS] {
                let range = range(HistoryQuery {
                    since: ago(seconds),
                    points: Some(points),
                    ..HistoryQuery::default()
                });
                assert_eq!(range.tier, tier, "{seconds}");
                assert!((1..=points).contains(&range.points), "{seconds} {points}");
                assert_eq!(range.first % range.merged, 0);
            }
        }
    }

    #[test]
    fn a_range_that_cannot_be_is_refused_by_its_field() {
        for (query, field) in [
            (
                HistoryQuery {
                    since: ago(0),
                    ..HistoryQuery::default()
                },
                "since",
            ),
            (
                HistoryQuery {
                    since: ago(5),
                    until: ago(6),
                    ..HistoryQuery::default()
                },
                "since",
            ),
            (
                HistoryQuery {
                    points: Some(0),
                    ..HistoryQuery::default()
                },
                "points",
            ),
            (
                HistoryQuery {
                    points: Some(MAX_POINTS + 1),
                    ..HistoryQuery::default()
                },
                "points",
            ),
        ] {
            assert_eq!(
                Range::of(query, NOW).expect_err("refused").field,
                Some(field.into())
            );
        }
    }

    #[test]
    fn unknown_steps_are_in_no_mean_and_shares_of_months_do_not_overflow() {
        let steps = |count| {
            vec![
                Point::new(
                    Some(10.0),
                    Some(Shares {
                        accepted: 2,
                        ..Shares::default()
                    }),
                    true
                );
                count
            ]
        };
        let mut all = steps(9_000);
        all.extend([Point::default(); 9_000]);
        let point = rig_point(&all, 180_000).expect("known");
        assert_eq!((point.hashrate, point.accepted), (Some(10.0), Some(18_000)));
        assert!((point.online - 0.5).abs() < 1e-9);
        assert_eq!(rig_point(&[Point::default()], 10), None);
        assert_eq!(fleet_point(&[Fleet::default()], 10), None);
    }
}
