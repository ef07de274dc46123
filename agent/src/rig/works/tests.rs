//! The rig's work, with a miner of straw.

use std::cell::Cell;

use miner_engine::Prefetch;
use miner_shared::identity::{NodeKeys, Role};
use miner_shared::mining::{Job, Share};
use miner_shared::smsg::LocalNode;
use miner_shared::text::{Address, Label, PoolPass, PoolUser};
use miner_shared::wire::{Mode, Pool, Severity};

use super::*;
use crate::logger;
use crate::mining::MinerConfig;
use crate::mining::tuned::Tuned;
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
            datasets: 0,
            nodes: 1,
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
    let nowhere = NodeStore::new(Dirs::below(std::path::Path::new("/nonexistent")));
    works_of(nowhere, limits)
}

fn works_of(store: NodeStore, limits: Limits) -> (Works, Rc<Straw>, Rc<LocalExecutor<'static>>) {
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
        store,
        clock,
        log: logger::start(log::LevelFilter::Off, clock),
        miner: Rc::clone(&straw) as Rc<dyn Mine>,
        limits,
        link: "test",
        supervisor: None,
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
fn a_supervised_rig_leaves_the_end_of_the_machine_to_its_supervisor() {
    let (mut works, ..) = works(Limits::default());
    let (ends, ended) = bounded(1);
    works.supervisor = Some(ends);
    assert!(works.may_end_machine());
    works.end_machine(MachineEnd::PowerOff);
    works.end_if_due(works.clock.now());
    assert!(ended.try_recv().is_err(), "the manager is told first");
    works.end_if_due(works.clock.now() + 2 * LAST_WORDS_MS);
    assert_eq!(ended.try_recv(), Ok(MachineEnd::PowerOff));
}

#[test]
fn no_order_makes_a_rig_log_less_than_info() {
    let (mut works, ..) = works(Limits::default());
    for (asked, kept) in [
        (Level::Error, log::LevelFilter::Info),
        (Level::Warn, log::LevelFilter::Info),
        (Level::Debug, log::LevelFilter::Debug),
        (Level::Info, log::LevelFilter::Info),
    ] {
        works.set_log_level(asked);
        assert_eq!(log::max_level(), kept, "{asked:?}");
    }
    let page = works.logs(None, 15, None);
    assert!(
        page.lines
            .iter()
            .any(|line| line.text.as_str().starts_with("log level"))
    );
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
        ..Limits::default()
    });
    works.apply(&mine());
    let config = straw.config.get().expect("configured");
    assert_eq!(
        (config.mode, config.threads),
        (Mode::Light, Threads::Count(2))
    );
}

#[test]
fn threads_are_as_tuned_where_the_profile_leaves_them_to_the_miner() {
    for (asked, most, threads) in [
        (Threads::Auto, None, Threads::Count(5)),
        (Threads::Auto, Some(3), Threads::Count(3)),
        (Threads::Count(2), None, Threads::Count(2)),
    ] {
        let tuned = Tuned {
            threads: Some(5),
            ways: 1,
            prefetch: Prefetch::default(),
        };
        let (mut works, straw, _executor) = works(Limits {
            max_threads: most,
            tuned: Some(tuned),
            ..Limits::default()
        });
        works.apply(&plan(1, |plan| plan.profile.threads = asked));
        let config = straw.config.get().expect("configured");
        assert_eq!((config.threads, config.tuned), (threads, Some(tuned)));
    }
}

#[test]
fn no_profile_gets_more_threads_than_the_owner_allows() {
    for (asked, most, threads) in [
        (Threads::Count(8), Some(3), Threads::Count(3)),
        (Threads::Count(2), Some(3), Threads::Count(2)),
        (Threads::Auto, Some(256), Threads::Auto),
        (Threads::Count(8), None, Threads::Count(8)),
    ] {
        let (mut works, straw, _executor) = works(Limits {
            max_threads: most,
            ..Limits::default()
        });
        works.apply(&plan(1, |plan| plan.profile.threads = asked));
        let config = straw.config.get().expect("configured");
        assert_eq!(config.threads, threads, "{asked:?} of {most:?}");
    }
}

/// Works under this owner's word.
fn owned(word: &str) -> (tempfile::TempDir, Works, Rc<Straw>) {
    let root = tempfile::tempdir().expect("temporary folder");
    let dirs = Dirs::below(root.path());
    std::fs::create_dir_all(dirs.config()).expect("ours");
    std::fs::write(dirs.owner(), word).expect("ours");
    let store = NodeStore::new(dirs).under_owner(None).expect("right");
    let (works, straw, _) = works_of(store, Limits::default());
    (root, works, straw)
}

#[test]
fn what_the_owner_forbids_is_named_in_the_findings_until_something_else_is_applied() {
    let (_root, mut works, straw) = owned("owner = \"Alice\"\nwallets = [\"44Mine\"]");
    let finding = |works: &Works| {
        let mut findings = works.doctor().into_iter();
        let owner = findings.find(|finding| finding.check.as_str() == "owner");
        let owner = owner.expect("a check");
        (owner.severity, owner.detail.to_string())
    };
    let fine = (
        Severity::Good,
        "Alice; controllers: any, wallets: 1, pools: any".to_owned(),
    );
    assert_eq!(finding(&works), fine);
    let foreign = plan(1, |_| ());
    assert!(works.owner_forbids(foreign.state.profile().expect("mines")));
    let (severity, detail) = finding(&works);
    let said = "refused: the wallet at pool 1 is not in wallets (profile \"p\")";
    assert_eq!((severity, detail.as_str()), (Severity::Bad, said));
    assert!(straw.config.get().is_none(), "nothing reached the miner");

    let own = plan(2, |plan| {
        plan.profile.pools[0].user = PoolUser::parse("44Mine.rig").expect("valid");
    });
    assert!(!works.owner_forbids(own.state.profile().expect("mines")));
    works.apply(&own);
    assert_eq!(finding(&works), fine);
}

#[test]
fn a_state_on_disk_that_the_owner_has_come_to_forbid_is_not_gone_on_with() {
    let (_root, mut works, straw) = owned("pools = []");
    works.resume(&mine());
    assert!(straw.config.get().is_none());
    assert_eq!(works.desired(), None);
    assert_eq!(works.stats().activity, Activity::Stopped);
    let (_root, mut works, straw) = owned("owner = \"Alice\"");
    works.resume(&mine());
    assert!(straw.config.get().is_some());
    assert_eq!(works.desired(), Some(&mine()));
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
