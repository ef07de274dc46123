//! The event log, its streams, history, metrics and what is ready.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::BodyDataStream;
use smol::future::FutureExt as _;
use smol::stream::StreamExt as _;

use super::*;
use crate::history::History;
use crate::journal::Journal;
use crate::registry::{Change, Durable, PeerRecord, Store, Trust};

/// An open stream of events.
struct Stream {
    body: BodyDataStream,
    text: String,
}

impl Stream {
    /// The next piece, without comments; panics after 10 s of silence.
    async fn piece(&mut self) -> String {
        loop {
            if let Some((piece, rest)) = self.text.split_once("\n\n") {
                let (piece, rest) = (piece.to_owned(), rest.to_owned());
                self.text = rest;
                if !piece.starts_with(':') {
                    return piece;
                }
                continue;
            }
            let silence = async {
                smol::Timer::after(Duration::from_secs(10)).await;
                panic!("silence behind {:?}", self.text)
            };
            let bytes = self.body.next().or(silence).await;
            let bytes = bytes.expect("goes on").expect("whole");
            self.text += std::str::from_utf8(&bytes).expect("text");
        }
    }

    /// Number and JSON of the next event.
    async fn event(&mut self) -> (u64, Value) {
        let piece = self.piece().await;
        let mut lines = piece.lines();
        let id = lines
            .next()
            .and_then(|line| line.strip_prefix("id: "))
            .unwrap_or_else(|| panic!("{piece}"));
        assert_eq!(lines.next(), Some("event: event"));
        let data = lines
            .next()
            .and_then(|line| line.strip_prefix("data: "))
            .expect("data");
        assert_eq!(lines.next(), None);
        (
            id.parse().expect("a number"),
            serde_json::from_str(data).expect("JSON"),
        )
    }
}

impl Server {
    async fn stream(&self, query: &str, last: Option<u64>) -> Result<Stream, StatusCode> {
        let mut request = Request::builder()
            .uri(format!("{BASE}/events/stream{query}"))
            .header(HOST, "127.0.0.1:9090")
            .header(AUTHORIZATION, &self.bearer);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request.body(Body::empty()).expect("well formed");
        let Ok(response) = self.router.clone().oneshot(request).await;
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        assert_eq!(
            response.headers()["content-type"],
            "text/event-stream; charset=utf-8"
        );
        Ok(Stream {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        })
    }

    /// With so many rigs that never had a link.
    fn with_rigs(count: u64) -> Self {
        let rigs = (0..count).map(|number| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number << 16).to_be_bytes());
            let row = PeerRecord {
                name: Name::parse(&format!("rig-{number}")).expect("valid"),
                address: None,
                trust: Trust::Fingerprint,
                added_at_ms: number,
                last_seen_ms: None,
                told: None,
            };
            Change::PutPeer(Fingerprint(key), row)
        });
        let mut store = MemoryStore::default();
        let rigs: Vec<_> = rigs.collect();
        store.commit(&rigs, Durable::Now).expect("memory");
        Self::on(store, Guard::loopback(9090, false))
    }

    /// An event that has this word in it.
    fn happen(&self, word: &str) {
        self.farm.make_happen(word);
    }

    /// With events and history in this folder.
    fn remember(&self, folder: &std::path::Path) {
        crate::up::remember(&self.farm, folder);
    }
}

fn labels(events: &Value) -> Vec<&str> {
    let events = events["events"].as_array().expect("a list").iter();
    events
        .map(|event| event["token"].as_str().unwrap_or("-"))
        .collect()
}

#[test]
fn events_are_listed_from_memory_and_from_the_journal_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    for kept in [false, true] {
        let server = Server::new();
        if kept {
            server.remember(folder.path());
        }
        for label in ["a", "b", "c"] {
            server.happen(label);
        }
        let newest = server.get("/events?limit=2").json();
        assert_eq!(labels(&newest), ["b", "c"], "{kept}");
        assert_eq!((&newest["next"], &newest["lost"]), (&json!(2), &json!(0)));
        let first = server.get("/events?since=1h&limit=1").json();
        assert_eq!((labels(&first), &first["more"]), (vec!["a"], &json!(true)));
        let rest = server.get("/events?after=0").json();
        assert_eq!(
            (labels(&rest), &rest["more"]),
            (vec!["b", "c"], &json!(false))
        );
        assert_eq!(
            labels(&server.get("/events?type=linkUp,tokenCreated").json()).len(),
            3
        );
        assert!(labels(&server.get("/events?type=linkUp").json()).is_empty());
        for wrong in [
            "limit=0",
            "limit=1001",
            "after=x",
            "since=yesterday",
            "kind=x",
        ] {
            assert_eq!(
                server.get(&format!("/events?{wrong}")).problem().0,
                400,
                "{wrong}"
            );
        }
        if kept {
            smol::block_on(server.farm.end());
        }
    }
    // The next process goes on with the numbers, and finds what was there.
    let server = Server::new();
    server.remember(folder.path());
    server.happen("d");
    let all = server.get("/events").json();
    assert_eq!(labels(&all), ["a", "b", "c", "d"]);
    assert_eq!(all["events"][3]["seq"], 3);
}

#[test]
fn an_event_says_which_request_it_came_of() {
    let server = Server::new();
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{BASE}/tokens"))
        .header(HOST, "127.0.0.1:9090")
        .header(AUTHORIZATION, &server.bearer)
        .header(CONTENT_TYPE, "application/json")
        .header("X-Request-Id", "my-request");
    let reply = server.send(request.body(Body::from("{}")).expect("well formed"));
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(
        server.get("/events").json()["events"][0]["request"],
        "my-request"
    );
}

#[test]
fn events_of_a_removed_rig_are_found_by_its_name_and_its_id() {
    let server = Server::with_rig();
    server.happen("x");
    assert_eq!(server.delete("/peers/rig-alpha").status, StatusCode::OK);
    for peer in ["rig-alpha", RIG_ID] {
        let found = server.get(&format!("/events?peer={peer}")).json();
        assert_eq!(labels(&found).len(), 2, "{peer}");
    }
}

#[test]
fn a_stream_tells_what_comes_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::new();
    server.remember(folder.path());
    server.happen("before");
    smol::block_on(async {
        let mut stream = server.stream("", None).await.expect("opens");
        server.happen("a");
        server.happen("b");
        let (number, event) = stream.event().await;
        assert_eq!((number, &event["token"]), (1, &json!("a")));
        assert_eq!(event["seq"], 1);
        drop(stream);
        server.happen("c");
        let mut stream = server.stream("", Some(1)).await.expect("opens");
        for (number, label) in [(2, "b"), (3, "c")] {
            let (seq, event) = stream.event().await;
            assert_eq!((seq, &event["token"]), (number, &json!(label)));
        }
        let mut all = server
            .stream("?after=0&type=tokenCreated", None)
            .await
            .expect("opens");
        assert_eq!(all.event().await.0, 1);
        server.farm.end().await;
    });
}

#[test]
fn a_reader_that_is_slow_is_told_how_many_it_lost_and_goes_on() {
    // Without a journal the log is what is in memory.
    let server = Server::new();
    smol::block_on(async {
        let mut stream = server.stream("", None).await.expect("opens");
        for number in 0..1_030 {
            server.happen(&number.to_string());
        }
        assert_eq!(stream.piece().await, "event: lost\ndata: {\"events\":6}");
        for number in 6..1_030 {
            assert_eq!(stream.event().await.0, number);
        }
        server.happen("next");
        assert_eq!(stream.event().await.0, 1_030);
    });
}

#[test]
fn streams_are_bounded_and_a_closed_one_makes_room() {
    let server = Server::new();
    smol::block_on(async {
        let mut open = Vec::new();
        while let Ok(stream) = server.stream("", None).await {
            open.push(stream);
        }
        assert_eq!(open.len(), crate::farm::MAX_FOLLOWERS);
        let refused = server.stream("", None).await.err();
        assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
        open.pop();
        server.stream("", None).await.expect("there is room again");
    });
}

#[test]
fn a_stream_with_statistics_tells_rows_that_changed_and_the_sum() {
    let server = Server::with_rig();
    smol::block_on(async {
        let mut stream = server.stream("?stats=true", None).await.expect("opens");
        let name = json!({ "name": "rig-beta" });
        let renamed = server.request(
            Method::PATCH,
            &format!("{BASE}/peers/{RIG_ID}"),
            &name.to_string(),
        );
        assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.text);
        let mut after = Fingerprint([0; 32]);
        server.farm.tick(0, &mut after);
        server.farm.tick(1, &mut after);
        assert_eq!(stream.event().await.1["type"], "peerRenamed");
        let rows = stream.piece().await;
        let rows = rows.strip_prefix("event: stats\ndata: ").expect("rows");
        let rows: Value = serde_json::from_str(rows).expect("JSON");
        assert_eq!(
            (&rows[0]["name"], &rows[1]),
            (&json!("rig-beta"), &Value::Null)
        );
        let sum = stream.piece().await;
        let sum = sum.strip_prefix("event: summary\ndata: ").expect("a sum");
        let sum: Value = serde_json::from_str(sum).expect("JSON");
        assert_eq!(sum["rigs"]["offline"], 1);
        for number in 2..9 {
            server.farm.tick(number, &mut after);
        }
        // Tick 1 and ticks 2 to 4 waited, the others found no room.
        for expected in ["summary", "summary"] {
            assert!(
                stream
                    .piece()
                    .await
                    .starts_with(&format!("event: {expected}"))
            );
        }
        server.farm.tick(9, &mut after);
        server.farm.tick(10, &mut after);
        assert!(
            stream
                .piece()
                .await
                .starts_with("event: statsLost\ndata: {\"ticks\":4}")
        );
    });
}

#[test]
fn history_is_answered_in_points_and_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::with_rig();
    assert_eq!(
        server.get("/history/fleet").problem().0,
        503,
        "there is none"
    );
    server.remember(folder.path());
    let fleet = server.get("/history/fleet?since=1h&points=60").json();
    assert_eq!(
        (&fleet["step"], &fleet["tier"]),
        (&json!(60), &json!("10s"))
    );
    assert!(
        fleet["points"]
            .as_array()
            .expect("points")
            .iter()
            .all(Value::is_null)
    );
    let rig = server
        .get("/history/rig-alpha?tier=15m&since=90d&points=1440")
        .json();
    assert_eq!(rig["nodeName"], "rig-alpha");
    for wrong in [
        "points=0",
        "points=1441",
        "tier=1h",
        "since=0s",
        "until=x",
        "from=1",
    ] {
        assert_eq!(
            server.get(&format!("/history/fleet?{wrong}")).problem().0,
            400,
            "{wrong}"
        );
    }
    assert_eq!(server.get("/history/nobody").problem().0, 404);
    smol::block_on(server.farm.end());
    assert!(History::file(folder.path()).exists() && Journal::folder(folder.path()).exists());
}

/// Name and labels of a sample, and its figure.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads the format as a scraper does: every sample below the head of its own metric.
fn parse(text: &str) -> (Samples, BTreeSet<String>) {
    let (mut samples, mut metrics) = (Samples::new(), BTreeSet::new());
    let mut current = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert_eq!(lines.next(), None, "nothing is behind the end");
            return (samples, metrics);
        }
        if let Some(head) = line.strip_prefix("# HELP ") {
            let (name, help) = head.split_once(' ').expect("a help");
            assert!(help.len() > 10, "{line}");
            assert!(metrics.insert(name.to_owned()), "{name} is there twice");
            name.clone_into(&mut current);
            let kind = lines
                .next()
                .and_then(|line| line.strip_prefix("# TYPE "))
                .expect("a type");
            let kind = kind
                .strip_prefix(&format!("{name} "))
                .expect("of the same metric");
            assert!(["gauge", "counter"].contains(&kind), "{line}");
            continue;
        }
        if line.starts_with("# UNIT ") {
            continue;
        }
        let (series, figure) = line.rsplit_once(' ').expect("a sample");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("closed")),
            None => (series, ""),
        };
        assert!(
            name == current || name == format!("{current}_total"),
            "{line} is below {current}"
        );
        let mut read = BTreeMap::new();
        let mut rest = labels;
        while let Some((key, value)) = rest.split_once("=\"") {
            let mut escaped = false;
            let end = value.find(|c: char| {
                let end = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                end
            });
            let (value, behind) = value.split_at(end.expect("closed"));
            let value = value
                .replace("\\\"", "\"")
                .replace("\\n", "\n")
                .replace("\\\\", "\\");
            read.insert(key.to_owned(), value);
            rest = behind[1..].trim_start_matches(',');
        }
        assert_eq!(rest, "", "{line}");
        let figure = figure.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(
            samples.insert((name.to_owned(), read), figure).is_none(),
            "{line} is there twice"
        );
    }
    panic!("no end");
}

fn sample(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    samples.get(&(name.to_owned(), labels.collect())).copied()
}

#[test]
fn metrics_are_documented_and_have_no_figure_that_is_not_known() {
    let server = Server::with_rig();
    server.happen("x");
    let reply = server.request(Method::GET, "/metrics", "");
    assert_eq!(
        server.get("/metrics").status,
        StatusCode::OK,
        "under the base too"
    );
    let kind = reply.headers["content-type"].to_str().expect("text");
    assert!(kind.starts_with("application/openmetrics-text"));
    let (samples, metrics) = parse(&reply.text);
    let labels = [("rig", "rig-alpha"), ("id", RIG_ID)];
    assert_eq!(sample(&samples, "farm_rig_online", &labels), Some(0.0));
    assert_eq!(
        sample(&samples, "farm_rig_hashrate_hashes_per_second", &labels),
        None
    );
    assert_eq!(
        sample(&samples, "farm_rigs", &[("state", "offline")]),
        Some(1.0)
    );
    assert_eq!(sample(&samples, "farm_events_total", &[]), Some(2.0));
    let documented = include_str!("../../../../docs/METRICS.md");
    for metric in &metrics {
        assert!(
            documented.contains(&format!("`{metric}`")),
            "docs/METRICS.md lacks {metric}"
        );
    }
}

#[test]
fn ten_thousand_rigs_have_a_bounded_number_of_series() {
    use crate::api::metrics::{MAX_GROUPS, MAX_RIGS};
    let server = Server::with_rigs(10_000);
    let text = server.get("/metrics").text;
    let (samples, _) = parse(&text);
    assert!(
        samples.len() < 4 * MAX_RIGS + 3 * MAX_GROUPS + 60,
        "{}",
        samples.len()
    );
    assert!(text.len() < 1_000_000, "{}", text.len());
    assert_eq!(sample(&samples, "farm_rigs_left_out", &[]), Some(9_000.0));
    assert_eq!(
        sample(&samples, "farm_rigs_registered", &[]),
        Some(10_000.0)
    );
}

#[test]
fn a_controller_that_serves_without_a_part_is_not_ready_and_says_which() {
    let server = Server::new();
    let ready = server.get("/ready").json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(
        ready["components"][1],
        json!({"name": "links", "status": "off", "reason": null})
    );
    server.farm.serve();
    let reply = server.get("/ready");
    assert_eq!(reply.problem(), (503, "NOT_READY".to_owned()));
    for part in ["links", "history", "events"] {
        assert!(reply.text.contains(part), "{}", reply.text);
    }
    assert!(!reply.text.contains("registry"));
}
