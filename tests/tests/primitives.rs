//! Wycheproof: the published vectors of each primitive against the very functions that we use.
//!
//! The counts are asserted, so that an empty or shortened set cannot pass.

use miner_shared::crypto::{
    aead_open, aead_seal, ed25519_verify, hkdf_sha256, hmac_sha256, x25519,
};
use wycheproof::TestResult;
use wycheproof::{aead, eddsa, hkdf, mac, xdh};

#[test]
fn x25519_agrees_with_518_vectors_and_refuses_all_zero_results() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("vectors");
    let (mut tests, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tests += 1;
        let secret = test.private_key[..].try_into().expect("32 bytes");
        let public = test.public_key[..].try_into().expect("32 bytes");
        let shared = x25519(&secret, &public);
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            refused += 1;
            assert!(shared.is_none(), "test {}", test.tc_id);
        } else {
            let shared = shared.expect("contributory");
            assert_eq!(shared[..], test.shared_secret[..], "test {}", test.tc_id);
        }
    }
    assert_eq!((tests, refused), (518, REFUSED_X25519));
}

/// Vectors whose public key is of low order.
const REFUSED_X25519: usize = 31;

#[test]
fn ed25519_agrees_with_151_vectors() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).expect("vectors");
    let mut tests = 0;
    for group in &set.test_groups {
        let public = group.key.pk[..].try_into().expect("32 bytes");
        for test in &group.tests {
            tests += 1;
            let good = <&[u8; 64]>::try_from(&test.sig[..]).is_ok_and(|signature| {
                // In two parts, as messages are verified.
                let (head, tail) = test.msg.split_at(test.msg.len() / 2);
                ed25519_verify(&public, &[head, tail], signature)
            });
            assert_eq!(
                good,
                test.result == TestResult::Valid,
                "test {}",
                test.tc_id
            );
        }
    }
    assert_eq!(tests, 151);
}

#[test]
fn chacha20_poly1305_agrees_with_325_vectors() {
    let set = aead::TestSet::load(aead::TestName::ChaCha20Poly1305).expect("vectors");
    let (mut tests, mut other_nonces) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            tests += 1;
            let key = test.key[..].try_into().expect("32 bytes");
            let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                // Our nonces are arrays of 12 bytes: another length cannot be expressed.
                assert_eq!(test.result, TestResult::Invalid);
                other_nonces += 1;
                continue;
            };
            let tag = test.tag[..].try_into().expect("16 bytes");
            let mut text = test.ct.to_vec();
            let opened = aead_open(&key, &nonce, &test.aad, &mut text, &tag);
            assert_eq!(
                opened.is_some(),
                test.result == TestResult::Valid,
                "test {}",
                test.tc_id
            );
            if opened.is_some() {
                assert_eq!(text, test.pt[..], "test {}", test.tc_id);
                assert_eq!(aead_seal(&key, &nonce, &test.aad, &mut text), Some(tag));
                assert_eq!(text, test.ct[..], "test {}", test.tc_id);
            }
        }
    }
    assert_eq!((tests, other_nonces), (325, OTHER_NONCES));
}

/// Vectors with a nonce of another length than 12 bytes.
const OTHER_NONCES: usize = 9;

#[test]
fn hkdf_sha256_agrees_with_86_vectors() {
    const LONGEST: usize = 255 * 32;
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).expect("vectors");
    let (mut tests, mut too_long) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tests += 1;
        if test.size > LONGEST {
            // A longer output does not compile.
            assert_eq!(test.result, TestResult::Invalid);
            too_long += 1;
            continue;
        }
        // Shorter outputs are beginnings of the longest.
        let okm = hkdf_sha256::<LONGEST>(&test.salt, &test.ikm, &test.info);
        assert_eq!(okm[..test.size], test.okm[..], "test {}", test.tc_id);
    }
    assert_eq!((tests, too_long), (86, TOO_LONG));
    assert_eq!(
        hkdf_sha256::<40>(b"salt", b"ikm", b"")[..],
        hkdf_sha256::<LONGEST>(b"salt", b"ikm", b"")[..40]
    );
}

/// Vectors that ask for more than RFC 5869 allows.
const TOO_LONG: usize = 3;

#[test]
fn hmac_sha256_agrees_with_174_vectors() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).expect("vectors");
    let mut tests = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tests += 1;
        let (head, tail) = test.msg.split_at(test.msg.len() / 2);
        let tag = hmac_sha256(&test.key, &[head, tail]);
        // Some vectors hold the beginning of the tag only.
        let good = tag[..test.tag.len()] == test.tag[..];
        assert_eq!(
            good,
            test.result == TestResult::Valid,
            "test {}",
            test.tc_id
        );
    }
    assert_eq!(tests, 174);
}

/// What strictness adds to the vectors, against dalek's own `verify_strict`.
#[test]
fn small_orders_and_strangers_are_refused_as_by_verify_strict() {
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

    let key = SigningKey::from_bytes(&[7; 32]);
    let public = key.verifying_key().to_bytes();
    let good = key.sign(b"message").to_bytes();
    // The identity point signs everything: s = 0 and R = A = identity satisfy the equation.
    let identity: [u8; 32] = core::array::from_fn(|at| u8::from(at == 0));
    let mut forged = [0; 64];
    forged[..32].copy_from_slice(&identity);
    let mut other_r = good;
    other_r[..32].copy_from_slice(&identity);

    for (public, signature) in [
        (public, good),
        (public, other_r),
        (identity, forged),
        (identity, good),
        (
            SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes(),
            good,
        ),
    ] {
        let strict = VerifyingKey::from_bytes(&public).is_ok_and(|key| {
            key.verify_strict(b"message", &Signature::from_bytes(&signature))
                .is_ok()
        });
        let ours = ed25519_verify(&public, &[b"mess", b"age"], &signature);
        assert_eq!(ours, strict);
        assert_eq!(
            ours,
            signature == good && public == key.verifying_key().to_bytes()
        );
    }
}

/// The equation alone would let these through: the key is a multiple of the base point plus a point
/// `T` of this order, `R` is `T`, and the message is one whose `k` is -1 modulo the order, so that
/// `s B = R + k A`. Made with integers modulo 2^255 - 19 outside of this project.
#[test]
fn a_signature_whose_r_has_small_order_is_refused_though_its_equation_holds() {
    use ed25519_dalek::{Signature, Verifier, VerifyingKey};

    let forged = [
        (
            1,
            "b5fc800b65e9d2545181aa64bf03bb393d9958d72c4ba5e060585bf1474ff558",
            "message 0",
            "01000000000000000000000000000000000000000000000000000000000000001cccd732c5fc983e991b1900a3195769c1e06a423c6d329beaf63c2e26d7420c",
        ),
        (
            2,
            "38037ff49a162dabae7e559b40fc44c6c266a728d3b45a1f9fa7a40eb8b00aa7",
            "message 1",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7fe6853b0efe804474e2819729aed365f655df73ac7c74c794bfe5d1069fd9ff07",
        ),
        (
            4,
            "ba986919ce4b403331ba6bd2c367ff410f64803e9d74f6b70d6f3a663795165f",
            "message 4",
            "000000000000000000000000000000000000000000000000000000000000008048c4611f910f49565989dccc3809922666908b8cebd2780cc66e1df84b2f2f0d",
        ),
        (
            8,
            "bb49599664e07c4b7d8c14168c32be7fc8da6b1fe699bbc551756fb0d89365ad",
            "message 5",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a1e56b35df0ebcad9ecbcdabc7172cb90314924938b66abcf5d4e80d53e067c0d",
        ),
    ];
    for (order, public, message, signature) in forged {
        let public = hex::decode(public)
            .expect("hex")
            .try_into()
            .expect("32 bytes");
        let signature = hex::decode(signature)
            .expect("hex")
            .try_into()
            .expect("64 bytes");
        let key = VerifyingKey::from_bytes(&public).expect("a point");
        let dalek = Signature::from_bytes(&signature);
        assert!(
            key.verify(message.as_bytes(), &dalek).is_ok(),
            "order {order}: no forgery"
        );
        assert!(key.verify_strict(message.as_bytes(), &dalek).is_err());
        assert!(
            !ed25519_verify(&public, &[message.as_bytes()], &signature),
            "order {order}"
        );
    }
}
