//! Who announces itself on the local network.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::extract::JsonBody;
use super::{Api, Problem};
use crate::farm::{DISCOVER_SECS, DiscoveryView};

/// What `POST /discover` takes; a POST, since it sends packets, which a foreign page shall not.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiscoverBody {
    seconds: Option<u64>,
}

pub(super) async fn ask(
    State(api): State<Api>,
    JsonBody(body): JsonBody<DiscoverBody>,
) -> Result<Json<DiscoveryView>, Problem> {
    let secs = body.seconds.unwrap_or(DISCOVER_SECS.0);
    Ok(Json(api.farm.discover(secs).await?))
}
