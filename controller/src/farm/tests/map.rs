//! Map and breakdown, of rigs of the registry and on real links.

use serde_json::json;

use super::table::{PutPeer, farm_of, open, said, selector};
use super::*;
use crate::history::point::tests::report;

fn map(farm: &Farm, select: &str) -> MapView {
    smol::block_on(farm.map(&selector(select)))
}

fn breakdown(farm: &Farm, by: BreakdownBy) -> BreakdownView {
    smol::block_on(farm.breakdown(&selector("all"), by))
}

/// Value and rigs of each part.
fn sizes(view: &BreakdownView) -> Vec<(Option<&str>, usize)> {
    let parts = view.parts.iter();
    parts
        .map(|part| (part.value.as_deref(), part.rigs))
        .collect()
}

/// Some rigs in groups at sites, one in neither.
fn spread() -> Arc<Farm> {
    let mut store = MemoryStore::default();
    for (n, name, site, group) in [
        (1, "rig-10", Some("hill"), Some("g10")),
        (2, "rig-2", Some("hill"), Some("g10")),
        (3, "rig-3", Some("hill"), Some("g9")),
        (4, "rig-4", Some("hill"), None),
        (5, "rig-5", None, Some("g9")),
        (6, "rig-6", None, None),
    ] {
        let rig = PutPeer {
            name,
            site,
            group,
            cpu: Some("EPYC"),
            software: (n < 3).then_some("<script>alert(1)</script>"),
            ..PutPeer::default()
        };
        rig.put(&mut store, n);
    }
    open(store)
}

#[test]
fn a_map_has_racks_by_site_and_group_with_rigs_as_people_count_and_none_is_last() {
    let farm = spread();
    said(&farm, 2, report(Some(2_500), 5));
    let view = map(&farm, "all");
    let shown: Vec<_> = view
        .racks
        .iter()
        .map(|rack| {
            (
                rack.site.as_deref(),
                rack.group.as_deref(),
                rack.names.join(" "),
            )
        })
        .collect();
    let hill = Some("hill");
    let wanted = [
        (hill, Some("g9"), "rig-3".to_owned()),
        (hill, Some("g10"), "rig-2 rig-10".to_owned()),
        (hill, None, "rig-4".to_owned()),
        (None, Some("g9"), "rig-5".to_owned()),
        (None, None, "rig-6".to_owned()),
    ];
    assert_eq!(shown, wanted);
    let rack = &view.racks[1];
    assert_eq!(rack.ids, ["0202020202020202", "0101010101010101"]);
    assert_eq!(rack.states, [RigState::Offline; 2]);
    assert_eq!(rack.hashrates, [Some(2.5), None]);
    assert!(rack.ages[0].is_some() && rack.ages[1].is_none());
    assert_eq!(rack.percents, [None; 2], "what is off has no twins");

    let view = map(&farm, "group=g9");
    assert_eq!(view.racks.len(), 2);
    assert_eq!(map(&farm, "name=nobody").racks, []);
}

#[test]
fn a_rig_is_measured_by_twins_that_mine_and_that_are_not_selected_too() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        farm.create_profile(profile()).expect("creates");
        for seed in 1..=3 {
            let address = fixture.listening(TestRig::new(seed)).await;
            let peer = AddPeer {
                address: Some(address),
                name: Name::parse(&format!("rig-{seed}")).ok(),
                proof: Proof::Tofu,
            };
            let added = farm.add_peer(peer).await.expect("adds");
            let id = farm.resolve(&added.id).expect("there");
            // The answer to what was asked before, about its processor, has come when this one has.
            farm.stats_of(id).await.expect("answers");
            let one = selector("name=rig-1");
            let percents = async || farm.map(&one).await.racks[0].percents.clone();
            assert_eq!(percents().await, [None], "{seed} do not mine all");
            farm.start(id, "my-profile").await.expect("starts");
            let wanted = (seed == 3).then_some(100);
            assert_eq!(percents().await, [wanted], "{seed} mine");
        }
        let by = async |by| {
            let view = farm.breakdown(&selector("all"), by).await;
            serde_json::to_value(&view.parts).expect("JSON")
        };
        let part = |value: &str| {
            json!([{
                "value": value, "rigs": 3, "online": 3, "hashrate": 4.5,
                "accepted": 9, "rejected": 0, "stale": 0,
            }])
        };
        assert_eq!(by(BreakdownBy::State).await, part("mining"));
        assert_eq!(by(BreakdownBy::Profile).await, part("my-profile"));
        assert_eq!(by(BreakdownBy::Software).await, part("miner 0.1.0"));
        let cpu = "AMD Ryzen 9 5950X 16-Core Processor";
        assert_eq!(by(BreakdownBy::Cpu).await, part(cpu));
    });
}

#[test]
fn parts_count_every_rig_once_and_know_what_nobody_said() {
    let farm = spread();
    let mut stats = report(Some(2_500), 5);
    stats.miners[0].pool = Address::parse("pool.example:3333").ok();
    said(&farm, 2, stats);
    let by = |by| breakdown(&farm, by);
    assert_eq!(sizes(&by(BreakdownBy::State)), [(Some("offline"), 6)]);
    assert_eq!(sizes(&by(BreakdownBy::Cpu)), [(Some("EPYC"), 6)]);
    assert_eq!(sizes(&by(BreakdownBy::Profile)), [(None, 6)]);
    assert_eq!(
        sizes(&by(BreakdownBy::Site)),
        [(Some("hill"), 4), (None, 2)]
    );
    let groups = [(Some("g9"), 2), (Some("g10"), 2), (None, 2)];
    assert_eq!(sizes(&by(BreakdownBy::Group)), groups);
    let hostile = Some("<script>alert(1)</script>");
    assert_eq!(sizes(&by(BreakdownBy::Software)), [(None, 4), (hostile, 2)]);
    let pools = by(BreakdownBy::Pool);
    assert_eq!(sizes(&pools), [(None, 5), (Some("pool.example:3333"), 1)]);
    assert_eq!(farm.select(&selector("pool=pool.example:*")).len(), 1);
    let part = &pools.parts[1];
    assert_eq!(
        (part.online, part.hashrate, part.accepted),
        (0, None, None),
        "it is off: what it makes is unknown, not nothing"
    );
}

#[test]
fn of_more_than_sixty_four_parts_the_smallest_are_counted() {
    let mut store = MemoryStore::default();
    for n in 1..=70 {
        let (name, group) = (format!("rig-{n}"), format!("g{}", n.max(5)));
        let rig = PutPeer {
            name: &name,
            group: Some(&group),
            ..PutPeer::default()
        };
        rig.put(&mut store, n);
    }
    let view = breakdown(&open(store), BreakdownBy::Group);
    assert_eq!(view.parts.len(), MAX_PARTS);
    assert_eq!(sizes(&view)[..2], [(Some("g5"), 5), (Some("g6"), 1)]);
    assert_eq!((view.more_parts, view.more_rigs), (2, 2));
    let empty = breakdown(&farm_of(&[]), BreakdownBy::State);
    assert_eq!((empty.parts.len(), empty.more_parts), (0, 0));
}
