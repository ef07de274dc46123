//! Compiled code for the two things that take the time: programs of the virtual machine, and
//! dataset items. What runs is `unsafe` only here: the compilers below write bytes.
#![expect(unsafe_code, reason = "calls code that was made at run time")]

#[cfg_attr(target_arch = "x86_64", path = "x86/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arm/mod.rs")]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    path = "none.rs"
)]
mod arch;
mod code;
#[cfg(test)]
mod tests;

use core::fmt;
use core::mem::transmute;

use arch::{Cpu, FillFn, ProgramFn};
use code::Code;
pub(crate) use code::Views;

use crate::CACHE_BYTES;
use crate::params::{LINE, Params};
use crate::program::{Configuration, Instruction};
use crate::registers::Registers;
use crate::superscalar::Programs;

/// Where a program's dataset lines come from. The memory must outlive the code.
#[derive(Clone, Copy)]
pub(crate) enum Lines {
    /// From the dataset that begins here.
    Dataset { start: *const u8 },
    /// Computed from the cache that begins here, by the code of [`Items`] at `item`.
    Cache {
        start: *const u8,
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64")),
            expect(dead_code, reason = "no compiler for this processor")
        )]
        item: *const u8,
    },
}

/// Bytes for the code of the longest program: 384 instructions of at most 32 bytes, and the loop.
const PROGRAM_BYTES: usize = 16 << 10;

/// Bytes for the code of eight superscalar programs of at most 512 instructions of at most 14 bytes.
const ITEMS_BYTES: usize = 64 << 10;

/// A compiled program; one machine's.
pub(crate) struct Program {
    code: Code,
    cpu: Cpu,
}

impl Program {
    /// Pages for one; `None` where there is no compiler, or data cannot become code.
    pub(crate) fn new(views: Views) -> Option<Self> {
        let cpu = Cpu::detect()?;
        let code = Code::new(PROGRAM_BYTES, views)?;
        Some(Self { code, cpu })
    }

    /// Compiles `program` and runs it, as `interpret::run` would. False, and nothing was done, if
    /// the system no longer lets data become code.
    ///
    /// # Safety
    /// `lines` is the memory of a whole dataset, or of a whole cache with the code for its items.
    #[must_use]
    pub(crate) unsafe fn run(
        &mut self,
        program: &[Instruction],
        configuration: &Configuration,
        params: &Params,
        lines: Lines,
        scratchpad: &mut [u8],
        registers: &mut Registers,
    ) -> bool {
        let Self { code, cpu } = self;
        let mut start = None;
        let written = code.write(|bytes| {
            start = arch::compile_program(bytes, program, configuration, params, lines, *cpu);
        });
        let Some(start) = start.filter(|_| written && scratchpad.len() >= params.l3 as usize)
        else {
            return false;
        };
        // SAFETY: at this address the compiler wrote a function of this type.
        let program: ProgramFn = unsafe { transmute(code.address(start)) };
        let lines = match lines {
            Lines::Dataset { start } => start.wrapping_add(configuration.dataset_offset as usize),
            Lines::Cache { start, .. } => start,
        };
        let scratchpad = scratchpad.as_mut_ptr();
        let word = arch::control_word(registers.mode);
        // SAFETY: it reads and writes the registers, and the scratchpad within `l3` bytes by its
        // masks; it reads the dataset within its size by mask and offset, or has the code for items
        // read the cache by that one's mask. It keeps the ABI, and the caller's control word.
        let word = unsafe { program(registers, scratchpad, lines, word) };
        registers.mode = arch::mode(word);
        true
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}

/// Where the functions of [`Items`] begin in its code.
#[derive(Clone, Copy, Debug)]
struct Entries {
    item: usize,
    fill: usize,
}

/// Compiled superscalar programs; one cache's.
#[derive(Debug)]
pub(crate) struct Items {
    code: Code,
    entries: Entries,
}

impl Items {
    /// Compiles the programs of a key; `None` where there is no compiler, or data cannot become
    /// code.
    pub(crate) fn compile(programs: &Programs, views: Views) -> Option<Self> {
        let cpu = Cpu::detect()?;
        let mut code = Code::new(ITEMS_BYTES, views)?;
        let mut entries = None;
        let written = code.write(|bytes| entries = arch::compile_items(bytes, programs, cpu));
        let entries = entries.filter(|_| written)?;
        Some(Self { code, entries })
    }

    /// Where compiled programs call it.
    pub(crate) fn entry(&self) -> *const u8 {
        self.code.address(self.entries.item)
    }

    /// Computes as many items as fit, the first of them being number `first`.
    pub(crate) fn fill(&self, cache: &[u8], first: u64, items: &mut [u8]) {
        let count = items.len() / LINE;
        if count == 0 || cache.len() != CACHE_BYTES {
            return;
        }
        // SAFETY: at this address the compiler wrote a function of this type.
        let fill: FillFn = unsafe { transmute(self.code.address(self.entries.fill)) };
        // SAFETY: it reads lines of the cache by a mask for its size, and writes `count` lines.
        unsafe { fill(cache.as_ptr(), items.as_mut_ptr(), first, count as u64) }
    }
}
