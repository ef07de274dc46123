//! Peers by what they are asked for besides their key: node ID and name, both unique among them. And
//! orders by the rig that they wait for.
//!
//! A farm of 10,000 is asked for a name with every link that comes up and every command that names a
//! rig: looking through all rows for it would cost more than the handshake.

use std::collections::{BTreeMap, BTreeSet};

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::Name;
use miner_shared::wire::OpId;

use super::orders::OrderRecord;
use super::record::PeerRecord;
use super::store::{Change, Contents};

/// Characters of a node ID as text, and what the first and the last of all IDs consist of.
const ID_CHARS: usize = 16;
const FIRST: &str = "0000000000000000";
const LAST: &str = "ffffffffffffffff";

/// Of a rig without any.
static NO_ORDERS: BTreeSet<(u64, OpId)> = BTreeSet::new();

/// Where to look. Follows the rows, and says nothing that they do not.
#[derive(Debug, Default)]
pub(super) struct Index {
    ids: BTreeMap<NodeId, Fingerprint>,
    names: BTreeMap<Name, Fingerprint>,
    /// Orders that have not come to their end, the oldest first.
    orders: BTreeMap<Fingerprint, BTreeSet<(u64, OpId)>>,
}

impl Index {
    /// Of these rows.
    pub(super) fn of(rows: &Contents) -> Self {
        let mut index = Self::default();
        for (key, peer) in &rows.peers {
            index.put(*key, peer);
        }
        for (op_id, order) in &rows.orders {
            index.put_order(op_id, order);
        }
        index
    }

    /// The peer with this node ID.
    pub(super) fn by_id(&self, id: NodeId) -> Option<&Fingerprint> {
        self.ids.get(&id)
    }

    /// Orders of this rig that have not come to their end, the oldest first.
    pub(super) fn open_orders(&self, rig: &Fingerprint) -> impl ExactSizeIterator<Item = &OpId> {
        let orders = self.orders.get(rig).unwrap_or(&NO_ORDERS);
        orders.iter().map(|(_, op_id)| op_id)
    }

    /// The peer with this name.
    pub(super) fn by_name(&self, name: &Name) -> Option<&Fingerprint> {
        self.names.get(name)
    }

    /// The peers whose node ID begins with this text: lower-case hex, one character at least.
    pub(super) fn by_prefix(&self, prefix: &str) -> impl Iterator<Item = &Fingerprint> {
        let end = |fill: &str| {
            let text: String = prefix.chars().chain(fill.chars()).take(ID_CHARS).collect();
            text.parse::<NodeId>().ok()
        };
        let fits = (1..=ID_CHARS).contains(&prefix.len());
        let ends = end(FIRST).zip(end(LAST)).filter(|_| fits);
        let found = ends.map(|(first, last)| self.ids.range(first..=last));
        found.into_iter().flatten().map(|(_, key)| key)
    }

    /// Notes a change that is about to be made to these rows.
    pub(super) fn follow(&mut self, rows: &Contents, change: &Change) {
        match change {
            Change::PutPeer(key, peer) => {
                self.delete(key, rows);
                self.put(*key, peer);
            }
            Change::DeletePeer(key) => self.delete(key, rows),
            Change::PutOrder(op_id, order) => {
                self.delete_order(op_id, rows);
                self.put_order(op_id, order);
            }
            Change::DeleteOrder(op_id) => self.delete_order(op_id, rows),
            _ => {}
        }
    }

    fn put_order(&mut self, op_id: &OpId, order: &OrderRecord) {
        if order.state.is_open() {
            let theirs = self.orders.entry(order.rig).or_default();
            theirs.insert((order.created_ms, *op_id));
        }
    }

    fn delete_order(&mut self, op_id: &OpId, rows: &Contents) {
        let Some(order) = rows.orders.get(op_id) else {
            return;
        };
        if let Some(theirs) = self.orders.get_mut(&order.rig) {
            theirs.remove(&(order.created_ms, *op_id));
            if theirs.is_empty() {
                self.orders.remove(&order.rig);
            }
        }
    }

    fn put(&mut self, key: Fingerprint, peer: &PeerRecord) {
        self.ids.insert(key.node_id(), key);
        self.names.entry(peer.name.clone()).or_insert(key);
    }

    fn delete(&mut self, key: &Fingerprint, rows: &Contents) {
        if self.ids.get(&key.node_id()) == Some(key) {
            self.ids.remove(&key.node_id());
        }
        let name = rows.peers.get(key).map(|peer| &peer.name);
        if let Some(name) = name
            && self.names.get(name) == Some(key)
        {
            self.names.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Trust;

    fn put(byte: u8, name: &str) -> Change {
        let row = PeerRecord {
            name: Name::parse(name).expect("a name"),
            address: None,
            trust: Trust::Token,
            added_at_ms: 0,
            last_seen_ms: None,
            told: None,
        };
        Change::PutPeer(Fingerprint([byte; 32]), row)
    }

    /// The index that follows and the one that is made anew are the same after every change.
    #[test]
    fn it_says_after_every_change_what_the_rows_say() {
        let mut rows = Contents::default();
        let mut index = Index::default();
        for change in [
            put(1, "a"),
            put(2, "b"),
            put(1, "c"),
            put(2, "a"),
            Change::DeletePeer(Fingerprint([1; 32])),
            put(3, "c"),
            Change::DeletePeer(Fingerprint([9; 32])),
        ] {
            index.follow(&rows, &change);
            rows.apply(&change);
            let anew = Index::of(&rows);
            assert_eq!(
                (&index.ids, &index.names),
                (&anew.ids, &anew.names),
                "{change:?}"
            );
        }
        let name = Name::parse("c").expect("a name");
        assert_eq!(index.by_name(&name), Some(&Fingerprint([3; 32])));
    }

    #[test]
    fn a_prefix_finds_what_begins_with_it_and_nothing_else() {
        let mut index = Index::default();
        for byte in [0x00, 0x1a, 0x1b, 0x2a, 0xff] {
            index.follow(&Contents::default(), &put(byte, &format!("rig-{byte}")));
        }
        let found = |prefix: &str| {
            index
                .by_prefix(prefix)
                .map(|key| key.0[0])
                .collect::<Vec<_>>()
        };
        assert_eq!(found("1"), [0x1a, 0x1b]);
        assert_eq!(found("1a1a1a1a1a1a1a1a"), [0x1a]);
        assert_eq!(found("f"), [0xff]);
        for nothing in ["", "3", "g", "1A", "1a1a1a1a1a1a1a1a1", "rig-1"] {
            assert_eq!(found(nothing), Vec::<u8>::new(), "{nothing}");
        }
    }
}
