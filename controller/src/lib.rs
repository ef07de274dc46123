//! Map.

pub mod clock;
pub mod error;
pub mod farm;
pub mod hub;
pub mod registry;
