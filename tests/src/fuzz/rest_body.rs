//! REST: any route, path and body at the router, without sockets.
//!
//! Byte 0 says which route, the rest up to a zero byte stands in the path, what follows is the body.
//! A handler that waits for a rig is dropped where it waits: there are none.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use miner_ctrl::api::{Api, BASE, Guard, router};
use miner_ctrl::clock::Clock;
use miner_ctrl::farm::Farm;
use miner_ctrl::registry::MemoryStore;
use miner_shared::identity::{NodeKeys, Role};
use miner_shared::smsg::LocalNode;
use serde_json::Value;
use smol::future::poll_once;
use tower::ServiceExt as _;

use super::input::Input;
use super::world;

/// Method, path before and after what the input puts in.
const ROUTES: [(Method, &str, &str); 28] = [
    (Method::POST, "/node/init", ""),
    (Method::POST, "/peers", ""),
    (Method::POST, "/profiles", ""),
    (Method::POST, "/remote/", "/start"),
    (Method::POST, "/remote/", "/stop"),
    (Method::POST, "/peers/", "/ping"),
    (Method::GET, "/peers/", ""),
    (Method::GET, "/remote/", "/stats"),
    (Method::GET, "/remote/", "/logs/miner-rx0"),
    (Method::GET, "/remote/ab/logs/", ""),
    (Method::GET, "/remote/ab/logs/miner-rx0?", ""),
    (Method::GET, "/profiles/", ""),
    (Method::DELETE, "/peers/", ""),
    (Method::DELETE, "/profiles/", ""),
    (Method::POST, "/", ""),
    (Method::POST, "/tokens", ""),
    (Method::DELETE, "/tokens/", ""),
    (Method::PATCH, "/peers/", ""),
    (Method::DELETE, "/pending/", ""),
    (Method::POST, "/pending/", "/approve"),
    (Method::DELETE, "/removed/", ""),
    (Method::GET, "/", ""),
    (Method::GET, "/peers", ""),
    (Method::GET, "/profiles", ""),
    (Method::GET, "/remote/stats", ""),
    (Method::GET, "/tokens", ""),
    (Method::GET, "/pending", ""),
    (Method::GET, "/removed", ""),
];

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = usize::from(input.byte()) % ROUTES.len();
    let Some((method, before, after)) = ROUTES.get(choice) else {
        return;
    };
    let end = input.rest().iter().position(|byte| *byte == 0);
    let segment = escaped(input.take(end.unwrap_or_default()));
    if end.is_some() {
        input.byte();
    }
    let body = input.rest();
    if *before == "/peers" && would_dial(body) {
        return;
    }
    let path = format!("{BASE}{before}{segment}{after}");
    let routes = server();
    let rig = r#"{"name":"rig-alpha","fingerprint":"FINGERPRINT"}"#;
    let rig = rig.replace("FINGERPRINT", &world::worker().fingerprint().to_string());
    let added = answer(
        &routes,
        Method::POST,
        &format!("{BASE}/peers"),
        rig.as_bytes(),
    );
    assert_eq!(added.map(|(status, _)| status), Some(StatusCode::CREATED));
    let Some((status, text)) = answer(&routes, method.clone(), &path, body) else {
        return;
    };
    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
    if status.is_client_error() || status.is_server_error() {
        let problem: Value = serde_json::from_str(&text).expect("a problem is JSON");
        assert!(problem.get("code").is_some_and(Value::is_string), "{text}");
    }
}

/// Whether this body of `POST /peers` names an address: the controller would connect to it.
fn would_dial(body: &[u8]) -> bool {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => members.contains_key("address"),
        Ok(Value::Array(_)) => true,
        _ => false,
    }
}

/// The routes, and by what its owner is heard.
fn server() -> (axum::Router, String) {
    let keys = NodeKeys::from_seed(&[2; 32]);
    let me = LocalNode::new(
        keys,
        Role::Controller,
        [2; 16],
        world::card("control-center"),
    );
    let store = Box::new(MemoryStore::default());
    let farm = Farm::open(store, me, Clock::start()).expect("an empty farm");
    let api = Api::new(farm, Guard::loopback(9090, false));
    let owner = format!("Bearer {}", api.access.own_token());
    (router(api), owner)
}

fn answer(
    (routes, owner): &(axum::Router, String),
    method: Method,
    path: &str,
    body: &[u8],
) -> Option<(StatusCode, String)> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:9090")
        .header("authorization", owner)
        .header("content-type", "application/json")
        .body(Body::from(body.to_vec()))
        .ok()?;
    smol::block_on(async {
        let Ok(response) = poll_once(routes.clone().oneshot(request)).await?;
        let status = response.status();
        let bytes = poll_once(response.into_body().collect()).await?.ok()?;
        let text = String::from_utf8(bytes.to_bytes().to_vec()).expect("answers are text");
        Some((status, text))
    })
}

/// Bytes as a path may carry them.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'.' | b'_' | b'=' | b'&' | b'%' => {
                out.push(char::from(*byte));
            }
            other => out.push_str(&format!("%{other:02x}")),
        }
    }
    out
}
