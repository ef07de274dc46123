//! Any bytes as a packet of multicast DNS, at a node that answers and at one that asks.

use core::net::Ipv4Addr;

use miner_shared::identity::Role;
use miner_shared::limits::MAX_MDNS_PACKET;
use miner_shared::mdns::{Instance, Responder};
use miner_shared::text::Name;
use miner_shared::time::Millis;

use super::input::{Input, XorShift};
use super::world;

/// Where the node of the target is.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Packets of up to 65,535 bytes, each after its length and the milliseconds since the one before.
pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let mut rng = XorShift::new(1);
    let mut now = Millis(0);
    let mut responder = Responder::new(instance(), ADDRESS, now);
    let mut spoken = None;
    while !input.is_empty() {
        let length = input.word();
        now += u64::from(input.word());
        let packet = input.take(length.into());
        responder.handle_packet(now, &mut rng, packet);
        if let Some(said) = said(&mut responder, now) {
            let rested = spoken.is_none_or(|before| now.since(before) >= 1_000);
            assert!(rested, "not twice in a second");
            assert_eq!(Instance::read(&said), Some(instance()));
            spoken = Some(now);
        }
        let due = responder.poll_timeout();
        assert!(
            due.is_none_or(|due| due.since(now) <= 1_000),
            "soon or never"
        );
        comes_back(packet);
    }
}

/// What is read of an answer can be announced, and is then read the same.
fn comes_back(packet: &[u8]) {
    let Some(read) = Instance::read(packet) else {
        return;
    };
    assert_ne!(read.port, 0);
    let mut responder = Responder::new(read.clone(), ADDRESS, Millis(0));
    let said = said(&mut responder, Millis(0)).expect("it announces itself");
    assert_eq!(Instance::read(&said), Some(read));
}

/// What a responder says now, if it does.
pub(super) fn said(responder: &mut Responder, now: Millis) -> Option<Vec<u8>> {
    let mut out = [0; MAX_MDNS_PACKET];
    let due = responder.poll_timeout().is_some_and(|due| due <= now);
    let length = responder.poll_transmit(now, &mut out);
    assert_eq!(length.is_some(), due, "what is due fits");
    out.get(..length?).map(<[u8]>::to_vec)
}

/// The node of the target.
pub(super) fn instance() -> Instance {
    Instance {
        name: Name::parse("rig-alpha").expect("a name"),
        role: Role::Worker,
        fingerprint: world::worker().fingerprint(),
        port: 9091,
    }
}
