//! As much of an assembler for x86-64 as the compiler needs. Each method writes one instruction, in
//! Intel's order: destination first. Encodings are those of the Intel SDM, volume 2.

use crate::jit::buffer::Buffer;

/// A general register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Gpr(pub(super) u8);

pub(super) const RAX: Gpr = Gpr(0);
pub(super) const RCX: Gpr = Gpr(1);
pub(super) const RDX: Gpr = Gpr(2);
pub(super) const RBX: Gpr = Gpr(3);
pub(super) const RSP: Gpr = Gpr(4);
pub(super) const RBP: Gpr = Gpr(5);
pub(super) const RSI: Gpr = Gpr(6);
pub(super) const RDI: Gpr = Gpr(7);

/// A vector register.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Xmm(pub(super) u8);

/// An address.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// `[base + offset]`
    Base(Gpr, i32),
    /// `[base + index]`; the base is neither `rbp` nor `r13`.
    Sum(Gpr, Gpr),
    /// The place in the code.
    Code(usize),
}

/// What stands second in an instruction.
#[derive(Clone, Copy)]
enum Operand {
    Register(u8),
    Memory(At),
}

/// The operations that exist with two registers, with memory and with a constant.
#[derive(Clone, Copy)]
pub(super) enum Alu {
    Add = 0,
    And = 4,
    Sub = 5,
    Xor = 6,
    /// Sets the flags alone.
    Compare = 7,
}

/// Operations on two vectors of two numbers: prefix and opcode after `0f`.
#[derive(Clone, Copy)]
pub(super) enum Vector {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    And,
    Or,
    Xor,
    Move,
}

impl Vector {
    const fn code(self) -> (u8, u8) {
        match self {
            Self::Add => (0x66, 0x58),
            Self::Sub => (0x66, 0x5c),
            Self::Mul => (0x66, 0x59),
            Self::Div => (0x66, 0x5e),
            Self::Sqrt => (0x66, 0x51),
            // The forms for single precision do the same to bits, and are a byte shorter.
            Self::And => (0, 0x54),
            Self::Or => (0, 0x56),
            Self::Xor => (0, 0x57),
            Self::Move => (0, 0x28),
        }
    }
}

/// A jump whose end is not known yet.
#[must_use]
pub(super) struct Skip(usize);

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

    /// The lowest `length` bytes, at most 8.
    #[inline(always)]
    fn put(&mut self, bytes: u64, length: usize) {
        self.0.put(bytes.to_le_bytes(), length);
    }

    #[inline(always)]
    fn put_i32(&mut self, value: i32) {
        self.put(u64::from(value.cast_unsigned()), 4);
    }

    /// An instruction with a register and an operand: prefix (0 for none), REX, opcode of one to
    /// three bytes in reading order, ModRM, and what the address needs. `tail` is the number of
    /// bytes that will follow.
    #[inline(always)]
    fn encode(
        &mut self,
        prefix: u8,
        wide: bool,
        opcode: u32,
        reg: u8,
        operand: Operand,
        tail: usize,
    ) {
        let (mut bytes, mut length) = (0_u64, 0);
        let mut push = |byte: u8| {
            bytes |= u64::from(byte) << (8 * length);
            length += 1;
        };
        if prefix != 0 {
            push(prefix);
        }
        let (index, base) = match operand {
            Operand::Register(rm) => (0, rm),
            Operand::Memory(At::Base(base, _)) => (0, base.0),
            Operand::Memory(At::Sum(base, index)) => (index.0, base.0),
            Operand::Memory(At::Code(_)) => (0, 0),
        };
        let rex = 0x40 | u8::from(wide) << 3 | reg >> 3 << 2 | index >> 3 << 1 | base >> 3;
        if rex != 0x40 {
            push(rex);
        }
        if opcode > 0xffff {
            push((opcode >> 16) as u8);
        }
        if opcode > 0xff {
            push((opcode >> 8) as u8);
        }
        push(opcode as u8);
        let reg = (reg & 7) << 3;
        match operand {
            Operand::Register(rm) => {
                push(0xc0 | reg | rm & 7);
                self.put(bytes, length);
            }
            Operand::Memory(At::Base(base, offset)) => {
                let short = i8::try_from(offset).is_ok();
                push(if short { 0x40 } else { 0x80 } | reg | base.0 & 7);
                if base.0 & 7 == RSP.0 {
                    push(0x24);
                }
                self.put(bytes, length);
                self.0.put(offset.to_le_bytes(), if short { 1 } else { 4 });
            }
            Operand::Memory(At::Sum(base, index)) => {
                push(reg | 4);
                push((index.0 & 7) << 3 | base.0 & 7);
                self.put(bytes, length);
            }
            Operand::Memory(At::Code(target)) => {
                push(reg | 5);
                self.put(bytes, length);
                self.put_i32(distance(target, self.here() + 4 + tail));
            }
        }
    }

    /// `mov dst, src`, all 64 bits.
    pub(super) fn mov(&mut self, dst: Gpr, src: Gpr) {
        self.encode(0, true, 0x89, src.0, Operand::Register(dst.0), 0);
    }

    /// `mov dst, src`, the low 32 bits; the upper become zero.
    pub(super) fn mov32(&mut self, dst: Gpr, src: Gpr) {
        self.encode(0, false, 0x89, src.0, Operand::Register(dst.0), 0);
    }

    pub(super) fn load(&mut self, dst: Gpr, at: At) {
        self.encode(0, true, 0x8b, dst.0, Operand::Memory(at), 0);
    }

    pub(super) fn load32(&mut self, dst: Gpr, at: At) {
        self.encode(0, false, 0x8b, dst.0, Operand::Memory(at), 0);
    }

    pub(super) fn store(&mut self, at: At, src: Gpr) {
        self.encode(0, true, 0x89, src.0, Operand::Memory(at), 0);
    }

    pub(super) fn store32(&mut self, at: At, src: Gpr) {
        self.encode(0, false, 0x89, src.0, Operand::Memory(at), 0);
    }

    /// `mov dst, value`
    pub(super) fn set(&mut self, dst: Gpr, value: u64) {
        if let Ok(value) = u32::try_from(value) {
            self.short_with_rex(0, 0xb8, dst);
            self.put_i32(value.cast_signed());
        } else {
            self.short_with_rex(8, 0xb8, dst);
            self.put(value, 8);
        }
    }

    /// An opcode that has its register in its last three bits.
    fn short_with_rex(&mut self, wide: u8, opcode: u8, register: Gpr) {
        let rex = 0x40 | wide | register.0 >> 3;
        let opcode = opcode | register.0 & 7;
        if rex == 0x40 {
            self.put(opcode.into(), 1);
        } else {
            self.put(u64::from(rex) | u64::from(opcode) << 8, 2);
        }
    }

    /// `dst = address`
    pub(super) fn lea(&mut self, dst: Gpr, at: At) {
        self.encode(0, true, 0x8d, dst.0, Operand::Memory(at), 0);
    }

    /// The low 32 bits of it.
    pub(super) fn lea32(&mut self, dst: Gpr, at: At) {
        self.encode(0, false, 0x8d, dst.0, Operand::Memory(at), 0);
    }

    /// `dst += (index << shift) + offset`
    pub(super) fn add_shifted(&mut self, dst: Gpr, index: Gpr, shift: u8, offset: i32) {
        let rex = 0x48 | dst.0 >> 3 << 2 | index.0 >> 3 << 1 | dst.0 >> 3;
        // r13 as a base has no form without an offset.
        let long = dst.0 & 7 == RBP.0;
        let modrm = if long { 0x84 } else { 0x04 } | (dst.0 & 7) << 3;
        let sib = shift << 6 | (index.0 & 7) << 3 | dst.0 & 7;
        self.put(u64::from(u32::from_le_bytes([rex, 0x8d, modrm, sib])), 4);
        if long {
            self.put_i32(offset);
        }
    }

    pub(super) fn alu(&mut self, op: Alu, dst: Gpr, src: Gpr) {
        let opcode = 8 * op as u32 + 1;
        self.encode(0, true, opcode, src.0, Operand::Register(dst.0), 0);
    }

    pub(super) fn alu32(&mut self, op: Alu, dst: Gpr, src: Gpr) {
        let opcode = 8 * op as u32 + 1;
        self.encode(0, false, opcode, src.0, Operand::Register(dst.0), 0);
    }

    pub(super) fn alu_load(&mut self, op: Alu, dst: Gpr, at: At) {
        let opcode = 8 * op as u32 + 3;
        self.encode(0, true, opcode, dst.0, Operand::Memory(at), 0);
    }

    /// With a constant, which is sign-extended.
    pub(super) fn alu_set(&mut self, op: Alu, dst: Gpr, value: i32) {
        self.alu_constant(op, true, dst, value);
    }

    /// On the low 32 bits; the upper become zero.
    pub(super) fn alu32_set(&mut self, op: Alu, dst: Gpr, value: i32) {
        self.alu_constant(op, false, dst, value);
    }

    fn alu_constant(&mut self, op: Alu, wide: bool, dst: Gpr, value: i32) {
        if let Ok(short) = i8::try_from(value) {
            self.encode(0, wide, 0x83, op as u8, Operand::Register(dst.0), 1);
            self.put(u64::from(short.cast_unsigned()), 1);
            return;
        }
        if dst == RAX && !wide {
            self.put(8 * op as u64 + 5, 1);
        } else {
            self.encode(0, wide, 0x81, op as u8, Operand::Register(dst.0), 4);
        }
        self.put_i32(value);
    }

    /// Sets the flags by `dst & mask`, of the low 32 bits.
    pub(super) fn test32(&mut self, dst: Gpr, mask: u32) {
        self.encode(0, false, 0xf7, 0, Operand::Register(dst.0), 4);
        self.put_i32(mask.cast_signed());
    }

    pub(super) fn imul(&mut self, dst: Gpr, src: Gpr) {
        self.encode(0, true, 0x0faf, dst.0, Operand::Register(src.0), 0);
    }

    pub(super) fn imul_load(&mut self, dst: Gpr, at: At) {
        self.encode(0, true, 0x0faf, dst.0, Operand::Memory(at), 0);
    }

    /// `dst = src * value`
    pub(super) fn imul_set(&mut self, dst: Gpr, src: Gpr, value: i32) {
        self.encode(0, true, 0x69, dst.0, Operand::Register(src.0), 4);
        self.put_i32(value);
    }

    /// `rdx:rax = rax * src`, unsigned or signed.
    pub(super) fn mul_wide(&mut self, signed: bool, src: Gpr) {
        let extension = if signed { 5 } else { 4 };
        self.encode(0, true, 0xf7, extension, Operand::Register(src.0), 0);
    }

    pub(super) fn neg(&mut self, dst: Gpr) {
        self.encode(0, true, 0xf7, 3, Operand::Register(dst.0), 0);
    }

    /// Rotates by a constant.
    pub(super) fn rotate(&mut self, right: bool, dst: Gpr, bits: u8) {
        self.encode(0, true, 0xc1, u8::from(right), Operand::Register(dst.0), 1);
        self.put(bits.into(), 1);
    }

    /// Rotates by `cl`.
    pub(super) fn rotate_cl(&mut self, right: bool, dst: Gpr) {
        self.encode(0, true, 0xd3, u8::from(right), Operand::Register(dst.0), 0);
    }

    pub(super) fn shift_left(&mut self, dst: Gpr, bits: u8) {
        self.encode(0, true, 0xc1, 4, Operand::Register(dst.0), 1);
        self.put(bits.into(), 1);
    }

    pub(super) fn shift_right32(&mut self, dst: Gpr, bits: u8) {
        self.encode(0, false, 0xc1, 5, Operand::Register(dst.0), 1);
        self.put(bits.into(), 1);
    }

    /// `high = (rdx * src) >> 64`, of BMI2; `low` gets the other half.
    pub(super) fn mulx(&mut self, high: Gpr, low: Gpr, src: Gpr) {
        self.vex_0f38_f2(0xf6, high, low, src);
        self.put(u64::from(0xc0 | (high.0 & 7) << 3 | src.0 & 7), 1);
    }

    /// The same with `[base + index]`, whose parts are among the first eight registers.
    pub(super) fn mulx_load(&mut self, high: Gpr, low: Gpr, base: Gpr, index: Gpr) {
        self.vex_0f38_f2(0xf6, high, low, base);
        let modrm = 4 | (high.0 & 7) << 3;
        self.put(u64::from(modrm) | u64::from(index.0 << 3 | base.0) << 8, 2);
    }

    fn vex_0f38_f2(&mut self, opcode: u8, reg: Gpr, vvvv: Gpr, rm: Gpr) {
        let second = u8::from(reg.0 < 8) << 7 | 0x40 | u8::from(rm.0 < 8) << 5 | 2;
        let third = 0x80 | (!vvvv.0 & 15) << 3 | 3;
        self.put(u32::from_le_bytes([0xc4, second, third, opcode]).into(), 4);
    }

    /// `dst = src`, rotated to the right; of BMI2.
    pub(super) fn rorx(&mut self, dst: Gpr, src: Gpr, bits: u8) {
        let second = u8::from(dst.0 < 8) << 7 | 0x40 | u8::from(src.0 < 8) << 5 | 3;
        let modrm = 0xc0 | (dst.0 & 7) << 3 | src.0 & 7;
        let bytes = [0xc4, second, 0xfb, 0xf0, modrm, bits, 0, 0];
        self.put(u64::from_le_bytes(bytes), 6);
    }

    pub(super) fn push(&mut self, register: Gpr) {
        self.short_with_rex(0, 0x50, register);
    }

    pub(super) fn pop(&mut self, register: Gpr) {
        self.short_with_rex(0, 0x58, register);
    }

    pub(super) fn ret(&mut self) {
        self.put(0xc3, 1);
    }

    /// Jumps if the last result was zero (or, with `not`, if it was not).
    pub(super) fn jump_if_zero(&mut self, not: bool, target: usize) {
        let condition = 4 | u8::from(not);
        let near = distance(target, self.here() + 2);
        if let Ok(near) = i8::try_from(near) {
            let bytes = [0x70 | condition, near.cast_unsigned()];
            self.put(u16::from_le_bytes(bytes).into(), 2);
        } else {
            self.put(u16::from_le_bytes([0x0f, 0x80 | condition]).into(), 2);
            self.put_i32(distance(target, self.here() + 4));
        }
    }

    /// Skips what is written from here to [`Self::land`], at most 127 bytes, if the last result was
    /// not zero.
    pub(super) fn skip_if_not_zero(&mut self) -> Skip {
        self.put(0x75, 2);
        Skip(self.here())
    }

    /// Where a skip ends.
    pub(super) fn land(&mut self, Skip(from): Skip) {
        let distance = (self.here() - from) as u8;
        self.0.replace(from - 1, [distance]);
    }

    /// Jumps to [`Self::land_far`], if the last comparison found less.
    pub(super) fn jump_if_below(&mut self) -> Skip {
        self.put(0x820f, 6);
        Skip(self.here())
    }

    /// Where a jump ends.
    pub(super) fn land_far(&mut self, Skip(from): Skip) {
        let distance = distance(self.here(), from);
        self.0.replace(from - 4, distance.to_le_bytes());
    }

    /// Calls code of ours.
    pub(super) fn call(&mut self, target: usize) {
        self.put(0xe8, 1);
        self.put_i32(distance(target, self.here() + 4));
    }

    pub(super) fn call_register(&mut self, target: Gpr) {
        self.encode(0, false, 0xff, 2, Operand::Register(target.0), 0);
    }

    pub(super) fn decrement(&mut self, at: At) {
        self.encode(0, true, 0xff, 1, Operand::Memory(at), 0);
    }

    pub(super) fn vector(&mut self, op: Vector, dst: Xmm, src: Xmm) {
        let (prefix, opcode) = op.code();
        self.encode(
            prefix,
            false,
            0x0f00 | u32::from(opcode),
            dst.0,
            Operand::Register(src.0),
            0,
        );
    }

    /// A round of AES, with `key`.
    pub(super) fn aes(&mut self, encrypt: bool, dst: Xmm, key: Xmm) {
        let opcode = if encrypt { 0x0f_38dc } else { 0x0f_38de };
        self.encode(0x66, false, opcode, dst.0, Operand::Register(key.0), 0);
    }

    /// The memory is aligned to 16 bytes.
    pub(super) fn vector_load(&mut self, op: Vector, dst: Xmm, at: At) {
        let (prefix, opcode) = op.code();
        self.encode(
            prefix,
            false,
            0x0f00 | u32::from(opcode),
            dst.0,
            Operand::Memory(at),
            0,
        );
    }

    /// To memory that is aligned to 16 bytes.
    pub(super) fn vector_store(&mut self, at: At, src: Xmm) {
        self.encode(0, false, 0x0f29, src.0, Operand::Memory(at), 0);
    }

    /// The halves change places.
    pub(super) fn swap_halves(&mut self, register: Xmm) {
        self.encode(
            0x66,
            false,
            0x0fc6,
            register.0,
            Operand::Register(register.0),
            1,
        );
        self.put(1, 1);
    }

    /// Two 32-bit integers become two numbers.
    pub(super) fn convert_pair(&mut self, dst: Xmm, at: At) {
        self.encode(0xf3, false, 0x0fe6, dst.0, Operand::Memory(at), 0);
    }

    pub(super) fn load_mxcsr(&mut self, at: At) {
        self.encode(0, false, 0x0fae, 2, Operand::Memory(at), 0);
    }

    pub(super) fn store_mxcsr(&mut self, at: At) {
        self.encode(0, false, 0x0fae, 3, Operand::Memory(at), 0);
    }

    /// Into all levels of the cache.
    pub(super) fn prefetch_t0(&mut self, at: At) {
        self.encode(0, false, 0x0f18, 1, Operand::Memory(at), 0);
    }

    /// For one use.
    pub(super) fn prefetch_nta(&mut self, at: At) {
        self.encode(0, false, 0x0f18, 0, Operand::Memory(at), 0);
    }

    /// Data, aligned to 16 bytes where only data stands before it.
    pub(super) fn data(&mut self, words: [u64; 2]) -> usize {
        let start = self.here();
        for word in words {
            self.put(word, 8);
        }
        start
    }

    /// Goes on at a multiple of this many bytes; what lies between does nothing.
    pub(super) fn align(&mut self, bytes: usize) {
        while !self.here().is_multiple_of(bytes) {
            self.put(0x90, 1);
        }
    }
}

/// From the end of an instruction to its target.
fn distance(target: usize, end: usize) -> i32 {
    target.wrapping_sub(end) as i32
}
