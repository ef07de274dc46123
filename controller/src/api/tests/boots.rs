//! Rigs that boot over the network.

use super::*;

fn boot(mac: &str, step: &str) -> Value {
    json!({ "mac": mac, "step": step, "file": "x64.efi", "bytes": 5_500, "size": 11_000, "ageMs": 2_000 })
}

#[test]
fn what_a_boot_server_tells_is_listed_by_address_and_the_last_step_counts() {
    let server = Server::new();
    assert_eq!(server.get("/boots").json(), json!([]));
    let told = json!({ "boots": [
        boot("52-54-00-12-34-56", "offered"),
        boot("02:00:00:00:00:01", "loaded"),
    ] });
    assert_eq!(server.post("/boots", &told).json(), json!({ "noted": 2 }));
    let told = json!({ "boots": [boot("52:54:00:12:34:56", "loading")] });
    assert_eq!(server.post("/boots", &told).status, 200);
    let boots = server.get("/boots").json();
    let shown: Vec<_> = boots.as_array().expect("a list").iter().collect();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["mac"], "02:00:00:00:00:01");
    assert_eq!(shown[1]["step"], "loading");
    assert_eq!(
        (&shown[1]["percent"], &shown[1]["rig"]),
        (&json!(50), &Value::Null)
    );
    assert!(shown[1]["ageMs"].as_u64() >= Some(2_000));

    let page = server.get("/boots?limit=1");
    assert_eq!(page.json().as_array().map(Vec::len), Some(1));
    assert_eq!(page.header("x-total-count"), Some("2"));
}

#[test]
fn a_boot_that_is_none_is_refused_and_none_of_its_request_is_noted() {
    let server = Server::new();
    let good = boot("02:00:00:00:00:01", "loaded");
    let long = "x".repeat(65);
    for (bad, field) in [
        (boot("02:00", "seen"), "boots[1].mac"),
        (boot("02:00:00:00:00:02", "linked"), "boots[1].step"),
        (
            json!({ "mac": "02:00:00:00:00:02", "step": "seen", "file": long }),
            "boots[1].file",
        ),
        (
            json!({ "mac": "02:00:00:00:00:02", "step": "failed", "reason": "a\u{1b}" }),
            "boots[1].reason",
        ),
        (
            json!({ "mac": "02:00:00:00:00:02", "step": "seen", "ageMs": 86_400_001 }),
            "boots[1].ageMs",
        ),
    ] {
        let refused = server.post("/boots", &json!({ "boots": [good, bad] }));
        assert_eq!(refused.problem(), (400, "INVALID_INPUT".to_owned()));
        assert_eq!(refused.json()["field"], field);
    }
    let many = vec![good; crate::farm::MAX_REPORTED_BOOTS + 1];
    assert_eq!(
        server.post("/boots", &json!({ "boots": many })).json()["field"],
        "boots"
    );
    assert_eq!(server.get("/boots").json(), json!([]));
}
