//! When something about a rig is wrong. Pure: what was seen, to causes.
//!
//! | kind | when |
//! |---|---|
//! | offline | no link for 30 s, nor since the controller's start; red if it is told to mine |
//! | noPool, noHashrate | it has what it was told, and says 15 s after link, wish and last hash that it does not hash |
//! | noShare | 10 times as long as its hash rate and difficulty let expect, and 5 min at least: by chance once in 22,000 |
//! | badShares | more than 5 % of at least 20 |
//! | belowTwins | more than 10 % below the median of at least 3 of its kind, after a minute of hashing |
//! | lightMode, smallPages | another of its kind has better, and the profile does not wish it so; then not belowTwins |
//! | oldStats | link and last report older than 3 heartbeats |
//! | drift | a minute after link and wish it has something else in force, or has not said that it has this |

use std::collections::BTreeMap;

use miner_shared::limits::HEARTBEAT_MS;
use miner_shared::wire::{Activity, Memory, Pages};

use super::super::drift::DriftReason;
use super::super::twins::{Kind, medians};
use super::super::view::DesiredStatus;
use super::seen::{Report, Seen, Silent, size_of_pages};
use super::{AttentionKind, AttentionSeverity, Of, Trouble};

/// Without a link for so long, in milliseconds, a rig is away and not about to come back.
pub(super) const OFFLINE_MS: u64 = 30_000;
/// Without a hash for so long, in milliseconds, a rig that should hash does not.
pub(super) const IDLE_MS: u64 = 15_000;
/// Reports are old after this, in milliseconds: one that is late is not.
pub(super) const OLD_MS: u64 = 3 * HEARTBEAT_MS;
/// So long, in milliseconds, may it take a rig to do what it is told.
pub(super) const DRIFT_MS: u64 = 60_000;
/// So many times the expected pause between two shares is no chance.
pub(super) const SILENT_TIMES: u64 = 10;
/// The least that is called silence, in milliseconds.
pub(super) const SILENT_MS: u64 = 300_000;
/// Shares below which a part of them says nothing.
pub(super) const BAD_OF: u64 = 20;
/// Rejected and stale shares in percent of all, above which they are many.
pub(super) const BAD_PERCENT: u64 = 5;
/// Hash rate in percent of the median of its kind, below which a rig makes less.
pub(super) const TWIN_PERCENT: u64 = 90;
/// A hash rate counts after so long, in milliseconds.
pub(super) const SETTLED_MS: u64 = 60_000;
/// A score below this is low.
pub(super) const LOW_SCORE: u8 = 50;

/// Why something is wrong, with what the words need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Offline,
    Refused,
    Behind,
    Drift,
    OldStats,
    NoPool,
    NoHashrate(Activity),
    NoShare(Silent),
    BadShares,
    /// With the median of its kind.
    BelowTwins(u64),
    /// With the same, if there is one.
    LightMode(Option<u64>),
    SmallPages(Option<u64>),
    LowScore,
}

impl Cause {
    const fn kind(self) -> AttentionKind {
        match self {
            Self::Offline => AttentionKind::Offline,
            Self::Refused => AttentionKind::Refused,
            Self::Behind => AttentionKind::Behind,
            Self::Drift => AttentionKind::Drift,
            Self::OldStats => AttentionKind::OldStats,
            Self::NoPool => AttentionKind::NoPool,
            Self::NoHashrate(_) => AttentionKind::NoHashrate,
            Self::NoShare(_) => AttentionKind::NoShare,
            Self::BadShares => AttentionKind::BadShares,
            Self::BelowTwins(_) => AttentionKind::BelowTwins,
            Self::LightMode(_) => AttentionKind::LightMode,
            Self::SmallPages(_) => AttentionKind::SmallPages,
            Self::LowScore => AttentionKind::LowScore,
        }
    }
}

/// What the kinds of rigs come to.
#[derive(Debug, Default)]
pub(super) struct Compared {
    medians: BTreeMap<Kind, u64>,
    /// Whether one hashes in fast mode, and the largest pages that one has.
    best: BTreeMap<Kind, (bool, u8)>,
}

impl Compared {
    pub(super) fn of(rigs: &[Seen]) -> Self {
        let mining = || rigs.iter().filter_map(|seen| Some((seen, seen.mines()?)));
        let rates = mining().filter_map(|(seen, _)| Some((seen.kind.clone()?, settled(seen)?)));
        let mut best = BTreeMap::<Kind, (bool, u8)>::new();
        for (seen, report) in mining() {
            if let Some(kind) = &seen.kind {
                let (fast, pages) = best.entry(kind.clone()).or_default();
                *fast |= report.memory == Some(Memory::Fast);
                *pages = (*pages).max(report.pages.map_or(0, size_of_pages));
            }
        }
        Self {
            medians: medians(rates),
            best,
        }
    }
}

/// The hash rate of a rig that has hashed long enough for it to count.
fn settled(seen: &Seen) -> Option<u64> {
    let settled = seen.hashing_ms.is_some_and(|ms| ms >= SETTLED_MS);
    seen.mines()?.rate.filter(|_| settled)
}

/// Adds what is wrong with a rig.
pub(super) fn rig<'a>(seen: &'a Seen, compared: &Compared, troubles: &mut Vec<Trouble<'a>>) {
    let mut add = |severity, since_ms, cause: Cause| {
        troubles.push(Trouble {
            severity,
            kind: cause.kind(),
            since_ms,
            of: Of::Rig(seen, cause),
        });
    };
    let (red, amber) = (AttentionSeverity::Red, AttentionSeverity::Amber);
    if !seen.live {
        let severity = if seen.wish.mines { red } else { amber };
        if is_away(seen) {
            add(severity, seen.away_ms, Cause::Offline);
        }
        return;
    }
    let linked_ms = seen.linked_ms.unwrap_or(0);
    let wished_ms = seen.wish.age_ms;
    let settled = wished_ms.min(linked_ms) >= DRIFT_MS;
    match seen.wish.drift_reason() {
        Some(DriftReason::Refused) => add(amber, Some(wished_ms), Cause::Refused),
        Some(DriftReason::Behind) => add(amber, None, Cause::Behind),
        Some(_) if settled => add(amber, Some(wished_ms), Cause::Drift),
        _ => {}
    }
    if let Some((..LOW_SCORE, _)) = seen.score {
        add(amber, None, Cause::LowScore);
    }
    let quiet_ms = seen.report.map_or(linked_ms, |report| report.age_ms);
    let quiet_ms = quiet_ms.min(linked_ms);
    if quiet_ms >= OLD_MS {
        return add(amber, Some(quiet_ms), Cause::OldStats);
    }
    let Some(report) = &seen.report else {
        return;
    };
    if has_bad_shares(report) {
        add(amber, None, Cause::BadShares);
    }
    if !seen.wish.mines || seen.wish.status != DesiredStatus::Applied {
        return;
    }
    let idle_ms = seen.idle_ms.unwrap_or(0).min(linked_ms).min(wished_ms);
    // By the report and not by the time since: the next one may say that it hashes.
    if idle_ms.saturating_sub(report.age_ms) >= IDLE_MS {
        let cause = match report.activity {
            Activity::NoPool => Cause::NoPool,
            activity => Cause::NoHashrate(activity),
        };
        return add(red, Some(idle_ms), cause);
    }
    if let Some(silent) = is_silent(seen, report) {
        add(red, Some(silent.for_ms), Cause::NoShare(silent));
    }
    if let Some(cause) = is_slow(seen, report, compared) {
        add(amber, None, cause);
    }
}

fn is_away(seen: &Seen) -> bool {
    let waited = seen.up_ms.is_none_or(|ms| ms >= OFFLINE_MS);
    waited && !seen.off && seen.away_ms.is_some_and(|ms| ms >= OFFLINE_MS)
}

fn has_bad_shares(report: &Report) -> bool {
    let (all, rejected, stale) = report.shares;
    let bad = u128::from(rejected) + u128::from(stale);
    all >= BAD_OF && bad * 100 > u128::from(all) * u128::from(BAD_PERCENT)
}

fn is_silent(seen: &Seen, report: &Report) -> Option<Silent> {
    let silent = report.silent?;
    // A rig that rested meanwhile found nothing in that time.
    let for_ms = silent.for_ms.min(seen.hashing_ms?);
    let bound_ms = silent.each_ms.saturating_mul(SILENT_TIMES).max(SILENT_MS);
    (for_ms > bound_ms).then_some(Silent { for_ms, ..silent })
}

fn is_slow(seen: &Seen, report: &Report, compared: &Compared) -> Option<Cause> {
    seen.mines()?;
    let kind = seen.kind.as_ref()?;
    let median = compared.medians.get(kind).copied();
    let (fast, pages) = compared.best.get(kind).copied().unwrap_or_default();
    if report.memory == Some(Memory::Light) && fast && !seen.wish.light {
        return Some(Cause::LightMode(median));
    }
    if report.pages == Some(Pages::Small) && pages > 0 && !seen.wish.small {
        return Some(Cause::SmallPages(median));
    }
    let (rate, median) = (u128::from(settled(seen)?), median?);
    let bound = u128::from(median) * u128::from(TWIN_PERCENT);
    (rate * 100 < bound).then_some(Cause::BelowTwins(median))
}
