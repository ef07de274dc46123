//! Dataset items as x86-64 code. `item` is called by programs in light mode and by `fill`, not by
//! Rust:
//!
//! | register | holds |
//! |---|---|
//! | `rdi` | the cache |
//! | `rbx` | the item's number; the cache line then |
//! | `r8` to `r15` | the item, at the end |
//! | `rax`, `rcx`, `rdx` | changed |
//! | all others | untouched |

use super::asm::{Alu, Assembler, At, Gpr, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use super::{Cpu, epilogue, prologue};
use crate::cache::CACHE_BYTES;
use crate::jit::Entries;
use crate::params::LINE;
use crate::superscalar::{DIFFERENCES, Instruction, MULTIPLIER, Op, Programs};

/// Writes both; `None` if they do not fit.
pub(in crate::jit) fn compile(code: &mut [u8], programs: &Programs, cpu: Cpu) -> Option<Entries> {
    let mut asm = Assembler::new(code);
    let item = asm.here();
    write_item(&mut asm, programs, cpu);
    asm.align(16);
    let fill = asm.here();
    write_fill(&mut asm, item);
    asm.fits().then_some(Entries { item, fill })
}

const fn r(register: u8) -> Gpr {
    Gpr(8 + register)
}

fn write_item(asm: &mut Assembler<'_>, programs: &Programs, cpu: Cpu) {
    asm.lea(r(0), At::Base(RBX, 1));
    asm.set(RAX, MULTIPLIER);
    asm.imul(r(0), RAX);
    for (register, difference) in (1..).zip(DIFFERENCES) {
        asm.set(r(register), difference);
        asm.alu(Alu::Xor, r(register), r(0));
    }
    for (at, program) in programs.0.iter().enumerate() {
        if let Some(last) = at.checked_sub(1).and_then(|last| programs.0.get(last)) {
            asm.mov(RBX, r(last.address));
        }
        asm.alu32_set(Alu::And, RBX, (CACHE_BYTES / LINE - 1) as i32);
        asm.shift_left(RBX, LINE.ilog2() as u8);
        asm.alu(Alu::Add, RBX, RDI);
        asm.prefetch_nta(At::Base(RBX, 0));
        for instruction in program.instructions() {
            write_instruction(asm, *instruction, cpu);
        }
        for register in 0..8 {
            asm.alu_load(
                Alu::Xor,
                r(register),
                At::Base(RBX, 8 * i32::from(register)),
            );
        }
    }
    asm.ret();
}

fn write_instruction(asm: &mut Assembler<'_>, instruction: Instruction, cpu: Cpu) {
    let Instruction {
        op,
        shift,
        constant,
        ..
    } = instruction;
    let (dst, src) = (r(instruction.dst), r(instruction.src));
    match op {
        Op::Sub => asm.alu(Alu::Sub, dst, src),
        Op::Xor => asm.alu(Alu::Xor, dst, src),
        Op::AddShifted => asm.add_shifted(dst, src, shift, 0),
        Op::Mul => asm.imul(dst, src),
        Op::Rotate => asm.rotate(true, dst, constant as u8),
        Op::AddConstant => asm.alu_set(Alu::Add, dst, constant as i32),
        Op::XorConstant => asm.alu_set(Alu::Xor, dst, constant as i32),
        Op::MulHigh if cpu.bmi2 => {
            asm.mov(RDX, dst);
            asm.mulx(dst, RAX, src);
        }
        Op::MulHigh | Op::MulHighSigned => {
            asm.mov(RAX, dst);
            asm.mul_wide(op == Op::MulHighSigned, src);
            asm.mov(dst, RDX);
        }
        Op::MulReciprocal => {
            asm.set(RAX, constant);
            asm.imul(dst, RAX);
        }
    }
}

/// `fill(cache, items, first number, count)`, with a count of at least one.
fn write_fill(asm: &mut Assembler<'_>, item: usize) {
    /// A multiple of 16 and 8 more, as in programs.
    const FRAME: i32 = 24;
    const LEFT: At = At::Base(RSP, 0);
    prologue(asm, FRAME);
    asm.store(LEFT, RCX);
    asm.mov(RBP, RDX);
    let next = asm.here();
    asm.mov(RBX, RBP);
    asm.call(item);
    for register in 0..8 {
        asm.store(At::Base(RSI, 8 * i32::from(register)), r(register));
    }
    asm.alu_set(Alu::Add, RSI, LINE as i32);
    asm.alu_set(Alu::Add, RBP, 1);
    asm.decrement(LEFT);
    asm.jump_if_zero(true, next);
    epilogue(asm, FRAME);
}
