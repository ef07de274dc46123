//! The hub against simulated rigs, in virtual time: every promise of `session.rs`, `requests.rs` and
//! `reconcile.rs`.

mod sim;

use miner_shared::identity::Enrolment;
use miner_shared::text::{Address, Name};
use miner_shared::wire::{Answer, Outcome, Query, Refusal, State};

use self::sim::{CODE, Sim};
use super::*;

fn count(sim: &Sim, wanted: impl Fn(&EventKind) -> bool) -> usize {
    sim.events().iter().filter(|kind| wanted(kind)).count()
}

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
    sim.call(|hub, env| hub.remove(env, &key).expect("removes"));
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
    sim.call(|hub, env| hub.remove(env, &key).expect("removes"));
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
fn a_partition_is_noticed_within_forty_seconds_and_heals() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.cut(0, true);
    sim.advance(39_000);
    assert!(sim.is_live(0));
    sim.advance(2_000);
    assert!(!sim.is_live(0));
    let score = sim.hub.rig(&sim.key(0)).expect("known").score();
    assert!(score < Some(100), "{score:?}");

    let generation = sim.wish(0, State::Stopped);
    sim.dial_in(0);
    assert!(sim.is_live(0));
    assert_eq!(sim.rigs[0].generation, generation);
}

#[test]
fn a_wish_is_applied_once_and_its_waiter_told() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let generation = sim.wish(0, State::Stopped);
    let asked = sim.ask(0, Ask::Wish(generation));
    sim.advance(60_000);
    assert_eq!(sim.rigs[0].generation, generation);
    assert_eq!(sim.rigs[0].effects, 1);
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
    assert_eq!(sim.rigs[0].generation, generation);
    assert_eq!(sim.rigs[0].effects, 1, "only the last wish counts");
}

#[test]
fn a_rig_that_lost_its_state_converges_at_the_next_heartbeat() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    let generation = sim.wish(0, State::Stopped);
    sim.restart_rig(0);
    sim.rigs[0].generation = 0;
    sim.dial_in(0);
    sim.advance(10_000);
    assert_eq!(sim.rigs[0].generation, generation);
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
        assert_eq!((sim.rigs[rig].generation, sim.rigs[rig].effects), (wish, 1));
    }
}

#[test]
fn a_rig_ahead_of_the_registry_is_reported_once_and_never_set_back() {
    let mut sim = Sim::registered(1);
    sim.rigs[0].generation = 40;
    sim.wish(0, State::Stopped);
    sim.dial_in(0);
    sim.advance(60_000);
    assert_eq!(sim.rigs[0].generation, 40);
    assert_eq!(
        count(&sim, |e| *e == EventKind::Behind { generation: 40 }),
        1
    );

    let generation = sim.wish(0, State::Stopped);
    assert_eq!(generation, 41, "numbered above what the rig was told");
    assert_eq!(sim.rigs[0].generation, 41);
}

#[test]
fn a_refused_wish_is_told_and_not_repeated_on_the_same_link() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.rigs[0].refuses = Some(Refusal::TooLittleMemory);
    let generation = sim.wish(0, State::Stopped);
    let key = sim.key(0);
    let refused = sim.hub.rig(&key).expect("known").refused();
    assert_eq!(refused, Some(&(generation, Refusal::TooLittleMemory)));
    sim.advance(60_000);
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Refused { .. })), 1);

    sim.rigs[0].refuses = None;
    sim.restart_rig(0);
    sim.dial_in(0);
    assert_eq!(
        sim.rigs[0].generation, generation,
        "asked again on a new link"
    );
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
fn replayed_and_foreign_frames_close_and_change_nothing() {
    let mut sim = Sim::registered(2);
    sim.dial_in(0);
    sim.wish(0, State::Stopped);
    sim.advance(10_000);
    let recorded = sim.recorded.clone();
    let effects = sim.rigs[0].effects;
    for frame in recorded {
        let id = sim.dial_in(0);
        let before = sim.hub.rig(&sim.key(0)).and_then(Rig::applied);
        sim.deliver_to_hub(id, &mut frame.clone());
        sim.settle();
        assert!(!sim.is_open(id), "a replayed frame was taken");
        assert_eq!(sim.hub.rig(&sim.key(0)).and_then(Rig::applied), before);
    }
    assert_eq!(sim.rigs[0].effects, effects);
    let broken = count(&sim, |e| matches!(e, EventKind::ProtocolError { .. }));
    assert!(broken > 0, "each leaves an event");
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
fn random_faults_never_break_the_invariants() {
    for seed in 0..20 {
        let mut sim = Sim::registered(4);
        sim.rng.0 = seed;
        let mut highest = [0; 4];
        for _ in 0..60 {
            let draw = rand_core::Rng::next_u64(&mut sim.rng);
            let rig = usize::try_from(draw % 4).expect("small");
            match draw >> 8 & 7 {
                0 | 1 => {
                    sim.dial_in(rig);
                }
                2 => sim.cut(rig, true),
                3 => sim.restart_rig(rig),
                4 => sim.restart_controller(),
                5 => {
                    sim.wish(rig, State::Stopped);
                }
                6 => sim.advance(draw >> 32 & 0x7fff),
                _ => {
                    sim.ask(rig, Ask::Query(Query::GetStats));
                }
            }
            for (rig, highest) in highest.iter_mut().enumerate() {
                let generation = sim.rigs[rig].generation;
                assert!(
                    generation >= *highest,
                    "seed {seed}: a generation went back"
                );
                *highest = generation;
            }
            assert!(sim.hub.live() <= 4);
        }
        for rig in 0..4 {
            sim.cut(rig, true);
        }
        sim.advance(60_000);
        for rig in 0..4 {
            sim.dial_in(rig);
        }
        sim.advance(15_000);
        for rig in 0..4 {
            assert!(sim.is_live(rig), "seed {seed}: rig {rig} is out");
            let wished = sim
                .registry
                .desired(&sim.key(rig))
                .map_or(0, |row| row.generation);
            assert_eq!(
                sim.rigs[rig].generation, wished,
                "seed {seed}: no convergence"
            );
            assert!(
                u64::from(sim.rigs[rig].effects) <= wished,
                "seed {seed}: an effect twice"
            );
        }
    }
}
