//! Secrets are found in every form; what only looks like one is not.

use super::*;
use crate::disk::{Disk, Kernel, Machine};
use miner_shared::identity::{EnrolToken, Fingerprint, RecoveryKey};

const SEED: [u8; 32] = *b"\x9f\x86\xd0\x81\x88\x4c\x7d\x65\x9a\x2f\xea\xa0\xc5\x5a\xd0\x15\xa3\xbf\x4f\x1b\x2b\x0b\x82\x2c\xd1\x5d\x6c\x15\xb0\xf0\x0a\x08";

/// Not random: a test must not be.
struct Counting(u8);

impl rand_core::TryRng for Counting {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.0 = self.0.wrapping_mul(37).wrapping_add(11);
        Ok(u32::from_le_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.try_next_u32().map(u64::from)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(37).wrapping_add(11);
            *byte = self.0;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counting {}

fn token() -> String {
    EnrolToken::generate(&mut Counting(1), &Fingerprint([3; 32])).to_string()
}

fn known() -> [Secret<'static>; 1] {
    [Secret {
        name: "the controller's key",
        bytes: &SEED,
    }]
}

/// Hides the text among other bytes.
fn among(text: &[u8]) -> Vec<u8> {
    [&[0xAA; 100][..], text, &[0xBB; 100]].concat()
}

#[test]
fn a_known_secret_is_found_in_every_form_and_place() {
    let hex: String = SEED.iter().map(|b| format!("{b:02x}")).collect();
    let mut texts = vec![
        SEED.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
    ];
    for before in 0..15 {
        let bytes = [&vec![0x5A; before][..], &SEED, &[0xA5; 15]].concat();
        for (alphabet, bits) in [
            (CROCKFORD, 5),
            (RFC_4648_32, 5),
            (RFC_4648_64, 6),
            (URL_64, 6),
        ] {
            let text = digits(&bytes, alphabet, bits, 0);
            if bits == 5 {
                texts.push(text.to_ascii_lowercase());
            }
            texts.push(text);
        }
    }
    for text in texts {
        let found = search(&among(&text), &known());
        assert_eq!(found.len(), 1, "{}", String::from_utf8_lossy(&text));
        assert!(found[0].what.starts_with("the controller's key ("));
        assert!((100..140).contains(&found[0].at));
    }
}

#[test]
fn the_digits_are_those_of_the_standards() {
    assert_eq!(digits(b"foobar", RFC_4648_64, 6, 0), b"Zm9vYmFy");
    assert_eq!(digits(b"fooba", RFC_4648_32, 5, 0), b"MZXW6YTB");
    assert_eq!(digits(b"fo", HEX, 4, 0), b"666f");
}

#[test]
fn keys_and_tokens_are_found_by_their_form() {
    let recovery = RecoveryKey::generate(&mut Counting(1)).to_string();
    let pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n";
    for (text, what) in [
        (&key_file::encode(&SEED)[..], "a private key file"),
        (token().as_bytes(), "an enrolment token"),
        (recovery.as_bytes(), "a recovery key"),
        (pem.as_bytes(), "a private key in PEM"),
    ] {
        let found = search(&among(text), &[]);
        assert_eq!(found.len(), 1, "{what}");
        assert_eq!((&found[0].what[..], found[0].at), (what, 100));
    }
}

#[test]
fn a_programs_words_for_keys_are_no_keys() {
    let mut wrong_check = token();
    wrong_check.replace_range(
        20..21,
        if &wrong_check[20..21] == "0" {
            "1"
        } else {
            "0"
        },
    );
    for text in [
        &b"SMSGKEY1"[..],
        b"ENR1-",
        b"ENR1-SMSGKEY1REC1-mct_",
        b"-----BEGIN PRIVATE KEY-----",
        b"-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUc0l0c2VydmVyMB4XDTI0",
        wrong_check.as_bytes(),
    ] {
        assert_eq!(
            search(&among(text), &[]),
            [],
            "{}",
            String::from_utf8_lossy(text)
        );
        assert_eq!(search(text, &[]), []);
    }
}

fn disk(state: &[(&str, &[u8])], kernel: &[u8]) -> Vec<u8> {
    let disk = Disk {
        version: "1.0.0".parse().unwrap(),
        machine: Machine::Arm64 {
            boot_manager: b"MZ",
            kernel: Kernel {
                image: kernel,
                initramfs: b"",
                command_line: "",
            },
        },
        state,
    };
    disk.layout().unwrap().to_vec()
}

#[test]
fn a_finished_disk_holds_nothing_that_was_not_asked_for() {
    let token = token();
    let with_token = [("token", token.as_bytes())];
    let clean = disk(&[("owner.toml", b"owner = \"Ada\"")], b"kernel");
    assert_eq!(check(&clean, &known(), false), Ok(()));
    let asked_for = disk(&with_token, b"kernel");
    assert_eq!(check(&asked_for, &known(), true), Ok(()));
    assert!(check(&asked_for, &known(), false).is_err());
    // In the boot partition it would be in every copy of the kernel.
    let elsewhere = disk(&[], token.as_bytes());
    assert!(check(&elsewhere, &known(), true).is_err());
    // A private key is never asked for.
    let key = key_file::encode(&SEED);
    let with_key = disk(&[("private.key", &*key)], b"kernel");
    let error = check(&with_key, &[], true).unwrap_err().to_string();
    assert!(
        error.starts_with("the image holds a private key file at byte "),
        "{error}"
    );
}
