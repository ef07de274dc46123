//! Pages for code that is made at run time. No mapping is ever writable and executable at once.
//!
//! The pages of a [`Code`] are mapped twice where that works: one view to write, one to execute. A hash
//! makes eight programs, and changing the rights of one view sixteen times per hash would make every
//! processor of the process flush its address cache each time. Where two views do not work (the
//! system allows none, or an emulator does not notice what is written through the other), the rights
//! of one view are changed.
#![expect(unsafe_code, reason = "maps pages and changes their rights")]

use core::ptr::{self, NonNull};
use core::slice;

use rustix::io::Errno;
use rustix::mm::{
    MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap, munmap,
};

/// How pages of code are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Views {
    /// A view to write and a view to run.
    Two,
    /// One view, whose rights change.
    One,
}

/// Pages of code.
#[derive(Debug)]
pub(crate) struct Code {
    /// Where it runs.
    run: Mapping,
    /// Where it is written, if that is another view.
    write: Option<Mapping>,
}

impl Code {
    /// Gets pages; `None` where the system lets no data become code in this way.
    pub(crate) fn new(bytes: usize, views: Views) -> Option<Self> {
        let code = match views {
            Views::Two => Self::twice(bytes),
            Views::One => Self::once(bytes),
        };
        let mut code = code.ok()?;
        // Asks once whether the rights can be had.
        code.write(|_| ()).then_some(code)
    }

    fn twice(bytes: usize) -> Result<Self, Errno> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping, at an address of the system's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, rights, MapFlags::SHARED) };
        let write = Mapping::new(start?, bytes)?;
        // From an old size of 0, shared pages are mapped a second time (mremap(2)).
        // SAFETY: the old mapping stays as it is; the new one is at an address of the system's choice.
        let start = unsafe { mremap(write.start.as_ptr().cast(), 0, bytes, MremapFlags::MAYMOVE) };
        let mut run = Mapping::new(start?, bytes)?;
        if !run.allow(MprotectFlags::READ | MprotectFlags::EXEC) {
            return Err(Errno::ACCESS);
        }
        Ok(Self {
            run,
            write: Some(write),
        })
    }

    fn once(bytes: usize) -> Result<Self, Errno> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping, at an address of the system's choice.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), bytes, rights, MapFlags::PRIVATE) };
        Ok(Self {
            run: Mapping::new(start?, bytes)?,
            write: None,
        })
    }

    /// Lets `write` write to the pages, none of which runs meanwhile; false if the system refuses.
    #[must_use]
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut [u8])) -> bool {
        let Self { run, write: view } = self;
        match view {
            Some(view) => {
                write(view.bytes_mut());
                view.clean();
            }
            None => {
                if !run.allow(MprotectFlags::READ | MprotectFlags::WRITE) {
                    return false;
                }
                write(run.bytes_mut());
                run.clean();
                if !run.allow(MprotectFlags::READ | MprotectFlags::EXEC) {
                    return false;
                }
            }
        }
        run.announce();
        true
    }

    /// Where the code at `offset` runs.
    pub(crate) fn address(&self, offset: usize) -> *const u8 {
        self.run.start.as_ptr().wrapping_add(offset)
    }
}

#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping is owned by this value alone and bound to no thread.
unsafe impl Send for Mapping {}
// SAFETY: `&Mapping` gives an address only.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(start: *mut core::ffi::c_void, bytes: usize) -> Result<Self, Errno> {
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, bytes })
    }

    fn allow(&mut self, rights: MprotectFlags) -> bool {
        // SAFETY: the mapping is ours, whole, and exclusively borrowed: nothing runs in it and
        // nothing refers into it.
        unsafe { mprotect(self.start.as_ptr().cast(), self.bytes, rights) }.is_ok()
    }

    /// For a view that is writable now.
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped, writable, and exclusively borrowed; bytes may have any value.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }

    /// Sends what was written on its way to where code is fetched from.
    #[cfg(target_arch = "aarch64")]
    fn clean(&self) {
        for line in self.lines(16) {
            // SAFETY: the address is within the mapping; cleaning a line changes no content.
            unsafe { core::arch::asm!("dc cvau, {}", in(reg) line, options(nostack)) };
        }
        // SAFETY: waits for the above.
        unsafe { core::arch::asm!("dsb ish", options(nostack)) };
    }

    /// Forgets what was fetched from here before.
    #[cfg(target_arch = "aarch64")]
    fn announce(&self) {
        for line in self.lines(0) {
            // SAFETY: the address is within the mapping; the line is only fetched anew.
            unsafe { core::arch::asm!("ic ivau, {}", in(reg) line, options(nostack)) };
        }
        // SAFETY: waits for the above, and drops what the processor fetched ahead.
        unsafe { core::arch::asm!("dsb ish", "isb", options(nostack)) };
    }

    /// The addresses of the mapping's cache lines, whose size stands in a register of the processor
    /// at this bit: of data at 16, of code at 0.
    #[cfg(target_arch = "aarch64")]
    fn lines(&self, bit: u32) -> impl Iterator<Item = *mut u8> {
        let sizes: u64;
        // SAFETY: reads a register that Linux lets every program read.
        unsafe { core::arch::asm!("mrs {}, ctr_el0", out(reg) sizes, options(nomem, nostack)) };
        let size = 4_usize << (sizes >> bit & 15);
        let start = self.start.as_ptr();
        (0..self.bytes)
            .step_by(size)
            .map(move |at| start.wrapping_add(at))
    }

    /// An x86 notices by itself that code changed.
    #[cfg(not(target_arch = "aarch64"))]
    #[expect(clippy::unused_self, reason = "other processors need it")]
    fn clean(&self) {}

    /// See `clean`.
    #[cfg(not(target_arch = "aarch64"))]
    #[expect(clippy::unused_self, reason = "other processors need it")]
    fn announce(&self) {}
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this mapping is ours, whole, and nothing refers into it any more.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}
