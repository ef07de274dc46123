//! Packets of TFTP.
//!
//! ```text
//!   1 RRQ, 2 WRQ │ file 0 mode 0 (option 0 value 0)…
//!   3 DATA       │ block │ 0 to blksize bytes
//!   4 ACK        │ block
//!   5 ERROR      │ code │ text 0
//!   6 OACK       │ (option 0 value 0)…
//! ```
//! All start with two bytes that say which one it is; block and code have two bytes as well.

use core::fmt::Write as _;
use core::str;

use heapless::Vec;

use crate::limits::{MAX_TFTP_BLOCK, MAX_TFTP_REQUEST, MAX_TFTP_WINDOW, MIN_TFTP_BLOCK};

/// Bytes in front of the data of a DATA.
pub const DATA_HEADER: usize = 4;
/// Largest packet that is sent.
pub const MAX_PACKET: usize = DATA_HEADER + MAX_TFTP_BLOCK as usize;
/// Longest OACK: four options, each name with its longest number and two NULs.
const MAX_OACK: usize = 2 + (7 + 5 + 2) + (5 + 20 + 2) + (10 + 5 + 2) + (7 + 3 + 2);

/// What a client asks first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'p> {
    /// The file, as the client spells it.
    pub name: &'p str,
    /// What it proposes.
    pub options: Options,
}

/// Options of a transfer; `None` and `false` are "not asked for".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a block (RFC 2348), already within what we send.
    pub block: Option<u16>,
    /// Whether the client wants to know the file's length (RFC 2349).
    pub size: bool,
    /// Blocks on the way at a time (RFC 7440), already within what we send.
    pub window: Option<u16>,
    /// Seconds before something is sent again (RFC 2349).
    pub timeout_secs: Option<u8>,
}

/// Why a first packet is not served, with the code and text of the ERROR that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such file.
    NotFound,
    /// It would write.
    ReadOnly,
    /// It is not a request, or a broken one.
    Illegal,
    /// It wants line ends translated.
    OctetOnly,
    /// The file cannot be read.
    Unreadable,
}

impl Refusal {
    const fn words(self) -> (u16, &'static str) {
        match self {
            Self::NotFound => (1, "no such file"),
            Self::ReadOnly => (2, "files can only be read"),
            Self::Illegal => (4, "not a read request"),
            Self::OctetOnly => (0, "the only mode is octet"),
            Self::Unreadable => (0, "the file cannot be read"),
        }
    }

    /// The ERROR packet.
    pub fn packet(self) -> Vec<u8, 64> {
        let (code, text) = self.words();
        let [high, low] = code.to_be_bytes();
        let mut packet = Vec::new();
        for part in [&[0, 5, high, low], text.as_bytes(), &[0]] {
            // The longest of our texts fits.
            let _ = packet.extend_from_slice(part);
        }
        packet
    }
}

impl<'p> Request<'p> {
    /// Reads what came to port 69. Options that we do not know, or whose values make no sense, are as if
    /// they were not asked for (RFC 2347).
    ///
    /// # Errors
    /// It is to be answered with an ERROR, unless it is an ERROR itself.
    pub fn parse(packet: &'p [u8]) -> Result<Self, Refusal> {
        let (op, rest) = packet.split_first_chunk().ok_or(Refusal::Illegal)?;
        match u16::from_be_bytes(*op) {
            1 if packet.len() <= MAX_TFTP_REQUEST => {}
            2 => return Err(Refusal::ReadOnly),
            _ => return Err(Refusal::Illegal),
        }
        let rest = rest.strip_suffix(&[0]).ok_or(Refusal::Illegal)?;
        let mut texts = rest
            .split(|byte| *byte == 0)
            .map(|text| str::from_utf8(text).ok());
        let mut text = || texts.next().flatten();
        let name = text()
            .filter(|name| !name.is_empty())
            .ok_or(Refusal::Illegal)?;
        if !text()
            .ok_or(Refusal::Illegal)?
            .eq_ignore_ascii_case("octet")
        {
            return Err(Refusal::OctetOnly);
        }
        let mut options = Options::default();
        while let (Some(option), Some(value)) = (text(), text()) {
            options.read(option, value);
        }
        Ok(Self { name, options })
    }
}

impl Options {
    fn read(&mut self, option: &str, value: &str) {
        let number = value.parse::<u64>().ok();
        let up_to =
            |most: u16| number.map(|number| u16::try_from(number).map_or(most, |n| n.min(most)));
        let is = |name: &str| option.eq_ignore_ascii_case(name);
        if is("blksize") {
            self.block = up_to(MAX_TFTP_BLOCK).filter(|bytes| *bytes >= MIN_TFTP_BLOCK);
        } else if is("tsize") {
            self.size = number.is_some();
        } else if is("windowsize") {
            self.window = up_to(MAX_TFTP_WINDOW).filter(|blocks| *blocks > 0);
        } else if is("timeout") {
            let secs = number.and_then(|secs| u8::try_from(secs).ok());
            self.timeout_secs = secs.filter(|secs| *secs > 0);
        }
    }

    /// The OACK that grants them, for a file of this length; `None` if nothing was asked for.
    pub fn acknowledgement(self, length: u64) -> Option<Vec<u8, MAX_OACK>> {
        let size = self.size.then_some(length);
        let granted = [
            ("blksize", self.block.map(u64::from)),
            ("tsize", size),
            ("windowsize", self.window.map(u64::from)),
            ("timeout", self.timeout_secs.map(u64::from)),
        ];
        if granted.iter().all(|(_, value)| value.is_none()) {
            return None;
        }
        let mut packet = Vec::new();
        packet.extend_from_slice(&[0, 6]).ok()?;
        for (name, value) in granted {
            if let Some(value) = value {
                write!(packet, "{name}\0{value}\0").ok()?;
            }
        }
        Some(packet)
    }
}

/// What a client says during a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Blocks up to this one have come; by the last 16 bits of its number.
    Ack(u16),
    /// The client ends the transfer, with this code.
    Error(u16),
}

impl Reply {
    /// `None` for whatever else comes.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let ([op_high, op, high, low], _) = packet.split_first_chunk()?;
        let number = u16::from_be_bytes([*high, *low]);
        match [*op_high, *op] {
            [0, 4] => Some(Self::Ack(number)),
            [0, 5] => Some(Self::Error(number)),
            _ => None,
        }
    }
}
