//! The registry.

/// Where the farm's durable facts live.
pub trait Store: Send + std::fmt::Debug {}
