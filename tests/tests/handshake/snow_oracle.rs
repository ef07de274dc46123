//! 10,000 random sessions against the `snow` crate: both roles, both suites, with rekey.

use miner_shared::identity::NodeKeys;
use miner_shared::smsg::noise::{
    CipherState, FirstMessage, PAYLOAD, SECOND, Start, Suite, THIRD, Transport,
};
use snow::{Builder, HandshakeState, TransportState};

use crate::support::TestRng;

const SESSIONS: u64 = 10_000;

#[test]
fn ten_thousand_sessions_agree_with_snow() {
    let mut sessions = 0;
    for seed in 0..SESSIONS / 4 {
        for psk in [false, true] {
            Session::new(seed, psk).we_initiate();
            Session::new(seed, psk).we_respond();
            sessions += 2;
        }
    }
    assert_eq!(sessions, SESSIONS);
}

/// Everything random of one session.
struct Session {
    rng: TestRng,
    keys: NodeKeys,
    secret: [u8; 32],
    ephemeral: [u8; 32],
    psk: Option<[u8; 32]>,
    prologue: [u8; 17],
    ours: [u8; PAYLOAD],
    theirs: [u8; PAYLOAD],
}

impl Session {
    fn new(seed: u64, psk: bool) -> Self {
        let mut rng = TestRng::new(seed);
        Self {
            keys: NodeKeys::from_seed(&rng.bytes()),
            secret: rng.bytes(),
            ephemeral: rng.bytes(),
            psk: psk.then(|| rng.bytes()),
            prologue: rng.bytes(),
            ours: rng.bytes(),
            theirs: rng.bytes(),
            rng,
        }
    }

    fn start(&self) -> Start {
        let suite = self.psk.as_ref().map_or(Suite::Xx, Suite::XxPsk0);
        Start::new(suite, &self.prologue)
    }

    fn snow(&self, initiator: bool) -> HandshakeState {
        let name = match self.psk {
            Some(_) => "Noise_XXpsk0_25519_ChaChaPoly_SHA256",
            None => "Noise_XX_25519_ChaChaPoly_SHA256",
        };
        let mut builder = Builder::new(name.parse().expect("a pattern"))
            .local_private_key(&self.secret)
            .expect("a key")
            .fixed_ephemeral_key_for_testing_only(&self.ephemeral)
            .prologue(&self.prologue)
            .expect("a prologue");
        if let Some(psk) = &self.psk {
            builder = builder.psk(0, psk).expect("a psk");
        }
        if initiator {
            builder.build_initiator().expect("builds")
        } else {
            builder.build_responder().expect("builds")
        }
    }

    fn we_initiate(mut self) {
        let mut snow = self.snow(false);
        let (sent, first) = self.start().write_first(&mut self.rng).expect("written");
        assert_eq!(read(&mut snow, &bytes(&first)), []);
        let mut second: [u8; SECOND] = write(&mut snow, &self.theirs);
        let (read_second, payload) = sent.read_second(&mut second).expect("read");
        assert_eq!(payload, self.theirs);
        let (transport, third) = read_second
            .write_third(&self.keys, &self.ours)
            .expect("written");
        assert_eq!(read(&mut snow, &third), self.ours);
        self.compare(transport, snow);
    }

    fn we_respond(mut self) {
        let mut snow = self.snow(true);
        let first = match self.psk {
            None => FirstMessage {
                ephemeral: write(&mut snow, &[]),
                tag: None,
            },
            Some(_) => {
                let first: [u8; 48] = write(&mut snow, &[]);
                FirstMessage {
                    ephemeral: first[..32].try_into().expect("32 bytes"),
                    tag: Some(first[32..].try_into().expect("16 bytes")),
                }
            }
        };
        let (sent, second) = self
            .start()
            .read_first(&first)
            .expect("read")
            .write_second(&self.keys, &mut self.rng, &self.ours)
            .expect("written");
        assert_eq!(read(&mut snow, &second), self.ours);
        let mut third: [u8; THIRD] = write(&mut snow, &self.theirs);
        let (transport, payload) = sent.read_third(&mut third).expect("read");
        assert_eq!(payload, self.theirs);
        self.compare(transport, snow);
    }

    /// Hashes, static keys, and frames both ways over two rekeys.
    fn compare(mut self, mut ours: Transport, snow: HandshakeState) {
        assert_eq!(ours.hash, snow.get_handshake_hash());
        assert_eq!(
            snow.get_remote_static(),
            Some(&self.keys.public().x25519[..])
        );
        assert_eq!(
            ours.remote,
            miner_shared::crypto::x25519_public(&self.secret)
        );

        let mut snow = snow.into_transport_mode().expect("over");
        for round in 0..6 {
            let text: [u8; 24] = self.rng.bytes();
            to_snow(&mut ours.send, &mut snow, text);
            to_us(&mut ours.receive, &mut snow, text);
            if round % 2 == 1 {
                ours.send.rekey();
                ours.receive.rekey();
                snow.rekey_incoming();
                snow.rekey_outgoing();
            }
        }
    }
}

fn to_snow(send: &mut CipherState, snow: &mut TransportState, text: [u8; 24]) {
    let mut sealed = text;
    let tag = send.seal(&[], &mut sealed).expect("sealed");
    let mut out = [0; 64];
    let frame = [&sealed[..], &tag].concat();
    let len = snow.read_message(&frame, &mut out).expect("opens");
    assert_eq!(out[..len], text);
}

fn to_us(receive: &mut CipherState, snow: &mut TransportState, text: [u8; 24]) {
    let mut out = [0; 64];
    let len = snow.write_message(&text, &mut out).expect("sealed");
    let (sealed, tag) = out[..len].split_last_chunk_mut::<16>().expect("a tag");
    receive.open(&[], sealed, tag).expect("opens");
    assert_eq!(*sealed, text);
}

fn bytes(first: &FirstMessage) -> Vec<u8> {
    let mut bytes = first.ephemeral.to_vec();
    bytes.extend(first.tag.into_iter().flatten());
    bytes
}

fn write<const N: usize>(snow: &mut HandshakeState, payload: &[u8]) -> [u8; N] {
    let mut out = [0; 512];
    let len = snow.write_message(payload, &mut out).expect("written");
    out[..len].try_into().expect("the length of this message")
}

fn read(snow: &mut HandshakeState, message: &[u8]) -> Vec<u8> {
    let mut out = [0; 512];
    let len = snow.read_message(message, &mut out).expect("read");
    out[..len].to_vec()
}
