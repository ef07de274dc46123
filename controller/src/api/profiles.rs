//! Profiles: named ways to mine, in versions.
//!
//! A change tells no rig anything: rigs keep the version that they have until `start` or a rollout.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Asker, Asks, confirm_payout};
use super::answer::Done;
use super::etag::IfMatch;
use super::extract::{JsonBody, Segments, required};
use super::paging::{Listing, Page};
use super::profile_body::{ProfileBody, comment};
use super::{Api, Problem};
use crate::farm::{DiffView, PreviewView, ProfileView, VersionView};
use crate::scope::Scope;

// A profile says who is paid, so that writing one is for admins; operators choose among them.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(preview))
        .routes(routes!(versions))
        .routes(routes!(version))
        .routes(routes!(diff))
        .routes(routes!(roll_back))
}

/// All profiles in their newest version, by id.
#[utoipa::path(get, path = "/profiles", tag = "profiles", operation_id = "listProfiles",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<ProfileView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<ProfileView>, Problem> {
    page.of(api.farm.profiles()?, |profile| profile.id.clone())
}

/// One profile in its newest version.
#[utoipa::path(get, path = "/profiles/{id}", tag = "profiles", operation_id = "getProfile",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = ProfileView)))]
pub(super) async fn show(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(api.farm.profile(first(&segments))?))
}

/// Makes a profile.
#[utoipa::path(post, path = "/profiles", tag = "profiles", operation_id = "createProfile",
    security(("token" = [Scope::Admin])),
    request_body = ProfileBody,
    responses((status = 201, body = ProfileView), (status = 409, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    Asks(by): Asks,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<(StatusCode, Json<ProfileView>), Problem> {
    let new = body.check()?.made_by(&by);
    let created = api.farm.create_profile(new)?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Gives a profile its next version.
///
/// Rigs keep the version that they have until they are started with the new one, or a rollout brings
/// it. A body that says what the newest version says makes no version. Another wallet, where rigs mine
/// with the profile, takes `confirmPayout`.
#[utoipa::path(put, path = "/profiles/{id}", tag = "profiles", operation_id = "changeProfile",
    security(("token" = [Scope::Admin])),
    params(("If-Match" = Option<String>, Header)),
    request_body = ProfileBody,
    responses((status = 200, body = ProfileView), (status = 409, body = Problem),
        (status = 412, body = Problem)))]
pub(super) async fn change(
    State(api): State<Api>,
    Segments(segments): Segments,
    seen: IfMatch,
    Asks(by): Asks,
    asker: Asker,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<Json<ProfileView>, Problem> {
    let current = api.farm.profile(first(&segments))?;
    seen.check(&current)?;
    let new = body.check_named(Some(&current.name))?.made_by(&by);
    let change = api.farm.payout_of_version(&current.id, &new.spec.profile);
    confirm_payout(change.as_ref(), &asker, body.confirm_payout.as_deref())?;
    Ok(Json(api.farm.change_profile(&current.id, new)?))
}

/// What the same change would do, to the profile and to each rig. Stores nothing.
#[utoipa::path(post, path = "/profiles/{id}/preview", tag = "profiles",
    operation_id = "previewProfile",
    security(("token" = [Scope::Operate])),
    request_body = ProfileBody,
    responses((status = 200, body = PreviewView), (status = 412, body = Problem)))]
pub(super) async fn preview(
    State(api): State<Api>,
    Segments(segments): Segments,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<Json<PreviewView>, Problem> {
    let current = api.farm.profile(first(&segments))?;
    let new = body.check_named(Some(&current.name))?;
    Ok(Json(api.farm.preview_profile(&current.id, new)?))
}

/// Deletes a profile that no rig is told to mine with, in all its versions.
#[utoipa::path(delete, path = "/profiles/{id}", tag = "profiles", operation_id = "deleteProfile",
    security(("token" = [Scope::Admin])),
    params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Done), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Segments(segments): Segments,
    seen: IfMatch,
) -> Result<Json<Done>, Problem> {
    let profile = api.farm.profile(first(&segments))?;
    seen.check(&profile)?;
    api.farm.delete_profile(&profile.id)?;
    Ok(Done::new("deleted", profile.id))
}

/// Versions of a profile that are kept, newest first, and what rigs made with each.
#[utoipa::path(get, path = "/profiles/{id}/versions", tag = "profiles",
    operation_id = "listVersions",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Vec<VersionView>)))]
pub(super) async fn versions(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Vec<VersionView>>, Problem> {
    Ok(Json(api.farm.profile_versions(first(&segments))?))
}

/// One version of a profile.
#[utoipa::path(get, path = "/profiles/{id}/versions/{version}", tag = "profiles",
    operation_id = "getVersion",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = ProfileView)))]
pub(super) async fn version(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<ProfileView>, Problem> {
    let number: u32 = required("version", segments.get(1).map(String::as_str))?;
    let shown = api.farm.profile_version(first(&segments), Some(number))?;
    Ok(Json(shown))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The one version.
    from: u32,
    /// The other; the newest without it.
    to: Option<u32>,
}

/// What two versions of a profile differ in. Of passwords it says only that they do.
#[utoipa::path(get, path = "/profiles/{id}/diff", tag = "profiles", operation_id = "diffVersions",
    security(("token" = [Scope::Read])),
    params(DiffQuery), responses((status = 200, body = DiffView)))]
pub(super) async fn diff(
    State(api): State<Api>,
    Segments(segments): Segments,
    query: Result<Query<DiffQuery>, QueryRejection>,
) -> Result<Json<DiffView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("from", why))?;
    let shown = api
        .farm
        .profile_diff(first(&segments), query.from, query.to)?;
    Ok(Json(shown))
}

/// What `POST /profiles/{id}/rollback` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackBody {
    /// The version to bring back.
    #[schema(value_type = u32)]
    to: Option<u32>,
    /// Why.
    #[schema(max_length = 200)]
    comment: Option<String>,
    /// The last 6 characters of the wallet that it pays, where rigs mine with the profile for another one
    /// now.
    #[serde(rename = "confirmPayout")]
    confirm_payout: Option<String>,
}

/// Gives a profile a next version that says what an older one says, passwords included.
#[utoipa::path(post, path = "/profiles/{id}/rollback", tag = "profiles",
    operation_id = "rollBackProfile",
    security(("token" = [Scope::Admin])),
    request_body = RollbackBody,
    responses((status = 200, body = ProfileView), (status = 409, body = Problem)))]
pub(super) async fn roll_back(
    State(api): State<Api>,
    Segments(segments): Segments,
    Asks(by): Asks,
    asker: Asker,
    JsonBody(body): JsonBody<RollbackBody>,
) -> Result<Json<ProfileView>, Problem> {
    let to = body
        .to
        .ok_or_else(|| Problem::invalid("to", "it is missing"))?;
    let comment = body.comment.as_deref().map(comment).transpose()?;
    let change = api.farm.payout_of_restored(first(&segments), to);
    confirm_payout(change.as_ref(), &asker, body.confirm_payout.as_deref())?;
    let restored = api
        .farm
        .restore_profile(first(&segments), to, Some(by.author()), comment)?;
    Ok(Json(restored))
}

fn first(segments: &[String]) -> &str {
    segments.first().map_or("", String::as_str)
}
