//! Dataset items as AArch64 code. `item` is called by programs in light mode and by `fill`, not by
//! Rust:
//!
//! | register | holds |
//! |---|---|
//! | `x2` | the cache |
//! | `x17` | the item's number; the cache line then |
//! | `x4` to `x11` | the item, at the end |
//! | `x3`, `x15`, `x16`, `x30` | changed |
//! | all others | untouched |

use super::asm::{Alu, Assembler, Gpr, LINK, Run, SP};
use super::{Cpu, NUMBER};
use crate::cache::CACHE_BYTES;
use crate::jit::Entries;
use crate::params::LINE;
use crate::superscalar::{DIFFERENCES, Instruction, MULTIPLIER, Op, Programs};

const CACHE: Gpr = Gpr(2);
const TEMP: Gpr = Gpr(15);
const OTHER: Gpr = Gpr(16);

/// Writes both functions; `None` if they do not fit.
pub(in crate::jit) fn compile(code: &mut [u8], programs: &Programs, _: Cpu) -> Option<Entries> {
    let mut asm = Assembler::new(code);
    let item = asm.here();
    write_item(&mut asm, programs);
    let fill = asm.here();
    write_fill(&mut asm, item);
    // Programs do not take turns here: nobody calls for a pair.
    let pair = item;
    asm.fits().then_some(Entries { item, pair, fill })
}

fn r(register: u8) -> Gpr {
    Gpr(4 + u32::from(register))
}

fn write_item(asm: &mut Assembler<'_>, programs: &Programs) {
    asm.add_set(r(0), NUMBER, 1);
    asm.set(TEMP, MULTIPLIER);
    asm.alu(Alu::Mul, r(0), r(0), TEMP);
    for (register, difference) in (1..).zip(DIFFERENCES) {
        asm.set(TEMP, difference);
        asm.alu(Alu::Xor, r(register), r(0), TEMP);
    }
    for (at, program) in programs.0.iter().enumerate() {
        if let Some(last) = at.checked_sub(1).and_then(|last| programs.0.get(last)) {
            asm.mov(NUMBER, r(last.address));
        }
        asm.and32(NUMBER, NUMBER, Run::of((CACHE_BYTES / LINE - 1) as u32));
        asm.shift_left(NUMBER, NUMBER, LINE.ilog2());
        asm.prefetch(CACHE, NUMBER);
        asm.alu(Alu::Add, NUMBER, CACHE, NUMBER);
        for instruction in program.instructions() {
            write_instruction(asm, *instruction);
        }
        for pair in [0, 2, 4, 6] {
            asm.load_pair(TEMP, OTHER, NUMBER, 8 * u32::from(pair));
            asm.alu(Alu::Xor, r(pair), r(pair), TEMP);
            asm.alu(Alu::Xor, r(pair + 1), r(pair + 1), OTHER);
        }
    }
    asm.ret();
}

fn write_instruction(asm: &mut Assembler<'_>, instruction: Instruction) {
    let Instruction {
        op,
        shift,
        constant,
        ..
    } = instruction;
    let (dst, src) = (r(instruction.dst), r(instruction.src));
    let alu = match op {
        Op::AddShifted => return asm.add_shifted(dst, dst, src, shift),
        Op::Rotate => return asm.rotate(dst, dst, constant as u32),
        Op::Sub => Alu::Sub,
        Op::AddConstant => Alu::Add,
        Op::Xor | Op::XorConstant => Alu::Xor,
        Op::Mul | Op::MulReciprocal => Alu::Mul,
        Op::MulHigh => Alu::MulHigh,
        Op::MulHighSigned => Alu::MulHighSigned,
    };
    if matches!(op, Op::AddConstant | Op::XorConstant | Op::MulReciprocal) {
        asm.set(TEMP, constant);
        asm.alu(alu, dst, dst, TEMP);
    } else {
        asm.alu(alu, dst, dst, src);
    }
}

/// `fill(cache, items, first number, count)`, with a count of at least one.
fn write_fill(asm: &mut Assembler<'_>, item: usize) {
    const FRAME: u32 = 16;
    let (items, number, left) = (Gpr(1), Gpr(12), Gpr(13));
    asm.sub_set(SP, SP, FRAME);
    asm.store(SP, 0, LINK);
    asm.mov(number, Gpr(2));
    asm.mov(left, Gpr(3));
    asm.mov(CACHE, Gpr(0));
    let next = asm.here();
    asm.mov(NUMBER, number);
    asm.call(item);
    for pair in [0, 2, 4, 6] {
        asm.store_pair(items, 8 * u32::from(pair), r(pair), r(pair + 1));
    }
    asm.add_set(items, items, LINE as u32);
    asm.add_set(number, number, 1);
    asm.sub_set(left, left, 1);
    asm.jump_if_not_zero(left, next);
    asm.load(LINK, SP, 0);
    asm.add_set(SP, SP, FRAME);
    asm.ret();
}
