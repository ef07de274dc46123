//! TFTP (RFC 1350) with options (RFC 2347 to 2349, 7440), for reading only.
//!
//! ```text
//!   client ── RRQ name octet blksize 1468 windowsize 4 ──▶ 69
//!          ◀── OACK blksize 1468 windowsize 4 ──────────── a port of its own per transfer
//!          ── ACK 0 ──────────────────────────────────────▶
//!          ◀── DATA 1, 2, 3, 4 ────────────────────────────
//!          ── ACK 4 ──▶ …        the last DATA is shorter than a block, or empty
//! ```
//! [`packet`] reads and writes, [`Transfer`] is one transfer without socket and clock, and `driver` has
//! one task for each.

mod driver;
pub mod packet;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use driver::serve;
pub use transfer::{End, Transfer};
