//! Troubles of rigs as sentences: what is wrong, by what that is known, and what to do.
//!
//! What a rig says of itself is made printable; commands name it by its node ID, which no name can break.

use miner_shared::wire::{Activity, Memory, Pages};

use super::super::show;
use super::judge::Cause;
use super::others::Words;
use super::seen::{Seen, Silent};
use crate::units;

/// The words for a trouble of a rig.
pub(super) fn of_rig(seen: &Seen, cause: &Cause, since_ms: Option<u64>) -> Words {
    let id = seen.key.node_id().to_string();
    Words {
        text: text(seen, cause, since_ms),
        fix: fix(&id, cause),
        name: seen.name.as_str().to_owned(),
        id,
    }
}

fn text(seen: &Seen, cause: &Cause, since_ms: Option<u64>) -> String {
    let age = |ms: u64| units::age(Some(ms));
    let lasts = since_ms.map_or_else(String::new, |ms| format!(" for {}", age(ms)));
    match cause {
        Cause::Offline => {
            let told = if seen.wish.mines {
                "it is told to mine"
            } else {
                "it is told to mine nothing"
            };
            format!("no link{lasts}; {told}")
        }
        Cause::Refused => format!(
            "it refuses what it is told: {}",
            seen.wish.reason.unwrap_or("it does not say why")
        ),
        Cause::Behind => "it was told something newer by another controller, or before a \
            backup was restored"
            .to_owned(),
        Cause::Drift if seen.wish.drift == Some(true) => {
            format!(
                "it has something else in force than it was told {} ago",
                age(seen.wish.age_ms)
            )
        }
        Cause::Drift => format!(
            "it has not said that it has what it was told {} ago",
            age(seen.wish.age_ms)
        ),
        Cause::OldStats => format!("its link is up, and it has said nothing{lasts}"),
        Cause::NoPool => format!("no pool of its profile answers it; no hash{lasts}"),
        Cause::NoHashrate(activity) => {
            format!(
                "told to mine, and no hash rate{lasts}; it says: {}",
                doing(*activity)
            )
        }
        Cause::NoShare(silent) => no_share(seen, *silent),
        Cause::BadShares => bad_shares(seen),
        Cause::BelowTwins(median) => format!(
            "{} below its twins: {} against {}, the median of {}{}",
            percent_below(seen, *median),
            rate(seen),
            units::hashrate(show::per_second(Some(*median))),
            kind(seen),
            pages(seen)
        ),
        Cause::LightMode(median) => {
            format!(
                "it hashes in light mode, and a twin in fast mode{}",
                against(seen, *median)
            )
        }
        Cause::SmallPages(median) => format!(
            "its pages are 4 KiB, and those of a twin are larger{}",
            against(seen, *median)
        ),
        Cause::LowScore => {
            let (score, exchanges) = seen.score.unwrap_or_default();
            format!("its score is {score} of 100: {}", exchanges.why())
        }
    }
}

fn no_share(seen: &Seen, silent: Silent) -> String {
    format!(
        "no accepted share for {}; its hash rate and difficulty let expect one each {}; the pool answers{}",
        units::age(Some(silent.for_ms)),
        units::age(Some(silent.each_ms.max(1_000))),
        pages(seen)
    )
}

fn bad_shares(seen: &Seen) -> String {
    let (all, rejected, stale) = seen.report.map_or((0, 0, 0), |report| report.shares);
    let bad = u128::from(rejected) + u128::from(stale);
    let percent = bad * 100 / u128::from(all.max(1));
    format!(
        "{percent} % of its {} shares are lost: {} rejected, {} stale",
        units::count(all),
        units::count(rejected),
        units::count(stale)
    )
}

/// `; 2.10 kH/s against a median of 12.4 kH/s`.
fn against(seen: &Seen, median: Option<u64>) -> String {
    median.map_or_else(String::new, |median| {
        let median = units::hashrate(show::per_second(Some(median)));
        format!(
            ": {} against {median}, the median of {}",
            rate(seen),
            kind(seen)
        )
    })
}

fn rate(seen: &Seen) -> String {
    units::hashrate(show::per_second(seen.report.and_then(|report| report.rate)))
}

fn percent_below(seen: &Seen, median: u64) -> String {
    let rate = u128::from(seen.report.and_then(|report| report.rate).unwrap_or(0));
    let part = rate * 100 / u128::from(median.max(1));
    format!("{} %", 100_u128.saturating_sub(part))
}

fn kind(seen: &Seen) -> String {
    seen.kind.as_ref().map_or_else(String::new, |kind| {
        format!("{} with {} threads", kind.cpu, kind.threads)
    })
}

/// What costs hash rate whatever else is wrong.
fn pages(seen: &Seen) -> &'static str {
    match seen.report.map(|report| (report.memory, report.pages)) {
        Some((Some(Memory::Light), _)) => "; light mode",
        Some((_, Some(Pages::Small))) => "; pages are 4 KiB",
        _ => "",
    }
}

fn doing(activity: Activity) -> &'static str {
    match activity {
        Activity::Stopped => "stopped",
        Activity::Starting => "starting",
        Activity::Filling { .. } => "filling the dataset",
        Activity::Mining => "mining",
        Activity::Failed => "failed",
        Activity::Paused => "paused",
        _ => "nothing that is known here",
    }
}

fn fix(id: &str, cause: &Cause) -> String {
    match cause {
        Cause::Offline => format!(
            "is it on, its agent running, its network up? `miner-ctrl remote wake {id}` switches it on"
        ),
        Cause::Refused => {
            format!("tell it something else: `miner-ctrl remote start {id} --profile PROFILE`")
        }
        Cause::Behind => format!(
            "`miner-ctrl remote managers {id}` shows who else commands it; tell it anew to take it back"
        ),
        Cause::Drift => {
            format!("`miner-ctrl remote logs {id} miner-rx0`; tell it anew if that says nothing")
        }
        Cause::OldStats => format!("`miner-ctrl remote restart {id}`"),
        Cause::NoPool => {
            "`miner-ctrl pool list`, and `miner-ctrl pool check` on the profile's pools".to_owned()
        }
        Cause::NoHashrate(_) => {
            format!(
                "`miner-ctrl remote logs {id} miner-rx0`, then `miner-ctrl remote restart {id}`"
            )
        }
        Cause::NoShare(_) => format!(
            "`miner-ctrl remote logs {id} miner-rx0` shows refused and lost shares; `miner-ctrl remote restart {id}` logs in anew"
        ),
        Cause::BadShares => format!(
            "stale: a nearer pool; rejected: `miner-ctrl remote logs {id} miner-rx0`, and is the processor stable?"
        ),
        Cause::BelowTwins(_) => format!(
            "`miner-ctrl remote doctor {id}`; else heat, memory channels, other programs on it"
        ),
        Cause::LightMode(_) => format!(
            "fast mode needs 2,080 MiB free: `miner-ctrl remote doctor {id}` says what is missing"
        ),
        Cause::SmallPages(_) => {
            format!("reserve huge pages on it: `miner-ctrl remote doctor {id}` says how")
        }
        Cause::LowScore => format!("its network loses answers: `miner-ctrl peer ping {id}`"),
    }
}
