//! The outer wrapping of a package: `ar` as deb(5) has it.
//!
//! ```text
//! "!<arch>\n", then for each member, at an even place:
//! name 16, blank-padded │ time 12 │ owner 6 │ group 6 │ mode 8 │ size 10, decimal │ "`\n" │ contents
//! ```

use std::io::{self, Read, Take};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;
/// Members that are looked at; a package has three.
const MAX_MEMBERS: usize = 16;

/// The contents of the first member whose name begins with `prefix`; `None` if there is none, or if this
/// is no `ar`.
pub(super) fn member<R: Read>(mut from: R, prefix: &str) -> io::Result<Option<Take<R>>> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Ok(None);
    }
    for _ in 0..MAX_MEMBERS {
        let mut header = [0; HEADER];
        from.read_exact(&mut header)?;
        let Some((name, size)) = parse(&header) else {
            return Ok(None);
        };
        if name.starts_with(prefix) {
            return Ok(Some(from.take(size)));
        }
        let skipped = io::copy(&mut from.by_ref().take(size + size % 2), &mut io::sink())?;
        if skipped < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(None)
}

fn parse(header: &[u8; HEADER]) -> Option<(&str, u64)> {
    let text = str::from_utf8(header).ok()?;
    let size = text.get(48..58)?.trim_end().parse().ok()?;
    // Ten digits at most: adding one for an odd size cannot overflow.
    text.ends_with("`\n").then_some((text.get(..16)?, size))
}
