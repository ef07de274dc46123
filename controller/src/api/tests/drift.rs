//! Rigs that do not run what the registry wants, by requests.

use super::fleet::{names, server};
use super::*;

/// A farm of these rigs, all of which are told to mine and none of which is heard of.
fn told(rigs: &[&str]) -> Server {
    let server = server(rigs);
    let pool = json!({ "url": "pool.example:3333", "user": "w" });
    let profile = json!({ "name": "Main", "pools": [pool] });
    assert_eq!(server.post("/profiles", &profile).status, 201);
    for rig in rigs {
        let started = server.post(
            &format!("/remote/{rig}/start"),
            &json!({ "profileId": "main" }),
        );
        assert_eq!(started.status, StatusCode::OK, "{}", started.text);
    }
    server
}

#[test]
fn rigs_that_drift_are_a_list_with_selector_reason_and_pages() {
    let server = told(&["b", "c", "a"]);
    let idle = json!({ "name": "idle", "fingerprint": Fingerprint([9; 32]).to_string() });
    assert_eq!(server.post("/peers", &idle).status, StatusCode::CREATED);

    for (query, rigs) in [
        ("", &["a", "b", "c"][..]),
        ("?select=name=a,c", &["a", "c"]),
        ("?reason=unknown", &["a", "b", "c"]),
        ("?reason=refused", &[]),
        ("?select=name=a&reason=pending", &[]),
        ("?limit=2", &["a", "b"]),
    ] {
        let reply = server.get(&format!("/drift{query}"));
        assert_eq!(reply.status, StatusCode::OK, "{query}");
        assert_eq!(names(&reply), rigs, "{query}");
    }
    let first = server.get("/drift?reason=unknown&limit=2");
    assert_eq!(first.header("x-total-count"), Some("3"));
    let link = first.header("link").expect("a next page");
    let next = link
        .strip_prefix("<?")
        .and_then(|rest| rest.split_once('>'))
        .expect("a link");
    assert!(next.0.contains("reason=unknown"), "{link}");
    assert_eq!(names(&server.get(&format!("/drift?{}", next.0))), ["c"]);
    assert_eq!(
        names(&server.get("/peers?select=state=drift")),
        ["a", "b", "c"]
    );
}

#[test]
fn what_nobody_knows_of_a_rig_that_drifts_is_null() {
    let server = told(&["a"]);
    let row = &server.get("/drift").json()[0];
    assert_eq!(row["reason"], "unknown");
    assert_eq!(row["connected"], false);
    for unknown in ["lastSeenAgeMs", "field", "reported"] {
        assert_eq!(row[unknown], Value::Null, "{unknown}");
    }
    assert!(row["sinceMs"].is_u64() && row["message"].is_string());
    let wished = &row["wished"];
    assert_eq!(
        (&wished["profile"], &wished["profileId"], &wished["version"]),
        (&json!("Main"), &json!("main"), &json!(1))
    );
    assert_eq!(wished["hash"], server.get("/profiles/main").json()["hash"]);
}

#[test]
fn a_reason_or_selector_that_is_not_understood_names_the_parameter() {
    let server = told(&["a"]);
    for (query, field) in [
        ("reason=drift", "reason"),
        ("reason=", "reason"),
        ("select=grop=x", "select"),
        ("limit=0", "limit"),
        ("after=x", "after"),
        ("why=refused", "why"),
    ] {
        let reply = server.get(&format!("/drift?{query}"));
        assert_eq!(
            reply.problem(),
            (400, "INVALID_INPUT".to_owned()),
            "{query}"
        );
        assert_eq!(reply.json()["field"], field, "{query}");
    }
}
