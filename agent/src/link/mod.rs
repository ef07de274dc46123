//! The rig's links to its managers: sockets, timers and tasks around [`miner_shared::smsg::Link`].
//!
//! ```text
//!   listen ── accept ──▶ Socket ──┐                         ┌── rig.handle(message) ──▶ answer
//!                                 ├──▶ session: drives Link ┤
//!   dial ─── connect ──▶ Socket ──┘      one task each      └── heartbeat each 10 s and on change
//! ```
//! A rig uses one of the two directions, or both. Hashing knows nothing of all this.

mod dial;
mod end;
mod listen;
mod me;
mod session;
mod sessions;
mod socket;
mod way;

pub(crate) use dial::{Target, dial_for_ever};
pub(crate) use listen::listen_for_ever;
pub(crate) use me::Me;
pub(crate) use sessions::Sessions;
pub(crate) use way::Way;
