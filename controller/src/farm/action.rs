//! What can be done to a rig, the list of it once.
//!
//! [`Farm::act_on`] does it to one rig, [`Farm::bulk`] to many. A new action takes a variant and an arm in
//! `act_on`; one that others than admins may do, also its name in [`Action::scope`].

use miner_shared::identity::Fingerprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Farm;
use super::bulk::BulkStatus;
use super::keys::{OrderStatus, OrderView};
use super::view::{AppliedView, DesiredStatus};
use crate::error::FarmError;
use crate::registry::Relabel;
use crate::scope::Scope;

/// Something to do to rigs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[expect(clippy::large_enum_variant, reason = "there is one for each request")]
#[non_exhaustive]
pub enum Action {
    /// Another of its managers decides for it from now on.
    Handover {
        /// Fingerprint of the manager, its node ID, or the beginning of one.
        to: String,
    },
    /// Other labels.
    Label(Relabel),
    /// Measures the round trip.
    Ping,
    /// Cuts its link and refuses its key.
    Remove {
        /// Whether the token that it came by stays good.
        #[serde(default)]
        keep_token: bool,
    },
    /// It obeys another of its managers no more.
    Revoke {
        /// Fingerprint of the manager, its node ID, or the beginning of one.
        manager: String,
    },
    /// It takes another key.
    RotateKey,
    /// Mines with this profile from now on.
    Start {
        /// Id or name of the profile.
        profile_id: String,
    },
    /// Mines nothing from now on.
    Stop,
}

impl Action {
    /// What a credential needs for it: that of its own route.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Label(_) | Self::Ping | Self::Start { .. } | Self::Stop => Scope::Operate,
            _ => Scope::Admin,
        }
    }
}

/// What came of an exchange, and in words what is worth saying about it.
pub(super) type Acted = (BulkStatus, Option<String>);

impl Farm {
    /// Does it to one rig.
    pub(super) async fn act_on(&self, key: Fingerprint, action: &Action) -> Result<Acted, FarmError> {
        let id = key.node_id();
        match action {
            Action::Ping => {
                let rtt_ms = self.ping(id).await?;
                Ok((BulkStatus::Applied, Some(format!("{rtt_ms} ms"))))
            }
            Action::Handover { to } => Ok(ordered(self.hand_over(id, to).await?)),
            Action::Revoke { manager } => Ok(ordered(self.revoke_manager(id, manager).await?)),
            Action::RotateKey => Ok(ordered(self.rotate_rig(id).await?)),
            Action::Label(change) => {
                self.change_peer(id, None, change)?;
                Ok((BulkStatus::Applied, None))
            }
            Action::Remove { keep_token } => {
                self.remove_peer(id, *keep_token)?;
                Ok((BulkStatus::Applied, None))
            }
            Action::Start { profile_id } => Ok(told(&self.start(id, profile_id).await?)),
            Action::Stop => Ok(told(&self.stop(id, None).await?)),
        }
    }
}

fn told(wish: &AppliedView) -> Acted {
    match wish.status {
        DesiredStatus::Applied => (BulkStatus::Applied, None),
        _ => (BulkStatus::Pending, None),
    }
}

fn ordered(order: OrderView) -> Acted {
    match order.status {
        OrderStatus::Applied => (BulkStatus::Applied, None),
        OrderStatus::AlreadyThere => (BulkStatus::AlreadyThere, None),
        OrderStatus::Unknown => {
            let why = "it was told, and did not answer before its process or the time ended";
            (BulkStatus::Unknown, Some(why.to_owned()))
        }
    }
}
