//! Handover, revocation, a rig's new key: orders have one effect, and an answer or an honest "unknown".

use miner_shared::identity::{Fingerprint, Pin};
use miner_shared::wire::{Command, Outcome, Query, Refusal, State};

use super::super::*;
use super::count;
use super::sim::Sim;
use crate::registry::Order;

const OTHER: Fingerprint = Fingerprint([0x0b; 32]);

/// A rig with a link that obeys this controller, and another one behind it.
fn managed() -> Sim {
    let mut sim = Sim::registered(1);
    sim.rigs[0].works.managers = vec![Pin::new(sim.me.fingerprint()), Pin::new(OTHER)];
    sim.dial_in(0);
    sim
}

fn outcome(sim: &Sim, asked: RequestId) -> Option<&Outcome> {
    match sim.finished.get(&asked) {
        Some(Ok(Reply::Outcome(outcome))) => Some(outcome),
        _ => None,
    }
}

#[test]
fn a_rig_is_handed_over_and_its_old_first_manager_refused_without_end_of_resending() {
    let mut sim = managed();
    let asked = sim.order(0, Order::Handover(OTHER));
    assert_eq!(outcome(&sim, asked), Some(&Outcome::Applied));
    assert_eq!(sim.rigs[0].works.managers[0].fingerprint, OTHER);

    sim.wish(0, State::Stopped);
    let rig = sim.hub.rig(&sim.key(0)).expect("known");
    assert_eq!(rig.refused(), Some(&(1, Refusal::NotAllowed)));
    sim.advance(120_000);
    sim.restart_rig(0);
    sim.rigs[0].works.managers.rotate_left(1);
    sim.dial_in(0);
    sim.rigs[0].works.managers.rotate_left(1);
    assert_eq!(sim.rigs[0].generation(), 1, "handed back while it was away");
}

#[test]
fn a_refusal_is_one_event_however_often_the_rig_comes_back() {
    let mut sim = managed();
    sim.rigs[0].works.disk_full = true;
    sim.wish(0, State::Stopped);
    for _ in 0..5 {
        sim.restart_rig(0);
        sim.dial_in(0);
        sim.advance(30_000);
    }
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Refused { .. })), 1);
}

#[test]
fn a_wish_goes_out_again_when_the_rig_says_that_this_controller_decides() {
    let mut sim = managed();
    sim.rigs[0].works.managers.rotate_left(1);
    sim.wish(0, State::Stopped);
    assert_eq!(sim.rigs[0].generation(), 0);
    sim.rigs[0].works.managers.rotate_left(1);
    sim.ask(0, Ask::Query(Query::GetManagers));
    assert_eq!(sim.rigs[0].generation(), 1);
}

#[test]
fn an_order_is_refused_with_the_rig_s_reason() {
    let mut sim = managed();
    let nobody = Fingerprint([0x0c; 32]);
    let asked = sim.order(0, Order::Revoke(nobody));
    let refused = Outcome::Refused(Refusal::NoSuchManager);
    assert_eq!(outcome(&sim, asked), Some(&refused));
    let asked = sim.order(0, Order::Revoke(OTHER));
    assert_eq!(outcome(&sim, asked), Some(&Outcome::Applied));
    assert_eq!(sim.rigs[0].works.managers.len(), 1);
}

#[test]
fn an_order_on_a_further_link_of_the_same_boot_has_one_effect_and_its_receipt() {
    let mut sim = managed();
    // The rig does it; the receipt is lost with the link.
    sim.rigs[0].mute = true;
    let asked = sim.order(0, Order::Revoke(OTHER));
    assert_eq!(sim.rigs[0].works.managers.len(), 1);
    sim.rigs[0].mute = false;
    sim.dial_in(0);
    assert_eq!(outcome(&sim, asked), Some(&Outcome::Applied));
    let sent = [Command::Revoke { manager: OTHER }];
    assert_eq!(sim.rigs[0].works.orders, sent);
}

#[test]
fn an_order_that_was_sent_outlasts_a_dialling_that_failed() {
    let mut sim = managed();
    sim.rigs[0].mute = true;
    let asked = sim.order(0, Order::Revoke(OTHER));
    sim.rigs[0].mute = false;
    let key = sim.key(0);
    for id in sim.wires_of(0) {
        sim.rig_closes(id);
    }
    sim.call(|hub, _| hub.handle_unreachable(&key));
    assert!(!sim.finished.contains_key(&asked), "it may still be heard");
    sim.dial_in(0);
    assert_eq!(outcome(&sim, asked), Some(&Outcome::Applied));
}

#[test]
fn an_order_whose_rig_started_anew_is_unknown_and_never_sent_again() {
    let mut sim = managed();
    sim.rigs[0].mute = true;
    let asked = sim.order(0, Order::Revoke(OTHER));
    sim.rigs[0].mute = false;
    sim.restart_rig(0);
    sim.dial_in(0);
    assert_eq!(sim.finished.get(&asked), Some(&Ok(Reply::Unknown)));
    assert_eq!(sim.rigs[0].works.orders.len(), 1);
}

#[test]
fn an_order_without_an_answer_in_time_is_unknown_and_one_that_was_never_sent_is_not() {
    let mut sim = managed();
    sim.rigs[0].mute = true;
    let asked = sim.order(0, Order::Rotate);
    sim.advance(5_000);
    assert_eq!(sim.finished.get(&asked), Some(&Ok(Reply::Unknown)));
    sim.restart_rig(0);
    let asked = sim.order(0, Order::Rotate);
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::Offline)));
}

#[test]
fn a_rig_that_comes_by_a_new_key_has_obeyed_whatever_became_of_the_receipt() {
    let mut sim = managed();
    sim.rigs[0].mute = true;
    let asked = sim.order(0, Order::Rotate);
    sim.rigs[0].mute = false;
    sim.rotate_rig(0, 0x51);
    assert!(!sim.finished.contains_key(&asked));
    sim.dial_in(0);
    assert_eq!(outcome(&sim, asked), Some(&Outcome::Applied));
    assert!(sim.is_live(0));
}
