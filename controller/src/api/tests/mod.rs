//! The API by requests to its router, without sockets.
//!
//! | room | what it asks |
//! |---|---|
//! | [`access`] | who may ask: tokens, scopes, sessions, failures |
//! | [`audit`] | who changed what; another wallet is confirmed |
//! | [`http`] | every path, every rule of the guard, the shape of answers |
//! | [`conventions`] | request ids, pages of lists, repeated requests, tags of answers |
//! | [`boots`] | rigs that boot over the network |
//! | [`drift`] | rigs that do not run what the registry wants |
//! | [`events`] | the log, streams, metrics, history |
//! | [`farm`] | what the routes do: peers, profiles, wishes, tokens |
//! | [`profiles`] | versions of profiles |
//! | [`openapi`] | that the description is whole, and the one in docs |
//! | [`matrix`] | every route against everything that a request may be |
//! | [`fleet`] | many rigs: selectors, labels, groups |
//! | [`table`] | the table of rigs, in windows and as CSV |
//! | [`tls`] | the same inside TLS, over sockets |

mod access;
mod audit;
mod boots;
mod conventions;
mod drift;
mod events;
mod farm;
mod fleet;
mod http;
mod matrix;
mod openapi;
mod profiles;
mod table;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
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
pub(super) const RIG: Fingerprint = Fingerprint([0xab; 32]);
const RIG_ID: &str = "abababababababab";

pub(super) struct Server {
    router: Router,
    pub(super) farm: Arc<Farm>,
    /// What the owner's command line sends, and so do the helpers below.
    pub(super) bearer: String,
}

pub(super) struct Reply {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Status and code of an answer that has the one error shape.
    pub(super) fn problem(&self) -> (u16, String) {
        let body = self.json();
        let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
        let known = [
            "code",
            "field",
            "fingerprint",
            "hint",
            "message",
            "requestId",
            "retryable",
        ];
        let id = self.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        assert_eq!(body["requestId"].as_str(), id);
        assert!(
            keys.iter().all(|key| known.contains(&key.as_str())),
            "{keys:?}"
        );
        assert!(body["message"].is_string() && body["retryable"].is_boolean());
        assert_eq!(self.header("x-request-id"), body["requestId"].as_str());
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
    pub(super) fn new() -> Self {
        Self::that(Guard::loopback(9090, false))
    }

    fn that(guard: Guard) -> Self {
        Self::on(MemoryStore::default(), guard)
    }

    fn on(store: MemoryStore, guard: Guard) -> Self {
        let keys = NodeKeys::from_seed(&[1; 32]);
        let card = NodeCard {
            name: Name::parse("control-center").expect("valid"),
            software: Label::lossy("miner-ctrl test"),
            host: Label::lossy("test"),
        };
        let me = LocalNode::new(keys, Role::Controller, [2; 16], card);
        let farm = Farm::open(Box::new(store), me, Clock::start()).expect("empty");
        let api = Api::new(Arc::clone(&farm), guard);
        Self {
            farm,
            bearer: format!("Bearer {}", api.access.own_token()),
            router: router(api),
        }
    }

    pub(super) fn with_rig() -> Self {
        let server = Self::new();
        let rig = json!({ "name": "rig-alpha", "fingerprint": RIG.to_string() });
        assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
        server
    }

    fn send(&self, request: Request<Body>) -> Reply {
        smol::block_on(async {
            let Ok(response) = self.router.clone().oneshot(request).await;
            let (head, mut body) = response.into_parts();
            let kind = head
                .headers
                .get(CONTENT_TYPE)
                .and_then(|kind| kind.to_str().ok());
            let bytes = if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
                // It has no end; the first piece says that it is one.
                let first = body.frame().await.expect("a piece").expect("whole");
                first.into_data().expect("data")
            } else {
                body.collect().await.expect("whole").to_bytes()
            };
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
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json");
        self.send(
            request
                .body(Body::from(body.to_owned()))
                .expect("well formed"),
        )
    }

    /// The same under the base, with these headers.
    fn with(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"))
            .header(HOST, "127.0.0.1:9090")
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(body.to_string());
        self.send(request.body(body).expect("well formed"))
    }

    pub(super) fn get(&self, path: &str) -> Reply {
        self.request(Method::GET, &format!("{BASE}{path}"), "")
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::POST, &format!("{BASE}{path}"), &body.to_string())
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Reply {
        self.request(Method::PUT, &format!("{BASE}{path}"), &body.to_string())
    }

    fn delete(&self, path: &str) -> Reply {
        self.request(Method::DELETE, &format!("{BASE}{path}"), "")
    }
}
