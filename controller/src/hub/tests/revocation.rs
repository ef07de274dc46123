//! E2: from the moment at which a removal is acknowledged, nothing of the rig is taken, whatever it is
//! doing then.

use miner_shared::smsg::Expect;
use miner_shared::wire::{Message, State};

use super::super::*;
use super::count;
use super::sim::Sim;

/// What the rig is doing when it is removed.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// It is up, and a report and a receipt of it are on their way.
    Connected,
    /// It has no connection.
    Offline,
    /// So many frames of its handshake have moved.
    Handshake(u32),
    /// Another process of it waits for the first to answer.
    Contest,
    /// The controller restarts: with the rig up before, and coming back after.
    Restart,
}

impl Doing {
    fn drawn(draw: u64) -> Self {
        match draw % 5 {
            0 => Self::Connected,
            1 => Self::Offline,
            2 => Self::Handshake(u32::try_from(draw >> 8 & 7).expect("small")),
            3 => Self::Contest,
            _ => Self::Restart,
        }
    }
}

/// One removal of a rig beside another one, which stays.
fn trial(seed: u64) -> Doing {
    let mut sim = Sim::registered(2);
    sim.rng.0 = seed;
    let doing = Doing::drawn(rand_core::Rng::next_u64(&mut sim.rng));
    let stays = sim.dial_in(1);
    let on_their_way = begins(&mut sim, doing);
    let key = sim.key(0);
    let recorded = sim.recorded.clone();

    sim.call(|hub, env| hub.remove(env, &key, false).expect("acknowledged"));
    let said = |sim: &Sim| {
        let rig = sim.hub.rig(&key);
        rig.map(|rig| (rig.last_seen(), rig.applied(), rig.stats().cloned()))
    };
    let before = said(&sim);
    let links = count(&sim, |e| matches!(e, EventKind::LinkUp { .. }));
    if matches!(doing, Doing::Restart) {
        sim.restart_controller();
    }
    for (id, mut frame) in on_their_way {
        sim.call(|hub, env| hub.handle_frame(env, id, &mut frame));
    }
    // It comes back at once, later, and as another process; others send what it sent.
    for pause in [0, 1_000, 60_000] {
        sim.advance(pause);
        let again = sim.dial_in(0);
        assert!(!sim.is_open(again), "seed {seed} {doing:?}: let in");
        sim.reboot(0);
    }
    for frame in recorded {
        let id = sim.dial_in(0);
        sim.deliver_to_hub(id, &mut frame.clone());
        sim.settle();
    }
    let wished = sim.call(|hub, env| {
        let wish = crate::registry::Wish {
            op_id: [1; 16],
            profile: None,
            version: 0,
            held: false,
            state: State::Stopped,
        };
        hub.wish(env, &key, wish)
    });
    assert!(wished.is_err(), "seed {seed} {doing:?}: commanded");

    assert!(!sim.is_live(0), "seed {seed} {doing:?}");
    if matches!(doing, Doing::Restart) {
        assert_eq!(said(&sim), None, "seed {seed}: taken by the next process");
        return doing;
    }
    assert_eq!(said(&sim), before, "seed {seed} {doing:?}: taken");
    let linked = count(&sim, |e| matches!(e, EventKind::LinkUp { .. }));
    assert_eq!(linked, links, "seed {seed} {doing:?}: a link came up");
    assert!(sim.is_up(stays), "seed {seed} {doing:?}: the other one");
    assert_eq!(sim.hub.connections(), 1, "seed {seed} {doing:?}: a socket");
    doing
}

/// Brings the rig there; frames that it sent and that have not arrived.
fn begins(sim: &mut Sim, doing: Doing) -> Vec<(ConnId, Vec<u8>)> {
    match doing {
        Doing::Offline => Vec::new(),
        Doing::Connected | Doing::Restart => {
            let id = sim.dial_in(0);
            sim.wish(0, State::Stopped);
            let beat = Message::Heartbeat(sim.rigs[0].stats());
            let receipt = Message::Receipt([1; 16], miner_shared::wire::Outcome::Applied);
            let frames = [beat, receipt].map(|message| (id, sim.rig_seals(id, &message)));
            frames.into()
        }
        Doing::Handshake(steps) => {
            let expect = Expect::Fingerprint(sim.me.fingerprint());
            let id = sim.begin_dial_in(0, expect, None, "10.0.0.7");
            for _ in 0..steps {
                sim.move_one(id);
            }
            Vec::new()
        }
        Doing::Contest => {
            sim.dial_in(0);
            sim.cut(0, true);
            sim.reboot(0);
            sim.dial_in(0);
            Vec::new()
        }
    }
}

fn trials(count: u64) {
    let mut seen = [0; 5];
    for seed in 0..count {
        let of = match trial(seed) {
            Doing::Connected => 0,
            Doing::Offline => 1,
            Doing::Handshake(_) => 2,
            Doing::Contest => 3,
            Doing::Restart => 4,
        };
        seen[of] += 1;
    }
    assert!(
        seen.iter().all(|n| *n > 0),
        "each kind at least once: {seen:?}"
    );
}

#[test]
fn fifty_removals_let_nothing_through_whatever_the_rig_is_doing() {
    trials(50);
}

#[test]
#[ignore = "slow: the count of the promise"]
fn a_thousand_removals_let_nothing_through_whatever_the_rig_is_doing() {
    trials(1_000);
}
