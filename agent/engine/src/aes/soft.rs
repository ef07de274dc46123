//! Rounds by tables, for processors without AES instructions. Each table has, for a byte, what
//! SubBytes and MixColumns make of it in a column of four bytes; the other three are rotations of
//! it. The tables are computed from the field's arithmetic when this is compiled (FIPS 197, 5.1
//! and 5.3).

use super::Round;

#[derive(Clone, Copy)]
pub(super) struct Soft;

impl Round for Soft {
    type Column = [u32; 4];

    fn load(bytes: &[u8; 16]) -> [u32; 4] {
        let (words, _) = bytes.as_chunks::<4>();
        [0, 1, 2, 3].map(|at| u32::from_le_bytes(words[at]))
    }

    fn store(column: [u32; 4], bytes: &mut [u8; 16]) {
        let (words, _) = bytes.as_chunks_mut::<4>();
        for (bytes, word) in words.iter_mut().zip(column) {
            *bytes = word.to_le_bytes();
        }
    }

    fn encrypt(column: [u32; 4], key: [u32; 4]) -> [u32; 4] {
        round(&ENCRYPT, column, key, [0, 1, 2, 3])
    }

    fn decrypt(column: [u32; 4], key: [u32; 4]) -> [u32; 4] {
        round(&DECRYPT, column, key, [0, 3, 2, 1])
    }
}

/// `shift` says from which word, counted from its own, each byte of a word comes: ShiftRows.
#[inline(always)]
fn round(table: &[u32; 256], column: [u32; 4], key: [u32; 4], shift: [usize; 4]) -> [u32; 4] {
    [0, 1, 2, 3].map(|word| {
        let mut mixed = key[word];
        for (byte, shift) in shift.into_iter().enumerate() {
            let from = column[(word + shift) % 4].to_le_bytes()[byte];
            mixed ^= table[usize::from(from)].rotate_left(8 * byte as u32);
        }
        mixed
    })
}

static ENCRYPT: [u32; 256] = table(&SUBSTITUTE, [2, 1, 1, 3]);
static DECRYPT: [u32; 256] = table(&inverse(&SUBSTITUTE), [14, 9, 13, 11]);

/// What becomes of each byte when it is the first of its column: the substitution times MixColumns'
/// factors.
const fn table(substitute: &[u8; 256], factors: [u8; 4]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let value = substitute[byte];
        table[byte] = u32::from_le_bytes([
            times(value, factors[0]),
            times(value, factors[1]),
            times(value, factors[2]),
            times(value, factors[3]),
        ]);
        byte += 1;
    }
    table
}

const SUBSTITUTE: [u8; 256] = substitute();

/// The S-box: the inverse in the field, then the affine map.
const fn substitute() -> [u8; 256] {
    let mut box_ = [0x63; 256];
    // 3 generates all elements but 0, and 0xf6 is its inverse: what one reaches, the other inverts.
    let (mut element, mut inverse) = (1_u8, 1_u8);
    loop {
        box_[element as usize] = 0x63
            ^ inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4);
        element = times(element, 3);
        inverse = times(inverse, 0xf6);
        if element == 1 {
            return box_;
        }
    }
}

const fn inverse(box_: &[u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut byte = 0_u8;
    loop {
        inverse[box_[byte as usize] as usize] = byte;
        if byte == 255 {
            return inverse;
        }
        byte += 1;
    }
}

/// The product in AES' field: polynomials over two elements, modulo `x^8 + x^4 + x^3 + x + 1`.
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 == 0 { 0 } else { 0x1b };
        b >>= 1;
    }
    product
}
