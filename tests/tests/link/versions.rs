//! Old and new programs on one link: they speak what both know, and nobody gets bytes that it cannot read.

use miner_shared::identity::Role;
use miner_shared::smsg::{Dial, Event, Expect, Link, LinkError};
use miner_shared::time::Millis;
use miner_shared::wire::{Command, Level, MAX_VERSION, Message, Query};

use crate::support::{DIALLER, LISTENER, Pair, node};

/// A worker that dials its controller, each of which speaks up to such a version.
fn pair(worker: u8, controller: u8) -> Pair {
    let worker = node(1, Role::Worker).up_to_version(worker);
    let controller = node(2, Role::Controller).up_to_version(controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let now = Millis(1_000);
    let link = Link::dial(Dial::WorkerDials, expect, None, None, now);
    let mut pair = Pair::new(worker, controller, link, now);
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
    pair
}

fn order() -> Message {
    Message::Command([7; 16], Command::SetLogLevel(Level::Debug))
}

#[test]
fn both_ends_agree_on_the_lower_of_their_highest_versions() {
    for (worker, controller, agreed) in [(1, 1, 1), (1, 3, 1), (3, 1, 1), (2, 3, 2), (3, 3, 3)] {
        let mut pair = pair(worker, controller);
        for end in &pair.ends {
            assert_eq!(end.link.peer().map(|peer| peer.version), Some(agreed));
        }
        let question = Message::Query(1, Query::GetStats);
        pair.send(LISTENER, &question).expect("sealed");
        let frame = pair.take(DIALLER);
        assert_eq!(frame[4], agreed, "the header says which");
        pair.deliver(DIALLER, frame);
        assert_eq!(pair.ends[DIALLER].last(), &Event::Message(question));
    }
    assert_eq!(MAX_VERSION, 3);
}

#[test]
fn what_the_older_end_does_not_know_is_not_sealed_and_costs_nothing() {
    for (worker, controller) in [(1, 2), (2, 1)] {
        let mut pair = pair(worker, controller);
        assert_eq!(pair.send(LISTENER, &order()), Err(LinkError::TooNew));
        let applied = Message::Applied {
            generation: 1,
            hash: [1; 32],
        };
        assert_eq!(pair.send(DIALLER, &applied), Err(LinkError::TooNew));
        pair.send(LISTENER, &Message::Query(1, Query::GetInfo))
            .expect("the link is up");
    }
    let mut pair = pair(2, 2);
    pair.send(LISTENER, &order()).expect("both know it");
    pair.drive();
    assert_eq!(pair.ends[DIALLER].last(), &Event::Message(order()));
}
