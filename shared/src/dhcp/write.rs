//! A message to send, written from front to back.

use core::fmt;
use core::net::Ipv4Addr;

use super::{BROADCAST, COOKIE, ETHERNET, FILE, FILE_AT, Header, MessageType};
use super::{SERVER_NAME, SERVER_NAME_AT, option};
use crate::limits::MIN_DHCP_MESSAGE;

/// Writes a message. Whatever does not fit is refused, and what stood there before stays as it was.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
}

/// The caller's memory, or the field, is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'o> Writer<'o> {
    /// Begins with the header and the type of the message (option 53).
    pub fn new(out: &'o mut [u8], header: &Header, kind: MessageType) -> Result<Self, Full> {
        let mut writer = Self { out, at: 0 };
        let [htype, hlen] = ETHERNET;
        writer.put(&[header.op as u8, htype, hlen, header.hops])?;
        writer.put(&header.xid.to_be_bytes())?;
        writer.put(&header.secs.to_be_bytes())?;
        let flags = if header.broadcast { BROADCAST } else { 0 };
        writer.put(&flags.to_be_bytes())?;
        for address in [
            header.client,
            header.yours,
            header.next_server,
            header.relay,
        ] {
            writer.put(&address.octets())?;
        }
        writer.put(&header.mac.0)?;
        writer.put(&[0; 10])?;
        writer.put(&[0; SERVER_NAME])?;
        writer.put(&[0; FILE])?;
        writer.put(&COOKIE)?;
        writer.option(option::MESSAGE_TYPE, &[kind as u8])?;
        Ok(writer)
    }

    /// Writes `sname`: at most 63 bytes.
    pub fn server_name(&mut self, name: &[u8]) -> Result<(), Full> {
        self.field(SERVER_NAME_AT, SERVER_NAME, name)
    }

    /// Writes `file`: at most 127 bytes.
    pub fn file(&mut self, name: &[u8]) -> Result<(), Full> {
        self.field(FILE_AT, FILE, name)
    }

    /// Adds an option: at most 255 bytes. There is always room left for the end.
    pub fn option(&mut self, code: u8, value: &[u8]) -> Result<(), Full> {
        let length = u8::try_from(value.len()).map_err(|_| Full)?;
        if self.out.len().saturating_sub(self.at) < 2 + value.len() + 1 {
            return Err(Full);
        }
        self.put(&[code, length])?;
        self.put(value)
    }

    /// Adds an option that is an address.
    pub fn address(&mut self, code: u8, address: Ipv4Addr) -> Result<(), Full> {
        self.option(code, &address.octets())
    }

    /// Ends the options, pads the message to what relays of BOOTP let through, and returns it.
    pub fn finish(mut self) -> Result<&'o [u8], Full> {
        self.put(&[option::END])?;
        let end = self.at.max(MIN_DHCP_MESSAGE);
        let padding = self.out.get_mut(self.at..end).ok_or(Full)?;
        padding.fill(option::PAD);
        self.out.get(..end).ok_or(Full)
    }

    fn field(&mut self, at: usize, length: usize, text: &[u8]) -> Result<(), Full> {
        // A NUL ends it.
        let field = self.out.get_mut(at..at + length).ok_or(Full)?;
        let (place, rest) = field.split_at_mut_checked(text.len()).ok_or(Full)?;
        let end = rest.first_mut().ok_or(Full)?;
        place.copy_from_slice(text);
        *end = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at.checked_add(bytes.len()).ok_or(Full)?;
        let place = self.out.get_mut(self.at..end).ok_or(Full)?;
        place.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message does not fit")
    }
}

impl core::error::Error for Full {}
