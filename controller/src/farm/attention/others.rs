//! Troubles that are not of a rig's own: orders, rollouts, rigs that wait, the controller itself.

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;

use super::super::fleet::PORTION;
use super::super::{Core, Farm, PartView};
use super::{AttentionKind, AttentionSeverity, Of, Trouble};
use crate::audit::AuditState;
use crate::clock::EpochMs;
use crate::hub::EventKind;
use crate::registry::{Order, OrderRecord, OrderState, RolloutStatus};
use crate::units;

/// How long an order that expired, and a loss, are worth a look, in milliseconds: a day.
pub(super) const NEWS_MS: u64 = 86_400_000;

/// A trouble in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) text: String,
    pub(super) fix: String,
}

/// What orders have come to.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// When rigs were told to switch themselves off, last.
    off: BTreeMap<Fingerprint, u64>,
    /// The newest order of each sort to each rig: when it was given, and when it expired, if it did.
    newest: BTreeMap<(Fingerprint, &'static str), (u64, Option<u64>)>,
}

impl Orders {
    pub(super) fn take(&mut self, row: &OrderRecord) {
        let refused = matches!(row.state, OrderState::Refused(_) | OrderState::TooOld);
        if row.order == Order::PowerOff
            && !refused
            && let Some((sent_ms, _)) = row.sent
        {
            let off = self.off.entry(row.rig).or_default();
            *off = sent_ms.max(*off);
        }
        let expired = (row.state == OrderState::Expired)
            .then_some(row.ended_ms)
            .flatten();
        let newest = self.newest.entry((row.rig, row.order.as_str()));
        let newest = newest.or_insert((row.created_ms, expired));
        if row.created_ms > newest.0 {
            *newest = (row.created_ms, expired);
        }
    }

    /// When this rig was told to switch itself off, in milliseconds since 1970.
    pub(super) fn was_switched_off(&self, key: &Fingerprint) -> Option<u64> {
        self.off.get(key).copied()
    }
}

impl Farm {
    /// What orders have come to, taken in portions.
    pub(super) async fn ended_orders(&self) -> Orders {
        let mut orders = Orders::default();
        let mut after = None;
        loop {
            let mut taken = 0;
            {
                let core = self.lock();
                let rows = core.registry.orders_after(after).take(PORTION);
                for (op_id, row) in rows {
                    orders.take(row);
                    after = Some(*op_id);
                    taken += 1;
                }
            }
            if taken < PORTION {
                return orders;
            }
            smol::future::yield_now().await;
        }
    }

    /// What is wrong besides rigs and parts. One hold of the lock: there are at most 256 rigs that wait
    /// and 32 rollouts.
    pub(super) fn others(&self, orders: Orders, audit: AuditState) -> Vec<Trouble<'static>> {
        let mut core = self.lock();
        let now = self.clock.now();
        core.note_losses(now.mono);
        let mut troubles = expired(&core, orders, now.wall);
        troubles.extend(waiting(&core, now.wall));
        troubles.extend(halted(&core, now.wall));
        let losses = core.losses;
        for (kind, loss, what) in [
            (
                AttentionKind::HistoryLost,
                losses.history,
                "steps of the history were not kept",
            ),
            (
                AttentionKind::EventsLost,
                losses.events,
                "events did not get to the disk",
            ),
        ] {
            troubles.extend(
                loss.since_ms(now.mono)
                    .map(|since_ms| lost(kind, loss.count, what, since_ms)),
            );
        }
        troubles.extend(unplaced(&core));
        troubles.extend(audit.failing.then(|| unaudited(audit.unrecorded)));
        troubles
    }
}

fn other(
    severity: AttentionSeverity,
    kind: AttentionKind,
    since_ms: Option<u64>,
    words: Words,
) -> Trouble<'static> {
    Trouble {
        severity,
        kind,
        since_ms,
        of: Of::Other(words),
    }
}

fn expired(core: &Core, orders: Orders, now: EpochMs) -> Vec<Trouble<'static>> {
    let expired = orders.newest.into_iter().filter_map(|((rig, order), (_, at))| {
        let since_ms = now.0.saturating_sub(at?);
        let row = core.registry.peer(&rig).filter(|_| since_ms < NEWS_MS)?;
        let id = rig.node_id().to_string();
        let words = Words {
            name: row.name.as_str().to_owned(),
            text: format!(
                "the order {order} expired {} ago: the rig had no link before its deadline",
                units::age(Some(since_ms))
            ),
            fix: format!("give it again with a longer `--within`; `miner-ctrl remote orders {id}` shows all"),
            id,
        };
        let (amber, kind) = (AttentionSeverity::Amber, AttentionKind::OrderExpired);
        Some(other(amber, kind, Some(since_ms), words))
    });
    expired.collect()
}

fn waiting(core: &Core, now: EpochMs) -> impl Iterator<Item = Trouble<'static>> {
    core.registry.waiting().map(move |(key, row)| {
        let id = key.node_id().to_string();
        let from = row.from.map_or_else(String::new, |from| format!(" from {from}"));
        let words = Words {
            name: row.name.as_str().to_owned(),
            text: format!(
                "it asks to join{from} by the token {}, and waits for approval",
                row.origin.token
            ),
            fix: format!(
                "compare {key} with its console, then `miner-ctrl peer approve {id}`, or `peer deny {id}`"
            ),
            id,
        };
        let since_ms = Some(now.0.saturating_sub(row.since_ms));
        other(AttentionSeverity::Amber, AttentionKind::Waiting, since_ms, words)
    })
}

fn halted(core: &Core, now: EpochMs) -> impl Iterator<Item = Trouble<'static>> {
    let rollouts = core.registry.rollouts();
    let halted = rollouts.filter(|(_, row)| row.status == RolloutStatus::Halted);
    halted.map(move |(id, row)| {
        let events = core.hub.events_since(0).collect::<Vec<_>>();
        let event = events.into_iter().rev().find(|event| {
            matches!(event.kind, EventKind::RolloutHalted { rollout, .. } if rollout == id)
        });
        let reason = row.reason.as_ref().map_or("it is not known why", |why| why.as_str());
        let words = Words {
            id: id.to_string(),
            name: row.profile.to_string(),
            text: format!(
                "the rollout of version {} has stopped by itself: {}",
                row.version,
                units::printable(reason)
            ),
            fix: format!(
                "`miner-ctrl rollout show {id}`, then `rollout resume {id}` or `rollout rollback {id}`"
            ),
        };
        let since_ms = event.map(|event| now.0.saturating_sub(event.at.0));
        other(AttentionSeverity::Red, AttentionKind::RolloutHalted, since_ms, words)
    })
}

/// A part that is not well.
pub(super) fn part(part: PartView) -> Trouble<'static> {
    let reason = part.reason.unwrap_or_default();
    let words = Words {
        id: part.name.to_owned(),
        name: part.name.to_owned(),
        text: format!(
            "the controller is not whole: {} fails: {}",
            part.name,
            units::printable(&reason)
        ),
        fix: DISK.to_owned(),
    };
    other(AttentionSeverity::Red, AttentionKind::NotReady, None, words)
}

/// What helps against most of what goes wrong with files.
const DISK: &str = "the controller's log says why; `miner-ctrl doctor` looks at disk and files";

fn lost(kind: AttentionKind, count: u64, what: &str, since_ms: u64) -> Trouble<'static> {
    let words = Words {
        id: kind.as_str().to_owned(),
        name: "controller".to_owned(),
        text: format!(
            "{} {what} since the controller's start, the last {} ago",
            units::count(count),
            units::age(Some(since_ms))
        ),
        fix: DISK.to_owned(),
    };
    other(AttentionSeverity::Amber, kind, Some(since_ms), words)
}

fn unplaced(core: &Core) -> Option<Trouble<'static>> {
    let left_out = core.history.as_ref()?.writing().left_out;
    let words = Words {
        id: "history".to_owned(),
        name: "controller".to_owned(),
        text: format!("{left_out} rigs have no place in the history file: all are taken"),
        fix: "remove rigs that are gone: `miner-ctrl peer remove`".to_owned(),
    };
    let (amber, kind) = (AttentionSeverity::Amber, AttentionKind::HistoryLost);
    (left_out > 0).then(|| other(amber, kind, None, words))
}

fn unaudited(unrecorded: u64) -> Trouble<'static> {
    let words = Words {
        id: "audit".to_owned(),
        name: "controller".to_owned(),
        text: format!(
            "the audit log cannot be written, so nothing is changed; {} requests are in no entry",
            units::count(unrecorded)
        ),
        fix: DISK.to_owned(),
    };
    other(
        AttentionSeverity::Red,
        AttentionKind::AuditLost,
        None,
        words,
    )
}
