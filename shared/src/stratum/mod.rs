//! Stratum as Monero's pools speak it: one JSON object per line over TCP or TLS.
//!
//! ```text
//!   pool  ── LineSplitter ── lines ──▶ Client::handle_line ──▶ LoggedIn | Job | Answered | ..
//!         ◀───────────────── lines ─── Client::poll_transmit ◀── Client::submit(share)
//!   miner ── LineSplitter ── lines ──▶ Server::handle_line ──▶ Login | Claimed | Refused | ..
//!         ◀───────────────── lines ─── Server::poll_transmit ◀── accept, send_job, answer(ticket)
//! ```
//!
//! [`Client`] is one connection to a pool, [`Server`] one connection from a miner. Neither knows a
//! socket or a clock: whoever drives them passes the time, sends what `poll_transmit` writes until
//! it returns `None`, calls `handle_timeout` at `poll_timeout`, and closes the socket on an error.
//! QUIRKS.md beside this file says why the rules are what they are.

mod client;
mod job;
mod server;
mod splitter;
mod words;

pub use client::{Client, ClientError, ClientEvent, Login, Notice, SubmitError};
pub use job::BadJob;
pub use server::{Claim, LoginRequest, Server, ServerError, ServerEvent, Template, Ticket};
pub use splitter::{LineSplitter, LineTooLong};
pub use words::{AGENT_PREFIX, Refusal};

#[cfg(test)]
mod tests;
