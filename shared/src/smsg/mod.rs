//! SMSG/1: the encrypted, authenticated link between two nodes.
//!
//! Noise XX (or XXpsk0 at first contact) over WebSocket messages; every message inside is signed by
//! its author. [`Link`] is one end of one connection and all that programs use; the modules below it
//! are its layers, each of which knows only the one beneath. `docs/SMSG.md` has every byte.
//!
//! ```text
//!   link        what is owed, who is there, timers           handle_* and poll_*, no I/O
//!   envelope    seq | body | signature                       who said it, to whom, in which order
//!   session     two counters, rekey, limits                  one key per direction
//!   payload     who each side claims to be, certified        120 bytes
//!   noise       XX and XXpsk0; states that consume themselves
//!   frame       "SMSG" | version | kind | length
//! ```

mod envelope;
mod frame;
mod link;
mod node;
pub mod noise;
mod payload;
mod session;

pub use frame::{FrameError, Kind};
pub use link::{Event, Link, LinkError, SeqMemory};
pub use node::{Dial, Expect, LocalNode, Peer};
pub use payload::PayloadError;
