//! Which pages stand behind memory, as the kernel tells and not as was asked.
//!
//! Dataset reads are random over 2 GiB: with 4 KiB pages nearly each of them also misses the
//! processor's address cache, which costs a third of the hash rate and more. So each memory is
//! asked for in this order, and `/proc/self/smaps` says afterwards what came of it:
//!
//! | order | how | needs |
//! |---|---|---|
//! | 1 | reserved huge pages, `MAP_HUGETLB` | pages reserved by the owner (`vm.nr_hugepages`) |
//! | 2 | transparent huge pages, `madvise` before the first write | nothing; the kernel may refuse |
//! | 3 | small pages | nothing |
//!
//! Who wishes small pages gets the third alone. Of the reserved ones, those of 1 GiB are asked for first
//! where the memory is at least as large, unless 2 MiB are wished for; then those of 2 MiB. The
//! reference implementation asks for pages of the system's default size only.

use core::ffi::c_void;
use core::ptr::NonNull;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;

use miner_shared::wire::Pages;

/// What stands behind a piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// The kind that most of it has.
    pub pages: Pages,
    /// Part of it in huge pages, 0 to 100, rounded down.
    pub huge_percent: u8,
}

impl Backing {
    /// Asks the kernel; `None` where it does not say. Memory that nobody wrote to yet has no pages.
    pub(crate) fn of(memory: NonNull<c_void>, bytes: usize) -> Option<Self> {
        let start = memory.addr().get();
        let smaps = BufReader::new(File::open("/proc/self/smaps").ok()?);
        let huge = count_huge(smaps, start..start.checked_add(bytes)?)?;
        Some(Self::from_counts(huge, u64::try_from(bytes).ok()?))
    }

    fn from_counts(huge: HugeBytes, bytes: u64) -> Self {
        let all = huge.transparent + huge.huge_2m + huge.huge_1g;
        let most = |part: u64| part > bytes / 2;
        Self {
            pages: if most(huge.huge_1g) {
                Pages::Huge1G
            } else if most(huge.huge_2m) {
                Pages::Huge2M
            } else if most(all) {
                Pages::Transparent
            } else {
                Pages::Small
            },
            huge_percent: u8::try_from((all * 100 / bytes.max(1)).min(100)).unwrap_or(100),
        }
    }
}

/// Bytes of a range by kind of huge page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct HugeBytes {
    transparent: u64,
    huge_2m: u64,
    huge_1g: u64,
}

/// Sums the mappings of an smaps text that overlap the range. A mapping that reaches beyond the
/// range counts with at most the overlap. `None` if no mapping overlaps.
fn count_huge(smaps: impl BufRead, range: Range<usize>) -> Option<HugeBytes> {
    let mut huge = HugeBytes::default();
    let mut overlap = 0;
    let mut found = false;
    for line in smaps.lines() {
        let line = line.ok()?;
        if let Some(mapping) = mapping_of(&line) {
            let (from, to) = (mapping.start.max(range.start), mapping.end.min(range.end));
            overlap = u64::try_from(to.saturating_sub(from)).ok()?;
            found |= overlap > 0;
        } else if overlap > 0 {
            match field_kib(&line) {
                Some(("AnonHugePages", kib)) => huge.transparent += (kib << 10).min(overlap),
                Some(("KernelPageSize", 2048)) => huge.huge_2m += overlap,
                Some(("KernelPageSize", 1_048_576)) => huge.huge_1g += overlap,
                _ => {}
            }
        }
    }
    found.then_some(huge)
}

/// `7f00-7f80 rw-p ...`: the head of a mapping.
fn mapping_of(line: &str) -> Option<Range<usize>> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    let hex = |text| usize::from_str_radix(text, 16).ok();
    Some(hex(start)?..hex(end)?)
}

/// `AnonHugePages:   2048 kB`
fn field_kib(line: &str) -> Option<(&str, u64)> {
    let (name, value) = line.split_once(':')?;
    Some((name, value.trim().strip_suffix(" kB")?.parse().ok()?))
}

// The addresses are those of a 64-bit process.
#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    const SMAPS: &str = "\
7f0000000000-7f0000800000 rw-p 00000000 00:00 0 
Size:               8192 kB
KernelPageSize:        4 kB
AnonHugePages:      6144 kB
VmFlags: rd wr mr mw me ac hg 
7f0000800000-7f0001000000 rw-p 00000000 00:0f 1 /anon_hugepage (deleted)
KernelPageSize:     2048 kB
AnonHugePages:         0 kB
7f0040000000-7f0080000000 rw-p 00000000 00:0f 2 /anon_hugepage (deleted)
KernelPageSize:  1048576 kB
";
    const MIB: u64 = 1 << 20;

    fn count(range: Range<usize>) -> Option<HugeBytes> {
        count_huge(SMAPS.as_bytes(), range)
    }

    #[test]
    fn only_the_overlap_of_a_mapping_counts() {
        let all = count(0x7f00_0000_0000..0x7f00_0100_0000).expect("mapped");
        assert_eq!((all.transparent, all.huge_2m), (6 * MIB, 8 * MIB));
        let part = count(0x7f00_0000_0000..0x7f00_0040_0000).expect("mapped");
        assert_eq!((part.transparent, part.huge_2m), (4 * MIB, 0));
        let giant = count(0x7f00_5000_0000..0x7f00_5010_0000).expect("mapped");
        assert_eq!(giant.huge_1g, MIB);
        assert_eq!(count(0x1000..0x2000), None);
    }

    #[test]
    fn pages_are_named_after_the_majority() {
        let named = |transparent, huge_2m| {
            let huge = HugeBytes {
                transparent,
                huge_2m,
                huge_1g: 0,
            };
            let backing = Backing::from_counts(huge, 100);
            (backing.pages, backing.huge_percent)
        };
        assert_eq!(named(0, 0), (Pages::Small, 0));
        assert_eq!(named(50, 0), (Pages::Small, 50));
        assert_eq!(named(99, 0), (Pages::Transparent, 99));
        assert_eq!(named(0, 100), (Pages::Huge2M, 100));
    }
}
