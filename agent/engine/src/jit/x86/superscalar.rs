//! Dataset items as x86-64 code. Each superscalar program is a subroutine. `item` runs all of them for
//! one item, `pair` for two: programs in light mode call them, not Rust. `fill` makes items one after the
//! other, several of them at the same time. Of items that are made at the same time, each program runs for
//! one after the other, so that the cache line that one needs next is on its way while the program runs
//! for the others.
//!
//! | register | holds |
//! |---|---|
//! | `rdi` | the cache |
//! | `rbx` | the item's number; the cache line then |
//! | `rsi` | for `pair`, two [`seat`]s, with the numbers in place of lines; the items, at the end |
//! | `r8` to `r15` | the item, at the end |
//! | `rax`, `rcx`, `rdx` | changed |
//! | all others | untouched |

use super::asm::{Alu, Assembler, At, Gpr, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use super::{Cpu, epilogue, prologue};
use crate::cache::CACHE_BYTES;
use crate::jit::Entries;
use crate::params::{CACHE_ACCESSES, LINE};
use crate::superscalar::{DIFFERENCES, Instruction, MULTIPLIER, Op, Programs};

/// Writes both functions; `None` if they do not fit.
pub(in crate::jit) fn compile(code: &mut [u8], programs: &Programs, cpu: Cpu) -> Option<Entries> {
    let mut asm = Assembler::new(code);
    let mut all: heapless::Vec<Subroutine, CACHE_ACCESSES> = heapless::Vec::new();
    for program in &programs.0 {
        asm.align(16);
        let start = asm.here();
        for instruction in program.instructions() {
            write_instruction(&mut asm, *instruction, cpu);
        }
        asm.ret();
        let address = r(program.address);
        all.push(Subroutine { start, address }).ok()?;
    }
    asm.align(16);
    let item = asm.here();
    write_item(&mut asm, &all);
    asm.align(16);
    let pair = asm.here();
    write_pair(&mut asm, &all);
    asm.align(16);
    let fill = asm.here();
    write_fill(&mut asm, &all, item);
    asm.fits().then_some(Entries { item, pair, fill })
}

/// A program's code, and the register that chooses the next cache line after it.
struct Subroutine {
    start: usize,
    address: Gpr,
}

const fn r(register: u8) -> Gpr {
    Gpr(8 + register)
}

/// The registers as item number `rbx` begins with them.
fn write_start(asm: &mut Assembler<'_>) {
    asm.lea(r(0), At::Base(RBX, 1));
    asm.set(RAX, MULTIPLIER);
    asm.imul(r(0), RAX);
    for (register, difference) in (1..).zip(DIFFERENCES) {
        asm.set(r(register), difference);
        asm.alu(Alu::Xor, r(register), r(0));
    }
}

/// `rbx` chooses a cache line, becomes its address, and the line is asked for.
fn write_line(asm: &mut Assembler<'_>) {
    asm.alu32_set(Alu::And, RBX, (CACHE_BYTES / LINE - 1) as i32);
    asm.shift_left(RBX, LINE.ilog2() as u8);
    asm.alu(Alu::Add, RBX, RDI);
    asm.prefetch_nta(At::Base(RBX, 0));
}

/// Runs a program, and XORs the line at `rbx` to what comes of it.
fn write_step(asm: &mut Assembler<'_>, program: &Subroutine) {
    asm.call(program.start);
    for register in 0..8 {
        asm.alu_load(
            Alu::Xor,
            r(register),
            At::Base(RBX, 8 * i32::from(register)),
        );
    }
}

fn write_item(asm: &mut Assembler<'_>, programs: &[Subroutine]) {
    write_start(asm);
    for (at, program) in programs.iter().enumerate() {
        if let Some(last) = at.checked_sub(1).and_then(|last| programs.get(last)) {
            asm.mov(RBX, last.address);
        }
        write_line(asm);
        write_step(asm, program);
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

/// Where an item in the making is while others are worked on.
#[derive(Clone, Copy)]
struct Seat {
    base: Gpr,
    offset: i32,
}

/// What lies in a [`Seat`]: eight registers, then the cache line.
pub(super) mod seat {
    pub(in super::super) const LINE: i32 = 64;
    pub(in super::super) const BYTES: i32 = 72;
}

impl Seat {
    /// The one at this place of those that begin at `base + offset`.
    const fn nth(base: Gpr, offset: i32, at: i32) -> Self {
        let offset = offset + seat::BYTES * at;
        Self { base, offset }
    }

    const fn register(self, register: u8) -> At {
        At::Base(self.base, self.offset + 8 * register as i32)
    }

    const fn line(self) -> At {
        At::Base(self.base, self.offset + seat::LINE)
    }

    fn save(self, asm: &mut Assembler<'_>) {
        for register in 0..8 {
            asm.store(self.register(register), r(register));
        }
    }

    fn load(self, asm: &mut Assembler<'_>) {
        for register in 0..8 {
            asm.load(r(register), self.register(register));
        }
        asm.load(RBX, self.line());
    }
}

/// Makes an item for each seat at the same time. `begin` brings the number of one to `rbx`, `end` takes it
/// out of its registers.
fn write_together(
    asm: &mut Assembler<'_>,
    programs: &[Subroutine],
    seats: &[Seat],
    begin: impl Fn(&mut Assembler<'_>, usize),
    end: impl Fn(&mut Assembler<'_>, usize),
) {
    for (at, seat) in seats.iter().enumerate() {
        begin(asm, at);
        write_start(asm);
        write_line(asm);
        seat.save(asm);
        asm.store(seat.line(), RBX);
    }
    for (number, program) in programs.iter().enumerate() {
        for (at, seat) in seats.iter().enumerate() {
            seat.load(asm);
            write_step(asm, program);
            if number + 1 == programs.len() {
                end(asm, at);
            } else {
                asm.mov(RBX, program.address);
                write_line(asm);
                seat.save(asm);
                asm.store(seat.line(), RBX);
            }
        }
    }
}

fn write_pair(asm: &mut Assembler<'_>, programs: &[Subroutine]) {
    let seats = [0, 1].map(|at| Seat::nth(RSI, 0, at));
    write_together(
        asm,
        programs,
        &seats,
        |asm, at| asm.load(RBX, seats[at].line()),
        |asm, at| seats[at].save(asm),
    );
    asm.ret();
}

/// Items that `fill` makes at the same time.
const TOGETHER: i32 = 4;

/// The stack frame of `fill`, in bytes from `rsp`.
mod frame {
    /// Items left.
    pub(super) const LEFT: i32 = 0;
    pub(super) const SEATS: i32 = 16;
    /// A multiple of 16 and 8 more, as in programs.
    pub(super) const BYTES: i32 = SEATS + super::seat::BYTES * super::TOGETHER + 8;
    const _: () = assert!(BYTES % 16 == 8);
}

/// The registers go to item `item` after the place for the next.
fn write_out(asm: &mut Assembler<'_>, item: i32) {
    for register in 0..8 {
        let at = At::Base(RSI, LINE as i32 * item + 8 * i32::from(register));
        asm.store(at, r(register));
    }
}

/// `fill(cache, items, first number, count)`, with a count of at least one.
fn write_fill(asm: &mut Assembler<'_>, programs: &[Subroutine], item: usize) {
    const LEFT: At = At::Base(RSP, frame::LEFT);
    prologue(asm, frame::BYTES);
    asm.store(LEFT, RCX);
    asm.mov(RBP, RDX);

    // While there are enough, so many together.
    let next = asm.here();
    asm.load(RCX, LEFT);
    asm.alu_set(Alu::Compare, RCX, TOGETHER);
    let few = asm.jump_if_below();
    write_together(
        asm,
        programs,
        &[0, 1, 2, 3].map(|at| Seat::nth(RSP, frame::SEATS, at)),
        |asm, at| asm.lea(RBX, At::Base(RBP, at as i32)),
        |asm, at| write_out(asm, at as i32),
    );
    asm.alu_set(Alu::Add, RSI, TOGETHER * LINE as i32);
    asm.alu_set(Alu::Add, RBP, TOGETHER);
    asm.load(RCX, LEFT);
    asm.alu_set(Alu::Sub, RCX, TOGETHER);
    asm.store(LEFT, RCX);
    asm.jump_if_zero(true, next);
    epilogue(asm, frame::BYTES);

    // Those that are left, one by one.
    asm.land_far(few);
    let next = asm.here();
    asm.mov(RBX, RBP);
    asm.call(item);
    write_out(asm, 0);
    asm.alu_set(Alu::Add, RSI, LINE as i32);
    asm.alu_set(Alu::Add, RBP, 1);
    asm.decrement(LEFT);
    asm.jump_if_zero(true, next);
    epilogue(asm, frame::BYTES);
}
