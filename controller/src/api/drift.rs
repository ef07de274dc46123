//! Rigs that do not run what the registry wants.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::optional;
use super::fleet::{SelectQuery, selector};
use super::paging::Page;
use super::{Api, Problem};
use crate::farm::{DriftReason, DriftView};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct DriftQuery {
    /// Only for this reason; for any without it.
    #[param(value_type = Option<DriftReason>)]
    reason: Option<String>,
}

/// Rigs that do not run what the registry wants, by name, with the reason; with a link or without one.
///
/// They are those that a selector takes by `state=drift`. A long list is made while it is sent: a rig that came
/// right before its turn is left out.
#[utoipa::path(get, path = "/drift", tag = "peers", operation_id = "listDrift",
    security(("token" = [Scope::Read])),
    params(SelectQuery, DriftQuery, Page), responses((status = 200, body = Vec<DriftView>)))]
async fn list(
    State(api): State<Api>,
    select: Result<Query<SelectQuery>, QueryRejection>,
    query: Result<Query<DriftQuery>, QueryRejection>,
    page: Page,
) -> Result<Response, Problem> {
    let selector = selector(select)?;
    let Query(query) = query.map_err(|why| Problem::invalid("reason", why))?;
    let reason = optional::<DriftReason>("reason", query.reason.as_deref())?;
    let named = api.farm.drifting(&selector, reason).await;
    let part = page.of(named, |(name, key)| {
        (name.as_str().to_owned(), key.node_id().to_string())
    })?;
    Ok(part.sent(move |named| {
        let keys: Vec<_> = named.iter().map(|(_, key)| *key).collect();
        api.farm.drifts_of(&keys, reason)
    }))
}
