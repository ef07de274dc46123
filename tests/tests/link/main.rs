//! Two links, the wire between them, and an adversary on it; all in virtual time.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation fails the test"
)]

mod commands;
mod first_contact;
mod hostile;
mod schedule;
mod secrecy;
mod session;
mod succession;
mod support;
mod timers;
mod versions;
