//! How far the filling of a dataset is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::DATASET_BYTES;
use crate::params::LINE;

/// How far a filling is; shared by whoever watches it.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    cancelled: AtomicBool,
}

impl Progress {
    /// Nothing done.
    pub const fn new() -> Self {
        Self {
            done: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Items filled.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Items of a dataset: 34,078,719.
    pub const fn total(&self) -> u64 {
        (DATASET_BYTES / LINE) as u64
    }

    /// Ends the filling; it returns within some 10 ms.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, items: u64) {
        self.done.fetch_add(items, Ordering::Relaxed);
    }
}
