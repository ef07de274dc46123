//! One live session per key, whoever else comes.

use miner_shared::smsg;
use miner_shared::wire::Query;

use super::super::*;
use super::count;
use super::sim::Sim;

#[test]
fn the_same_boot_replaces_its_older_link() {
    let mut sim = Sim::registered(1);
    let first = sim.dial_in(0);
    sim.cut(0, true);
    let second = sim.dial_in(0);
    assert!(!sim.is_open(first));
    assert!(sim.is_up(second));
    assert_eq!(sim.hub.live(), 1);
    assert_eq!(count(&sim, |e| matches!(e, EventKind::LinkDown { .. })), 0);
    sim.advance(30_000);
    assert!(sim.is_up(second));
}

#[test]
fn a_copied_key_is_refused_while_the_first_process_answers() {
    let mut sim = Sim::registered(1);
    let first = sim.dial_in(0);
    let thief = sim.copy_of(0);
    let copy = sim.dial_in(thief);
    assert!(sim.is_up(first), "the live session was touched");
    assert!(!sim.is_open(copy));
    assert_eq!(count(&sim, |e| *e == EventKind::DuplicateIdentity), 1);

    sim.advance(30_000);
    let again = sim.dial_in(thief);
    assert!(!sim.is_open(again), "other boots are refused for a minute");
    assert_eq!(count(&sim, |e| *e == EventKind::DuplicateIdentity), 1);
}

#[test]
fn fifty_clones_of_an_image_raise_one_event_a_minute_and_never_touch_the_first() {
    let mut sim = Sim::registered(1);
    let first = sim.dial_in(0);
    let clones: Vec<_> = (0..50).map(|_| sim.copy_of(0)).collect();
    let minutes = 5;
    for _ in 0..minutes * 6 {
        // All of them in the same moment, then again, as programs do that want to be let in.
        let expect = smsg::Expect::Fingerprint(sim.me.fingerprint());
        for clone in &clones {
            sim.begin_dial_in(*clone, expect, None, "10.0.0.7");
        }
        sim.settle();
        sim.advance(10_000);
        assert!(sim.is_up(first), "the first session was touched");
        assert_eq!((sim.hub.live(), sim.hub.connections()), (1, 1));
    }
    let raised = count(&sim, |e| *e == EventKind::DuplicateIdentity);
    assert_eq!(raised, minutes, "one each 60 s");
    assert_eq!(
        sim.events().len(),
        raised + 1,
        "and nothing else but the first link"
    );

    // The first goes away for good: another takes its place, one only.
    sim.rig_closes(first);
    sim.settle();
    for clone in &clones {
        sim.dial_in(*clone);
    }
    assert_eq!(sim.hub.live(), 1);
}

#[test]
fn a_new_boot_replaces_a_silent_one_after_five_seconds() {
    let mut sim = Sim::registered(1);
    let first = sim.dial_in(0);
    sim.cut(0, true);
    sim.reboot(0);
    let second = sim.dial_in(0);
    assert!(!sim.is_up(second), "no Welcome before it is decided");
    sim.advance(4_999);
    assert!(!sim.is_up(second));
    sim.advance(1);
    assert!(!sim.is_open(first));
    assert!(sim.is_up(second));
    assert_eq!(count(&sim, |e| *e == EventKind::DuplicateIdentity), 0);
}

#[test]
fn a_new_boot_moves_up_when_the_old_link_closes_by_itself() {
    let mut sim = Sim::registered(1);
    let first = sim.dial_in(0);
    sim.cut(0, true);
    sim.reboot(0);
    let second = sim.dial_in(0);
    sim.call(|hub, env| hub.handle_closed(env, first));
    assert!(sim.is_up(second));
    assert_eq!(sim.hub.live(), 1);
}

#[test]
fn a_dialled_link_is_replaced_before_it_wears_out_and_nothing_is_lost() {
    let mut sim = Sim::new(1);
    sim.register(0, Some("192.0.2.1:9091"));
    let key = sim.key(0);
    let first = sim.dial_out(0, Target::Peer(key));
    assert!(sim.hub.is_served(&key));
    sim.advance(24 * 3_600_000 + 60_000);
    assert!(sim.hub.is_live(&key) && !sim.hub.is_served(&key));
    let second = sim.dial_out(0, Target::Peer(key));
    assert!(!sim.is_open(first) && sim.is_up(second));
    assert!(sim.hub.is_served(&key));
    let asked = sim.ask(0, Ask::Query(Query::GetStats));
    assert!(matches!(sim.finished.get(&asked), Some(Ok(_))));
}

#[test]
fn a_waiting_boot_does_not_move_up_when_the_peer_is_removed() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.cut(0, true);
    sim.reboot(0);
    let waiting = sim.dial_in(0);
    let key = sim.key(0);
    sim.call(|hub, env| hub.remove(env, &key, false).expect("removes"));
    assert!(!sim.is_open(waiting));
    assert_eq!((sim.hub.live(), sim.hub.connections()), (0, 0));
    assert_eq!(count(&sim, |e| matches!(e, EventKind::LinkUp { .. })), 1);
}

#[test]
fn a_link_that_forgot_its_numbers_is_refused_and_the_live_one_stays() {
    let mut sim = Sim::registered(1);
    let live = sim.dial_in(0);
    sim.advance(10_000);
    let forgetful = sim.copy_of(0);
    sim.same_boot(forgetful, 0);
    let second = sim.dial_in(forgetful);
    assert!(!sim.is_open(second));
    assert!(sim.is_up(live) && sim.is_live(0));
}
