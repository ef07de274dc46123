//! Versions of profiles over the API.

use super::*;

const FUND: &str = "44AFFq5kSiGBoZ4NMDwYtN18obc8AemS33DBLWs3H7otXft3XjrpDtQGv7SqSsaBYBb98uNbr2VBBEt7f2wfn3RVGQBEP3A";

fn pool(url: &str, user: &str) -> Value {
    json!({ "url": url, "user": user })
}

/// A server with the profile `p` in version 1, whose pool has a password.
fn with_profile() -> Server {
    let server = Server::with_rig();
    let pool = json!({ "url": "a.example:1", "user": "w", "pass": "hunter2" });
    let made = server.post("/profiles", &json!({ "name": "p", "pools": [pool] }));
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["version"], 1);
    server
}

fn fields(changes: &Value) -> Vec<&str> {
    let changes = changes.as_array().expect("a list").iter();
    changes
        .map(|change| change["field"].as_str().expect("named"))
        .collect()
}

#[test]
fn a_mistyped_wallet_is_refused_with_its_pool_and_what_is_wrong() {
    let server = Server::new();
    let wrong = FUND.replace("FFq5", "FFq6");
    let pools = [pool("a.example:1", FUND), pool("b.example:2", &wrong)];
    let refused = server.post("/profiles", &json!({ "name": "p", "pools": pools }));
    assert_eq!(refused.problem(), (400, "INVALID_INPUT".to_owned()));
    let problem = refused.json();
    assert_eq!(problem["field"], "pools[1].user");
    assert_eq!(
        problem["message"],
        "`pools[1].user` cannot be used: checksum differs: a character was mistyped"
    );
    assert!(!refused.text.contains(&wrong), "logins are in no error");

    let coin = json!({ "name": "p", "coin": "zephyr", "pools": [pool("a.example:1", FUND)] });
    let refused = server.post("/profiles", &coin).json();
    assert_eq!(
        refused["message"],
        "`pools[0].user` cannot be used: it is a Monero address, and a Zephyr address is wanted"
    );
}

#[test]
fn how_far_a_wallet_was_checked_is_said() {
    let server = Server::new();
    for (name, coin, user, checked) in [
        ("a", Value::Null, FUND, "address"),
        ("b", json!("monero"), FUND, "address"),
        ("c", json!("raptoreum"), "RAbc", "formOnly"),
        ("d", Value::Null, "practice", "login"),
    ] {
        let body = json!({ "name": name, "coin": coin, "pools": [pool("a.example:1", user)] });
        let made = server.post("/profiles", &body).json();
        assert_eq!(made["pools"][0]["checked"], checked, "{made}");
    }
}

#[test]
fn a_change_makes_the_next_version_and_keeps_the_password_it_does_not_name() {
    let server = with_profile();
    let body =
        json!({ "pools": [pool("a.example:1", "w")], "threadsPercent": 75, "comment": "heat" });
    let changed = server.put("/profiles/p", &body).json();
    assert_eq!(
        (&changed["version"], &changed["threadsPercent"]),
        (&json!(2), &json!(75))
    );
    assert_eq!(changed["pools"][0]["hasPass"], true);
    assert_eq!(changed["comment"], "heat");
    let again = server.put("/profiles/p", &body).json();
    assert_eq!(again["version"], 2, "it says the same");

    let versions = server.get("/profiles/p/versions").json();
    assert_eq!(versions[0]["version"], 2);
    assert_eq!(versions[1]["version"], 1);
    assert_eq!(versions[1]["hashrate"], Value::Null, "unknown, not 0");
    assert_ne!(versions[0]["hash"], versions[1]["hash"]);
    assert_eq!(versions[0]["hash"].as_str().map(str::len), Some(12));
    let first = server.get("/profiles/p/versions/1").json();
    assert_eq!(
        (&first["version"], &first["threadsPercent"]),
        (&json!(1), &Value::Null)
    );

    let none = json!({ "pools": [{ "url": "a.example:1", "user": "w", "pass": "" }] });
    let changed = server.put("/profiles/p", &none).json();
    assert_eq!(changed["pools"][0]["hasPass"], false);
    let moved = json!({ "pools": [pool("b.example:2", "w")] });
    let changed = server.put("/profiles/p", &moved).json();
    assert_eq!(
        changed["pools"][0]["hasPass"], false,
        "another pool's is none of its business"
    );
}

#[test]
fn what_somebody_else_changed_meanwhile_is_not_overwritten() {
    let server = with_profile();
    let body = |threads: u16, version: u32| json!({ "pools": [pool("a.example:1", "w")], "threads": threads, "version": version });
    assert_eq!(
        server.put("/profiles/p", &body(2, 1)).status,
        StatusCode::OK
    );
    let late = server.put("/profiles/p", &body(3, 1));
    assert_eq!(late.problem(), (412, "VERSION_CONFLICT".to_owned()));
    let late = server.post("/profiles/p/preview", &body(3, 1));
    assert_eq!(late.problem(), (412, "VERSION_CONFLICT".to_owned()));
    let missing = server.get("/profiles/p/versions/9");
    assert_eq!(missing.problem(), (404, "VERSION_NOT_FOUND".to_owned()));
    assert_eq!(missing.json()["hint"], "kept are 2, 1");
    let renamed = json!({ "name": "q", "pools": [pool("a.example:1", "w")] });
    assert_eq!(server.put("/profiles/p", &renamed).json()["field"], "name");
}

#[test]
fn a_preview_says_what_would_change_for_whom_and_stores_nothing() {
    let server = with_profile();
    smol::block_on(async {
        let rig = server.farm.resolve("rig-alpha").expect("known");
        server.farm.start(rig, "p").await.expect("pending");
    });
    let body = json!({ "pools": [pool("a.example:1", "thief")], "nice": 5 });
    let preview = server.post("/profiles/p/preview", &body).json();
    assert_eq!((&preview["from"], &preview["to"]), (&json!(1), &json!(2)));
    assert_ne!(preview["fromHash"], preview["toHash"]);
    assert_eq!(fields(&preview["changes"]), ["nice", "pools[0].user"]);
    assert_eq!(preview["payoutChanged"], true);
    let rig = &preview["rigs"][0];
    assert_eq!(rig["name"], "rig-alpha");
    assert_eq!((&rig["from"], &rig["changes"]), (&json!(1), &json!(true)));
    assert_eq!(rig["fromHash"], preview["fromHash"]);
    assert_eq!(rig["wouldRefuse"], Value::Null);
    assert!(rig["note"].is_string(), "it is away, so this is not known");
    assert_eq!(server.get("/profiles/p").json()["version"], 1);
}

#[test]
fn a_rig_keeps_its_version_until_it_is_started_again() {
    let server = with_profile();
    let start = json!({ "profileId": "p" });
    let started = server.post("/remote/rig-alpha/start", &start).json();
    assert_eq!(
        (&started["version"], &started["rests"]),
        (&json!(1), &json!(false))
    );
    let body = json!({ "pools": [pool("a.example:1", "w")], "threads": 2 });
    assert_eq!(server.put("/profiles/p", &body).json()["version"], 2);
    let told = || server.get("/peers/rig-alpha").json()["desired"]["version"].clone();
    assert_eq!(told(), 1);
    let versions = server.get("/profiles/p/versions").json();
    assert_eq!(
        (&versions[0]["rigs"], &versions[1]["rigs"]),
        (&json!(0), &json!(1))
    );
    server.post("/remote/rig-alpha/start", &start);
    assert_eq!(told(), 2);
}

#[test]
fn a_rollback_is_a_next_version_that_says_what_an_older_one_says() {
    let server = with_profile();
    let body = json!({ "pools": [pool("b.example:2", "v")] });
    server.put("/profiles/p", &body);
    let diff = server.get("/profiles/p/diff?from=1").json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(1), &json!(2)));
    assert_eq!(
        fields(&diff["changes"]),
        ["pools[0].url", "pools[0].user", "pools[0].pass"]
    );
    assert_eq!(diff["payoutChanged"], true);
    let back = server.post(
        "/profiles/p/rollback",
        &json!({ "to": 1, "comment": "worse" }),
    );
    let back = back.json();
    assert_eq!(
        (&back["version"], &back["restores"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(back["pools"][0]["hasPass"], true, "passwords included");
    let diff = server.get("/profiles/p/diff?from=1&to=3").json();
    assert_eq!(diff["changes"], json!([]));
    assert!(
        !server
            .get("/profiles/p/diff?from=1&to=2")
            .text
            .contains("hunter2")
    );
    let missing = server.post("/profiles/p/rollback", &json!({ "to": 9 }));
    assert_eq!(missing.problem().0, 404);
    assert_eq!(
        server.post("/profiles/p/rollback", &json!({})).json()["field"],
        "to"
    );
}

#[test]
fn a_rig_that_is_started_outside_its_hours_rests_and_is_told_so() {
    let server = Server::with_rig();
    // Open for one minute a week: whenever this runs, it is closed, one minute apart.
    let now = server.farm.clock_minutes();
    let from = (now + 600) % 1440;
    let to = (now + 601) % 1440;
    let clock = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let window = format!("daily {}-{}", clock(from), clock(to));
    let body = json!({ "name": "p", "pools": [pool("a.example:1", "w")], "windows": [window] });
    let made = server.post("/profiles", &body).json();
    assert_eq!(made["hours"]["open"], false);
    assert!(made["hours"]["next"].is_string());
    let started = server.post("/remote/rig-alpha/start", &json!({ "profileId": "p" }));
    assert_eq!(started.json()["rests"], true);
}
