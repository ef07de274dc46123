//! DHCP messages (RFC 2131, with the options of RFC 2132 and its successors) in the caller's memory: read
//! in place, written from front to back. A rig asks for its address with them, and the controller's boot
//! server reads what firmware asks and answers where to boot from.
//!
//! ```text
//!    0 op │ htype │ hlen │ hops       12 ciaddr  the client's address, as it knows it
//!    4 xid                            16 yiaddr  the address that it gets
//!    8 secs │ flags                   20 siaddr  who has the boot file
//!   28 chaddr  16 bytes               24 giaddr  the relay in between
//!   44 sname   64 bytes              236 the cookie 63 82 53 63
//!  108 file   128 bytes              240 options: code, length, value; 0 pads, 255 ends
//! ```
//! Option 52 says that `file`, `sname` or both hold options too. Reading is total: any bytes are either a
//! [`Message`] whose options all lie within it, or [`Malformed`]. Only Ethernet is spoken: hardware type 1
//! with addresses of six bytes.

pub mod client;
mod mac;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use mac::{InvalidMac, Mac};
pub use read::{Malformed, Message, Route};
pub use write::{Full, Writer};

use core::net::Ipv4Addr;

/// UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// UDP port on which a PXE boot server takes requests for a boot file (PXE 2.1, section 2.2.3).
pub const BOOT_SERVER_PORT: u16 = 4011;

/// In front of the options.
const COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Bytes of `sname`.
const SERVER_NAME: usize = 64;
/// Bytes of `file`.
const FILE: usize = 128;
/// Where `sname` and `file` begin.
const SERVER_NAME_AT: usize = 44;
const FILE_AT: usize = SERVER_NAME_AT + SERVER_NAME;
/// Hardware type and length of addresses of Ethernet.
const ETHERNET: [u8; 2] = [1, 6];
/// Bit of `flags`: answers shall be broadcast. The others must be 0.
const BROADCAST: u16 = 0x8000;

/// What stands at fixed places, but for `sname` and `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who speaks.
    pub op: Op,
    /// Relays on the way so far.
    pub hops: u8,
    /// Chosen by the client; an answer repeats it.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Whether the client can take broadcasts only.
    pub broadcast: bool,
    /// `ciaddr`: the address that the client has and answers to, or 0.0.0.0.
    pub client: Ipv4Addr,
    /// `yiaddr`: the address that the client gets, or 0.0.0.0.
    pub yours: Ipv4Addr,
    /// `siaddr`: where the boot file is, or 0.0.0.0.
    pub next_server: Ipv4Addr,
    /// `giaddr`: the relay that the message came through, or 0.0.0.0.
    pub relay: Ipv4Addr,
    /// `chaddr`: the client's hardware address.
    pub mac: Mac,
}

impl Header {
    /// A client's message that says nothing yet but who asks.
    pub const fn request(mac: Mac, xid: u32) -> Self {
        Self {
            op: Op::Request,
            hops: 0,
            xid,
            secs: 0,
            broadcast: false,
            client: Ipv4Addr::UNSPECIFIED,
            yours: Ipv4Addr::UNSPECIFIED,
            next_server: Ipv4Addr::UNSPECIFIED,
            relay: Ipv4Addr::UNSPECIFIED,
            mac,
        }
    }

    /// The answer to this message that says nothing yet: RFC 2131 section 4.3.1, table 3.
    pub const fn reply(&self) -> Self {
        Self {
            broadcast: self.broadcast,
            relay: self.relay,
            op: Op::Reply,
            ..Self::request(self.mac, self.xid)
        }
    }
}

/// First byte of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// From a client.
    Request = 1,
    /// From a server.
    Reply = 2,
}

/// Option 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 2131 section 3.1, table 2, has the words")]
pub enum MessageType {
    Discover = 1,
    Offer = 2,
    Request = 3,
    Decline = 4,
    Ack = 5,
    Nak = 6,
    Release = 7,
    Inform = 8,
}

impl MessageType {
    const ALL: [Self; 8] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
    ];

    fn read(value: &[u8]) -> Option<Self> {
        let [code] = *value else {
            return None;
        };
        Self::ALL.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// Codes of options.
pub mod option {
    /// Nothing: one byte without length.
    pub const PAD: u8 = 0;
    /// Four bytes.
    pub const SUBNET_MASK: u8 = 1;
    /// Addresses of gateways, the preferred one first.
    pub const ROUTERS: u8 = 3;
    /// Addresses.
    pub const DNS_SERVERS: u8 = 6;
    /// Text: the client's name.
    pub const HOST_NAME: u8 = 12;
    /// Text: the domain for names without a dot.
    pub const DOMAIN_NAME: u8 = 15;
    /// Bytes of the largest packet.
    pub const INTERFACE_MTU: u8 = 26;
    /// Addresses.
    pub const NTP_SERVERS: u8 = 42;
    /// Whatever the vendor of option 60 says; PXE has sub-options in it.
    pub const VENDOR_SPECIFIC: u8 = 43;
    /// The address that the client would like.
    pub const REQUESTED_ADDRESS: u8 = 50;
    /// In seconds.
    pub const LEASE_TIME: u8 = 51;
    /// Which of `file` (1) and `sname` (2), or both (3), hold options.
    pub const OVERLOAD: u8 = 52;
    /// See [`super::MessageType`].
    pub const MESSAGE_TYPE: u8 = 53;
    /// The server's address.
    pub const SERVER_ID: u8 = 54;
    /// Codes of the options that the client would like.
    pub const PARAMETER_LIST: u8 = 55;
    /// Bytes of the largest message that the client takes.
    pub const MAX_MESSAGE_SIZE: u8 = 57;
    /// Seconds until the client asks its server to renew: T1.
    pub const RENEWAL_TIME: u8 = 58;
    /// Seconds until the client asks any server: T2.
    pub const REBINDING_TIME: u8 = 59;
    /// Text: what the client is.
    pub const VENDOR_CLASS: u8 = 60;
    /// A type and an identifier: the client's key at the server, instead of its hardware address.
    pub const CLIENT_ID: u8 = 61;
    /// Text: name or address of the TFTP server.
    pub const TFTP_SERVER: u8 = 66;
    /// Text: what `file` says, without its limit of 127 bytes.
    pub const BOOT_FILE: u8 = 67;
    /// What the client is at the moment; iPXE says `iPXE` (RFC 3004 would put lengths in front).
    pub const USER_CLASS: u8 = 77;
    /// Sixteen-bit numbers: architectures of the client (RFC 4578 section 2.1).
    pub const CLIENT_ARCHITECTURE: u8 = 93;
    /// A type and the machine's UUID (RFC 4578 section 2.3).
    pub const CLIENT_UUID: u8 = 97;
    /// Routes that replace option 3 (RFC 3442).
    pub const CLASSLESS_ROUTES: u8 = 121;
    /// The last one: one byte without length.
    pub const END: u8 = 255;
}
