//! The local node, and whether the controller is well.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::identity::Role;
use miner_shared::text::Name;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Status;
use super::extract::{JsonBody, optional, required};
use super::{Api, Problem};
use crate::farm::{NodeInfoView, PartStatus, ReadyView};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(info))
        .routes(routes!(init))
}

/// What a supervisor asks; at the root too, where supervisors look first.
pub(super) fn probes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(health))
        .routes(routes!(ready))
}

/// The local node and its farm in numbers.
#[utoipa::path(get, path = "/node/info", tag = "node", operation_id = "getNode",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = NodeInfoView)))]
pub(super) async fn info(State(api): State<Api>) -> Result<Json<NodeInfoView>, Problem> {
    Ok(Json(api.farm.node_info()?))
}

/// What `POST /node/init` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InitBody {
    /// Name.
    #[schema(value_type = String)]
    name: Option<String>,
    /// `controller`, `worker` or `dual`.
    role: Option<String>,
}

/// Makes the identity of a node that has none; here always 409.
///
/// Every program that serves made its key before it listened, so there is never one to make here.
#[utoipa::path(post, path = "/node/init", tag = "node", operation_id = "initNode",
    security(("token" = [Scope::Admin])),
    request_body = InitBody, responses((status = 409, body = Problem)))]
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
#[utoipa::path(get, path = "/health", tag = "health", operation_id = "getHealth", security(()),
    responses((status = 200, body = Status)))]
pub(super) async fn health() -> Json<Status> {
    Json(Status { status: "healthy" })
}

/// Whether every part of the controller works; 503 names those that do not.
#[utoipa::path(get, path = "/ready", tag = "health", operation_id = "getReady", security(()),
    responses((status = 200, body = ReadyView)))]
pub(super) async fn ready(State(api): State<Api>) -> Result<Json<ReadyView>, Problem> {
    let ready = api.farm.ready();
    let failing = ready
        .components
        .iter()
        .filter(|part| part.status == PartStatus::Failing);
    let failing: Vec<_> = failing
        .map(|part| {
            format!(
                "{}: {}",
                part.name,
                part.reason.as_deref().unwrap_or("failing")
            )
        })
        .collect();
    if failing.is_empty() {
        return Ok(Json(ready));
    }
    let message = format!("not ready: {}", failing.join("; "));
    Err(Problem {
        retryable: true,
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", message)
    })
}
