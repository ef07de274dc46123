//! Updates over farms that exist in virtual time alone.

use std::collections::BTreeMap;

use miner_shared::text::Text;
use miner_shared::wire::{ImageId, Refusal, Update};

use super::*;
use crate::clock::EpochMs;
use crate::registry::{OnFailure, RolloutTerms, Step as Stage, UpdateRig};
use crate::rollout::bounds;

/// Between two ticks.
const TICK_MS: u64 = 10_000;
const OBSERVE_MS: u64 = 600_000;
/// What the rollouts lead to.
const NEW: Version = version(2);
const OLD: Version = version(1);

const fn version(major: u32) -> Version {
    Version {
        major,
        minor: 0,
        patch: 0,
    }
}

/// What a rig does with an update.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    /// It works after so many ticks.
    Works(u32),
    /// It falls back.
    FallsBack,
    /// It fetches a byte every so many ticks, so often, and works.
    Fetches(u32, u32),
    /// It says that it works, and runs what it ran.
    Claims,
    Refuses,
    /// It is never heard of again.
    Dies,
}

#[derive(Clone, Debug)]
struct Rig {
    seen: Seen,
    does: Does,
    /// Ticks since it was told.
    since: Option<u32>,
    told: usize,
    cancelled: bool,
    /// Its order is dropped as soon as its receipt was seen.
    forgotten: bool,
}

impl Rig {
    fn that(does: Does) -> Self {
        let image = ImageId {
            arch: Text::lossy("x86_64"),
            version: OLD,
            on_trial: false,
            release_key: Some([1; 32]),
        };
        let status = ImageStatus {
            boot: Boot::Slot,
            image: Some(image),
            update: None,
        };
        Self {
            seen: Seen {
                live: true,
                speaks: true,
                image: Some(status),
                offer: Some(offer()),
                order: None,
                makes: Makes::Rate(1_000),
                made: Some(1_000),
            },
            does,
            since: None,
            told: 0,
            cancelled: false,
            forgotten: false,
        }
    }

    fn away(mut self) -> Self {
        (self.seen.live, self.seen.speaks) = (false, false);
        self
    }

    fn come_back(&mut self) {
        (self.seen.live, self.seen.speaks) = (true, true);
    }

    fn booted(mut self, boot: Boot) -> Self {
        self.status().boot = boot;
        self
    }

    fn status(&mut self) -> &mut ImageStatus {
        self.seen.image.as_mut().expect("it said so")
    }

    fn says(&mut self, step: Step) {
        self.status().update = Some(Update {
            release: offer().release,
            version: NEW,
            step,
        });
    }

    fn works(&mut self) {
        self.says(Step::Confirmed);
        self.status().image.as_mut().expect("ours").version = NEW;
    }

    fn tell(&mut self, at: u64) {
        self.told += 1;
        self.since = Some(0);
        let state = match self.does {
            Does::Refuses => OrderState::Refused(Refusal::NoSlots),
            _ => OrderState::Done,
        };
        self.seen.order = Some((at, state));
        if self.does != Does::Refuses {
            self.says(Step::Fetching { done: 0, total: 0 });
        }
    }

    fn tick(&mut self) {
        let Some(since) = &mut self.since else {
            return;
        };
        *since += 1;
        let since = *since;
        if self.forgotten && since == 2 {
            self.seen.order = None;
        }
        match self.does {
            Does::Works(after) if since == after => self.works(),
            Does::Works(_) if since == 1 => self.says(Step::Trying),
            Does::Fetches(every, times) if since == every * times => self.works(),
            Does::Fetches(every, _) => self.says(Step::Fetching {
                done: u64::from(since / every),
                total: 0,
            }),
            Does::Claims if since == 3 => self.says(Step::Confirmed),
            Does::FallsBack if since == 3 => self.says(Step::FellBack),
            Does::Dies => self.seen.live = false,
            _ => {}
        }
    }
}

fn offer() -> Offer {
    Offer {
        release: [2; 32],
        manifest_size: 700,
        version: NEW,
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

/// An update, its farm, and what of it is on disk.
struct Sim {
    rigs: Rigs,
    run: Run,
    saved: (UpdateRecord, UpdateRigs),
    now: Now,
    /// Actions that are still done before the controller is killed.
    fuse: Option<usize>,
}

impl Sim {
    fn new(rigs: Vec<Rig>) -> Self {
        Self::with(rigs, false)
    }

    fn with(rigs: Vec<Rig>, restart: bool) -> Self {
        let stages = [Stage::Rigs(1), Stage::Percent(50), Stage::Percent(100)];
        let record = UpdateRecord {
            version: NEW,
            restart,
            bounds: bounds(&stages, u32::try_from(rigs.len()).expect("few")).expect("rise"),
            terms: RolloutTerms {
                stages: stages.to_vec(),
                observe_secs: 600,
                min_percent: 90,
                on_failure: OnFailure::Halt,
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
        let row = |n: usize| UpdateRig {
            place: u32::try_from(n).expect("few"),
            before: None,
            baseline: None,
            observed: None,
            outcome: UpdateOutcome::Waiting,
        };
        let rows: UpdateRigs = (0..rigs.len()).map(|n| (key(n), row(n))).collect();
        let now = Now {
            mono: Millis(1_000),
            wall: EpochMs(1_000_000),
        };
        Self {
            run: Run::new(record.clone(), rows.clone(), now.mono),
            saved: (record, rows),
            rigs: Rigs((0..).map(key).zip(rigs).collect()),
            now,
            fuse: None,
        }
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Some(fuse) = &mut self.fuse {
                if *fuse == 0 {
                    // Killed, and started again from what is on disk.
                    self.fuse = None;
                    let (record, rigs) = self.saved.clone();
                    self.run = Run::new(record, rigs, self.now.mono);
                    return;
                }
                *fuse -= 1;
            }
            match action {
                Action::Save(keys) => {
                    self.saved.0 = self.run.record().clone();
                    for key in keys {
                        self.saved.1.insert(key, self.run.rigs()[&key].clone());
                    }
                }
                Action::Tell(key, _) | Action::Restart(key) => {
                    let at = self.now.wall.0;
                    self.rigs.0.get_mut(&key).expect("ours").tell(at);
                }
                Action::Cancel(key, _) => {
                    self.rigs.0.get_mut(&key).expect("ours").cancelled = true;
                }
                Action::Report(_) => {}
            }
        }
    }

    fn run_for(&mut self, ms: u64) {
        for _ in 0..ms / TICK_MS {
            self.now.mono += TICK_MS;
            self.now.wall.0 += TICK_MS;
            self.rigs.0.values_mut().for_each(Rig::tick);
            let actions = self.run.handle_tick(self.now, &self.rigs);
            self.act(actions);
        }
    }

    fn run_out(&mut self) {
        self.run_for(8 * PATIENCE_MS);
    }

    /// The controller starts anew, after so long, and has heard of no rig yet.
    fn restart(&mut self, after_ms: u64) {
        self.now.mono = Millis(0);
        self.now.wall.0 += after_ms;
        let (record, rigs) = self.saved.clone();
        self.run = Run::new(record, rigs, self.now.mono);
    }

    fn rig(&mut self, n: usize) -> &mut Rig {
        self.rigs.0.get_mut(&key(n)).expect("ours")
    }

    fn status(&self) -> RolloutStatus {
        self.run.record().status
    }

    fn outcomes(&self) -> String {
        let letter = |rig: &UpdateRig| match rig.outcome {
            UpdateOutcome::Waiting => 'w',
            UpdateOutcome::HadIt => 'h',
            UpdateOutcome::Told { .. } => 't',
            UpdateOutcome::Done => 'd',
            UpdateOutcome::Failed(_) => 'f',
            UpdateOutcome::Accepted(_) => 'a',
        };
        self.run.rigs().values().map(letter).collect()
    }

    fn told(&self) -> usize {
        self.rigs.0.values().map(|rig| rig.told).sum()
    }

    fn reason(&self) -> &str {
        self.run.record().reason.as_ref().map_or("", Reason::as_str)
    }
}

#[test]
fn stage_by_stage_all_rigs_get_it_and_each_is_told_once() {
    let mut sim = Sim::new(vec![Rig::that(Does::Works(5)); 4]);
    sim.run_for(70_000);
    assert_eq!(sim.outcomes(), "dwww", "the first stage");
    sim.run_for(OBSERVE_MS - 60_000);
    assert_eq!(sim.outcomes(), "dwww", "it is watched");
    sim.run_for(OBSERVE_MS);
    assert_eq!(sim.outcomes(), "ddww", "the second");
    sim.run_out();
    assert_eq!((sim.status(), sim.told()), (RolloutStatus::Done, 4));
    assert_eq!(sim.outcomes(), "dddd");
    let first = &sim.run.rigs()[&key(0)];
    assert_eq!((first.before, first.observed), (Some(OLD), Some(1_000)));
}

#[test]
fn a_rig_that_falls_back_refuses_or_dies_stops_it_before_the_next_stage() {
    for (does, why) in [
        (Does::FallsBack, "went back to what it ran"),
        (Does::Refuses, "it has no slots"),
        (Does::Dies, "has not said in time"),
    ] {
        let mut rigs = vec![Rig::that(Does::Works(5)); 4];
        rigs[0] = Rig::that(does);
        let mut sim = Sim::new(rigs);
        sim.run_out();
        assert_eq!(sim.status(), RolloutStatus::Halted, "{does:?}");
        assert_eq!(sim.outcomes(), "fwww", "{does:?}");
        assert!(sim.reason().contains(why), "{}", sim.reason());
        // A person looks at it, and takes it for good.
        let actions = sim.run.resume(sim.now).expect("halted");
        sim.act(actions);
        sim.run_out();
        assert_eq!(
            (sim.status(), sim.outcomes()),
            (RolloutStatus::Done, "addd".into())
        );
    }
}

#[test]
fn it_stops_as_soon_as_the_others_of_a_stage_cannot_be_enough() {
    let mut rigs = vec![Rig::that(Does::Works(5)); 4];
    rigs[2] = Rig::that(Does::FallsBack);
    rigs[3] = Rig::that(Does::Works(200));
    let mut sim = Sim::new(rigs);
    sim.run_for(3 * OBSERVE_MS);
    assert_eq!(sim.status(), RolloutStatus::Halted);
    assert_eq!(sim.outcomes(), "ddft", "one is still at it");
    sim.run_for(200 * TICK_MS);
    assert_eq!(sim.outcomes(), "ddfd", "and is followed to its end");
}

#[test]
fn a_stage_that_makes_too_little_stops_it() {
    let mut sim = Sim::new(vec![Rig::that(Does::Works(5)); 4]);
    sim.run_for(60_000);
    sim.rigs.0.get_mut(&key(0)).expect("ours").seen.makes = Makes::Rate(500);
    sim.run_out();
    assert_eq!((sim.status(), sim.told()), (RolloutStatus::Halted, 1));
    assert!(sim.reason().contains("50 %"), "{}", sim.reason());
}

#[test]
fn who_is_away_is_told_when_it_is_back_and_holds_nobody_up() {
    let mut rigs = vec![Rig::that(Does::Works(5)); 4];
    rigs[1] = Rig::that(Does::Works(5)).away();
    let mut sim = Sim::new(rigs);
    // Nobody is there of the second stage: what the third would rest on is not known.
    sim.run_for(4 * OBSERVE_MS);
    assert_eq!(sim.outcomes(), "dwww");
    sim.rig(1).come_back();
    sim.run_out();
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Done, "dddd".into())
    );
}

#[test]
fn rigs_without_slots_are_known_by_what_they_were_booted_from() {
    let restart = [false, true];
    let way = |rig: &Rig, restart| rig.seen.way(NEW, restart);
    let slot = Rig::that(Does::Works(5));
    let whole = slot.clone().booted(Boot::Whole);
    let foreign = slot.clone().booted(Boot::Foreign);
    assert_eq!(
        restart.map(|it| way(&slot, it)),
        [Way::Fetch(offer()), Way::Fetch(offer())]
    );
    assert_eq!(
        restart.map(|it| way(&whole, it)),
        [Way::Not(FROM_NETWORK), Way::Restart]
    );
    assert_eq!(
        restart.map(|it| way(&foreign, it)),
        [const { Way::Not(NOT_OUR_IMAGE) }; 2]
    );
    let mut old = slot.clone();
    old.seen.speaks = false;
    assert_eq!(way(&old, false), Way::Not(TOO_OLD));
    assert_eq!(
        way(&slot.clone().away(), false),
        Way::Fetch(offer()),
        "as it said last"
    );
    let mut unheard = slot.clone();
    unheard.seen.image = None;
    assert_eq!(way(&unheard, false), Way::Unknown);
    let mut new = slot;
    new.status().image.as_mut().expect("ours").version = NEW;
    assert_eq!(way(&new, false), Way::HasIt);
    new.status().image.as_mut().expect("ours").on_trial = true;
    assert_eq!(way(&new, false), Way::Fetch(offer()), "it has yet to work");
    // One that boots from the network is started anew, and boots what is there.
    let mut sim = Sim::with(vec![whole; 2], true);
    sim.run_out();
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Done, "dd".into())
    );
}

#[test]
fn a_controller_that_is_killed_at_any_moment_goes_on_and_tells_nobody_twice() {
    for fuse in 0..40 {
        let mut sim = Sim::new(vec![Rig::that(Does::Works(5)); 4]);
        sim.fuse = Some(fuse);
        sim.run_out();
        assert_eq!(
            sim.status(),
            RolloutStatus::Done,
            "killed after {fuse} actions"
        );
        assert_eq!(sim.outcomes(), "dddd", "killed after {fuse} actions");
        assert!(sim.rigs.0.values().all(|rig| rig.told == 1), "{fuse}");
    }
}

#[test]
fn a_paused_one_tells_nobody_and_a_cancelled_one_takes_its_word_back() {
    let mut sim = Sim::new(vec![Rig::that(Does::Works(20)); 4]);
    let actions = sim.run.pause().expect("running");
    sim.act(actions);
    sim.run_out();
    assert_eq!(sim.told(), 0);
    let actions = sim.run.resume(sim.now).expect("paused");
    sim.act(actions);
    sim.run_for(50_000);
    assert_eq!(sim.outcomes(), "twww");
    let actions = sim.run.cancel(sim.now, &sim.rigs).expect("under way");
    sim.act(actions);
    assert_eq!(sim.status(), RolloutStatus::Aborted);
    let cancelled: Vec<_> = sim.rigs.0.values().map(|rig| rig.cancelled).collect();
    assert_eq!(cancelled, [true, false, false, false]);
    let again = sim.run.cancel(sim.now, &sim.rigs);
    assert_eq!(again, Err(NotNow(RolloutStatus::Aborted)));
}

#[test]
fn what_a_rig_says_is_judged_also_when_its_order_is_no_longer_kept() {
    for (does, why) in [
        (Does::FallsBack, "went back to what it ran"),
        (Does::Dies, "has not said in time"),
    ] {
        let mut rigs = vec![Rig::that(Does::Works(5)); 4];
        rigs[0] = Rig::that(does);
        rigs[0].forgotten = true;
        let mut sim = Sim::new(rigs);
        sim.run_out();
        assert_eq!(
            (sim.status(), sim.told()),
            (RolloutStatus::Halted, 1),
            "{does:?}"
        );
        assert!(sim.reason().contains(why), "{}", sim.reason());
    }
}

#[test]
fn a_rig_that_may_have_been_told_and_never_comes_back_keeps_a_stage_no_longer_than_patience() {
    let mut sim = Sim::new(vec![Rig::that(Does::Works(5)); 4]);
    // Killed between the row and the order; the rig is not heard of again.
    sim.fuse = Some(3);
    sim.run_for(20_000);
    assert_eq!((sim.outcomes().as_str(), sim.told()), ("twww", 0));
    sim.rig(0).seen.image = None;
    sim.rig(0).seen.live = false;
    // Not as long as it is paused: nobody would tell it.
    let actions = sim.run.pause().expect("running");
    sim.act(actions);
    sim.run_for(2 * PATIENCE_MS);
    assert_eq!(sim.outcomes(), "twww");
    let actions = sim.run.resume(sim.now).expect("paused");
    sim.act(actions);
    sim.run_for(PATIENCE_MS - 60_000);
    assert_eq!(sim.outcomes(), "twww");
    sim.run_for(120_000);
    assert_eq!((sim.status(), sim.told()), (RolloutStatus::Halted, 0));
}

#[test]
fn a_rig_that_is_told_again_is_told_once_also_by_a_clock_that_was_set_back() {
    let mut sim = Sim::new(vec![Rig::that(Does::Works(5)); 4]);
    sim.fuse = Some(3);
    sim.run_for(20_000);
    sim.now.wall.0 = 5;
    sim.run_for(120_000);
    assert_eq!((sim.outcomes().as_str(), sim.told()), ("dwww", 1));
}

#[test]
fn neither_a_clock_that_jumps_nor_a_controller_that_was_off_makes_a_rig_late() {
    let mut rigs = vec![Rig::that(Does::Works(30)); 4];
    rigs[0].forgotten = true;
    let mut sim = Sim::new(rigs);
    sim.run_for(60_000);
    sim.now.wall.0 += 10 * PATIENCE_MS;
    sim.run_for(60_000);
    assert_eq!(sim.outcomes(), "twww");
    let image = sim.rig(0).seen.image.take();
    sim.rig(0).seen.live = false;
    sim.rig(0).does = Does::Refuses;
    sim.restart(10 * PATIENCE_MS);
    sim.run_for(60_000);
    assert_eq!(sim.outcomes(), "twww", "it has yet to link");
    sim.rig(0).seen.image = image;
    sim.rig(0).come_back();
    sim.rig(0).works();
    sim.run_for(20_000);
    assert_eq!(sim.outcomes(), "dwww");
}

#[test]
fn a_rig_behind_a_slow_line_has_time_as_long_as_bytes_come() {
    let ticks = u32::try_from(PATIENCE_MS / TICK_MS).expect("few");
    let outcome = |every| {
        let mut sim = Sim::new(vec![Rig::that(Does::Fetches(every, 5)); 1]);
        sim.run_for(6 * PATIENCE_MS);
        sim.outcomes()
    };
    assert_eq!(outcome(ticks - 2), "d");
    assert_eq!(outcome(ticks + 2), "f");
}

#[test]
fn so_many_fetch_at_once_and_the_next_are_told_as_places_get_free() {
    let mut sim = Sim::new(vec![Rig::that(Does::Fetches(1, 30)); 200]);
    let mut most = 0;
    for _ in 0..1_000 {
        sim.run_for(TICK_MS);
        let told = sim.run.unheard();
        most = most.max(told);
    }
    assert_eq!(most, MAX_FETCHING);
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Done, "d".repeat(200))
    );
    assert_eq!(sim.told(), 200);
    // One that tries it has what it fetched.
    let mut sim = Sim::new(vec![Rig::that(Does::Works(200)); 200]);
    sim.run_for(200 * TICK_MS + OBSERVE_MS + 400_000);
    assert_eq!(sim.run.unheard(), 99, "all of the second stage");
}

/// Three stages of 1, 4 and 8 rigs; the second rig is away until the others have come so far.
fn with_one_late(does: Does, until: &str) -> Sim {
    let mut rigs = vec![Rig::that(Does::Works(5)); 8];
    rigs[1] = Rig::that(does).away();
    let mut sim = Sim::new(rigs);
    for _ in 0..1_000 {
        if sim.outcomes() == until {
            break;
        }
        sim.run_for(TICK_MS);
    }
    assert_eq!(sim.outcomes(), until);
    assert_eq!(sim.run.record().phase, Phase::Observe);
    sim.rig(1).come_back();
    sim
}

#[test]
fn one_that_comes_back_late_and_fails_stops_it_in_its_stage_and_after_it() {
    for until in ["dwddwwww", "dwdddddd"] {
        let mut sim = with_one_late(Does::FallsBack, until);
        sim.run_out();
        assert_eq!(sim.status(), RolloutStatus::Halted, "{until}");
        assert_eq!(sim.outcomes(), until.replacen('w', "f", 1));
        let actions = sim.run.resume(sim.now).expect("halted");
        sim.act(actions);
        sim.run_out();
        assert_eq!(
            (sim.status(), sim.outcomes()),
            (RolloutStatus::Done, "dadddddd".into())
        );
    }
}

#[test]
fn no_stage_begins_and_none_is_done_before_those_that_were_told_are_heard() {
    for until in ["dwddwwww", "dwdddddd"] {
        let mut sim = with_one_late(Does::Works(200), until);
        sim.run_for(190 * TICK_MS);
        assert_eq!(sim.status(), RolloutStatus::Running, "{until}");
        assert_eq!(sim.outcomes(), until.replacen('w', "t", 1));
        sim.run_out();
        assert_eq!(
            (sim.status(), sim.outcomes()),
            (RolloutStatus::Done, "d".repeat(8))
        );
    }
}

#[test]
fn who_goes_on_with_a_stage_that_failed_has_its_others_heard_told_and_watched() {
    let mut rigs = vec![Rig::that(Does::Works(5)); 4];
    rigs[2] = Rig::that(Does::FallsBack);
    rigs[3] = Rig::that(Does::Works(200));
    let mut sim = Sim::new(rigs);
    sim.run_for(3 * OBSERVE_MS);
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Halted, "ddft".into())
    );
    let actions = sim.run.resume(sim.now).expect("halted");
    sim.act(actions);
    sim.run_for(60_000);
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Running, "ddat".into())
    );
    sim.run_out();
    assert_eq!(
        (sim.status(), sim.outcomes()),
        (RolloutStatus::Done, "ddad".into())
    );
    assert_eq!(sim.run.rigs()[&key(3)].observed, Some(1_000));
}

#[test]
fn the_image_that_runs_counts_and_not_what_a_rig_says_of_its_update() {
    let mut sim = Sim::new(vec![Rig::that(Does::Claims); 2]);
    sim.run_for(OBSERVE_MS);
    assert_eq!(sim.outcomes(), "tw");
    let image = |sim: &mut Sim, on_trial| {
        let image = sim.rig(0).status().image.as_mut().expect("ours");
        (image.version, image.on_trial) = (NEW, on_trial);
    };
    image(&mut sim, true);
    sim.run_for(60_000);
    assert_eq!(sim.outcomes(), "tw");
    image(&mut sim, false);
    sim.run_for(60_000);
    assert_eq!(sim.outcomes(), "dw");
}
