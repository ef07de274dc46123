//! The routes of the page, in its order, by its exact paths and methods, with a rig on a real link.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::api::{Api, Guard, router};

/// Asks `METHOD /path`; the status and the answer.
async fn ask(router: &Router, bearer: &str, what: &str, body: Value) -> (u16, Value) {
    let (method, path) = what.split_once(' ').expect("METHOD /path");
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/mining{path}"))
        .header(HOST, "127.0.0.1:9090")
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("well formed");
    let Ok(response) = router.clone().oneshot(request).await;
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("whole");
    let answer = serde_json::from_slice(&bytes.to_bytes()).expect("JSON");
    (status, answer)
}

#[test]
fn every_route_of_the_page_does_what_the_page_says() {
    with_farm(|fixture| async move {
        let api = Api::new(Arc::clone(&fixture.farm), Guard::loopback(9090, false));
        let bearer = format!("Bearer {}", api.access.own_token());
        let router = router(api);
        let api = async |what: &str, body: Value| ask(&router, &bearer, what, body).await;
        let rig = TestRig::new(1);
        let id = rig.fingerprint().node_id().to_string();
        let address = fixture.listening(rig).await.to_string();

        let (status, info) = api("GET /node/info", json!({})).await;
        assert_eq!((status, &info["hasIdentity"]), (200, &json!(true)));
        let again = json!({ "name": "control-center", "role": "controller" });
        let (status, made) = api("POST /node/init", again).await;
        assert_eq!((status, &made["code"]), (409, &json!("IDENTITY_EXISTS")));

        let mut add = json!({ "address": address, "name": "rig-alpha" });
        let (status, shown) = api("POST /peers", add.clone()).await;
        assert_eq!(
            (status, &shown["code"]),
            (409, &json!("FINGERPRINT_UNCONFIRMED"))
        );
        assert_eq!(api("GET /peers", json!({})).await, (200, json!([])));
        // A person has compared it.
        add["fingerprint"] = shown["fingerprint"].clone();
        let (status, added) = api("POST /peers", add).await;
        assert_eq!((status, &added["id"]), (201, &json!(id)));
        let (status, peers) = api("GET /peers", json!({})).await;
        assert_eq!((status, &peers[0]["name"]), (200, &json!("rig-alpha")));
        let (status, pong) = api(&format!("POST /peers/{id}/ping"), json!({})).await;
        assert!(status == 200 && pong["rtt_ms"].is_u64(), "{pong}");
        let (status, best) = api("GET /optimal?count=3", json!({})).await;
        assert_eq!((status, &best["peers"][0]["id"]), (200, &json!(id)));

        let (status, one) = api(&format!("GET /remote/{id}/stats"), json!({})).await;
        assert_eq!(
            (status, &one["miners"][0]["name"]),
            (200, &json!("miner-rx0"))
        );
        let (status, all) = api("GET /remote/stats", json!({})).await;
        assert_eq!((status, &all[&id]["nodeName"]), (200, &json!("rig-alpha")));

        fixture.farm.create_profile(profile()).expect("creates");
        let start = json!({ "profileId": "my-profile" });
        let (status, started) = api(&format!("POST /remote/{id}/start"), start).await;
        assert_eq!((status, &started["status"]), (200, &json!("applied")));
        let (status, logs) = api(&format!("GET /remote/{id}/logs/miner-rx0"), json!({})).await;
        assert!(status == 200 && logs["lines"].is_array(), "{logs}");
        let (status, stopped) = api(&format!("POST /remote/{id}/stop"), json!({})).await;
        assert_eq!((status, &stopped["status"]), (200, &json!("applied")));

        let (status, removed) = api(&format!("DELETE /peers/{id}"), json!({})).await;
        assert_eq!((status, &removed["status"]), (200, &json!("removed")));
        assert_eq!(api("GET /peers", json!({})).await, (200, json!([])));
    });
}
