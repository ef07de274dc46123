//! `SymmetricState`: the chaining key and the hash of all that was said (section 5.2).

use zeroize::Zeroizing;

use super::{CipherState, NoiseError, Secret};
use crate::crypto::{hkdf_sha256, sha256};
use crate::limits::TAG;

/// The state that both sides mix every token into.
#[derive(Debug)]
pub(super) struct SymmetricState {
    chaining_key: Secret,
    hash: [u8; 32],
    cipher: Option<CipherState>,
}

impl SymmetricState {
    /// `InitializeSymmetric`. Of our protocol names one has 32 bytes, the other more.
    pub(super) fn new(protocol: &[u8]) -> Self {
        let mut hash = [0; 32];
        if protocol.len() <= hash.len() {
            hash.iter_mut().zip(protocol).for_each(|(h, p)| *h = *p);
        } else {
            hash = sha256(&[protocol]);
        }
        Self {
            chaining_key: Secret(Zeroizing::new(hash)),
            hash,
            cipher: None,
        }
    }

    /// `MixHash`.
    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = sha256(&[&self.hash, data]);
    }

    /// `MixKey`.
    pub(super) fn mix_key(&mut self, input: &[u8]) {
        let [chaining_key, key] = hkdf(&self.chaining_key, input);
        self.chaining_key = Secret(chaining_key);
        self.cipher = Some(CipherState::new(key));
    }

    /// `MixKeyAndHash`.
    pub(super) fn mix_key_and_hash(&mut self, input: &[u8]) {
        let [chaining_key, hash, key] = hkdf(&self.chaining_key, input);
        self.chaining_key = Secret(chaining_key);
        self.mix_hash(&*hash);
        self.cipher = Some(CipherState::new(key));
    }

    /// `EncryptAndHash`: `text` is the plaintext and, once there is a key, room for the tag behind it.
    pub(super) fn seal(&mut self, text: &mut [u8]) -> Result<(), NoiseError> {
        if let Some(cipher) = &mut self.cipher {
            let (plain, tag) = text
                .split_last_chunk_mut::<TAG>()
                .ok_or(NoiseError::Length)?;
            *tag = cipher.seal(&self.hash, plain)?;
        }
        self.mix_hash(text);
        Ok(())
    }

    /// `DecryptAndHash`: `text` is the ciphertext and, once there is a key, its tag behind it.
    pub(super) fn open(&mut self, text: &mut [u8]) -> Result<(), NoiseError> {
        let hash = sha256(&[&self.hash, text]);
        if let Some(cipher) = &mut self.cipher {
            let (sealed, tag) = text
                .split_last_chunk_mut::<TAG>()
                .ok_or(NoiseError::Length)?;
            cipher.open(&self.hash, sealed, tag)?;
        }
        self.hash = hash;
        Ok(())
    }

    /// `Split`: the keys of both directions, the initiator's first, and the handshake's hash.
    pub(super) fn split(self) -> ([CipherState; 2], [u8; 32]) {
        let keys: [_; 2] = hkdf(&self.chaining_key, &[]);
        (keys.map(CipherState::new), self.hash)
    }
}

/// Noise's `HKDF` is RFC 5869's with the chaining key as salt, no info, and 32 bytes per output.
fn hkdf<const OUTPUTS: usize>(key: &Secret, input: &[u8]) -> [Zeroizing<[u8; 32]>; OUTPUTS] {
    const { assert!(OUTPUTS <= 3, "three outputs at most (section 4.3)") };
    let material = hkdf_sha256::<96>(&*key.0, input, &[]);
    let mut blocks = material.as_chunks::<32>().0.iter();
    core::array::from_fn(|_| Zeroizing::new(blocks.next().copied().unwrap_or_default()))
}
