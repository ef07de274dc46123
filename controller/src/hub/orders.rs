//! Orders on their way to rigs: each is sent on the next link, and has at most one effect.
//!
//! | the rig links up, and the order | then |
//! |---|---|
//! | waits, and is known to the rig's version | noted as sent to this boot, then sent |
//! | waits, and is not | too old |
//! | was sent to this boot | sent again under the same op_id: the rig gives the receipt of then |
//! | was sent to another boot | unknown; or done, if a start was what it asked for |
//!
//! At its deadline an order that waits has expired, and one that was sent is unknown: it is never sent
//! again. All of this is in the registry, so a controller that starts again goes on where it was.

use miner_shared::identity::Fingerprint;
use miner_shared::text::Label;
use miner_shared::time::Millis;
use miner_shared::wire::{Command, OpId, Outcome};

use super::conn::Outgoing;
use super::requests::{Ask, Failure, Reply};
use super::score::Exchange;
use super::{Env, EventKind, Hub, RequestId, Timer};
use crate::registry::{Order, OrderRecord, OrderState, RegistryError};

impl Hub {
    /// Stores an order of `by` for a rig, and sends it if the rig can be reached; after `within_ms` it is
    /// not sent any more. Returns its name.
    pub fn order(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        order: Order,
        by: &Label,
        within_ms: u64,
    ) -> Result<OpId, RegistryError> {
        let mut op_id = [0; 16];
        env.rng.fill_bytes(&mut op_id);
        let now = env.now.wall.0;
        let row = OrderRecord {
            rig: *key,
            order,
            by: by.clone(),
            created_ms: now,
            deadline_ms: now.saturating_add(within_ms),
            sent: None,
            ended_ms: None,
            state: OrderState::Waiting,
        };
        env.registry.give_order(op_id, row)?;
        let kind = EventKind::Ordered {
            order: order.as_str(),
            by: by.to_string(),
        };
        self.record(env, Some(key), kind);
        self.set_order_timer(op_id, env.now.mono + within_ms);
        self.send_order(env, key, op_id);
        Ok(op_id)
    }

    /// Takes an order back that was never sent: whoever gave it will not wait.
    pub fn take_back(&mut self, env: &mut Env<'_>, op_id: &OpId) {
        if let Err(error) = env.registry.take_back(op_id) {
            log::warn!("order not taken back reason={error}");
        }
    }

    /// Sets the deadlines of orders that a process before this one was given.
    pub fn await_orders(&mut self, env: &Env<'_>) {
        let open = env.registry.orders().filter(|(_, row)| row.state.is_open());
        for (op_id, row) in open {
            let left = row.deadline_ms.saturating_sub(env.now.wall.0);
            self.set_order_timer(*op_id, env.now.mono + left);
        }
    }

    fn set_order_timer(&mut self, op_id: OpId, at: Millis) {
        self.timers.insert((at, Timer::Order(op_id)));
    }

    /// A rig has linked up: its orders go out.
    pub(super) fn send_orders(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        for op_id in env.registry.open_orders(key) {
            self.send_order(env, key, op_id);
        }
    }

    /// Sends an order on the rig's link, if there is one; or ends it, if that may no longer be.
    fn send_order(&mut self, env: &mut Env<'_>, key: &Fingerprint, op_id: OpId) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let (conn, boot, version) = (session.conn, session.boot_id, session.version);
        let Some(row) = env.registry.order(&op_id).cloned() else {
            return;
        };
        if row.deadline_ms <= env.now.wall.0 {
            return self.order_due(env, &op_id);
        }
        match row.sent {
            None if Command::from(row.order).since() > version => {
                return self.end_order(env, key, &op_id, OrderState::TooOld);
            }
            None => {
                if let Err(error) = env.registry.note_sent(&op_id, boot, env.now.wall) {
                    // Not sent, then: a crash now must not leave one that was and is not known to be.
                    log::warn!("order not sent node={} reason={error}", key.node_id());
                    return;
                }
            }
            Some((_, to)) if to == boot => {}
            Some(_) => {
                let state = match row.order.ends_by_a_start() {
                    true => OrderState::Done,
                    false => OrderState::Unknown,
                };
                return self.end_order(env, key, &op_id, state);
            }
        }
        self.order_sent(key, &op_id);
        self.send(env, conn, Outgoing::Order(op_id, row.order));
    }

    /// What became of an order; `false` if this command was none. One that was given up is put right.
    pub(super) fn on_order_receipt(
        &mut self,
        env: &mut Env<'_>,
        key: &Fingerprint,
        op_id: &OpId,
        outcome: &Outcome,
    ) -> bool {
        let known = |row: &&OrderRecord| {
            row.rig == *key && (row.state.is_open() || row.state == OrderState::Unknown)
        };
        if env.registry.order(op_id).filter(known).is_none() {
            return false;
        }
        self.count(key, Exchange::Answered);
        self.end_order(env, key, op_id, OrderState::from(outcome.clone()));
        true
    }

    /// A rig has another key: if it was told to take one, it has.
    pub(super) fn end_rotations(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        for op_id in env.registry.open_orders(key) {
            let rotated = |row: &&OrderRecord| row.order == Order::Rotate && row.sent.is_some();
            if env.registry.order(&op_id).filter(rotated).is_some() {
                self.end_order(env, key, &op_id, OrderState::Done);
            }
        }
    }

    /// An order's deadline.
    pub(super) fn order_due(&mut self, env: &mut Env<'_>, op_id: &OpId) {
        let Some(row) = env.registry.order(op_id).filter(|row| row.state.is_open()) else {
            return;
        };
        let key = row.rig;
        let state = match row.state {
            OrderState::Waiting => OrderState::Expired,
            _ => OrderState::Unknown,
        };
        self.end_order(env, &key, op_id, state);
    }

    fn end_order(&mut self, env: &mut Env<'_>, key: &Fingerprint, op_id: &OpId, state: OrderState) {
        let order = env.registry.order(op_id).map(|row| row.order);
        if let Err(error) = env.registry.end_order(op_id, state.clone(), env.now.wall) {
            log::warn!(
                "end of an order not noted node={} reason={error}",
                key.node_id()
            );
        }
        if let Some(order) = order {
            let kind = EventKind::OrderEnded {
                order: order.as_str(),
                status: state.as_str(),
            };
            self.record(env, Some(key), kind);
        }
        if let Some(end) = reply(&state) {
            self.finish_where(key, |request| {
                (request.ask == Ask::Order(*op_id)).then(|| end.clone())
            });
        }
    }

    /// Whether this request is about an order that has come to its end: whoever waits is told.
    pub(super) fn order_is_over(&mut self, env: &Env<'_>, id: RequestId) -> bool {
        let Some(request) = self.requests.get_mut(&id) else {
            return false;
        };
        let Ask::Order(op_id) = request.ask else {
            return false;
        };
        let row = env.registry.order(&op_id);
        request.sent = row.is_some_and(|row| row.sent.is_some());
        let end = row.map_or(Some(Err(Failure::Removed)), |row| reply(&row.state));
        let is_over = end.is_some();
        if let Some(end) = end {
            self.finish(id, end);
        }
        is_over
    }
}

/// What is told to who waits for an order; `None` while it is open.
fn reply(state: &OrderState) -> Option<Result<Reply, Failure>> {
    Some(match state {
        OrderState::Waiting | OrderState::Sent => return None,
        OrderState::Done => Ok(Reply::Outcome(Outcome::Applied)),
        OrderState::AlreadyThere => Ok(Reply::Outcome(Outcome::AlreadyThere)),
        OrderState::Refused(refusal) => Ok(Reply::Outcome(Outcome::Refused(refusal.clone()))),
        OrderState::TooOld => Err(Failure::TooOld),
        OrderState::Unknown => Ok(Reply::Unknown),
        OrderState::Expired => Err(Failure::TimedOut),
    })
}
