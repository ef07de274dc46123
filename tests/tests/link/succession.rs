//! A key takes another's place, and the peer that pinned the old one follows, whichever side dials.

use miner_shared::identity::{NodeKeys, Pin, RecoveryKey, Role, Statement};
use miner_shared::limits::{MAX_FRAME, MAX_HANDSHAKE_FRAME};
use miner_shared::smsg::{Dial, Event, Expect, Link, LinkError, LocalNode};
use miner_shared::time::Millis;

use crate::support::{DIALLER, LISTENER, Pair, TestRng, card, node};

fn keys(seed: u8) -> NodeKeys {
    NodeKeys::from_seed(&[seed; 32])
}

/// The node of the last of these seeds, whose key the others' became one after the other.
fn successor(seeds: &[u8], role: Role) -> LocalNode {
    let chain = seeds.windows(2).map(|pair| match pair {
        [old, new] => Statement::by_old(&keys(*old), &keys(*new)),
        _ => unreachable!("windows of two"),
    });
    let last = *seeds.last().expect("a seed");
    LocalNode::new(keys(last), role, [last ^ 0x5a; 16], card("node")).with_chain(chain.collect())
}

/// A worker (seed 1) that pinned the controller of seed 2 and dials this one.
fn dials(controller: LocalNode) -> Pair {
    Pair::worker_dials(controller, Expect::Fingerprint(keys(2).fingerprint()), None)
}

/// What a dialler's program does with what it was shown.
fn follow(pair: &mut Pair, pin: &mut Pin) {
    for event in pair.ends[DIALLER].events.drain(..) {
        if let Event::Succession { statement, .. } = event {
            pin.follow(&statement);
        }
    }
}

#[test]
fn a_dialler_follows_its_controller_s_new_key_before_it_says_who_it_is() {
    let mut pair = dials(successor(&[2, 3, 4], Role::Controller));
    pair.drive();
    assert!(pair.ends[LISTENER].events.iter().all(|e| *e == Event::Idle));
    let mut pin = Pin::new(keys(2).fingerprint());
    follow(&mut pair, &mut pin);
    assert_eq!(pin.fingerprint, keys(4).fingerprint());
    pair.ends[DIALLER].link.accept().expect("it waits for this");
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
}

#[test]
fn a_dialler_that_pinned_the_new_key_already_passes_over_the_chain() {
    let controller = successor(&[2, 3], Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let mut pair = Pair::worker_dials(controller, expect, None);
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
    let shown = |event: &Event| matches!(event, Event::Succession { .. });
    assert!(!pair.ends[DIALLER].events.iter().any(shown));
}

#[test]
fn a_chain_of_strangers_leads_nowhere_and_the_dialler_stays_unknown() {
    let mut pair = dials(successor(&[7, 8], Role::Controller));
    pair.drive();
    let mut pin = Pin::new(keys(2).fingerprint());
    follow(&mut pair, &mut pin);
    assert_eq!(pin, Pin::new(keys(2).fingerprint()));
    // A program that does not accept has nothing more to wait for than the deadline.
    pair.wait(5_000);
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::HandshakeTimeout));
    assert!(!pair.transmit(), "no third message");
}

#[test]
fn without_a_chain_another_key_is_left_at_once() {
    let mut pair = dials(node(3, Role::Controller));
    pair.drive();
    let other = keys(3).fingerprint().node_id();
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::WrongPeer(other)));
    assert_eq!(pair.ends[DIALLER].link.accept(), Err(LinkError::Misplaced));
}

#[test]
fn a_dialler_with_a_new_key_shows_where_it_comes_from_before_its_hello() {
    let now = Millis(1_000);
    let controller = node(2, Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let link = Link::dial(Dial::WorkerDials, expect, None, None, now);
    let worker = successor(&[1, 5, 6], Role::Worker);
    let mut pair = Pair::new(worker, controller, link, now);
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));

    let mut pin = Pin::new(keys(1).fingerprint());
    let mut proven = None;
    let mut counted = Vec::new();
    for event in &pair.ends[LISTENER].events {
        match event {
            Event::Succession {
                statement, left, ..
            } => {
                assert!(proven.is_none(), "before the Hello");
                counted.push(*left);
                pin.follow(statement);
            }
            Event::PeerProven { peer, .. } => proven = Some(peer.fingerprint),
            _ => {}
        }
    }
    assert_eq!(counted, [1, 0]);
    assert_eq!(proven, Some(pin.fingerprint));
}

#[test]
fn the_recovery_key_brings_a_new_controller() {
    let recovery = RecoveryKey::generate(&mut TestRng::new(9));
    let statement = Statement::by_recovery(&recovery, &keys(3), 1);
    let controller = node(3, Role::Controller).with_chain([statement].into_iter().collect());
    let mut pair = dials(controller);
    pair.drive();
    let mut pin = Pin {
        recovery: Some(recovery.public()),
        ..Pin::new(keys(2).fingerprint())
    };
    follow(&mut pair, &mut pin);
    assert_eq!((pin.fingerprint, pin.counter), (keys(3).fingerprint(), 1));
    pair.ends[DIALLER].link.accept().expect("it waits for this");
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
}

#[test]
fn a_longest_chain_fits_and_one_statement_more_than_announced_closes() {
    let mut pair = dials(successor(&[2, 3, 4, 5, 6], Role::Controller));
    let first = pair.take(LISTENER);
    pair.deliver(LISTENER, first);
    let mut frames = Vec::new();
    pair.transmit();
    frames.extend(pair.ends[DIALLER].inbox.drain(..));
    assert_eq!(frames.len(), 5, "the second message and four statements");
    assert!(
        frames
            .iter()
            .all(|frame| frame.len() <= MAX_HANDSHAKE_FRAME)
    );
    let again = frames.last().expect("one").clone();
    for frame in frames.into_iter().chain([again]) {
        pair.deliver(DIALLER, frame);
    }
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::Misplaced));
}

#[test]
fn statements_that_nobody_announced_or_asked_for_close() {
    let statement = Statement::by_old(&keys(2), &keys(3));
    let frame = [&b"SMSG\x01\x04\x15\x01"[..], statement.as_bytes()].concat();
    // To a listener, and to a dialler before the second message and after an unannounced one.
    let mut pair = Pair::plain();
    pair.deliver(LISTENER, frame.clone());
    assert!(pair.ends[LISTENER].link.is_closed());
    pair.deliver(DIALLER, frame.clone());
    assert!(pair.ends[DIALLER].link.is_closed());
    let mut pair = Pair::up();
    pair.deliver(DIALLER, frame);
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::Misplaced));
}

#[test]
fn a_broken_statement_closes_the_dialler() {
    let mut pair = dials(successor(&[2, 3], Role::Controller));
    let first = pair.take(LISTENER);
    pair.deliver(LISTENER, first);
    let second = pair.take(DIALLER);
    pair.deliver(DIALLER, second);
    let mut statement = pair.take(DIALLER);
    statement[8] ^= 1;
    pair.deliver(DIALLER, statement);
    assert!(matches!(
        pair.ends[DIALLER].error,
        Some(LinkError::BadStatement(_))
    ));
    let mut out = [0; MAX_FRAME];
    let dialler = &mut pair.ends[DIALLER];
    let owed = dialler
        .link
        .poll_transmit(&dialler.node, pair.now, &mut pair.rng, &mut out);
    assert_eq!(owed, None);
}
