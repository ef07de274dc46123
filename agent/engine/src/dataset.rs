//! The dataset: 2,080 MiB computed from a cache, by as many threads as there are. Fast mode reads
//! it instead of computing each item anew.

use core::fmt;
use std::iter::Enumerate;
use std::slice::ChunksMut;
use std::sync::{Mutex, PoisonError};
use std::thread;

use miner_shared::wire::PageWish;

use crate::cache::Keyed;
use crate::memory::Memory;
use crate::params::{LINE, Params};
use crate::{Backing, Cache, EngineError, Progress};

/// Size of a dataset: 2^31 + 33,554,368 bytes.
pub const DATASET_BYTES: usize = 2_181_038_016;

/// The same in MiB, rounded up.
pub const DATASET_MIB: u32 = 2_080;
const _: () = assert!(DATASET_BYTES.div_ceil(1 << 20) == DATASET_MIB as usize);

/// Items that a thread fills between two looks at [`Progress`]: about 10 ms, so that a cancelled
/// filling ends at once.
const CHUNK: usize = 8192;

/// 2,080 MiB of RandomX dataset.
pub struct Dataset {
    memory: Memory,
    /// Those of the cache that it was filled from.
    filled: Option<&'static Params>,
}

impl Dataset {
    /// Whether a program of this machine has room for one. Nothing in memory is longer than half of
    /// what addresses can tell apart, which with 32 bits is less: light mode is all that is left.
    pub const FITS: bool = DATASET_BYTES <= usize::MAX / 2;

    /// Gets the memory, in huge pages if it can. Transparent and small pages take no memory before
    /// [`Self::fill`].
    ///
    /// # Errors
    /// [`EngineError::NoDatasetMemory`], [`EngineError::DatasetTooLarge`] with 32 bits.
    pub fn new() -> Result<Self, EngineError> {
        Self::with_pages(PageWish::Auto)
    }

    /// The same, in these pages if it can.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_pages(wish: PageWish) -> Result<Self, EngineError> {
        if !Self::FITS {
            return Err(EngineError::DatasetTooLarge);
        }
        let memory = Memory::new(DATASET_BYTES, wish).ok_or(EngineError::NoDatasetMemory)?;
        Ok(Self {
            memory,
            filled: None,
        })
    }

    /// A dataset that is none: one page stands for all of it, so that nothing waits for memory. For
    /// measurements of code; its hashes are worth nothing.
    ///
    /// # Errors
    /// [`EngineError::NotKeyed`], [`EngineError::NoDatasetMemory`] without a reserved 2 MiB page.
    #[cfg(feature = "reference")]
    pub fn without_stalls(cache: &Cache) -> Result<Self, EngineError> {
        let cache = cache.keyed()?;
        let memory = Memory::of_one_page(DATASET_BYTES).ok_or(EngineError::NoDatasetMemory)?;
        let mut dataset = Self {
            memory,
            filled: Some(cache.params),
        };
        let bytes = dataset.memory.as_mut_slice();
        cache.fill(0, &mut bytes[..2 << 20]);
        // What follows the last whole page is memory of its own.
        let rest = DATASET_BYTES % (2 << 20);
        bytes.copy_within(..rest, DATASET_BYTES - rest);
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
        self.filled = None;
        let cache = cache.keyed()?;
        let chunks = self.memory.as_mut_slice().chunks_mut(CHUNK * LINE);
        let chunks = Chunks(Mutex::new(chunks.enumerate()));
        thread::scope(|scope| {
            for _ in 1..threads {
                let helper = thread::Builder::new().name("rx-fill".into());
                if helper
                    .spawn_scoped(scope, || chunks.fill(cache, progress))
                    .is_err()
                {
                    break;
                }
            }
            chunks.fill(cache, progress);
        });
        self.filled = (progress.done() == progress.total()).then_some(cache.params);
        self.filled.map(|_| ()).ok_or(EngineError::Cancelled)
    }

    /// Has the pages lie on these NUMA nodes, in turns if there are several, and stay there; before it is first
    /// filled. Where the system does not let us, it decides.
    pub fn place(&mut self, nodes: &[u16]) {
        self.memory.place(nodes);
    }

    /// Takes over what is in a filled dataset, on this thread. `progress` is not told of it, and cancels it.
    ///
    /// # Errors
    /// [`EngineError::NotFilled`], [`EngineError::Cancelled`].
    pub fn copy_from(&mut self, filled: &Self, progress: &Progress) -> Result<(), EngineError> {
        self.filled = None;
        let (bytes, params) = filled.filled()?;
        let pieces = self.memory.as_mut_slice().chunks_mut(CHUNK * LINE);
        for (piece, from) in pieces.zip(bytes.chunks(CHUNK * LINE)) {
            if progress.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            piece.copy_from_slice(from);
        }
        self.filled = Some(params);
        Ok(())
    }

    /// Pages behind the memory; `None` before it is filled, or where the system does not say.
    /// Reads `/proc`: not for a loop.
    pub fn backing(&self) -> Option<Backing> {
        self.filled.and_then(|_| self.memory.backing())
    }

    /// The pages that were wished for.
    pub(crate) const fn wish(&self) -> PageWish {
        self.memory.wish()
    }

    /// The inside, once filled: its bytes, and what it was made by.
    pub(crate) fn filled(&self) -> Result<(&[u8], &'static Params), EngineError> {
        let params = self.filled.ok_or(EngineError::NotFilled)?;
        Ok((self.memory.as_slice(), params))
    }
}

/// Hands out pieces of the dataset, each exactly once.
struct Chunks<'a>(Mutex<Enumerate<ChunksMut<'a, u8>>>);

impl Chunks<'_> {
    /// Fills pieces until none is left. Any number of threads may.
    fn fill(&self, cache: Keyed<'_>, progress: &Progress) {
        let next = || self.0.lock().unwrap_or_else(PoisonError::into_inner).next();
        while !progress.is_cancelled()
            && let Some((index, items)) = next()
        {
            cache.fill((index * CHUNK) as u64, items);
            let filled = (items.len() / LINE) as u64;
            progress.add(filled);
        }
    }
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dataset")
            .field("filled", &self.filled.is_some())
            .finish_non_exhaustive()
    }
}
