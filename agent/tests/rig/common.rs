//! A rig in this process with a miner of straw, a controller that speaks the real link, and a pool
//! that answers. Everything over loopback on free ports, every wait bounded.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::client::IntoClientRequest;
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use async_tungstenite::{WebSocketStream, accept_hdr_async, client_async};
use miner_agent::clock::Clock;
use miner_agent::mining::{Miner, MinerConfig, MinerSnapshot, Phase};
use miner_agent::node::{ServeConfig, Serving};
use miner_agent::rig::Mine;
use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_agent::tls::Duplex;
use miner_shared::identity::{Enrolment, Fingerprint, NodeKeys, PairingCode, Pin, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::mining::{Job, Share};
use miner_shared::smsg::{Dial, Event, Expect, Link, LocalNode, SeqMemory};
use miner_shared::text::{Label, Name};
use miner_shared::wire::{Message, NodeCard, Outcome};
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

/// Runs `test`; fails it after 20 s.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    run_within(Duration::from_secs(20), test)
}

/// The same with another patience.
pub(crate) fn run_within<T>(patience: Duration, test: impl Future<Output = T>) -> T {
    // On the heap: unoptimised builds copy a future several times on its way into an executor.
    let test = Box::pin(test);
    let late = async {
        smol::Timer::after(patience).await;
        panic!("the test hangs");
    };
    smol::block_on(future::or(test, late))
}

/// Runs `test` beside a rig that serves; the rig stops when the test ends.
pub(crate) async fn beside<T>(rig: Serving, test: impl Future<Output = T>) -> T {
    let test = Box::pin(test);
    let result = Cell::new(None);
    let stop = async { result.set(Some(test.await)) };
    rig.run(stop).await;
    result.take().expect("run ends when the test does")
}

/// A rig that hashes nothing, with its files below `root`.
pub(crate) fn rig(root: &Path, change: impl FnOnce(&mut ServeConfig)) -> (Serving, Straw) {
    rig_by(Clock::start(), root, change)
}

/// The same by this clock.
pub(crate) fn rig_by(
    clock: Clock,
    root: &Path,
    change: impl FnOnce(&mut ServeConfig),
) -> (Serving, Straw) {
    let straw = Straw::new();
    let miner: Rc<dyn Mine> = Rc::new(straw.clone());
    let mut config = config(root);
    change(&mut config);
    let rig = Serving::start(config, clock, |_| Ok(miner)).expect("starts");
    (rig, straw)
}

/// A rig that hashes for real, in light mode, with its files below `root`.
fn real_rig(root: &Path) -> Serving {
    let mut config = config(root);
    config.light = true;
    let clock = Clock::start();
    let start = |config| -> Result<Rc<dyn Mine>, _> {
        Ok(Rc::new(Miner::start(
            config,
            Arc::new(move || clock.now()),
        )?))
    };
    Serving::start(config, clock, start).expect("starts")
}

/// The files of a rig that obeys controllers, the first of which decides.
pub(crate) struct Managed {
    root: tempfile::TempDir,
    key: Fingerprint,
}

impl Managed {
    /// A rig that obeys the controllers with these keys; it does not serve yet.
    pub(crate) fn by(keys: &[u8]) -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let name = Name::parse("rig-alpha").expect("valid");
        let node = store
            .init(name, Role::Worker, &mut system_rng())
            .expect("new");
        for key in keys {
            let pin = controller(*key, 1).fingerprint();
            store.pin_manager(node.fingerprint(), pin).expect("room");
        }
        let key = node.fingerprint();
        Self { root, key }
    }

    /// Where its files are.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Runs `test` while the rig serves with a miner of straw.
    pub(crate) async fn serve<T>(&self, test: impl AsyncFnOnce(&Here) -> T) -> T {
        let (serving, straw) = rig(self.root.path(), |_| ());
        let here = self.here(&serving, straw);
        beside(serving, test(&here)).await
    }

    /// The same with other options.
    pub(crate) async fn serve_with<T>(
        &self,
        change: impl FnOnce(&mut ServeConfig),
        test: impl AsyncFnOnce(&Here) -> T,
    ) -> T {
        let (serving, straw) = rig(self.root.path(), change);
        let here = self.here(&serving, straw);
        beside(serving, test(&here)).await
    }

    /// The same with a rig that goes on until `stop`, whatever the test does.
    pub(crate) async fn serve_until<T>(
        &self,
        stop: impl Future<Output = ()>,
        test: impl AsyncFnOnce(&Here) -> T,
    ) -> T {
        let (serving, straw) = rig(self.root.path(), |_| ());
        let here = self.here(&serving, straw);
        let (_, result) = future::zip(serving.run(stop), test(&here)).await;
        result
    }

    /// Runs `test` while the rig hashes for real; nothing is of straw.
    pub(crate) async fn hash<T>(&self, test: impl AsyncFnOnce(&Here) -> T) -> T {
        let serving = real_rig(self.root.path());
        let here = self.here(&serving, Straw::new());
        beside(serving, test(&here)).await
    }

    fn here(&self, serving: &Serving, straw: Straw) -> Here {
        Here {
            address: serving.address().expect("listens"),
            key: self.key,
            code: serving.pairing().cloned(),
            store: NodeStore::new(Dirs::below(self.root.path())),
            straw,
        }
    }
}

/// Where a test finds the rig that serves.
pub(crate) struct Here {
    pub(crate) address: SocketAddr,
    pub(crate) key: Fingerprint,
    /// The pairing code that it shows at its start, if nobody manages it.
    pub(crate) code: Option<PairingCode>,
    /// Its files, as the verbs of its owner change them.
    pub(crate) store: NodeStore,
    pub(crate) straw: Straw,
}

impl Here {
    /// The link of the controller with this key, up.
    pub(crate) async fn manager(&self, key: u8) -> Manager {
        self.manager_since(key, 1).await
    }

    /// The same in another life of that controller.
    pub(crate) async fn manager_since(&self, key: u8, boot: u8) -> Manager {
        Manager::up(&controller(key, boot), self.address, self.key).await
    }

    /// A link that expects this rig and has said nothing yet.
    pub(crate) async fn dial(&self, me: &Rc<LocalNode>, memory: Option<SeqMemory>) -> Manager {
        let expect = Expect::Fingerprint(self.key);
        Manager::dial(me, self.address, expect, None, memory).await
    }

    /// A link that proves itself by a code.
    pub(crate) async fn pair(&self, me: &Rc<LocalNode>, enrolment: &Enrolment) -> Manager {
        Manager::dial(me, self.address, Expect::Anyone, Some(enrolment), None).await
    }
}

fn config(root: &Path) -> ServeConfig {
    ServeConfig {
        dirs: Dirs::below(root),
        owner: None,
        listen: Some("127.0.0.1:0".parse().expect("valid")),
        announce: true,
        controller: None,
        tls_pin: None,
        fingerprint: None,
        token: None,
        light: false,
        threads: None,
        owns_machine: false,
        with_parent: false,
        supervised: None,
        log_level: log::LevelFilter::Info,
    }
}

/// A miner that hashes when the test says so.
#[derive(Clone)]
pub(crate) struct Straw(Rc<StrawInner>);

struct StrawInner {
    job: RefCell<Option<Job>>,
    jobs: (Sender<Job>, Receiver<Job>),
    shares: (Sender<Share>, Receiver<Share>),
    config: Cell<Option<MinerConfig>>,
    /// Grows with every look at it while there is a job.
    hashes: Cell<u64>,
    interruptions: Cell<u32>,
    restarts: Cell<u32>,
    configurations: Cell<u32>,
}

impl Straw {
    fn new() -> Self {
        Self(Rc::new(StrawInner {
            job: RefCell::new(None),
            jobs: bounded(16),
            shares: bounded(16),
            config: Cell::new(None),
            hashes: Cell::new(0),
            interruptions: Cell::new(0),
            restarts: Cell::new(0),
            configurations: Cell::new(0),
        }))
    }

    /// The next job that it is given.
    pub(crate) async fn next_job(&self) -> Job {
        self.0
            .jobs
            .1
            .recv()
            .await
            .expect("the rig holds the other end")
    }

    /// The job in hand.
    pub(crate) fn job(&self) -> Option<Job> {
        self.0.job.borrow().clone()
    }

    /// The last configuration.
    pub(crate) fn config(&self) -> Option<MinerConfig> {
        self.0.config.get()
    }

    /// The hash counter.
    pub(crate) fn hashes(&self) -> u64 {
        self.0.hashes.get()
    }

    /// How often hashing was ended.
    pub(crate) fn interruptions(&self) -> u32 {
        self.0.interruptions.get()
    }

    /// How often it was configured: once for each wish to mine.
    pub(crate) fn configurations(&self) -> u32 {
        self.0.configurations.get()
    }

    /// How often it was restarted.
    pub(crate) fn restarts(&self) -> u32 {
        self.0.restarts.get()
    }

    /// "Finds" a share for this job.
    pub(crate) fn find(&self, job: &Job, nonce: u32) {
        let share = Share {
            job_id: job.id.clone(),
            nonce,
            hash: [0; 32],
            thread: 1,
        };
        self.0.shares.0.try_send(share).expect("room");
    }
}

impl Mine for Straw {
    fn set_job(&self, job: &Job) {
        *self.0.job.borrow_mut() = Some(job.clone());
        self.0.jobs.0.try_send(job.clone()).expect("room");
    }

    fn clear_job(&self) {
        self.0.interruptions.set(self.0.interruptions.get() + 1);
        *self.0.job.borrow_mut() = None;
    }

    fn stop(&self) {
        self.clear_job();
    }

    fn restart(&self) {
        self.0.restarts.set(self.0.restarts.get() + 1);
    }

    fn configure(&self, config: MinerConfig) {
        self.0.config.set(Some(config));
        let configurations = &self.0.configurations;
        configurations.set(configurations.get() + 1);
    }

    fn shares(&self) -> Receiver<Share> {
        self.0.shares.1.clone()
    }

    fn snapshot(&self) -> MinerSnapshot {
        let mines = self.0.job.borrow().is_some();
        self.0.hashes.set(self.0.hashes.get() + u64::from(mines));
        MinerSnapshot {
            phase: if mines { Phase::Mining } else { Phase::Idle },
            memory: None,
            pages: None,
            datasets: 0,
            nodes: 1,
            threads: u16::from(mines),
            hashes: self.hashes(),
            shares_found: 0,
            shares_lost: 0,
            exhausted: false,
            why_light: None,
        }
    }
}

/// A controller's identity with a fixed key, and a fresh boot.
pub(crate) fn controller(key: u8, boot: u8) -> Rc<LocalNode> {
    Rc::new(node(key, boot))
}

/// The same before it is shared, for tests that give it statements to show.
pub(crate) fn node(key: u8, boot: u8) -> LocalNode {
    let card = NodeCard {
        name: Name::parse("controller").expect("valid"),
        software: Label::lossy("test"),
        host: Label::lossy("test"),
    };
    let keys = NodeKeys::from_seed(&[key; 32]);
    LocalNode::new(keys, Role::Controller, [boot; 16], card)
}

/// The controller's end of a link.
pub(crate) struct Manager {
    pub(crate) me: Rc<LocalNode>,
    ws: WebSocketStream<Box<dyn Duplex>>,
    link: Link,
    clock: Clock,
    dials: bool,
    /// Of the token that rigs may come with.
    pub(crate) secret: Option<[u8; 16]>,
}

impl Manager {
    /// Dials the rig; nothing is said yet.
    pub(crate) async fn dial(
        me: &Rc<LocalNode>,
        rig: SocketAddr,
        expect: Expect,
        enrol: Option<&Enrolment>,
        memory: Option<SeqMemory>,
    ) -> Self {
        let clock = Clock::start();
        let link = Link::dial(Dial::ControllerDials, expect, enrol, memory, clock.now());
        Self {
            me: Rc::clone(me),
            ws: open(rig).await.expect("opens"),
            link,
            clock,
            dials: true,
            secret: None,
        }
    }

    /// Dials a rig that has this key pinned, and waits until the link is up.
    pub(crate) async fn up(me: &Rc<LocalNode>, rig: SocketAddr, key: Fingerprint) -> Self {
        let mut manager = Self::dial(me, rig, Expect::Fingerprint(key), None, None).await;
        assert!(manager.comes_up().await);
        manager
    }

    /// The listening end, for rigs that dial.
    pub(crate) fn over(me: &Rc<LocalNode>, ws: WebSocketStream<Box<dyn Duplex>>) -> Self {
        let clock = Clock::start();
        Self {
            me: Rc::clone(me),
            ws,
            link: Link::listen(Dial::WorkerDials, clock.now()),
            clock,
            dials: false,
            secret: None,
        }
    }

    /// Whether the rig lets it in; false if it closes.
    pub(crate) async fn comes_up(&mut self) -> bool {
        self.comes_up_if(None, None).await
    }

    /// The same for a rig that may have another key than the pinned one by now.
    pub(crate) async fn comes_up_with(&mut self, pin: &mut Pin) -> bool {
        self.comes_up_if(Some(pin), None).await
    }

    /// The same with the numbers of an earlier link, of an end that learns here who the other is.
    pub(crate) async fn comes_up_from(&mut self, memory: Option<SeqMemory>) -> bool {
        self.comes_up_if(None, memory).await
    }

    async fn comes_up_if(&mut self, mut pin: Option<&mut Pin>, memory: Option<SeqMemory>) -> bool {
        while let Some(event) = self.next().await {
            match (event, &mut pin) {
                (Event::Up { .. }, _) => return true,
                (Event::Answered(_), _) => self.link.go_on_from(memory).expect("it waits for this"),
                (Event::TokenAsked { .. }, _) => {
                    let secret = self.secret.as_ref();
                    self.link.answer_token(secret).expect("a token");
                }
                (
                    Event::Succession {
                        peer,
                        statement,
                        left,
                    },
                    Some(pin),
                ) => {
                    pin.follow(&statement);
                    if left == 0 && pin.fingerprint == peer.fingerprint && self.dials {
                        self.link.accept().expect("it waits for this");
                    }
                }
                (Event::PeerProven { peer, .. }, Some(pin))
                    if peer.fingerprint != pin.fingerprint =>
                {
                    return false;
                }
                (Event::PeerProven { .. }, _) => {
                    let admission = miner_shared::wire::Admission::Registered;
                    self.link.welcome(admission, memory).expect("proven");
                    self.flush().await.expect("sent");
                    return true;
                }
                _ => {}
            }
        }
        false
    }

    /// Reads to the end of the link, and gives the code of the rig's Close frame, if there was one.
    pub(crate) async fn close_code(&mut self) -> Option<CloseCode> {
        while let Some(Ok(message)) = self.ws.next().await {
            if let WsMessage::Close(frame) = message {
                return frame.map(|frame| frame.code);
            }
        }
        None
    }

    /// The next event but pings; `None` when the link is over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            self.flush().await.ok()?;
            let mut frame = match self.ws.next().await?.ok()? {
                WsMessage::Binary(frame) => frame.to_vec(),
                WsMessage::Close(_) => return None,
                _ => continue,
            };
            let now = self.clock.now();
            let event = self.link.handle_frame(&self.me, now, &mut frame).ok()?;
            if event != Event::Idle {
                return Some(event);
            }
        }
    }

    async fn flush(&mut self) -> Result<(), WsError> {
        let mut out = [0; MAX_FRAME];
        let (now, rng) = (self.clock.now(), &mut system_rng());
        while let Some(len) = self.link.poll_transmit(&self.me, now, rng, &mut out) {
            self.ws.send(WsMessage::binary(out[..len].to_vec())).await?;
        }
        Ok(())
    }

    /// Sends a message.
    pub(crate) async fn say(&mut self, message: &Message) {
        let mut out = [0; MAX_FRAME];
        let now = self.clock.now();
        let len = self
            .link
            .seal(&self.me, now, message, &mut out)
            .expect("up");
        let frame = WsMessage::binary(out[..len].to_vec());
        self.ws.send(frame).await.expect("sent");
    }

    /// Sends a message and gives the first that comes back and that the rig does not say by itself.
    pub(crate) async fn ask(&mut self, message: &Message) -> Message {
        self.say(message).await;
        loop {
            match self.next().await.expect("the link is up") {
                Event::Message(
                    Message::Heartbeat(_)
                    | Message::Applied { .. }
                    | Message::FoundShares(_)
                    | Message::Image(_)
                    | Message::Wanted(_),
                ) => {}
                Event::Message(message) => return message,
                _ => {}
            }
        }
    }

    /// The next message that pleases.
    pub(crate) async fn message(&mut self, pleases: impl Fn(&Message) -> bool) -> Message {
        loop {
            match self.next().await.expect("the link is up") {
                Event::Message(message) if pleases(&message) => return message,
                _ => {}
            }
        }
    }

    /// The first heartbeat that pleases.
    pub(crate) async fn heartbeat(
        &mut self,
        pleases: impl Fn(&miner_shared::wire::RigStats) -> bool,
    ) -> miner_shared::wire::RigStats {
        loop {
            let event = self.next().await.expect("the link is up");
            if let Event::Message(Message::Heartbeat(stats)) = event
                && pleases(&stats)
            {
                return stats;
            }
        }
    }

    /// The numbers to give to the next link of this process.
    pub(crate) fn memory(&self) -> Option<SeqMemory> {
        self.link.memory()
    }
}

/// What the rig answers to a command.
pub(crate) async fn receipt(manager: &mut Manager, command: &Message) -> Outcome {
    match manager.ask(command).await {
        Message::Receipt(_, outcome) => outcome,
        other => panic!("no receipt: {other:?}"),
    }
}

/// Accepts the rig's next connection as the controller that it dials.
pub(crate) async fn accept(listener: &TcpListener, me: &Rc<LocalNode>) -> Manager {
    let (stream, _) = listener.accept().await.expect("accepts");
    let stream: Box<dyn Duplex> = Box::new(stream);
    let ws = accept_hdr_async(stream, offers).await.expect("opens");
    Manager::over(me, ws)
}

/// Opens a WebSocket as SMSG wants it.
pub(crate) async fn open(rig: SocketAddr) -> Result<WebSocketStream<Box<dyn Duplex>>, WsError> {
    open_with(rig, "/ws", &[("sec-websocket-protocol", "smsg.1")]).await
}

/// Opens a WebSocket with any path and headers.
pub(crate) async fn open_with(
    rig: SocketAddr,
    path: &str,
    headers: &[(&'static str, &'static str)],
) -> Result<WebSocketStream<Box<dyn Duplex>>, WsError> {
    let stream: Box<dyn Duplex> = Box::new(TcpStream::connect(rig).await?);
    let mut request = format!("ws://{rig}{path}").into_client_request()?;
    for (name, value) in headers {
        request
            .headers_mut()
            .insert(*name, HeaderValue::from_static(value));
    }
    Ok(client_async(request, stream).await?.0)
}

/// Checks that a rig which dials asks for SMSG, and agrees.
#[expect(clippy::result_large_err, reason = "the library's signature")]
pub(crate) fn offers(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let name = "sec-websocket-protocol";
    assert_eq!(request.uri().path(), "/ws");
    assert_eq!(request.headers()[name], "smsg.1");
    let ours = HeaderValue::from_static("smsg.1");
    response.headers_mut().insert(name, ours);
    Ok(response)
}
