//! Text of binary things that people copy: Crockford's base32 with two check characters.
//!
//! ```text
//! bytes ──▶ 5 bits per character, most significant first, zero pad bits ──▶ 0-9 A-Z without I L O U
//! check ──▶ first 10 bits of SHA-256("SMSG/1 check\0" | label | bytes)  ──▶ two characters behind
//! ```
//! The label goes into the check, so that a pairing code pasted where a fingerprint belongs is
//! refused as what it is. Reading ignores case, spaces and dashes, and takes `O` for 0, `I` and `L`
//! for 1, as Crockford says. One value has one text: pad bits that are not zero are refused.
//!
//! | label  | bytes | characters | what                                     |
//! |--------|-------|------------|------------------------------------------|
//! | `F`    | 32    | 54         | fingerprint, shown in groups of four     |
//! | `ENR1` | 40    | 66         | enrolment token, written `ENR1-` + text  |
//! | `mct`  | 40    | 66         | API token, written `mct_` + text         |
//! | `once` | 16    | 28         | code of a login                          |
//! | `PAIR` | 16    | 28         | pairing code, shown in groups of four    |
//! | `REC1` | 32    | 54         | recovery key, written `REC1-` + text     |

use core::fmt;

use crate::crypto::sha256;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Which kind of thing a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// A token of the controller's REST API.
    Api,
    /// An enrolment token.
    Enrolment,
    /// A fingerprint.
    Fingerprint,
    /// The code of a login to the controller's page.
    Login,
    /// A pairing code.
    Pairing,
    /// A recovery key.
    Recovery,
}

impl Label {
    const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Api => b"mct",
            Self::Enrolment => b"ENR1",
            Self::Fingerprint => b"F",
            Self::Login => b"once",
            Self::Pairing => b"PAIR",
            Self::Recovery => b"REC1",
        }
    }
}

/// Why a text is not the thing it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Base32Error {
    /// A character outside the alphabet.
    BadCharacter(char),
    /// The check characters do not match: mistyped, or another kind of text.
    BadCheck,
    /// The last character carries bits that belong to no byte.
    BadPadding,
    /// Too few or too many characters; this many are wanted (spaces and dashes do not count).
    BadLength(usize),
}

impl fmt::Display for Base32Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCharacter(c) => write!(f, "{c:?} is not allowed there"),
            Self::BadCheck => {
                f.write_str("its check characters are wrong: mistyped, or another kind of code")
            }
            Self::BadPadding => f.write_str("its last characters belong to no byte: mistyped"),
            Self::BadLength(wanted) => write!(f, "it should have {wanted} characters"),
        }
    }
}

impl core::error::Error for Base32Error {}

/// Writes the text of `bytes` with its check; `group` characters between dashes, 0 for no dashes.
pub fn write(out: &mut dyn fmt::Write, label: Label, bytes: &[u8], group: usize) -> fmt::Result {
    let mut written = 0;
    let mut put = |value: u16| {
        if group != 0 && written != 0 && written % group == 0 {
            out.write_char('-')?;
        }
        written += 1;
        out.write_char(character(value))
    };

    let (mut bits, mut held) = (0_u16, 0_u32);
    for byte in bytes {
        bits = bits << 8 | u16::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            put(bits >> held)?;
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        put(bits << (5 - held))?;
    }
    let check = check_of(label, bytes);
    put(check >> 5)?;
    put(check)
}

/// Reads the `N` bytes that the text stands for.
pub fn read<const N: usize>(label: Label, text: &str) -> Result<[u8; N], Base32Error> {
    let mut out = [0; N];
    read_into(label, text, &mut out)?;
    Ok(out)
}

/// As [`read`], into memory of the caller, who wipes it: for secrets. After an error it holds a part.
pub fn read_into(label: Label, text: &str, out: &mut [u8]) -> Result<(), Base32Error> {
    let length = Base32Error::BadLength(characters(out.len()));
    let mut values = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| value(c).ok_or(Base32Error::BadCharacter(c)));
    let mut next = || values.next().ok_or(length)?;

    let (mut bits, mut held) = (0_u16, 0_u32);
    for byte in out.iter_mut() {
        while held < 8 {
            bits = bits << 5 | next()?;
            held += 5;
        }
        held -= 8;
        *byte = (bits >> held).to_be_bytes()[1];
        bits &= (1 << held) - 1;
    }
    let check = next()? << 5 | next()?;
    if values.next().is_some() {
        return Err(length);
    }
    if bits != 0 {
        return Err(Base32Error::BadPadding);
    }
    if check != check_of(label, out) {
        return Err(Base32Error::BadCheck);
    }
    Ok(())
}

/// The text behind `prefix`, in any case, or all of it: without its prefix it may still be the thing,
/// since the check, which holds the label, decides.
pub(crate) fn without_prefix<'t>(text: &'t str, prefix: &str) -> &'t str {
    match text.trim_start().split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

/// Characters of the text of `bytes` bytes, check included, dashes not.
pub const fn characters(bytes: usize) -> usize {
    (bytes * 8).div_ceil(5) + 2
}

fn check_of(label: Label, bytes: &[u8]) -> u16 {
    let [high, low, ..] = sha256(&[b"SMSG/1 check\0", label.as_bytes(), bytes]);
    u16::from_be_bytes([high, low]) >> 6
}

fn character(value: u16) -> char {
    // The mask keeps the index below 32, the length of the alphabet.
    let letter = ALPHABET.get(usize::from(value & 0x1f));
    char::from(*letter.unwrap_or(&b'0'))
}

fn value(c: char) -> Option<u16> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        c => c,
    };
    (0_u16..)
        .zip(ALPHABET)
        .find_map(|(value, a)| (char::from(*a) == c).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;

    fn text(label: Label, bytes: &[u8], group: usize) -> String {
        let mut out = String::new();
        write(&mut out, label, bytes, group).expect("a string takes all");
        out
    }

    #[test]
    fn texts_have_the_lengths_of_the_page() {
        assert_eq!(text(Label::Fingerprint, &[0xff; 32], 0).len(), 54);
        assert_eq!(
            "ENR1-".len() + text(Label::Enrolment, &[0xff; 40], 0).len(),
            71
        );
        assert_eq!(text(Label::Pairing, &[0xff; 16], 0).len(), 28);
    }

    #[test]
    fn what_is_written_is_read_however_it_is_spelled() {
        for fill in [0, 1, 0x55, 0xaa, 0xff] {
            let bytes = core::array::from_fn::<u8, 32, _>(|at| fill ^ u8::try_from(at).unwrap());
            let plain = text(Label::Fingerprint, &bytes, 0);
            let spelled = text(Label::Fingerprint, &bytes, 4)
                .to_lowercase()
                .replace('-', " - ")
                .replace('0', "o")
                .replace('1', "l");
            assert_eq!(read(Label::Fingerprint, &plain), Ok(bytes));
            assert_eq!(read(Label::Fingerprint, &spelled), Ok(bytes));
        }
    }

    #[test]
    fn every_other_character_anywhere_is_noticed() {
        let plain = text(Label::Pairing, &[0x3c; 16], 0);
        let mut accepted = 0;
        for at in 0..plain.len() {
            for c in ALPHABET {
                let mut typo = plain.clone().into_bytes();
                if typo[at] == *c {
                    continue;
                }
                typo[at] = *c;
                let typo = String::from_utf8(typo).expect("ASCII");
                accepted += usize::from(read::<16>(Label::Pairing, &typo).is_ok());
            }
        }
        // Ten bits of check let one wrong text in about a thousand pass; 868 were tried.
        assert!(accepted <= 3, "{accepted}");
    }

    #[test]
    fn one_value_has_one_text() {
        // 16 bytes are 25.6 characters: the last has two pad bits.
        let plain = text(Label::Pairing, &[0; 16], 0);
        assert_eq!(&plain[..26], "00000000000000000000000000");
        for last in ["1", "2", "3"] {
            let padded = [&plain[..25], last, &plain[26..]].concat();
            assert_eq!(
                read::<16>(Label::Pairing, &padded),
                Err(Base32Error::BadPadding)
            );
        }
        // 32 bytes are 51.2 characters: the last has four.
        let plain = text(Label::Fingerprint, &[0; 32], 0);
        for last in ["1", "8", "F"] {
            let padded = [&plain[..51], last, &plain[52..]].concat();
            assert_eq!(
                read::<32>(Label::Fingerprint, &padded),
                Err(Base32Error::BadPadding)
            );
        }
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let plain = text(Label::Pairing, &[7; 16], 4);
        let read = |label, text: &str| read::<16>(label, text).expect_err("refused");
        assert_eq!(
            read(Label::Enrolment, &plain),
            Base32Error::BadCheck,
            "another kind"
        );
        assert_eq!(
            read(Label::Pairing, &plain[1..]),
            Base32Error::BadLength(28)
        );
        assert_eq!(read(Label::Pairing, ""), Base32Error::BadLength(28));
        assert_eq!(
            read(Label::Pairing, &[&plain, "0"].concat()),
            Base32Error::BadLength(28)
        );
        assert_eq!(
            read(Label::Pairing, &plain.replace('0', "U")),
            Base32Error::BadCharacter('U')
        );
        assert_eq!(read(Label::Pairing, "é"), Base32Error::BadCharacter('é'));
    }
}
