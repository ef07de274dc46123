//! The handshake against another implementation, and against every changed bit.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation fails the test"
)]

#[path = "../link/support.rs"]
#[expect(dead_code, reason = "the handshake needs a part of it")]
mod support;

mod bits;
mod snow_oracle;
