//! BLAKE2b in the two lengths that RandomX uses, and the generator made of it.

use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest};

/// `Hash512` of the specification.
pub(crate) fn hash512(input: &[u8]) -> [u8; 64] {
    Blake2b512::digest(input).into()
}

/// `Hash256` of the specification.
pub(crate) fn hash256(input: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::digest(input).into()
}

/// `Hash256` of one input after the other.
pub(crate) fn hash256_of_two(first: &[u8], second: &[u8]) -> [u8; 32] {
    Blake2b::<U32>::new()
        .chain_update(first)
        .chain_update(second)
        .finalize()
        .into()
}

/// `BlakeGenerator` (chapter 3.5): bytes for the making of superscalar programs.
#[derive(Debug)]
pub(crate) struct Generator {
    block: [u8; 64],
    used: usize,
}

impl Generator {
    /// Begins with a key; of a longer one than 60 bytes, the first 60 count.
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = [0; 64];
        let length = key.len().min(60);
        block[..length].copy_from_slice(&key[..length]);
        Self { block, used: 64 }
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    pub(crate) fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    /// The next bytes; what is left of a block and does not suffice is dropped.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        if self.used + N > self.block.len() {
            self.block = hash512(&self.block);
            self.used = 0;
        }
        let mut taken = [0; N];
        taken.copy_from_slice(&self.block[self.used..self.used + N]);
        self.used += N;
        taken
    }
}
