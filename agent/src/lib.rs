//! The worker agent: hashes on a rig, and obeys its controller over SMSG.
//!
//! ```text
//!            ┌──────────────────── the I/O thread (rig) ────────────────────┐
//!  manager ──┤ link ── Query, Command ──▶ commands ──▶ store (state, fsync)  │
//!          ◀─┤      ◀── Answer, Receipt ──┘               │ apply            │
//!          ◀─┤      ◀── Heartbeat (statistics)            ▼                  │
//!   pool ◀──▶│ pool ── Job ─────────────────────────▶ mining::Miner ─────────┼──▶ hash threads
//!            │      ◀── Share ──────────────────────────                     │◀── (engine)
//!            └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! One thread does all I/O; no call on it waits for a disk longer than an fsync or for a peer at
//! all. Hash threads know neither sockets nor links: a controller that is gone costs no hash. Read
//! [`cli`] for what a person types, [`node::serve`] for how it all starts, `rig` for how the parts
//! are tied together, [`init`] for what it does as the first process of an image.

pub mod bench;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod init;
pub mod lan;
mod link;
pub mod logger;
pub mod mining;
pub mod node;
pub mod node_cli;
pub mod platform;
mod pool;
mod report;
pub mod rig;
pub mod store;
mod system;
pub mod tls;
pub mod tune;
mod update;
pub mod url;
