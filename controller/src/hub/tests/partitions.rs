//! N2, the controller's side: rigs behind a network that goes away and comes back are served again
//! within a minute, and what was wished meanwhile is done once.

use miner_shared::limits::REDIAL_MS;
use miner_shared::wire::State;

use super::sim::Sim;

/// How long the network is away.
const LENGTHS_MS: [u64; 3] = [30_000, 600_000, 24 * 3_600_000];
/// Rigs at the other end.
const RIGS: u8 = 3;

/// One partition of a farm; how long its rigs took to be as they should after its end.
fn partition(sim: &mut Sim, length_ms: u64) -> u64 {
    let rigs = 0..usize::from(RIGS);
    rigs.clone().for_each(|rig| sim.hold(rig));
    let draw = |sim: &mut Sim, below: u64| rand_core::Rng::next_u64(&mut sim.rng) % below;
    // Wishes on both sides of the moment at which the controller notices.
    let early = draw(sim, length_ms.min(40_000));
    sim.advance(early);
    let effects: Vec<_> = sim.rigs.iter().map(|rig| rig.works.effects.len()).collect();
    for rig in rigs.clone() {
        sim.wish(rig, State::Stopped);
    }
    sim.advance(length_ms - early);
    for rig in rigs.clone() {
        sim.wish(rig, State::Stopped);
    }

    rigs.clone().for_each(|rig| sim.release(rig));
    let healed = sim.now;
    // Who gave up its link dials again after a pause that is at its longest by now.
    let mut dials: Vec<_> = rigs
        .clone()
        .map(|_| healed + draw(sim, REDIAL_MS.1))
        .collect();
    let at_rest = |sim: &Sim, rig: usize| {
        let wished = sim
            .registry
            .desired(&sim.key(rig))
            .map(|row| row.generation);
        sim.is_live(rig) && Some(sim.rigs[rig].generation()) == wished
    };
    loop {
        for rig in rigs.clone() {
            if !sim.has_wire(rig) && dials[rig] <= sim.now {
                sim.dial_in(rig);
                dials[rig] = sim.now + draw(sim, REDIAL_MS.1);
            }
        }
        if rigs.clone().all(|rig| at_rest(sim, rig)) {
            break;
        }
        let due = dials.iter().map(|at| at.since(sim.now));
        let step = due.filter(|ms| *ms > 0).min().unwrap_or(500).min(500);
        sim.advance(step);
        assert!(
            sim.now.since(healed) < 120_000,
            "{length_ms} ms: not healed"
        );
    }
    for (rig, before) in effects.into_iter().enumerate() {
        let made = sim.rigs[rig].works.effects.len() - before;
        assert!(
            (1..=2).contains(&made),
            "{length_ms} ms: {made} effects of 2 wishes"
        );
    }
    sim.now.since(healed)
}

fn partitions(count: usize) {
    let mut sim = Sim::registered(RIGS);
    for rig in 0..usize::from(RIGS) {
        sim.dial_in(rig);
    }
    let mut slowest = 0;
    for n in 0..count {
        let length = LENGTHS_MS[n % LENGTHS_MS.len()];
        slowest = slowest.max(partition(&mut sim, length));
        // Some life between two of them.
        sim.advance(15_000);
    }
    println!("slowest of {count} after the network was back: {slowest} ms");
    assert!(slowest <= 60_000, "{slowest} ms");
}

#[test]
fn three_partitions_heal_within_a_minute_and_wishes_are_done_once() {
    partitions(3);
}

#[test]
#[ignore = "slow: the count of the promise"]
fn a_hundred_partitions_heal_within_a_minute_and_wishes_are_done_once() {
    partitions(100);
}
