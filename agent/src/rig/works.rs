//! What the rig does at the moment, and what it says about it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use heapless::Vec;
use log::{error, info, warn};
use miner_engine::{Features, Jit};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{MAX_MINERS, SIGNATURE};
use miner_shared::mining::HashrateMeter;
use miner_shared::owner::OwnerWord;
use miner_shared::text::{MinerName, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Algo, Backend, Desired, Findings, FoundBatch, ImageStatus, Interfaces, Level,
    LogPage, Memory, MinerStats, Mode, NodeCard, NodeInfo, Offer, Outcome, OwnerView, PageWish,
    Pages, Plan, Profile, RigStats, State, Threads,
};
use smol::channel::{Receiver, Sender, bounded};
use smol::{LocalExecutor, Task};

use super::doctor::{self, Facts, Machine};
use super::{Limits, Listeners, Mine, Parts, miner_config};
use crate::clock::Clock;
use crate::commands::Host;
use crate::logger::Logger;
use crate::mining::topology::Topology;
use crate::mining::{self, MinerSnapshot, Phase, WhyLight};
use crate::platform;
use crate::platform::beacon::Beacon;
use crate::platform::machine::{self, MachineEnd};

use crate::pool::{self, PoolSide, PoolStats};
use crate::store::{Managers, NodeStore, StoreError, system_rng};
use crate::update::Updates;

/// Name of the rig's own miner.
const MINER: &str = "miner-rx0";

/// From the receipt of an order that ends the machine to its end: the receipt has to arrive.
const LAST_WORDS_MS: u64 = 2_000;

/// The rig's work: the state in force, the miner, and the pool side that feeds it.
pub(super) struct Works {
    desired: Option<Desired>,
    miner: Rc<dyn Mine>,
    /// Dropping it ends the pool side.
    pool: Option<Task<()>>,
    pool_stats: Rc<RefCell<PoolStats>>,
    /// Tells the pool side that all nonces of the job are hashed.
    exhausted: (Sender<()>, Receiver<()>),
    meter: HashrateMeter,
    /// What the miner was doing at the last tick.
    said: Said,
    store: NodeStore,
    card: NodeCard,
    name: Name,
    limits: Limits,
    clock: Clock,
    /// When mining was ordered; `None` while it is not.
    mining_since: Option<Millis>,
    /// Shows a person which machine it is, until then.
    beacon: Option<(Beacon, Millis)>,
    /// How the machine is to end, and when.
    ending: Option<(MachineEnd, Millis)>,
    /// What it was told last and its owner forbids, in words; `None` if it was told something else since.
    forbidden: Option<String>,
    /// Who ends it, if not this process.
    supervisor: Option<Sender<MachineEnd>>,
    updates: Updates,
    link: &'static str,
    log: &'static Logger,
    listeners: Rc<Listeners>,
    executor: Weak<LocalExecutor<'static>>,
}

/// The parts of a snapshot that are worth a line in the log when they change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Said {
    activity: Option<core::mem::Discriminant<Activity>>,
    memory: Option<Memory>,
    why_light: Option<WhyLight>,
    exhausted: bool,
}

impl Works {
    pub(super) fn new(parts: &Parts, listeners: Rc<Listeners>) -> Self {
        Self {
            desired: None,
            miner: Rc::clone(&parts.miner),
            pool: None,
            pool_stats: Rc::default(),
            exhausted: bounded(1),
            meter: HashrateMeter::new(),
            said: Said::default(),
            store: parts.store.clone(),
            card: parts.me.node.card().clone(),
            name: parts.name.clone(),
            limits: parts.limits,
            clock: parts.clock,
            mining_since: None,
            beacon: None,
            ending: None,
            forbidden: None,
            supervisor: parts
                .supervisor
                .as_ref()
                .map(|supervisor| supervisor.ends.clone()),
            updates: Updates::open(
                parts.store.dirs().update(),
                parts.supervisor.as_ref().map(|it| it.system.clone()),
            ),
            link: parts.link,
            log: parts.log,
            listeners,
            executor: parts.executor.clone(),
        }
    }

    /// Goes on with the state on disk. One that the owner has come to forbid is as if it never was: it is
    /// not worked by, and a manager that tells it again hears why.
    pub(super) fn resume(&mut self, desired: &Desired) {
        let profile = desired.state.profile();
        if !profile.is_some_and(|profile| self.owner_forbids(profile)) {
            self.apply(desired);
        }
    }

    /// Takes a sample, asks for new nonces where there are none, lets the miner rest where there is
    /// no pool, says what changed. True if it is worth a heartbeat.
    pub(super) fn tick(&mut self, now: Millis) -> bool {
        self.shine(now);
        self.end_if_due(now);
        let snapshot = self.miner.snapshot();
        if self.hashes() {
            self.meter.record(now, snapshot.hashes);
        }
        if self.hashes() && snapshot.exhausted {
            // One that has not been heard yet says it already.
            let _ = self.exhausted.0.try_send(());
        }
        let offline = self.pool_stats.borrow().offline_since;
        if offline.is_some_and(|since| now.since(since) > pool::GRACE_MS)
            && !matches!(snapshot.phase, Phase::Idle | Phase::Paused)
        {
            info!("miner rests: no pool for {} s", pool::GRACE_MS / 1_000);
            self.miner.clear_job();
        }
        let store = &self.store;
        let image_changed = self
            .updates
            .tick(|| store.managers().unwrap_or_default().first());
        self.say_what_changed(&snapshot) || image_changed
    }

    /// The update of the machine.
    pub(super) fn updates(&mut self) -> &mut Updates {
        &mut self.updates
    }

    /// What the machine was booted from, and how its update does.
    pub(super) fn image(&self) -> ImageStatus {
        self.updates.status()
    }

    fn say_what_changed(&mut self, snapshot: &MinerSnapshot) -> bool {
        let activity = self.activity(snapshot);
        let now = Said {
            activity: Some(core::mem::discriminant(&activity)),
            memory: snapshot.memory,
            why_light: snapshot.why_light,
            exhausted: snapshot.exhausted,
        };
        let before = std::mem::replace(&mut self.said, now);
        if before == now {
            return false;
        }
        if before.activity != now.activity || before.memory != now.memory {
            say_activity(activity, snapshot);
        }
        if before.why_light != now.why_light {
            say_why_light(snapshot.why_light);
        }
        if now.exhausted && !before.exhausted {
            warn!("all nonces of the job are hashed: waiting for another job or a new login");
        }
        if let Phase::Failed(reason) = snapshot.phase {
            error!("miner failed: {reason}");
        }
        true
    }

    fn shine(&mut self, now: Millis) {
        match &mut self.beacon {
            Some((_, until)) if now >= *until => {
                info!("located: the machine shows itself no more");
                self.beacon = None;
            }
            Some((beacon, _)) => beacon.blink(),
            None => {}
        }
    }

    fn end_if_due(&mut self, now: Millis) {
        if let Some((how, _)) = self.ending.take_if(|(_, at)| now >= *at) {
            // What waits for a pool or in a file of its own is not lost by this: it was written when it came.
            if let Some(supervisor) = &self.supervisor {
                // One that was told already needs no second word.
                let _ = supervisor.try_send(how);
                return;
            }
            let error = machine::end(how);
            error!("the machine goes on: {error}");
        }
    }

    /// The state that the rig was told.
    fn state(&self) -> &State {
        self.desired
            .as_ref()
            .map_or(&State::Stopped, |desired| &desired.state)
    }

    /// Whether mining is what the rig was told, at rest or not.
    fn mines(&self) -> bool {
        self.state().profile().is_some()
    }

    /// Whether it was told to mine and not to rest.
    fn hashes(&self) -> bool {
        self.mines() && !self.state().is_paused()
    }

    /// Found shares from this number on.
    pub(super) fn found(&self, from: u64) -> Option<FoundBatch> {
        self.pool_stats.borrow().found.batch(from, self.clock.now())
    }

    fn activity(&self, snapshot: &MinerSnapshot) -> Activity {
        if !self.mines() {
            return Activity::Stopped;
        }
        match snapshot.phase {
            _ if self.state().is_paused() => Activity::Paused,
            Phase::Idle if self.pool_stats.borrow().offline_since.is_some() => Activity::NoPool,
            Phase::Idle | Phase::Paused | Phase::Starting => Activity::Starting,
            Phase::Filling { percent, left_ms } => Activity::Filling { percent, left_ms },
            Phase::Mining => Activity::Mining,
            Phase::Failed(_) => Activity::Failed,
        }
    }

    fn miner_stats(&self, snapshot: &MinerSnapshot) -> MinerStats {
        let now = self.clock.now();
        let pool = self.pool_stats.borrow();
        // A stop is told at once: threads that still finish a hash, and memory on its way back,
        // belong to no work any more.
        let mines = self.mines();
        MinerStats {
            name: miner_name(),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            threads: if mines { snapshot.threads } else { 0 },
            memory: snapshot.memory.filter(|_| mines),
            pages: snapshot.pages.filter(|_| mines),
            hashrate: self.meter.windows(now),
            hashes: snapshot.hashes,
            accepted: pool.accepted,
            rejected: pool.rejected,
            stale: pool.stale,
            lost: pool.lost + snapshot.shares_lost,
            last_share_ms: pool.last_share.map(|at| now.since(at)),
            uptime_ms: self.mining_since.map_or(0, |since| now.since(since)),
            pool: pool.pool.clone(),
            difficulty: pool.difficulty,
        }
    }

    fn start(&mut self, profile: &Profile) {
        let Some(executor) = self.executor.upgrade() else {
            return; // The program is ending.
        };
        let (miner, listeners) = (Rc::clone(&self.miner), Rc::clone(&self.listeners));
        let side = PoolSide {
            pools: profile.pools.clone(),
            rig: self.name.clone(),
            clock: self.clock,
            shares: self.miner.shares(),
            exhausted: self.exhausted.1.clone(),
            set_job: Rc::new(move |job| miner.set_job(job)),
            changed: Rc::new(move || listeners.notify()),
            stats: Rc::clone(&self.pool_stats),
            probe_ms: pool::PROBE_MS,
        };
        self.pool = Some(executor.spawn(side.run()));
    }
}

impl Host for Works {
    fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    fn fast_mode_fits(&self, profile: &Profile) -> bool {
        let threads = match profile.threads {
            Threads::Count(count) => count,
            Threads::Auto | Threads::Percent(_) => platform::cpus(),
        };
        let in_use = self.miner.snapshot().memory == Some(Memory::Fast);
        let needed = u64::from(mining::fast_mode_mib(threads));
        let pages = self
            .state()
            .clone()
            .into_plan()
            .map_or(PageWish::Auto, |plan| plan.pages);
        in_use || platform::available_mib(pages).is_none_or(|available| available >= needed)
    }

    fn owner_forbids(&mut self, profile: &Profile) -> bool {
        let forbids = |owner: &OwnerWord| owner.forbids(profile);
        let Some(why) = self.store.owner().and_then(forbids) else {
            return false;
        };
        let said = format!("{why} (profile \"{}\")", profile.name);
        if self.forbidden.as_ref() != Some(&said) {
            warn!("the owner of this machine forbids it: {said}");
        }
        self.forbidden = Some(said);
        true
    }

    fn store(&mut self, desired: &Desired) -> bool {
        let stored = self.store.set_state(desired);
        if let Err(error) = &stored {
            error!("state not stored, so not applied: {error}");
        }
        stored.is_ok()
    }

    fn managers(&self) -> Managers {
        // A list that cannot be read obeys nobody.
        self.store.managers().unwrap_or_default()
    }

    fn pin_recovery(
        &mut self,
        manager: Fingerprint,
        key: &[u8; 32],
        proof: Option<&[u8; SIGNATURE]>,
    ) -> bool {
        let id = manager.node_id();
        let pinned = self.store.pin_recovery(manager, key, proof);
        let pinned = kept(pinned, "recovery key not pinned");
        if pinned {
            info!("recovery key pinned manager={id}");
        }
        pinned
    }

    fn put_first(&mut self, manager: Fingerprint) -> bool {
        let first = self.store.put_manager_first(manager);
        let first = kept(first, "manager not put first");
        if first {
            info!("manager decides from now on manager={}", manager.node_id());
        }
        first
    }

    fn unpin(&mut self, manager: Fingerprint) -> bool {
        let unpinned = kept(self.store.unpin_manager(manager), "manager not removed");
        if unpinned {
            info!("manager removed manager={}", manager.node_id());
        }
        unpinned
    }

    fn rotate(&mut self) -> bool {
        let rotated = self.store.rotate(&mut system_rng()).map(|_| true);
        kept(rotated, "key not changed")
    }

    fn apply(&mut self, desired: &Desired) {
        let pools = |state: &State| state.profile().map(|profile| profile.pools.clone());
        let (before, pools) = (pools(self.state()), pools(&desired.state));
        let stays = self.pool.is_some() && before == pools;
        if !stays {
            // The old pool side ends first: two of them would draw from one queue of shares. Its job
            // ends with it: it pays the account of another profile.
            self.pool = None;
            self.miner.clear_job();
            let mut stats = self.pool_stats.borrow_mut();
            (stats.pool, stats.difficulty, stats.offline_since) = (None, None, None);
        }
        let generation = desired.generation;
        if desired.state.is_paused() || desired.state.profile().is_none() {
            // What was hashed before says nothing about a rig that stands still.
            self.meter.reset();
        }
        match desired.state.profile() {
            None => {
                info!("state applied generation={generation} stopped");
                self.mining_since = None;
                self.miner.stop();
            }
            Some(profile) => {
                let rests = if desired.state.is_paused() {
                    " paused"
                } else {
                    ""
                };
                info!(
                    "state applied generation={generation} profile=\"{}\"{rests}",
                    profile.name
                );
                let clock = self.clock;
                self.mining_since.get_or_insert_with(|| clock.now());
                self.miner.configure(miner_config(desired, self.limits));
                if !stays {
                    self.start(profile);
                }
            }
        }
        self.desired = Some(desired.clone());
        self.forbidden = None;
    }

    fn restart(&mut self) {
        info!("restarting the miner from the stored state");
        self.pool = None;
        self.miner.restart();
        self.meter.reset();
        self.mining_since = None;
        if let Some(desired) = self.desired.take() {
            self.apply(&desired);
        }
    }

    fn may_end_machine(&self) -> bool {
        self.supervisor.is_some() || machine::may_end(self.limits.owns_machine)
    }

    fn end_machine(&mut self, how: MachineEnd) {
        let what = match how {
            MachineEnd::Reboot => "starts anew",
            MachineEnd::PowerOff => "is switched off",
        };
        warn!(
            "the machine {what} in {} s: a manager orders it",
            LAST_WORDS_MS / 1_000
        );
        self.ending = Some((how, self.clock.now() + LAST_WORDS_MS));
    }

    fn locate(&mut self, seconds: u16) {
        let name = self.name.as_str();
        warn!("located: this machine is {name}, shown for {seconds} s");
        let beacon = Beacon::new(&format!("this machine is {name}"));
        let until = self.clock.now() + 1_000 * u64::from(seconds);
        self.beacon = Some((beacon, until));
    }

    fn set_log_level(&mut self, least: Level) {
        // Nobody makes a rig silent from afar.
        let least = least.max(Level::Info);
        self.log.set_level(least);
        info!("log level {least:?}, until the next start");
    }

    fn update(&mut self, offer: &Offer) -> Outcome {
        let from = self.managers().first();
        self.updates.order(from, offer)
    }

    fn cancel_update(&mut self, release: &[u8; 32]) -> Outcome {
        self.updates.cancel(release)
    }

    fn owner(&self) -> OwnerView {
        let all = OwnerWord::default();
        self.store.owner().unwrap_or(&all).view()
    }

    fn info(&self) -> NodeInfo {
        NodeInfo {
            card: self.card.clone(),
            cpus: platform::cpus(),
            cpu_model: platform::cpu_model(),
            memory_mib: platform::total_mib().map(|mib| u32::try_from(mib).unwrap_or(u32::MAX)),
            uptime_ms: self.clock.now().0,
        }
    }

    fn stats(&self) -> RigStats {
        let snapshot = self.miner.snapshot();
        let desired = self.desired.as_ref();
        RigStats {
            uptime_ms: self.clock.now().0,
            generation: desired.map_or(0, |desired| desired.generation),
            profile: self.state().profile().map(|profile| profile.name.clone()),
            activity: self.activity(&snapshot),
            miners: Vec::from_array([self.miner_stats(&snapshot)]),
            logs_lost: self.log.lost(),
        }
    }

    fn logs(&self, cursor: Option<u64>, lines: u16, least: Option<Level>) -> LogPage {
        self.log.page(cursor, lines, least)
    }

    fn doctor(&self) -> Findings {
        let snapshot = self.miner.snapshot();
        let topology = Topology::read();
        let suited = topology.plan(Threads::Auto).len();
        let plan = self.state().clone().into_plan();
        let pool = self.pool_stats.borrow();
        let threads = u16::try_from(suited).unwrap_or(u16::MAX);
        let wished = |plan: &Plan| (plan.profile.mode, plan.pages);
        let (mode, wished) = plan.as_ref().map_or((Mode::Auto, PageWish::Auto), wished);
        doctor::findings(&Facts {
            memory: snapshot.memory,
            pages: snapshot.pages,
            datasets: snapshot.datasets,
            nodes: snapshot.nodes,
            why_light: snapshot.why_light,
            threads: snapshot.threads,
            mode: if self.limits.light { Mode::Light } else { mode },
            wished,
            mines: self.mines(),
            paused: self.state().is_paused(),
            suited,
            cpus: topology.cpus.len(),
            pool: pool.pool.as_ref().map(ToString::to_string),
            offline_ms: pool
                .offline_since
                .map(|since| self.clock.now().since(since)),
            link: self.link,
            owner: self.store.owner().map(ToString::to_string),
            forbidden: self.forbidden.clone(),
            available_mib: platform::available_mib(wished),
            needed_mib: mining::fast_mode_mib(threads),
            machine: Machine::read(),
        })
    }

    fn network(&self) -> Interfaces {
        machine::interfaces()
    }

    fn miners(&self) -> Vec<MinerName, MAX_MINERS> {
        Vec::from_array([miner_name()])
    }
}

/// Whether a change is on disk; why not is said here.
fn kept(changed: Result<bool, StoreError>, else_what: &str) -> bool {
    changed.unwrap_or_else(|error| {
        error!("{else_what}: {error}");
        false
    })
}

fn say_activity(activity: Activity, snapshot: &MinerSnapshot) {
    let threads = snapshot.threads;
    let pages = match snapshot.pages {
        Some(Pages::Small) => "4 KiB",
        Some(Pages::Transparent) => "transparent 2 MiB",
        Some(Pages::Huge2M) => "reserved 2 MiB",
        Some(Pages::Huge1G) => "reserved 1 GiB",
        _ => "unknown",
    };
    match (activity, snapshot.memory) {
        (Activity::Mining, Some(Memory::Fast)) => {
            let datasets = snapshot.datasets;
            info!("mining in fast mode threads={threads} datasets={datasets} pages=\"{pages}\"");
        }
        (Activity::Mining, _) => info!("mining in light mode threads={threads} pages=\"{pages}\""),
        (Activity::Filling { .. }, Some(_)) => {
            info!("filling the dataset; mining in light mode meanwhile threads={threads}");
        }
        (Activity::Filling { .. }, None) => info!("filling the dataset"),
        (Activity::Starting, _) => {
            let features = Features::detect();
            info!("getting memory and keys ready {features}");
            match features.jit {
                Jit::Wrong => {
                    warn!("compiled programs gave a wrong hash: interpreting, many times slower");
                }
                Jit::None => {
                    info!("no compiler for this processor: interpreting, many times slower")
                }
                Jit::Off | Jit::On => {}
            }
        }
        (Activity::NoPool, _) => warn!("no pool can be reached"),
        (Activity::Stopped, _) => info!("mining nothing"),
        (Activity::Paused, _) => info!("paused: logged in, memory kept, no hash"),
        // `Failed` is logged with its reason.
        _ => {}
    }
}

fn say_why_light(why: Option<WhyLight>) {
    match why {
        None | Some(WhyLight::Filling) => {}
        Some(WhyLight::Asked) => info!("light mode: the profile or --light asks for it"),
        Some(WhyLight::TooLittleMemory {
            needed_mib,
            available_mib,
        }) => warn!("light mode: fast mode takes {needed_mib} MiB, there are {available_mib}"),
        Some(WhyLight::TooFewBits) => {
            info!("light mode: a 32-bit program has no room for fast mode");
        }
        Some(WhyLight::NotAllocated) => warn!("light mode: the system refused the memory"),
    }
}

#[expect(
    clippy::expect_used,
    reason = "a literal that keeps the rule, as a test shows"
)]
fn miner_name() -> MinerName {
    MinerName::parse(MINER).expect("lower-case letters, a digit and a dash")
}

#[cfg(test)]
mod tests;
