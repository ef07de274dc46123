//! The words both sides speak.
//!
//! No heap, no clock, no I/O, no unsafe: everything here is a pure function or a state machine that
//! takes the time, the random source and the memory as arguments, so that the same code runs in the
//! agent, in the controller, in a simulator with virtual time and in a fuzzer.
#![no_std]
#![forbid(unsafe_code)]
// What comes from outside is only ever looked at through `get`, patterns and chunks.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::string_slice))]

#[cfg(test)]
extern crate std;

pub mod base32;
pub mod bytes;
pub mod cmdline;
pub mod crypto;
pub mod dhcp;
pub mod gate;
pub mod identity;
pub mod json;
pub mod limits;
pub mod mdns;
pub mod mining;
pub mod owner;
pub mod pause;
pub mod record;
pub mod release;
pub mod ring;
pub mod slots;
pub mod smsg;
pub mod stratum;
pub mod text;
pub mod time;
pub mod wire;
