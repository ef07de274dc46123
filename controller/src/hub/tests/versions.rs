//! Rigs whose agents are older than this controller: they get what they know, and the rest is refused
//! here, without a word to them.

use miner_shared::identity::Role;
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Plan, Pool, Profile, Query, State, Threads};

use super::super::*;
use super::rig::node;
use super::sim::Sim;

pub(super) fn plan(paused: bool) -> State {
    let pool = Pool {
        address: Address::parse("pool:3333").expect("valid"),
        tls: false,
        user: PoolUser::parse("w").expect("valid"),
        pass: PoolPass::parse("x").expect("valid"),
    };
    let profile = Profile {
        name: Name::parse("p").expect("valid"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Auto,
        pools: [pool].into_iter().collect(),
    };
    State::Plan(Plan {
        paused,
        ..Plan::new(profile)
    })
}

/// A linked rig that speaks version 1 only.
fn old() -> Sim {
    let mut sim = Sim::registered(1);
    let rig = &mut sim.rigs[0];
    rig.node = node(rig.seed, Role::Worker, 1, "rig-0").up_to_version(1);
    sim.dial_in(0);
    sim
}

#[test]
fn an_old_rig_gets_a_plan_in_its_own_words_if_there_are_some() {
    let mut sim = old();
    let generation = sim.wish(0, plan(false));
    let desired = sim.rigs[0].works.desired.clone().expect("told");
    assert_eq!(desired.generation, generation);
    assert!(matches!(desired.state, State::Mine(_)));
    let asked = sim.ask(0, Ask::Wish(generation));
    assert!(matches!(sim.finished.get(&asked), Some(Ok(_))));
}

#[test]
fn an_old_rig_is_not_told_what_it_has_no_words_for_and_its_link_stays() {
    let mut sim = old();
    let first = sim.wish(0, State::Stopped);
    let pause = sim.wish(0, plan(true));
    let asked = sim.ask(0, Ask::Wish(pause));
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::TooOld)));
    sim.advance(60_000);
    assert_eq!(sim.rigs[0].generation(), first, "it does what it did");
    assert!(sim.is_live(0));
    for ask in [Ask::Query(Query::GetDoctor), Ask::Query(Query::GetNetwork)] {
        let asked = sim.ask(0, ask);
        assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::TooOld)));
    }
    let stop = sim.wish(0, State::Stopped);
    assert_eq!(sim.rigs[0].generation(), stop, "the next wish has words");
}

#[test]
fn a_wish_without_words_is_told_once_the_agent_is_a_newer_one() {
    let mut sim = old();
    let pause = sim.wish(0, plan(true));
    let key = sim.key(0);
    let too_old = |sim: &Sim| {
        sim.hub
            .rig(&key)
            .is_some_and(|rig| rig.is_too_old_for(pause))
    };
    assert!(too_old(&sim));
    sim.restart_rig(0);
    sim.dial_in(0);
    assert!(!too_old(&sim));
    assert_eq!(sim.rigs[0].generation(), pause);
    assert!(
        sim.rigs[0]
            .works
            .desired
            .clone()
            .expect("told")
            .state
            .is_paused()
    );
}
