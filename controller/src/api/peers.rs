//! Peers: the nodes in the registry.

use std::num::NonZeroU16;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use miner_shared::identity::{Fingerprint, PairingCode};
use miner_shared::text::{Address, Name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Done;
use super::extract::{JsonBody, PeerPath, optional};
use super::fleet::{SelectQuery, selector};
use super::paging::Page;
use super::{Api, Problem};
use crate::farm::{AddPeer, OptimalView, PeerView, Proof};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, add))
        .routes(routes!(show, remove))
        .routes(routes!(ping))
        .routes(routes!(optimal))
}

/// Peers, by name: all, or those that a selector takes.
///
/// A long list is made while it is sent: it has no `ETag`, and of each rig what was known at its turn.
#[utoipa::path(get, path = "/peers", tag = "peers", operation_id = "listPeers",
    security(("token" = [Scope::Read])),
    params(SelectQuery, Page), responses((status = 200, body = Vec<PeerView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<SelectQuery>, QueryRejection>,
    page: Page,
) -> Result<Response, Problem> {
    let named = api.farm.select_named(&selector(query)?);
    let part = page.of(named, |(name, key)| {
        (name.as_str().to_owned(), key.node_id().to_string())
    })?;
    Ok(part.sent(move |named| {
        let keys: Vec<_> = named.iter().map(|(_, key)| *key).collect();
        api.farm.views_of(&keys)
    }))
}

/// One peer.
#[utoipa::path(get, path = "/peers/{id}", tag = "peers", operation_id = "getPeer",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = PeerView)))]
pub(super) async fn show(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<PeerView>, Problem> {
    Ok(Json(api.farm.peer(id)?))
}

/// What `POST /peers` takes. At most one of `pairingCode`, `fingerprint` and `tofu`; without any,
/// the answer is 409 with the fingerprint found, to be confirmed by a person and sent again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddBody {
    /// `host:port` to dial; without it the peer dials in.
    address: Option<String>,
    /// Name; without it the one that the peer gives itself.
    name: Option<String>,
    /// Code that the peer's console shows.
    pairing_code: Option<String>,
    /// Fingerprint that a person has compared.
    fingerprint: Option<String>,
    /// Whether to trust whatever answers there now.
    #[serde(default)]
    tofu: bool,
}

impl AddBody {
    fn check(&self) -> Result<AddPeer, Problem> {
        let code = optional::<PairingCode>("pairingCode", self.pairing_code.as_deref())?;
        let fingerprint = optional::<Fingerprint>("fingerprint", self.fingerprint.as_deref())?;
        let proof = match (code, fingerprint, self.tofu) {
            (None, None, false) => Proof::None,
            (Some(code), None, false) => Proof::Pairing(code),
            (None, Some(fingerprint), false) => Proof::Fingerprint(fingerprint),
            (None, None, true) => Proof::Tofu,
            _ => {
                let why = "only one of pairingCode, fingerprint and tofu can confirm a peer";
                return Err(Problem::invalid("fingerprint", why));
            }
        };
        Ok(AddPeer {
            address: optional::<Address>("address", self.address.as_deref())?,
            name: optional::<Name>("name", self.name.as_deref())?,
            proof,
        })
    }
}

/// Registers a peer.
///
/// 409 `FINGERPRINT_UNCONFIRMED` has the fingerprint that was found and that nobody has confirmed.
#[utoipa::path(post, path = "/peers", tag = "peers", operation_id = "addPeer",
    security(("token" = [Scope::Operate])),
    request_body = AddBody,
    responses((status = 201, body = PeerView), (status = 409, body = Problem)))]
pub(super) async fn add(
    State(api): State<Api>,
    JsonBody(body): JsonBody<AddBody>,
) -> Result<(StatusCode, Json<PeerView>), Problem> {
    let added = api.farm.add_peer(body.check()?).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RemoveQuery {
    /// Whether the enrolment token that it came by stays good.
    #[serde(default)]
    keep_token: bool,
}

/// Removes a peer: its link is cut and its key refused until it is forgotten.
#[utoipa::path(delete, path = "/peers/{id}", tag = "peers", operation_id = "removePeer",
    security(("token" = [Scope::Admin])),
    params(RemoveQuery), responses((status = 200, body = Done)))]
pub(super) async fn remove(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    query: Result<Query<RemoveQuery>, QueryRejection>,
) -> Result<Json<Done>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("keepToken", why))?;
    api.farm.remove_peer(id, query.keep_token)?;
    Ok(Done::new("removed", id))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct OptimalQuery {
    /// How many; 1 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 65_535)]
    count: Option<String>,
}

/// The linked peers that answer best, best first.
#[utoipa::path(get, path = "/optimal", tag = "peers", operation_id = "listOptimalPeers",
    security(("token" = [Scope::Read])),
    params(OptimalQuery), responses((status = 200, body = OptimalView)))]
pub(super) async fn optimal(
    State(api): State<Api>,
    query: Result<Query<OptimalQuery>, QueryRejection>,
) -> Result<Json<OptimalView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("count", why))?;
    let count = optional::<NonZeroU16>("count", query.count.as_deref())?;
    let count = count.map_or(1, NonZeroU16::get);
    Ok(Json(api.farm.optimal(count.into())?))
}

/// The original answered `rtt_ms` while its page read `pingMs`; both are here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ping {
    /// Round trip, in milliseconds.
    rtt_ms: u64,
    /// The same.
    #[serde(rename = "pingMs")]
    ping_ms: u64,
}

/// Asks a peer for a sign of life.
#[utoipa::path(post, path = "/peers/{id}/ping", tag = "peers", operation_id = "pingPeer",
    security(("token" = [Scope::Operate])),
    responses((status = 200, body = Ping)))]
pub(super) async fn ping(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<Ping>, Problem> {
    let rtt_ms = api.farm.ping(id).await?;
    Ok(Json(Ping {
        rtt_ms,
        ping_ms: rtt_ms,
    }))
}
