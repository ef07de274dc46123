//! What rigs make with each version of a profile: a sample of every live rig each minute.
//!
//! A rig counts while its link is up, it says that it has just the version that it is told, and its
//! 60 s hash rate is known. The sums go to the registry once a minute, not synced: a power cut costs
//! the last minutes of a mean over days. Rollouts take what rigs made in the last ten minutes from the
//! same samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use miner_shared::identity::Fingerprint;
use miner_shared::wire::{Activity, RigStats};

use super::Farm;
use crate::hub::{Hub, Rig};
use crate::registry::{ProfileId, Registry, YieldRecord};

/// Between two samples: the window of the rate that is sampled.
const SAMPLE_SECS: u64 = 60;

type Yields = BTreeMap<(ProfileId, u32), YieldRecord>;

impl Farm {
    /// Samples what rigs make.
    pub(super) async fn keep_yields(self: Arc<Self>) {
        loop {
            smol::Timer::after(Duration::from_secs(SAMPLE_SECS)).await;
            self.sample_yields();
        }
    }

    pub(super) fn sample_yields(&self) {
        let mut core = self.lock();
        let rates = rates(&core.hub, &core.registry);
        core.rollouts.rates.take(&rates);
        core.call(self, |hub, env| {
            let made = sample(hub, env.registry);
            if let Err(error) = env.registry.add_yields(made) {
                log::warn!("hash rate of versions not noted reason={error}");
            }
        });
    }
}

/// What each live rig makes.
fn rates(hub: &Hub, registry: &Registry) -> BTreeMap<Fingerprint, u64> {
    let live = registry.peers().filter(|(key, _)| hub.is_live(key));
    live.filter_map(|(key, _)| {
        let (stats, _) = hub.rig(key)?.stats()?;
        Some((*key, rate_of(stats)?))
    })
    .collect()
}

fn sample(hub: &Hub, registry: &Registry) -> Yields {
    let mut yields = Yields::new();
    for (key, _) in registry.peers() {
        let Some(row) = registry.desired(key) else {
            continue;
        };
        let Some(id) = row.profile.as_ref().filter(|_| hub.is_live(key)) else {
            continue;
        };
        let rig = hub.rig(key);
        let has_it = rig.and_then(Rig::applied) == Some(row.generation);
        let stats = rig.and_then(Rig::stats).filter(|_| has_it);
        if let Some(rate) = stats.and_then(|(stats, _)| rate_of(stats)) {
            let made = yields.entry((id.clone(), row.version)).or_default();
            made.rig_secs += SAMPLE_SECS;
            made.milli_hashes += u128::from(rate) * u128::from(SAMPLE_SECS);
        }
    }
    yields
}

/// Sum of a mining rig's known 60 s rates, in thousandths of a hash per second.
fn rate_of(stats: &RigStats) -> Option<u64> {
    if stats.activity != Activity::Mining {
        return None;
    }
    let known = stats.miners.iter().filter_map(|miner| miner.hashrate.s60);
    known.reduce(u64::saturating_add)
}
