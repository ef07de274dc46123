//! The local network: announcing this node by multicast DNS, and the socket by which others are found.
//!
//! ```text
//!   /proc/net/route ──▶ Network (own address, prefix), at most MAX_NETWORKS of them
//!                          │ join the group                  every 30 s: still the same networks?
//!                          ▼                                               │
//!   224.0.0.251:5353 ◀─▶ Group ─▶ announce: one Responder for each network ┘
//!                          └────▶ `peer discover` of the controller asks and reads
//! ```
//! The controller uses it as it is. Neither links nor hashing wait for any of this: a port that
//! cannot be had costs one line in the log. IPv4 only: the networks of farms have it.

mod announce;
mod group;
mod network;
#[cfg(test)]
mod tests;

pub use announce::{announce, announce_on};
pub use group::Group;
pub use network::{Network, network_on, networks, networks_of};
