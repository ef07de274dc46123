//! The bytes of `private.key`: a [record] of the seed.
//!
//! ```text
//! 0  8  "SMSGKEY1"      8  32  seed      40  8  check      48 bytes in all
//! ```
//! How the file is made, owned and checked on disk is the programs' part; a damaged key is an error
//! for the owner to act on and is never replaced silently.

use core::fmt;

use zeroize::Zeroizing;

use crate::record::{self, RecordError};

/// Bytes of the file.
pub const LEN: usize = 32 + record::OVERHEAD;

const MAGIC: &[u8; 8] = b"SMSGKEY1";

/// The file of this seed.
pub fn encode(seed: &[u8; 32]) -> Zeroizing<[u8; LEN]> {
    let mut file = Zeroizing::new([0; LEN]);
    let written = record::encode(MAGIC, seed, &mut *file);
    debug_assert!(written.is_ok(), "LEN is the length of this record");
    file
}

/// The seed in the file.
pub fn decode(file: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyFileError> {
    if file.len() != LEN {
        return Err(KeyFileError::BadLength(file.len()));
    }
    let body = record::decode(MAGIC, file).map_err(|error| match error {
        RecordError::BadMagic => KeyFileError::NotAKeyFile,
        _ => KeyFileError::Damaged,
    })?;
    let seed: &[u8; 32] = body
        .try_into()
        .map_err(|_| KeyFileError::BadLength(file.len()))?;
    Ok(Zeroizing::new(*seed))
}

/// Why a file holds no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Not 48 bytes, but this many.
    BadLength(usize),
    /// The checksum is wrong.
    Damaged,
    /// It does not begin with `SMSGKEY1`.
    NotAKeyFile,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength(len) => write!(f, "a key file has {LEN} bytes, this has {len}"),
            Self::Damaged => f.write_str("the key file is damaged: its checksum is wrong"),
            Self::NotAKeyFile => f.write_str("this is not a key file"),
        }
    }
}

impl core::error::Error for KeyFileError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_48_bytes_and_gives_the_seed_back() {
        let file = encode(&[7; 32]);
        assert_eq!(
            (LEN, &file[..8], &file[8..40]),
            (48, &b"SMSGKEY1"[..], &[7; 32][..])
        );
        assert_eq!(decode(&*file).as_deref(), Ok(&[7; 32]));
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let file = *encode(&[7; 32]);
        assert_eq!(decode(&[]), Err(KeyFileError::BadLength(0)));
        assert_eq!(decode(&file[..47]), Err(KeyFileError::BadLength(47)));
        assert_eq!(
            decode(&[&file[..], b"\n"].concat()),
            Err(KeyFileError::BadLength(49))
        );
        for at in 0..LEN {
            let mut changed = file;
            changed[at] ^= 1;
            let error = if at < 8 {
                KeyFileError::NotAKeyFile
            } else {
                KeyFileError::Damaged
            };
            assert_eq!(decode(&changed), Err(error), "byte {at}");
        }
        // A file of zeros is what a power cut can leave behind.
        assert_eq!(decode(&[0; LEN]), Err(KeyFileError::NotAKeyFile));
    }
}
