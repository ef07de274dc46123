//! A command counts from its issuer, for its target, between these two process starts, and from no
//! other: whoever seals it must have signed as that one, for that one.

use miner_shared::identity::{NodeKeys, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Event, Expect, LinkError, LocalNode};
use miner_shared::wire::{Command, Desired, Message, State};

use crate::support::{DIALLER, LISTENER, Pair, card, node};

fn stop(generation: u64) -> Message {
    let desired = Desired {
        generation,
        state: State::Stopped,
    };
    Message::Command([7; 16], Command::SetState(desired))
}

/// The node of this seed in an earlier process.
fn earlier(seed: u8, role: Role) -> LocalNode {
    let keys = NodeKeys::from_seed(&[seed; 32]);
    LocalNode::new(keys, role, [0; 16], card("node"))
}

/// Both ways to link a controller (seed 2) with a worker (seed 1), and where the controller is.
fn pairs() -> [(Pair, usize); 2] {
    let worker = node(1, Role::Worker).fingerprint();
    let dials = Pair::controller_dials(Expect::Fingerprint(worker), None);
    let mut pairs = [(Pair::plain(), LISTENER), (dials, DIALLER)];
    pairs.iter_mut().for_each(|(pair, _)| pair.drive());
    pairs
}

#[test]
fn a_command_signed_by_or_for_anybody_else_is_refused() {
    type Swap = (&'static str, Option<LocalNode>, Option<LocalNode>);
    let cases = || -> [Swap; 7] {
        let (controller, worker) = (Role::Controller, Role::Worker);
        [
            ("another controller", Some(node(4, controller)), None),
            ("another worker as the issuer", Some(node(3, worker)), None),
            (
                "the worker itself as the issuer",
                Some(node(1, worker)),
                None,
            ),
            (
                "an earlier boot of the controller",
                Some(earlier(2, controller)),
                None,
            ),
            ("another worker as the target", None, Some(node(3, worker))),
            (
                "the controller as the target",
                None,
                Some(node(2, controller)),
            ),
            (
                "an earlier boot of the worker",
                None,
                Some(earlier(1, worker)),
            ),
        ]
    };
    for (what, issuer, target) in cases() {
        for (mut pair, from) in pairs() {
            let issuer = issuer.as_ref().unwrap_or(&pair.ends[from].node);
            let mut out = [0; MAX_FRAME];
            // The link's keys are the right ones: only the signature tells.
            let sealed = pair.ends[from]
                .link
                .seal(issuer, pair.now, &stop(1), &mut out);
            let frame = out[..sealed.expect("up")].to_vec();
            if let Some(target) = &target {
                // The frame would be for that node: the worker is asked as if it were another one.
                let end = &mut pair.ends[1 - from];
                let keys = NodeKeys::from_seed(target.keys().seed());
                end.node = LocalNode::new(keys, target.role(), *target.boot_id(), card("node"));
            }
            pair.deliver(1 - from, frame);
            assert_eq!(
                pair.ends[1 - from].error,
                Some(LinkError::Unsigned),
                "{what}"
            );
            assert_eq!(pair.ends[1 - from].messages().count(), 0, "{what}");
        }
    }
    for (mut pair, from) in pairs() {
        pair.send(from, &stop(1)).expect("the right issuer");
        pair.drive();
        assert_eq!(pair.ends[1 - from].last(), &Event::Message(stop(1)));
    }
}

#[test]
fn a_worker_issues_no_command_whoever_dialled() {
    for (mut pair, controller) in pairs() {
        let sealed = pair.send(1 - controller, &stop(1));
        assert_eq!(sealed, Err(LinkError::Misplaced));
    }
}
