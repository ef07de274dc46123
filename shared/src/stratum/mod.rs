//! Stratum as Monero's pools speak it: one JSON object per line over TCP or TLS.
//!
//! ```text
//!   socket ── LineSplitter ── lines ──▶ Client::handle_line ──▶ ClientEvent::{LoggedIn, Job, Answered, ..}
//!   socket ◀───────── lines ─────────── Client::poll_transmit ◀── Client::submit(Share)
//! ```
//!
//! [`Client`] is one connection to a pool, [`Server`] one connection from a miner. Neither knows a
//! socket or a clock: whoever drives them passes the time, sends what `poll_transmit` writes until
//! it returns `None`, calls `handle_timeout` at `poll_timeout`, and closes the socket on an error.
//! QUIRKS.md beside this file says why the rules are what they are.

mod client;
mod server;
mod splitter;
mod words;

pub use client::{BadJob, Client, ClientError, ClientEvent, Login, Notice, SubmitError};
pub use server::{Claim, LoginRequest, Server, ServerError, ServerEvent, Template, Ticket};
pub use splitter::{LineSplitter, LineTooLong};
pub use words::Refusal;
