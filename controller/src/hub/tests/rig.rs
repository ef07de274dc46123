//! A rig as far as the hub can tell: the real link's owner, with a disk and a memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use miner_agent::commands::{Commands, Host};
use miner_agent::platform::machine::MachineEnd;
use miner_agent::store::Managers;
use miner_shared::identity::{Fingerprint, NodeKeys, Pin, Role, Statement};
use miner_shared::limits::{MAX_MINERS, MAX_STATEMENTS, SIGNATURE};
use miner_shared::owner::OwnerWord;
use miner_shared::smsg::{Link, LocalNode, SeqMemory};
use miner_shared::text::{Label, MinerName, Name, Text};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Activity, Answer, Command, Desired, Findings, Interface, Interfaces, Level, LogPage, Message,
    NodeCard, NodeInfo, Offer, OpId, Outcome, OwnerView, Piece, Profile, Refusal, RigStats,
};
use rand_core::{TryCryptoRng, TryRng};

/// The pairing code that listening rigs show.
pub(super) const CODE: [u8; 16] = [0x42; 16];

/// A rig as far as the hub can tell: what it does with commands is the agent's own code.
pub(super) struct Rig {
    pub(super) node: LocalNode,
    pub(super) seed: [u8; 32],
    pub(super) memory: Option<SeqMemory>,
    pub(super) works: Works,
    pub(super) commands: Commands,
    /// What this process has answered to each command, and how often it answered one again.
    pub(super) receipts: BTreeMap<(Fingerprint, OpId), Outcome>,
    pub(super) repeated: u32,
    /// Has no time for anything, as if others asked too fast.
    pub(super) busy: bool,
    /// Commands that it had no time for.
    pub(super) put_off: u32,
    /// Opens frames and says nothing, as a hung process does.
    pub(super) mute: bool,
    /// Pieces of releases that it got.
    pub(super) pieces: Vec<Piece>,
}

/// What it does, and its disk.
#[derive(Default)]
pub(super) struct Works {
    /// On disk and in force; `None` if it was never told anything.
    pub(super) desired: Option<Desired>,
    /// Generations that it began to work by, each time it did.
    pub(super) effects: Vec<u64>,
    /// Nothing can be stored.
    pub(super) disk_full: bool,
    /// What its owner allows.
    pub(super) owner: OwnerWord,
    /// Whom it obeys, the first decides; nobody is everybody.
    pub(super) managers: Vec<Pin>,
    /// Commands that came, about other things than its state.
    pub(super) orders: Vec<Command>,
    /// How often its miner was restarted.
    pub(super) restarts: u32,
    /// May be restarted and switched off.
    pub(super) owns_machine: bool,
    /// Address of its one interface.
    pub(super) mac: [u8; 6],
}

impl Rig {
    pub(super) fn new(seed: [u8; 32], boot: u8, name: &str) -> Self {
        Self {
            node: node(seed, Role::Worker, boot, name),
            seed,
            memory: None,
            works: Works::default(),
            commands: Commands::default(),
            receipts: BTreeMap::new(),
            repeated: 0,
            busy: false,
            put_off: 0,
            mute: false,
            pieces: Vec::new(),
        }
    }

    /// Takes another key, and shows its last four changes; its boot stays.
    pub(super) fn rotate(&mut self, seed: [u8; 32]) {
        let statement = Statement::by_old(self.node.keys(), &NodeKeys::from_seed(&seed));
        let mut chain = self.node.chain().to_vec();
        chain.push(statement);
        let skipped = chain.len().saturating_sub(MAX_STATEMENTS);
        let chain = chain.into_iter().skip(skipped).collect();
        let [boot, ..] = *self.node.boot_id();
        self.seed = seed;
        self.node =
            node(seed, Role::Worker, boot, self.node.card().name.as_str()).with_chain(chain);
        self.memory = None;
    }

    /// Whether it obeys this key, perhaps by what it was just shown.
    pub(super) fn obeys(&self, key: &Fingerprint) -> bool {
        self.works.managers.is_empty()
            || self
                .works
                .managers
                .iter()
                .any(|pin| pin.fingerprint == *key)
    }

    pub(super) fn follow(&mut self, statement: &Statement) {
        for pin in &mut self.works.managers {
            pin.follow(statement);
        }
    }

    pub(super) fn stats(&self) -> RigStats {
        self.works.stats()
    }

    /// Generation that it works by; 0 if it was never told one.
    pub(super) fn generation(&self) -> u64 {
        self.stats().generation
    }

    /// Keeps the numbers of a link of this process.
    pub(super) fn remember(&mut self, boot: &[u8; 16], link: &Link) {
        if boot != self.node.boot_id() {
            return;
        }
        if let Some(memory) = link.memory() {
            self.memory = Some(self.memory.map_or(memory, |kept| kept.merge(memory)));
        }
    }

    /// The answer to a message of this manager, the first that it has, that came now.
    pub(super) fn answer(
        &mut self,
        from: Fingerprint,
        now: Millis,
        message: &Message,
    ) -> Option<Message> {
        match message {
            Message::Query(id, _) if self.busy => {
                Some(Message::Answer(*id, Answer::Refused(Refusal::Busy)))
            }
            Message::Query(id, query) => {
                let answer = self.commands.query(from, now, query, &self.works);
                Some(Message::Answer(*id, answer))
            }
            Message::Command(op_id, _) if self.busy => {
                self.put_off += 1;
                Some(Message::Receipt(*op_id, Outcome::Refused(Refusal::Busy)))
            }
            Message::Command(op_id, command) => {
                let works = &mut self.works;
                if !matches!(command, Command::SetState(_))
                    && !self.receipts.contains_key(&(from, *op_id))
                {
                    works.orders.push(command.clone());
                }
                let anybody = works.managers.is_empty();
                works.managers.extend(anybody.then_some(Pin::new(from)));
                let outcome = self.commands.command(from, now, *op_id, command, works);
                if anybody {
                    works.managers.clear();
                }
                // Whoever may not now, or asks too fast, may later: that is no receipt to be kept.
                let later = [Refusal::NotAllowed, Refusal::Busy].map(Outcome::Refused);
                if !later.contains(&outcome)
                    && let Some(then) = self.receipts.insert((from, *op_id), outcome.clone())
                {
                    self.repeated += 1;
                    assert_eq!(outcome, then, "the receipt of then");
                }
                Some(Message::Receipt(*op_id, outcome))
            }
            Message::Piece(piece) => {
                self.pieces.push(piece.clone());
                None
            }
            _ => None,
        }
    }
}

impl Host for Works {
    fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    fn fast_mode_fits(&self, _: &Profile) -> bool {
        true
    }

    fn owner_forbids(&mut self, profile: &Profile) -> bool {
        self.owner.forbids(profile).is_some()
    }

    fn store(&mut self, _: &Desired) -> bool {
        !self.disk_full
    }

    fn apply(&mut self, desired: &Desired) {
        self.effects.push(desired.generation);
        self.desired = Some(desired.clone());
    }

    fn managers(&self) -> Managers {
        self.managers.iter().copied().collect()
    }

    fn pin_recovery(
        &mut self,
        manager: Fingerprint,
        key: &[u8; 32],
        _: Option<&[u8; SIGNATURE]>,
    ) -> bool {
        let mut pins = self.managers.iter_mut();
        let pin = pins.find(|pin| pin.fingerprint == manager);
        pin.map(|pin| pin.recovery = Some(*key)).is_some()
    }

    fn put_first(&mut self, manager: Fingerprint) -> bool {
        let mut pins = self.managers.iter();
        let place = pins.position(|pin| pin.fingerprint == manager);
        place
            .map(|place| self.managers[..=place].rotate_right(1))
            .is_some()
    }

    fn unpin(&mut self, manager: Fingerprint) -> bool {
        self.managers.retain(|pin| pin.fingerprint != manager);
        true
    }

    fn rotate(&mut self) -> bool {
        true
    }

    fn info(&self) -> NodeInfo {
        NodeInfo {
            card: card("rig"),
            cpus: 1,
            cpu_model: Label::lossy(""),
            memory_mib: None,
            uptime_ms: 5_000,
        }
    }

    fn stats(&self) -> RigStats {
        RigStats {
            uptime_ms: 5_000,
            generation: self.desired.as_ref().map_or(0, |told| told.generation),
            profile: None,
            activity: Activity::Stopped,
            miners: heapless::Vec::new(),
            logs_lost: 0,
        }
    }

    fn restart(&mut self) {
        self.restarts += 1;
    }

    fn may_end_machine(&self) -> bool {
        self.owns_machine
    }

    fn end_machine(&mut self, _: MachineEnd) {}

    fn locate(&mut self, _: u16) {}

    fn set_log_level(&mut self, _: Level) {}

    fn update(&mut self, _: &Offer) -> Outcome {
        match self.owns_machine {
            true => Outcome::Applied,
            false => Outcome::Refused(Refusal::NoSlots),
        }
    }

    fn cancel_update(&mut self, _: &[u8; 32]) -> Outcome {
        Outcome::AlreadyThere
    }

    fn owner(&self) -> OwnerView {
        self.owner.view()
    }

    fn doctor(&self) -> Findings {
        Findings::new()
    }

    fn network(&self) -> Interfaces {
        let interface = Interface {
            name: Text::lossy("eth0"),
            mac: self.mac,
        };
        [interface].into_iter().collect()
    }

    fn logs(&self, _: Option<u64>, _: u16, _: Option<Level>) -> LogPage {
        LogPage::default()
    }

    fn miners(&self) -> heapless::Vec<MinerName, MAX_MINERS> {
        heapless::Vec::new()
    }
}

fn card(name: &str) -> NodeCard {
    NodeCard {
        name: Name::parse(name).expect("valid"),
        software: Label::parse("miner 0.1.0").expect("valid"),
        host: Label::parse("linux x86_64").expect("valid"),
    }
}

pub(super) fn node(seed: [u8; 32], role: Role, boot: u8, name: &str) -> LocalNode {
    LocalNode::new(NodeKeys::from_seed(&seed), role, [boot; 16], card(name))
}

/// SplitMix64: random enough for keys that protect nothing.
#[derive(Debug)]
pub(super) struct TestRng(pub(super) u64);

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            [*byte, ..] = self.try_next_u64()?.to_be_bytes();
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}
