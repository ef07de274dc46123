//! What an image says of itself to the process that it starts: the file `/image` in its initramfs.
//!
//! A [record](mod@crate::record) with the magic `MINERIM1`; its body is the postcard of the fields, in order. The
//! builder writes it, and as it lies beside the agent, who changes it can change the agent too.

use serde::{Deserialize, Serialize};

use super::Version;
use crate::limits::MAX_NAME;
use crate::record::{self, OVERHEAD, RecordError};
use crate::text::Text;

/// The file's name.
pub const IMAGE_FILE: &str = "image";
/// Longest file, in bytes: two texts with their lengths, three numbers, a key.
pub const IMAGE_SIZE: usize = OVERHEAD + 2 * (1 + MAX_NAME) + 3 * 5 + 1 + 32;

const MAGIC: &[u8; 8] = b"MINERIM1";

/// What an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// As manifests write it.
    pub product: Text<MAX_NAME>,
    /// As manifests write it.
    pub arch: Text<MAX_NAME>,
    /// Its version.
    pub version: Version,
    /// The release key that updates of it must be signed by; without one it takes none.
    pub release_key: Option<[u8; 32]>,
}

impl Image {
    /// The file, in the part of `out` that it fills.
    pub fn encode<'b>(&self, out: &'b mut [u8; IMAGE_SIZE]) -> Result<&'b [u8], RecordError> {
        let mut body = [0; IMAGE_SIZE - OVERHEAD];
        let body = postcard::to_slice(self, &mut body).map_err(|_| RecordError::TooLong)?;
        record::encode(MAGIC, body, out)
    }

    /// Reads the file.
    pub fn decode(file: &[u8]) -> Result<Self, RecordError> {
        let body = record::decode(MAGIC, file)?;
        postcard::from_bytes(body).map_err(|_| RecordError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_fits_and_reads_back() {
        let name = Text::parse(core::str::from_utf8(&[b'x'; MAX_NAME]).unwrap()).unwrap();
        let version = Version {
            major: u32::MAX,
            minor: u32::MAX,
            patch: u32::MAX,
        };
        for release_key in [None, Some([0xff; 32])] {
            let image = Image {
                product: name.clone(),
                arch: name.clone(),
                version,
                release_key,
            };
            let mut out = [0; IMAGE_SIZE];
            let file = image.encode(&mut out).unwrap();
            assert_eq!(Image::decode(file), Ok(image));
            assert!(Image::decode(&file[1..]).is_err());
        }
    }
}
