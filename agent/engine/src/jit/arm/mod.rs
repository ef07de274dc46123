//! The compilers for AArch64.

mod asm;
mod program;
mod superscalar;

pub(super) use program::compile as compile_program;
pub(super) use superscalar::compile as compile_items;

use asm::Gpr;

use super::{Context, Prefetch};
use crate::rounding::Mode;

/// Programs that take turns: none.
pub(super) const MAX_WAYS: usize = 1;

/// No choice: there is no machine to measure them on.
pub(super) const PREFETCHES: &[Prefetch] = &[Prefetch::T0];

/// Compiled programs; the argument is the first of the contexts, one for each.
pub(super) type ProgramFn = unsafe extern "C" fn(*mut Context);

/// Compiled superscalar programs: cache, where to write, the first item's number, and how many.
pub(super) type FillFn = unsafe extern "C" fn(*const u8, *mut u8, u64, u64);

/// What the code may use beyond what every AArch64 has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) aes: bool,
}

impl Cpu {
    /// `None` where there is nothing to compile for.
    pub(super) fn detect() -> Option<Self> {
        Some(Self {
            aes: std::arch::is_aarch64_feature_detected!("aes"),
        })
    }
}

/// Where `item` gets its number.
const NUMBER: Gpr = Gpr(17);

/// The rounding mode, whose two bits Arm has in the opposite order, in bits 22 and 23 of the word.
pub(super) fn control_word(mode: Mode) -> u32 {
    let mode = mode as u32;
    (mode >> 1 | (mode & 1) << 1) << 22
}

/// The rounding mode of a control word.
pub(super) fn mode(control_word: u32) -> Mode {
    let arm = u64::from(control_word >> 22 & 3);
    Mode::of(arm >> 1 | (arm & 1) << 1)
}
