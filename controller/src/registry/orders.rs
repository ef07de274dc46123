//! Orders: what a rig is to do once, from the moment that somebody wants it to what became of it.
//!
//! ```text
//!   waiting ──▶ sent(boot) ──▶ done | already there | refused | too old
//!      │            └──▶ unknown    its deadline passed, or the rig started anew, before the receipt
//!      └──▶ expired                 its deadline passed before there was a link
//! ```
//! An order is stored before it is sent, and that it was sent before the first byte of it is, so that a
//! controller which starts again neither loses one nor gives one twice. At most [`MAX_ORDERS`] are
//! kept; the oldest that has come to its end makes room, and is counted.

use std::ops::Bound;

use miner_shared::identity::Fingerprint;
use miner_shared::limits::RECEIPTS;
use miner_shared::text::Label;
use miner_shared::wire::{Command, Level, Offer, OpId, Outcome, Refusal};
use serde::{Deserialize, Serialize};

use super::record::Row;
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable, StoreError};
use crate::clock::EpochMs;

/// Orders that are kept, below 250 bytes each: 1 MiB.
pub const MAX_ORDERS: usize = 4096;
/// Orders of one rig that wait or are sent: as many as it remembers receipts for, so that none that is
/// sent again can have been forgotten there.
pub const MAX_OPEN_ORDERS: usize = RECEIPTS;

/// What a rig is to do once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Take this manager for the first.
    Handover(Fingerprint),
    /// Obey this manager no more.
    Revoke(Fingerprint),
    /// Take another key.
    Rotate,
    /// End the miner and start it anew.
    Restart,
    /// Start the machine anew.
    Reboot,
    /// Switch the machine off.
    PowerOff,
    /// Show for so many seconds which machine it is.
    Locate(u16),
    /// Log what is at least this serious.
    LogLevel(Level),
    /// Fetch this release and start it on trial.
    Update(Offer),
    /// Fetch no more of this release.
    CancelUpdate([u8; 32]),
}

impl Order {
    /// The word for it in REST and CLI.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Handover(_) => "handover",
            Self::Revoke(_) => "revoke",
            Self::Rotate => "rotateKey",
            Self::Restart => "restart",
            Self::Reboot => "reboot",
            Self::PowerOff => "powerOff",
            Self::Locate(_) => "locate",
            Self::LogLevel(_) => "logLevel",
            Self::Update(_) => "update",
            Self::CancelUpdate(_) => "cancelUpdate",
        }
    }

    /// Whether a rig that has started anew since it was sent has done it, whatever became of the receipt.
    pub const fn ends_by_a_start(self) -> bool {
        matches!(self, Self::Restart | Self::Reboot | Self::PowerOff)
    }
}

impl From<Order> for Command {
    fn from(order: Order) -> Self {
        match order {
            Order::Handover(to) => Self::Handover { to },
            Order::Revoke(manager) => Self::Revoke { manager },
            Order::Rotate => Self::Rotate,
            Order::Restart => Self::Restart,
            Order::Reboot => Self::Reboot,
            Order::PowerOff => Self::PowerOff,
            Order::Locate(seconds) => Self::Locate { seconds },
            Order::LogLevel(least) => Self::SetLogLevel(least),
            Order::Update(offer) => Self::Update(offer),
            Order::CancelUpdate(release) => Self::CancelUpdate(release),
        }
    }
}

/// An order. The name of its command, 16 random bytes, is the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    /// Whose.
    pub rig: Fingerprint,
    /// What.
    pub order: Order,
    /// Who gave it.
    pub by: Label,
    /// When it was given, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it is no longer sent, in milliseconds since 1970.
    pub deadline_ms: u64,
    /// When it was first sent, and to which process start of the rig.
    pub sent: Option<(u64, [u8; 16])>,
    /// When it came to its end.
    pub ended_ms: Option<u64>,
    /// How far it has come.
    pub state: OrderState,
}

/// How far an order has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderState {
    /// For a link with the rig.
    Waiting,
    /// It is on its way, or done and the receipt is.
    Sent,
    /// The rig has done it.
    Done,
    /// It was so already.
    AlreadyThere,
    /// The rig has not done it, and says why.
    Refused(Refusal),
    /// The rig's agent does not know what that is.
    TooOld,
    /// It was never sent.
    Expired,
    /// It was sent, and nobody knows whether it was done.
    Unknown,
}

impl OrderState {
    /// The word for it in REST and CLI.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::AlreadyThere => "alreadyThere",
            Self::Refused(_) | Self::TooOld => "refused",
            Self::Expired => "expired",
            Self::Unknown => "unknown",
        }
    }

    /// Whether more may come of it.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Waiting | Self::Sent)
    }
}

impl From<Outcome> for OrderState {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Done,
            Outcome::AlreadyThere => Self::AlreadyThere,
            Outcome::Refused(refusal) => Self::Refused(refusal),
            // What is said of wishes alone.
            _ => Self::Unknown,
        }
    }
}

impl Row for OrderRecord {}

impl Registry {
    /// All orders that are kept, by the names of their commands.
    pub fn orders(&self) -> impl ExactSizeIterator<Item = (&OpId, &OrderRecord)> {
        self.rows.orders.iter()
    }

    /// Those behind this name, or all: for whoever looks at them in portions.
    pub fn orders_after(&self, after: Option<OpId>) -> impl Iterator<Item = (&OpId, &OrderRecord)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows.orders.range((from, Bound::Unbounded))
    }

    /// The order of this name.
    pub fn order(&self, op_id: &OpId) -> Option<&OrderRecord> {
        self.rows.orders.get(op_id)
    }

    /// Orders of this rig that have not come to their end, the oldest first.
    pub fn open_orders(&self, rig: &Fingerprint) -> Vec<OpId> {
        self.index.open_orders(rig).copied().collect()
    }

    /// Orders that made room since this process began.
    pub fn orders_lost(&self) -> u64 {
        self.orders_lost
    }

    /// Keeps a new order, synced.
    pub fn give_order(&mut self, op_id: OpId, row: OrderRecord) -> Result<(), RegistryError> {
        if self.peer(&row.rig).is_none() {
            return Err(RegistryError::NoSuchPeer);
        }
        if self.index.open_orders(&row.rig).len() >= MAX_OPEN_ORDERS {
            return Err(RegistryError::TooManyOrders);
        }
        let mut batch = vec![Change::PutOrder(op_id, row)];
        if self.rows.orders.len() >= MAX_ORDERS {
            let ended = self.orders().filter(|(_, row)| !row.state.is_open());
            let oldest = ended.min_by_key(|(_, row)| row.created_ms);
            let (oldest, _) = oldest.ok_or(RegistryError::TooManyOrders)?;
            batch.push(Change::DeleteOrder(*oldest));
        }
        let makes_room = batch.len() > 1;
        self.commit(batch, Durable::Now)?;
        self.orders_lost += u64::from(makes_room);
        Ok(())
    }

    /// Notes, synced, that an open order is about to be sent for the first time.
    pub fn note_sent(
        &mut self,
        op_id: &OpId,
        boot: [u8; 16],
        now: EpochMs,
    ) -> Result<(), StoreError> {
        self.change_order(op_id, |row| {
            row.sent = Some((now.0, boot));
            row.state = OrderState::Sent;
        })
    }

    /// Notes, synced, what became of an order.
    pub fn end_order(
        &mut self,
        op_id: &OpId,
        state: OrderState,
        now: EpochMs,
    ) -> Result<(), StoreError> {
        self.change_order(op_id, |row| {
            row.ended_ms = Some(now.0);
            row.state = state;
        })
    }

    fn change_order(
        &mut self,
        op_id: &OpId,
        change: impl FnOnce(&mut OrderRecord),
    ) -> Result<(), StoreError> {
        let Some(mut row) = self.order(op_id).cloned() else {
            return Ok(());
        };
        change(&mut row);
        self.commit(vec![Change::PutOrder(*op_id, row)], Durable::Now)
    }

    /// Takes an order back that was never sent.
    pub fn take_back(&mut self, op_id: &OpId) -> Result<(), StoreError> {
        let waits = self
            .order(op_id)
            .is_some_and(|row| row.state == OrderState::Waiting);
        if !waits {
            return Ok(());
        }
        self.commit(vec![Change::DeleteOrder(*op_id)], Durable::Now)
    }

    /// The changes that take a removed peer's orders away.
    pub(super) fn orders_gone(&self, rig: &Fingerprint) -> Vec<Change> {
        let theirs = self.orders().filter(|(_, row)| row.rig == *rig);
        theirs
            .map(|(op_id, _)| Change::DeleteOrder(*op_id))
            .collect()
    }

    /// The changes that move a peer's orders to its next key.
    pub(super) fn orders_moved(&self, old: &Fingerprint, new: Fingerprint) -> Vec<Change> {
        let theirs = self.orders().filter(|(_, row)| row.rig == *old);
        let moved = |(op_id, row): (&OpId, &OrderRecord)| {
            let row = OrderRecord {
                rig: new,
                ..row.clone()
            };
            Change::PutOrder(*op_id, row)
        };
        theirs.map(moved).collect()
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::text::Name;

    use super::super::{MemoryStore, PeerRecord, Trust};
    use super::*;

    const RIG: Fingerprint = Fingerprint([1; 32]);

    fn registry() -> Registry {
        let mut registry = Registry::open(Box::new(MemoryStore::default())).expect("opens");
        for (n, name) in [(1, "rig-1"), (2, "rig-2")] {
            let row = PeerRecord {
                name: Name::parse(name).expect("valid"),
                address: None,
                trust: Trust::Tofu,
                added_at_ms: 1,
                last_seen_ms: None,
                told: None,
            };
            registry.add(Fingerprint([n; 32]), row).expect("adds");
        }
        registry
    }

    fn order(created_ms: u64) -> OrderRecord {
        OrderRecord {
            rig: RIG,
            order: Order::Restart,
            by: Label::lossy("local"),
            created_ms,
            deadline_ms: created_ms + 1_000,
            sent: None,
            ended_ms: None,
            state: OrderState::Waiting,
        }
    }

    fn name(n: u64) -> OpId {
        let mut op_id = [0; 16];
        op_id[..8].copy_from_slice(&n.to_le_bytes());
        op_id
    }

    #[test]
    fn a_rig_has_at_most_as_many_open_orders_as_it_remembers_receipts() {
        let mut registry = registry();
        for n in 0..RECEIPTS as u64 {
            registry.give_order(name(n), order(n)).expect("room");
        }
        let refused = registry.give_order(name(99), order(99));
        assert!(matches!(refused, Err(RegistryError::TooManyOrders)));
        let open = registry.open_orders(&RIG);
        assert_eq!((open.len(), open[0]), (RECEIPTS, name(0)), "oldest first");
        registry
            .end_order(&name(3), OrderState::Done, EpochMs(5))
            .expect("stored");
        registry.give_order(name(99), order(99)).expect("room");
        let other = registry.give_order(
            name(100),
            OrderRecord {
                rig: Fingerprint([9; 32]),
                ..order(1)
            },
        );
        assert!(matches!(other, Err(RegistryError::NoSuchPeer)));
    }

    #[test]
    fn the_oldest_that_is_over_makes_room_and_is_counted() {
        let mut registry = registry();
        registry.give_order(name(0), order(0)).expect("room");
        for n in 1..MAX_ORDERS as u64 {
            registry.give_order(name(n), order(n)).expect("room");
            let over = registry.end_order(&name(n), OrderState::Expired, EpochMs(n));
            over.expect("stored");
        }
        assert_eq!(
            (registry.orders().len(), registry.orders_lost()),
            (MAX_ORDERS, 0)
        );
        let next = MAX_ORDERS as u64;
        registry.give_order(name(next), order(next)).expect("room");
        assert_eq!(
            (registry.orders().len(), registry.orders_lost()),
            (MAX_ORDERS, 1)
        );
        assert!(registry.order(&name(0)).is_some(), "it still waits");
        assert!(
            registry.order(&name(1)).is_none(),
            "the oldest that is over"
        );
    }

    #[test]
    fn only_what_was_never_sent_can_be_taken_back() {
        let mut registry = registry();
        for n in [1, 2] {
            registry.give_order(name(n), order(n)).expect("room");
        }
        registry
            .note_sent(&name(2), [7; 16], EpochMs(9))
            .expect("stored");
        for n in [1, 2] {
            registry.take_back(&name(n)).expect("stored");
        }
        assert!(registry.order(&name(1)).is_none());
        let sent = registry.order(&name(2)).expect("kept");
        assert_eq!(
            (sent.sent, &sent.state),
            (Some((9, [7; 16])), &OrderState::Sent)
        );
    }

    #[test]
    fn orders_move_with_the_rigs_key_and_go_with_the_rig() {
        let mut registry = registry();
        registry.give_order(name(1), order(1)).expect("room");
        let new = Fingerprint([3; 32]);
        registry
            .succeed(&RIG, new, EpochMs(2))
            .expect("a stranger's");
        assert_eq!(registry.open_orders(&new), [name(1)]);
        registry.remove(&new, false, EpochMs(3)).expect("a peer");
        assert_eq!(registry.orders().len(), 0);
    }
}
