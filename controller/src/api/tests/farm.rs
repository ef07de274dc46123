//! What the routes do: peers, profiles, wishes, tokens.

use super::*;

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
            "pools[0].user",
        ),
        (
            "/profiles",
            json!({ "name": "p", "pools": [{ "user": "w" }] }),
            "pools[0].url",
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
fn a_rig_is_approved_under_a_name_that_is_checked_first() {
    let server = Server::new();
    for (body, status, code, field) in [
        (json!({ "name": "a\nb" }), 400, "INVALID_INPUT", "name"),
        (json!({ "name": "corner" }), 404, "PEER_NOT_FOUND", "peer"),
        (json!({}), 404, "PEER_NOT_FOUND", "peer"),
    ] {
        let refused = server.post("/pending/rig-alpha/approve", &body);
        assert_eq!(refused.status.as_u16(), status, "{body}");
        let problem = refused.json();
        assert_eq!(
            (&problem["code"], &problem["field"]),
            (&json!(code), &json!(field))
        );
    }
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

#[test]
fn the_best_rigs_are_of_those_that_are_linked() {
    let server = Server::with_rig();
    assert_eq!(
        server.get("/optimal?count=3").json(),
        json!({ "peers": [], "leftOut": { "offline": 1, "worse": 0 } })
    );
    assert_eq!(server.get("/optimal").status, StatusCode::OK);
    for bad in ["0", "-1", "many"] {
        let reply = server.get(&format!("/optimal?count={bad}"));
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{bad}");
        assert_eq!(reply.json()["field"], "count");
    }
}

#[test]
fn attention_is_bounded_and_names_what_is_not_ready() {
    let server = Server::new();
    let empty = server.get("/attention").json();
    assert_eq!((&empty["total"], &empty["items"]), (&json!(0), &json!([])));
    assert_eq!(empty["counts"], json!({}));
    for limit in ["0", "201", "x", "-1"] {
        let reply = server.get(&format!("/attention?limit={limit}"));
        assert_eq!(
            reply.problem(),
            (400, "INVALID_INPUT".to_owned()),
            "{limit}"
        );
        assert_eq!(reply.json()["field"], "limit");
    }
    server.farm.serve();
    let view = server.get("/attention?limit=2").json();
    assert_eq!(
        (&view["total"], &view["counts"]),
        (&json!(3), &json!({ "notReady": 3 }))
    );
    let items = view["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    for item in items {
        assert_eq!(
            (&item["severity"], &item["kind"]),
            (&json!("red"), &json!("notReady"))
        );
        assert!(item["text"].is_string() && item["fix"].is_string());
        assert!(item["sinceMs"].is_null(), "{item}");
    }
}

#[test]
fn a_pool_to_be_looked_at_is_checked_by_its_fields_first() {
    let server = Server::new();
    for (body, field) in [
        (json!({}), "url"),
        (json!({ "url": "http://x:1" }), "url"),
        (json!({ "url": "x" }), "url"),
        (json!({ "url": "x:1" }), "user"),
        (json!({ "url": "x:1", "user": "\u{1b}" }), "user"),
        (json!({ "url": "x:1", "user": "w", "pass": "\n" }), "pass"),
        (json!({ "url": "x:1", "user": "w", "coin": "" }), "coin"),
    ] {
        let reply = server.post("/pools/check", &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
}

#[test]
fn a_pool_that_nobody_answers_for_is_an_answer_and_no_failure_and_holds_no_password() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("bound").to_string();
    drop(socket);
    let server = Server::new();
    let body = json!({ "url": address, "user": "wallet", "pass": "secret-pass", "tls": true });
    let reply = server.post("/pools/check", &body);
    assert_eq!(reply.status, 200, "{}", reply.text);
    let view = reply.json();
    assert_eq!(
        (&view["reachable"], &view["loggedIn"]),
        (&json!(false), &json!(false))
    );
    assert!(view["connectMs"].is_null() && view["error"].is_string());
    assert!(view["note"].as_str().expect("said").contains("TLS"));
    assert!(!reply.text.contains("secret-pass"));
}
