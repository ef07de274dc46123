//! A rollout as a state machine without I/O: the clock and what rigs do are arguments, wishes and rows
//! are actions. So it runs in tests with virtual time and many rigs.
//!
//! ```text
//!                 ┌────────────────── next stage ◀──────────────┐
//!                 ▼                                             │ enough
//!   start ─▶ Begin: note what each rig has and makes ─▶ Apply ─▶ Observe ─▶ Done
//!              save, then tell                            │        │ too little
//!                                      nobody will ───────┴────────┴─▶ Halted, or RollingBack ─▶ RolledBack
//! ```
//!
//! What is saved before it is done, and asked for again after a restart: a rig that was noted and not
//! told still has the wish that was noted ([`Before::generation`]) and is told now; one that was told
//! back has what it had before. An observation that a restart interrupts begins anew.
//!
//! | file | what |
//! |---|---|
//! | `mod` | stages and phases |
//! | `steps` | how many rigs each stage has |
//! | `judge` | what rigs make, against what they made before |
//! | `rates` | what rigs made in the last ten minutes |
//! | `verbs` | pause, resume, abort, roll back |

mod judge;
mod rates;
mod steps;
#[cfg(test)]
mod tests;
mod verbs;

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;
use miner_shared::limits::HEARTBEAT_MS;
use miner_shared::time::Millis;

pub use self::judge::Makes;
pub(crate) use self::judge::{Watched, enough, too_few};
pub use self::rates::Rates;
pub use self::steps::{NoStages, bounds};
pub use self::verbs::NotNow;
use crate::clock::Now;
use crate::registry::{
    Before, OnFailure, Phase, Reason, RigOutcome, RolloutRecord, RolloutRig, RolloutRigs,
    RolloutStatus,
};

/// How long the linked rigs of a stage have to apply, in milliseconds: filling memory and logging in
/// come after it.
const APPLY_MS: u64 = 180_000;

/// Rigs told in one tick: their wishes are one sync of the disk, and nobody else gets at the farm
/// meanwhile. 10,000 rigs are told in 10,000 / 256 * 2 s = 80 s.
const TELLS: usize = 256;
/// Between two samples of what rigs make, in milliseconds: a rig reports no more often.
const SAMPLE_MS: u64 = HEARTBEAT_MS;

/// A rollout under way.
#[derive(Debug)]
pub struct Run {
    record: RolloutRecord,
    rigs: RolloutRigs,
    /// Since when it is in its phase, in this process.
    since: Millis,
    watched: BTreeMap<Fingerprint, Watched>,
    /// When what rigs make was last sampled.
    sampled: Option<Millis>,
}

/// What a run sees of the farm.
pub trait World {
    /// A rig at this moment.
    fn see(&self, key: &Fingerprint) -> Seen;
}

/// What a run sees of a rig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether a link is up.
    pub live: bool,
    /// What it is told to mine with; `None` if nothing, or if it is no peer any more.
    pub told: Option<Before>,
    /// What it made of that.
    pub standing: Standing,
    /// What it makes now.
    pub makes: Makes,
    /// Mean of what it made in the last ten minutes, in thousandths of a hash per second.
    pub made: Option<u64>,
}

/// What a rig made of what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has not said.
    Pending,
    /// It has it.
    Applied,
    /// It will not, and why.
    Refused(Reason),
}

/// What the caller has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Store the record, and the rows of these rigs.
    Save(Vec<Fingerprint>),
    /// Wish that this rig mines with the version.
    Tell(Fingerprint),
    /// Wish that this rig mines with what it had before.
    TellBack(Fingerprint, Before),
    /// Say what happened.
    Report(Report),
}

/// What happened to a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A stage begins, from 1, for so many rigs.
    Stage(u8, usize),
    /// It stopped by itself.
    Halted(Reason),
    /// It came to its end.
    Ended(RolloutStatus),
}

impl Run {
    /// A rollout as it was saved, at its start or after one of the controller.
    pub fn new(record: RolloutRecord, rigs: RolloutRigs, now: Millis) -> Self {
        Self {
            record,
            rigs,
            since: now,
            watched: BTreeMap::new(),
            sampled: None,
        }
    }

    /// How far it has come.
    pub fn record(&self) -> &RolloutRecord {
        &self.record
    }

    /// Its rigs.
    pub fn rigs(&self) -> &RolloutRigs {
        &self.rigs
    }

    /// Since when it is in its phase, by the monotonic clock of this process.
    pub fn since(&self) -> Millis {
        self.since
    }

    /// A rig has another key.
    pub fn rename(&mut self, old: &Fingerprint, new: Fingerprint) {
        if let Some(rig) = self.rigs.remove(old) {
            self.rigs.insert(new, rig);
        }
        if let Some(watched) = self.watched.remove(old) {
            self.watched.insert(new, watched);
        }
    }

    /// Does what is due. To be called every few seconds.
    pub fn handle_tick(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        match (self.record.status, self.record.phase) {
            (RolloutStatus::Running, Phase::Begin) => self.begin(now, world),
            (RolloutStatus::Running, Phase::Apply) => self.wait(now, world),
            (RolloutStatus::Running, Phase::Observe) => self.observe(now, world),
            (RolloutStatus::RollingBack, _) => self.tell_back(now, world),
            _ => Vec::new(),
        }
    }

    /// Rigs of the stage that it is in.
    fn stage(&self) -> Vec<Fingerprint> {
        let at = usize::from(self.record.stage);
        let bound = |at: usize| self.record.bounds.get(at).copied();
        let first = at.checked_sub(1).and_then(bound).unwrap_or(0);
        let end = bound(at).unwrap_or(first);
        let within = |rig: &RolloutRig| (first..end).contains(&rig.place);
        let rigs = self.rigs.iter().filter(|(_, rig)| within(rig));
        rigs.map(|(key, _)| *key).collect()
    }

    /// Rigs of the stage with this outcome.
    fn with(&self, outcome: impl Fn(&RigOutcome) -> bool) -> Vec<Fingerprint> {
        let mut stage = self.stage();
        stage.retain(|key| self.rigs.get(key).is_some_and(|rig| outcome(&rig.outcome)));
        stage
    }

    fn is_target(&self, told: &Before) -> bool {
        told.version == self.record.version && told.profile == self.record.profile
    }

    /// Notes what the rigs of the stage have and make, and has them told.
    fn begin(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let stage = self.stage();
        let mut told = Vec::new();
        for key in &stage {
            let seen = world.see(key);
            let outcome = match &seen.told {
                None => RigOutcome::LeftOut,
                Some(before) if self.is_target(before) => RigOutcome::HadIt,
                Some(_) => RigOutcome::Told,
            };
            if let Some(rig) = self.rigs.get_mut(key) {
                if outcome == RigOutcome::Told {
                    told.push(*key);
                    rig.before = seen.told;
                    rig.baseline = seen.made;
                }
                rig.outcome = outcome;
            }
        }
        self.enter(Phase::Apply, now);
        let report = Action::Report(Report::Stage(self.record.stage + 1, told.len()));
        let tell = told.into_iter().take(TELLS).map(Action::Tell);
        let save = [Action::Save(stage), report];
        save.into_iter().chain(tell).collect()
    }

    /// Waits for the linked rigs of the stage.
    fn wait(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut actions = self.follow(now, world);
        let told = self.with(|outcome| *outcome == RigOutcome::Told);
        let linked = told.iter().filter(|key| world.see(key).live).count();
        let applied = self.with(|outcome| *outcome == RigOutcome::Applied).len();
        let refused = self.with(|outcome| matches!(outcome, RigOutcome::Refused(_)));
        let late = now.mono.since(self.since) >= APPLY_MS;
        if linked > 0 && !late {
            return actions;
        }
        let heard = applied + refused.len();
        if heard > 0 && self.too_many_refuse(refused.len(), heard) {
            let why = self.why_refused(&refused);
            let text = format!("{} of {heard} rigs refused: {why}", refused.len());
            actions.extend(self.fail(&text));
        } else if applied > 0 {
            self.enter(Phase::Observe, now);
            actions.push(Action::Save(Vec::new()));
        } else if told.is_empty() {
            // There was nothing to do, so there is nothing to watch.
            actions.extend(self.next_stage(now));
        }
        // Otherwise all of them are away: what the next stage would rest on is not known yet.
        actions
    }

    /// Notes what became of rigs that were told, whenever they were, and tells some of those that still
    /// have what they had: it was not their turn yet, or a crash left them untold.
    fn follow(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut changed = Vec::new();
        let mut again = Vec::new();
        for key in self.with(|outcome| *outcome == RigOutcome::Told) {
            let seen = world.see(&key);
            let Some(rig) = self.rigs.get(&key) else {
                continue;
            };
            let outcome = match (&seen.told, &rig.before) {
                (Some(told), _) if self.is_target(told) => match seen.standing {
                    Standing::Pending => continue,
                    Standing::Applied => RigOutcome::Applied,
                    Standing::Refused(why) => RigOutcome::Refused(why),
                },
                (Some(told), Some(before)) if told.generation == before.generation => {
                    again.push(Action::Tell(key));
                    continue;
                }
                _ => RigOutcome::Superseded,
            };
            self.set_outcome(&key, outcome);
            changed.push(key);
        }
        again.truncate(TELLS);
        if !again.is_empty() {
            self.since = now.mono;
        }
        let save = (!changed.is_empty()).then_some(Action::Save(changed));
        again.into_iter().chain(save).collect()
    }

    /// Watches what the rigs of the stage make, and judges at the end.
    fn observe(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut actions = self.follow(now, world);
        let sampled = self.sampled.map(|at| now.mono.since(at));
        if sampled.is_none_or(|age| age >= SAMPLE_MS) {
            self.sampled = Some(now.mono);
            actions.extend(self.sample(world));
        }
        let window = u64::from(self.record.terms.observe_secs) * 1_000;
        if now.mono.since(self.since) < window {
            return actions;
        }
        let watched = self.with(|outcome| *outcome == RigOutcome::Applied);
        let verdict = self.judge(&watched);
        actions.push(Action::Save(watched));
        actions.extend(match verdict {
            Ok(()) => self.next_stage(now),
            Err(why) => self.fail(&why),
        });
        actions
    }

    /// Takes a sample of each rig of the stage that has the version.
    fn sample(&mut self, world: &impl World) -> Option<Action> {
        let mut superseded = Vec::new();
        for key in self.with(|outcome| *outcome == RigOutcome::Applied) {
            let seen = world.see(&key);
            match &seen.told {
                Some(told) if self.is_target(told) => {
                    self.watched
                        .entry(key)
                        .or_default()
                        .add(seen.live, seen.makes);
                }
                _ => {
                    self.set_outcome(&key, RigOutcome::Superseded);
                    superseded.push(key);
                }
            }
        }
        (!superseded.is_empty()).then_some(Action::Save(superseded))
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

    fn fail(&mut self, why: &str) -> Vec<Action> {
        let reason = Reason::lossy(&format!("stage {}: {why}", self.record.stage + 1));
        self.record.reason = Some(reason.clone());
        self.record.status = match self.record.terms.on_failure {
            OnFailure::Halt => RolloutStatus::Halted,
            OnFailure::RollBack => RolloutStatus::RollingBack,
        };
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

    /// Gives some rigs back what they had, until all have it. They are told first and saved then: who was told back has what it
    /// had, so that after a crash nobody is told twice.
    fn tell_back(&mut self, now: Now, world: &impl World) -> Vec<Action> {
        let mut back = Vec::new();
        let mut changed = Vec::new();
        let mut more = false;
        for (key, rig) in &mut self.rigs {
            let had_it = matches!(
                rig.outcome,
                RigOutcome::Told | RigOutcome::Applied | RigOutcome::Refused(_)
            );
            let Some(before) = rig.before.clone().filter(|_| had_it) else {
                continue;
            };
            if back.len() == TELLS {
                more = true;
                break;
            }
            let told = world.see(key).told;
            let is = |told: &Before, profile, version| {
                told.profile == profile && told.version == version
            };
            rig.outcome = match told {
                Some(told) if is(&told, self.record.profile.clone(), self.record.version) => {
                    back.push(Action::TellBack(*key, before));
                    RigOutcome::ToldBack
                }
                Some(told) if is(&told, before.profile.clone(), before.version) => {
                    RigOutcome::ToldBack
                }
                _ => RigOutcome::Superseded,
            };
            changed.push(*key);
        }
        back.push(Action::Save(changed));
        if !more {
            back.extend(self.end(RolloutStatus::RolledBack, now));
        }
        back
    }

    fn enter(&mut self, phase: Phase, now: Now) {
        self.record.phase = phase;
        self.since = now.mono;
        self.watched.clear();
        self.sampled = None;
    }

    fn set_outcome(&mut self, key: &Fingerprint, outcome: RigOutcome) {
        if let Some(rig) = self.rigs.get_mut(key) {
            rig.outcome = outcome;
        }
    }
}
