//! Two links and the wire between them, in virtual time.
//!
//! Frames lie in queues until they are delivered, so that a test can look at them, change, drop,
//! repeat or swap them. [`Pair::drive`] plays the two programs until nothing moves any more.

use std::collections::VecDeque;

use miner_shared::crypto::sha256;
use miner_shared::identity::{Enrolment, NodeKeys, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Event, Expect, Link, LinkError, LocalNode, SeqMemory};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Message, NodeCard};
use rand_core::{Infallible, TryCryptoRng, TryRng};

/// A random source that gives the same bytes each time.
#[derive(Debug)]
pub(crate) struct TestRng {
    state: [u8; 32],
}

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            state: sha256(&[b"test", &seed.to_le_bytes()]),
        }
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let Ok(()) = self.try_fill_bytes(&mut out);
        out
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.bytes()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(32) {
            self.state = sha256(&[b"next", &self.state]);
            let block = sha256(&[b"out", &self.state]);
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

pub(crate) fn card(name: &str) -> NodeCard {
    NodeCard {
        name: Name::parse(name).expect("a name"),
        software: Label::lossy("miner 0.1.0"),
        host: Label::lossy("linux x86_64"),
    }
}

/// A node whose keys and boot follow from `seed`.
pub(crate) fn node(seed: u8, role: Role) -> LocalNode {
    let keys = NodeKeys::from_seed(&[seed; 32]);
    LocalNode::new(keys, role, [seed ^ 0x5a; 16], card("node"))
}

pub(crate) const DIALLER: usize = 0;
pub(crate) const LISTENER: usize = 1;

/// One end with its program's memory of what happened.
pub(crate) struct End {
    pub(crate) node: LocalNode,
    pub(crate) link: Link,
    pub(crate) events: Vec<Event>,
    /// The first error: why the link closed.
    pub(crate) error: Option<LinkError>,
    /// Frames on their way to this end.
    pub(crate) inbox: VecDeque<Vec<u8>>,
}

impl End {
    fn new(node: LocalNode, link: Link) -> Self {
        Self {
            node,
            link,
            events: Vec::new(),
            error: None,
            inbox: VecDeque::new(),
        }
    }

    pub(crate) fn last(&self) -> &Event {
        self.events.last().expect("something happened")
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.events.iter().filter_map(|event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        })
    }
}

pub(crate) struct Pair {
    pub(crate) ends: [End; 2],
    pub(crate) now: Millis,
    pub(crate) rng: TestRng,
    /// The secret that the listener knows, whatever the token.
    pub(crate) secret: Option<[u8; 16]>,
    /// How the listener's program answers a proven dialler; `None`: not at all.
    pub(crate) admission: Option<Admission>,
    /// What the listener's program remembers of the dialler.
    pub(crate) memory: Option<SeqMemory>,
}

impl Pair {
    /// `link` is the dialler's; the listener takes its part.
    pub(crate) fn new(dialler: LocalNode, listener: LocalNode, link: Link, now: Millis) -> Self {
        let listening = Link::listen(link.dialling_part(), now);
        Self {
            ends: [End::new(dialler, link), End::new(listener, listening)],
            now,
            rng: TestRng::new(1),
            secret: None,
            admission: Some(Admission::Registered),
            memory: None,
        }
    }

    /// A worker (seed 1) that dials its controller (seed 2), suite 01, pinned.
    pub(crate) fn plain() -> Self {
        let controller = node(2, Role::Controller);
        let expect = Expect::Fingerprint(controller.fingerprint());
        Self::worker_dials(controller, expect, None)
    }

    pub(crate) fn worker_dials(
        controller: LocalNode,
        expect: Expect,
        enrol: Option<&Enrolment>,
    ) -> Self {
        let now = Millis(1_000);
        let link = Link::dial(Dial::WorkerDials, expect, enrol, None, now);
        Self::new(node(1, Role::Worker), controller, link, now)
    }

    /// A controller (seed 2) that dials a listening worker (seed 1).
    pub(crate) fn controller_dials(expect: Expect, enrol: Option<&Enrolment>) -> Self {
        let now = Millis(1_000);
        let link = Link::dial(Dial::ControllerDials, expect, enrol, None, now);
        Self::new(node(2, Role::Controller), node(1, Role::Worker), link, now)
    }

    /// A pair whose handshake is over.
    pub(crate) fn up() -> Self {
        let mut pair = Self::plain();
        pair.drive();
        assert!(pair.ends.iter().all(|end| end.link.is_up()));
        pair
    }

    /// Puts what both ends owe on the wire; says whether there was something.
    pub(crate) fn transmit(&mut self) -> bool {
        let mut moved = false;
        let mut out = [0; MAX_FRAME];
        for from in [DIALLER, LISTENER] {
            let End { node, link, .. } = &mut self.ends[from];
            let mut sent = Vec::new();
            while let Some(len) = link.poll_transmit(node, self.now, &mut self.rng, &mut out) {
                sent.push(out[..len].to_vec());
            }
            moved |= !sent.is_empty();
            self.ends[1 - from].inbox.extend(sent);
        }
        moved
    }

    /// Hands one frame to an end, and lets the listener's program answer.
    pub(crate) fn deliver(&mut self, to: usize, mut frame: Vec<u8>) {
        let End { node, link, .. } = &mut self.ends[to];
        let result = link
            .handle_frame(node, self.now, &mut frame)
            .and_then(|event| {
                match event {
                    Event::TokenAsked { .. } => link.answer_token(self.secret.as_ref())?,
                    Event::PeerProven { .. } => {
                        if let Some(admission) = self.admission {
                            link.welcome(admission, self.memory)?;
                        }
                    }
                    _ => {}
                }
                Ok(event)
            });
        let End { events, error, .. } = &mut self.ends[to];
        match result {
            Ok(event) => events.push(event),
            Err(first) => {
                error.get_or_insert(first);
            }
        }
    }

    /// The next frame on its way to an end.
    pub(crate) fn take(&mut self, to: usize) -> Vec<u8> {
        self.transmit();
        self.ends[to]
            .inbox
            .pop_front()
            .expect("a frame on the wire")
    }

    /// Delivers everything until nothing moves; at most 100 rounds, which catches a live-lock.
    pub(crate) fn drive(&mut self) {
        for _ in 0..100 {
            let mut moved = self.transmit();
            for to in [DIALLER, LISTENER] {
                while let Some(frame) = self.ends[to].inbox.pop_front() {
                    moved = true;
                    self.deliver(to, frame);
                    self.transmit();
                }
            }
            if !moved {
                return;
            }
        }
        panic!("the pair never comes to rest");
    }

    /// Lets time pass without delivering anything; stops at each timer on the way.
    pub(crate) fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        loop {
            let due = self
                .ends
                .iter()
                .filter(|end| !end.link.is_closed())
                .map(|end| end.link.poll_timeout())
                .min()
                .filter(|due| *due <= until);
            self.now = due.unwrap_or(until).max(self.now);
            for end in &mut self.ends {
                if let Err(error) = end.link.handle_timeout(self.now) {
                    end.error.get_or_insert(error);
                }
            }
            if due.is_none() {
                return;
            }
            self.transmit();
        }
    }

    /// Seals a message of an end and puts it on the wire.
    pub(crate) fn send(&mut self, from: usize, message: &Message) -> Result<usize, LinkError> {
        let mut out = [0; MAX_FRAME];
        let End { node, link, .. } = &mut self.ends[from];
        let len = link.seal(node, self.now, message, &mut out)?;
        self.ends[1 - from].inbox.push_back(out[..len].to_vec());
        Ok(len)
    }
}
