//! The rigs of a page: the table in windows and as CSV, the map, the farm in parts.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use smol::stream::unfold;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::optional;
use super::fleet::{SelectQuery, selector};
use super::{Api, Problem};
use crate::farm::{BreakdownBy, BreakdownView, Farm, MapView, Sort, TableView};
use crate::scope::Scope;

/// Rows of one answer: 200 * about 1 KB.
pub(super) const MAX_ROWS: usize = 200;
/// Rows of one answer, unless another number is asked for.
const DEFAULT_ROWS: usize = 60;
/// Lines of one piece of the CSV: rigs under one hold of the farm's lock.
const PIECE: usize = 256;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(table))
        .routes(routes!(as_csv))
        .routes(routes!(map))
        .routes(routes!(breakdown))
}

/// How a table is sorted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SortQuery {
    /// Name of a column in JSON, such as `hashrate`; with `-` in front the largest come first. `name`
    /// without it.
    sort: Option<String>,
}

/// Which rows.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct WindowQuery {
    /// So many rows are left out before the first; 0 without it.
    #[param(value_type = Option<u32>, format = "uint32", maximum = 4_294_967_295_i64)]
    offset: Option<String>,
    /// At most so many rows; 60 without it.
    #[param(value_type = Option<u8>, minimum = 1, maximum = 200)]
    limit: Option<String>,
}

fn sort(query: Result<Query<SortQuery>, QueryRejection>) -> Result<Sort, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("sort", why))?;
    let text = query.sort.filter(|text| !text.is_empty());
    Ok(optional::<Sort>("sort", text.as_deref())?.unwrap_or_default())
}

/// A window of the table of rigs, sorted by any column.
///
/// What is unknown comes last, whichever way the others are sorted; ties are by name, `rig-2` before
/// `rig-10`. `state` and `tone` are sorted by how bad they are, the worst first.
#[utoipa::path(get, path = "/table", tag = "peers", operation_id = "getTable",
    security(("token" = [Scope::Read])),
    params(SelectQuery, SortQuery, WindowQuery), responses((status = 200, body = TableView)))]
async fn table(
    State(api): State<Api>,
    selected: Result<Query<SelectQuery>, QueryRejection>,
    sorted: Result<Query<SortQuery>, QueryRejection>,
    window: Result<Query<WindowQuery>, QueryRejection>,
) -> Result<Json<TableView>, Problem> {
    let (selector, sort) = (selector(selected)?, sort(sorted)?);
    let Query(window) = window.map_err(|why| Problem::invalid("limit", why))?;
    let offset = optional::<u32>("offset", window.offset.as_deref())?.unwrap_or_default();
    let limit = optional::<usize>("limit", window.limit.as_deref())?.unwrap_or(DEFAULT_ROWS);
    if !(1..=MAX_ROWS).contains(&limit) {
        let why = format!("it must be from 1 to {MAX_ROWS}");
        return Err(Problem::invalid("limit", why));
    }
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    Ok(Json(api.farm.table(&selector, sort, offset, limit).await))
}

/// The same columns of all rigs as CSV.
///
/// The first line has their names. Texts are in quotes; one that a spreadsheet would take for a formula
/// has an apostrophe in front. What is unknown is empty.
#[utoipa::path(get, path = "/table.csv", tag = "peers", operation_id = "getTableAsCsv",
    security(("token" = [Scope::Read])),
    params(SelectQuery, SortQuery),
    responses((status = 200, content_type = "text/csv", body = String)))]
async fn as_csv(
    State(api): State<Api>,
    selected: Result<Query<SelectQuery>, QueryRejection>,
    sorted: Result<Query<SortQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let (selector, sort) = (selector(selected)?, sort(sorted)?);
    let keys = api.farm.sorted(&selector, sort).await;
    let pieces = unfold(Some(0), move |from| {
        let (keys, farm) = (&keys, &api.farm);
        let piece = from.map(|from: usize| {
            let head = if from == 0 {
                Farm::csv_head()
            } else {
                String::new()
            };
            let until = from.saturating_add(PIECE).min(keys.len());
            let lines = farm.csv_lines(keys.get(from..until).unwrap_or_default());
            let next = (until < keys.len()).then_some(until);
            (Ok::<_, Infallible>(Bytes::from(head + &lines)), next)
        });
        std::future::ready(piece)
    });
    let head = [
        (CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (CONTENT_DISPOSITION, "attachment; filename=\"rigs.csv\""),
    ];
    Ok((head, Body::from_stream(pieces)).into_response())
}

/// Every rig in racks, for a map.
///
/// Lists of one rack have the same length; what is in the same place is of one rig. A percent is its hash
/// rate against the median of the rigs with the same processor and as many threads that mine now.
#[utoipa::path(get, path = "/map", tag = "peers", operation_id = "getMap",
    security(("token" = [Scope::Read])),
    params(SelectQuery), responses((status = 200, body = MapView)))]
async fn map(
    State(api): State<Api>,
    selected: Result<Query<SelectQuery>, QueryRejection>,
) -> Result<Json<MapView>, Problem> {
    Ok(Json(api.farm.map(&selector(selected)?).await))
}

/// How a farm is taken apart.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ByQuery {
    /// What the rigs of a part have in common; their state without it.
    #[param(pattern = "^(state|cpu|profile|pool|group|site|software)$")]
    by: Option<String>,
}

/// The farm in parts: how many rigs have the same state, processor, profile and so on, and what they make.
#[utoipa::path(get, path = "/breakdown", tag = "peers", operation_id = "getBreakdown",
    security(("token" = [Scope::Read])),
    params(SelectQuery, ByQuery), responses((status = 200, body = BreakdownView)))]
async fn breakdown(
    State(api): State<Api>,
    selected: Result<Query<SelectQuery>, QueryRejection>,
    query: Result<Query<ByQuery>, QueryRejection>,
) -> Result<Json<BreakdownView>, Problem> {
    let selector = selector(selected)?;
    let Query(query) = query.map_err(|why| Problem::invalid("by", why))?;
    let by = optional::<BreakdownBy>("by", query.by.as_deref())?.unwrap_or_default();
    Ok(Json(api.farm.breakdown(&selector, by).await))
}
