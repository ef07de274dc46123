//! API tokens: made, listed, revoked. Only the answer to their making ever holds their text.

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
use super::extract::{JsonBody, Segments, optional, required};
use super::idempotency::HoldsSecret;
use super::paging::{Listing, Page};
use super::{Api, Problem};
use crate::farm::{ApiTokenView, NewApiToken, NewApiTokenView};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// What `POST /api-tokens` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApiTokenBody {
    /// `read`, `operate` or `admin`.
    #[schema(value_type = String)]
    scope: Option<String>,
    /// What to call it.
    label: Option<String>,
    /// How long it is good, in seconds: a minute to ten years; without it, until it is revoked.
    #[schema(minimum = 60, maximum = 315_360_000)]
    expires_secs: Option<u64>,
}

/// Makes an API token: the only answer that ever holds its text.
#[utoipa::path(post, path = "/api-tokens", tag = "access", operation_id = "createApiToken",
    security(("token" = [Scope::Admin])),
    request_body = ApiTokenBody, responses((status = 201, body = NewApiTokenView)))]
pub(super) async fn create(
    State(api): State<Api>,
    JsonBody(body): JsonBody<ApiTokenBody>,
) -> Result<(StatusCode, Extension<HoldsSecret>, Json<NewApiTokenView>), Problem> {
    let new = NewApiToken {
        scope: required::<Scope>("scope", body.scope.as_deref())?,
        label: optional::<Name>("label", body.label.as_deref())?,
        expires_secs: body.expires_secs,
    };
    let made = api.farm.create_api_token(new)?;
    Ok((StatusCode::CREATED, Extension(HoldsSecret), Json(made)))
}

/// All API tokens, the newest first.
#[utoipa::path(get, path = "/api-tokens", tag = "access", operation_id = "listApiTokens",
    security(("token" = [Scope::Admin])),
    params(Page), responses((status = 200, body = Vec<ApiTokenView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<ApiTokenView>, Problem> {
    page.of(api.farm.api_tokens(), |token| {
        (Reverse(token.created_at.0), token.id.clone())
    })
}

/// Deletes an API token; its next request is refused.
#[utoipa::path(delete, path = "/api-tokens/{id}", tag = "access", operation_id = "revokeApiToken",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = Done)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Done>, Problem> {
    let id = segments.first().map_or("", String::as_str);
    Ok(Done::new("revoked", api.farm.revoke_api_token(id)?))
}
