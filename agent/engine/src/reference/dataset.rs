//! The dataset: 2,080 MiB computed from a cache, by as many threads as there are. Fast mode reads
//! it instead of computing each item anew.

use core::fmt;
use std::thread;

use miner_shared::wire::PageWish;

use super::Cache;
use super::ffi::{Filler, Flags, RawDataset, advise_pages};
use crate::{Backing, DATASET_BYTES, EngineError, Progress};

/// Items that a thread fills between two looks at [`Progress`]: about 10 ms, so that a cancelled
/// filling ends at once.
const CHUNK: u32 = 8192;

/// 2,080 MiB of RandomX dataset.
pub struct Dataset {
    raw: RawDataset,
    filled: bool,
}

impl Dataset {
    /// Gets the memory, in huge pages if it can. Transparent and small pages take no memory before
    /// [`Self::fill`].
    ///
    /// # Errors
    /// [`EngineError::NoDatasetMemory`].
    pub fn new() -> Result<Self, EngineError> {
        Self::with_pages(PageWish::Auto)
    }

    /// The same, in these pages if it can.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_pages(wish: PageWish) -> Result<Self, EngineError> {
        let reserved = || RawDataset::new(Flags::LARGE_PAGES);
        let raw = (wish != PageWish::Small)
            .then(reserved)
            .flatten()
            .or_else(|| RawDataset::new(Flags::NONE))
            .ok_or(EngineError::NoDatasetMemory)?;
        if let Some(memory) = raw.memory() {
            advise_pages(memory, DATASET_BYTES, wish);
        }
        Ok(Self { raw, filled: false })
    }

    /// Takes over what another dataset holds.
    pub fn copy(&mut self, from: &crate::Dataset) {
        if let Ok((bytes, _)) = from.filled() {
            self.filled = self.raw.copy(bytes);
        }
    }

    /// As [`crate::Dataset::without_stalls`], with the same bytes.
    ///
    /// # Errors
    /// [`EngineError::NoDatasetMemory`] without a reserved 2 MiB page.
    pub fn without_stalls(from: &crate::Dataset) -> Result<Self, EngineError> {
        let mut dataset = Self::new()?;
        let memory = dataset.raw.memory().ok_or(EngineError::NoDatasetMemory)?;
        super::alias(memory.cast(), DATASET_BYTES).ok_or(EngineError::NoDatasetMemory)?;
        dataset.copy(from);
        Ok(dataset)
    }

    /// Computes all items from the cache, on `threads` threads (at least one, this one). In place:
    /// a dataset that was shared is got back by `Arc::get_mut` once its machines are gone.
    ///
    /// `progress` must be new, and may be watched and cancelled from any thread meanwhile.
    ///
    /// # Errors
    /// [`EngineError::NotKeyed`]; [`EngineError::Cancelled`], after some 10 ms: the dataset then
    /// has to be filled again. Threads that the system does not give are done without.
    pub fn fill(
        &mut self,
        cache: &Cache,
        threads: u16,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        self.filled = false;
        let filler = self.raw.filler(cache)?;
        thread::scope(|scope| {
            for _ in 1..threads {
                let helper = thread::Builder::new().name("rx-fill".into());
                if helper
                    .spawn_scoped(scope, || fill_on_this_thread(&filler, progress))
                    .is_err()
                {
                    break;
                }
            }
            fill_on_this_thread(&filler, progress);
        });
        self.filled = progress.done() == progress.total();
        self.filled.then_some(()).ok_or(EngineError::Cancelled)
    }

    /// Pages behind the memory; `None` before it is filled, or where the system does not say.
    /// Reads `/proc`: not for a loop.
    pub fn backing(&self) -> Option<Backing> {
        let memory = self.raw.memory().filter(|_| self.filled)?;
        Backing::of(memory, DATASET_BYTES)
    }

    /// The inside, once filled.
    pub(crate) fn filled(&self) -> Result<&RawDataset, EngineError> {
        self.filled
            .then_some(&self.raw)
            .ok_or(EngineError::NotFilled)
    }
}

fn fill_on_this_thread(filler: &Filler<'_>, progress: &Progress) {
    while !progress.is_cancelled() {
        match filler.fill_some(CHUNK) {
            0 => return,
            items => progress.add(items),
        };
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}
