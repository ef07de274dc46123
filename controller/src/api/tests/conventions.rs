//! What holds for every route: request ids, pages of lists, repeated requests, tags of answers.

use super::*;

const KEY: &str = "idempotency-key";

fn rig(number: u8) -> Value {
    let fingerprint = Fingerprint([number; 32]).to_string();
    json!({ "name": format!("rig-{number:02}"), "fingerprint": fingerprint })
}

fn farm_of(rigs: u8) -> Server {
    let server = Server::new();
    for number in 1..=rigs {
        assert_eq!(server.post("/peers", &rig(number)).status, 201);
    }
    server
}

fn names(page: &Reply) -> Vec<String> {
    let page = page.json();
    let items = page.as_array().expect("an array").iter();
    items
        .map(|item| item["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn a_request_has_the_number_that_it_brought_in_its_header_and_in_its_error() {
    let server = Server::new();
    let brought = [("x-request-id", "trace-7")];
    let reply = server.with(Method::GET, "/peers/nobody", &brought, &json!({}));
    assert_eq!(reply.header("x-request-id"), Some("trace-7"));
    assert_eq!(reply.json()["requestId"], "trace-7");
    let good = server.with(Method::GET, "/peers", &brought, &json!({}));
    assert_eq!(good.header("x-request-id"), Some("trace-7"));
    let other = server.get("/peers/nobody");
    assert_eq!(other.header("x-request-id").map(str::len), Some(16));
    assert_eq!(other.problem().1, "PEER_NOT_FOUND");
}

#[test]
fn a_list_is_whole_or_walked_by_its_links() {
    let server = farm_of(5);
    let whole = server.get("/peers");
    assert_eq!(names(&whole).len(), 5);
    assert_eq!(whole.header("x-total-count"), Some("5"));
    assert_eq!(whole.header("link"), None);
    let (mut seen, mut query) = (Vec::new(), "?limit=2".to_owned());
    for another in 100.. {
        let page = server.get(&format!("/peers{query}"));
        assert_eq!(page.header("x-total-count"), Some("5"));
        seen.extend(names(&page));
        let Some(link) = page.header("link") else {
            break;
        };
        let link = link.strip_suffix(">; rel=\"next\"").expect("a link");
        query = link.trim_start_matches('<').to_owned();
        // The rig that was shown last is removed; nothing is left out for that.
        let last = seen.last().expect("shown");
        assert_eq!(server.delete(&format!("/peers/{last}")).status, 200);
        assert_eq!(server.post("/peers", &rig(another)).status, 201);
    }
    assert_eq!(&seen[..5], names(&whole));
}

#[test]
fn every_list_takes_the_same_parameters() {
    let server = Server::new();
    for list in [
        "/peers",
        "/pools",
        "/profiles",
        "/tokens",
        "/pending",
        "/removed",
    ] {
        let page = server.get(&format!("{list}?limit=10"));
        assert_eq!(page.json(), json!([]), "{list}");
        assert_eq!(page.header("x-total-count"), Some("0"), "{list}");
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=10001", "limit"),
            ("limit=x", "limit"),
            ("after=x", "after"),
            ("limt=1", "limt"),
        ] {
            let reply = server.get(&format!("{list}?{query}"));
            assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()));
            assert_eq!(reply.json()["field"], field, "{list}?{query}");
        }
    }
}

#[test]
fn a_misspelt_parameter_is_refused_with_those_that_there_are() {
    let server = Server::with_rig();
    let reply = server.delete("/peers/rig-alpha?keep_token=true");
    assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()));
    let message = reply.json()["message"].as_str().expect("said").to_owned();
    assert!(
        message.contains("keep_token") && message.contains("keepToken"),
        "{message}"
    );
    assert_eq!(
        server.get("/peers/rig-alpha").status,
        200,
        "it is still there"
    );
    assert_eq!(server.get("/node/info?x").problem().0, 400);
    assert_eq!(server.get("/node/info?%ff=1").problem().0, 400);
}

#[test]
fn a_request_that_is_repeated_is_done_once() {
    let server = Server::new();
    let add = |key: &str, body: &Value| server.with(Method::POST, "/peers", &[(KEY, key)], body);
    let first = add("k1", &rig(1));
    assert_eq!(
        (first.status.as_u16(), first.header("idempotency-replayed")),
        (201, None)
    );
    let again = add("k1", &rig(1));
    assert_eq!(again.status, 201);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.text, first.text);
    assert_eq!(
        add("k2", &rig(1)).problem(),
        (409, "PEER_EXISTS".to_owned())
    );
    assert_eq!(
        add("k1", &rig(2)).problem(),
        (422, "IDEMPOTENCY_MISMATCH".to_owned())
    );
    assert_eq!(names(&server.get("/peers")), ["rig-01"]);
}

#[test]
fn a_failure_is_not_kept_because_nothing_was_done() {
    let server = Server::with_rig();
    let start = || {
        let body = json!({ "profileId": "main" });
        server.with(Method::POST, "/remote/rig-alpha/stop", &[(KEY, "k")], &body)
    };
    assert_eq!(start().problem().1, "INVALID_INPUT");
    assert_eq!(start().problem().1, "INVALID_INPUT");
}

#[test]
fn a_secret_is_not_kept_for_a_repeated_request() {
    let server = Server::new();
    let make = || server.with(Method::POST, "/tokens", &[(KEY, "k")], &json!({}));
    assert!(make().json()["token"].is_string());
    let again = make();
    assert_eq!(again.problem(), (409, "ANSWER_NOT_KEPT".to_owned()));
    assert!(!again.text.contains("ENR1"), "{}", again.text);
    assert_eq!(
        server.get("/tokens").json().as_array().map(Vec::len),
        Some(1)
    );
}

#[test]
fn a_key_is_of_its_credential() {
    let server = Server::new();
    let made = server
        .post("/api-tokens", &json!({ "scope": "operate" }))
        .json();
    let other = Server {
        bearer: format!("Bearer {}", made["token"].as_str().expect("made")),
        router: server.router.clone(),
        farm: Arc::clone(&server.farm),
    };
    let add = |server: &Server| server.with(Method::POST, "/peers", &[(KEY, "k")], &rig(1));
    assert_eq!(add(&server).status, 201);
    assert_eq!(add(&other).problem(), (409, "PEER_EXISTS".to_owned()));
    assert_eq!(add(&server).header("idempotency-replayed"), Some("true"));
}

#[test]
fn a_key_that_is_none_is_refused_before_anything_is_done() {
    let server = Server::new();
    let long = "x".repeat(MAX_IDEMPOTENCY_KEY + 1);
    for key in ["", "a b", "ä", &long] {
        let reply = server.with(Method::POST, "/peers", &[(KEY, key)], &rig(1));
        assert_eq!(reply.problem().0, 400, "{key}");
        assert_eq!(reply.json()["field"], "Idempotency-Key");
    }
    assert_eq!(names(&server.get("/peers")), [""; 0]);
}

#[test]
fn an_answer_that_the_client_has_is_not_sent_again() {
    let server = Server::new();
    let first = server.get("/profiles");
    let tag = first.header("etag").expect("a tag").to_owned();
    let ask = |tag: &str| {
        let known = [("if-none-match", tag)];
        server.with(Method::GET, "/profiles", &known, &json!({}))
    };
    let same = ask(&tag);
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    assert_eq!(same.header("etag"), Some(&*tag));
    server.post("/profiles", &profile());
    let changed = ask(&tag);
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(&*tag));
    assert_eq!(server.get("/peers/nobody").header("etag"), None);
}

fn profile() -> Value {
    json!({ "name": "main", "pools": [{ "url": "pool.example:3333", "user": "w" }] })
}

#[test]
fn a_profile_that_somebody_has_changed_since_is_not_deleted() {
    let server = Server::with_rig();
    server.post("/profiles", &profile());
    let delete = |tag: &str| {
        let seen = [("if-match", tag)];
        server.with(Method::DELETE, "/profiles/main", &seen, &json!({}))
    };
    assert_eq!(
        delete("\"0\"").problem(),
        (412, "PRECONDITION_FAILED".to_owned())
    );
    let tag = server
        .get("/profiles/main")
        .header("etag")
        .expect("a tag")
        .to_owned();
    assert_eq!(delete(&tag).status, 200);
}
