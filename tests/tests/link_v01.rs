//! The bytes of a whole link of protocol version 1, frozen.
//!
//! If a test in this file fails, do not change the test! It means that this node can no longer talk
//! to those in the field, or that a key on a disk now makes another identity.
//!
//! Seeds, boots and ephemeral keys are fixed here and in docs/SMSG.md, section "Check it yourself":
//! whoever implements the page gets these bytes, as `link_v01.py` beside this file did.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation fails the test"
)]

use core::convert::Infallible;

use miner_shared::crypto::sha256;
use miner_shared::identity::{Enrolment, NodeKeys, PairingCode, Role, key_file};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Expect, Link, LocalNode};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Message, NodeCard, Query};
use rand_core::{TryCryptoRng, TryRng};

const NOW: Millis = Millis(0);

const X25519: &str = "698b0deb0fff480e39e1c819f0b517f614a3d76148e38c0e22ec1b3b308a9e6a";
const ED25519: &str = "1c74f6666deb28319fb0d1f629e350e70b4d49de3de18dcf942fcfe101f45035";
const FINGERPRINT: &str = "WBWJ-T61R-YP2K-ADCY-NB86-9H1F-RY1A-257C-GE39-NECG-NPFK-CF3J-DV30-N8";
const NODE_ID: &str = "e2f92d1838f58535";
const KEY_FILE_CHECK: &str = "ac7c0bd585eb667b";
const PAIRING_CODE: &str = "0W3G-E1R7-0W3G-E1R7-0W3G-E1R7-0WV8";
const PAIRING_NAME: &str = "1bf188db30d75832";

const XX: [(usize, &str); 9] = [
    (
        50,
        "3f399fbe906edc37c896e859969bfff2fd647de97abb4c1dc6310d3524442454",
    ), // first
    (
        224,
        "9a08bdfad22fea15f7c8b31c8a9c867084949da72c845115e7c3918a3fa85ce9",
    ), // second
    (
        192,
        "9be8f4080c5f023eec25a6420f3bc22db9ad9e27a2244420567a46798eb54827",
    ), // third
    (
        127,
        "e66bacb5303b9538bfde8c3183f25c3b3a6dc43c54541b2f1f098198f7687f3d",
    ), // Hello
    (
        128,
        "a3c9890eff768079640f171fdc679f43c9bdc1fcdc059606405b4e2019b12731",
    ), // Welcome
    (
        99,
        "da014791f5865d882d13709936a136647501b3bbe7f71d6ce8c2ffe0530d9275",
    ), // query, frame 1
    (
        99,
        "918de066c85896d65f5c538e1903c25848b63ef4ed90e8d54b3663f83412ded4",
    ), // query, frame 1,023
    (
        99,
        "3a54c277f35c4873a6c2dcd5f56a566b75e6c72673c37aeed230b21808956986",
    ), // query, frame 1,024, rekeyed
    (
        32,
        "b2daf8943dff4352b20b1858d39473d9d8d4c4bda18ef6ba7f4e969fd0b5a826",
    ), // handshake hash
];

const XX_PSK0: [(usize, &str); 9] = [
    (
        66,
        "357b1f2d2ced6055a94118d05336d6a64d18d9b658b0f8cb4a26bd520a0e6480",
    ), // first
    (
        224,
        "6104fbed8ada5d2be251d754db397d9edbe45b06e3047719d4944cc62db15719",
    ), // second
    (
        192,
        "ee79d71a03290216c1bb9343ce880f05fd7df9db1395eb4804253c8db97a7b7c",
    ), // third
    (
        127,
        "9b86114d2e47ba7028b59543679b5f18001515fe834df41eb86356e6b935b625",
    ), // Hello
    (
        128,
        "e9a619ad8ef5374e43f0946d3e4a31affd51246e7f546cc6476d059329f45f9e",
    ), // Welcome
    (
        99,
        "e59ea14f322038f82d128d4062a8bcea926c25a8de6e01d560cd8f253fa43287",
    ), // query, frame 1
    (
        99,
        "4d4a0e5d34a60bee2c78d7aafb45c024477952fb03cfe713b1827d76648dd135",
    ), // query, frame 1,023
    (
        99,
        "697523826de235356ea5eccc64e8d50313c44f9c5ec98b577e7c811fee4e050d",
    ), // query, frame 1,024, rekeyed
    (
        32,
        "0e775a17e150b9131168852a4ba97f1db93dcc185d1a3ef03e4a4e1dc3a58221",
    ), // handshake hash
];

#[test]
fn a_seed_makes_these_keys_names_and_file() {
    let keys = NodeKeys::from_seed(&[1; 32]);
    assert_eq!(hex::encode(keys.public().x25519), X25519);
    assert_eq!(hex::encode(keys.public().ed25519), ED25519);
    assert_eq!(keys.fingerprint().to_string(), FINGERPRINT);
    assert_eq!(keys.fingerprint().node_id().to_string(), NODE_ID);
    assert_eq!(
        hex::encode(*key_file::encode(keys.seed())),
        [
            "534d53474b455931", // "SMSGKEY1"
            &"01".repeat(32),   // seed
            KEY_FILE_CHECK,
        ]
        .concat()
    );
}

#[test]
fn a_pairing_code_has_this_text_and_name() {
    let code: PairingCode = PAIRING_CODE.parse().expect("reads");
    assert_eq!(code.secret(), &[7; 16]);
    assert_eq!(code.to_string(), PAIRING_CODE);
    assert_eq!(hex::encode(code.token_id()), PAIRING_NAME);
}

#[test]
fn suite_01_sends_these_frames() {
    assert_eq!(
        transcript(None),
        XX.map(|(len, hash)| (len, hash.to_owned()))
    );
}

#[test]
fn suite_02_sends_these_frames() {
    let code: PairingCode = PAIRING_CODE.parse().expect("reads");
    let expected = XX_PSK0.map(|(len, hash)| (len, hash.to_owned()));
    assert_eq!(transcript(Some(&code.enrolment())), expected);
}

/// Length and SHA-256 of frames of a link: first, second, third, Hello, Welcome, the query behind it;
/// of the queries that are the last before and the first after a rekey; and the handshake's hash.
fn transcript(enrolment: Option<&Enrolment>) -> [(usize, String); 9] {
    let controller = node(2, Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let mut dialler = End {
        node: node(1, Role::Worker),
        link: Link::dial(Dial::WorkerDials, expect, enrolment, None, NOW),
        rng: Fixed(0x11),
    };
    let mut listener = End {
        node: controller,
        link: Link::listen(Dial::WorkerDials, NOW),
        rng: Fixed(0x22),
    };

    let first = dialler.send();
    listener.receive(&first);
    if let Some(enrolment) = enrolment {
        let answered = listener.link.answer_token(Some(&enrolment.secret));
        answered.expect("asked");
    }
    let second = listener.send();
    dialler.receive(&second);
    let third = dialler.send();
    let hello = dialler.send();
    listener.receive(&third);
    listener.receive(&hello);
    let welcomed = listener.link.welcome(Admission::Registered, None);
    welcomed.expect("proven");
    let welcome = listener.send();
    dialler.receive(&welcome);
    // The Welcome was frame 0 of its direction.
    let queries: Vec<_> = (1..=1_024).map(|_| listener.query()).collect();
    let [query, .., last, rekeyed] = &queries[..] else {
        panic!("1,024 queries");
    };
    let hash = dialler.link.handshake_hash().expect("over");

    let frames = [
        &first, &second, &third, &hello, &welcome, query, last, rekeyed,
    ];
    let [a, b, c, d, e, f, g, h] = frames.map(|frame| (frame.len(), hex::encode(sha256(&[frame]))));
    [a, b, c, d, e, f, g, h, (hash.len(), hex::encode(hash))]
}

struct End {
    node: LocalNode,
    link: Link,
    rng: Fixed,
}

impl End {
    fn send(&mut self) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let Self { node, link, rng } = self;
        let len = link.poll_transmit(node, NOW, rng, &mut out).expect("owed");
        out[..len].to_vec()
    }

    fn query(&mut self) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let query = Message::Query(1, Query::GetInfo);
        let sealed = self.link.seal(&self.node, NOW, &query, &mut out);
        out[..sealed.expect("up")].to_vec()
    }

    fn receive(&mut self, frame: &[u8]) {
        let taken = self.link.handle_frame(&self.node, NOW, &mut frame.to_vec());
        taken.expect("a good frame");
    }
}

/// Seeds and boots are one byte, repeated.
fn node(fill: u8, role: Role) -> LocalNode {
    let card = NodeCard {
        name: Name::parse("node").expect("a name"),
        software: Label::lossy("miner 0.1.0"),
        host: Label::lossy("linux x86_64"),
    };
    LocalNode::new(NodeKeys::from_seed(&[fill; 32]), role, [fill; 16], card)
}

/// A random source of one byte, repeated.
struct Fixed(u8);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes([self.0; 4]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes([self.0; 8]))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
