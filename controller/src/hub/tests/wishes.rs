//! What a rig should be doing reaches it once, and never an older wish after a newer one.

use miner_shared::owner::OwnerWord;
use miner_shared::wire::{Desired, Outcome, Refusal, State};

use super::super::*;
use super::count;
use super::sim::Sim;
use super::versions::plan;

#[test]
fn a_wish_is_applied_once_and_its_waiter_told() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let generation = sim.wish(0, State::Stopped);
    let asked = sim.ask(0, Ask::Wish(generation));
    sim.advance(60_000);
    assert_eq!(sim.rigs[0].generation(), generation);
    assert_eq!(sim.rigs[0].works.effects, [generation]);
    let told = sim.finished.get(&asked);
    assert!(
        matches!(told, Some(Ok(Reply::Outcome(Outcome::AlreadyThere)))),
        "{told:?}"
    );
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::Applied { generation: 1 })),
        1
    );
}

#[test]
fn a_wish_made_while_the_rig_is_away_is_applied_when_it_comes() {
    let mut sim = Sim::registered(1);
    sim.wish(0, State::Stopped);
    let generation = sim.wish(0, State::Stopped);
    let asked = sim.ask(0, Ask::Wish(generation));
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::Offline)));
    sim.dial_in(0);
    assert_eq!(sim.rigs[0].generation(), generation);
    assert_eq!(
        sim.rigs[0].works.effects,
        [generation],
        "only the last wish counts"
    );
}

#[test]
fn a_rig_that_lost_its_state_converges_at_the_next_heartbeat() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let generation = sim.wish(0, State::Stopped);
    sim.restart_rig(0);
    sim.rigs[0].works.desired = None;
    sim.dial_in(0);
    sim.advance(10_000);
    assert_eq!(sim.rigs[0].generation(), generation);
}

#[test]
fn restarts_of_either_side_have_no_second_effect() {
    let mut sim = Sim::registered(3);
    (0..3).for_each(|rig| {
        sim.dial_in(rig);
    });
    let wishes: Vec<_> = (0..3).map(|rig| sim.wish(rig, State::Stopped)).collect();
    sim.restart_controller();
    (0..3).for_each(|rig| {
        sim.dial_in(rig);
    });
    sim.advance(20_000);
    (0..3).for_each(|rig| sim.restart_rig(rig));
    (0..3).for_each(|rig| {
        sim.dial_in(rig);
    });
    sim.advance(20_000);
    for (rig, wish) in wishes.into_iter().enumerate() {
        assert!(sim.is_live(rig));
        assert_eq!(sim.rigs[rig].works.effects, [wish]);
    }
}

#[test]
fn a_rig_ahead_of_the_registry_is_reported_once_and_never_set_back() {
    let mut sim = Sim::registered(1);
    sim.rigs[0].works.desired = Some(Desired {
        generation: 40,
        state: State::Stopped,
    });
    sim.wish(0, State::Stopped);
    sim.dial_in(0);
    sim.advance(60_000);
    assert_eq!(sim.rigs[0].generation(), 40);
    assert_eq!(
        count(&sim, |e| *e == EventKind::Behind { generation: 40 }),
        1
    );

    let generation = sim.wish(0, State::Stopped);
    assert_eq!(generation, 41, "numbered above what the rig was told");
    assert_eq!(sim.rigs[0].generation(), 41);
}

#[test]
fn a_refused_wish_is_told_and_not_repeated_on_the_same_link() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].works.disk_full = true;
    let generation = sim.wish(0, State::Stopped);
    let key = sim.key(0);
    let refused = sim.hub.rig(&key).expect("known").refused();
    assert_eq!(refused, Some(&(generation, Refusal::NotStored)));
    sim.advance(60_000);
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Refused { .. })), 1);

    sim.rigs[0].works.disk_full = false;
    sim.restart_rig(0);
    sim.dial_in(0);
    assert_eq!(
        sim.rigs[0].generation(),
        generation,
        "asked again on a new link"
    );
}

#[test]
fn what_the_owner_of_a_machine_forbids_is_said_with_the_field_and_the_rig_stays_as_it_was() {
    let mut sim = Sim::registered(1);
    sim.rigs[0].works.owner = OwnerWord::parse(b"pools = []").expect("right");
    sim.dial_in(0);
    let before = sim.wish(0, State::Stopped);
    let generation = sim.wish(0, plan(false));
    sim.advance(60_000);
    let key = sim.key(0);
    let refused = sim.hub.rig(&key).expect("known").refused();
    assert_eq!(refused, Some(&(generation, Refusal::OwnerForbids)));
    assert_eq!(refused_field(&Refusal::OwnerForbids), Some("pools"));
    assert_eq!(sim.rigs[0].generation(), before);
    let said = |event: &EventKind| matches!(event, EventKind::Refused { reason, .. } if reason.contains("owner.toml"));
    assert_eq!(count(&sim, said), 1);
}

#[test]
fn a_busy_rig_is_asked_ever_more_rarely_and_gets_the_same_wish_in_the_end() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].busy = true;
    let generation = sim.wish(0, State::Stopped);
    let key = sim.key(0);
    let waiting = sim.call(|hub, env| hub.ask(env, key, Ask::Wish(generation), Millis(2_000_000)));
    sim.advance(30_000);
    assert_eq!(sim.rigs[0].put_off, 2, "at once, and after twice 10 s");
    sim.advance(3_600_000 - 30_000);
    // After 20, 40, 80 and 160 s, then each 160 s.
    let asked = sim.rigs[0].put_off;
    assert!((20..=26).contains(&asked), "{asked} times in an hour");
    assert_eq!(sim.hub.rig(&key).and_then(Rig::refused), None, "no refusal");
    sim.rigs[0].busy = false;
    sim.advance(160_000);
    assert_eq!(sim.rigs[0].works.effects, [generation]);
    let told = sim.finished.get(&waiting);
    assert_eq!(
        told,
        Some(&Err(Failure::TimedOut)),
        "its patience ended first"
    );
}

#[test]
fn whoever_waits_for_a_busy_rig_hears_of_the_wish_when_it_is_applied() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].busy = true;
    let generation = sim.wish(0, State::Stopped);
    let key = sim.key(0);
    let deadline = sim.now + 30_000;
    let waiting = sim.call(|hub, env| hub.ask(env, key, Ask::Wish(generation), deadline));
    sim.advance(1_000);
    sim.rigs[0].busy = false;
    sim.advance(28_000);
    assert_eq!(sim.rigs[0].works.effects, [generation]);
    assert!(matches!(
        sim.finished.get(&waiting),
        Some(Ok(Reply::Outcome(Outcome::Applied | Outcome::AlreadyThere)))
    ));
}

#[test]
fn an_older_wish_is_superseded_by_a_newer_one() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].mute = true;
    let older = sim.wish(0, State::Stopped);
    let asked = sim.ask(0, Ask::Wish(older));
    sim.wish(0, State::Stopped);
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::Superseded)));
}
