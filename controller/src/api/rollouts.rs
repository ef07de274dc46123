//! Rollouts: a version of a profile on its way to many rigs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Asker, Asks, confirm_payout};
use super::extract::{JsonBody, Segments, optional, required};
use super::profile_body::comment;
use super::{Api, Problem};
use crate::farm::select::Selector;
use crate::farm::{NewRollout, RolloutVerb, RolloutView, StartedView};
use crate::registry::{OnFailure, RolloutTerms, Step};
use crate::scope::Scope;

/// Shortest and longest time that rigs of a stage are watched, in seconds.
const OBSERVE_SECS: std::ops::RangeInclusive<u32> = 60..=7 * 86_400;
/// The same if nothing is said.
const USUAL_SECS: u32 = 600;
/// What a stage must make if nothing is said, in percent.
const USUAL_PERCENT: u8 = 90;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, start))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(abort))
        .routes(routes!(roll_back))
}

/// Rollouts that are kept, the newest first.
#[utoipa::path(get, path = "/rollouts", tag = "rollouts", operation_id = "listRollouts",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Vec<RolloutView>)))]
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<RolloutView>>, Problem> {
    Ok(Json(api.farm.rollouts()))
}

/// One rollout with its rigs.
#[utoipa::path(get, path = "/rollouts/{id}", tag = "rollouts", operation_id = "getRollout",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = RolloutView)))]
pub(super) async fn show(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RolloutView>, Problem> {
    Ok(Json(api.farm.rollout(number(&segments)?)?))
}

/// What `POST /rollouts` takes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RolloutBody {
    /// Id or name of the profile.
    #[schema(value_type = String)]
    profile_id: Option<String>,
    /// Its version; the newest without it.
    version: Option<u32>,
    /// Which rigs, such as `group=shed state=online`; those that are told to mine with the profile without
    /// it.
    select: Option<String>,
    /// Rigs that have the version after each stage: numbers, or parts such as `10%`. Without any: 1, 10%,
    /// 100%.
    #[schema(max_items = 8)]
    stages: Vec<StageBody>,
    /// How long the rigs of a stage are watched, in seconds; 600 without it.
    #[schema(minimum = 60, maximum = 604_800)]
    observe_secs: Option<u32>,
    /// What they must make together, in percent of what they made in the ten minutes before; 90 without
    /// it.
    #[schema(minimum = 0, maximum = 100)]
    min_hashrate_percent: Option<u8>,
    /// What is done if they do not: `halt` (default), or `rollback` what was changed.
    on_failure: Option<String>,
    /// Why.
    #[schema(max_length = 200)]
    comment: Option<String>,
    /// The last 6 characters of the new wallet, where the rigs would mine for another one than now.
    confirm_payout: Option<String>,
}

/// A number of rigs, or a part of all such as `10%`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum StageBody {
    /// So many rigs.
    Rigs(u32),
    /// A part of all, such as `10%`.
    Part(String),
}

impl StageBody {
    fn step(&self) -> Option<Step> {
        match self {
            Self::Rigs(rigs) => Some(Step::Rigs(*rigs)),
            Self::Part(text) => match text.strip_suffix('%') {
                Some(percent) => percent.trim().parse().ok().map(Step::Percent),
                None => text.parse().ok().map(Step::Rigs),
            },
        }
    }
}

impl RolloutBody {
    fn terms(&self) -> Result<RolloutTerms, Problem> {
        let on_failure = match self.on_failure.as_deref() {
            None | Some("halt") => OnFailure::Halt,
            Some("rollback") => OnFailure::RollBack,
            Some(_) => {
                let why = "it must be halt or rollback";
                return Err(Problem::invalid("onFailure", why));
            }
        };
        terms(
            &self.stages,
            self.observe_secs,
            self.min_hashrate_percent,
            on_failure,
        )
    }
}

/// How a rollout is done, from what was said of it.
pub(super) fn terms(
    stages: &[StageBody],
    observe_secs: Option<u32>,
    min_percent: Option<u8>,
    on_failure: OnFailure,
) -> Result<RolloutTerms, Problem> {
    let stages = match stages {
        [] => vec![Step::Rigs(1), Step::Percent(10), Step::Percent(100)],
        stages => {
            let wrong = |at: usize| {
                let why = "it must be a number of rigs, or a part such as 10%";
                Problem::invalid(format!("stages[{at}]"), why)
            };
            let steps = stages.iter().enumerate();
            steps
                .map(|(at, stage)| stage.step().ok_or_else(|| wrong(at)))
                .collect::<Result<_, _>>()?
        }
    };
    let observe_secs = observe_secs.unwrap_or(USUAL_SECS);
    if !OBSERVE_SECS.contains(&observe_secs) {
        let (least, most) = (OBSERVE_SECS.start(), OBSERVE_SECS.end());
        let why = format!("it must be from {least} to {most} seconds");
        return Err(Problem::invalid("observeSecs", why));
    }
    let min_percent = min_percent.unwrap_or(USUAL_PERCENT);
    if min_percent > 100 {
        let why = "it must be from 0 to 100";
        return Err(Problem::invalid("minHashratePercent", why));
    }
    Ok(RolloutTerms {
        stages,
        observe_secs,
        min_percent,
        on_failure,
    })
}

/// Starts a rollout.
///
/// Rigs that are told to mine nothing, and those that have the version, are left out and counted. The
/// first stage takes rigs that have a link. Another wallet than the one that rigs mine for now takes an
/// admin, and `confirmPayout`.
#[utoipa::path(post, path = "/rollouts", tag = "rollouts", operation_id = "startRollout",
    security(("token" = [Scope::Operate])),
    request_body = RolloutBody,
    responses((status = 201, body = StartedView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn start(
    State(api): State<Api>,
    Asks(by): Asks,
    asker: Asker,
    JsonBody(body): JsonBody<RolloutBody>,
) -> Result<(StatusCode, Json<StartedView>), Problem> {
    let selector = optional::<Selector>("select", body.select.as_deref())?;
    let profile: String = required("profileId", body.profile_id.as_deref())?;
    let selected = selector.map(|selector| api.farm.select(&selector));
    let rigs = match &selected {
        Some(rigs) => rigs.clone(),
        None => api.farm.mining_with(&profile),
    };
    let change = api.farm.payout_of_start(&rigs, &profile, body.version);
    confirm_payout(change.as_ref(), &asker, body.confirm_payout.as_deref())?;
    let started = api.farm.start_rollout(NewRollout {
        profile,
        version: body.version,
        rigs: selected,
        terms: body.terms()?,
        by: Some(by.author()),
        comment: body.comment.as_deref().map(comment).transpose()?,
    })?;
    Ok((StatusCode::CREATED, Json(started)))
}

/// Has a rollout wait: no further rig is told.
#[utoipa::path(post, path = "/rollouts/{id}/pause", tag = "rollouts", operation_id = "pauseRollout",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = RolloutView), (status = 409, body = Problem)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RolloutView>, Problem> {
    steer(&api, &segments, RolloutVerb::Pause)
}

/// Lets a rollout go on.
///
/// A stage that was being watched is watched anew; one that fell short is taken for good.
#[utoipa::path(post, path = "/rollouts/{id}/resume", tag = "rollouts", operation_id = "resumeRollout",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = RolloutView), (status = 409, body = Problem)))]
pub(super) async fn resume(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RolloutView>, Problem> {
    steer(&api, &segments, RolloutVerb::Resume)
}

/// Ends a rollout; rigs keep what they have.
#[utoipa::path(post, path = "/rollouts/{id}/abort", tag = "rollouts", operation_id = "abortRollout",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = RolloutView), (status = 409, body = Problem)))]
pub(super) async fn abort(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RolloutView>, Problem> {
    steer(&api, &segments, RolloutVerb::Abort)
}

/// Gives the rigs that a rollout changed what they had before; also after its end.
#[utoipa::path(post, path = "/rollouts/{id}/rollback", tag = "rollouts",
    operation_id = "rollBackRollout",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = RolloutView), (status = 409, body = Problem)))]
pub(super) async fn roll_back(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RolloutView>, Problem> {
    steer(&api, &segments, RolloutVerb::RollBack)
}

fn steer(api: &Api, segments: &[String], verb: RolloutVerb) -> Result<Json<RolloutView>, Problem> {
    Ok(Json(api.farm.steer_rollout(number(segments)?, verb)?))
}

fn number(segments: &[String]) -> Result<u32, Problem> {
    required("id", segments.first().map(String::as_str))
}
