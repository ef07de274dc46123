//! docs/SMSG.md, sections 3 and 4, once more: the key schedule of a link as somebody computes it who is
//! not our code. It decodes recorded frames from whatever secrets it is given, and forges handshakes.
//!
//! Nothing here is of `shared`: only the primitive crates, and HKDF written anew.
//!
//! ```text
//!   Schedule::new(prologue, psk) ─ read_first ─ read_second(ee, es) ─ read_third(se) ─▶ Keys
//!                                             └ write_second       └ write_third      open(frame)
//! ```

use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use sha2::{Digest, Sha256};
use x25519_dalek::{PublicKey, StaticSecret};

/// A key, a hash, a point or a Diffie-Hellman result.
pub(crate) type Bytes32 = [u8; 32];

/// Bytes of the payload that both ends send once.
const PAYLOAD: usize = 120;

pub(crate) fn sha256(parts: &[&[u8]]) -> Bytes32 {
    Sha256::digest(parts.concat()).into()
}

fn hmac(key: &[u8], text: &[u8]) -> Bytes32 {
    assert!(key.len() <= 64, "no longer key is used here");
    let pad = |with: u8| -> [u8; 64] {
        core::array::from_fn(|at| key.get(at).copied().unwrap_or_default() ^ with)
    };
    sha256(&[&pad(0x5c), &sha256(&[&pad(0x36), text])])
}

/// RFC 5869, as many blocks of 32 bytes as are asked for.
pub(crate) fn hkdf<const BLOCKS: usize>(salt: &[u8], ikm: &[u8], info: &[u8]) -> [Bytes32; BLOCKS] {
    let key = hmac(salt, ikm);
    let mut before = Vec::new();
    core::array::from_fn(|at| {
        let counter = u8::try_from(at + 1).expect("a few blocks");
        let block = hmac(&key, &[&before, info, &[counter][..]].concat());
        before = block.to_vec();
        block
    })
}

/// X25519, low-order results included.
pub(crate) fn dh(secret: &Bytes32, public: &Bytes32) -> Bytes32 {
    let secret = StaticSecret::from(*secret);
    secret.diffie_hellman(&PublicKey::from(*public)).to_bytes()
}

pub(crate) fn public(secret: &Bytes32) -> Bytes32 {
    PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// The X25519 secret of the node with this seed.
pub(crate) fn static_secret(seed: &Bytes32) -> Bytes32 {
    let [secret] = hkdf(b"SMSG/1 keys", seed, b"x25519");
    secret
}

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_le_bytes());
    nonce
}

fn seal(key: &Bytes32, counter: u64, ad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut sealed = plain.to_vec();
    let tag = ChaCha20Poly1305::new(key.into())
        .encrypt_inout_detached(&nonce(counter).into(), ad, sealed.as_mut_slice().into())
        .expect("short enough");
    sealed.extend_from_slice(&tag);
    sealed
}

fn open(key: &Bytes32, counter: u64, ad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (text, tag) = sealed.split_last_chunk::<16>()?;
    let mut plain = text.to_vec();
    ChaCha20Poly1305::new(key.into())
        .decrypt_inout_detached(
            &nonce(counter).into(),
            ad,
            plain.as_mut_slice().into(),
            tag.into(),
        )
        .ok()?;
    Some(plain)
}

/// What did not open: the first thing that the guessed secrets do not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stuck {
    /// The listener's static key, sealed in the second frame.
    ListenersKey,
    /// Its payload.
    ListenersPayload,
    /// The dialler's static key, sealed in the third frame.
    DiallersKey,
    /// Its payload.
    DiallersPayload,
}

/// The symmetric state of a handshake, seen by either end or by neither.
#[derive(Clone)]
pub(crate) struct Schedule {
    hash: Bytes32,
    chaining_key: Bytes32,
    key: Option<Bytes32>,
    counter: u64,
    psk: bool,
}

impl Schedule {
    /// For the first frame, and the secret of its token if it names one. Goes to its end.
    pub(crate) fn of(first: &[u8], secret: Option<&[u8; 16]>) -> Self {
        let head = &first[8..18];
        let name = match secret {
            None => b"Noise_XX_25519_ChaChaPoly_SHA256".to_vec(),
            Some(_) => sha256(&[b"Noise_XXpsk0_25519_ChaChaPoly_SHA256"]).to_vec(),
        };
        let name: Bytes32 = name.try_into().expect("a name or a hash of 32 bytes");
        let mut this = Self {
            hash: name,
            chaining_key: name,
            key: None,
            counter: 0,
            psk: secret.is_some(),
        };
        this.mix_hash(&[b"SMSG/1\0", head].concat());
        if let Some(secret) = secret {
            let [psk] = hkdf(b"SMSG/1 enrol", secret, &head[2..]);
            let [chaining_key, hash, key] = hkdf(&this.chaining_key, &psk, &[]);
            this.mix_hash(&hash);
            (this.chaining_key, this.key) = (chaining_key, Some(key));
        }
        this.mix_ephemeral(&ephemeral(&first[18..]));
        this.mix_hash(&first[50..]);
        this
    }

    fn mix_hash(&mut self, data: &[u8]) {
        self.hash = sha256(&[&self.hash, data]);
    }

    fn mix_key(&mut self, input: &Bytes32) {
        let [chaining_key, key] = hkdf(&self.chaining_key, input, &[]);
        (self.chaining_key, self.key, self.counter) = (chaining_key, Some(key), 0);
    }

    fn mix_ephemeral(&mut self, public: &Bytes32) {
        self.mix_hash(public);
        if self.psk {
            self.mix_key(public);
        }
    }

    fn open(&mut self, sealed: &[u8]) -> Option<Vec<u8>> {
        let plain = open(&self.key?, self.counter, &self.hash, sealed)?;
        self.counter += 1;
        self.mix_hash(sealed);
        Some(plain)
    }

    fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
        let key = self.key.expect("after a Diffie-Hellman");
        let sealed = seal(&key, self.counter, &self.hash, plain);
        self.counter += 1;
        self.mix_hash(&sealed);
        sealed
    }

    /// Goes to the end of the second frame: the listener's static key and its payload.
    pub(crate) fn read_second(
        &mut self,
        second: &[u8],
        ee: &Bytes32,
        es: &Bytes32,
    ) -> Result<(Bytes32, Vec<u8>), Stuck> {
        self.mix_ephemeral(&ephemeral(&second[8..]));
        self.mix_key(ee);
        let key = self.open(&second[40..88]).ok_or(Stuck::ListenersKey)?;
        self.mix_key(es);
        let payload = self.open(&second[88..]).ok_or(Stuck::ListenersPayload)?;
        Ok((key.try_into().expect("32 bytes"), payload))
    }

    /// Goes to the end of the third frame: the dialler's static key and its payload.
    pub(crate) fn read_third(
        &mut self,
        third: &[u8],
        se: &Bytes32,
    ) -> Result<(Bytes32, Vec<u8>), Stuck> {
        let key = self.open(&third[8..56]).ok_or(Stuck::DiallersKey)?;
        self.mix_key(se);
        let payload = self.open(&third[56..]).ok_or(Stuck::DiallersPayload)?;
        Ok((key.try_into().expect("32 bytes"), payload))
    }

    /// A second frame with these keys and this payload, whether the author owns them or not.
    pub(crate) fn write_second(
        &mut self,
        e: &Bytes32,
        s: &Bytes32,
        (ee, es): (&Bytes32, &Bytes32),
        payload: &[u8],
    ) -> Vec<u8> {
        self.mix_ephemeral(e);
        self.mix_key(ee);
        let key = self.seal(s);
        self.mix_key(es);
        let payload = self.seal(payload);
        frame(2, &[&e[..], &key, &payload].concat())
    }

    /// A third frame, likewise.
    pub(crate) fn write_third(&mut self, s: &Bytes32, se: &Bytes32, payload: &[u8]) -> Vec<u8> {
        assert_eq!(payload.len(), PAYLOAD);
        let key = self.seal(s);
        self.mix_key(se);
        let payload = self.seal(payload);
        frame(3, &[key, payload].concat())
    }

    /// The hash of all that was said.
    pub(crate) fn hash(&self) -> Bytes32 {
        self.hash
    }

    /// The session's keys, the dialler's direction first.
    pub(crate) fn keys(&self) -> [Direction; 2] {
        hkdf::<2>(&self.chaining_key, &[], &[]).map(|key| Direction { key, counter: 0 })
    }
}

/// One direction of a session.
#[derive(Clone)]
pub(crate) struct Direction {
    key: Bytes32,
    counter: u64,
}

impl Direction {
    /// Opens the next frame: number and body of its message, and the signature.
    pub(crate) fn open(&mut self, frame: &[u8]) -> Option<(u64, Vec<u8>, [u8; 64])> {
        let (header, sealed) = frame.split_at(8);
        let plain = open(&self.key, self.counter, header, sealed)?;
        self.counter += 1;
        if self.counter.is_multiple_of(1_024) {
            let zeros = seal(&self.key, u64::MAX, &[], &[0; 32]);
            self.key = zeros[..32].try_into().expect("32 bytes");
        }
        let (seq, rest) = plain.split_first_chunk().expect("a number");
        let (body, signature) = rest.split_last_chunk().expect("a signature");
        Some((u64::from_le_bytes(*seq), body.to_vec(), *signature))
    }
}

/// The ephemeral key at the beginning.
pub(crate) fn ephemeral(bytes: &[u8]) -> Bytes32 {
    *bytes.first_chunk().expect("a handshake frame")
}

/// A first frame of suite 1 from whoever has this ephemeral key, as a dialling worker.
pub(crate) fn first_frame(e: &Bytes32) -> Vec<u8> {
    frame(1, &[&[1, 1][..], &[0; 8], e].concat())
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).expect("short").to_le_bytes();
    [b"SMSG", &[1, kind][..], &len, body].concat()
}
