//! A dialler that does not use the link: the same primitives, and any bytes as its first message.

use ed25519_dalek::SigningKey;
use miner_shared::crypto::{ed25519_sign, hkdf_sha256};
use miner_shared::identity::NodeKeys;
use miner_shared::limits::{FRAME_HEADER, MAX_FRAME, TAG};
use miner_shared::smsg::noise::{PAYLOAD, SECOND, Start, Suite};

use super::super::*;
use super::sim::Sim;

/// Process start of this dialler; no rig of the simulation has so high a number.
const BOOT: [u8; 16] = [0xfe; 16];

/// Dials as the worker with this key and says these bytes, signed and sealed, where its Hello belongs.
pub(super) fn greets(sim: &mut Sim, seed: &[u8; 32], hello: &[u8]) -> ConnId {
    let keys = NodeKeys::from_seed(seed);
    let secret = hkdf_sha256::<32>(b"SMSG/1 keys", seed, b"ed25519");
    let signing = SigningKey::from_bytes(&secret);
    let id = sim.hub.accept(sim.now).expect("room");

    // Suite 1, the worker dials, no token.
    let parameters = [&[1, 1][..], &[0; 8]].concat();
    let prologue = [b"SMSG/1\0", parameters.as_slice()].concat();
    let start = Start::new(Suite::Xx, &prologue);
    let (sent, first) = start.write_first(&mut sim.rng).expect("fits");
    sends(sim, id, 0x01, &[&parameters[..], &first.ephemeral].concat());
    let mut second = [0; MAX_FRAME];
    let len = sim.call(|hub, env| hub.poll_transmit(env, id, &mut second));
    let second = &mut second[FRAME_HEADER..len.expect("answered")];
    assert_eq!(second.len(), SECOND);
    let (read, listener) = sent.read_second(second).expect("authentic");

    let role = 2;
    let cert = ed25519_sign(
        &signing,
        &[b"SMSG/1 link-key\0", &[role], &keys.public().x25519],
    );
    let payload = [
        &[1, 1, role, 0, 0, 0, 0, 0][..],
        &BOOT,
        &keys.public().ed25519,
        &cert,
    ]
    .concat();
    let payload: [u8; PAYLOAD] = payload.try_into().expect("120 bytes");
    let (mut transport, third) = read.write_third(&keys, &payload).expect("fits");
    sends(sim, id, 0x03, &third);

    let said = [&1_u64.to_le_bytes(), hello].concat();
    let author = keys.fingerprint();
    let recipient = sim.me.fingerprint();
    let boot: &[u8] = &listener[8..24];
    let parts: [&[u8]; 6] = [b"SMSG/1 msg\0", &author.0, &BOOT, &recipient.0, boot, &said];
    let signature = ed25519_sign(&signing, &parts);
    let mut plain = [said.as_slice(), &signature].concat();
    let header = header(0x10, plain.len() + TAG);
    let tag = transport.send.seal(&header, &mut plain).expect("fresh");
    sends(sim, id, 0x10, &[plain.as_slice(), &tag].concat());
    id
}

fn header(kind: u8, len: usize) -> [u8; FRAME_HEADER] {
    let [low, high] = u16::try_from(len).expect("short").to_le_bytes();
    [b'S', b'M', b'S', b'G', 1, kind, low, high]
}

fn sends(sim: &mut Sim, id: ConnId, kind: u8, body: &[u8]) {
    let mut frame = [&header(kind, body.len()), body].concat();
    sim.call(|hub, env| hub.handle_frame(env, id, &mut frame));
}
