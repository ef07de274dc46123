//! The recovery key reaches every rig once, and takes the farm back from a thief.

use miner_shared::bytes::Bytes;
use miner_shared::identity::{NodeKeys, Pin, RecoveryKey, Role, Statement};
use miner_shared::wire::{Command, Query, State};

use super::super::*;
use super::count;
use super::rig::node;
use super::sim::Sim;
use crate::registry::{Authority, MemoryStore};

/// A controller and rigs that have pinned it, with their links.
fn farm(rigs: u8) -> Sim {
    let mut sim = Sim::registered(rigs);
    let me = sim.me.fingerprint();
    for rig in 0..usize::from(rigs) {
        sim.rigs[rig].works.managers = vec![Pin::new(me)];
        sim.dial_in(rig);
    }
    sim
}

fn recovery(sim: &mut Sim) -> RecoveryKey {
    RecoveryKey::generate(&mut sim.rng)
}

fn set(sim: &mut Sim, key: &RecoveryKey, authority: Authority) {
    let key = key.public();
    sim.call(|hub, env| hub.set_recovery(env, key, authority))
        .expect("stored");
}

fn replace(sim: &mut Sim, old: &RecoveryKey) -> RecoveryKey {
    let next = recovery(sim);
    let proof = Bytes(old.hand_over(&next));
    set(sim, &next, Authority::Proof(proof));
    next
}

fn pinned(sim: &Sim, rig: usize) -> Option<[u8; 32]> {
    sim.rigs[rig].works.managers[0].recovery
}

/// How often a rig was told a recovery key.
fn told(sim: &Sim, rig: usize) -> usize {
    let pins = |command: &&Command| matches!(command, Command::PinRecovery { .. });
    sim.rigs[rig].works.orders.iter().filter(pins).count()
}

#[test]
fn every_rig_pins_the_recovery_key_once_also_over_restarts() {
    let mut sim = farm(3);
    let key = recovery(&mut sim);
    // One is away; another hears nothing of it for a while.
    sim.restart_rig(1);
    sim.rigs[2].mute = true;
    set(&mut sim, &key, Authority::First);
    assert_eq!(pinned(&sim, 0), Some(key.public()));
    assert_eq!(pinned(&sim, 1), None);
    sim.dial_in(1);
    sim.rigs[2].mute = false;
    sim.advance(30_000);
    sim.restart_controller();
    for rig in 0..3 {
        sim.dial_in(rig);
    }
    sim.advance(30_000);
    for rig in 0..3 {
        assert_eq!(pinned(&sim, rig), Some(key.public()), "rig {rig}");
    }
    assert_eq!((told(&sim, 0), told(&sim, 1)), (1, 1));
}

#[test]
fn a_busy_rig_has_not_refused_the_recovery_key_and_pins_it_later() {
    let mut sim = farm(1);
    let key = recovery(&mut sim);
    sim.rigs[0].busy = true;
    set(&mut sim, &key, Authority::First);
    sim.advance(30_000);
    let asked = sim.rigs[0].put_off;
    assert!((2..=4).contains(&asked), "{asked} times in 30 s");
    assert_eq!(pinned(&sim, 0), None);
    sim.rigs[0].busy = false;
    sim.advance(20_000);
    assert_eq!(pinned(&sim, 0), Some(key.public()));
    let refused = |e: &EventKind| matches!(e, EventKind::RecoveryRefused { .. });
    assert_eq!(count(&sim, refused), 0);
}

#[test]
fn a_rig_that_was_away_is_led_through_the_keys_that_it_missed() {
    let mut sim = farm(2);
    let first = recovery(&mut sim);
    set(&mut sim, &first, Authority::First);
    sim.restart_rig(0);
    let second = replace(&mut sim, &first);
    let third = replace(&mut sim, &second);
    assert_eq!(pinned(&sim, 1), Some(third.public()));
    assert_eq!(pinned(&sim, 0), Some(first.public()));
    sim.dial_in(0);
    assert_eq!(pinned(&sim, 0), Some(third.public()));
    let refused = |e: &EventKind| matches!(e, EventKind::RecoveryRefused { .. });
    assert_eq!(count(&sim, refused), 0);
}

#[test]
fn a_rig_whose_receipt_was_lost_is_led_as_well() {
    let mut sim = farm(1);
    let first = recovery(&mut sim);
    let second = recovery(&mut sim);
    set(&mut sim, &first, Authority::First);
    set(
        &mut sim,
        &second,
        Authority::Proof(Bytes(first.hand_over(&second))),
    );
    // It pinned the second key, and the controller forgot so.
    let third = replace(&mut sim, &second);
    sim.rigs[0].works.managers[0].recovery = Some(second.public());
    let key = sim.key(0);
    let forgotten = crate::registry::PinnedRecord::default();
    sim.call(|_, env| env.registry.note_pinned(&key, forgotten))
        .expect("noted");
    sim.restart_rig(0);
    let fourth = replace(&mut sim, &third);
    sim.dial_in(0);
    assert_eq!(pinned(&sim, 0), Some(fourth.public()));
}

#[test]
fn a_rig_that_refuses_is_one_event_and_asked_again_on_its_next_link() {
    let mut sim = farm(1);
    let foreign = recovery(&mut sim).public();
    sim.rigs[0].works.managers[0].recovery = Some(foreign);
    let key = recovery(&mut sim);
    set(&mut sim, &key, Authority::First);
    sim.advance(60_000);
    for _ in 0..3 {
        sim.restart_rig(0);
        sim.dial_in(0);
        sim.advance(60_000);
    }
    let refused = |e: &EventKind| matches!(e, EventKind::RecoveryRefused { .. });
    assert_eq!(count(&sim, refused), 1);
    assert_eq!(told(&sim, 0), 4, "once per link");
    let row = sim.registry.pinned(&sim.key(0));
    assert_eq!((row.pinned, row.refused), (None, Some(key.public())));
    // Its owner introduces the controller anew.
    sim.rigs[0].works.managers[0].recovery = None;
    sim.restart_rig(0);
    sim.dial_in(0);
    assert_eq!(pinned(&sim, 0), Some(key.public()));
    let row = sim.registry.pinned(&sim.key(0));
    assert_eq!((row.pinned, row.refused), (Some(key.public()), None));
}

#[test]
fn a_rig_that_says_it_has_lost_the_key_gets_it_again() {
    let mut sim = farm(1);
    let key = recovery(&mut sim);
    set(&mut sim, &key, Authority::First);
    sim.rigs[0].works.managers[0].recovery = None;
    sim.ask(0, Ask::Query(Query::GetManagers));
    assert_eq!(pinned(&sim, 0), Some(key.public()));
}

/// The whole story: the controller's key is stolen, the thief takes some rigs along to a key of its
/// own, and the owner takes all of them back by the recovery key.
#[test]
fn the_recovery_key_takes_the_farm_back_from_a_thief() {
    const A: [u8; 32] = [0xcc; 32];
    const T: [u8; 32] = [0x66; 32];
    const N: [u8; 32] = [0x11; 32];
    let keys = |seed: [u8; 32]| NodeKeys::from_seed(&seed);
    let mut sim = farm(4);
    let secret = recovery(&mut sim);
    set(&mut sim, &secret, Authority::First);
    let owners = std::mem::replace(
        &mut sim.registry,
        Registry::open(Box::new(MemoryStore::default())).expect("opens"),
    );

    // The thief has A's key, and succeeds it at two of the rigs.
    sim.be_controller(T, vec![Statement::by_old(&keys(A), &keys(T))]);
    for rig in 0..2 {
        sim.register(rig, None);
        sim.dial_in(rig);
        assert_eq!(
            sim.rigs[rig].works.managers[0].fingerprint,
            keys(T).fingerprint()
        );
        sim.wish(rig, State::Stopped);
        assert_eq!(sim.rigs[rig].generation(), 1, "the thief commands");
    }
    // It cannot put a recovery key of its own in the owner's place.
    let its_own = recovery(&mut sim);
    set(&mut sim, &its_own, Authority::First);
    assert_eq!(pinned(&sim, 0), Some(secret.public()));

    // The owner, on a new machine with the registry's backup.
    let thieves = std::mem::replace(&mut sim.registry, owners);
    let back = Statement::by_recovery(&secret, &keys(N), 1_000);
    sim.be_controller(N, vec![back]);
    for rig in 0..4 {
        sim.dial_in(rig);
        assert!(sim.is_live(rig), "rig {rig}");
        let wished = sim.wish(rig, State::Stopped);
        assert_eq!(sim.rigs[rig].generation(), wished, "the owner commands");
        let managers = &sim.rigs[rig].works.managers;
        assert_eq!(managers.len(), 1);
        assert_eq!(managers[0].fingerprint, keys(N).fingerprint());
    }

    // The thief is out, by either key, whoever dials.
    sim.registry = thieves;
    for (seed, chain) in [
        (A, Vec::new()),
        (T, vec![Statement::by_old(&keys(A), &keys(T))]),
    ] {
        sim.be_controller(seed, chain);
        for rig in 0..4 {
            let key = sim.key(rig);
            sim.dial_in(rig);
            assert!(!sim.is_live(rig), "rig {rig} dials");
            sim.dial_out(rig, Target::Peer(key));
            assert!(!sim.is_live(rig), "rig {rig} is dialled");
        }
    }

    // The owner's next key is an ordinary change again.
    let next = [0x12; 32];
    let chain = vec![
        Statement::by_recovery(&secret, &keys(N), 1_000),
        Statement::by_old(&keys(N), &keys(next)),
    ];
    sim.be_controller(next, chain);
    let me = node(next, Role::Controller, 1, "x").fingerprint();
    for rig in 0..4 {
        sim.dial_in(rig);
        assert_eq!(sim.rigs[rig].works.managers[0].fingerprint, me);
    }
}

#[test]
fn rigs_that_wait_to_be_dialled_follow_the_controller_s_new_key_too() {
    let mut sim = farm(1);
    let old = NodeKeys::from_seed(&[0xcc; 32]);
    let new = NodeKeys::from_seed(&[0xcd; 32]);
    sim.be_controller([0xcd; 32], vec![Statement::by_old(&old, &new)]);
    let rig = sim.key(0);
    sim.dial_out(0, Target::Peer(rig));
    assert!(sim.is_live(0));
    assert_eq!(sim.rigs[0].works.managers[0].fingerprint, new.fingerprint());
    assert_eq!(sim.wish(0, State::Stopped), sim.rigs[0].generation());
}
