//! First contact: what two nodes must share before they know each other's keys.
//!
//! ```text
//! pairing code     made on a rig, typed at the controller      (controller dials)
//! enrolment token  made at the controller, given to a rig      (worker dials)
//! ```
//! Either is a 16-byte secret with an 8-byte name. The name travels in the clear so that the
//! listener can find the secret; the secret goes into the handshake and never crosses the wire.

use core::fmt;
use core::str::FromStr;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::Fingerprint;
use crate::base32::{self, Base32Error, Label};
use crate::crypto::{hkdf_sha256, sha256};

/// Bytes of an enrolment token: its name, its secret, half a fingerprint.
const TOKEN: usize = 8 + 16 + 16;
const PREFIX: &str = "ENR1-";

/// A secret and the name it goes by: what suite 02 of the handshake takes.
#[derive(Clone)]
pub struct Enrolment {
    /// Names the secret to the listener.
    pub token_id: [u8; 8],
    /// Proves the dialler to the listener and the listener to the dialler.
    pub secret: Zeroizing<[u8; 16]>,
}

impl Enrolment {
    /// The Noise pre-shared key.
    pub(crate) fn psk(&self) -> Zeroizing<[u8; 32]> {
        hkdf_sha256(b"SMSG/1 enrol", &*self.secret, &self.token_id)
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enrolment({:02x?}, …)", self.token_id)
    }
}

/// A one-time code that a rig shows on its console: whoever types it at a controller may manage
/// the rig. `Display` shows the secret, `Debug` does not.
#[derive(Clone)]
pub struct PairingCode(Zeroizing<[u8; 16]>);

impl PairingCode {
    /// A new code.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut code = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *code);
        Self(code)
    }

    /// The code's name on the wire: it says nothing about the code.
    pub fn token_id(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = sha256(&[b"SMSG/1 code\0", &*self.0]);
        [a, b, c, d, e, f, g, h]
    }

    /// The secret.
    pub fn secret(&self) -> &[u8; 16] {
        &self.0
    }

    /// What the dialler needs.
    pub fn enrolment(&self) -> Enrolment {
        Enrolment {
            token_id: self.token_id(),
            secret: self.0.clone(),
        }
    }
}

impl fmt::Display for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base32::write(f, Label::Pairing, &*self.0, 4)
    }
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PairingCode(…)")
    }
}

impl FromStr for PairingCode {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        let mut code = Zeroizing::new([0; 16]);
        base32::read_into(Label::Pairing, text, &mut *code)?;
        Ok(Self(code))
    }
}

/// What a controller gives to rigs that dial in: a secret, its name, and the first half of the
/// controller's fingerprint. `Display` shows the secret, `Debug` does not.
#[derive(Clone)]
pub struct EnrolToken {
    enrolment: Enrolment,
    controller: [u8; 16],
}

impl EnrolToken {
    /// A new token of the controller with this fingerprint.
    pub fn generate(rng: &mut dyn CryptoRng, controller: &Fingerprint) -> Self {
        let mut enrolment = Enrolment {
            token_id: [0; 8],
            secret: Zeroizing::new([0; 16]),
        };
        rng.fill_bytes(&mut enrolment.token_id);
        rng.fill_bytes(&mut *enrolment.secret);
        Self {
            enrolment,
            controller: controller.prefix(),
        }
    }

    /// What the dialler needs.
    pub fn enrolment(&self) -> &Enrolment {
        &self.enrolment
    }

    /// The first half of the controller's fingerprint, to be expected when dialling.
    pub fn controller(&self) -> &[u8; 16] {
        &self.controller
    }
}

impl fmt::Display for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Enrolment { token_id, secret } = &self.enrolment;
        let mut bytes = Zeroizing::new([0; TOKEN]);
        let parts = token_id.iter().chain(secret.iter()).chain(&self.controller);
        bytes.iter_mut().zip(parts).for_each(|(b, p)| *b = *p);
        f.write_str(PREFIX)?;
        base32::write(f, Label::Enrolment, &*bytes, 0)
    }
}

impl FromStr for EnrolToken {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        let text = base32::without_prefix(text, PREFIX);
        let mut bytes = Zeroizing::new([0; TOKEN]);
        base32::read_into(Label::Enrolment, text, &mut *bytes)?;
        let mut token = Self {
            enrolment: Enrolment {
                token_id: [0; 8],
                secret: Zeroizing::new([0; 16]),
            },
            controller: [0; 16],
        };
        let Enrolment { token_id, secret } = &mut token.enrolment;
        let parts = token_id
            .iter_mut()
            .chain(secret.iter_mut())
            .chain(&mut token.controller);
        parts.zip(&*bytes).for_each(|(p, b)| *p = *b);
        Ok(token)
    }
}

impl fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolToken({:?})", self.enrolment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    fn token() -> EnrolToken {
        EnrolToken {
            enrolment: Enrolment {
                token_id: [1; 8],
                secret: Zeroizing::new([2; 16]),
            },
            controller: [3; 16],
        }
    }

    #[test]
    fn a_token_reads_back_with_and_without_its_prefix() {
        let text = token().to_string();
        assert_eq!((text.len(), &text[..5]), (71, "ENR1-"));
        for spelled in [
            &text,
            &text[5..],
            &format!("  {}\u{20}", text.to_lowercase()),
        ] {
            let read: EnrolToken = spelled.parse().expect("reads");
            assert_eq!(read.enrolment.token_id, [1; 8]);
            assert_eq!(*read.enrolment.secret, [2; 16]);
            assert_eq!(read.controller, [3; 16]);
        }
    }

    #[test]
    fn a_code_reads_back_and_its_name_says_nothing_of_it() {
        let code = PairingCode(Zeroizing::new([0xa5; 16]));
        let read: PairingCode = code.to_string().parse().expect("reads");
        assert_eq!(read.secret(), &[0xa5; 16]);
        assert_eq!(code.to_string().len(), 28 + 6, "seven groups of four");
        assert_eq!(
            code.token_id(),
            sha256(&[b"SMSG/1 code\0", &[0xa5; 16]])[..8]
        );
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let code = PairingCode(Zeroizing::new([2; 16]));
        let shown = format!("{:?} {:?} {:?}", token(), token().enrolment, code);
        assert!(
            !shown.contains("2, 2") && !shown.contains("02, 02"),
            "{shown}"
        );
    }
}
