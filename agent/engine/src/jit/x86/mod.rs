//! The compilers for x86-64.

mod asm;
mod program;
mod superscalar;

pub(super) use program::compile as compile_program;
pub(super) use superscalar::compile as compile_items;

use asm::{Alu, Assembler, Gpr, RBP, RBX, RSP};

use super::{Context, Prefetch};
use crate::rounding::Mode;

/// Programs that take turns; a third gains nothing (docs/decisions/0015).
pub(super) const MAX_WAYS: usize = 2;

/// All of them.
pub(super) const PREFETCHES: &[Prefetch] =
    &[Prefetch::T0, Prefetch::None, Prefetch::Nta, Prefetch::Mov];

/// Compiled programs; the argument is the first of the contexts, one for each.
pub(super) type ProgramFn = unsafe extern "sysv64" fn(*mut Context);

/// Compiled superscalar programs: cache, where to write, the first item's number, and how many.
pub(super) type FillFn = unsafe extern "sysv64" fn(*const u8, *mut u8, u64, u64);

/// The control word: no exceptions, denormal numbers are zero, and the rounding mode.
pub(super) fn control_word(mode: Mode) -> u32 {
    program::MXCSR | (mode as u32) << 13
}

/// The rounding mode of a control word.
pub(super) fn mode(control_word: u32) -> Mode {
    Mode::of(u64::from(control_word >> 13))
}

/// What the code may use beyond what every x86-64 has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cpu {
    pub(super) bmi2: bool,
    pub(super) aes: bool,
}

impl Cpu {
    /// `None` where there is nothing to compile for.
    pub(super) fn detect() -> Option<Self> {
        Some(Self {
            bmi2: std::arch::is_x86_feature_detected!("bmi2"),
            aes: std::arch::is_x86_feature_detected!("aes"),
        })
    }
}

/// The registers that a function must give back, by the System V ABI.
const KEPT: [Gpr; 6] = [RBX, RBP, Gpr(12), Gpr(13), Gpr(14), Gpr(15)];

fn prologue(asm: &mut Assembler<'_>, frame: i32) {
    for register in KEPT {
        asm.push(register);
    }
    asm.alu_set(Alu::Sub, RSP, frame);
}

fn epilogue(asm: &mut Assembler<'_>, frame: i32) {
    asm.alu_set(Alu::Add, RSP, frame);
    for register in KEPT.into_iter().rev() {
        asm.pop(register);
    }
    asm.ret();
}
