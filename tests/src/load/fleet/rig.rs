//! A simulated rig: a task, a key that follows from its number, and what a rig does on a real link.
//!
//! ```text
//!   loop:  dial ── 5 s ──▶ Welcome ──▶ report, then each 10 s; obey, answer; until the link ends
//!            ▲                                                                │
//!            └── a pause with full jitter: 1 s, doubling to 30 s at most ◀────┘
//! ```
//! Link and pauses are the agent's own ([`Link`], [`full_jitter`]); what it reports is made up of its
//! number and the time, so that every run reports the same.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use async_tungstenite::tungstenite::client::IntoClientRequest as _;
use async_tungstenite::tungstenite::http::HeaderValue;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use async_tungstenite::tungstenite::{Error, Message as Frame};
use async_tungstenite::{WebSocketStream, client_async_with_config};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{HANDSHAKE_MS, HEARTBEAT_MS, MAX_FRAME, RECEIPTS, REDIAL_MS};
use miner_shared::pause::full_jitter;
use miner_shared::smsg::{Dial, Event, Expect, Link, LocalNode, SeqMemory};
use miner_shared::text::Name;
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Answer, Command, Desired, Manager, Message, OpId, Outcome, Query, Refusal, RigStats,
    State,
};
use smol::stream::StreamExt as _;
use smol::{Async, Timer, future};

use super::super::connect::connect;
use super::tally::Tally;
use super::{mixed, report};

/// Bytes of a socket's read buffer.
const BUFFER: usize = 1024;

type Ws = WebSocketStream<Async<TcpStream>>;

/// What all rigs know of their controller.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) to: SocketAddr,
    pub(super) controller: Fingerprint,
    pub(super) tally: Arc<Tally>,
    /// Whether trouble is among them ([`mixed`]); all are well without it.
    pub(super) mixed: bool,
}

/// One rig, as it is across links.
#[derive(Debug)]
pub(super) struct Rig {
    number: u32,
    from: Ipv4Addr,
    node: LocalNode,
    memory: Option<SeqMemory>,
    generation: u64,
    profile: Option<Name>,
    paused: bool,
    /// Found shares that were told of.
    found: u64,
    /// The last commands, so that one that is sent again has no second effect.
    kept: VecDeque<(OpId, Outcome)>,
}

/// What ends a wait.
enum Wake {
    Frame(Option<Result<Frame, Error>>),
    Time,
}

impl Rig {
    /// The rig of this number, which dials from this address.
    pub(super) fn new(number: u32, from: Ipv4Addr, node: LocalNode) -> Self {
        Self {
            number,
            from,
            node,
            memory: None,
            generation: 0,
            profile: None,
            paused: false,
            found: 0,
            kept: VecDeque::new(),
        }
    }

    /// Serves the controller for ever.
    pub(super) async fn live(mut self, site: &Site) {
        let tally = &site.tally;
        let mut failures = 0;
        loop {
            let begun = tally.now_ms();
            tally.dials.add();
            let late = async {
                Timer::after(Duration::from_millis(HANDSHAKE_MS)).await;
                Err(late())
            };
            let dialled = future::or(self.dial(site), late).await;
            let was_up = dialled.is_ok();
            match dialled {
                Ok((ws, link)) => {
                    tally.links.add();
                    self.serve(site, ws, link).await;
                    tally.ended.add();
                    failures = 0;
                }
                Err(_) => tally.turned_away.add(),
            }
            let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
            let pause = full_jitter(REDIAL_MS, failures, &mut rng);
            failures += 1;
            // As the agent: an attempt that came to nothing counts from its beginning.
            let from = if was_up { tally.now_ms() } else { begun };
            let left = (from + pause).saturating_sub(tally.now_ms());
            Timer::after(Duration::from_millis(left)).await;
        }
    }

    /// From nothing to Welcome.
    async fn dial(&mut self, site: &Site) -> Result<(Ws, Link), Error> {
        let stream = connect(self.from, site.to).await?;
        stream.get_ref().set_nodelay(true)?;
        let mut request = format!("ws://{}/ws", site.to).into_client_request()?;
        let protocol = HeaderValue::from_static("smsg.1");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0);
        let (mut ws, _) = client_async_with_config(request, stream, Some(config)).await?;
        let expect = Expect::Fingerprint(site.controller);
        let now = Millis(site.tally.now_ms());
        let mut link = Link::dial(Dial::WorkerDials, expect, None, self.memory, now);
        while !link.is_up() {
            self.transmit(site, &mut ws, &mut link).await?;
            match ws.next().await {
                Some(frame) => drop(self.hear(site, &mut link, frame?)?),
                None => return Err(Error::ConnectionClosed),
            }
        }
        self.memory = link.memory();
        Ok((ws, link))
    }

    /// Reports, obeys and answers until the link ends.
    async fn serve(&mut self, site: &Site, mut ws: Ws, mut link: Link) {
        let mut report_at = site.tally.now_ms();
        // Whatever ended it, the next thing is to dial again.
        while self
            .turn(site, &mut ws, &mut link, &mut report_at)
            .await
            .is_ok()
        {}
        // The next link of this process counts on.
        self.memory = link.memory().or(self.memory);
    }

    async fn turn(
        &mut self,
        site: &Site,
        ws: &mut Ws,
        link: &mut Link,
        report_at: &mut u64,
    ) -> Result<(), Error> {
        let now = site.tally.now_ms();
        if *report_at <= now {
            *report_at = now + HEARTBEAT_MS;
            self.report(site, ws, link).await?;
        }
        self.transmit(site, ws, link).await?;
        let wake_at = link.poll_timeout().0.min(*report_at);
        let time = async {
            let left = wake_at.saturating_sub(site.tally.now_ms());
            Timer::after(Duration::from_millis(left)).await;
            Wake::Time
        };
        let wake = future::or(async { Wake::Frame(ws.next().await) }, time).await;
        match wake {
            Wake::Frame(Some(frame)) => match self.hear(site, link, frame?)? {
                Event::Message(message) => self.answer(site, ws, link, message).await,
                _ => Ok(()),
            },
            Wake::Frame(None) => Err(Error::ConnectionClosed),
            Wake::Time => {
                let now = Millis(site.tally.now_ms());
                let due = link.poll_timeout() <= now;
                match due.then(|| link.handle_timeout(now)) {
                    Some(Err(_)) => Err(Error::ConnectionClosed),
                    _ => Ok(()),
                }
            }
        }
    }

    fn hear(&self, site: &Site, link: &mut Link, frame: Frame) -> Result<Event, Error> {
        let now = Millis(site.tally.now_ms());
        match frame {
            Frame::Binary(bytes) => {
                let event = link.handle_frame(&self.node, now, &mut Vec::from(bytes));
                event.map_err(|_| Error::ConnectionClosed)
            }
            Frame::Close(_) => Err(Error::ConnectionClosed),
            _ => Ok(Event::Idle),
        }
    }

    async fn answer(
        &mut self,
        site: &Site,
        ws: &mut Ws,
        link: &mut Link,
        message: Message,
    ) -> Result<(), Error> {
        let answer = match message {
            Message::Query(id, Query::GetStats) => {
                Message::Answer(id, Answer::Stats(self.stats(site)))
            }
            Message::Query(id, Query::GetInfo) => {
                let mut info = report::info(self.number, self.node.card().clone());
                if site.mixed {
                    mixed::describe(self.number, &mut info);
                }
                Message::Answer(id, Answer::Info(info))
            }
            Message::Query(id, Query::GetManagers) => {
                let controller = Manager {
                    fingerprint: site.controller,
                    recovery: None,
                };
                Message::Answer(id, Answer::Managers([controller].into_iter().collect()))
            }
            Message::Query(id, query) => {
                let known = site
                    .mixed
                    .then(|| mixed::answer(self.number, &query, site.tally.now_ms()));
                let unknown = Answer::Refused(Refusal::Unsupported);
                Message::Answer(id, known.flatten().unwrap_or(unknown))
            }
            Message::Command(op_id, command) => {
                let outcome = self.command(site, op_id, command);
                if outcome == Outcome::Applied {
                    // As the agent: who reads the receipt finds the statistics as it says.
                    self.report(site, ws, link).await?;
                }
                Message::Receipt(op_id, outcome)
            }
            _ => return Ok(()),
        };
        self.say(site, ws, link, &answer).await
    }

    fn command(&mut self, site: &Site, op_id: OpId, command: Command) -> Outcome {
        if let Some((_, outcome)) = self.kept.iter().find(|(kept, _)| *kept == op_id) {
            site.tally.repeats.add();
            return outcome.clone();
        }
        let outcome = match command {
            Command::SetState(desired) => self.set(site, desired),
            Command::Restart | Command::Locate { .. } if site.mixed => Outcome::Applied,
            _ => Outcome::Refused(Refusal::Unsupported),
        };
        if self.kept.len() == RECEIPTS {
            self.kept.pop_front();
        }
        self.kept.push_back((op_id, outcome.clone()));
        outcome
    }

    fn set(&mut self, site: &Site, desired: Desired) -> Outcome {
        if desired.generation < self.generation {
            return Outcome::Behind(self.generation);
        }
        if desired.generation == self.generation {
            site.tally.repeats.add();
            return Outcome::AlreadyThere;
        }
        if site.mixed && mixed::refuses(self.number) && desired.state != State::Stopped {
            return Outcome::Refused(Refusal::TooLittleMemory);
        }
        self.generation = desired.generation;
        (self.profile, self.paused) = match desired.state {
            State::Mine(profile) => (Some(profile.name), false),
            State::Plan(plan) => (Some(plan.profile.name), plan.paused),
            State::Stopped => (None, false),
        };
        site.tally.obeyed(self.number);
        Outcome::Applied
    }

    fn stats(&self, site: &Site) -> RigStats {
        let uptime_ms = site.tally.now_ms();
        let profile = self.profile.as_ref();
        let mut stats = report::stats(self.number, uptime_ms, self.generation, profile);
        if self.paused {
            stats.activity = Activity::Paused;
            stats.miners.clear();
        }
        if site.mixed {
            mixed::adjust(self.number, &mut stats);
        }
        stats
    }

    async fn report(&mut self, site: &Site, ws: &mut Ws, link: &mut Link) -> Result<(), Error> {
        let report = Message::Heartbeat(self.stats(site));
        self.say(site, ws, link, &report).await?;
        site.tally.heartbeats.add();
        if site.mixed && self.profile.is_some() && !self.paused {
            let uptime_ms = site.tally.now_ms();
            if let Some(found) = mixed::found(self.number, &mut self.found, uptime_ms) {
                self.say(site, ws, link, &found).await?;
            }
        }
        Ok(())
    }

    async fn transmit(&self, site: &Site, ws: &mut Ws, link: &mut Link) -> Result<(), Error> {
        while let Some(frame) = self.owed(site, link) {
            send(ws, frame).await?;
        }
        Ok(())
    }

    /// The next frame that the link owes by itself.
    fn owed(&self, site: &Site, link: &mut Link) -> Option<Vec<u8>> {
        let now = Millis(site.tally.now_ms());
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let mut out = [0; MAX_FRAME];
        let len = link.poll_transmit(&self.node, now, &mut rng, &mut out)?;
        Some(out.get(..len).unwrap_or_default().to_vec())
    }

    async fn say(
        &self,
        site: &Site,
        ws: &mut Ws,
        link: &mut Link,
        message: &Message,
    ) -> Result<(), Error> {
        let frame = {
            let now = Millis(site.tally.now_ms());
            let mut out = [0; MAX_FRAME];
            let sealed = link.seal(&self.node, now, message, &mut out);
            let len = sealed.map_err(|_| Error::ConnectionClosed)?;
            out.get(..len).unwrap_or_default().to_vec()
        };
        send(ws, frame).await
    }
}

async fn send(ws: &mut Ws, frame: Vec<u8>) -> Result<(), Error> {
    ws.send(Frame::binary(frame)).await
}

fn late() -> Error {
    Error::Io(io::ErrorKind::TimedOut.into())
}
