//! Selectors, labels, groups and bulk by requests.

use super::*;

/// A farm of rigs by these names, none of which ever had a link.
pub(super) fn server(names: &[&str]) -> Server {
    let server = Server::new();
    for (n, name) in (1..).zip(names) {
        let fingerprint = Fingerprint([n; 32]).to_string();
        let rig = json!({ "name": name, "fingerprint": fingerprint });
        assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
    }
    server
}

fn patch(server: &Server, rig: &str, body: &Value) -> Reply {
    let path = format!("{BASE}/peers/{rig}");
    server.request(Method::PATCH, &path, &body.to_string())
}

pub(super) fn names(reply: &Reply) -> Vec<String> {
    let rigs = reply.json();
    let rigs = rigs.as_array().expect("a list").iter();
    rigs.map(|rig| rig["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn labels_are_written_changed_and_taken_away() {
    let server = server(&["a"]);
    let body = json!({ "name": "b", "group": "shed", "site": "farm-1", "tags": ["x", "y"] });
    let rig = patch(&server, "a", &body).json();
    assert_eq!((&rig["name"], &rig["group"]), (&json!("b"), &json!("shed")));
    assert_eq!(
        (&rig["site"], &rig["tags"]),
        (&json!("farm-1"), &json!(["x", "y"]))
    );

    let body = json!({ "group": null, "addTags": ["a"], "removeTags": ["x", "nothing"] });
    let rig = patch(&server, "b", &body).json();
    assert_eq!((&rig["name"], &rig["group"]), (&json!("b"), &Value::Null));
    assert_eq!(
        (&rig["site"], &rig["tags"]),
        (&json!("farm-1"), &json!(["a", "y"]))
    );
    assert_eq!(server.get("/peers/b").json()["tags"], json!(["a", "y"]));
}

#[test]
fn a_change_that_cannot_be_made_as_a_whole_is_not_made_at_all() {
    let server = server(&["a", "b"]);
    let many: Vec<_> = (0..17).map(|n| format!("t{n}")).collect();
    for (body, field) in [
        (json!({}), "name"),
        (json!({ "name": "c", "group": "two words" }), "group"),
        (json!({ "name": "c", "addTags": ["-"] }), "addTags"),
        (json!({ "name": "c", "tags": many }), "tags"),
        (json!({ "name": "b", "group": "shed" }), "name"),
    ] {
        let reply = patch(&server, "a", &body);
        assert!(!reply.status.is_success(), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    assert_eq!(patch(&server, "a", &json!({ "colour": "red" })).status, 400);
    let rig = server.get("/peers/a").json();
    assert_eq!((&rig["group"], &rig["tags"]), (&Value::Null, &json!([])));
}

#[test]
fn a_selector_picks_exactly() {
    let server = server(&["c", "a", "b", "rig 7"]);
    patch(
        &server,
        "a",
        &json!({ "group": "shed", "addTags": ["old"] }),
    );
    patch(&server, "b", &json!({ "group": "shed" }));
    for (select, rigs) in [
        ("", &["a", "b", "c", "rig 7"][..]),
        ("all", &["a", "b", "c", "rig 7"]),
        ("group%3Dshed", &["a", "b"]),
        ("group=shed%20tag!=old", &["b"]),
        ("group=shed+tag!=old", &["b"]),
        ("tag!=old%20state=offline", &["b", "c", "rig 7"]),
        ("name=%22rig%207%22,c", &["c", "rig 7"]),
        ("name=rig*", &["rig 7"]),
        ("id=0101*", &["c"]),
        ("seen=%20hashrate=", &["a", "b", "c", "rig 7"]),
        ("state=online", &[]),
        ("seen%3E1h", &[]),
    ] {
        let reply = server.get(&format!("/peers?select={select}"));
        assert_eq!(names(&reply), rigs, "{select}");
    }
    assert_eq!(names(&server.get("/peers")), ["a", "b", "c", "rig 7"]);
}

#[test]
fn a_selector_that_is_not_understood_says_where() {
    let server = server(&["a"]);
    for route in ["/peers", "/remote/stats"] {
        let reply = server.get(&format!("{route}?select=group=a%20grop=shed"));
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()));
        let problem = reply.json();
        assert_eq!(problem["field"], "select");
        let message = problem["message"].as_str().expect("text");
        assert!(message.contains("at character 9"), "{message}");
        assert!(message.contains("did you mean group?"), "{message}");
    }
    assert_eq!(server.get("/peers?slect=all").problem().0, 400);
}

#[test]
fn groups_count_their_rigs_and_what_is_in_none() {
    let server = server(&["a", "b", "c"]);
    patch(
        &server,
        "a",
        &json!({ "group": "shed", "tags": ["x", "y"] }),
    );
    patch(
        &server,
        "b",
        &json!({ "group": "shed", "site": "hill", "tags": ["x"] }),
    );
    let row =
        |name: Value, rigs| json!({ "name": name, "rigs": rigs, "online": 0, "hashrate": null });
    assert_eq!(
        server.get("/groups").json(),
        json!({
            "groups": [row(Value::Null, 1), row(json!("shed"), 2)],
            "sites": [row(Value::Null, 2), row(json!("hill"), 1)],
            "tags": [row(json!("x"), 2), row(json!("y"), 1)],
        })
    );
}

#[test]
fn a_bulk_request_says_what_it_did_to_which_rig() {
    let server = server(&["a", "b", "c"]);
    let body = json!({ "select": "name=a,b", "action": { "type": "stop" }, "dryRun": true });
    let dry = server.post("/bulk", &body).json();
    assert_eq!((&dry["matched"], &dry["dryRun"]), (&json!(2), &json!(true)));
    assert_eq!(server.get("/peers/a").json()["desired"]["generation"], 0);

    let body = json!({ "select": "name=a,b", "action": { "type": "stop" }, "expect": 2 });
    let done = server.post("/bulk", &body).json();
    let result = |n: u8, name: &str| {
        let id = Fingerprint([n; 32]).node_id().to_string();
        json!({ "id": id, "name": name, "status": "pending" })
    };
    assert_eq!(
        done,
        json!({
            "matched": 2,
            "action": { "type": "stop" },
            "dryRun": false,
            "counts": { "pending": 2 },
            "results": [result(1, "a"), result(2, "b")],
        })
    );
    for (rig, generation) in [("a", 1), ("b", 1), ("c", 0)] {
        let rig = server.get(&format!("/peers/{rig}")).json();
        assert_eq!(rig["desired"]["generation"], generation);
    }
    let label = json!({ "type": "label", "group": "shed", "addTags": ["x"] });
    let body = json!({ "ids": ["a", "nobody"], "action": label });
    let done = server.post("/bulk", &body).json();
    assert_eq!(done["action"], label, "as it was asked for");
    assert_eq!(done["counts"], json!({ "applied": 1, "failed": 1 }));
    assert_eq!(done["results"][1]["code"], "PEER_NOT_FOUND");
    assert_eq!(
        names(&server.get("/peers?select=group=shed%20tag=x")),
        ["a"]
    );
}

#[test]
fn a_bulk_request_that_is_not_clear_touches_nobody() {
    let server = server(&["a"]);
    let stop = json!({ "type": "stop" });
    for (body, field) in [
        (json!({ "action": stop }), "select"),
        (json!({ "select": "", "action": stop }), "select"),
        (json!({ "select": "grop=x", "action": stop }), "select"),
        (
            json!({ "select": "all", "ids": ["a"], "action": stop }),
            "ids",
        ),
        (json!({ "select": "all" }), "action"),
        (
            json!({ "select": "all", "action": { "type": "dance" } }),
            "action",
        ),
        (
            json!({ "select": "all", "action": { "type": "start" } }),
            "action",
        ),
        (
            json!({ "select": "all", "action": { "type": "label" } }),
            "action",
        ),
        (
            json!({ "select": "all", "action": { "type": "label", "group": "two words" } }),
            "action",
        ),
        (
            json!({ "select": "all", "action": { "type": "label", "colour": "red" } }),
            "action",
        ),
    ] {
        let reply = server.post("/bulk", &body);
        assert_eq!(reply.problem(), (400, "INVALID_INPUT".to_owned()), "{body}");
        assert_eq!(reply.json()["field"], field, "{body}");
    }
    let body = json!({ "select": "all", "action": stop, "expect": 7 });
    let reply = server.post("/bulk", &body);
    assert_eq!(reply.problem(), (409, "SELECTION_CHANGED".to_owned()));
    assert_eq!(server.get("/peers/a").json()["desired"]["generation"], 0);
}
