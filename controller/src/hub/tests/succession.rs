//! Rigs that come by a new key: followed from a key that is known, and from no other.

use miner_shared::identity::{EnrolToken, NodeKeys, Role, Statement};
use miner_shared::smsg::{Expect, LinkError};
use miner_shared::wire::{Query, State};

use super::super::*;
use super::count;
use super::rig::node;
use super::sim::Sim;
use crate::registry::{Standing, Terms};

const ADDRESS: Option<&str> = Some("192.0.2.7:9091");

/// A registered rig that is commanded, and has had its first link.
fn known_rig() -> Sim {
    let mut sim = Sim::new(1);
    sim.register(0, ADDRESS);
    let key = sim.key(0);
    sim.dial_out(0, Target::Peer(key));
    sim.wish(0, State::Stopped);
    assert!(sim.is_live(0));
    sim
}

fn changes(sim: &Sim) -> usize {
    count(sim, |e| matches!(e, EventKind::KeyChanged { .. }))
}

/// That the rig of the old key is the one of the new key now, with all that it had.
fn assert_moved(sim: &mut Sim, old: Fingerprint) {
    let new = sim.key(0);
    assert!(sim.is_live(0) && !sim.hub.is_live(&old));
    assert_eq!(sim.registry.peers().len(), 1);
    let row = sim.registry.peer(&new).expect("moved");
    assert_eq!(row.name.as_str(), "rig-0");
    assert_eq!(row.address.as_ref().map(|a| a.as_str()), ADDRESS);
    assert_eq!(sim.registry.desired(&new).expect("moved").generation, 1);
    assert!(sim.registry.desired(&old).is_none());
    assert_eq!(sim.registry.current_key(&old), new);
    assert_eq!(sim.registry.standing(&old), Standing::Removed);
    let shown = EventKind::KeyChanged {
        old: old.to_string(),
        new: new.to_string(),
    };
    assert_eq!(count(sim, |e| *e == shown), 1);
    let wished = sim.wish(0, State::Stopped);
    assert_eq!((wished, sim.rigs[0].generation()), (2, 2), "it obeys");
}

#[test]
fn a_dialled_rig_with_a_new_key_is_followed_with_all_that_was_its() {
    let mut sim = known_rig();
    let old = sim.key(0);
    sim.rotate_rig(0, 0x51);
    sim.dial_out(0, Target::Peer(old));
    assert_moved(&mut sim, old);
    let scored = sim.hub.rig(&sim.key(0)).and_then(Rig::score);
    assert!(scored.is_some(), "its history too");
}

#[test]
fn a_rig_that_dials_in_by_a_new_key_is_followed_too() {
    let mut sim = known_rig();
    let old = sim.key(0);
    sim.rotate_rig(0, 0x51);
    sim.dial_in(0);
    assert_moved(&mut sim, old);
}

#[test]
fn a_rig_is_followed_through_four_changes_and_no_further() {
    for (changes, followed) in [(4, true), (5, false)] {
        let mut sim = known_rig();
        let old = sim.key(0);
        (0..changes).for_each(|n| sim.rotate_rig(0, 0x51 + n));
        sim.dial_out(0, Target::Peer(old));
        assert_eq!(sim.is_live(0), followed, "{changes} changes");
        assert_eq!(sim.registry.standing(&old) == Standing::Peer, !followed);
    }
}

#[test]
fn the_link_under_the_old_key_ends_when_the_new_one_is_shown() {
    let mut sim = known_rig();
    let old = sim.key(0);
    // Its process still holds the old link, as a copy of the machine would.
    let copy = sim.copy_of(0);
    sim.rigs[copy].rotate([0x51; 32]);
    sim.dial_in(copy);
    assert!(sim.is_live(copy) && !sim.hub.is_live(&old));
    assert_eq!(sim.hub.connections(), 1);
    assert_eq!(
        count(&sim, |e| matches!(
            e,
            EventKind::LinkDown {
                reason: "its key has changed"
            }
        )),
        1
    );
}

#[test]
fn the_old_key_is_refused_from_then_on_and_leads_nowhere_else() {
    let mut sim = known_rig();
    let thief = sim.copy_of(0);
    sim.rotate_rig(0, 0x51);
    sim.dial_in(0);
    sim.dial_in(thief);
    assert!(!sim.is_live(thief), "the old key itself");
    sim.rotate_rig(thief, 0x61);
    sim.dial_in(thief);
    assert!(!sim.is_live(thief), "a second successor of the old key");
    assert_eq!(count(&sim, |e| *e == EventKind::RemovedKey), 2);
    assert!(sim.is_live(0));
    assert_eq!((sim.registry.peers().len(), changes(&sim)), (1, 1));
}

#[test]
fn a_stranger_s_statements_lead_nowhere() {
    let mut sim = known_rig();
    let registered = sim.key(0);
    let mut stranger = super::rig::Rig::new([0x71; 32], 9, "rig-0");
    stranger.rotate([0x72; 32]);
    sim.rigs.push(stranger);
    sim.dial_in(1);
    assert!(!sim.is_live(1));
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::UnknownKey { .. })),
        1
    );
    // At the address of the registered one.
    sim.restart_rig(0);
    let conn = sim.dial_out(1, Target::Peer(registered));
    let wrong = Unreached::Handshake(LinkError::WrongPeer(sim.key(1).node_id()));
    assert_eq!(sim.reached[&conn], Err(wrong));
    assert_eq!(changes(&sim), 0);
    assert_eq!(sim.registry.standing(&registered), Standing::Peer);
    // A registered key's name on a statement that it never signed.
    let keys = NodeKeys::from_seed(&sim.rigs[0].seed);
    let mut bytes = *Statement::by_old(&keys, &NodeKeys::from_seed(&[0x73; 32])).as_bytes();
    let new = *sim.rigs[1].node.keys().public();
    bytes[76..140].copy_from_slice(&[new.x25519, new.ed25519].concat());
    let forged = Statement::try_from(&bytes[..]).expect("in form");
    let node = node(sim.rigs[1].seed, Role::Worker, 8, "x");
    sim.rigs[1].node = node.with_chain([forged].into_iter().collect());
    sim.dial_in(1);
    assert!(!sim.is_live(1));
    assert_eq!(changes(&sim), 0);
}

#[test]
fn the_successor_of_a_removed_rig_is_refused_like_it() {
    let mut sim = known_rig();
    let old = sim.key(0);
    sim.call(|hub, env| hub.remove(env, &old, false))
        .expect("removes");
    sim.rotate_rig(0, 0x51);
    sim.dial_in(0);
    assert!(!sim.is_live(0));
    assert_eq!(count(&sim, |e| *e == EventKind::RemovedKey), 1);
    assert_eq!((sim.registry.peers().len(), changes(&sim)), (0, 0));
    sim.call(|_, env| env.registry.forget(&old))
        .expect("forgets");
    sim.dial_in(0);
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::UnknownKey { .. })),
        1,
        "a stranger from then on"
    );
}

#[test]
fn a_rig_that_waits_goes_on_waiting_under_its_new_key() {
    let mut sim = Sim::new(1);
    let token = EnrolToken::generate(&mut sim.rng, &sim.me.fingerprint());
    let terms = Terms {
        label: None,
        uses: 1,
        expires_at_ms: 10_000_000,
        name_pattern: None,
        group: None,
        from: None,
        approve: false,
        ephemeral: false,
    };
    sim.call(|hub, env| hub.add_token(env, token.enrolment(), terms))
        .expect("stored");
    let expect = Expect::Prefix(*token.controller());
    sim.dial_in_by(0, expect, Some(token.enrolment()), "10.0.0.7");
    let old = sim.key(0);
    assert!(sim.registry.is_waiting(&old));

    sim.rotate_rig(0, 0x51);
    let conn = sim.dial_in(0);
    assert_eq!(sim.was_told_to_wait(conn), Some(true));
    let new = sim.key(0);
    assert_eq!(sim.registry.waiting().len(), 1);
    assert!(sim.registry.is_waiting(&new));

    sim.call(|hub, env| hub.deny(env, &new)).expect("denies");
    sim.rotate_rig(0, 0x52);
    sim.dial_in(0);
    assert_eq!(
        (sim.registry.waiting().len(), sim.registry.peers().len()),
        (0, 0)
    );
}

#[test]
fn what_was_asked_of_the_old_key_is_answered_by_the_new_one() {
    let mut sim = known_rig();
    let old = sim.key(0);
    sim.rigs[0].mute = true;
    let asked = sim.ask(0, Ask::Query(Query::GetStats));
    sim.rigs[0].mute = false;
    sim.rotate_rig(0, 0x51);
    assert!(!sim.finished.contains_key(&asked));
    sim.dial_out(0, Target::Peer(old));
    assert!(matches!(
        sim.finished.get(&asked),
        Some(Ok(Reply::Answer(_)))
    ));
}

#[test]
fn a_rig_cannot_fill_the_registry_with_keys() {
    let mut sim = known_rig();
    for seed in 0..20 {
        sim.rotate_rig(0, 0x50 + seed);
        sim.dial_in(0);
        assert!(sim.is_live(0));
    }
    assert_eq!(changes(&sim), 20);
    assert_eq!(sim.registry.tombstones().len(), 4);
}
