//! Keys: the recovery key of the farm, the managers of a rig, and what a rig is ordered about both.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miner_shared::bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Asks;
use super::extract::{JsonBody, PeerPath, required};
use super::{Api, Problem};
use crate::farm::{ManagersView, OrderView, RecoveryView};
use crate::registry::Authority;
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(recovery, set_recovery))
        .routes(routes!(managers))
        .routes(routes!(hand_over))
        .routes(routes!(revoke))
        .routes(routes!(rotate))
}

/// The recovery key of the farm: its public half, and how far it has come.
#[utoipa::path(get, path = "/node/recovery", tag = "keys", operation_id = "getRecovery",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = RecoveryView), (status = 404, body = Problem)))]
pub(super) async fn recovery(State(api): State<Api>) -> Result<Json<RecoveryView>, Problem> {
    Ok(Json(api.farm.recovery()?))
}

/// What `POST /node/recovery` takes. Only public halves come here: the secret stays where it was made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RecoveryBody {
    /// Ed25519 key, 32 bytes in base64.
    #[schema(value_type = String)]
    public_key: Option<String>,
    /// Word of the key in force for the next one, 64 bytes in base64.
    proof: Option<String>,
    /// Whether the key in force is lost; not with `proof`.
    #[serde(default)]
    lost: bool,
}

impl RecoveryBody {
    fn check(&self) -> Result<([u8; 32], Authority), Problem> {
        let key = bytes("publicKey", self.public_key.as_deref().unwrap_or_default())?;
        let authority = match (self.proof.as_deref(), self.lost) {
            (None, false) => Authority::First,
            (None, true) => Authority::Lost,
            (Some(proof), false) => Authority::Proof(Bytes(bytes("proof", proof)?)),
            (Some(_), true) => {
                let why = "a lost key proves nothing";
                return Err(Problem::invalid("lost", why));
            }
        };
        Ok((key, authority))
    }
}

fn bytes<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], Problem> {
    let decoded = STANDARD.decode(text).ok();
    decoded
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Problem::invalid(field, format!("it must be {N} bytes in base64")))
}

/// Puts a recovery key in force.
#[utoipa::path(post, path = "/node/recovery", tag = "keys", operation_id = "setRecovery",
    security(("token" = [Scope::Admin])),
    request_body = RecoveryBody,
    responses((status = 201, body = RecoveryView), (status = 409, body = Problem)))]
pub(super) async fn set_recovery(
    State(api): State<Api>,
    JsonBody(body): JsonBody<RecoveryBody>,
) -> Result<(StatusCode, Json<RecoveryView>), Problem> {
    let (key, authority) = body.check()?;
    let set = api.farm.set_recovery(key, authority)?;
    Ok((StatusCode::CREATED, Json(set)))
}

/// Whom a rig obeys, asked of the rig.
#[utoipa::path(get, path = "/remote/{peerId}/managers", tag = "keys", operation_id = "listManagers",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = ManagersView)))]
pub(super) async fn managers(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
) -> Result<Json<ManagersView>, Problem> {
    Ok(Json(api.farm.managers(id).await?))
}

/// What `POST /remote/{peerId}/handover` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandoverBody {
    /// Fingerprint of the controller that gets the rig.
    #[schema(value_type = String)]
    to: Option<String>,
}

/// Hands a rig over to another controller.
///
/// `unknown` is a status, not an error: the rig was silent before it answered.
#[utoipa::path(post, path = "/remote/{peerId}/handover", tag = "keys", operation_id = "handOver",
    security(("token" = [Scope::Admin])),
    request_body = HandoverBody,
    responses((status = 200, body = OrderView), (status = 409, body = Problem)))]
pub(super) async fn hand_over(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<HandoverBody>,
) -> Result<Json<OrderView>, Problem> {
    let to: String = required("to", body.to.as_deref())?;
    Ok(Json(api.farm.hand_over(id, &to, &by).await?))
}

/// What `POST /remote/{peerId}/revoke` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    /// Node ID or fingerprint of the manager.
    #[schema(value_type = String)]
    manager: Option<String>,
}

/// Takes a manager out of a rig's list.
#[utoipa::path(post, path = "/remote/{peerId}/revoke", tag = "keys", operation_id = "revokeManager",
    security(("token" = [Scope::Admin])),
    request_body = RevokeBody,
    responses((status = 200, body = OrderView), (status = 409, body = Problem)))]
pub(super) async fn revoke(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
    JsonBody(body): JsonBody<RevokeBody>,
) -> Result<Json<OrderView>, Problem> {
    let manager: String = required("manager", body.manager.as_deref())?;
    Ok(Json(api.farm.revoke_manager(id, &manager, &by).await?))
}

/// Makes a rig change its key.
#[utoipa::path(post, path = "/remote/{peerId}/rotate-key", tag = "keys", operation_id = "rotateKey",
    security(("token" = [Scope::Admin])),
    responses((status = 200, body = OrderView), (status = 409, body = Problem)))]
pub(super) async fn rotate(
    State(api): State<Api>,
    PeerPath(id): PeerPath,
    Asks(by): Asks,
) -> Result<Json<OrderView>, Problem> {
    Ok(Json(api.farm.rotate_rig(id, &by).await?))
}

#[cfg(test)]
mod tests {
    use miner_agent::store::system_rng;
    use miner_shared::identity::{Fingerprint, RecoveryKey};
    use serde_json::{Value, json};

    use super::super::tests::{RIG, Server};
    use super::*;

    fn key() -> RecoveryKey {
        RecoveryKey::generate(&mut system_rng())
    }

    fn public(key: &RecoveryKey) -> String {
        STANDARD.encode(key.public())
    }

    #[test]
    fn a_recovery_key_is_put_in_force_once_and_replaced_by_its_own_word() {
        let server = Server::with_rig();
        let [first, next, other] = [(); 3].map(|()| key());
        let none = server.get("/node/recovery").problem();
        assert_eq!(none, (404, "RECOVERY_NOT_FOUND".to_owned()));
        assert_eq!(
            server.get("/peers/rig-alpha").json()["recovery"],
            Value::Null
        );

        let set = |body: Value| server.post("/node/recovery", &body);
        let made = set(json!({ "publicKey": public(&first) }));
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        assert_eq!(server.get("/node/recovery").json(), made.json());
        assert_eq!(
            (&made.json()["pending"], &made.json()["pinned"]),
            (&json!(1), &json!(0))
        );
        assert_eq!(server.get("/peers/rig-alpha").json()["recovery"], "pending");

        let again = set(json!({ "publicKey": public(&next) })).problem();
        assert_eq!(again, (409, "RECOVERY_EXISTS".to_owned()));
        let by = |who: &RecoveryKey| STANDARD.encode(who.hand_over(&next));
        let forged = set(json!({ "publicKey": public(&next), "proof": by(&other) })).problem();
        assert_eq!(forged, (403, "RECOVERY_REFUSED".to_owned()));
        assert_eq!(
            server.get("/node/recovery").json(),
            made.json(),
            "nothing has changed"
        );
        let replaced = set(json!({ "publicKey": public(&next), "proof": by(&first) }));
        assert_eq!(replaced.json()["publicKey"], public(&next));
        let lost = set(json!({ "publicKey": public(&other), "lost": true }));
        assert_eq!(lost.json()["publicKey"], public(&other));
    }

    #[test]
    fn what_is_no_key_and_no_proof_is_refused_with_its_field() {
        let server = Server::new();
        let good = public(&key());
        for (body, field) in [
            (json!({}), "publicKey"),
            (json!({ "publicKey": "AAAA" }), "publicKey"),
            (json!({ "publicKey": "not base64" }), "publicKey"),
            (json!({ "publicKey": good, "proof": good }), "proof"),
            (
                json!({ "publicKey": good, "lost": true, "proof": STANDARD.encode([0; 64]) }),
                "lost",
            ),
        ] {
            let reply = server.post("/node/recovery", &body);
            assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
            assert_eq!(reply.json()["field"], field, "{body}");
        }
        assert_eq!(server.get("/node/recovery").status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_order_to_a_rig_out_of_reach_is_not_sent_and_says_so() {
        let server = Server::with_rig();
        let other = Fingerprint([7; 32]).to_string();
        for (verb, body) in [
            ("handover", json!({ "to": other })),
            ("revoke", json!({ "manager": other })),
            ("rotate-key", json!({})),
        ] {
            let reply = server.post(&format!("/remote/rig-alpha/{verb}"), &body);
            assert_eq!(
                reply.problem(),
                (503, "CONNECTION_FAILED".to_owned()),
                "{verb}"
            );
        }
        let managers = server.get("/remote/rig-alpha/managers").problem();
        assert_eq!(managers, (503, "CONNECTION_FAILED".to_owned()));
        for (verb, field) in [("handover", "to"), ("revoke", "manager")] {
            let reply = server.post(&format!("/remote/rig-alpha/{verb}"), &json!({}));
            assert_eq!(reply.problem().0, 400);
            assert_eq!(reply.json()["field"], field);
        }
    }

    #[test]
    fn this_controller_does_not_revoke_itself() {
        let server = Server::with_rig();
        let info = server.get("/node/info").json();
        let me = info["identity"]["fingerprint"].as_str().expect("shown");
        let body = json!({ "manager": me });
        let reply = server.post(&format!("/remote/{}/revoke", RIG.node_id()), &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()));
        assert!(
            reply.json()["hint"]
                .as_str()
                .expect("advice")
                .contains("hand the rig over")
        );
    }
}
