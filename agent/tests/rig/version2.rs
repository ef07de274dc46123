//! What protocol version 2 brought, over real links: pause, orders, the hash of what is applied, found
//! shares; and what a controller of version 1 still sees.

use std::rc::Rc;

use miner_shared::text::MinerName;
use miner_shared::wire::{
    Activity, Answer, Command, Level, Message, Outcome, Plan, Query, Refusal, ShareVerdict, State,
};

use crate::common::{Here, Managed, Manager, node, receipt, run};
use crate::pool::Pool;
use crate::work::{profile, set_state, with};

fn with_rig_and_pool(test: impl AsyncFnOnce(&Here, Manager, &Pool)) {
    run(Managed::by(&[1, 2]).serve(async |here| {
        let manager = here.manager(1).await;
        let pool = Pool::bind("aa").await;
        with(&pool, test(here, manager, &pool)).await;
    }));
}

fn plan(pool: &Pool, paused: bool) -> State {
    State::Plan(Plan {
        paused,
        ..Plan::new(profile(&[pool]))
    })
}

fn order(op_id: u8, command: Command) -> Message {
    Message::Command([op_id; 16], command)
}

#[test]
fn a_pause_keeps_the_login_and_the_resume_makes_no_other() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let start = set_state(1, 1, State::Mine(profile(&[pool])));
        assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
        here.straw.next_job().await;
        let pause = set_state(2, 2, plan(pool, true));
        assert_eq!(receipt(&mut manager, &pause).await, Outcome::Applied);
        let config = here.straw.config().expect("configured");
        assert!(config.paused);
        let stats = manager
            .heartbeat(|stats| stats.activity == Activity::Paused)
            .await;
        assert!(stats.miners[0].pool.is_some(), "logged in");
        let resume = set_state(3, 3, plan(pool, false));
        assert_eq!(receipt(&mut manager, &resume).await, Outcome::Applied);
        assert!(!here.straw.config().expect("configured").paused);
        assert_eq!(pool.logins.get(), 1);
    });
}

#[test]
fn a_paused_rig_is_paused_after_a_power_cut() {
    let managed = Managed::by(&[1]);
    let pool = smol::block_on(Pool::bind("aa"));
    run(managed.serve(async |here| {
        let mut manager = here.manager(1).await;
        let pause = set_state(1, 1, plan(&pool, true));
        assert_eq!(receipt(&mut manager, &pause).await, Outcome::Applied);
    }));
    run(managed.serve(async |here| {
        assert!(here.straw.config().expect("configured").paused);
        let mut manager = here.manager_since(1, 2).await;
        let stats = manager.heartbeat(|_| true).await;
        assert_eq!((stats.generation, stats.activity), (1, Activity::Paused));
    }));
}

#[test]
fn the_hash_of_the_state_is_told_on_link_up_and_with_each_change() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let is_applied = |message: &Message| matches!(message, Message::Applied { .. });
        let applied = |generation, state: &State| Message::Applied {
            generation,
            hash: state.hash(),
        };
        for (generation, state) in [(1, plan(pool, true)), (2, State::Stopped)] {
            let wish = set_state(generation, generation.into(), state.clone());
            manager.say(&wish).await;
            let told = manager.message(is_applied).await;
            assert_eq!(told, applied(generation.into(), &state));
        }
        let mut other = here.manager(2).await;
        let told = other.message(is_applied).await;
        assert_eq!(told, applied(2, &State::Stopped), "a new link");
    });
}

#[test]
fn found_shares_are_told_one_by_one_and_again_to_who_comes_later() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let start = set_state(1, 1, State::Mine(profile(&[pool])));
        assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
        let job = here.straw.next_job().await;
        let is_batch = |message: &Message| matches!(message, Message::FoundShares(_));
        for number in 0..2 {
            here.straw.find(&job, 7);
            let Message::FoundShares(batch) = manager.message(is_batch).await else {
                panic!("a batch");
            };
            assert_eq!((batch.first, batch.shares.len()), (number, 1));
            let share = batch.shares[0];
            assert_eq!((share.height, share.nonce, share.thread), (Some(1), 7, 1));
            assert_eq!(share.verdict, ShareVerdict::Accepted);
        }
        let mut other = here.manager(2).await;
        let Message::FoundShares(batch) = other.message(is_batch).await else {
            panic!("a batch");
        };
        assert_eq!((batch.first, batch.shares.len()), (0, 2));
    });
}

#[test]
fn orders_are_obeyed_or_refused_and_the_machine_stays_on() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let start = set_state(1, 1, State::Mine(profile(&[pool])));
        assert_eq!(receipt(&mut manager, &start).await, Outcome::Applied);
        for (op_id, command) in [
            (2, Command::Restart),
            (3, Command::SetLogLevel(Level::Warn)),
            (4, Command::Locate { seconds: 1 }),
        ] {
            let outcome = receipt(&mut manager, &order(op_id, command.clone())).await;
            assert_eq!(outcome, Outcome::Applied, "{command:?}");
        }
        assert_eq!(here.straw.restarts(), 1);
        for (op_id, command) in [(5, Command::Reboot), (6, Command::PowerOff)] {
            let outcome = receipt(&mut manager, &order(op_id, command)).await;
            assert_eq!(outcome, Outcome::Refused(Refusal::NotOurImage));
        }
        let again = receipt(&mut manager, &order(2, Command::Restart)).await;
        assert_eq!(again, Outcome::Applied, "the receipt of then");
        assert_eq!(here.straw.restarts(), 1, "and no second effect");
    });
}

#[test]
fn questions_of_version_2_are_answered() {
    with_rig_and_pool(async |_, mut manager, _| {
        let ask = Message::Query(1, Query::GetDoctor);
        let Message::Answer(1, Answer::Doctor(findings)) = manager.ask(&ask).await else {
            panic!("findings");
        };
        assert!(
            findings
                .iter()
                .any(|finding| finding.check.as_str() == "link")
        );
        let ask = Message::Query(2, Query::GetNetwork);
        let answer = manager.ask(&ask).await;
        assert!(matches!(answer, Message::Answer(2, Answer::Network(_))));
        let logs = Query::GetLogsFrom {
            miner: MinerName::parse("miner-rx0").expect("valid"),
            cursor: None,
            lines: 100,
            level: Level::Error,
        };
        let Message::Answer(3, Answer::Logs(page)) = manager.ask(&Message::Query(3, logs)).await
        else {
            panic!("logs");
        };
        assert!(page.lines.iter().all(|line| line.level == Level::Error));
    });
}

#[test]
fn a_controller_of_version_1_sees_a_paused_rig_as_stopped_and_hears_nothing_new() {
    with_rig_and_pool(async |here, mut manager, pool| {
        let pause = set_state(1, 1, plan(pool, true));
        assert_eq!(receipt(&mut manager, &pause).await, Outcome::Applied);
        let old = Rc::new(node(2, 1).up_to_version(1));
        let mut old = Manager::up(&old, here.address, here.key).await;
        let stats = old.heartbeat(|_| true).await;
        assert_eq!((stats.generation, stats.activity), (1, Activity::Stopped));
        let ask = Message::Query(1, Query::GetStats);
        let Message::Answer(1, Answer::Stats(stats)) = old.ask(&ask).await else {
            panic!("statistics");
        };
        assert_eq!(stats.activity, Activity::Stopped);
    });
}
