//! Memory that nothing has to wait for, to measure code by itself.
#![expect(unsafe_code, reason = "maps over memory")]

use core::ptr::NonNull;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap};

const HUGE: usize = 2 << 20;

/// Puts one huge page, filled with other bytes than zeros, in place of every whole one of this memory
/// and what follows the last. `None`, and the memory is as it was or partly replaced, where it fails.
pub(crate) fn alias(start: NonNull<u8>, bytes: usize) -> Option<()> {
    let file = memfd_create("one-page", MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB).ok()?;
    ftruncate(&file, HUGE as u64).ok()?;
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    let from = start.align_offset(HUGE);
    let count = bytes.checked_sub(from)? / HUGE;
    for page in 0..count {
        let at = start.as_ptr().wrapping_add(from + page * HUGE).cast();
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: the range lies within the memory, whose owner lets nobody refer into it now.
        unsafe { mmap(at, HUGE, rights, flags, &file, 0) }.ok()?;
    }
    Some(())
}
