//! Rollouts as a service: starts them, gives them time, carries out what they want done.
//!
//! ```text
//!   start ─▶ registry: record and rigs, one batch ─▶ Run (crate::rollout)
//!   tick  ─▶ Run: what is due? ─▶ save ─▶ wishes ─▶ events
//! ```
//! Nothing here decides: what a rollout does is in [`crate::rollout`], what is kept in the registry.

mod view;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use miner_shared::identity::Fingerprint;

pub use self::view::{RolloutRigView, RolloutView, StageView, StartedView};
use self::world::Rigs;
pub(super) use self::world::makes;
use super::{Core, Farm, errors, hours};
use crate::clock::Now;
use crate::error::{Code, FarmError};
use crate::hub::{Env, EventKind, Hub};
use crate::registry::{
    Author, Before, Comment, Phase, ProfileId, Registry, RegistryError, RigOutcome, RolloutRecord,
    RolloutRig, RolloutRigs, RolloutStatus, RolloutTerms, StoreError, Wish,
};
use crate::rollout::{Action, NotNow, Rates, Report, Run, bounds};
use crate::schedule::open_at;

/// Between two looks at all rollouts.
const TICK: Duration = Duration::from_secs(2);

/// Rollouts under way, and what rigs made lately.
#[derive(Debug, Default)]
pub(super) struct Rollouts {
    runs: BTreeMap<u32, Run>,
    pub(super) rates: Rates,
}

/// A rollout to be started.
#[derive(Clone, Debug)]
pub struct NewRollout {
    /// Id or name of the profile.
    pub profile: String,
    /// Its version; without one, the newest.
    pub version: Option<u32>,
    /// Which rigs; without any, those that are told to mine with the profile.
    pub rigs: Option<Vec<Fingerprint>>,
    /// How.
    pub terms: RolloutTerms,
    /// Who starts it.
    pub by: Option<Author>,
    /// Why.
    pub comment: Option<Comment>,
}

/// What a person may do to a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RolloutVerb {
    /// Have it wait.
    Pause,
    /// Go on.
    Resume,
    /// End it; rigs keep what they have.
    Abort,
    /// Give rigs back what they had.
    RollBack,
}

impl Rollouts {
    /// Those that were under way when the controller ended.
    pub(super) fn open(registry: &Registry, now: Now) -> Self {
        let open = registry
            .rollouts()
            .filter(|(_, row)| !row.status.is_ended());
        let run = |(id, row): (u32, &RolloutRecord)| {
            let rigs = registry.rollout_rigs(id);
            (id, Run::new(row.clone(), rigs, now.mono))
        };
        Self {
            runs: open.map(run).collect(),
            rates: Rates::default(),
        }
    }
}

impl Farm {
    /// Starts a rollout: stores it with its rigs. The first stage begins with the next tick.
    pub fn start_rollout(&self, new: NewRollout) -> Result<StartedView, FarmError> {
        let mut core = self.lock();
        let now = self.clock.now();
        let id = ProfileId::of(&new.profile);
        let row = core.registry.version(&id, new.version);
        let version = row
            .map_err(|error| errors::registry(error, &new.profile))?
            .version;
        let (rigs, started) = chosen(&core, &id, version, new.rigs)?;
        let count = u32::try_from(rigs.len()).unwrap_or(u32::MAX);
        let stages = bounds(&new.terms.stages, count);
        let stages = stages.map_err(|why| {
            FarmError::new(
                Code::InvalidInput,
                format!("`stages` cannot be used: {why}"),
            )
            .field("stages")
        })?;
        let record = RolloutRecord {
            profile: id,
            version,
            terms: new.terms,
            bounds: stages,
            stage: 0,
            phase: Phase::Begin,
            status: RolloutStatus::Running,
            reason: None,
            by: new.by,
            comment: new.comment,
            started_at_ms: now.wall.0,
            ended_at_ms: None,
        };
        let number = core.call(self, |hub, env| {
            let number = env.registry.create_rollout(record.clone(), &rigs)?;
            let kind = EventKind::RolloutStarted {
                rollout: number,
                profile: record.profile.to_string(),
                version,
                rigs: rigs.len(),
            };
            hub.record(env, None, kind);
            Ok(number)
        });
        let number = number.map_err(|error: RegistryError| errors::registry(error, ""))?;
        let run = Run::new(record, rigs, now.mono);
        core.rollouts.runs.insert(number, run);
        self.settle(&mut core);
        drop(core);
        Ok(StartedView {
            rollout: self.rollout(number)?,
            ..started
        })
    }

    /// All rollouts that are kept, the newest first, without their rigs.
    pub fn rollouts(&self) -> Vec<RolloutView> {
        let core = self.lock();
        let all = core.registry.rollouts().rev();
        let shown = all.map(|(id, row)| self.shown(&core, id, row, false));
        shown.collect()
    }

    /// One rollout with its rigs.
    pub fn rollout(&self, id: u32) -> Result<RolloutView, FarmError> {
        let core = self.lock();
        let row = core.registry.rollout(id).ok_or_else(|| unknown(id))?;
        Ok(self.shown(&core, id, row, true))
    }

    fn shown(&self, core: &Core, id: u32, row: &RolloutRecord, whole: bool) -> RolloutView {
        let run = core.rollouts.runs.get(&id);
        let kept;
        let rigs = match run {
            Some(run) => run.rigs(),
            None => {
                kept = core.registry.rollout_rigs(id);
                &kept
            }
        };
        let observed = run.filter(|run| run.observes());
        let since = observed.map(|run| self.clock.now().mono.since(run.since()));
        view::rollout(id, row, rigs, since, whole, &core.registry)
    }

    /// Does this to a rollout.
    pub fn steer_rollout(&self, id: u32, verb: RolloutVerb) -> Result<RolloutView, FarmError> {
        {
            let mut core = self.lock();
            let now = self.clock.now();
            let row = core
                .registry
                .rollout(id)
                .ok_or_else(|| unknown(id))?
                .clone();
            let mut run = match core.rollouts.runs.remove(&id) {
                Some(run) => run,
                None => Run::new(row, core.registry.rollout_rigs(id), now.mono),
            };
            let actions = match verb {
                RolloutVerb::Pause => run.pause(),
                RolloutVerb::Resume => run.resume(now),
                RolloutVerb::Abort => run.abort(now),
                RolloutVerb::RollBack => run.roll_back(),
            };
            let done = match actions {
                Ok(actions) => self.carry_out(&mut core, id, run, actions),
                Err(not_now) => {
                    core.keep(id, run);
                    return Err(refused(id, not_now));
                }
            };
            self.settle(&mut core);
            done?;
        }
        self.rollout(id)
    }

    /// Gives all rollouts time.
    pub(super) async fn keep_rollouts(self: Arc<Self>) {
        loop {
            smol::Timer::after(TICK).await;
            self.tick_rollouts();
        }
    }

    pub(super) fn tick_rollouts(&self) {
        let mut core = self.lock();
        let ids: Vec<_> = core.rollouts.runs.keys().copied().collect();
        for id in ids {
            let Some(mut run) = core.rollouts.runs.remove(&id) else {
                continue;
            };
            core.follow_keys(&mut run);
            let world = Rigs {
                hub: &core.hub,
                registry: &core.registry,
                rates: &core.rollouts.rates,
            };
            let actions = run.handle_tick(self.clock.now(), &world);
            if let Err(error) = self.carry_out(&mut core, id, run, actions) {
                log::warn!("rollout not saved rollout={id} reason={error}");
            }
        }
        self.settle(&mut core);
    }

    /// Does what a rollout wants done. What was not saved is not done: the rollout goes on from what is
    /// on disk, as after a restart.
    fn carry_out(
        &self,
        core: &mut Core,
        id: u32,
        run: Run,
        actions: Vec<Action>,
    ) -> Result<(), StoreError> {
        let done = core.call(self, |hub, env| self.act(hub, env, id, &run, actions));
        match done {
            Ok(()) => core.keep(id, run),
            Err(_) => {
                let rigs = core.registry.rollout_rigs(id);
                if let Some(row) = core.registry.rollout(id).cloned() {
                    core.keep(id, Run::new(row, rigs, self.clock.now().mono));
                }
            }
        }
        done
    }

    /// Does it in this order. Wishes that follow each other are one step of the registry.
    fn act(
        &self,
        hub: &mut Hub,
        env: &mut Env<'_>,
        id: u32,
        run: &Run,
        actions: Vec<Action>,
    ) -> Result<(), StoreError> {
        let record = run.record();
        let mut wishes = Vec::new();
        for action in actions {
            match action {
                Action::Tell(key) => {
                    let wish = self.wish_of(hub, env, &key, &record.profile, record.version);
                    wishes.extend(wish.map(|wish| (key, wish)));
                }
                Action::TellBack(key, before) => {
                    let wish = self.wish_of(hub, env, &key, &before.profile, before.version);
                    wishes.extend(wish.map(|wish| (key, wish)));
                }
                Action::Save(keys) => {
                    tell(hub, env, std::mem::take(&mut wishes))?;
                    let rows = keys
                        .iter()
                        .filter_map(|key| Some((key, run.rigs().get(key)?)));
                    env.registry.save_rollout(id, record, rows)?;
                }
                Action::Report(report) => hub.record(env, None, event(id, record, report)),
            }
        }
        tell(hub, env, wishes)
    }

    /// The wish that a rig mines with this version; who held it still does, and its hours count.
    fn wish_of(
        &self,
        hub: &Hub,
        env: &mut Env<'_>,
        key: &Fingerprint,
        id: &ProfileId,
        version: u32,
    ) -> Option<Wish> {
        env.registry.peer(key)?;
        let held = env.registry.desired(key).is_some_and(|row| row.held);
        let row = match env.registry.version(id, Some(version)) {
            Ok(row) => row,
            Err(error) => {
                log::warn!(
                    "rig not told node={} profile={id} version={version} reason={error}",
                    key.node_id()
                );
                return None;
            }
        };
        let opening = open_at(&row.settings.windows, &self.zone, env.now.wall);
        let state = hours::state(row, held || !opening.open, hub.protocol(key));
        let mut op_id = [0; 16];
        env.rng.fill_bytes(&mut op_id);
        Some(Wish {
            op_id,
            profile: Some(id.clone()),
            version,
            held,
            state,
        })
    }
}

/// Stores all wishes and sends them, or none.
fn tell(
    hub: &mut Hub,
    env: &mut Env<'_>,
    wishes: Vec<(Fingerprint, Wish)>,
) -> Result<(), StoreError> {
    match hub.wish_all(env, wishes) {
        Err(RegistryError::Store(error)) => Err(error),
        Err(error) => {
            log::warn!("rigs not told reason={error}");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

impl Core {
    /// Keeps a rollout that is not over.
    fn keep(&mut self, id: u32, run: Run) {
        if !run.record().status.is_ended() {
            self.rollouts.runs.insert(id, run);
        }
    }

    /// A rig may have another key since the last tick; its rows have moved already.
    fn follow_keys(&self, run: &mut Run) {
        let gone = run
            .rigs()
            .keys()
            .filter(|key| self.registry.peer(key).is_none());
        let gone: Vec<_> = gone.copied().collect();
        for old in gone {
            let new = self.registry.current_key(&old);
            if new != old {
                run.rename(&old, new);
            }
        }
    }
}

/// The rigs of a new rollout in their order: those that are there first, so that the first stage learns
/// something; then by name. The view holds how many are left out, and why.
fn chosen(
    core: &Core,
    id: &ProfileId,
    version: u32,
    asked: Option<Vec<Fingerprint>>,
) -> Result<(RolloutRigs, StartedView), FarmError> {
    let registry = &core.registry;
    let asked = asked.unwrap_or_else(|| {
        let uses = |key: &&Fingerprint| {
            let told = registry.desired(key);
            told.is_some_and(|row| row.profile.as_ref() == Some(id))
        };
        let keys = registry.peers().map(|(key, _)| key);
        keys.filter(uses).copied().collect()
    });
    let (mut rigs, mut stopped, mut had_it) = (Vec::new(), 0, 0);
    for key in asked {
        let Some(told) = told(registry, &key) else {
            stopped += 1;
            continue;
        };
        if told.profile == *id && told.version == version {
            had_it += 1;
            continue;
        }
        let name = registry.peer(&key).map(|peer| peer.name.clone());
        if let Some(other) = registry.rollout_of(&key) {
            let name = name.as_ref().map_or("a rig", |name| name.as_str());
            return Err(FarmError::new(
                Code::RolloutConflict,
                format!("{name} is in the rollout {other}, which is under way"),
            )
            .hint(format!("`rollout abort {other}` ends that one")));
        }
        rigs.push((!core.hub.is_live(&key), name, key));
    }
    if rigs.is_empty() {
        let message = format!(
            "there is nothing to do: {had_it} rigs have version {version} of {id}, {stopped} are told to mine nothing"
        );
        return Err(FarmError::new(Code::InvalidInput, message).field("select"));
    }
    rigs.sort();
    let row = |place| RolloutRig {
        place,
        before: None,
        baseline: None,
        observed: None,
        outcome: RigOutcome::Waiting,
    };
    let rows = (0..)
        .zip(&rigs)
        .map(|(place, (_, _, key))| (*key, row(place)));
    let started = StartedView {
        rollout: RolloutView::default(),
        stopped,
        had_it,
    };
    Ok((rows.collect(), started))
}

/// What a registered rig is told to mine with.
fn told(registry: &Registry, key: &Fingerprint) -> Option<Before> {
    registry.peer(key)?;
    let row = registry.desired(key)?;
    Some(Before {
        generation: row.generation,
        profile: row.profile.clone()?,
        version: row.version,
    })
}

fn event(rollout: u32, record: &RolloutRecord, report: Report) -> EventKind {
    let stages = record.bounds.len();
    match report {
        Report::Stage(stage, rigs) => EventKind::RolloutStage {
            rollout,
            stage,
            stages,
            rigs,
        },
        Report::Halted(reason) => EventKind::RolloutHalted {
            rollout,
            reason: reason.as_str().to_owned(),
        },
        Report::Ended(status) => EventKind::RolloutEnded {
            rollout,
            status: status.as_str(),
        },
    }
}

fn unknown(id: u32) -> FarmError {
    errors::registry(RegistryError::NoSuchRollout, &id.to_string())
}

fn refused(id: u32, not_now: NotNow) -> FarmError {
    FarmError::new(Code::RolloutConflict, format!("rollout {id}: {not_now}"))
}
