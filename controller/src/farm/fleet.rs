//! Many rigs at a time: which a selector takes, what is written on them, and what each group comes to.
//!
//! A pass over all rigs holds the lock once and makes nothing but the answer's keys; what is shown of
//! them is made in portions, with the lock free in between.

use std::collections::BTreeMap;

use miner_shared::identity::{Fingerprint, NodeId};
use miner_shared::text::Name;
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::select::Selector;
use super::view::{PeerView, StatsView};
use super::{Farm, errors, show};
use crate::error::FarmError;
use crate::registry::{LabelName, Relabel};

/// Rigs that are looked at or changed under one hold of the lock: some tens of microseconds for
/// views, and one sync of the registry for changes.
pub const PORTION: usize = 256;

/// What the groups, sites and tags of the farm come to.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct GroupsView {
    /// By name; first those in no group, without a name, if there are such rigs.
    pub groups: Vec<LabelView>,
    /// The same of sites.
    pub sites: Vec<LabelView>,
    /// By name. A rig counts under each of its tags.
    pub tags: Vec<LabelView>,
}

/// The rigs with one label.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabelView {
    /// The label; `null` is "none".
    pub name: Option<String>,
    /// Rigs that have it.
    pub rigs: usize,
    /// Of these, with a link.
    pub online: usize,
    /// Sum of the 10 s hash rates of those with a link, in H/s; unknown if none is known.
    pub hashrate: Option<f64>,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    rigs: usize,
    online: usize,
    hashrate: Option<u64>,
}

impl Sum {
    fn add(&mut self, online: bool, hashrate: Option<u64>) {
        self.rigs += 1;
        self.online += usize::from(online);
        if let Some(rate) = hashrate.filter(|_| online) {
            self.hashrate = Some(self.hashrate.unwrap_or(0).saturating_add(rate));
        }
    }
}

type Sums<'a> = BTreeMap<Option<&'a LabelName>, Sum>;

impl Farm {
    /// The rigs that a selector takes, by name, then by key: the same order each time.
    pub fn select(&self, selector: &Selector) -> Vec<Fingerprint> {
        let taken = self.select_named(selector).into_iter();
        taken.map(|(_, key)| key).collect()
    }

    /// The same with their names.
    pub fn select_named(&self, selector: &Selector) -> Vec<(Name, Fingerprint)> {
        let mut taken: Vec<_> = {
            let core = self.lock();
            let now = self.clock.now();
            let rigs = core.registry.peers();
            let taken = rigs.filter(|(key, row)| {
                selector.takes(&RigFacts::new(key, row, &core.registry, &core.hub, now))
            });
            taken.map(|(key, row)| (row.name.clone(), *key)).collect()
        };
        taken.sort_unstable();
        taken
    }

    /// These peers, in this order, under one hold of the lock; one that was removed meanwhile is left out.
    /// Of many, ask for [`PORTION`] at a time.
    pub fn views_of(&self, keys: &[Fingerprint]) -> Vec<PeerView> {
        let core = self.lock();
        let now = self.clock.now();
        let view = |key: &Fingerprint| {
            let row = core.registry.peer(key)?;
            Some(show::peer(key, row, &core.registry, &core.hub, now))
        };
        keys.iter().filter_map(view).collect()
    }

    /// Last known statistics of those of these peers that ever sent some, likewise.
    pub fn stats_of_all(&self, keys: &[Fingerprint]) -> Vec<StatsView> {
        let core = self.lock();
        let now = self.clock.now();
        let view = |key: &Fingerprint| {
            let row = core.registry.peer(key)?;
            let stats = core.hub.rig(key)?.last_stats(now)?;
            Some(show::stats(key, row, stats, core.hub.is_live(key)))
        };
        keys.iter().filter_map(view).collect()
    }

    /// What is written on rigs, with how many have it and what they hash together.
    pub fn groups(&self) -> GroupsView {
        let core = self.lock();
        let (mut groups, mut sites, mut tags) = (Sums::new(), Sums::new(), Sums::new());
        for (key, _) in core.registry.peers() {
            let labels = core.registry.labels(key);
            let online = core.hub.is_live(key);
            let stats = core.hub.rig(key).and_then(|rig| rig.stats());
            let rate = stats.and_then(|(stats, _)| show::thousandths(stats));
            for (sums, label) in [
                (&mut groups, labels.group.as_ref()),
                (&mut sites, labels.site.as_ref()),
            ] {
                sums.entry(label).or_default().add(online, rate);
            }
            for tag in &labels.tags {
                tags.entry(Some(tag)).or_default().add(online, rate);
            }
        }
        GroupsView {
            groups: shown(&groups),
            sites: shown(&sites),
            tags: shown(&tags),
        }
    }

    /// Gives a peer another name, if one is given, and changes its labels.
    pub fn change_peer(
        &self,
        id: NodeId,
        name: Option<Name>,
        labels: &Relabel,
    ) -> Result<PeerView, FarmError> {
        let (key, _) = self.named(id)?;
        self.with(|hub, env| {
            // Whether the labels fit is known before anything is changed.
            labels.of(env.registry.labels(&key))?;
            if let Some(name) = name {
                hub.rename(env, &key, name)?;
            }
            hub.relabel(env, &[key], labels)
        })
        .map_err(|error| errors::registry(error, &id.to_string()))?;
        self.peer(id)
    }
}

fn shown(sums: &Sums<'_>) -> Vec<LabelView> {
    let view = |(label, sum): (&Option<&LabelName>, &Sum)| LabelView {
        name: label.map(|label| label.as_str().to_owned()),
        rigs: sum.rigs,
        online: sum.online,
        hashrate: show::per_second(sum.hashrate),
    };
    sums.iter().map(view).collect()
}
