//! The table of rigs, of the registry and on real links: what a row says.

use miner_shared::text::Label;
use miner_shared::wire::{Activity, Memory, Pages, RigStats};
use serde_json::{Value, json};

use super::select::Selector;
use super::*;
use crate::history::point::tests::report;
use crate::registry::{Change, LabelsRecord, MachineRecord, Told, Trust};

/// A farm of rigs by these names that are off, and never had a link.
pub(super) fn farm_of(names: &[&str]) -> Arc<Farm> {
    let mut store = MemoryStore::default();
    for (n, name) in (1..).zip(names) {
        let row = PutPeer {
            name,
            ..PutPeer::default()
        };
        row.put(&mut store, n);
    }
    open(store)
}

pub(super) fn open(store: MemoryStore) -> Arc<Farm> {
    let me = node(0xcc, Role::Controller, "control-center");
    Farm::open(Box::new(store), me, Clock::start()).expect("opens")
}

/// A rig to put into a store.
#[derive(Clone, Copy, Default)]
pub(super) struct PutPeer<'a> {
    pub(super) name: &'a str,
    pub(super) software: Option<&'a str>,
    pub(super) cpu: Option<&'a str>,
    pub(super) group: Option<&'a str>,
    pub(super) site: Option<&'a str>,
    pub(super) tags: &'a [&'a str],
}

impl PutPeer<'_> {
    pub(super) fn put(self, store: &mut dyn Store, n: u8) {
        let key = Fingerprint([n; 32]);
        let peer = crate::registry::PeerRecord {
            name: Name::parse(self.name).expect("valid"),
            address: None,
            trust: Trust::Fingerprint,
            added_at_ms: 1,
            last_seen_ms: None,
            told: self.software.map(|software| Told {
                x25519: [0; 32],
                ed25519: [0; 32],
                role: Role::Worker,
                software: Label::lossy(software),
                host: Label::lossy("linux"),
            }),
        };
        let label = |text: &str| text.parse().expect("valid");
        let labels = LabelsRecord {
            group: self.group.map(label),
            site: self.site.map(label),
            tags: self.tags.iter().copied().map(label).collect(),
        };
        let mut rows = vec![Change::PutPeer(key, peer), Change::PutLabels(key, labels)];
        if let Some(cpu) = self.cpu {
            let machine = MachineRecord {
                cpu_model: Label::lossy(cpu),
                cpus: 4,
                memory_mib: Some(8_192),
                interfaces: Vec::new(),
            };
            rows.push(Change::PutMachine(key, machine));
        }
        store
            .commit(&rows, crate::registry::Durable::Now)
            .expect("commits");
    }
}

/// Says that the rig of this number said this a second ago, before this process began.
pub(super) fn said(farm: &Farm, n: u8, stats: RigStats) {
    let at = crate::clock::EpochMs(farm.clock.now().wall.0 - 1_000);
    let mut core = farm.lock();
    core.hub.restore(&Fingerprint([n; 32]), stats, at);
}

pub(super) fn selector(text: &str) -> Selector {
    text.parse().expect("understood")
}

fn table(farm: &Farm, select: &str, sort: &str, offset: usize, limit: usize) -> TableView {
    let sort = sort.parse().expect("a column");
    smol::block_on(farm.table(&selector(select), sort, offset, limit))
}

fn names(view: &TableView) -> Vec<&str> {
    view.rows.iter().map(|row| row.name.as_str()).collect()
}

#[test]
fn a_table_is_sorted_by_what_it_shows_and_says_how_many_rigs_there_are() {
    let farm = farm_of(&["rig-10", "rig-2", "rig-1", "shed"]);
    said(&farm, 1, report(Some(2_000), 5));
    said(&farm, 2, report(Some(9_000), 5));
    let view = table(&farm, "all", "name", 0, 60);
    assert_eq!((view.registered, view.matched, view.offset), (4, 4, 0));
    assert_eq!(names(&view), ["rig-1", "rig-2", "rig-10", "shed"]);
    let by = |sort| names(&table(&farm, "all", sort, 0, 60)).join(" ");
    assert_eq!(by("-name"), "shed rig-10 rig-2 rig-1");
    assert_eq!(by("hashrate"), "rig-10 rig-2 rig-1 shed");
    assert_eq!(by("-hashrate"), "rig-2 rig-10 rig-1 shed");
    assert_eq!(by("-accepted"), "rig-2 rig-10 rig-1 shed");
    assert_eq!(by("-cpuModel"), "rig-1 rig-2 rig-10 shed", "nobody knows");

    let view = table(&farm, "name=rig*", "name", 1, 1);
    assert_eq!((view.registered, view.matched, view.offset), (4, 3, 1));
    assert_eq!(names(&view), ["rig-2"]);
    let view = table(&farm, "name=rig*", "name", 3, 1);
    assert_eq!((view.matched, view.offset, view.rows.len()), (3, 3, 0));
    let view = table(&farm, "name=nobody", "name", 0, 60);
    assert_eq!((view.registered, view.matched, view.rows.len()), (4, 0, 0));
}

#[test]
fn rigs_are_sorted_by_their_efficiency_and_one_without_shares_has_none() {
    let farm = farm_of(&["rig-1", "rig-2", "rig-3", "rig-4", "rig-5"]);
    for (n, [accepted, rejected, stale]) in (1..).zip([[99, 1, 0], [0, 0, 0], [5, 0, 0], [0, 0, 2]])
    {
        let mut stats = report(Some(2_000), accepted);
        (stats.miners[0].rejected, stats.miners[0].stale) = (rejected, stale);
        said(&farm, n, stats);
    }
    let by = |sort| {
        let view = table(&farm, "all", sort, 0, 60);
        let rows = view.rows.iter();
        rows.map(|row| (row.name.clone(), row.efficiency))
            .collect::<Vec<_>>()
    };
    let row = |n: u8, efficiency| (format!("rig-{n}"), efficiency);
    let unknown = [row(2, None), row(5, None)];
    let known = [row(3, Some(100.0)), row(1, Some(99.0)), row(4, Some(0.0))];
    assert_eq!(by("-efficiency"), [known.as_slice(), &unknown].concat());
    let rising: Vec<_> = known.into_iter().rev().chain(unknown).collect();
    assert_eq!(by("efficiency"), rising);
}

#[test]
fn a_row_of_a_rig_that_nobody_heard_of_is_unknown_and_not_zero() {
    let farm = farm_of(&["rig-1"]);
    let view = table(&farm, "all", "name", 0, 60);
    let row = serde_json::to_value(&view.rows[0]).expect("JSON");
    let known = [
        ("id", json!("0101010101010101")),
        ("name", json!("rig-1")),
        ("tags", json!([])),
        ("connected", json!(false)),
        ("state", json!("offline")),
        (
            "reason",
            json!("no link yet; has it accepted this controller?"),
        ),
        ("tone", json!("quiet")),
        ("scoreReason", json!("no exchange yet")),
        ("status", json!("none")),
    ];
    for (field, value) in row.as_object().expect("an object") {
        let known = known.iter().find(|(name, _)| name == field);
        assert_eq!(
            value,
            known.map_or(&Value::Null, |(_, value)| value),
            "{field}"
        );
    }
}

#[test]
fn figures_of_several_miners_are_added_up_and_of_pages_and_memory_the_worst_is_shown() {
    let farm = farm_of(&["rig-1"]);
    let mut stats = report(Some(2_000), 5);
    let mut other = stats.miners[0].clone();
    stats.miners[0].pages = Some(Pages::Huge1G);
    stats.miners[0].memory = Some(Memory::Fast);
    stats.miners[0].hashrate.highest = Some(9_000);
    stats.miners[0].last_share_ms = Some(60_000);
    other.hashrate.s60 = Some(500);
    other.pages = Some(Pages::Small);
    other.memory = Some(Memory::Light);
    other.pool = Address::parse("pool.example:3333").ok();
    other.difficulty = Some(1_000);
    other.last_share_ms = Some(4_000);
    (other.rejected, other.stale) = (1, 2);
    stats.miners.push(other).expect("room");
    said(&farm, 1, stats);
    let view = table(&farm, "all", "name", 0, 60);
    let row = &view.rows[0];
    assert_eq!(
        [
            row.hashrate,
            row.hashrate_60s,
            row.hashrate_15m,
            row.highest
        ],
        [Some(4.0), Some(0.5), None, None]
    );
    assert_eq!(
        (row.accepted, row.rejected, row.stale),
        (Some(10), Some(1), Some(2))
    );
    assert_eq!(row.efficiency, Some(100.0 * 10.0 / 13.0));
    assert_eq!((row.threads, row.algorithm), (Some(4), Some("rx/0")));
    assert_eq!((row.pages, row.memory), (Some("small"), Some("light")));
    assert_eq!(row.pool.as_deref(), Some("pool.example:3333"));
    assert_eq!(row.difficulty, Some(1_000));
    assert!((1_000..2_000).contains(&row.age_ms.expect("known")));
    assert!((5_000..6_000).contains(&row.last_share_age_ms.expect("known")));
    assert_eq!(row.is_old, Some(false));
    assert!(!row.connected && row.state == RigState::Offline);
}

/// Cells of a line of CSV whose texts hold no quotes.
fn cells(line: &str) -> Vec<&str> {
    line.split(',').map(|cell| cell.trim_matches('"')).collect()
}

#[test]
fn csv_says_what_json_says_column_by_column() {
    let mut store = MemoryStore::default();
    let rig = PutPeer {
        name: "rig-1",
        software: Some("miner 0.1.0"),
        cpu: Some("AMD EPYC 7763"),
        group: Some("shed"),
        site: Some("hill"),
        tags: &["loud", "new"],
    };
    rig.put(&mut store, 1);
    let farm = open(store);
    let mut stats = report(Some(2_500), 5);
    stats.miners[0].hashrate.highest = Some(3_500);
    stats.miners[0].stale = 3;
    stats.activity = Activity::Mining;
    said(&farm, 1, stats);
    let view = table(&farm, "all", "name", 0, 1);
    let row = serde_json::to_value(&view.rows[0]).expect("JSON");
    let head = Farm::csv_head();
    let lines = farm.csv_lines(&[Fingerprint([1; 32]), Fingerprint([9; 32])]);
    assert!(head.ends_with("\r\n") && lines.ends_with("\r\n"));
    assert_eq!(lines.lines().count(), 1, "one of the two was removed");
    let columns: Vec<_> = head.trim_end().split(',').collect();
    let cells = cells(lines.trim_end());
    assert_eq!(columns.len(), row.as_object().expect("an object").len());
    assert_eq!(columns.len(), cells.len());
    for (column, cell) in columns.into_iter().zip(cells) {
        let text = match &row[column] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            Value::Array(tags) => {
                let tags: Vec<_> = tags.iter().filter_map(Value::as_str).collect();
                tags.join(" ")
            }
            Value::Number(_) if column.ends_with("AgeMs") || column == "ageMs" => continue,
            other => other.to_string(),
        };
        assert_eq!(cell, text, "{column}");
    }
}

#[test]
fn what_a_hostile_rig_says_of_itself_is_no_formula_in_csv() {
    let mut store = MemoryStore::default();
    let rig = PutPeer {
        name: "rig-1",
        software: Some("=cmd|' /C calc'!A0"),
        cpu: Some("@SUM(1)\",=1+1"),
        ..PutPeer::default()
    };
    rig.put(&mut store, 1);
    let line = open(store).csv_lines(&[Fingerprint([1; 32])]);
    assert!(line.contains(",\"'=cmd|' /C calc'!A0\",,\r\n"), "{line}");
    assert!(line.contains(",\"'@SUM(1)\"\",=1+1\","), "{line}");
}

#[test]
fn every_state_of_a_row_is_taken_by_the_selector_with_its_word() {
    for state in RigState::ALL {
        let text = format!("state={}", state.as_str());
        assert!(text.parse::<Selector>().is_ok(), "{text}");
    }
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        farm.create_profile(profile()).expect("creates");
        farm.stats_of(id).await.expect("answers");
        let shown = async |state: &str| {
            let all = farm.table(&Selector::all(), Sort::default(), 0, 60).await;
            let row = all.rows.into_iter().next().expect("a rig");
            assert_eq!(row.state.as_str(), state);
            let selector = selector(&format!("state={state}"));
            let found = farm.table(&selector, Sort::default(), 0, 60).await;
            assert_eq!(found.matched, 1, "{state}");
            row
        };
        let row = shown("stopped").await;
        assert_eq!((row.tone, row.reason), (Tone::Quiet, None));
        assert_eq!(
            row.cpu_model.as_deref(),
            Some("AMD Ryzen 9 5950X 16-Core Processor")
        );
        assert_eq!((row.memory_mib, row.role), (Some(65_536), Some("worker")));
        assert_eq!((row.score, row.profile), (Some(100), None));
        farm.start(id, "my-profile").await.expect("starts");
        let row = shown("mining").await;
        assert_eq!((row.tone, row.reason), (Tone::Good, None));
        assert_eq!(
            (
                row.profile.as_deref(),
                row.profile_id.as_deref(),
                row.version
            ),
            (Some("My Profile"), Some("my-profile"), Some(1))
        );
    });
}

#[test]
fn a_rig_that_is_off_says_since_when_and_what_it_said_last() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Box::new(RedbStore::open(dir.path()).expect("opens"));
    with_store(open(), |fixture| async move {
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        fixture.farm.end().await;
    });
    with_store(open(), |fixture| async move {
        let all = Selector::all();
        let view = fixture.farm.table(&all, Sort::default(), 0, 1).await;
        let row = view.rows.into_iter().next().expect("a rig");
        assert_eq!((row.state, row.tone), (RigState::Offline, Tone::Amber));
        let reason = row.reason.expect("says since when");
        assert!(reason.starts_with("no link for "), "{reason}");
    });
}
