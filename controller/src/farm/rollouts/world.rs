//! What a rollout sees of rigs: the registry's wish, and what the hub heard last.

use miner_shared::identity::Fingerprint;
use miner_shared::wire::{Activity, RigStats};

use crate::farm::show;
use crate::hub::{Hub, Rig, refusal_text};
use crate::registry::{Reason, Registry};
use crate::rollout::{Makes, Rates, Seen, Standing, World};

pub(super) struct Rigs<'a> {
    pub(super) hub: &'a Hub,
    pub(super) registry: &'a Registry,
    pub(super) rates: &'a Rates,
}

impl World for Rigs<'_> {
    fn see(&self, key: &Fingerprint) -> Seen {
        let rig = self.hub.rig(key);
        let generation = self.registry.desired(key).map_or(0, |row| row.generation);
        let refused = rig.and_then(Rig::refused);
        let standing = match refused.filter(|(refused, _)| *refused == generation) {
            _ if rig.and_then(Rig::applied) == Some(generation) => Standing::Applied,
            Some((_, why)) => Standing::Refused(Reason::lossy(refusal_text(why))),
            None => Standing::Pending,
        };
        Seen {
            live: self.hub.is_live(key),
            told: super::told(self.registry, key),
            standing,
            makes: rig
                .and_then(Rig::stats)
                .map_or(Makes::Unknown, |(stats, _)| makes(stats)),
            made: self.rates.mean(key),
        }
    }
}

/// What a rig's last report says that it makes.
pub(in crate::farm) fn makes(stats: &RigStats) -> Makes {
    match stats.activity {
        Activity::Mining => show::thousandths(stats).map_or(Makes::Unknown, Makes::Rate),
        Activity::Starting | Activity::NoPool | Activity::Failed => Makes::Nothing,
        _ => Makes::Unknown,
    }
}
