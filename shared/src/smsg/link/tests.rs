//! What only an insider can bring about: limits a million frames away, and a peer that lies under
//! its own good keys. Everything else is in `tests/tests/link`.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

use super::*;
use crate::identity::NodeKeys;
use crate::limits::TAG;
use crate::smsg::noise::NoiseError;
use crate::text::{Label, Name};
use crate::wire::{NodeCard, Query};

/// A controller holds thousands of links: what one costs is a bound like any other.
#[test]
fn a_link_is_small() {
    let size = size_of::<Link>();
    std::println!("a link is {size} bytes");
    assert!(size <= 704, "{size} bytes");
}

#[test]
fn a_number_not_above_the_last_is_dropped_and_the_link_lives() {
    let mut pair = Pair::up();
    assert!(matches!(pair.pass(), Ok(Event::Message(_))));
    pair.controller.1.tx -= 1;
    assert_eq!(pair.pass(), Ok(Event::Stale));
    assert!(matches!(pair.pass(), Ok(Event::Message(_))));
}

#[test]
fn a_body_that_is_no_message_closes() {
    for (body, error) in [
        (&[0xff][..], WireError::Malformed),
        (&[], WireError::Malformed),
        (&[2, 1, 0], WireError::TrailingBytes),
    ] {
        let mut pair = Pair::up();
        let closed = pair.pass_body(body);
        assert_eq!(closed, Err(LinkError::BadMessage(error)));
        assert!(pair.worker.1.is_closed());
    }
}

#[test]
fn the_wrong_side_s_messages_and_second_greetings_close_even_if_well_signed() {
    // Answer 0 refused, from the controller; Welcome; Hello.
    let card = &[1, b'n', 0, 0];
    for body in [
        &[6, 0, 3, 0][..],
        &[&[1, 0], &card[..]].concat(),
        &[&[0], &card[..]].concat(),
    ] {
        let mut pair = Pair::up();
        assert_eq!(pair.pass_body(body), Err(LinkError::Misplaced), "{body:?}");
    }
}

#[test]
fn a_direction_renews_at_2_20_frames_and_closes_at_2_20_plus_2_16() {
    let mut pair = Pair::up();
    pair.skip_to(RENEW_FRAMES - 2);
    assert!(pair.pass().is_ok() && !pair.worker.1.wants_renewal(NOW));
    assert!(pair.pass().is_ok() && pair.worker.1.wants_renewal(NOW));
    assert!(!pair.controller.1.wants_renewal(NOW), "the dialler renews");

    pair.skip_to(crate::limits::CLOSE_FRAMES - 1);
    assert!(pair.pass().is_ok());
    let used_up = LinkError::Noise(NoiseError::Exhausted);
    assert_eq!(pair.pass(), Err(used_up), "the sender refuses");
    assert!(pair.controller.1.is_closed());

    let mut pair = Pair::up();
    pair.skip_to(crate::limits::CLOSE_FRAMES - 1);
    let frame = pair.seal().expect("the last");
    pair.skip_to(crate::limits::CLOSE_FRAMES);
    assert_eq!(pair.open(frame), Err(used_up), "the receiver refuses");
}

#[test]
fn a_frame_of_another_version_closes() {
    // The handshake's version is not the one agreed on.
    for version in [1, 2, 4] {
        let mut pair = Pair::up();
        let mut frame = pair.seal().expect("sealed");
        frame[4] = version;
        let error = LinkError::Frame(crate::smsg::FrameError::BadVersion(version));
        assert_eq!(pair.open(frame), Err(error));
    }
}

const NOW: Millis = Millis(0);

/// A worker that dials, its controller, and the way from the latter to the former.
struct Pair {
    worker: (LocalNode, Link),
    controller: (LocalNode, Link),
}

impl Pair {
    fn up() -> Self {
        let controller = node(2, Role::Controller);
        let expect = Expect::Fingerprint(controller.fingerprint());
        let mut pair = Self {
            worker: (
                node(1, Role::Worker),
                Link::dial(Dial::WorkerDials, expect, None, None, NOW),
            ),
            controller: (controller, Link::listen(Dial::WorkerDials, NOW)),
        };
        let Self { worker, controller } = &mut pair;
        carry(worker, controller);
        carry(controller, worker);
        carry(worker, controller);
        controller
            .1
            .welcome(Admission::Registered, None)
            .expect("proven");
        carry(controller, worker);
        assert!(pair.worker.1.is_up() && pair.controller.1.is_up());
        pair
    }

    fn skip_to(&mut self, counter: u64) {
        for link in [&mut self.worker.1, &mut self.controller.1] {
            let Stage::Session(session, _) = &mut link.stage else {
                panic!("no session");
            };
            session.skip_to(counter);
        }
    }

    fn seal(&mut self) -> Result<std::vec::Vec<u8>, LinkError> {
        let (node, link) = &mut self.controller;
        let mut out = [0; MAX_FRAME];
        let len = link.seal(node, NOW, &Message::Query(1, Query::GetInfo), &mut out)?;
        Ok(out[..len].to_vec())
    }

    fn open(&mut self, mut frame: std::vec::Vec<u8>) -> Result<Event, LinkError> {
        self.worker.1.handle_frame(&self.worker.0, NOW, &mut frame)
    }

    fn pass(&mut self) -> Result<Event, LinkError> {
        let frame = self.seal()?;
        self.open(frame)
    }

    /// Seals and signs these bytes as if they were a message.
    fn pass_body(&mut self, body: &[u8]) -> Result<Event, LinkError> {
        let (node, link) = &mut self.controller;
        let (Stage::Session(session, _), Some(peer)) = (&mut link.stage, &link.peer) else {
            panic!("no session");
        };
        let mut out = [0; MAX_FRAME];
        let plain = &mut out[FRAME_HEADER..MAX_FRAME - TAG];
        plain[SEQ..SEQ + body.len()].copy_from_slice(body);
        let plain = envelope::sign(node, peer, link.tx + 1, body.len(), plain).expect("fits");
        let len = session
            .seal(Kind::Message, plain, &mut out)
            .expect("sealed");
        self.open(out[..len].to_vec())
    }
}

/// Carries what one end owes to the other.
fn carry(from: &mut (LocalNode, Link), to: &mut (LocalNode, Link)) {
    let mut out = [0; MAX_FRAME];
    while let Some(len) = from.1.poll_transmit(&from.0, NOW, &mut Ones, &mut out) {
        to.1.handle_frame(&to.0, NOW, &mut out[..len])
            .expect("a good frame");
    }
}

fn node(seed: u8, role: Role) -> LocalNode {
    let card = NodeCard {
        name: Name::parse("node").expect("a name"),
        software: Label::default(),
        host: Label::default(),
    };
    LocalNode::new(NodeKeys::from_seed(&[seed; 32]), role, [seed; 16], card)
}

/// Bytes that are all one: these tests need no better.
struct Ones;

impl TryRng for Ones {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::MAX)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::MAX)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0xff);
        Ok(())
    }
}

impl TryCryptoRng for Ones {}
