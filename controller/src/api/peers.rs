//! Peers: the nodes in the registry.

use std::num::NonZeroUsize;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use miner_shared::identity::{Fingerprint, PairingCode};
use miner_shared::text::{Address, Name};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::extract::{JsonBody, PeerPath, optional};
use super::{Api, Problem};
use crate::farm::{AddPeer, OptimalView, PeerView, Proof};

pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<PeerView>>, Problem> {
    Ok(Json(api.farm.peers()?))
}

pub(super) async fn show(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<PeerView>, Problem> {
    Ok(Json(api.farm.peer(id)?))
}

/// What `POST /peers` takes. At most one of `pairingCode`, `fingerprint` and `tofu`; without any,
/// the answer is 409 with the fingerprint found, to be confirmed by a person and sent again.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AddBody {
    address: Option<String>,
    name: Option<String>,
    pairing_code: Option<String>,
    fingerprint: Option<String>,
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

pub(super) async fn add(
    State(api): State<Api>,
    JsonBody(body): JsonBody<AddBody>,
) -> Result<(StatusCode, Json<PeerView>), Problem> {
    let added = api.farm.add_peer(body.check()?).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RemoveQuery {
    #[serde(default)]
    keep_token: bool,
}

pub(super) async fn remove(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    query: Result<Query<RemoveQuery>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("keepToken", why))?;
    api.farm.remove_peer(id, query.keep_token)?;
    Ok(Json(json!({ "status": "removed", "id": id.to_string() })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OptimalQuery {
    count: Option<String>,
}

pub(super) async fn optimal(
    State(api): State<Api>,
    query: Result<Query<OptimalQuery>, QueryRejection>,
) -> Result<Json<OptimalView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("count", why))?;
    let count = optional::<NonZeroUsize>("count", query.count.as_deref())?;
    Ok(Json(api.farm.optimal(count.map_or(1, NonZeroUsize::get))?))
}

/// The original answered `rtt_ms` while its page read `pingMs`; both are here.
#[derive(Debug, Serialize)]
pub(super) struct Ping {
    rtt_ms: u64,
    #[serde(rename = "pingMs")]
    ping_ms: u64,
}

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
