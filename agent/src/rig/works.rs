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
    Activity, Algo, Backend, Desired, LogPage, Memory, MinerStats, NodeCard, NodeInfo, Pages,
    Profile, RigStats, State, Threads,
};
use smol::channel::{Receiver, Sender, bounded};
use smol::{LocalExecutor, Task};

use super::{Limits, Listeners, Mine, Parts, miner_config};
use crate::clock::Clock;
use crate::commands::Host;
use crate::logger::Logger;
use crate::mining::{self, MinerSnapshot, Phase, WhyLight};
use crate::platform;
use crate::pool::{self, PoolSide, PoolStats};
use crate::store::{Managers, NodeStore, StoreError, system_rng};

/// Name of the rig's own miner.
const MINER: &str = "miner-rx0";

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
            log: parts.log,
            listeners,
            executor: parts.executor.clone(),
        }
    }

    /// Takes a sample, asks for new nonces where there are none, lets the miner rest where there is
    /// no pool, says what changed. True if it is worth a heartbeat.
    pub(super) fn tick(&mut self, now: Millis) -> bool {
        let snapshot = self.miner.snapshot();
        if self.mines() {
            self.meter.record(now, snapshot.hashes);
        }
        if self.mines() && snapshot.exhausted {
            // One that has not been heard yet says it already.
            let _ = self.exhausted.0.try_send(());
        }
        let offline = self.pool_stats.borrow().offline_since;
        if offline.is_some_and(|since| now.since(since) > pool::GRACE_MS)
            && snapshot.phase != Phase::Idle
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

    /// Whether mining is what the rig was told.
    fn mines(&self) -> bool {
        let desired = self.desired.as_ref();
        desired.is_some_and(|desired| matches!(desired.state, State::Mine(_)))
    }

    fn activity(&self, snapshot: &MinerSnapshot) -> Activity {
        if !self.mines() {
            return Activity::Stopped;
        }
        match snapshot.phase {
            Phase::Idle if self.pool_stats.borrow().offline_since.is_some() => Activity::NoPool,
            Phase::Idle | Phase::Starting => Activity::Starting,
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
            Threads::Auto => platform::cpus(),
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
        // The old pool side ends first: two of them would draw from one queue of shares. Its job
        // ends with it: it pays the account of another profile.
        self.pool = None;
        self.miner.clear_job();
        {
            let mut stats = self.pool_stats.borrow_mut();
            (stats.pool, stats.difficulty, stats.offline_since) = (None, None, None);
        }
        match &desired.state {
            State::Stopped => {
                info!("state applied generation={} stopped", desired.generation);
                self.mining_since = None;
                // What was hashed before says nothing about a rig that stands still.
                self.meter.reset();
                self.miner.stop();
            }
            State::Mine(profile) => {
                let generation = desired.generation;
                info!(
                    "state applied generation={generation} profile=\"{}\"",
                    profile.name
                );
                let clock = self.clock;
                self.mining_since.get_or_insert_with(|| clock.now());
                self.miner.configure(miner_config(desired, self.limits));
                self.start(profile);
            }
        }
        self.desired = Some(desired.clone());
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
            profile: desired.and_then(|desired| match &desired.state {
                State::Mine(profile) => Some(profile.name.clone()),
                State::Stopped => None,
            }),
            activity: self.activity(&snapshot),
            miners: Vec::from_array([self.miner_stats(&snapshot)]),
            logs_lost: self.log.lost(),
        }
    }

    fn logs(&self, cursor: Option<u64>, lines: u16) -> LogPage {
        self.log.page(cursor, lines)
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
        fn configure(&self, config: MinerConfig) {
            self.config.set(Some(config));
            self.mines.set(true);
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
