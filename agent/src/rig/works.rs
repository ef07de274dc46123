//! What the rig does at the moment, and what it says about it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use heapless::Vec;
use log::{error, info, warn};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{MAX_MINERS, SIGNATURE};
use miner_shared::mining::HashrateMeter;
use miner_shared::text::{MinerName, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Algo, Backend, Desired, Findings, FoundBatch, Interfaces, Level, LogPage, Memory,
    MinerStats, Mode, NodeCard, NodeInfo, PageWish, Pages, Plan, Profile, RigStats, State, Threads,
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
            link: parts.link,
            log: parts.log,
            listeners,
            executor: parts.executor.clone(),
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
        self.say_what_changed(&snapshot)
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
        in_use || platform::available_mib().is_none_or(|available| available >= needed)
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
        machine::may_end(self.limits.owns_machine)
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
        self.log.set_level(least);
        info!("log level {least:?}, until the next start");
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
            available_mib: platform::available_mib(),
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
            info!("mining in fast mode threads={threads} pages=\"{pages}\"");
        }
        (Activity::Mining, _) => info!("mining in light mode threads={threads} pages=\"{pages}\""),
        (Activity::Filling { .. }, Some(_)) => {
            info!("filling the dataset; mining in light mode meanwhile threads={threads}");
        }
        (Activity::Filling { .. }, None) => info!("filling the dataset"),
        (Activity::Starting, _) => info!("getting memory and keys ready"),
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
mod tests {
    use std::cell::Cell;

    use miner_shared::identity::{NodeKeys, Role};
    use miner_shared::mining::{Job, Share};
    use miner_shared::smsg::LocalNode;
    use miner_shared::text::{Address, Label, PoolPass, PoolUser};
    use miner_shared::wire::{Mode, Pool};

    use super::*;
    use crate::logger;
    use crate::mining::MinerConfig;
    use crate::store::Dirs;

    /// A miner that hashes from its first configuration on.
    #[derive(Default)]
    struct Straw {
        mines: Cell<bool>,
        released: Cell<bool>,
        restarts: Cell<u32>,
        hashes: Cell<u64>,
        exhausted: Cell<bool>,
        config: Cell<Option<MinerConfig>>,
    }

    impl Mine for Straw {
        fn set_job(&self, _: &Job) {}
        fn clear_job(&self) {
            self.mines.set(false);
        }
        fn stop(&self) {
            self.mines.set(false);
            self.released.set(true);
        }
        fn restart(&self) {
            self.restarts.set(self.restarts.get() + 1);
            self.mines.set(false);
        }
        fn configure(&self, config: MinerConfig) {
            self.config.set(Some(config));
            self.mines.set(!config.paused);
        }
        fn shares(&self) -> Receiver<Share> {
            bounded(1).1
        }
        fn snapshot(&self) -> MinerSnapshot {
            MinerSnapshot {
                phase: if self.mines.get() {
                    Phase::Mining
                } else {
                    Phase::Idle
                },
                // As the real one, which ends its threads a little later than it is told to.
                memory: Some(Memory::Light),
                pages: Some(Pages::Small),
                threads: 8,
                hashes: self.hashes.get(),
                shares_found: 0,
                shares_lost: 0,
                exhausted: self.exhausted.get(),
                why_light: None,
            }
        }
    }

    fn works(limits: Limits) -> (Works, Rc<Straw>, Rc<LocalExecutor<'static>>) {
        let (straw, executor) = (Rc::<Straw>::default(), Rc::new(LocalExecutor::new()));
        let name = Name::parse("rig").expect("valid");
        let card = NodeCard {
            name: name.clone(),
            software: Label::lossy("test"),
            host: Label::lossy("test"),
        };
        let clock = Clock::start();
        let parts = Parts {
            me: LocalNode::new(NodeKeys::from_seed(&[1; 32]), Role::Worker, [1; 16], card).into(),
            name,
            store: NodeStore::new(Dirs::below(std::path::Path::new("/nonexistent"))),
            clock,
            log: logger::start(log::LevelFilter::Off, clock),
            miner: Rc::clone(&straw) as Rc<dyn Mine>,
            limits,
            link: "test",
            executor: Rc::downgrade(&executor),
        };
        (Works::new(&parts, Rc::default()), straw, executor)
    }

    fn mine() -> Desired {
        let pool = Pool {
            address: Address::parse("pool.example:1").expect("valid"),
            tls: false,
            user: PoolUser::parse("w").expect("valid"),
            pass: PoolPass::parse("x").expect("valid"),
        };
        let profile = Profile {
            name: Name::parse("p").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Count(8),
            pools: Vec::from_array([pool]),
        };
        Desired {
            generation: 3,
            state: State::Mine(profile),
        }
    }

    #[test]
    fn the_miner_goes_on_for_thirty_seconds_without_a_pool_and_then_rests() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        works.pool_stats.borrow_mut().offline_since = Some(Millis(1_000));
        works.tick(Millis(31_000));
        assert_eq!(works.stats().activity, Activity::Mining);
        works.tick(Millis(31_001));
        assert!(!straw.mines.get());
        assert_eq!(works.stats().activity, Activity::NoPool);
    }

    #[test]
    fn a_stop_gives_the_memory_back_and_a_lost_pool_does_not() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        works.pool_stats.borrow_mut().offline_since = Some(Millis(0));
        works.tick(Millis(60_000));
        assert!(!straw.mines.get() && !straw.released.get());
        works.apply(&Desired {
            generation: 4,
            state: State::Stopped,
        });
        assert!(straw.released.get());
        assert_eq!(works.stats().miners[0].uptime_ms, 0);
    }

    /// The same profile in a plan.
    fn plan(generation: u64, change: impl FnOnce(&mut Plan)) -> Desired {
        let mut plan = mine().state.into_plan().expect("it mines");
        change(&mut plan);
        Desired {
            generation,
            state: State::Plan(plan),
        }
    }

    #[test]
    fn a_pause_keeps_the_login_and_hashes_nothing_and_a_resume_goes_on() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        works.pool_stats.borrow_mut().pool = Address::parse("pool.example:1").ok();
        let later = works.clock.now() + 1_000;
        let tick = |works: &mut Works, from: u64| {
            for second in from..from + 11 {
                straw.hashes.set(500 * second);
                works.tick(later + 1_000 * second);
            }
            works.meter.windows(later + 1_000 * (from + 10)).s10
        };
        assert_eq!(tick(&mut works, 0), Some(500_000));
        works.apply(&plan(4, |plan| plan.paused = true));
        let stats = works.stats();
        assert_eq!((stats.activity, stats.generation), (Activity::Paused, 4));
        assert_eq!(
            stats.profile,
            mine().state.profile().map(|p| p.name.clone())
        );
        let pool = &stats.miners[0].pool;
        assert_eq!(pool.as_ref().map(Address::as_str), Some("pool.example:1"));
        assert!(!straw.mines.get() && !straw.released.get());
        assert_eq!(tick(&mut works, 20), None, "unknown, not 0");
        // Nor does it rest more than it does already when the pool goes away.
        works.pool_stats.borrow_mut().offline_since = Some(Millis(0));
        works.tick(Millis(90_000));
        works.pool_stats.borrow_mut().offline_since = None;
        works.apply(&plan(5, |_| ()));
        assert_eq!(works.stats().activity, Activity::Mining);
        assert_eq!(tick(&mut works, 120), Some(500_000));
    }

    #[test]
    fn a_plan_reaches_the_miner_and_another_pool_makes_another_login() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        works.apply(&plan(4, |plan| {
            (plan.pages, plan.nice) = (PageWish::Small, 7);
            plan.profile.threads = Threads::Percent(50);
        }));
        let config = straw.config.get().expect("configured");
        assert_eq!((config.pages, config.nice), (PageWish::Small, 7));
        assert_eq!(config.threads, Threads::Percent(50));
        works.pool_stats.borrow_mut().pool = Address::parse("pool.example:1").ok();
        works.apply(&plan(5, |plan| {
            plan.profile.pools[0].address = Address::parse("other.example:1").expect("valid");
        }));
        assert_eq!(works.stats().miners[0].pool, None, "not logged in there");
    }

    #[test]
    fn a_restart_ends_the_miner_and_begins_from_the_state_in_force() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&plan(9, |plan| plan.nice = 3));
        works.pool_stats.borrow_mut().pool = Address::parse("pool.example:1").ok();
        straw.config.set(None);
        Host::restart(&mut works);
        assert_eq!(straw.restarts.get(), 1);
        assert_eq!(straw.config.get().map(|config| config.nice), Some(3));
        let stats = works.stats();
        assert_eq!((stats.generation, &stats.miners[0].pool), (9, &None));
        assert!(straw.mines.get());
    }

    #[test]
    fn a_machine_that_is_not_the_rigs_own_is_not_ended() {
        let (works, ..) = works(Limits::default());
        assert!(!works.may_end_machine());
    }

    #[test]
    fn a_located_machine_shows_itself_for_so_long() {
        let (mut works, ..) = works(Limits::default());
        works.locate(30);
        let now = works.clock.now();
        works.tick(now + 29_000);
        assert!(works.beacon.is_some());
        works.tick(now + 31_000);
        assert!(works.beacon.is_none());
    }

    #[test]
    fn a_rig_has_findings_about_itself() {
        let (mut works, ..) = works(Limits::default());
        works.apply(&mine());
        let findings = works.doctor();
        let checks: Vec<_, 16> = findings.iter().map(|found| found.check.as_str()).collect();
        assert!(checks.contains(&"huge-pages") && checks.contains(&"pool"));
        let link = findings.iter().find(|found| found.check.as_str() == "link");
        assert_eq!(link.map(|found| found.detail.as_str()), Some("test"));
    }

    #[test]
    fn a_stopped_rig_reports_no_threads_no_memory_and_no_rate() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        let later = works.clock.now() + 1_000;
        for second in 0..=10 {
            straw.hashes.set(500 * second);
            works.tick(later + 1_000 * second);
        }
        let rates = |works: &Works| works.meter.windows(later + 10_000);
        assert_eq!(rates(&works).s10, Some(500_000));
        works.apply(&Desired {
            generation: 4,
            state: State::Stopped,
        });
        let stats = works.stats();
        let miner = &stats.miners[0];
        assert_eq!((stats.activity, miner.threads), (Activity::Stopped, 0));
        assert_eq!((miner.memory, miner.pages), (None, None));
        works.tick(later + 11_000);
        let stopped = works.meter.windows(later + 11_000);
        assert_eq!((stopped.s10, stopped.s60, stopped.m15), (None, None, None));
        assert_eq!(stopped.highest, Some(500_000), "what it once did stays");
    }

    #[test]
    fn the_pool_side_hears_each_second_that_all_nonces_are_hashed() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        works.tick(Millis(1_000));
        assert!(works.exhausted.1.is_empty());
        straw.exhausted.set(true);
        for second in 2..4 {
            works.tick(Millis(1_000 * second));
            assert!(works.exhausted.1.try_recv().is_ok());
        }
    }

    #[test]
    fn a_change_is_worth_one_heartbeat() {
        let (mut works, straw, _executor) = works(Limits::default());
        works.apply(&mine());
        assert!(works.tick(Millis(1_000)));
        assert!(!works.tick(Millis(2_000)));
        straw.mines.set(false);
        assert!(works.tick(Millis(3_000)));
    }

    #[test]
    fn the_owners_limits_outweigh_the_profile() {
        let (mut works, straw, _executor) = works(Limits {
            light: true,
            threads: Some(2),
            owns_machine: false,
        });
        works.apply(&mine());
        let config = straw.config.get().expect("configured");
        assert_eq!(
            (config.mode, config.threads),
            (Mode::Light, Threads::Count(2))
        );
    }

    #[test]
    fn a_rig_that_was_never_told_anything_names_its_miner() {
        let (works, ..) = works(Limits::default());
        let stats = works.stats();
        assert_eq!((stats.generation, stats.activity), (0, Activity::Stopped));
        assert_eq!(stats.miners[0].name.as_str(), "miner-rx0");
        assert_eq!(stats.miners[0].last_share_ms, None);
        assert_eq!(works.miners()[0], miner_name());
    }
}
