//! API tokens: made, listed, revoked. Only the answer to their making ever holds their text.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::text::Name;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::extract::{JsonBody, Segments, optional, required};
use super::{Api, Problem};
use crate::access::Scope;
use crate::farm::{ApiTokenView, NewApiToken, NewApiTokenView};

/// What `POST /api-tokens` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApiTokenBody {
    /// `read`, `operate` or `admin`; must be there.
    scope: Option<String>,
    /// What to call it.
    label: Option<String>,
    /// How long it is good, in seconds; without it, until it is revoked.
    expires_secs: Option<u64>,
}

pub(super) async fn create(
    State(api): State<Api>,
    JsonBody(body): JsonBody<ApiTokenBody>,
) -> Result<(StatusCode, Json<NewApiTokenView>), Problem> {
    let new = NewApiToken {
        scope: required::<Scope>("scope", body.scope.as_deref())?,
        label: optional::<Name>("label", body.label.as_deref())?,
        expires_secs: body.expires_secs,
    };
    Ok((StatusCode::CREATED, Json(api.farm.create_api_token(new)?)))
}

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<ApiTokenView>> {
    Json(api.farm.api_tokens())
}

pub(super) async fn revoke(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Value>, Problem> {
    let id = segments.first().map_or("", String::as_str);
    let id = api.farm.revoke_api_token(id)?;
    Ok(Json(json!({ "status": "revoked", "id": id })))
}
