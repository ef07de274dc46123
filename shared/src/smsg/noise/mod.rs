//! The Noise Protocol Framework, revision 34, for the two patterns that SMSG uses and no other:
//! `Noise_XX_25519_ChaChaPoly_SHA256` and `Noise_XXpsk0_25519_ChaChaPoly_SHA256`.
//!
//! ```text
//! XX:  -> e               first    32 bytes  (XXpsk0: -> psk, e   48 bytes)
//!      <- e, ee, s, es    second   96 + payload
//!      -> s, se           third    64 + payload
//! ```
//! Public so that the tests can set it against another implementation, byte by byte; programs use
//! [`Link`](super::Link). It differs from the framework in one place: an all-zero DH result ends the
//! handshake (section 12.1 leaves that open).

mod cipher;
mod handshake;
mod symmetric;

pub use cipher::CipherState;
pub use handshake::{
    FirstMessage, PAYLOAD, ReadFirst, ReadSecond, SECOND, SentFirst, SentSecond, Start, Suite,
    THIRD, Transport,
};

use core::fmt;

use zeroize::Zeroizing;

/// Why a handshake or a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoiseError {
    /// The tag is wrong: another key, another order, or changed bytes.
    Decrypt,
    /// All 2^64 - 1 counters of a key are used.
    Exhausted,
    /// The message does not have the length that it must have.
    Length,
    /// A public key of low order: its DH result is all zero.
    LowOrderPoint,
}

impl fmt::Display for NoiseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decrypt => "it does not decrypt",
            Self::Exhausted => "the key is used up",
            Self::Length => "it has a wrong length",
            Self::LowOrderPoint => "it holds a public key of low order",
        })
    }
}

impl core::error::Error for NoiseError {}

/// 32 secret bytes: zeroized when dropped, not shown, not cloned.
struct Secret(Zeroizing<[u8; 32]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
