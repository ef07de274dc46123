//! Many rigs on real links: what selectors find, and what comes of one action on each.

use super::select::Selector;
use super::*;
use crate::access::By;
use crate::farm::action::Action;
use crate::registry::Relabel;

fn names(farm: &Farm, selector: &str) -> Vec<String> {
    let selector: Selector = selector.parse().expect("understood");
    let keys = farm.select(&selector);
    let views = farm.views_of(&keys);
    views.into_iter().map(|view| view.name).collect()
}

#[test]
fn a_rig_is_found_by_what_it_says_and_by_its_processor_also_when_it_is_off() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Box::new(RedbStore::open(dir.path()).expect("opens"));
    with_store(open(), |fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        // The answer to what was asked before has come when this one has.
        farm.stats_of(id).await.expect("answers");
        for found in [
            "state=online",
            "state=stopped",
            "cpu~5950x cpus=32",
            "hashrate<2 hashrate>1.4",
            "rtt<5s score=100 seen<1m uptime=10s",
            "role=worker software=miner* version=0.1.0 host~x86_64",
            "trust=tofu address=127.0.0.1:*",
            "state!=drift,pending generation=",
        ] {
            assert_eq!(names(farm, found), ["rig-alpha"], "{found}");
        }
        for not in [
            "state=offline",
            "state=mining",
            "cpu~EPYC",
            "cpu=",
            "hashrate>2",
            "mode=fast",
            "pages=",
            "name=rig",
        ] {
            let found = names(farm, not);
            assert_eq!(found.is_empty(), not != "pages=", "{not}");
        }
        farm.stop(id, None).await.expect("stops");
        assert_eq!(names(farm, "generation=1 !state=pending"), ["rig-alpha"]);
    });
    with_store(open(), |fixture| async move {
        let farm = &fixture.farm;
        for found in ["cpu~5950X cpus>16", "state=offline,online"] {
            assert_eq!(names(farm, found), ["rig-alpha"], "{found}");
        }
        for unknown in ["hashrate<2", "hashrate>=0", "rtt>0", "uptime>0s"] {
            assert!(names(farm, unknown).is_empty(), "{unknown}");
        }
        let view = farm.peers().expect("lists").remove(0);
        assert_eq!(
            view.cpu_model.as_deref(),
            Some("AMD Ryzen 9 5950X 16-Core Processor")
        );
        assert_eq!((view.cpus, view.memory_mib), (Some(32), Some(65_536)));
    });
}

fn bulk(rigs: &str, action: Action) -> Bulk {
    Bulk {
        rigs: Rigs::Selected(rigs.parse().expect("understood")),
        action,
        dry_run: false,
        expect: None,
    }
}

fn dry(rigs: &str, action: Action) -> Bulk {
    Bulk {
        dry_run: true,
        ..bulk(rigs, action)
    }
}

fn start() -> Action {
    Action::Start {
        profile_id: "my-profile".to_owned(),
    }
}

/// Name and status of each rig.
async fn statuses(farm: &Farm, bulk: &Bulk) -> Vec<(String, &'static str)> {
    let done = farm.bulk(bulk, &By::Local).await.expect("done");
    assert_eq!(done.matched, done.results.len());
    let counted: usize = done.counts.values().sum();
    assert_eq!(counted, done.results.len());
    let results = done.results.into_iter();
    results
        .map(|result| (result.name, result.status.as_str()))
        .collect()
}

fn all(pairs: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    let owned = pairs
        .iter()
        .map(|(name, status)| ((*name).to_owned(), *status));
    owned.collect()
}

/// Rigs with links by these names, and one, `off`, that never had any.
async fn rigs(fixture: &Fixture, names: &[&str]) {
    for (seed, name) in (1..).zip(names) {
        let address = fixture.listening(TestRig::new(seed)).await;
        let peer = AddPeer {
            address: Some(address),
            name: Name::parse(name).ok(),
            proof: Proof::Tofu,
        };
        assert!(fixture.farm.add_peer(peer).await.expect("adds").connected);
    }
    let off = AddPeer {
        address: None,
        name: Name::parse("off").ok(),
        proof: Proof::Fingerprint(Fingerprint([0xff; 32])),
    };
    fixture.farm.add_peer(off).await.expect("adds");
    fixture.farm.create_profile(profile()).expect("creates");
}

#[test]
fn a_wish_for_many_has_a_result_for_each_and_is_not_repeated_where_it_holds() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        rigs(&fixture, &["a", "b", "c"]).await;
        let events = || farm.events().0.len();
        let before = events();
        let foreseen = statuses(farm, &dry("name=a,b,off", start())).await;
        let would = "wouldChange";
        assert_eq!(
            foreseen,
            all(&[("a", would), ("b", would), ("off", "pending")])
        );
        assert_eq!(events(), before, "a dry run changes nothing");
        assert!(names(farm, "generation>0").is_empty());

        let started = statuses(farm, &bulk("name=a,off", start())).await;
        assert_eq!(started, all(&[("a", "applied"), ("off", "pending")]));
        assert_eq!(names(farm, "profile=my-profile"), ["a", "off"]);
        let again = statuses(farm, &bulk("all", start())).await;
        let (there, done) = ("alreadyThere", "applied");
        assert_eq!(
            again,
            all(&[("a", there), ("b", done), ("c", done), ("off", "pending")])
        );
        assert_eq!(names(farm, "generation=1").len(), 4, "nobody is told twice");
        let stopped = statuses(farm, &bulk("!name=b", Action::Stop)).await;
        assert_eq!(
            stopped,
            all(&[("a", done), ("c", done), ("off", "pending")])
        );
        assert_eq!(names(farm, "state=mining"), ["b"]);
        assert_eq!(names(farm, "generation=2"), ["a", "c", "off"]);
    });
}

#[test]
fn an_exchange_with_many_says_who_answered_who_refused_and_who_is_off() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        rigs(&fixture, &["a", "b"]).await;
        let pinged = statuses(farm, &bulk("all", Action::Ping)).await;
        assert_eq!(
            pinged,
            all(&[("a", "applied"), ("b", "applied"), ("off", "failed")])
        );
        let foreseen = statuses(farm, &dry("all", Action::Ping)).await;
        let would = "wouldChange";
        assert_eq!(
            foreseen,
            all(&[("a", would), ("b", would), ("off", "failed")])
        );

        let rotated = farm.bulk(&bulk("all", Action::RotateKey), &By::Local).await;
        let rotated = rotated.expect("done");
        let codes: Vec<_> = rotated.results.iter().map(|result| result.code).collect();
        let refused = Some("ORDER_REFUSED");
        assert_eq!(codes, [refused, refused, Some("CONNECTION_FAILED")]);
        let why = rotated.results[0].message.as_deref().expect("a reason");
        assert!(why.contains("another controller"), "{why}");
        assert_eq!(rotated.counts, [("failed", 1), ("refused", 2)].into());
    });
}

#[test]
fn labels_and_removals_of_many_are_one_step_each() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        rigs(&fixture, &["a", "b"]).await;
        let shed = || {
            Action::Label(Relabel {
                group: Some("shed".parse().ok()),
                ..Relabel::default()
            })
        };
        let (there, done) = ("alreadyThere", "applied");
        let labelled = statuses(farm, &bulk("name=a", shed())).await;
        assert_eq!(labelled, all(&[("a", done)]));
        let labelled = statuses(farm, &bulk("name=a,off", shed())).await;
        assert_eq!(labelled, all(&[("a", there), ("off", done)]));
        let nothing = farm
            .bulk(&bulk("all", Action::Label(Relabel::default())), &By::Local)
            .await;
        assert_eq!(nothing.expect_err("nothing to do").code, Code::InvalidInput);

        let remove = || Action::Remove { keep_token: false };
        let foreseen = statuses(farm, &dry("group=shed", remove())).await;
        assert_eq!(
            foreseen,
            all(&[("a", "wouldChange"), ("off", "wouldChange")])
        );
        assert_eq!(farm.peers().expect("lists").len(), 3);
        let removed = statuses(farm, &bulk("group=shed", remove())).await;
        assert_eq!(removed, all(&[("a", done), ("off", done)]));
        assert_eq!(names(farm, "all"), ["b"]);
        assert_eq!(farm.removed().len(), 2);
    });
}

#[test]
fn another_number_of_rigs_than_expected_changes_none() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        rigs(&fixture, &["a", "b"]).await;
        let expecting = |expect| Bulk {
            expect: Some(expect),
            ..bulk("state=online", Action::Stop)
        };
        let refused = farm.bulk(&expecting(3), &By::Local).await.expect_err("two");
        assert_eq!(refused.code, Code::SelectionChanged);
        assert!(names(farm, "generation>0").is_empty());
        assert_eq!(
            farm.bulk(&expecting(2), &By::Local)
                .await
                .expect("two")
                .matched,
            2
        );
        let unknown = Action::Start {
            profile_id: "nothing".to_owned(),
        };
        let unknown = farm
            .bulk(&bulk("all", unknown), &By::Local)
            .await
            .expect_err("none");
        assert_eq!(unknown.code, Code::ProfileNotFound);
    });
}

#[test]
fn rigs_that_are_named_are_taken_once_and_what_is_none_is_said() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        rigs(&fixture, &["a", "b"]).await;
        let id = farm.resolve("b").expect("by name").to_string();
        let named = ["b", "nobody", &id, "off"].map(str::to_owned);
        let stop = Bulk {
            rigs: Rigs::Named(named.to_vec()),
            ..bulk("all", Action::Stop)
        };
        let done = farm.bulk(&stop, &By::Local).await.expect("done");
        let results = done.results.iter();
        let results: Vec<_> = results
            .map(|r| (r.name.as_str(), r.status.as_str()))
            .collect();
        assert_eq!(
            results,
            [("b", "applied"), ("off", "pending"), ("nobody", "failed")]
        );
        assert_eq!(
            (done.matched, done.results[2].code),
            (2, Some("PEER_NOT_FOUND"))
        );
        assert_eq!(names(farm, "generation>0"), ["b", "off"]);
        let many = Bulk {
            rigs: Rigs::Named(vec!["b".to_owned(); bulk::MAX_NAMED + 1]),
            ..stop
        };
        assert_eq!(
            farm.bulk(&many, &By::Local)
                .await
                .expect_err("too many")
                .code,
            Code::InvalidInput
        );
    });
}
