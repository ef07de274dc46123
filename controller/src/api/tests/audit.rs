//! Who changed what is noted, once, and another wallet is confirmed before rigs mine for it.

use super::openapi::{Route, every_route};
use super::*;

impl Server {
    /// The newest entries of the audit log.
    fn audit(&self) -> Vec<Value> {
        let answer = self.get("/audit?limit=1000").json();
        answer["entries"].as_array().expect("entries").clone()
    }

    /// A request without a credential.
    fn stranger(&self, method: &Method, path: &str) -> Reply {
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(HOST, "127.0.0.1:9090")
            .header(CONTENT_TYPE, "application/json");
        self.send(request.body(Body::empty()).expect("well formed"))
    }
}

#[test]
fn every_change_leaves_one_entry_whatever_became_of_it_and_a_read_leaves_none() {
    let server = Server::new();
    for Route {
        method,
        path,
        operation,
        matched,
    } in every_route()
    {
        // What takes a body refuses this one, so that nothing is done.
        let takes_body = operation["requestBody"].is_object();
        let body = if takes_body { "no JSON" } else { "" };
        let before = server.audit().len();
        let reply = server.request(method.clone(), &path, body);
        let entries = server.audit();
        let left = entries.len() - before;
        assert_eq!(left, usize::from(method != Method::GET), "{method} {path}");
        if left == 1 {
            let entry = entries.first().expect("left");
            assert_eq!(entry["who"], "local");
            assert_eq!(entry["action"], format!("{method} {matched}"));
            assert_eq!(entry["target"], path);
            assert_eq!(entry["status"], reply.status.as_u16(), "{method} {path}");
            assert_eq!(entry["requestId"].as_str(), reply.header("x-request-id"));
        }
    }
    for (method, path) in [
        (Method::PUT, "/nowhere"),
        (Method::POST, "/"),
        (Method::OPTIONS, "/plain"),
    ] {
        let before = server.audit().len();
        server.request(method, path, "");
        assert_eq!(server.audit().len(), before + 1, "{path}");
    }
}

#[test]
fn refused_requests_of_nobody_are_noted_at_a_rate_and_counted_beyond_it() {
    let server = Server::new();
    let changes = every_route()
        .into_iter()
        .filter(|r| r.method != Method::GET);
    let mut refused = 0;
    for route in changes.filter(|route| scope_of(&route.method, &route.matched).is_some()) {
        let reply = server.stranger(&route.method, &route.path);
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", route.path);
        refused += 1;
    }
    server.post("/profiles", &json!({}));
    let entries = server.audit();
    let counted: u64 = entries
        .iter()
        .filter_map(|e| e["unrecorded"].as_u64())
        .sum();
    let noted = entries.iter().filter(|entry| entry["who"] == "nobody");
    let noted = u64::try_from(noted.count()).expect("few");
    assert_eq!((noted, noted + counted), (30.min(refused), refused));
    assert_eq!(entries.last().expect("noted")["code"], "UNAUTHENTICATED");
}

#[test]
fn an_entry_tells_two_bodies_apart_and_holds_no_secret() {
    let server = Server::with_rig();
    let pool = |pass: &str| json!({ "url": "pool.example:3333", "user": "w", "pass": pass });
    for (name, pass) in [("one", "HUNTER2"), ("two", "HUNTER2"), ("one", "HUNTER3")] {
        server.post("/profiles", &json!({ "name": name, "pools": [pool(pass)] }));
    }
    let made = server
        .post("/api-tokens", &json!({ "scope": "read" }))
        .json();
    let token = made["token"].as_str().expect("shown once");
    server.request(Method::DELETE, &format!("{BASE}/api-tokens/{token}"), "");
    let login = server.post("/logins", &json!({})).json();
    let (_, code) = login["url"]
        .as_str()
        .and_then(|url| url.split_once('#'))
        .expect("a code");
    server.request(Method::POST, "/login", &json!({ "code": code }).to_string());
    let entries = server.audit();
    let digests: Vec<_> = entries.iter().map(|entry| entry["body"].as_str()).collect();
    let [_, _, _, _, third, second, first, ..] = digests.as_slice() else {
        panic!("{entries:#?}");
    };
    assert!(first.is_some() && first != second);
    assert_eq!(first, third, "the password does not count");
    let text = serde_json::to_string(&entries).expect("JSON");
    for secret in ["HUNTER", &token[20..], code] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let newest = entries.first().expect("the login");
    assert_eq!(
        (&newest["action"], &newest["status"]),
        (&json!("POST /login"), &json!(200))
    );
    let by_command = server.bearer.replacen("Bearer ", "", 1);
    assert!(!text.contains(&by_command[20..]));
}

#[test]
fn the_log_is_read_in_parts_and_by_admins_alone() {
    let server = Server::new();
    for _ in 0..5 {
        server.post("/profiles", &json!({}));
    }
    let part = server.get("/audit?limit=2").json();
    assert_eq!(part["entries"].as_array().map(Vec::len), Some(2));
    let next = part["next"].as_u64().expect("more");
    let rest = server.get(&format!("/audit?before={next}")).json();
    assert_eq!(rest["entries"].as_array().map(Vec::len), Some(3));
    assert!(rest["next"].is_null());
    for bad in ["limit=0", "limit=1001", "before=x"] {
        assert_eq!(
            server.get(&format!("/audit?{bad}")).problem().0,
            400,
            "{bad}"
        );
    }
    let audit = format!("{BASE}/audit");
    assert_eq!(
        scope_of(&Method::GET, &audit),
        Some(crate::scope::Scope::Admin)
    );
}

/// Two accounts at a pool, which are no addresses of a coin.
const OLD: &str = "accountoldoldold";
const NEW: &str = "accountnewXqPz12";

/// A rig that is told to mine with the profile `p`, which pays [`OLD`], and another profile that pays
/// [`NEW`].
fn mining() -> Server {
    let server = Server::with_rig();
    for (name, user) in [("p", OLD), ("other", NEW)] {
        let pools = json!([{ "url": "pool.example:3333", "user": user }]);
        let made = server.post("/profiles", &json!({ "name": name, "pools": pools }));
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
    smol::block_on(async {
        let rig = server.farm.resolve("rig-alpha").expect("there");
        server.farm.start(rig, "p").await.expect("pending");
    });
    server
}

/// What would have a rig mine for [`NEW`]: each of the ways there are.
fn ways() -> [(Method, &'static str, Value); 4] {
    let pools = json!([{ "url": "pool.example:3333", "user": NEW }]);
    let start = json!({ "type": "start", "profileId": "other" });
    [
        (Method::PUT, "/profiles/p", json!({ "pools": pools })),
        (
            Method::POST,
            "/remote/rig-alpha/start",
            json!({ "profileId": "other" }),
        ),
        (
            Method::POST,
            "/rollouts",
            json!({ "profileId": "other", "select": "all" }),
        ),
        (
            Method::POST,
            "/bulk",
            json!({ "select": "all", "action": start }),
        ),
    ]
}

#[test]
fn another_wallet_is_not_mined_for_until_its_end_was_repeated() {
    for (method, path, body) in ways() {
        let server = mining();
        let ask = |said: Option<&str>| {
            let mut body = body.clone();
            if let Some(said) = said {
                body["confirmPayout"] = json!(said);
            }
            server.request(method.clone(), &format!("{BASE}{path}"), &body.to_string())
        };
        for said in [None, Some("wrong1")] {
            let refused = ask(said);
            let expected = (409, "PAYOUT_UNCONFIRMED".to_owned());
            assert_eq!(refused.problem(), expected, "{path}");
            assert_eq!(refused.json()["field"], "confirmPayout");
            assert!(!refused.text.contains("XqPz12"), "{}", refused.text);
        }
        let told = server.get("/peers/rig-alpha").json();
        assert_eq!(told["desired"]["profile"], "p", "{path}");
        assert_eq!(server.get("/profiles/p").json()["pools"][0]["user"], OLD);
    }
    // A change alone is confirmed here; the others wait for the rig.
    let server = mining();
    let (method, path, mut body) = ways().into_iter().next().expect("one");
    body["confirmPayout"] = json!("XqPz12");
    let done = server.request(method, &format!("{BASE}{path}"), &body.to_string());
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    let back = server.post("/profiles/p/rollback", &json!({ "to": 1 }));
    assert_eq!(back.problem(), (409, "PAYOUT_UNCONFIRMED".to_owned()));
    let back = json!({ "to": 1, "confirmPayout": "oldold" });
    assert_eq!(
        server.post("/profiles/p/rollback", &back).status,
        StatusCode::OK
    );
}

#[test]
fn an_operator_starts_no_rig_with_another_wallet() {
    let server = mining();
    let made = server
        .post("/api-tokens", &json!({ "scope": "operate" }))
        .json();
    let bearer = format!("Bearer {}", made["token"].as_str().expect("shown once"));
    for (method, path, mut body) in ways() {
        body["confirmPayout"] = json!("XqPz12");
        let request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{path}"))
            .header(HOST, "127.0.0.1:9090")
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, "application/json");
        let body = Body::from(body.to_string());
        let refused = server.send(request.body(body).expect("well formed"));
        assert_eq!(
            refused.problem(),
            (403, "SCOPE_TOO_LOW".to_owned()),
            "{path}"
        );
    }
}
