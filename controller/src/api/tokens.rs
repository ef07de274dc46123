//! Enrolment: tokens, rigs that wait for approval, removed keys.

use std::cmp::Reverse;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use miner_shared::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Done;
use super::extract::{JsonBody, Segments, optional};
use super::idempotency::HoldsSecret;
use super::paging::{Listing, Page};
use super::{Api, Problem};
use crate::farm::{
    DEFAULT_LIFE_SECS, NewToken, NewTokenView, PeerView, PendingView, RemovedView, TokenView,
};
use crate::registry::{LabelName, NamePattern, Network};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
        .routes(routes!(pending))
        .routes(routes!(deny))
        .routes(routes!(approve))
        .routes(routes!(removed))
        .routes(routes!(forget))
}

/// What `POST /tokens` takes; everything has a default.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokenBody {
    /// What the owner calls it.
    label: Option<String>,
    /// How many rigs, 1 without it; with `ephemeral`, how many at a time.
    #[schema(minimum = 1, maximum = 10_000)]
    uses: Option<u32>,
    /// How long it is good, in seconds: a minute to ten years, a day without it.
    #[schema(minimum = 60, maximum = 315_360_000)]
    expires_secs: Option<u64>,
    /// Names that rigs must have, such as `shed-*`.
    name_pattern: Option<String>,
    /// Group that rigs get as a label.
    group: Option<String>,
    /// Network that rigs must dial from, such as `10.0.0.0/8`.
    from: Option<String>,
    /// Whether to admit at once, as without it; otherwise a person approves each rig.
    approve: Option<bool>,
    /// Whether entries vanish 10 minutes after their link was lost.
    #[serde(default)]
    ephemeral: bool,
}

impl TokenBody {
    fn check(&self) -> Result<NewToken, Problem> {
        Ok(NewToken {
            label: optional::<Name>("label", self.label.as_deref())?,
            uses: self.uses.unwrap_or(1),
            expires_secs: self.expires_secs.unwrap_or(DEFAULT_LIFE_SECS),
            name_pattern: optional::<NamePattern>("namePattern", self.name_pattern.as_deref())?,
            group: optional::<LabelName>("group", self.group.as_deref())?,
            from: optional::<Network>("from", self.from.as_deref())?,
            approve: self.approve.unwrap_or(true),
            ephemeral: self.ephemeral,
        })
    }
}

/// Makes an enrolment token: the only answer that ever holds its text.
#[utoipa::path(post, path = "/tokens", tag = "enrolment", operation_id = "createToken",
    security(("token" = [Scope::Admin])),
    request_body = TokenBody, responses((status = 201, body = NewTokenView)))]
pub(super) async fn create(
    State(api): State<Api>,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<(StatusCode, Extension<HoldsSecret>, Json<NewTokenView>), Problem> {
    let made = api.farm.create_token(body.check()?)?;
    Ok((StatusCode::CREATED, Extension(HoldsSecret), Json(made)))
}

/// All enrolment tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "enrolment", operation_id = "listTokens",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<TokenView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<TokenView>, Problem> {
    page.of(api.farm.tokens(), |token| {
        (Reverse(token.created_at.0), token.id.clone())
    })
}

/// Revokes an enrolment token; rigs that came by it stay.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "enrolment", operation_id = "revokeToken",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = Done)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Done>, Problem> {
    let id = api.farm.revoke_token(first(&segments))?;
    Ok(Done::new("revoked", id))
}

/// Rigs that wait for approval.
#[utoipa::path(get, path = "/pending", tag = "enrolment", operation_id = "listPending",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<PendingView>)))]
pub(super) async fn pending(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<PendingView>, Problem> {
    page.of(api.farm.waiting(), |rig| (rig.since.0, rig.id.clone()))
}

/// What `POST /pending/{id}/approve` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApproveBody {
    /// The name that it enters under; without it, its own.
    name: Option<String>,
}

/// Admits a rig that waits.
#[utoipa::path(post, path = "/pending/{id}/approve", tag = "enrolment", operation_id = "approvePending",
    security(("token" = [Scope::Operate])),
    request_body = ApproveBody,
    responses((status = 200, body = PeerView), (status = 409, body = Problem)))]
pub(super) async fn approve(
    State(api): State<Api>,
    Segments(segments): Segments,
    JsonBody(body): JsonBody<ApproveBody>,
) -> Result<Json<PeerView>, Problem> {
    let name = optional::<Name>("name", body.name.as_deref())?;
    Ok(Json(api.farm.approve(first(&segments), name)?))
}

/// Refuses a rig that waits, and its key until it is forgotten.
#[utoipa::path(delete, path = "/pending/{id}", tag = "enrolment", operation_id = "denyPending",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = Done)))]
pub(super) async fn deny(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Done>, Problem> {
    let id = api.farm.deny(first(&segments))?;
    Ok(Done::new("denied", id))
}

/// Keys that are refused.
#[utoipa::path(get, path = "/removed", tag = "enrolment", operation_id = "listRemoved",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<RemovedView>)))]
pub(super) async fn removed(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<RemovedView>, Problem> {
    page.of(api.farm.removed(), |key| (key.name.clone(), key.id.clone()))
}

/// Forgets a key that was removed: it may come again.
#[utoipa::path(delete, path = "/removed/{id}", tag = "enrolment", operation_id = "forgetRemoved",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = Done)))]
pub(super) async fn forget(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Done>, Problem> {
    let id = api.farm.forget(first(&segments))?;
    Ok(Done::new("forgotten", id))
}

fn first(segments: &[String]) -> &str {
    segments.first().map_or("", String::as_str)
}
