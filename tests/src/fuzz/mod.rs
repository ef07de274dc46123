//! What is fuzzed: one function per parser that reads bytes from outside, each with its own oracle.
//!
//! `cargo fuzz` drives these functions with new bytes (`tests/fuzz/`), and `tests/fuzz_corpus.rs`
//! replays what was found with the stable compiler, so that both run the same code.
//!
//! ```text
//!   tests/fuzz/fuzz_targets/X.rs ──▶ run(data) ◀── tests/tests/fuzz_corpus.rs
//!                                      │            (committed corpus + mutated seeds)
//!                                      ▼
//!            shared: frames, handshakes, messages, texts, statements, stratum, JSON, mDNS
//!            agent: files of a node      controller: REST bodies, boot questions, TFTP      engine: programs
//! ```
//! A target fails by a panic: of the code under test, or of an assertion here that says what must
//! hold for any bytes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a target says by a panic what must not be"
)]

mod boot_question;
mod config;
mod files;
mod handshake;
mod input;
mod json;
mod link_machine;
mod mdns_packet;
mod messages;
mod program;
mod rest_body;
mod seeds;
mod smsg_frame;
mod stratum_line;
mod succession;
mod tftp_packet;
mod token_text;
mod wire_message;
mod world;

pub use input::XorShift;
pub use seeds::{Seed, seeds};

/// One parser under test.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target and of its folder of corpora.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]),
    /// Whether only `shared` reads the bytes, which has no heap.
    pub in_shared: bool,
}

const fn shared(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        run,
        in_shared: true,
    }
}

const fn program(name: &'static str, run: fn(&[u8])) -> Target {
    Target {
        name,
        run,
        in_shared: false,
    }
}

/// Every target.
pub const TARGETS: [Target; 17] = [
    program("boot_question", boot_question::run),
    program("config", config::run),
    shared("handshake_first", handshake::first),
    shared("handshake_second", handshake::second),
    shared("handshake_third", handshake::third),
    shared("json", json::run),
    program("key_file", files::run),
    shared("link_machine", link_machine::run),
    shared("mdns_packet", mdns_packet::run),
    program("program", program::run),
    program("rest_body", rest_body::run),
    shared("smsg_frame", smsg_frame::run),
    shared("stratum_line", stratum_line::run),
    shared("succession", succession::run),
    program("tftp_packet", tftp_packet::run),
    shared("token_text", token_text::run),
    shared("wire_message", wire_message::run),
];

/// What an error says to a person: one line that moves no cursor.
fn said(error: &dyn core::fmt::Display) {
    let line = error.to_string();
    assert!(
        !line.is_empty() && !line.chars().any(char::is_control),
        "{line:?}"
    );
}

/// Feeds one input to the target of this name.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.unwrap_or_else(|| panic!("no target is called {name}"));
    (target.run)(data);
}
