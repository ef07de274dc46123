//! The three handshake messages, changed and made up, at the end that reads them.
//!
//! Random bytes never get past a tag, so byte 0 says what the rest is:
//!
//! | byte 0 | the rest |
//! |---|---|
//! | even | edits of the genuine message: offset (2 bytes), xor (1 byte), repeated; an offset beyond it cuts or lengthens |
//! | odd | first: the frame itself. Second, third: what a node with keys of its own seals into a genuine handshake |
//!
//! The oracle: an unchanged message is taken, any other is refused and ends the link.

use miner_shared::limits::{FRAME_HEADER, TAG};
use miner_shared::smsg::noise::{FirstMessage, PAYLOAD, Start, Suite, Transport};
use miner_shared::smsg::{Event, Link, LinkError, LocalNode};
use miner_shared::wire::{Admission, MIN_VERSION};

use super::input::{Input, XorShift};
use super::said;
use super::world::{self, START};

/// The prologue of suite 01 where the worker dials: name, suite, dial, no token.
const PROLOGUE: &[u8; 17] = b"SMSG/1\0\x01\x01\0\0\0\0\0\0\0\0";
/// Longest edited frame.
const LONGEST: usize = 512;
/// Edits of the payload of a hostile worker.
const PAYLOAD_EDITS: usize = 3;
/// Suite, dial, token id.
const FIRST_HEAD: usize = 10;

/// The first message, at a listener. Bit 1 of byte 0 asks for suite 02.
pub(super) fn first(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.byte();
    let mut rng = XorShift::new(u64::from(mode & 2));
    let mut listener = world::listener();
    let mut frame = if mode & 1 == 1 {
        input.rest().to_vec()
    } else {
        let mut dialler = world::dialler(mode & 2 == 2);
        let genuine = world::owed(&mut dialler, world::worker(), &mut rng).expect("it dials");
        edited(&genuine, input)
    };
    let me = world::controller();
    match listener.handle_frame(me, START, &mut frame) {
        Ok(Event::TokenAsked { token_id }) => {
            // A wrong secret, unless the token is ours: then the tag decides.
            let _decided = listener.answer_token(Some(&[0x71; 16]));
            assert!(token_id == world::enrolment().token_id || listener.is_closed());
        }
        Ok(event) => assert_eq!(event, Event::Idle),
        Err(error) => {
            said(&error);
            assert!(listener.is_closed());
        }
    }
    let second = world::owed(&mut listener, me, &mut rng);
    assert!(second.is_none_or(|frame| frame.len() == FRAME_HEADER + 96 + PAYLOAD));
    assert!(listener.peer().is_none() && !listener.is_up());
}

/// The second message, at a dialler that pinned the listener.
pub(super) fn second(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.byte();
    let mut rng = XorShift::new(2);
    let (me, mut dialler) = (world::worker(), world::dialler(false));
    let mut sent = world::owed(&mut dialler, me, &mut rng).expect("it dials");
    if mode & 1 == 1 {
        // Somebody else listens: the payload is his to choose, the pinned key is not.
        let payload = altered(&world::worker_payload(), input);
        let second = second_of(me, &sent, &payload, &mut rng).expect("a good first message");
        let result = dialler.handle_frame(me, START, &mut framed(2, &second));
        said(&result.expect_err("not the pinned node"));
        return assert!(dialler.is_closed());
    }
    let mut listener = world::listener();
    let heard = listener.handle_frame(world::controller(), START, &mut sent);
    assert_eq!(heard, Ok(Event::Idle));
    let genuine = world::owed(&mut listener, world::controller(), &mut rng).expect("it answers");
    let frame = edited(&genuine, input);
    taken_only_if_genuine(&mut dialler, me, &genuine, frame);
}

/// The third message, and what the same hostile worker seals behind it, at a listener.
pub(super) fn third(data: &[u8]) {
    let mut input = Input(data);
    let mode = input.byte();
    let mut rng = XorShift::new(3);
    let (me, mut listener) = (world::controller(), world::listener());
    if mode & 1 == 1 {
        return hostile_worker(input, &mut rng);
    }
    let mut dialler = world::dialler(false);
    let mut first = world::owed(&mut dialler, world::worker(), &mut rng).expect("it dials");
    let heard = listener.handle_frame(me, START, &mut first);
    assert_eq!(heard, Ok(Event::Idle));
    let mut second = world::owed(&mut listener, me, &mut rng).expect("it answers");
    let heard = dialler.handle_frame(world::worker(), START, &mut second);
    assert_eq!(heard, Ok(Event::Idle));
    let genuine = world::owed(&mut dialler, world::worker(), &mut rng).expect("it goes on");
    let frame = edited(&genuine, input);
    taken_only_if_genuine(&mut listener, me, &genuine, frame);
}

/// A worker with good keys whose payload, numbers, signatures and messages are the input's.
fn hostile_worker(mut input: Input<'_>, rng: &mut XorShift) {
    let (me, mut listener) = (world::controller(), world::listener());
    let (sent, first) = Start::new(Suite::Xx, PROLOGUE)
        .write_first(rng)
        .expect("a first message");
    let mut head = vec![1, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    head.extend_from_slice(&first.ephemeral);
    let heard = listener.handle_frame(me, START, &mut framed(1, &head));
    assert_eq!(heard, Ok(Event::Idle));
    let mut second = world::owed(&mut listener, me, rng).expect("it answers");
    let (read, _) = sent
        .read_second(&mut second[FRAME_HEADER..])
        .expect("a good second message");

    let good = world::worker_payload();
    let payload = altered(&good, Input(input.take(2 * PAYLOAD_EDITS)));
    let (mut transport, third) = read
        .write_third(world::worker().keys(), &payload)
        .expect("sealed");
    if let Err(error) = listener.handle_frame(me, START, &mut framed(3, &third)) {
        said(&error);
        assert_ne!(payload, good, "a good payload is taken");
        return assert!(listener.is_closed());
    }
    let version = payload[1].min(1);
    while !input.is_empty() && !listener.is_closed() {
        let (flags, len) = (input.byte(), usize::from(input.word() % 1024));
        let body = input.take(len);
        let mut frame = message(&mut transport, version, flags, body);
        match listener.handle_frame(me, START, &mut frame) {
            Ok(Event::PeerProven { peer, .. }) => {
                assert_eq!(peer.fingerprint, world::worker().fingerprint());
                let admission = Admission::Registered;
                listener.welcome(admission, None).expect("it was proven");
                while world::owed(&mut listener, me, rng).is_some() {}
            }
            Ok(_) => assert_eq!(flags & 1, 0, "unsigned messages are refused"),
            Err(error) => {
                said(&error);
                assert!(listener.is_closed());
            }
        }
    }
}

/// A sealed frame: number, body, signature. Bit 0 of `flags` spoils the signature, bit 1 keeps the
/// number at 1, bit 2 leaves number and signature away.
fn message(transport: &mut Transport, version: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let number = if flags & 2 == 2 {
        1
    } else {
        transport.send.counter() + 1
    };
    let mut plain = Vec::new();
    if flags & 4 == 0 {
        plain.extend_from_slice(&number.to_le_bytes());
        plain.extend_from_slice(body);
        let ends = world::worker_to_controller();
        let mut signature = world::sign_as_worker(&[b"SMSG/1 msg\0", &ends, &plain]);
        signature[0] ^= flags & 1;
        plain.extend_from_slice(&signature);
    } else {
        plain.extend_from_slice(body);
    }
    let [low, high, ..] = (plain.len() + TAG).to_le_bytes();
    let header = [b'S', b'M', b'S', b'G', version, 0x10, low, high];
    let tag = transport
        .send
        .seal(&header, &mut plain)
        .expect("few frames");
    [&header[..], &plain, &tag].concat()
}

/// Delivers `frame`, which is the genuine one or not.
fn taken_only_if_genuine(link: &mut Link, me: &LocalNode, genuine: &[u8], mut frame: Vec<u8>) {
    let same = frame == genuine;
    let result = link.handle_frame(me, START, &mut frame);
    assert_eq!(result.is_ok(), same, "{result:?}");
    assert_eq!(link.is_closed(), !same);
    if !same {
        assert!(link.peer().is_none(), "nobody is proven by it");
        let again = link.handle_frame(me, START, &mut genuine.to_vec());
        assert_eq!(again, Err(LinkError::Closed), "there is no second try");
    }
}

/// The second message of a listener with the worker's keys.
fn second_of(
    me: &LocalNode,
    first: &[u8],
    payload: &[u8; PAYLOAD],
    rng: &mut XorShift,
) -> Option<[u8; 216]> {
    let ephemeral = first
        .get(FRAME_HEADER + FIRST_HEAD..)?
        .first_chunk()
        .copied()?;
    let first = FirstMessage {
        ephemeral,
        tag: None,
    };
    let read = Start::new(Suite::Xx, PROLOGUE).read_first(&first).ok()?;
    let (_, second) = read.write_second(me.keys(), rng, payload).ok()?;
    Some(second)
}

/// A handshake frame around `body`.
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let [low, high, ..] = body.len().to_le_bytes();
    let header = [b'S', b'M', b'S', b'G', MIN_VERSION, kind, low, high];
    [&header[..], body].concat()
}

/// `genuine` with the input's edits.
fn edited(genuine: &[u8], mut input: Input<'_>) -> Vec<u8> {
    let mut frame = genuine.to_vec();
    while !input.is_empty() {
        let (at, xor) = (usize::from(input.word()), input.byte());
        if let Some(byte) = frame.get_mut(at) {
            *byte ^= xor;
        } else if at % 2 == 0 {
            frame.truncate(usize::from(xor));
        } else if frame.len() < LONGEST {
            frame.push(xor);
        }
    }
    frame
}

/// `payload` with the input's edits: offset (1 byte), xor (1 byte).
fn altered(payload: &[u8; PAYLOAD], mut input: Input<'_>) -> [u8; PAYLOAD] {
    let mut out = *payload;
    while !input.is_empty() {
        let (at, xor) = (usize::from(input.byte()) % PAYLOAD, input.byte());
        if let Some(byte) = out.get_mut(at) {
            *byte ^= xor;
        }
    }
    out
}
