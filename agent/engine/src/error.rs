//! Why there is no cache, dataset or machine.

use core::fmt;

/// Why the engine cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The system gave no memory for the cache.
    NoCacheMemory,
    /// The system gave no memory for the dataset.
    NoDatasetMemory,
    /// A program of 32 bits has no room for a dataset; see [`crate::Dataset::FITS`].
    DatasetTooLarge,
    /// The system gave no memory for a machine: scratchpad and code.
    NoVmMemory,
    /// The cache was never keyed.
    NotKeyed,
    /// The dataset was never filled to its end since its last key.
    NotFilled,
    /// The cache or dataset is one of another algorithm.
    OtherAlgorithm,
    /// The filling was cancelled.
    Cancelled,
    /// The system gave no thread.
    NoThread,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCacheMemory => "no memory for the RandomX cache (256 MiB)",
            Self::NoDatasetMemory => "no memory for the RandomX dataset (2,080 MiB)",
            Self::DatasetTooLarge => {
                "a 32-bit miner has no room for the RandomX dataset (2,080 MiB): \
                 use light mode (--light)"
            }
            Self::NoVmMemory => "no memory for a RandomX machine",
            Self::NotKeyed => "the RandomX cache has no key yet",
            Self::NotFilled => "the RandomX dataset is not filled",
            Self::OtherAlgorithm => "the RandomX cache or dataset is one of another algorithm",
            Self::Cancelled => "the filling of the RandomX dataset was cancelled",
            Self::NoThread => "the system gave no thread",
        })
    }
}

impl std::error::Error for EngineError {}
