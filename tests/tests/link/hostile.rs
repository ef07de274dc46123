//! An adversary on the wire: it may drop, repeat, swap, change, reflect and splice frames.
//!
//! Whatever it does, what an end takes from the wire is a beginning of what the other end sent, in
//! that order; and after the first frame that is not the next one, nothing more.

use miner_shared::smsg::LinkError;
use miner_shared::wire::{Answer, Message, Query, Refusal};
use proptest::prelude::*;

use crate::support::{DIALLER, LISTENER, Pair};

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
    other.rng = crate::support::TestRng::new(2);
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
    again.rng = crate::support::TestRng::new(2);
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
    Reflect,
    /// Puts a frame of a recorded session in its place.
    Splice,
    Cut(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => Just(Deed::Pass),
        1 => Just(Deed::Drop),
        1 => Just(Deed::Repeat),
        1 => Just(Deed::Swap),
        1 => any::<usize>().prop_map(Deed::Flip),
        1 => Just(Deed::Reflect),
        1 => Just(Deed::Splice),
        1 => any::<usize>().prop_map(Deed::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_makes_an_end_take_what_was_not_sent_next(
        schedule in prop::collection::vec((any::<bool>(), deed()), 1..24),
        handshake_too in any::<bool>(),
    ) {
        let mut recorded = Pair::plain();
        recorded.rng = crate::support::TestRng::new(77);
        recorded.drive();
        let mut pair = if handshake_too { Pair::plain() } else { Pair::up() };
        let mut sent = [Vec::new(), Vec::new()];
        let mut clean = [true, true];

        for (id, (towards_worker, deed)) in (0..).zip(schedule) {
            let to = if towards_worker { DIALLER } else { LISTENER };
            for (from, message) in [(LISTENER, query(id)), (DIALLER, answer(id))] {
                if pair.send(from, &message).is_ok() {
                    sent[1 - from].push(message.clone());
                }
                if recorded.send(from, &message).is_ok() {
                    recorded.transmit();
                }
            }
            pair.transmit();
            clean[to] &= apply(&mut pair, &mut recorded, to, &deed);
            for end in [DIALLER, LISTENER] {
                let taken: Vec<_> = pair.ends[end].messages().cloned().collect();
                prop_assert!(sent[end].starts_with(&taken));
                if !clean[end] {
                    prop_assert!(pair.ends[end].link.is_closed());
                }
            }
        }
    }
}

/// Does the deed; says whether what the end saw is still what the other end sent, in order.
fn apply(pair: &mut Pair, recorded: &mut Pair, to: usize, deed: &Deed) -> bool {
    let Some(mut frame) = pair.ends[to].inbox.pop_front() else {
        return true;
    };
    match deed {
        Deed::Pass => {
            pair.deliver(to, frame);
            true
        }
        Deed::Drop | Deed::Swap => match pair.ends[to].inbox.pop_front() {
            Some(behind) => {
                pair.deliver(to, behind);
                if matches!(deed, Deed::Swap) {
                    pair.deliver(to, frame);
                }
                false
            }
            None => {
                pair.deliver(to, frame);
                true
            }
        },
        Deed::Repeat => {
            pair.deliver(to, frame.clone());
            pair.deliver(to, frame);
            false
        }
        Deed::Flip(bit) => {
            let bit = bit % (frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            // A changed ephemeral key shows at the next frame; take the shortest way to it.
            let first = frame[5] == 1;
            pair.deliver(to, frame);
            if first {
                pair.drive();
                pair.ends[1 - to].link.is_closed()
            } else {
                false
            }
        }
        Deed::Reflect => {
            pair.ends[to].inbox.push_front(frame.clone());
            pair.deliver(1 - to, frame);
            assert!(pair.ends[1 - to].link.is_closed());
            true
        }
        Deed::Splice => match recorded.ends[to].inbox.pop_front() {
            Some(other) => {
                pair.deliver(to, other);
                false
            }
            None => {
                pair.deliver(to, frame);
                true
            }
        },
        Deed::Cut(at) => {
            frame.truncate(at % frame.len());
            pair.deliver(to, frame);
            false
        }
    }
}
