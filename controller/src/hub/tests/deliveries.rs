//! Commands over links that break, between nodes that restart: each happens once, and what nobody
//! answered yet is said to be unanswered.
//!
//! The hub is the real one, and so are the links and the agent's handling of commands.

use miner_shared::wire::{Outcome, State};

use super::super::*;
use super::sim::Sim;

/// Frames of a link until a command is answered: the handshake, both greetings, a ping and its pong,
/// the command, its receipt.
const EXCHANGE: u64 = 9;

/// What so many deliveries took.
#[derive(Debug, Default)]
struct Took {
    links: u32,
    repeated: u32,
    restarts: u32,
}

/// Tells a rig one thing after the other, while links break at any frame and either side restarts.
fn deliver(deliveries: u64, seed: u64) -> Took {
    let mut sim = Sim::registered(1);
    sim.rng.0 = seed;
    let mut took = Took::default();
    for generation in 1..=deliveries {
        sim.fuse = fuse(&mut sim);
        assert_eq!(sim.wish(0, State::Stopped), generation);
        let mut tries = 0;
        while sim.hub.rig(&sim.key(0)).and_then(Rig::applied) != Some(generation) {
            tries += 1;
            assert!(tries < 100, "generation {generation} never arrives");
            let draw = rand_core::Rng::next_u64(&mut sim.rng) % 16;
            match draw {
                0 => sim.restart_rig(0),
                1 => sim.restart_controller(),
                _ => {}
            }
            took.restarts += u32::from(draw < 2);
            sim.fuse = fuse(&mut sim);
            if !sim.is_live(0) {
                sim.dial_in(0);
                took.links += 1;
            }
            sim.advance(1_000);
        }
        assert_eq!(sim.rigs[0].generation(), generation);
        // What was recorded is of no use here.
        sim.recorded.clear();
        sim.told.clear();
    }
    let once: Vec<u64> = (1..=deliveries).collect();
    assert_eq!(sim.rigs[0].works.effects, once, "each once, in order");
    took.repeated = sim.rigs[0].repeated;
    took
}

/// Where the next link breaks, if it does.
fn fuse(sim: &mut Sim) -> Option<u32> {
    let frame = rand_core::Rng::next_u64(&mut sim.rng) % (EXCHANGE + 3);
    (frame < EXCHANGE).then(|| u32::try_from(frame).expect("small"))
}

#[test]
fn commands_happen_once_over_links_that_break_anywhere() {
    deliver(1_000, 1);
}

#[test]
#[ignore = "half a minute"]
fn ten_thousand_lossy_deliveries_have_ten_thousand_effects() {
    println!("measured: {:?}", deliver(10_000, 2));
}

#[test]
fn a_recorded_command_has_no_effect_on_any_later_link() {
    let mut sim = Sim::registered(2);
    sim.dial_in(0);
    sim.wish(0, State::Stopped);
    let told = sim.told.clone();
    let again = |sim: &mut Sim, rig: usize| {
        for frame in &told {
            let id = sim.dial_in(rig);
            sim.deliver_to_rig(id, &mut frame.clone());
            sim.settle();
            assert!(!sim.is_open(id), "a replayed frame was taken");
        }
    };
    again(&mut sim, 0);
    sim.restart_rig(0);
    again(&mut sim, 0);
    again(&mut sim, 1);
    sim.restart_controller();
    again(&mut sim, 0);
    assert_eq!(sim.rigs[0].works.effects, [1]);
    assert!(sim.rigs[1].works.effects.is_empty());
}

/// The boot that was told ends before its receipt comes; whether the command arrived nobody knows.
#[test]
fn a_command_whose_boot_ended_unanswered_is_not_said_to_be_done_until_the_next_boot_says_so() {
    // The link breaks under the command, or under its receipt.
    for (frames, arrived) in [(0, false), (1, true)] {
        let mut sim = Sim::registered(1);
        sim.dial_in(0);
        sim.fuse = Some(frames);
        let generation = sim.wish(0, State::Stopped);
        let asked = sim.ask(0, Ask::Wish(generation));
        assert_eq!(sim.rigs[0].works.effects.len(), usize::from(arrived));
        sim.restart_rig(0);
        sim.advance(10_000);
        let told = sim.finished.get(&asked);
        assert_eq!(
            told,
            Some(&Err(Failure::Offline)),
            "neither done nor refused"
        );
        let known = sim.hub.rig(&sim.key(0)).expect("known");
        assert_eq!((known.applied(), known.refused()), (None, None));

        sim.dial_in(0);
        let said = if arrived {
            Outcome::AlreadyThere
        } else {
            Outcome::Applied
        };
        assert!(sim.rigs[0].receipts.values().eq([&said]));
        let applied = sim.hub.rig(&sim.key(0)).and_then(Rig::applied);
        assert_eq!(applied, Some(generation));
        assert_eq!(sim.rigs[0].works.effects, [generation]);
    }
}
