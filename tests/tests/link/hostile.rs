//! An adversary on the wire: it may drop, repeat, swap, change, reflect and splice frames.
//!
//! Whatever it does, what an end takes from the wire is a beginning of what the other end sent, in
//! that order; and after the first frame that is not the next one, nothing more.

use std::sync::LazyLock;

use miner_shared::identity::Role;
use miner_shared::smsg::{Dial, Expect, Link, LinkError};
use miner_shared::time::Millis;
use miner_shared::wire::{Answer, Message, Query, Refusal};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::support::{DIALLER, LISTENER, Pair, TestRng, node};

fn query(id: u32) -> Message {
    Message::Query(id, Query::GetInfo)
}

fn answer(id: u32) -> Message {
    Message::Answer(id, Answer::Refused(Refusal::NotAllowed))
}

fn decrypt() -> Option<LinkError> {
    Some(LinkError::Noise(
        miner_shared::smsg::noise::NoiseError::Decrypt,
    ))
}

#[test]
fn a_replayed_frame_closes() {
    let mut pair = Pair::up();
    pair.send(LISTENER, &query(1)).expect("sealed");
    let frame = pair.take(DIALLER);
    pair.deliver(DIALLER, frame.clone());
    pair.deliver(DIALLER, frame);
    assert_eq!(pair.ends[DIALLER].error, decrypt());
    assert_eq!(pair.ends[DIALLER].messages().count(), 1);
}

#[test]
fn a_dropped_or_late_frame_closes() {
    let mut pair = Pair::up();
    pair.send(LISTENER, &query(1)).expect("sealed");
    pair.send(LISTENER, &query(2)).expect("sealed");
    let first = pair.take(DIALLER);
    let second = pair.take(DIALLER);
    pair.deliver(DIALLER, second);
    assert_eq!(pair.ends[DIALLER].error, decrypt());
    pair.deliver(DIALLER, first);
    assert_eq!(pair.ends[DIALLER].messages().count(), 0);
}

#[test]
fn a_reflected_frame_closes() {
    let mut pair = Pair::up();
    pair.send(LISTENER, &query(1)).expect("sealed");
    let frame = pair.take(DIALLER);
    pair.deliver(LISTENER, frame);
    assert_eq!(pair.ends[LISTENER].error, decrypt());
}

#[test]
fn a_frame_of_another_session_of_the_same_two_closes() {
    let mut other = Pair::plain();
    other.rng = TestRng::new(2);
    other.drive();
    other.send(LISTENER, &query(1)).expect("sealed");
    let frame = other.take(DIALLER);
    let mut pair = Pair::up();
    pair.deliver(DIALLER, frame);
    assert_eq!(pair.ends[DIALLER].error, decrypt());
}

#[test]
fn a_recorded_handshake_opens_nothing_again() {
    let mut recorded = Vec::new();
    let mut pair = Pair::plain();
    for to in [LISTENER, DIALLER, LISTENER, LISTENER] {
        let frame = pair.take(to);
        recorded.push((to, frame.clone()));
        pair.deliver(to, frame);
    }
    let mut again = Pair::plain();
    again.rng = TestRng::new(2);
    for (_, frame) in recorded.into_iter().filter(|(to, _)| *to == LISTENER) {
        again.deliver(LISTENER, frame);
        again.transmit();
    }
    assert!(again.ends[LISTENER].link.is_closed());
    assert!(again.ends[LISTENER].link.peer().is_none());
}

/// What the adversary does to the next frame on its way to an end.
#[derive(Clone, Debug)]
enum Deed {
    /// Lets it pass.
    Pass,
    Drop,
    Repeat,
    /// Delivers the one behind it first.
    Swap,
    Flip(usize),
    Cut(usize),
    /// Gives it back to its sender.
    Reflect,
    /// Puts one that was delivered before, to either end, in front of it.
    Replay(usize),
    /// Puts a frame of another link in its place: of any session, peer, direction and stage.
    Splice(usize),
}

fn schedule() -> impl Strategy<Value = Vec<(bool, Deed)>> {
    let deed = prop_oneof![
        16 => Just(Deed::Pass),
        1 => Just(Deed::Drop),
        1 => Just(Deed::Repeat),
        1 => Just(Deed::Swap),
        1 => any::<usize>().prop_map(Deed::Flip),
        1 => any::<usize>().prop_map(Deed::Cut),
        1 => Just(Deed::Reflect),
        2 => any::<usize>().prop_map(Deed::Replay),
        2 => any::<usize>().prop_map(Deed::Splice),
    ];
    prop::collection::vec((any::<bool>(), deed), 1..24)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn no_schedule_makes_an_end_take_what_was_not_sent_next(
        schedule in schedule(),
        handshake_too in any::<bool>(),
    ) {
        has_no_effect(&schedule, handshake_too)?;
    }
}

#[test]
#[ignore = "minutes, even optimised"]
fn nor_does_one_of_a_hundred_thousand() {
    let inputs = (schedule(), any::<bool>());
    TestRunner::new(config(100_000))
        .run(&inputs, |(schedule, handshake_too)| {
            has_no_effect(&schedule, handshake_too)
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Plays the schedule while both ends send. An effect is a message that an end takes and that the
/// other did not send exactly then: once, in order.
fn has_no_effect(schedule: &[(bool, Deed)], handshake_too: bool) -> Result<(), TestCaseError> {
    let mut wire = Wire::new(handshake_too);
    for (id, (towards_worker, deed)) in (0..).zip(schedule) {
        for (from, message) in [(LISTENER, query(id)), (DIALLER, answer(id))] {
            if wire.pair.send(from, &message).is_ok() {
                wire.sent[1 - from].push(message);
            }
        }
        wire.pair.transmit();
        let to = if *towards_worker { DIALLER } else { LISTENER };
        wire.clean[to] &= wire.does(to, deed);
        for end in [DIALLER, LISTENER] {
            let taken: Vec<_> = wire.pair.ends[end].messages().cloned().collect();
            prop_assert!(wire.sent[end].starts_with(&taken));
            if !wire.clean[end] {
                prop_assert!(wire.pair.ends[end].link.is_closed());
            }
        }
    }
    Ok(())
}

/// The frames of other links, handshakes included: of the same two nodes, of the controller with
/// another worker, of the worker with another controller, and of a controller that dials.
static FOREIGN: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let dialled = |worker: u8, controller: u8| {
        let controller = node(controller, Role::Controller);
        let expect = Expect::Fingerprint(controller.fingerprint());
        let now = Millis(1_000);
        let link = Link::dial(Dial::WorkerDials, expect, None, None, now);
        Pair::new(node(worker, Role::Worker), controller, link, now)
    };
    let worker = node(1, Role::Worker).fingerprint();
    let links = [
        dialled(1, 2),
        dialled(3, 2),
        dialled(1, 4),
        Pair::controller_dials(Expect::Fingerprint(worker), None),
    ];
    (70..)
        .zip(links)
        .flat_map(|(seed, pair)| all_frames(pair, seed))
        .collect()
});

/// The handshake of a link and some messages each way.
fn all_frames(mut pair: Pair, seed: u64) -> Vec<Vec<u8>> {
    pair.rng = TestRng::new(seed);
    let mut frames = Vec::new();
    for id in 0..16 {
        while pair.transmit() || pair.ends.iter().any(|end| !end.inbox.is_empty()) {
            for to in [DIALLER, LISTENER] {
                while let Some(frame) = pair.ends[to].inbox.pop_front() {
                    frames.push(frame.clone());
                    pair.deliver(to, frame);
                }
            }
        }
        for (from, message) in [(LISTENER, query(id)), (DIALLER, answer(id))] {
            // Who commands is not who listens where the controller dials.
            let _misplaced = pair.send(from, &message);
        }
    }
    frames
}

/// A pair with an adversary between, who remembers.
struct Wire {
    pair: Pair,
    /// What each end was sent.
    sent: [Vec<Message>; 2],
    /// Whether what each end saw is what the other one sent, in order.
    clean: [bool; 2],
    delivered: Vec<Vec<u8>>,
}

impl Wire {
    fn new(handshake_too: bool) -> Self {
        Self {
            pair: if handshake_too {
                Pair::plain()
            } else {
                Pair::up()
            },
            sent: [Vec::new(), Vec::new()],
            clean: [true, true],
            delivered: Vec::new(),
        }
    }

    fn deliver(&mut self, to: usize, frame: Vec<u8>) {
        self.delivered.push(frame.clone());
        self.pair.deliver(to, frame);
    }

    /// Does the deed; says whether what the end saw is still what the other end sent, in order.
    fn does(&mut self, to: usize, deed: &Deed) -> bool {
        let Some(mut frame) = self.pair.ends[to].inbox.pop_front() else {
            return true;
        };
        match deed {
            Deed::Pass => {
                self.deliver(to, frame);
                true
            }
            Deed::Drop | Deed::Swap => match self.pair.ends[to].inbox.pop_front() {
                Some(behind) => {
                    self.deliver(to, behind);
                    if matches!(deed, Deed::Swap) {
                        self.deliver(to, frame);
                    }
                    false
                }
                None => {
                    self.deliver(to, frame);
                    true
                }
            },
            Deed::Repeat => {
                self.deliver(to, frame.clone());
                self.deliver(to, frame);
                false
            }
            Deed::Flip(bit) => {
                let bit = bit % (frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
                self.foist(to, frame)
            }
            Deed::Cut(at) => {
                frame.truncate(at % frame.len());
                self.deliver(to, frame);
                false
            }
            Deed::Reflect => {
                self.pair.ends[to].inbox.push_front(frame.clone());
                self.deliver(1 - to, frame);
                assert!(self.pair.ends[1 - to].link.is_closed());
                true
            }
            Deed::Replay(which) => match self.delivered.len() {
                0 => {
                    self.deliver(to, frame);
                    true
                }
                count => {
                    let old = self.delivered[which % count].clone();
                    self.deliver(to, old);
                    self.deliver(to, frame);
                    false
                }
            },
            Deed::Splice(which) => {
                let other = FOREIGN[which % FOREIGN.len()].clone();
                self.foist(to, other)
            }
        }
    }

    /// Delivers another frame than the genuine one. A first frame is plain, so that another one in
    /// its place may be answered: then the dialler does not take the answer.
    fn foist(&mut self, to: usize, frame: Vec<u8>) -> bool {
        let begins = frame[5] == 1 && !self.pair.ends[to].link.is_closed();
        self.deliver(to, frame);
        if !begins || self.pair.ends[to].link.is_closed() {
            return false;
        }
        self.pair.drive();
        assert!(self.pair.ends[1 - to].link.is_closed());
        true
    }
}
