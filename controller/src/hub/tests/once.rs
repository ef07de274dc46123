//! Orders that are stored: each reaches its rig once, whoever starts anew meanwhile, or says that it did not.

use miner_shared::identity::Role;
use miner_shared::text::Label;
use miner_shared::wire::{Command, Interface, OpId, Outcome, Refusal};

use super::super::*;
use super::count;
use super::rig::node;
use super::sim::Sim;
use crate::registry::{Order, OrderState};

const HOUR: u64 = 3_600_000;

fn give(sim: &mut Sim, order: Order, within_ms: u64) -> OpId {
    let key = sim.key(0);
    let by = Label::lossy("owner");
    sim.call(|hub, env| hub.order(env, &key, order, &by, within_ms))
        .expect("stored")
}

fn state(sim: &Sim, op_id: &OpId) -> OrderState {
    sim.registry.order(op_id).expect("kept").state.clone()
}

/// The controller's process is killed and starts again on what is stored.
fn kill_controller(sim: &mut Sim) {
    sim.restart_controller();
    sim.call(|hub, env| hub.await_orders(env));
}

#[test]
fn an_order_waits_for_the_rig_and_is_done_when_it_comes() {
    let mut sim = Sim::registered(1);
    let op_id = give(&mut sim, Order::Locate(30), HOUR);
    sim.advance(HOUR / 2);
    assert_eq!(state(&sim, &op_id), OrderState::Waiting);
    sim.dial_in(0);
    assert_eq!(state(&sim, &op_id), OrderState::Done);
    assert_eq!(sim.rigs[0].works.orders, [Command::Locate { seconds: 30 }]);
    let row = sim.registry.order(&op_id).expect("kept");
    assert_eq!(row.by.as_str(), "owner");
    assert!(row.sent.is_some() && row.ended_ms.is_some());
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Ordered { .. })), 1);
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::OrderEnded { .. })),
        1
    );
}

#[test]
fn an_order_outlives_the_controller_before_it_is_sent() {
    let mut sim = Sim::registered(1);
    let op_id = give(&mut sim, Order::Locate(30), HOUR);
    kill_controller(&mut sim);
    sim.dial_in(0);
    assert_eq!(state(&sim, &op_id), OrderState::Done);
}

#[test]
fn an_order_whose_receipt_was_lost_with_the_controller_has_one_effect_and_its_receipt() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].mute = true;
    let op_id = give(&mut sim, Order::Locate(30), HOUR);
    sim.rigs[0].mute = false;
    assert_eq!(state(&sim, &op_id), OrderState::Sent);
    kill_controller(&mut sim);
    sim.dial_in(0);
    assert_eq!(state(&sim, &op_id), OrderState::Done);
    assert_eq!(sim.rigs[0].works.orders.len(), 1);
    assert_eq!(sim.rigs[0].repeated, 1, "it was asked again");
}

#[test]
fn an_order_whose_rig_started_anew_is_unknown_unless_a_start_was_the_order() {
    for (order, ends) in [
        (Order::Locate(30), OrderState::Unknown),
        (Order::Restart, OrderState::Done),
        (Order::Reboot, OrderState::Done),
        (Order::PowerOff, OrderState::Done),
    ] {
        let mut sim = Sim::registered(1);
        sim.rigs[0].works.owns_machine = true;
        sim.dial_in(0);
        sim.rigs[0].mute = true;
        let op_id = give(&mut sim, order, HOUR);
        sim.rigs[0].mute = false;
        sim.restart_rig(0);
        kill_controller(&mut sim);
        sim.dial_in(0);
        assert_eq!(state(&sim, &op_id), ends, "{order:?}");
        assert_eq!(
            sim.rigs[0].works.orders.len(),
            1,
            "{order:?} is not sent again"
        );
    }
}

#[test]
fn after_its_deadline_an_order_is_never_sent() {
    let mut sim = Sim::registered(1);
    let waits = give(&mut sim, Order::Locate(1), 60_000);
    sim.advance(60_000);
    assert_eq!(state(&sim, &waits), OrderState::Expired);
    let meanwhile = give(&mut sim, Order::Locate(2), 60_000);
    sim.restart_controller();
    sim.now += 120_000;
    sim.call(|hub, env| hub.await_orders(env));
    sim.dial_in(0);
    assert_eq!(state(&sim, &meanwhile), OrderState::Expired);

    sim.rigs[0].mute = true;
    let sent = give(&mut sim, Order::Locate(3), 5_000);
    sim.rigs[0].mute = false;
    sim.advance(5_000);
    assert_eq!(state(&sim, &sent), OrderState::Unknown);
    let key = sim.key(0);
    assert!(sim.registry.open_orders(&key).is_empty());
    sim.dial_in(0);
    assert_eq!(sim.rigs[0].works.orders, [Command::Locate { seconds: 3 }]);
}

#[test]
fn a_refusal_is_the_rigs_word_and_an_old_rig_is_not_even_asked() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let refused = give(&mut sim, Order::Reboot, HOUR);
    let reason = OrderState::Refused(Refusal::NotOurImage);
    assert_eq!(state(&sim, &refused), reason);

    let mut sim = Sim::registered(1);
    let rig = &mut sim.rigs[0];
    rig.node = node(rig.seed, Role::Worker, 1, "rig-0").up_to_version(1);
    sim.dial_in(0);
    let old = give(&mut sim, Order::Restart, HOUR);
    assert_eq!(state(&sim, &old), OrderState::TooOld);
    assert!(sim.rigs[0].works.orders.is_empty() && sim.is_live(0));
}

#[test]
fn whoever_waits_for_an_order_hears_what_came_of_it() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let done = give(&mut sim, Order::Locate(1), HOUR);
    let asked = sim.ask(0, Ask::Order(done));
    let applied = Ok(Reply::Outcome(Outcome::Applied));
    assert_eq!(
        sim.finished.get(&asked),
        Some(&applied),
        "it was over already"
    );
    sim.rigs[0].mute = true;
    let sent = give(&mut sim, Order::Locate(2), HOUR);
    let asked = sim.ask(0, Ask::Order(sent));
    sim.advance(5_000);
    assert_eq!(
        sim.finished.get(&asked),
        Some(&Ok(Reply::Unknown)),
        "so far"
    );
    assert_eq!(state(&sim, &sent), OrderState::Sent, "and it goes on");
    let nobody = sim.ask(0, Ask::Order([9; 16]));
    assert_eq!(sim.finished.get(&nobody), Some(&Err(Failure::Removed)));
}

#[test]
fn a_rig_says_on_its_link_by_which_card_it_is_woken() {
    let mut sim = Sim::registered(1);
    sim.rigs[0].works.mac = [2, 0xfc, 0, 0, 0, 7];
    sim.dial_in(0);
    let key = sim.key(0);
    let macs = |interfaces: &[Interface]| -> Vec<_> {
        interfaces.iter().map(|interface| interface.mac).collect()
    };
    let known = |sim: &Sim| macs(&sim.registry.machine(&key).expect("told").interfaces);
    assert_eq!(known(&sim), [[2, 0xfc, 0, 0, 0, 7]]);
    sim.restart_rig(0);
    sim.restart_controller();
    assert_eq!(known(&sim).len(), 1, "also while it is off");
}
