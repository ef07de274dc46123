//! The envelope: who said it, to whom, and in which order.
//!
//! ```text
//! 0  8  seq, u64 LE      8  n  body      8+n  64  signature
//! signature = Ed25519("SMSG/1 msg\0" | F_author | boot_author | F_recipient | boot_recipient | seq | body)
//! ```
//! The session's keys already prove the author to the recipient; the signature keeps that true for a
//! third party and beyond the session, and ties a message to two process starts.

use super::{LocalNode, Peer};
use crate::crypto::Ed25519Key;
use crate::identity::Fingerprint;
use crate::limits::{SEQ, SIGNATURE};

/// Numbers and signs the body that stands at `plain[SEQ..SEQ + body]` and returns the length of the
/// whole; `None` if `plain` is too short for it.
pub(super) fn sign(
    me: &LocalNode,
    peer: &Peer,
    seq: u64,
    body: usize,
    plain: &mut [u8],
) -> Option<usize> {
    let len = SEQ + body + SIGNATURE;
    let (content, signature) = plain.get_mut(..len)?.split_last_chunk_mut::<SIGNATURE>()?;
    *content.first_chunk_mut()? = seq.to_le_bytes();
    let (author, recipient) = (
        (&me.fingerprint(), me.boot_id()),
        (&peer.fingerprint, &peer.boot_id),
    );
    *signature = me.keys().sign(&signed(author, recipient, content));
    Some(len)
}

/// The number and the body, if `peer` signed them for us with this `key` of its own; `None` otherwise.
pub(super) fn open<'p>(
    me: &LocalNode,
    peer: &Peer,
    key: &Ed25519Key,
    plain: &'p [u8],
) -> Option<(u64, &'p [u8])> {
    let (content, signature) = plain.split_last_chunk::<SIGNATURE>()?;
    let (seq, body) = content.split_first_chunk::<SEQ>()?;
    let (author, recipient) = (
        (&peer.fingerprint, &peer.boot_id),
        (&me.fingerprint(), me.boot_id()),
    );
    key.verify(&signed(author, recipient, content), signature)
        .then_some((u64::from_le_bytes(*seq), body))
}

/// What is signed, in parts; `content` is seq and body.
fn signed<'a>(
    author: (&'a Fingerprint, &'a [u8; 16]),
    recipient: (&'a Fingerprint, &'a [u8; 16]),
    content: &'a [u8],
) -> [&'a [u8]; 6] {
    [
        b"SMSG/1 msg\0",
        &author.0.0,
        author.1,
        &recipient.0.0,
        recipient.1,
        content,
    ]
}
