//! What is packed with xz, zst or gz, by its first bytes; anything else is taken as it is.
//!
//! | first bytes         | format | who uses it                                  |
//! |---------------------|--------|----------------------------------------------|
//! | `fd 37 7a 58 5a 00` | xz     | Debian's packages, modules since Debian 13   |
//! | `28 b5 2f fd`       | zst    | Ubuntu's packages and modules                |
//! | `1f 8b 08`          | gz     | control files of old packages                |

use std::io::{self, Cursor, Read};

use lzma_rust2::XzReader;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use ruzstd::decoding::StreamingDecoder;

/// Memory that unpacking xz may take, in KiB: `xz -9` needs 65 MiB.
const MAX_XZ_KIB: u32 = 128 * 1024;
/// Window of zst, in bytes: `zstd --ultra -22` has 128 MiB.
const MAX_ZST_WINDOW: u64 = 128 * 1024 * 1024;
/// Most that gz may hold, unpacked and packed, in bytes; it is unpacked in memory.
const MAX_GZ: usize = 16 * 1024 * 1024;
/// First bytes that are looked at.
const MAGIC: u64 = 6;

/// Bytes as they were before they were packed.
///
/// # Errors
/// The first bytes cannot be read, or what they begin is broken. Later faults come while reading.
pub fn unpack<'a>(mut packed: Box<dyn Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    let mut magic = Vec::new();
    packed.by_ref().take(MAGIC).read_to_end(&mut magic)?;
    let whole = Cursor::new(magic.clone()).chain(packed);
    Ok(match magic.as_slice() {
        b"\xfd7zXZ\0" => Box::new(XzReader::new_mem_limit(whole, true, MAX_XZ_KIB)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(
            StreamingDecoder::new_with_max_window_size(whole, MAX_ZST_WINDOW)
                .map_err(io::Error::other)?,
        ),
        [0x1f, 0x8b, 8, ..] => Box::new(Cursor::new(gunzip(whole)?)),
        _ => Box::new(whole),
    })
}

/// Unpacks one gz member (RFC 1952).
fn gunzip(packed: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    packed.take(MAX_GZ as u64).read_to_end(&mut bytes)?;
    let deflated = after_gz_header(&bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
    decompress_to_vec_with_limit(deflated, MAX_GZ)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{:?}", error.status)))
}

fn after_gz_header(bytes: &[u8]) -> Option<&[u8]> {
    const HEADER_CHECK: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let flags = *bytes.get(3)?;
    let mut rest = bytes.get(10..)?;
    if flags & EXTRA != 0 {
        let len = crate::bytes::u16_at(rest, 0)?;
        rest = rest.get(2 + usize::from(len)..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CHECK != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}
