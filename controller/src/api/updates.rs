//! Updates: which releases of the image are here, and one on its way to many rigs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::release::Version;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Asks;
use super::extract::{JsonBody, Segments, optional, required};
use super::profile_body::comment;
use super::rollouts::{StageBody, terms};
use super::{Api, Problem};
use crate::farm::select::Selector;
use crate::farm::{NewUpdate, ReleaseView, StartedUpdateView, UpdateVerb, UpdateView};
use crate::registry::OnFailure;
use crate::releases::{ReleaseId, parse_key};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, take))
        .routes(routes!(remove))
        .routes(routes!(rollouts, start))
        .routes(routes!(show))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
}

/// Releases of the image that are here for rigs, the highest version first.
#[utoipa::path(get, path = "/updates", tag = "updates", operation_id = "listReleases",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Vec<ReleaseView>)))]
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<ReleaseView>>, Problem> {
    Ok(Json(api.farm.releases()))
}

/// What `POST /updates` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseBody {
    /// SHA-256 of its manifest, 64 hexadecimal digits.
    #[schema(value_type = String)]
    release: Option<String>,
}

/// Takes a release that lies in the controller's folder of releases under this name.
///
/// `update add` copies one there and says so here; a path or a URL is taken from nobody. Its signature and
/// the hashes of its files are checked.
#[utoipa::path(post, path = "/updates", tag = "updates", operation_id = "takeRelease",
    security(("token" = [Scope::Admin])),
    request_body = ReleaseBody,
    responses((status = 201, body = ReleaseView), (status = 400, body = Problem)))]
pub(super) async fn take(
    State(api): State<Api>,
    JsonBody(body): JsonBody<ReleaseBody>,
) -> Result<(StatusCode, Json<ReleaseView>), Problem> {
    let Name(id) = required("release", body.release.as_deref())?;
    Ok((StatusCode::CREATED, Json(api.farm.take_release(id).await?)))
}

/// Removes a release with its files. Rigs that fetch it give it up.
#[utoipa::path(delete, path = "/updates/{release}", tag = "updates", operation_id = "removeRelease",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = ReleaseView), (status = 404, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn remove(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<ReleaseView>, Problem> {
    let Name(id) = required("release", segments.first().map(String::as_str))?;
    Ok(Json(api.farm.remove_release(id).await?))
}

/// Update rollouts that are kept, the newest first.
#[utoipa::path(get, path = "/updates/rollouts", tag = "updates", operation_id = "listUpdates",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Vec<UpdateView>)))]
pub(super) async fn rollouts(State(api): State<Api>) -> Result<Json<Vec<UpdateView>>, Problem> {
    Ok(Json(api.farm.updates()))
}

/// What `POST /updates/rollouts` takes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct UpdateBody {
    /// To which version: three numbers, such as `1.2.3`.
    #[schema(value_type = String)]
    version: Option<String>,
    /// Which rigs, such as `group=shed state=online`; all without it.
    select: Option<String>,
    /// Rigs that have the version after each stage: numbers, or parts such as `10%`. Without any: 1, 10%,
    /// 100%.
    #[schema(max_items = 8)]
    stages: Vec<StageBody>,
    /// How long the rigs of a stage are watched once they run it, in seconds; 600 without it.
    #[schema(minimum = 60, maximum = 604_800)]
    observe_secs: Option<u32>,
    /// What of a stage's rigs must take it, and what they must make together of what they made before, in
    /// percent; 90 without it.
    #[schema(minimum = 0, maximum = 100)]
    min_hashrate_percent: Option<u8>,
    /// Start rigs anew that boot from the network; without it they are left out.
    restart: bool,
    /// Say which rigs it would be, and do nothing.
    dry_run: bool,
    /// Why.
    #[schema(max_length = 200)]
    comment: Option<String>,
}

/// Starts an update rollout; one is under way at a time.
///
/// Rigs that run the version are left out and counted; those that are known not to be updatable are left
/// out and listed. The first stage takes rigs that have a link.
#[utoipa::path(post, path = "/updates/rollouts", tag = "updates", operation_id = "startUpdate",
    security(("token" = [Scope::Admin])),
    request_body = UpdateBody,
    responses((status = 200, body = StartedUpdateView), (status = 201, body = StartedUpdateView),
        (status = 400, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn start(
    State(api): State<Api>,
    Asks(by): Asks,
    JsonBody(body): JsonBody<UpdateBody>,
) -> Result<(StatusCode, Json<StartedUpdateView>), Problem> {
    let version: Version = required("version", body.version.as_deref())?;
    let selector = optional::<Selector>("select", body.select.as_deref())?;
    let terms = terms(
        &body.stages,
        body.observe_secs,
        body.min_hashrate_percent,
        OnFailure::Halt,
    )?;
    let started = api.farm.start_update(NewUpdate {
        version,
        rigs: selector.map(|selector| api.farm.select(&selector)),
        terms,
        restart: body.restart,
        dry_run: body.dry_run,
        by: Some(by.author()),
        comment: body.comment.as_deref().map(comment).transpose()?,
    })?;
    let status = match body.dry_run {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok((status, Json(started)))
}

/// One update rollout with its rigs.
#[utoipa::path(get, path = "/updates/rollouts/{id}", tag = "updates", operation_id = "getUpdate",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = UpdateView)))]
pub(super) async fn show(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<UpdateView>, Problem> {
    Ok(Json(api.farm.update(number(&segments)?)?))
}

/// Has an update rollout wait: no further rig is told.
#[utoipa::path(post, path = "/updates/rollouts/{id}/pause", tag = "updates", operation_id = "pauseUpdate",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = UpdateView), (status = 409, body = Problem)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<UpdateView>, Problem> {
    steer(&api, &segments, UpdateVerb::Pause)
}

/// Lets an update rollout go on. Rigs that failed, and a stage that makes too little, are taken for good.
#[utoipa::path(post, path = "/updates/rollouts/{id}/resume", tag = "updates", operation_id = "resumeUpdate",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = UpdateView), (status = 409, body = Problem)))]
pub(super) async fn resume(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<UpdateView>, Problem> {
    steer(&api, &segments, UpdateVerb::Resume)
}

/// Ends an update rollout. Rigs that fetch stop doing so; those that run the version, or try it, go on.
#[utoipa::path(post, path = "/updates/rollouts/{id}/cancel", tag = "updates", operation_id = "cancelUpdate",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = UpdateView), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<UpdateView>, Problem> {
    steer(&api, &segments, UpdateVerb::Cancel)
}

fn steer(api: &Api, segments: &[String], verb: UpdateVerb) -> Result<Json<UpdateView>, Problem> {
    Ok(Json(api.farm.steer_update(number(segments)?, verb)?))
}

fn number(segments: &[String]) -> Result<u32, Problem> {
    required("id", segments.first().map(String::as_str))
}

/// The name of a release.
struct Name(ReleaseId);

impl std::str::FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_key(text)
            .map(Self)
            .ok_or("it must be 64 hexadecimal digits")
    }
}
