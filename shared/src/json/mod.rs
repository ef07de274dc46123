//! JSON without a heap: a checked view over bytes to read, and a writer into a caller's buffer.
//!
//! ```text
//!   bytes ── Value::parse ──▶ Value ── get("params")? ── get("job_id")? ── text::<128>() ──▶ Text
//!   &mut [u8] ── Writer::new ── open_object() ── key("id") ── number(7) ── finish() ──▶ length
//! ```
//!
//! [`Value::parse`] checks the whole text once (syntax, UTF-8, depth); every later look-up is a
//! short scan that cannot fail half-way. It is tolerant where pools are sloppy (unknown members,
//! members that come twice: the last one counts) and strict where a guess would be wrong: numbers
//! beyond u64 are no numbers, never wrapped ones.

mod cursor;
mod read;
mod write;

pub use read::{Chars, Items, JsonError, MAX_DEPTH, Members, Str, Value};
pub use write::{Full, Writer};
