//! Every rig as a dot of a map: racks of one site and group, in columns, for a canvas.
//!
//! ```text
//!   10,000 rigs ── 256 under one hold of the lock ─┬▶ rates by processor and threads ──▶ medians ─┐
//!                                                  └▶ dots of the rigs that are selected ─────────┴▶ racks
//! ```
//! A rig is measured by its twins: rigs of the same processor and as many threads, selected or not, that mine
//! now. Fewer than [`MIN_TWINS`](super::twins::MIN_TWINS) say nothing.

use std::collections::BTreeMap;

use miner_shared::identity::NodeId;
use miner_shared::text::Name;
use miner_shared::wire::Activity;
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::select::Selector;
use super::state::RigState;
use super::twins::{Kind, medians};
use super::{Farm, show};
use crate::clock::EpochMs;
use crate::natural::natural;
use crate::registry::LabelName;

/// The farm as a map.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MapView {
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// By site, then by group; those without one are last.
    pub racks: Vec<RackView>,
}

/// The rigs of one group at one site, by name. What is in the same place of each list is of one rig.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RackView {
    /// The site; `null` is "none".
    pub site: Option<String>,
    /// The group; `null` is "none".
    pub group: Option<String>,
    /// Node IDs.
    pub ids: Vec<String>,
    /// Names.
    pub names: Vec<String>,
    /// What they do, in one word each.
    pub states: Vec<RigState>,
    /// Hash rates over 10 s as they told them last, in H/s.
    pub hashrates: Vec<Option<f64>>,
    /// Ages of that, in milliseconds.
    pub ages: Vec<Option<u64>>,
    /// Hash rates in percent of the median of rigs with the same processor and as many threads; `null` if
    /// it does not hash, or there are fewer than three.
    pub percents: Vec<Option<u64>>,
}

/// A rig before its percent is known.
#[derive(Debug)]
struct Dot {
    name: Name,
    id: NodeId,
    state: RigState,
    rate: Option<u64>,
    age_ms: Option<u64>,
    /// Its kind, if it hashes and that is known.
    kind: Option<Kind>,
}

/// The kind of a rig that hashes, and whether its rate says what its kind makes: a rig that still fills its
/// dataset is slower.
fn hashing(rig: &RigFacts<'_>) -> Option<(Kind, bool)> {
    let does = rig.live_stats()?.activity;
    let fills = matches!(does, Activity::Filling { .. });
    let hashes = fills || does == Activity::Mining;
    Some((Kind::of(rig).filter(|_| hashes)?, !fills))
}

/// `rate` in percent of this, rounded.
fn percent(rate: u64, median: u64) -> Option<u64> {
    let (rate, median) = (u128::from(rate), u128::from(median));
    let percent = (rate * 200 + median).checked_div(median * 2)?;
    u64::try_from(percent).ok()
}

type Place = (Option<LabelName>, Option<LabelName>);

impl Farm {
    /// The rigs that this takes, as a map.
    pub async fn map(&self, selector: &Selector) -> MapView {
        let mut racks: BTreeMap<Place, Vec<Dot>> = BTreeMap::new();
        let mut rates = Vec::new();
        self.look_at_all(|rig| {
            let rate = rig.rate(|windows| windows.s10);
            let (kind, counts) = hashing(rig).unzip();
            if let (Some(kind), Some(rate), Some(true)) = (&kind, rate, counts) {
                rates.push((kind.clone(), rate));
            }
            if selector.takes(rig) {
                let labels = rig.registry.labels(rig.key);
                let place = (labels.site.clone(), labels.group.clone());
                racks.entry(place).or_default().push(Dot {
                    name: rig.row.name.clone(),
                    id: rig.key.node_id(),
                    state: rig.state(),
                    rate,
                    age_ms: rig.age_ms(),
                    kind,
                });
            }
        })
        .await;
        let medians = medians(rates);
        let mut racks: Vec<_> = racks.into_iter().collect();
        racks.sort_by(|((site, group), _), ((other_site, other_group), _)| {
            by_label(site.as_ref(), other_site.as_ref())
                .then_with(|| by_label(group.as_ref(), other_group.as_ref()))
        });
        let racks = racks.into_iter();
        MapView {
            at: self.clock.now().wall,
            racks: racks
                .map(|(place, dots)| rack(place, dots, &medians))
                .collect(),
        }
    }
}

/// As people count, none last.
fn by_label(a: Option<&LabelName>, b: Option<&LabelName>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(a), Some(b)) => natural(a.as_str(), b.as_str()),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn rack((site, group): Place, mut dots: Vec<Dot>, medians: &BTreeMap<Kind, u64>) -> RackView {
    dots.sort_unstable_by(|a, b| {
        natural(a.name.as_str(), b.name.as_str()).then_with(|| a.id.cmp(&b.id))
    });
    let label = |label: LabelName| label.as_str().to_owned();
    let mut rack = RackView {
        site: site.map(label),
        group: group.map(label),
        ..RackView::default()
    };
    for dot in dots {
        let median = dot.kind.and_then(|kind| medians.get(&kind).copied());
        let figures = dot.rate.zip(median);
        rack.ids.push(dot.id.to_string());
        rack.names.push(dot.name.as_str().to_owned());
        rack.states.push(dot.state);
        rack.hashrates.push(show::per_second(dot.rate));
        rack.ages.push(dot.age_ms);
        rack.percents
            .push(figures.and_then(|(rate, median)| percent(rate, median)));
    }
    rack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_is_rounded_and_of_nothing_unknown() {
        assert_eq!(percent(864, 1_000), Some(86));
        assert_eq!(percent(865, 1_000), Some(87));
        assert_eq!(percent(0, 1_000), Some(0));
        assert_eq!(percent(3_000, 1_000), Some(300));
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100));
        assert_eq!(percent(5, 0), None);
    }
}
