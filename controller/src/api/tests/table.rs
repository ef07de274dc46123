//! The table of rigs by requests.

use super::fleet::server;
use super::*;

fn names(reply: &Reply) -> Vec<String> {
    let table = reply.json();
    let rows = table["rows"].as_array().expect("rows").iter();
    rows.map(|row| row["name"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn a_table_comes_in_windows_by_name_as_people_count() {
    let server = server(&["rig-10", "rig-2", "a", "rig-1"]);
    let whole = server.get("/table");
    assert_eq!(whole.status, StatusCode::OK);
    assert_eq!(names(&whole), ["a", "rig-1", "rig-2", "rig-10"]);
    let table = whole.json();
    assert_eq!(
        (&table["registered"], &table["matched"], &table["offset"]),
        (&json!(4), &json!(4), &json!(0))
    );
    assert!(table["at"].is_string());
    for (query, rows) in [
        ("?limit=2", &["a", "rig-1"][..]),
        ("?limit=2&offset=2", &["rig-2", "rig-10"]),
        ("?offset=3&sort=", &["rig-10"]),
        ("?offset=4", &[]),
        ("?offset=4294967295", &[]),
        ("?sort=-name&limit=1", &["rig-10"]),
        ("?select=name=rig*&sort=-id", &["rig-1", "rig-2", "rig-10"]),
        ("?select=state=online", &[]),
    ] {
        let reply = server.get(&format!("/table{query}"));
        assert_eq!(names(&reply), rows, "{query}");
    }
    let past = server.get("/table?offset=9&select=name=rig*").json();
    assert_eq!((&past["offset"], &past["matched"]), (&json!(9), &json!(3)));
}

#[test]
fn a_window_that_is_not_understood_names_the_parameter() {
    let server = server(&["a"]);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("offset=4294967296", "offset"),
        ("sort=hashrat", "sort"),
        ("sort=Name", "sort"),
        ("select=grop=x", "select"),
        ("column=name", "column"),
    ] {
        let reply = server.get(&format!("/table?{query}"));
        assert_eq!(
            reply.problem(),
            (400, "INVALID_INPUT".to_owned()),
            "{query}"
        );
        assert_eq!(reply.json()["field"], field, "{query}");
    }
    let message = server.get("/table?sort=hashrat").json()["message"].to_string();
    assert!(message.contains("did you mean hashrate?"), "{message}");
}

#[test]
fn csv_is_a_file_of_all_rigs_that_are_selected_in_the_order_asked_for() {
    let server = Server::new();
    // More than one piece.
    let names: Vec<_> = (0..300_u16).map(|n| format!("rig-{n}")).collect();
    for (n, name) in (1_u16..).zip(&names) {
        let [high, low] = n.to_be_bytes();
        let mut key = [high; 32];
        key[1] = low;
        let rig = json!({ "name": name, "fingerprint": Fingerprint(key).to_string() });
        assert_eq!(server.post("/peers", &rig).status, StatusCode::CREATED);
    }
    let reply = server.get("/table.csv?sort=-name&select=name!=rig-7");
    assert_eq!(reply.status, StatusCode::OK);
    let kind = reply.header("content-type").expect("a type");
    assert!(kind.starts_with("text/csv"), "{kind}");
    let file = reply.header("content-disposition").expect("a name");
    assert_eq!(file, "attachment; filename=\"rigs.csv\"");
    let mut lines = reply.text.lines();
    assert!(lines.next().expect("a head").starts_with("id,name,group,"));
    let shown: Vec<_> = lines.filter_map(|line| line.split('"').nth(3)).collect();
    let wanted: Vec<_> = names
        .into_iter()
        .rev()
        .filter(|name| *name != "rig-7")
        .collect();
    assert_eq!(shown, wanted);

    let none = server.get("/table.csv?select=name=nobody");
    assert_eq!(none.text.lines().count(), 1, "the head alone");
    assert_eq!(server.get("/table.csv?limit=1").problem().0, 400);
}

#[test]
fn a_map_is_lists_of_the_same_length_and_is_of_the_rigs_that_are_selected() {
    let server = server(&["rig-10", "rig-2", "a"]);
    let label = json!({ "type": "label", "group": "shed" });
    let body = json!({ "select": "name=rig*", "action": label });
    assert_eq!(server.post("/bulk", &body).status, StatusCode::OK);
    let map = server.get("/map").json();
    let rack = &map["racks"][0];
    assert_eq!(
        (&rack["site"], &rack["group"], &rack["names"]),
        (&Value::Null, &json!("shed"), &json!(["rig-2", "rig-10"]))
    );
    for column in ["ids", "names", "states", "hashrates", "ages", "percents"] {
        assert_eq!(rack[column].as_array().map(Vec::len), Some(2), "{column}");
    }
    assert_eq!(map["racks"][1]["names"], json!(["a"]));
    let map = server.get("/map?select=group=").json();
    assert_eq!(map["racks"].as_array().map(Vec::len), Some(1));
    assert_eq!(server.get("/map?select=grop=").problem().0, 400);
}

#[test]
fn a_farm_is_taken_apart_by_what_is_asked_for_and_by_state_if_nothing_is() {
    let server = server(&["a", "b", "c"]);
    let whole = server.get("/breakdown").json();
    let part = json!({
        "value": "offline", "rigs": 3, "online": 0, "hashrate": null,
        "accepted": null, "rejected": null, "stale": null,
    });
    assert_eq!(whole["parts"], json!([part]));
    assert_eq!(
        (&whole["by"], &whole["moreParts"], &whole["moreRigs"]),
        (&json!("state"), &json!(0), &json!(0))
    );
    for by in [
        "state", "cpu", "profile", "pool", "group", "site", "software",
    ] {
        let view = server
            .get(&format!("/breakdown?by={by}&select=name=a,b"))
            .json();
        assert_eq!(
            (&view["by"], &view["parts"][0]["rigs"]),
            (&json!(by), &json!(2))
        );
    }
    let refused = server.get("/breakdown?by=colour");
    assert_eq!(refused.problem(), (400, "INVALID_INPUT".to_owned()));
    assert_eq!(refused.json()["field"], "by");
}
