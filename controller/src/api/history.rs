//! Figures over time, and what they come to now.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::{PeerPath, optional};
use super::{Api, Problem};
use crate::clock::When;
use crate::farm::{FleetPointView, HistoryQuery, HistoryView, RigPointView, SummaryView};
use crate::history::Tier;
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(fleet))
        .routes(routes!(rig))
        .routes(routes!(summary))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Resolution; the finest that reaches back to `since` without it.
    #[param(pattern = "^(10s|1m|15m)$")]
    tier: Option<String>,
    /// The first moment: an age such as `24h`, RFC 3339 in UTC, or milliseconds since 1970; an hour before
    /// `until` without it.
    since: Option<String>,
    /// The first moment that is not wanted any more, likewise; now without it.
    until: Option<String>,
    /// At most so many points; 360 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1_440)]
    points: Option<String>,
}

impl Wanted {
    fn checked(
        query: Result<Query<Self>, QueryRejection>,
        api: &Api,
    ) -> Result<HistoryQuery, Problem> {
        let Query(query) = query.map_err(|why| Problem::invalid("query", why))?;
        let now = api.farm.now();
        let moment = |field, text: Option<&str>| {
            let when = optional::<When>(field, text)?;
            Ok::<_, Problem>(when.map(|when| when.at(now)))
        };
        Ok(HistoryQuery {
            tier: optional::<Tier>("tier", query.tier.as_deref())?,
            since: moment("since", query.since.as_deref())?,
            until: moment("until", query.until.as_deref())?,
            points: optional("points", query.points.as_deref())?,
        })
    }
}

/// The farm over time: hash rate of its live rigs, shares, how many rigs were live.
#[utoipa::path(get, path = "/history/fleet", tag = "history", operation_id = "getFleetHistory",
    security(("token" = [Scope::Read])),
    params(Wanted), responses((status = 200, body = HistoryView<FleetPointView>)))]
async fn fleet(
    State(api): State<Api>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<HistoryView<FleetPointView>>, Problem> {
    let query = Wanted::checked(query, &api)?;
    Ok(Json(api.farm.fleet_history(query).await?))
}

/// A rig over time: hash rate, shares, part of the time with a link.
#[utoipa::path(get, path = "/history/{peerId}", tag = "history", operation_id = "getHistory",
    security(("token" = [Scope::Read])),
    params(Wanted), responses((status = 200, body = HistoryView<RigPointView>)))]
async fn rig(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<HistoryView<RigPointView>>, Problem> {
    let query = Wanted::checked(query, &api)?;
    Ok(Json(api.farm.history(id, query).await?))
}

/// The farm now: what its live rigs hash, and how many rigs there are in which state.
#[utoipa::path(get, path = "/summary", tag = "history", operation_id = "getSummary",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = SummaryView)))]
async fn summary(State(api): State<Api>) -> Result<Json<SummaryView>, Problem> {
    Ok(Json(api.farm.summary()))
}
