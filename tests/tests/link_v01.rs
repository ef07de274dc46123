//! The bytes of whole links of protocol version 1, frozen in `link_v01.txt`.
//!
//! If a test in this file fails, do not change the vectors! It means that this node can no longer talk
//! to those in the field, or that a key on a disk now makes another identity.
//!
//! | by | the vectors are |
//! |---|---|
//! | `link_v01.py`, another language and library | printed |
//! | our code | sent |
//! | `link/schedule.rs`, which is not our code either | decoded |
//!
//! Seeds, boots and ephemeral keys are fixed here and in docs/SMSG.md, section "Check it yourself":
//! whoever implements the page gets these bytes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation fails the test"
)]

#[path = "link/schedule.rs"]
#[expect(dead_code, reason = "nothing is forged here")]
mod schedule;

use core::convert::Infallible;
use std::path::Path;
use std::process::Command;

use miner_shared::identity::{
    EnrolToken, Enrolment, NodeKeys, PairingCode, RecoveryKey, Role, Statement, key_file,
};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Expect, Link, LocalNode};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Admission, Answer, Command as Order, Desired, Message, NodeCard, Outcome, Query,
    Refusal, RigStats, State,
};
use rand_core::{TryCryptoRng, TryRng};

use self::schedule::{Schedule, dh, ephemeral, public, sha256, static_secret};

const VECTORS: &str = include_str!("link_v01.txt");

const NOW: Millis = Millis(0);
/// Secret of the dialler's ephemeral key, and of the listener's, one byte repeated.
const EPHEMERAL: [u8; 2] = [0x11, 0x22];
const QUERY: Message = Message::Query(1, Query::GetInfo);

/// The value of this name before the links.
fn value(name: &str) -> &'static str {
    let mut lines = VECTORS.lines().take_while(|line| !line.starts_with("link"));
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no {name}"))
}

/// The names and values of this link.
fn vectors(suite: u8, dial: u8) -> Vec<(&'static str, Vec<u8>)> {
    let title = format!("link suite {suite} dial {dial}");
    let lines = VECTORS.lines().skip_while(|line| *line != title).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("link"));
    let pair = |line: &'static str| {
        let (name, bytes) = line.split_once(' ').expect("a name and its value");
        (name, hex::decode(bytes).expect("hex"))
    };
    lines.map(pair).collect()
}

fn code() -> PairingCode {
    value("code").parse().expect("reads")
}

#[test]
fn a_changed_key_is_shown_by_these_frames() {
    let [old, new] = [2, 3].map(|fill| NodeKeys::from_seed(&[fill; 32]));
    let recovery: RecoveryKey = value("recovery").parse().expect("reads");
    assert_eq!(recovery.to_string(), value("recovery"));
    assert_eq!(hex::encode(recovery.public()), value("recovery-public"));
    for (name, statement) in [
        ("succession", Statement::by_old(&old, &new)),
        ("recovered", Statement::by_recovery(&recovery, &new, 7)),
    ] {
        let frame = [&b"SMSG\x01\x04\x15\x01"[..], statement.as_bytes()].concat();
        assert_eq!(hex::encode(frame), value(name));
    }
}

#[test]
fn a_seed_makes_these_keys_names_and_file() {
    let keys = NodeKeys::from_seed(&[1; 32]);
    assert_eq!(hex::encode(keys.public().x25519), value("x25519"));
    assert_eq!(hex::encode(keys.public().ed25519), value("ed25519"));
    assert_eq!(keys.fingerprint().to_string(), value("fingerprint"));
    assert_eq!(keys.fingerprint().node_id().to_string(), value("node-id"));
    let file = key_file::encode(keys.seed());
    assert_eq!(hex::encode(*file), value("key-file"));
}

#[test]
fn a_pairing_code_and_a_token_have_these_texts() {
    assert_eq!(code().secret(), &[7; 16]);
    assert_eq!(code().to_string(), value("code"));
    assert_eq!(hex::encode(code().token_id()), value("code-name"));

    let token: EnrolToken = value("token").parse().expect("reads");
    assert_eq!(token.to_string(), value("token"));
    let enrolment = token.enrolment();
    assert_eq!((enrolment.token_id, *enrolment.secret), ([5; 8], [6; 16]));
    let controller = node(2, Role::Controller).fingerprint();
    assert_eq!(*token.controller(), controller.prefix());
}

#[test]
fn a_worker_that_dials_sends_and_gets_these_frames() {
    assert_eq!(transcript(Dial::WorkerDials, None), vectors(1, 1));
    let by_token = transcript(Dial::WorkerDials, Some(&code().enrolment()));
    assert_eq!(by_token, vectors(2, 1));
}

#[test]
fn a_controller_that_dials_sends_and_gets_these_frames() {
    assert_eq!(transcript(Dial::ControllerDials, None), vectors(1, 2));
    let by_code = transcript(Dial::ControllerDials, Some(&code().enrolment()));
    assert_eq!(by_code, vectors(2, 2));
}

/// All frames of a link up to one message of each kind, then the last before a rekey and the first
/// after it; and the handshake's hash.
fn transcript(dial: Dial, enrolment: Option<&Enrolment>) -> Vec<(&'static str, Vec<u8>)> {
    let (worker, controller) = (node(1, Role::Worker), node(2, Role::Controller));
    let (dialling, listening) = match dial {
        Dial::WorkerDials => (worker, controller),
        Dial::ControllerDials => (controller, worker),
    };
    let expect = Expect::Fingerprint(listening.fingerprint());
    let [ours, theirs] = EPHEMERAL;
    let mut dialler = End {
        node: dialling,
        link: Link::dial(dial, expect, enrolment, None, NOW),
        rng: Fixed(ours),
    };
    let mut listener = End {
        node: listening,
        link: Link::listen(dial, NOW),
        rng: Fixed(theirs),
    };
    let mut sent = Vec::new();
    let mut record = |name, frame| sent.push((name, frame));

    record("first", dialler.owes_to(&mut listener));
    if let Some(enrolment) = enrolment {
        let answered = listener.link.answer_token(Some(&enrolment.secret));
        answered.expect("asked");
    }
    record("second", listener.owes_to(&mut dialler));
    record("third", dialler.owes_to(&mut listener));
    record("hello", dialler.owes_to(&mut listener));
    let welcomed = listener.link.welcome(Admission::Registered, None);
    welcomed.expect("proven");
    record("welcome", listener.owes_to(&mut dialler));
    let hash = dialler.link.handshake_hash().expect("over");

    let (mut worker, mut controller) = match dial {
        Dial::WorkerDials => (dialler, listener),
        Dial::ControllerDials => (listener, dialler),
    };
    record("query", controller.says_to(&mut worker, &QUERY));
    record("command", controller.says_to(&mut worker, &command()));
    controller.link.ping(NOW);
    record("ping", controller.owes_to(&mut worker));
    record("heartbeat", worker.says_to(&mut controller, &heartbeat()));
    record("answer", worker.says_to(&mut controller, &answer()));
    record("receipt", worker.says_to(&mut controller, &receipt()));
    record("pong", worker.owes_to(&mut controller));
    // Four frames of the controller's direction are over.
    let queries: Vec<_> = (4..=1_024)
        .map(|_| controller.says_to(&mut worker, &QUERY))
        .collect();
    let [.., last, rekeyed] = queries.as_slice() else {
        panic!("1,021 queries");
    };
    record("last", last.clone());
    record("rekeyed", rekeyed.clone());
    record("hash", hash.to_vec());
    sent
}

fn command() -> Message {
    let desired = Desired {
        generation: 4,
        state: State::Stopped,
    };
    Message::Command([0xaa; 16], Order::SetState(desired))
}

fn heartbeat() -> Message {
    Message::Heartbeat(RigStats {
        uptime_ms: 0,
        generation: 0,
        profile: None,
        activity: Activity::Stopped,
        miners: heapless::Vec::new(),
        logs_lost: 0,
    })
}

fn answer() -> Message {
    Message::Answer(1, Answer::Refused(Refusal::NotAllowed))
}

fn receipt() -> Message {
    Message::Receipt([0xaa; 16], Outcome::Applied)
}

#[test]
fn the_frames_decode_without_our_code() {
    let code = [7; 16];
    for (suite, secret) in [(1, None), (2, Some(&code))] {
        for (dial, seeds) in [(1, [1, 2]), (2, [2, 1])] {
            decode(&vectors(suite, dial), secret, seeds);
        }
    }
}

/// Opens every frame of a link from the seeds of its two nodes, the dialler's first, and verifies who
/// signed what for whom.
fn decode(vectors: &[(&str, Vec<u8>)], secret: Option<&[u8; 16]>, seeds: [u8; 2]) {
    let of = |wanted: &str| {
        let found = vectors.iter().find(|(name, _)| *name == wanted);
        found.map_or_else(|| panic!("no {wanted}"), |(_, bytes)| bytes.as_slice())
    };
    let statics = seeds.map(|seed| static_secret(&[seed; 32]));
    let [ours, theirs] = EPHEMERAL.map(|fill| [fill; 32]);
    let (first, second, third) = (of("first"), of("second"), of("third"));
    assert_eq!(ephemeral(&first[18..]), public(&ours));
    assert_eq!(ephemeral(&second[8..]), public(&theirs));

    let mut schedule = Schedule::of(first, secret);
    let (ee, es) = (dh(&ours, &public(&theirs)), dh(&ours, &public(&statics[1])));
    let (listener, listeners) = schedule.read_second(second, &ee, &es).expect("opens");
    let se = dh(&theirs, &public(&statics[0]));
    let (dialler, diallers) = schedule.read_third(third, &se).expect("opens");
    assert_eq!([dialler, listener], statics.map(|secret| public(&secret)));
    assert_eq!(schedule.hash(), of("hash"));

    // Fingerprint and boot of each end, and the key that it signs with.
    let ends = [(dialler, diallers), (listener, listeners)].map(|(x25519, payload)| {
        let key: [u8; 32] = *payload[24..].first_chunk().expect("120 bytes");
        let fingerprint = sha256(&[b"SMSG/1 node\0", &x25519, &key]);
        let key = ed25519_dalek::VerifyingKey::from_bytes(&key).expect("a point");
        ([&fingerprint[..], &payload[8..24]].concat(), key)
    });
    let mut keys = schedule.keys();
    let mut check = |name: &str, by: usize, frame: &[u8], body: &[u8]| {
        let (seq, opened, signature) = keys[by].open(frame).expect(name);
        assert_eq!(opened, body, "{name}");
        let ((author, key), (recipient, _)) = (&ends[by], &ends[1 - by]);
        let seq = seq.to_le_bytes();
        let signed = [b"SMSG/1 msg\0", &author[..], recipient, &seq, body].concat();
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        key.verify_strict(&signed, &signature).expect(name);
    };
    let card = b"\x04node\x0bminer 0.1.0\x0clinux x86_64";
    check("hello", 0, of("hello"), &[&b"\x00"[..], card].concat());
    check(
        "welcome",
        1,
        of("welcome"),
        &[&b"\x01\x00"[..], card].concat(),
    );
    let controller = usize::from(seeds == [1, 2]);
    for (name, by, message) in [
        ("query", controller, QUERY),
        ("command", controller, command()),
        ("ping", controller, Message::Ping(1)),
        ("heartbeat", 1 - controller, heartbeat()),
        ("answer", 1 - controller, answer()),
        ("receipt", 1 - controller, receipt()),
        ("pong", 1 - controller, Message::Pong(1)),
    ] {
        let mut body = [0; 64];
        let body = message.encode(&mut body).expect("short");
        check(name, by, of(name), body);
    }
}

#[test]
fn python_prints_these_vectors() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/link_v01.py");
    let ran = Command::new("python3").arg(script).output();
    let Ok(ran) = ran else {
        return println!("not run: there is no python3");
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    if said.contains("No module named 'cryptography'") {
        return println!("not run: python3 has no module cryptography");
    }
    assert!(ran.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&ran.stdout), VECTORS);
}

struct End {
    node: LocalNode,
    link: Link,
    rng: Fixed,
}

impl End {
    /// The frame that this end owes, which the other takes.
    fn owes_to(&mut self, other: &mut Self) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let Self { node, link, rng } = self;
        let len = link.poll_transmit(node, NOW, rng, &mut out).expect("owed");
        other.takes(&out[..len])
    }

    fn says_to(&mut self, other: &mut Self, message: &Message) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let sealed = self.link.seal(&self.node, NOW, message, &mut out);
        other.takes(&out[..sealed.expect("up")])
    }

    fn takes(&mut self, frame: &[u8]) -> Vec<u8> {
        let taken = self.link.handle_frame(&self.node, NOW, &mut frame.to_vec());
        taken.expect("a good frame");
        frame.to_vec()
    }
}

/// Seeds and boots are one byte, repeated.
fn node(fill: u8, role: Role) -> LocalNode {
    let card = NodeCard {
        name: Name::parse("node").expect("a name"),
        software: Label::lossy("miner 0.1.0"),
        host: Label::lossy("linux x86_64"),
    };
    LocalNode::new(NodeKeys::from_seed(&[fill; 32]), role, [fill; 16], card).up_to_version(1)
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
