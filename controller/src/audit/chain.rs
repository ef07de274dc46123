//! One line of the log.
//!
//! ```text
//!   {"seq":7,…,"requestId":"…","hash":"5f0c…"}\n
//!   └────────── text ─────────┘        │
//!                 hash = SHA-256(hash of the line before | text)
//! ```
//! The tail is compared as text, byte by byte, so a changed case of a digit is a change too.

use std::fmt::Write as _;

use miner_shared::crypto::sha256;

use super::entry::Entry;

/// The hash of a line.
pub(super) type Hash = [u8; 32];
/// What the first line of all stands on.
pub(super) const NOTHING: Hash = [0; 32];

const BEFORE: &str = ",\"hash\":\"";
const BEHIND: &str = "\"}";
/// Bytes behind the text.
const TAIL: usize = BEFORE.len() + 64 + BEHIND.len();

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// Its hash is not that of the entry before it and its own text.
    #[error("its hash does not fit the entry before it and what it says")]
    Hash,
    /// Its number does not follow.
    #[error("its number does not follow the one before it")]
    Number,
    /// It is no entry.
    #[error("it is no entry")]
    NoEntry,
    /// It ends within a line.
    #[error("it is not whole")]
    Torn,
    /// The segment before it is not there.
    #[error("the segment before it is missing")]
    Missing,
}

/// The line of an entry behind the line of this hash, and its own hash.
pub(super) fn seal(prev: &Hash, entry: &Entry) -> serde_json::Result<(String, Hash)> {
    let mut line = serde_json::to_string(entry)?;
    // The brace at the end comes back behind the hash.
    line.pop();
    let hash = sha256(&[prev, line.as_bytes()]);
    line += BEFORE;
    line += &hex(&hash);
    line += BEHIND;
    line.push('\n');
    Ok((line, hash))
}

/// The entry of a line without its line feed, if it stands behind the line of this hash.
pub(super) fn check(prev: &Hash, line: &[u8]) -> Result<(Entry, Hash), Flaw> {
    let (text, tail) = split(line).ok_or(Flaw::NoEntry)?;
    let hash = sha256(&[prev, text]);
    if tail != format!("{BEFORE}{}{BEHIND}", hex(&hash)).as_bytes() {
        return Err(Flaw::Hash);
    }
    Ok((entry_of(line).ok_or(Flaw::NoEntry)?, hash))
}

/// The entry of a line, whatever its hash.
pub(super) fn entry_of(line: &[u8]) -> Option<Entry> {
    serde_json::from_slice(line).ok()
}

/// The hash that a line claims.
pub(super) fn claimed(line: &[u8]) -> Option<Hash> {
    let (_, tail) = split(line)?;
    let digits = tail.get(BEFORE.len()..TAIL - BEHIND.len())?;
    unhex(std::str::from_utf8(digits).ok()?)
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    line.split_at_checked(line.len().checked_sub(TAIL)?)
}

/// Bytes as lower case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // A string takes all.
        let _taken = write!(text, "{byte:02x}");
    }
    text
}

/// The hash of 64 lower case digits, and of no other text.
pub(super) fn unhex(text: &str) -> Option<Hash> {
    let mut hash = NOTHING;
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    (hex(&hash) == text).then_some(hash)
}
