//! Remote operations: what rigs do, and what they should do.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use miner_shared::identity::Fingerprint;
use miner_shared::text::MinerName;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Asker, confirm_payout};
use super::extract::{JsonBody, PeerPath, Segments, optional, required};
use super::fleet::{SelectQuery, selector};
use super::orders::LevelName;
use super::{Api, Problem, portions};
use crate::farm::{AppliedView, LogsView, LogsWanted, StatsView};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(all_stats))
        .routes(routes!(stats))
        .routes(routes!(start))
        .routes(routes!(stop))
        .routes(routes!(logs))
}

/// What every rig reported last, or those that a selector takes, by node ID.
///
/// A long answer is made while it is sent: it has no `ETag`, and of each rig what was known at its turn.
#[utoipa::path(get, path = "/remote/stats", tag = "remote", operation_id = "getAllStats",
    security(("token" = [Scope::Read])),
    params(SelectQuery), responses((status = 200, body = BTreeMap<String, StatsView>)))]
pub(super) async fn all_stats(
    State(api): State<Api>,
    query: Result<Query<SelectQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let mut keys = api.farm.select(&selector(query)?);
    keys.sort_unstable_by_key(Fingerprint::node_id);
    Ok(portions::answer(keys, move |keys| {
        let stats = api.farm.stats_of_all(keys).into_iter();
        let by_id = stats.map(|rig| (rig.node_id.clone(), rig));
        by_id.collect::<BTreeMap<_, _>>()
    }))
}

/// Statistics of one rig, asked for now if it can be reached.
#[utoipa::path(get, path = "/remote/{peerId}/stats", tag = "remote", operation_id = "getStats",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = StatsView)))]
pub(super) async fn stats(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<StatsView>, Problem> {
    Ok(Json(api.farm.stats_of(id).await?))
}

/// What `POST /remote/{peerId}/start` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartBody {
    /// Id or name of the profile to mine with.
    #[schema(value_type = String)]
    profile_id: Option<String>,
    /// The last 6 characters of the new wallet, where the rigs would mine for another one than now.
    confirm_payout: Option<String>,
}

/// Tells a rig to mine.
///
/// A rig out of reach is told when it is back: `pending` is a status, not an error. Another wallet than
/// the one that the rig mines for now takes an admin, and `confirmPayout`.
#[utoipa::path(post, path = "/remote/{peerId}/start", tag = "remote", operation_id = "startRig",
    security(("token" = [Scope::Operate])),
    request_body = StartBody, responses((status = 200, body = AppliedView), (status = 409, body = Problem)))]
pub(super) async fn start(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    asker: Asker,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Json<AppliedView>, Problem> {
    let profile: String = required("profileId", body.profile_id.as_deref())?;
    let rig = api.farm.key_of(id)?;
    let change = api.farm.payout_of_start(&[rig], &profile, None);
    confirm_payout(change.as_ref(), &asker, body.confirm_payout.as_deref())?;
    Ok(Json(api.farm.start(id, &profile).await?))
}

/// What `POST /remote/{peerId}/stop` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StopBody {
    /// The miner to stop, such as `miner-rx0`; without it all of the rig's.
    miner_name: Option<String>,
}

/// Tells a rig to stop mining; one out of reach is told when it is back.
#[utoipa::path(post, path = "/remote/{peerId}/stop", tag = "remote", operation_id = "stopRig",
    security(("token" = [Scope::Operate])),
    request_body = StopBody, responses((status = 200, body = AppliedView)))]
pub(super) async fn stop(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    JsonBody(body): JsonBody<StopBody>,
) -> Result<Json<AppliedView>, Problem> {
    let miner = optional::<MinerName>("minerName", body.miner_name.as_deref())?;
    Ok(Json(api.farm.stop(id, miner.as_ref()).await?))
}

/// Lines that one request may ask for.
const MAX_LINES: u16 = 10_000;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LogsQuery {
    /// How many, newest; 100 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 10_000)]
    lines: Option<String>,
    /// Least serious level: `error`, `warn`, `info`, `debug` or `trace`; all without it.
    #[param(value_type = Option<String>)]
    level: Option<String>,
    /// From this record on, not the last ones: `next` of the answer before.
    #[param(value_type = Option<u64>, format = "uint64")]
    cursor: Option<String>,
}

/// The end of a miner's log on a rig, or what follows a cursor.
///
/// Whoever asks again and again with `cursor` set to the `next` of the answer before follows the log.
#[utoipa::path(get, path = "/remote/{peerId}/logs/{miner}", tag = "remote", operation_id = "getLogs",
    security(("token" = [Scope::Read])),
    params(LogsQuery), responses((status = 200, body = LogsView)))]
pub(super) async fn logs(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Segments(segments): Segments,
    query: Result<Query<LogsQuery>, QueryRejection>,
) -> Result<Json<LogsView>, Problem> {
    let miner: MinerName = required("miner", segments.get(1).map(String::as_str))?;
    let Query(query) = query.map_err(|why| Problem::invalid("lines", why))?;
    let lines = optional::<u16>("lines", query.lines.as_deref())?.unwrap_or(100);
    if !(1..=MAX_LINES).contains(&lines) {
        let why = format!("it must be from 1 to {MAX_LINES}");
        return Err(Problem::invalid("lines", why));
    }
    let level = optional::<LevelName>("level", query.level.as_deref())?;
    let wanted = LogsWanted {
        lines,
        cursor: optional("cursor", query.cursor.as_deref())?,
        level: level.map(|LevelName(level)| level),
    };
    Ok(Json(api.farm.logs(id, &miner, &wanted).await?))
}
