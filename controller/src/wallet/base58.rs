//! Base58 as CryptoNote writes it: not one large number, but blocks of eight bytes in eleven
//! characters each, so that a wrong character touches its own block alone.
//!
//! ```text
//!   bytes       1  2  3  4  5  6  7   8
//!   characters  2  3  5  6  7  9  10  11      the last block of a text may be short
//! ```

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Characters that so many bytes of a block take.
const CHARACTERS: [usize; 9] = [0, 2, 3, 5, 6, 7, 9, 10, 11];
/// Bytes of a whole block.
const BLOCK: usize = 8;
/// Characters of a whole block.
const WHOLE: usize = 11;

/// Why a text is no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotBase58 {
    /// This character, in this place from 1 on, is not of the alphabet.
    Character(char, usize),
    /// No bytes have so many characters.
    Length,
    /// A block stands for a number that its bytes cannot hold.
    TooLarge,
}

/// Characters that so many bytes take.
pub(super) const fn encoded_len(bytes: usize) -> usize {
    let Some(rest) = CHARACTERS.as_slice().split_at(bytes % BLOCK).1.first() else {
        return 0;
    };
    bytes / BLOCK * WHOLE + *rest
}

/// The bytes that a text stands for.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, NotBase58> {
    let mut digits = Vec::with_capacity(text.len());
    for (at, c) in (1..).zip(text.chars()) {
        let digit = ALPHABET.iter().position(|known| char::from(*known) == c);
        digits.push(digit.ok_or(NotBase58::Character(c, at))?);
    }
    let mut out = Vec::with_capacity(text.len());
    for block in digits.chunks(WHOLE) {
        let bytes = CHARACTERS.iter().position(|len| *len == block.len());
        let bytes = bytes.ok_or(NotBase58::Length)?;
        // 58^11 is below 2^65: no overflow.
        let number = block
            .iter()
            .fold(0_u128, |number, digit| number * 58 + *digit as u128);
        let wide = number.to_be_bytes();
        let (zeros, value) = wide.split_at(wide.len() - bytes);
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(NotBase58::TooLarge);
        }
        out.extend_from_slice(value);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_apart() {
        assert_eq!(decode("11"), Ok(vec![0]));
        assert_eq!(decode("5Q"), Ok(vec![255]));
        assert_eq!(decode("jpXCZedGfVQ"), Ok(vec![255; 8]));
        assert_eq!(decode("jpXCZedGfVQ5Q"), Ok(vec![255; 9]));
        assert_eq!(decode("5R"), Err(NotBase58::TooLarge));
        assert_eq!(decode("jpXCZedGfVR"), Err(NotBase58::TooLarge));
        assert_eq!(decode("1"), Err(NotBase58::Length));
        assert_eq!(decode("1l"), Err(NotBase58::Character('l', 2)));
        assert_eq!(decode(""), Ok(vec![]));
    }

    #[test]
    fn lengths_of_both_sides_agree() {
        for bytes in 0..40 {
            let text = "1".repeat(encoded_len(bytes));
            assert_eq!(decode(&text), Ok(vec![0; bytes]));
        }
        assert_eq!([encoded_len(69), encoded_len(77)], [95, 106], "Monero's");
    }
}
