//! Orders: what rigs are told to do once.

use std::cmp::Reverse;

use data_encoding::HEXLOWER;
use miner_shared::identity::NodeId;
use miner_shared::limits::MAX_LOCATE_SECS;
use miner_shared::text::Label;
use miner_shared::wire::OpId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Farm, errors, show};
use crate::access::By;
use crate::clock::EpochMs;
use crate::error::{Code, FarmError};
use crate::hub::{Ask, TOO_OLD, refusal_text};
use crate::registry::{Order, OrderRecord, OrderState, Registry};

/// How long an order is sent at all if nobody says, and at most, in seconds: ten minutes, a week.
pub const ORDER_SECS: (u64, u64) = (600, 7 * 86_400);
/// How long a caller waits for the receipt, in milliseconds. The order goes on without it.
const RECEIPT_MS: u64 = 10_000;
/// How long a rig shows where it is, if nobody says, in seconds.
pub const LOCATE_SECS: u16 = 60;
const _: () = assert!(LOCATE_SECS <= MAX_LOCATE_SECS);

/// An order, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RigOrderView {
    /// Its name, 32 hex characters.
    pub id: String,
    /// Node ID of the rig.
    pub node_id: String,
    /// The rig's name.
    pub node_name: String,
    /// `restart`, `reboot`, `powerOff`, `locate`, `logLevel`, `handover`, `revoke`, `rotateKey`, `update` or
    /// `cancelUpdate`.
    pub order: &'static str,
    /// What it is about: seconds, a level, a fingerprint, a version, a release.
    pub detail: Option<String>,
    /// Who gave it.
    pub by: String,
    /// When.
    pub created_at: EpochMs,
    /// When it is no longer sent.
    pub deadline_at: EpochMs,
    /// When it was first sent.
    pub sent_at: Option<EpochMs>,
    /// When it came to its end.
    pub ended_at: Option<EpochMs>,
    /// How far it has come.
    pub status: RigOrderStatus,
    /// Why it was refused.
    pub reason: Option<&'static str>,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RigOrderStatus {
    /// For a link with the rig; it is sent until its deadline.
    Waiting,
    /// It is on its way, or done and the receipt is.
    Sent,
    /// The rig has done it, or has started anew where that was the order.
    Done,
    /// It was so already.
    AlreadyThere,
    /// The rig has not done it; see `reason`.
    Refused,
    /// Its deadline passed before there was a link: it was never sent.
    Expired,
    /// It was sent, and the rig was silent or started anew before it answered. It is not sent again.
    Unknown,
}

impl RigOrderView {
    /// By what lists are in order: the newest first.
    pub fn sort_key(&self) -> (Reverse<u64>, String) {
        (Reverse(self.created_at.0), self.id.clone())
    }
}

impl Farm {
    /// Gives a rig an order, within `secs` ([`ORDER_SECS`]), and waits a moment for its receipt.
    pub async fn order(
        &self,
        id: NodeId,
        order: Order,
        by: &By,
        secs: Option<u64>,
    ) -> Result<RigOrderView, FarmError> {
        let (key, name) = self.named(id)?;
        let secs = secs.unwrap_or(ORDER_SECS.0);
        if !(1..=ORDER_SECS.1).contains(&secs) {
            let message = format!("it is 1 to {} seconds", ORDER_SECS.1);
            return Err(FarmError::new(Code::InvalidInput, message).field("withinSecs"));
        }
        if let Order::Locate(seconds) = order
            && !(1..=MAX_LOCATE_SECS).contains(&seconds)
        {
            let message = format!("it is 1 to {MAX_LOCATE_SECS} seconds");
            return Err(FarmError::new(Code::InvalidInput, message).field("seconds"));
        }
        let by = Label::lossy(&by.to_string());
        let op_id = self
            .with(|hub, env| hub.order(env, &key, order, &by, 1_000 * secs))
            .map_err(|error| errors::registry(error, &name))?;
        // What it says is in the registry, and so is what comes later.
        if self.lock().hub.is_live(&key) {
            let _answer = self.ask(key, Ask::Order(op_id), RECEIPT_MS).await;
        }
        let core = self.lock();
        let row = core.registry.order(&op_id);
        match row.map(|row| &row.state) {
            Some(OrderState::Refused(refusal)) => {
                Err(errors::refusal(refusal, Code::OrderRefused, &name))
            }
            Some(OrderState::TooOld) => Err(errors::too_old(&name)),
            _ => row
                .map(|row| view(&core.registry, &op_id, row))
                .ok_or_else(no_such_order),
        }
    }

    /// Orders that are kept, of one rig or of all, the newest first.
    pub fn orders(&self, of: Option<NodeId>) -> Result<Vec<RigOrderView>, FarmError> {
        let key = of.map(|id| self.named(id)).transpose()?.map(|(key, _)| key);
        let core = self.lock();
        let wanted = core.registry.orders();
        let mut found: Vec<_> = wanted
            .filter(|(_, row)| key.is_none_or(|key| row.rig == key))
            .map(|(op_id, row)| view(&core.registry, op_id, row))
            .collect();
        found.sort_by_key(RigOrderView::sort_key);
        Ok(found)
    }

    /// The order of this name, 32 hex characters.
    pub fn order_of(&self, id: &str) -> Result<RigOrderView, FarmError> {
        let op_id = u128::from_str_radix(id, 16).ok().filter(|_| id.len() == 32);
        let op_id = op_id.map(u128::to_be_bytes).ok_or_else(no_such_order)?;
        let core = self.lock();
        let row = core.registry.order(&op_id).ok_or_else(no_such_order)?;
        Ok(view(&core.registry, &op_id, row))
    }
}

fn no_such_order() -> FarmError {
    FarmError::new(Code::OrderNotFound, "no order of this ID is kept")
        .field("id")
        .hint("`remote orders` shows all that are")
}

fn view(registry: &Registry, op_id: &OpId, row: &OrderRecord) -> RigOrderView {
    let name = registry.peer(&row.rig).map(|peer| peer.name.as_str());
    RigOrderView {
        id: format!("{:032x}", u128::from_be_bytes(*op_id)),
        node_id: row.rig.node_id().to_string(),
        node_name: name.unwrap_or_default().to_owned(),
        order: row.order.as_str(),
        detail: match row.order {
            Order::Handover(key) | Order::Revoke(key) => Some(key.to_string()),
            Order::Locate(seconds) => Some(seconds.to_string()),
            Order::LogLevel(least) => Some(show::level(least).to_owned()),
            Order::Update(offer) => Some(offer.version.to_string()),
            Order::CancelUpdate(release) => Some(HEXLOWER.encode(&release)),
            Order::Rotate | Order::Restart | Order::Reboot | Order::PowerOff => None,
        },
        by: row.by.as_str().to_owned(),
        created_at: EpochMs(row.created_ms),
        deadline_at: EpochMs(row.deadline_ms),
        sent_at: row.sent.map(|(at, _)| EpochMs(at)),
        ended_at: row.ended_ms.map(EpochMs),
        status: match row.state {
            OrderState::Waiting => RigOrderStatus::Waiting,
            OrderState::Sent => RigOrderStatus::Sent,
            OrderState::Done => RigOrderStatus::Done,
            OrderState::AlreadyThere => RigOrderStatus::AlreadyThere,
            OrderState::Refused(_) | OrderState::TooOld => RigOrderStatus::Refused,
            OrderState::Expired => RigOrderStatus::Expired,
            OrderState::Unknown => RigOrderStatus::Unknown,
        },
        reason: match &row.state {
            OrderState::Refused(refusal) => Some(refusal_text(refusal)),
            OrderState::TooOld => Some(TOO_OLD),
            _ => None,
        },
    }
}
