//! The five primitives, each wrapped once.
//!
//! Everything above calls these functions and nothing else, so that the published vectors
//! (`tests/tests/primitives.rs`) prove exactly what runs. Nothing is home-made but HMAC and HKDF,
//! which are thirty lines over SHA-256 and save two crates on a rig.
//!
//! | function        | standard           | used for                                        |
//! |-----------------|--------------------|-------------------------------------------------|
//! | [`sha256`]      | FIPS 180-4         | fingerprints, Noise `h`, records                |
//! | [`hmac_sha256`] | RFC 2104           | HKDF                                            |
//! | [`hkdf_sha256`] | RFC 5869           | keys from the seed, Noise `HKDF` (empty info)   |
//! | [`x25519`]      | RFC 7748           | Noise `DH`; an all-zero result is no result     |
//! | [`aead_seal`]   | RFC 8439           | Noise `ENCRYPT` and frames                      |
//! | [`Ed25519Key`]  | RFC 8032, strict   | certificates and messages                       |

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use ed25519_dalek::ed25519::signature::{MultipartSigner, MultipartVerifier};
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use crate::limits::{SIGNATURE, TAG};

/// SHA-256 of the parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA256 of the parts, one after the other, under a key of any length.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = Zeroizing::new([0_u8; BLOCK]);
    if key.len() <= BLOCK {
        block.iter_mut().zip(key).for_each(|(b, k)| *b = *k);
    } else {
        let mut short = sha256(&[key]);
        block.iter_mut().zip(short).for_each(|(b, k)| *b = k);
        short.zeroize();
    }

    block.iter_mut().for_each(|b| *b ^= 0x36);
    let mut inner = Sha256::new_with_prefix(*block);
    for part in parts {
        inner.update(part);
    }
    block.iter_mut().for_each(|b| *b ^= 0x36 ^ 0x5c);
    sha256(&[&*block, &inner.finalize()])
}

/// HKDF-SHA256, extract and expand, for `N` bytes of key material; more than 255 blocks do not
/// compile.
pub fn hkdf_sha256<const N: usize>(salt: &[u8], ikm: &[u8], info: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32, "RFC 5869 ends at 255 blocks") };
    let key = Zeroizing::new(hmac_sha256(salt, &[ikm]));
    let mut out = Zeroizing::new([0_u8; N]);
    let mut block = Zeroizing::new([0_u8; 32]);
    for (counter, chunk) in (1_u8..=255).zip(out.chunks_mut(32)) {
        let before: &[u8] = if counter == 1 { &[] } else { &*block };
        block = Zeroizing::new(hmac_sha256(&*key, &[before, info, &[counter]]));
        chunk.iter_mut().zip(&*block).for_each(|(o, b)| *o = *b);
    }
    out
}

/// The public key of an X25519 secret.
pub fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// X25519; `None` when the result is all zero, which a low-order `public` always gives.
pub fn x25519(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&PublicKey::from(*public));
    shared
        .was_contributory()
        .then(|| Zeroizing::new(shared.to_bytes()))
}

/// ChaCha20-Poly1305: encrypts `text` in place and returns the tag. `None` only for a text longer
/// than the cipher's 256 GiB.
pub fn aead_seal(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
) -> Option<[u8; TAG]> {
    ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(nonce.into(), ad, text.into())
        .ok()
        .map(Into::into)
}

/// ChaCha20-Poly1305: decrypts `text` in place; `None` and an unchanged `text` if the tag is wrong.
pub fn aead_open(
    key: &[u8; 32],
    nonce: &[u8; 12],
    ad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Option<()> {
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(nonce.into(), ad, text.into(), tag.into())
        .ok()
}

/// Ed25519 signature over the parts, one after the other. The key holds its own public half: none
/// is ever taken as an argument.
pub fn ed25519_sign(key: &SigningKey, parts: &[&[u8]]) -> [u8; SIGNATURE] {
    key.multipart_sign(parts).to_bytes()
}

/// A public Ed25519 key that verifies many signatures: its point is worked out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519Key(VerifyingKey);

impl Ed25519Key {
    /// `None` if `public` is no point, or one of small order.
    pub fn new(public: &[u8; 32]) -> Option<Self> {
        let key = VerifyingKey::from_bytes(public).ok()?;
        (!key.is_weak()).then_some(Self(key))
    }

    /// Whether `signature` over the parts is by this key, by the rules of dalek's `verify_strict`:
    /// canonical `s` and `R`, and neither `R` nor the key of small order.
    pub fn verify(&self, parts: &[&[u8]], signature: &[u8; SIGNATURE]) -> bool {
        let signature = Signature::from_bytes(signature);
        // The equation is compared with `R` in its one canonical form, so these are all encodings
        // that it could have, and no point has to be worked out of it.
        !has_small_order(signature.r_bytes()) && self.0.multipart_verify(parts, &signature).is_ok()
    }
}

/// As [`Ed25519Key::verify`], for a key that verifies once.
pub fn ed25519_verify(public: &[u8; 32], parts: &[&[u8]], signature: &[u8; SIGNATURE]) -> bool {
    Ed25519Key::new(public).is_some_and(|key| key.verify(parts, signature))
}

/// Whether these are the canonical bytes of one of the eight points whose order divides 8, of which
/// five have a `y` of their own: 1, -1, 0, and those of order 8.
fn has_small_order(point: &[u8; 32]) -> bool {
    let mut y = *point;
    if let Some(top) = y.last_mut() {
        // The sign of `x`.
        *top &= 0x7f;
    }
    SMALL_ORDER_Y.contains(&y)
}

/// The `y` of the points of small order, little-endian; -1 is 2^255 - 20.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listed_y_are_those_of_all_eight_points_of_small_order() {
        let mut points = std::vec::Vec::new();
        for (y, sign) in SMALL_ORDER_Y.iter().flat_map(|y| [(y, 0), (y, 0x80)]) {
            let mut point = *y;
            point[31] |= sign;
            assert!(has_small_order(&point));
            let key = VerifyingKey::from_bytes(&point).expect("a point");
            assert!(key.is_weak());
            // The two whose `x` is 0 have no sign.
            let point = key.to_edwards();
            if !points.contains(&point) {
                points.push(point);
            }
        }
        assert_eq!(points.len(), 8);
    }
}
