//! Where in the file what is, and what its bytes mean. All numbers are little-endian.
//!
//! ```text
//!         0  header      4,096   magic, version, the figures below, check
//!     4,096  fleet     671,744   10,440 records of 64 bytes: one ring after the other
//!   675,840  group 0
//!            ├ directory    16,384   255 entries of 64 bytes: whose the places are
//!            ├ last        524,288   255 records of 2,048 bytes: what each rig said last
//!            └ rows     42,762,240   10,440 rows of 4,096 bytes: one ring after the other
//!   + 43,302,912 for each further group of 255 rigs
//!
//!   record of the fleet  step u64, check u64, point 48
//!   row                  step u64, check u64, 255 points of 16 bytes
//!   entry                since u64, check u64, fingerprint 32, 0 16       since 0: free
//!   last                 at u64, check u64, version u16, length u16, report
//! ```
//!
//! | farm | bytes | |
//! |---|---|---|
//! | one rig | 169,816 | a 255th of a group |
//! | up to 255 rigs | 43,978,752 | |
//! | 10,000 rigs: 40 groups | 1,732,792,320 | 1.7 GB |
//! | 12,240 rigs: [`MAX_GROUPS`] | 2,079,215,616 | the most that a file can become |
//!
//! The file is sparse: what was never written takes no room on the disk, so a new farm begins with a few
//! pages and reaches these figures after 90 days.
//!
//! **Why rows of many rigs.** Each 10 s there is one new point of every rig. Side by side they are 40
//! pages for 10,000 rigs, 16 kB/s; with a ring of its own for each rig they would be 10,000 pages, 4 MB/s.
//! A rig's 90 days are read as one run of the file. A row is one page, which a kill leaves old or new; what
//! a power cut tears apart, or an older lap of the ring left behind, fails the check or has another step.

use miner_shared::identity::Fingerprint;

use super::point::{Fleet, Point};
use super::tier::Tier;

/// First bytes of the file.
pub(super) const MAGIC: [u8; 8] = *b"FARMHIST";
/// Version of this layout.
pub(super) const VERSION: u64 = 1;
/// A page: what the kernel writes as one.
pub(super) const PAGE: u64 = 4_096;
/// A page as a length.
pub(super) const PAGE_LEN: usize = 4_096;
/// Rigs of one group: as many points as fit into a page beside step and check.
pub(super) const GROUP: usize = (PAGE_LEN - STAMP) / Point::BYTES;
/// Most groups: as many as hold all links of a controller (`MAX_CONTROLLER_LINKS`).
pub(super) const MAX_GROUPS: usize = miner_shared::limits::MAX_CONTROLLER_LINKS.div_ceil(GROUP);
/// Step and check before a row's or a record's content.
pub(super) const STAMP: usize = 16;
/// Bytes of a record of the fleet.
pub(super) const FLEET_RECORD: usize = STAMP + Fleet::BYTES;
/// Bytes of an entry of the directory: a part of a disk's sector, which is written as one.
pub(super) const ENTRY: usize = 64;
/// Bytes of a record of what a rig said last.
pub(super) const LAST_RECORD: usize = 2_048;
/// Bytes of a report in such a record.
pub(super) const MAX_LAST: usize = LAST_RECORD - STAMP - 4;

/// Points of all rings.
const POINTS: u64 = Tier::Quarter.begins() + Tier::Quarter.points();
const FLEET_AT: u64 = PAGE;
/// Where the first group begins, which is the length of a file without groups.
pub(super) const GROUPS_AT: u64 = FLEET_AT + whole_pages(POINTS * FLEET_RECORD as u64);
const LAST_AT: u64 = whole_pages((GROUP * ENTRY) as u64);
const ROWS_AT: u64 = LAST_AT + whole_pages((GROUP * LAST_RECORD) as u64);
/// Bytes of a group.
pub(super) const GROUP_LEN: u64 = ROWS_AT + POINTS * PAGE;

const _: () = assert!(GROUP == 255 && MAX_GROUPS == 48);
const _: () = assert!(FLEET_RECORD == 64 && GROUPS_AT == 675_840 && GROUP_LEN == 43_302_912);
// No entry and no record crosses a page.
const _: () = assert!(PAGE_LEN.is_multiple_of(ENTRY) && PAGE_LEN.is_multiple_of(LAST_RECORD));

const fn whole_pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE) * PAGE
}

/// Length of a file with so many groups.
pub(super) const fn file_len(groups: usize) -> u64 {
    GROUPS_AT + groups as u64 * GROUP_LEN
}

/// Where the fleet's record of a step is.
pub(super) const fn fleet_at(tier: Tier, step: u64) -> u64 {
    FLEET_AT + (tier.begins() + step % tier.points()) * FLEET_RECORD as u64
}

/// Where a group's row of a step is.
pub(super) const fn row_at(group: usize, tier: Tier, step: u64) -> u64 {
    file_len(group) + ROWS_AT + (tier.begins() + step % tier.points()) * PAGE
}

/// Where a place's entry in the directory is.
pub(super) const fn entry_at(place: usize) -> u64 {
    file_len(place / GROUP) + (place % GROUP * ENTRY) as u64
}

/// Where a place's last report is.
pub(super) const fn last_at(place: usize) -> u64 {
    file_len(place / GROUP) + LAST_AT + (place % GROUP * LAST_RECORD) as u64
}

/// A check of these words of 8 bytes: FNV-1a in 64 bits, by words. It finds every change of a single word.
fn check(stamp: u64, content: &[u8]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let (words, _) = content.as_chunks::<8>();
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(PRIME);
    words.iter().fold(mix(BASIS, stamp), |sum, word| {
        mix(sum, u64::from_le_bytes(*word))
    })
}

/// Writes stamp and check before the content that is there.
pub(super) fn seal(stamp: u64, bytes: &mut [u8]) {
    if let Some((head, content)) = bytes.split_at_mut_checked(STAMP) {
        let sum = check(stamp, content);
        let (at, place) = head.split_at_mut(STAMP / 2);
        at.copy_from_slice(&stamp.to_le_bytes());
        place.copy_from_slice(&sum.to_le_bytes());
    }
}

/// Stamp and content, if the check holds. A stamp of 0 is never written, so a hole in the file is nothing.
pub(super) fn opened(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, content) = bytes.split_at_checked(STAMP)?;
    let ([stamp, sum], []) = head.as_chunks::<8>() else {
        return None;
    };
    let [stamp, sum] = [stamp, sum].map(|word| u64::from_le_bytes(*word));
    let whole = content.len().is_multiple_of(8) && check(stamp, content) == sum;
    (stamp != 0 && whole).then_some((stamp, content))
}

/// The header of a file of this layout.
pub(super) fn header() -> [u8; PAGE_LEN] {
    let mut page = [0; PAGE_LEN];
    let tiers = Tier::ALL.map(|tier| [tier.step_s(), tier.points()]);
    let [fine, minute, quarter] = tiers;
    let figures = [fine, minute, quarter].concat();
    let words = [GROUP as u64, GROUP_LEN].into_iter().chain(figures);
    if let Some(content) = page.get_mut(STAMP..) {
        let (places, _) = content.as_chunks_mut::<8>();
        let words = std::iter::once(u64::from_le_bytes(MAGIC)).chain(words);
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
    }
    seal(VERSION, &mut page);
    page
}

/// What a file's first page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// This layout.
    Ours,
    /// A layout of another version.
    Version(u64),
    /// Nothing that this program wrote.
    Damaged,
}

/// Reads the first page.
pub(super) fn read_header(page: &[u8]) -> Header {
    match opened(page) {
        Some(_) if page == header() => Header::Ours,
        Some((version, content)) if content.starts_with(&MAGIC) => Header::Version(version),
        _ => Header::Damaged,
    }
}

/// An entry of the directory: since when a place is this rig's, in seconds since 1970. 0 frees it.
pub(super) fn entry(since_s: u64, key: &Fingerprint) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    if since_s > 0 {
        if let Some(place) = bytes.get_mut(STAMP..STAMP + 32) {
            place.copy_from_slice(&key.0);
        }
        seal(since_s, &mut bytes);
    }
    bytes
}

/// Reads an entry; `None` if the place is free, or its entry is damaged, which is the same.
pub(super) fn read_entry(bytes: &[u8]) -> Option<(u64, Fingerprint)> {
    let (since_s, content) = opened(bytes)?;
    let key = content.first_chunk::<32>()?;
    Some((since_s, Fingerprint(*key)))
}

/// A record of what a rig said last, at this moment (ms since 1970), in this version of reports.
/// `None` if the report is too long.
pub(super) fn last(at_ms: u64, version: u16, report: &[u8]) -> Option<[u8; LAST_RECORD]> {
    let mut bytes = [0; LAST_RECORD];
    let content = bytes.get_mut(STAMP..)?;
    let length = u16::try_from(report.len()).ok()?;
    let (head, room) = content.split_at_mut(4);
    let [[a, b], [c, d]] = [version, length].map(u16::to_le_bytes);
    head.copy_from_slice(&[a, b, c, d]);
    room.get_mut(..report.len())?.copy_from_slice(report);
    seal(at_ms, &mut bytes);
    Some(bytes)
}

/// Reads such a record: when, and the report, if it has this version.
pub(super) fn read_last(bytes: &[u8], version: u16) -> Option<(u64, &[u8])> {
    let (at_ms, content) = opened(bytes)?;
    let ([a, b, c, d], room) = content.split_first_chunk::<4>()?;
    let length = u16::from_le_bytes([*c, *d]);
    (u16::from_le_bytes([*a, *b]) == version).then_some((at_ms, room.get(..length.into())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Fingerprint = Fingerprint([7; 32]);

    #[test]
    fn the_figures_of_the_documentation_are_those_of_the_layout() {
        assert_eq!(file_len(1), 43_978_752);
        assert_eq!(file_len(10_000_usize.div_ceil(GROUP)), 1_732_792_320);
        assert_eq!(file_len(MAX_GROUPS), 2_079_215_616);
        assert_eq!(GROUP_LEN.div_ceil(GROUP as u64), 169_816);
        assert_eq!(MAX_GROUPS * GROUP, 12_240);
    }

    #[test]
    fn rings_lie_end_to_end_and_every_place_is_inside() {
        assert_eq!(fleet_at(Tier::Fine, 359) + 64, fleet_at(Tier::Minute, 0));
        assert_eq!(fleet_at(Tier::Fine, 360), fleet_at(Tier::Fine, 0));
        assert!(fleet_at(Tier::Quarter, 8_639) + 64 <= GROUPS_AT);
        assert_eq!(row_at(3, Tier::Quarter, 8_639) + PAGE, file_len(4));
        assert_eq!(entry_at(GROUP), file_len(1));
        assert!(last_at(GROUP - 1) + LAST_RECORD as u64 <= row_at(0, Tier::Fine, 0));
    }

    #[test]
    fn any_flipped_bit_of_a_row_is_noticed() {
        let mut row = [0x5a; PAGE_LEN];
        seal(9, &mut row);
        assert_eq!(opened(&row).expect("whole").0, 9);
        for at in (0..PAGE_LEN).step_by(61) {
            row[at] ^= 0x80;
            assert!(opened(&row).is_none(), "{at}");
            row[at] ^= 0x80;
        }
        assert!(opened(&[0; PAGE_LEN]).is_none(), "a hole is nothing");
        assert!(opened(&[1; 3]).is_none());
    }

    #[test]
    fn a_header_says_whose_file_it_is() {
        assert_eq!(read_header(&header()), Header::Ours);
        let mut newer = header();
        seal(VERSION + 1, &mut newer);
        assert_eq!(read_header(&newer), Header::Version(VERSION + 1));
        let mut damaged = header();
        damaged[20] ^= 1;
        for page in [&damaged[..], &[], &[0; PAGE_LEN], &header()[..100]] {
            assert_eq!(read_header(page), Header::Damaged);
        }
    }

    #[test]
    fn entries_and_reports_are_read_back() {
        assert_eq!(read_entry(&entry(5, &KEY)), Some((5, KEY)));
        assert_eq!(read_entry(&entry(0, &KEY)), None);
        let record = last(8, 3, b"report").expect("fits");
        assert_eq!(read_last(&record, 3), Some((8, &b"report"[..])));
        assert_eq!(read_last(&record, 4), None, "of another version");
        assert!(last(8, 3, &[0; MAX_LAST]).is_some());
        assert_eq!(last(8, 3, &[0; MAX_LAST + 1]), None);
    }
}
