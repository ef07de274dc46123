//! Programs of the virtual machine as AArch64 code.
//!
//! | register | holds |
//! |---|---|
//! | `x4` to `x11` | `r0` to `r7` |
//! | `v16` to `v19`, `v20` to `v23`, `v24` to `v27` | `f`, `e`, `a` |
//! | `v28` | an operand from memory |
//! | `v29`, `v30` | what is kept of, and what is set in, a value of group E |
//! | `v31` | the bits that FSCAL turns over |
//! | `x0` | the context, at first |
//! | `x1` | the scratchpad |
//! | `x2` | the program's part of the dataset, or the cache |
//! | `x12`, `x13` | `mx`, `ma` |
//! | `x14` | iterations left |
//! | `x19`, `x20` | the two scratchpad lines of the iteration |
//! | `x21`, `x22` | the caller's control word of floating-point arithmetic, and ours |
//! | `x3`, `x15` to `x17` | addresses and other things of the moment |

use core::mem::offset_of;

use super::asm::{Alu, Assembler, Gpr, LINK, Run, SP, Vec, Vector, ZERO};
use super::{Cpu, NUMBER};
use crate::interpret::RARELY;
use crate::jit::{Context, Lines, Prefetch, Way};
use crate::params::{DATASET_BASE, LINE, MAX_PROGRAM, Params, Version};
use crate::program::{Configuration, E_KEPT, Instruction, IntegerOp, Place, Source};

const SCRATCHPAD: Gpr = Gpr(1);
const LINES: Gpr = Gpr(2);
const MX: Gpr = Gpr(12);
const MA: Gpr = Gpr(13);
const LEFT: Gpr = Gpr(14);
const LINE_0: Gpr = Gpr(19);
const LINE_1: Gpr = Gpr(20);
const CALLER_FPCR: Gpr = Gpr(21);
const FPCR: Gpr = Gpr(22);
/// For addresses: of the scratchpad's lines from one iteration to the next.
const ADDRESS_0: Gpr = Gpr(15);
const ADDRESS_1: Gpr = Gpr(16);
/// For anything within one instruction.
const TEMP: Gpr = Gpr(15);
const ADDRESS: Gpr = Gpr(16);

const OPERAND: Vec = Vec(28);
const KEEP: Vec = Vec(29);
const SET: Vec = Vec(30);
const SCALE: Vec = Vec(31);

/// The stack frame, in bytes from `sp`.
mod frame {
    /// The return address, and the pointer to the registers.
    pub(super) const LINK: u32 = 0;
    pub(super) const KEPT_0: u32 = 16;
    pub(super) const KEPT_1: u32 = 32;
    /// In light mode, `r0` to `r7` while an item is computed.
    pub(super) const R: u32 = 48;
    pub(super) const BYTES: u32 = 112;
}

/// Offsets in `Registers`.
const F: u32 = 64;
const E: u32 = 128;
const A: u32 = 192;

fn r(register: u8) -> Gpr {
    Gpr(4 + u32::from(register))
}

fn f(register: u8) -> Vec {
    Vec(16 + u32::from(register))
}

fn e(register: u8) -> Vec {
    Vec(20 + u32::from(register))
}

fn a(register: u8) -> Vec {
    Vec(24 + u32::from(register))
}

/// The bits of an address that choose a line of the dataset.
const LINE_OF_DATASET: Run = Run::of((DATASET_BASE - LINE as u64) as u32);

/// Writes one program that is called as a [`super::ProgramFn`]; returns where it begins, or `None` if
/// it does not fit. Cores that look ahead as little as most of Arm's gain nothing from a second.
pub(in crate::jit) fn compile(
    code: &mut [u8],
    ways: &[Way<'_>],
    params: &Params,
    lines: Lines,
    cpu: Cpu,
    _: Prefetch,
) -> Option<usize> {
    let [way] = ways else { return None };
    if params.version == Version::Two && !cpu.aes {
        return None;
    }
    let mut compiler = Compiler {
        asm: Assembler::new(code),
        version: params.version,
        starts: [0; MAX_PROGRAM],
    };
    let start = compiler.whole(way.program, way.configuration, params, lines);
    compiler.asm.fits().then_some(start)
}

struct Compiler<'a> {
    asm: Assembler<'a>,
    version: Version,
    /// Where the code of each instruction begins, for branches.
    starts: [u32; MAX_PROGRAM],
}

impl Compiler<'_> {
    fn whole(
        &mut self,
        program: &[Instruction],
        configuration: &Configuration,
        params: &Params,
        lines: Lines,
    ) -> usize {
        let keep = self.asm.data([E_KEPT; 2]);
        let set = self.asm.data(configuration.e_mask);
        let scale = self.asm.data([0x80f0_0000_0000_0000; 2]);
        let start = self.asm.here();
        let line_mask = (params.l3 - 1) & !(LINE as u32 - 1);

        let asm = &mut self.asm;
        asm.sub_set(SP, SP, frame::BYTES);
        asm.store_pair(SP, frame::LINK, LINK, Gpr(0));
        asm.store_pair(SP, frame::KEPT_0, LINE_0, LINE_1);
        asm.store_pair(SP, frame::KEPT_1, CALLER_FPCR, FPCR);
        asm.read_fpcr(CALLER_FPCR);
        asm.load(FPCR, Gpr(0), offset_of!(Context, control) as u32);
        asm.write_fpcr(FPCR);
        asm.load(SCRATCHPAD, Gpr(0), offset_of!(Context, scratchpad) as u32);
        asm.load(LINES, Gpr(0), offset_of!(Context, lines) as u32);
        for pair in [0, 2] {
            asm.vector_load_pair(a(pair), a(pair + 1), Gpr(0), A + 16 * u32::from(pair));
        }
        for (register, data) in [(KEEP, keep), (SET, set), (SCALE, scale)] {
            asm.vector_load_data(register, data);
        }
        for register in 0..8 {
            asm.set(r(register), 0);
        }
        let (ma, mx) = (configuration.ma, configuration.mx);
        asm.set(MA, ma.into());
        asm.set(MX, mx.into());
        asm.set(LEFT, params.iterations.into());
        asm.set(ADDRESS_0, (mx & line_mask).into());
        asm.set(ADDRESS_1, (ma & line_mask).into());

        let iteration = self.asm.here();
        self.load_lines();
        for (at, instruction) in program.iter().enumerate() {
            self.starts[at] = self.asm.here() as u32;
            self.instruction(*instruction);
        }
        self.dataset(configuration, lines);
        self.store_lines(configuration.read, Run::of(line_mask));
        self.asm.sub_set(LEFT, LEFT, 1);
        self.asm.jump_if_not_zero(LEFT, iteration);

        let asm = &mut self.asm;
        asm.load_pair(LINK, Gpr(0), SP, frame::LINK);
        for pair in [0, 2, 4, 6] {
            asm.store_pair(Gpr(0), 8 * u32::from(pair), r(pair), r(pair + 1));
        }
        for pair in [0, 2] {
            asm.vector_store_pair(Gpr(0), F + 16 * u32::from(pair), f(pair), f(pair + 1));
            asm.vector_store_pair(Gpr(0), E + 16 * u32::from(pair), e(pair), e(pair + 1));
        }
        asm.store(Gpr(0), offset_of!(Context, control) as u32, FPCR);
        asm.write_fpcr(CALLER_FPCR);
        asm.load_pair(LINE_0, LINE_1, SP, frame::KEPT_0);
        asm.load_pair(CALLER_FPCR, FPCR, SP, frame::KEPT_1);
        asm.add_set(SP, SP, frame::BYTES);
        asm.ret();
        start
    }

    /// `r0` to `r7`, each XORed with a word of `[base + offset]`.
    fn xor_line(&mut self, base: Gpr, offset: u32) {
        for pair in [0, 2, 4, 6] {
            let offset = offset + 8 * u32::from(pair);
            self.asm.load_pair(Gpr(3), Gpr(17), base, offset);
            self.asm.alu(Alu::Xor, r(pair), r(pair), Gpr(3));
            self.asm.alu(Alu::Xor, r(pair + 1), r(pair + 1), Gpr(17));
        }
    }

    /// Steps 1 to 3 of an iteration (chapter 4.6.2).
    fn load_lines(&mut self) {
        self.asm.alu(Alu::Add, LINE_0, SCRATCHPAD, ADDRESS_0);
        self.asm.alu(Alu::Add, LINE_1, SCRATCHPAD, ADDRESS_1);
        self.xor_line(LINE_0, 0);
        for pair in [0, 2, 4, 6] {
            let (low, high) = (f(pair), f(pair + 1));
            self.asm
                .load_low_halves(low, high, LINE_1, 8 * u32::from(pair));
            self.asm.convert_pair(low);
            self.asm.convert_pair(high);
        }
        for register in 0..4 {
            self.asm.vector(Vector::And, e(register), e(register), KEEP);
            self.asm.vector(Vector::Or, e(register), e(register), SET);
        }
    }

    /// Steps 5 to 8: the dataset's line for this iteration, and a prefetch for the next.
    fn dataset(&mut self, configuration: &Configuration, lines: Lines) {
        let asm = &mut self.asm;
        let [_, _, read_2, read_3] = configuration.read;
        asm.xor32(TEMP, r(read_2), r(read_3));
        // The line to read is that of `ma` as it was.
        asm.and32(ADDRESS, MA, LINE_OF_DATASET);
        let prefetched = match self.version {
            Version::One => MX,
            Version::Two => MA,
        };
        asm.xor32(prefetched, prefetched, TEMP);
        match lines {
            Lines::Dataset { .. } => {
                asm.and32(TEMP, prefetched, LINE_OF_DATASET);
                asm.prefetch_once(LINES, TEMP);
                asm.alu(Alu::Add, ADDRESS, LINES, ADDRESS);
                self.xor_line(ADDRESS, 0);
            }
            Lines::Cache { item, .. } => {
                for pair in [0, 2, 4, 6] {
                    let offset = frame::R + 8 * u32::from(pair);
                    asm.store_pair(SP, offset, r(pair), r(pair + 1));
                }
                asm.shift_right(NUMBER, ADDRESS, LINE.ilog2());
                let offset = configuration.dataset_offset / LINE as u64;
                asm.add32_set(NUMBER, NUMBER, offset as u32);
                asm.set(TEMP, item as u64);
                asm.call_register(TEMP);
                self.xor_line(SP, frame::R);
            }
        }
        let asm = &mut self.asm;
        asm.mov(TEMP, MX);
        asm.mov(MX, MA);
        asm.mov(MA, TEMP);
    }

    /// Steps 9 to 12, with the next iteration's addresses.
    fn store_lines(&mut self, read: [u8; 4], line_mask: Run) {
        let asm = &mut self.asm;
        asm.alu(Alu::Xor, ADDRESS_0, r(read[0]), r(read[1]));
        asm.shift_right(ADDRESS_1, ADDRESS_0, 32);
        asm.and32(ADDRESS_0, ADDRESS_0, line_mask);
        asm.and32(ADDRESS_1, ADDRESS_1, line_mask);
        asm.prefetch(SCRATCHPAD, ADDRESS_0);
        asm.prefetch(SCRATCHPAD, ADDRESS_1);
        for pair in [0, 2, 4, 6] {
            asm.store_pair(LINE_1, 8 * u32::from(pair), r(pair), r(pair + 1));
        }
        self.mix();
        let asm = &mut self.asm;
        for pair in [0, 2] {
            asm.vector_store_pair(LINE_0, 16 * u32::from(pair), f(pair), f(pair + 1));
        }
    }

    /// Step 10.
    fn mix(&mut self) {
        let asm = &mut self.asm;
        if self.version == Version::One {
            for register in 0..4 {
                asm.vector(Vector::Xor, f(register), f(register), e(register));
            }
            return;
        }
        // Arm XORs the key before a round: each key goes with the next round, and the last by itself.
        asm.clear(OPERAND);
        for key in [OPERAND, e(0), e(1), e(2)] {
            for register in 0..4 {
                asm.aes(register % 2 == 0, f(register), key);
            }
        }
        for register in 0..4 {
            asm.vector(Vector::Xor, f(register), f(register), e(3));
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
            } => {
                self.asm.add_shifted(r(dst), r(dst), r(src), shift);
                if offset != 0 {
                    self.add_constant(r(dst), offset);
                }
            }
            Instruction::Integer { op, dst, src } => self.integer(op, r(dst), src),
            Instruction::MulReciprocal { dst, reciprocal } => {
                self.asm.set(TEMP, reciprocal);
                self.asm.alu(Alu::Mul, r(dst), r(dst), TEMP);
            }
            Instruction::Negate { dst } => self.asm.neg(r(dst)),
            Instruction::Swap { a, b } => {
                self.asm.mov(TEMP, r(a));
                self.asm.mov(r(a), r(b));
                self.asm.mov(r(b), TEMP);
            }
            Instruction::SwapHalves { register } => self.asm.swap_halves(f(register)),
            Instruction::AddA {
                f: dst,
                a: src,
                negate,
            } => self.asm.vector(add_or_sub(negate), f(dst), f(dst), a(src)),
            Instruction::AddMemory {
                f: dst,
                place,
                negate,
            } => {
                self.load_numbers(place);
                self.asm.vector(add_or_sub(negate), f(dst), f(dst), OPERAND);
            }
            Instruction::Scale { f: dst } => {
                self.asm.vector(Vector::Xor, f(dst), f(dst), SCALE);
            }
            Instruction::Multiply { e: dst, a: src } => {
                self.asm.vector(Vector::Mul, e(dst), e(dst), a(src));
            }
            Instruction::Divide { e: dst, place } => {
                self.load_numbers(place);
                self.asm.vector(Vector::And, OPERAND, OPERAND, KEEP);
                self.asm.vector(Vector::Or, OPERAND, OPERAND, SET);
                self.asm.vector(Vector::Div, e(dst), e(dst), OPERAND);
            }
            Instruction::Root { e: dst } => self.asm.sqrt(e(dst)),
            Instruction::Branch {
                dst,
                addend,
                mask,
                target,
            } => {
                self.add_constant(r(dst), addend);
                self.asm.test32(r(dst), Run::of(mask));
                let target = self.starts[usize::from(target)];
                self.asm.jump_if_zero(target as usize);
            }
            Instruction::Round { src, rotate } => {
                // RandomX and Arm number the modes with their two bits in opposite order.
                self.asm.rotate(TEMP, r(src), rotate.into());
                if self.version == Version::Two {
                    self.asm.test32(TEMP, Run::of(RARELY as u32));
                    self.asm.skip_if_not_zero(4);
                }
                self.asm.reverse(TEMP, TEMP);
                self.asm.shift_right(TEMP, TEMP, 62);
                self.asm.insert_mode(FPCR, TEMP);
                self.asm.write_fpcr(FPCR);
            }
            Instruction::Store { place, src } => {
                self.address(place);
                self.asm.store_at(SCRATCHPAD, ADDRESS, r(src));
            }
        }
    }

    fn integer(&mut self, op: IntegerOp, dst: Gpr, src: Source) {
        let src = match src {
            Source::Register(src) => r(src),
            Source::Constant(bits) if op == IntegerOp::RotateRight => {
                return self.asm.rotate(dst, dst, bits.cast_unsigned() % 64);
            }
            Source::Constant(bits) if op == IntegerOp::RotateLeft => {
                let left = bits.cast_unsigned() % 64;
                return self.asm.rotate(dst, dst, (64 - left) % 64);
            }
            Source::Constant(value) => {
                self.asm.set(TEMP, i64::from(value).cast_unsigned());
                TEMP
            }
            Source::Memory(place) => {
                self.address(place);
                self.asm.load_at(TEMP, SCRATCHPAD, ADDRESS);
                TEMP
            }
        };
        let alu = match op {
            IntegerOp::Add => Alu::Add,
            IntegerOp::Sub => Alu::Sub,
            IntegerOp::Mul => Alu::Mul,
            IntegerOp::MulHigh => Alu::MulHigh,
            IntegerOp::MulHighSigned => Alu::MulHighSigned,
            IntegerOp::Xor => Alu::Xor,
            IntegerOp::RotateRight => Alu::RotateRight,
            IntegerOp::RotateLeft => {
                self.asm.alu(Alu::Sub, TEMP, ZERO, src);
                return self.asm.alu(Alu::RotateRight, dst, dst, TEMP);
            }
        };
        self.asm.alu(alu, dst, dst, src);
    }

    /// `dst += value`, sign-extended.
    fn add_constant(&mut self, dst: Gpr, value: i32) {
        self.asm.set(TEMP, i64::from(value).cast_unsigned());
        self.asm.alu(Alu::Add, dst, dst, TEMP);
    }

    /// Computes where a place lies, from the start of the scratchpad.
    fn address(&mut self, place: Place) {
        let offset = place.offset.cast_unsigned();
        match place.base {
            Some(base) => {
                // Bits above those of the mask have no part in it.
                let part = offset & (place.mask | 7);
                self.asm.add32_set(ADDRESS, r(base), part);
                self.asm.and32(ADDRESS, ADDRESS, Run::of(place.mask));
            }
            None => self.asm.set(ADDRESS, (offset & place.mask).into()),
        }
    }

    /// Two numbers from a place, into `OPERAND`.
    fn load_numbers(&mut self, place: Place) {
        self.address(place);
        self.asm.load_low_half(OPERAND, SCRATCHPAD, ADDRESS);
        self.asm.convert_pair(OPERAND);
    }
}

const fn add_or_sub(negate: bool) -> Vector {
    if negate { Vector::Sub } else { Vector::Add }
}
