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
//! | [`ed25519_verify`] | RFC 8032, strict | certificates and messages                      |

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

/// Whether `signature` over the parts is by `public`, by the rules of dalek's `verify_strict`:
/// canonical `s` and `R`, and neither `R` nor the key of small order.
pub fn ed25519_verify(public: &[u8; 32], parts: &[&[u8]], signature: &[u8; SIGNATURE]) -> bool {
    let signature = Signature::from_bytes(signature);
    // `R` is a point encoded like a key, so the key type can say whether its order is small.
    let (Ok(key), Ok(r)) = (
        VerifyingKey::from_bytes(public),
        VerifyingKey::from_bytes(signature.r_bytes()),
    ) else {
        return false;
    };
    !key.is_weak() && !r.is_weak() && key.multipart_verify(parts, &signature).is_ok()
}
