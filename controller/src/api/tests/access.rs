//! Who may ask: tokens, scopes, sessions, and what bad ones hear.

use std::net::SocketAddr;

use axum::http::header::{COOKIE, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};

use super::openapi::{Route, every_route};
use super::*;
use crate::api::access::CameFrom;
use crate::hub::EventKind;
use crate::scope::Scope;

/// A request with these headers and no other credential.
fn with(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "127.0.0.1:9090")
        .header(CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Body::from(body.to_owned());
    request.body(body).expect("well formed")
}

impl Server {
    /// A new token of this scope, as a header has it.
    fn token(&self, scope: &str) -> (String, Value) {
        let made = self.post(
            "/api-tokens",
            &json!({ "scope": scope, "label": "grafana" }),
        );
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let made = made.json();
        let token = made["token"].as_str().expect("shown once");
        (format!("Bearer {token}"), made.clone())
    }

    /// Logs a browser in; its cookie.
    fn browser(&self, scope: &str) -> String {
        let made = self.post("/logins", &json!({ "scope": scope })).json();
        let url = made["url"].as_str().expect("an address").to_owned();
        let (page, code) = url.split_once('#').expect("a code");
        assert_eq!(page, "http://127.0.0.1:9090/login");
        let body = json!({ "code": code }).to_string();
        let reply = self.send(with(Method::POST, "/login", &[], &body));
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        let again = self.send(with(Method::POST, "/login", &[], &body));
        assert_eq!(again.problem(), (401, "UNAUTHENTICATED".to_owned()), "once");
        let cookie = reply.headers.get(SET_COOKIE).expect("a cookie");
        let cookie = cookie.to_str().expect("plain");
        assert!(
            cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
            "{cookie}"
        );
        let (pair, _) = cookie.split_once(';').expect("attributes");
        pair.to_owned()
    }
}

#[test]
fn without_a_credential_every_route_is_refused_but_those_that_need_none() {
    let server = Server::new();
    for Route {
        method,
        matched,
        path,
        ..
    } in every_route()
    {
        let reply = server.send(with(method.clone(), &path, &[], ""));
        if scope_of(&method, &matched).is_none() {
            assert_ne!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
            continue;
        }
        let refused = (401, "UNAUTHENTICATED".to_owned());
        assert_eq!(reply.problem(), refused, "{method} {path}");
        let how = reply.headers.get(WWW_AUTHENTICATE).expect("says how");
        assert_eq!(how, "Bearer");
    }
    for path in ["/plain", "/nowhere", "/api/v1/mining/nowhere"] {
        let reply = server.send(with(Method::GET, path, &[], ""));
        assert_eq!(reply.problem().0, 401, "{path}");
    }
    for path in [
        "/health",
        "/ready",
        "/login",
        "/assets/0/page.css",
        "/assets/0/login.js",
    ] {
        let reply = server.send(with(Method::GET, path, &[], ""));
        assert_eq!(reply.status, StatusCode::OK, "{path}");
    }
}

#[test]
fn a_scope_opens_its_routes_and_those_of_the_scopes_below() {
    let server = Server::with_rig();
    let bearers = Scope::ALL.map(|scope| server.token(scope.as_str()).0);
    for Route {
        method,
        matched,
        path,
        operation,
    } in every_route()
    {
        let needed = scope_of(&method, &matched);
        // What takes a body refuses this one, so that nothing is done.
        let takes_body = operation["requestBody"].is_object();
        let body = if takes_body { "no JSON" } else { "" };
        for (scope, bearer) in Scope::ALL.into_iter().zip(&bearers) {
            let headers = [("authorization", bearer.as_str())];
            let reply = server.send(with(method.clone(), &path, &headers, body));
            let is_low = reply.status == StatusCode::FORBIDDEN;
            let low = needed.is_some_and(|needed| scope < needed);
            assert_eq!(is_low, low, "{method} {path} by {scope}: {}", reply.text);
            if let Some(needed) = needed.filter(|_| is_low) {
                assert_eq!(reply.problem().1, "SCOPE_TOO_LOW");
                let message = reply.json()["message"].to_string();
                assert!(message.contains(needed.as_str()), "{message}");
            }
        }
    }
}

#[test]
fn an_api_token_is_shown_once_and_refused_once_revoked() {
    let server = Server::new();
    let (bearer, made) = server.token("read");
    let headers = [("authorization", bearer.as_str())];
    let peers = || server.send(with(Method::GET, &format!("{BASE}/peers"), &headers, ""));
    assert_eq!(peers().status, StatusCode::OK);
    let list = server.get("/api-tokens");
    let secret = bearer.strip_prefix("Bearer mct_").expect("ours");
    assert!(!list.text.contains(&secret[20..]), "{}", list.text);
    let list = list.json();
    assert_eq!(list[0]["id"], made["id"]);
    assert_eq!(list[0]["label"], "grafana");
    assert!(list[0]["lastUsedAgeMs"].is_u64(), "{list}");
    assert!(list[0]["expiresAt"].is_null(), "{list}");

    let id = made["id"].as_str().expect("an id");
    let revoked = server.delete(&format!("/api-tokens/{id}"));
    assert_eq!(revoked.status, StatusCode::OK);
    assert_eq!(peers().problem(), (401, "UNAUTHENTICATED".to_owned()));
    assert_eq!(server.delete("/api-tokens/").status, StatusCode::NOT_FOUND);
    let gone = server.delete(&format!("/api-tokens/{id}"));
    assert_eq!(gone.problem(), (404, "TOKEN_NOT_FOUND".to_owned()));
}

#[test]
fn a_repeated_request_belongs_to_its_credential_and_gives_out_no_secret_again() {
    let server = Server::new();
    let ask = |bearer: &str, path: &str, body: &str| {
        let headers = [("authorization", bearer), ("idempotency-key", "k-1")];
        server.send(with(Method::POST, &format!("{BASE}{path}"), &headers, body))
    };
    let other = server.token("admin").0;
    let first = ask(&server.bearer, "/api-tokens", r#"{"scope":"read"}"#);
    assert_eq!(first.status, StatusCode::CREATED);
    let again = ask(&server.bearer, "/api-tokens", r#"{"scope":"read"}"#);
    assert_eq!(again.problem(), (409, "ANSWER_NOT_KEPT".to_owned()));
    let others = ask(&other, "/profiles", "no JSON");
    assert_eq!(others.problem().0, 400, "its own key k-1");
}

#[test]
fn fields_of_a_token_to_make_are_checked_by_name() {
    let server = Server::new();
    for (body, field) in [
        (json!({}), "scope"),
        (json!({ "scope": "root" }), "scope"),
        (json!({ "scope": "read", "label": "-x" }), "label"),
        (json!({ "scope": "read", "expiresSecs": 59 }), "expiresSecs"),
    ] {
        let reply = server.post("/api-tokens", &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let scope = json!({ "scope": "root" });
    assert_eq!(server.post("/logins", &scope).json()["field"], "scope");
    let no_code = server.send(with(Method::POST, "/login", &[], "{}"));
    assert_eq!(no_code.json()["field"], "code");
}

#[test]
fn what_is_no_bearer_token_is_refused() {
    let server = Server::new();
    let good = server.bearer.clone();
    let token = good.strip_prefix("Bearer ").expect("ours");
    let typo = format!("{}0", &good[..good.len() - 1]);
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        token,
        &format!("Basic {token}"),
        "Bearer mct_x",
        &typo,
    ] {
        let headers = [("authorization", bad)];
        let reply = server.send(with(Method::GET, &format!("{BASE}/peers"), &headers, ""));
        let ours = bad == good;
        assert_eq!(reply.status == StatusCode::UNAUTHORIZED, !ours, "{bad}");
    }
    let twice = [("authorization", good.as_str()), ("authorization", &good)];
    let reply = server.send(with(Method::GET, &format!("{BASE}/peers"), &twice, ""));
    assert_eq!(reply.problem().0, 400);
}

#[test]
fn a_browser_logs_in_by_a_code_sees_the_page_and_logs_out() {
    let server = Server::with_rig();
    let page = |headers: &[(&str, &str)]| server.send(with(Method::GET, "/", headers, ""));
    let stranger = page(&[]);
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert!(
        stranger.text.contains("miner-ctrl login"),
        "{}",
        stranger.text
    );
    assert!(!stranger.text.contains("rig-alpha"), "{}", stranger.text);
    assert!(stranger.headers.get(LOCATION).is_none());

    let cookie = server.browser("admin");
    let foreign = format!("other=1; {cookie}; miner-ctrl-9091=x");
    for cookie in [&cookie, &foreign] {
        assert!(
            page(&[("cookie", cookie)])
                .text
                .contains("data-scope=\"admin\"")
        );
    }
    let origin = ("origin", "http://127.0.0.1:9090");
    let gone = server.send(with(
        Method::POST,
        "/logout",
        &[("cookie", &cookie), origin],
        "",
    ));
    assert_eq!(gone.status, StatusCode::OK);
    let cleared = gone.headers.get(SET_COOKIE).and_then(|c| c.to_str().ok());
    assert!(cleared.expect("cleared").ends_with("Max-Age=0"));
    assert_eq!(
        page(&[("cookie", &cookie)]).status,
        StatusCode::UNAUTHORIZED
    );
}

#[test]
fn a_change_by_cookie_must_come_from_our_page() {
    let server = Server::with_rig();
    let cookie = server.browser("admin");
    let stop = |headers: &[(&str, &str)]| {
        let headers = [&[(COOKIE.as_str(), cookie.as_str())], headers].concat();
        let path = format!("{BASE}/peers/rig-alpha");
        server.send(with(Method::PATCH, &path, &headers, r#"{"name":"one"}"#))
    };
    let refused = (403, "ORIGIN_NOT_ALLOWED".to_owned());
    assert_eq!(stop(&[]).problem(), refused);
    assert_eq!(stop(&[("sec-fetch-site", "same-site")]).problem(), refused);
    assert_eq!(stop(&[("sec-fetch-site", "none")]).problem(), refused);
    assert_eq!(stop(&[(ORIGIN.as_str(), "null")]).problem(), refused);
    let ours = stop(&[(ORIGIN.as_str(), "http://127.0.0.1:9090")]);
    assert_eq!(ours.status, StatusCode::OK, "{}", ours.text);
    let path = format!("{BASE}/peers/one");
    let headers = [
        ("cookie", cookie.as_str()),
        ("sec-fetch-site", "same-origin"),
    ];
    let ours = server.send(with(Method::PATCH, &path, &headers, r#"{"name":"two"}"#));
    assert_eq!(ours.status, StatusCode::OK, "{}", ours.text);
}

#[test]
fn a_display_that_may_look_may_not_touch() {
    let server = Server::with_rig();
    let cookie = server.browser("read");
    let origin = ("origin", "http://127.0.0.1:9090");
    let headers = [("cookie", cookie.as_str()), origin];
    let fleet = server.send(with(Method::GET, "/plain", &headers, ""));
    assert_eq!(fleet.status, StatusCode::OK);
    let path = format!("{BASE}/remote/rig-alpha/stop");
    let stop = server.send(with(Method::POST, &path, &headers, "{}"));
    assert_eq!(stop.problem(), (403, "SCOPE_TOO_LOW".to_owned()));
}

#[test]
fn with_tls_the_cookie_is_secure_and_of_this_host_alone() {
    let server = Server::that(Guard::loopback(9090, true));
    let code = server.post("/logins", &json!({})).json();
    let url = code["url"].as_str().expect("an address");
    let (page, code) = url.split_once('#').expect("a code");
    assert_eq!(page, "https://127.0.0.1:9090/login");
    let body = json!({ "code": code }).to_string();
    let reply = server.send(with(Method::POST, "/login", &[], &body));
    let cookie = reply.headers.get(SET_COOKIE).and_then(|c| c.to_str().ok());
    let cookie = cookie.expect("a cookie");
    assert!(cookie.starts_with("__Host-miner-ctrl-9090="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
}

#[test]
fn whoever_comes_with_bad_tokens_is_told_to_wait_and_slows_no_good_one() {
    let server = Server::new();
    let from = |ip: [u8; 4]| CameFrom(SocketAddr::from((ip, 1)));
    let ask = |ip, bearer: &str| {
        let headers = [("authorization", bearer)];
        let mut request = with(Method::GET, &format!("{BASE}/peers"), &headers, "");
        request.extensions_mut().insert(from(ip));
        server.send(request)
    };
    let (attacker, owner) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    let bad = format!("Bearer {}", crate::access::ApiToken::generate(&mut rng()));
    for _ in 0..10 {
        assert_eq!(ask(attacker, &bad).status, StatusCode::UNAUTHORIZED);
    }
    let limited = ask(attacker, &bad);
    assert_eq!(limited.problem(), (429, "TOO_MANY_FAILURES".to_owned()));
    assert_eq!(limited.json()["retryable"], true);
    let wait = limited.headers.get(RETRY_AFTER).expect("says how long");
    assert_eq!(wait, "6");
    assert_eq!(ask(owner, &bad).status, StatusCode::UNAUTHORIZED);
    let (events, _) = server.farm.events();
    let refused = |limited: bool| {
        let kind = EventKind::ApiRefused {
            from: "192.0.2.1".to_owned(),
            limited,
        };
        events.iter().filter(|event| event.kind == kind).count()
    };
    assert_eq!(
        (refused(false), refused(true)),
        (9, 1),
        "and none beyond the rate"
    );
    for ip in [owner, attacker] {
        let good = ask(ip, &server.bearer);
        assert_eq!(good.status, StatusCode::OK, "nobody is locked out");
    }
}

fn rng() -> impl rand_core::CryptoRng {
    miner_agent::store::system_rng()
}

#[test]
fn an_action_on_many_rigs_needs_the_scope_that_it_needs_on_one() {
    let server = Server::with_rig();
    let path = format!("{BASE}/bulk");
    let ask = |scope: &str, action: Value| {
        let (bearer, _) = server.token(scope);
        let body = json!({ "select": "all", "action": action, "dryRun": true });
        let headers = [("Authorization", bearer.as_str())];
        server
            .send(with(Method::POST, &path, &headers, &body.to_string()))
            .status
            .as_u16()
    };
    for (action, read, operate, admin) in [
        (json!({ "type": "stop" }), 403, 200, 200),
        (json!({ "type": "label", "group": "a" }), 403, 200, 200),
        (json!({ "type": "ping" }), 403, 200, 200),
        (json!({ "type": "reboot" }), 403, 200, 200),
        (json!({ "type": "remove" }), 403, 403, 200),
        (json!({ "type": "rotateKey" }), 403, 403, 200),
        (json!({ "type": "handover", "to": "abab" }), 403, 403, 200),
        (
            json!({ "type": "revoke", "manager": "abab" }),
            403,
            403,
            200,
        ),
    ] {
        let answers = ["read", "operate", "admin"].map(|scope| ask(scope, action.clone()));
        assert_eq!(answers, [read, operate, admin], "{action}");
    }
}

#[test]
fn versions_and_rollouts_say_who_made_them() {
    let server = Server::new();
    let profile = |threads: u16| json!({"name": "p", "threads": threads, "pools": [{"url": "127.0.0.1:3333", "user": "me"}]});
    assert_eq!(server.post("/profiles", &profile(1)).json()["by"], "local");
    let (bearer, made) = server.token("admin");
    let path = "/api/v1/mining/profiles/p";
    let body = profile(2).to_string();
    let token = [("Authorization", bearer.as_str())];
    let changed = server.send(with(Method::PUT, path, &token, &body)).json();
    let by = format!("token {} (grafana)", made["id"].as_str().expect("an id"));
    assert_eq!(changed["by"], by);
    let cookie = server.browser("admin");
    let page = [
        (COOKIE.as_str(), cookie.as_str()),
        (ORIGIN.as_str(), "http://127.0.0.1:9090"),
    ];
    let back = json!({ "to": 1 }).to_string();
    let path = format!("{path}/rollback");
    let restored = server.send(with(Method::POST, &path, &page, &back)).json();
    assert_eq!(restored["by"], "session 1");
    let versions = server.get("/profiles/p/versions").json();
    let shown: Vec<_> = versions
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| &row["by"])
        .collect();
    assert_eq!(shown, ["session 1", by.as_str(), "local"]);
}
