//! Who has recorded everything and stolen keys later, and who has stolen a key and poses as others.
//!
//! | thief has | wants | what is missing |
//! |---|---|---|
//! | all frames, both private keys, the token | to read them | `ee`, of two keys that were never stored |
//! | a node's private key | to be somebody else for that node | `es` or `se`, of the other's private key |
//!
//! The thief computes with [`crate::schedule`], which is not our code. Each test shows as well that the
//! same computation succeeds with the one value that the thief lacks.

use miner_shared::identity::{Enrolment, PairingCode, Role};
use miner_shared::smsg::noise::NoiseError;
use miner_shared::smsg::{Dial, Expect, LinkError};
use miner_shared::wire::{Answer, Message, Query, Refusal};

use crate::schedule::{
    Bytes32, Schedule, Stuck, dh, ephemeral, first_frame, public, static_secret,
};
use crate::support::{DIALLER, LISTENER, Pair, TestRng, node};

/// Messages each way: more than lie between two rekeys.
const MESSAGES: u32 = 1_100;

/// The seeds of the worker that dials and of its controller.
const SEEDS: [Bytes32; 2] = [[1; 32], [2; 32]];

/// All that crossed the wire, and what the ends said inside.
struct Recording {
    handshake: [Vec<u8>; 3],
    /// Frames of the dialler and of the listener.
    frames: [Vec<Vec<u8>>; 2],
    /// The bodies in them.
    said: [Vec<Vec<u8>>; 2],
    hash: Bytes32,
    /// The two secrets that nobody stored; the ends' programs cannot say them any more.
    ephemeral: [Bytes32; 2],
}

/// Records a session of many messages.
fn record(enrol: Option<&Enrolment>) -> Recording {
    let controller = node(2, Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let mut pair = Pair::worker_dials(controller, expect, enrol);
    pair.secret = enrol.map(|enrol| *enrol.secret);
    pair.rng = TestRng::new(6);
    // The ends draw nothing else.
    let mut draws = TestRng::new(6);
    let ephemeral = [draws.bytes(), draws.bytes()];

    let handshake = [LISTENER, DIALLER, LISTENER].map(|to| pass(&mut pair, to));
    let mut frames = [
        vec![pass(&mut pair, LISTENER)],
        vec![pass(&mut pair, DIALLER)],
    ];
    let hello = Message::Hello(pair.ends[DIALLER].node.card().clone());
    let welcome = Message::Welcome(
        miner_shared::wire::Admission::Registered,
        pair.ends[LISTENER].node.card().clone(),
    );
    let mut said = [vec![encoded(&hello)], vec![encoded(&welcome)]];
    for id in 0..MESSAGES {
        let query = Message::Query(id, Query::GetStats);
        let answer = Message::Answer(id, Answer::Refused(Refusal::Busy));
        for (from, message) in [(LISTENER, query), (DIALLER, answer)] {
            pair.send(from, &message).expect("sealed");
            frames[from].push(pass(&mut pair, 1 - from));
            said[from].push(encoded(&message));
        }
    }
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
    Recording {
        handshake,
        frames,
        said,
        hash: pair.ends[DIALLER].link.handshake_hash().expect("over"),
        ephemeral,
    }
}

/// Delivers the next frame and keeps it.
fn pass(pair: &mut Pair, to: usize) -> Vec<u8> {
    let frame = pair.take(to);
    pair.deliver(to, frame.clone());
    frame
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = [0; 512];
    message.encode(&mut out).expect("fits").to_vec()
}

impl Recording {
    /// The ephemeral keys on the wire, the dialler's first.
    fn on_the_wire(&self) -> [Bytes32; 2] {
        let [first, second, _] = &self.handshake;
        [ephemeral(&first[18..]), ephemeral(&second[8..])]
    }

    /// Computes the session's keys from these results, and from `secret` with a token.
    fn schedule(
        &self,
        secret: Option<&[u8; 16]>,
        [ee, es, se]: [&Bytes32; 3],
    ) -> Result<Schedule, Stuck> {
        let [first, second, third] = &self.handshake;
        let mut schedule = Schedule::of(first, secret);
        let (listener, _) = schedule.read_second(second, ee, es)?;
        let (dialler, _) = schedule.read_third(third, se)?;
        let statics = SEEDS.map(|seed| public(&static_secret(&seed)));
        assert_eq!([dialler, listener], statics);
        Ok(schedule)
    }

    /// How many frames those keys open, of both directions, one after the other.
    fn opened(&self, schedule: &Schedule) -> usize {
        let mut opened = 0;
        for (direction, (frames, said)) in self.frames.iter().zip(&self.said).enumerate() {
            let mut key = schedule.keys()[direction].clone();
            for (number, (frame, said)) in (1_u64..).zip(frames.iter().zip(said)) {
                let Some((seq, body, _)) = key.open(frame) else {
                    break;
                };
                assert_eq!((seq, &body), (number, said));
                opened += 1;
            }
        }
        opened
    }
}

/// Every product of a stolen private key with a public key that was seen, and the other guesses that
/// cost nothing.
fn products_of_statics(recording: &Recording) -> Vec<Bytes32> {
    let points = [
        recording.on_the_wire().to_vec(),
        SEEDS.map(|seed| public(&static_secret(&seed))).to_vec(),
    ]
    .concat();
    let products = SEEDS.iter().flat_map(|seed| {
        let secret = static_secret(seed);
        points.iter().map(move |point| dh(&secret, point))
    });
    products.chain([[0; 32], recording.hash]).collect()
}

fn forward_secrecy(enrol: Option<&Enrolment>) {
    let recording = record(enrol);
    let secret = enrol.map(|enrol| *enrol.secret);
    let [e_dialler, e_listener] = recording.on_the_wire();
    let [s_dialler, s_listener] = SEEDS.map(|seed| static_secret(&seed));
    // Two of the three results follow from the stolen keys.
    let es = dh(&s_listener, &e_dialler);
    let se = dh(&s_dialler, &e_listener);

    for ee in products_of_statics(&recording) {
        let stuck = recording.schedule(secret.as_ref(), [&ee, &es, &se]);
        assert_eq!(stuck.err(), Some(Stuck::ListenersKey));
        // Nor do the frames open under the keys that would follow.
        let mut blind = Schedule::of(&recording.handshake[0], secret.as_ref());
        let _stuck = blind.read_second(&recording.handshake[1], &ee, &es);
        assert_eq!(recording.opened(&blind), 0);
    }

    // Either ephemeral secret is all that was missing.
    let [ours, theirs] = recording.ephemeral;
    assert_eq!([ours, theirs].map(|e| public(&e)), recording.on_the_wire());
    let ee = dh(&ours, &e_listener);
    assert_eq!(ee, dh(&theirs, &e_dialler));
    let schedule = recording
        .schedule(secret.as_ref(), [&ee, &es, &se])
        .expect("nothing is missing");
    assert_eq!(schedule.hash(), recording.hash);
    let frames = recording.frames.iter().map(Vec::len).sum::<usize>();
    assert_eq!(recording.opened(&schedule), frames);
}

#[test]
fn recorded_frames_stay_closed_to_whoever_steals_both_private_keys() {
    forward_secrecy(None);
}

#[test]
fn and_to_whoever_steals_the_token_as_well() {
    let code = PairingCode::generate(&mut TestRng::new(9));
    forward_secrecy(Some(&code.enrolment()));
}

/// Genuine handshake payloads of the dialler and of the listener, which anybody gets who once was the
/// other end.
fn payloads() -> [Vec<u8>; 2] {
    let recording = record(None);
    let [first, second, third] = &recording.handshake;
    let [e_dialler, e_listener] = recording.on_the_wire();
    let [s_dialler, s_listener] = SEEDS.map(|seed| static_secret(&seed));
    let ee = dh(&recording.ephemeral[0], &e_listener);
    let mut schedule = Schedule::of(first, None);
    let read = schedule.read_second(second, &ee, &dh(&s_listener, &e_dialler));
    let (_, listener) = read.expect("opens");
    let read = schedule.read_third(third, &dh(&s_dialler, &e_listener));
    let (_, dialler) = read.expect("opens");
    [dialler, listener]
}

#[test]
fn whoever_stole_a_workers_key_cannot_be_its_controller() {
    let [worker, controller] = SEEDS.map(|seed| static_secret(&seed));
    let [_, payload] = payloads();
    let e: Bytes32 = TestRng::new(5).bytes();
    // As the listener; `es` is what it sends under.
    let answer = |pair: &mut Pair, es: &dyn Fn(&Bytes32) -> Bytes32| {
        let first = pair.take(LISTENER);
        let e_dialler = ephemeral(&first[18..]);
        let ee = dh(&e, &e_dialler);
        let es = es(&e_dialler);
        let second = Schedule::of(&first, None).write_second(
            &public(&e),
            &public(&controller),
            (&ee, &es),
            &payload,
        );
        pair.deliver(DIALLER, second);
    };

    let guesses: [&dyn Fn(&Bytes32) -> Bytes32; 6] = [
        &|_| dh(&worker, &public(&controller)),
        &|_| dh(&e, &public(&controller)),
        &|_| dh(&worker, &public(&e)),
        &|e_dialler| dh(&worker, e_dialler),
        &|e_dialler| dh(&e, e_dialler),
        &|_| [0; 32],
    ];
    for guess in guesses {
        let mut pair = Pair::plain();
        answer(&mut pair, guess);
        let refused = Some(LinkError::Noise(NoiseError::Decrypt));
        assert_eq!(pair.ends[DIALLER].error, refused);
        assert!(pair.ends[DIALLER].link.peer().is_none());
    }
    let mut pair = Pair::plain();
    answer(&mut pair, &|e_dialler| dh(&controller, e_dialler));
    assert_eq!(pair.ends[DIALLER].error, None, "that is the controller");
    assert!(pair.ends[DIALLER].link.peer().is_some());
}

#[test]
fn whoever_stole_a_controllers_key_cannot_be_one_of_its_workers() {
    let [worker, controller] = SEEDS.map(|seed| static_secret(&seed));
    let [payload, _] = payloads();
    let e: Bytes32 = TestRng::new(5).bytes();
    // As the dialler; `se` is what its last frame is sealed under.
    let dial = |pair: &mut Pair, se: &dyn Fn(&Bytes32) -> Bytes32| {
        let first = first_frame(&public(&e));
        let mut schedule = Schedule::of(&first, None);
        pair.deliver(LISTENER, first);
        let second = pair.take(DIALLER);
        let e_listener = ephemeral(&second[8..]);
        let (ee, es) = (dh(&e, &e_listener), dh(&e, &public(&controller)));
        schedule
            .read_second(&second, &ee, &es)
            .expect("a listener answers whoever asks");
        let third = schedule.write_third(&public(&worker), &se(&e_listener), &payload);
        pair.deliver(LISTENER, third);
    };
    let guesses: [&dyn Fn(&Bytes32) -> Bytes32; 6] = [
        &|_| dh(&controller, &public(&worker)),
        &|_| dh(&e, &public(&worker)),
        &|_| dh(&controller, &public(&e)),
        &|e_listener| dh(&controller, e_listener),
        &|e_listener| dh(&e, e_listener),
        &|_| [0; 32],
    ];
    for guess in guesses {
        let mut pair = Pair::plain();
        dial(&mut pair, guess);
        let refused = Some(LinkError::Noise(NoiseError::Decrypt));
        assert_eq!(pair.ends[LISTENER].error, refused);
        assert!(pair.ends[LISTENER].link.peer().is_none());
    }
    let mut pair = Pair::plain();
    dial(&mut pair, &|e_listener| dh(&worker, e_listener));
    assert_eq!(pair.ends[LISTENER].error, None, "that is the worker");
    let dialled = pair.ends[LISTENER].link.dialling_part();
    assert_eq!(dialled, Dial::WorkerDials);
    assert!(pair.ends[LISTENER].link.peer().is_some());
}
