//! This node under one of its keys, as its links show it.

use std::cell::RefCell;

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::smsg::{LocalNode, SeqMemory};
use miner_shared::text::Label;
use miner_shared::wire::NodeCard;
use rand_core::Rng as _;

use crate::platform;
use crate::store::{Node, system_rng};

/// A key of this node with the boot that began with it, and where its sequence numbers with each manager
/// stand. A session keeps the one that it began with; a new key begins with no numbers.
#[derive(Debug)]
pub(crate) struct Me {
    pub(crate) node: LocalNode,
    numbers: RefCell<Vec<(Fingerprint, SeqMemory), MAX_MANAGERS>>,
}

impl From<LocalNode> for Me {
    fn from(node: LocalNode) -> Self {
        Self {
            node,
            numbers: RefCell::default(),
        }
    }
}

impl From<Node> for Me {
    fn from(node: Node) -> Self {
        let mut boot_id = [0; 16];
        system_rng().fill_bytes(&mut boot_id);
        let card = NodeCard {
            name: node.name,
            software: Label::lossy(concat!("miner ", env!("CARGO_PKG_VERSION"))),
            host: platform::host(),
        };
        Self::from(LocalNode::new(node.keys, node.role, boot_id, card).with_chain(node.chain))
    }
}

impl Me {
    /// The identity.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.node.fingerprint()
    }

    /// The sequence numbers with this manager.
    pub(crate) fn numbers(&self, with: &Fingerprint) -> Option<SeqMemory> {
        let numbers = self.numbers.borrow();
        let found = numbers.iter().find(|(fingerprint, _)| fingerprint == with);
        found.map(|(_, memory)| *memory)
    }

    /// Keeps the sequence numbers where a session has got to. Also past the removal of the manager: it
    /// may be paired again within this boot, and what it signed before must stay old then.
    pub(crate) fn remember(&self, with: Fingerprint, now: SeqMemory) {
        let mut numbers = self.numbers.borrow_mut();
        let known = numbers.iter().position(|(key, _)| *key == with);
        let memory = known.map_or(now, |at| numbers.remove(at).1.merge(now));
        if numbers.is_full() {
            // More managers than may be pinned at a time: one whose pin was taken back is the longest silent.
            numbers.remove(0);
        }
        let _ = numbers.push((with, memory));
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::{NodeKeys, Role};
    use miner_shared::text::Name;

    use super::*;

    fn me() -> Me {
        let card = NodeCard {
            name: Name::parse("rig").expect("valid"),
            software: Label::lossy("test"),
            host: Label::lossy("test"),
        };
        let keys = NodeKeys::from_seed(&[1; 32]);
        Me::from(LocalNode::new(keys, Role::Worker, [1; 16], card))
    }

    fn at(tx: u64, rx: u64) -> SeqMemory {
        SeqMemory {
            peer_boot: [1; 16],
            tx,
            rx,
        }
    }

    #[test]
    fn sequence_numbers_outlive_a_session_and_never_fall() {
        let me = me();
        let with = Fingerprint([1; 32]);
        me.remember(with, at(5, 7));
        me.remember(with, at(4, 9));
        assert_eq!(me.numbers(&with), Some(at(5, 9)));
        assert_eq!(me.numbers(&Fingerprint([2; 32])), None);
    }

    #[test]
    fn of_more_managers_than_may_be_pinned_the_longest_silent_one_is_forgotten() {
        let me = me();
        let key = |n| Fingerprint([n; 32]);
        for n in [1, 2, 3, 4, 1, 5] {
            me.remember(key(n), at(1, 1));
        }
        let kept = [1, 2, 3, 4, 5].map(|n| me.numbers(&key(n)).is_some());
        assert_eq!(kept, [true, false, true, true, true]);
    }
}
