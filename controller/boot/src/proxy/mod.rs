//! What to answer firmware that asks for an address and a boot file: a pure function, without sockets.
//!
//! The network's DHCP server answers the same question with an address. Firmware collects both answers,
//! for about three seconds, and puts them together (PXE 2.1 section 2.2); hence "proxy DHCP".
//!
//! | asked | at | answer | to |
//! |---|---|---|---|
//! | DISCOVER | 67 | OFFER | everybody, as the rig has no address yet |
//! | REQUEST, INFORM | 4011 | ACK | the sender |
//!
//! | option 60 begins with | 77 | 93 | file |
//! |---|---|---|---|
//! | `PXEClient` | `iPXE` | 0, 7, 9 | URL of `boot.ipxe` |
//! | `PXEClient` | `iPXE` | 11 | URL of `arm64.efi` |
//! | `PXEClient` | | 0 | `undionly.kpxe` |
//! | `PXEClient` | | 7, 9 | `x64.efi` |
//! | `PXEClient` | | 11 | `arm64.efi` |
//! | `HTTPClient` | | 16, 19 | URL of `x64.efi`, `arm64.efi` |
//!
//! An answer repeats what the client knows itself by, and has options 53, 54, 60, 97 if it was asked
//! with; 43 with the order "take the file from here, ask nobody else" for `PXEClient`; 67 for `HTTPClient`.
//! Everything else gets no answer, and [`Silence`] says why.

#[cfg(test)]
mod tests;

use core::fmt::{self, Display, Write as _};
use core::net::Ipv4Addr;

use heapless::String;
use miner_shared::dhcp::{Full, Mac, Malformed, Message, MessageType, Op, Writer, option};

use crate::files::{BootFile, FileName};

/// Longest text of `file` in a message.
const MAX_FILE: usize = 127;
/// Length of option 97: a type and 16 bytes.
const UUID: usize = 17;
/// Option 43: sub-option 6, discovery control, with bit 3, "use the file of this offer"; the end.
const TAKE_THIS_FILE: [u8; 4] = [6, 1, 8, option::END];
/// The port that a URL need not name.
const HTTP_PORT: u16 = 80;

/// Where a question came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// 67/udp, where everybody's questions for an address are heard.
    Dhcp,
    /// 4011/udp, where only boot servers are asked.
    BootServer,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its address on the rigs' network.
    pub address: Ipv4Addr,
    /// TCP port of its HTTP.
    pub http_port: u16,
}

/// An answer to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'o> {
    /// The datagram.
    pub bytes: &'o [u8],
    /// Where it goes.
    pub to: Recipient,
    /// The rig, and the file that it is told of.
    pub name: FileName,
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// 255.255.255.255:68.
    Everybody,
    /// The address and port that the question came from.
    Sender,
}

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Silence {
    /// It is no message of DHCP.
    Malformed(Malformed),
    /// It is an answer, or a question that is for the network's DHCP server.
    NotForUs,
    /// It asks for an address only: no class of option 60 that boots from a network.
    NotBooting,
    /// It came through a relay, from another network.
    Relayed,
    /// The rig's firmware is of a kind that nothing here runs on; by its number in option 93.
    Architecture(Option<u16>),
    /// The rig is not to boot from here, or its recipe lacks the file.
    NoFile(FileName),
    /// The answer would be too long.
    TooLong,
}

/// What to answer, written to `out`. `has` says whether a file is there for its rig.
///
/// # Errors
/// Nothing is to be sent.
pub fn answer<'o>(
    asked: &[u8],
    port: Port,
    server: Server,
    has: impl FnOnce(FileName) -> bool,
    out: &'o mut [u8],
) -> Result<Answer<'o>, Silence> {
    let asked = Message::parse(asked).map_err(Silence::Malformed)?;
    let header = asked.header();
    if header.op != Op::Request {
        return Err(Silence::NotForUs);
    }
    let (kind, to) = match (port, asked.message_type()) {
        (Port::Dhcp, Some(MessageType::Discover)) => (MessageType::Offer, Recipient::Everybody),
        (Port::BootServer, Some(MessageType::Request | MessageType::Inform)) => {
            (MessageType::Ack, Recipient::Sender)
        }
        _ => return Err(Silence::NotForUs),
    };
    let client = Client::of(&asked).ok_or(Silence::NotBooting)?;
    if !header.relay.is_unspecified() {
        return Err(Silence::Relayed);
    }
    let architecture = asked.architectures().next();
    let (file, by) = client
        .file(architecture)
        .ok_or(Silence::Architecture(architecture))?;
    let name = FileName {
        mac: header.mac,
        file,
    };
    if !has(name) {
        return Err(Silence::NoFile(name));
    }
    let bytes =
        write(&asked, kind, client, server, (name, by), out).map_err(|_| Silence::TooLong)?;
    Ok(Answer { bytes, to, name })
}

/// The rig that a datagram is from, if it boots from a network: for those that want to know who asks,
/// answered or not.
pub fn booting(asked: &[u8]) -> Option<Mac> {
    let asked = Message::parse(asked).ok()?;
    let is = asked.header().op == Op::Request && Client::of(&asked).is_some();
    is.then(|| asked.header().mac)
}

/// What asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// A ROM or UEFI, which loads by TFTP.
    Pxe,
    /// iPXE, which takes URLs.
    Ipxe,
    /// UEFI's HTTP boot, which takes nothing but URLs.
    Http,
}

/// How a file is named to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Name,
    Url,
}

impl Client {
    fn of(asked: &Message<'_>) -> Option<Self> {
        let class = asked.option(option::VENDOR_CLASS)?;
        if class.starts_with(b"HTTPClient") {
            Some(Self::Http)
        } else if !class.starts_with(b"PXEClient") {
            None
        } else if asked.option(option::USER_CLASS) == Some(b"iPXE") {
            Some(Self::Ipxe)
        } else {
            Some(Self::Pxe)
        }
    }

    /// The file for firmware of this kind. Without option 93 it is a BIOS (RFC 4578 has it required, old
    /// ROMs know no better).
    const fn file(self, architecture: Option<u16>) -> Option<(BootFile, By)> {
        let architecture = match architecture {
            Some(architecture) => architecture,
            None => 0,
        };
        Some(match (self, architecture) {
            (Self::Pxe, 0) => (BootFile::Undionly, By::Name),
            (Self::Pxe, 7 | 9) => (BootFile::UkiX64, By::Name),
            (Self::Pxe, 11) => (BootFile::UkiArm64, By::Name),
            (Self::Ipxe, 0 | 7 | 9) => (BootFile::Script, By::Url),
            (Self::Ipxe, 11) | (Self::Http, 19) => (BootFile::UkiArm64, By::Url),
            (Self::Http, 16) => (BootFile::UkiX64, By::Url),
            _ => return None,
        })
    }

    /// Option 60 of the answer; a client passes over answers without its own.
    const fn class(self) -> &'static [u8] {
        match self {
            Self::Pxe | Self::Ipxe => b"PXEClient",
            Self::Http => b"HTTPClient",
        }
    }
}

fn write<'o>(
    asked: &Message<'_>,
    kind: MessageType,
    client: Client,
    server: Server,
    (name, by): (FileName, By),
    out: &'o mut [u8],
) -> Result<&'o [u8], Full> {
    let mut header = asked.header().reply();
    header.next_server = server.address;
    if kind == MessageType::Ack {
        header.client = asked.header().client;
    }
    let file = match by {
        By::Name => text::<MAX_FILE>(&name)?,
        By::Url => text::<MAX_FILE>(&Url(server, name))?,
    };
    let mut answer = Writer::new(out, &header, kind)?;
    answer.server_name(text::<MAX_FILE>(&server.address)?.as_bytes())?;
    answer.file(file.as_bytes())?;
    answer.address(option::SERVER_ID, server.address)?;
    answer.option(option::VENDOR_CLASS, client.class())?;
    if let Some(uuid) = asked
        .option(option::CLIENT_UUID)
        .filter(|uuid| uuid.len() == UUID)
    {
        answer.option(option::CLIENT_UUID, uuid)?;
    }
    match client {
        Client::Pxe | Client::Ipxe => answer.option(option::VENDOR_SPECIFIC, &TAKE_THIS_FILE)?,
        Client::Http => answer.option(option::BOOT_FILE, file.as_bytes())?,
    }
    answer.finish()
}

/// `http://10.77.0.2:7402/52-54-00-12-34-56/x64.efi`
struct Url(Server, FileName);

impl Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(server, name) = self;
        write!(f, "http://{}", server.address)?;
        if server.http_port != HTTP_PORT {
            write!(f, ":{}", server.http_port)?;
        }
        write!(f, "/{name}")
    }
}

fn text<const N: usize>(value: &impl Display) -> Result<String<N>, Full> {
    let mut text = String::new();
    write!(text, "{value}").map_err(|_| Full)?;
    Ok(text)
}

impl Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => why.fmt(f),
            Self::NotForUs => f.write_str("the message is for the network's DHCP server"),
            Self::NotBooting => f.write_str("it does not boot from the network"),
            Self::Relayed => f.write_str("it came from another network, through a relay"),
            Self::Architecture(Some(number)) => {
                write!(f, "no boot file runs on firmware of architecture {number}")
            }
            Self::Architecture(None) => f.write_str("its firmware takes no boot file by this way"),
            Self::NoFile(name) => write!(f, "there is no {name}"),
            Self::TooLong => f.write_str("the answer would be too long"),
        }
    }
}
