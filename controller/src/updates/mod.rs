//! A rollout of a release of the image as a state machine without I/O, as [`crate::rollout`] is for
//! profiles: the same stages, the same watch, the same words. What differs is that rigs cannot be given
//! back what they had: those that it does not work on fall back by themselves.
//!
//! ```text
//!                 ┌───────────────────── next stage ◀────────────────┐
//!                 ▼                                                  │ enough
//!   start ─▶ Apply: tell who is there ─▶ all that were told ─▶ Observe ─▶ Done
//!              save, then tell        │  have ended                 │ too little
//!                                     └─ too many failed ───────────┴─▶ Halted
//! ```
//! | a rig | is |
//! |---|---|
//! | runs the version, no longer on trial | done |
//! | fell back, gave up, refused, has no slots, an agent too old | failed |
//! | was told, and came no further within [`PATIENCE_MS`] | failed: it may lie dead |
//! | is away, and was never told | waiting; told when it is back, as long as this is under way |
//!
//! What is saved is that a rig is told, before it is. After a restart one without an order since then is
//! told now. Of rigs that were told, those of stages before count as those of this one: one that comes back
//! late and fails may stop it, and no stage begins, nor ends the rollout, before they are heard.

#[cfg(test)]
mod tests;
mod verdict;

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;
use miner_shared::limits::{HEARTBEAT_MS, MAX_FETCHING};
use miner_shared::release::Version;
use miner_shared::time::Millis;
use miner_shared::wire::{Boot, ImageStatus, Offer, Step};

pub use self::verdict::fault_text;
use self::verdict::{Became, Progress};
use crate::clock::Now;
use crate::hub::TOO_OLD;
use crate::registry::{
    OrderState, Phase, Reason, RolloutStatus, UpdateOutcome, UpdateRecord, UpdateRigs,
};
use crate::rollout::{Makes, NotNow, Report, Watched, enough, too_few};

/// How long a rig that was told may come no further, in milliseconds: three starts, and ten minutes of trial
/// with each. Each byte that it fetched since, and each step, is further; this process counts anew.
pub const PATIENCE_MS: u64 = 45 * 60_000;
/// Rigs told in one tick. Each is an order, which is a sync of the disk, and twelve megabytes.
const TELLS: usize = 16;
/// Between two samples of what rigs make, in milliseconds: a rig reports no more often.
const SAMPLE_MS: u64 = HEARTBEAT_MS;

/// What is said of a rig that boots from the network.
pub const FROM_NETWORK: &str =
    "it boots from the network: put the release into the boot server's folder";
/// What is said of a rig that boots something else.
pub const NOT_OUR_IMAGE: &str = "it was not booted by our image";

/// A rollout under way.
#[derive(Debug)]
pub struct Run {
    record: UpdateRecord,
    rigs: UpdateRigs,
    /// Since when it is in its phase, in this process.
    since: Millis,
    watched: BTreeMap<Fingerprint, Watched>,
    /// How those that were told come on, as this process saw it.
    progress: BTreeMap<Fingerprint, Progress>,
    /// When what rigs make was last sampled.
    sampled: Option<Millis>,
}

/// What a run sees of the farm.
pub trait World {
    /// A rig at this moment.
    fn see(&self, key: &Fingerprint) -> Seen;
}

/// What a run sees of a rig.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Whether a link is up.
    pub live: bool,
    /// Whether that link speaks of images.
    pub speaks: bool,
    /// What it was booted from, as it said last.
    pub image: Option<ImageStatus>,
    /// The release of the version for its architecture, if one is here.
    pub offer: Option<Offer>,
    /// The last order about this that it was given: when, in milliseconds since 1970, and how far that is.
    pub order: Option<(u64, OrderState)>,
    /// What it makes now.
    pub makes: Makes,
    /// Mean of what it made in the last ten minutes, in thousandths of a hash per second.
    pub made: Option<u64>,
}

/// What the caller has to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Store the record, and the rows of these rigs.
    Save(Vec<Fingerprint>),
    /// Order this rig to fetch the release.
    Tell(Fingerprint, Offer),
    /// Order this rig's machine to start anew.
    Restart(Fingerprint),
    /// Order this rig to fetch no more of it.
    Cancel(Fingerprint, Offer),
    /// Say what happened.
    Report(Report),
}

/// What is to be done about a rig that was not told yet.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// It is not known yet: it is away, or has not said what it was booted from.
    Unknown,
    /// Nothing: it runs the version, or a later one.
    HasIt,
    /// It is told to fetch this.
    Fetch(Offer),
    /// Its machine starts anew, and boots what is there.
    Restart,
    /// It cannot be updated, and why.
    Not(&'static str),
}

impl Seen {
    /// How far its update to this version is, if it says so.
    fn step_to(&self, version: Version) -> Option<Step> {
        let update = self.image.as_ref()?.update?;
        (update.version == version).then_some(update.step)
    }

    /// What is to be done about it.
    pub fn way(&self, version: Version, restart: bool) -> Way {
        if self.live && !self.speaks {
            return Way::Not(TOO_OLD);
        }
        let Some(status) = &self.image else {
            return Way::Unknown;
        };
        let installed = status.image.as_ref().filter(|image| !image.on_trial);
        if installed.is_some_and(|image| image.version >= version) {
            return Way::HasIt;
        }
        match (status.boot, self.offer) {
            (Boot::Foreign, _) => Way::Not(NOT_OUR_IMAGE),
            (Boot::Whole, _) if restart => Way::Restart,
            (Boot::Whole, _) => Way::Not(FROM_NETWORK),
            (Boot::Slot, Some(offer)) => Way::Fetch(offer),
            (Boot::Slot, None) => {
                Way::Not("no release of this version is here for its architecture")
            }
        }
    }
}

impl Way {
    /// What a rig is told, if it is.
    fn tell(self, key: Fingerprint) -> Option<Action> {
        match self {
            Self::Fetch(offer) => Some(Action::Tell(key, offer)),
            Self::Restart => Some(Action::Restart(key)),
            _ => None,
        }
    }
}

impl Run {
    /// A rollout as it was saved, at its start or after one of the controller.
    pub fn new(record: UpdateRecord, rigs: UpdateRigs, now: Millis) -> Self {
        Self {
            record,
            rigs,
            since: now,
            watched: BTreeMap::new(),
            progress: BTreeMap::new(),
            sampled: None,
        }
    }

    /// How far it has come.
    pub fn record(&self) -> &UpdateRecord {
        &self.record
    }

    /// Its rigs.
    pub fn rigs(&self) -> &UpdateRigs {
        &self.rigs
    }

    /// Since when a stage is being observed, by the monotonic clock of this process; `None` if none is.
    pub fn observes_since(&self) -> Option<Millis> {
        let observes =
            self.record.status == RolloutStatus::Running && self.record.phase == Phase::Observe;
        observes.then_some(self.since)
    }

    /// A rig has another key.
    pub fn rename(&mut self, old: &Fingerprint, new: Fingerprint) {
        if let Some(rig) = self.rigs.remove(old) {
            self.rigs.insert(new, rig);
        }
        if let Some(watched) = self.watched.remove(old) {
            self.watched.insert(new, watched);
        }
        if let Some(progress) = self.progress.remove(old) {
            self.progress.insert(new, progress);
        }
    }

    /// Does what is due. To be called every few seconds.
    pub fn handle_tick(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        match (self.record.status, self.record.phase) {
            (RolloutStatus::Running, Phase::Begin) => {
                self.enter(Phase::Apply, now);
                let report = Report::Stage(self.record.stage + 1, self.stage().len());
                vec![Action::Save(Vec::new()), Action::Report(report)]
            }
            (RolloutStatus::Running, Phase::Apply) => self.wait(now, world),
            (RolloutStatus::Running, Phase::Observe) => self.observe(now, world),
            // What rigs do goes on, whatever becomes of this.
            (RolloutStatus::Paused | RolloutStatus::Halted, _) => self.follow(now, world, false),
            _ => Vec::new(),
        }
    }

    /// Rigs of the stage that it is in.
    fn stage(&self) -> Vec<Fingerprint> {
        let at = usize::from(self.record.stage);
        let bound = |at: usize| self.record.bounds.get(at).copied();
        let first = at.checked_sub(1).and_then(bound).unwrap_or(0);
        self.within(first..bound(at).unwrap_or(first))
    }

    /// Rigs of all stages up to that.
    fn so_far(&self) -> Vec<Fingerprint> {
        let at = usize::from(self.record.stage);
        self.within(0..self.record.bounds.get(at).copied().unwrap_or(0))
    }

    fn within(&self, places: std::ops::Range<u32>) -> Vec<Fingerprint> {
        let rigs = self.rigs.iter();
        let rigs = rigs.filter(|(_, rig)| places.contains(&rig.place));
        rigs.map(|(key, _)| *key).collect()
    }

    fn count(&self, stage: &[Fingerprint], is: fn(&UpdateOutcome) -> bool) -> usize {
        let rigs = stage.iter().filter_map(|key| self.rigs.get(key));
        rigs.filter(|rig| is(&rig.outcome)).count()
    }

    /// Rigs that were told, of which is not known what became of them.
    fn unheard(&self) -> usize {
        self.count(&self.so_far(), |it| {
            matches!(it, UpdateOutcome::Told { .. })
        })
    }

    /// In words how many failed, if that is too many of the stage, or of all so far. Those under way may all
    /// turn out well.
    fn fell_short(&self) -> Option<String> {
        [self.stage(), self.so_far()].iter().find_map(|rigs| {
            let failed = self.count(rigs, |it| matches!(it, UpdateOutcome::Failed(_)));
            let others = self.count(rigs, |it| {
                matches!(it, UpdateOutcome::Told { .. } | UpdateOutcome::Done)
            });
            let heard = failed + others;
            let short = failed > 0 && too_few(self.record.terms.min_percent, failed, heard);
            let why = || self.why_failed(rigs);
            short.then(|| format!("{failed} of {heard} rigs failed: {}", why()))
        })
    }

    /// Waits for the rigs of the stage.
    fn wait(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut actions = self.follow(now, world, true);
        let stage = self.stage();
        let done = self.count(&stage, |it| *it == UpdateOutcome::Done);
        let accepted = self.count(&stage, |it| matches!(it, UpdateOutcome::Accepted(_)));
        let away = self.count(&stage, |it| *it == UpdateOutcome::Waiting);
        if let Some(why) = self.fell_short() {
            actions.extend(self.halt(&why));
        } else if self.unheard() > 0 {
            // They are heard first.
        } else if done > 0 {
            self.enter(Phase::Observe, now);
            actions.push(Action::Save(Vec::new()));
        } else if away == 0 || accepted > 0 {
            // There is nothing to watch.
            actions.extend(self.next_stage(now));
        }
        // Otherwise all of them are away: what the next stage would rest on is not known yet.
        actions
    }

    /// Notes what became of rigs that were told, and tells some of those whose turn it is, if `tell`.
    fn follow(&mut self, now: Now, world: &impl World, tell: bool) -> Vec<Action> {
        let (target, restart) = (self.record.version, self.record.restart);
        let (mut changed, mut tells) = (Vec::new(), Vec::new());
        let mut fetching = 0;
        let told_now = || UpdateOutcome::Told {
            at_ms: now.wall.0,
            taken: false,
        };
        let (told, others): (Vec<_>, Vec<_>) = self.so_far().into_iter().partition(|key| {
            let rig = self.rigs.get(key);
            rig.is_some_and(|rig| matches!(rig.outcome, UpdateOutcome::Told { .. }))
        });
        for key in told {
            let Some(rig) = self.rigs.get_mut(&key) else {
                continue;
            };
            let UpdateOutcome::Told { at_ms, taken } = rig.outcome else {
                continue;
            };
            let seen = world.see(&key);
            let step = seen.step_to(target);
            let progress = self.progress.entry(key);
            let progress = progress.or_insert_with(|| Progress::begin(step, now.mono));
            progress.note(step, now.mono);
            let is_late = progress.is_late(now.mono);
            fetching += usize::from(progress.is_fetching());
            rig.outcome = match verdict::became(target, at_ms, taken, &seen, is_late) {
                Became::Pending => continue,
                Became::Taken => UpdateOutcome::Told { at_ms, taken: true },
                Became::Untold if !tell => {
                    // It is nothing that the rig could do.
                    *progress = Progress::begin(step, now.mono);
                    continue;
                }
                Became::Untold if tells.len() >= TELLS => continue,
                Became::Untold => match seen.way(target, restart) {
                    Way::Unknown | Way::HasIt => continue,
                    Way::Not(why) => UpdateOutcome::Failed(Reason::lossy(why)),
                    way => {
                        tells.extend(way.tell(key));
                        told_now()
                    }
                },
                Became::Over(outcome) => outcome,
            };
            if !matches!(rig.outcome, UpdateOutcome::Told { .. }) {
                fetching -= usize::from(progress.is_fetching());
                self.progress.remove(&key);
            }
            changed.push(key);
        }
        for key in others {
            if !tell || tells.len() >= TELLS || fetching >= MAX_FETCHING {
                break;
            }
            let Some(rig) = self.rigs.get_mut(&key) else {
                continue;
            };
            let seen = world.see(&key);
            if rig.outcome != UpdateOutcome::Waiting || !seen.live {
                continue;
            }
            rig.outcome = match seen.way(target, restart) {
                Way::Unknown => continue,
                Way::HasIt => UpdateOutcome::HadIt,
                Way::Not(why) => UpdateOutcome::Failed(Reason::lossy(why)),
                way => {
                    let image = seen.image.as_ref().and_then(|status| status.image.as_ref());
                    rig.before = image.map(|image| image.version);
                    rig.baseline = seen.made;
                    let progress = Progress::begin(seen.step_to(target), now.mono);
                    self.progress.insert(key, progress);
                    fetching += 1;
                    tells.extend(way.tell(key));
                    told_now()
                }
            };
            changed.push(key);
        }
        let save = (!changed.is_empty()).then_some(Action::Save(changed));
        save.into_iter().chain(tells).collect()
    }

    /// Watches what the rigs of the stage make, and judges at the end.
    fn observe(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut actions = self.follow(now, world, true);
        if let Some(why) = self.fell_short() {
            actions.extend(self.halt(&why));
            return actions;
        }
        let mut done = self.stage();
        done.retain(|key| {
            let rig = self.rigs.get(key);
            rig.is_some_and(|rig| rig.outcome == UpdateOutcome::Done)
        });
        let sampled = self.sampled.map(|at| now.mono.since(at));
        if sampled.is_none_or(|age| age >= SAMPLE_MS) {
            self.sampled = Some(now.mono);
            for key in &done {
                let seen = world.see(key);
                let watched = self.watched.entry(*key).or_default();
                watched.add(seen.live, seen.makes);
            }
        }
        let window = u64::from(self.record.terms.observe_secs) * 1_000;
        if now.mono.since(self.since) < window || self.unheard() > 0 {
            return actions;
        }
        let mut figures = Vec::new();
        for key in &done {
            let observed = self.watched.get(key).and_then(|watched| watched.mean());
            if let Some(rig) = self.rigs.get_mut(key) {
                rig.observed = observed;
                figures.push((rig.baseline, observed));
            }
        }
        let verdict = enough(self.record.terms.min_percent, &figures);
        actions.push(Action::Save(done));
        actions.extend(match verdict {
            Ok(()) => self.next_stage(now),
            Err(why) => self.halt(&why),
        });
        actions
    }

    fn why_failed(&self, stage: &[Fingerprint]) -> String {
        let mut rigs = stage.iter().filter_map(|key| self.rigs.get(key));
        let why = rigs.find_map(|rig| match &rig.outcome {
            UpdateOutcome::Failed(why) => Some(why.as_str().to_owned()),
            _ => None,
        });
        why.unwrap_or_default()
    }

    fn next_stage(&mut self, now: Now) -> Vec<Action> {
        let next = self.record.stage.saturating_add(1);
        if usize::from(next) < self.record.bounds.len() {
            self.record.stage = next;
            self.enter(Phase::Begin, now);
            return vec![Action::Save(Vec::new())];
        }
        self.end(RolloutStatus::Done, now)
    }

    fn halt(&mut self, why: &str) -> Vec<Action> {
        let reason = Reason::lossy(&format!("stage {}: {why}", self.record.stage + 1));
        self.record.reason = Some(reason.clone());
        self.record.status = RolloutStatus::Halted;
        vec![
            Action::Save(Vec::new()),
            Action::Report(Report::Halted(reason)),
        ]
    }

    fn end(&mut self, status: RolloutStatus, now: Now) -> Vec<Action> {
        self.record.status = status;
        self.record.ended_at_ms = Some(now.wall.0);
        vec![
            Action::Save(Vec::new()),
            Action::Report(Report::Ended(status)),
        ]
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.record.phase = phase;
        self.since = now.mono;
        self.watched.clear();
        self.sampled = None;
    }

    /// Has it wait: no further rig is told.
    pub fn pause(&mut self) -> Result<Vec<Action>, NotNow> {
        match self.record.status {
            RolloutStatus::Running => {
                self.record.status = RolloutStatus::Paused;
                Ok(vec![Action::Save(Vec::new())])
            }
            status => Err(NotNow(status)),
        }
    }

    /// Goes on. What was being observed is observed anew; rigs that failed, and a stage that makes too
    /// little, are taken for good.
    pub fn resume(&mut self, now: Now) -> Result<Vec<Action>, NotNow> {
        let status = self.record.status;
        match status {
            RolloutStatus::Paused => {
                self.record.status = RolloutStatus::Running;
                self.enter(self.record.phase, now);
                Ok(vec![Action::Save(Vec::new())])
            }
            RolloutStatus::Halted => {
                let makes_too_little =
                    self.record.phase == Phase::Observe && self.fell_short().is_none();
                self.record.status = RolloutStatus::Running;
                self.record.reason = None;
                let mut actions = vec![Action::Save(self.accept())];
                if makes_too_little {
                    actions.extend(self.next_stage(now));
                } else {
                    // The others of the stage are yet to be told, heard and watched.
                    self.enter(self.record.phase, now);
                }
                Ok(actions)
            }
            _ => Err(NotNow(status)),
        }
    }

    /// Takes those that failed for good; which these are.
    fn accept(&mut self) -> Vec<Fingerprint> {
        let mut accepted = Vec::new();
        for (key, rig) in &mut self.rigs {
            if let UpdateOutcome::Failed(why) = &rig.outcome {
                rig.outcome = UpdateOutcome::Accepted(why.clone());
                accepted.push(*key);
            }
        }
        accepted
    }

    /// Ends it. Rigs that fetch stop doing so; those that have it, or are trying it, go on.
    pub fn cancel(&mut self, now: Now, world: &impl World) -> Result<Vec<Action>, NotNow> {
        if self.record.status.is_ended() {
            return Err(NotNow(self.record.status));
        }
        let mut actions = self.end(RolloutStatus::Aborted, now);
        let told = self
            .rigs
            .iter()
            .filter(|(_, rig)| matches!(rig.outcome, UpdateOutcome::Told { .. }));
        actions.extend(told.filter_map(|(key, _)| {
            let offer = world.see(key).offer?;
            Some(Action::Cancel(*key, offer))
        }));
        Ok(actions)
    }
}
