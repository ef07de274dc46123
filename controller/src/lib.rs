//! The controller of a farm: registry, links to rigs, REST, page and command line.
//!
//! ```text
//!   miner-ctrl ─▶ cli ─┬─ a controller runs here ── HTTP, loopback ─▶ api ─┐
//!                      ├─ none runs ── the same requests, in process ─▶ api ─┼─▶ farm ─▶ hub, registry
//!                      └─ up, node serve ─▶ up ─ serves ─▶ api, page ────────┘     └─▶ net ══ SMSG ══▶ rigs
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | verbs, tables, exit codes; a client of the API in either case |
//! | [`up`] | everything that a serving controller runs |
//! | [`api`], [`page`] | HTTP: JSON for programs, one page for people |
//! | [`access`] | who asks: API tokens, sessions, logins |
//! | [`audit`] | who changed what |
//! | [`farm`] | the service that they all use: rigs, wishes, statistics |
//! | [`hub`], [`rollout`], [`updates`], [`registry`] | live links without sockets, rollouts likewise; durable facts behind a store |
//! | [`releases`] | releases of the image on disk, and the thread that reads them |
//! | [`history`] | hash rate, shares and links over time, in a file of known size |
//! | [`journal`], [`cause`] | events on disk, and who caused them |
//! | `net`, `tls` | sockets, and what TLS on a port takes |
//! | [`wallet`], [`schedule`] | payout addresses and hours of mining, judged without any of the above |
//! | [`backup`] | all of a controller in one encrypted file |
//! | [`options`] | every option of the service and of profiles, and the file that they are read from |
//! | [`import`] | profiles from the files of XMRig, and back |
//! | `nearest` | the word that a mistyped one was meant to be |
//! | [`error`], [`scope`], [`clock`], [`units`] | what all of them share |
//!
//! Read on in [`farm`].

pub mod access;
pub mod api;
pub mod audit;
pub mod backup;
pub mod cause;
pub mod cli;
pub mod clock;
pub mod error;
pub mod farm;
#[cfg(test)]
mod golden;
pub mod history;
pub mod hub;
pub mod import;
pub mod journal;
mod natural;
mod nearest;
mod net;
pub mod options;
pub mod page;
pub mod registry;
pub mod releases;
pub mod rollout;
pub mod schedule;
pub mod scope;
mod tls;
pub mod units;
pub mod up;
pub mod updates;
pub mod wallet;
