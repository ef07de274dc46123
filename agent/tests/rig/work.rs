//! What a rig does: desired state, pools, shares, and all that while controllers come and go.

use miner_shared::smsg::Event;
use miner_shared::text::{Address, MinerName, Name, PoolPass, PoolUser};
use miner_shared::wire::{
    Activity, Algo, Answer, Backend, Command, Desired, Message, Mode, Outcome, Pool as PoolSpec,
    Profile, Query, Refusal, State, Threads,
};
use smol::future;
use smol::net::TcpListener;

use crate::common::{Here, Managed, Manager, accept, beside, controller, receipt, rig, run};
use crate::pool::Pool;

pub(crate) fn profile(pools: &[&Pool]) -> Profile {
    let spec = |pool: &&Pool| PoolSpec {
        address: Address::parse(&pool.address().to_string()).expect("valid"),
        tls: false,
        user: PoolUser::parse("wallet").expect("valid"),
        pass: PoolPass::parse("x").expect("valid"),
    };
    Profile {
        name: Name::parse("my-profile").expect("valid"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Light,
        threads: Threads::Count(2),
        pools: pools.iter().map(spec).collect(),
    }
}

pub(crate) fn set_state(op_id: u8, generation: u64, state: State) -> Message {
    let desired = Desired { generation, state };
    Message::Command([op_id; 16], Command::SetState(desired))
}

/// The first wish of a controller: mine on these pools.
fn mine_on(pools: &[&Pool]) -> Message {
    set_state(1, 1, State::Mine(profile(pools)))
}

/// Runs `test` while the pool serves.
pub(crate) async fn with<T>(pool: &Pool, test: impl Future<Output = T>) -> T {
    let serve = async {
        pool.serve().await;
        unreachable!("a pool serves for ever")
    };
    future::or(test, serve).await
}

/// Runs `test` with a rig that obeys the controllers with keys 1 and 2, and the first one's link.
fn with_rig(test: impl AsyncFnOnce(&Here, Manager)) {
    run(Managed::by(&[1, 2]).serve(async |here| test(here, here.manager(1).await).await));
}

/// The same with a pool that serves.
fn with_rig_and_pool(test: impl AsyncFnOnce(&Here, Manager, &Pool)) {
    with_rig(async |here, manager| {
        let pool = Pool::bind("aa").await;
        with(&pool, test(here, manager, &pool)).await;
    });
}

#[test]
fn a_profile_becomes_a_job_and_a_share_becomes_accepted() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let start = mine_on(&[pool]);
        assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
        let job = here.straw.next_job().await;
        assert_eq!(job.id.as_str(), "aa1");
        let config = here.straw.config().expect("configured");
        assert_eq!(
            (config.mode, config.threads),
            (Mode::Light, Threads::Count(2))
        );

        here.straw.find(&job, 7);
        let stats = manager
            .heartbeat(|stats| stats.miners.iter().any(|miner| miner.accepted == 1))
            .await;
        assert_eq!(stats.activity, Activity::Mining);
        assert_eq!((stats.generation, pool.shares.get()), (1, 1));
        let miner = &stats.miners[0];
        assert_eq!(
            miner.pool,
            profile(&[pool]).pools.first().map(|p| p.address.clone())
        );
        assert_eq!(miner.difficulty, Some(10_000));
        assert!(miner.last_share_ms.is_some());

        let query = Query::GetLogs {
            miner: MinerName::parse("miner-rx0").expect("valid"),
            cursor: None,
            lines: 100,
        };
        let Message::Answer(9, Answer::Logs(page)) = manager.ask(&Message::Query(9, query)).await
        else {
            panic!("logs");
        };
        assert!(!page.lines.is_empty());

        let stop = set_state(2, 2, State::Stopped);
        assert_eq!(receipt(&mut manager, &stop).await, Outcome::Applied);
        assert_eq!(here.straw.job(), None, "stopped when the receipt comes");
    });
}

#[test]
fn the_statistics_that_a_command_made_come_before_its_receipt() {
    with_rig(async |_, mut manager| {
        let pool = Pool::bind("aa").await;
        let mine = State::Mine(profile(&[&pool]));
        for (generation, state) in [(1, mine), (2, State::Stopped)] {
            let stopped = state == State::Stopped;
            manager
                .say(&set_state(generation, generation.into(), state))
                .await;
            let mut told = None;
            loop {
                match manager.next().await.expect("the link is up") {
                    Event::Message(Message::Heartbeat(stats)) => told = Some(stats),
                    Event::Message(Message::Receipt(_, outcome)) => {
                        assert_eq!(outcome, Outcome::Applied);
                        break;
                    }
                    _ => {}
                }
            }
            let stats = told.expect("a heartbeat before the receipt");
            assert_eq!(stats.generation, u64::from(generation));
            assert_eq!(stats.activity == Activity::Stopped, stopped);
        }
    });
}

#[test]
fn the_real_miner_finds_shares_and_ends_with_the_rig() {
    run(Managed::by(&[1]).hash(async |here| {
        // Difficulty 1: every hash is a share.
        let pool = Pool::bind_at("aa", "ffffffff").await;
        with(&pool, async {
            let mut manager = here.manager(1).await;
            let start = mine_on(&[&pool]);
            assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
            let stats = manager
                .heartbeat(|stats| stats.miners.iter().any(|miner| miner.accepted >= 3))
                .await;
            assert_eq!(stats.activity, Activity::Mining);
            assert_eq!(stats.miners[0].threads, 2);
            assert!(stats.miners[0].hashes >= 3);
            let stop = set_state(2, 2, State::Stopped);
            assert_eq!(receipt(&mut manager, &stop).await, Outcome::Applied);
            let stats = manager.heartbeat(|stats| stats.generation == 2).await;
            assert_eq!(stats.activity, Activity::Stopped);
        })
        .await;
    }));
}

#[test]
fn a_command_sent_twice_happens_once() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let start = mine_on(&[pool]);
        assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
        here.straw.next_job().await;
        assert_eq!(
            receipt(&mut manager, &start).await,
            Outcome::Applied,
            "the receipt of then"
        );
        let other = set_state(1, 2, State::Stopped);
        let reused = Outcome::Refused(Refusal::OpIdReused);
        assert_eq!(receipt(&mut manager, &other).await, reused);

        let mut next = here.dial(&manager.me, manager.memory()).await;
        assert!(next.comes_up().await);
        assert_eq!(
            receipt(&mut next, &start).await,
            Outcome::Applied,
            "in the next session too"
        );
        assert_eq!(pool.logins.get(), 1, "one effect");
    });
}

#[test]
fn the_second_manager_reads_and_does_not_decide() {
    with_rig(async |here, _| {
        let mut second = here.manager(2).await;
        let refused = Outcome::Refused(Refusal::NotAllowed);
        let stop = set_state(1, 1, State::Stopped);
        assert_eq!(receipt(&mut second, &stop).await, refused);
        let answer = second.ask(&Message::Query(1, Query::GetStats)).await;
        assert!(
            matches!(answer, Message::Answer(1, Answer::Stats(stats)) if stats.generation == 0)
        );
    });
}

#[test]
fn a_restarted_rig_goes_on_without_its_controller() {
    let rig = Managed::by(&[1]);
    run(async {
        let pool = Pool::bind("aa").await;
        with(&pool, async {
            rig.serve(async |here| {
                let mut manager = here.manager(1).await;
                let start = set_state(1, 5, State::Mine(profile(&[&pool])));
                assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
                here.straw.next_job().await;
            })
            .await;

            rig.serve(async |here| {
                here.straw.next_job().await;
                let mut manager = here.manager_since(1, 2).await;
                let stats = manager.heartbeat(|_| true).await;
                assert_eq!(stats.generation, 5);
                let older = set_state(2, 4, State::Stopped);
                assert_eq!(receipt(&mut manager, &older).await, Outcome::Behind(5));
            })
            .await;
        })
        .await;
    });
}

#[test]
fn a_controller_that_goes_away_changes_nothing_for_the_miner() {
    with_rig_and_pool(async |here, mut manager, pool| {
        manager.say(&mine_on(&[pool])).await;
        let job = here.straw.next_job().await;
        drop(manager);
        here.straw.find(&job, 1);
        let mut back = here.manager_since(1, 2).await;
        back.heartbeat(|stats| stats.miners.iter().any(|miner| miner.accepted == 1))
            .await;
        assert_eq!(here.straw.job(), Some(job));
        assert_eq!(pool.logins.get(), 1);
    });
}

#[test]
fn a_pool_that_drops_the_connection_is_logged_in_to_again_while_the_job_goes_on() {
    with_rig(async |here, mut manager| {
        let pool = Pool::bind("aa").await;
        manager.say(&mine_on(&[&pool])).await;
        let first = future::or(here.straw.next_job(), async {
            pool.serve_one().await;
            unreachable!("the rig stays")
        });
        let job = first.await;
        // The connection ended with the future that served it.
        manager
            .heartbeat(|stats| stats.miners.iter().any(|miner| miner.pool.is_none()))
            .await;
        assert_eq!(here.straw.job(), Some(job), "a short gap costs no hash");
        let second = with(&pool, here.straw.next_job()).await;
        assert_eq!(second.id.as_str(), "aa2");
    });
}

#[test]
fn the_second_pool_serves_while_the_first_is_away() {
    with_rig(async |here, mut manager| {
        let (away, there) = (Pool::bind("aa").await, Pool::bind("bb").await);
        let start = mine_on(&[&away, &there]);
        drop(away);
        manager.say(&start).await;
        let job = with(&there, here.straw.next_job()).await;
        assert_eq!(job.id.as_str(), "bb1");
    });
}

#[test]
fn a_rig_that_dials_opens_no_port_and_comes_back_to_its_controller() {
    let root = tempfile::tempdir().expect("temporary folder");
    let me = controller(1, 1);
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").to_string();
        let (serving, _) = rig(root.path(), |config| {
            config.listen = None;
            config.controller = Some(here.parse().expect("valid"));
            config.fingerprint = Some(me.fingerprint());
        });
        assert_eq!(serving.address(), None);
        let dialled = async {
            let mut first = accept(&listener, &me).await;
            assert!(first.comes_up().await);
            let stop = set_state(1, 1, State::Stopped);
            assert_eq!(receipt(&mut first, &stop).await, Outcome::Applied);
            drop(first);

            let restarted = controller(1, 2);
            let mut second = accept(&listener, &restarted).await;
            assert!(second.comes_up().await);
            let stats = second.heartbeat(|_| true).await;
            assert_eq!(stats.generation, 1);

            drop(second);
            let impostor = controller(7, 1);
            let mut third = accept(&listener, &impostor).await;
            assert!(!third.comes_up().await, "the rig tells it nothing");
        };
        beside(serving, dialled).await;
    });
}
