//! Questions end: by an answer, or by their deadline.

use miner_shared::wire::{Answer, Query};

use super::super::*;
use super::sim::Sim;

#[test]
fn questions_are_answered_or_end_at_their_deadline() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let asked = sim.ask(0, Ask::Query(Query::GetStats));
    let stats = sim.rigs[0].stats();
    let answer = Ok(Reply::Answer(Box::new(Answer::Stats(stats))));
    assert_eq!(sim.finished.get(&asked), Some(&answer));
    let pinged = sim.ask(0, Ask::Ping);
    assert_eq!(sim.finished.get(&pinged), Some(&Ok(Reply::Pong(0))));

    sim.rigs[0].mute = true;
    let late = sim.ask(0, Ask::Query(Query::GetStats));
    sim.advance(4_999);
    assert_eq!(sim.finished.get(&late), None);
    sim.advance(1);
    assert_eq!(sim.finished.get(&late), Some(&Err(Failure::TimedOut)));
    let rig = sim.hub.rig(&sim.key(0)).expect("known");
    assert_eq!(rig.exchanges().1, 1, "counted as late");
}

#[test]
fn a_question_outlives_the_link_it_was_asked_on() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.cut(0, true);
    let asked = sim.ask(0, Ask::Query(Query::GetStats));
    assert_eq!(sim.finished.get(&asked), None);
    sim.dial_in(0);
    assert!(matches!(
        sim.finished.get(&asked),
        Some(Ok(Reply::Answer(_)))
    ));
}

#[test]
fn requests_for_one_rig_are_bounded() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].mute = true;
    let asked: Vec<_> = (0..17)
        .map(|_| sim.ask(0, Ask::Query(Query::GetStats)))
        .collect();
    let busy = asked
        .iter()
        .filter(|id| sim.finished.get(id) == Some(&Err(Failure::Busy)));
    assert_eq!(busy.count(), 1);
}

#[test]
fn a_request_for_a_rig_with_an_address_waits_for_its_link_or_the_failure_to_make_one() {
    let mut sim = Sim::new(1);
    sim.register(0, Some("192.0.2.1:9091"));
    let key = sim.key(0);
    let asked = sim.ask(0, Ask::Ping);
    assert_eq!(sim.finished.get(&asked), None);
    sim.dial_out(0, Target::Peer(key));
    assert_eq!(sim.finished.get(&asked), Some(&Ok(Reply::Pong(0))));

    sim.restart_rig(0);
    let asked = sim.ask(0, Ask::Ping);
    sim.call(|hub, _| hub.handle_unreachable(&key));
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::Offline)));
}
