//! Hostile diallers on real sockets. The farm's clock runs twenty times faster than the world, so the
//! 5 s of a handshake are a quarter of one.

use std::net::SocketAddr;
use std::sync::Arc;

use async_tungstenite::client_async;
use async_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use miner_agent::tls::Duplex;
use miner_shared::identity::{NodeKeys, Role};
use miner_shared::limits::{MAX_FRAME, MAX_UNPROVEN_BYTES, PEER_RATE};
use miner_shared::smsg::{Dial, Event, Expect, Link, LocalNode};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{Activity, Message as Wire, NodeCard, RigStats};
use smol::Executor;
use smol::future;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::net::TcpStream;
use smol::stream::StreamExt;

use crate::clock::Clock;
use crate::farm::{AddPeer, Farm, Proof};
use crate::hub::EventKind;
use crate::registry::MemoryStore;
use crate::tls::Speaks;

/// How much faster the farm's clock runs.
pub(super) const HASTE: u32 = 20;
/// Real time in which a connection that has 5 s of the farm's is over; a busy machine gets many times
/// what it needs.
const SOON: std::time::Duration = std::time::Duration::from_secs(10);
/// The request that opens the link.
pub(super) const OPENING: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: smsg.1\r\n";

/// A farm that listens.
pub(super) struct Fixture {
    pub(super) executor: Arc<Executor<'static>>,
    pub(super) farm: Arc<Farm>,
    pub(super) to: SocketAddr,
}

fn with_farm<F: Future<Output = ()>>(haste: u32, test: impl FnOnce(Arc<Fixture>) -> F) {
    with_farm_that(Speaks::Plain, haste, test);
}

pub(super) fn with_farm_that<F: Future<Output = ()>>(
    speaks: Speaks,
    haste: u32,
    test: impl FnOnce(Arc<Fixture>) -> F,
) {
    let executor = Arc::new(Executor::new());
    let me = node(0xcc, Role::Controller);
    let clock = Clock::hasty(haste);
    let farm = Farm::open(Box::new(MemoryStore::default()), me, clock).expect("opens");
    farm.run(&executor);
    let to = farm
        .listen(([127, 0, 0, 1], 0).into(), speaks)
        .expect("listens");
    let fixture = Arc::new(Fixture {
        executor: Arc::clone(&executor),
        farm: Arc::clone(&farm),
        to,
    });
    smol::block_on(executor.run(test(fixture)));
    farm.close();
}

pub(super) fn node(seed: u8, role: Role) -> LocalNode {
    let label = |text| Label::parse(text).expect("valid");
    let card = NodeCard {
        name: Name::parse(&format!("node-{seed}")).expect("valid"),
        software: label("miner 0.1.0"),
        host: label("linux x86_64"),
    };
    LocalNode::new(NodeKeys::from_seed(&[seed; 32]), role, [seed; 16], card)
}

/// Waits for the farm to close a connection; what it sent until then.
pub(super) async fn closed(mut stream: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut said = Vec::new();
    let ended = async {
        // A reset is an end too.
        let _end = stream.read_to_end(&mut said).await;
        true
    };
    let late = async {
        smol::Timer::after(SOON).await;
        false
    };
    assert!(future::race(ended, late).await, "the farm did not close it");
    said
}

/// Opens WebSocket over a stream, with further header lines; the farm's answer.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    lines: &str,
) -> String {
    let request = format!("{OPENING}{lines}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sends");
    stream.flush().await.expect("sends");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).await.expect("answers");
        head.extend(byte);
    }
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    head.to_lowercase()
}

impl Fixture {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.to).await.expect("connects")
    }

    /// A connection on which WebSocket is open.
    async fn opened(&self) -> TcpStream {
        self.opened_with("").await.0
    }

    /// The same with further header lines; the farm's answer too.
    async fn opened_with(&self, lines: &str) -> (TcpStream, String) {
        let mut stream = self.connect().await;
        let head = open(&mut stream, lines).await;
        (stream, head)
    }

    pub(super) fn events(&self) -> Vec<EventKind> {
        let (events, _) = self.farm.events();
        events.into_iter().map(|event| event.kind).collect()
    }

    /// Registers a rig that dials in.
    pub(super) async fn register(&self, rig: &LocalNode) {
        let peer = AddPeer {
            address: None,
            name: Some(rig.card().name.clone()),
            proof: Proof::Fingerprint(rig.fingerprint()),
        };
        self.farm.add_peer(peer).await.expect("adds");
    }

    /// A registered rig that dials in and then does this.
    pub(super) async fn dial(&self, rig: LocalNode) -> Rig {
        self.dial_over(Box::new(self.connect().await), rig).await
    }

    /// The same over a connection that is there.
    pub(super) async fn dial_over(&self, stream: Box<dyn Duplex>, rig: LocalNode) -> Rig {
        let uri = format!("ws://{}/ws", self.to).parse().expect("a URI");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("smsg.1");
        let opened = client_async(request, stream).await;
        let (ws, _) = opened.expect("upgrades");
        let expect = Expect::Fingerprint(self.farm.fingerprint());
        let link = Link::dial(Dial::WorkerDials, expect, None, None, NOW);
        let mut rig = Rig {
            node: rig,
            link,
            ws,
        };
        while !rig.link.is_up() {
            rig.step().await.expect("the farm takes it");
        }
        rig
    }
}

/// No test lasts long enough for a rig's own clock to matter.
const NOW: Millis = Millis(0);

/// A rig's end of a link.
pub(super) struct Rig {
    node: LocalNode,
    link: Link,
    ws: async_tungstenite::WebSocketStream<Box<dyn Duplex>>,
}

impl Rig {
    /// Sends what is owed, and takes one message.
    async fn step(&mut self) -> Option<()> {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let mut out = [0; MAX_FRAME];
        while let Some(len) = self.link.poll_transmit(&self.node, NOW, &mut rng, &mut out) {
            let frame = Message::binary(out[..len].to_vec());
            self.ws.send(frame).await.ok()?;
        }
        if let Some(Ok(Message::Binary(bytes))) = self.ws.next().await {
            let mut frame = bytes.to_vec();
            let event = self.link.handle_frame(&self.node, NOW, &mut frame);
            // What is asked of it stays without an answer.
            let goes_on = matches!(
                event,
                Ok(Event::Idle | Event::Up { .. } | Event::Message(_))
            );
            return goes_on.then_some(());
        }
        None
    }

    /// Answers pings for ever.
    pub(super) async fn serve(mut self) {
        while self.step().await.is_some() {}
    }

    /// Sends heartbeats until the farm is gone, as fast as it takes them.
    async fn flood(mut self) {
        let stats = RigStats {
            uptime_ms: 1,
            generation: 0,
            profile: None,
            activity: Activity::Stopped,
            miners: heapless::Vec::new(),
            logs_lost: 0,
        };
        let beat = Wire::Heartbeat(stats);
        let mut out = [0; MAX_FRAME];
        loop {
            let sealed = self.link.seal(&self.node, NOW, &beat, &mut out);
            let frame = Message::binary(out[..sealed.expect("up")].to_vec());
            if self.ws.send(frame).await.is_err() {
                return;
            }
        }
    }
}

#[test]
fn idle_slow_and_stuck_diallers_are_closed_by_the_deadline() {
    with_farm(HASTE, |fixture| async move {
        let mut open = Vec::new();
        for _ in 0..10 {
            let idle = fixture.connect().await;
            let mut slow = fixture.connect().await;
            let mut stuck = fixture.opened().await;
            slow.write_all(b"G").await.expect("sends");
            stuck.write_all(&first_message()).await.expect("sends");
            open.extend([idle, slow.clone(), stuck]);
            let drip = async move {
                for byte in OPENING.bytes().skip(1).cycle() {
                    smol::Timer::after(std::time::Duration::from_millis(50)).await;
                    if slow.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            };
            fixture.executor.spawn(drip).detach();
        }
        for stream in open {
            closed(stream).await;
        }
        assert_eq!(fixture.farm.connections(), 0);
        assert_eq!(fixture.events(), [], "who only connects is no event");
    });
}

/// HS1 in a masked WebSocket frame.
pub(super) fn first_message() -> Vec<u8> {
    let me = node(0x77, Role::Worker);
    let controller = node(0xcc, Role::Controller).fingerprint();
    let expect = Expect::Fingerprint(controller);
    let mut link = Link::dial(Dial::WorkerDials, expect, None, None, NOW);
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut out = [0; MAX_FRAME];
    let len = link.poll_transmit(&me, NOW, &mut rng, &mut out);
    frame(0x82, &out[..len.expect("owed")])
}

/// A client's frame of at most 125 bytes under the mask zero.
pub(super) fn frame(head: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).expect("short");
    assert!(len < 126);
    [&[head, 0x80 | len, 0, 0, 0, 0], body].concat()
}

#[test]
fn a_long_header_ends_where_its_allowance_does() {
    with_farm(1, |fixture| async move {
        let mut stream = fixture.connect().await;
        let long = format!("{OPENING}X: {}", "x".repeat(64 * 1024));
        let _cut = stream.write_all(long.as_bytes()).await;
        assert_eq!(closed(stream).await, b"");
        assert_eq!(fixture.farm.connections(), 0);
    });
}

#[test]
fn an_announced_frame_of_16_mib_is_refused_by_its_header() {
    with_farm(1, |fixture| async move {
        let mut stream = fixture.opened().await;
        let mut head = vec![0x82, 0xff];
        head.extend((16_u64 << 20).to_be_bytes());
        head.extend([0; 4]);
        stream.write_all(&head).await.expect("sends");
        closed(stream).await;
    });
}

#[test]
fn a_compressed_frame_is_refused_and_compression_never_agreed() {
    with_farm(1, |fixture| async move {
        let asks = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
        let (mut stream, said) = fixture.opened_with(asks).await;
        assert!(!said.contains("extensions"), "{said}");
        let rsv1 = 0x40;
        let compressed = frame(0x82 | rsv1, b"x");
        stream.write_all(&compressed).await.expect("sends");
        closed(stream).await;
    });
}

#[test]
fn pings_and_empty_fragments_of_a_stranger_end_with_its_allowance() {
    with_farm(1, |fixture| async move {
        let ping = frame(0x89, b"");
        let empty = [frame(0x02, b""), frame(0x00, b"")].concat();
        for flood in [ping, empty] {
            let mut stream = fixture.opened().await;
            let mut sent = 0;
            while sent < 2 * MAX_UNPROVEN_BYTES && stream.write_all(&flood).await.is_ok() {
                sent += flood.len();
            }
            closed(stream).await;
        }
    });
}

#[test]
fn a_registered_rig_that_floods_is_slowed_and_the_others_notice_nothing() {
    with_farm(1, |fixture| async move {
        let (quiet, loud) = (node(1, Role::Worker), node(2, Role::Worker));
        fixture.register(&quiet).await;
        fixture.register(&loud).await;
        let key = loud.fingerprint();
        let id = quiet.fingerprint().node_id();
        let rig = fixture.dial(quiet).await;
        fixture.executor.spawn(rig.serve()).detach();
        let rig = fixture.dial(loud).await;
        fixture.executor.spawn(rig.flood()).detach();

        let events = fixture.farm.subscribe();
        loop {
            let event = events.recv().await.expect("the farm runs");
            if matches!(event.kind, EventKind::Throttled { .. }) {
                break;
            }
        }
        let start = Clock::start();
        let before = fixture.farm.delayed(&key);
        for _ in 0..100 {
            fixture.farm.ping(id).await.expect("answers");
        }
        let read = fixture.farm.delayed(&key) - before;
        let ms = start.now().mono.0;
        let allowed = ms / PEER_RATE.every_ms + 2;
        assert!(read <= allowed, "{read} frames in {ms} ms");
        let throttled = |kind: &&EventKind| matches!(kind, EventKind::Throttled { .. });
        assert_eq!(fixture.events().iter().filter(throttled).count(), 1);
    });
}
