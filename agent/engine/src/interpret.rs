//! The virtual machine in portable code (specification, chapters 4.6 and 5): slow, on every
//! processor, and what the compilers are tested against.

use crate::aes::Aes;
use crate::params::{DATASET_BASE, LINE, Params, Version};
use crate::program::{Configuration, E_KEPT, Instruction, IntegerOp, Place, Source};
use crate::registers::{Double, Registers};
use crate::rounding::Mode;
use crate::superscalar::{mul_high, mul_high_signed};

/// Runs a program. `line` gives a line of the dataset, by its number.
pub(crate) fn run(
    program: &[Instruction],
    configuration: &Configuration,
    params: &Params,
    scratchpad: &mut [u8],
    registers: &mut Registers,
    aes: Aes,
    line: &dyn Fn(u64) -> [u64; 8],
) {
    let mut machine = Machine {
        registers,
        scratchpad,
        e_mask: configuration.e_mask,
        version: params.version,
        aes,
    };
    let line_mask = (params.l3 - 1) & !(LINE as u32 - 1);
    let dataset_line = |address: u32| {
        let address = u64::from(address) % DATASET_BASE + configuration.dataset_offset;
        address / LINE as u64
    };
    let read = configuration.read.map(usize::from);
    let (mut ma, mut mx) = (configuration.ma, configuration.mx);
    let (mut address_0, mut address_1) = (mx, ma);
    machine.registers.r = [0; 8];
    for _ in 0..params.iterations {
        let mix = machine.registers.r[read[0]] ^ machine.registers.r[read[1]];
        address_0 = (address_0 ^ mix as u32) & line_mask;
        address_1 = (address_1 ^ (mix >> 32) as u32) & line_mask;
        machine.load_line(address_0, address_1);

        let mut at = 0;
        while let Some(instruction) = program.get(at) {
            at = machine.step(*instruction).map_or(at + 1, usize::from);
        }

        let r = &mut machine.registers.r;
        let address = ma;
        let prefetched = match params.version {
            Version::One => &mut mx,
            Version::Two => &mut ma,
        };
        *prefetched ^= (r[read[2]] ^ r[read[3]]) as u32;
        for (register, word) in r.iter_mut().zip(line(dataset_line(address))) {
            *register ^= word;
        }
        core::mem::swap(&mut mx, &mut ma);
        machine.store_line(address_0, address_1);
        (address_0, address_1) = (0, 0);
    }
}

struct Machine<'a> {
    registers: &'a mut Registers,
    scratchpad: &'a mut [u8],
    e_mask: [u64; 2],
    version: Version,
    aes: Aes,
}

impl Machine<'_> {
    fn load_line(&mut self, address_0: u32, address_1: u32) {
        for at in 0..8_u32 {
            self.registers.r[at as usize] ^= self.load(address_0 + 8 * at);
        }
        for at in 0..4_u32 {
            self.registers.f[at as usize] = self.load_pair(address_1 + 8 * at);
            self.registers.e[at as usize] = self.load_positive_pair(address_1 + 32 + 8 * at);
        }
    }

    fn store_line(&mut self, address_0: u32, address_1: u32) {
        for at in 0..8_u32 {
            self.store(address_1 + 8 * at, self.registers.r[at as usize]);
        }
        self.mix();
        for at in 0..4_u32 {
            let [low, high] = self.registers.f[at as usize].0.map(f64::to_bits);
            self.store(address_0 + 16 * at, low);
            self.store(address_0 + 16 * at + 8, high);
        }
    }

    /// Step 10: what `e` became goes into `f`.
    fn mix(&mut self) {
        let Registers { f, e, .. } = &mut *self.registers;
        match self.version {
            Version::One => {
                for (f, e) in f.iter_mut().zip(e) {
                    *f = f.bits_with(*e, |f, e| f ^ e);
                }
            }
            Version::Two => {
                let mut columns = Double::bytes(f);
                self.aes.mix(&mut columns, &Double::bytes(e));
                *f = Double::of_bytes(&columns);
            }
        }
    }

    /// Does one instruction; returns the one to go on with after a jump.
    fn step(&mut self, instruction: Instruction) -> Option<u16> {
        let mode = self.registers.mode;
        match instruction {
            Instruction::Nothing => {}
            Instruction::AddShifted {
                dst,
                src,
                shift,
                offset,
            } => {
                let added = (self.r(src) << shift).wrapping_add(sign_extended(offset));
                *self.r_mut(dst) = self.r(dst).wrapping_add(added);
            }
            Instruction::Integer { op, dst, src } => {
                let src = match src {
                    Source::Register(register) => self.r(register),
                    Source::Constant(constant) => sign_extended(constant),
                    Source::Memory(place) => self.load(self.address(place)),
                };
                *self.r_mut(dst) = apply(op, self.r(dst), src);
            }
            Instruction::MulReciprocal { dst, reciprocal } => {
                *self.r_mut(dst) = self.r(dst).wrapping_mul(reciprocal);
            }
            Instruction::Negate { dst } => *self.r_mut(dst) = self.r(dst).wrapping_neg(),
            Instruction::Swap { a, b } => self.registers.r.swap(a.into(), b.into()),
            Instruction::SwapHalves { register } => {
                let Registers { f, e, .. } = &mut *self.registers;
                let register = usize::from(register);
                f.iter_mut().chain(e).nth(register)?.0.swap(0, 1);
            }
            Instruction::AddA { f, a, negate } => {
                let a = self.registers.a[usize::from(a)];
                self.add(f, a, negate);
            }
            Instruction::AddMemory { f, place, negate } => {
                let value = self.load_pair(self.address(place));
                self.add(f, value, negate);
            }
            Instruction::Scale { f } => {
                let f = &mut self.registers.f[usize::from(f)];
                *f = f.bits_with(*f, |f, _| f ^ 0x80f0_0000_0000_0000);
            }
            Instruction::Multiply { e, a } => {
                let a = self.registers.a[usize::from(a)];
                let e = &mut self.registers.e[usize::from(e)];
                *e = e.with(a, |e, a| mode.mul(e, a));
            }
            Instruction::Divide { e, place } => {
                let value = self.load_positive_pair(self.address(place));
                let e = &mut self.registers.e[usize::from(e)];
                *e = e.with(value, |e, value| mode.div(e, value));
            }
            Instruction::Root { e } => {
                let e = &mut self.registers.e[usize::from(e)];
                *e = e.with(*e, |e, _| mode.sqrt(e));
            }
            Instruction::Branch {
                dst,
                addend,
                mask,
                target,
            } => {
                let sum = self.r(dst).wrapping_add(sign_extended(addend));
                *self.r_mut(dst) = sum;
                return (sum & u64::from(mask) == 0).then_some(target);
            }
            Instruction::Round { src, rotate } => {
                let rotated = self.r(src).rotate_right(rotate.into());
                if self.version == Version::One || rotated & RARELY == 0 {
                    self.registers.mode = Mode::of(rotated);
                }
            }
            Instruction::Store { place, src } => self.store(self.address(place), self.r(src)),
        }
        None
    }

    fn r(&self, register: u8) -> u64 {
        self.registers.r[usize::from(register)]
    }

    fn r_mut(&mut self, register: u8) -> &mut u64 {
        &mut self.registers.r[usize::from(register)]
    }

    fn add(&mut self, f: u8, value: Double, negate: bool) {
        let mode = self.registers.mode;
        let f = &mut self.registers.f[usize::from(f)];
        *f = f.with(value, |f, value| {
            mode.add(f, if negate { -value } else { value })
        });
    }

    fn address(&self, place: Place) -> u32 {
        let base = place.base.map_or(0, |base| self.r(base));
        base.wrapping_add(sign_extended(place.offset)) as u32 & place.mask
    }

    fn load(&self, address: u32) -> u64 {
        let (words, _) = self.scratchpad.as_chunks::<8>();
        u64::from_le_bytes(words[address as usize / 8])
    }

    fn store(&mut self, address: u32, value: u64) {
        let (words, _) = self.scratchpad.as_chunks_mut::<8>();
        words[address as usize / 8] = value.to_le_bytes();
    }

    /// Two 32-bit integers as a register of group F (chapter 4.3.1).
    fn load_pair(&self, address: u32) -> Double {
        let word = self.load(address);
        Double([word as i32, (word >> 32) as i32].map(f64::from))
    }

    /// The same as a register of group E (chapter 4.3.2).
    fn load_positive_pair(&self, address: u32) -> Double {
        let Double([low, high]) = self.load_pair(address);
        let positive = |value: f64, mask| f64::from_bits(value.to_bits() & E_KEPT | mask);
        Double([
            positive(low, self.e_mask[0]),
            positive(high, self.e_mask[1]),
        ])
    }
}

/// The bits that must be zero for CFROUND to set the mode in version 2: once in 16 times.
pub(crate) const RARELY: u64 = 0b11_1100;

const fn sign_extended(value: i32) -> u64 {
    value as i64 as u64
}

fn apply(op: IntegerOp, dst: u64, src: u64) -> u64 {
    match op {
        IntegerOp::Add => dst.wrapping_add(src),
        IntegerOp::Sub => dst.wrapping_sub(src),
        IntegerOp::Mul => dst.wrapping_mul(src),
        IntegerOp::MulHigh => mul_high(dst, src),
        IntegerOp::MulHighSigned => mul_high_signed(dst, src),
        IntegerOp::Xor => dst ^ src,
        IntegerOp::RotateRight => dst.rotate_right((src % 64) as u32),
        IntegerOp::RotateLeft => dst.rotate_left((src % 64) as u32),
    }
}
