//! Which address the machine has: leased, given, or given for as long as nobody leases one.
//!
//! | `miner.ip` | with a lease | without |
//! |---|---|---|
//! | `dhcp` | the lease's | none |
//! | `ADDRESS/PREFIX,..` | nobody is asked | the given one |
//! | `dhcp,ADDRESS/PREFIX,..` | the lease's | the given one, 30 s after the card was there or the lease was lost |

use std::fmt::{self, Display};
use std::net::Ipv4Addr;

use miner_shared::cmdline::{Ip, StaticIp};
use miner_shared::dhcp::client::Lease;
use miner_shared::time::Millis;

/// How long a lease is waited for before the given address is taken, in milliseconds.
const FALLBACK_MS: u64 = 30_000;

/// What an interface gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: Ipv4Addr,
    /// Bits of its network.
    pub(super) prefix: u8,
    /// Networks and the gateways to them; a prefix of 0 bits is everything else.
    pub(super) routes: Vec<(Ipv4Addr, u8, Ipv4Addr)>,
    pub(super) resolvers: Vec<Ipv4Addr>,
    pub(super) domain: Option<String>,
    pub(super) mtu: Option<u16>,
    leased: bool,
}

impl Address {
    fn given(given: &StaticIp) -> Self {
        Self {
            ip: given.address,
            prefix: given.prefix,
            routes: vec![(Ipv4Addr::UNSPECIFIED, 0, given.gateway)],
            resolvers: given.dns.into_iter().collect(),
            domain: None,
            mtu: None,
            leased: false,
        }
    }

    fn leased(lease: &Lease) -> Self {
        let routes = lease.routes.iter();
        Self {
            ip: lease.address,
            prefix: lease.prefix,
            routes: routes
                .map(|route| (route.network, route.prefix, route.gateway))
                .collect(),
            resolvers: lease.dns.to_vec(),
            domain: lease
                .domain
                .as_ref()
                .map(|domain| domain.as_str().to_owned()),
            mtu: lease.mtu,
            leased: true,
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.leased { "leased" } else { "given" };
        write!(f, "{}/{}, {how}", self.ip, self.prefix)
    }
}

/// The address to have now. `lease` is what is leased, `unleased_ms` how long nothing has been.
pub(super) fn wanted(told: Ip, lease: Option<&Lease>, unleased_ms: u64) -> Option<Address> {
    match (told, lease) {
        (Ip::Static(given), _) => Some(Address::given(&given)),
        (_, Some(lease)) => Some(Address::leased(lease)),
        (Ip::DhcpThen(given), None) if unleased_ms >= FALLBACK_MS => Some(Address::given(&given)),
        (Ip::Dhcp | Ip::DhcpThen(_), None) => None,
    }
}

/// Since when there has been a card with a cable and no lease.
#[derive(Debug, Default)]
pub(super) struct Unleased(Option<Millis>);

impl Unleased {
    /// For how many milliseconds.
    pub(super) fn for_ms(&mut self, linked: bool, is_leased: bool, now: Millis) -> u64 {
        if is_leased {
            self.0 = None;
        } else if linked && self.0.is_none() {
            self.0 = Some(now);
        }
        self.0.map_or(0, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::dhcp::client::{Client, SENT};
    use miner_shared::dhcp::{Mac, Message, MessageType, Writer, option};

    use super::*;

    /// What a server gives for an hour.
    fn client() -> Client {
        let mut client = Client::new(Mac([2, 0, 0, 0, 0, 1]));
        client.set_link(true, Millis(0));
        for kind in [MessageType::Offer, MessageType::Ack] {
            let mut sent = [0; SENT];
            let (_, sent) = client.poll(Millis(0), 7, &mut sent).expect("it asks");
            let mut header = Message::parse(sent).expect("whole").header().reply();
            header.yours = Ipv4Addr::new(10, 0, 0, 7);
            let mut answer = [0; 548];
            let mut writer = Writer::new(&mut answer, &header, kind).expect("room");
            for code in [option::SERVER_ID, option::ROUTERS, option::DNS_SERVERS] {
                let server = Ipv4Addr::new(10, 0, 0, 1);
                writer.address(code, server).expect("room");
            }
            let answer = writer.finish().expect("room");
            client.received(answer, Millis(0));
        }
        client
    }

    #[test]
    fn a_given_address_is_taken_where_nobody_leases_one_for_half_a_minute() {
        let client = client();
        let lease = client.lease().expect("leased");
        let given: Ip = "192.168.1.9/24,192.168.1.1,9.9.9.9".parse().expect("valid");
        let then: Ip = "dhcp,192.168.1.9/24,192.168.1.1".parse().expect("valid");
        let ip = |told, lease, ms| wanted(told, lease, ms).map(|address| address.ip.to_string());
        let (leased, fixed) = (Some("10.0.0.7".to_owned()), Some("192.168.1.9".to_owned()));
        assert_eq!(ip(Ip::Dhcp, None, 99_000), None);
        assert_eq!(ip(Ip::Dhcp, Some(lease), 0), leased);
        assert_eq!(ip(given, Some(lease), 0), fixed);
        assert_eq!(ip(given, None, 0), fixed);
        assert_eq!(ip(then, None, 29_999), None);
        assert_eq!(ip(then, None, 30_000), fixed);
        assert_eq!(ip(then, Some(lease), 99_000), leased, "it came at last");
    }

    #[test]
    fn an_address_says_how_it_was_got_and_where_packets_go() {
        let client = client();
        let leased = wanted(Ip::Dhcp, client.lease(), 0).expect("leased");
        assert_eq!(leased.to_string(), "10.0.0.7/24, leased");
        let everywhere = (Ipv4Addr::UNSPECIFIED, 0, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(leased.routes, [everywhere]);
        assert_eq!(leased.resolvers, [Ipv4Addr::new(10, 0, 0, 1)]);
        let given: Ip = "192.168.1.9/24,192.168.1.1,9.9.9.9".parse().expect("valid");
        let given = wanted(given, None, 0).expect("given");
        assert_eq!(given.to_string(), "192.168.1.9/24, given");
        assert_eq!(given.resolvers, [Ipv4Addr::new(9, 9, 9, 9)]);
    }

    #[test]
    fn the_half_minute_begins_with_a_cable_and_anew_with_a_lost_lease() {
        let mut unleased = Unleased::default();
        assert_eq!(unleased.for_ms(false, false, Millis(50_000)), 0);
        assert_eq!(unleased.for_ms(true, false, Millis(60_000)), 0);
        assert_eq!(unleased.for_ms(true, false, Millis(70_000)), 10_000);
        assert_eq!(unleased.for_ms(true, true, Millis(80_000)), 0);
        assert_eq!(unleased.for_ms(true, false, Millis(90_000)), 0);
    }
}
