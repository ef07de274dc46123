//! Who gets in, who does not, and what either side learns before it knows.

use miner_shared::identity::{EnrolToken, PairingCode, Role};
use miner_shared::limits::{FRAME_HEADER, MAX_HANDSHAKE_FRAME};
use miner_shared::smsg::{Dial, Event, Expect, Link, LinkError};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Message, Query};

use crate::support::{DIALLER, LISTENER, Pair, TestRng, card, node};

#[test]
fn a_registered_worker_comes_up_and_both_know_each_other() {
    let mut pair = Pair::plain();
    pair.drive();
    let [dialler, listener] = &pair.ends;
    assert!(dialler.link.is_up() && listener.link.is_up());
    assert_eq!(
        dialler.link.handshake_hash(),
        listener.link.handshake_hash()
    );
    let Event::PeerProven {
        peer,
        card: said,
        enrolled_by,
    } = listener.last()
    else {
        panic!("{:?}", listener.last());
    };
    assert_eq!(peer.fingerprint, dialler.node.fingerprint());
    assert_eq!(
        (peer.role, &peer.boot_id),
        (Role::Worker, dialler.node.boot_id())
    );
    assert_eq!((said, *enrolled_by), (&card("node"), None));
    let Event::Up {
        peer, admission, ..
    } = dialler.last()
    else {
        panic!("{:?}", dialler.last());
    };
    assert_eq!(peer.fingerprint, listener.node.fingerprint());
    assert_eq!(*admission, Admission::Registered);
}

#[test]
fn a_listener_that_does_not_welcome_says_nothing_and_takes_nothing() {
    let mut pair = Pair::plain();
    pair.admission = None;
    pair.drive();
    assert!(matches!(
        pair.ends[LISTENER].last(),
        Event::PeerProven { .. }
    ));
    assert!(
        !pair.transmit(),
        "not a byte after the second handshake frame"
    );
    assert!(!pair.ends[DIALLER].link.is_up());
    let query = Message::Query(1, Query::GetInfo);
    assert_eq!(pair.send(LISTENER, &query), Err(LinkError::NotUp));
    assert_eq!(pair.send(DIALLER, &query), Err(LinkError::NotUp));
    pair.wait(10_000);
    assert_eq!(pair.ends[LISTENER].error, Some(LinkError::HandshakeTimeout));
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::HandshakeTimeout));
}

#[test]
fn a_pending_worker_is_told_so_and_the_link_closes() {
    let mut pair = Pair::plain();
    pair.admission = Some(Admission::Pending);
    pair.drive();
    let Event::Up { admission, .. } = pair.ends[DIALLER].last() else {
        panic!("{:?}", pair.ends[DIALLER].last());
    };
    assert_eq!(*admission, Admission::Pending);
    for end in &pair.ends {
        assert!(end.link.is_closed() && !end.link.is_up());
        assert_eq!(
            end.link.poll_timeout(),
            Millis(0),
            "the caller is to look at once"
        );
    }
}

#[test]
fn the_dialler_leaves_a_wrong_listener_without_saying_who_it_is() {
    let stranger = node(9, Role::Controller).fingerprint();
    for expect in [
        Expect::Fingerprint(stranger),
        Expect::Prefix(stranger.prefix()),
        Expect::Anyone,
    ] {
        let controller = node(2, Role::Controller);
        let found = LinkError::WrongPeer(controller.fingerprint().node_id());
        let mut pair = Pair::worker_dials(controller, expect, None);
        pair.drive();
        assert_eq!(pair.ends[DIALLER].error, Some(found));
        assert!(!pair.transmit(), "no third frame");
        assert!(
            pair.ends[LISTENER]
                .events
                .iter()
                .all(|event| *event == Event::Idle)
        );
    }
}

#[test]
fn a_probe_learns_the_fingerprint_and_leaves() {
    let mut pair = Pair::controller_dials(Expect::Probe, None);
    pair.drive();
    let Event::Probed(peer) = pair.ends[DIALLER].last() else {
        panic!("{:?}", pair.ends[DIALLER].last());
    };
    assert_eq!(peer.fingerprint, pair.ends[LISTENER].node.fingerprint());
    assert!(pair.ends[DIALLER].link.is_closed());
    assert_eq!(pair.ends[LISTENER].events, [Event::Idle]);
}

#[test]
fn a_pairing_code_proves_both_sides_to_each_other() {
    let code = PairingCode::generate(&mut TestRng::new(3));
    let enrolment = code.enrolment();
    let mut pair = Pair::controller_dials(Expect::Anyone, Some(&enrolment));
    pair.secret = Some(*code.secret());
    pair.drive();
    assert!(pair.ends[DIALLER].link.is_up() && pair.ends[LISTENER].link.is_up());
    let asked = Event::TokenAsked {
        token_id: code.token_id(),
    };
    assert_eq!(pair.ends[LISTENER].events[0], asked);
    let Event::PeerProven { enrolled_by, .. } = pair.ends[LISTENER].last() else {
        panic!("{:?}", pair.ends[LISTENER].last());
    };
    assert_eq!(*enrolled_by, Some(code.token_id()));
}

#[test]
fn an_enrolment_token_finds_its_controller_by_half_a_fingerprint() {
    let controller = node(2, Role::Dual);
    let token = EnrolToken::generate(&mut TestRng::new(4), &controller.fingerprint());
    let expect = Expect::Prefix(*token.controller());
    let mut pair = Pair::worker_dials(controller, expect, Some(token.enrolment()));
    pair.secret = Some(*token.enrolment().secret);
    pair.drive();
    assert!(pair.ends[DIALLER].link.is_up());
}

#[test]
fn a_wrong_or_unknown_secret_gets_no_second_frame() {
    let code = PairingCode::generate(&mut TestRng::new(3));
    for (secret, error) in [(None, LinkError::TokenRefused), (Some([0; 16]), decrypt())] {
        let enrolment = code.enrolment();
        let mut pair = Pair::controller_dials(Expect::Anyone, Some(&enrolment));
        pair.secret = secret;
        pair.drive();
        assert_eq!(pair.ends[LISTENER].error, Some(error));
        assert!(pair.ends[DIALLER].events.is_empty(), "nothing came back");
    }
}

fn decrypt() -> LinkError {
    LinkError::Noise(miner_shared::smsg::noise::NoiseError::Decrypt)
}

#[test]
fn a_node_never_talks_to_itself() {
    let me = || node(5, Role::Dual);
    let expect = Expect::Fingerprint(me().fingerprint());
    let now = Millis(0);
    let link = Link::dial(Dial::WorkerDials, expect, None, None, now);
    let mut pair = Pair::new(me(), me(), link, now);
    pair.drive();
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::OwnKey));
}

#[test]
fn each_role_must_contain_the_part_that_it_plays() {
    let dial = |dial, dialler, listener| {
        let listener = node(2, listener);
        let expect = Expect::Fingerprint(listener.fingerprint());
        let link = Link::dial(dial, expect, None, None, Millis(0));
        let mut pair = Pair::new(node(1, dialler), listener, link, Millis(0));
        pair.drive();
        (
            pair.ends[DIALLER].link.is_up(),
            pair.ends.map(|end| end.error),
        )
    };
    let (controller, worker, dual) = (Role::Controller, Role::Worker, Role::Dual);
    let refused = Some(LinkError::WrongRole);
    for (part, dialler, listener) in [
        (Dial::WorkerDials, worker, controller),
        (Dial::WorkerDials, dual, dual),
        (Dial::ControllerDials, controller, worker),
        (Dial::ControllerDials, dual, dual),
    ] {
        assert_eq!(dial(part, dialler, listener), (true, [None, None]));
    }
    // The dialler itself has not the role, and sends nothing.
    assert_eq!(
        dial(Dial::WorkerDials, controller, dual),
        (false, [None, None])
    );
    // The listener has not the role: a worker never commands a worker.
    for (part, dialler, listener) in [
        (Dial::WorkerDials, worker, worker),
        (Dial::ControllerDials, controller, controller),
    ] {
        assert_eq!(dial(part, dialler, listener), (false, [None, refused]));
    }
}

#[test]
fn a_role_that_is_claimed_too_late_is_checked_by_the_other_side() {
    // A liar plays a part in the first frames that its certified role does not contain.
    let expect = Expect::Fingerprint(node(1, Role::Worker).fingerprint());
    let mut pair = Pair::controller_dials(expect, None);
    pair.ends[DIALLER].node = node(2, Role::Dual);
    let first = pair.take(LISTENER);
    pair.deliver(LISTENER, first);
    let second = pair.take(DIALLER);
    pair.deliver(DIALLER, second);
    pair.ends[DIALLER].node = node(2, Role::Worker);
    pair.drive();
    assert_eq!(pair.ends[LISTENER].error, Some(LinkError::WrongRole));

    let mut pair = Pair::controller_dials(expect, None);
    let first = pair.take(LISTENER);
    pair.deliver(LISTENER, first);
    pair.ends[LISTENER].node = node(1, Role::Controller);
    let second = pair.take(DIALLER);
    pair.deliver(DIALLER, second);
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::WrongRole));
    assert!(!pair.transmit(), "no third frame");
}

#[test]
fn a_first_frame_of_no_suite_part_or_token_is_refused() {
    for (at, value) in [(8, 0), (8, 2), (8, 3), (9, 0), (9, 3), (10, 1), (17, 1)] {
        let mut pair = Pair::plain();
        let mut first = pair.take(LISTENER);
        first[at] = value;
        pair.deliver(LISTENER, first);
        assert!(pair.ends[LISTENER].link.is_closed(), "byte {at} = {value}");
    }
}

#[test]
fn a_listener_takes_diallers_of_one_part_only() {
    // Both nodes are dual, so only the listener's own rule can refuse.
    let listener = node(2, Role::Dual);
    let expect = Expect::Fingerprint(listener.fingerprint());
    let link = Link::dial(Dial::ControllerDials, expect, None, None, Millis(0));
    let mut pair = Pair::new(node(1, Role::Dual), listener, link, Millis(0));
    pair.ends[LISTENER].link = Link::listen(Dial::WorkerDials, Millis(0));
    pair.drive();
    assert_eq!(pair.ends[LISTENER].error, Some(LinkError::WrongRole));
    assert!(!pair.ends[DIALLER].link.is_up());
}

#[test]
fn frames_out_of_turn_close_the_link() {
    let frames: Vec<Vec<u8>> = {
        let mut pair = Pair::plain();
        [LISTENER, DIALLER, LISTENER, LISTENER]
            .map(|to| {
                let frame = pair.take(to);
                pair.deliver(to, frame.clone());
                frame
            })
            .to_vec()
    };
    for step in 0..3 {
        for (index, frame) in frames.iter().enumerate() {
            if index == step {
                continue;
            }
            let mut pair = Pair::plain();
            for to in [LISTENER, DIALLER, LISTENER].into_iter().take(step) {
                let frame = pair.take(to);
                pair.deliver(to, frame);
            }
            let to = [LISTENER, DIALLER, LISTENER][step];
            pair.deliver(to, frame.clone());
            assert!(
                pair.ends[to].link.is_closed(),
                "frame {index} at step {step}"
            );
        }
    }
}

#[test]
fn long_frames_are_refused_before_the_handshake_is_over() {
    let mut pair = Pair::plain();
    let mut frame = vec![0; MAX_HANDSHAKE_FRAME + 1];
    let [low, high, ..] = (frame.len() - FRAME_HEADER).to_le_bytes();
    frame[..8].copy_from_slice(&[b'S', b'M', b'S', b'G', 1, 1, low, high]);
    pair.deliver(LISTENER, frame);
    let too_long = miner_shared::smsg::FrameError::TooLong(MAX_HANDSHAKE_FRAME + 1);
    assert_eq!(pair.ends[LISTENER].error, Some(LinkError::Frame(too_long)));
}
