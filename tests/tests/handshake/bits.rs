//! Sizes to the byte, and every single bit of every frame: none may change unnoticed.

use miner_shared::identity::{EnrolToken, Enrolment, Role};
use miner_shared::smsg::noise::NoiseError;
use miner_shared::smsg::{Event, Expect, LinkError};
use miner_shared::wire::{Message, Query};

use crate::support::{DIALLER, LISTENER, Pair, TestRng, node};

fn token() -> EnrolToken {
    let controller = node(2, Role::Controller);
    EnrolToken::generate(&mut TestRng::new(9), &controller.fingerprint())
}

/// A pair before its first frame, with or without a token.
fn pair(enrolment: Option<&Enrolment>) -> Pair {
    let controller = node(2, Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let mut pair = Pair::worker_dials(controller, expect, enrolment);
    pair.secret = enrolment.map(|enrolment| *enrolment.secret);
    pair
}

#[test]
fn handshake_frames_have_the_sizes_of_the_page() {
    let token = token();
    for (enrolment, first) in [(None, 50), (Some(token.enrolment()), 66)] {
        let mut pair = pair(enrolment);
        let mut sizes = Vec::new();
        for to in [LISTENER, DIALLER, LISTENER] {
            let frame = pair.take(to);
            assert_eq!(&frame[..5], b"SMSG\x01");
            sizes.push((frame[5], frame.len()));
            pair.deliver(to, frame);
        }
        assert_eq!(sizes, [(1, first), (2, 224), (3, 192)]);
    }
}

#[test]
fn every_flipped_bit_of_every_handshake_frame_is_refused() {
    let token = token();
    let mut flips = 0;
    for enrolment in [None, Some(token.enrolment())] {
        for step in 0..3 {
            let bits = [50 + 16 * usize::from(enrolment.is_some()), 224, 192][step] * 8;
            for bit in 0..bits {
                flips += 1;
                let mut pair = pair(enrolment);
                for before in [LISTENER, DIALLER, LISTENER].into_iter().take(step) {
                    let frame = pair.take(before);
                    pair.deliver(before, frame);
                }
                let to = [LISTENER, DIALLER, LISTENER][step];
                let mut frame = pair.take(to);
                frame[bit / 8] ^= 1 << (bit % 8);
                pair.deliver(to, frame);
                pair.drive();
                assert!(!proven(&pair), "step {step} bit {bit}");
            }
        }
    }
    assert_eq!(flips, (50 + 224 + 192 + 66 + 224 + 192) * 8);
}

/// Whether one of the two believes in the other enough to do something for it.
fn proven(pair: &Pair) -> bool {
    let believes = |event: &Event| matches!(event, Event::PeerProven { .. } | Event::Up { .. });
    pair.ends
        .iter()
        .any(|end| end.link.is_up() || end.events.iter().any(believes))
}

#[test]
fn every_flipped_bit_of_a_sealed_frame_closes_the_session() {
    let mut pair = Pair::up();
    let query = Message::Query(1, Query::GetInfo);
    let len = pair.send(LISTENER, &query).expect("sealed");
    let frame = pair.take(DIALLER);
    for bit in 0..len * 8 {
        let mut pair = Pair::up();
        pair.send(LISTENER, &query).expect("sealed");
        assert_eq!(pair.take(DIALLER), frame, "each pair is the same");
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        pair.deliver(DIALLER, flipped);
        assert!(pair.ends[DIALLER].link.is_closed(), "bit {bit}");
        assert_eq!(pair.ends[DIALLER].messages().count(), 0);
    }
}

/// The public keys of low order, canonical or not; any of them would make the shared secret zero.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn ephemeral_keys_of_low_order_get_no_answer() {
    for point in LOW_ORDER {
        let mut pair = pair(None);
        let mut first = pair.take(LISTENER);
        hex::decode_to_slice(point, &mut first[18..50]).expect("32 bytes");
        pair.deliver(LISTENER, first);
        assert!(!pair.transmit(), "{point}");
        let why = pair.ends[LISTENER].link.handle_timeout(pair.now);
        assert_eq!(why, Err(LinkError::Noise(NoiseError::LowOrderPoint)));

        let mut pair = self::pair(None);
        let first = pair.take(LISTENER);
        pair.deliver(LISTENER, first);
        let mut second = pair.take(DIALLER);
        hex::decode_to_slice(point, &mut second[8..40]).expect("32 bytes");
        pair.deliver(DIALLER, second);
        let error = pair.ends[DIALLER].error;
        assert_eq!(
            error,
            Some(LinkError::Noise(NoiseError::LowOrderPoint)),
            "{point}"
        );
    }
}
