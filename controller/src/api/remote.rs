//! Remote operations: what rigs do, and what they should do.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use miner_shared::text::MinerName;
use serde::Deserialize;

use super::extract::{JsonBody, PeerPath, Segments, optional, required};
use super::{Api, Problem};
use crate::farm::{AppliedView, LogsView, StatsView};

pub(super) async fn all_stats(
    State(api): State<Api>,
) -> Result<Json<BTreeMap<String, StatsView>>, Problem> {
    let stats = api.farm.stats()?;
    let by_id = stats.into_iter().map(|rig| (rig.node_id.clone(), rig));
    Ok(Json(by_id.collect()))
}

pub(super) async fn stats(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<StatsView>, Problem> {
    Ok(Json(api.farm.stats_of(id).await?))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StartBody {
    profile_id: Option<String>,
}

pub(super) async fn start(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    JsonBody(body): JsonBody<StartBody>,
) -> Result<Json<AppliedView>, Problem> {
    let profile: String = required("profileId", body.profile_id.as_deref())?;
    Ok(Json(api.farm.start(id, &profile).await?))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StopBody {
    miner_name: Option<String>,
}

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    lines: Option<String>,
}

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
    Ok(Json(api.farm.logs(id, &miner, lines).await?))
}
