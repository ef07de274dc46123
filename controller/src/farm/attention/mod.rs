//! What a person should look at: the one place that decides whether something is wrong.
//!
//! ```text
//!   registry, hub ── 256 rigs under one hold of the lock ──▶ seen ─┐
//!                                    twins: medians of each kind ──┴▶ judge ──▶ troubles, worst first
//!   orders, rollouts, rigs that wait, parts, losses ──▶ others ──────────────▶      │ the first `limit`
//!                                                                                  ▼
//!                                                                                words
//! ```
//! Everything is judged from what is in memory, so an answer costs no disk and asks no rig. What is not
//! known is no trouble.

mod judge;
mod others;
mod seen;
#[cfg(test)]
mod tests;
mod words;

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use self::judge::{Cause, Compared};
use self::others::Words;
use self::seen::Seen;
use super::{Farm, PartStatus};
use crate::audit::AuditState;
use crate::clock::EpochMs;

/// Troubles of one answer that nobody bounds: what a page shows.
pub const ATTENTION: usize = 50;
/// Most of one answer: about 60 KiB of JSON. The counts are of all.
pub const MAX_ATTENTION: usize = 200;

/// What a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionView {
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// How many troubles there are; `items` may hold fewer.
    pub total: usize,
    /// How many there are of each kind that there is.
    pub counts: BTreeMap<&'static str, usize>,
    /// Worst first, then those that have lasted longest.
    pub items: Vec<AttentionItem>,
}

/// One trouble.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionItem {
    /// How bad.
    pub severity: AttentionSeverity,
    /// Of which kind.
    pub kind: AttentionKind,
    /// Node ID of the rig; of a rollout its number, of a part of the controller its name.
    pub id: String,
    /// Name of the rig; of a rollout its profile, of a part of the controller its name.
    pub name: String,
    /// What is wrong, and by what that is known.
    pub text: String,
    /// What to do.
    pub fix: String,
    /// For how long it has been so, in milliseconds; `null` if that is not known.
    pub since_ms: Option<u64>,
}

/// How bad a trouble is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AttentionSeverity {
    /// Look now: hashes are lost, or the controller is not well.
    Red,
    /// Look when you can.
    Amber,
}

/// Declares the kinds once: variant, and text for programs.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident = $text:literal;)*) => {
        /// What kind of trouble it is. Texts are stable: programs match on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
        pub enum AttentionKind {
            $($(#[$meta])* #[serde(rename = $text)] $name,)*
        }

        impl AttentionKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind as programs see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

kinds! {
    /// A part of the controller does not work.
    NotReady = "notReady";
    /// A rig has no link; not one that was switched off by order, nor one that never came.
    Offline = "offline";
    /// A rig is told to mine and reaches no pool.
    NoPool = "noPool";
    /// A rig is told to mine and does not hash.
    NoHashrate = "noHashrate";
    /// A rig hashes, and no pool has accepted a share for much longer than chance explains.
    NoShare = "noShare";
    /// A rollout has stopped by itself.
    RolloutHalted = "rolloutHalted";
    /// A rig refuses what it is told, or its agent is too old for it.
    Refused = "refused";
    /// A rig was told something newer by somebody else.
    Behind = "behind";
    /// A rig has something else in force than it was told.
    Drift = "drift";
    /// Pools refuse many of a rig's shares.
    BadShares = "badShares";
    /// A rig makes less than others of its kind.
    BelowTwins = "belowTwins";
    /// A rig hashes in light mode where others of its kind do not have to.
    LightMode = "lightMode";
    /// A rig hashes on 4 KiB pages where others of its kind have larger ones.
    SmallPages = "smallPages";
    /// A rig has a link and says nothing.
    OldStats = "oldStats";
    /// A rig answers badly.
    LowScore = "lowScore";
    /// A rig waits for approval.
    Waiting = "waiting";
    /// An order came to its deadline before the rig had a link.
    OrderExpired = "orderExpired";
    /// Steps of the history were lost.
    HistoryLost = "historyLost";
    /// Events were lost.
    EventsLost = "eventsLost";
    /// The audit log is not written.
    AuditLost = "auditLost";
}

/// A trouble before it is put in words.
struct Trouble<'a> {
    severity: AttentionSeverity,
    kind: AttentionKind,
    since_ms: Option<u64>,
    of: Of<'a>,
}

enum Of<'a> {
    Rig(&'a Seen, Cause),
    Other(Words),
}

impl Trouble<'_> {
    fn name(&self) -> &str {
        match &self.of {
            Of::Rig(seen, _) => seen.name.as_str(),
            Of::Other(words) => &words.name,
        }
    }

    /// Worst first, then longest; what is not known to last counts as new. Names make the order total.
    fn order(&self, other: &Self) -> Ordering {
        let key = |trouble: &Self| {
            let since = Reverse(trouble.since_ms.unwrap_or(0));
            (trouble.severity, since, trouble.kind)
        };
        let by_name = || self.name().cmp(other.name());
        key(self).cmp(&key(other)).then_with(by_name)
    }

    fn shown(self) -> AttentionItem {
        let Words {
            id,
            name,
            text,
            fix,
        } = match self.of {
            Of::Rig(seen, cause) => words::of_rig(seen, &cause, self.since_ms),
            Of::Other(words) => words,
        };
        AttentionItem {
            severity: self.severity,
            kind: self.kind,
            id,
            name,
            text,
            fix,
            since_ms: self.since_ms,
        }
    }
}

/// The view of these rigs and of what else there is.
fn view<'a>(
    at: EpochMs,
    limit: usize,
    rigs: &'a [Seen],
    others: impl IntoIterator<Item = Trouble<'a>>,
) -> AttentionView {
    let compared = Compared::of(rigs);
    let mut troubles: Vec<_> = others.into_iter().collect();
    for seen in rigs {
        judge::rig(seen, &compared, &mut troubles);
    }
    let mut counts = BTreeMap::new();
    for trouble in &troubles {
        *counts.entry(trouble.kind.as_str()).or_default() += 1;
    }
    let total = troubles.len();
    troubles.sort_by(Trouble::order);
    troubles.truncate(limit);
    AttentionView {
        at,
        total,
        counts,
        items: troubles.into_iter().map(Trouble::shown).collect(),
    }
}

impl Farm {
    /// What a person should look at: at most `limit` of it, and [`MAX_ATTENTION`].
    pub async fn attention(&self, limit: usize, audit: AuditState) -> AttentionView {
        let orders = self.ended_orders().await;
        let serving = self.lock().serving;
        let mut rigs = Vec::new();
        self.look_at_all(|rig| {
            // A controller that has just started waits for its rigs.
            let up_ms = serving.then_some(rig.now.mono.0);
            rigs.push(Seen::new(rig, up_ms, orders.was_switched_off(rig.key)));
        })
        .await;
        let mut others = self.others(orders, audit);
        let failing = |part: &super::PartView| part.status == PartStatus::Failing;
        let parts = self.ready().components.into_iter().filter(failing);
        others.extend(parts.map(others::part));
        view(self.now(), limit.min(MAX_ATTENTION), &rigs, others)
    }
}
