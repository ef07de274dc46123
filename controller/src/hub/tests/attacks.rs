//! The twelve holes of this design's ancestor (SMSG.md), as attacks on ours: all are refused, and each
//! leaves exactly one event. Where the ancestor's hole needs a word that we do not have (A8, A9, A12),
//! the attack says the nearest thing that can be said. A program with a torn key file (A11) does not
//! start, so that its event is the one line that it ends with.

use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_shared::identity::{NodeKeys, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Expect, Link, LocalNode};
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::Message;

use super::super::*;
use super::by_hand;
use super::rig::node;
use super::sim::Sim;
use crate::registry::{PeerRecord, RegistryError, Trust};

/// Somebody at a socket of the controller.
struct Attacker {
    id: ConnId,
    link: Link,
}

impl Attacker {
    fn dial(sim: &mut Sim) -> Self {
        let expect = Expect::Fingerprint(sim.me.fingerprint());
        Self {
            id: sim.hub.accept(sim.now).expect("room"),
            link: Link::dial(Dial::WorkerDials, expect, None, None, sim.now),
        }
    }

    /// What it owes to the controller.
    fn owed(&mut self, sim: &mut Sim, me: &LocalNode) -> Option<Vec<u8>> {
        let mut out = [0; MAX_FRAME];
        let len = self
            .link
            .poll_transmit(me, sim.now, &mut sim.rng, &mut out)?;
        Some(out[..len].to_vec())
    }

    fn sends(&self, sim: &mut Sim, mut frame: Vec<u8>) {
        sim.call(|hub, env| hub.handle_frame(env, self.id, &mut frame));
    }

    /// Sends what somebody else sent, each after the answer to the one before.
    fn replays(&self, sim: &mut Sim, recorded: Vec<Vec<u8>>) {
        let mut answer = [0; MAX_FRAME];
        for frame in recorded {
            self.sends(sim, frame);
            sim.call(|hub, env| hub.poll_transmit(env, self.id, &mut answer));
        }
    }

    /// Talks as this node until there is nothing more to say.
    fn talks(&mut self, sim: &mut Sim, me: &LocalNode) {
        loop {
            let mut moved = false;
            while let Some(frame) = self.owed(sim, me) {
                moved = true;
                self.sends(sim, frame);
            }
            let mut out = [0; MAX_FRAME];
            while let Some(len) = sim.call(|hub, env| hub.poll_transmit(env, self.id, &mut out)) {
                moved = true;
                // What it cannot open is its own loss.
                let _event = self.link.handle_frame(me, sim.now, &mut out[..len]);
            }
            if !moved {
                return;
            }
        }
    }
}

/// Runs an attack; the one event that it left.
fn the_event_of(sim: &mut Sim, attack: impl FnOnce(&mut Sim)) -> EventKind {
    let before = sim.events().len();
    attack(sim);
    let events = sim.events().split_off(before);
    let [event] = events.as_slice() else {
        panic!("not one event: {events:?}");
    };
    event.clone()
}

fn is_protocol_error(event: &EventKind, reason: &str) -> bool {
    matches!(event, EventKind::ProtocolError { reason: found, .. } if found.contains(reason))
}

fn ended_a_link(event: &EventKind) -> bool {
    matches!(event, EventKind::ProtocolError { link_down, .. } if *link_down)
}

#[test]
fn a01_an_unknown_key_is_not_registered_by_itself() {
    let mut sim = Sim::new(1);
    let event = the_event_of(&mut sim, |sim| {
        sim.dial_in(0);
    });
    assert!(matches!(event, EventKind::UnknownKey { .. }));
    assert_eq!((sim.registry.peers().len(), sim.hub.live()), (0, 0));
}

#[test]
fn a02_a_registered_id_with_another_key_does_not_pass() {
    let mut sim = Sim::registered(1);
    let mut same_id = sim.key(0);
    same_id.0[31] ^= 1;
    assert_eq!(same_id.node_id(), sim.key(0).node_id());
    let row = PeerRecord {
        name: Name::parse("twin").expect("valid"),
        address: None,
        trust: Trust::Tofu,
        added_at_ms: 0,
        last_seen_ms: None,
        told: None,
    };
    let added = sim.registry.add(same_id, row);
    assert!(matches!(added, Err(RegistryError::IdTaken(_))), "{added:?}");
    // Nobody finds a key for 64 bits of a test's choice; the nearest is everything else of the rig.
    let name = sim.rigs[0].node.card().name.clone();
    let thief = node([0x66; 32], Role::Worker, 1, name.as_str());
    let event = the_event_of(&mut sim, |sim| Attacker::dial(sim).talks(sim, &thief));
    assert!(matches!(event, EventKind::UnknownKey { .. }));
    assert!(!sim.is_live(0));
}

#[test]
fn a03_a_live_session_is_not_replaced_before_the_dialler_proves_anything() {
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let recorded = sim.recorded.clone();
    let event = the_event_of(&mut sim, |sim| {
        let attacker = Attacker::dial(sim);
        attacker.replays(sim, recorded);
    });
    assert!(is_protocol_error(&event, "refused"), "{event:?}");
    assert!(sim.is_live(0) && sim.is_up(id));
}

#[test]
fn a04_a_dialler_does_not_overwrite_its_pin() {
    let mut sim = Sim::new(2);
    sim.register(0, Some("192.0.2.1:9091"));
    let key = sim.key(0);
    let event = the_event_of(&mut sim, |sim| {
        sim.dial_out(1, Target::Peer(key));
    });
    assert!(
        is_protocol_error(&event, "another node answered"),
        "{event:?}"
    );
    let keys: Vec<_> = sim.registry.peers().map(|(key, _)| *key).collect();
    assert_eq!(keys, [key]);
}

#[test]
fn a05_recorded_traffic_does_not_open_with_the_stolen_static_keys() {
    let mut sim = Sim::registered(1);
    sim.dial_in(0);
    sim.advance(10_000);
    let recorded = sim.recorded.clone();
    assert!(recorded.len() > 4, "a handshake and messages");
    // Both private keys again, as a thief has them: the same seeds, fresh ephemerals.
    let mut stolen = Sim::registered(1);
    let event = the_event_of(&mut stolen, |sim| {
        let attacker = Attacker::dial(sim);
        attacker.replays(sim, recorded);
    });
    assert!(is_protocol_error(&event, "refused"), "{event:?}");
    assert!(stolen.hub.rig(&stolen.key(0)).is_none(), "nothing was read");
}

#[test]
fn a06_a_message_without_its_authors_signature_is_not_obeyed() {
    let mut sim = Sim::registered(1);
    let rig = node(sim.rigs[0].seed, Role::Worker, 1, "rig-0");
    let mut attacker = Attacker::dial(&mut sim);
    attacker.talks(&mut sim, &rig);
    assert!(sim.is_live(0));
    let other = node([0x66; 32], Role::Worker, 1, "rig-0");
    let beat = Message::Heartbeat(sim.rigs[0].stats());
    let mut out = [0; MAX_FRAME];
    let sealed = attacker.link.seal(&other, sim.now, &beat, &mut out);
    let frame = out[..sealed.expect("up")].to_vec();
    let event = the_event_of(&mut sim, |sim| attacker.sends(sim, frame));
    assert!(is_protocol_error(&event, "signature"), "{event:?}");
    assert!(ended_a_link(&event) && !sim.is_live(0));
    assert!(
        sim.hub
            .rig(&sim.key(0))
            .is_some_and(|rig| rig.stats().is_none())
    );
}

#[test]
fn a07_a_worker_does_not_command_a_worker() {
    let mut sim = Sim::registered(1);
    let worker = node(sim.rigs[0].seed, Role::Worker, 1, "rig-0");
    let event = the_event_of(&mut sim, |sim| {
        let mut attacker = Attacker::dial(sim);
        let mut first = attacker.owed(sim, &worker).expect("owed");
        // The byte behind header and suite says which part dials.
        first[9] = 2;
        attacker.sends(sim, first);
    });
    assert!(is_protocol_error(&event, "role"), "{event:?}");
    // The program itself does not even begin.
    let expect = Expect::Fingerprint(sim.me.fingerprint());
    let mut link = Link::dial(Dial::ControllerDials, expect, None, None, sim.now);
    let mut out = [0; MAX_FRAME];
    assert_eq!(
        link.poll_transmit(&worker, sim.now, &mut sim.rng, &mut out),
        None
    );
    assert!(link.is_closed());
}

#[test]
fn a08_no_message_deploys_a_file() {
    // Numbers that no message has, with a path behind them.
    for number in 9..=127 {
        assert!(Message::decode(&[number, 9, b'.', b'.', b'/', b'x']).is_err());
    }
    let mut sim = Sim::registered(1);
    let id = sim.dial_in(0);
    let event = the_event_of(&mut sim, |sim| {
        let mut deploy = *b"SMSG\x01\x12\x04\x00../x";
        sim.call(|hub, env| hub.handle_frame(env, id, &mut deploy));
    });
    assert!(is_protocol_error(&event, "unknown kind"), "{event:?}");
    assert!(ended_a_link(&event) && !sim.is_live(0));
}

#[test]
fn a09_configuration_text_is_one_word_and_no_argument() {
    // No program is started with it (tests/abuse.rs); what could break out of a line is refused.
    for text in ["x\n--url=evil", "x\0y", "x\u{1b}[2J"] {
        assert!(Name::parse(text).is_err(), "{text:?}");
        assert!(PoolUser::parse(text).is_err(), "{text:?}");
        assert!(PoolPass::parse(text).is_err(), "{text:?}");
        assert!(Address::parse(&format!("{text}:3333")).is_err(), "{text:?}");
    }
    // The same over a link, from a registered rig that does not use our code.
    let mut sim = Sim::registered(1);
    let seed = sim.rigs[0].seed;
    let event = the_event_of(&mut sim, |sim| {
        // A greeting whose name has a line of its own, and two labels.
        by_hand::greets(sim, &seed, b"\x00\x0cx\n--url-evil\x01a\x01b");
    });
    assert!(is_protocol_error(&event, "message"), "{event:?}");
    assert!(!sim.is_live(0));
    // That it is the name and nothing else.
    let event = the_event_of(&mut sim, |sim| {
        by_hand::greets(sim, &seed, b"\x00\x0cx---url-evil\x01a\x01b");
    });
    assert!(matches!(event, EventKind::LinkUp { .. }), "{event:?}");
}

#[test]
fn a10_an_id_cannot_be_claimed_but_only_follows_from_the_key() {
    let mut sim = Sim::registered(1);
    let victim = sim.key(0).node_id().to_string();
    let thief = node([0x66; 32], Role::Worker, 1, &victim);
    let event = the_event_of(&mut sim, |sim| Attacker::dial(sim).talks(sim, &thief));
    let EventKind::UnknownKey { fingerprint } = event else {
        panic!("{event:?}");
    };
    assert_eq!(fingerprint, thief.fingerprint().to_string());
    let again = NodeKeys::from_seed(&[0x66; 32]).fingerprint();
    assert_eq!(again.node_id(), thief.fingerprint().node_id());
    assert_ne!(again.node_id().to_string(), victim);
}

#[test]
fn a11_a_key_file_torn_by_a_power_cut_is_refused_whole() {
    let root = tempfile::tempdir().expect("temporary folder");
    let store = NodeStore::new(Dirs::below(root.path()));
    let name = Name::parse("control-center").expect("valid");
    let node = store
        .init(name, Role::Controller, &mut system_rng())
        .expect("new");
    let file = store.dirs().private_key();
    let whole = std::fs::read(&file).expect("written");
    for len in 0..whole.len() {
        let mut zeroed = whole.clone();
        zeroed[len..].fill(0);
        for torn in [&whole[..len], &zeroed] {
            std::fs::write(&file, torn).expect("writes");
            let event = store.load().expect_err("torn").to_string();
            assert!(event.contains("private.key"), "{event}");
            assert_eq!(event.lines().count(), 1, "{event}");
            assert_eq!(std::fs::read(&file).expect("there"), torn, "untouched");
        }
    }
    std::fs::write(&file, whole).expect("writes");
    let again = store.load().expect("whole").expect("there");
    assert_eq!(again.fingerprint(), node.fingerprint());
}

#[test]
fn a12_no_call_turns_authentication_off() {
    let mut sim = Sim::new(1);
    // The ancestor's switch was one request; here the API has no such word, and the hub no state that
    // it could set: whatever was asked before, a stranger stays one.
    let event = the_event_of(&mut sim, |sim| {
        let status = crate::api::tests::status_of("POST", "/peers/auth", r#"{"mode":"open"}"#);
        assert!(matches!(status, 404 | 405), "{status}");
        let status = crate::api::tests::status_of("PUT", "/peers/auth/mode", r#"{"mode":"open"}"#);
        assert!(matches!(status, 404 | 405), "{status}");
        sim.dial_in(0);
    });
    assert!(matches!(event, EventKind::UnknownKey { .. }));
}
