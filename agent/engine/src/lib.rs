//! RandomX behind one door, and the only crate of the workspace whose purpose needs `unsafe`.
//!
//! ```text
//!   Cache::new() ── key(seed) ──▶ Arc<Cache> ──▶ Vm::light ─┐
//!                                   │                       ├─▶ trait HashEngine: first, next, last
//!   Dataset::new() ── fill(&cache) ─┴─▶ Arc<Dataset> ─▶ Vm::fast ─┘
//! ```
//!
//! | memory | size | made by | per input in flight |
//! |---|---|---|---|
//! | cache (light mode) | 256 MiB | `Cache::key`, about half a second | 2 MiB scratchpad |
//! | dataset (fast mode) | 2,080 MiB | `Dataset::fill`, all cores, tens of seconds on two | 2 MiB scratchpad |
//!
//! docs/ENGINE.md explains RandomX and this engine to a newcomer. Source of everything here is the
//! specification of RandomX (tevador/RandomX, doc/specs.md), cited by chapter.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the standard takes words apart: a cast that keeps the low bits is its arithmetic"
)]

mod aes;
mod blake;
mod cache;
mod dataset;
mod error;
mod features;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod interpret;
mod jit;
mod memory;
mod pages;
mod params;
mod program;
mod progress;
mod reciprocal;
#[cfg(feature = "reference")]
pub mod reference;
mod registers;
mod rounding;
mod superscalar;
#[cfg(test)]
mod testing;
mod vm;

pub use cache::{CACHE_BYTES, Cache};
pub use dataset::{DATASET_BYTES, DATASET_MIB, Dataset};
pub use error::EngineError;
pub use features::{Features, Jit};
pub use jit::{MAX_WAYS, Prefetch};
pub use miner_shared::mining::Hash;
pub use pages::Backing;
pub use params::Algorithm;
pub use progress::Progress;
pub use vm::{SCRATCHPAD_BYTES, Vm};

/// Hashes one input after the other, with as many in flight as it has [`Self::ways`]. Where one ends
/// the next is prepared, which saves a pass over the scratchpad: give an input with [`Self::next`],
/// get the hash of the one that was given `ways` inputs before.
///
/// Nothing here allocates, locks or fails. Inputs that nobody gave, or whose hash was read by `last`,
/// are unspecified.
pub trait HashEngine: Send {
    /// Inputs in flight, at least one, the same for ever.
    fn ways(&self) -> usize {
        1
    }

    /// Begins with `input` in place of the oldest one, whose hash is dropped.
    fn first(&mut self, input: &[u8]);

    /// Writes the hash of the oldest input in flight to `hash` and begins with `input` in its place.
    fn next(&mut self, input: &[u8], hash: &mut Hash);

    /// Writes the hash of the oldest input in flight to `hash`; the next one is the oldest then.
    fn last(&mut self, hash: &mut Hash);

    /// The hash of one input.
    fn hash(&mut self, input: &[u8]) -> Hash {
        let mut hash = [0; 32];
        self.first(input);
        for _ in 0..self.ways() {
            self.last(&mut hash);
        }
        hash
    }
}

/// What a pool's target is for in rx/2: BLAKE2b-256 of an input and its hash. Unlike the hash, it can
/// be made without RandomX, so that a node can throw away nonsense at once.
pub fn commitment(input: &[u8], hash: &Hash) -> Hash {
    blake::hash256_of_two(input, hash)
}

impl<E: HashEngine + ?Sized> HashEngine for Box<E> {
    fn ways(&self) -> usize {
        (**self).ways()
    }

    fn first(&mut self, input: &[u8]) {
        (**self).first(input);
    }

    fn next(&mut self, input: &[u8], hash: &mut Hash) {
        (**self).next(input, hash);
    }

    fn last(&mut self, hash: &mut Hash) {
        (**self).last(hash);
    }
}
