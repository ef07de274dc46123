//! What an update rollout sees of rigs: what they said of their image, and the orders that they got.

use std::collections::BTreeMap;
use std::sync::Arc;

use miner_shared::identity::Fingerprint;
use miner_shared::release::Version;
use miner_shared::wire::ImageStatus;

use crate::farm::Core;
use crate::farm::rollouts::makes;
use crate::hub::{Hub, Rig};
use crate::registry::{Order, OrderState, UpdateRecord};
use crate::releases::Release;
use crate::rollout::{Makes, Rates};
use crate::updates::{Seen, World};

/// Protocol version since which agents know what an image is.
const SINCE: u8 = 3;

pub(super) struct Rigs<'a> {
    hub: &'a Hub,
    rates: &'a Rates,
    /// The releases of the version, one for each architecture.
    releases: Vec<Arc<Release>>,
    /// The last order of each rig that is about this: when, and how far it is.
    orders: BTreeMap<Fingerprint, (u64, &'a OrderState)>,
}

impl<'a> Rigs<'a> {
    pub(super) fn new(core: &'a Core, record: &UpdateRecord) -> Self {
        let mut rigs = Self::of(core, record.version);
        for (_, row) in core.registry.orders() {
            let about = match row.order {
                Order::Update(offer) => offer.version == record.version,
                Order::Reboot => record.restart,
                _ => false,
            };
            let last = rigs.orders.get(&row.rig);
            if about && last.is_none_or(|(created, _)| *created <= row.created_ms) {
                rigs.orders.insert(row.rig, (row.created_ms, &row.state));
            }
        }
        rigs
    }

    /// The same without orders.
    pub(super) fn of(core: &'a Core, version: Version) -> Self {
        let all = core.releases.as_ref().map(|releases| releases.all());
        let all = all.unwrap_or_default().into_iter();
        Self {
            hub: &core.hub,
            rates: &core.rollouts.rates,
            releases: all.filter(|release| release.version == version).collect(),
            orders: BTreeMap::new(),
        }
    }

    fn release_for(&self, status: &ImageStatus) -> Option<&Release> {
        let arch = status.image.as_ref()?.arch.as_str();
        let mut releases = self.releases.iter();
        releases
            .find(|release| release.arch == arch)
            .map(AsRef::as_ref)
    }
}

impl World for Rigs<'_> {
    fn see(&self, key: &Fingerprint) -> Seen {
        let rig = self.hub.rig(key);
        let image = rig.and_then(Rig::image).map(|(status, _)| status);
        let order = self.orders.get(key);
        Seen {
            live: self.hub.is_live(key),
            speaks: self
                .hub
                .protocol(key)
                .is_some_and(|version| version >= SINCE),
            image: image.cloned(),
            offer: image
                .and_then(|status| self.release_for(status))
                .map(Release::offer),
            order: order.map(|(created, state)| (*created, (*state).clone())),
            makes: rig
                .and_then(Rig::stats)
                .map_or(Makes::Unknown, |(stats, _)| makes(stats)),
            made: self.rates.mean(key),
        }
    }
}
