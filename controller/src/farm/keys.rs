//! Keys and who decides: the recovery key of the farm, the managers of a rig, orders about both.

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::text::Label;
use miner_shared::wire::{Answer, Manager, Outcome, Query};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Farm, errors, show};
use crate::access::By;
use crate::clock::EpochMs;
use crate::error::{Code, FarmError};
use crate::hub::{Ask, Reply, recovery_id};
use crate::registry::{Authority, Order, Registry, RegistryError};

/// How long the receipt of an order may take, the making of a link included, in milliseconds.
const ORDER_MS: u64 = 30_000;
/// How long the list of managers may take, likewise.
const MANAGERS_MS: u64 = 10_000;

/// The recovery key of the farm: its public half, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryView {
    /// Its label, 16 hex characters.
    pub id: String,
    /// Ed25519 key, base64.
    pub public_key: String,
    /// When it was made, or made known here.
    pub made_at: EpochMs,
    /// Peers that have pinned it.
    pub pinned: usize,
    /// Peers that would not: another key is pinned there.
    pub refused: usize,
    /// Peers that have yet to hear of it.
    pub pending: usize,
}

/// What a peer has made of the recovery key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RecoveryStatus {
    /// It follows that key.
    Pinned,
    /// It has pinned another, which did not make room for this one.
    Refused,
    /// It has yet to hear of it.
    Pending,
}

/// Whom a rig obeys, as it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagersView {
    /// Node ID of the rig.
    pub node_id: String,
    /// The first decides what it does.
    pub managers: Vec<ManagerView>,
}

/// A controller that a rig obeys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagerView {
    /// Its place, from 1.
    pub place: usize,
    /// Node ID.
    pub id: String,
    /// Fingerprint in groups of four.
    pub fingerprint: String,
    /// Whether it is this controller.
    pub this_controller: bool,
    /// Label of the recovery key that is pinned for it, if one is.
    pub recovery: Option<String>,
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    /// Node ID of the rig when it was ordered.
    pub node_id: String,
    /// Fingerprint of the manager that it was about, if it was about one.
    pub manager: Option<String>,
    /// What became of it.
    pub status: OrderStatus,
}

/// What became of an order that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum OrderStatus {
    /// The rig has done it, and keeps it over a power cut.
    Applied,
    /// It was so already.
    AlreadyThere,
    /// It was sent, and the rig's process ended or was silent before it answered. It is not sent again.
    Unknown,
}

impl Farm {
    /// The recovery key of the farm.
    pub fn recovery(&self) -> Result<RecoveryView, FarmError> {
        view(&self.lock().registry).ok_or_else(|| {
            let message = "this farm has no recovery key";
            FarmError::new(Code::RecoveryNotFound, message)
                .hint("`node recovery create --out FILE` makes one")
        })
    }

    /// Puts a recovery key in force; every rig is told, now or when it is back.
    pub fn set_recovery(
        &self,
        key: [u8; 32],
        authority: Authority,
    ) -> Result<RecoveryView, FarmError> {
        self.with(|hub, env| hub.set_recovery(env, key, authority))
            .map_err(|error| match error {
                RegistryError::RecoveryExists => {
                    FarmError::new(Code::RecoveryExists, error.to_string()).hint(
                        "`node recovery replace` puts another in its place; `create --lost` if its file is lost",
                    )
                }
                RegistryError::BadProof => {
                    FarmError::new(Code::RecoveryRefused, error.to_string()).field("proof")
                }
                error => errors::registry(error, "recovery"),
            })?;
        self.recovery()
    }

    /// Whom a rig obeys, asked of it now, within 10 s.
    pub async fn managers(&self, id: NodeId) -> Result<ManagersView, FarmError> {
        let (key, name) = self.named(id)?;
        let managers = self.managers_of(key, &name).await?;
        let me = self.me.fingerprint();
        let view = |(at, manager): (usize, &Manager)| ManagerView {
            place: at + 1,
            id: manager.fingerprint.node_id().to_string(),
            fingerprint: manager.fingerprint.to_string(),
            this_controller: manager.fingerprint == me,
            recovery: manager.recovery.map(|key| recovery_id(&key).to_string()),
        };
        Ok(ManagersView {
            node_id: id.to_string(),
            managers: managers.iter().enumerate().map(view).collect(),
        })
    }

    /// Has a rig take another of its managers for the first, who decides from then on.
    pub async fn hand_over(&self, id: NodeId, to: &str, by: &By) -> Result<OrderView, FarmError> {
        let (key, name) = self.named(id)?;
        let to = self.manager(key, &name, to, "to").await?;
        self.order_now(key, &name, Order::Handover(to), Some(to), by)
            .await
    }

    /// Has a rig obey another of its managers no more.
    pub async fn revoke_manager(
        &self,
        id: NodeId,
        manager: &str,
        by: &By,
    ) -> Result<OrderView, FarmError> {
        let (key, name) = self.named(id)?;
        let other = self.manager(key, &name, manager, "manager").await?;
        if other == self.me.fingerprint() {
            let message = "this controller cannot revoke itself";
            return Err(FarmError::new(Code::InvalidInput, message)
                .field("manager")
                .hint("hand the rig over first; its new first manager can"));
        }
        self.order_now(key, &name, Order::Revoke(other), Some(other), by)
            .await
    }

    /// Has a rig take another key. It comes back under that one, as the same rig.
    pub async fn rotate_rig(&self, id: NodeId, by: &By) -> Result<OrderView, FarmError> {
        let (key, name) = self.named(id)?;
        self.order_now(key, &name, Order::Rotate, None, by).await
    }

    /// Gives an order that is about keys: now, or not at all.
    async fn order_now(
        &self,
        key: Fingerprint,
        name: &str,
        order: Order,
        manager: Option<Fingerprint>,
        by: &By,
    ) -> Result<OrderView, FarmError> {
        let by = Label::lossy(&by.to_string());
        let op_id = self
            .with(|hub, env| hub.order(env, &key, order, &by, ORDER_MS))
            .map_err(|error| errors::registry(error, name))?;
        let told = self.ask(key, Ask::Order(op_id), ORDER_MS).await;
        if told.is_err() {
            self.with(|hub, env| hub.take_back(env, &op_id));
        }
        let status = match told {
            Ok(Reply::Outcome(Outcome::Applied)) => OrderStatus::Applied,
            Ok(Reply::Outcome(Outcome::AlreadyThere)) => OrderStatus::AlreadyThere,
            Ok(Reply::Outcome(Outcome::Refused(refusal))) => {
                return Err(errors::refusal(&refusal, Code::OrderRefused, name));
            }
            Ok(Reply::Unknown) => OrderStatus::Unknown,
            Ok(_) => return Err(errors::nonsense(name)),
            Err(failure) => return Err(errors::failure(failure, name)),
        };
        Ok(OrderView {
            node_id: key.node_id().to_string(),
            manager: manager.map(|key| key.to_string()),
            status,
        })
    }

    async fn managers_of(
        &self,
        key: Fingerprint,
        name: &str,
    ) -> Result<heapless::Vec<Manager, MAX_MANAGERS>, FarmError> {
        match self
            .query(key, name, Query::GetManagers, MANAGERS_MS)
            .await?
        {
            Answer::Managers(managers) => Ok(managers),
            _ => Err(errors::nonsense(name)),
        }
    }

    /// The manager of a rig that a text means: its fingerprint, its node ID or the beginning of one.
    async fn manager(
        &self,
        key: Fingerprint,
        name: &str,
        text: &str,
        field: &'static str,
    ) -> Result<Fingerprint, FarmError> {
        if let Ok(fingerprint) = text.parse() {
            return Ok(fingerprint);
        }
        let managers = self.managers_of(key, name).await?;
        let prefix = text.trim().to_ascii_lowercase();
        let begins = |manager: &&Manager| {
            let id = manager.fingerprint.node_id().to_string();
            !prefix.is_empty() && id.starts_with(&prefix)
        };
        let mut found = managers.iter().filter(begins);
        match (found.next(), found.next()) {
            (Some(manager), None) => Ok(manager.fingerprint),
            _ => Err(errors::no_such_manager(name).field(field)),
        }
    }
}

fn view(registry: &Registry) -> Option<RecoveryView> {
    let pin = registry.recovery()?.current()?;
    let mut view = RecoveryView {
        id: recovery_id(&pin.key).to_string(),
        public_key: show::base64(&pin.key),
        made_at: EpochMs(pin.made_at_ms),
        pinned: 0,
        refused: 0,
        pending: 0,
    };
    for (key, _) in registry.peers() {
        match status(registry, key) {
            Some(RecoveryStatus::Pinned) => view.pinned += 1,
            Some(RecoveryStatus::Refused) => view.refused += 1,
            Some(RecoveryStatus::Pending) | None => view.pending += 1,
        }
    }
    Some(view)
}

/// What a peer has made of the recovery key; `None` if there is none.
pub(super) fn status(registry: &Registry, key: &Fingerprint) -> Option<RecoveryStatus> {
    let current = registry.recovery_key()?;
    let row = registry.pinned(key);
    Some(if row.pinned.as_ref() == Some(current) {
        RecoveryStatus::Pinned
    } else if row.refused.as_ref() == Some(current) {
        RecoveryStatus::Refused
    } else {
        RecoveryStatus::Pending
    })
}
