//! Every described route against everything that a stranger's request may be: W1.
//!
//! The routes come from the description, so a new one is attacked from its first day. Nothing here is
//! ever done: whoever may ask, asks with something that is refused later, and the farm is looked at
//! before and after.

use std::collections::BTreeMap;

use axum::http::header::{AUTHORIZATION, ORIGIN};

use super::openapi::{Route, every_route};
use super::*;
use crate::scope::Scope;

const HERE: &str = "127.0.0.1:9090";
const JSON: &str = "application/json";

/// What a request says. What is `None` is left away.
#[derive(Clone, Debug)]
struct Ask {
    host: Option<&'static str>,
    origin: Option<&'static str>,
    bearer: Option<String>,
    kind: Option<&'static str>,
    query: &'static str,
    body: String,
}

/// One way to be refused, where it can happen, and how that ends.
struct Attack {
    name: &'static str,
    fits: fn(&Route) -> bool,
    change: fn(&mut Ask),
    ends: (u16, &'static str),
}

const fn attack(
    name: &'static str,
    fits: fn(&Route) -> bool,
    change: fn(&mut Ask),
    ends: (u16, &'static str),
) -> Attack {
    Attack {
        name,
        fits,
        change,
        ends,
    }
}

const NOT_OURS: (u16, &str) = (421, "HOST_NOT_ALLOWED");
const FOREIGN: (u16, &str) = (403, "ORIGIN_NOT_ALLOWED");
const UNKNOWN: (u16, &str) = (401, "UNAUTHENTICATED");
const FORM: (u16, &str) = (415, "JSON_REQUIRED");
const WRONG: (u16, &str) = (400, "INVALID_INPUT");

const ATTACKS: [Attack; 23] = [
    attack("no token", is_secured, |ask| ask.bearer = None, UNKNOWN),
    attack(
        "a token of nobody",
        is_secured,
        |ask| ask.bearer = Some(nobody()),
        UNKNOWN,
    ),
    attack(
        "no bearer",
        is_secured,
        |ask| ask.bearer = Some("Basic YTpi".to_owned()),
        UNKNOWN,
    ),
    attack(
        "foreign Host",
        any,
        |ask| ask.host = Some("evil.example:9090"),
        NOT_OURS,
    ),
    attack(
        "loopback as a name",
        any,
        |ask| ask.host = Some("127.evil.com:9090"),
        NOT_OURS,
    ),
    attack(
        "our name in another",
        any,
        |ask| ask.host = Some("127.0.0.1.evil.com:9090"),
        NOT_OURS,
    ),
    attack(
        "another port",
        any,
        |ask| ask.host = Some("127.0.0.1:9091"),
        NOT_OURS,
    ),
    attack(
        "another loopback",
        any,
        |ask| ask.host = Some("127.0.0.2:9090"),
        NOT_OURS,
    ),
    attack("no Host", any, |ask| ask.host = None, NOT_OURS),
    attack(
        "foreign Origin",
        any,
        |ask| ask.origin = Some("http://evil.example"),
        FOREIGN,
    ),
    attack(
        "Origin of a file",
        any,
        |ask| ask.origin = Some("null"),
        FOREIGN,
    ),
    attack(
        "Origin of another port",
        any,
        |ask| ask.origin = Some("http://127.0.0.1:80"),
        FOREIGN,
    ),
    attack(
        "Origin with TLS",
        any,
        |ask| ask.origin = Some("https://127.0.0.1:9090"),
        FOREIGN,
    ),
    attack(
        "a form",
        is_post,
        |ask| ask.kind = Some("application/x-www-form-urlencoded"),
        FORM,
    ),
    attack(
        "a form with files",
        is_post,
        |ask| ask.kind = Some("multipart/form-data; boundary=x"),
        FORM,
    ),
    attack(
        "a form of text",
        is_post,
        |ask| ask.kind = Some("text/plain"),
        FORM,
    ),
    attack("no type", is_post, |ask| ask.kind = None, FORM),
    attack(
        "too long a body",
        has_body,
        |ask| ask.body = "x".repeat(MAX_BODY + 1),
        (413, "BODY_TOO_LARGE"),
    ),
    attack(
        "half a body",
        has_body,
        |ask| ask.body = r#"{"name":"#.to_owned(),
        WRONG,
    ),
    attack(
        "a body of another shape",
        has_body,
        |ask| ask.body = "[7]".to_owned(),
        WRONG,
    ),
    attack(
        "a body of bytes",
        has_body,
        |ask| ask.body = "\u{0}\u{1b}[2J".to_owned(),
        WRONG,
    ),
    attack(
        "an unknown field",
        has_body,
        |ask| ask.body = r#"{"unheardOf":1}"#.to_owned(),
        WRONG,
    ),
    attack(
        "an unknown parameter",
        any,
        |ask| ask.query = "?unheardOf=1",
        WRONG,
    ),
];

fn any(_: &Route) -> bool {
    true
}

fn is_secured(route: &Route) -> bool {
    scope_of(&route.method, &route.matched).is_some()
}

fn is_post(route: &Route) -> bool {
    route.method == Method::POST
}

fn has_body(route: &Route) -> bool {
    route.reads_body()
}

fn nobody() -> String {
    format!("Bearer mct_{}", "a".repeat(64))
}

/// The route with something that exists in its path, so that nothing ends at a name.
fn path_of(route: &Route) -> String {
    let mut before = "";
    let mut path = Vec::new();
    for segment in route.matched.split('/') {
        path.push(match (segment.starts_with('{'), before) {
            (false, _) => segment,
            (true, "peers" | "remote") => "rig-alpha",
            (true, "profiles") => "main",
            (true, _) => "nobody",
        });
        before = segment;
    }
    path.join("/")
}

struct Matrix {
    server: Server,
    tokens: BTreeMap<Scope, String>,
    /// Requests by how they ended.
    ended: BTreeMap<u16, usize>,
    surprises: Vec<String>,
}

impl Matrix {
    fn new() -> Self {
        let server = Server::with_rig();
        let pool = json!({ "url": "pool.example:3333", "user": "w" });
        let profile = json!({ "name": "main", "pools": [pool] });
        assert_eq!(server.post("/profiles", &profile).status, 201);
        let make = |scope: Scope| {
            let made = server.post("/api-tokens", &json!({ "scope": scope.as_str() }));
            let token = made.json()["token"].as_str().expect("made").to_owned();
            (scope, format!("Bearer {token}"))
        };
        let tokens = Scope::ALL.map(make).into();
        Self {
            server,
            tokens,
            ended: BTreeMap::new(),
            surprises: Vec::new(),
        }
    }

    /// A request that only its body may fail.
    fn good(&self, scope: Scope) -> Ask {
        Ask {
            host: Some(HERE),
            origin: None,
            bearer: self.tokens.get(&scope).cloned(),
            kind: Some(JSON),
            query: "",
            body: String::new(),
        }
    }

    fn ask(&mut self, method: &Method, path: &str, ask: &Ask) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}{}", ask.query));
        let headers = [
            (HOST, ask.host),
            (ORIGIN, ask.origin),
            (AUTHORIZATION, ask.bearer.as_deref()),
            (CONTENT_TYPE, ask.kind),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let body = Body::from(ask.body.clone());
        let reply = self.server.send(request.body(body).expect("well formed"));
        *self.ended.entry(reply.status.as_u16()).or_default() += 1;
        let leak = reply
            .headers
            .keys()
            .find(|name| name.as_str().starts_with("access-control"));
        if let Some(name) = leak {
            self.surprises.push(format!("{method} {path}: {name}"));
        }
        reply
    }

    fn expect(&mut self, route: &Route, name: &str, reply: &Reply, ends: (u16, &str)) {
        let code = reply.json()["code"].as_str().map(str::to_owned);
        let (status, code) = (reply.status.as_u16(), code.unwrap_or_default());
        if (status, code.as_str()) != ends {
            let Route {
                method, matched, ..
            } = route;
            self.surprises.push(format!(
                "{method} {matched}: {name}: {status} {code}, not {ends:?}"
            ));
        }
    }

    /// Scopes below the route's are refused; those that are enough are not refused for it.
    fn try_scopes(&mut self, route: &Route) {
        let needed = scope_of(&route.method, &route.matched);
        for scope in Scope::ALL {
            // Where it is let in, it asks for what is not there, or for nothing that is done.
            let mut ask = self.good(scope);
            if has_body(route) {
                ask.body = "no JSON".to_owned();
            } else if route.method != Method::GET && !route.path.contains("/nobody") {
                continue;
            }
            let reply = self.ask(&route.method, &route.path, &ask);
            if needed.is_some_and(|needed| scope < needed) {
                self.expect(route, scope.as_str(), &reply, (403, "SCOPE_TOO_LOW"));
            } else if [401, 403].contains(&reply.status.as_u16()) {
                let Route {
                    method, matched, ..
                } = route;
                self.surprises
                    .push(format!("{method} {matched}: {scope}: {}", reply.text));
            }
        }
    }

    /// What the farm has, apart from ages.
    fn state(&self) -> [Value; 6] {
        [
            "/profiles",
            "/tokens",
            "/pending",
            "/removed",
            "/peers/rig-alpha",
            "/node/info",
        ]
        .map(|path| {
            let mut state = self.server.get(path).json();
            if let Some(fields) = state.as_object_mut() {
                fields.retain(|name, _| !name.ends_with("AgeMs") && name != "uptime");
            }
            state
        })
    }
}

#[test]
fn w1_every_route_withstands_every_attack() {
    let mut matrix = Matrix::new();
    let before = matrix.state();
    let routes = every_route();
    for route in &routes {
        let path = path_of(route);
        for attack in &ATTACKS {
            if (attack.fits)(route) {
                let mut ask = matrix.good(Scope::Admin);
                (attack.change)(&mut ask);
                let reply = matrix.ask(&route.method, &path, &ask);
                matrix.expect(route, attack.name, &reply, attack.ends);
            }
        }
        matrix.try_scopes(route);
        let mut preflight = matrix.good(Scope::Admin);
        preflight.origin = Some("http://evil.example");
        preflight.bearer = None;
        let reply = matrix.ask(&Method::OPTIONS, &path, &preflight);
        matrix.expect(route, "a preflight", &reply, FOREIGN);
    }
    assert_eq!(matrix.state(), before, "something was done");
    let asked: usize = matrix.ended.values().sum();
    println!(
        "W1: {} routes, {asked} requests, {} not as expected; by status {:?}",
        routes.len(),
        matrix.surprises.len(),
        matrix.ended
    );
    assert!(matrix.surprises.is_empty(), "{:#?}", matrix.surprises);
    assert!(asked > 20 * routes.len(), "{asked} requests are too few");
}
