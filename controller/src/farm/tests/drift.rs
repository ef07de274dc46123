//! Rigs that do not run what the registry wants, with links and without.

use miner_shared::wire::RigStats;

use super::select::Selector;
use super::table::{farm_of, said, selector};
use super::*;
use crate::history::point::tests::report;

/// Names and reasons of the rigs that drift.
async fn drifting(farm: &Farm, select: &str) -> Vec<(String, DriftReason)> {
    let rows = rows(farm, select, None).await;
    rows.into_iter().map(|row| (row.name, row.reason)).collect()
}

async fn rows(farm: &Farm, select: &str, reason: Option<DriftReason>) -> Vec<DriftView> {
    let named = farm.drifting(&selector(select), reason).await;
    let keys: Vec<_> = named.iter().map(|(_, key)| *key).collect();
    let rows = farm.drifts_of(&keys, reason);
    assert_eq!(rows.len(), keys.len(), "nothing moves meanwhile");
    rows
}

/// `state=drift` takes the rigs of the list, and no others.
async fn is_what_the_selector_takes(farm: &Farm) {
    let listed = farm.drifting(&Selector::all(), None).await;
    assert_eq!(farm.select_named(&selector("state=drift")), listed);
}

#[test]
fn a_rig_that_is_off_drifts_until_it_said_that_it_has_what_it_was_told() {
    let farm = farm_of(&["has-it", "older", "newer", "never-heard", "never-told"]);
    smol::block_on(async {
        farm.create_profile(profile()).expect("creates");
        for name in ["has-it", "older", "never-heard"] {
            let id = farm.resolve(name).expect("by name");
            let started = farm.start(id, "My Profile").await.expect("stored");
            assert_eq!(started.generation, 1);
        }
        for (n, generation) in [(1, 1), (2, 0), (3, 7)] {
            let stats = RigStats {
                generation,
                profile: Name::parse("Other").ok().filter(|_| n == 2),
                ..report(Some(2_000), 5)
            };
            said(&farm, n, stats);
        }
        assert_eq!(
            drifting(&farm, "all").await,
            [
                ("never-heard".to_owned(), DriftReason::Unknown),
                ("newer".to_owned(), DriftReason::Behind),
                ("older".to_owned(), DriftReason::Pending),
            ]
        );
        is_what_the_selector_takes(&farm).await;
        let behind = Some(DriftReason::Behind);
        assert_eq!(rows(&farm, "all", behind).await.len(), 1);
        assert_eq!(rows(&farm, "name=older", behind).await.len(), 0);

        let older = rows(&farm, "name=older", None).await.remove(0);
        assert!(!older.connected && older.since_ms.is_some_and(|ms| ms < 60_000));
        assert_eq!(older.message, "it is off, and is told when it is back");
        let wished = &older.wished;
        assert_eq!((wished.generation, wished.version), (1, Some(1)));
        assert_eq!(wished.profile.as_deref(), Some("My Profile"));
        assert_eq!(wished.profile_id.as_deref(), Some("my-profile"));
        let hash = farm.profile("my-profile").expect("there").hash;
        assert_eq!(wished.hash.as_ref(), Some(&hash));
        let reported = ReportedView {
            generation: Some(0),
            profile: Some("Other".to_owned()),
            ..ReportedView::default()
        };
        assert_eq!(older.reported, Some(reported));

        let newer = rows(&farm, "name=newer", None).await.remove(0);
        assert_eq!((newer.since_ms, newer.wished.hash), (None, None));
        let unknown = rows(&farm, "name=never-heard", None).await.remove(0);
        assert_eq!((unknown.reported, unknown.last_seen_age_ms), (None, None));
    });
}

#[test]
fn refusals_and_other_states_in_force_are_listed_also_when_the_rig_is_off() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let mut old = profile();
        farm.create_profile(old.clone()).expect("creates");
        let has = farm
            .lock()
            .registry
            .profiles()
            .next()
            .expect("one")
            .1
            .hash();
        let events = farm.subscribe();
        let mut links = Vec::new();
        for (name, rig) in [
            ("drifts", TestRig::new(1).drifting_to(has)),
            ("refuses", TestRig::new(2).refusing()),
            ("works", TestRig::new(3)),
        ] {
            let peer = AddPeer {
                address: None,
                name: Name::parse(name).ok(),
                proof: Proof::Fingerprint(rig.fingerprint()),
            };
            farm.add_peer(peer).await.expect("adds");
            let controller = farm.me.fingerprint();
            links.push(fixture.executor.spawn(rig.dial(fixture.listen, controller)));
            Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
        }
        // A version that nobody has in force yet.
        old.mode = Mode::Fast;
        let id = crate::registry::ProfileId::of("My Profile");
        let now = farm.clock.now().wall;
        farm.lock()
            .registry
            .change_profile(&id, old.into(), None, Default::default(), now)
            .expect("changes");
        for name in ["drifts", "refuses", "works"] {
            let id = farm.resolve(name).expect("by name");
            let started = farm.start(id, "My Profile").await;
            assert_eq!(started.is_ok(), name != "refuses", "{name}");
        }
        let listed = [
            ("drifts".to_owned(), DriftReason::Drifted),
            ("refuses".to_owned(), DriftReason::Refused),
        ];
        for live in [true, false] {
            if !live {
                while let Some(link) = links.pop() {
                    link.cancel().await;
                    Fixture::event(&events, |e| matches!(e, EventKind::LinkDown { .. })).await;
                }
            }
            assert_eq!(drifting(farm, "all").await, listed);
            is_what_the_selector_takes(farm).await;
            let rows = rows(farm, "all", None).await;
            let [drifts, refuses] = rows.as_slice() else {
                panic!("{rows:?}");
            };
            assert_eq!((drifts.connected, refuses.connected), (live, live));
            let reported = drifts.reported.as_ref().expect("it said it");
            assert_eq!(drifts.wished.version, Some(2));
            assert_eq!(
                (reported.generation, reported.version),
                (Some(1), Some(1)),
                "its hash is that of version 1"
            );
            assert_eq!(reported.profile.as_deref(), Some("My Profile"));
            assert_ne!(reported.hash, drifts.wished.hash);
            assert_eq!(refuses.field, Some("mode"));
            assert!(refuses.message.contains("too little memory"));
        }
    });
}
