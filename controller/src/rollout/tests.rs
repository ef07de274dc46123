//! Rollouts over farms that exist in virtual time alone.

use std::collections::BTreeMap;

use super::*;
use crate::clock::EpochMs;
use crate::registry::{ProfileId, RolloutTerms, Step};

/// Between two ticks.
const TICK_MS: u64 = 10_000;
const OBSERVE_MS: u64 = 600_000;

/// A rig of the simulation.
#[derive(Clone, Debug)]
struct Rig {
    seen: Seen,
    /// Hash rate with each version; 0 is nothing.
    rates: [u64; 3],
    /// Whether it refuses version 2.
    refuses: bool,
    told: usize,
}

impl Rig {
    fn mining() -> Self {
        Self {
            seen: Seen {
                live: true,
                told: Some(has(1, 1)),
                standing: Standing::Applied,
                makes: Makes::Rate(1_000),
                made: Some(1_000),
            },
            rates: [0, 1_000, 1_000],
            refuses: false,
            told: 0,
        }
    }

    fn slower_with_2(rate: u64) -> Self {
        let mut rig = Self::mining();
        rig.rates[2] = rate;
        rig
    }

    /// Takes a wish, and carries it out at once if it is there.
    fn tell(&mut self, version: u32) {
        let generation = self.seen.told.as_ref().map_or(0, |told| told.generation) + 1;
        self.seen.told = Some(has(generation, version));
        self.seen.standing = Standing::Pending;
        self.told += 1;
        self.obey();
    }

    fn obey(&mut self) {
        let version = self.seen.told.as_ref().map_or(0, |told| told.version);
        if !self.seen.live {
            return;
        }
        if self.refuses && version == 2 {
            self.seen.standing = Standing::Refused(Reason::lossy("it has too little memory"));
            return;
        }
        self.seen.standing = Standing::Applied;
        self.seen.makes = match self.rates[version as usize] {
            0 => Makes::Nothing,
            rate => Makes::Rate(rate),
        };
    }
}

fn has(generation: u64, version: u32) -> Before {
    Before {
        generation,
        profile: ProfileId::of("p"),
        version,
    }
}

fn key(n: usize) -> Fingerprint {
    Fingerprint([u8::try_from(n).expect("small") + 1; 32])
}

#[derive(Clone, Debug)]
struct Rigs(BTreeMap<Fingerprint, Rig>);

impl World for Rigs {
    fn see(&self, key: &Fingerprint) -> Seen {
        self.0[key].seen.clone()
    }
}

/// A rollout, its farm, and what of it is on disk.
struct Sim {
    rigs: Rigs,
    run: Run,
    saved: (RolloutRecord, RolloutRigs),
    now: Now,
    reports: Vec<Report>,
    /// Actions that are still done before the controller is killed.
    fuse: Option<usize>,
}

impl Sim {
    fn new(rigs: Vec<Rig>, on_failure: OnFailure) -> Self {
        let steps = [Step::Rigs(1), Step::Percent(50), Step::Percent(100)];
        let record = RolloutRecord {
            profile: ProfileId::of("p"),
            version: 2,
            bounds: bounds(&steps, u32::try_from(rigs.len()).expect("few")).expect("rise"),
            terms: RolloutTerms {
                stages: steps.to_vec(),
                observe_secs: 600,
                min_percent: 90,
                on_failure,
            },
            stage: 0,
            phase: Phase::Begin,
            status: RolloutStatus::Running,
            reason: None,
            by: None,
            comment: None,
            started_at_ms: 1,
            ended_at_ms: None,
        };
        let row = |n: usize| RolloutRig {
            place: u32::try_from(n).expect("few"),
            before: None,
            baseline: None,
            observed: None,
            outcome: RigOutcome::Waiting,
        };
        let rows: RolloutRigs = (0..rigs.len()).map(|n| (key(n), row(n))).collect();
        let rigs = (0..).map(key).zip(rigs).collect();
        Self {
            rigs: Rigs(rigs),
            run: Run::new(record.clone(), rows.clone(), Millis(0)),
            saved: (record, rows),
            now: Now {
                mono: Millis(0),
                wall: EpochMs(1_000_000),
            },
            reports: Vec::new(),
            fuse: None,
        }
    }

    fn rig(&mut self, n: usize) -> &mut Rig {
        self.rigs.0.get_mut(&key(n)).expect("there")
    }

    fn versions(&self) -> Vec<u32> {
        let told = |rig: &Rig| rig.seen.told.as_ref().map_or(0, |told| told.version);
        self.rigs.0.values().map(told).collect()
    }

    fn outcome(&self, n: usize) -> &RigOutcome {
        &self.run.rigs()[&key(n)].outcome
    }

    fn status(&self) -> RolloutStatus {
        self.run.record().status
    }

    /// Does actions until the fuse is burnt; whether it was.
    fn act(&mut self, actions: Vec<Action>) -> bool {
        for action in actions {
            if let Some(left) = &mut self.fuse {
                let Some(rest) = left.checked_sub(1) else {
                    return true;
                };
                *left = rest;
            }
            match action {
                Action::Save(rigs) => {
                    self.saved.0 = self.run.record().clone();
                    for key in rigs {
                        let row = self.run.rigs()[&key].clone();
                        self.saved.1.insert(key, row);
                    }
                }
                Action::Tell(key) => self.rigs.0.get_mut(&key).expect("there").tell(2),
                Action::TellBack(key, before) => {
                    let rig = self.rigs.0.get_mut(&key).expect("there");
                    rig.tell(before.version);
                }
                Action::Report(report) => self.reports.push(report),
            }
        }
        false
    }

    /// The controller is killed, and started again from what is on disk.
    fn kill(&mut self) {
        self.fuse = None;
        let (record, rigs) = self.saved.clone();
        self.run = Run::new(record, rigs, self.now.mono);
    }

    fn tick(&mut self) {
        let actions = self.run.handle_tick(self.now, &self.rigs);
        if self.act(actions) {
            self.kill();
        }
        self.now.mono += TICK_MS;
        self.now.wall.0 += TICK_MS;
    }

    fn run_for(&mut self, ms: u64) {
        for _ in 0..ms / TICK_MS {
            self.tick();
        }
    }

    /// Until nothing more happens, or an hour has passed.
    fn run_out(&mut self) {
        for _ in 0..360 {
            self.tick();
        }
    }
}

#[test]
fn a_good_version_reaches_all_rigs_stage_by_stage() {
    let mut sim = Sim::new(vec![Rig::mining(); 6], OnFailure::Halt);
    sim.tick();
    assert_eq!(sim.versions(), [2, 1, 1, 1, 1, 1]);
    sim.run_for(OBSERVE_MS - TICK_MS);
    assert_eq!(sim.versions(), [2, 1, 1, 1, 1, 1], "it is still watched");
    sim.run_for(5 * TICK_MS);
    assert_eq!(sim.versions(), [2, 2, 2, 1, 1, 1]);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
    assert_eq!(sim.versions(), [2; 6]);
    assert!(sim.rigs.0.values().all(|rig| rig.told == 1));
    let stages: Vec<_> = sim
        .reports
        .iter()
        .filter(|report| matches!(report, Report::Stage(..)))
        .collect();
    assert_eq!(
        stages,
        [
            &Report::Stage(1, 1),
            &Report::Stage(2, 2),
            &Report::Stage(3, 3)
        ]
    );
    let rig = &sim.run.rigs()[&key(0)];
    assert_eq!((rig.baseline, rig.observed), (Some(1_000), Some(1_000)));
}

#[test]
fn a_slower_version_is_halted_after_its_first_stage_and_says_why() {
    let mut sim = Sim::new(vec![Rig::slower_with_2(410); 6], OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Halted);
    assert_eq!(sim.versions(), [2, 1, 1, 1, 1, 1]);
    let said = sim.run.record().reason.as_ref().expect("said").as_str();
    assert_eq!(
        said,
        "stage 1: 1 of 1 rigs fell below 90 %, together they make 41 % of what they made before"
    );
    assert!(matches!(sim.reports.last(), Some(Report::Halted(_))));
}

#[test]
fn a_halt_may_give_rigs_back_what_they_had() {
    let mut sim = Sim::new(vec![Rig::slower_with_2(0); 6], OnFailure::RollBack);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::RolledBack);
    assert_eq!(sim.versions(), [1; 6]);
    assert_eq!(*sim.outcome(0), RigOutcome::ToldBack);
    assert!(sim.run.record().reason.is_some(), "why is still said");
    assert!(sim.run.record().ended_at_ms.is_some());
}

#[test]
fn one_rig_of_many_that_fails_stops_nothing() {
    let mut rigs = vec![Rig::mining(); 40];
    rigs[5] = Rig::slower_with_2(0);
    let mut sim = Sim::new(rigs, OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
    assert_eq!(sim.run.rigs()[&key(5)].observed, Some(0), "and it shows");
}

#[test]
fn a_rig_that_went_away_makes_nothing() {
    let mut sim = Sim::new(vec![Rig::mining(); 4], OnFailure::Halt);
    sim.run_for(OBSERVE_MS / 2);
    sim.rig(0).seen.live = false;
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Halted);
}

#[test]
fn an_unknown_baseline_and_a_rig_at_rest_are_no_failure() {
    let mut unknown = Rig::slower_with_2(1);
    unknown.seen.made = None;
    let mut sim = Sim::new(vec![unknown; 4], OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);

    let mut sim = Sim::new(vec![Rig::mining(); 4], OnFailure::Halt);
    for _ in 0..360 {
        sim.tick();
        for rig in sim.rigs.0.values_mut() {
            rig.seen.makes = Makes::Unknown;
        }
    }
    assert_eq!(sim.status(), RolloutStatus::Done);
    let mean = sim.run.rigs()[&key(3)].observed;
    assert_eq!(mean, None, "unknown, not 0");
}

#[test]
fn a_stage_of_which_nobody_is_there_waits_and_goes_on_when_one_is_back() {
    let mut rigs = vec![Rig::mining(); 4];
    rigs[0].seen.live = false;
    let mut sim = Sim::new(rigs, OnFailure::Halt);
    sim.run_for(2 * APPLY_MS);
    assert_eq!(sim.versions(), [2, 1, 1, 1], "told, and away");
    assert_eq!(sim.status(), RolloutStatus::Running);
    sim.rig(0).seen.live = true;
    sim.rig(0).obey();
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
}

#[test]
fn rigs_that_are_away_do_not_hold_up_those_that_are_there() {
    let mut rigs = vec![Rig::mining(); 4];
    rigs[2].seen.live = false;
    let mut sim = Sim::new(rigs, OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
    assert_eq!(
        *sim.outcome(2),
        RigOutcome::Told,
        "it gets it when it is back"
    );
}

#[test]
fn a_stage_that_refuses_stops_the_rollout() {
    let mut rigs = vec![Rig::mining(); 4];
    rigs[0].refuses = true;
    let mut sim = Sim::new(rigs, OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Halted);
    let said = sim.run.record().reason.as_ref().expect("said").as_str();
    assert_eq!(
        said,
        "stage 1: 1 of 1 rigs refused: it has too little memory"
    );

    let actions = sim.run.resume(sim.now).expect("halted");
    sim.act(actions);
    sim.run_out();
    assert_eq!(
        sim.status(),
        RolloutStatus::Done,
        "a person took it for good"
    );
}

#[test]
fn what_a_person_tells_a_rig_meanwhile_wins() {
    let mut sim = Sim::new(vec![Rig::mining(); 2], OnFailure::RollBack);
    sim.run_for(60_000);
    sim.rig(0).tell(0);
    sim.run_out();
    assert_eq!(*sim.outcome(0), RigOutcome::Superseded);
    sim.run.roll_back().expect("done");
    sim.run_out();
    assert_eq!(sim.versions(), [0, 1], "and is not rolled back");
}

#[test]
fn rigs_that_have_it_and_rigs_that_mine_nothing_are_left_as_they_are() {
    let mut rigs = vec![Rig::mining(); 3];
    rigs[0].seen.told = Some(has(1, 2));
    rigs[1].seen.told = None;
    let mut sim = Sim::new(rigs, OnFailure::Halt);
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
    assert_eq!(
        (sim.outcome(0), sim.outcome(1)),
        (&RigOutcome::HadIt, &RigOutcome::LeftOut)
    );
    assert_eq!([0, 1, 2].map(|n| sim.rigs.0[&key(n)].told), [0, 0, 1]);
}

#[test]
fn a_paused_rollout_tells_nobody_and_watches_anew_when_it_goes_on() {
    let mut sim = Sim::new(vec![Rig::mining(); 4], OnFailure::Halt);
    sim.run_for(OBSERVE_MS - 60_000);
    let actions = sim.run.pause().expect("running");
    sim.act(actions);
    sim.run_out();
    assert_eq!(sim.versions(), [2, 1, 1, 1]);
    assert_eq!(sim.run.pause(), Err(NotNow(RolloutStatus::Paused)));
    let actions = sim.run.resume(sim.now).expect("paused");
    sim.act(actions);
    sim.run_for(OBSERVE_MS - 60_000);
    assert_eq!(sim.versions(), [2, 1, 1, 1], "the whole window again");
    sim.run_out();
    assert_eq!(sim.status(), RolloutStatus::Done);
    assert_eq!(sim.run.abort(sim.now), Err(NotNow(RolloutStatus::Done)));
}

#[test]
fn an_aborted_rollout_leaves_rigs_as_they_are_and_can_still_be_rolled_back() {
    let mut sim = Sim::new(vec![Rig::mining(); 4], OnFailure::Halt);
    sim.run_for(OBSERVE_MS + 60_000);
    let actions = sim.run.abort(sim.now).expect("running");
    sim.act(actions);
    sim.run_out();
    assert_eq!(sim.versions(), [2, 2, 1, 1]);
    let actions = sim.run.roll_back().expect("aborted");
    sim.act(actions);
    sim.run_out();
    assert_eq!(
        (sim.versions(), sim.status()),
        (vec![1; 4], RolloutStatus::RolledBack)
    );
}

#[test]
fn a_controller_that_is_killed_at_any_moment_goes_on_and_tells_nobody_twice() {
    for fuse in 0..40 {
        for (rate, ends, version) in [
            (1_000, RolloutStatus::Done, 2),
            (0, RolloutStatus::RolledBack, 1),
        ] {
            let mut sim = Sim::new(vec![Rig::slower_with_2(rate); 4], OnFailure::RollBack);
            sim.fuse = Some(fuse);
            sim.run_out();
            assert_eq!(sim.status(), ends, "killed after {fuse} actions");
            assert_eq!(sim.versions(), [version; 4], "killed after {fuse} actions");
            for rig in sim.rigs.0.values() {
                assert!(rig.told <= if rate == 0 { 2 } else { 1 }, "{fuse}: {rig:?}");
            }
        }
    }
}
