//! What can be done to a rig, the list of it once.
//!
//! [`Farm::act_on`] does it to one rig, [`Farm::bulk`] to many. A new action takes a variant, an arm in
//! `act_on`, and a scope in [`Action::scope`]: the compiler asks for both.

use miner_shared::identity::Fingerprint;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Farm;
use super::bulk::BulkStatus;
use super::keys::{OrderStatus, OrderView};
use super::orders::{LOCATE_SECS, RigOrderStatus, RigOrderView};
use super::view::{AppliedView, DesiredStatus};
use crate::access::By;
use crate::error::FarmError;
use crate::registry::{Order, Relabel};
use crate::scope::Scope;

/// Something to do to rigs.
// The description knows no `rename_all_fields`: fields of two words have a name each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
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
    /// Shows the person beside it which one it is.
    Locate {
        /// For how long.
        #[serde(default = "locate_secs")]
        seconds: u16,
    },
    /// Rests until it is resumed.
    Pause,
    /// Measures the round trip.
    Ping,
    /// Switches the machine off, where it is the rig's own.
    PowerOff,
    /// Starts the machine anew, where it is the rig's own.
    Reboot,
    /// Cuts its link and refuses its key.
    Remove {
        /// Whether the token that it came by stays good.
        #[serde(default, rename = "keepToken")]
        keep_token: bool,
    },
    /// Ends the miner and starts it anew.
    Restart,
    /// Goes on after a pause.
    Resume,
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
        #[serde(rename = "profileId")]
        profile_id: String,
    },
    /// Mines nothing from now on.
    Stop,
    /// Calls its network cards.
    Wake,
}

const fn locate_secs() -> u16 {
    LOCATE_SECS
}

impl Action {
    /// What a credential needs for it: that of its own route.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Handover { .. } | Self::Remove { .. } | Self::Revoke { .. } | Self::RotateKey => {
                Scope::Admin
            }
            Self::Label(_)
            | Self::Locate { .. }
            | Self::Pause
            | Self::Ping
            | Self::PowerOff
            | Self::Reboot
            | Self::Restart
            | Self::Resume
            | Self::Start { .. }
            | Self::Stop
            | Self::Wake => Scope::Operate,
        }
    }
}

/// What came of an exchange, and in words what is worth saying about it.
pub(super) type Acted = (BulkStatus, Option<String>);

impl Farm {
    /// Does it to one rig.
    pub(super) async fn act_on(
        &self,
        key: Fingerprint,
        action: &Action,
        by: &By,
    ) -> Result<Acted, FarmError> {
        let id = key.node_id();
        let give = async |order| Ok(given(&self.order(id, order, by, None).await?));
        match action {
            Action::Ping => {
                let rtt_ms = self.ping(id).await?;
                Ok((BulkStatus::Applied, Some(format!("{rtt_ms} ms"))))
            }
            Action::Handover { to } => Ok(ordered(self.hand_over(id, to, by).await?)),
            Action::Revoke { manager } => Ok(ordered(self.revoke_manager(id, manager, by).await?)),
            Action::RotateKey => Ok(ordered(self.rotate_rig(id, by).await?)),
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
            Action::Pause => Ok(told(&self.pause(id).await?)),
            Action::Resume => Ok(told(&self.resume(id).await?)),
            Action::Restart => give(Order::Restart).await,
            Action::Reboot => give(Order::Reboot).await,
            Action::PowerOff => give(Order::PowerOff).await,
            Action::Locate { seconds } => give(Order::Locate(*seconds)).await,
            Action::Wake => {
                self.wake(id)?;
                Ok((
                    BulkStatus::Pending,
                    Some("called; it links up if it heard".to_owned()),
                ))
            }
        }
    }
}

fn told(wish: &AppliedView) -> Acted {
    match wish.status {
        DesiredStatus::Applied => (BulkStatus::Applied, None),
        _ => (BulkStatus::Pending, None),
    }
}

/// What came of an order that outlives the request.
fn given(order: &RigOrderView) -> Acted {
    let status = match order.status {
        RigOrderStatus::Done => BulkStatus::Applied,
        RigOrderStatus::AlreadyThere => BulkStatus::AlreadyThere,
        RigOrderStatus::Waiting | RigOrderStatus::Sent => BulkStatus::Pending,
        RigOrderStatus::Refused => BulkStatus::Refused,
        RigOrderStatus::Expired => BulkStatus::Failed,
        RigOrderStatus::Unknown => BulkStatus::Unknown,
    };
    (status, order.reason.map(str::to_owned))
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
