//! Shares that a rig found, one by one, for whoever wants to know more than their sum.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_FOUND_SHARES;

/// Found shares in the order in which they were decided. They are numbered from 0 at the agent's start,
/// so a gap between two batches is a loss that the reader can count; what was read before is known by its
/// number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBatch {
    /// Number of the first in `shares`.
    pub first: u64,
    /// The shares, oldest first.
    pub shares: Vec<FoundShare, MAX_FOUND_SHARES>,
}

/// A share that a rig found, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundShare {
    /// Height of the block that it was for; `None` where the pool does not say, or has since given
    /// another job.
    pub height: Option<u64>,
    /// Nonce in the blob.
    pub nonce: u32,
    /// Hash thread that found it, from 0.
    pub thread: u16,
    /// What became of it.
    pub verdict: ShareVerdict,
    /// Since that was known, in milliseconds.
    pub age_ms: u64,
}

/// What became of a found share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShareVerdict {
    /// The pool counted it.
    Accepted,
    /// The pool refused it.
    Rejected,
    /// Its job was over.
    Stale,
    /// It could not be sent, or got no answer.
    Lost,
}
