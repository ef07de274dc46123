//! Every route and every rule of the guard, by requests to the router without sockets.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use miner_shared::identity::{Fingerprint, NodeKeys, Role};
use miner_shared::smsg::LocalNode;
use miner_shared::text::{Label, Name};
use miner_shared::wire::NodeCard;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::clock::Clock;
use crate::registry::MemoryStore;

/// Fingerprint of the one rig that [`Server::with_rig`] has; it never had a link.
const RIG: Fingerprint = Fingerprint([0xab; 32]);
const RIG_ID: &str = "abababababababab";

struct Server {
    router: Router,
    farm: Arc<Farm>,
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// Status and code of an answer that has the one error shape.
    fn problem(&self) -> (u16, String) {
        let body = self.json();
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        let known = [
            "code",
            "field",
            "fingerprint",
            "hint",
            "message",
            "retryable",
        ];
        assert!(
            keys.iter().all(|key| known.contains(&key.as_str())),
            "{keys:?}"
        );
        assert!(body["message"].is_string() && body["retryable"].is_boolean());
        (
            self.status.as_u16(),
            body["code"].as_str().expect("a code").to_owned(),
        )
    }
}

/// Status of a request to a controller that has nothing yet.
pub(crate) fn status_of(method: &str, path: &str, body: &str) -> u16 {
    let method = method.parse().expect("a method");
    Server::new().request(method, path, body).status.as_u16()
}

impl Server {
    fn new() -> Self {
        let keys = NodeKeys::from_seed(&[1; 32]);
        let card = NodeCard {
            name: Name::parse("control-center").expect("valid"),
            software: Label::lossy("miner-ctrl test"),
            host: Label::lossy("test"),
        };
        let me = LocalNode::new(keys, Role::Controller, [2; 16], card);
        let farm = Farm::open(Box::new(MemoryStore::default()), me, Clock::start()).expect("empty");
        Self {
            farm: Arc::clone(&farm),
            router: router(Api {
                farm,
                guard: Guard { port: 9090 },
            }),
        }
    }

    fn with_rig() -> Self {
        let server = Self::new();
        let rig = json!({ "name": "rig-alpha", "fingerprint": RIG.to_string() });
        assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
        server
    }

    fn send(&self, request: Request<Body>) -> Reply {
        smol::block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.expect("whole").to_bytes();
            Reply {
                status: head.status,
                headers: head.headers,
                text: String::from_utf8(bytes.to_vec()).expect("text"),
            }
        })
    }

    fn request(&self, method: Method, path: &str, body: &str) -> Reply {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "127.0.0.1:9090")
            .header(CONTENT_TYPE, "application/json");
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("well formed"),
        )
    }

    fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, &format!("{BASE}{path}"), "")
    }

    fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, &format!("{BASE}{path}"), &body.to_string())
    }

    fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, &format!("{BASE}{path}"), "")
    }
}

/// All routes of the page, and ours, with a request that reaches the handler.
const ROUTES: [(Method, &str, &str); 27] = [
    (Method::GET, "/node/info", ""),
    (Method::POST, "/node/init", r#"{"name":"x"}"#),
    (Method::GET, "/peers", ""),
    (Method::POST, "/peers", "{}"),
    (Method::GET, "/peers/nobody", ""),
    (Method::DELETE, "/peers/nobody", ""),
    (Method::POST, "/peers/nobody/ping", ""),
    (Method::GET, "/remote/stats", ""),
    (Method::GET, "/remote/nobody/stats", ""),
    (Method::POST, "/remote/nobody/start", r#"{"profileId":"p"}"#),
    (Method::POST, "/remote/nobody/stop", "{}"),
    (Method::GET, "/remote/nobody/logs/miner-rx0?lines=100", ""),
    (Method::GET, "/profiles", ""),
    (Method::POST, "/profiles", "{}"),
    (Method::GET, "/profiles/nothing", ""),
    (Method::DELETE, "/profiles/nothing", ""),
    (Method::PATCH, "/peers/nobody", r#"{"name":"x"}"#),
    (Method::GET, "/tokens", ""),
    (Method::POST, "/tokens", r#"{"uses":0}"#),
    (Method::DELETE, "/tokens/nothing", ""),
    (Method::GET, "/pending", ""),
    (Method::DELETE, "/pending/nobody", ""),
    (Method::POST, "/pending/nobody/approve", ""),
    (Method::GET, "/removed", ""),
    (Method::DELETE, "/removed/nobody", ""),
    (Method::POST, "/discover", r#"{"seconds":0}"#),
    (Method::GET, "/health", ""),
];

#[test]
fn every_route_of_the_page_is_at_its_path() {
    let server = Server::new();
    for (method, path, body) in ROUTES {
        let reply = server.request(method.clone(), &format!("{BASE}{path}"), body);
        if !reply.status.is_success() {
            let (_, code) = reply.problem();
            assert!(
                !["NOT_FOUND", "METHOD_NOT_ALLOWED"].contains(&code.as_str()),
                "{method} {path}: {code}"
            );
        }
    }
}

#[test]
fn every_route_is_behind_the_guard() {
    let server = Server::new();
    let page = [
        "/",
        "/fleet",
        "/assets/page.js",
        "/assets/page.css",
        "/health",
        "/nowhere",
    ];
    let page = page.map(|path| (Method::GET, path.to_owned(), ""));
    let api = ROUTES.map(|(method, path, body)| (method, format!("{BASE}{path}"), body));
    for (method, path, body) in api.into_iter().chain(page) {
        let request = |host: &str, origin: Option<&str>| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header(HOST, host)
                .header(CONTENT_TYPE, "application/json");
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            server
                .send(request.body(Body::from(body)).expect("well formed"))
                .problem()
        };
        assert_eq!(
            request("evil.example:9090", None),
            (421, "HOST_NOT_ALLOWED".to_owned()),
            "{path}"
        );
        assert_eq!(
            request("127.0.0.1:9090", Some("http://evil.example")),
            (403, "ORIGIN_NOT_ALLOWED".to_owned()),
            "{path}"
        );
    }
}

#[test]
fn a_form_of_a_foreign_page_changes_nothing() {
    let server = Server::with_rig();
    for kind in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
    ] {
        let form = Request::builder()
            .method(Method::POST)
            .uri(format!("{BASE}/remote/rig-alpha/stop"))
            .header(HOST, "127.0.0.1:9090")
            .header(CONTENT_TYPE, kind)
            .body(Body::from("{}"))
            .expect("well formed");
        assert_eq!(
            server.send(form).problem(),
            (415, "JSON_REQUIRED".to_owned())
        );
    }
    assert_eq!(
        server.get("/peers/rig-alpha").json()["desired"]["generation"],
        0
    );
}

#[test]
fn every_answer_carries_the_headers_that_harden_browsers() {
    let server = Server::new();
    for path in ["/", "/assets/page.js", "/nowhere"] {
        let reply = server.request(Method::GET, path, "");
        let header = |name| {
            reply
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let csp = header(CONTENT_SECURITY_POLICY).expect("a policy");
        assert!(
            csp.starts_with("default-src 'none'") && !csp.contains("unsafe"),
            "{csp}"
        );
        assert_eq!(header(X_CONTENT_TYPE_OPTIONS), Some("nosniff"));
        let cached = path.starts_with("/assets/");
        assert_eq!(header(CACHE_CONTROL) == Some("no-store"), !cached, "{path}");
    }
}

#[test]
fn unknown_paths_and_methods_have_the_one_error_shape() {
    let server = Server::new();
    assert_eq!(
        server.get("/miners").problem(),
        (404, "NOT_FOUND".to_owned())
    );
    let reply = server.request(Method::PUT, &format!("{BASE}/peers"), "{}");
    assert_eq!(reply.problem(), (405, "METHOD_NOT_ALLOWED".to_owned()));
    assert_eq!(
        reply.headers.get(ALLOW).and_then(|a| a.to_str().ok()),
        Some("GET,HEAD,POST")
    );
}

#[test]
fn bodies_that_are_too_long_or_no_json_are_refused() {
    let server = Server::new();
    let path = format!("{BASE}/profiles");
    let long = format!("{{\"name\":\"{}\"}}", "x".repeat(MAX_BODY));
    let reply = server.request(Method::POST, &path, &long);
    assert_eq!(reply.problem(), (413, "BODY_TOO_LARGE".to_owned()));
    for body in ["{", "[]", "null", r#"{"nam":"x"}"#, "\u{0}"] {
        let reply = server.request(Method::POST, &path, body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
    }
}

#[test]
fn a_wrong_field_is_named() {
    let server = Server::with_rig();
    let pool = json!({ "url": "pool.example:3333", "user": "w" });
    for (path, body, field) in [
        ("/peers", json!({ "address": "nonsense" }), "address"),
        (
            "/peers",
            json!({ "name": "-rig", "address": "a:1" }),
            "name",
        ),
        (
            "/peers",
            json!({ "address": "a:1", "pairingCode": "x" }),
            "pairingCode",
        ),
        (
            "/peers",
            json!({ "address": "a:1", "fingerprint": "x" }),
            "fingerprint",
        ),
        ("/peers", json!({}), "address"),
        ("/remote/rig-alpha/start", json!({}), "profileId"),
        (
            "/remote/rig-alpha/stop",
            json!({ "minerName": "A B" }),
            "minerName",
        ),
        ("/profiles", json!({ "name": "p" }), "pools"),
        ("/profiles", json!({ "pools": [pool] }), "name"),
        (
            "/profiles",
            json!({ "name": "p", "pools": [{ "url": "a:1" }] }),
            "pools.user",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [{ "user": "w" }] }),
            "pools.url",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [pool, pool, pool, pool] }),
            "pools",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [pool], "mode": "x" }),
            "mode",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [pool], "threads": 0 }),
            "threads",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [pool], "threads": 257 }),
            "threads",
        ),
    ] {
        let reply = server.post(path, &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    for lines in ["0", "10001", "many", "-1"] {
        let reply = server.get(&format!("/remote/rig-alpha/logs/miner-rx0?lines={lines}"));
        assert_eq!(reply.problem().0, 400, "{lines}");
        assert_eq!(reply.json()["field"], "lines");
    }
}

#[test]
fn two_ways_to_confirm_a_peer_are_one_too_many() {
    let server = Server::new();
    let body = json!({ "address": "a:1", "fingerprint": RIG.to_string(), "tofu": true });
    assert_eq!(server.post("/peers", &body).problem().0, 400);
}

#[test]
fn the_node_says_who_it_is_and_is_not_made_twice() {
    let server = Server::with_rig();
    let info = server.get("/node/info").json();
    assert_eq!(info["hasIdentity"], true);
    assert_eq!(info["identity"]["name"], "control-center");
    assert_eq!(info["identity"]["id"].as_str().map(str::len), Some(16));
    assert_eq!(info["identity"]["role"], "controller");
    assert_eq!(
        (&info["registeredPeers"], &info["connectedPeers"]),
        (&json!(1), &json!(0))
    );
    let init = server.post("/node/init", &json!({ "name": "again", "role": "worker" }));
    assert_eq!(init.problem(), (409, "IDENTITY_EXISTS".to_owned()));
    let init = server.post("/node/init", &json!({ "name": "again", "role": "king" }));
    assert_eq!(init.json()["field"], "role");
}

#[test]
fn a_peer_is_found_by_id_prefix_and_name_and_removed() {
    let server = Server::with_rig();
    for text in [RIG_ID, "abab", "rig-alpha"] {
        assert_eq!(server.get(&format!("/peers/{text}")).json()["id"], RIG_ID);
    }
    let peer = &server.get("/peers").json()[0];
    for unknown in [
        "lastSeen", "pingMs", "score", "hashrate", "shares", "address",
    ] {
        assert_eq!(peer[unknown], Value::Null, "{unknown} is unknown, never 0");
    }
    let again = json!({ "name": "other", "fingerprint": RIG.to_string() });
    assert_eq!(
        server.post("/peers", &again).problem(),
        (409, "PEER_EXISTS".to_owned())
    );
    assert_eq!(server.delete("/peers/abab").json()["id"], RIG_ID);
    assert_eq!(server.get("/peers").json(), json!([]));
    assert_eq!(
        server.delete("/peers/abab").problem(),
        (404, "PEER_NOT_FOUND".to_owned())
    );
}

#[test]
fn names_with_blanks_are_percent_decoded() {
    let server = Server::new();
    let rig = json!({ "name": "Shed 2", "fingerprint": RIG.to_string() });
    assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
    assert_eq!(server.get("/peers/Shed%202").json()["name"], "Shed 2");
    assert_eq!(server.get("/peers/%ff").problem().0, 400);
}

#[test]
fn a_password_goes_in_and_never_comes_out() {
    let server = Server::new();
    let pool = json!({ "url": "pool.example:3333", "user": "wallet", "pass": "hunter2" });
    let body = json!({ "name": "My Profile", "mode": "fast", "threads": 2, "pools": [pool] });
    let created = server.post("/profiles", &body);
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.json()["id"], "my-profile");
    assert_eq!(created.json()["pools"][0]["hasPass"], true);
    for reply in [
        created,
        server.get("/profiles"),
        server.get("/profiles/my-profile"),
    ] {
        assert!(!reply.text.contains("hunter2"), "{}", reply.text);
    }
    assert_eq!(
        server.post("/profiles", &body).problem(),
        (409, "PROFILE_EXISTS".to_owned())
    );
    assert_eq!(
        server.delete("/profiles/my-profile").json()["id"],
        "my-profile"
    );
    let gone = server.get("/profiles/my-profile");
    assert_eq!(gone.problem(), (404, "PROFILE_NOT_FOUND".to_owned()));
}

#[test]
fn a_wish_for_a_rig_out_of_reach_is_stored_and_called_pending() {
    let server = Server::with_rig();
    let pool = json!({ "url": "pool.example:3333", "user": "wallet" });
    server.post("/profiles", &json!({ "name": "p", "pools": [pool] }));
    let started = server
        .post("/remote/rig-alpha/start", &json!({ "profileId": "p" }))
        .json();
    assert_eq!(
        (&started["status"], &started["profile"]),
        (&json!("pending"), &json!("p"))
    );
    assert_eq!(
        server.get("/peers/rig-alpha").json()["desired"]["profile"],
        "p"
    );
    assert_eq!(
        server.delete("/profiles/p").problem(),
        (409, "PROFILE_IN_USE".to_owned())
    );
    let stopped = server.post("/remote/rig-alpha/stop", &json!({})).json();
    assert_eq!(
        (&stopped["status"], &stopped["profile"]),
        (&json!("pending"), &Value::Null)
    );
    assert!(stopped["generation"].as_u64() > started["generation"].as_u64());
    let unknown = server.post("/remote/rig-alpha/start", &json!({ "profileId": "q" }));
    assert_eq!(unknown.problem(), (404, "PROFILE_NOT_FOUND".to_owned()));
}

#[test]
fn statistics_of_a_rig_never_heard_of_are_absent_and_not_zero() {
    let server = Server::with_rig();
    assert_eq!(server.get("/remote/stats").json(), json!({}));
}

#[test]
fn health_is_at_the_root_and_under_the_base() {
    let server = Server::new();
    for path in [
        "/health",
        "/ready",
        "/api/v1/mining/health",
        "/api/v1/mining/ready",
    ] {
        assert_eq!(
            server.request(Method::GET, path, "").status,
            StatusCode::OK,
            "{path}"
        );
    }
}

#[test]
fn the_page_shows_the_farm() {
    let server = Server::with_rig();
    for path in ["/", "/fleet"] {
        let page = server.request(Method::GET, path, "");
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("rig-alpha"), "{path}");
    }
}

/// The server itself: one connection, closed when its listener's task is dropped.
#[test]
fn requests_are_answered_over_tcp() {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    let listener = smol::Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).expect("a port");
    let address = listener.get_ref().local_addr().expect("bound");
    let executor = Arc::new(smol::Executor::new());
    let serving = executor.spawn(serve(listener, Server::new().router, Arc::clone(&executor)));
    let client = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("connects");
        let request = "GET /health HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("answered");
        text
    });
    let text = smol::block_on(executor.run(async {
        let (done, finished) = smol::channel::bounded(1);
        std::thread::spawn(move || done.send_blocking(client.join().expect("no panic")));
        finished.recv().await.expect("answered")
    }));
    drop(serving);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.ends_with(r#"{"status":"healthy"}"#), "{text}");
}

#[test]
fn a_token_is_shown_once_and_never_again() {
    let server = Server::new();
    let body =
        json!({ "uses": 10, "namePattern": "rig-*", "from": "10.0.0.0/8", "approve": false });
    let made = server.post("/tokens", &body);
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let made = made.json();
    let text = made["token"].as_str().expect("the token").to_owned();
    let token: miner_shared::identity::EnrolToken = text.parse().expect("well formed");
    let me = NodeKeys::from_seed(&[1; 32]).public().fingerprint();
    assert_eq!(*token.controller(), me.prefix());
    assert_eq!(made["state"], "active");
    assert_eq!(made["left"], 10);

    let secret = token.enrolment().secret.as_slice();
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let events = format!("{:?}", server.farm.events());
    let id = made["id"].as_str().expect("its name");
    assert!(events.contains(id), "the event names the token");
    let revoked = server.delete(&format!("/tokens/{id}"));
    assert_eq!(revoked.json()["status"], "revoked");
    for shown in [server.get("/tokens").text, revoked.text, events] {
        assert!(!shown.contains(&text) && !shown.contains(&hex) && !shown.contains("ENR1"));
    }
    assert_eq!(server.get("/tokens").json()[0]["state"], "suspended");
}

#[test]
fn a_token_that_makes_no_sense_is_refused_with_its_field() {
    let server = Server::new();
    for (body, field) in [
        (json!({ "uses": 0 }), "uses"),
        (json!({ "uses": 10_001 }), "uses"),
        (json!({ "expiresSecs": 1 }), "expiresSecs"),
        (json!({ "from": "10.0.0.1/8" }), "from"),
        (json!({ "namePattern": "" }), "namePattern"),
        (json!({ "group": "\u{1b}" }), "group"),
    ] {
        let reply = server.post("/tokens", &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    assert_eq!(server.get("/tokens").json(), json!([]));
}

#[test]
fn a_peer_is_renamed_removed_and_forgotten() {
    let server = Server::with_rig();
    let path = format!("{BASE}/peers/{RIG_ID}");
    let renamed = server.request(Method::PATCH, &path, r#"{"name":"corner"}"#);
    assert_eq!(renamed.json()["name"], "corner");
    assert_eq!(server.delete("/peers/corner?keepToken=true").status, 200);
    assert_eq!(server.get("/removed").json()[0]["name"], "corner");
    assert_eq!(server.delete("/removed/corner").json()["id"], RIG_ID);
    assert_eq!(
        server.delete("/removed/corner").problem(),
        (404, "PEER_NOT_FOUND".to_owned())
    );
}
