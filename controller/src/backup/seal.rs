//! The bytes of a backup.
//!
//! ```text
//!  0    8  "MCTRLBK1"
//!  8    1  Argon2id memory, as the power of two of KiB
//!  9    1  Argon2id passes
//! 10    2  zero
//! 12   16  salt
//! 28   32  the recipient's X25519 public key R
//! 60   32  an X25519 public key E, made for this file
//! 92    .  chunks of 64 KiB, the last one shorter (or empty): ciphertext | tag[16]
//! ```
//! The recipient's secret is Argon2id(passphrase, salt), so the passphrase alone opens the file. The key
//! of the chunks is HKDF-SHA256(salt = E | R, input = X25519(E, R), info = "miner-ctrl backup 1"); the
//! nonce of chunk n is n as u64 LE and the byte 1 for the last one, which is the STREAM construction
//! (Hoang, Reyhanitabar, Rogaway, Vizár 2015): chunks cannot be cut off, swapped or repeated. The header
//! is associated data of every chunk.

use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use miner_shared::crypto::{aead_open, aead_seal, hkdf_sha256, x25519, x25519_public};
use miner_shared::limits::TAG;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of the largest backup that is read: the registry of 10,000 rigs is about 10 MB.
pub const MAX_BACKUP: u64 = 256 << 20;
/// Characters of the shortest passphrase that is taken for a new recipient.
pub const MIN_PASSPHRASE: usize = 12;

const MAGIC: [u8; 8] = *b"MCTRLBK1";
const HEADER: usize = 92;
/// Plaintext of a chunk.
const CHUNK: usize = 64 * 1024;
const INFO: &[u8] = b"miner-ctrl backup 1";
/// What a recipient's text begins with.
const PREFIX: &str = "BAK1-";
/// Cost of a new recipient: 64 MiB and 3 passes, the second choice of RFC 9106, about 0.2 s.
const COST: Cost = Cost {
    memory_log2_kib: 16,
    passes: 3,
};
/// The dearest cost that is paid for a file: 1 GiB and 16 passes.
const DEAREST: Cost = Cost {
    memory_log2_kib: 20,
    passes: 16,
};

/// What the passphrase is stretched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_log2_kib: u8,
    passes: u8,
}

/// To whom a backup is sealed: the public half of a passphrase. Its text holds no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient {
    cost: Cost,
    salt: [u8; 16],
    public: [u8; 32],
}

/// A backup that was opened.
pub type Unsealed = Zeroizing<Vec<u8>>;

impl Recipient {
    fn bytes(&self) -> [u8; 52] {
        let mut out = [0; 52];
        let head = [self.cost.memory_log2_kib, self.cost.passes, 0, 0];
        let bytes = head.iter().chain(&self.salt).chain(&self.public);
        out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
        out
    }

    fn read(bytes: &[u8; 52]) -> Option<Self> {
        let (&[memory_log2_kib, passes, 0, 0], rest) = bytes.split_first_chunk()? else {
            return None;
        };
        let (salt, public) = rest.split_first_chunk()?;
        let cost = Cost {
            memory_log2_kib,
            passes,
        };
        let sane = (3..=DEAREST.memory_log2_kib).contains(&memory_log2_kib)
            && (1..=DEAREST.passes).contains(&passes);
        sane.then_some(Self {
            cost,
            salt: *salt,
            public: public.try_into().ok()?,
        })
    }

    fn secret(&self, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, SealError> {
        stretch(self.cost, &self.salt, passphrase)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.bytes()))
    }
}

impl FromStr for Recipient {
    type Err = SealError;

    fn from_str(text: &str) -> Result<Self, SealError> {
        let bytes = text.strip_prefix(PREFIX);
        let bytes = bytes.and_then(|bytes| URL_SAFE_NO_PAD.decode(bytes).ok());
        let bytes: Option<[u8; 52]> = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes
            .and_then(|bytes| Self::read(&bytes))
            .ok_or(SealError::NotARecipient)
    }
}

fn stretch(
    cost: Cost,
    salt: &[u8; 16],
    passphrase: &str,
) -> Result<Zeroizing<[u8; 32]>, SealError> {
    let memory_kib = 1_u32 << cost.memory_log2_kib;
    let params = Params::new(memory_kib, u32::from(cost.passes), 1, Some(32));
    let params = params.map_err(|_| SealError::NotABackup)?;
    let mut secret = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut *secret)
        .map_err(|_| SealError::NoMemory)?;
    Ok(secret)
}

/// The recipient of this passphrase, with a salt of its own. Takes a moment.
///
/// # Errors
/// The passphrase is shorter than [`MIN_PASSPHRASE`], or there is no memory to stretch it.
pub fn recipient_of(passphrase: &str, rng: &mut dyn CryptoRng) -> Result<Recipient, SealError> {
    if passphrase.chars().count() < MIN_PASSPHRASE {
        return Err(SealError::TooShort);
    }
    let mut salt = [0; 16];
    rng.fill_bytes(&mut salt);
    let secret = stretch(COST, &salt, passphrase)?;
    Ok(Recipient {
        cost: COST,
        salt,
        public: x25519_public(&secret),
    })
}

/// Seals the plaintext to the recipient.
///
/// # Errors
/// The recipient's key is none that anything can be sealed to.
pub fn seal(
    plaintext: &[u8],
    recipient: &Recipient,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let mut ephemeral = Zeroizing::new([0; 32]);
    rng.fill_bytes(&mut *ephemeral);
    let public = x25519_public(&ephemeral);
    let key = key(&ephemeral, &recipient.public, &public, &recipient.public);
    let key = key.ok_or(SealError::NotARecipient)?;

    let header = [&MAGIC[..], &recipient.bytes(), &public].concat();
    let mut out =
        Vec::with_capacity(HEADER + plaintext.len() + (plaintext.len() / CHUNK + 1) * TAG);
    out.extend_from_slice(&header);
    let last = plaintext.len() / CHUNK;
    for n in 0..=last {
        let from = n * CHUNK;
        let chunk = plaintext.get(from..).unwrap_or_default();
        let mut chunk = chunk.get(..CHUNK).unwrap_or(chunk).to_vec();
        let tag = aead_seal(&key, &nonce(n, n == last), &header, &mut chunk);
        out.append(&mut chunk);
        out.extend_from_slice(&tag.ok_or(SealError::NotABackup)?);
    }
    Ok(out)
}

/// Opens a backup by its passphrase.
///
/// # Errors
/// It is no backup, the passphrase is another one, or a byte of it was changed or is missing.
pub fn open(sealed: &[u8], passphrase: &str) -> Result<Unsealed, SealError> {
    let (header, body) = sealed
        .split_at_checked(HEADER)
        .ok_or(SealError::NotABackup)?;
    let (magic, rest) = header.split_first_chunk().ok_or(SealError::NotABackup)?;
    let (recipient, ephemeral) = rest.split_first_chunk().ok_or(SealError::NotABackup)?;
    let ephemeral: &[u8; 32] = ephemeral.try_into().map_err(|_| SealError::NotABackup)?;
    if *magic != MAGIC {
        return Err(SealError::NotABackup);
    }
    let recipient = Recipient::read(recipient).ok_or(SealError::NotABackup)?;
    let secret = recipient.secret(passphrase)?;
    if x25519_public(&secret) != recipient.public {
        return Err(SealError::WrongPassphrase);
    }
    let key = key(&secret, ephemeral, ephemeral, &recipient.public).ok_or(SealError::Damaged)?;

    let mut out = Zeroizing::new(Vec::with_capacity(body.len()));
    let last = body.len().saturating_sub(TAG) / (CHUNK + TAG);
    for n in 0..=last {
        let from = n * (CHUNK + TAG);
        let chunk = body.get(from..).unwrap_or_default();
        let chunk = chunk.get(..CHUNK + TAG).unwrap_or(chunk);
        let (text, tag) = chunk.split_last_chunk::<TAG>().ok_or(SealError::Damaged)?;
        let start = out.len();
        out.extend_from_slice(text);
        let text = out.get_mut(start..).unwrap_or_default();
        aead_open(&key, &nonce(n, n == last), header, text, tag).ok_or(SealError::Damaged)?;
    }
    Ok(out)
}

/// The key of the chunks, from either side: our secret and the other's public key.
fn key(
    secret: &[u8; 32],
    theirs: &[u8; 32],
    ephemeral: &[u8; 32],
    recipient: &[u8; 32],
) -> Option<Zeroizing<[u8; 32]>> {
    let shared = x25519(secret, theirs)?;
    let salt = [ephemeral.as_slice(), recipient].concat();
    Some(hkdf_sha256(&salt, &*shared, INFO))
}

fn nonce(n: usize, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    let n = u64::try_from(n).unwrap_or(u64::MAX).to_le_bytes();
    nonce.iter_mut().zip(n).for_each(|(o, b)| *o = b);
    if let Some(flag) = nonce.get_mut(8) {
        *flag = u8::from(last);
    }
    nonce
}

/// Why nothing was sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Shorter than [`MIN_PASSPHRASE`].
    #[error("a passphrase needs at least {MIN_PASSPHRASE} characters: some words do well")]
    TooShort,
    /// No text of a recipient.
    #[error("this is no recipient of backups: it begins with {PREFIX}, and `backup` prints one")]
    NotARecipient,
    /// Not a file of this format.
    #[error("this is no backup of miner-ctrl")]
    NotABackup,
    /// Not the passphrase that it was made for.
    #[error("the passphrase is not the one that this backup was made for")]
    WrongPassphrase,
    /// Changed or cut after it was made.
    #[error("the backup is damaged: a part of it was changed or is missing; use another copy")]
    Damaged,
    /// No memory to stretch the passphrase.
    #[error("there is too little memory to open it: 64 MiB are needed")]
    NoMemory,
}

#[cfg(test)]
mod tests {
    use miner_agent::store::system_rng;

    use super::*;

    const PASSPHRASE: &str = "four words of mine";

    /// Cheap, so that the tests spend their time elsewhere.
    fn recipient() -> Recipient {
        let cost = Cost {
            memory_log2_kib: 3,
            passes: 1,
        };
        let salt = [7; 16];
        let secret = stretch(cost, &salt, PASSPHRASE).expect("8 KiB");
        Recipient {
            cost,
            salt,
            public: x25519_public(&secret),
        }
    }

    fn sealed(plaintext: &[u8]) -> Vec<u8> {
        seal(plaintext, &recipient(), &mut system_rng()).expect("sealed")
    }

    #[test]
    fn what_was_sealed_is_opened_at_every_length_around_a_chunk() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
            let plaintext: Vec<u8> = (0..len)
                .map(|n| u8::try_from(n % 251).expect("small"))
                .collect();
            let opened = open(&sealed(&plaintext), PASSPHRASE).expect("opens");
            assert!(*opened == plaintext, "{len}");
        }
    }

    #[test]
    fn another_passphrase_is_told_from_damage() {
        let sealed = sealed(b"rigs");
        assert_eq!(
            open(&sealed, "other words of mine"),
            Err(SealError::WrongPassphrase)
        );
        assert_eq!(
            open(b"not a backup", PASSPHRASE),
            Err(SealError::NotABackup)
        );
    }

    #[test]
    fn no_bit_can_be_changed() {
        let sealed = sealed(b"rigs, profiles, tokens");
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            // A dearer cost would only make the test slow.
            if byte != 8 && byte != 9 {
                assert!(open(&changed, PASSPHRASE).is_err(), "byte {byte}");
            }
        }
    }

    #[test]
    fn chunks_cannot_be_cut_off_or_swapped() {
        let sealed = sealed(&vec![5; 2 * CHUNK + 100]);
        let chunk = CHUNK + TAG;
        for cut in [HEADER, HEADER + chunk, HEADER + 2 * chunk, sealed.len() - 1] {
            let opened = open(&sealed[..cut], PASSPHRASE);
            assert_eq!(opened, Err(SealError::Damaged), "cut at {cut}");
        }
        let mut swapped = sealed.clone();
        let (first, second) = swapped[HEADER..HEADER + 2 * chunk].split_at_mut(chunk);
        first.swap_with_slice(second);
        assert_eq!(open(&swapped, PASSPHRASE), Err(SealError::Damaged));
    }

    #[test]
    fn a_recipient_is_read_back_from_its_text_and_holds_no_secret() {
        let recipient = recipient();
        assert_eq!(recipient.to_string().parse(), Ok(recipient));
        assert_eq!(
            "BAK1-AAAA".parse::<Recipient>(),
            Err(SealError::NotARecipient)
        );
        let absurd = Recipient {
            cost: Cost {
                memory_log2_kib: 31,
                passes: 200,
            },
            ..recipient
        };
        assert_eq!(
            absurd.to_string().parse::<Recipient>(),
            Err(SealError::NotARecipient),
            "a file cannot make us spend 2 TiB"
        );
    }

    #[test]
    fn a_short_passphrase_is_refused() {
        let made = recipient_of("password", &mut system_rng());
        assert_eq!(made, Err(SealError::TooShort));
    }

    #[test]
    fn a_new_recipient_opens_by_its_passphrase() {
        let recipient = recipient_of(PASSPHRASE, &mut system_rng()).expect("64 MiB");
        let sealed = seal(b"rigs", &recipient, &mut system_rng()).expect("sealed");
        assert_eq!(
            open(&sealed, PASSPHRASE).as_deref().map(Vec::as_slice),
            Ok(&b"rigs"[..])
        );
    }
}
