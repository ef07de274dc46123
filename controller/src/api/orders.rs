//! What rigs do once, rest, and tell of themselves when asked.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use miner_shared::wire::Level;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Asks;
use super::extract::{JsonBody, PeerPath, Segments, required};
use super::paging::{Listing, Page};
use super::{Api, Problem};
use crate::access::By;
use crate::farm::{
    AppliedView, DoctorView, FoundSharesView, LOCATE_SECS, OwnerView, RigOrderView, WakeView,
};
use crate::registry::Order;
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(restart))
        .routes(routes!(reboot))
        .routes(routes!(power_off))
        .routes(routes!(locate))
        .routes(routes!(log_level))
        .routes(routes!(wake))
        .routes(routes!(doctor))
        .routes(routes!(owner))
        .routes(routes!(shares))
        .routes(routes!(list))
        .routes(routes!(show))
}

/// Lets a rig rest: it stays logged in and keeps its memory, and hashes nothing.
///
/// A wish like start and stop: it holds over restarts, and a rig out of reach is told when it is back.
#[utoipa::path(post, path = "/remote/{peerId}/pause", tag = "remote", operation_id = "pauseRig",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = AppliedView)))]
async fn pause(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<AppliedView>, Problem> {
    Ok(Json(api.farm.pause(id).await?))
}

/// Lets a rig that rests go on.
#[utoipa::path(post, path = "/remote/{peerId}/resume", tag = "remote", operation_id = "resumeRig",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = AppliedView)))]
async fn resume(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<AppliedView>, Problem> {
    Ok(Json(api.farm.resume(id).await?))
}

/// What an order takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OrderBody {
    /// How long it is sent if the rig is out of reach, in seconds: up to a week, ten minutes without it.
    #[schema(minimum = 1, maximum = 604_800)]
    within_secs: Option<u64>,
}

/// What `POST /remote/{peerId}/locate` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LocateBody {
    /// For how long, in seconds; 60 without it.
    #[schema(minimum = 1, maximum = 600)]
    seconds: Option<u16>,
    /// As for any order.
    #[schema(minimum = 1, maximum = 604_800)]
    within_secs: Option<u64>,
}

/// What `POST /remote/{peerId}/log-level` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogLevelBody {
    /// Least serious level that is logged: `info`, `debug` or `trace`. No rig logs less from afar.
    #[schema(value_type = String)]
    level: Option<String>,
    /// As for any order.
    #[schema(minimum = 1, maximum = 604_800)]
    within_secs: Option<u64>,
}

/// A level of a log, as people write it.
#[derive(Clone, Copy, Debug)]
pub(super) struct LevelName(pub(super) Level);

impl std::str::FromStr for LevelName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "info" => Level::Info,
            "debug" => Level::Debug,
            "trace" => Level::Trace,
            _ => return Err("it must be error, warn, info, debug or trace"),
        }))
    }
}

/// Ends the miner of a rig and starts it anew from the state that the rig keeps; the agent goes on.
///
/// As all orders: the answer says how far it has come. `waiting` and `unknown` are no errors.
#[utoipa::path(post, path = "/remote/{peerId}/restart", tag = "remote", operation_id = "restartRig",
    security(("token" = [Scope::Operate])),
    request_body = OrderBody,
    responses((status = 200, body = RigOrderView), (status = 409, body = Problem)))]
async fn restart(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<RigOrderView>, Problem> {
    give(&api, id, Order::Restart, &by, body.within_secs).await
}

/// Starts the machine of a rig anew; refused where the machine is not the rig's own.
#[utoipa::path(post, path = "/remote/{peerId}/reboot", tag = "remote", operation_id = "rebootRig",
    security(("token" = [Scope::Operate])),
    request_body = OrderBody,
    responses((status = 200, body = RigOrderView), (status = 409, body = Problem)))]
async fn reboot(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<RigOrderView>, Problem> {
    give(&api, id, Order::Reboot, &by, body.within_secs).await
}

/// Switches the machine of a rig off; refused where the machine is not the rig's own.
#[utoipa::path(post, path = "/remote/{peerId}/poweroff", tag = "remote", operation_id = "powerOffRig",
    security(("token" = [Scope::Operate])),
    request_body = OrderBody,
    responses((status = 200, body = RigOrderView), (status = 409, body = Problem)))]
async fn power_off(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<RigOrderView>, Problem> {
    give(&api, id, Order::PowerOff, &by, body.within_secs).await
}

/// Has a machine show the person beside it which one it is, by its console and keyboard lights.
#[utoipa::path(post, path = "/remote/{peerId}/locate", tag = "remote", operation_id = "locateRig",
    security(("token" = [Scope::Operate])),
    request_body = LocateBody,
    responses((status = 200, body = RigOrderView), (status = 409, body = Problem)))]
async fn locate(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<LocateBody>,
) -> Result<Json<RigOrderView>, Problem> {
    let order = Order::Locate(body.seconds.unwrap_or(LOCATE_SECS));
    give(&api, id, order, &by, body.within_secs).await
}

/// Has a rig log more, until its agent starts anew.
#[utoipa::path(post, path = "/remote/{peerId}/log-level", tag = "remote", operation_id = "setLogLevel",
    security(("token" = [Scope::Operate])),
    request_body = LogLevelBody,
    responses((status = 200, body = RigOrderView), (status = 409, body = Problem)))]
async fn log_level(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<LogLevelBody>,
) -> Result<Json<RigOrderView>, Problem> {
    let LevelName(level) = required("level", body.level.as_deref())?;
    if level < Level::Info {
        return Err(Problem::invalid("level", "it must be info, debug or trace"));
    }
    give(&api, id, Order::LogLevel(level), &by, body.within_secs).await
}

async fn give(
    api: &Api,
    id: miner_shared::identity::NodeId,
    order: Order,
    by: &By,
    within_secs: Option<u64>,
) -> Result<Json<RigOrderView>, Problem> {
    let given = api.farm.order(id, order, by, within_secs).await?;
    Ok(Json(given))
}

/// Calls the network cards of a rig that is off, on this machine's local networks.
///
/// Sent is all that can be said of it: a rig that heard it answers by linking up.
#[utoipa::path(post, path = "/remote/{peerId}/wake", tag = "remote", operation_id = "wakeRig",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = WakeView), (status = 409, body = Problem)))]
async fn wake(State(api): State<Api>, PeerPath(id): PeerPath) -> Result<Json<WakeView>, Problem> {
    Ok(Json(api.farm.wake(id)?))
}

/// What a rig finds wrong with itself and its machine, asked of the rig.
#[utoipa::path(get, path = "/remote/{peerId}/doctor", tag = "remote", operation_id = "getDoctor",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = DoctorView)))]
async fn doctor(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<DoctorView>, Problem> {
    Ok(Json(api.farm.doctor(id).await?))
}

/// What the owner of a rig's machine allows, asked of the rig.
#[utoipa::path(get, path = "/remote/{peerId}/owner", tag = "remote", operation_id = "getOwner",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = OwnerView)))]
async fn owner(State(api): State<Api>, PeerPath(id): PeerPath) -> Result<Json<OwnerView>, Problem> {
    Ok(Json(api.farm.owner(id).await?))
}

/// The last shares that a rig found, one by one.
#[utoipa::path(get, path = "/remote/{peerId}/shares", tag = "remote", operation_id = "getFoundShares",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = FoundSharesView)))]
async fn shares(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<FoundSharesView>, Problem> {
    Ok(Json(api.farm.found_shares(id)?))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OrdersQuery {
    /// Of this rig alone: node ID, a unique prefix of one, or name.
    peer: Option<String>,
}

/// Orders that are kept, the newest first.
#[utoipa::path(get, path = "/orders", tag = "remote", operation_id = "listOrders",
    security(("token" = [Scope::Read])),
    params(OrdersQuery, Page), responses((status = 200, body = [RigOrderView])))]
async fn list(
    State(api): State<Api>,
    query: Result<Query<OrdersQuery>, QueryRejection>,
    page: Page,
) -> Result<Listing<RigOrderView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("peer", why))?;
    let peer = query.peer.map(|peer| api.farm.resolve(&peer)).transpose()?;
    page.of(api.farm.orders(peer)?, RigOrderView::sort_key)
}

/// One order, and how far it has come.
#[utoipa::path(get, path = "/orders/{id}", tag = "remote", operation_id = "getOrder",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = RigOrderView)))]
async fn show(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<RigOrderView>, Problem> {
    let id = segments.first().map_or("", String::as_str);
    Ok(Json(api.farm.order_of(id)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::Server;

    #[test]
    fn an_order_to_a_rig_out_of_reach_waits_and_is_listed() {
        let server = Server::with_rig();
        let given = server.post("/remote/rig-alpha/restart", &json!({}));
        assert_eq!(given.status, 200, "{}", given.text);
        let given = given.json();
        assert_eq!(
            (&given["status"], &given["order"]),
            (&json!("waiting"), &json!("restart"))
        );
        assert_eq!(
            (&given["sentAt"], &given["by"]),
            (&Value::Null, &json!("local"))
        );
        let located = server.post(
            "/remote/rig-alpha/locate",
            &json!({ "seconds": 30, "withinSecs": 5 }),
        );
        assert_eq!(located.json()["detail"], "30");
        let level = server.post("/remote/rig-alpha/log-level", &json!({ "level": "debug" }));
        assert_eq!(level.json()["detail"], "debug");

        let all = server.get("/orders").json();
        assert_eq!(all.as_array().map(Vec::len), Some(3));
        assert_eq!(
            server
                .get("/orders?peer=rig-alpha&limit=2")
                .json()
                .as_array()
                .map(Vec::len),
            Some(2)
        );
        let path = format!("/orders/{}", given["id"].as_str().expect("an ID"));
        assert_eq!(server.get(&path).json(), given);
        for unknown in ["0", "zz", &"0".repeat(32)] {
            let problem = server.get(&format!("/orders/{unknown}")).problem();
            assert_eq!(problem, (404, "ORDER_NOT_FOUND".to_owned()), "{unknown}");
        }
        assert_eq!(server.get("/orders?peer=nobody").problem().0, 404);
    }

    #[test]
    fn what_is_no_order_is_refused_with_its_field() {
        let server = Server::with_rig();
        for (verb, body, field) in [
            ("locate", json!({ "seconds": 601 }), "seconds"),
            ("locate", json!({ "seconds": 0 }), "seconds"),
            ("restart", json!({ "withinSecs": 0 }), "withinSecs"),
            ("reboot", json!({ "withinSecs": 604_801 }), "withinSecs"),
            ("log-level", json!({}), "level"),
            ("log-level", json!({ "level": "loud" }), "level"),
            ("log-level", json!({ "level": "error" }), "level"),
        ] {
            let reply = server.post(&format!("/remote/rig-alpha/{verb}"), &body);
            assert_eq!(
                reply.problem(),
                (400, "INVALID_INPUT".to_owned()),
                "{verb} {body}"
            );
            assert_eq!(reply.json()["field"], field, "{verb} {body}");
        }
        assert_eq!(server.get("/orders").json(), json!([]));
    }

    #[test]
    fn a_rig_has_so_many_orders_at_a_time_and_no_more() {
        let server = Server::with_rig();
        for _ in 0..crate::registry::MAX_OPEN_ORDERS {
            assert_eq!(
                server.post("/remote/rig-alpha/poweroff", &json!({})).status,
                200
            );
        }
        let refused = server.post("/remote/rig-alpha/poweroff", &json!({}));
        assert_eq!(refused.problem(), (429, "TOO_MANY_ORDERS".to_owned()));
    }

    #[test]
    fn a_rig_that_mines_nothing_cannot_be_paused_and_one_that_never_told_cannot_be_woken() {
        let server = Server::with_rig();
        for verb in ["pause", "resume"] {
            let reply = server.post(&format!("/remote/rig-alpha/{verb}"), &json!({}));
            assert_eq!(reply.problem(), (409, "NOTHING_MINED".to_owned()));
        }
        let reply = server.post("/remote/rig-alpha/wake", &json!({}));
        assert_eq!(reply.problem(), (409, "NO_WAKE_ADDRESS".to_owned()));
        for asked in ["doctor", "owner"] {
            let reply = server.get(&format!("/remote/rig-alpha/{asked}"));
            assert_eq!(reply.problem(), (503, "CONNECTION_FAILED".to_owned()));
        }
        let shares = server.get("/remote/rig-alpha/shares").json();
        assert_eq!(
            (&shares["shares"], &shares["lost"]),
            (&json!([]), &json!(0))
        );
    }

    #[test]
    fn a_rig_that_is_told_to_mine_is_paused_by_the_next_wish_and_once() {
        let server = Server::with_rig();
        let pools = json!([{ "url": "pool:3333", "user": "w" }]);
        let made = server.post("/profiles", &json!({ "name": "p", "pools": pools }));
        assert_eq!(made.status, 201, "{}", made.text);
        server.post("/remote/rig-alpha/start", &json!({ "profileId": "p" }));
        for generation in [2, 2] {
            let paused = server.post("/remote/rig-alpha/pause", &json!({})).json();
            assert_eq!(
                (&paused["generation"], &paused["status"]),
                (&json!(generation), &json!("pending"))
            );
        }
        let desired = &server.get("/peers/rig-alpha").json()["desired"];
        assert_eq!(
            (&desired["paused"], &desired["profile"]),
            (&json!(true), &json!("p"))
        );
        let resumed = server.post("/remote/rig-alpha/resume", &json!({})).json();
        assert_eq!(resumed["generation"], 3);
        assert_eq!(
            server.get("/peers/rig-alpha").json()["desired"]["drift"],
            Value::Null
        );
    }
}
