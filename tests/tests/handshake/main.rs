//! The handshake against another implementation, and against every changed bit.

#[path = "../link/support.rs"]
#[expect(dead_code, reason = "the handshake needs a part of it")]
mod support;

mod bits;
mod snow_oracle;
