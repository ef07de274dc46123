//! The farm in parts: rigs and what they make, by state, processor, profile, pool, group, site or program.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::select::Selector;
use super::{Farm, show};
use crate::clock::EpochMs;
use crate::natural::natural;
use crate::registry::LabelName;

/// Parts of one answer; the smallest of more are counted.
pub const MAX_PARTS: usize = 64;

/// What rigs of one part have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BreakdownBy {
    /// What they do.
    #[default]
    State,
    /// Model name of their processor.
    Cpu,
    /// Id of the profile that they should mine with.
    Profile,
    /// Pool that they are logged in to.
    Pool,
    /// The group that they are in.
    Group,
    /// Where they stand.
    Site,
    /// Program and version.
    Software,
}

/// Every way by its word.
const WAYS: [(&str, BreakdownBy); 7] = [
    ("state", BreakdownBy::State),
    ("cpu", BreakdownBy::Cpu),
    ("profile", BreakdownBy::Profile),
    ("pool", BreakdownBy::Pool),
    ("group", BreakdownBy::Group),
    ("site", BreakdownBy::Site),
    ("software", BreakdownBy::Software),
];

/// Why a text is no way to take the farm apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakdownByError;

impl fmt::Display for BreakdownByError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = WAYS.map(|(word, _)| word);
        write!(f, "it is none of {}", words.join(", "))
    }
}

impl std::error::Error for BreakdownByError {}

impl FromStr for BreakdownBy {
    type Err = BreakdownByError;

    fn from_str(text: &str) -> Result<Self, BreakdownByError> {
        let way = WAYS.iter().find(|(word, _)| *word == text);
        way.map(|(_, by)| *by).ok_or(BreakdownByError)
    }
}

/// The farm in parts.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakdownView {
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// What the rigs of a part have in common.
    pub by: BreakdownBy,
    /// Those with the most rigs first; at most 64.
    pub parts: Vec<BreakdownPart>,
    /// Parts that are left out, as there are more.
    pub more_parts: usize,
    /// Rigs in those.
    pub more_rigs: usize,
}

/// The rigs with one value.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BreakdownPart {
    /// The value, as the selector's key of the same name takes it; `null` is "none, or not known".
    pub value: Option<String>,
    /// Rigs that have it.
    pub rigs: usize,
    /// Of these, with a link.
    pub online: usize,
    /// Sum of the 10 s hash rates of those with a link, in H/s; `null` if none is known.
    pub hashrate: Option<f64>,
    /// Shares of those with a link that pools accepted since their miners' start; `null` if none told any.
    pub accepted: Option<u64>,
    /// Shares that pools refused, stale ones apart, likewise.
    pub rejected: Option<u64>,
    /// Shares for a job that was over, likewise.
    pub stale: Option<u64>,
}

#[derive(Debug, Default)]
struct Sum {
    rigs: usize,
    online: usize,
    /// Thousandths of a hash per second.
    hashrate: Option<u64>,
    accepted: Option<u64>,
    rejected: Option<u64>,
    stale: Option<u64>,
}

impl Sum {
    fn add(&mut self, rig: &RigFacts<'_>) {
        self.rigs += 1;
        if !rig.live {
            return;
        }
        self.online += 1;
        for (sum, figure) in [
            (&mut self.hashrate, rig.rate(|windows| windows.s10)),
            (&mut self.accepted, rig.count(|miner| miner.accepted)),
            (&mut self.rejected, rig.count(|miner| miner.rejected)),
            (&mut self.stale, rig.count(|miner| miner.stale)),
        ] {
            if let Some(figure) = figure {
                *sum = Some(sum.unwrap_or_default().saturating_add(figure));
            }
        }
    }

    fn part(self, value: Option<String>) -> BreakdownPart {
        BreakdownPart {
            value,
            rigs: self.rigs,
            online: self.online,
            hashrate: show::per_second(self.hashrate),
            accepted: self.accepted,
            rejected: self.rejected,
            stale: self.stale,
        }
    }
}

fn value<'a>(rig: &RigFacts<'a>, by: BreakdownBy) -> Option<&'a str> {
    let labels = rig.registry.labels(rig.key);
    match by {
        BreakdownBy::State => Some(rig.state().as_str()),
        BreakdownBy::Cpu => rig.cpu_model(),
        BreakdownBy::Profile => rig.profile_id(),
        BreakdownBy::Pool => rig.pool(),
        BreakdownBy::Group => labels.group.as_ref().map(LabelName::as_str),
        BreakdownBy::Site => labels.site.as_ref().map(LabelName::as_str),
        BreakdownBy::Software => rig.software(),
    }
}

impl Farm {
    /// The rigs that this takes, in parts.
    pub async fn breakdown(&self, selector: &Selector, by: BreakdownBy) -> BreakdownView {
        let mut known: BTreeMap<String, Sum> = BTreeMap::new();
        let mut unknown = Sum::default();
        self.look_at_all(|rig| {
            if !selector.takes(rig) {
                return;
            }
            match value(rig, by) {
                None => unknown.add(rig),
                Some(value) => match known.get_mut(value) {
                    Some(sum) => sum.add(rig),
                    None => known.entry(value.to_owned()).or_default().add(rig),
                },
            }
        })
        .await;
        let known = known.into_iter().map(|(value, sum)| sum.part(Some(value)));
        let unknown = (unknown.rigs > 0).then(|| unknown.part(None));
        let (parts, more) = largest(known.chain(unknown).collect());
        BreakdownView {
            at: self.clock.now().wall,
            by,
            parts,
            more_parts: more.len(),
            more_rigs: more.iter().map(|part| part.rigs).sum(),
        }
    }
}

/// The largest parts, and the others. At the same size by value as people count, unknown last.
fn largest(mut parts: Vec<BreakdownPart>) -> (Vec<BreakdownPart>, Vec<BreakdownPart>) {
    parts.sort_by(|a, b| {
        let by_value = || match (&a.value, &b.value) {
            (Some(a), Some(b)) => natural(a, b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        b.rigs.cmp(&a.rigs).then_with(by_value)
    });
    let more = parts.split_off(parts.len().min(MAX_PARTS));
    (parts, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_by_rigs_then_as_people_count_and_the_unknown_one_is_last_of_its_size() {
        let part = |value: Option<&str>, rigs| {
            let sum = Sum {
                rigs,
                ..Sum::default()
            };
            sum.part(value.map(str::to_owned))
        };
        let parts = vec![
            part(None, 2),
            part(Some("g10"), 2),
            part(Some("g9"), 2),
            part(Some("a"), 1),
            part(Some("z"), 3),
        ];
        let (parts, more) = largest(parts);
        let values: Vec<_> = parts.iter().map(|part| part.value.as_deref()).collect();
        let wanted = [Some("z"), Some("g9"), Some("g10"), None, Some("a")];
        assert_eq!((values, more.len()), (wanted.to_vec(), 0));
    }
}
