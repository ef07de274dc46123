//! Map.

pub mod clock;
pub mod error;
pub mod farm;
pub mod hub;
mod net;
pub mod registry;
