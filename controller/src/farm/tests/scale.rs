//! The largest farm that this controller is made for: what takes how long, and how often it syncs.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::select::Selector;
use super::*;
use crate::access::By;
use crate::farm::action::Action;
use crate::registry::{Change, Contents, Durable, LabelsRecord, PeerRecord, Trust};

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
    let views = timed("views", || smol::block_on(farm.views_of(&all)));
    assert!(views.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(views.len(), 10_000);
    assert_eq!(timed("groups", || farm.groups()).groups.len(), 100);
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
