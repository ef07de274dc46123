//! Who is on the local network: a node announces itself by multicast DNS (RFC 6762) as an instance of
//! a service of DNS-SD (RFC 6763), and whoever asks for the service hears it.
//!
//! ```text
//!   peer discover ── QUERY ──▶ 224.0.0.251:5353 ──▶ Responder
//!   Instance::read ◀────────── 224.0.0.251:5353 ◀── one packet, these four records
//! ```
//!
//! | owner | record | data | life |
//! |---|---|---|---|
//! | `_smsg._tcp.local` | PTR | the instance, `NAME ID._smsg._tcp.local` | 75 min |
//! | the instance | SRV | the port, and the host `smsg-ID.local` | 2 min |
//! | the instance | TXT | `txtvers=1`, `role=`, `id=`, `fp=` | 75 min |
//! | the host | A | the address on the network that the packet goes to | 2 min |
//!
//! An announcement says where a node claims to be and which key it claims to have. It proves nothing
//! and nothing follows from it: a person compares the fingerprint, and the link proves the key.
//! Instance and host are named after the node ID, so two nodes cannot want one name, and the probing
//! for other owners (RFC 6762 section 8.1) is left out. To the byte: docs/SMSG.md.

mod packet;
mod responder;
#[cfg(test)]
mod tests;

pub use responder::Responder;

use core::fmt::Write as _;
use core::net::Ipv4Addr;
use core::str;

use heapless::String;

use crate::identity::{Fingerprint, NodeId, Role};
use crate::text::Name;
use packet::{CLASS, DnsName, FLUSH, Header, Kind, Writer};

/// Where multicast DNS is spoken.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The same in UDP.
pub const PORT: u16 = 5353;
/// Asks who offers the service: the whole packet.
pub const QUERY: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x05_smsg\x04_tcp\x05local\0\0\x0c\0\x01";

/// The service's name, as it stands in packets and as labels.
const SERVICE: &[u8] = b"\x05_smsg\x04_tcp\x05local\0";
const SERVICE_LABELS: [&[u8]; 3] = [b"_smsg", b"_tcp", LOCAL];
const LOCAL: &[u8] = b"local";
/// Where `local` begins in the service's name.
const LOCAL_AT: usize = 11;

/// Longest label of a name, in bytes (RFC 1035 section 3.1).
const MAX_LABEL: usize = 63;
/// Bytes of a node's name that fit in front of a blank and the node ID.
const SHOWN_NAME: usize = MAX_LABEL - 1 - 16;
/// Lives of records, in seconds, as RFC 6762 section 10 advises: those with a host or an address, and the others.
const HOST_LIFE: u32 = 120;
const OTHER_LIFE: u32 = 75 * 60;

/// A text of one label or of one string of a TXT record.
type Short = String<MAX_STRING>;
/// `fp=` and a fingerprint in groups of four is the longest.
const MAX_STRING: usize = 3 + 54 + 13;

/// What a node announces: an instance of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The node's name; its first 46 bytes are announced.
    pub name: Name,
    /// What it may be on a link.
    pub role: Role,
    /// The key that it claims to have.
    pub fingerprint: Fingerprint,
    /// TCP port on which it waits for links.
    pub port: u16,
}

/// Whether records are to be kept or forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// The node is there.
    Full,
    /// The node goes: a life of 0 seconds (RFC 6762 section 10.1).
    Over,
}

impl Life {
    const fn of(self, secs: u32) -> u32 {
        match self {
            Self::Full => secs,
            Self::Over => 0,
        }
    }
}

impl Instance {
    /// Writes the packet that announces the instance at `address`; `None` if `out` is too small.
    fn write(&self, address: Ipv4Addr, life: Life, out: &mut [u8]) -> Option<usize> {
        let mut packet = Writer::new(out);
        packet.header(4)?;
        let service = packet.at();
        let instance = packet.record(SERVICE, Kind::Ptr, CLASS, life.of(OTHER_LIFE), |data| {
            let instance = data.at();
            data.label(self.label()?.as_bytes())?;
            data.pointer(service)?;
            Some(instance)
        })?;
        let host = packet.record(instance, Kind::Srv, FLUSH, life.of(HOST_LIFE), |data| {
            // Priority and weight: there is no choice.
            data.put(&[0, 0, 0, 0])?;
            data.put(&self.port.to_be_bytes())?;
            let host = data.at();
            data.label(self.host()?.as_bytes())?;
            data.pointer(service + LOCAL_AT)?;
            Some(host)
        })?;
        packet.record(instance, Kind::Txt, FLUSH, life.of(OTHER_LIFE), |data| {
            data.string("txtvers=1", &"")?;
            data.string("role=", &self.role)?;
            data.string("id=", &self.fingerprint.node_id())?;
            data.string("fp=", &self.fingerprint)
        })?;
        packet.record(host, Kind::A, FLUSH, life.of(HOST_LIFE), |data| {
            data.put(&address.octets())
        })?;
        Some(packet.at())
    }

    /// The instance that an answer is about. `None` for any other packet, for a node that says goodbye,
    /// and where the parts contradict each other. Of several instances in a packet the first counts.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let header = Header::read(packet)?;
        if !header.is_answer() {
            return None;
        }
        let mut pointers = header.records(packet)?.map_while(|record| record);
        let instance = pointers.find_map(|record| {
            let ours = record.is(Kind::Ptr) && record.owner.is(&SERVICE_LABELS);
            (ours && record.life > 0).then(|| record.name())
        })?;
        let (mut port, mut claims) = (None, None);
        for record in header.records(packet)? {
            let record = record?;
            if !record.owner.is_same(instance) {
                continue;
            }
            if record.is(Kind::Srv) {
                port = port.or_else(|| record.data.get(4..6));
            } else if record.is(Kind::Txt) {
                claims = claims.or_else(|| Claims::read(record.data));
            }
        }
        let (port, claims) = (port?.first_chunk()?, claims?);
        Some(Self {
            name: name_in(instance, claims.id)?,
            role: claims.role,
            fingerprint: claims.fingerprint,
            port: Some(u16::from_be_bytes(*port)).filter(|port| *port != 0)?,
        })
    }

    /// First label of the instance's name: as much of the node's name as fits, and the node ID.
    fn label(&self) -> Option<String<MAX_LABEL>> {
        // A name is ASCII; cut, it still has to end as a name may.
        let name = self.name.as_str();
        let name = name.get(..SHOWN_NAME).unwrap_or(name);
        let name = name.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let mut label = String::new();
        write!(label, "{name} {}", self.fingerprint.node_id()).ok()?;
        Some(label)
    }

    /// First label of the host's name.
    fn host(&self) -> Option<String<MAX_LABEL>> {
        let mut label = String::new();
        write!(label, "smsg-{}", self.fingerprint.node_id()).ok()?;
        Some(label)
    }
}

/// The node's name in the name of an instance of ours, if it is of this node.
fn name_in(instance: DnsName<'_>, id: NodeId) -> Option<Name> {
    let mut labels = instance.labels();
    let first = str::from_utf8(labels.next()?).ok()?;
    if !labels.is(&SERVICE_LABELS) {
        return None;
    }
    let (name, said) = first.rsplit_once(' ')?;
    (said.parse() == Ok(id)).then(|| Name::parse(name).ok())?
}

/// What a TXT record of ours says.
#[derive(Clone, Copy, Debug)]
struct Claims {
    role: Role,
    id: NodeId,
    fingerprint: Fingerprint,
}

impl Claims {
    /// Keys may come in any order and case, unknown ones are passed over, and of two equal ones the
    /// first counts (RFC 6763 section 6.4).
    fn read(mut data: &[u8]) -> Option<Self> {
        let (mut version, mut role, mut id, mut fingerprint) = (None, None, None, None);
        while let Some((length, rest)) = data.split_first() {
            let (string, rest) = rest.split_at_checked((*length).into())?;
            data = rest;
            let text = str::from_utf8(string).ok();
            let Some((key, value)) = text.and_then(|text| text.split_once('=')) else {
                continue;
            };
            let slot = match key {
                key if key.eq_ignore_ascii_case("txtvers") => &mut version,
                key if key.eq_ignore_ascii_case("role") => &mut role,
                key if key.eq_ignore_ascii_case("id") => &mut id,
                key if key.eq_ignore_ascii_case("fp") => &mut fingerprint,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        let claims = Self {
            role: role?.parse().ok()?,
            id: id?.parse().ok()?,
            fingerprint: fingerprint?.parse().ok()?,
        };
        let whole = version? == "1" && claims.fingerprint.node_id() == claims.id;
        whole.then_some(claims)
    }
}
