//! A tiny scripted rig on a real socket: the shared link, one miner, a log of 40 lines.

use std::net::SocketAddr;

use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{ClientRequestBuilder, Message as WsMessage};
use async_tungstenite::{WebSocketStream, accept_hdr_async, client_async};
use miner_shared::dhcp::Mac;
use miner_shared::identity::{Enrolment, Fingerprint, NodeKeys, PairingCode, Role, Statement};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Event, Expect, Link, LocalNode};
use miner_shared::text::{Label, LogText, MinerName, Name, Text};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Admission, Algo, Answer, Backend, Command, Interface, Level, LogLine, LogPage,
    Manager, Message, MinerStats, NodeCard, NodeInfo, Outcome, Query, Refusal, RigStats, Windows,
};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

type Ws = WebSocketStream<TcpStream>;

/// The rig's second manager.
pub(super) const STANDBY: Fingerprint = Fingerprint([0x5b; 32]);
/// The rig's network card.
pub(super) const CARD: Mac = Mac([2, 0xfc, 0, 0, 0, 7]);
/// Lines in the rig's log.
pub(super) const LOG: u64 = 40;

pub(super) fn node(seed: u8, role: Role, name: &str) -> LocalNode {
    let card = NodeCard {
        name: Name::parse(name).expect("valid"),
        software: Label::parse("miner 0.1.0").expect("valid"),
        host: Label::parse("linux x86_64").expect("valid"),
    };
    LocalNode::new(NodeKeys::from_seed(&[seed; 32]), role, [seed; 16], card)
}

pub(super) struct TestRig {
    node: LocalNode,
    code: Option<PairingCode>,
    generation: u64,
    mining: bool,
    /// Says nothing to orders.
    mute: bool,
    busy: bool,
    /// Will not mine.
    refuses: bool,
    /// Says that it has this hash in force, whatever it applied.
    in_force: Option<[u8; 32]>,
    /// How often a controller let it in.
    pub(super) ups: u32,
    /// Close code that its last connection ended with.
    pub(super) goodbye: Option<CloseCode>,
}

impl TestRig {
    pub(super) fn new(seed: u8) -> Self {
        Self {
            node: node(seed, Role::Worker, "rig-alpha"),
            code: None,
            generation: 0,
            mining: false,
            mute: false,
            busy: false,
            refuses: false,
            in_force: None,
            ups: 0,
            goodbye: None,
        }
    }

    pub(super) fn with_code(mut self, code: PairingCode) -> Self {
        self.code = Some(code);
        self
    }

    /// The rig whose key took the place of that of this seed.
    pub(super) fn succeeding(mut self, old: u8) -> Self {
        let old = NodeKeys::from_seed(&[old; 32]);
        let chain = [Statement::by_old(&old, self.node.keys())];
        self.node = self.node.with_chain(chain.into_iter().collect());
        self
    }

    pub(super) fn muted(mut self) -> Self {
        self.mute = true;
        self
    }

    /// One that has no time for questions.
    pub(super) fn busy(mut self) -> Self {
        self.busy = true;
        self
    }

    /// One with too little memory for what it is told.
    pub(super) fn refusing(mut self) -> Self {
        self.refuses = true;
        self
    }

    /// One that acknowledges what it is told, and has the state of this hash in force.
    pub(super) fn drifting_to(mut self, hash: [u8; 32]) -> Self {
        self.in_force = Some(hash);
        self
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.node.fingerprint()
    }

    /// Serves one connection after another.
    pub(super) async fn listen(mut self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(ws) = accept_hdr_async(stream, ours).await {
                self.serve(ws, Link::listen(Dial::ControllerDials, NOW))
                    .await;
            }
        }
    }

    /// Dials a controller, and ends with the connection.
    pub(super) async fn dial(self, to: SocketAddr, controller: Fingerprint) -> Self {
        self.dial_by(to, Expect::Fingerprint(controller), None)
            .await
    }

    /// The same, with a token.
    pub(super) async fn dial_by(
        mut self,
        to: SocketAddr,
        expect: Expect,
        enrol: Option<&Enrolment>,
    ) -> Self {
        let stream = TcpStream::connect(to).await.expect("connects");
        let uri = format!("ws://{to}/ws").parse().expect("a URI");
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("smsg.1");
        let (ws, _) = client_async(request, stream).await.expect("upgrades");
        let link = Link::dial(Dial::WorkerDials, expect, enrol, None, NOW);
        self.serve(ws, link).await;
        self
    }

    async fn serve(&mut self, mut ws: Ws, mut link: Link) {
        loop {
            self.transmit(&mut ws, &mut link).await;
            let mut frame = match ws.next().await {
                Some(Ok(WsMessage::Binary(bytes))) => bytes.to_vec(),
                Some(Ok(WsMessage::Close(frame))) => {
                    self.goodbye = frame.map(|frame| frame.code);
                    return;
                }
                _ => return,
            };
            let Ok(event) = link.handle_frame(&self.node, NOW, &mut frame) else {
                return;
            };
            let reply = match event {
                Event::TokenAsked { token_id } => {
                    let code = self
                        .code
                        .as_ref()
                        .filter(|code| code.token_id() == token_id);
                    if link.answer_token(code.map(PairingCode::secret)).is_err() {
                        return;
                    }
                    None
                }
                Event::PeerProven { .. } => {
                    link.welcome(Admission::Registered, None).expect("proven");
                    self.transmit(&mut ws, &mut link).await;
                    Some(Message::Heartbeat(self.stats()))
                }
                Event::Up { .. } => {
                    self.ups += 1;
                    Some(Message::Heartbeat(self.stats()))
                }
                Event::Message(message) => self.answer(message),
                _ => None,
            };
            // As the agent does: the report that shows what was applied comes before the receipt.
            let is_receipt = matches!(reply, Some(Message::Receipt(..)));
            let report = is_receipt.then(|| Message::Heartbeat(self.stats()));
            let generation = self.generation;
            let in_force = self.in_force.filter(|_| is_receipt && generation > 0);
            let in_force = in_force.map(|hash| Message::Applied { generation, hash });
            for reply in report.into_iter().chain(in_force).chain(reply) {
                let mut out = [0; MAX_FRAME];
                let len = link.seal(&self.node, NOW, &reply, &mut out).expect("up");
                let sent = ws.send(WsMessage::binary(out[..len].to_vec())).await;
                if sent.is_err() {
                    // The controller's goodbye may still be there to be read.
                    break;
                }
            }
        }
    }

    async fn transmit(&self, ws: &mut Ws, link: &mut Link) {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let mut out = [0; MAX_FRAME];
        while let Some(len) = link.poll_transmit(&self.node, NOW, &mut rng, &mut out) {
            // A controller that is gone is noticed by the next read.
            let _sent = ws.send(WsMessage::binary(out[..len].to_vec())).await;
        }
    }

    fn answer(&mut self, message: Message) -> Option<Message> {
        Some(match message {
            Message::Command(op_id, Command::SetState(_)) if self.refuses => {
                Message::Receipt(op_id, Outcome::Refused(Refusal::TooLittleMemory))
            }
            Message::Command(op_id, Command::SetState(desired)) => {
                self.generation = desired.generation;
                self.mining = desired.state.profile().is_some();
                Message::Receipt(op_id, Outcome::Applied)
            }
            Message::Command(..) if self.mute => return None,
            Message::Command(op_id, Command::Revoke { manager }) if manager != STANDBY => {
                Message::Receipt(op_id, Outcome::Refused(Refusal::NoSuchManager))
            }
            Message::Command(op_id, Command::PinRecovery { .. }) => {
                Message::Receipt(op_id, Outcome::Refused(Refusal::BadProof))
            }
            Message::Command(op_id, Command::Rotate) => {
                Message::Receipt(op_id, Outcome::Refused(Refusal::NotAllowed))
            }
            Message::Command(op_id, _) => Message::Receipt(op_id, Outcome::Applied),
            Message::Query(id, _) if self.busy => {
                Message::Answer(id, Answer::Refused(Refusal::Busy))
            }
            Message::Query(id, Query::GetManagers) => {
                let manager = |fingerprint| Manager {
                    fingerprint,
                    recovery: None,
                };
                let controller = NodeKeys::from_seed(&[0xcc; 32]).fingerprint();
                let managers = [controller, STANDBY].map(manager);
                Message::Answer(id, Answer::Managers(managers.into_iter().collect()))
            }
            Message::Query(id, Query::GetInfo) => Message::Answer(id, Answer::Info(self.info())),
            Message::Query(id, Query::GetNetwork) => {
                let card = Interface {
                    name: Text::parse("eth0").expect("valid"),
                    mac: CARD.0,
                };
                Message::Answer(id, Answer::Network([card].into_iter().collect()))
            }
            Message::Query(id, Query::GetStats) => Message::Answer(id, Answer::Stats(self.stats())),
            Message::Query(
                id,
                Query::GetLogs {
                    miner,
                    cursor,
                    lines,
                },
            ) => Message::Answer(id, logs(&miner, cursor, lines)),
            other => panic!("unexpected {other:?}"),
        })
    }

    fn info(&self) -> NodeInfo {
        NodeInfo {
            card: self.node.card().clone(),
            cpus: 32,
            cpu_model: Label::lossy("AMD Ryzen 9 5950X 16-Core Processor"),
            memory_mib: Some(65_536),
            uptime_ms: 10_000,
        }
    }

    fn stats(&self) -> RigStats {
        let miner = MinerStats {
            name: MinerName::parse("miner-rx0").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            threads: 2,
            memory: None,
            pages: None,
            hashrate: Windows {
                s10: Some(1_500),
                ..Windows::default()
            },
            hashes: 15,
            accepted: 3,
            rejected: 0,
            stale: 0,
            lost: 0,
            last_share_ms: None,
            uptime_ms: 9_000,
            pool: None,
            difficulty: None,
        };
        let activity = if self.mining {
            Activity::Mining
        } else {
            Activity::Stopped
        };
        RigStats {
            uptime_ms: 10_000,
            generation: self.generation,
            profile: None,
            activity,
            miners: [miner].into_iter().collect(),
            logs_lost: 0,
        }
    }
}

fn logs(miner: &MinerName, cursor: Option<u64>, lines: u16) -> Answer {
    let present = MinerName::parse("miner-rx0").expect("valid");
    if *miner != present {
        return Answer::Refused(Refusal::NoSuchMiner([present].into_iter().collect()));
    }
    let first = cursor.unwrap_or_else(|| LOG.saturating_sub(u64::from(lines)));
    let mut page = LogPage {
        first,
        next: first,
        end: LOG,
        lost: 0,
        now_ms: 1_000,
        lines: heapless::Vec::new(),
    };
    while page.next < LOG && page.next < first + u64::from(lines) && !page.lines.is_full() {
        let line = LogLine {
            at_ms: page.next,
            level: Level::Info,
            text: LogText::parse(&format!("line {}", page.next)).expect("short"),
        };
        page.lines.push(line).expect("not full");
        page.next += 1;
    }
    Answer::Logs(page)
}

#[expect(clippy::result_large_err, reason = "the signature is the library's")]
fn ours(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let protocol = HeaderValue::from_static("smsg.1");
    response
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol);
    Ok(response)
}

/// No test lasts long enough for the rig's clock to matter.
const NOW: Millis = Millis(0);
