//! Programs of the virtual machine as x86-64 code.
//!
//! | register | holds |
//! |---|---|
//! | `r8` to `r15` | `r0` to `r7` |
//! | `xmm0` to `xmm3`, `xmm4` to `xmm7`, `xmm8` to `xmm11` | `f`, `e`, `a` |
//! | `xmm12` | an operand from memory |
//! | `xmm13`, `xmm14` | what is kept of, and what is set in, a value of group E |
//! | `xmm15` | the bits that FSCAL turns over |
//! | `rsi` | the scratchpad |
//! | `rdi` | the program's part of the dataset, or the cache |
//! | `rbp` | `mx` in its low half, `ma` in its high half |
//! | `rbx` | iterations left |
//! | `rax`, `rcx`, `rdx` | addresses and other things of the moment |

use super::asm::{Alu, Assembler, At, Gpr, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, Vector, Xmm};
use super::superscalar::seat;
use super::{Cpu, epilogue, prologue};
use crate::cache::CACHE_BYTES;
use crate::interpret::RARELY;
use crate::jit::{Lines, Prefetch, Way};
use crate::params::{DATASET_BASE, LINE, MAX_PROGRAM, Params, Version};
use crate::program::{Configuration, E_KEPT, Instruction, IntegerOp, Place, Source};

const KEEP: Xmm = Xmm(13);
const SET: Xmm = Xmm(14);
const SCALE: Xmm = Xmm(15);
const OPERAND: Xmm = Xmm(12);

/// The stack frame, in bytes from `rsp`.
mod frame {
    use super::seat;
    use crate::jit::MAX_WAYS;

    /// Each way's control word of floating-point arithmetic, as CFROUND last set it.
    pub(super) const MXCSR: i32 = 0;
    /// What it was before.
    pub(super) const CALLER_MXCSR: i32 = 4 * MAX_WAYS as i32;
    /// The pointer to the contexts.
    pub(super) const CONTEXTS: i32 = 16;
    /// Each way's two scratchpad lines of the iteration.
    pub(super) const LINES: i32 = 24;
    /// In light mode, `rbx` while items are computed.
    pub(super) const LEFT: i32 = LINES + 16 * MAX_WAYS as i32;
    /// In light mode, `r0` to `r7` while an item is computed; or the items that are computed as a pair.
    pub(super) const SEATS: i32 = LEFT + 8;
    /// A multiple of 16 and 8 more, since the return address and six registers lie above.
    pub(super) const BYTES: i32 = SEATS + seat::BYTES * MAX_WAYS as i32 + 8;
    const _: () = assert!(CALLER_MXCSR + 4 <= CONTEXTS && BYTES % 16 == 8);
}

/// No exceptions, denormal numbers are zero; the rounding mode is in bits 13 and 14.
pub(super) const MXCSR: u32 = 0x9fc0;

/// Offsets in a `Context` of `jit`.
mod context {
    use core::mem::offset_of;

    use crate::jit::Context;

    pub(super) const BYTES: i32 = size_of::<Context>() as i32;
    pub(super) const F: i32 = 64;
    pub(super) const E: i32 = 128;
    pub(super) const A: i32 = 192;
    pub(super) const E_MASK: i32 = offset_of!(Context, e_mask) as i32;
    pub(super) const SCRATCHPAD: i32 = offset_of!(Context, scratchpad) as i32;
    pub(super) const LINES: i32 = offset_of!(Context, lines) as i32;
    pub(super) const MEMORY: i32 = offset_of!(Context, memory) as i32;
    pub(super) const ADDRESSES: i32 = offset_of!(Context, addresses) as i32;
    pub(super) const CONTROL: i32 = offset_of!(Context, control) as i32;
    const _: () = assert!(
        E_MASK % 16 == 0 && BYTES % 16 == 0,
        "movaps loads from there"
    );
}

const fn r(register: u8) -> Gpr {
    Gpr(8 + register)
}

const fn f(register: u8) -> Xmm {
    Xmm(register)
}

const fn e(register: u8) -> Xmm {
    Xmm(4 + register)
}

const fn a(register: u8) -> Xmm {
    Xmm(8 + register)
}

/// Writes programs that are called as a [`super::ProgramFn`]; returns where they begin, or `None` if
/// they do not fit.
pub(in crate::jit) fn compile(
    code: &mut [u8],
    ways: &[Way<'_>],
    params: &Params,
    lines: Lines,
    cpu: Cpu,
    prefetch: Prefetch,
) -> Option<usize> {
    if params.version == Version::Two && !cpu.aes {
        return None;
    }
    let mut compiler = Compiler {
        asm: Assembler::new(code),
        cpu,
        prefetch,
        version: params.version,
        way: 0,
        starts: [0; MAX_PROGRAM],
    };
    let start = compiler.whole(ways, params, lines);
    compiler.asm.fits().then_some(start)
}

struct Compiler<'a> {
    asm: Assembler<'a>,
    cpu: Cpu,
    prefetch: Prefetch,
    version: Version,
    /// The way that is being compiled.
    way: usize,
    /// Where the code of each instruction begins, for branches.
    starts: [u32; MAX_PROGRAM],
}

impl Compiler<'_> {
    /// One way keeps its registers from one iteration to the next. Several take turns: each turn
    /// brings in a way's registers, does one iteration and puts them back, and while its last
    /// instructions wait for each other the processor is already at the next way's. In light mode a turn
    /// stops where it needs an item of the dataset, and goes on when the items of both ways were made.
    fn whole(&mut self, ways: &[Way<'_>], params: &Params, lines: Lines) -> usize {
        let keep = self.asm.data([E_KEPT; 2]);
        let scale = self.asm.data([0x80f0_0000_0000_0000; 2]);
        let start = self.asm.here();
        let line_mask = params.l3 - LINE as u32;

        prologue(&mut self.asm, frame::BYTES);
        let asm = &mut self.asm;
        asm.store_mxcsr(At::Base(RSP, frame::CALLER_MXCSR));
        asm.store(At::Base(RSP, frame::CONTEXTS), RDI);
        for (register, data) in [(KEEP, keep), (SCALE, scale)] {
            asm.vector_load(Vector::Move, register, At::Code(data));
        }
        for (at, way) in (0..).zip(ways) {
            self.begin(at, way, lines);
        }
        let takes_turns = ways.len() > 1;
        if !takes_turns {
            self.enter();
        }
        self.asm.set(RBX, params.iterations.into());
        self.asm.align(32);
        let iteration = self.asm.here();
        for (at, way) in ways.iter().enumerate() {
            self.way = at;
            if takes_turns {
                self.enter();
            }
            self.load_lines();
            for (at, instruction) in way.program.iter().enumerate() {
                self.starts[at] = self.asm.here() as u32;
                self.instruction(*instruction);
            }
            self.advance(way.configuration);
            match lines {
                Lines::Dataset { .. } => self.read_line(),
                Lines::Cache { item, .. } if !takes_turns => {
                    self.make_item(way.configuration, item);
                }
                Lines::Cache { .. } => {
                    self.ask_for_item(way.configuration);
                    continue;
                }
            }
            self.store_lines(way.configuration.read, line_mask);
            if takes_turns {
                self.leave();
            }
        }
        if let (Lines::Cache { pair, .. }, true) = (lines, takes_turns) {
            self.make_pair(pair);
            for (at, way) in ways.iter().enumerate() {
                self.way = at;
                self.go_on_with_item();
                self.store_lines(way.configuration.read, line_mask);
                self.leave();
            }
        }
        self.asm.alu32_set(Alu::Sub, RBX, 1);
        self.asm.jump_if_zero(true, iteration);
        if !takes_turns {
            self.leave();
            self.store_floats();
        }

        let asm = &mut self.asm;
        asm.load(RCX, At::Base(RSP, frame::CONTEXTS));
        for way in 0..ways.len() as i32 {
            asm.load32(RAX, At::Base(RSP, frame::MXCSR + 4 * way));
            asm.store32(At::Base(RCX, way * context::BYTES + context::CONTROL), RAX);
        }
        asm.load_mxcsr(At::Base(RSP, frame::CALLER_MXCSR));
        epilogue(asm, frame::BYTES);
        start
    }

    /// What happens once for a way: its control word comes to the stack, and the first lines of the
    /// dataset are asked for.
    fn begin(&mut self, at: i32, way: &Way<'_>, lines: Lines) {
        let asm = &mut self.asm;
        let base = at * context::BYTES;
        asm.load(RCX, At::Base(RSP, frame::CONTEXTS));
        asm.load32(RAX, At::Base(RCX, base + context::CONTROL));
        asm.store32(At::Base(RSP, frame::MXCSR + 4 * at), RAX);
        if let Lines::Dataset { .. } = lines {
            asm.load(RDI, At::Base(RCX, base + context::LINES));
            let Configuration { ma, mx, .. } = *way.configuration;
            asm.prefetch_nta(At::Base(RDI, dataset_address(ma)));
            if self.version == Version::Two {
                asm.prefetch_nta(At::Base(RDI, dataset_address(mx)));
            }
        }
    }

    /// Where a field of the way's context lies, once `rcx` points to the contexts.
    fn field(&self, offset: i32) -> At {
        At::Base(RCX, self.way as i32 * context::BYTES + offset)
    }

    /// The first or the second scratchpad line of the way's iteration.
    fn line(&self, number: i32) -> At {
        At::Base(RSP, frame::LINES + 16 * self.way as i32 + 8 * number)
    }

    /// Words of an item in light mode, or of what waits for it.
    fn seat(&self, offset: i32) -> At {
        At::Base(RSP, frame::SEATS + seat::BYTES * self.way as i32 + offset)
    }

    fn mxcsr(&self) -> At {
        At::Base(RSP, frame::MXCSR + 4 * self.way as i32)
    }

    /// Brings in the way's registers.
    fn enter(&mut self) {
        self.asm.load_mxcsr(self.mxcsr());
        self.asm.load(RCX, At::Base(RSP, frame::CONTEXTS));
        for register in 0..8 {
            self.asm
                .load(r(register), self.field(8 * i32::from(register)));
        }
        let [address_0, address_1] = [0, 8].map(|offset| self.field(context::ADDRESSES + offset));
        for (register, at) in [
            (RAX, address_0),
            (RDX, address_1),
            (RSI, self.field(context::SCRATCHPAD)),
            (RDI, self.field(context::LINES)),
            (RBP, self.field(context::MEMORY)),
        ] {
            self.asm.load(register, at);
        }
        for register in 0..4 {
            let at = self.field(context::A + 16 * i32::from(register));
            self.asm.vector_load(Vector::Move, a(register), at);
        }
        let at = self.field(context::E_MASK);
        self.asm.vector_load(Vector::Move, SET, at);
    }

    /// Puts back what a turn changed; what floating-point registers hold ends with an iteration, but
    /// for the last one.
    fn leave(&mut self) {
        self.store_integers();
        let [address_0, address_1] = [0, 8].map(|offset| self.field(context::ADDRESSES + offset));
        self.asm.store(address_0, RAX);
        self.asm.store(address_1, RDX);
        self.asm.alu32_set(Alu::Compare, RBX, 1);
        let skip = self.asm.skip_if_not_zero();
        self.store_floats();
        self.asm.land(skip);
    }

    fn store_integers(&mut self) {
        self.asm.load(RCX, At::Base(RSP, frame::CONTEXTS));
        for register in 0..8 {
            self.asm
                .store(self.field(8 * i32::from(register)), r(register));
        }
        let memory = self.field(context::MEMORY);
        self.asm.store(memory, RBP);
    }

    fn store_floats(&mut self) {
        for register in 0..4 {
            let [f_at, e_at] =
                [context::F, context::E].map(|group| self.field(group + 16 * i32::from(register)));
            self.asm.vector_store(f_at, f(register));
            self.asm.vector_store(e_at, e(register));
        }
    }

    /// Steps 1 to 3 of an iteration (chapter 4.6.2), with the addresses in `rax` and `rdx`.
    fn load_lines(&mut self) {
        let [line_0, line_1] = [0, 1].map(|number| self.line(number));
        let asm = &mut self.asm;
        asm.lea(RCX, At::Sum(RSI, RAX));
        asm.store(line_0, RCX);
        for register in 0..8 {
            asm.alu_load(
                Alu::Xor,
                r(register),
                At::Base(RCX, 8 * i32::from(register)),
            );
        }
        asm.lea(RCX, At::Sum(RSI, RDX));
        asm.store(line_1, RCX);
        for register in 0..8 {
            asm.convert_pair(Xmm(register), At::Base(RCX, 8 * i32::from(register)));
        }
        for register in 0..4 {
            asm.vector(Vector::And, e(register), KEEP);
        }
        for register in 0..4 {
            asm.vector(Vector::Or, e(register), SET);
        }
    }

    /// Steps 5 and 6: `edx` has the address of this iteration's line of the dataset in its upper bits, `ecx`
    /// that of a later one.
    fn advance(&mut self, configuration: &Configuration) {
        let asm = &mut self.asm;
        let [_, _, read_2, read_3] = configuration.read;
        asm.mov32(RAX, r(read_2));
        asm.alu32(Alu::Xor, RAX, r(read_3));
        // The halves of `rbp` change places, and the one that becomes the next `ma`, or in version 2
        // the next `mx`, is changed. The line to read is that of `ma` as it was.
        match self.version {
            Version::One => {
                asm.alu(Alu::Xor, RBP, RAX);
                asm.mov32(RCX, RBP);
                asm.rotate(true, RBP, 32);
                asm.mov32(RDX, RBP);
            }
            Version::Two => {
                asm.rotate(true, RBP, 32);
                asm.mov32(RDX, RBP);
                asm.alu(Alu::Xor, RBP, RAX);
                asm.mov32(RCX, RBP);
            }
        }
        asm.alu32_set(Alu::And, RCX, LINE_OF_DATASET);
        asm.alu32_set(Alu::And, RDX, LINE_OF_DATASET);
    }

    /// Steps 7 and 8, from the dataset.
    fn read_line(&mut self) {
        let asm = &mut self.asm;
        asm.prefetch_nta(At::Sum(RDI, RCX));
        asm.alu(Alu::Add, RDX, RDI);
        for register in 0..8 {
            asm.alu_load(
                Alu::Xor,
                r(register),
                At::Base(RDX, 8 * i32::from(register)),
            );
        }
    }

    /// The same, with an item that is made now.
    fn make_item(&mut self, configuration: &Configuration, item: *const u8) {
        self.item_number(configuration);
        for register in 0..8 {
            let at = self.seat(8 * i32::from(register));
            self.asm.store(at, r(register));
        }
        self.asm.store32(At::Base(RSP, frame::LEFT), RBX);
        self.asm.mov(RBX, RDX);
        self.asm.set(RAX, item as u64);
        self.asm.call_register(RAX);
        self.xor_seat();
        self.asm.load32(RBX, At::Base(RSP, frame::LEFT));
    }

    /// Puts everything of the way away until its item was made.
    fn ask_for_item(&mut self, configuration: &Configuration) {
        self.item_number(configuration);
        let number = self.seat(seat::LINE);
        self.asm.store(number, RDX);
        self.store_integers();
        self.store_floats();
    }

    /// Makes the items that the ways asked for.
    fn make_pair(&mut self, pair: *const u8) {
        let asm = &mut self.asm;
        asm.store32(At::Base(RSP, frame::LEFT), RBX);
        asm.lea(RSI, At::Base(RSP, frame::SEATS));
        asm.set(RAX, pair as u64);
        asm.call_register(RAX);
        asm.load32(RBX, At::Base(RSP, frame::LEFT));
    }

    /// Brings the way back, and does steps 7 and 8 with its item.
    fn go_on_with_item(&mut self) {
        self.asm.load(RCX, At::Base(RSP, frame::CONTEXTS));
        for register in 0..8 {
            self.asm
                .load(r(register), self.field(8 * i32::from(register)));
        }
        self.asm.load(RSI, self.field(context::SCRATCHPAD));
        self.asm.load(RBP, self.field(context::MEMORY));
        for register in 0..4 {
            let [f_at, e_at] =
                [context::F, context::E].map(|group| self.field(group + 16 * i32::from(register)));
            self.asm.vector_load(Vector::Move, f(register), f_at);
            self.asm.vector_load(Vector::Move, e(register), e_at);
        }
        self.xor_seat();
    }

    fn xor_seat(&mut self) {
        for register in 0..8 {
            let at = self.seat(8 * i32::from(register));
            self.asm.alu_load(Alu::Xor, r(register), at);
        }
    }

    /// `rdx` becomes the number of this iteration's item, and the first cache line of the next one is asked
    /// for, which comes while this one is made.
    fn item_number(&mut self, configuration: &Configuration) {
        let asm = &mut self.asm;
        let first = configuration.dataset_offset;
        asm.alu32_set(Alu::Add, RCX, first as i32);
        asm.alu32_set(Alu::And, RCX, (CACHE_BYTES - LINE) as i32);
        asm.prefetch_t0(At::Sum(RDI, RCX));
        asm.shift_right32(RDX, LINE.ilog2() as u8);
        asm.alu32_set(Alu::Add, RDX, (first / LINE as u64) as i32);
    }

    /// Steps 9 to 12, with the next iteration's addresses going to `rax` and `rdx`.
    fn store_lines(&mut self, read: [u8; 4], line_mask: u32) {
        let mask = line_mask.cast_signed();
        self.asm.mov(RAX, r(read[0]));
        self.asm.alu(Alu::Xor, RAX, r(read[1]));
        self.rotated(RDX, RAX, 32);
        let [line_0, line_1] = [0, 1].map(|number| self.line(number));
        let asm = &mut self.asm;
        asm.alu32_set(Alu::And, RAX, mask);
        asm.alu32_set(Alu::And, RDX, mask);
        for at in [RAX, RDX].map(|address| At::Sum(RSI, address)) {
            match self.prefetch {
                Prefetch::None => {}
                Prefetch::T0 => asm.prefetch_t0(at),
                Prefetch::Nta => asm.prefetch_nta(at),
                Prefetch::Mov => asm.load(RCX, at),
            }
        }
        asm.load(RCX, line_1);
        for register in 0..8 {
            asm.store(At::Base(RCX, 8 * i32::from(register)), r(register));
        }
        asm.load(RCX, line_0);
        match self.version {
            Version::One => {
                for register in 0..4 {
                    asm.vector(Vector::Xor, f(register), e(register));
                }
            }
            Version::Two => {
                for key in 0..4 {
                    for register in 0..4 {
                        asm.aes(register % 2 == 0, f(register), e(key));
                    }
                }
            }
        }
        for register in 0..4 {
            asm.vector_store(At::Base(RCX, 16 * i32::from(register)), f(register));
        }
    }

    fn instruction(&mut self, instruction: Instruction) {
        match instruction {
            Instruction::Nothing => {}
            Instruction::AddShifted {
                dst,
                src,
                shift,
                offset,
            } => self.asm.add_shifted(r(dst), r(src), shift, offset),
            Instruction::Integer { op, dst, src } => self.integer(op, r(dst), src),
            Instruction::MulReciprocal { dst, reciprocal } => {
                self.asm.set(RAX, reciprocal);
                self.asm.imul(r(dst), RAX);
            }
            Instruction::Negate { dst } => self.asm.neg(r(dst)),
            Instruction::Swap { a, b } => {
                self.asm.mov(RAX, r(a));
                self.asm.mov(r(a), r(b));
                self.asm.mov(r(b), RAX);
            }
            Instruction::SwapHalves { register } => self.asm.swap_halves(Xmm(register)),
            Instruction::AddA {
                f: dst,
                a: src,
                negate,
            } => self.asm.vector(add_or_sub(negate), f(dst), a(src)),
            Instruction::AddMemory {
                f: dst,
                place,
                negate,
            } => {
                let at = self.place(place);
                self.asm.convert_pair(OPERAND, at);
                self.asm.vector(add_or_sub(negate), f(dst), OPERAND);
            }
            Instruction::Scale { f: dst } => self.asm.vector(Vector::Xor, f(dst), SCALE),
            Instruction::Multiply { e: dst, a: src } => {
                self.asm.vector(Vector::Mul, e(dst), a(src));
            }
            Instruction::Divide { e: dst, place } => {
                let at = self.place(place);
                self.asm.convert_pair(OPERAND, at);
                self.asm.vector(Vector::And, OPERAND, KEEP);
                self.asm.vector(Vector::Or, OPERAND, SET);
                self.asm.vector(Vector::Div, e(dst), OPERAND);
            }
            Instruction::Root { e: dst } => self.asm.vector(Vector::Sqrt, e(dst), e(dst)),
            Instruction::Branch {
                dst,
                addend,
                mask,
                target,
            } => {
                self.asm.alu_set(Alu::Add, r(dst), addend);
                self.asm.test32(r(dst), mask);
                let target = self.starts[usize::from(target)];
                self.asm.jump_if_zero(false, target as usize);
            }
            Instruction::Round { src, rotate } => self.round(src, rotate),
            Instruction::Store { place, src } => {
                let at = self.place(place);
                self.asm.store(at, r(src));
            }
        }
    }

    fn integer(&mut self, op: IntegerOp, dst: Gpr, src: Source) {
        let alu = match op {
            IntegerOp::Add => Alu::Add,
            IntegerOp::Sub => Alu::Sub,
            IntegerOp::Xor => Alu::Xor,
            IntegerOp::Mul => return self.multiply(dst, src),
            IntegerOp::MulHigh => return self.multiply_high(false, dst, src),
            IntegerOp::MulHighSigned => return self.multiply_high(true, dst, src),
            IntegerOp::RotateRight => return self.rotate(true, dst, src),
            IntegerOp::RotateLeft => return self.rotate(false, dst, src),
        };
        match src {
            Source::Register(src) => self.asm.alu(alu, dst, r(src)),
            Source::Constant(value) => self.asm.alu_set(alu, dst, value),
            Source::Memory(place) => {
                let at = self.place(place);
                self.asm.alu_load(alu, dst, at);
            }
        }
    }

    fn multiply(&mut self, dst: Gpr, src: Source) {
        match src {
            Source::Register(src) => self.asm.imul(dst, r(src)),
            Source::Constant(value) => self.asm.imul_set(dst, dst, value),
            Source::Memory(place) => {
                let at = self.place(place);
                self.asm.imul_load(dst, at);
            }
        }
    }

    fn multiply_high(&mut self, signed: bool, dst: Gpr, src: Source) {
        let at = match src {
            Source::Memory(place) => Some(self.place(place)),
            Source::Register(_) | Source::Constant(_) => None,
        };
        let asm = &mut self.asm;
        if self.cpu.bmi2 && !signed {
            // The address may be in `rax`: `rdx` holds the factor.
            asm.mov(RDX, dst);
            match (src, at) {
                (_, Some(At::Sum(base, index))) => asm.mulx_load(dst, RAX, base, index),
                (_, Some(at)) => {
                    asm.load(RAX, at);
                    asm.mulx(dst, RAX, RAX);
                }
                (Source::Register(src), None) => asm.mulx(dst, RAX, r(src)),
                _ => {}
            }
            return;
        }
        match (src, at) {
            (_, Some(at)) => {
                // The address may be in `rax`, which the multiplication needs.
                asm.load(RCX, at);
                asm.mov(RAX, dst);
                asm.mul_wide(signed, RCX);
            }
            (Source::Register(src), None) => {
                asm.mov(RAX, dst);
                asm.mul_wide(signed, r(src));
            }
            _ => {}
        }
        asm.mov(dst, RDX);
    }

    fn rotate(&mut self, right: bool, dst: Gpr, src: Source) {
        match src {
            Source::Register(src) => {
                self.asm.mov32(RCX, r(src));
                self.asm.rotate_cl(right, dst);
            }
            Source::Constant(bits) => self.asm.rotate(right, dst, bits as u8 & 63),
            Source::Memory(_) => {}
        }
    }

    /// CFROUND: the two bits go to where the control word has its rounding mode.
    fn round(&mut self, src: u8, rotate: u8) {
        self.rotated(RAX, r(src), (rotate + 64 - 13) % 64);
        let mxcsr = self.mxcsr();
        let asm = &mut self.asm;
        let skip = (self.version == Version::Two).then(|| {
            asm.test32(RAX, (RARELY as u32) << 13);
            asm.skip_if_not_zero()
        });
        asm.alu32_set(Alu::And, RAX, 3 << 13);
        asm.alu32_set(Alu::Xor, RAX, MXCSR.cast_signed());
        asm.store32(mxcsr, RAX);
        asm.load_mxcsr(mxcsr);
        if let Some(skip) = skip {
            asm.land(skip);
        }
    }

    /// `dst = src`, rotated to the right.
    fn rotated(&mut self, dst: Gpr, src: Gpr, bits: u8) {
        if self.cpu.bmi2 {
            self.asm.rorx(dst, src, bits);
        } else {
            self.asm.mov(dst, src);
            self.asm.rotate(true, dst, bits);
        }
    }

    /// Where a place lies; computes it into `rax` unless it is fixed.
    fn place(&mut self, place: Place) -> At {
        match place.base {
            Some(base) => {
                self.asm.lea32(RAX, At::Base(r(base), place.offset));
                self.asm.alu32_set(Alu::And, RAX, place.mask.cast_signed());
                At::Sum(RSI, RAX)
            }
            None => At::Base(RSI, place.offset & place.mask.cast_signed()),
        }
    }
}

const fn add_or_sub(negate: bool) -> Vector {
    if negate { Vector::Sub } else { Vector::Add }
}

/// The bits of an address that choose a line of the dataset.
const LINE_OF_DATASET: i32 = (DATASET_BASE - LINE as u64) as i32;

fn dataset_address(ma: u32) -> i32 {
    ma.cast_signed() & LINE_OF_DATASET
}
