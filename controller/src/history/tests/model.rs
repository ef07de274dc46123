//! Random steps, gaps, kills and changes of keys, against a model that keeps every point for ever.

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;
use proptest::prelude::*;

use super::super::archive::{Archive, Step};
use super::super::disk::MemoryDisk;
use super::super::{Fleet, Point, Shares, Tier};
use crate::clock::EpochMs;

/// What happens to the archive.
#[derive(Clone, Debug)]
enum Deed {
    /// Some steps pass, and one is closed with these points.
    Close(u64, Vec<Option<Point>>),
    /// The process is killed, and starts again so many steps later.
    Kill(u64),
    Forget(usize),
    /// A rig takes a key that was never there.
    Rename(usize),
}

/// A step of an archive and of the model beside it.
struct Twins {
    archive: Archive<MemoryDisk>,
    model: BTreeMap<Fingerprint, BTreeMap<u64, Point>>,
    fleet: BTreeMap<u64, Fleet>,
    keys: [Fingerprint; 3],
    last: u64,
    fresh: u8,
}

/// Near the end of the longest ring, so that it begins anew within a run.
const BEGIN: u64 = (200 * 8_640 - 40) * 90;

pub(super) fn wall(fine: u64) -> EpochMs {
    EpochMs(fine * 10_000)
}

impl Twins {
    fn new() -> Self {
        Self {
            archive: Archive::open(MemoryDisk::default(), wall(BEGIN)).expect("memory"),
            model: BTreeMap::new(),
            fleet: BTreeMap::new(),
            keys: [1, 2, 3].map(|n| Fingerprint([n; 32])),
            last: BEGIN,
            fresh: 3,
        }
    }

    fn does(&mut self, deed: Deed) {
        match deed {
            Deed::Close(gap, points) => self.close(gap, &points),
            Deed::Kill(gap) => {
                let fresh = Archive::open(MemoryDisk::default(), wall(0)).expect("memory");
                let killed = std::mem::replace(&mut self.archive, fresh);
                self.last += gap;
                let at = wall(self.last + 1);
                self.archive = Archive::open(killed.into_disk(), at).expect("opens");
            }
            Deed::Forget(rig) => {
                self.archive.forget(&self.keys[rig]).expect("memory");
                self.model.remove(&self.keys[rig]);
            }
            Deed::Rename(rig) => {
                self.fresh += 1;
                let new = Fingerprint([self.fresh; 32]);
                let old = std::mem::replace(&mut self.keys[rig], new);
                self.archive.rename(&old, &new).expect("memory");
                if let Some(points) = self.model.remove(&old) {
                    self.model.insert(new, points);
                }
            }
        }
    }

    fn close(&mut self, gap: u64, points: &[Option<Point>]) {
        self.last += gap;
        let known = self.keys.iter().zip(points);
        let rigs: Vec<_> = known
            .filter_map(|(key, point)| Some((*key, (*point)?)))
            .collect();
        let step = Step {
            number: self.last,
            fleet: Fleet::of(3, rigs.iter().map(|(_, point)| *point)),
            rigs,
            reports: Vec::new(),
        };
        self.archive.close(&step).expect("memory");
        self.fleet.insert(self.last, step.fleet);
        for (key, point) in step.rigs {
            // A rig's history begins with its first statistics.
            if self.model.contains_key(&key) || point.rate().is_some() || point.shares().is_some() {
                self.model.entry(key).or_default().insert(self.last, point);
            }
        }
    }

    fn compare(&self) {
        for tier in Tier::ALL {
            let end = tier.step_of(self.last) + 1;
            let steps = end - tier.points().min(400)..end;
            for key in &self.keys {
                let read = self.archive.rig(key, tier, steps.clone()).expect("memory");
                let none = BTreeMap::new();
                let points = self.model.get(key).unwrap_or(&none);
                for (step, point) in steps.clone().zip(read) {
                    let merged =
                        of_step(points, tier, step).fold(Point::default(), |a, b| a.merge(b));
                    assert!(same(&point, &merged), "{tier} {step}: {point:?} {merged:?}");
                }
            }
            let read = self.archive.fleet(tier, steps.clone()).expect("memory");
            for (step, point) in steps.clone().zip(read) {
                let merged =
                    of_step(&self.fleet, tier, step).fold(Fleet::default(), |a, b| a.merge(b));
                assert_eq!(point.shares(), merged.shares(), "{tier} {step}");
                assert_eq!(point.live(), merged.live(), "{tier} {step}");
                assert!(close(point.rate(), merged.rate()), "{tier} {step}");
            }
        }
    }
}

fn of_step<T>(points: &BTreeMap<u64, T>, tier: Tier, step: u64) -> impl Iterator<Item = &T> {
    let ratio = tier.step_s() / Tier::Fine.step_s();
    points
        .range(step * ratio..(step + 1) * ratio)
        .map(|(_, point)| point)
}

/// The same but for what rounding of means does.
fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-4 * (a.abs() + 1.0),
        (a, b) => a == b,
    }
}

fn same(a: &Point, b: &Point) -> bool {
    (a.shares(), a.live_s(), a.rate_s()) == (b.shares(), b.live_s(), b.rate_s())
        && close(a.rate(), b.rate())
}

fn points() -> impl Strategy<Value = Option<Point>> {
    let rate = proptest::option::of(0.0..1e6);
    let accepted = proptest::option::of(0..100_u64);
    let point = (rate, accepted, any::<bool>()).prop_map(|(rate, accepted, live)| {
        let shares = accepted.map(|accepted| Shares {
            accepted,
            ..Shares::default()
        });
        Point::new(rate, shares, live)
    });
    proptest::option::weighted(0.9, point)
}

fn deeds() -> impl Strategy<Value = Deed> {
    let gap = prop_oneof![20 => Just(1_u64), 4 => 1..8_u64, 1 => 1..3_000_u64];
    prop_oneof![
        40 => (gap.clone(), proptest::collection::vec(points(), 3)).prop_map(|(gap, points)| Deed::Close(gap, points)),
        3 => gap.prop_map(Deed::Kill),
        1 => (0..3_usize).prop_map(Deed::Forget),
        1 => (0..3_usize).prop_map(Deed::Rename),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_archive_says_what_a_model_without_a_bound_says(
        deeds in proptest::collection::vec(deeds(), 1..160),
    ) {
        let mut twins = Twins::new();
        for deed in deeds {
            twins.does(deed);
        }
        twins.compare();
    }
}

#[test]
fn a_place_that_was_freed_shows_its_next_rig_nothing_of_the_last_one() {
    let mut twins = Twins::new();
    let point = Some(Point::new(Some(5.0), None, true));
    for _ in 0..20 {
        twins.close(1, &[point]);
    }
    let old = twins.keys[0];
    twins.does(Deed::Forget(0));
    twins.close(1, &[None, point]);
    twins.does(Deed::Kill(0));
    let steps = BEGIN..twins.last + 1;
    let read = |key| {
        twins
            .archive
            .rig(key, Tier::Fine, steps.clone())
            .expect("memory")
    };
    let known = |key| read(key).iter().filter(|point| !point.is_empty()).count();
    assert_eq!((known(&twins.keys[1]), known(&old)), (1, 0));
    twins.compare();
}

#[test]
fn after_a_jump_back_the_new_points_are_shown_and_none_of_the_future() {
    let mut twins = Twins::new();
    let point = |rate| [Some(Point::new(Some(rate), None, true))];
    for _ in 0..100 {
        twins.close(1, &point(1.0));
    }
    // The clock was an hour ahead; the same places are written again under lower numbers.
    let future = twins.last;
    let now = future - 360;
    let step = |number| {
        let rigs = vec![(twins.keys[0], Point::new(Some(2.0), None, true))];
        Step {
            number,
            fleet: Fleet::of(1, rigs.iter().map(|(_, point)| *point)),
            rigs,
            reports: Vec::new(),
        }
    };
    let steps: Vec<_> = (now..now + 12).map(step).collect();
    for step in &steps {
        twins.archive.close(step).expect("memory");
    }
    let at = |tier: Tier| {
        let step = tier.step_of(now + 11);
        let points = twins.archive.rig(&twins.keys[0], tier, step..step + 1);
        points.expect("memory")[0].rate()
    };
    assert_eq!(Tier::ALL.map(at), [Some(2.0); 3]);
}
