//! The cache: 256 MiB that a key makes. Enough to hash (light mode), and what a dataset is made of.

use core::fmt;

use miner_shared::mining::SeedHash;
use miner_shared::wire::PageWish;

use super::Features;
use super::ffi::{Flags, RawCache, advise_pages};
use crate::{Backing, CACHE_BYTES, EngineError};

/// 256 MiB of RandomX cache.
pub struct Cache {
    raw: RawCache,
    keyed: bool,
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
        Self::with(Features::detect(), wish)
    }

    pub(crate) fn with(features: Features, wish: PageWish) -> Result<Self, EngineError> {
        let flags = features.cache_flags();
        let reserved = || RawCache::new(flags.with(Flags::LARGE_PAGES));
        let raw = (wish != PageWish::Small)
            .then(reserved)
            .flatten()
            .or_else(|| RawCache::new(flags))
            .or_else(|| RawCache::new(features.without_jit().cache_flags()))
            .ok_or(EngineError::NoCacheMemory)?;
        if let Some(memory) = raw.memory() {
            advise_pages(memory, CACHE_BYTES, wish);
        }
        Ok(Self { raw, keyed: false })
    }

    /// Fills the cache for this seed, on this thread, in about half a second. In place: a cache
    /// that was shared is got back by `Arc::get_mut` once its machines are gone.
    pub fn key(&mut self, seed: &SeedHash) {
        self.key_bytes(&seed.0);
    }

    /// As [`Self::key`], for keys that are no seed hash: up to 60 bytes, as RandomX's own test
    /// vectors have them.
    pub fn key_bytes(&mut self, key: &[u8]) {
        self.raw.init(key);
        self.keyed = true;
    }

    /// Pages behind the memory; `None` before the first key, or where the system does not say.
    /// Reads `/proc`: not for a loop.
    pub fn backing(&self) -> Option<Backing> {
        let memory = self.raw.memory().filter(|_| self.keyed)?;
        Backing::of(memory, CACHE_BYTES)
    }

    /// The inside, once keyed.
    pub(crate) fn keyed(&self) -> Result<&RawCache, EngineError> {
        self.keyed.then_some(&self.raw).ok_or(EngineError::NotKeyed)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("keyed", &self.keyed)
            .finish_non_exhaustive()
    }
}
