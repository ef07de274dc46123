//! No compiler for this processor: everything is interpreted.

use super::{Context, Entries, Lines, Prefetch, Way};
use crate::params::Params;
use crate::rounding::Mode;
use crate::superscalar::Programs;

pub(super) const MAX_WAYS: usize = 1;

pub(super) const PREFETCHES: &[Prefetch] = &[Prefetch::T0];

pub(super) type ProgramFn = unsafe extern "C" fn(*mut Context);
pub(super) type FillFn = unsafe extern "C" fn(*const u8, *mut u8, u64, u64);

#[derive(Clone, Copy)]
pub(super) struct Cpu;

impl Cpu {
    pub(super) fn detect() -> Option<Self> {
        None
    }
}

pub(super) fn compile_program(
    _: &mut [u8],
    _: &[Way<'_>],
    _: &Params,
    _: Lines,
    _: Cpu,
    _: Prefetch,
) -> Option<usize> {
    None
}

pub(super) fn compile_items(_: &mut [u8], _: &Programs, _: Cpu) -> Option<Entries> {
    None
}

pub(super) fn control_word(_: Mode) -> u32 {
    0
}

pub(super) fn mode(_: u32) -> Mode {
    Mode::Nearest
}
