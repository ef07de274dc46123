//! Live links (sans-I/O).

mod events;

pub use self::events::{Event, EventKind};
