//! Bytes as decisions: what a target reads from its input, and where generated inputs come from.

use rand_core::{Infallible, TryCryptoRng, TryRng};

/// The input of a target, read from the front. What is not there reads as zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'d>(pub(super) &'d [u8]);

impl<'d> Input<'d> {
    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    pub(super) fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Up to `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'d [u8] {
        self.0
    }
}

/// Marsaglia's xorshift64: the same numbers each time. It keys nothing but tests.
#[derive(Clone, Debug)]
pub struct XorShift(u64);

impl XorShift {
    /// The numbers that follow from this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next number.
    pub const fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.number() % bound).unwrap_or_default()
    }

    /// A byte.
    pub const fn byte(&mut self) -> u8 {
        let [byte, ..] = self.number().to_be_bytes();
        byte
    }

    /// One of `seeds` with a few bytes flipped, replaced, cut, doubled or put in.
    pub fn mutate(&mut self, seeds: &[Vec<u8>], longest: usize) -> Vec<u8> {
        let mut data = match seeds.len() {
            0 => Vec::new(),
            count => seeds.get(self.below(count)).cloned().unwrap_or_default(),
        };
        for _ in 0..=self.below(8) {
            self.change(&mut data);
        }
        data.truncate(longest);
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        match (self.below(6), data.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << self.below(8),
            (1, Some(byte)) => *byte = self.byte(),
            (2, Some(byte)) => *byte = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'-'][self.below(8)],
            (3, _) => data.truncate(at),
            (4, Some(_)) => {
                let until = at + self.below(data.len() - at);
                data.extend_from_within(at..until);
            }
            _ => data.insert(at, self.byte()),
        }
    }
}

impl TryRng for XorShift {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes([
            self.byte(),
            self.byte(),
            self.byte(),
            self.byte(),
        ]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.number())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill_with(|| self.byte());
        Ok(())
    }
}

impl TryCryptoRng for XorShift {}
