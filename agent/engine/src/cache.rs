//! The cache: 256 MiB that a key makes. Enough to hash (light mode), and what a dataset is made of.

use core::fmt;

use argon2::{Argon2, Version};
use miner_shared::mining::SeedHash;
use miner_shared::wire::PageWish;

use crate::jit::{Items, Lines, Views};
use crate::memory::Memory;
use crate::params::{Keying, LINE, Params, RX_0};
use crate::superscalar::Programs;
use crate::{Algorithm, Backing, EngineError, Features};

/// Size of a cache.
pub const CACHE_BYTES: usize = 256 << 20;

/// Blocks of Argon2, each of 1 KiB.
const BLOCKS: u32 = 262_144;

/// 256 MiB of RandomX cache.
pub struct Cache {
    memory: Memory,
    params: &'static Params,
    key: Option<Key>,
}

/// What a key makes apart from the memory.
struct Key {
    programs: Programs,
    /// The programs as code, where there can be code.
    items: Option<Items>,
}

impl Key {
    fn of(key: &[u8], keying: Keying, views: Option<Views>) -> Self {
        let programs = Programs::of_key(key, keying.superscalar_latency);
        Self {
            items: views.and_then(|views| Items::compile(&programs, views)),
            programs,
        }
    }
}

impl Cache {
    /// Gets the memory, in huge pages if it can.
    ///
    /// # Errors
    /// [`EngineError::NoCacheMemory`].
    pub fn new() -> Result<Self, EngineError> {
        Self::with_pages(PageWish::Auto)
    }

    /// The same, in these pages if it can.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_pages(wish: PageWish) -> Result<Self, EngineError> {
        let memory = Memory::new(CACHE_BYTES, wish).ok_or(EngineError::NoCacheMemory)?;
        Ok(Self {
            memory,
            params: &RX_0,
            key: None,
        })
    }

    /// As [`crate::Dataset::place`]; before it is first keyed.
    pub fn place(&mut self, nodes: &[u16]) {
        self.memory.place(nodes);
    }

    /// This cache for an algorithm; it has no key then. Without it, it is one for rx/0 and rx/2.
    #[must_use]
    pub fn hashing(self, algorithm: Algorithm) -> Self {
        Self {
            params: algorithm.params(),
            key: None,
            ..self
        }
    }

    /// A cache whose memory stays zero, with the programs of a key: enough for a hash that nobody
    /// mines but every part of the engine works on.
    pub(crate) fn empty(key: &[u8], views: Option<Views>) -> Result<Self, EngineError> {
        let mut cache = Self::with_pages(PageWish::Small)?;
        cache.key = Some(Key::of(key, cache.params.keying, views));
        Ok(cache)
    }

    /// Fills the cache for this seed, on this thread, in about half a second. In place: a cache
    /// that was shared is got back by `Arc::get_mut` once its machines are gone.
    pub fn key(&mut self, seed: &SeedHash) {
        self.key_bytes(&seed.0);
    }

    /// As [`Self::key`], for keys that are no seed hash: up to 60 bytes, as RandomX's own test
    /// vectors have them.
    pub fn key_bytes(&mut self, key: &[u8]) {
        let Keying {
            salt,
            passes,
            lanes,
            ..
        } = self.params.keying;
        let filled = argon2::Params::new(BLOCKS, passes, lanes, None).and_then(|params| {
            let argon2 = Argon2::new(argon2::Algorithm::Argon2d, Version::V0x13, params);
            argon2.fill_memory(key, salt, self.memory.as_blocks_mut())
        });
        // It fails for parameters or lengths out of range; these are none, and a cache without
        // programs is one without a key.
        self.key = filled.is_ok().then(|| {
            if cfg!(target_endian = "big") {
                let (words, _) = self.memory.as_mut_slice().as_chunks_mut::<8>();
                words.iter_mut().for_each(|word| word.reverse());
            }
            Key::of(key, self.params.keying, Features::detect().views)
        });
    }

    /// Pages behind the memory; `None` before the first key, or where the system does not say.
    /// Reads `/proc`: not for a loop.
    pub fn backing(&self) -> Option<Backing> {
        self.key.as_ref().and_then(|_| self.memory.backing())
    }

    /// The pages that were wished for.
    pub(crate) const fn wish(&self) -> PageWish {
        self.memory.wish()
    }

    /// The inside, once keyed.
    pub(crate) fn keyed(&self) -> Result<Keyed<'_>, EngineError> {
        Ok(Keyed {
            memory: self.memory.as_slice(),
            key: self.key.as_ref().ok_or(EngineError::NotKeyed)?,
            params: self.params,
        })
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("keyed", &self.key.is_some())
            .finish_non_exhaustive()
    }
}

/// A cache with a key.
#[derive(Clone, Copy)]
pub(crate) struct Keyed<'a> {
    memory: &'a [u8],
    key: &'a Key,
    pub(crate) params: &'static Params,
}

impl<'a> Keyed<'a> {
    /// One dataset item, interpreted.
    pub(crate) fn item(self, number: u64) -> [u64; 8] {
        self.key.programs.item(self.memory, number)
    }

    /// Computes as many items as fit, the first of them being number `first`.
    pub(crate) fn fill(self, first: u64, items: &mut [u8]) {
        match &self.key.items {
            Some(code) => code.fill(self.memory, first, items),
            None => self.fill_interpreted(first, items),
        }
    }

    #[cfg(all(test, feature = "reference"))]
    pub(crate) fn memory(self) -> &'a [u8] {
        self.memory
    }

    fn fill_interpreted(self, first: u64, items: &mut [u8]) {
        for (number, item) in (first..).zip(items.as_chunks_mut::<LINE>().0) {
            let words = self.item(number);
            for (bytes, word) in item.as_chunks_mut::<8>().0.iter_mut().zip(words) {
                *bytes = word.to_le_bytes();
            }
        }
    }

    /// For compiled programs; `None` where there is no code for items.
    pub(crate) fn lines(self) -> Option<Lines> {
        let items = self.key.items.as_ref()?;
        Some(items.lines(self.memory.as_ptr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words and items of `src/tests/tests.cpp` of the reference.
    #[test]
    fn cache_and_items_are_the_published_ones() {
        let mut cache = Cache::new().expect("memory");
        cache.key_bytes(b"test key 000");
        let cache = cache.keyed().expect("keyed");
        let (words, _) = cache.memory.as_chunks::<8>();
        for (at, expected) in [
            (0, 0x191e_0e1d_23c0_2186),
            (1_568_413, 0xf1b6_2fe6_210b_f8b1),
            (33_554_431, 0x1f47_f056_d05c_d99b),
        ] {
            assert_eq!(u64::from_le_bytes(words[at]), expected, "word {at}");
        }
        for (number, expected) in [
            (0, 0x6805_88a8_5ae2_22db),
            (10_000_000, 0x7943_a1f6_186f_fb72),
            (20_000_000, 0x9035_244d_7180_95e1),
            (30_000_000, 0x145a_5091_f785_3099),
        ] {
            let mut item = [0; LINE];
            cache.fill(number, &mut item);
            assert_eq!(cache.item(number)[0], expected, "item {number}");
            assert_eq!(
                item[..8],
                u64::to_le_bytes(expected),
                "item {number}, compiled"
            );
        }
    }

    #[test]
    fn items_made_together_are_those_made_alone() {
        let cache = Cache::empty(b"together", Features::detect().views).expect("memory");
        let cache = cache.keyed().expect("keyed");
        for (first, count) in [(0, 1), (5, 4), (1 << 24, 11), (34_078_719 - 8, 8)] {
            let mut items = vec![0; count * LINE];
            cache.fill(first, &mut items);
            for (number, item) in (first..).zip(items.as_chunks::<LINE>().0) {
                let words = cache.item(number).map(u64::to_le_bytes);
                assert_eq!(
                    words.as_flattened(),
                    item,
                    "item {number} of {first}, {count}"
                );
            }
        }
    }
}
