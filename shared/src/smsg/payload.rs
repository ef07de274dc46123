//! The handshake payload P: who a side claims to be, certified by its Ed25519 key.
//!
//! ```text
//!  0   1  lowest version        8  16  boot id
//!  1   1  highest version      24  32  Ed25519 public key
//!  2   1  role                 56  64  cert = Ed25519("SMSG/1 link-key\0" | role | X25519 key)
//!  3   1  zero                120
//!  4   4  capabilities, u32 LE: bits 0 to 2 the number of statements of succession that follow
//! ```
//! Noise proves the X25519 key; the cert ties it and the role to the Ed25519 key; both keys together
//! are the fingerprint. The peer then takes its part only if its role contains it.

use core::fmt;

use super::node::LINK_KEY;
use super::noise::PAYLOAD;
use super::{LocalNode, Peer};
use crate::crypto::ed25519_verify;
use crate::identity::{PublicKeys, Role};
use crate::limits::MAX_STATEMENTS;
use crate::wire::MIN_VERSION;

/// Low byte of the capabilities: the bits that count statements of succession.
const STATEMENTS: u8 = 0b111;

/// Our own payload.
pub(super) fn encode(me: &LocalNode) -> [u8; PAYLOAD] {
    let mut out = [0; PAYLOAD];
    // `MAX_STATEMENTS` bounds it.
    let statements = u8::try_from(me.chain().len()).unwrap_or(u8::MAX) & STATEMENTS;
    let role = me.role().to_byte();
    let head = [MIN_VERSION, me.highest(), role, 0, statements, 0, 0, 0];
    let bytes = head
        .iter()
        .chain(me.boot_id())
        .chain(&me.keys().public().ed25519)
        .chain(me.cert());
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
    out
}

/// The peer that `payload` and its proven X25519 key make.
pub(super) fn decode(
    me: &LocalNode,
    payload: &[u8; PAYLOAD],
    x25519: &[u8; 32],
) -> Result<Peer, PayloadError> {
    let mut rest = &payload[..];
    let [min, max, role_byte, zero] = take(&mut rest);
    let [capabilities, _, _, _] = take(&mut rest);
    let boot_id = take(&mut rest);
    let ed25519 = take(&mut rest);
    let cert = take(&mut rest);

    if zero != 0 {
        return Err(PayloadError::ReservedNotZero);
    }
    let role = Role::from_byte(role_byte).ok_or(PayloadError::NotARole(role_byte))?;
    let version = agree((MIN_VERSION, me.highest()), (min, max))
        .ok_or(PayloadError::NoCommonVersion { min, max })?;
    let statements = capabilities & STATEMENTS;
    if usize::from(statements) > MAX_STATEMENTS {
        return Err(PayloadError::TooManyStatements);
    }
    if !ed25519_verify(&ed25519, &[LINK_KEY, &[role_byte], x25519], &cert) {
        return Err(PayloadError::BadCert);
    }
    let keys = PublicKeys {
        x25519: *x25519,
        ed25519,
    };
    Ok(Peer {
        fingerprint: keys.fingerprint(),
        keys,
        role,
        boot_id,
        statements,
        version,
    })
}

/// The lower of the two highest versions, if neither side's lowest is above it.
fn agree(ours: (u8, u8), theirs: (u8, u8)) -> Option<u8> {
    let version = ours.1.min(theirs.1);
    (version >= ours.0 && version >= theirs.0).then_some(version)
}

/// The next `N` bytes; the lengths above add up to `PAYLOAD`, so they are always there.
fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let Some((head, rest)) = bytes.split_first_chunk() else {
        debug_assert!(false, "the fields add up to PAYLOAD");
        return [0; N];
    };
    *bytes = rest;
    *head
}

/// Why a payload was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadError {
    /// The certificate is not the Ed25519 key's word for this role and X25519 key.
    BadCert,
    /// The peer speaks other versions only: from `min` to `max`.
    NoCommonVersion {
        /// The peer's lowest.
        min: u8,
        /// The peer's highest.
        max: u8,
    },
    /// No role has this byte.
    NotARole(u8),
    /// The byte that must be zero is not.
    ReservedNotZero,
    /// More statements of succession than a node may show.
    TooManyStatements,
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCert => f.write_str("the certificate is wrong"),
            Self::NoCommonVersion { min, max } => {
                write!(f, "the peer speaks versions {min} to {max} only")
            }
            Self::NotARole(byte) => write!(f, "no role has the byte {byte}"),
            Self::ReservedNotZero => f.write_str("a reserved byte is not zero"),
            Self::TooManyStatements => {
                f.write_str("it announces too many statements of succession")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKeys;
    use crate::text::{Label, Name};
    use crate::wire::NodeCard;

    fn me() -> LocalNode {
        let card = NodeCard {
            name: Name::parse("me").expect("a name"),
            software: Label::default(),
            host: Label::default(),
        };
        LocalNode::new(NodeKeys::from_seed(&[1; 32]), Role::Worker, [9; 16], card)
    }

    fn with(at: usize, value: u8) -> Result<Peer, PayloadError> {
        let mut payload = encode(&me());
        payload[at] = value;
        decode(&me(), &payload, &me().keys().public().x25519)
    }

    #[test]
    fn a_payload_gives_back_who_made_it() {
        let me = me();
        let peer = decode(&me, &encode(&me), &me.keys().public().x25519).expect("decodes");
        assert_eq!(peer.fingerprint, me.fingerprint());
        assert_eq!((peer.role, peer.boot_id), (Role::Worker, [9; 16]));
        assert_eq!((peer.version, peer.statements), (3, 0));
    }

    #[test]
    fn unknown_capabilities_are_ignored_and_the_reserved_byte_is_not() {
        assert_eq!(with(7, 0x80).map(|peer| peer.statements), Ok(0));
        assert_eq!(with(4, 0xf8).map(|peer| peer.statements), Ok(0));
        assert_eq!(with(4, 4).map(|peer| peer.statements), Ok(4));
        assert_eq!(with(4, 5), Err(PayloadError::TooManyStatements));
        assert_eq!(with(3, 1), Err(PayloadError::ReservedNotZero));
    }

    #[test]
    fn role_and_key_are_certified() {
        assert_eq!(with(2, 0), Err(PayloadError::NotARole(0)));
        assert_eq!(with(2, 4), Err(PayloadError::NotARole(4)));
        assert_eq!(
            with(2, 3),
            Err(PayloadError::BadCert),
            "dual was not signed"
        );
        let other = NodeKeys::from_seed(&[2; 32]).public().x25519;
        assert_eq!(
            decode(&me(), &encode(&me()), &other),
            Err(PayloadError::BadCert)
        );
        for at in 24..PAYLOAD {
            assert_eq!(
                with(at, !encode(&me())[at]),
                Err(PayloadError::BadCert),
                "{at}"
            );
        }
    }

    #[test]
    fn the_version_is_the_lower_maximum_if_both_can_go_there() {
        assert_eq!(agree((1, 1), (1, 1)), Some(1));
        assert_eq!(agree((1, 3), (2, 5)), Some(3));
        assert_eq!(agree((2, 5), (1, 3)), Some(3));
        assert_eq!(agree((1, 1), (2, 3)), None);
        assert_eq!(agree((2, 3), (1, 1)), None);
        assert_eq!(agree((1, 1), (5, 1)), None, "an empty range");
        let too_new = PayloadError::NoCommonVersion { min: 4, max: 3 };
        assert_eq!(with(0, 4), Err(too_new));
        for (highest, agreed) in [(1, 1), (2, 2), (3, 3), (9, 3)] {
            let version = with(1, highest).map(|peer| peer.version);
            assert_eq!(version, Ok(agreed), "the newer one steps down");
        }
    }
}
