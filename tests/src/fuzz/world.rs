//! The two nodes that every link target plays with: their keys are made once and are always the same.

use std::sync::LazyLock;

use miner_shared::crypto::{ed25519_sign, hkdf_sha256};
use miner_shared::identity::{Enrolment, Fingerprint, NodeKeys, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Expect, Link, LocalNode};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::NodeCard;

use super::input::XorShift;

/// When every link is made.
pub(super) const START: Millis = Millis(1_000);

/// The listener's seed.
const CONTROLLER_SEED: [u8; 32] = [2; 32];
/// The dialler's seed.
const WORKER_SEED: [u8; 32] = [1; 32];

static CONTROLLER: LazyLock<LocalNode> = LazyLock::new(|| {
    node(
        &CONTROLLER_SEED,
        Role::Controller,
        [0x58; 16],
        "control-center",
    )
});
static WORKER: LazyLock<LocalNode> =
    LazyLock::new(|| node(&WORKER_SEED, Role::Worker, [0x5b; 16], "rig-alpha"));

/// The listener.
pub(super) fn controller() -> &'static LocalNode {
    &CONTROLLER
}

/// The dialler.
pub(super) fn worker() -> &'static LocalNode {
    &WORKER
}

fn node(seed: &[u8; 32], role: Role, boot_id: [u8; 16], name: &str) -> LocalNode {
    LocalNode::new(NodeKeys::from_seed(seed), role, boot_id, card(name))
}

pub(super) fn card(name: &str) -> NodeCard {
    NodeCard {
        name: Name::parse(name).expect("a name"),
        software: Label::lossy("miner 0.1.0"),
        host: Label::lossy("linux x86_64"),
    }
}

/// A token that the listener knows.
pub(super) fn enrolment() -> Enrolment {
    Enrolment {
        token_id: [0x70; 8],
        secret: [0x71; 16].into(),
    }
}

/// The worker's end, which expects the controller; suite 02 if `enrol`.
pub(super) fn dialler(enrol: bool) -> Link {
    let pin = Expect::Fingerprint(controller().fingerprint());
    let enrolment = enrol.then(enrolment);
    Link::dial(Dial::WorkerDials, pin, enrolment.as_ref(), None, START)
}

/// The controller's end.
pub(super) fn listener() -> Link {
    Link::listen(Dial::WorkerDials, START)
}

/// The frame that the link owes now.
pub(super) fn owed(link: &mut Link, me: &LocalNode, rng: &mut XorShift) -> Option<Vec<u8>> {
    let mut out = [0; MAX_FRAME];
    let len = link.poll_transmit(me, START, rng, &mut out)?;
    Some(out[..len].to_vec())
}

/// What the worker may sign: anything, as a node whose program is hostile would.
pub(super) fn sign_as_worker(parts: &[&[u8]]) -> [u8; 64] {
    static KEY: LazyLock<ed25519_dalek::SigningKey> = LazyLock::new(|| {
        let key = ed25519_dalek::SigningKey::from_bytes(&hkdf_sha256(
            b"SMSG/1 keys",
            &WORKER_SEED,
            b"ed25519",
        ));
        let public = worker().keys().public().ed25519;
        assert_eq!(key.verifying_key().to_bytes(), public, "the worker's key");
        key
    });
    ed25519_sign(&KEY, parts)
}

/// Body of a node's handshake payload with a certificate for its own key.
pub(super) fn worker_payload() -> [u8; 120] {
    let keys = worker().keys().public();
    let role = worker().role().to_byte();
    let cert = sign_as_worker(&[b"SMSG/1 link-key\0", &[role], &keys.x25519]);
    let head = [1, 1, role, 0, 0, 0, 0, 0];
    let mut out = [0; 120];
    let bytes = head
        .iter()
        .chain(worker().boot_id())
        .chain(&keys.ed25519)
        .chain(&cert);
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
    out
}

/// The parts of what an author signs in front of number and body.
pub(super) fn worker_to_controller() -> [u8; 96] {
    let mut out = [0; 96];
    let Fingerprint(from) = worker().fingerprint();
    let Fingerprint(to) = controller().fingerprint();
    let bytes = from
        .iter()
        .chain(worker().boot_id())
        .chain(&to)
        .chain(controller().boot_id());
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
    out
}
