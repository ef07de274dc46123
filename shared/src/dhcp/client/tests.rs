//! A client and the server that the test plays, over virtual time.

use core::net::Ipv4Addr;
use std::vec::Vec;

use super::*;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
/// An hour, T1 and T2 by default: 1800 and 3150 s.
const HOUR: u32 = 3_600;

/// A client, what time it is, and whether anybody listens.
struct World {
    client: Client,
    now: Millis,
    random: u32,
}

/// What the client sent: when, to whom, and the message.
struct Sent {
    at: u64,
    to: To,
    bytes: Vec<u8>,
}

impl Sent {
    fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("well formed")
    }

    fn kind(&self) -> MessageType {
        self.message().message_type().expect("a type")
    }
}

impl World {
    fn up() -> Self {
        let mut world = Self {
            client: Client::new(MAC),
            now: Millis(5_000),
            random: 0,
        };
        world.client.set_link(true, world.now);
        world
    }

    /// With a lease of this many seconds.
    fn bound(seconds: u32) -> Self {
        let mut world = Self::up();
        let discover = world.next();
        world.answer(&discover, MessageType::Offer, seconds);
        let request = world.next();
        world.answer(&request, MessageType::Ack, seconds);
        assert_eq!(world.address(), Some(ADDRESS));
        world
    }

    fn address(&self) -> Option<Ipv4Addr> {
        self.client.lease().map(|lease| lease.address)
    }

    /// Lets time pass until the client sends.
    fn next(&mut self) -> Sent {
        self.sent_until(Millis(u64::MAX)).expect("it sends")
    }

    fn sent_until(&mut self, end: Millis) -> Option<Sent> {
        loop {
            let mut out = [0; SENT];
            // Half of the range of the jitter: none at all.
            self.random = self.random.wrapping_add(1 << 31);
            let sent = self.client.poll(self.now, self.random | 1 << 30, &mut out);
            if let Some((to, bytes)) = sent {
                return Some(Sent {
                    at: self.now.0,
                    to,
                    bytes: bytes.to_vec(),
                });
            }
            let wake = self.client.wake_at().max(self.now + 1);
            if wake >= end {
                self.now = end;
                return None;
            }
            self.now = wake;
        }
    }

    fn answer(&mut self, to: &Sent, kind: MessageType, seconds: u32) {
        let bytes = reply(&to.message(), kind, |writer| {
            if kind != MessageType::Nak {
                writer
                    .option(option::LEASE_TIME, &seconds.to_be_bytes())
                    .expect("room");
            }
        });
        self.client.received(&bytes, self.now);
    }
}

fn reply(to: &Message<'_>, kind: MessageType, more: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut header = to.header().reply();
    if kind != MessageType::Nak {
        header.yours = ADDRESS;
    }
    let mut out = [0; 548];
    let mut writer = Writer::new(&mut out, &header, kind).expect("room");
    writer.address(option::SERVER_ID, SERVER).expect("room");
    let mask = Ipv4Addr::new(255, 255, 0, 0);
    writer.address(option::SUBNET_MASK, mask).expect("room");
    writer.address(option::ROUTERS, SERVER).expect("room");
    more(&mut writer);
    writer.finish().expect("room").to_vec()
}

#[test]
fn four_messages_make_a_lease() {
    let mut world = World::up();
    let discover = world.next();
    assert_eq!(
        (discover.kind(), discover.at),
        (MessageType::Discover, 5_000)
    );
    assert_eq!(discover.to, To::Everyone);
    let message = discover.message();
    assert!(message.header().broadcast, "there is no address yet");
    assert_eq!(
        message.option(option::CLIENT_ID),
        Some(&[1, 2, 0, 0, 0, 0, 7][..])
    );
    assert_eq!(
        message.option(option::VENDOR_CLASS),
        None,
        "no boot server answers"
    );
    world.answer(&discover, MessageType::Offer, HOUR);
    assert_eq!(world.address(), None, "an offer is none");
    let request = world.next();
    assert_eq!(
        (request.kind(), request.to),
        (MessageType::Request, To::Everyone)
    );
    let message = request.message();
    assert_eq!(message.header().xid, discover.message().header().xid);
    assert_eq!(
        message.option(option::REQUESTED_ADDRESS),
        Some(&ADDRESS.octets()[..])
    );
    assert_eq!(message.server_id(), Some(SERVER));
    assert_eq!(message.header().client, Ipv4Addr::UNSPECIFIED);
    world.answer(&request, MessageType::Ack, HOUR);
    let lease = world.client.lease().expect("bound");
    assert_eq!((lease.address, lease.prefix), (ADDRESS, 16));
    let route = Route {
        network: Ipv4Addr::UNSPECIFIED,
        prefix: 0,
        gateway: SERVER,
    };
    assert_eq!(lease.routes[..], [route]);
}

#[test]
fn nobody_answers_and_it_asks_ever_more_rarely_for_ever() {
    let mut world = World::up();
    let mut at = world.next().at;
    for base in [
        300, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 64_000,
    ] {
        let again = world.next();
        assert_eq!(again.kind(), MessageType::Discover);
        let waited = again.at - at;
        let range = base * 4 / 5..=base * 6 / 5;
        assert!(range.contains(&waited), "{waited} not around {base}");
        at = again.at;
    }
    assert_eq!(delay(1, 0), 240);
    assert_eq!(delay(1, u32::MAX), 360);
    assert_eq!(delay(u32::MAX, 0), 51_200);
}

#[test]
fn an_offer_whose_server_falls_silent_is_given_up() {
    let mut world = World::up();
    let discover = world.next();
    world.answer(&discover, MessageType::Offer, HOUR);
    for _ in 0..REQUESTS {
        assert_eq!(world.next().kind(), MessageType::Request);
    }
    let anew = world.next();
    assert_eq!(anew.kind(), MessageType::Discover);
    assert_ne!(anew.message().header().xid, discover.message().header().xid);
}

#[test]
fn a_lease_is_renewed_with_its_server_from_its_address() {
    let mut world = World::bound(HOUR);
    let bound = world.now;
    let renew = world.next();
    assert_eq!(renew.at, bound.0 + 1_800_000, "T1");
    assert_eq!(
        (renew.kind(), renew.to),
        (MessageType::Request, To::Server(SERVER))
    );
    let message = renew.message();
    assert_eq!(message.header().client, ADDRESS);
    assert!(!message.header().broadcast);
    for code in [option::REQUESTED_ADDRESS, option::SERVER_ID] {
        assert_eq!(message.option(code), None, "{code}");
    }
    world.answer(&renew, MessageType::Ack, HOUR);
    let again = world.next();
    assert_eq!(again.at, renew.at + 1_800_000, "counted from the request");
    assert_eq!(world.address(), Some(ADDRESS));
}

#[test]
fn when_its_server_is_gone_everyone_is_asked_and_at_the_end_the_address_is_dropped() {
    let mut world = World::bound(HOUR);
    let bound = world.now.0;
    let mut sent = Vec::new();
    while world.address().is_some() {
        sent.push(world.next());
    }
    let discover = sent.pop().expect("the first without a lease");
    assert_eq!(discover.kind(), MessageType::Discover);
    assert_eq!(discover.at, bound + 3_600_000, "the lease's end");
    let (renewing, rebinding): (Vec<_>, Vec<_>) =
        sent.iter().partition(|sent| sent.to == To::Server(SERVER));
    assert_eq!(
        renewing.first().map(|sent| sent.at),
        Some(bound + 1_800_000)
    );
    assert_eq!(
        rebinding.first().map(|sent| sent.at),
        Some(bound + 3_150_000)
    );
    assert!(renewing.iter().all(|sent| sent.at < bound + 3_150_000));
    for pair in sent.windows(2) {
        let waited = pair[1].at - pair[0].at;
        let last = pair[1].to != pair[0].to;
        assert!(waited >= RENEW_MS || last, "{waited}");
    }
    assert!(
        rebinding
            .iter()
            .all(|sent| sent.message().header().client == ADDRESS)
    );
    // Any server may take the lease over.
    let mut world = World::bound(HOUR);
    let rebind = loop {
        let sent = world.next();
        if sent.to == To::Everyone {
            break sent;
        }
    };
    world.answer(&rebind, MessageType::Ack, HOUR);
    assert_eq!(world.next().at, rebind.at + 1_800_000);
}

#[test]
fn a_server_that_says_no_takes_the_address_away() {
    let mut world = World::bound(HOUR);
    let renew = world.next();
    world.answer(&renew, MessageType::Nak, 0);
    assert_eq!(world.address(), None);
    let anew = world.next();
    assert_eq!(anew.kind(), MessageType::Discover);
    assert_eq!(anew.at, renew.at + FIRST_MS, "not without a pause");
    world.answer(&anew, MessageType::Nak, 0);
    world.answer(&anew, MessageType::Offer, HOUR);
    assert_eq!(
        world.next().kind(),
        MessageType::Request,
        "a NAK is for requests"
    );
}

#[test]
fn on_a_link_that_comes_back_it_asks_whether_the_lease_holds() {
    let mut world = World::bound(HOUR);
    world.client.set_link(false, world.now);
    let back = world.now + 10_000;
    assert!(world.sent_until(back).is_none(), "nobody hears it");
    assert_eq!(world.address(), Some(ADDRESS));
    world.client.set_link(true, world.now);
    let reboot = world.next();
    assert_eq!(
        (reboot.kind(), reboot.to),
        (MessageType::Request, To::Everyone)
    );
    let message = reboot.message();
    assert_eq!(
        message.option(option::REQUESTED_ADDRESS),
        Some(&ADDRESS.octets()[..])
    );
    assert_eq!(message.server_id(), None);
    let (now, mut elsewhere) = (world.now, world.client.clone());
    world.answer(&reboot, MessageType::Ack, HOUR);
    assert_eq!(world.next().at, reboot.at + 1_800_000);
    let nak = reply(&reboot.message(), MessageType::Nak, |_| ());
    elsewhere.received(&nak, now);
    assert_eq!(elsewhere.lease(), None, "it is another network");
}

#[test]
fn a_lease_that_nobody_confirms_holds_until_it_ends() {
    let mut world = World::bound(HOUR);
    let bound = world.now.0;
    world.client.set_link(false, world.now);
    world.client.set_link(true, world.now);
    for _ in 0..REQUESTS {
        assert_eq!(world.next().to, To::Everyone);
    }
    let renew = world.next();
    assert_eq!(renew.to, To::Server(SERVER));
    assert_eq!(renew.at, bound + 1_800_000);
    world.client.set_link(false, world.now);
    assert!(world.sent_until(Millis(bound + 9_000_000)).is_none());
    assert_eq!(world.address(), None, "it ends without a link as well");
    world.client.set_link(true, world.now);
    assert_eq!(world.next().kind(), MessageType::Discover);
}

#[test]
fn a_clock_that_leaps_over_the_whole_lease_begins_anew() {
    let mut world = World::bound(HOUR);
    world.now += 7_200_000;
    assert_eq!(world.next().kind(), MessageType::Discover);
    assert_eq!(world.address(), None);
}

#[test]
fn times_that_make_no_sense_are_replaced_and_an_endless_lease_has_none() {
    let bind = |length: u32, t1: u32, t2: u32| {
        let mut world = World::up();
        let discover = world.next();
        world.answer(&discover, MessageType::Offer, length);
        let request = world.next();
        let ack = reply(&request.message(), MessageType::Ack, |writer| {
            for (code, value) in [
                (option::LEASE_TIME, length),
                (option::RENEWAL_TIME, t1),
                (option::REBINDING_TIME, t2),
            ] {
                writer.option(code, &value.to_be_bytes()).expect("room");
            }
        });
        world.client.received(&ack, world.now);
        let lease = world.client.lease().expect("bound").clone();
        let after = |at: Millis| at.since(Millis(request.at)) / 1_000;
        (
            after(lease.renew_at),
            after(lease.rebind_at),
            after(lease.ends_at),
        )
    };
    assert_eq!(bind(800, 100, 200), (100, 200, 800));
    assert_eq!(bind(800, 900, 901), (400, 700, 800));
    assert_eq!(bind(800, 300, 200), (200, 200, 800));
    assert_eq!(bind(0, 0, 0), (0, 0, 1));
    let mut world = World::bound(u32::MAX);
    let end = world.now + 1_000 * u64::from(u32::MAX);
    assert!(world.sent_until(end).is_none());
    assert_eq!(world.address(), Some(ADDRESS));
}

#[test]
fn what_is_for_somebody_else_or_no_address_changes_nothing() {
    let mut world = World::up();
    let discover = world.next();
    type Spoil = fn(&mut Vec<u8>);
    let spoils: [Spoil; 6] = [
        |bytes| bytes[0] = 1,             // a request
        |bytes| bytes[4] ^= 1,            // another exchange
        |bytes| bytes[28] ^= 4,           // another card
        |bytes| bytes[16..20].fill(0),    // no address
        |bytes| bytes[16..20].fill(0xff), // everyone's
        |bytes| bytes.truncate(200),
    ];
    for spoil in spoils {
        let mut offer = reply(&discover.message(), MessageType::Offer, |_| ());
        spoil(&mut offer);
        world.client.received(&offer, world.now);
        assert_eq!(world.client.phase, Phase::Selecting);
    }
    let ack = reply(&discover.message(), MessageType::Ack, |_| ());
    world.client.received(&ack, world.now);
    assert_eq!(world.address(), None, "an ACK without a request");
}

#[test]
fn what_a_server_tells_is_taken_and_classless_routes_replace_the_router() {
    let mut world = World::up();
    let discover = world.next();
    world.answer(&discover, MessageType::Offer, HOUR);
    let request = world.next();
    let ack = reply(&request.message(), MessageType::Ack, |writer| {
        let routes = [0, 10, 0, 0, 254, 16, 192, 168, 10, 0, 0, 2];
        writer
            .option(option::CLASSLESS_ROUTES, &routes)
            .expect("room");
        writer.option(option::DNS_SERVERS, &[9; 16]).expect("room");
        writer.option(option::HOST_NAME, b"rig-7").expect("room");
        writer
            .option(option::DOMAIN_NAME, b"farm.lan")
            .expect("room");
        writer.option(option::INTERFACE_MTU, &[5, 0]).expect("room");
    });
    world.client.received(&ack, world.now);
    let lease = world.client.lease().expect("bound");
    let gateways: Vec<_> = lease.routes.iter().map(|route| route.gateway).collect();
    let expected = [Ipv4Addr::new(10, 0, 0, 254), Ipv4Addr::new(10, 0, 0, 2)];
    assert_eq!(gateways, expected);
    assert_eq!(lease.dns.len(), MAX_LEASE_DNS);
    assert_eq!(lease.host_name.as_ref().map(Label::as_str), Some("rig-7"));
    assert_eq!(lease.domain.as_ref().map(Label::as_str), Some("farm.lan"));
    assert_eq!(lease.mtu, Some(1_280));
}
