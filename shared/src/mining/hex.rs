//! Hexadecimal as pools write it: lower case out, both cases in, never an odd number of digits.

/// Writes `bytes` as lower-case digits to the front of `out` and returns them as text; `None` when
/// `out` holds fewer than two digits per byte.
pub fn encode<'b>(bytes: &[u8], out: &'b mut [u8]) -> Option<&'b str> {
    let out = out.get_mut(..bytes.len() * 2)?;
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&digits(*byte));
    }
    core::str::from_utf8(out).ok()
}

/// The two lower-case digits of a byte.
pub const fn digits(byte: u8) -> [u8; 2] {
    [digit(byte >> 4), digit(byte & 0x0f)]
}

/// Reads all of `text` into the front of `out` and returns the bytes; `None` when a character is
/// no digit, their number is odd, or `out` is too small.
pub fn decode<'b>(text: &str, out: &'b mut [u8]) -> Option<&'b [u8]> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let out = out.get_mut(..pairs.len())?;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(out)
}

/// Reads exactly `N` bytes.
pub fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (decode(text, &mut bytes)?.len() == N).then_some(bytes)
}

const fn digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' + (nibble - 10),
    }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cases_are_read_and_lower_case_is_written() {
        let mut buf = [0; 8];
        assert_eq!(
            decode("b88D06fF", &mut buf),
            Some(&[0xb8, 0x8d, 0x06, 0xff][..])
        );
        assert_eq!(
            encode(&[0xb8, 0x8d, 0x06, 0xff], &mut buf),
            Some("b88d06ff")
        );
    }

    #[test]
    fn odd_length_foreign_characters_and_overlength_are_refused() {
        let mut buf = [0; 2];
        for bad in ["a", "abc", "0g", "+1", "  ", "010203", "é"] {
            assert_eq!(decode(bad, &mut buf), None, "{bad}");
        }
        assert_eq!(array::<2>("ab"), None, "too short");
        assert_eq!(encode(&[1, 2], &mut [0; 3]), None);
    }
}
