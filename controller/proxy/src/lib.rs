//! Stratum for the farm: what stands between rigs and pools.
//!
//! ```text
//!   rigs, stock miners ── stratum, TCP ──▶ practice pool: jobs like a chain's, every share verified
//!                                          (later: nicehash, simple, extra_nonce ──▶ real pools)
//! ```
//!
//! [`practice`] is the pool that a newcomer's first run and every end-to-end test mine on.

mod clock;
pub mod practice;
