//! A program of the virtual machine: 128 bytes of configuration (specification, chapter 4.5) and
//! instructions of 8 bytes each (chapter 5), decoded once into the small form that the interpreter
//! runs and the compilers compile.
//!
//! ```text
//!   byte   0       1    2    3               4..8
//!          opcode  dst  src  mod             imm32
//!                            bits 0-1 mem, 2-3 shift, 4-7 cond
//! ```
//!
//! Any 8 bytes are an instruction, and any instructions are a program.

use crate::params::{DATASET_EXTRA_LINES, JUMP_BITS, JUMP_OFFSET, Kind, LINE, MAX_PROGRAM, Params};
use crate::reciprocal::reciprocal;

/// Bytes of configuration before the instructions.
const CONFIGURATION: usize = 128;

/// Room for the longest program, as random bytes.
pub(crate) type ProgramBytes = [u8; CONFIGURATION + 8 * MAX_PROGRAM];

/// Bytes that make a program.
pub(crate) const fn program_bytes(params: &Params) -> usize {
    CONFIGURATION + 8 * params.program_size
}

/// What a program runs with, apart from its instructions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Configuration {
    /// Registers `a0` to `a3`, as bits: each pair is a low and a high half.
    pub(crate) a: [[u64; 2]; 4],
    /// The memory registers.
    pub(crate) ma: u32,
    /// See `ma`.
    pub(crate) mx: u32,
    /// The integer registers `readReg0` to `readReg3`.
    pub(crate) read: [u8; 4],
    /// Where the part of the dataset begins that the program reads, in bytes.
    pub(crate) dataset_offset: u64,
    /// What is set in the halves of every value that becomes a register of group E.
    pub(crate) e_mask: [u64; 2],
}

/// The bits of a value that stay when it becomes a register of group E: all of the fraction, and
/// the lowest four of the exponent.
pub(crate) const E_KEPT: u64 = (1 << 56) - 1;

impl Configuration {
    /// `bytes` are those of a program.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let word = |at: usize| -> u64 {
            let words = bytes.as_chunks::<8>().0;
            words.get(at).map_or(0, |word| u64::from_le_bytes(*word))
        };
        // A number from 1 to 2^32: five bits of exponent, and the fraction.
        let a = |at| (word(at) & FRACTION) | ((word(at) >> 59) + 1023) << 52;
        // A bit of the address registers chooses one of a pair.
        let read = |pair: u8| 2 * pair + (word(12) >> pair & 1) as u8;
        // The exponent 0b011_eeee_0000 and the lowest 22 bits of the fraction.
        let e_mask = |at| (word(at) & 0x3f_ffff) | (0x300 | (word(at) >> 60) << 4) << 52;
        Self {
            a: [0, 2, 4, 6].map(|low| [a(low), a(low + 1)]),
            ma: word(8) as u32,
            mx: word(10) as u32,
            read: [0, 1, 2, 3].map(read),
            dataset_offset: word(13) % (DATASET_EXTRA_LINES + 1) * LINE as u64,
            e_mask: [e_mask(14), e_mask(15)],
        }
    }
}

/// The fraction of a number.
const FRACTION: u64 = (1 << 52) - 1;

/// An integer operation on a destination and a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntegerOp {
    Add,
    Sub,
    Mul,
    MulHigh,
    MulHighSigned,
    Xor,
    RotateRight,
    RotateLeft,
}

/// Where an integer operation's second operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Register(u8),
    Constant(i32),
    Memory(Place),
}

/// A place in the scratchpad: `(base + offset) & mask`, 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The integer register; `None` stands for 0.
    pub(crate) base: Option<u8>,
    pub(crate) offset: i32,
    /// The bits of an address within the level; multiples of 8.
    pub(crate) mask: u32,
}

/// One instruction. Integer registers are 0 to 7; floating-point registers 0 to 3 of their group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// Does nothing.
    Nothing,
    /// `dst += (src << shift) + offset`
    AddShifted {
        dst: u8,
        src: u8,
        shift: u8,
        offset: i32,
    },
    /// `dst = dst op src`
    Integer { op: IntegerOp, dst: u8, src: Source },
    /// `dst *= reciprocal`
    MulReciprocal { dst: u8, reciprocal: u64 },
    /// `dst = -dst`
    Negate { dst: u8 },
    /// Two different registers change their values.
    Swap { a: u8, b: u8 },
    /// The halves of `f` or, from 4 on, `e` change places.
    SwapHalves { register: u8 },
    /// `f += a`, or `f -= a`
    AddA { f: u8, a: u8, negate: bool },
    /// `f += [place]`, or `f -= [place]`
    AddMemory { f: u8, place: Place, negate: bool },
    /// Bits of `f` are turned over.
    Scale { f: u8 },
    /// `e *= a`
    Multiply { e: u8, a: u8 },
    /// `e /= [place]`
    Divide { e: u8, place: Place },
    /// The square root of `e`.
    Root { e: u8 },
    /// `dst += addend`, then a jump if none of the bits of `mask` is set.
    Branch {
        dst: u8,
        addend: i32,
        mask: u32,
        /// The instruction to go on with.
        target: u16,
    },
    /// The rounding mode becomes the two lowest bits of `src`, rotated right.
    Round { src: u8, rotate: u8 },
    /// `[place] = src`
    Store { place: Place, src: u8 },
}

/// Decodes a program's bytes into `program`, and returns the instructions.
pub(crate) fn decode<'a>(
    bytes: &[u8],
    params: &Params,
    program: &'a mut [Instruction; MAX_PROGRAM],
) -> &'a [Instruction] {
    let words = bytes.get(CONFIGURATION..).unwrap_or_default();
    let words = words.as_chunks::<8>().0;
    let count = words.len().min(params.program_size).min(MAX_PROGRAM);
    // For each register, the instruction after the last one that changed it.
    let mut after_change = [0_u16; 8];
    for (at, word) in words.iter().take(count).enumerate() {
        program[at] = instruction(*word, params, &after_change);
        program[at].mark_changes(&mut after_change, at as u16 + 1);
    }
    &program[..count]
}

fn instruction(word: [u8; 8], params: &Params, after_change: &[u16; 8]) -> Instruction {
    let [opcode, dst, src, modifier, imm @ ..] = word;
    let imm = i32::from_le_bytes(imm);
    let (dst, src) = (dst % 8, src % 8);
    let (near, shift, condition) = (
        modifier % 4 != 0,
        modifier / 4 % 4,
        u32::from(modifier / 16),
    );

    let level = |bytes: u32| (bytes - 1) & !7;
    let near_mask = level(if near { params.l1 } else { params.l2 });
    let place = |base| Place {
        base: Some(base),
        offset: imm,
        mask: near_mask,
    };
    let from_memory = || {
        Source::Memory(if src == dst {
            Place {
                base: None,
                offset: imm,
                mask: level(params.l3),
            }
        } else {
            place(src)
        })
    };
    let from_register = || {
        if src == dst {
            Source::Constant(imm)
        } else {
            Source::Register(src)
        }
    };
    let integer = |op, src| Instruction::Integer { op, dst, src };

    match params.opcodes[usize::from(opcode)] {
        Kind::IAddRs => Instruction::AddShifted {
            dst,
            src,
            shift,
            // On x86, an address with r13 as its base needs a displacement: it is made use of.
            offset: if dst == 5 { imm } else { 0 },
        },
        Kind::IAddM => integer(IntegerOp::Add, from_memory()),
        Kind::ISubR => integer(IntegerOp::Sub, from_register()),
        Kind::ISubM => integer(IntegerOp::Sub, from_memory()),
        Kind::IMulR => integer(IntegerOp::Mul, from_register()),
        Kind::IMulM => integer(IntegerOp::Mul, from_memory()),
        Kind::IMulhR => integer(IntegerOp::MulHigh, Source::Register(src)),
        Kind::IMulhM => integer(IntegerOp::MulHigh, from_memory()),
        Kind::ISMulhR => integer(IntegerOp::MulHighSigned, Source::Register(src)),
        Kind::ISMulhM => integer(IntegerOp::MulHighSigned, from_memory()),
        Kind::IMulRcp => match reciprocal(imm.cast_unsigned()) {
            Some(reciprocal) => Instruction::MulReciprocal { dst, reciprocal },
            None => Instruction::Nothing,
        },
        Kind::INegR => Instruction::Negate { dst },
        Kind::IXorR => integer(IntegerOp::Xor, from_register()),
        Kind::IXorM => integer(IntegerOp::Xor, from_memory()),
        Kind::IRorR => integer(IntegerOp::RotateRight, from_register()),
        Kind::IRolR => integer(IntegerOp::RotateLeft, from_register()),
        Kind::ISwapR if src == dst => Instruction::Nothing,
        Kind::ISwapR => Instruction::Swap { a: dst, b: src },
        Kind::FSwapR => Instruction::SwapHalves { register: dst },
        kind @ (Kind::FAddR | Kind::FSubR) => Instruction::AddA {
            f: dst % 4,
            a: src % 4,
            negate: kind == Kind::FSubR,
        },
        kind @ (Kind::FAddM | Kind::FSubM) => Instruction::AddMemory {
            f: dst % 4,
            place: place(src),
            negate: kind == Kind::FSubM,
        },
        Kind::FScalR => Instruction::Scale { f: dst % 4 },
        Kind::FMulR => Instruction::Multiply {
            e: dst % 4,
            a: src % 4,
        },
        Kind::FDivM => Instruction::Divide {
            e: dst % 4,
            place: place(src),
        },
        Kind::FSqrtR => Instruction::Root { e: dst % 4 },
        Kind::CBranch => {
            let bit = condition + JUMP_OFFSET;
            Instruction::Branch {
                dst,
                // The lowest bit of the condition is set and the one below it clear, so that a
                // branch is taken twice in a row at most.
                addend: (imm | 1 << bit) & !(1 << (bit - 1)),
                mask: ((1 << JUMP_BITS) - 1) << bit,
                target: after_change[usize::from(dst)],
            }
        }
        Kind::CFRound => Instruction::Round {
            src,
            rotate: (imm & 63) as u8,
        },
        Kind::IStore => Instruction::Store {
            place: Place {
                base: Some(dst),
                offset: imm,
                mask: if condition >= 14 {
                    level(params.l3)
                } else {
                    near_mask
                },
            },
            src,
        },
    }
}

impl Instruction {
    /// Notes which integer registers the instruction changes, in the sense of chapter 5.4.2.
    fn mark_changes(self, after_change: &mut [u16; 8], after: u16) {
        match self {
            Self::AddShifted { dst, .. }
            | Self::Integer { dst, .. }
            | Self::MulReciprocal { dst, .. }
            | Self::Negate { dst } => after_change[usize::from(dst)] = after,
            Self::Swap { a, b } => {
                after_change[usize::from(a)] = after;
                after_change[usize::from(b)] = after;
            }
            Self::Branch { .. } => *after_change = [after; 8],
            _ => {}
        }
    }
}
