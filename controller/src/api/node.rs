//! The local node, and whether the controller is well.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::identity::Role;
use miner_shared::text::Name;
use serde::{Deserialize, Serialize};

use super::extract::{JsonBody, optional, required};
use super::{Api, Problem};
use crate::farm::NodeInfoView;

/// One word, as the original answers.
#[derive(Debug, Serialize)]
pub(super) struct Status {
    status: &'static str,
}

pub(super) async fn info(State(api): State<Api>) -> Result<Json<NodeInfoView>, Problem> {
    Ok(Json(api.farm.node_info()?))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InitBody {
    name: Option<String>,
    role: Option<String>,
}

/// Every program that serves made its key before it listened, so there is never one to make here.
pub(super) async fn init(
    State(api): State<Api>,
    JsonBody(body): JsonBody<InitBody>,
) -> Result<Json<NodeInfoView>, Problem> {
    required::<Name>("name", body.name.as_deref())?;
    optional::<Role>("role", body.role.as_deref())?;
    let me = api.farm.node_info()?.identity;
    let message = format!("this node has an identity: {} ({})", me.name, me.id);
    Err(
        Problem::new(StatusCode::CONFLICT, "IDENTITY_EXISTS", message)
            .hint("see `miner-ctrl node info`"),
    )
}

/// Whether the program answers at all.
pub(super) async fn health() -> Json<Status> {
    Json(Status { status: "healthy" })
}

/// Whether the registry can be read, which every other route needs.
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<Status>, Problem> {
    api.farm.node_info().map_err(|error| {
        let message = format!("not ready: {error}");
        Problem {
            retryable: true,
            ..Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "SERVICE_UNAVAILABLE",
                message,
            )
        }
    })?;
    Ok(Json(Status { status: "ready" }))
}
