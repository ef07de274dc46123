//! Versions of profiles, over the store in memory.

use miner_shared::identity::Fingerprint;
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, State, Threads};

use super::*;
use crate::clock::EpochMs;

const NOW: EpochMs = EpochMs(1_000);
const LATER: EpochMs = EpochMs(2_000);

fn registry() -> Registry {
    Registry::open(Box::new(MemoryStore::default())).expect("opens")
}

/// A profile that differs by its threads.
fn spec(name: &str, threads: u16) -> ProfileSpec {
    let pool = Pool {
        address: Address::parse("127.0.0.1:3333").expect("valid"),
        tls: false,
        user: PoolUser::parse("practice").expect("valid"),
        pass: PoolPass::parse("").expect("valid"),
    };
    ProfileSpec::from(Profile {
        name: Name::parse(name).expect("valid"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Count(threads),
        pools: [pool].into_iter().collect(),
    })
}

fn create(registry: &mut Registry, name: &str) -> Result<ProfileId, RegistryError> {
    registry.create_profile(spec(name, 1), Revision::default(), NOW)
}

fn change(registry: &mut Registry, id: &ProfileId, threads: u16) -> Result<u32, RegistryError> {
    registry.change_profile(id, spec("p", threads), None, Revision::default(), LATER)
}

/// Registers a rig and tells it to mine with this version.
fn tell(registry: &mut Registry, n: u8, id: &ProfileId, version: u32) {
    let key = Fingerprint([n; 32]);
    let peer = PeerRecord {
        name: Name::parse(&format!("rig-{n}")).expect("valid"),
        address: None,
        trust: Trust::Tofu,
        added_at_ms: 1,
        last_seen_ms: None,
        told: None,
    };
    if registry.peer(&key).is_none() {
        registry.add(key, peer).expect("adds");
    }
    let row = registry.version(id, Some(version)).expect("kept");
    let wish = Wish {
        op_id: [n; 16],
        profile: Some(id.clone()),
        version,
        held: false,
        state: State::Plan(row.plan(false)),
    };
    registry.wish(&key, wish, 0, NOW).expect("wishes");
}

fn kept(registry: &Registry, id: &ProfileId) -> Vec<u32> {
    registry.versions(id).map(|row| row.version).collect()
}

#[test]
fn a_change_makes_a_version_and_leaves_the_older_one_as_it_was() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    let first = registry.profile(&id).expect("made").clone();
    assert_eq!(change(&mut registry, &id, 2).expect("changes"), 2);
    let newest = registry.profile(&id).expect("made");
    assert_eq!(newest.profile.threads, Threads::Count(2));
    assert_eq!((newest.created_at_ms, newest.first_at()), (LATER.0, NOW));
    assert_eq!(registry.version(&id, Some(1)).expect("kept"), &first);
    assert_ne!(newest.hash(), first.hash());
    assert_eq!(kept(&registry, &id), [2, 1]);
    assert!(matches!(
        registry.version(&id, Some(3)),
        Err(RegistryError::NoSuchVersion(kept)) if kept == [2, 1]
    ));
}

#[test]
fn what_says_the_same_makes_no_version_and_what_was_not_seen_is_not_overwritten() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    assert_eq!(change(&mut registry, &id, 1).expect("the same"), 1);
    assert_eq!(change(&mut registry, &id, 2).expect("changes"), 2);
    let stale = spec("p", 3);
    let late = registry.change_profile(&id, stale, Some(1), Revision::default(), LATER);
    assert!(matches!(late, Err(RegistryError::VersionMoved(2))));
    let other = registry.change_profile(&id, spec("q", 3), None, Revision::default(), LATER);
    assert!(matches!(other, Err(RegistryError::OtherProfile(q)) if q.as_str() == "q"));
}

#[test]
fn hours_and_coin_are_the_controllers_own_and_no_part_of_the_hash() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    let before = registry.profile(&id).expect("made").hash();
    let mut spec = spec("p", 1);
    spec.settings.windows = vec!["daily 22:00-06:00".parse().expect("valid")];
    spec.settings.coin = Some("monero".parse().expect("valid"));
    registry
        .change_profile(&id, spec.clone(), None, Revision::default(), LATER)
        .expect("changes");
    assert_eq!(registry.profile(&id).expect("made").hash(), before);
    spec.settings.nice = 5;
    registry
        .change_profile(&id, spec, None, Revision::default(), LATER)
        .expect("changes");
    assert_ne!(registry.profile(&id).expect("made").hash(), before);
}

#[test]
fn the_oldest_version_falls_out_is_counted_and_one_in_use_stays() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    tell(&mut registry, 1, &id, 1);
    for n in 2..=40 {
        let threads = u16::try_from(n).expect("small");
        assert_eq!(change(&mut registry, &id, threads).expect("changes"), n);
    }
    let left = kept(&registry, &id);
    assert_eq!(left.len(), MAX_VERSIONS);
    assert_eq!((left[0], left[MAX_VERSIONS - 2]), (40, 10));
    assert_eq!(left[MAX_VERSIONS - 1], 1, "a rig mines with it");
    assert_eq!(registry.profile(&id).expect("made").lost, 8);

    registry
        .remove(&Fingerprint([1; 32]), false, NOW)
        .expect("removes");
    change(&mut registry, &id, 41).expect("changes");
    assert!(!kept(&registry, &id).contains(&1), "nobody mines with it");
}

#[test]
fn a_profile_all_of_whose_versions_are_in_use_takes_no_other() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    let versions = u8::try_from(MAX_VERSIONS).expect("small");
    for n in 1..versions {
        tell(&mut registry, n, &id, n.into());
        change(&mut registry, &id, u16::from(n) + 1).expect("changes");
    }
    let full = change(&mut registry, &id, 99);
    assert!(matches!(full, Err(RegistryError::VersionsInUse)));
    tell(&mut registry, 5, &id, 32);
    assert_eq!(change(&mut registry, &id, 99).expect("5 is free"), 33);
    assert!(!kept(&registry, &id).contains(&5));
}

#[test]
fn yields_add_up_and_go_with_their_version() {
    let mut registry = registry();
    let id = create(&mut registry, "p").expect("creates");
    let minute = YieldRecord {
        rig_secs: 60,
        milli_hashes: 60 * 1_500,
    };
    let slower = YieldRecord {
        rig_secs: 60,
        milli_hashes: 60 * 500,
    };
    for made in [minute, slower] {
        let of = |version| ((id.clone(), version), made);
        registry.add_yields([of(1), of(7)]).expect("adds");
    }
    let made = registry.yielded(&id, 1).expect("made");
    assert_eq!((made.rig_secs, made.mean()), (120, Some(1_000)));
    assert!(registry.yielded(&id, 7).is_none(), "no such version");
    assert_eq!(YieldRecord::default().mean(), None);
    registry.delete_profile(&id).expect("deletes");
    create(&mut registry, "p").expect("creates");
    assert!(registry.yielded(&id, 1).is_none());
}

#[test]
fn a_profile_in_use_stays_and_one_without_pools_is_refused() {
    let mut registry = registry();
    let id = create(&mut registry, "My Profile").expect("creates");
    assert_eq!(id.as_str(), "my-profile");
    let twice = create(&mut registry, "my_profile");
    assert!(matches!(twice, Err(RegistryError::ProfileExists(_))));
    tell(&mut registry, 1, &id, 1);
    match registry.delete_profile(&id) {
        Err(RegistryError::ProfileInUse(rigs)) => assert_eq!(rigs[0].as_str(), "rig-1"),
        other => panic!("{other:?}"),
    }
    registry
        .remove(&Fingerprint([1; 32]), false, NOW)
        .expect("removes");
    registry.delete_profile(&id).expect("nobody uses it now");

    let mut empty = spec("empty", 1);
    empty.profile.pools.clear();
    let refused = registry.create_profile(empty, Revision::default(), NOW);
    assert!(matches!(refused, Err(RegistryError::NoPool)));
}

#[test]
fn profiles_are_limited_in_number() {
    let mut registry = registry();
    for n in 0..MAX_PROFILES {
        create(&mut registry, &format!("p{n}")).expect("creates");
    }
    let full = create(&mut registry, "one more");
    assert!(matches!(full, Err(RegistryError::TooManyProfiles)));
}
