//! Who a node is: its keys, and the names that follow from them.
//!
//! ```text
//! seed[32] ─HKDF─┬▶ X25519 secret  ─▶ public ─┐
//!                └▶ Ed25519 secret ─▶ public ─┴▶ SHA-256("SMSG/1 node\0" | x | ed) = fingerprint F
//!                                                 node ID = hex of F[0..8]: a label and an index
//! ```
//! Pins, sessions, tokens and signatures use F in full: 64 bits of a node ID can be searched by a
//! farm of graphics cards, which is just what the people around this software own.

pub mod key_file;
mod keys;
mod succession;
mod token;

pub use keys::{NodeKeys, PublicKeys};
pub use succession::{NotAStatement, Pin, RecoveryKey, Signer, Statement};
pub use token::{EnrolToken, Enrolment, PairingCode};

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::base32::{self, Base32Error, Label};

/// What a node may be on a link: a set of the two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Commands workers.
    Controller,
    /// Hashes, and obeys its managers.
    Worker,
    /// Both.
    Dual,
}

impl Role {
    /// The byte that stands for the role on the wire: bit 0 controller, bit 1 worker.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Controller => 1,
            Self::Worker => 2,
            Self::Dual => 3,
        }
    }

    /// The role that the byte stands for.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Controller),
            2 => Some(Self::Worker),
            3 => Some(Self::Dual),
            _ => None,
        }
    }

    /// Whether a node of this role can play every part of `other`.
    pub const fn contains(self, other: Self) -> bool {
        self.to_byte() & other.to_byte() == other.to_byte()
    }

    /// The role's name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Worker => "worker",
            Self::Dual => "dual",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        match text {
            "controller" => Ok(Self::Controller),
            "worker" => Ok(Self::Worker),
            "dual" => Ok(Self::Dual),
            _ => Err(IdentityError::NotARole),
        }
    }
}

/// SHA-256 over both public keys: the node's identity.
///
/// Its text is upper-case base32 with a check, in groups of four; reading ignores case, spaces and
/// dashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The label that shows on screens; not unique against a determined searcher.
    pub const fn node_id(&self) -> NodeId {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        NodeId([a, b, c, d, e, f, g, h])
    }

    /// The first half, which an enrolment token carries to name its controller.
    pub fn prefix(&self) -> [u8; 16] {
        let mut prefix = [0; 16];
        prefix.iter_mut().zip(self.0).for_each(|(p, f)| *p = f);
        prefix
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base32::write(f, Label::Fingerprint, &self.0, 4)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = Base32Error;

    fn from_str(text: &str) -> Result<Self, Base32Error> {
        base32::read(Label::Fingerprint, text).map(Self)
    }
}

/// The first 8 bytes of a fingerprint, 16 lower-case hex characters as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 8]);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(lower_hex) {
            return Err(IdentityError::NotANodeId);
        }
        u64::from_str_radix(text, 16)
            .map(|id| Self(id.to_be_bytes()))
            .map_err(|_| IdentityError::NotANodeId)
    }
}

/// Why a text names no role or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not `controller`, `worker` or `dual`.
    NotARole,
    /// Not 16 lower-case hex characters.
    NotANodeId,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotARole => "it is not one of controller, worker, dual",
            Self::NotANodeId => "it is not 16 lower-case hex characters",
        })
    }
}

impl core::error::Error for IdentityError {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn a_role_contains_its_parts() {
        use Role::{Controller, Dual, Worker};
        for (role, part, contains) in [
            (Controller, Controller, true),
            (Controller, Worker, false),
            (Controller, Dual, false),
            (Worker, Controller, false),
            (Dual, Controller, true),
            (Dual, Worker, true),
            (Dual, Dual, true),
        ] {
            assert_eq!(role.contains(part), contains, "{role} {part}");
        }
        for byte in 0..=255 {
            let role = Role::from_byte(byte);
            assert_eq!(role.is_some(), (1..=3).contains(&byte));
            assert!(role.is_none_or(|role| role.to_byte() == byte));
            assert!(role.is_none_or(|role| role.as_str().parse() == Ok(role)));
        }
    }

    #[test]
    fn a_node_id_is_16_lower_case_hex_characters() {
        let mut fingerprint = [0xff; 32];
        fingerprint[..8].copy_from_slice(&[0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        let id = Fingerprint(fingerprint).node_id();
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdef".parse(), Ok(id));
        assert_eq!(
            "0000000000000001".parse(),
            Ok(NodeId([0, 0, 0, 0, 0, 0, 0, 1]))
        );
        for bad in [
            "",
            "ab",
            "ABABABABABABABAB",
            "+bababababababab",
            "ababababababababab",
        ] {
            assert_eq!(
                bad.parse::<NodeId>(),
                Err(IdentityError::NotANodeId),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_fingerprint_shows_in_groups_of_four() {
        let keys = NodeKeys::from_seed(&[1; 32]);
        let text = keys.fingerprint().to_string();
        assert_eq!(text.len(), 54 + 13);
        assert!(
            text.split('-')
                .all(|group| group.len() == 4 || group.len() == 2)
        );
        assert_eq!(text.parse(), Ok(keys.fingerprint()));
    }

    #[test]
    fn keys_differ_by_seed_and_never_show() {
        let keys = NodeKeys::from_seed(&[1; 32]);
        assert_ne!(
            keys.fingerprint(),
            NodeKeys::from_seed(&[2; 32]).fingerprint()
        );
        assert_eq!(
            format!("{keys:?}"),
            format!("NodeKeys({})", keys.fingerprint().node_id())
        );
    }
}
