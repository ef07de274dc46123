//! Cuts, replays, restarts, at random.

use miner_shared::wire::{Query, State};

use super::super::*;
use super::count;
use super::sim::Sim;

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
    let reason = "silent for too long";
    assert_eq!(sim.events().last(), Some(&EventKind::LinkDown { reason }));

    let generation = sim.wish(0, State::Stopped);
    sim.dial_in(0);
    assert!(sim.is_live(0));
    assert_eq!(sim.rigs[0].generation(), generation);
}

#[test]
fn replayed_and_foreign_frames_close_and_change_nothing() {
    let mut sim = Sim::registered(2);
    sim.dial_in(0);
    sim.wish(0, State::Stopped);
    sim.advance(10_000);
    let recorded = sim.recorded.clone();
    let effects = sim.rigs[0].works.effects.clone();
    for frame in recorded {
        let id = sim.dial_in(0);
        let before = sim.hub.rig(&sim.key(0)).and_then(Rig::applied);
        sim.deliver_to_hub(id, &mut frame.clone());
        sim.settle();
        assert!(!sim.is_open(id), "a replayed frame was taken");
        assert_eq!(sim.hub.rig(&sim.key(0)).and_then(Rig::applied), before);
    }
    assert_eq!(sim.rigs[0].works.effects, effects);
    let broken = count(&sim, |e| matches!(e, EventKind::ProtocolError { .. }));
    assert!(broken > 0, "each leaves an event");
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
                let generation = sim.rigs[rig].generation();
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
                sim.rigs[rig].generation(),
                wished,
                "seed {seed}: no convergence"
            );
            assert!(
                sim.rigs[rig].works.effects.is_sorted_by(|a, b| a < b),
                "seed {seed}: an effect twice"
            );
        }
    }
}
