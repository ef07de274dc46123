//! A record: a short file body that knows what it is and whether it is whole.
//!
//! ```text
//! 0  8  magic      names the kind of file and its version
//! 8  n  body
//! +  8  check      first 8 bytes of SHA-256(magic | body)
//! ```
//! The check finds torn writes and bad disks; it is no protection against a person. The key file
//! and every small state file of the programs have this shape.

use core::fmt;

use crate::crypto::sha256;

/// Bytes of a record that are not its body.
pub const OVERHEAD: usize = MAGIC + CHECK;

const MAGIC: usize = 8;
const CHECK: usize = 8;

/// Why bytes are no record, or a body did not become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// It does not begin with the magic of this kind of file.
    BadMagic,
    /// The check does not match: the file is damaged or was cut.
    Damaged,
    /// Shorter than an empty record.
    TooShort,
    /// The buffer is too small for the record.
    TooLong,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadMagic => "it is not a file of this kind",
            Self::Damaged => "its checksum is wrong: it is damaged",
            Self::TooShort => "it is too short",
            Self::TooLong => "the buffer is too small for it",
        })
    }
}

impl core::error::Error for RecordError {}

/// Writes the record into `out` and returns the part of `out` that it fills.
pub fn encode<'b>(
    magic: &[u8; MAGIC],
    body: &[u8],
    out: &'b mut [u8],
) -> Result<&'b [u8], RecordError> {
    let len = body.len() + OVERHEAD;
    let record = out.get_mut(..len).ok_or(RecordError::TooLong)?;
    let (content, check) = record
        .split_last_chunk_mut::<CHECK>()
        .ok_or(RecordError::TooLong)?;
    let (head, tail) = content
        .split_first_chunk_mut::<MAGIC>()
        .ok_or(RecordError::TooLong)?;
    *head = *magic;
    tail.copy_from_slice(body);
    *check = check_of(content);
    Ok(record)
}

/// The body of the record.
pub fn decode<'b>(magic: &[u8; MAGIC], bytes: &'b [u8]) -> Result<&'b [u8], RecordError> {
    let (content, check) = bytes
        .split_last_chunk::<CHECK>()
        .ok_or(RecordError::TooShort)?;
    let (head, body) = content
        .split_first_chunk::<MAGIC>()
        .ok_or(RecordError::TooShort)?;
    if head != magic {
        return Err(RecordError::BadMagic);
    }
    if *check != check_of(content) {
        return Err(RecordError::Damaged);
    }
    Ok(body)
}

fn check_of(content: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, e, f, g, h, ..] = sha256(&[content]);
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: &[u8; 8] = b"TESTREC1";

    #[test]
    fn a_record_gives_its_body_back() {
        let mut out = [0; 64];
        for body in [&b""[..], b"x", &[7; 48]] {
            let record = encode(MAGIC, body, &mut out).expect("fits");
            assert_eq!(record.len(), body.len() + OVERHEAD);
            assert_eq!(decode(MAGIC, record), Ok(body));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let mut out = [0; 64];
        let len = encode(MAGIC, b"body", &mut out).expect("fits").len();
        for cut in 0..len {
            assert!(decode(MAGIC, &out[..cut]).is_err(), "cut at {cut}");
        }
        for bit in 0..len * 8 {
            let mut flipped = out;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(MAGIC, &flipped[..len]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let mut out = [0; 64];
        assert_eq!(encode(MAGIC, &[0; 49], &mut out), Err(RecordError::TooLong));
        assert_eq!(decode(MAGIC, &[0; 15]), Err(RecordError::TooShort));
        let record = encode(MAGIC, b"body", &mut out).expect("fits");
        assert_eq!(decode(b"OTHERREC", record), Err(RecordError::BadMagic));
        let len = record.len();
        out[9] ^= 1;
        assert_eq!(decode(MAGIC, &out[..len]), Err(RecordError::Damaged));
    }
}
