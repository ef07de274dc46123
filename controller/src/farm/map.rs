//! Every rig as a dot of a map: racks of one site and group, in columns, for a canvas.
//!
//! ```text
//!   10,000 rigs ── 256 under one hold of the lock ─┬▶ rates by processor and threads ──▶ medians ─┐
//!                                                  └▶ dots of the rigs that are selected ─────────┴▶ racks
//! ```
//! A rig is measured by its twins: rigs of the same processor and as many threads, selected or not, that mine
//! now. Fewer than [`TWINS`] say nothing.

use std::collections::BTreeMap;

use miner_shared::identity::NodeId;
use miner_shared::text::{Label, Name};
use miner_shared::wire::Activity;
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::select::Selector;
use super::state::RigState;
use super::{Farm, show};
use crate::clock::EpochMs;
use crate::natural::natural;
use crate::registry::LabelName;

/// Rigs of a kind that a median needs, the one that is measured among them.
pub const TWINS: usize = 3;

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
    /// Number of its kind, if it hashes and its kind is known.
    kind: Option<usize>,
}

/// Rates of the rigs of each kind.
#[derive(Debug, Default)]
struct Kinds {
    numbers: BTreeMap<(Label, u32), usize>,
    rates: Vec<Vec<u64>>,
}

impl Kinds {
    /// The number of this kind.
    fn number(&mut self, cpu: Label, threads: u32) -> usize {
        *self.numbers.entry((cpu, threads)).or_insert_with(|| {
            self.rates.push(Vec::new());
            self.rates.len() - 1
        })
    }

    /// Notes the rate of a rig that mines; the number of its kind, of one that hashes.
    fn note(&mut self, rig: &RigFacts<'_>, rate: Option<u64>) -> Option<usize> {
        let does = rig.live_stats()?.activity;
        let fills = matches!(does, Activity::Filling { .. });
        if does != Activity::Mining && !fills {
            return None;
        }
        let cpu = &rig.registry.machine(rig.key)?.cpu_model;
        let threads = rig.threads().filter(|_| !cpu.is_empty())?;
        let kind = self.number(cpu.clone(), threads);
        // A rig that still fills its dataset is slower than its kind.
        if let (Some(rates), Some(rate)) = (self.rates.get_mut(kind), rate.filter(|_| !fills)) {
            rates.push(rate);
        }
        Some(kind)
    }

    /// The median rate of each kind that has enough rigs.
    fn medians(self) -> Vec<Option<u64>> {
        self.rates.into_iter().map(median).collect()
    }
}

fn median(mut rates: Vec<u64>) -> Option<u64> {
    if rates.len() < TWINS {
        return None;
    }
    rates.sort_unstable();
    let upper = *rates.get(rates.len() / 2)?;
    let lower = *rates.get((rates.len() - 1) / 2)?;
    Some(u64::midpoint(lower, upper))
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
        let mut kinds = Kinds::default();
        self.look_at_all(|rig| {
            let rate = rig.rate(|windows| windows.s10);
            let kind = kinds.note(rig, rate);
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
        let medians = kinds.medians();
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

fn rack((site, group): Place, mut dots: Vec<Dot>, medians: &[Option<u64>]) -> RackView {
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
        let median = dot.kind.and_then(|kind| *medians.get(kind)?);
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
    fn a_median_needs_three_twins_and_lies_between_the_two_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5, 5]), None);
        assert_eq!(median(vec![9, 1, 5]), Some(5));
        assert_eq!(median(vec![9, 1, 5, 8]), Some(6));
        assert_eq!(median(vec![u64::MAX; 4]), Some(u64::MAX));
    }

    #[test]
    fn a_percent_is_rounded_and_of_nothing_unknown() {
        assert_eq!(percent(864, 1_000), Some(86));
        assert_eq!(percent(865, 1_000), Some(87));
        assert_eq!(percent(0, 1_000), Some(0));
        assert_eq!(percent(3_000, 1_000), Some(300));
        assert_eq!(percent(u64::MAX, u64::MAX), Some(100));
        assert_eq!(percent(5, 0), None);
    }

    #[test]
    fn rigs_of_another_processor_or_with_other_threads_are_no_twins() {
        let mut kinds = Kinds::default();
        let cpu = Label::lossy;
        let [a, b, c, again] = [("x", 2), ("x", 3), ("y", 2), ("x", 2)]
            .map(|(model, threads)| kinds.number(cpu(model), threads));
        assert_eq!((a, b, c, again), (0, 1, 2, 0));
    }
}
