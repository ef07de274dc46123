//! Memory in one piece, with the pages that were wished for if the system gives them; see `pages`.
#![expect(unsafe_code, reason = "maps memory and lends it as slices")]

use core::ffi::{c_long, c_ulong};
use core::ptr::NonNull;
use core::slice;

use argon2::Block;
use miner_shared::wire::PageWish;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::Backing;

const HUGE: usize = 2 << 20;
const GIANT: usize = 1 << 30;
/// NUMA nodes that a kernel can be built for.
const MAX_NODES: usize = 1024;

/// Zeroed memory of its own, aligned to a huge page.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    bytes: usize,
    mapping: NonNull<u8>,
    mapped: usize,
    wish: PageWish,
}

// SAFETY: the mapping is owned by this value alone and bound to no thread.
unsafe impl Send for Memory {}
// SAFETY: `&Memory` only reads; writing takes `&mut`, or the pointer, whose users answer for it.
unsafe impl Sync for Memory {}

impl Memory {
    /// Gets the memory; `None` when the system gives none. Pages that were not reserved take no
    /// memory before they are written to.
    pub(crate) fn new(bytes: usize, wish: PageWish) -> Option<Self> {
        // A 64-bit kernel gives a 32-bit program more in one piece than a slice may have.
        isize::try_from(bytes).ok()?;
        let giant = || Self::reserved(bytes, GIANT, MapFlags::HUGE_1GB, wish);
        let huge = || Self::reserved(bytes, HUGE, MapFlags::HUGE_2MB, wish);
        match wish {
            PageWish::Small => Self::plain(bytes, wish),
            // Less than a giant page would waste most of it.
            PageWish::Auto | PageWish::Huge1G if bytes >= GIANT => {
                giant().or_else(huge).or_else(|| Self::plain(bytes, wish))
            }
            _ => huge().or_else(|| Self::plain(bytes, wish)),
        }
    }

    /// In pages that the owner of the machine reserved.
    fn reserved(bytes: usize, page: usize, size: MapFlags, wish: PageWish) -> Option<Self> {
        let mapped = bytes.checked_next_multiple_of(page)?;
        let mapping = map(mapped, MapFlags::HUGETLB | size)?;
        Some(Self {
            start: mapping,
            bytes,
            mapping,
            mapped,
            wish,
        })
    }

    /// In small pages, or in transparent huge ones where the kernel is willing: it is asked before
    /// the first write, and needs whole aligned pieces.
    fn plain(bytes: usize, wish: PageWish) -> Option<Self> {
        let mapped = bytes.checked_add(HUGE)?;
        let mapping = map(mapped, MapFlags::NORESERVE)?;
        let before = mapping.align_offset(HUGE);
        // SAFETY: `before` is below HUGE, which was mapped on top of `bytes`.
        let start = unsafe { mapping.add(before) };
        let advice = if wish == PageWish::Small {
            Advice::LinuxNoHugepage
        } else {
            Advice::LinuxHugepage
        };
        // SAFETY: the range is ours; the advice changes neither content nor rights. A refusal is
        // no error: other pages work too.
        let _ = unsafe { madvise(start.as_ptr().cast(), bytes, advice) };
        Some(Self {
            start,
            bytes,
            mapping,
            mapped,
            wish,
        })
    }

    /// Memory whose every 2 MiB are the same reserved huge page, to measure code without waiting for
    /// memory. `None` where no page is reserved.
    #[cfg(feature = "reference")]
    pub(crate) fn of_one_page(bytes: usize) -> Option<Self> {
        let memory = Self::plain(bytes, PageWish::Small)?;
        crate::reference::alias(memory.start, bytes)?;
        Some(memory)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: mapped, readable, zeroed or written as bytes, and not written while borrowed.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_slice`, and exclusively borrowed.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }

    /// The same as Argon2's blocks; their words lie in memory as the processor has them.
    pub(crate) fn as_blocks_mut(&mut self) -> &mut [Block] {
        const { assert!(size_of::<Block>() == 1024 && align_of::<Block>() <= HUGE) };
        // SAFETY: a block is 128 words of 64 bits, for which any bytes are valid; the memory is
        // aligned to more than a block and exclusively borrowed.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr().cast(), self.bytes / 1024) }
    }

    /// Has the system take pages from these NUMA nodes, in turns if there are several, and leave them there; for
    /// pages that nobody wrote to yet. One that takes them from elsewhere, or has no such call, does no harm.
    pub(crate) fn place(&mut self, nodes: &[u16]) {
        const BITS: usize = c_ulong::BITS as usize;
        let mut mask: [c_ulong; MAX_NODES / BITS] = [0; _];
        for node in nodes.iter().map(|node| usize::from(*node)) {
            if let Some(word) = mask.get_mut(node / BITS) {
                *word |= 1 << (node % BITS);
            }
        }
        let policy = match nodes {
            [] => return,
            [_] => libc::MPOL_PREFERRED,
            _ => libc::MPOL_INTERLEAVE,
        };
        // SAFETY: the range is ours, and a policy changes neither content nor rights. The mask has as many
        // bits as said; the kernel counts one more.
        unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.mapping.as_ptr(),
                self.mapped,
                c_long::from(policy),
                mask.as_ptr(),
                MAX_NODES + 1,
                c_long::from(0),
            )
        };
    }

    /// The pages that were wished for.
    pub(crate) const fn wish(&self) -> PageWish {
        self.wish
    }

    pub(crate) fn backing(&self) -> Option<Backing> {
        Backing::of(self.start.cast(), self.bytes)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, whole, and nothing borrows from it any more.
        let _ = unsafe { munmap(self.mapping.as_ptr().cast(), self.mapped) };
    }
}

fn map(bytes: usize, flags: MapFlags) -> Option<NonNull<u8>> {
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    let flags = flags | MapFlags::PRIVATE;
    // SAFETY: a new anonymous mapping at an address of the system's choice.
    let mapping = unsafe { mmap_anonymous(core::ptr::null_mut(), bytes, rights, flags) };
    NonNull::new(mapping.ok()?.cast())
}
