//! Labels over both stores: who gets which, and what becomes of them when the peer's key does.

use miner_shared::identity::Fingerprint;
use miner_shared::text::{Label, Name};

use super::*;
use crate::clock::EpochMs;

const NOW: EpochMs = EpochMs(1_000);

fn key(n: u8) -> Fingerprint {
    Fingerprint([n; 32])
}

fn label(text: &str) -> LabelName {
    LabelName::parse(text).expect("valid")
}

fn group(text: &str) -> Relabel {
    Relabel {
        group: Some(Some(label(text))),
        ..Relabel::default()
    }
}

fn machine() -> MachineRecord {
    MachineRecord {
        cpu_model: Label::lossy("EPYC 7B13"),
        cpus: 64,
        memory_mib: None,
        interfaces: Vec::new(),
    }
}

fn add(registry: &mut Registry, n: u8) {
    let peer = PeerRecord {
        name: Name::parse(&format!("rig-{n}")).expect("valid"),
        address: None,
        trust: Trust::Fingerprint,
        added_at_ms: 1,
        last_seen_ms: None,
        told: None,
    };
    registry.add(key(n), peer).expect("adds");
}

fn registry(rigs: u8) -> Registry {
    let mut registry = Registry::open(Box::new(MemoryStore::default())).expect("opens");
    (1..=rigs).for_each(|n| add(&mut registry, n));
    registry
}

#[test]
fn a_label_has_letters_digits_and_three_marks() {
    for good in ["shed", "a", "Rack_2.b-7", &"x".repeat(64)] {
        assert!(LabelName::parse(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "two words",
        "a,b",
        "-x",
        "x=y",
        "é",
        "a\n",
        &"x".repeat(65),
    ] {
        assert!(LabelName::parse(bad).is_err(), "{bad:?}");
    }
    let old = Name::parse("upper hall").expect("a name");
    assert_eq!(LabelName::of(&old), label("upper-hall"));
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let mut registry = registry(1);
    let first = Relabel {
        site: Some(Some(label("barn"))),
        add_tags: ["a", "b", "c"].map(label).into(),
        ..group("shed")
    };
    registry.relabel(&[key(1)], &first).expect("labels");
    let second = Relabel {
        group: Some(None),
        add_tags: [label("d")].into(),
        remove_tags: ["b", "never-there"].map(label).into(),
        ..Relabel::default()
    };
    registry.relabel(&[key(1)], &second).expect("labels");
    let labels = registry.labels(&key(1));
    assert_eq!((&labels.group, &labels.site), (&None, &Some(label("barn"))));
    assert_eq!(labels.tags, ["a", "c", "d"].map(label).into());
    let all = Relabel {
        tags: Some([label("z")].into()),
        ..Relabel::default()
    };
    registry.relabel(&[key(1)], &all).expect("labels");
    assert_eq!(registry.labels(&key(1)).tags, [label("z")].into());
}

#[test]
fn one_tag_too_many_changes_no_rig_at_all() {
    let mut registry = registry(2);
    let full = Relabel {
        tags: Some((0..MAX_TAGS).map(|n| label(&format!("t{n}"))).collect()),
        ..Relabel::default()
    };
    registry.relabel(&[key(2)], &full).expect("fits");
    let more = Relabel {
        add_tags: [label("more")].into(),
        ..Relabel::default()
    };
    let refused = registry.relabel(&[key(1), key(2)], &more);
    assert!(matches!(refused, Err(RegistryError::TooManyTags)));
    assert!(registry.labels(&key(1)).tags.is_empty());
    assert_eq!(registry.labels(&key(2)).tags.len(), MAX_TAGS);
}

#[test]
fn only_rigs_that_change_are_named() {
    let mut registry = registry(2);
    registry.relabel(&[key(1)], &group("shed")).expect("labels");
    let changed = registry.relabel(&[key(1), key(2)], &group("shed"));
    assert_eq!(changed.expect("labels"), [key(2)]);
    let stranger = registry.relabel(&[key(9)], &group("shed"));
    assert!(matches!(stranger, Err(RegistryError::NoSuchPeer)));
}

#[test]
fn labels_and_machine_follow_the_rig_to_its_next_key_and_go_when_it_is_removed() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Registry::open(Box::new(RedbStore::open(dir.path()).expect("opens")));
    let mut registry = open().expect("opens");
    add(&mut registry, 1);
    registry.relabel(&[key(1)], &group("shed")).expect("labels");
    registry.note_machine(&key(1), machine());
    registry.succeed(&key(1), key(2), NOW).expect("moves");
    drop(registry);

    let mut registry = open().expect("opens");
    assert_eq!(registry.labels(&key(2)).group, Some(label("shed")));
    assert_eq!(registry.machine(&key(2)), Some(&machine()));
    assert_eq!(registry.labels(&key(1)), &LabelsRecord::default());
    assert_eq!(registry.machine(&key(1)), None);
    registry.remove(&key(2), false, NOW).expect("removes");
    assert_eq!(registry.labels(&key(2)), &LabelsRecord::default());
    assert_eq!(registry.machine(&key(2)), None);
    registry.forget(&key(2)).expect("forgets");
    drop(registry);
    let rows = RedbStore::open(dir.path()).expect("opens").load();
    let rows = rows.expect("loads");
    assert!(rows.labels.is_empty() && rows.machines.is_empty());
}

#[test]
fn a_peer_that_enrolled_before_there_were_labels_has_its_tokens_group_until_it_is_taken_away() {
    let mut store = MemoryStore::default();
    let peer = registry(1).peer(&key(1)).expect("there").clone();
    let origin = Origin {
        token: TokenId([3; 8]),
        group: Some(Name::parse("upper hall").expect("valid")),
        ephemeral: false,
    };
    let rows = [
        Change::PutPeer(key(1), peer),
        Change::PutOrigin(key(1), origin),
    ];
    store.commit(&rows, Durable::Now).expect("commits");
    let mut registry = Registry::open(Box::new(store.clone())).expect("opens");
    assert_eq!(registry.labels(&key(1)).group, Some(label("upper-hall")));

    let none = Relabel {
        group: Some(None),
        ..Relabel::default()
    };
    registry.relabel(&[key(1)], &none).expect("labels");
    let put = Change::PutLabels(key(1), registry.labels(&key(1)).clone());
    store.commit(&[put], Durable::Now).expect("commits");
    let registry = Registry::open(Box::new(store)).expect("opens");
    assert_eq!(registry.labels(&key(1)).group, None);
}

#[test]
fn what_a_stranger_says_of_its_machine_is_not_kept() {
    let mut registry = registry(1);
    registry.note_machine(&key(9), machine());
    assert_eq!(registry.machine(&key(9)), None);
}
