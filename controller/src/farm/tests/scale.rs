//! The largest farm that this controller is made for: what takes how long, and how often it syncs.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::select::Selector;
use super::*;
use crate::access::By;
use crate::farm::action::Action;
use crate::history::point::tests::report;
use crate::registry::{
    Change, Contents, Durable, LabelsRecord, OnFailure, PeerRecord, RolloutTerms, Step, Trust,
};

/// Rigs of the largest farm that this controller is made for.
const MANY: u32 = 10_000;

/// [`MANY`] rigs that are off, in groups of a hundred.
fn many(store: &mut dyn Store) {
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
    let farm = farm(Box::new(store));
    let select = |text: &str| {
        let selector: Selector = text.parse().expect("understood");
        timed(&format!("select {text}"), || farm.select(&selector))
    };
    let all = select("all");
    assert_eq!(all.len(), 10_000);
    assert_eq!(select("group=g7 tag=even").len(), 50);
    assert_eq!(select("tag!=even state=offline seen>1h").len(), 5_000);
    assert_eq!(select("name=rig-*7 group!=g1,g2,g3 id=*").len(), 970);
    let views = timed("views", || farm.views_of(&all));
    assert!(views.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(views.len(), 10_000);
    assert_eq!(timed("groups", || farm.groups()).groups.len(), 100);
}

/// [`many`] rigs that said something before this process began, each another hash rate.
fn many_that_said_something() -> Arc<Farm> {
    let mut store = MemoryStore::default();
    many(&mut store);
    let farm = farm(Box::new(store));
    let mut core = farm.lock();
    for n in 0..MANY {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        // All rates, in no order that their keys or names have.
        let rate = u64::from(n) * 7_919 % u64::from(MANY);
        let stats = report(Some(rate), u64::from(n % 97));
        core.hub
            .restore(&Fingerprint(key), stats, farm.clock.now().wall);
    }
    drop(core);
    farm
}

#[test]
fn ten_thousand_rigs_are_a_table_by_any_column_window_by_window() {
    let farm = many_that_said_something();
    let table = |select: &str, sort: &str, offset| {
        let selector: Selector = select.parse().expect("understood");
        let by = sort.parse().expect("a column");
        timed(&format!("table {select} {sort} {offset}"), || {
            smol::block_on(farm.table(&selector, by, offset, 60))
        })
    };
    for sort in ["name", "-hashrate", "accepted", "state", "group", "reason"] {
        for offset in [0, 5_000, 9_970] {
            let view = table("all", sort, offset);
            assert_eq!((view.registered, view.matched), (10_000, 10_000));
            assert_eq!(view.rows.len(), 60.min(10_000 - offset), "{sort} {offset}");
        }
    }
    let view = table("all", "-hashrate", 5_000);
    let rates: Vec<_> = view.rows.iter().filter_map(|row| row.hashrate).collect();
    assert_eq!((rates.len(), rates[0]), (60, 4.999), "5,000 are faster");
    assert!(rates.is_sorted_by(|a, b| a > b));
    assert_eq!(table("tag=even hashrate=", "-name", 0).matched, 5_000);
    let all = timed("sorted", || {
        smol::block_on(farm.sorted(&Selector::all(), Sort::default()))
    });
    let lines = timed("CSV", || {
        let portions = all.chunks(256).map(|portion| farm.csv_lines(portion));
        portions.map(|lines| lines.lines().count()).sum::<usize>()
    });
    assert_eq!(lines, 10_000);
}

#[test]
fn ten_thousand_rigs_are_a_map_and_parts() {
    let farm = many_that_said_something();
    let all = Selector::all();
    let map = timed("map", || smol::block_on(farm.map(&all)));
    let rigs: usize = map.racks.iter().map(|rack| rack.names.len()).sum();
    assert_eq!((map.racks.len(), rigs), (100, 10_000));
    let bytes = serde_json::to_vec(&map).expect("JSON").len();
    eprintln!("{MANY} rigs, map: {bytes} bytes");
    assert!(bytes < 1_000_000, "{bytes}");
    for by in [BreakdownBy::State, BreakdownBy::Group] {
        let view = timed("parts", || smol::block_on(farm.breakdown(&all, by)));
        let shown: usize = view.parts.iter().map(|part| part.rigs).sum();
        assert_eq!(shown + view.more_rigs, 10_000);
    }
}

#[test]
fn ten_thousand_rigs_that_are_off_are_found_in_portions() {
    let mut store = MemoryStore::default();
    many(&mut store);
    let farm = farm(Box::new(store));
    let (ended, longest_ms) = (AtomicBool::new(false), AtomicU64::new(0));
    let view = std::thread::scope(|scope| {
        // What others wait for the lock meanwhile.
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let from = farm.clock.now().mono;
                farm.is_served(&Fingerprint([7; 32]));
                let waited = farm.clock.now().mono.since(from);
                longest_ms.fetch_max(waited, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let audit = crate::audit::AuditState::default();
        let look = || smol::block_on(farm.attention(ATTENTION, audit));
        let view = timed("attention", look);
        ended.store(true, Ordering::Relaxed);
        view
    });
    let longest = longest_ms.load(Ordering::Relaxed);
    eprintln!("{MANY} rigs, longest wait for the lock meanwhile: {longest} ms");
    assert_eq!((view.total, view.items.len()), (10_000, ATTENTION));
    assert_eq!(view.counts, [("offline", 10_000)].into());
    assert!(view.items.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(timed("pools", || smol::block_on(farm.pools())).len(), 0);
}

fn farm(store: Box<dyn Store>) -> Arc<Farm> {
    let me = node(0xcc, Role::Controller, "control-center");
    Farm::open(store, me, Clock::start()).expect("opens")
}

/// A store that counts its syncs.
#[derive(Debug)]
struct Counting<S>(S, Arc<AtomicUsize>);

impl<S: Store> Store for Counting<S> {
    fn load(&self) -> Result<Contents, StoreError> {
        self.0.load()
    }

    fn commit(&mut self, batch: &[Change], durable: Durable) -> Result<(), StoreError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.commit(batch, durable)
    }
}

#[test]
fn ten_thousand_wishes_are_forty_syncs() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = RedbStore::open(dir.path()).expect("opens");
    many(&mut store);
    let syncs = Arc::new(AtomicUsize::new(0));
    let farm = farm(Box::new(Counting(store, Arc::clone(&syncs))));
    let stop = Bulk {
        rigs: Rigs::Selected(Selector::all()),
        action: Action::Stop,
        dry_run: false,
        expect: Some(10_000),
    };
    let (ended, longest_ms) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = std::thread::scope(|scope| {
        // What others wait for the lock meanwhile.
        scope.spawn(|| {
            let clock = Clock::start();
            while !ended.load(Ordering::Relaxed) {
                let from = clock.now().mono;
                farm.is_served(&Fingerprint([7; 32]));
                let waited = clock.now().mono.since(from);
                longest_ms.fetch_max(waited, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let done = timed("stop", || smol::block_on(farm.bulk(&stop, &By::Local)));
        ended.store(true, Ordering::Relaxed);
        done.expect("done")
    });
    let longest = longest_ms.load(Ordering::Relaxed);
    eprintln!("{MANY} rigs, longest wait for the lock meanwhile: {longest} ms");
    assert_eq!(done.counts, [("pending", 10_000)].into());
    assert_eq!(syncs.load(Ordering::Relaxed), 40);

    let again = timed("stop again", || {
        smol::block_on(farm.bulk(&stop, &By::Local))
    });
    assert_eq!(again.expect("done").counts, [("pending", 10_000)].into());
    assert_eq!(syncs.load(Ordering::Relaxed), 40, "they are told already");
}

#[test]
fn a_rollout_to_ten_thousand_rigs_and_back_is_one_sync_for_each_portion() {
    const PORTIONS: usize = 40;
    let mut store = MemoryStore::default();
    many(&mut store);
    let syncs = Arc::new(AtomicUsize::new(0));
    let farm = farm(Box::new(Counting(store, Arc::clone(&syncs))));
    let since = |before: &mut usize| {
        let now = syncs.load(Ordering::Relaxed);
        now - std::mem::replace(before, now)
    };
    let id = farm.create_profile(profile()).expect("creates").id;
    let start = Bulk {
        rigs: Rigs::Selected(Selector::all()),
        action: Action::Start {
            profile_id: id.clone(),
        },
        dry_run: false,
        expect: None,
    };
    smol::block_on(farm.bulk(&start, &By::Local)).expect("told");
    let second = Profile {
        threads: Threads::Count(1),
        ..profile()
    };
    farm.change_profile(&id, second.into()).expect("changes");
    let mut before = syncs.load(Ordering::Relaxed);
    let started = farm.start_rollout(NewRollout {
        profile: id,
        version: None,
        rigs: None,
        terms: RolloutTerms {
            stages: vec![Step::Percent(100)],
            observe_secs: 60,
            min_percent: 0,
            on_failure: OnFailure::Halt,
        },
        by: None,
        comment: None,
    });
    let id = started.expect("starts").rollout.id;
    assert_eq!(since(&mut before), 1, "it is stored");
    let told = |version| {
        let count = |peer: &PeerView| peer.desired.version == Some(version);
        farm.peers()
            .expect("lists")
            .iter()
            .filter(|peer| count(peer))
            .count()
    };
    farm.tick_rollouts();
    assert_eq!((since(&mut before), told(2)), (2, 256), "saved, then told");
    (1..PORTIONS).for_each(|_| farm.tick_rollouts());
    assert_eq!((since(&mut before), told(2)), (PORTIONS - 1, 10_000));
    farm.tick_rollouts();
    assert_eq!(since(&mut before), 0, "all were told");

    farm.steer_rollout(id, RolloutVerb::RollBack).expect("does");
    assert_eq!(since(&mut before), 1);
    farm.tick_rollouts();
    assert_eq!((since(&mut before), told(1)), (2, 256), "told, then saved");
    (1..PORTIONS).for_each(|_| farm.tick_rollouts());
    // The end is saved too.
    assert_eq!(
        (since(&mut before), told(1)),
        (2 * (PORTIONS - 1) + 1, 10_000)
    );
    assert_eq!(farm.rollout(id).expect("kept").status, "rolledBack");
}
