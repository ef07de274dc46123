//! Many rigs: what selectors find on real links, and how long ten thousand take.

use super::select::Selector;
use super::*;
use crate::registry::{Change, Durable, LabelsRecord, PeerRecord, Trust};

fn names(farm: &Farm, selector: &str) -> Vec<String> {
    let selector: Selector = selector.parse().expect("understood");
    let keys = farm.select(&selector);
    let views = smol::block_on(farm.views_of(&keys));
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

/// Rigs of the largest farm that this controller is made for.
const MANY: u32 = 10_000;

/// A farm of [`MANY`] rigs that are off, in groups of a hundred.
fn many(store: &mut MemoryStore) {
    let rows = (0..MANY).flat_map(|n| {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let key = Fingerprint(key);
        let peer = PeerRecord {
            name: Name::parse(&format!("rig-{n:05}")).expect("valid"),
            address: None,
            trust: Trust::Fingerprint,
            added_at_ms: 1,
            last_seen_ms: Some(2),
            told: None,
        };
        let labels = LabelsRecord {
            group: format!("g{}", n / 100).parse().ok(),
            site: None,
            tags: (n % 2 == 0)
                .then(|| "even".parse().expect("valid"))
                .into_iter()
                .collect(),
        };
        [Change::PutPeer(key, peer), Change::PutLabels(key, labels)]
    });
    let rows: Vec<_> = rows.collect();
    store.commit(&rows, Durable::Now).expect("commits");
}

/// Says how long something took, for SPECIFICATION.md.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let clock = Clock::start();
    let result = work();
    eprintln!("{MANY} rigs, {what}: {} ms", clock.now().mono.0);
    result
}

#[test]
fn ten_thousand_rigs_are_chosen_listed_and_summed_up() {
    let mut store = MemoryStore::default();
    many(&mut store);
    let me = node(0xcc, Role::Controller, "control-center");
    let farm = Farm::open(Box::new(store), me, Clock::start()).expect("opens");
    let select = |text: &str| {
        let selector: Selector = text.parse().expect("understood");
        timed(&format!("select {text}"), || farm.select(&selector))
    };
    let all = select("all");
    assert_eq!(all.len(), 10_000);
    assert_eq!(select("group=g7 tag=even").len(), 50);
    assert_eq!(select("tag!=even state=offline seen>1h").len(), 5_000);
    assert_eq!(select("name=rig-*7 group!=g1,g2,g3 id=*").len(), 970);
    let views = timed("views", || smol::block_on(farm.views_of(&all)));
    assert!(views.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(views.len(), 10_000);
    assert_eq!(timed("groups", || farm.groups()).groups.len(), 100);
}
