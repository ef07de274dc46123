//! Who announces itself on the local network.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::JsonBody;
use super::{Api, Problem};
use crate::farm::{DISCOVER_SECS, DiscoveryView};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(ask))
}

/// What `POST /discover` takes; a POST, since it sends packets, which a foreign page shall not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscoverBody {
    /// How long to listen, from 1 to 30; 3 without it.
    #[schema(minimum = 1, maximum = 30)]
    seconds: Option<u64>,
}

/// Asks the local network who is there.
///
/// Nothing of the answer is proven, and nothing of it is stored.
#[utoipa::path(post, path = "/discover", tag = "peers", operation_id = "discover",
    security(("token" = [Scope::Operate])),
    request_body = DiscoverBody, responses((status = 200, body = DiscoveryView)))]
pub(super) async fn ask(
    State(api): State<Api>,
    JsonBody(body): JsonBody<DiscoverBody>,
) -> Result<Json<DiscoveryView>, Problem> {
    let secs = body.seconds.unwrap_or(DISCOVER_SECS.0);
    Ok(Json(api.farm.discover(secs).await?))
}
