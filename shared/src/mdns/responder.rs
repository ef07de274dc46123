//! When a node speaks: on one network, without sockets and clock.
//!
//! ```text
//!   start ─▶ announce, and again after 1 s
//!   asked for the service ─▶ wait 20 to 120 ms, so that not all nodes speak at once ─┐
//!   asked for this instance or host ─▶ at once ──────────────────────────────────────┴▶ the same packet,
//!   end ─▶ goodbye                                                at most once a second
//! ```
//! Every answer is the whole announcement, to the group: it fits one packet, and since nothing is ever
//! sent to a single address, a forged source turns no node against anybody. For the same reason the
//! unicast answers of RFC 6762 sections 5.4 and 6.7 are left out.

use core::net::Ipv4Addr;

use rand_core::Rng;

use super::packet::{Header, Kind};
use super::{Instance, LOCAL, Life, OTHER_LIFE, SERVICE_LABELS};
use crate::time::Millis;

/// Between two times that a record is sent to a network, in milliseconds (RFC 6762 section 6).
const REST_MS: u64 = 1_000;
/// Shortest wait before an answer that other nodes give as well, in milliseconds, and how much more
/// there may be (RFC 6762 section 6).
const SHARED_MS: (u64, u64) = (20, 100);
/// Unasked announcements at the start (RFC 6762 section 8.3).
const ANNOUNCEMENTS: u8 = 2;

/// Speaks for one node on one network.
#[derive(Clone, Debug)]
pub struct Responder {
    instance: Instance,
    address: Ipv4Addr,
    announcements: u8,
    due: Option<Millis>,
    sent: Option<Millis>,
}

/// What a packet asks of us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// For the service, which others offer too.
    service: bool,
    /// For this instance or its host.
    node: bool,
}

impl Responder {
    /// Announces `instance` on the network where it has `address`, from `now` on.
    pub const fn new(instance: Instance, address: Ipv4Addr, now: Millis) -> Self {
        Self {
            instance,
            address,
            announcements: ANNOUNCEMENTS,
            due: Some(now),
            sent: None,
        }
    }

    /// Takes a packet that came from this network; whatever is not a question to us is passed over.
    pub fn handle_packet(&mut self, now: Millis, rng: &mut impl Rng, packet: &[u8]) {
        let Some(asked) = self.asked(packet) else {
            return;
        };
        if asked.node {
            self.speak_at(now);
        } else if asked.service {
            let (least, more) = SHARED_MS;
            self.speak_at(now + least + rng.next_u64() % (more + 1));
        }
    }

    /// When [`Self::poll_transmit`] has something to send; `None` until someone asks.
    pub const fn poll_timeout(&self) -> Option<Millis> {
        self.due
    }

    /// Writes the packet that is due, and says how long it is.
    pub fn poll_transmit(&mut self, now: Millis, out: &mut [u8]) -> Option<usize> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        self.sent = Some(now);
        self.announcements = self.announcements.saturating_sub(1);
        if self.announcements > 0 {
            self.speak_at(now);
        }
        self.instance.write(self.address, Life::Full, out)
    }

    /// Writes the goodbye, by which others forget the node at once.
    pub fn goodbye(&self, out: &mut [u8]) -> Option<usize> {
        self.instance.write(self.address, Life::Over, out)
    }

    /// Sends at `wanted`, or later if the last time is too near; an earlier wish stands.
    fn speak_at(&mut self, wanted: Millis) {
        let rested = self.sent.map_or(wanted, |sent| sent + REST_MS);
        let at = wanted.max(rested);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// What the packet asks of us; `None` if it is no whole query.
    fn asked(&self, packet: &[u8]) -> Option<Asked> {
        let header = Header::read(packet).filter(|header| header.is_query())?;
        let (label, host) = (self.instance.label()?, self.instance.host()?);
        let host = [host.as_bytes(), LOCAL];
        let mut instance: [&[u8]; 4] = [label.as_bytes(); 4];
        let (_, rest) = instance.split_first_mut()?;
        rest.copy_from_slice(&SERVICE_LABELS);
        let mut asked = Asked::default();
        for question in header.questions(packet) {
            let question = question?;
            let owner = question.owner;
            asked.service |= question.is_for(Kind::Ptr) && owner.is(&SERVICE_LABELS);
            asked.node |= question.is_for(Kind::A) && owner.is(&host);
            asked.node |=
                (question.is_for(Kind::Srv) || question.is_for(Kind::Txt)) && owner.is(&instance);
        }
        // Who asks may list the instances that it knows already (RFC 6762 section 7.1).
        for record in header.records(packet)? {
            let record = record?;
            let known = record.is(Kind::Ptr)
                && record.life >= OTHER_LIFE / 2
                && record.owner.is(&SERVICE_LABELS)
                && record.name().is(&instance);
            asked.service &= !known;
        }
        Some(asked)
    }
}
