//! Releases on their way: a piece for a question, at a rate, and none for who is old or gone.

use miner_shared::limits::PIECE_RATE;
use miner_shared::release::Version;
use miner_shared::wire::{Boot, ImageStatus, Message, Offer, Refusal, Wanted};

use super::super::*;
use super::sim::Sim;
use crate::registry::Order;

const fn wanted(from: u64) -> Wanted {
    Wanted {
        release: [5; 32],
        file: 1,
        from,
    }
}

fn says(sim: &mut Sim, id: ConnId, message: &Message) {
    sim.rig_says(id, message);
    sim.settle();
}

fn deliver(sim: &mut Sim, id: ConnId, wanted: Wanted, bytes: &[u8]) {
    sim.call(|hub, env| hub.deliver_piece(env, id, wanted, bytes));
    sim.settle();
}

#[test]
fn a_rig_gets_a_piece_for_its_question_and_nothing_it_did_not_ask_for() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    says(&mut sim, id, &Message::Wanted(wanted(0)));
    assert_eq!(std::mem::take(&mut sim.reads), [(id, wanted(0))]);
    deliver(&mut sim, id, wanted(7), b"another");
    deliver(&mut sim, id, wanted(0), b"bytes");
    deliver(&mut sim, id, wanted(0), b"again");
    let pieces = &sim.rigs[0].pieces;
    assert_eq!(pieces.len(), 1);
    assert_eq!(
        (pieces[0].wanted, &*pieces[0].bytes),
        (wanted(0), &b"bytes"[..])
    );
    // The last question counts.
    for from in [1, 2] {
        says(&mut sim, id, &Message::Wanted(wanted(from)));
    }
    deliver(&mut sim, id, wanted(1), b"old");
    deliver(&mut sim, id, wanted(2), b"");
    assert_eq!(sim.rigs[0].pieces.len(), 2);
    assert_eq!(sim.rigs[0].pieces[1].bytes.len(), 0, "there is none");
    // One that is asked for again is read again: the first may never have been.
    sim.reads.clear();
    for _ in 0..2 {
        says(&mut sim, id, &Message::Wanted(wanted(3)));
    }
    assert_eq!(sim.reads.len(), 2);
}

#[test]
fn a_rig_that_asks_without_rest_gets_its_rate_and_is_not_taken_for_noisy() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let (mut from, end) = (0, sim.now + 2_000);
    says(&mut sim, id, &Message::Wanted(wanted(from)));
    while sim.now < end {
        for (id, wanted) in std::mem::take(&mut sim.reads) {
            deliver(&mut sim, id, wanted, b"x");
            from += 1;
            says(&mut sim, id, &Message::Wanted(self::wanted(from)));
            sim.call(|hub, env| hub.pace(env, id));
        }
        sim.advance(1);
    }
    let pieces = sim.rigs[0].pieces.len() as u64;
    let most = 2_000 / PIECE_RATE.every_ms + PIECE_RATE.burst + 1;
    assert!((most - 5..=most).contains(&pieces), "{pieces} of {most}");
    let throttled = super::count(&sim, |kind| matches!(kind, EventKind::Throttled { .. }));
    assert_eq!(throttled, 0);
}

#[test]
fn what_a_rig_was_booted_from_is_kept_with_its_time() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let status = ImageStatus {
        boot: Boot::Whole,
        image: None,
        update: None,
    };
    says(&mut sim, id, &Message::Image(status.clone()));
    let rig = sim.hub.rig(&sim.key(0)).expect("known");
    let (kept, at) = rig.image().expect("it said so");
    assert_eq!((kept, at.mono), (&status, sim.now));
}

#[test]
fn an_update_is_an_order_and_an_old_agent_is_not_told() {
    let offer = Offer {
        release: [5; 32],
        manifest_size: 700,
        version: Version::default(),
    };
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let asked = sim.order(0, Order::Update(offer));
    let refused = Reply::Outcome(miner_shared::wire::Outcome::Refused(Refusal::NoSlots));
    assert_eq!(sim.finished.get(&asked), Some(&Ok(refused)));

    let mut sim = Sim::registered(1);
    let rig = &mut sim.rigs[0];
    let role = miner_shared::identity::Role::Worker;
    rig.node = super::rig::node(rig.seed, role, 1, "rig-0").up_to_version(2);
    sim.dial_in(0);
    let asked = sim.order(0, Order::Update(offer));
    assert_eq!(sim.finished.get(&asked), Some(&Err(Failure::TooOld)));
    assert_eq!(sim.rigs[0].works.orders, []);
}

#[test]
fn who_asks_ever_anew_has_one_timer_pays_once_and_leaves_none_behind() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let timers = |sim: &Sim| {
        let timers = sim.hub.timers.iter();
        let pieces = timers.filter(|(_, timer)| matches!(timer, Timer::Piece(_)));
        pieces.count()
    };
    for from in 0..150 {
        says(&mut sim, id, &Message::Wanted(wanted(from)));
    }
    assert_eq!(timers(&sim), 1);
    sim.reads.clear();
    sim.advance(2 * PIECE_RATE.every_ms);
    assert_eq!(sim.reads, [(id, wanted(149))], "the last, and soon");
    assert_eq!(timers(&sim), 0);
    for from in 0..40 {
        says(&mut sim, id, &Message::Wanted(wanted(from)));
    }
    assert_eq!(timers(&sim), 1);
    sim.call(|hub, env| hub.handle_closed(env, id));
    assert_eq!(timers(&sim), 0);
}
