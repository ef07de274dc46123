//! Map.

pub mod bench;
pub mod mining;
