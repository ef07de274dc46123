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
        if let Some((_, known)) = numbers
            .iter_mut()
            .find(|(fingerprint, _)| *fingerprint == with)
        {
            *known = known.merge(now);
            return;
        }
        if numbers.is_full() {
            // More managers than may be pinned at a time: a pin was taken back and another made.
            numbers.remove(0);
        }
        let _ = numbers.push((with, now));
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::{NodeKeys, Role};
    use miner_shared::text::Name;

    use super::*;

    #[test]
    fn sequence_numbers_outlive_a_session_and_never_fall() {
        let card = NodeCard {
            name: Name::parse("rig").expect("valid"),
            software: Label::lossy("test"),
            host: Label::lossy("test"),
        };
        let keys = NodeKeys::from_seed(&[1; 32]);
        let me = Me::from(LocalNode::new(keys, Role::Worker, [1; 16], card));
        let with = Fingerprint([1; 32]);
        let at = |tx, rx| SeqMemory {
            peer_boot: [1; 16],
            tx,
            rx,
        };
        me.remember(with, at(5, 7));
        me.remember(with, at(4, 9));
        assert_eq!(me.numbers(&with), Some(at(5, 9)));
        assert_eq!(me.numbers(&Fingerprint([2; 32])), None);
    }
}
