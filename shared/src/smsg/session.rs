//! The frames after the handshake: one key and one counter per direction.
//!
//! The counter is implicit: TCP keeps the order, so that a replayed, dropped, reordered, reflected or
//! spliced frame does not decrypt and the session ends. No window, no cache.
//!
//! ```text
//! counter  0 … 1023 │ 1024 … 2047 │ …      2^20              2^20 + 2^16
//!             rekey ┘       rekey ┘        dialler renews    either side closes
//! ```

use super::frame::{self, Frame, Kind};
use super::noise::{CipherState, NoiseError, Transport};
use crate::crypto::Ed25519Key;
use crate::limits::{CLOSE_FRAMES, FRAME_HEADER, MAX_FRAME, REKEY_FRAMES, TAG};

/// Both directions of an established link.
#[derive(Debug)]
pub(super) struct Session {
    send: CipherState,
    receive: CipherState,
    hash: [u8; 32],
    version: u8,
    /// Whose messages come on it.
    author: Option<Ed25519Key>,
}

impl Session {
    pub(super) fn new(transport: Transport, version: u8, author: Option<Ed25519Key>) -> Self {
        Self {
            send: transport.send,
            receive: transport.receive,
            hash: transport.hash,
            version,
            author,
        }
    }

    /// The key that signs what comes on it.
    pub(super) fn author(&self) -> Option<Ed25519Key> {
        self.author
    }

    /// The handshake's hash.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The version that both ends speak.
    pub(super) fn version(&self) -> u8 {
        self.version
    }

    /// Frames of the busier direction so far.
    pub(super) fn frames(&self) -> u64 {
        self.send.counter().max(self.receive.counter())
    }

    /// Moves both counters, so that tests reach limits without a million frames.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, counter: u64) {
        self.send.skip_to(counter);
        self.receive.skip_to(counter);
    }

    /// Seals the `plain` bytes that stand behind the header's place in `out` and returns the length
    /// of the frame.
    pub(super) fn seal(
        &mut self,
        kind: Kind,
        plain: usize,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<usize, NoiseError> {
        let header = frame::header(self.version, kind, plain + TAG);
        let (place, body) = out
            .split_first_chunk_mut::<FRAME_HEADER>()
            .ok_or(NoiseError::Length)?;
        *place = header;
        let (text, tag) = body
            .get_mut(..plain + TAG)
            .and_then(|sealed| sealed.split_last_chunk_mut::<TAG>())
            .ok_or(NoiseError::Length)?;
        below_limit(&self.send)?;
        *tag = self.send.seal(&header, text)?;
        rekey_if_due(&mut self.send);
        Ok(FRAME_HEADER + plain + TAG)
    }

    /// Opens the frame in place and returns its plaintext.
    pub(super) fn open<'f>(&mut self, frame: Frame<'f>) -> Result<&'f [u8], NoiseError> {
        let (text, tag) = frame
            .body
            .split_last_chunk_mut::<TAG>()
            .ok_or(NoiseError::Length)?;
        below_limit(&self.receive)?;
        self.receive.open(&frame.header, text, tag)?;
        rekey_if_due(&mut self.receive);
        Ok(text)
    }
}

fn below_limit(cipher: &CipherState) -> Result<(), NoiseError> {
    if cipher.counter() < CLOSE_FRAMES {
        Ok(())
    } else {
        Err(NoiseError::Exhausted)
    }
}

/// After the last frame of each 1,024.
fn rekey_if_due(cipher: &mut CipherState) {
    if cipher.counter().is_multiple_of(REKEY_FRAMES) {
        cipher.rekey();
    }
}
