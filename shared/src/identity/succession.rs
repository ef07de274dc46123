//! Succession: one key takes another's place, and whoever pinned the old one can check it.
//!
//! ```text
//!   0  12  "SMSG/1 succ\0"
//!  12  64  X25519 and Ed25519 key of the old node; zero if the recovery key signs
//!  76  64  X25519 and Ed25519 key of the new node
//! 140   8  counter, u64 LE: orders what the recovery key says; 0 if the old key signs
//! 148   1  who signs: 1 the old key, 2 the recovery key
//! 149  64  Ed25519 by the new key over the first 149 bytes
//! 213  64  Ed25519 by the signer over the same                                     277 in all
//! ```
//! A statement needs nothing but the pin to be checked: it carries the old keys, whose hash the pin
//! is. A node shows its last statements, oldest first, on every link (`docs/SMSG.md`), so that a peer
//! that was away while a key changed follows when it comes back, and no private key outlives its
//! successor.
//!
//! The recovery key is kept away from the farm. Whoever pinned it follows what it signs, whichever
//! key was pinned last: it takes a farm back from a thief of the controller's key.

use core::fmt;
use core::str::FromStr;

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Fingerprint, NodeKeys, PublicKeys};
use crate::base32::{self, Base32Error, Label};
use crate::bytes::Bytes;
use crate::crypto::{ed25519_sign, ed25519_verify, hkdf_sha256};
use crate::limits::{SIGNATURE, STATEMENT};

const MAGIC: &[u8; 12] = b"SMSG/1 succ\0";
/// What both signatures cover.
const SIGNED: usize = STATEMENT - 2 * SIGNATURE;
const BY_OLD: u8 = 1;
const BY_RECOVERY: u8 = 2;

/// One key's place taken by another. Its signatures count when a [`Pin`] follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bytes<STATEMENT>", into = "Bytes<STATEMENT>")]
pub struct Statement {
    bytes: Bytes<STATEMENT>,
    old: PublicKeys,
    new: PublicKeys,
    counter: u64,
    signer: Signer,
}

/// Whose word a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key whose place is taken.
    Old,
    /// The recovery key of the farm.
    Recovery,
}

impl Statement {
    /// `old` gives its place to `new`.
    pub fn by_old(old: &NodeKeys, new: &NodeKeys) -> Self {
        Self::sign(*old.public(), new, 0, Signer::Old, |signed| {
            old.sign(&[signed])
        })
    }

    /// The recovery key puts `new` in the place of whatever key it is asked about. `counter` is above
    /// that of every statement it signed before, and not 0.
    pub fn by_recovery(recovery: &RecoveryKey, new: &NodeKeys, counter: u64) -> Self {
        let nobody = PublicKeys {
            x25519: [0; 32],
            ed25519: [0; 32],
        };
        Self::sign(nobody, new, counter, Signer::Recovery, |signed| {
            ed25519_sign(&recovery.signing(), &[signed])
        })
    }

    fn sign(
        old: PublicKeys,
        new: &NodeKeys,
        counter: u64,
        signer: Signer,
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE],
    ) -> Self {
        let who = match signer {
            Signer::Old => BY_OLD,
            Signer::Recovery => BY_RECOVERY,
        };
        let mut bytes = [0; STATEMENT];
        let (signed, signatures) = bytes.split_at_mut(SIGNED);
        fill(
            signed,
            &[
                MAGIC,
                &old.x25519,
                &old.ed25519,
                &new.public().x25519,
                &new.public().ed25519,
                &counter.to_le_bytes(),
                &[who],
            ],
        );
        fill(signatures, &[&new.sign(&[signed]), &sign(signed)]);
        Self {
            bytes: Bytes(bytes),
            old,
            new: *new.public(),
            counter,
            signer,
        }
    }

    /// The bytes, as they are sent and stored.
    pub fn as_bytes(&self) -> &[u8; STATEMENT] {
        &self.bytes.0
    }

    /// The key whose place is taken; `None` if the recovery key signs, which names none.
    pub fn predecessor(&self) -> Option<Fingerprint> {
        match self.signer {
            Signer::Old => Some(self.old.fingerprint()),
            Signer::Recovery => None,
        }
    }

    /// The keys that are to be taken for the node from now on.
    pub fn successor(&self) -> &PublicKeys {
        &self.new
    }

    /// Whose word it is.
    pub fn signer(&self) -> Signer {
        self.signer
    }

    /// Orders statements of the recovery key; 0 if the old key signs.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    fn is_signed_by(&self, signer: &[u8; 32]) -> bool {
        let (signed, signatures) = self.bytes.0.split_at(SIGNED);
        let (by_new, by_signer) = signatures.split_at(SIGNATURE);
        let verify = |key, signature: &[u8]| {
            signature
                .first_chunk()
                .is_some_and(|signature| ed25519_verify(key, &[signed], signature))
        };
        verify(signer, by_signer) && verify(&self.new.ed25519, by_new)
    }
}

impl TryFrom<Bytes<STATEMENT>> for Statement {
    type Error = NotAStatement;

    fn try_from(bytes: Bytes<STATEMENT>) -> Result<Self, NotAStatement> {
        let mut rest = &bytes.0[..];
        let magic: [u8; 12] = take(&mut rest);
        let [old, new] = [(); 2].map(|()| PublicKeys {
            x25519: take(&mut rest),
            ed25519: take(&mut rest),
        });
        let counter = u64::from_le_bytes(take(&mut rest));
        let signer = match take(&mut rest) {
            [BY_OLD] if counter == 0 => Signer::Old,
            [BY_RECOVERY] if counter != 0 => Signer::Recovery,
            _ => return Err(NotAStatement),
        };
        if magic != *MAGIC {
            return Err(NotAStatement);
        }
        Ok(Self {
            bytes,
            old,
            new,
            counter,
            signer,
        })
    }
}

impl TryFrom<&[u8]> for Statement {
    type Error = NotAStatement;

    fn try_from(bytes: &[u8]) -> Result<Self, NotAStatement> {
        let bytes = bytes.try_into().map_err(|_| NotAStatement)?;
        Self::try_from(Bytes(bytes))
    }
}

impl From<Statement> for Bytes<STATEMENT> {
    fn from(statement: Statement) -> Self {
        statement.bytes
    }
}

/// These bytes say nothing about succession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAStatement;

impl fmt::Display for NotAStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is no statement of succession")
    }
}

impl core::error::Error for NotAStatement {}

/// Whom a node takes for its peer, and whom it would take in that peer's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The peer's identity now.
    pub fingerprint: Fingerprint,
    /// The Ed25519 key that may put another in its place, if the peer named one.
    pub recovery: Option<[u8; 32]>,
    /// Counter of the last statement of that key that was followed; 0 if none was.
    pub counter: u64,
}

impl Pin {
    /// A peer of which no more than this is known.
    pub const fn new(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            recovery: None,
            counter: 0,
        }
    }

    /// Takes the new key of the statement in the place of the pinned one, if the old one or the
    /// recovery key says so. False, and nothing has changed, for any other statement: a chain may
    /// begin before the key that is pinned.
    pub fn follow(&mut self, statement: &Statement) -> bool {
        let signer = match (statement.signer, self.recovery) {
            (Signer::Old, _) if statement.predecessor() == Some(self.fingerprint) => {
                statement.old.ed25519
            }
            (Signer::Recovery, Some(key)) if statement.counter > self.counter => key,
            _ => return false,
        };
        if !statement.is_signed_by(&signer) {
            return false;
        }
        self.fingerprint = statement.new.fingerprint();
        self.counter = self.counter.max(statement.counter);
        true
    }

    /// Whether a recovery key may be pinned here: the first one may, any other by a proof of the one
    /// before ([`RecoveryKey::hand_over`]).
    pub fn may_pin_recovery(&self, key: &[u8; 32], proof: Option<&[u8; SIGNATURE]>) -> bool {
        match (self.recovery, proof) {
            (None, _) => true,
            (Some(pinned), _) if pinned == *key => true,
            (Some(pinned), Some(proof)) => ed25519_verify(&pinned, &[HAND_OVER, key], proof),
            (Some(_), None) => false,
        }
    }
}

/// What a recovery key signs before its successor's public key.
const HAND_OVER: &[u8] = b"SMSG/1 recovery\0";
/// Bytes of the secret.
const SECRET: usize = 32;
const PREFIX: &str = "REC1-";

/// The secret that takes a farm back: made once, written down, kept away from the farm. `Display`
/// shows it, `Debug` does not.
pub struct RecoveryKey(Zeroizing<[u8; SECRET]>);

impl RecoveryKey {
    /// A new key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; SECRET]);
        rng.fill_bytes(&mut *secret);
        Self(secret)
    }

    /// What rigs pin.
    pub fn public(&self) -> [u8; 32] {
        self.signing().verifying_key().to_bytes()
    }

    /// The proof by which `next` takes this key's place on the rigs.
    pub fn hand_over(&self, next: &Self) -> [u8; SIGNATURE] {
        ed25519_sign(&self.signing(), &[HAND_OVER, &next.public()])
    }

    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&hkdf_sha256(b"SMSG/1 recovery", &*self.0, b"ed25519"))
    }
}

impl fmt::Display for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        base32::write(f, Label::Recovery, &*self.0, 0)
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(…)")
    }
}

impl FromStr for RecoveryKey {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        let mut secret = Zeroizing::new([0; SECRET]);
        let text = base32::without_prefix(text, PREFIX);
        base32::read_into(Label::Recovery, text, &mut *secret)?;
        Ok(Self(secret))
    }
}

/// Writes the parts, whose lengths add up to that of `out`.
fn fill(out: &mut [u8], parts: &[&[u8]]) {
    debug_assert_eq!(parts.iter().map(|p| p.len()).sum::<usize>(), out.len());
    let bytes = parts.iter().copied().flatten();
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
}

/// The next `N` bytes; the lengths above add up, so they are always there.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((head, rest)) = bytes.split_first_chunk() else {
        debug_assert!(false, "the fields add up to STATEMENT");
        return [0; N];
    };
    *bytes = rest;
    *head
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    fn keys(seed: u8) -> NodeKeys {
        NodeKeys::from_seed(&[seed; 32])
    }

    fn recovery(seed: u8) -> RecoveryKey {
        RecoveryKey(Zeroizing::new([seed; 32]))
    }

    fn pin(seed: u8) -> Pin {
        Pin {
            recovery: Some(recovery(9).public()),
            ..Pin::new(keys(seed).fingerprint())
        }
    }

    #[test]
    fn a_pin_follows_the_old_key_s_word_step_by_step() {
        let chain = [
            Statement::by_old(&keys(1), &keys(2)),
            Statement::by_old(&keys(2), &keys(3)),
        ];
        let mut first = Pin::new(keys(1).fingerprint());
        assert_eq!(chain.each_ref().map(|s| first.follow(s)), [true, true]);
        assert_eq!(first.fingerprint, keys(3).fingerprint());

        let mut second = Pin::new(keys(2).fingerprint());
        assert_eq!(chain.each_ref().map(|s| second.follow(s)), [false, true]);
        assert_eq!(second.fingerprint, keys(3).fingerprint());
    }

    #[test]
    fn another_s_statement_moves_no_pin() {
        let mut pin = Pin::new(keys(1).fingerprint());
        let stays = pin;
        assert!(!pin.follow(&Statement::by_old(&keys(4), &keys(2))));
        assert!(!pin.follow(&Statement::by_recovery(&recovery(9), &keys(2), 1)));
        assert_eq!(pin, stays, "no recovery key is pinned here");
    }

    #[test]
    fn the_recovery_key_outranks_whatever_key_was_pinned_last() {
        let mut pin = pin(1);
        assert!(
            pin.follow(&Statement::by_old(&keys(1), &keys(66))),
            "a thief's"
        );
        assert!(pin.follow(&Statement::by_recovery(&recovery(9), &keys(2), 1)));
        assert_eq!((pin.fingerprint, pin.counter), (keys(2).fingerprint(), 1));
        let mut again = |s: &Statement| pin.follow(s);
        assert!(!again(&Statement::by_old(&keys(1), &keys(66))), "too late");
        assert!(
            !again(&Statement::by_recovery(&recovery(9), &keys(3), 1)),
            "a replay"
        );
        assert!(
            !again(&Statement::by_recovery(&recovery(8), &keys(3), 2)),
            "another key"
        );
        assert!(again(&Statement::by_recovery(&recovery(9), &keys(3), 2)));
    }

    #[test]
    fn every_flipped_bit_of_a_statement_leaves_the_pin_where_it_is() {
        for statement in [
            Statement::by_old(&keys(1), &keys(2)),
            Statement::by_recovery(&recovery(9), &keys(2), 5),
        ] {
            // Miri has no use for two thousand signatures.
            for bit in (0..STATEMENT * 8).step_by(if cfg!(miri) { 499 } else { 1 }) {
                let mut bytes = *statement.as_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let mut pin = pin(1);
                let moved = Statement::try_from(&bytes[..]).is_ok_and(|s| pin.follow(&s));
                assert!(!moved, "bit {bit}");
                assert_eq!(pin, self::pin(1));
            }
        }
    }

    #[test]
    fn bytes_are_a_statement_only_as_a_whole() {
        let statement = Statement::by_old(&keys(1), &keys(2));
        assert_eq!(
            Statement::try_from(&statement.as_bytes()[..]),
            Ok(statement.clone())
        );
        for bad in [&[][..], &[0; STATEMENT], &statement.as_bytes()[1..]] {
            assert_eq!(Statement::try_from(bad), Err(NotAStatement));
        }
        assert_eq!(statement.predecessor(), Some(keys(1).fingerprint()));
        let recovered = Statement::by_recovery(&recovery(9), &keys(2), 1);
        assert_eq!(
            (recovered.predecessor(), recovered.signer()),
            (None, Signer::Recovery)
        );
    }

    #[test]
    fn only_the_pinned_recovery_key_makes_room_for_another() {
        let [first, next, other] = [1, 2, 3].map(recovery);
        let mut pin = Pin::new(keys(1).fingerprint());
        assert!(pin.may_pin_recovery(&first.public(), None));
        pin.recovery = Some(first.public());
        assert!(pin.may_pin_recovery(&first.public(), None), "again");
        assert!(!pin.may_pin_recovery(&next.public(), None));
        let proof = first.hand_over(&next);
        assert!(pin.may_pin_recovery(&next.public(), Some(&proof)));
        assert!(!pin.may_pin_recovery(&other.public(), Some(&proof)));
        assert!(!pin.may_pin_recovery(&next.public(), Some(&other.hand_over(&next))));
    }

    #[test]
    fn a_recovery_key_is_59_characters_and_hides_from_debug() {
        let key = recovery(7);
        let text = key.to_string();
        assert_eq!(text.len(), 59);
        let read: RecoveryKey = text.to_lowercase().parse().expect("its own text");
        assert_eq!(read.public(), key.public());
        assert!(text.replace('7', "8").parse::<RecoveryKey>().is_err());
        assert_eq!(format!("{key:?}"), "RecoveryKey(…)");
    }
}
