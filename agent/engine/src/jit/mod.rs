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
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod buffer;
mod code;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod compare;
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

/// Whether there is a compiler for this processor.
pub(crate) const COMPILES: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Where a program's dataset lines come from. The memory must outlive the code.
#[derive(Clone, Copy)]
pub(crate) enum Lines {
    /// From the dataset that begins here.
    Dataset { start: *const u8 },
    /// Computed from the cache that begins here, by the code of [`Items`] at `item`; at `pair` for two
    /// programs that take turns.
    Cache {
        start: *const u8,
        #[cfg_attr(
            not(any(target_arch = "x86_64", target_arch = "aarch64")),
            expect(dead_code, reason = "no compiler for this processor")
        )]
        item: *const u8,
        #[cfg_attr(
            not(target_arch = "x86_64"),
            expect(dead_code, reason = "programs do not take turns on this processor")
        )]
        pair: *const u8,
    },
}

/// How a machine asks ahead for the two scratchpad lines of its next iteration. It changes no hash, and which
/// is the fastest differs from processor to processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefetch {
    /// Not at all.
    None,
    /// Into all levels of the cache.
    #[default]
    T0,
    /// For one use, past the larger levels of the cache.
    Nta,
    /// By reading, which unlike the others cannot be dropped.
    Mov,
}

impl Prefetch {
    /// Those that there is code for here, the usual one first.
    pub const ALL: &[Self] = arch::PREFETCHES;

    /// Its name: `none`, `t0`, `nta`, `mov`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::T0 => "t0",
            Self::Nta => "nta",
            Self::Mov => "mov",
        }
    }
}

/// Inputs that a machine can have in flight here.
pub const MAX_WAYS: usize = arch::MAX_WAYS;

/// Bytes for the code of the longest programs: 384 instructions of at most 32 bytes, and the loop.
pub(crate) const PROGRAM_BYTES: usize = MAX_WAYS * (16 << 10);

/// Bytes for the code of eight superscalar programs of at most 512 instructions of at most 14 bytes,
/// and what calls them.
const ITEMS_BYTES: usize = 80 << 10;

/// A compiled program; one machine's.
pub(crate) struct Program {
    code: Code,
    cpu: Cpu,
    pub(crate) prefetch: Prefetch,
}

impl Program {
    /// Pages for one; `None` where there is no compiler, or data cannot become code.
    pub(crate) fn new(views: Views) -> Option<Self> {
        let cpu = Cpu::detect()?;
        let code = Code::new(PROGRAM_BYTES, views)?;
        Some(Self {
            code,
            cpu,
            prefetch: Prefetch::default(),
        })
    }

    /// Writes code to memory that nobody executes; returns where it begins, or `None` if it does not
    /// fit or there is no code for that many.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn emit(
        &self,
        code: &mut [u8],
        ways: &[Way<'_>],
        params: &Params,
        lines: Lines,
    ) -> Option<usize> {
        arch::compile_program(code, ways, params, lines, self.cpu, self.prefetch)
    }

    /// Compiles the programs and runs them, each as `interpret::run` would, taking turns at the end
    /// of an iteration. False, and nothing was done, if there is no code for that many, or the system
    /// no longer lets data become code.
    ///
    /// # Safety
    /// `lines` is the memory of a whole dataset, or of a whole cache with the code for its items.
    #[must_use]
    pub(crate) unsafe fn run(
        &mut self,
        ways: &mut [Way<'_>],
        params: &Params,
        lines: Lines,
    ) -> bool {
        let Self {
            code,
            cpu,
            prefetch,
        } = self;
        let mut start = None;
        let written = code.write(|bytes| {
            start = arch::compile_program(bytes, ways, params, lines, *cpu, *prefetch);
        });
        let big_enough = |way: &Way<'_>| way.scratchpad.len() >= params.l3 as usize;
        let Some(start) = start.filter(|_| written && ways.iter().all(big_enough)) else {
            return false;
        };
        // SAFETY: at this address the compiler wrote a function of this type.
        let run: ProgramFn = unsafe { transmute(code.address(start)) };
        let line_mask = params.l3 - LINE as u32;
        let mut contexts: heapless::Vec<Context, MAX_WAYS> = ways
            .iter_mut()
            .map(|way| Context::new(way, lines, line_mask))
            .collect();
        // SAFETY: there is a context for each way. The code reads and writes its registers, and its
        // scratchpad within `l3` bytes by masks; it reads the dataset within its size by mask and
        // offset, or has the code for items read the cache by that one's mask. It keeps the ABI, and
        // the caller's control word.
        unsafe { run(contexts.as_mut_ptr()) };
        for (way, context) in ways.iter_mut().zip(contexts) {
            *way.registers = context.registers;
            way.registers.mode = arch::mode(context.control);
        }
        true
    }
}

/// A program to run, and what it runs on.
pub(crate) struct Way<'a> {
    pub(crate) program: &'a [Instruction],
    pub(crate) configuration: &'a Configuration,
    pub(crate) scratchpad: &'a mut [u8],
    pub(crate) registers: &'a mut Registers,
}

/// What compiled code knows of a way; it relies on the layout.
#[repr(C)]
struct Context {
    registers: Registers,
    /// What is set in a value of group E.
    e_mask: [u64; 2],
    scratchpad: *mut u8,
    /// The program's part of the dataset, or the cache.
    lines: *const u8,
    /// `mx` in the low half, `ma` in the high one.
    memory: u64,
    /// The offsets of the next iteration's two scratchpad lines.
    addresses: [u64; 2],
    /// The control word of floating-point arithmetic.
    control: u32,
}

impl Context {
    fn new(way: &mut Way<'_>, lines: Lines, line_mask: u32) -> Self {
        let Configuration {
            ma,
            mx,
            dataset_offset,
            e_mask,
            ..
        } = *way.configuration;
        let mut registers = way.registers.clone();
        registers.r = [0; 8];
        Self {
            control: arch::control_word(registers.mode),
            registers,
            e_mask,
            scratchpad: way.scratchpad.as_mut_ptr(),
            lines: match lines {
                Lines::Dataset { start } => start.wrapping_add(dataset_offset as usize),
                Lines::Cache { start, .. } => start,
            },
            memory: u64::from(ma) << 32 | u64::from(mx),
            addresses: [mx, ma].map(|address| u64::from(address & line_mask)),
        }
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
    pair: usize,
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

    /// The same for compiled programs, with the cache that begins at `start`.
    pub(crate) fn lines(&self, start: *const u8) -> Lines {
        let Entries { item, pair, .. } = self.entries;
        Lines::Cache {
            start,
            item: self.code.address(item),
            pair: self.code.address(pair),
        }
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
