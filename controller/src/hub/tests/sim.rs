//! A farm in one thread: the real hub, rigs built on the real link, wires that can be cut or
//! recorded, and a clock that jumps to the next thing that is due.

use std::collections::BTreeMap;

use miner_agent::commands::Commands;
use miner_shared::identity::{Enrolment, Fingerprint, Role, Statement};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{self, Dial, Expect, Link, LocalNode, SeqMemory};
use miner_shared::text::{Address, Label};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Message, State, Wanted};

use super::super::*;
use super::rig::{CODE, Rig, TestRng, node};
use crate::cause::Cause;
use crate::clock::EpochMs;
use crate::registry::{MemoryStore, Order, PeerRecord, Trust, Wish};

/// Steps between two calls of the test; more is a live-lock.
const MAX_STEPS: usize = 10_000;

/// A connection, seen from the rig.
struct Wire {
    rig: usize,
    /// Process of the rig that it belongs to.
    boot: [u8; 16],
    link: Link,
    /// Everything gets lost, and neither end is told.
    cut: bool,
    /// Everything waits, as TCP has it while the network is away.
    held: Option<Held>,
}

/// What waits for the end of a partition.
#[derive(Default)]
struct Held {
    frames: Vec<(To, Vec<u8>)>,
    hub_closed: bool,
    rig_closed: bool,
}

enum To {
    Hub,
    Rig,
}

pub(super) struct Sim {
    pub(super) hub: Hub,
    pub(super) registry: Registry,
    pub(super) me: LocalNode,
    pub(super) rng: TestRng,
    pub(super) now: Millis,
    pub(super) rigs: Vec<Rig>,
    wires: BTreeMap<ConnId, Wire>,
    pub(super) finished: BTreeMap<RequestId, Result<Reply, Failure>>,
    pub(super) reached: BTreeMap<ConnId, Result<Fingerprint, Unreached>>,
    /// What rigs that dialled were told.
    welcomes: BTreeMap<ConnId, Admission>,
    /// Every frame that rigs sent.
    pub(super) recorded: Vec<Vec<u8>>,
    /// Every frame that the controller sent.
    pub(super) told: Vec<Vec<u8>>,
    /// Pieces of releases that are to be read.
    pub(super) reads: Vec<(ConnId, Wanted)>,
    /// The frame after so many more is lost, with its connection.
    pub(super) fuse: Option<u32>,
    /// Process starts so far: no two of the last 256 have the same boot_id.
    boots: u8,
}

impl Sim {
    /// A controller and so many rigs that it does not know.
    pub(super) fn new(rigs: u8) -> Self {
        let rig = |n: u8| Rig::new([n + 1; 32], 1, &format!("rig-{n}"));
        Self {
            hub: Hub::default(),
            registry: Registry::open(Box::new(MemoryStore::default())).expect("opens"),
            me: node([0xcc; 32], Role::Controller, 1, "control-center"),
            rng: TestRng(7),
            now: Millis(1_000),
            rigs: (0..rigs).map(rig).collect(),
            wires: BTreeMap::new(),
            finished: BTreeMap::new(),
            reached: BTreeMap::new(),
            welcomes: BTreeMap::new(),
            recorded: Vec::new(),
            told: Vec::new(),
            reads: Vec::new(),
            fuse: None,
            boots: 1,
        }
    }

    /// The same with all rigs registered.
    pub(super) fn registered(rigs: u8) -> Self {
        let mut sim = Self::new(rigs);
        (0..usize::from(rigs)).for_each(|rig| sim.register(rig, None));
        sim
    }

    pub(super) fn register(&mut self, rig: usize, address: Option<&str>) {
        let row = PeerRecord {
            name: self.rigs[rig].node.card().name.clone(),
            address: address.map(|text| Address::parse(text).expect("valid")),
            trust: Trust::Fingerprint,
            added_at_ms: 0,
            last_seen_ms: None,
            told: None,
        };
        self.registry.add(self.key(rig), row).expect("adds");
    }

    pub(super) fn key(&self, rig: usize) -> Fingerprint {
        self.rigs[rig].node.fingerprint()
    }

    /// Calls the hub, then lets everything settle.
    pub(super) fn call<T>(&mut self, call: impl FnOnce(&mut Hub, &mut Env<'_>) -> T) -> T {
        let result = self.call_only(call);
        self.settle();
        result
    }

    fn call_only<T>(&mut self, call: impl FnOnce(&mut Hub, &mut Env<'_>) -> T) -> T {
        let mut env = Env {
            now: Now {
                mono: self.now,
                wall: EpochMs(self.now.0),
            },
            me: &self.me,
            registry: &mut self.registry,
            rng: &mut self.rng,
            cause: Cause::default(),
        };
        call(&mut self.hub, &mut env)
    }

    /// A rig dials the controller, as whom it obeys if that is somebody.
    pub(super) fn dial_in(&mut self, rig: usize) -> ConnId {
        let first = self.rigs[rig].works.managers.first();
        let expect = first.map_or_else(|| self.me.fingerprint(), |pin| pin.fingerprint);
        let expect = Expect::Fingerprint(expect);
        self.dial_in_by(rig, expect, None, "10.0.0.7")
    }

    /// The same with a token, from this address.
    pub(super) fn dial_in_by(
        &mut self,
        rig: usize,
        expect: Expect,
        enrol: Option<&Enrolment>,
        from: &str,
    ) -> ConnId {
        let id = self.begin_dial_in(rig, expect, enrol, from);
        self.settle();
        id
    }

    /// The same, and nothing has happened yet.
    pub(super) fn begin_dial_in(
        &mut self,
        rig: usize,
        expect: Expect,
        enrol: Option<&Enrolment>,
        from: &str,
    ) -> ConnId {
        let memory = self.rig_memory(rig, None);
        let link = Link::dial(Dial::WorkerDials, expect, enrol, memory, self.now);
        let id = self.hub.accept(self.now).expect("room");
        self.hub.came_from(id, from.parse().expect("an address"));
        self.wire(id, rig, link);
        id
    }

    /// Whether the rig's Welcome on this connection said "pending", if there was one.
    pub(super) fn was_told_to_wait(&self, id: ConnId) -> Option<bool> {
        self.welcomes
            .get(&id)
            .map(|told| *told == Admission::Pending)
    }

    /// The controller dials a rig that listens.
    pub(super) fn dial_out(&mut self, rig: usize, target: Target) -> ConnId {
        let id = self.hub.dial(self.now, target);
        let link = Link::listen(Dial::ControllerDials, self.now);
        self.wire(id, rig, link);
        self.settle();
        id
    }

    fn wire(&mut self, id: ConnId, rig: usize, link: Link) {
        let wire = Wire {
            rig,
            boot: *self.rigs[rig].node.boot_id(),
            link,
            cut: false,
            held: None,
        };
        self.wires.insert(id, wire);
    }

    /// The numbers that the rig's process remembers, those of its other open links included.
    fn rig_memory(&mut self, rig: usize, except: Option<ConnId>) -> Option<SeqMemory> {
        for (id, wire) in &self.wires {
            if wire.rig == rig && Some(*id) != except {
                self.rigs[rig].remember(&wire.boot, &wire.link);
            }
        }
        self.rigs[rig].memory
    }

    /// The rig's process ends and starts again; the network tells the controller.
    pub(super) fn restart_rig(&mut self, rig: usize) {
        let wires: Vec<_> = self.wires_of(rig);
        self.reboot(rig);
        for id in wires {
            self.wires.remove(&id);
            self.call(|hub, env| hub.handle_closed(env, id));
        }
    }

    /// A process elsewhere with a copy of the rig's key.
    pub(super) fn copy_of(&mut self, rig: usize) -> usize {
        let boot = self.next_boot();
        self.rigs.push(Rig::new(self.rigs[rig].seed, boot, "copy"));
        self.rigs.len() - 1
    }

    /// Gives a copy the boot_id of the original, as a process does that forgot what it sent.
    pub(super) fn same_boot(&mut self, copy: usize, original: usize) {
        let original = &self.rigs[original];
        let [boot, ..] = *original.node.boot_id();
        self.rigs[copy] = Rig::new(original.seed, boot, "copy");
    }

    /// The rig's process is another one now.
    pub(super) fn reboot(&mut self, rig: usize) {
        let boot = self.next_boot();
        let rig = &mut self.rigs[rig];
        let name = rig.node.card().name.clone();
        let chain = rig.node.chain().iter().cloned().collect();
        rig.node = node(rig.seed, Role::Worker, boot, name.as_str()).with_chain(chain);
        rig.memory = None;
        rig.commands = Commands::default();
        rig.receipts.clear();
    }

    /// A rig takes another key, as its command line does: its links end.
    pub(super) fn rotate_rig(&mut self, rig: usize, seed: u8) {
        for id in self.wires_of(rig) {
            self.rig_closes(id);
        }
        self.rigs[rig].rotate([seed; 32]);
        self.settle();
    }

    /// The controller's process ends and starts again on the same registry.
    pub(super) fn restart_controller(&mut self) {
        let chain = self.me.chain().to_vec();
        self.be_controller([0xcc; 32], chain);
    }

    /// A process with this key and these statements is the controller from now on.
    pub(super) fn be_controller(&mut self, seed: [u8; 32], chain: Vec<Statement>) {
        self.hub = Hub::default();
        self.finished.clear();
        self.reached.clear();
        let boot = self.next_boot();
        let me = node(seed, Role::Controller, boot, "control-center");
        self.me = me.with_chain(chain.into_iter().collect());
        for (_, wire) in std::mem::take(&mut self.wires) {
            self.rigs[wire.rig].remember(&wire.boot, &wire.link);
        }
    }

    fn next_boot(&mut self) -> u8 {
        self.boots = self.boots.wrapping_add(1);
        self.boots
    }

    pub(super) fn wires_of(&self, rig: usize) -> Vec<ConnId> {
        let theirs = self.wires.iter().filter(|(_, wire)| wire.rig == rig);
        theirs.map(|(id, _)| *id).collect()
    }

    /// From now on everything between controller and rig gets lost, or no longer does.
    pub(super) fn cut(&mut self, rig: usize, cut: bool) {
        let theirs = self.wires.values_mut().filter(|wire| wire.rig == rig);
        theirs.for_each(|wire| wire.cut = cut);
    }

    /// A partition begins: nothing gets through, and nothing is lost that an end waits for.
    pub(super) fn hold(&mut self, rig: usize) {
        let theirs = self.wires.values_mut().filter(|wire| wire.rig == rig);
        theirs.for_each(|wire| wire.held = Some(Held::default()));
    }

    /// It ends: what waited comes in order, or the other end learns that there is nobody any more.
    pub(super) fn release(&mut self, rig: usize) {
        for id in self.wires_of(rig) {
            let wire = self.wires.get_mut(&id).expect("listed");
            let Some(held) = wire.held.take() else {
                continue;
            };
            if held.rig_closed || held.hub_closed {
                self.rig_closes(id);
                continue;
            }
            for (to, mut frame) in held.frames {
                match to {
                    To::Hub => self.deliver_to_hub(id, &mut frame),
                    To::Rig => self.deliver_to_rig(id, &mut frame),
                }
            }
        }
        self.settle();
    }

    /// Whether the rig has a connection that it has not given up.
    pub(super) fn has_wire(&self, rig: usize) -> bool {
        let gone = |wire: &Wire| wire.held.as_ref().is_some_and(|held| held.rig_closed);
        let mut wires = self.wires.values();
        wires.any(|wire| wire.rig == rig && !gone(wire))
    }

    pub(super) fn is_live(&self, rig: usize) -> bool {
        self.hub.is_live(&self.key(rig))
    }

    /// Whether the rig's end of this connection still exists.
    pub(super) fn is_open(&self, id: ConnId) -> bool {
        self.wires.contains_key(&id)
    }

    /// Whether the rig's end of this connection may talk.
    pub(super) fn is_up(&self, id: ConnId) -> bool {
        self.wires.get(&id).is_some_and(|wire| wire.link.is_up())
    }

    pub(super) fn wish(&mut self, rig: usize, state: State) -> u64 {
        let key = self.key(rig);
        let mut op_id = [0; 16];
        rand_core::Rng::fill_bytes(&mut self.rng, &mut op_id);
        let wish = Wish {
            op_id,
            profile: None,
            version: 0,
            held: false,
            state,
        };
        self.call(|hub, env| hub.wish(env, &key, wish).expect("wishes"))
    }

    pub(super) fn ask(&mut self, rig: usize, ask: Ask) -> RequestId {
        let key = self.key(rig);
        self.call(|hub, env| hub.ask(env, key, ask, env.now.mono + 5_000))
    }

    /// Gives an order and waits for what becomes of it, for 5 s.
    pub(super) fn order(&mut self, rig: usize, order: Order) -> RequestId {
        let key = self.key(rig);
        let by = Label::lossy("owner");
        let op_id = self.call(|hub, env| hub.order(env, &key, order, &by, 5_000));
        self.ask(rig, Ask::Order(op_id.expect("stored")))
    }

    /// Every rig with a link sends a heartbeat.
    pub(super) fn heartbeats(&mut self) {
        let ids: Vec<_> = self.wires.keys().copied().collect();
        for id in ids {
            let rig = self.wires[&id].rig;
            if self.is_up(id) {
                let stats = self.rigs[rig].stats();
                self.rig_says(id, &Message::Heartbeat(stats));
            }
        }
        self.settle();
    }

    /// The rig seals and sends a message.
    pub(super) fn rig_says(&mut self, id: ConnId, message: &Message) {
        let mut frame = self.rig_seals(id, message);
        self.deliver_to_hub(id, &mut frame);
    }

    /// The rig seals a message, which is on its way.
    pub(super) fn rig_seals(&mut self, id: ConnId, message: &Message) -> Vec<u8> {
        let mut out = [0; MAX_FRAME];
        let wire = self.wires.get_mut(&id).expect("open");
        let node = &self.rigs[wire.rig].node;
        let len = wire
            .link
            .seal(node, self.now, message, &mut out)
            .expect("up");
        out[..len].to_vec()
    }

    pub(super) fn deliver_to_hub(&mut self, id: ConnId, frame: &mut [u8]) {
        self.recorded.push(frame.to_vec());
        if self.holds(id, To::Hub, frame) || self.is_lost(id) {
            return;
        }
        if self.wires.get(&id).is_some_and(|wire| !wire.cut) {
            self.call_only(|hub, env| hub.handle_frame(env, id, frame));
        }
    }

    /// Time passes; whatever becomes due on the way is done, and heartbeats come.
    pub(super) fn advance(&mut self, ms: u64) {
        let end = self.now + ms;
        for _ in 0..MAX_STEPS * 10 {
            let gone = |wire: &&Wire| wire.held.as_ref().is_some_and(|held| held.rig_closed);
            let open = self.wires.values().filter(|wire| !gone(wire));
            let links = open.map(|wire| wire.link.poll_timeout());
            let beat = Millis((self.now.0 / 10_000 + 1) * 10_000);
            let next = links.chain(self.hub.poll_timeout()).chain([beat, end]);
            self.now = next.min().unwrap_or(end).max(self.now).min(end);
            self.call(|hub, env| hub.handle_timeout(env));
            let ids: Vec<_> = self.wires.keys().copied().collect();
            for id in ids {
                let wire = self.wires.get_mut(&id).expect("listed");
                let closed = wire.held.as_ref().is_some_and(|held| held.rig_closed);
                if !closed && wire.link.handle_timeout(self.now).is_err() {
                    self.rig_closes(id);
                }
            }
            self.settle();
            if self.now.0.is_multiple_of(10_000) {
                self.heartbeats();
            }
            if self.now == end {
                return;
            }
        }
        panic!("live-lock at {:?}", self.now);
    }

    /// The rig gives up a connection; if it is cut, the controller hears nothing.
    pub(super) fn rig_closes(&mut self, id: ConnId) {
        if let Some(held) = self.wires.get_mut(&id).and_then(|wire| wire.held.as_mut()) {
            held.rig_closed = true;
            return;
        }
        let Some(wire) = self.wires.remove(&id) else {
            return;
        };
        self.rigs[wire.rig].remember(&wire.boot, &wire.link);
        if !wire.cut {
            self.call_only(|hub, env| hub.handle_closed(env, id));
        }
    }

    /// Frames and actions move until nothing moves any more.
    pub(super) fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let moved = self.do_actions() | self.move_frames();
            if !moved {
                return;
            }
        }
        panic!("live-lock at {:?}", self.now);
    }

    fn do_actions(&mut self) -> bool {
        let mut moved = false;
        while let Some(action) = self.hub.poll_action() {
            match action {
                Action::Close(id) => {
                    moved = true;
                    let wire = self.wires.get_mut(&id);
                    if let Some(held) = wire.and_then(|wire| wire.held.as_mut()) {
                        held.hub_closed = true;
                        continue;
                    }
                    if let Some(wire) = self.wires.remove(&id) {
                        self.rigs[wire.rig].remember(&wire.boot, &wire.link);
                    }
                }
                Action::Finished(id, result) => {
                    assert!(self.finished.insert(id, result).is_none(), "finished twice");
                }
                Action::Reached(id, result) => {
                    assert!(self.reached.insert(id, result).is_none(), "reached twice");
                }
                Action::Dial { .. }
                | Action::KeyChanged { .. }
                | Action::Proven(_)
                | Action::Transmit(_) => {}
                Action::Read(id, wanted) => self.reads.push((id, wanted)),
            }
        }
        moved
    }

    /// Moves one frame of this connection, if one is owed.
    pub(super) fn move_one(&mut self, id: ConnId) -> bool {
        let mut out = [0; MAX_FRAME];
        if let Some(len) = self.call_only(|hub, env| hub.poll_transmit(env, id, &mut out)) {
            self.deliver_to_rig(id, &mut out[..len]);
            return true;
        }
        let Some(len) = self.rig_transmits(id, &mut out) else {
            return false;
        };
        self.deliver_to_hub(id, &mut out[..len]);
        true
    }

    fn move_frames(&mut self) -> bool {
        let mut moved = false;
        let ids: Vec<_> = self.wires.keys().copied().collect();
        for id in ids {
            let mut out = [0; MAX_FRAME];
            while let Some(len) = self.call_only(|hub, env| hub.poll_transmit(env, id, &mut out)) {
                moved = true;
                self.deliver_to_rig(id, &mut out[..len]);
            }
            while let Some(len) = self.rig_transmits(id, &mut out) {
                moved = true;
                self.deliver_to_hub(id, &mut out[..len]);
            }
        }
        moved
    }

    fn rig_transmits(&mut self, id: ConnId, out: &mut [u8]) -> Option<usize> {
        let wire = self.wires.get_mut(&id)?;
        let rig = &self.rigs[wire.rig];
        if rig.mute || wire.held.as_ref().is_some_and(|held| held.rig_closed) {
            return None;
        }
        let (link, node) = (&mut wire.link, &rig.node);
        link.poll_transmit(node, self.now, &mut self.rng, out)
    }

    /// Whether a frame has to wait for the end of a partition.
    fn holds(&mut self, id: ConnId, to: To, frame: &[u8]) -> bool {
        let wire = self.wires.get_mut(&id);
        let held = wire.and_then(|wire| wire.held.as_mut());
        held.map(|held| held.frames.push((to, frame.to_vec())))
            .is_some()
    }

    pub(super) fn deliver_to_rig(&mut self, id: ConnId, frame: &mut [u8]) {
        self.told.push(frame.to_vec());
        if self.holds(id, To::Rig, frame) || self.is_lost(id) {
            return;
        }
        let Some(wire) = self.wires.get_mut(&id).filter(|wire| !wire.cut) else {
            return;
        };
        let rig = &mut self.rigs[wire.rig];
        let answer = match wire.link.handle_frame(&rig.node, self.now, frame) {
            Ok(smsg::Event::Message(message)) => {
                let from = wire.link.peer().expect("proven").fingerprint;
                rig.answer(from, self.now, &message)
            }
            Ok(smsg::Event::Succession {
                peer,
                statement,
                left,
            }) => {
                rig.follow(&statement);
                let dialled = wire.link.dialling_part() == Dial::WorkerDials;
                if dialled && rig.obeys(&peer.fingerprint) {
                    wire.link.accept().expect("it waits for this");
                } else if dialled && left == 0 {
                    return self.rig_closes(id);
                }
                None
            }
            Ok(smsg::Event::Up { admission, .. }) => {
                self.welcomes.insert(id, admission);
                None
            }
            Ok(smsg::Event::PeerProven { peer, .. }) if !rig.obeys(&peer.fingerprint) => {
                return self.rig_closes(id);
            }
            Ok(smsg::Event::PeerProven { .. }) => return self.rig_welcomes(id),
            Ok(smsg::Event::TokenAsked { .. }) => {
                if wire.link.answer_token(Some(&CODE)).is_err() {
                    return self.rig_closes(id);
                }
                None
            }
            Ok(_) => None,
            Err(_) => return self.rig_closes(id),
        };
        if let Some(answer) = answer.filter(|_| !rig.mute) {
            self.rig_says(id, &answer);
        }
    }

    /// Whether the connection breaks under this frame; both ends are told.
    fn is_lost(&mut self, id: ConnId) -> bool {
        let Some(left) = self.fuse else {
            return false;
        };
        self.fuse = left.checked_sub(1);
        if left == 0 {
            self.rig_closes(id);
        }
        left == 0
    }

    fn rig_welcomes(&mut self, id: ConnId) {
        let rig = self.wires[&id].rig;
        let memory = self.rig_memory(rig, Some(id));
        let wire = self.wires.get_mut(&id).expect("open");
        let welcomed = wire.link.welcome(Admission::Registered, memory);
        welcomed.expect("numbers go on");
    }

    /// Events so far, without the rigs' names.
    pub(super) fn events(&self) -> Vec<EventKind> {
        self.hub.events_since(0).map(|e| e.kind.clone()).collect()
    }
}
