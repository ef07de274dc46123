//! What a person should look at.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::optional;
use super::{Api, Problem};
use crate::farm::{ATTENTION, AttentionView, MAX_ATTENTION};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AttentionQuery {
    /// At most so many; 50 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

/// What is wrong, worst first: with rigs, orders, rollouts, and the controller itself.
///
/// Each item says by what it is known and what to do about it. `total` and `counts` are of all, also
/// where `limit` leaves some out. Nothing is asked of rigs for it.
#[utoipa::path(get, path = "/attention", tag = "health", operation_id = "getAttention",
    security(("token" = [Scope::Read])),
    params(AttentionQuery), responses((status = 200, body = AttentionView)))]
async fn list(
    State(api): State<Api>,
    query: Result<Query<AttentionQuery>, QueryRejection>,
) -> Result<Json<AttentionView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("limit", why))?;
    let limit = optional::<usize>("limit", query.limit.as_deref())?.unwrap_or(ATTENTION);
    if !(1..=MAX_ATTENTION).contains(&limit) {
        let why = format!("it must be from 1 to {MAX_ATTENTION}");
        return Err(Problem::invalid("limit", why));
    }
    Ok(Json(api.farm.attention(limit, api.audit.state()).await))
}
