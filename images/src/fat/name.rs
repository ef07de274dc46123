//! Names: the 11 bytes that every entry has, and the entries before it that hold a longer one.
//!
//! ```text
//! "miner-1.2.3.efi"  ─▶  entry 0x42: "fi"        last part first, 13 UTF-16 units each
//!                        entry 0x01: "miner-1.2.3.e"
//!                        entry:      "MINER-~1EFI"    the short name, whose checksum the others carry
//! ```
//! A name that is capitals in 8.3 form already needs no long one.

use super::geometry::ENTRY;

/// A short name: 8 and 3 characters, padded with spaces.
pub(super) type Short = [u8; 11];

/// Longest name in characters.
const MAX_NAME: usize = 255;
/// Characters of a long name in one entry, and where they lie.
const UNITS: usize = 13;
const UNITS_AT: [usize; UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
/// Where an entry holds the checksum of the short name.
const CHECK_AT: usize = 13;
/// Read-only, hidden, system and volume label at once: no old program takes that for a file.
pub(super) const LONG_ATTRIBUTE: u8 = 0x0F;
pub(super) const ATTRIBUTE_AT: usize = 11;
/// Marks the last part of a name, which comes first.
const LAST: u8 = 0x40;

/// Whether FAT can hold the name, and we want it to: ASCII only, for upper-casing anything else needs
/// tables that drivers do not agree about.
pub(super) fn is_valid(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && !name.ends_with(['.', ' '])
        && !name.starts_with(' ')
        && name
            .bytes()
            .all(|b| (b' '..0x7F).contains(&b) && !b"\"*/:<>?\\|".contains(&b))
}

/// The short name of `name` that is none of `taken`, and whether a long name must go with it.
/// `None` if all are taken.
pub(super) fn short(name: &str, taken: &[Short]) -> Option<(Short, bool)> {
    let upper = name.to_ascii_uppercase();
    let trimmed = upper.trim_start_matches('.');
    let (base, extension) = trimmed.rsplit_once('.').unwrap_or((trimmed, ""));
    let (base, base_lossy) = clean(base, 8);
    let (extension, extension_lossy) = clean(extension, 3);
    let lossy = base_lossy || extension_lossy || trimmed.len() != upper.len();
    let plain = pack(&base, &extension);
    if !lossy && !taken.contains(&plain) {
        return Some((plain, name != upper));
    }
    (1..1_000_000_u32)
        .map(|number| {
            let tail = format!("~{number}");
            let kept = base.get(..8 - tail.len()).unwrap_or(&base);
            pack(&format!("{kept}{tail}"), &extension)
        })
        .find(|name| !taken.contains(name))
        .map(|name| (name, true))
}

/// The characters that a short name may have, at most `max`, and whether others were lost.
fn clean(part: &str, max: usize) -> (String, bool) {
    let kept: String = part
        .chars()
        .filter(|c| !matches!(c, ' ' | '.'))
        .map(|c| if "+,;=[]".contains(c) { '_' } else { c })
        .collect();
    let lossy = kept != part || kept.len() > max;
    (kept.chars().take(max).collect(), lossy)
}

fn pack(base: &str, extension: &str) -> Short {
    let mut short = [b' '; 11];
    let (left, right) = short.split_at_mut(8);
    left.iter_mut().zip(base.bytes()).for_each(|(s, b)| *s = b);
    right
        .iter_mut()
        .zip(extension.bytes())
        .for_each(|(s, b)| *s = b);
    short
}

/// The text of a short name, in capitals.
pub(super) fn text(short: &Short) -> String {
    let (base, extension) = short.split_at(8);
    let base = String::from_utf8_lossy(base);
    let extension = String::from_utf8_lossy(extension);
    match (base.trim_end(), extension.trim_end()) {
        (base, "") => base.to_owned(),
        (base, extension) => format!("{base}.{extension}"),
    }
}

/// The sum that ties long entries to their short one.
fn checksum(short: &Short) -> u8 {
    short
        .iter()
        .fold(0_u8, |sum, b| sum.rotate_right(1).wrapping_add(*b))
}

/// The entries of a long name, in the order in which they lie in the folder.
pub(super) fn long_entries(name: &str, short: &Short) -> Vec<[u8; ENTRY]> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let parts: Vec<&[u16]> = units.chunks(UNITS).collect();
    let count = parts.len();
    let entries = (1_u8..).zip(parts).map(|(number, part)| {
        let mut entry = [0; ENTRY];
        let is_last = usize::from(number) == count;
        entry[0] = number | if is_last { LAST } else { 0 };
        entry[ATTRIBUTE_AT] = LONG_ATTRIBUTE;
        entry[CHECK_AT] = checksum(short);
        // A NUL behind the name if there is room, then 0xFFFF.
        let padded = part.iter().copied().chain([0]).chain([0xFFFF; UNITS]);
        for (at, unit) in UNITS_AT.into_iter().zip(padded) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry
    });
    let mut entries: Vec<_> = entries.collect();
    entries.reverse();
    entries
}

/// A long name as its entries come by.
#[derive(Debug, Default)]
pub(super) struct Long {
    units: Vec<u16>,
    next: u8,
    check: u8,
}

impl Long {
    /// Takes one more entry; one out of order starts anew or is forgotten.
    pub(super) fn push(&mut self, entry: &[u8; ENTRY]) {
        let number = entry[0] & !LAST;
        if entry[0] & LAST != 0 {
            *self = Self {
                units: Vec::new(),
                next: number,
                check: entry[CHECK_AT],
            };
        }
        if number == 0 || number != self.next || entry[CHECK_AT] != self.check {
            *self = Self::default();
            return;
        }
        let part = UNITS_AT.map(|at| u16::from_le_bytes([entry[at], entry[at + 1]]));
        let part = part.into_iter().take_while(|unit| *unit != 0);
        self.units.splice(0..0, part);
        self.next = number - 1;
    }

    /// The name, if all parts came and they belong to this short name. Nothing is left of it.
    pub(super) fn take(&mut self, short: &Short) -> Option<String> {
        let name = std::mem::take(self);
        let whole = !name.units.is_empty() && name.next == 0 && name.check == checksum(short);
        whole.then(|| String::from_utf16_lossy(&name.units))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_those_of_the_specification() {
        for (name, want, long) in [
            ("BOOTX64.EFI", b"BOOTX64 EFI", false),
            ("grub.cfg", b"GRUB    CFG", true),
            ("vmlinuz", b"VMLINUZ    ", true),
            ("miner-1.2.3+3.efi", b"MINER-~1EFI", true),
            ("bcm2711-rpi-4-b.dtb", b"BCM271~1DTB", true),
            ("a b.c", b"AB~1    C  ", true),
            (".profile", b"PROFIL~1   ", true),
            ("x.html", b"X~1     HTM", true),
            ("a+b", b"A_B~1      ", true),
        ] {
            assert_eq!(short(name, &[]), Some((*want, long)), "{name}");
        }
    }

    #[test]
    fn a_taken_short_name_gets_the_next_number() {
        let (first, _) = short("miner-1.efi", &[]).unwrap();
        assert_eq!(first, *b"MINER-1 EFI");
        let (second, long) = short("miner-1.EFI", &[first]).unwrap();
        assert_eq!((&second, long), (b"MINER-~1EFI", true));
        let taken: Vec<Short> = (1..10)
            .map(|n| pack(&format!("MINER-~{n}"), "EFI"))
            .collect();
        assert_eq!(short("miner-1.2.efi", &taken).unwrap().0, *b"MINER~10EFI");
    }

    #[test]
    fn long_names_of_every_length_read_back() {
        for length in 1..=MAX_NAME {
            let name = "abcdefghijklmnopqrstuvwxyz".repeat(10)[..length].to_owned();
            let (short, _) = short(&name, &[]).unwrap();
            let mut long = Long::default();
            let entries = long_entries(&name, &short);
            assert_eq!(entries.len(), length.div_ceil(13));
            entries.iter().for_each(|entry| long.push(entry));
            assert_eq!(long.take(&short), Some(name));
        }
    }

    #[test]
    fn a_long_name_of_another_file_or_with_a_part_missing_is_none() {
        let name = "a-name-of-thirty-characters.efi";
        let (own, _) = short(name, &[]).unwrap();
        let entries = long_entries(name, &own);
        let mut long = Long::default();
        entries.iter().for_each(|entry| long.push(entry));
        assert_eq!(long.take(b"OTHER   EFI"), None);
        entries.iter().skip(1).for_each(|entry| long.push(entry));
        assert_eq!(long.take(&own), None);
        entries.iter().take(2).for_each(|entry| long.push(entry));
        assert_eq!(long.take(&own), None);
    }

    #[test]
    fn names_that_fat_cannot_hold_are_refused() {
        let long = "x".repeat(256);
        for name in [
            "", ".", "..", "a.", "a ", " a", "a:b", "a\n", "ä", "a\\b", &long,
        ] {
            assert!(!is_valid(name), "{name:?}");
        }
        assert!(is_valid("miner-1.2.3+3-0.efi"));
    }
}
