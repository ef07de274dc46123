//! The three secrets by which somebody asks: an API token, the code of a login, a session's cookie.
//!
//! | secret | random bits | text | kept as |
//! |---|---|---|---|
//! | [`ApiToken`] | 256, and 64 of its name | `mct_` and 66 characters, two of them a check | SHA-256, in the registry |
//! | [`LoginCode`] | 128, good once and for 15 minutes | 28 characters, two of them a check | SHA-256, in memory |
//! | [`Cookie`] | 256 | 64 hexadecimal digits | SHA-256, in memory |
//!
//! All are random, so their hash needs no salt and no slowness: whoever has it can only try 2^128 values
//! or more. `Debug` hides them, dropped ones are wiped.

use std::fmt;
use std::str::FromStr;

use miner_shared::base32::{self, Base32Error, Label};
use miner_shared::crypto::sha256;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::registry::ApiTokenId;

/// What an API token begins with, so that people and scanners of leaked secrets know it.
pub const PREFIX: &str = "mct_";
/// Bytes of an API token: its name and its secret.
const TOKEN: usize = 8 + 32;

/// An API token: a name, which is no secret, and a secret. `Display` shows both.
#[derive(Clone)]
pub struct ApiToken {
    id: ApiTokenId,
    secret: Zeroizing<[u8; 32]>,
}

impl ApiToken {
    /// A new one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut token = Self {
            id: ApiTokenId([0; 8]),
            secret: Zeroizing::new([0; 32]),
        };
        rng.fill_bytes(&mut token.id.0);
        rng.fill_bytes(&mut *token.secret);
        token
    }

    /// Its name.
    pub const fn id(&self) -> ApiTokenId {
        self.id
    }

    /// What may be kept of its secret.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[&*self.secret])
    }
}

impl fmt::Display for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new([0; TOKEN]);
        let parts = self.id.0.iter().chain(self.secret.iter());
        bytes.iter_mut().zip(parts).for_each(|(b, p)| *b = *p);
        f.write_str(PREFIX)?;
        base32::write(f, Label::Api, &*bytes, 0)
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiToken({}, …)", self.id)
    }
}

impl FromStr for ApiToken {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        let mut bytes = Zeroizing::new([0; TOKEN]);
        let text = text.strip_prefix(PREFIX).unwrap_or(text);
        base32::read_into(Label::Api, text, &mut *bytes)?;
        let mut token = Self {
            id: ApiTokenId([0; 8]),
            secret: Zeroizing::new([0; 32]),
        };
        let parts = token.id.0.iter_mut().chain(token.secret.iter_mut());
        parts.zip(bytes.iter()).for_each(|(p, b)| *p = *b);
        Ok(token)
    }
}

/// The code of a one-time login. `Display` shows it.
#[derive(Clone)]
pub struct LoginCode(Zeroizing<[u8; 16]>);

impl LoginCode {
    /// A new one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut code = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *code);
        Self(code)
    }

    /// What may be kept of it.
    pub fn hash(&self) -> [u8; 32] {
        sha256(&[&*self.0])
    }
}

impl fmt::Display for LoginCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base32::write(f, Label::Login, &*self.0, 0)
    }
}

impl fmt::Debug for LoginCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginCode(…)")
    }
}

impl FromStr for LoginCode {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        let mut code = Zeroizing::new([0; 16]);
        base32::read_into(Label::Login, text, &mut *code)?;
        Ok(Self(code))
    }
}

/// What a browser holds of a session. `Display` shows it.
pub struct Cookie(Zeroizing<[u8; 32]>);

impl Cookie {
    /// A new one.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut cookie = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *cookie);
        Self(cookie)
    }

    /// What may be kept of it.
    pub fn hash(&self) -> [u8; 32] {
        Self::hash_of(&self.to_string())
    }

    /// The same of a text that a browser sent, whatever it is.
    pub fn hash_of(text: &str) -> [u8; 32] {
        sha256(&[text.as_bytes()])
    }
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(…)")
    }
}

/// Whether two hashes are equal, in a time that says nothing about where they differ.
pub fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differ = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    // Without it a compiler may return at the first difference.
    std::hint::black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use miner_agent::store::system_rng;

    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_one_changed_character_is_noticed() {
        let token = ApiToken::generate(&mut system_rng());
        let text = token.to_string();
        assert_eq!((text.len(), &text[..4]), (70, PREFIX));
        let back: ApiToken = text.parse().expect("reads");
        assert_eq!((back.id(), back.hash()), (token.id(), token.hash()));
        // Two check characters are 10 bits: of 66 single changes hardly one goes unnoticed.
        let missed = (PREFIX.len()..text.len()).filter(|at| {
            let mut typo = text.clone().into_bytes();
            typo[*at] = if typo[*at] == b'7' { b'8' } else { b'7' };
            let typo = String::from_utf8(typo).expect("ASCII");
            typo.parse::<ApiToken>().is_ok()
        });
        assert!(missed.count() <= 2);
    }

    #[test]
    fn one_kind_of_secret_is_not_taken_for_another() {
        // Not a random one: the short check of another label agrees once in a while.
        let code = LoginCode(Zeroizing::new([7; 16]));
        let back: LoginCode = code.to_string().parse().expect("reads");
        assert_eq!(back.hash(), code.hash());
        let mut pairing = String::new();
        base32::write(&mut pairing, Label::Pairing, &*code.0, 4).expect("a string takes all");
        assert!(pairing.parse::<LoginCode>().is_err());
        assert!(code.to_string().parse::<ApiToken>().is_err());
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let (token, code) = (
            ApiToken::generate(&mut system_rng()),
            LoginCode::generate(&mut system_rng()),
        );
        let cookie = Cookie::generate(&mut system_rng());
        let text = format!("{token:?} {code:?} {cookie:?}");
        for secret in [
            token.to_string().split_off(20),
            code.to_string(),
            cookie.to_string(),
        ] {
            assert!(!text.contains(&secret), "{text}");
        }
    }

    #[test]
    fn hashes_are_the_same_only_if_every_byte_is() {
        let hash = [5; 32];
        assert!(is_same(&hash, &hash));
        for at in 0..32 {
            let mut other = hash;
            other[at] ^= 1;
            assert!(!is_same(&hash, &other), "{at}");
        }
    }
}
