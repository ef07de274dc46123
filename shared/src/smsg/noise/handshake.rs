//! XX and XXpsk0 as states that consume themselves: a step cannot be taken twice or out of order.
//!
//! ```text
//!  initiator                                    responder
//!  Start ─write_first─▶ SentFirst      first    Start ─read_first─▶ ReadFirst
//!  SentFirst ─read_second─▶ ReadSecond second   ReadFirst ─write_second─▶ SentSecond
//!  ReadSecond ─write_third─▶ Transport third    SentSecond ─read_third─▶ Transport
//! ```
//! A failed step drops the state: there is nothing left to try again with.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::symmetric::SymmetricState;
use super::{CipherState, NoiseError, Secret};
use crate::crypto::{x25519, x25519_public};
use crate::identity::NodeKeys;
use crate::limits::TAG;

/// Bytes of the payload of the second and third message; the first has none.
pub const PAYLOAD: usize = 120;
/// Bytes of the second message: `e`, sealed `s`, sealed payload.
pub const SECOND: usize = KEY + SEALED_KEY + SEALED_PAYLOAD;
/// Bytes of the third message: sealed `s`, sealed payload.
pub const THIRD: usize = SEALED_KEY + SEALED_PAYLOAD;

const KEY: usize = 32;
const SEALED_KEY: usize = KEY + TAG;
const SEALED_PAYLOAD: usize = PAYLOAD + TAG;

/// Which pattern, with the pre-shared key where it has one.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub enum Suite<'k> {
    /// `Noise_XX_25519_ChaChaPoly_SHA256`
    Xx,
    /// `Noise_XXpsk0_25519_ChaChaPoly_SHA256`
    XxPsk0(&'k [u8; 32]),
}

/// The first message: an ephemeral key, and a tag under the pre-shared key where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstMessage {
    /// The initiator's ephemeral public key.
    pub ephemeral: [u8; KEY],
    /// Over an empty payload; XXpsk0 only.
    pub tag: Option<[u8; TAG]>,
}

/// Either side, before the first message.
#[derive(Debug)]
pub struct Start {
    symmetric: SymmetricState,
    psk: bool,
}

impl Start {
    /// A handshake bound to `prologue`: it only succeeds if both sides give the same.
    pub fn new(suite: Suite<'_>, prologue: &[u8]) -> Self {
        let mut symmetric = SymmetricState::new(match suite {
            Suite::Xx => b"Noise_XX_25519_ChaChaPoly_SHA256",
            Suite::XxPsk0(_) => b"Noise_XXpsk0_25519_ChaChaPoly_SHA256",
        });
        symmetric.mix_hash(prologue);
        // The psk is the first token of the first message, whoever sends it.
        if let Suite::XxPsk0(psk) = suite {
            symmetric.mix_key_and_hash(psk);
        }
        Self {
            symmetric,
            psk: matches!(suite, Suite::XxPsk0(_)),
        }
    }

    /// Initiator: `-> e`.
    pub fn write_first(
        mut self,
        rng: &mut dyn CryptoRng,
    ) -> Result<(SentFirst, FirstMessage), NoiseError> {
        let e = Ephemeral::generate(rng);
        let ephemeral = e.public();
        self.mix_ephemeral(&ephemeral);
        let mut tag = [0; TAG];
        self.symmetric
            .seal(if self.psk { &mut tag } else { &mut [] })?;
        let first = FirstMessage {
            ephemeral,
            tag: self.psk.then_some(tag),
        };
        Ok((SentFirst { start: self, e }, first))
    }

    /// Responder: `-> e`.
    pub fn read_first(mut self, first: &FirstMessage) -> Result<ReadFirst, NoiseError> {
        self.mix_ephemeral(&first.ephemeral);
        match (self.psk, first.tag) {
            (true, Some(mut tag)) => self.symmetric.open(&mut tag)?,
            (false, None) => self.symmetric.open(&mut [])?,
            _ => return Err(NoiseError::Length),
        }
        Ok(ReadFirst {
            start: self,
            re: first.ephemeral,
        })
    }

    /// The token `e`: with a psk it is mixed into the key as well (section 9.2).
    fn mix_ephemeral(&mut self, e: &[u8; KEY]) {
        self.symmetric.mix_hash(e);
        if self.psk {
            self.symmetric.mix_key(e);
        }
    }

    fn mix_dh(&mut self, secret: &[u8; KEY], public: &[u8; KEY]) -> Result<(), NoiseError> {
        let shared = x25519(secret, public).ok_or(NoiseError::LowOrderPoint)?;
        self.symmetric.mix_key(&*shared);
        Ok(())
    }
}

/// Initiator, waiting for the second message.
#[derive(Debug)]
pub struct SentFirst {
    start: Start,
    e: Ephemeral,
}

impl SentFirst {
    /// `<- e, ee, s, es`: the peer's payload, authentic for [`ReadSecond::remote`].
    pub fn read_second(
        self,
        message: &mut [u8],
    ) -> Result<(ReadSecond, [u8; PAYLOAD]), NoiseError> {
        let Self { mut start, e } = self;
        let (re, rest) = message
            .split_first_chunk::<KEY>()
            .ok_or(NoiseError::Length)?;
        let re = *re;
        let rest_len = rest.len();
        let rest = message
            .last_chunk_mut::<THIRD>()
            .filter(|_| rest_len == THIRD)
            .ok_or(NoiseError::Length)?;

        start.mix_ephemeral(&re);
        start.mix_dh(&e.secret.0, &re)?;
        let (rs, sealed_payload) = open_key(&mut start, rest)?;
        start.mix_dh(&e.secret.0, &rs)?;
        let payload = open_payload(&mut start, sealed_payload)?;
        Ok((ReadSecond { start, re, rs }, payload))
    }
}

/// Responder, about to send the second message.
#[derive(Debug)]
pub struct ReadFirst {
    start: Start,
    re: [u8; KEY],
}

impl ReadFirst {
    /// `<- e, ee, s, es`.
    pub fn write_second(
        self,
        keys: &NodeKeys,
        rng: &mut dyn CryptoRng,
        payload: &[u8; PAYLOAD],
    ) -> Result<(SentSecond, [u8; SECOND]), NoiseError> {
        let Self { mut start, re } = self;
        let e = Ephemeral::generate(rng);
        let public = e.public();
        start.mix_ephemeral(&public);
        start.mix_dh(&e.secret.0, &re)?;
        let s = seal_key(&mut start, keys)?;
        start.mix_dh(keys.x25519_secret(), &re)?;
        let sealed_payload = seal_payload(&mut start, payload)?;
        let second = concat(&[&public, &s, &sealed_payload]);
        Ok((SentSecond { start, e }, second))
    }
}

/// Initiator, who now knows the peer and may walk away unseen.
#[derive(Debug)]
pub struct ReadSecond {
    start: Start,
    re: [u8; KEY],
    rs: [u8; KEY],
}

impl ReadSecond {
    /// The peer's static key.
    pub fn remote(&self) -> &[u8; KEY] {
        &self.rs
    }

    /// `-> s, se`.
    pub fn write_third(
        self,
        keys: &NodeKeys,
        payload: &[u8; PAYLOAD],
    ) -> Result<(Transport, [u8; THIRD]), NoiseError> {
        let Self { mut start, re, rs } = self;
        let s = seal_key(&mut start, keys)?;
        start.mix_dh(keys.x25519_secret(), &re)?;
        let sealed_payload = seal_payload(&mut start, payload)?;
        let third = concat(&[&s, &sealed_payload]);
        let ([send, receive], hash) = start.symmetric.split();
        let transport = Transport {
            send,
            receive,
            hash,
            remote: rs,
        };
        Ok((transport, third))
    }
}

/// Responder, waiting for the third message.
#[derive(Debug)]
pub struct SentSecond {
    start: Start,
    e: Ephemeral,
}

impl SentSecond {
    /// `-> s, se`: the peer's payload, authentic for [`Transport::remote`].
    pub fn read_third(self, message: &mut [u8]) -> Result<(Transport, [u8; PAYLOAD]), NoiseError> {
        let Self { mut start, e } = self;
        let message: &mut [u8; THIRD] = message.try_into().map_err(|_| NoiseError::Length)?;
        let (rs, sealed_payload) = open_key(&mut start, message)?;
        start.mix_dh(&e.secret.0, &rs)?;
        let payload = open_payload(&mut start, sealed_payload)?;
        let ([receive, send], hash) = start.symmetric.split();
        let transport = Transport {
            send,
            receive,
            hash,
            remote: rs,
        };
        Ok((transport, payload))
    }
}

/// What a whole handshake gives.
#[derive(Debug)]
pub struct Transport {
    /// Key of what we send.
    pub send: CipherState,
    /// Key of what we receive.
    pub receive: CipherState,
    /// The same at both ends and in no other session.
    pub hash: [u8; 32],
    /// The peer's static key.
    pub remote: [u8; KEY],
}

#[derive(Debug)]
struct Ephemeral {
    secret: Secret,
}

impl Ephemeral {
    fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; KEY]);
        rng.fill_bytes(&mut *secret);
        Self {
            secret: Secret(secret),
        }
    }

    fn public(&self) -> [u8; KEY] {
        x25519_public(&self.secret.0)
    }
}

/// The token `s`, sent.
fn seal_key(start: &mut Start, keys: &NodeKeys) -> Result<[u8; SEALED_KEY], NoiseError> {
    let mut sealed = concat(&[&keys.public().x25519, &[0; TAG]]);
    start.symmetric.seal(&mut sealed)?;
    Ok(sealed)
}

fn seal_payload(
    start: &mut Start,
    payload: &[u8; PAYLOAD],
) -> Result<[u8; SEALED_PAYLOAD], NoiseError> {
    let mut sealed = concat(&[payload, &[0; TAG]]);
    start.symmetric.seal(&mut sealed)?;
    Ok(sealed)
}

/// The token `s`, received; and what follows it.
fn open_key<'m>(
    start: &mut Start,
    message: &'m mut [u8; THIRD],
) -> Result<([u8; KEY], &'m mut [u8]), NoiseError> {
    let (sealed, rest) = message
        .split_first_chunk_mut::<SEALED_KEY>()
        .ok_or(NoiseError::Length)?;
    start.symmetric.open(sealed)?;
    let key = sealed.first_chunk().ok_or(NoiseError::Length)?;
    Ok((*key, rest))
}

fn open_payload(start: &mut Start, sealed: &mut [u8]) -> Result<[u8; PAYLOAD], NoiseError> {
    start.symmetric.open(sealed)?;
    sealed.first_chunk().copied().ok_or(NoiseError::Length)
}

/// The parts in one array, whose length is the sum of theirs.
fn concat<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N);
    let mut out = [0; N];
    let bytes = parts.iter().copied().flatten();
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
    out
}
