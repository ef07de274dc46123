//! What rigs find wrong with themselves, what their owners allow, the shares that they found, and how one
//! that is off is woken.

use miner_shared::identity::NodeId;
use miner_shared::wire::{Answer, Query, Severity, ShareVerdict};
use serde::Serialize;
use utoipa::ToSchema;

use super::reports::{FoundShareView, FoundSharesView, VerdictView};
use super::{Farm, errors};
use crate::error::{Code, FarmError};
use crate::net::wake;

/// How long the findings, or the owner's word, may take, in milliseconds.
const ASKED_MS: u64 = 10_000;

/// What a rig finds wrong, or right, with itself and its machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorView {
    /// Node ID.
    pub node_id: String,
    /// One for each check that the rig made, now.
    pub findings: Vec<FindingView>,
}

/// What one check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// Which check, such as `huge-pages`.
    pub check: String,
    /// How bad it is.
    pub severity: SeverityView,
    /// What was found.
    pub detail: String,
    /// What to do about it, if something can be done.
    pub fix: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum SeverityView {
    /// As it should be.
    Good,
    /// It could not be told.
    Unknown,
    /// It costs hash rate, or may.
    Warning,
    /// It keeps the rig from mining.
    Bad,
}

/// What `owner.toml` of a rig says: the owner's word on the machine, which no controller overrides. Of its
/// lists a rig tells the lengths alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    /// Node ID.
    pub node_id: String,
    /// How the owner is called; `null` if the file does not say, or there is none.
    pub owner: Option<String>,
    /// Whether it may mine at all.
    pub mine: bool,
    /// Hash threads at most; `null` is any number.
    pub max_threads: Option<u16>,
    /// Whether it may use light mode alone.
    pub light: bool,
    /// How many controllers may manage it; `null` is any that was let in.
    pub controllers: Option<u8>,
    /// How many wallets it may mine for; `null` is any.
    pub wallets: Option<u8>,
    /// How many pools it may log in at; `null` is any.
    pub pools: Option<u8>,
}

/// What was sent to wake a rig. Whether it was heard, only a link that comes up shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WakeView {
    /// Node ID.
    pub node_id: String,
    /// Hardware addresses that were called.
    pub macs: Vec<String>,
    /// This machine's addresses on the networks on which they were called.
    pub networks: Vec<String>,
}

impl Farm {
    /// What a rig finds wrong with itself, asked of it now, within 10 s.
    pub async fn doctor(&self, id: NodeId) -> Result<DoctorView, FarmError> {
        let (key, name) = self.named(id)?;
        let answer = self.query(key, &name, Query::GetDoctor, ASKED_MS).await?;
        let Answer::Doctor(findings) = answer else {
            return Err(errors::nonsense(&name));
        };
        let finding = |finding: &miner_shared::wire::Finding| FindingView {
            check: finding.check.as_str().to_owned(),
            severity: match finding.severity {
                Severity::Good => SeverityView::Good,
                Severity::Unknown => SeverityView::Unknown,
                Severity::Warning => SeverityView::Warning,
                Severity::Bad => SeverityView::Bad,
            },
            detail: finding.detail.as_str().to_owned(),
            fix: Some(finding.fix.as_str().to_owned()).filter(|fix| !fix.is_empty()),
        };
        Ok(DoctorView {
            node_id: id.to_string(),
            findings: findings.iter().map(finding).collect(),
        })
    }

    /// What a rig's owner allows, asked of it now, within 10 s.
    pub async fn owner(&self, id: NodeId) -> Result<OwnerView, FarmError> {
        let (key, name) = self.named(id)?;
        let answer = self.query(key, &name, Query::GetOwner, ASKED_MS).await?;
        let Answer::Owner(word) = answer else {
            return Err(errors::nonsense(&name));
        };
        Ok(OwnerView {
            node_id: id.to_string(),
            owner: word.owner.map(|owner| owner.as_str().to_owned()),
            mine: word.mine,
            max_threads: word.max_threads,
            light: word.light,
            controllers: word.controllers,
            wallets: word.wallets,
            pools: word.pools,
        })
    }

    /// The last shares that a rig found, as it told of them.
    pub fn found_shares(&self, id: NodeId) -> Result<FoundSharesView, FarmError> {
        let (key, _) = self.named(id)?;
        let now = self.clock.now().mono;
        let core = self.lock();
        let found = core.hub.rig(&key).map(crate::hub::Rig::found);
        let share = |(share, age_ms): (&miner_shared::wire::FoundShare, u64)| FoundShareView {
            height: share.height,
            nonce: share.nonce,
            thread: share.thread,
            verdict: match share.verdict {
                ShareVerdict::Accepted => VerdictView::Accepted,
                ShareVerdict::Rejected => VerdictView::Rejected,
                ShareVerdict::Stale => VerdictView::Stale,
                ShareVerdict::Lost => VerdictView::Lost,
            },
            age_ms,
        };
        Ok(FoundSharesView {
            node_id: id.to_string(),
            first: found.map_or(0, crate::hub::FoundShares::first),
            shares: found.map_or_else(Vec::new, |found| found.shares(now).map(share).collect()),
            lost: found.map_or(0, crate::hub::FoundShares::lost),
        })
    }

    /// Calls the interfaces that a rig told of on its last link, on every network of this machine.
    pub fn wake(&self, id: NodeId) -> Result<WakeView, FarmError> {
        let (key, name) = self.named(id)?;
        let macs: Vec<[u8; 6]> = {
            let core = self.lock();
            let machine = core.registry.machine(&key);
            let interfaces = machine.map_or(&[][..], |machine| &machine.interfaces);
            interfaces.iter().map(|interface| interface.mac).collect()
        };
        if macs.is_empty() {
            let message = format!("{name} has told of no interface by which it can be woken");
            return Err(FarmError::new(Code::NoWakeAddress, message)
                .hint("a rig tells of them while it is linked, if it has a network card and its agent is new enough"));
        }
        let networks = wake::call(&macs, &miner_agent::lan::networks(), wake::PORT);
        if networks.is_empty() {
            let message = "no network of this machine takes the call";
            return Err(FarmError::new(Code::ServiceUnavailable, message)
                .hint("wake-on-LAN reaches rigs on the same local network only"));
        }
        let shown = |mac: &[u8; 6]| {
            let bytes: Vec<_> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            bytes.join(":")
        };
        Ok(WakeView {
            node_id: id.to_string(),
            macs: macs.iter().map(shown).collect(),
            networks: networks.iter().map(ToString::to_string).collect(),
        })
    }
}
