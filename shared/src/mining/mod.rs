//! The arithmetic of mining: what a pool asks for, and whether a hash is an answer.
//!
//! ```text
//!   Job { blob, target, seed, .. } ──▶ nonces of its slot, from where NonceMemory says ──▶ hash
//!                                                                                         │
//!   Verdict ◀── pool ◀── Share { job_id, nonce, .. }   ◀── target.is_met_by(&hash) ◀──────┘
//! ```
//!
//! Facts and worked examples are in docs/STRATUM.md. Nothing here knows a socket, a clock or a
//! hash function; pools, agents and the simulator share these types.

mod blob;
mod hashrate;
pub mod hex;
mod job;
mod nonce;
mod share;
mod target;

pub use blob::{Blob, BlobError, NONCE_OFFSET};
pub use hashrate::HashrateMeter;
pub use job::{
    Hash, Job, JobId, SEED_EPOCH, SeedHash, UnknownAlgo, algo_from_name, seed_changes_soon,
    seed_height,
};
pub use nonce::{NonceKey, NonceMemory, NonceSlot};
pub use share::{Share, Submitted, Verdict};
pub use target::{Difficulty, Target, TargetError, TargetWidth};

#[cfg(test)]
pub(crate) use blob::tests::KNOWN_BLOB;
