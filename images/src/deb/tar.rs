//! The inner wrapping of a package: tar (POSIX ustar, with long names of GNU and of pax).
//!
//! ```text
//! header 512:  0 name 100   124 size 12   148 sum 8   156 type   257 "ustar"   345 prefix 155
//! contents, zeros to a multiple of 512; the archive ends with a header of zeros
//! type: '0', NUL file   'L' the next entry's long name (GNU)   'x' the next entry's pax records
//! ```
//! Numbers are octal text. Other types (links, devices, folders) are passed over.

use std::io::{self, Read};

use super::Visit;

const BLOCK: usize = 512;
/// Longest extended header, in bytes: a name of PATH_MAX and what pax puts around it.
const MAX_EXTENDED: u64 = 64 * 1024;

/// Shows every regular file.
pub(super) fn walk(tar: &mut dyn Read, visit: &mut Visit<'_>) -> io::Result<()> {
    let mut long_name = None;
    loop {
        let mut header = [0; BLOCK];
        tar.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let header = Header::parse(&header).ok_or_else(|| invalid("a broken tar header"))?;
        let mut contents = tar.take(header.size);
        match header.kind {
            b'L' | b'x' => {
                if header.size > MAX_EXTENDED {
                    return Err(invalid("a tar header with too long a name"));
                }
                let mut bytes = Vec::new();
                contents.read_to_end(&mut bytes)?;
                let name = match header.kind {
                    b'L' => Some(bytes.as_slice()),
                    _ => pax_path(&bytes),
                };
                long_name = name.map(text_of).or(long_name);
            }
            b'0' | 0 => {
                let name = long_name.take().unwrap_or(header.name);
                visit(&inside(&name)?, &mut contents)?;
            }
            _ => long_name = None,
        }
        // What was not read, and the zeros behind it.
        io::copy(&mut contents, &mut io::sink())?;
        if contents.limit() > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = header.size.next_multiple_of(BLOCK as u64) - header.size;
        io::copy(&mut tar.take(padding), &mut io::sink())?;
    }
}

struct Header {
    name: String,
    size: u64,
    kind: u8,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
        // The sum counts its own field as eight blanks.
        if octal(&block[148..156])? != sum - own + 8 * u64::from(b' ') {
            return None;
        }
        let mut name = text_of(&block[..100]);
        let prefix = text_of(&block[345..500]);
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        Some(Self {
            name,
            // Eleven octal digits: rounding up cannot overflow.
            size: octal(&block[124..136])?,
            kind: block[156],
        })
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?;
    let digits = text.trim_matches([' ', '\0']);
    u64::from_str_radix(digits, 8).ok()
}

/// Up to the first NUL; no path of ours has bytes that are no UTF-8.
fn text_of(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The `path` among records of the form `LENGTH KEY=VALUE\n`.
fn pax_path(mut records: &[u8]) -> Option<&[u8]> {
    while !records.is_empty() {
        let blank = records.iter().position(|byte| *byte == b' ')?;
        let len: usize = str::from_utf8(records.get(..blank)?).ok()?.parse().ok()?;
        let record = records.get(blank + 1..len.checked_sub(1)?)?;
        if let Some(path) = record.strip_prefix(b"path=") {
            return Some(path);
        }
        records = records.get(len..)?;
    }
    None
}

/// The path without `./` in front, if it stays inside.
fn inside(name: &str) -> io::Result<String> {
    let path = name.strip_prefix("./").unwrap_or(name);
    if path.split('/').all(|part| !matches!(part, "" | "." | "..")) {
        Ok(path.to_owned())
    } else {
        Err(invalid("a path that leaves the package"))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
