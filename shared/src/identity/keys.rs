//! A node's keys: one seed of 32 bytes, and all that is derived from it.

use core::fmt;

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Fingerprint;
use crate::crypto::{ed25519_sign, hkdf_sha256, sha256, x25519_public};
use crate::limits::SIGNATURE;

const SALT: &[u8] = b"SMSG/1 keys";

/// The secret keys of a node and their public halves. Zeroized when dropped, never shown.
pub struct NodeKeys {
    seed: Zeroizing<[u8; 32]>,
    x25519: Zeroizing<[u8; 32]>,
    ed25519: SigningKey,
    public: PublicKeys,
}

impl NodeKeys {
    /// The keys that follow from this seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let x25519 = hkdf_sha256(SALT, seed, b"x25519");
        let ed25519 = SigningKey::from_bytes(&hkdf_sha256(SALT, seed, b"ed25519"));
        let public = PublicKeys {
            x25519: x25519_public(&x25519),
            ed25519: ed25519.verifying_key().to_bytes(),
        };
        Self {
            seed: Zeroizing::new(*seed),
            x25519,
            ed25519,
            public,
        }
    }

    /// New keys. The caller's source must have been seeded by the system: wait for it at boot.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    /// The seed, for the key file and nothing else.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public halves.
    pub fn public(&self) -> &PublicKeys {
        &self.public
    }

    /// The node's identity.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// The X25519 secret, for the handshake.
    pub(crate) fn x25519_secret(&self) -> &[u8; 32] {
        &self.x25519
    }

    /// Signs the parts, one after the other, with the Ed25519 key.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE] {
        ed25519_sign(&self.ed25519, parts)
    }
}

impl fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKeys({})", self.fingerprint().node_id())
    }
}

/// The public keys of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeys {
    /// For the key exchange.
    pub x25519: [u8; 32],
    /// For signatures.
    pub ed25519: [u8; 32],
}

impl PublicKeys {
    /// The identity that both keys make together.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(sha256(&[b"SMSG/1 node\0", &self.x25519, &self.ed25519]))
    }
}
