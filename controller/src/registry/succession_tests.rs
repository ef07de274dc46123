//! Rows that move to another key, over both stores; the rules of the recovery key.

use miner_shared::bytes::Bytes;
use miner_shared::identity::{Fingerprint, RecoveryKey};
use miner_shared::text::Name;
use miner_shared::wire::State;

use super::*;
use crate::clock::EpochMs;

const NOW: EpochMs = EpochMs(1_000);
const TOKEN: TokenId = TokenId([3; 8]);

fn key(n: u8) -> Fingerprint {
    Fingerprint([n; 32])
}

fn peer(name: &str) -> PeerRecord {
    PeerRecord {
        name: Name::parse(name).expect("valid"),
        address: None,
        trust: Trust::Token,
        added_at_ms: 1,
        last_seen_ms: Some(2),
        told: None,
    }
}

fn wish() -> Wish {
    Wish {
        op_id: [1; 16],
        profile: None,
        version: 0,
        held: false,
        state: State::Stopped,
    }
}

fn recovery() -> RecoveryKey {
    RecoveryKey::generate(&mut miner_agent::store::system_rng())
}

/// A registry with a rig that has a row in every table.
fn registry(store: Box<dyn Store>) -> Registry {
    let mut registry = Registry::open(store).expect("opens");
    let origin = Origin {
        token: TOKEN,
        group: Some(Name::parse("east").expect("valid")),
        ephemeral: true,
    };
    registry.add(key(1), peer("rig-1")).expect("adds");
    registry.wish(&key(1), wish(), 40, NOW).expect("wishes");
    let pinned = PinnedRecord {
        pinned: Some([9; 32]),
        refused: None,
    };
    registry.note_pinned(&key(1), pinned).expect("notes");
    let put = vec![Change::PutOrigin(key(1), origin)];
    registry.commit(put, Durable::Now).expect("commits");
    registry
}

/// That everything is under the new key, and the old one is refused for that reason.
fn assert_moved(registry: &Registry) {
    assert_eq!(registry.standing(&key(1)), Standing::Removed);
    assert_eq!(registry.standing(&key(2)), Standing::Peer);
    assert_eq!(registry.peer(&key(2)), Some(&peer("rig-1")));
    assert_eq!(
        registry.desired(&key(2)).map(|row| row.generation),
        Some(41)
    );
    assert_eq!(registry.origin(&key(2)).map(|row| row.token), Some(TOKEN));
    assert_eq!(registry.pinned(&key(2)).pinned, Some([9; 32]));
    let stone = registry.tombstone(&key(1)).expect("a tombstone");
    assert_eq!(
        (stone.successor, stone.removed_at_ms),
        (Some(key(2)), NOW.0)
    );
    assert!(registry.peer(&key(1)).is_none() && registry.desired(&key(1)).is_none());
    assert!(registry.origin(&key(1)).is_none());
    assert_eq!(registry.pinned(&key(1)), PinnedRecord::default());
    assert_eq!(registry.by_id(key(1).node_id()), None);
    assert_eq!(registry.resolve("rig-1").expect("one"), key(2));
}

#[test]
fn a_new_key_gets_every_row_of_the_old_one_in_memory() {
    let mut registry = registry(Box::new(MemoryStore::default()));
    registry.succeed(&key(1), key(2), NOW).expect("moves");
    assert_moved(&registry);
}

#[test]
fn a_new_key_gets_every_row_of_the_old_one_on_disk_before_anyone_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = RedbStore::open(dir.path()).expect("opens");
    let mut registry = registry(Box::new(store));
    registry.succeed(&key(1), key(2), NOW).expect("moves");
    assert_moved(&registry);
    // What the disk holds now is what is left after a kill or a power cut.
    let after = tempfile::tempdir().expect("temporary directory");
    let file = "registry.redb";
    std::fs::copy(dir.path().join(file), after.path().join(file)).expect("copies");
    let reopened = RedbStore::open(after.path()).expect("repairs and opens");
    assert_moved(&Registry::open(Box::new(reopened)).expect("opens"));
}

#[test]
fn a_key_that_somebody_has_or_had_takes_nobody_s_place() {
    let mut registry = registry(Box::new(MemoryStore::default()));
    registry.add(key(3), peer("rig-3")).expect("adds");
    registry.add(key(4), peer("rig-4")).expect("adds");
    registry.remove(&key(4), true, NOW).expect("removes");
    let mut twin = [3; 32];
    twin[31] = 0;
    let to = |registry: &mut Registry, new| registry.succeed(&key(1), new, NOW);
    assert!(matches!(
        to(&mut registry, key(3)),
        Err(RegistryError::PeerExists(_))
    ));
    assert!(matches!(
        to(&mut registry, key(4)),
        Err(RegistryError::Removed)
    ));
    let twin = to(&mut registry, Fingerprint(twin));
    assert!(matches!(twin, Err(RegistryError::IdTaken(_))));
    let nobody = registry.succeed(&key(8), key(9), NOW);
    assert!(matches!(nobody, Err(RegistryError::NoSuchPeer)));
    assert_eq!(registry.standing(&key(1)), Standing::Peer);
}

#[test]
fn the_way_from_an_old_key_leads_to_the_one_of_now_and_is_forgotten_with_it() {
    let mut registry = registry(Box::new(MemoryStore::default()));
    for n in 1..9 {
        registry.succeed(&key(n), key(n + 1), NOW).expect("moves");
    }
    let kept: Vec<_> = registry.tombstones().map(|(key, _)| key.0[0]).collect();
    assert_eq!(kept, [5, 6, 7, 8], "as many as a node shows");
    assert_eq!(registry.current_key(&key(5)), key(9));
    assert_eq!(registry.current_key(&key(1)), key(1), "too long ago");
    registry.remove(&key(9), true, NOW).expect("removes");
    registry.forget(&key(9)).expect("forgets");
    assert_eq!(registry.tombstones().len(), 0);
}

#[test]
fn a_rig_that_its_id_names_has_its_new_id_for_a_name() {
    let mut registry = Registry::open(Box::new(MemoryStore::default())).expect("opens");
    let old = key(1).node_id().to_string();
    registry.add(key(1), peer(&old)).expect("adds");
    registry.succeed(&key(1), key(2), NOW).expect("moves");
    let name = &registry.peer(&key(2)).expect("moved").name;
    assert_eq!(name.as_str(), key(2).node_id().to_string());
}

#[test]
fn a_recovery_key_comes_into_force_by_the_one_before_or_its_loss() {
    let mut registry = registry(Box::new(MemoryStore::default()));
    let [first, next, other] = [(); 3].map(|()| recovery());
    let mut set =
        |key: &RecoveryKey, authority| registry.set_recovery(key.public(), authority, NOW);
    let proof = |by: &RecoveryKey, of: &RecoveryKey| Authority::Proof(Bytes(by.hand_over(of)));
    assert!(matches!(
        set(&next, proof(&first, &next)),
        Err(RegistryError::BadProof)
    ));
    set(&first, Authority::First).expect("the first");
    assert!(matches!(
        set(&next, Authority::First),
        Err(RegistryError::RecoveryExists)
    ));
    assert!(matches!(
        set(&next, proof(&other, &next)),
        Err(RegistryError::BadProof)
    ));
    set(&next, proof(&first, &next)).expect("by the one before");
    assert_eq!(registry.recovery().map(|row| row.keys.len()), Some(2));
    let lost = registry.set_recovery(other.public(), Authority::Lost, NOW);
    lost.expect("the owner says so");
    let row = registry.recovery().expect("set");
    assert_eq!((row.keys.len(), row.keys[0].proof), (1, None));
}

#[test]
fn counters_follow_the_wall_clock_and_rise_where_it_goes_back() {
    let mut registry = registry(Box::new(MemoryStore::default()));
    let [known, other] = [(); 2].map(|()| recovery().public());
    let mut next = |key, now| registry.next_counter(key, EpochMs(now));
    assert_eq!(next(known, 5_000).expect("the first is taken on"), 5_000);
    assert_eq!(next(known, 6_000).expect("later"), 6_000);
    assert_eq!(next(known, 50).expect("the clock went back"), 6_001);
    assert!(matches!(next(other, 7_000), Err(RegistryError::BadProof)));
    assert_eq!(registry.recovery_key(), Some(&known));
}
