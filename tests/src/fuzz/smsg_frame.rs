//! Any bytes as a WebSocket message, at links in each of their states.

use miner_shared::smsg::{Event, Link, LinkError, LocalNode};

use super::input::{Input, XorShift};
use super::said;
use super::world::{self, START};

/// Byte 0: which end and how far. The rest: the message.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let (mut link, me) = at_stage(input.byte() % 4);
    let mut frame = input.rest().to_vec();
    let first = link.handle_frame(me, START, &mut frame);
    match first {
        Ok(Event::TokenAsked { .. }) => {
            let _sealed = link.answer_token(Some(&[0x71; 16]));
        }
        Ok(_) => {}
        Err(error) => {
            said(&error);
            assert!(link.is_closed(), "a refused frame ends the link");
            assert!(!link.is_up());
            let again = link.handle_frame(me, START, &mut input.rest().to_vec());
            assert_eq!(again, Err(LinkError::Closed));
            let owed = world::owed(&mut link, me, &mut XorShift::new(9));
            assert_eq!(owed, None, "and nothing is said about it");
        }
    }
}

/// 0: a listener that heard nothing, 1: a dialler that waits for the second message, 2: a listener
/// that waits for the third, 3: the same with a token.
fn at_stage(stage: u8) -> (Link, &'static LocalNode) {
    let mut rng = XorShift::new(u64::from(stage));
    let (mut dialler, mut listener) = (world::dialler(stage == 3), world::listener());
    if stage == 0 {
        return (listener, world::controller());
    }
    let mut first = world::owed(&mut dialler, world::worker(), &mut rng).expect("a first message");
    if stage == 1 {
        return (dialler, world::worker());
    }
    let heard = listener.handle_frame(world::controller(), START, &mut first);
    if let Ok(Event::TokenAsked { .. }) = heard {
        let secret = Some(&[0x71; 16]);
        listener.answer_token(secret).expect("the right secret");
    }
    let second = world::owed(&mut listener, world::controller(), &mut rng);
    assert!(second.is_some(), "a second message");
    (listener, world::controller())
}
