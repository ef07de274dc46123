//! One transfer: which packets go out when, and when it ends.
//!
//! ```text
//!            blocks   1 … acked │ acked+1 … sent │ …          a window of them is on the way
//!   ACK n in the window         ▶ acked = n, and what follows is sent
//!   ACK of anything else        ▶ nothing: what is sent twice because an ACK came twice would
//!                                 double for ever (RFC 1123 section 4.2.3.1)
//!   nothing for a while         ▶ the window again, a few times
//! ```
//! Blocks are counted in 64 bits here; on the wire there are the last 16, so that files may be longer than
//! 65,535 blocks.

use std::io;

use miner_shared::time::Millis;

use super::packet::{DATA_HEADER, Options, Reply};
use crate::files::Content;
use crate::limits::{MAX_TRANSFER_MS, TFTP_BLOCK, TFTP_RETRIES, TFTP_RETRY_MS};

/// A file on its way to one client.
///
/// `handle_*` take what happens, [`Self::poll_transmit`] says what to send, [`Self::poll_timeout`] when to
/// come back, and [`Self::end`] whether it is over.
#[derive(Debug)]
pub struct Transfer {
    content: Content,
    options: Options,
    block: u64,
    window: u64,
    retry_ms: u64,
    /// Blocks in all: the last one is shorter than the others, possibly empty.
    blocks: u64,
    /// Blocks that the client has; `None` until it agreed to the options.
    acked: Option<u64>,
    /// Blocks that were sent since the last thing that made progress. The OACK counts as block 0.
    sent: Option<u64>,
    due: Millis,
    deadline: Millis,
    tries: u8,
    end: Option<End>,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The client has the whole file.
    Complete,
    /// The client knows now how long the file is, and ended it before the first block. UEFI does so.
    Probed,
    /// The client ended it, with this code.
    Refused(u16),
    /// The client was silent, or took too long.
    Lost,
}

impl Transfer {
    /// Begins to send a file with what the client asked for.
    pub fn new(content: Content, options: Options, now: Millis) -> Self {
        let block = options.block.map_or(TFTP_BLOCK as u64, u64::from);
        let asked = options.acknowledgement(0).is_some();
        let retry_ms = options
            .timeout_secs
            .map_or(TFTP_RETRY_MS, |secs| u64::from(secs) * 1_000);
        Self {
            blocks: content.len() / block + 1,
            window: options.window.map_or(1, u64::from),
            retry_ms,
            acked: (!asked).then_some(0),
            sent: (!asked).then_some(0),
            due: now + retry_ms,
            deadline: now + MAX_TRANSFER_MS,
            tries: 0,
            end: None,
            content,
            options,
            block,
        }
    }

    /// How it ended, if it did.
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Bytes that the client has.
    pub fn bytes(&self) -> u64 {
        (self.acked.unwrap_or(0) * self.block).min(self.content.len())
    }

    /// When [`Self::handle_timeout`] is to be called, unless something comes before.
    pub fn poll_timeout(&self) -> Millis {
        self.due.min(self.deadline)
    }

    /// Takes a packet of the client.
    pub fn handle_packet(&mut self, now: Millis, packet: &[u8]) {
        if self.end.is_some() {
            return;
        }
        match Reply::parse(packet) {
            Some(Reply::Error(code)) => {
                self.end = Some(match self.acked {
                    None if self.sent.is_some() => End::Probed,
                    _ => End::Refused(code),
                });
            }
            Some(Reply::Ack(number)) => self.handle_ack(now, number),
            None => {}
        }
    }

    fn handle_ack(&mut self, now: Millis, number: u16) {
        let Some(sent) = self.sent else {
            return;
        };
        let Some(acked) = self.acked else {
            if number == 0 {
                self.progress(now, 0);
            }
            return;
        };
        // The one block of the window with this number, if any: a window is far shorter than 65,536.
        let ahead = number.wrapping_sub(low_bits(acked));
        let block = acked + u64::from(ahead);
        if ahead > 0 && block <= sent {
            self.progress(now, block);
        }
    }

    /// Also after a gap, when the client acknowledges less than the window (RFC 7440 section 4): it goes on
    /// from there.
    fn progress(&mut self, now: Millis, block: u64) {
        self.acked = Some(block);
        self.sent = Some(block);
        self.tries = 0;
        self.due = now + self.retry_ms;
        if block == self.blocks {
            self.end = Some(End::Complete);
        }
    }

    /// Time has passed: sends again what was not acknowledged, or gives up.
    pub fn handle_timeout(&mut self, now: Millis) {
        if self.end.is_some() || now < self.poll_timeout() {
            return;
        }
        if self.tries == TFTP_RETRIES || now >= self.deadline {
            self.end = Some(End::Lost);
            return;
        }
        self.tries += 1;
        self.sent = self.acked;
        self.due = now + self.retry_ms;
    }

    /// Writes the next packet, of [`super::packet::MAX_PACKET`] bytes at the most, and says how long it
    /// is; `None` if the client's answer has to come first.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn poll_transmit(&mut self, out: &mut [u8]) -> io::Result<Option<usize>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let Some(sent) = self.sent else {
            self.sent = Some(0);
            return Ok(self.write_options(out));
        };
        let Some(acked) = self.acked else {
            return Ok(None);
        };
        if sent == self.blocks || sent == acked + self.window {
            return Ok(None);
        }
        let length = self.write_block(sent + 1, out)?;
        self.sent = Some(sent + 1);
        Ok(Some(length))
    }

    fn write_options(&self, out: &mut [u8]) -> Option<usize> {
        let packet = self.options.acknowledgement(self.content.len())?;
        out.get_mut(..packet.len())?.copy_from_slice(&packet);
        Some(packet.len())
    }

    fn write_block(&self, block: u64, out: &mut [u8]) -> io::Result<usize> {
        let [high, low] = low_bits(block).to_be_bytes();
        let too_small = || io::Error::other("the packet does not fit");
        let (header, data) = out.split_first_chunk_mut().ok_or_else(too_small)?;
        *header = [0, 3, high, low];
        let size = usize::try_from(self.block).map_err(io::Error::other)?;
        let data = data.get_mut(..size).ok_or_else(too_small)?;
        let read = self.content.read_at((block - 1) * self.block, data)?;
        Ok(DATA_HEADER + read)
    }
}

/// The number of a block as it stands in packets.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the last 16 bits are meant"
)]
const fn low_bits(block: u64) -> u16 {
    block as u16
}
