//! Paths, the guard, and the shape of whatever is answered.

use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, ORIGIN, X_CONTENT_TYPE_OPTIONS,
};

use super::openapi::{Route, every_route};
use super::*;

#[test]
fn every_described_route_is_at_its_path() {
    let server = Server::new();
    for route in every_route() {
        // What reads a body refuses this one, so that nothing is done.
        let takes_body = route.reads_body();
        let Route { method, path, .. } = route;
        let body = if takes_body { "no JSON" } else { "" };
        let reply = server.request(method.clone(), &path, body);
        if reply.status.is_success() {
            assert!(!takes_body, "{method} {path}");
        } else {
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
        "/plain",
        "/assets/0/app.js",
        "/assets/0/page.css",
        "/health",
        "/nowhere",
    ];
    let page = page.map(|path| (Method::GET, path.to_owned()));
    let api = every_route()
        .into_iter()
        .map(|route| (route.method, route.path));
    for (method, path) in api.chain(page) {
        let request = |host: &str, origin: Option<&str>| {
            let mut request = Request::builder()
                .method(method.clone())
                .uri(&path)
                .header(HOST, host)
                .header(AUTHORIZATION, &server.bearer)
                .header(CONTENT_TYPE, "application/json");
            if let Some(origin) = origin {
                request = request.header(ORIGIN, origin);
            }
            server
                .send(request.body(Body::empty()).expect("well formed"))
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
            .header(AUTHORIZATION, &server.bearer)
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
    let page = server.request(Method::GET, "/", "").text;
    let script = page.split('"').find(|part| part.ends_with("/app.js"));
    let script = script.expect("the page has a script");
    for path in ["/", script, "/assets/0/app.js", "/nowhere"] {
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
        // A script of another program's version is not what that version had.
        let cached = path == script;
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
fn names_with_blanks_are_percent_decoded() {
    let server = Server::new();
    let rig = json!({ "name": "Shed 2", "fingerprint": RIG.to_string() });
    assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
    assert_eq!(server.get("/peers/Shed%202").json()["name"], "Shed 2");
    assert_eq!(server.get("/peers/%ff").problem().0, 400);
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
    let page = server.request(Method::GET, "/plain", "");
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("rig-alpha"), "{}", page.text);
    for path in ["/", "/workers", "/rigs/rig-alpha", "/profiles/rx"] {
        let page = server.request(Method::GET, path, "");
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.text.contains("app.js"), "{path}");
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
    let serving = executor.spawn(serve(
        listener,
        None,
        Server::new().router,
        Arc::clone(&executor),
    ));
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
