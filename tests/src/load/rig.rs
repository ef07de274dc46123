//! A registered rig on a real link: it obeys, answers, reports, and dials again when it is cut off.

use core::cmp::Ordering;
use core::time::Duration;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::{Error, Message as Frame, WebSocket, client};
use miner_shared::identity::{EnrolToken, Fingerprint};
use miner_shared::limits::{HEARTBEAT_MS, MAX_FRAME};
use miner_shared::smsg::{Dial, Event, Expect, Link, LocalNode, SeqMemory};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Answer, Command, Desired, Message, OpId, Outcome, Query, Refusal, RigStats,
};

use super::Stop;
use crate::clock::Deadline;

/// How often a rig that hears nothing looks at its timers.
const LOOK: Duration = Duration::from_millis(100);
/// Pause before a rig that was cut off dials again.
const REDIAL: Duration = Duration::from_millis(200);

/// What a rig did, readable while it runs.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// Wishes that it made so.
    pub(crate) effects: AtomicU64,
    /// Links that came up.
    pub(crate) links: AtomicU64,
    /// Every wish that it was sent, in this order.
    heard: Mutex<Vec<(OpId, Desired)>>,
}

impl Deeds {
    /// Every wish that it was sent, in this order.
    pub(crate) fn heard(&self) -> Vec<(OpId, Desired)> {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where a rig finds its controller; nowhere while that is away.
#[derive(Debug, Default)]
pub(crate) struct Site(Mutex<Option<SocketAddr>>);

impl Site {
    /// There, until it is said otherwise.
    pub(crate) fn at(address: SocketAddr) -> Arc<Self> {
        let site = Self::default();
        site.set(Some(address));
        Arc::new(site)
    }

    /// From now on it is there.
    pub(crate) fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn address(&self) -> Option<SocketAddr> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rig in a thread.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) deeds: Arc<Deeds>,
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Has a rig with this node serve the controller there until it is dropped.
    pub(crate) fn start(node: LocalNode, to: Arc<Site>, controller: Fingerprint) -> Self {
        let (deeds, stop) = (Arc::<Deeds>::default(), Arc::<Stop>::default());
        let name = node.card().name.to_string();
        let mut rig = Rig {
            deeds: Arc::clone(&deeds),
            ..Rig::new(node)
        };
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.is_set() {
                if let Some(to) = to.address()
                    && let Ok((ws, link)) = rig.dial(to, controller)
                {
                    rig.deeds.links.fetch_add(1, Relaxed);
                    rig.serve(ws, link, &stopped);
                }
                thread::park_timeout(REDIAL);
            }
        });
        Self {
            name,
            deeds,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // A rig that panicked has said so.
            let _ended = thread.join();
        }
    }
}

/// Its state across links.
pub(crate) struct Rig {
    node: LocalNode,
    token: Option<EnrolToken>,
    memory: Option<SeqMemory>,
    generation: u64,
    clock: Deadline,
    deeds: Arc<Deeds>,
}

type Ws = WebSocket<TcpStream>;

impl Rig {
    /// A rig that has not dialled yet.
    pub(crate) fn new(node: LocalNode) -> Self {
        Self {
            node,
            token: None,
            memory: None,
            generation: 0,
            clock: Deadline::after(Duration::MAX),
            deeds: Arc::default(),
        }
    }

    /// The same, which comes by an enrolment token.
    pub(crate) fn with_token(node: LocalNode, token: EnrolToken) -> Self {
        Self {
            token: Some(token),
            ..Self::new(node)
        }
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Links up with the controller.
    ///
    /// # Errors
    /// It does not take the connection, or does not welcome the rig.
    pub(crate) fn dial(
        &mut self,
        to: SocketAddr,
        controller: Fingerprint,
    ) -> Result<(Ws, Link), Error> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut request = format!("ws://{to}/ws").into_client_request()?;
        let protocol = HeaderValue::from_static("smsg.1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (mut ws, _) = client(request, stream).map_err(|error| match error {
            async_tungstenite::tungstenite::HandshakeError::Failure(error) => error,
            interrupted => Error::Io(std::io::Error::other(interrupted.to_string())),
        })?;
        let expect = Expect::Fingerprint(controller);
        let enrolment = self.token.as_ref().map(EnrolToken::enrolment);
        let mut link = Link::dial(
            Dial::WorkerDials,
            expect,
            enrolment,
            self.memory,
            self.now(),
        );
        while !link.is_up() {
            self.transmit(&mut ws, &mut link)?;
            let event = self.receive(&mut ws, &mut link)?;
            if event.is_none() {
                return Err(Error::ConnectionClosed);
            }
        }
        // The next link of this process counts on.
        self.memory = link.memory();
        Ok((ws, link))
    }

    /// Says and does what a rig does, until the link ends or it is to stop.
    fn serve(&mut self, mut ws: Ws, mut link: Link, stop: &Stop) {
        // Cannot fail for a time that is not zero.
        let _set = ws.get_ref().set_read_timeout(Some(LOOK));
        let mut heartbeat_at = self.now();
        while !stop.is_set() && self.turn(&mut ws, &mut link, &mut heartbeat_at).is_ok() {
            self.memory = link.memory().or(self.memory);
        }
    }

    fn turn(
        &mut self,
        ws: &mut Ws,
        link: &mut Link,
        heartbeat_at: &mut Millis,
    ) -> Result<(), Error> {
        let now = self.now();
        if link.poll_timeout() <= now && link.handle_timeout(now).is_err() {
            return Err(Error::ConnectionClosed);
        }
        if *heartbeat_at <= now {
            *heartbeat_at = now + HEARTBEAT_MS;
            self.say(ws, link, &Message::Heartbeat(self.stats()))?;
        }
        self.transmit(ws, link)?;
        match self.receive(ws, link) {
            Ok(Some(Event::Message(message))) => {
                let answer = self.answer(message);
                answer.map_or(Ok(()), |answer| self.say(ws, link, &answer))
            }
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Error::ConnectionClosed),
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The next event; `None` if the link is over.
    fn receive(&self, ws: &mut Ws, link: &mut Link) -> Result<Option<Event>, Error> {
        match ws.read()? {
            Frame::Binary(bytes) => {
                let mut frame = bytes.to_vec();
                Ok(link.handle_frame(&self.node, self.now(), &mut frame).ok())
            }
            Frame::Close(_) => Ok(None),
            _ => Ok(Some(Event::Idle)),
        }
    }

    fn transmit(&self, ws: &mut Ws, link: &mut Link) -> Result<(), Error> {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let mut out = [0; MAX_FRAME];
        while let Some(len) = link.poll_transmit(&self.node, self.now(), &mut rng, &mut out) {
            send(ws, &out, len)?;
        }
        Ok(())
    }

    fn say(&self, ws: &mut Ws, link: &mut Link, message: &Message) -> Result<(), Error> {
        let mut out = [0; MAX_FRAME];
        match link.seal(&self.node, self.now(), message, &mut out) {
            Ok(len) => send(ws, &out, len),
            Err(_) => Err(Error::ConnectionClosed),
        }
    }

    /// Links up and has so many reports ready, sealed: what that costs is not the controller's matter.
    pub(crate) fn loads(
        &mut self,
        to: SocketAddr,
        controller: Fingerprint,
        count: u64,
    ) -> Result<Loaded, Error> {
        let (ws, mut link) = self.dial(to, controller)?;
        let report = Message::Heartbeat(self.stats());
        let mut out = [0; MAX_FRAME];
        let mut reports = Vec::new();
        for _ in 0..count {
            let sealed = link.seal(&self.node, self.now(), &report, &mut out);
            let len = sealed.map_err(|_| Error::ConnectionClosed)?;
            reports.push(out.get(..len).unwrap_or_default().to_vec());
        }
        self.memory = link.memory();
        // Cannot fail for a time that is not zero.
        let _set = ws.get_ref().set_write_timeout(Some(LOOK));
        Ok(Loaded { ws, reports })
    }

    fn answer(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Query(id, Query::GetStats) => {
                Some(Message::Answer(id, Answer::Stats(self.stats())))
            }
            Message::Query(id, _) => {
                Some(Message::Answer(id, Answer::Refused(Refusal::Unsupported)))
            }
            Message::Command(op_id, Command::SetState(desired)) => {
                let outcome = match desired.generation.cmp(&self.generation) {
                    Ordering::Greater => {
                        self.generation = desired.generation;
                        self.deeds.effects.fetch_add(1, Relaxed);
                        Outcome::Applied
                    }
                    Ordering::Equal => Outcome::AlreadyThere,
                    Ordering::Less => Outcome::Behind(self.generation),
                };
                let heard = self.deeds.heard.lock();
                let mut heard = heard.unwrap_or_else(PoisonError::into_inner);
                heard.push((op_id, desired));
                Some(Message::Receipt(op_id, outcome))
            }
            _ => None,
        }
    }

    fn stats(&self) -> RigStats {
        RigStats {
            uptime_ms: self.now().0,
            generation: self.generation,
            profile: None,
            activity: Activity::Stopped,
            miners: heapless::Vec::new(),
            logs_lost: 0,
        }
    }
}

/// A rig that is about to send a great deal.
pub(crate) struct Loaded {
    ws: Ws,
    reports: Vec<Vec<u8>>,
}

impl Loaded {
    /// Sends its reports as fast as the socket takes them, until it is to stop; how many it got rid of.
    pub(crate) fn fires(mut self, stop: &Stop) -> u64 {
        let mut sent = 0;
        for report in self.reports {
            let mut taken = self.ws.send(Frame::binary(report));
            while matches!(&taken, Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock)
                && !stop.is_set()
            {
                taken = self.ws.flush();
            }
            if taken.is_err() || stop.is_set() {
                break;
            }
            sent += 1;
        }
        sent
    }
}

fn send(ws: &mut Ws, out: &[u8], len: usize) -> Result<(), Error> {
    ws.send(Frame::binary(out.get(..len).unwrap_or_default().to_vec()))
}
