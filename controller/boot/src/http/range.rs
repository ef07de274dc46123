//! The header `Range` (RFC 9110 section 14.2), as far as it is served: one range of bytes.

use hyper::header::HeaderValue;

/// What of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Whole,
    /// From this byte to in front of that one; never empty.
    Part {
        from: u64,
        to: u64,
    },
    /// Something that lies beyond the file.
    Nothing,
}

/// What a header asks of a file of this length.
pub(super) fn asked(header: Option<&HeaderValue>, length: u64) -> Asked {
    let header = header.and_then(|header| header.to_str().ok());
    let range = header.and_then(|header| header.strip_prefix("bytes="));
    range
        .and_then(|range| one(range, length))
        .unwrap_or(Asked::Whole)
}

/// `None` for several ranges, and for what is none.
fn one(range: &str, length: u64) -> Option<Asked> {
    let (first, last) = range.trim().split_once('-')?;
    let (from, to) = match (first, last) {
        ("", last) => (length.saturating_sub(number(last)?), length),
        (first, "") => (number(first)?, length),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return None;
            }
            (first, last.saturating_add(1).min(length))
        }
    };
    Some(if from < to {
        Asked::Part { from, to }
    } else {
        Asked::Nothing
    })
}

/// Digits only: `u64` would take a sign.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_and_anything_unclear_is_the_whole() {
        let part = |from, to| Asked::Part { from, to };
        for (header, expected) in [
            ("bytes=0-99", part(0, 100)),
            ("bytes=5-5", part(5, 6)),
            ("bytes=0-4", part(0, 5)),
            ("bytes=90-1000", part(90, 100)),
            ("bytes=40-", part(40, 100)),
            ("bytes=-10", part(90, 100)),
            ("bytes=-1000", part(0, 100)),
            ("bytes=100-", Asked::Nothing),
            ("bytes=100-200", Asked::Nothing),
            ("bytes=-0", Asked::Nothing),
            ("bytes=0-18446744073709551615", part(0, 100)),
            ("bytes=5-4", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("bytes=+1-2", Asked::Whole),
            ("bytes=", Asked::Whole),
            ("bytes=-", Asked::Whole),
            ("bytes=0-99999999999999999999", Asked::Whole),
            ("lines=0-1", Asked::Whole),
        ] {
            let value = HeaderValue::from_static(header);
            assert_eq!(asked(Some(&value), 100), expected, "{header}");
        }
        assert_eq!(asked(None, 100), Asked::Whole);
        let value = HeaderValue::from_static("bytes=0-");
        assert_eq!(asked(Some(&value), 0), Asked::Nothing);
    }
}
