//! The release key: who may say what rigs boot.

use core::fmt;

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::DOMAIN;
use crate::crypto::{ed25519_sign, hkdf_sha256};
use crate::limits::SIGNATURE;

/// The farm's release key, kept away from the controller. Its file is a [key file](crate::identity::key_file)
/// of the seed; the key differs from every other that could come of the same seed.
pub struct ReleaseKey(Zeroizing<[u8; 32]>);

impl ReleaseKey {
    /// A new key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self(seed)
    }

    /// The key of this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*seed))
    }

    /// The seed, for the key file and nothing else.
    pub fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// What controllers and rigs check manifests with.
    pub fn public(&self) -> [u8; 32] {
        self.signing().verifying_key().to_bytes()
    }

    /// The signature of a manifest's first line, its end included.
    pub fn sign(&self, line: &[u8]) -> [u8; SIGNATURE] {
        ed25519_sign(&self.signing(), &[DOMAIN, line])
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&hkdf_sha256(b"SMSG/1 release", &*self.0, b"ed25519"))
    }
}

impl fmt::Debug for ReleaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseKey(…)")
    }
}
