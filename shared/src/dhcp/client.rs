//! The client that gets a machine its address (RFC 2131 section 4.4), without sockets and without a clock:
//! what has happened goes in, what is to be sent comes out.
//!
//! ```text
//!            link up           OFFER                ACK             T1            T2
//!   Down ──────────▶ Selecting ────▶ Requesting ────▶ Bound ──────▶ Renewing ───▶ Rebinding
//!    │                  ▲  ▲  no answer │              ▲  ▲    ACK │         ACK │   │
//!    │ link up,         │  └────────────┘              │  └─────────┴─────────────┘   │
//!    │ lease good       │ NAK              ACK, or     │                              │ lease ends, NAK
//!    └─────────────▶ Rebooting ───────────────────────▶┘      Selecting ◀─────────────┘
//!                                  nobody answers
//! ```
//! | in | sent | to | when again |
//! |---|---|---|---|
//! | Selecting | DISCOVER | everyone | 0.3, 1, 2, 4 .. 64 s, each give or take a fifth, for ever |
//! | Requesting | REQUEST with options 50 and 54 | everyone | the same, four times |
//! | Rebooting | REQUEST with option 50 | everyone | the same, four times; then the lease holds as it did |
//! | Renewing | REQUEST from the leased address | the server | after half of the time to T2, at least 60 s |
//! | Rebinding | REQUEST from the leased address | everyone | after half of the time left, at least 60 s |
//!
//! T1 and T2 are options 58 and 59, or a half and seven eighths of the lease (section 4.4.5). Answers are
//! asked for by broadcast as long as there is no address. Not done: probing by ARP whether somebody else
//! has the address.

#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;

use heapless::Vec;

use super::{Header, Mac, Message, MessageType, Op, Route, Writer, option};
use crate::limits::{MAX_DHCP_READ, MAX_LEASE_DNS, MAX_LEASE_ROUTES};
use crate::text::Label;
use crate::time::Millis;

/// Room that any message of a client takes, in bytes.
pub const SENT: usize = 320;

/// Times that a REQUEST without an address is sent before something else is tried.
const REQUESTS: u32 = 4;
/// First delay, and the longest, between two messages of the same kind, in milliseconds.
const FIRST_MS: u64 = 300;
const LONGEST_MS: u64 = 64_000;
/// Shortest delay between two attempts to renew, in milliseconds.
const RENEW_MS: u64 = 60_000;
/// Length of a lease that says none, in seconds, and of the network if the server does not tell.
const LEASE_S: u32 = 3_600;
const PREFIX: u8 = 24;

/// What a server is asked to tell.
const WANTED: [u8; 9] = [
    option::SUBNET_MASK,
    option::CLASSLESS_ROUTES,
    option::ROUTERS,
    option::DNS_SERVERS,
    option::HOST_NAME,
    option::DOMAIN_NAME,
    option::INTERFACE_MTU,
    option::RENEWAL_TIME,
    option::REBINDING_TIME,
];

/// An address, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The machine's address.
    pub address: Ipv4Addr,
    /// Bits of its network, 0 to 32.
    pub prefix: u8,
    /// Who leases it.
    pub server: Ipv4Addr,
    /// Where packets go that leave the network.
    pub routes: Vec<Route, MAX_LEASE_ROUTES>,
    /// Who resolves names.
    pub dns: Vec<Ipv4Addr, MAX_LEASE_DNS>,
    /// What the machine is to be called.
    pub host_name: Option<Label>,
    /// The domain of names without a dot.
    pub domain: Option<Label>,
    /// Longest packet, in bytes.
    pub mtu: Option<u16>,
    renew_at: Millis,
    rebind_at: Millis,
    ends_at: Millis,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// 255.255.255.255.
    Everyone,
    /// This server, from the leased address.
    Server(Ipv4Addr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Down,
    Selecting,
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    Rebooting,
    Bound,
    Renewing,
    Rebinding,
}

/// The client of one network card.
#[derive(Clone, Debug)]
pub struct Client {
    mac: Mac,
    phase: Phase,
    /// Of the exchange that goes on; the next one has its own.
    xid: u32,
    /// Messages sent in this phase.
    sent: u32,
    /// When the next message is due, or the next change of phase.
    due: Millis,
    /// When this phase began.
    since: Millis,
    /// When the last REQUEST was sent: from then on a lease counts.
    asked: Millis,
    lease: Option<Lease>,
}

impl Client {
    /// A client whose card has no link yet.
    pub const fn new(mac: Mac) -> Self {
        Self {
            mac,
            phase: Phase::Down,
            xid: 0,
            sent: 0,
            due: Millis(u64::MAX),
            since: Millis(0),
            asked: Millis(0),
            lease: None,
        }
    }

    /// What the machine may use; `None` if nothing, or not any more.
    pub const fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// When [`Self::poll`] has something to do next.
    pub fn wake_at(&self) -> Millis {
        match &self.lease {
            Some(lease) => self.due.min(lease.ends_at),
            None => self.due,
        }
    }

    /// The card's link came up or went down. A lease stays until it ends; whether it holds on this link
    /// is asked.
    pub fn set_link(&mut self, up: bool, now: Millis) {
        match (up, self.phase) {
            (false, _) => self.enter(Phase::Down, now, Millis(u64::MAX)),
            (true, Phase::Down) if self.lease.is_some() => self.enter(Phase::Rebooting, now, now),
            (true, Phase::Down) => self.enter(Phase::Selecting, now, now),
            (true, _) => {}
        }
    }

    /// What time has brought: ends leases, and gives the message that is to be sent now, if any, in `out`,
    /// which has room for [`SENT`] bytes. `random` differs from call to call. To be called again until it
    /// gives nothing.
    pub fn poll<'o>(
        &mut self,
        now: Millis,
        random: u32,
        out: &'o mut [u8],
    ) -> Option<(To, &'o [u8])> {
        self.pass(now);
        if now < self.due || matches!(self.phase, Phase::Down | Phase::Bound) {
            return None;
        }
        // An offer and the request for it are one exchange (table 5).
        if self.sent == 0 && !matches!(self.phase, Phase::Requesting { .. }) {
            self.xid = random;
        }
        self.sent += 1;
        self.due = match &self.lease {
            Some(lease) if self.phase == Phase::Renewing => halfway(now, lease.rebind_at),
            Some(lease) if self.phase == Phase::Rebinding => halfway(now, lease.ends_at),
            _ => now + delay(self.sent, random),
        };
        self.message(now, out)
    }

    /// Changes of phase that nobody's message brings.
    fn pass(&mut self, now: Millis) {
        if self
            .lease
            .as_ref()
            .is_some_and(|lease| now >= lease.ends_at)
        {
            self.lease = None;
            if self.phase != Phase::Down {
                self.enter(Phase::Selecting, now, now);
            }
        }
        match (self.phase, &self.lease) {
            (Phase::Requesting { .. }, _) if self.sent >= REQUESTS && now >= self.due => {
                self.enter(Phase::Selecting, now, now);
            }
            (Phase::Rebooting, Some(lease)) if self.sent >= REQUESTS && now >= self.due => {
                let renew_at = lease.renew_at;
                self.enter(Phase::Bound, now, renew_at);
            }
            _ => {}
        }
        // A clock may have leaped over more than one of them.
        if let (Phase::Bound, Some(lease)) = (self.phase, &self.lease)
            && now >= lease.renew_at
        {
            self.enter(Phase::Renewing, now, now);
        }
        if let (Phase::Renewing, Some(lease)) = (self.phase, &self.lease)
            && now >= lease.rebind_at
        {
            self.enter(Phase::Rebinding, now, now);
        }
    }

    fn enter(&mut self, phase: Phase, now: Millis, due: Millis) {
        (self.phase, self.since, self.due, self.sent) = (phase, now, due, 0);
    }

    fn message<'o>(&mut self, now: Millis, out: &'o mut [u8]) -> Option<(To, &'o [u8])> {
        let leased = self.lease.as_ref();
        let mut header = Header::request(self.mac, self.xid);
        let seconds = now.since(self.since) / 1_000;
        header.secs = u16::try_from(seconds).unwrap_or(u16::MAX);
        header.broadcast = true;
        let mut kind = MessageType::Request;
        let (mut wished, mut chosen, mut to) = (None, None, To::Everyone);
        match self.phase {
            Phase::Down | Phase::Bound => return None,
            Phase::Selecting => kind = MessageType::Discover,
            Phase::Requesting { address, server } => {
                (wished, chosen) = (Some(address), Some(server))
            }
            Phase::Rebooting => wished = Some(leased?.address),
            Phase::Renewing | Phase::Rebinding => {
                let lease = leased?;
                (header.client, header.broadcast) = (lease.address, false);
                if self.phase == Phase::Renewing {
                    to = To::Server(lease.server);
                }
            }
        }
        if kind == MessageType::Request {
            self.asked = now;
        }
        let mut writer = Writer::new(out, &header, kind).ok()?;
        let [a, b, c, d, e, f] = self.mac.0;
        writer
            .option(option::CLIENT_ID, &[1, a, b, c, d, e, f])
            .ok()?;
        for (code, address) in [
            (option::REQUESTED_ADDRESS, wished),
            (option::SERVER_ID, chosen),
        ] {
            if let Some(address) = address {
                writer.address(code, address).ok()?;
            }
        }
        let most = u16::try_from(MAX_DHCP_READ)
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        writer.option(option::MAX_MESSAGE_SIZE, &most).ok()?;
        writer.option(option::PARAMETER_LIST, &WANTED).ok()?;
        Some((to, writer.finish().ok()?))
    }

    /// What a server has sent. What is not for this client, or not now, changes nothing.
    pub fn received(&mut self, bytes: &[u8], now: Millis) {
        let Ok(message) = Message::parse(bytes) else {
            return;
        };
        let header = message.header();
        let ours = header.op == Op::Reply && header.mac == self.mac && header.xid == self.xid;
        // Whoever guesses when to answer does not know what to answer.
        if !ours || self.sent == 0 {
            return;
        }
        match (message.message_type(), self.phase) {
            (Some(MessageType::Offer), Phase::Selecting) => {
                if let Some(server) = message.server_id()
                    && is_host(header.yours)
                {
                    let address = header.yours;
                    self.enter(Phase::Requesting { address, server }, now, now);
                }
            }
            (Some(MessageType::Ack), Phase::Requesting { server, .. }) => {
                self.bind(&message, server, now);
            }
            (Some(MessageType::Ack), Phase::Rebooting | Phase::Renewing | Phase::Rebinding) => {
                let server = self.lease.as_ref().map(|lease| lease.server);
                self.bind(&message, server.unwrap_or(Ipv4Addr::UNSPECIFIED), now);
            }
            (
                Some(MessageType::Nak),
                Phase::Requesting { .. } | Phase::Rebooting | Phase::Renewing | Phase::Rebinding,
            ) => {
                self.lease = None;
                // A server that says no to everything is not asked without a pause.
                self.enter(Phase::Selecting, now, now + FIRST_MS);
            }
            _ => {}
        }
    }

    fn bind(&mut self, ack: &Message<'_>, server: Ipv4Addr, now: Millis) {
        let address = ack.header().yours;
        if !is_host(address) {
            return;
        }
        let at = |seconds: u32| self.asked + u64::from(seconds) * 1_000;
        let length = ack.lease_time().unwrap_or(LEASE_S).max(1);
        let ends_at = match length {
            u32::MAX => Millis(u64::MAX),
            seconds => at(seconds),
        };
        let rebind = ack.rebinding_time().filter(|t2| *t2 < length);
        let rebind = rebind.unwrap_or(length - length / 8);
        let renew = ack.renewal_time().filter(|t1| *t1 < rebind);
        let renew = renew.unwrap_or_else(|| (length / 2).min(rebind));
        let endless = length == u32::MAX;
        let never = |at: Millis| if endless { Millis(u64::MAX) } else { at };
        let (renew_at, rebind_at) = (never(at(renew)), never(at(rebind)));
        let mut routes: Vec<Route, MAX_LEASE_ROUTES> =
            ack.classless_routes().take(MAX_LEASE_ROUTES).collect();
        if routes.is_empty() {
            let default = ack.routers().next().map(|gateway| Route {
                network: Ipv4Addr::UNSPECIFIED,
                prefix: 0,
                gateway,
            });
            routes.extend(default);
        }
        let mask = ack.subnet_mask().map(|mask| mask.to_bits().leading_ones());
        let prefix = mask.and_then(|bits| u8::try_from(bits).ok());
        self.lease = Some(Lease {
            address,
            prefix: prefix.unwrap_or(PREFIX),
            server: ack.server_id().unwrap_or(server),
            routes,
            dns: ack.dns_servers().take(MAX_LEASE_DNS).collect(),
            host_name: ack.host_name().map(Label::lossy),
            domain: ack.domain_name().map(Label::lossy),
            mtu: ack.interface_mtu(),
            renew_at,
            rebind_at,
            ends_at,
        });
        self.enter(Phase::Bound, now, renew_at);
    }
}

/// Whether a machine may have this address.
const fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}

/// After the message of this number, from 1: 0.3, 1, 2, 4 .. 64 s, give or take a fifth.
fn delay(sent: u32, random: u32) -> u64 {
    let seconds = 1_000_u64.checked_shl(sent.saturating_sub(2).min(16));
    let base = match sent {
        0 | 1 => FIRST_MS,
        _ => seconds.unwrap_or(LONGEST_MS).min(LONGEST_MS),
    };
    base * 4 / 5 + base * 2 / 5 * u64::from(random) / u64::from(u32::MAX)
}

/// Half of the time until `end`, at least [`RENEW_MS`], at most all of it.
fn halfway(now: Millis, end: Millis) -> Millis {
    let left = end.since(now);
    now + (left / 2).max(RENEW_MS).min(left)
}
