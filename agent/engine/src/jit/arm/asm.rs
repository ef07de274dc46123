//! As much of an assembler for AArch64 as the compiler needs. Each method writes one instruction,
//! `set` up to four; destination first. Encodings are those of the Arm ARM, chapter C6 and C7.

use crate::jit::buffer::Buffer;

/// A general register; [`ZERO`] reads as zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Gpr(pub(super) u32);

pub(super) const ZERO: Gpr = Gpr(31);
/// The stack pointer, where an instruction takes one.
pub(super) const SP: Gpr = Gpr(31);
pub(super) const LINK: Gpr = Gpr(30);

/// A vector register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Vec(pub(super) u32);

/// Bits that stand side by side: `count` ones from bit `first` on.
#[derive(Clone, Copy)]
pub(super) struct Run {
    first: u32,
    count: u32,
}

impl Run {
    /// Of a mask whose ones stand side by side, and are neither none nor all.
    pub(super) const fn of(mask: u32) -> Self {
        Self {
            first: mask.trailing_zeros(),
            count: mask.count_ones(),
        }
    }

    /// As the immediate operand of a 32-bit instruction.
    const fn immediate(self) -> u32 {
        (32 - self.first) % 32 << 16 | (self.count - 1) << 10
    }
}

/// Operations on three general registers.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Alu {
    Add = 0x8b00_0000,
    Sub = 0xcb00_0000,
    Xor = 0xca00_0000,
    Mul = 0x9b00_7c00,
    MulHigh = 0x9bc0_7c00,
    MulHighSigned = 0x9b40_7c00,
    RotateRight = 0x9ac0_2c00,
}

/// Operations on three vector registers, of two numbers or of bits.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Vector {
    Add = 0x4e60_d400,
    Sub = 0x4ee0_d400,
    Mul = 0x6e60_dc00,
    Div = 0x6e60_fc00,
    And = 0x4e20_1c00,
    Or = 0x4ea0_1c00,
    Xor = 0x6e20_1c00,
}

/// Writes instructions one after the other.
pub(super) struct Assembler<'a>(Buffer<'a>);

impl<'a> Assembler<'a> {
    pub(super) fn new(code: &'a mut [u8]) -> Self {
        Self(Buffer::new(code))
    }

    /// Where the next instruction goes.
    pub(super) fn here(&self) -> usize {
        self.0.here()
    }

    /// Whether everything found room.
    pub(super) fn fits(&self) -> bool {
        self.0.fits()
    }

    fn put(&mut self, word: u32) {
        self.0.put(word.to_le_bytes(), 4);
    }

    /// Data; stands at a multiple of 16.
    pub(super) fn data(&mut self, words: [u64; 2]) -> usize {
        let start = self.here();
        for word in words {
            self.put(word as u32);
            self.put((word >> 32) as u32);
        }
        start
    }

    pub(super) fn alu(&mut self, op: Alu, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(op as u32 | b.0 << 16 | a.0 << 5 | dst.0);
    }

    /// `dst = a ^ b`, the low 32 bits; the upper become zero.
    pub(super) fn xor32(&mut self, dst: Gpr, a: Gpr, b: Gpr) {
        self.put(0x4a00_0000 | b.0 << 16 | a.0 << 5 | dst.0);
    }

    /// `dst = a + (b << shift)`
    pub(super) fn add_shifted(&mut self, dst: Gpr, a: Gpr, b: Gpr, shift: u8) {
        self.put(Alu::Add as u32 | b.0 << 16 | u32::from(shift) << 10 | a.0 << 5 | dst.0);
    }

    /// `dst = src + value`, with 24 bits of a value; the low 32 bits count.
    pub(super) fn add32_set(&mut self, dst: Gpr, src: Gpr, value: u32) {
        let (low, high) = (value & 0xfff, value >> 12 & 0xfff);
        self.put(0x1100_0000 | low << 10 | src.0 << 5 | dst.0);
        if high != 0 {
            self.put(0x1140_0000 | high << 10 | dst.0 << 5 | dst.0);
        }
    }

    /// `dst = src + value`, with a value below 4,096.
    pub(super) fn add_set(&mut self, dst: Gpr, src: Gpr, value: u32) {
        self.put(0x9100_0000 | value << 10 | src.0 << 5 | dst.0);
    }

    pub(super) fn sub_set(&mut self, dst: Gpr, src: Gpr, value: u32) {
        self.put(0xd100_0000 | value << 10 | src.0 << 5 | dst.0);
    }

    /// `dst = src & run`, the low 32 bits; the upper become zero.
    pub(super) fn and32(&mut self, dst: Gpr, src: Gpr, run: Run) {
        self.put(0x1200_0000 | run.immediate() | src.0 << 5 | dst.0);
    }

    /// Sets the flags by `src & run`, of the low 32 bits.
    pub(super) fn test32(&mut self, src: Gpr, run: Run) {
        self.put(0x7200_0000 | run.immediate() | src.0 << 5 | ZERO.0);
    }

    pub(super) fn mov(&mut self, dst: Gpr, src: Gpr) {
        self.put(0xaa00_03e0 | src.0 << 16 | dst.0);
    }

    /// `dst = value`, in as few steps of 16 bits as it takes.
    pub(super) fn set(&mut self, dst: Gpr, value: u64) {
        let parts = [0, 16, 32, 48].map(|shift| (value >> shift) as u16);
        let ones = parts.iter().filter(|part| **part == 0xffff).count();
        let zeros = parts.iter().filter(|part| **part == 0).count();
        // From all ones or from all zeros, whatever is nearer.
        let (first, turned, empty) = if ones > zeros {
            (0x9280_0000, 0xffff, 0xffff)
        } else {
            (0xd280_0000, 0, 0)
        };
        let mut begun = false;
        for (half, part) in (0_u32..).zip(parts) {
            if part == empty {
                continue;
            }
            let (opcode, part) = if begun {
                (0xf280_0000, part)
            } else {
                (first, part ^ turned)
            };
            self.put(opcode | half << 21 | u32::from(part) << 5 | dst.0);
            begun = true;
        }
        if !begun {
            self.put(first | dst.0);
        }
    }

    pub(super) fn neg(&mut self, dst: Gpr) {
        self.alu(Alu::Sub, dst, ZERO, dst);
    }

    /// `dst = src`, rotated to the right.
    pub(super) fn rotate(&mut self, dst: Gpr, src: Gpr, bits: u32) {
        self.put(0x93c0_0000 | src.0 << 16 | bits << 10 | src.0 << 5 | dst.0);
    }

    pub(super) fn shift_right(&mut self, dst: Gpr, src: Gpr, bits: u32) {
        self.put(0xd340_fc00 | bits << 16 | src.0 << 5 | dst.0);
    }

    pub(super) fn shift_left(&mut self, dst: Gpr, src: Gpr, bits: u32) {
        self.put(0xd340_0000 | (64 - bits) << 16 | (63 - bits) << 10 | src.0 << 5 | dst.0);
    }

    /// The bits in reverse order.
    pub(super) fn reverse(&mut self, dst: Gpr, src: Gpr) {
        self.put(0xdac0_0000 | src.0 << 5 | dst.0);
    }

    /// The two lowest bits of `src` become the bits 22 and 23 of `dst`.
    pub(super) fn insert_mode(&mut self, dst: Gpr, src: Gpr) {
        self.put(0xb340_0000 | (64 - 22) << 16 | 1 << 10 | src.0 << 5 | dst.0);
    }

    /// `dst = [base + offset]`, a multiple of 8 below 32,768.
    pub(super) fn load(&mut self, dst: Gpr, base: Gpr, offset: u32) {
        self.put(0xf940_0000 | offset / 8 << 10 | base.0 << 5 | dst.0);
    }

    pub(super) fn store(&mut self, base: Gpr, offset: u32, src: Gpr) {
        self.put(0xf900_0000 | offset / 8 << 10 | base.0 << 5 | src.0);
    }

    /// `dst = [base + index]`
    pub(super) fn load_at(&mut self, dst: Gpr, base: Gpr, index: Gpr) {
        self.put(0xf860_6800 | index.0 << 16 | base.0 << 5 | dst.0);
    }

    pub(super) fn store_at(&mut self, base: Gpr, index: Gpr, src: Gpr) {
        self.put(0xf820_6800 | index.0 << 16 | base.0 << 5 | src.0);
    }

    /// Two registers from `[base + offset]`, a multiple of 8 below 512.
    pub(super) fn load_pair(&mut self, a: Gpr, b: Gpr, base: Gpr, offset: u32) {
        self.put(0xa940_0000 | offset / 8 << 15 | b.0 << 10 | base.0 << 5 | a.0);
    }

    pub(super) fn store_pair(&mut self, base: Gpr, offset: u32, a: Gpr, b: Gpr) {
        self.put(0xa900_0000 | offset / 8 << 15 | b.0 << 10 | base.0 << 5 | a.0);
    }

    /// `[base + index]`, used again.
    pub(super) fn prefetch(&mut self, base: Gpr, index: Gpr) {
        self.put(0xf8a0_6800 | index.0 << 16 | base.0 << 5);
    }

    /// `[base + index]`, for one use.
    pub(super) fn prefetch_once(&mut self, base: Gpr, index: Gpr) {
        self.put(0xf8a0_6801 | index.0 << 16 | base.0 << 5);
    }

    /// Jumps if the last test was zero.
    pub(super) fn jump_if_zero(&mut self, target: usize) {
        self.put(0x5400_0000 | self.distance(target) << 5 & 0x00ff_ffe0);
    }

    /// Skips so many instructions if the last test was not zero.
    pub(super) fn skip_if_not_zero(&mut self, instructions: u32) {
        self.put(0x5400_0001 | (instructions + 1) << 5);
    }

    pub(super) fn jump_if_not_zero(&mut self, register: Gpr, target: usize) {
        self.put(0xb500_0000 | self.distance(target) << 5 & 0x00ff_ffe0 | register.0);
    }

    pub(super) fn call(&mut self, target: usize) {
        self.put(0x9400_0000 | self.distance(target) & 0x03ff_ffff);
    }

    pub(super) fn call_register(&mut self, target: Gpr) {
        self.put(0xd63f_0000 | target.0 << 5);
    }

    pub(super) fn ret(&mut self) {
        self.put(0xd65f_03c0);
    }

    /// From this instruction to its target, in instructions.
    fn distance(&self, target: usize) -> u32 {
        (target.wrapping_sub(self.here()) as i32 / 4).cast_unsigned()
    }

    /// The control word of floating-point arithmetic.
    pub(super) fn read_fpcr(&mut self, dst: Gpr) {
        self.put(0xd53b_4400 | dst.0);
    }

    pub(super) fn write_fpcr(&mut self, src: Gpr) {
        self.put(0xd51b_4400 | src.0);
    }

    pub(super) fn vector(&mut self, op: Vector, dst: Vec, a: Vec, b: Vec) {
        self.put(op as u32 | b.0 << 16 | a.0 << 5 | dst.0);
    }

    pub(super) fn sqrt(&mut self, register: Vec) {
        self.put(0x6ee1_f800 | register.0 << 5 | register.0);
    }

    pub(super) fn clear(&mut self, register: Vec) {
        self.put(0x6f00_e400 | register.0);
    }

    /// The key is XORed first; then a round of AES without a key.
    pub(super) fn aes(&mut self, encrypt: bool, register: Vec, key: Vec) {
        let Vec(register) = register;
        let (round, mix) = if encrypt {
            (0x4e28_4800, 0x4e28_6800)
        } else {
            (0x4e28_5800, 0x4e28_7800)
        };
        self.put(round | key.0 << 5 | register);
        self.put(mix | register << 5 | register);
    }

    /// The halves change places.
    pub(super) fn swap_halves(&mut self, register: Vec) {
        let Vec(register) = register;
        self.put(0x6e00_4000 | register << 16 | 8 << 11 | register << 5 | register);
    }

    /// The two 32-bit integers in the low half become two numbers.
    pub(super) fn convert_pair(&mut self, register: Vec) {
        self.put(0x0f20_a400 | register.0 << 5 | register.0);
        self.put(0x4e61_d800 | register.0 << 5 | register.0);
    }

    /// The low halves of two registers, from `[base + offset]`.
    pub(super) fn load_low_halves(&mut self, a: Vec, b: Vec, base: Gpr, offset: u32) {
        self.put(0x6d40_0000 | offset / 8 << 15 | b.0 << 10 | base.0 << 5 | a.0);
    }

    /// The low half, from `[base + index]`.
    pub(super) fn load_low_half(&mut self, dst: Vec, base: Gpr, index: Gpr) {
        self.put(0xfc60_6800 | index.0 << 16 | base.0 << 5 | dst.0);
    }

    pub(super) fn vector_load_pair(&mut self, a: Vec, b: Vec, base: Gpr, offset: u32) {
        self.put(0xad40_0000 | offset / 16 << 15 | b.0 << 10 | base.0 << 5 | a.0);
    }

    pub(super) fn vector_store_pair(&mut self, base: Gpr, offset: u32, a: Vec, b: Vec) {
        self.put(0xad00_0000 | offset / 16 << 15 | b.0 << 10 | base.0 << 5 | a.0);
    }

    /// From a place in the code.
    pub(super) fn vector_load_data(&mut self, dst: Vec, data: usize) {
        self.put(0x9c00_0000 | self.distance(data) << 5 & 0x00ff_ffe0 | dst.0);
    }
}
