//! The reference implementation, as the `randomx-rs` crate builds it from C++: what the engine is
//! tested and measured against, behind the feature `reference` and in no product.

mod alias;
mod cache;
mod dataset;
mod features;
mod ffi;
mod vm;

pub(crate) use alias::alias;
pub use cache::Cache;
pub use dataset::Dataset;
pub use features::{Argon2, Features, Jit};
pub use vm::Vm;
