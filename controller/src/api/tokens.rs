//! Enrolment: tokens, rigs that wait for approval, removed keys.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::text::Name;
use serde::Deserialize;
use serde_json::{Value, json};

use super::extract::{JsonBody, PeerPath, Segments, optional, required};
use super::{Api, Problem};
use crate::farm::{
    DEFAULT_LIFE_SECS, NewToken, NewTokenView, PeerView, PendingView, RemovedView, TokenView,
};
use crate::registry::{NamePattern, Network};

/// What `POST /tokens` takes; everything has a default.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TokenBody {
    label: Option<String>,
    uses: Option<u32>,
    expires_secs: Option<u64>,
    name_pattern: Option<String>,
    group: Option<String>,
    from: Option<String>,
    approve: Option<bool>,
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
            group: optional::<Name>("group", self.group.as_deref())?,
            from: optional::<Network>("from", self.from.as_deref())?,
            approve: self.approve.unwrap_or(true),
            ephemeral: self.ephemeral,
        })
    }
}

pub(super) async fn create(
    State(api): State<Api>,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<(StatusCode, Json<NewTokenView>), Problem> {
    let made = api.farm.create_token(body.check()?)?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<TokenView>> {
    Json(api.farm.tokens())
}

pub(super) async fn revoke(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Value>, Problem> {
    let id = api.farm.revoke_token(first(&segments))?;
    Ok(Json(json!({ "status": "revoked", "id": id })))
}

pub(super) async fn pending(State(api): State<Api>) -> Json<Vec<PendingView>> {
    Json(api.farm.waiting())
}

pub(super) async fn approve(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<PeerView>, Problem> {
    Ok(Json(api.farm.approve(first(&segments))?))
}

pub(super) async fn deny(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Value>, Problem> {
    let id = api.farm.deny(first(&segments))?;
    Ok(Json(json!({ "status": "denied", "id": id.to_string() })))
}

pub(super) async fn removed(State(api): State<Api>) -> Json<Vec<RemovedView>> {
    Json(api.farm.removed())
}

pub(super) async fn forget(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<Value>, Problem> {
    let id = api.farm.forget(first(&segments))?;
    Ok(Json(json!({ "status": "forgotten", "id": id.to_string() })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RenameBody {
    name: Option<String>,
}

pub(super) async fn rename(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    JsonBody(body): JsonBody<RenameBody>,
) -> Result<Json<PeerView>, Problem> {
    let name: Name = required("name", body.name.as_deref())?;
    Ok(Json(api.farm.rename(id, name)?))
}

fn first(segments: &[String]) -> &str {
    segments.first().map_or("", String::as_str)
}
