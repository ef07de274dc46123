//! Updates as a service: which releases are here, and one on its way to many rigs.
//!
//! ```text
//!   start ─▶ registry: record and rigs, one batch ─▶ Run (crate::updates)
//!   tick  ─▶ Run: what is due? ─▶ save ─▶ orders ─▶ events
//! ```
//! Nothing here decides: what a rollout does is in [`crate::updates`]; what a release is, in
//! [`crate::releases`]. One rollout is under way at a time.

mod view;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use miner_shared::identity::Fingerprint;
use miner_shared::release::Version;
use miner_shared::text::Label;

pub use self::view::{
    ImageView, LeftOutUpdateView, ReleaseView, StartedUpdateView, UpdateRigView, UpdateStepView,
    UpdateView,
};
pub(super) use self::view::{image, step_word};
use self::world::Rigs;
use super::{Core, Farm, errors};
use crate::error::{Code, FarmError};
use crate::hub::{Env, EventKind, Hub};
use crate::registry::{
    Author, Comment, Order, Phase, Registry, RegistryError, RolloutStatus, RolloutTerms,
    StoreError, UpdateOutcome, UpdateRecord, UpdateRig, UpdateRigs,
};
use crate::releases::{ReleaseId, Releases, Shelf, Untaken};
use crate::rollout::{NotNow, Report, bounds};
pub(super) use crate::updates::Run;
use crate::updates::{Action, PATIENCE_MS, Way, World};

/// Between two looks at the rollout.
const TICK: Duration = Duration::from_secs(2);

/// An update rollout to be started.
#[derive(Clone, Debug)]
pub struct NewUpdate {
    /// To this version.
    pub version: Version,
    /// Which rigs; without any, all.
    pub rigs: Option<Vec<Fingerprint>>,
    /// How.
    pub terms: RolloutTerms,
    /// Whether rigs that boot from the network are started anew.
    pub restart: bool,
    /// Show what it would do, and do nothing.
    pub dry_run: bool,
    /// Who starts it.
    pub by: Option<Author>,
    /// Why.
    pub comment: Option<Comment>,
}

/// What a person may do to an update rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateVerb {
    /// Have it wait.
    Pause,
    /// Go on.
    Resume,
    /// End it; rigs that fetch stop doing so.
    Cancel,
}

/// The one that was under way when the controller ended.
pub(super) fn open(registry: &Registry, now: crate::clock::Now) -> Option<(u32, Run)> {
    let (id, row) = registry.open_update()?;
    Some((
        id,
        Run::new(row.clone(), registry.update_rigs(id), now.mono),
    ))
}

impl Farm {
    /// Hands out the releases in this data directory from now on.
    pub fn keep_releases(self: &Arc<Self>, data: &Path) -> std::io::Result<()> {
        let farm = Arc::downgrade(self);
        let deliver = move |conn, wanted, bytes: &[u8]| match farm.upgrade() {
            Some(farm) => {
                farm.with(|hub, env| hub.deliver_piece(env, conn, wanted, bytes));
                true
            }
            None => false,
        };
        let releases = Releases::open(Shelf::of(data), Box::new(deliver))?;
        self.lock().releases = Some(Arc::new(releases));
        Ok(())
    }

    fn shelf(&self) -> Result<Arc<Releases>, FarmError> {
        let releases = self.lock().releases.clone();
        releases.ok_or_else(|| {
            FarmError::new(
                Code::InternalError,
                "this controller keeps no releases: its log says why",
            )
        })
    }

    /// The releases that are here, the highest version first.
    pub fn releases(&self) -> Vec<ReleaseView> {
        let releases = self.lock().releases.clone();
        let all = releases.map(|releases| releases.all()).unwrap_or_default();
        all.iter().map(|release| ReleaseView::of(release)).collect()
    }

    /// Checks and takes a release that was copied into the folder of releases.
    pub async fn take_release(&self, id: ReleaseId) -> Result<ReleaseView, FarmError> {
        let taken = self.shelf()?.take(id).await;
        let release = taken.map_err(|error| untaken(&error))?;
        Ok(ReleaseView::of(&release))
    }

    /// Removes a release that no rollout brings.
    pub async fn remove_release(&self, id: ReleaseId) -> Result<ReleaseView, FarmError> {
        let releases = self.shelf()?;
        let view = self.withdraw(&releases, &id)?;
        let removed = releases.remove(id).await;
        removed.map_err(|error| untaken(&error))?;
        Ok(view)
    }

    /// Under one lock, so that no rollout of it begins in between.
    fn withdraw(&self, releases: &Releases, id: &ReleaseId) -> Result<ReleaseView, FarmError> {
        let core = self.lock();
        let all = releases.all();
        let release = all.iter().find(|release| release.id == *id);
        let release = release.ok_or_else(|| untaken(&Untaken::Unknown))?;
        if let Some((open, row)) = core.registry.open_update()
            && row.version == release.version
        {
            return Err(in_the_way(open));
        }
        releases.withdraw(id);
        Ok(ReleaseView::of(release))
    }

    /// Starts an update rollout: stores it with its rigs. The first stage begins with the next tick.
    pub fn start_update(&self, new: NewUpdate) -> Result<StartedUpdateView, FarmError> {
        let mut core = self.lock();
        let now = self.clock.now();
        if let Some((open, _)) = core.registry.open_update()
            && !new.dry_run
        {
            return Err(in_the_way(open));
        }
        let all = core.releases.as_ref().map(|releases| releases.all());
        let here = all.unwrap_or_default();
        if !here.iter().any(|release| release.version == new.version) && !new.restart {
            let message = format!("there is no release {} here", new.version);
            return Err(FarmError::new(Code::InvalidInput, message)
                .field("version")
                .hint("`update list` shows those that are; `update add` copies one in"));
        }
        let (rigs, mut started) = chosen(&core, &new)?;
        let count = u32::try_from(rigs.len()).unwrap_or(u32::MAX);
        let stages = bounds(&new.terms.stages, count).map_err(|why| {
            FarmError::new(
                Code::InvalidInput,
                format!("`stages` cannot be used: {why}"),
            )
            .field("stages")
        })?;
        let record = UpdateRecord {
            version: new.version,
            restart: new.restart,
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
        if new.dry_run {
            started.update = view::update(None, &record, &rigs, None, &core, now);
            return Ok(started);
        }
        let number = core.call(self, |hub, env| {
            let number = env.registry.create_update(record.clone(), &rigs)?;
            let kind = EventKind::UpdateStarted {
                update: number,
                version: record.version.to_string(),
                rigs: rigs.len(),
            };
            hub.record(env, None, kind);
            Ok(number)
        });
        let number = number.map_err(|error: RegistryError| errors::registry(error, ""))?;
        core.update = Some((number, Run::new(record, rigs, now.mono)));
        self.settle(&mut core);
        drop(core);
        started.update = self.update(number)?;
        Ok(started)
    }

    /// All update rollouts that are kept, the newest first, without their rigs.
    pub fn updates(&self) -> Vec<UpdateView> {
        let core = self.lock();
        let all = core.registry.updates().rev();
        all.map(|(id, row)| self.shown_update(&core, id, row, false))
            .collect()
    }

    /// One update rollout with its rigs.
    pub fn update(&self, id: u32) -> Result<UpdateView, FarmError> {
        let core = self.lock();
        let row = core.registry.update(id).ok_or_else(|| unknown(id))?;
        Ok(self.shown_update(&core, id, row, true))
    }

    fn shown_update(&self, core: &Core, id: u32, row: &UpdateRecord, whole: bool) -> UpdateView {
        let run = core.update.as_ref().filter(|(open, _)| *open == id);
        let run = run.map(|(_, run)| run);
        let kept;
        let rigs = match run {
            Some(run) => run.rigs(),
            None => {
                kept = core.registry.update_rigs(id);
                &kept
            }
        };
        let now = self.clock.now();
        let since = run.and_then(Run::observes_since);
        let observed = since.map(|since| now.mono.since(since));
        let mut view = view::update(Some(id), row, rigs, observed, core, now);
        if !whole {
            view.members = None;
        }
        view
    }

    /// Does this to an update rollout.
    pub fn steer_update(&self, id: u32, verb: UpdateVerb) -> Result<UpdateView, FarmError> {
        {
            let mut core = self.lock();
            let now = self.clock.now();
            let row = core.registry.update(id).ok_or_else(|| unknown(id))?;
            let status = row.status;
            let open = core.update.take_if(|(open, _)| *open == id);
            let Some((_, mut run)) = open else {
                return Err(refused(id, NotNow(status)));
            };
            let actions = match verb {
                UpdateVerb::Pause => run.pause(),
                UpdateVerb::Resume => run.resume(now),
                UpdateVerb::Cancel => run.cancel(now, &Rigs::new(&core, run.record())),
            };
            let done = match actions {
                Ok(actions) => self.carry_update_out(&mut core, id, run, actions),
                Err(not_now) => {
                    core.update = Some((id, run));
                    return Err(refused(id, not_now));
                }
            };
            self.settle(&mut core);
            done?;
        }
        self.update(id)
    }

    /// Gives the rollout time.
    pub(super) async fn keep_update(self: Arc<Self>) {
        loop {
            smol::Timer::after(TICK).await;
            self.tick_update();
        }
    }

    pub(super) fn tick_update(&self) {
        let mut core = self.lock();
        let Some((id, mut run)) = core.update.take() else {
            return;
        };
        core.follow_update_keys(&mut run);
        let record = run.record().clone();
        let actions = run.handle_tick(self.clock.now(), &Rigs::new(&core, &record));
        if let Err(error) = self.carry_update_out(&mut core, id, run, actions) {
            log::warn!("update rollout not saved update={id} reason={error}");
        }
        self.settle(&mut core);
    }

    /// Does what the rollout wants done. What was not saved is not done: it goes on from what is on disk.
    fn carry_update_out(
        &self,
        core: &mut Core,
        id: u32,
        run: Run,
        actions: Vec<Action>,
    ) -> Result<(), StoreError> {
        let done = core.call(self, |hub, env| act(hub, env, id, &run, actions));
        let run = match done {
            Ok(()) => run,
            Err(_) => {
                let now = self.clock.now().mono;
                let Some(row) = core.registry.update(id).cloned() else {
                    return done;
                };
                Run::new(row, core.registry.update_rigs(id), now)
            }
        };
        if !run.record().status.is_ended() {
            core.update = Some((id, run));
        }
        done
    }
}

/// Does it in this order.
fn act(
    hub: &mut Hub,
    env: &mut Env<'_>,
    id: u32,
    run: &Run,
    actions: Vec<Action>,
) -> Result<(), StoreError> {
    for action in actions {
        match action {
            Action::Save(keys) => {
                let rows = keys
                    .iter()
                    .filter_map(|key| Some((key, run.rigs().get(key)?)));
                env.registry.save_update(id, run.record(), rows)?;
            }
            Action::Tell(key, offer) => give(hub, env, id, &key, Order::Update(offer)),
            Action::Restart(key) => give(hub, env, id, &key, Order::Reboot),
            Action::Cancel(key, offer) => {
                give(hub, env, id, &key, Order::CancelUpdate(offer.release));
            }
            Action::Report(report) => hub.record(env, None, event(id, run.record(), report)),
        }
    }
    Ok(())
}

/// Gives an order; one that cannot be given now is given with the next tick.
fn give(hub: &mut Hub, env: &mut Env<'_>, id: u32, key: &Fingerprint, order: Order) {
    let by = Label::lossy(&format!("update {id}"));
    if let Err(error) = hub.order(env, key, order, &by, PATIENCE_MS) {
        log::warn!("rig not told node={} reason={error}", key.node_id());
    }
}

impl Core {
    /// A rig may have another key since the last tick; its rows have moved already.
    fn follow_update_keys(&self, run: &mut Run) {
        let keys: Vec<_> = run.rigs().keys().copied().collect();
        for old in keys {
            let new = self.registry.current_key(&old);
            if self.registry.peer(&old).is_none() && new != old {
                run.rename(&old, new);
            }
        }
    }
}

/// The rigs of a new rollout in their order: those that are there first, so that the first stage learns
/// something; then by name. Those of which it is known that they cannot be updated are left out, and said.
fn chosen(core: &Core, new: &NewUpdate) -> Result<(UpdateRigs, StartedUpdateView), FarmError> {
    let registry = &core.registry;
    let asked = new.rigs.clone();
    let asked = asked.unwrap_or_else(|| registry.peers().map(|(key, _)| *key).collect());
    let record = (new.version, new.restart);
    let world = Rigs::of(core, new.version);
    let (mut rigs, mut left_out, mut had_it) = (Vec::new(), Vec::new(), 0);
    for key in asked {
        let Some(peer) = registry.peer(&key) else {
            continue;
        };
        let seen = world.see(&key);
        match seen.way(record.0, record.1) {
            Way::HasIt => had_it += 1,
            Way::Not(why) => left_out.push((key, peer.name.clone(), why)),
            Way::Unknown | Way::Fetch(_) | Way::Restart => {
                rigs.push((!seen.live, peer.name.clone(), key));
            }
        }
    }
    if rigs.is_empty() && !new.dry_run {
        let version = new.version;
        let (code, why) = match left_out.as_slice() {
            [(_, name, why), ..] if left_out.iter().all(|(_, _, other)| other == why) => {
                let code = match *why {
                    crate::hub::TOO_OLD => Code::AgentTooOld,
                    _ => Code::InvalidInput,
                };
                (code, format!("; {name}: {why}"))
            }
            [(_, name, why), ..] => (Code::InvalidInput, format!("; {name}: {why}, and others")),
            [] => (Code::InvalidInput, String::new()),
        };
        let message = format!("there is nothing to do: {had_it} rigs run {version}{why}");
        return Err(FarmError::new(code, message).field("select"));
    }
    rigs.sort();
    let row = |place| UpdateRig {
        place,
        before: None,
        baseline: None,
        observed: None,
        outcome: UpdateOutcome::Waiting,
    };
    let rows = (0..).zip(&rigs);
    let rows = rows.map(|(place, (_, _, key))| (*key, row(place)));
    let left_out = left_out.into_iter();
    let started = StartedUpdateView {
        update: UpdateView::default(),
        dry_run: new.dry_run,
        had_it,
        left_out: left_out
            .map(|(key, name, why)| LeftOutUpdateView {
                node_id: key.node_id().to_string(),
                name: name.to_string(),
                reason: why,
            })
            .collect(),
    };
    Ok((rows.collect(), started))
}

fn event(update: u32, record: &UpdateRecord, report: Report) -> EventKind {
    match report {
        Report::Stage(stage, rigs) => EventKind::UpdateStage {
            update,
            stage,
            stages: record.bounds.len(),
            rigs,
        },
        Report::Halted(reason) => EventKind::UpdateHalted {
            update,
            reason: reason.as_str().to_owned(),
        },
        Report::Ended(status) => EventKind::UpdateEnded {
            update,
            status: status.as_str(),
        },
    }
}

fn untaken(error: &Untaken) -> FarmError {
    let code = match error {
        Untaken::Io { .. } => Code::InternalError,
        Untaken::Unknown => Code::ReleaseNotFound,
        _ => Code::InvalidInput,
    };
    FarmError::new(code, error.to_string()).field("release")
}

fn in_the_way(open: u32) -> FarmError {
    let message = format!("the update rollout {open} is under way");
    FarmError::new(Code::RolloutConflict, message)
        .hint(format!("`update cancel {open}` ends that one"))
}

fn unknown(id: u32) -> FarmError {
    FarmError::new(
        Code::RolloutNotFound,
        format!("there is no update rollout {id}"),
    )
    .field("id")
    .hint("`update status` shows all that are kept")
}

fn refused(id: u32, not_now: NotNow) -> FarmError {
    FarmError::new(
        Code::RolloutConflict,
        format!("update rollout {id}: {not_now}"),
    )
}
