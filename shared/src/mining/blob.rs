//! The hashing blob: what is hashed, with four bytes for the miner to vary.
//!
//! ```text
//!  0       1       2           7            39      43          75
//!  ├ major ┼ minor ┼ timestamp ┼ prev_id 32 ┼ nonce ┼ tx root 32 ┼ number of transactions ┤
//!   varint  varint  varint (5)                4, LE                varint
//! ```
//!
//! The nonce is at 39 while both versions are below 128 and the time needs five varint bytes, which
//! holds for every Monero block since 2014. Its last byte (42) is the nicehash slot.

use core::fmt;

use heapless::Vec;

use super::hex;
use crate::limits::{MAX_BLOB, MIN_BLOB};

/// Where the four nonce bytes begin.
pub const NONCE_OFFSET: usize = 39;
const NONCE_END: usize = NONCE_OFFSET + 4;
const _: () = assert!(NONCE_END == MIN_BLOB);

/// A hashing blob: [`MIN_BLOB`] bytes or more, fewer than [`MAX_BLOB`].
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(Vec<u8, MAX_BLOB>);

/// Why bytes are no blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlobError {
    /// Not hexadecimal.
    NotHex,
    /// The nonce would lie outside.
    TooShort,
    /// Longer than any blob the field knows.
    TooLong,
}

impl Blob {
    /// Takes the bytes as they are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlobError> {
        if bytes.len() < MIN_BLOB {
            return Err(BlobError::TooShort);
        }
        if bytes.len() >= MAX_BLOB {
            return Err(BlobError::TooLong);
        }
        Vec::from_slice(bytes)
            .map(Self)
            .map_err(|_| BlobError::TooLong)
    }

    /// Reads the form of the wire.
    pub fn from_hex(text: &str) -> Result<Self, BlobError> {
        if text.len() / 2 >= MAX_BLOB {
            return Err(BlobError::TooLong);
        }
        let mut buf = [0; MAX_BLOB];
        Self::from_bytes(hex::decode(text, &mut buf).ok_or(BlobError::NotHex)?)
    }

    /// All bytes, nonce included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The nonce in place.
    pub fn nonce(&self) -> u32 {
        self.0
            .get(NONCE_OFFSET..NONCE_END)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_le_bytes)
    }

    /// Puts a nonce in place.
    pub fn set_nonce(&mut self, nonce: u32) {
        if let Some(bytes) = self.0.get_mut(NONCE_OFFSET..NONCE_END) {
            bytes.copy_from_slice(&nonce.to_le_bytes());
        }
    }

    /// The same blob with this nonce in place.
    #[must_use]
    pub fn with_nonce(&self, nonce: u32) -> Self {
        let mut blob = self.clone();
        blob.set_nonce(nonce);
        blob
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Blob({} bytes, nonce {:08x})",
            self.0.len(),
            self.nonce()
        )
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHex => "the blob is not hexadecimal",
            Self::TooShort => "the blob ends before its nonce",
            Self::TooLong => "the blob is too long",
        })
    }
}

impl core::error::Error for BlobError {}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The known-answer blob of docs/STRATUM.md: slot 0x40, 300 transactions.
    pub(crate) const KNOWN_BLOB: &str = concat!(
        "101088efcbca06",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "00000040",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "ac02"
    );

    #[test]
    fn known_answer_blob_has_its_nonce_at_39() {
        let blob = Blob::from_hex(KNOWN_BLOB).expect("valid");
        assert_eq!(blob.as_bytes().len(), 77);
        assert_eq!(blob.nonce(), 0x4000_0000);
        let last = blob.with_nonce(0x40ff_ffff);
        assert_eq!(last.as_bytes()[39..43], [0xff, 0xff, 0xff, 0x40]);
        assert_eq!(last.as_bytes()[..39], blob.as_bytes()[..39]);
        assert_eq!(last.as_bytes()[43..], blob.as_bytes()[43..]);
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        assert_eq!(Blob::from_bytes(&[0; 42]), Err(BlobError::TooShort));
        assert!(Blob::from_bytes(&[0; 43]).is_ok());
        assert!(Blob::from_bytes(&[0; 407]).is_ok());
        assert_eq!(Blob::from_bytes(&[0; 408]), Err(BlobError::TooLong));
        assert_eq!(Blob::from_hex(&KNOWN_BLOB[1..]), Err(BlobError::NotHex));
    }
}
