//! Who gets in: registered keys, paired rigs, and nobody else.

use miner_shared::identity::Enrolment;
use miner_shared::text::{Address, Name};
use miner_shared::wire::Query;

use super::super::*;
use super::count;
use super::rig::CODE;
use super::sim::Sim;

#[test]
fn registered_rigs_come_up_and_report() {
    let mut sim = Sim::registered(20);
    (0..20).for_each(|rig| {
        sim.dial_in(rig);
    });
    sim.advance(10_000);
    assert_eq!(sim.hub.live(), 20);
    for rig in 0..20 {
        let seen = sim.hub.rig(&sim.key(rig)).expect("known");
        assert!(seen.stats().is_some());
        assert_eq!(seen.rtt_ms(), Some(0));
        assert_eq!(seen.score(), Some(100));
    }
    assert_eq!(
        count(&sim, |e| matches!(
            e,
            EventKind::LinkUp { dialled_in: true }
        )),
        20
    );
}

#[test]
fn an_unregistered_key_gets_nothing_and_leaves_one_event() {
    let mut sim = Sim::new(1);
    let id = sim.dial_in(0);
    assert!(!sim.is_open(id));
    assert_eq!(sim.hub.connections(), 0);
    assert_eq!(sim.registry.peers().len(), 0);
    assert!(sim.hub.rig(&sim.key(0)).is_none());
    assert!(matches!(
        sim.events().as_slice(),
        [EventKind::UnknownKey { .. }]
    ));
}

#[test]
fn a_removed_rig_is_cut_at_once_and_stays_out() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let key = sim.key(0);
    let waiting = {
        sim.rigs[0].mute = true;
        sim.ask(0, Ask::Query(Query::GetStats))
    };
    sim.call(|hub, env| hub.remove(env, &key, false).expect("removes"));
    assert!(!sim.is_open(id));
    assert_eq!(sim.finished.get(&waiting), Some(&Err(Failure::Removed)));

    sim.rigs[0].mute = false;
    let again = sim.dial_in(0);
    assert!(!sim.is_open(again));
    assert_eq!(count(&sim, |e| *e == EventKind::RemovedKey), 1);
}

#[test]
fn a_rig_removed_and_added_again_goes_on_with_its_numbers() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.advance(30_000);
    let key = sim.key(0);
    sim.call(|hub, env| hub.remove(env, &key, false).expect("removes"));
    sim.register(0, None);
    sim.dial_in(0);
    let asked = sim.ask(0, Ask::Query(Query::GetStats));
    assert!(matches!(
        sim.finished.get(&asked),
        Some(Ok(Reply::Answer(_)))
    ));
}

#[test]
fn a_handshake_that_stops_is_closed_within_its_deadline() {
    let mut sim = Sim::registered(1);
    sim.rigs[0].mute = true;
    let id = sim.dial_in(0);
    sim.advance(4_999);
    assert!(sim.is_open(id));
    sim.advance(1);
    assert!(!sim.is_open(id));
    assert_eq!(sim.hub.connections(), 0);
}

#[test]
fn handshakes_beyond_the_bound_are_not_accepted() {
    let mut sim = Sim::new(0);
    let room = miner_shared::limits::MAX_PENDING_HANDSHAKES;
    for _ in 0..room {
        sim.hub.accept(sim.now).expect("room");
    }
    assert_eq!(sim.hub.accept(sim.now), Err(Full));
    sim.advance(5_000);
    assert!(sim.hub.accept(sim.now).is_ok(), "deadlines make room");
}

#[test]
fn a_dialled_rig_is_reached_and_another_key_at_its_address_is_not() {
    let mut sim = Sim::new(2);
    sim.register(0, Some("192.0.2.1:9091"));
    let key = sim.key(0);
    let id = sim.dial_out(0, Target::Peer(key));
    assert_eq!(sim.reached.get(&id), Some(&Ok(key)));
    assert!(sim.is_live(0));
    sim.restart_rig(0);

    let id = sim.dial_out(1, Target::Peer(key));
    assert!(matches!(
        sim.reached.get(&id),
        Some(Err(Unreached::Handshake(_)))
    ));
    assert!(!sim.is_live(0) && !sim.is_live(1));
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::ProtocolError { .. })),
        1
    );
}

#[test]
fn a_probe_learns_the_key_and_registers_nothing() {
    let mut sim = Sim::new(1);
    let id = sim.dial_out(0, Target::Probe);
    assert_eq!(sim.reached.get(&id), Some(&Ok(sim.key(0))));
    assert_eq!(sim.registry.peers().len(), 0);
    assert_eq!(sim.hub.connections(), 0);
    assert_eq!(sim.events(), []);
}

fn pairing(secret: [u8; 16]) -> Target {
    Target::Pair(Box::new(NewPeer {
        enrolment: Enrolment {
            token_id: [5; 8],
            secret: secret.into(),
        },
        name: Some(Name::parse("alpha").expect("valid")),
        address: Address::parse("192.0.2.1:9091").expect("valid"),
    }))
}

#[test]
fn a_pairing_code_registers_the_rig_and_a_wrong_one_does_not() {
    let mut sim = Sim::new(1);
    let wrong = sim.dial_out(0, pairing([1; 16]));
    assert!(matches!(sim.reached.get(&wrong), Some(Err(_))));
    assert_eq!(sim.registry.peers().len(), 0);

    let right = sim.dial_out(0, pairing(CODE));
    assert_eq!(sim.reached.get(&right), Some(&Ok(sim.key(0))));
    let row = sim.registry.peer(&sim.key(0)).expect("registered");
    assert_eq!(row.name.as_str(), "alpha");
    assert_eq!(row.trust, crate::registry::Trust::Pairing);
    assert!(sim.is_live(0));
}

#[test]
fn a_removed_rig_is_added_again_by_code_or_fingerprint_and_the_numbers_go_on() {
    for by_code in [true, false] {
        let mut sim = Sim::new(1);
        let key = sim.key(0);
        sim.dial_out(0, pairing(CODE));
        sim.advance(10_000);
        sim.call(|hub, env| {
            hub.remove(env, &key, false).expect("removes");
            env.registry.forget(&key).expect("forgets");
        });
        let last = sim.rigs[0].memory.expect("it was up").rx;
        let again = if by_code {
            pairing(CODE)
        } else {
            sim.register(0, Some("192.0.2.1:9091"));
            Target::Peer(key)
        };
        let id = sim.dial_out(0, again);
        assert_eq!(sim.reached.get(&id), Some(&Ok(key)), "by code: {by_code}");
        assert!(sim.is_live(0));

        sim.rig_closes(id);
        let next = sim.rigs[0].memory.expect("it was up").rx;
        assert!(next > last, "what was signed before the removal is stale");
    }
}

#[test]
fn a_link_that_broke_before_its_welcome_came_is_followed_by_one_that_counts_on() {
    for frames in 0..8 {
        for by_code in [true, false] {
            let mut sim = Sim::new(1);
            let key = sim.key(0);
            if !by_code {
                sim.register(0, Some("192.0.2.1:9091"));
            }
            let target = || {
                if by_code {
                    pairing(CODE)
                } else {
                    Target::Peer(key)
                }
            };
            sim.fuse = Some(frames);
            sim.dial_out(0, target());
            sim.fuse = None;
            sim.dial_out(0, target());
            assert!(sim.is_live(0), "by code: {by_code}, frames: {frames}");
        }
    }
}

#[test]
fn a_rig_that_has_yet_to_accept_us_costs_no_score() {
    let mut sim = Sim::new(1);
    sim.register(0, Some("192.0.2.1:9091"));
    let key = sim.key(0);
    let turned_away = |sim: &mut Sim| {
        sim.rigs[0].mute = true;
        let id = sim.dial_out(0, Target::Peer(key));
        let waiting = sim.ask(0, Ask::Ping);
        sim.rig_closes(id);
        sim.settle();
        assert_eq!(sim.reached.get(&id), Some(&Err(Unreached::Closed)));
        assert_eq!(sim.finished.get(&waiting), Some(&Err(Failure::Offline)));
        sim.rigs[0].mute = false;
    };
    turned_away(&mut sim);
    let score = |sim: &Sim| sim.hub.rig(&key).and_then(Rig::score);
    assert_eq!(score(&sim), None);

    let id = sim.dial_out(0, Target::Peer(key));
    assert!(sim.is_live(0));
    sim.rig_closes(id);
    let before = score(&sim);
    turned_away(&mut sim);
    assert!(score(&sim) < before, "a rig that knows us has no excuse");
}
