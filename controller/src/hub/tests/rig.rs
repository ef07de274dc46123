//! A rig as far as the hub can tell: the real link's owner, with a disk and a memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use miner_shared::identity::{NodeKeys, Role};
use miner_shared::smsg::{Link, LocalNode, SeqMemory};
use miner_shared::text::{Label, Name};
use miner_shared::wire::{
    Activity, Answer, Command, Message, NodeCard, OpId, Outcome, Query, Refusal, RigStats, State,
};
use rand_core::{TryCryptoRng, TryRng};

/// The pairing code that listening rigs show.
pub(super) const CODE: [u8; 16] = [0x42; 16];

/// A rig as far as the hub can tell.
pub(super) struct Rig {
    pub(super) node: LocalNode,
    pub(super) seed: [u8; 32],
    pub(super) memory: Option<SeqMemory>,
    /// Kept on disk.
    pub(super) generation: u64,
    pub(super) state: State,
    /// How often it changed what it does.
    pub(super) effects: u32,
    /// Says no to every command.
    pub(super) refuses: Option<Refusal>,
    /// How often it did.
    pub(super) refusals: u32,
    /// Opens frames and says nothing, as a hung process does.
    pub(super) mute: bool,
    pub(super) receipts: BTreeMap<OpId, Outcome>,
}

impl Rig {
    pub(super) fn new(seed: [u8; 32], boot: u8, name: &str) -> Self {
        Self {
            node: node(seed, Role::Worker, boot, name),
            seed,
            memory: None,
            generation: 0,
            state: State::Stopped,
            effects: 0,
            refuses: None,
            refusals: 0,
            mute: false,
            receipts: BTreeMap::new(),
        }
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

    pub(super) fn stats(&self) -> RigStats {
        RigStats {
            uptime_ms: 5_000,
            generation: self.generation,
            profile: None,
            activity: Activity::Stopped,
            miners: heapless::Vec::new(),
            logs_lost: 0,
        }
    }

    pub(super) fn answer(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::Query(id, _) if self.refuses == Some(Refusal::Busy) => {
                Some(Message::Answer(id, Answer::Refused(Refusal::Busy)))
            }
            Message::Query(id, Query::GetStats) => {
                Some(Message::Answer(id, Answer::Stats(self.stats())))
            }
            Message::Query(id, _) => {
                Some(Message::Answer(id, Answer::Refused(Refusal::Unsupported)))
            }
            Message::Command(op_id, Command::SetState(desired)) => {
                let known = self.receipts.get(&op_id).cloned();
                let outcome = known.unwrap_or_else(|| {
                    if let Some(refusal) = &self.refuses {
                        self.refusals += 1;
                        return Outcome::Refused(refusal.clone());
                    }
                    match desired.generation.cmp(&self.generation) {
                        std::cmp::Ordering::Less => Outcome::Behind(self.generation),
                        std::cmp::Ordering::Equal => Outcome::AlreadyThere,
                        std::cmp::Ordering::Greater => {
                            self.generation = desired.generation;
                            self.state = desired.state;
                            self.effects += 1;
                            Outcome::Applied
                        }
                    }
                });
                if outcome != Outcome::Refused(Refusal::Busy) {
                    self.receipts.insert(op_id, outcome.clone());
                }
                Some(Message::Receipt(op_id, outcome))
            }
            _ => None,
        }
    }
}

pub(super) fn node(seed: [u8; 32], role: Role, boot: u8, name: &str) -> LocalNode {
    let card = NodeCard {
        name: Name::parse(name).expect("valid"),
        software: Label::parse("miner 0.1.0").expect("valid"),
        host: Label::parse("linux x86_64").expect("valid"),
    };
    LocalNode::new(NodeKeys::from_seed(&seed), role, [boot; 16], card)
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
