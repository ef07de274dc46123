//! What is shown of releases, of update rollouts, and of what rigs were booted from.

use data_encoding::HEXLOWER;
use miner_shared::wire::{Boot, ImageStatus, Step};
use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::{EpochMs, Now};
use crate::farm::rollouts::StageView;
use crate::farm::{Core, show};
use crate::hub::Rig;
use crate::registry::{Phase, UpdateOutcome, UpdateRecord, UpdateRig, UpdateRigs};
use crate::releases::Release;
use crate::updates::fault_text;

/// A release of the image that this controller has for rigs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseView {
    /// By this it is called: SHA-256 of its manifest, 64 hexadecimal digits.
    pub release: String,
    /// Its version.
    pub version: String,
    /// What it runs on: `x86_64`, `aarch64`.
    pub arch: String,
    /// The lowest version that can be updated to it.
    pub min_from: String,
    /// Bytes of all its files.
    pub bytes: u64,
}

impl ReleaseView {
    pub(super) fn of(release: &Release) -> Self {
        Self {
            release: HEXLOWER.encode(&release.id),
            version: release.version.to_string(),
            arch: release.arch.clone(),
            min_from: release.min_from.to_string(),
            bytes: release.bytes(),
        }
    }
}

/// What a rig was booted from, and how an update of it does.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    /// `slot` of a disk, `whole` (our image from the network, or from a medium without slots), or `foreign`
    /// (another system).
    pub boot: &'static str,
    /// Version of the image, if it is ours.
    pub version: Option<String>,
    /// What it runs on.
    pub arch: Option<String>,
    /// Whether it runs on trial: it has yet to show that it works.
    pub on_trial: bool,
    /// The update that it was told of last.
    pub update: Option<UpdateStepView>,
    /// Age of all this, in milliseconds.
    pub age_ms: u64,
}

/// How far an update of a rig is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStepView {
    /// Where it leads to.
    pub version: String,
    /// `fetching`, `installing`, `restarting`, `trying`, `confirmed`, `fellBack` or `failed`.
    pub step: &'static str,
    /// Bytes that are there, while it is fetching.
    pub done: Option<u64>,
    /// Bytes of all files, once they are known.
    pub total: Option<u64>,
    /// Why it failed.
    pub reason: Option<&'static str>,
}

/// A rollout of a release.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateView {
    /// Its number; `null` of one that is only tried out.
    pub id: Option<u32>,
    /// The version that rigs get.
    pub version: String,
    /// Whether rigs that boot from the network are started anew.
    pub restart: bool,
    /// `running`, `paused`, `halted`, `aborted` or `done`.
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
    /// What of a stage's rigs must take it, and make together of what they made before, in percent.
    pub min_hashrate_percent: u8,
    /// Rigs in all.
    pub rigs: usize,
    /// Of them, those that run the version and have shown that it works.
    pub done: usize,
    /// Of them, those that fetch, install or try it.
    pub told: usize,
    /// Of them, those that did not take it.
    pub failed: usize,
    /// Of them, those whose turn it is not, or that are away.
    pub waiting: usize,
    /// What the rigs that were watched made before, in H/s, as far as it was known; `null` if of none.
    pub hashrate_before: Option<f64>,
    /// What the same rigs made while they were watched, in H/s.
    pub hashrate_observed: Option<f64>,
    /// Who started it, if that is known.
    pub by: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// When it was started.
    pub started_at: EpochMs,
    /// When it ended.
    pub ended_at: Option<EpochMs>,
    /// Its rigs in the order of their stages; `null` in a list.
    pub members: Option<Vec<UpdateRigView>>,
}

/// A rig of an update rollout.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateRigView {
    /// Node ID.
    pub node_id: String,
    /// Name; `null` if it is no peer any more.
    pub name: Option<String>,
    /// Its stage, from 1.
    pub stage: usize,
    /// `waiting`, `hadIt`, `told`, `done` or `failed`.
    pub outcome: &'static str,
    /// Why it failed.
    pub reason: Option<String>,
    /// What it ran before.
    pub before: Option<String>,
    /// What it runs, and how its update does, as it said last.
    pub image: Option<ImageView>,
    /// What it made before, in H/s.
    pub hashrate_before: Option<f64>,
    /// What it made while it was watched, in H/s.
    pub hashrate_observed: Option<f64>,
}

/// An update rollout that was started, or tried out, and whom it leaves out.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartedUpdateView {
    /// The rollout.
    pub update: UpdateView,
    /// Whether it was only tried out.
    pub dry_run: bool,
    /// Rigs left out as they run the version, or a later one.
    pub had_it: usize,
    /// Rigs left out as they cannot be updated.
    pub left_out: Vec<LeftOutUpdateView>,
}

/// A rig that cannot be updated.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutUpdateView {
    /// Node ID.
    pub node_id: String,
    /// Name.
    pub name: String,
    /// Why.
    pub reason: &'static str,
}

/// What a rig said of its image.
pub(in crate::farm) fn image(rig: Option<&Rig>, now: Now) -> Option<ImageView> {
    let (status, at) = rig?.image()?;
    let image = status.image.as_ref();
    Some(ImageView {
        boot: match status.boot {
            Boot::Foreign => "foreign",
            Boot::Whole => "whole",
            Boot::Slot => "slot",
        },
        version: image.map(|image| image.version.to_string()),
        arch: image.map(|image| image.arch.as_str().to_owned()),
        on_trial: image.is_some_and(|image| image.on_trial),
        update: step(status),
        age_ms: now.mono.since(at.mono),
    })
}

fn step(status: &ImageStatus) -> Option<UpdateStepView> {
    let update = status.update?;
    let (done, total) = match update.step {
        Step::Fetching { done, total } => (Some(done), Some(total).filter(|total| *total > 0)),
        _ => (None, None),
    };
    Some(UpdateStepView {
        version: update.version.to_string(),
        step: step_word(update.step),
        done,
        total,
        reason: match update.step {
            Step::Failed(fault) => Some(fault_text(fault)),
            _ => None,
        },
    })
}

/// The word for a step in REST, CLI and selectors.
pub(in crate::farm) const fn step_word(step: Step) -> &'static str {
    match step {
        Step::Fetching { .. } => "fetching",
        Step::Installing => "installing",
        Step::Restarting => "restarting",
        Step::Trying => "trying",
        Step::Confirmed => "confirmed",
        Step::FellBack => "fellBack",
        _ => "failed",
    }
}

pub(super) fn update(
    id: Option<u32>,
    row: &UpdateRecord,
    rigs: &UpdateRigs,
    observed_ms: Option<u64>,
    core: &Core,
    now: Now,
) -> UpdateView {
    let count =
        |is: fn(&UpdateOutcome) -> bool| rigs.values().filter(|rig| is(&rig.outcome)).count();
    let judged = || {
        let rigs = rigs.values();
        rigs.filter_map(|rig| Some((rig.baseline?, rig.observed?)))
    };
    let some = judged().next().is_some();
    let left = |ms: u64| u64::from(row.terms.observe_secs).saturating_sub(ms / 1_000);
    UpdateView {
        id,
        version: row.version.to_string(),
        restart: row.restart,
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
        observe_left_secs: observed_ms.map(left),
        min_hashrate_percent: row.terms.min_percent,
        rigs: rigs.len(),
        done: count(|it| *it == UpdateOutcome::Done),
        told: count(|it| matches!(it, UpdateOutcome::Told { .. })),
        failed: count(|it| matches!(it, UpdateOutcome::Failed(_) | UpdateOutcome::Accepted(_))),
        waiting: count(|it| *it == UpdateOutcome::Waiting),
        hashrate_before: show::per_second(some.then(|| judged().map(|(was, _)| was).sum())),
        hashrate_observed: show::per_second(some.then(|| judged().map(|(_, is)| is).sum())),
        by: row.by.as_ref().map(|by| by.as_str().to_owned()),
        comment: row.comment.as_ref().map(|why| why.as_str().to_owned()),
        started_at: EpochMs(row.started_at_ms),
        ended_at: row.ended_at_ms.map(EpochMs),
        members: Some(members(row, rigs, core, now)),
    }
}

fn members(row: &UpdateRecord, rigs: &UpdateRigs, core: &Core, now: Now) -> Vec<UpdateRigView> {
    let mut in_order: Vec<_> = rigs.iter().collect();
    in_order.sort_by_key(|(_, rig)| rig.place);
    let stage_of = |rig: &UpdateRig| {
        let before = row.bounds.iter().filter(|bound| **bound <= rig.place);
        before.count() + 1
    };
    let shown = in_order.into_iter().map(|(key, rig)| UpdateRigView {
        node_id: key.node_id().to_string(),
        name: core.registry.peer(key).map(|peer| peer.name.to_string()),
        stage: stage_of(rig),
        outcome: match rig.outcome {
            UpdateOutcome::Waiting => "waiting",
            UpdateOutcome::HadIt => "hadIt",
            UpdateOutcome::Told { .. } => "told",
            UpdateOutcome::Done => "done",
            UpdateOutcome::Failed(_) | UpdateOutcome::Accepted(_) => "failed",
        },
        reason: match &rig.outcome {
            UpdateOutcome::Failed(why) | UpdateOutcome::Accepted(why) => {
                Some(why.as_str().to_owned())
            }
            _ => None,
        },
        before: rig.before.map(|version| version.to_string()),
        image: image(core.hub.rig(key), now),
        hashrate_before: show::per_second(rig.baseline),
        hashrate_observed: show::per_second(rig.observed),
    });
    shown.collect()
}
