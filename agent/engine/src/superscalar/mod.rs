//! SuperscalarHash (specification, chapter 6): eight programs per key that make dataset items from
//! the cache. They are generated to keep a simulated processor as busy as can be, so that no
//! special hardware makes items much faster than a processor does.

mod generate;

use crate::blake::Generator;
use crate::params::{CACHE_ACCESSES, LINE, MAX_SUPERSCALAR};

/// What an instruction does to its destination, chapter 6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// ISUB_R
    Sub,
    /// IXOR_R
    Xor,
    /// IADD_RS
    AddShifted,
    /// IMUL_R
    Mul,
    /// IROR_C
    Rotate,
    /// IADD_C
    AddConstant,
    /// IXOR_C
    XorConstant,
    /// IMULH_R
    MulHigh,
    /// ISMULH_R
    MulHighSigned,
    /// IMUL_RCP
    MulReciprocal,
}

/// One instruction, ready to run or to compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    /// Register 0 to 7.
    pub(crate) dst: u8,
    /// Register 0 to 7; the destination where the operation has no source.
    pub(crate) src: u8,
    /// `AddShifted`: bits by which the source is shifted to the left, 0 to 3.
    pub(crate) shift: u8,
    /// `Rotate`: bits, 1 to 63. `AddConstant`, `XorConstant`: the constant. `MulReciprocal`: the
    /// reciprocal. Otherwise 0.
    pub(crate) constant: u64,
}

/// A program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    instructions: heapless::Vec<Instruction, MAX_SUPERSCALAR>,
    /// The register whose value chooses the next cache line.
    pub(crate) address: u8,
}

impl Program {
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64", test)),
        expect(dead_code, reason = "no compiler for this processor")
    )]
    pub(crate) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    fn run(&self, r: &mut [u64; 8]) {
        for instruction in &self.instructions {
            let src = r[usize::from(instruction.src)];
            let dst = &mut r[usize::from(instruction.dst)];
            *dst = instruction.apply(*dst, src);
        }
    }
}

impl Instruction {
    fn apply(self, dst: u64, src: u64) -> u64 {
        match self.op {
            Op::Sub => dst.wrapping_sub(src),
            Op::Xor => dst ^ src,
            Op::AddShifted => dst.wrapping_add(src << self.shift),
            Op::Mul => dst.wrapping_mul(src),
            Op::Rotate => dst.rotate_right((self.constant % 64) as u32),
            Op::AddConstant => dst.wrapping_add(self.constant),
            Op::XorConstant => dst ^ self.constant,
            Op::MulHigh => mul_high(dst, src),
            Op::MulHighSigned => mul_high_signed(dst, src),
            Op::MulReciprocal => dst.wrapping_mul(self.constant),
        }
    }
}

/// The upper half of a product.
pub(crate) const fn mul_high(a: u64, b: u64) -> u64 {
    ((a as u128 * b as u128) >> 64) as u64
}

/// The upper half of a signed product.
pub(crate) const fn mul_high_signed(a: u64, b: u64) -> u64 {
    ((a as i64 as i128 * b as i64 as i128) >> 64) as u64
}

/// The programs of a key.
#[derive(Clone, Debug)]
pub(crate) struct Programs(pub(crate) Box<[Program]>);

impl Programs {
    /// `latency`: cycles of the simulated processor that each is made to last.
    pub(crate) fn of_key(key: &[u8], latency: usize) -> Self {
        let mut random = Generator::new(key);
        let program = |_| generate::program(&mut random, latency);
        Self((0..CACHE_ACCESSES).map(program).collect())
    }

    /// A dataset item from the cache (chapter 7.3).
    pub(crate) fn item(&self, cache: &[u8], number: u64) -> [u64; 8] {
        let (lines, _) = cache.as_chunks::<LINE>();
        let mut r = initial(number);
        let mut address = number;
        for program in &self.0 {
            // The number of lines is a power of two far below 2^32.
            let line = &lines[address as usize % lines.len()];
            program.run(&mut r);
            for (register, word) in r.iter_mut().zip(line.as_chunks::<8>().0) {
                *register ^= u64::from_le_bytes(*word);
            }
            address = r[usize::from(program.address)];
        }
        r
    }
}

/// Knuth's multiplier of linear generators.
pub(crate) const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// What makes the registers differ at the start: `Hash512("RandomX SuperScalarHash initialize")`,
/// words 1 to 7, the first with 2^33 + 700 added and the third with 2^14.
pub(crate) const DIFFERENCES: [u64; 7] = [
    9_298_411_001_130_361_340,
    12_065_312_585_734_608_966,
    9_306_329_213_124_626_780,
    5_281_919_268_842_080_866,
    10_536_153_434_571_861_004,
    3_398_623_926_847_679_864,
    9_549_104_520_008_361_294,
];

fn initial(number: u64) -> [u64; 8] {
    let first = number.wrapping_add(1).wrapping_mul(MULTIPLIER);
    let mut r = [first; 8];
    for (register, difference) in r[1..].iter_mut().zip(DIFFERENCES) {
        *register ^= difference;
    }
    r
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blake::hash512;

    #[test]
    fn the_differences_are_what_the_specification_names() {
        let hash = hash512(b"RandomX SuperScalarHash initialize");
        let (words, _) = hash.as_chunks::<8>();
        let mut words: Vec<u64> = words[1..]
            .iter()
            .map(|word| u64::from_le_bytes(*word))
            .collect();
        words[0] += (1 << 33) + 700;
        words[2] += 1 << 14;
        assert_eq!(words, DIFFERENCES);
    }

    #[test]
    fn programs_keep_within_their_bound_and_use_every_operation() {
        let programs = Programs::of_key(b"test key 000", 170);
        assert_eq!(programs.0.len(), CACHE_ACCESSES);
        for program in &programs.0 {
            assert!((300..MAX_SUPERSCALAR).contains(&program.instructions().len()));
        }
        for op in [
            Op::Sub,
            Op::Rotate,
            Op::MulHigh,
            Op::MulHighSigned,
            Op::MulReciprocal,
        ] {
            let has = |program: &Program| program.instructions().iter().any(|i| i.op == op);
            assert!(programs.0.iter().any(has), "{op:?}");
        }
    }
}
