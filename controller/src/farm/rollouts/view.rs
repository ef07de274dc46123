//! What is shown of rollouts.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::EpochMs;
use crate::farm::profiles::short_hash;
use crate::farm::show;
use crate::registry::{
    OnFailure, Phase, Registry, RigOutcome, RolloutRecord, RolloutRig, RolloutRigs,
};

/// A rollout: a version of a profile on its way to many rigs.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Its number.
    pub id: u32,
    /// Id of the profile.
    pub profile: String,
    /// The version that rigs get.
    pub version: u32,
    /// The beginning of its hash; `null` if it is no longer kept.
    pub hash: Option<String>,
    /// `running`, `paused`, `halted`, `rollingBack`, `rolledBack`, `aborted` or `done`.
    pub status: &'static str,
    /// Why it stopped by itself, if it did.
    pub reason: Option<String>,
    /// The stage that it is in, from 1.
    pub stage: u8,
    /// What it does there: `begin`, `apply` or `observe`.
    pub phase: &'static str,
    /// All stages.
    pub stages: Vec<StageView>,
    /// How long rigs are watched in each, in seconds.
    pub observe_secs: u32,
    /// How much of that is left, while they are.
    pub observe_left_secs: Option<u64>,
    /// What the rigs of a stage must make together, in percent of what they made before.
    pub min_hashrate_percent: u8,
    /// What is done if they do not: `halt` or `rollback`.
    pub on_failure: &'static str,
    /// Rigs in all.
    pub rigs: usize,
    /// Of them, those that have the version.
    pub applied: usize,
    /// Of them, those that were told and have not said that they have it: they may be away.
    pub told: usize,
    /// Of them, those that refused.
    pub refused: usize,
    /// What the rigs that were watched made before, in H/s, as far as it was known; `null` if of none.
    pub hashrate_before: Option<f64>,
    /// What the same rigs made while they were watched, in H/s.
    pub hashrate_observed: Option<f64>,
    /// Rigs that were watched and could not be judged, as what they made before was not known.
    pub unjudged: usize,
    /// Who started it, if that is known.
    pub by: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// When it was started.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Its rigs in the order of their stages; `null` in a list of rollouts.
    pub members: Option<Vec<RolloutRigView>>,
}

/// A stage of a rollout.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageView {
    /// Rigs that have the version after it, counted from the first stage.
    pub up_to: u32,
}

/// A rig of a rollout.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutRigView {
    /// Node ID.
    pub node_id: String,
    /// Name; `null` if it is no peer any more.
    pub name: Option<String>,
    /// Its stage, from 1.
    pub stage: usize,
    /// `waiting`, `told`, `applied`, `refused`, `toldBack`, `superseded` (somebody told it something
    /// else), `hadIt`, or `leftOut` (it is told to mine nothing).
    pub outcome: &'static str,
    /// Why it refused.
    pub reason: Option<String>,
    /// What it was told before, as `profile version`; unknown until its stage begins.
    pub before: Option<String>,
    /// What it made before, in H/s.
    pub hashrate_before: Option<f64>,
    /// What it made while it was watched, in H/s.
    pub hashrate_observed: Option<f64>,
}

/// A rollout that was started, and whom it leaves out.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedView {
    /// The rollout.
    pub rollout: RolloutView,
    /// Rigs left out as they are told to mine nothing.
    pub stopped: usize,
    /// Rigs left out as they are told to mine with the version already.
    pub had_it: usize,
}

pub(super) fn rollout(
    id: u32,
    row: &RolloutRecord,
    rigs: &RolloutRigs,
    observed_ms: Option<u64>,
    whole: bool,
    registry: &Registry,
) -> RolloutView {
    let count = |is: fn(&RigOutcome) -> bool| rigs.values().filter(|rig| is(&rig.outcome)).count();
    let judged = || {
        rigs.values()
            .filter_map(|rig| Some((rig.baseline?, rig.observed?)))
    };
    let some = judged().next().is_some();
    let version = registry.version(&row.profile, Some(row.version));
    RolloutView {
        id,
        profile: row.profile.to_string(),
        version: row.version,
        hash: version.ok().map(|row| short_hash(&row.hash())),
        status: row.status.as_str(),
        reason: row.reason.as_ref().map(|why| why.as_str().to_owned()),
        stage: row.stage.saturating_add(1),
        phase: match row.phase {
            Phase::Begin => "begin",
            Phase::Apply => "apply",
            Phase::Observe => "observe",
        },
        stages: row
            .bounds
            .iter()
            .map(|up_to| StageView { up_to: *up_to })
            .collect(),
        observe_secs: row.terms.observe_secs,
        observe_left_secs: observed_ms
            .map(|ms| u64::from(row.terms.observe_secs).saturating_sub(ms / 1_000)),
        min_hashrate_percent: row.terms.min_percent,
        on_failure: match row.terms.on_failure {
            OnFailure::Halt => "halt",
            OnFailure::RollBack => "rollback",
        },
        rigs: rigs.len(),
        applied: count(|outcome| *outcome == RigOutcome::Applied),
        told: count(|outcome| *outcome == RigOutcome::Told),
        refused: count(|outcome| matches!(outcome, RigOutcome::Refused(_))),
        hashrate_before: show::per_second(some.then(|| judged().map(|(was, _)| was).sum())),
        hashrate_observed: show::per_second(some.then(|| judged().map(|(_, is)| is).sum())),
        unjudged: rigs
            .values()
            .filter(|rig| rig.outcome == RigOutcome::Applied && rig.baseline.is_none())
            .count(),
        by: row.by.as_ref().map(|by| by.as_str().to_owned()),
        comment: row.comment.as_ref().map(|why| why.as_str().to_owned()),
        started_at: EpochMs(row.started_at_ms),
        ended_at: row.ended_at_ms.map(EpochMs),
        members: whole.then(|| members(row, rigs, registry)),
    }
}

fn members(row: &RolloutRecord, rigs: &RolloutRigs, registry: &Registry) -> Vec<RolloutRigView> {
    let mut in_order: Vec<_> = rigs.iter().collect();
    in_order.sort_by_key(|(_, rig)| rig.place);
    let stage_of = |rig: &RolloutRig| {
        let before = row.bounds.iter().filter(|bound| **bound <= rig.place);
        before.count() + 1
    };
    let shown = in_order.into_iter().map(|(key, rig)| RolloutRigView {
        node_id: key.node_id().to_string(),
        name: registry.peer(key).map(|peer| peer.name.to_string()),
        stage: stage_of(rig),
        outcome: outcome(&rig.outcome),
        reason: match &rig.outcome {
            RigOutcome::Refused(why) => Some(why.as_str().to_owned()),
            _ => None,
        },
        before: rig
            .before
            .as_ref()
            .map(|before| format!("{} {}", before.profile, before.version)),
        hashrate_before: show::per_second(rig.baseline),
        hashrate_observed: show::per_second(rig.observed),
    });
    shown.collect()
}

fn outcome(outcome: &RigOutcome) -> &'static str {
    match outcome {
        RigOutcome::Waiting => "waiting",
        RigOutcome::HadIt => "hadIt",
        RigOutcome::LeftOut => "leftOut",
        RigOutcome::Told => "told",
        RigOutcome::Applied => "applied",
        RigOutcome::Refused(_) => "refused",
        RigOutcome::Superseded => "superseded",
        RigOutcome::ToldBack => "toldBack",
    }
}
