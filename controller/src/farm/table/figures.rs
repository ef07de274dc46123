//! The figures of one rig, over all of its miners. Unknown is `None`, never 0.

use miner_shared::wire::{Algo, MinerStats, Pages, RigStats, Windows};

use super::super::facts::RigFacts;
use super::super::show;
use super::super::view::ExchangesView;

impl<'a> RigFacts<'a> {
    fn miners(&self) -> &'a [MinerStats] {
        self.stats().map_or(&[], |stats| &stats.miners)
    }

    /// Sum of the rates over this window that are known, in thousandths of a hash per second.
    pub(in crate::farm) fn rate(&self, of: fn(&Windows) -> Option<u64>) -> Option<u64> {
        let rates = self.miners().iter().filter_map(|miner| of(&miner.hashrate));
        rates.reduce(u64::saturating_add)
    }

    /// Highest rate over 10 s; of several miners nobody knows what they had at one time.
    pub(super) fn highest(&self) -> Option<u64> {
        match self.miners() {
            [miner] => miner.hashrate.highest,
            _ => None,
        }
    }

    /// Sum of a count.
    pub(in crate::farm) fn count(&self, of: fn(&MinerStats) -> u64) -> Option<u64> {
        let counts = self.miners().iter().map(of);
        counts.reduce(u64::saturating_add)
    }

    /// Accepted shares in a hundred that a pool has judged.
    pub(super) fn efficiency(&self) -> Option<f64> {
        let accepted = self.count(|miner| miner.accepted)? as f64;
        let rejected = self.count(|miner| miner.rejected)? as f64;
        let all = accepted + rejected + self.count(|miner| miner.stale)? as f64;
        (all > 0.0).then(|| 100.0 * accepted / all)
    }

    pub(in crate::farm) fn threads(&self) -> Option<u32> {
        let threads = self.miners().iter().map(|miner| u32::from(miner.threads));
        threads.reduce(u32::saturating_add)
    }

    /// The pool of the first miner that is logged in to one.
    pub(in crate::farm) fn pool(&self) -> Option<&'a str> {
        let mut pools = self.miners().iter().filter_map(|miner| miner.pool.as_ref());
        pools.next().map(|pool| pool.as_str())
    }

    /// The difficulty of the first miner that has a job.
    pub(super) fn difficulty(&self) -> Option<u64> {
        self.miners().iter().find_map(|miner| miner.difficulty)
    }

    pub(super) fn algorithm(&self) -> Option<&'static str> {
        self.miners().first().map(|miner| Algo::as_str(miner.algo))
    }

    /// The worst pages that one of its miners has.
    pub(super) fn pages(&self) -> Option<&'static str> {
        let pages = self.miners().iter().filter_map(|miner| miner.pages);
        let worst = pages.min_by_key(|pages| match pages {
            Pages::Small => 0,
            Pages::Transparent => 1,
            Pages::Huge2M => 2,
            Pages::Huge1G => 3,
            _ => 4,
        });
        worst.map(show::pages)
    }

    pub(super) fn memory(&self) -> Option<&'static str> {
        self.stats().and_then(show::least_memory)
    }

    /// Since its last accepted share, in milliseconds.
    pub(super) fn last_share_age_ms(&self) -> Option<u64> {
        let shares = self.miners().iter().filter_map(|miner| miner.last_share_ms);
        Some(shares.min()?.saturating_add(self.age_ms()?))
    }

    /// Of its statistics, in milliseconds.
    pub(in crate::farm) fn age_ms(&self) -> Option<u64> {
        self.rig?.last_stats(self.now).map(|(_, age_ms)| age_ms)
    }

    /// Since its agent's start, in seconds.
    pub(super) fn uptime_secs(&self) -> Option<u64> {
        let uptime = |stats: &RigStats| stats.uptime_ms / 1000;
        self.stats().map(uptime)
    }

    pub(in crate::farm) fn cpu_model(&self) -> Option<&'a str> {
        let model = self.registry.machine(self.key)?.cpu_model.as_str();
        Some(model).filter(|model| !model.is_empty())
    }

    pub(super) fn memory_mib(&self) -> Option<u32> {
        self.registry.machine(self.key)?.memory_mib
    }

    pub(in crate::farm) fn software(&self) -> Option<&'a str> {
        let told = self.row.told.as_ref();
        told.map(|told| told.software.as_str())
    }

    pub(super) fn role(&self) -> Option<&'static str> {
        self.row.told.as_ref().map(|told| told.role.as_str())
    }

    pub(super) fn address(&self) -> Option<&'a str> {
        self.row.address.as_ref().map(|address| address.as_str())
    }

    /// Id of the profile that it should mine with.
    pub(in crate::farm) fn profile_id(&self) -> Option<&'a str> {
        let wish = self.registry.desired(self.key)?;
        wish.profile.as_ref().map(|id| id.as_str())
    }

    /// Name of the profile that it should mine with, as its owner wrote it.
    pub(in crate::farm) fn profile_name(&self) -> Option<&'a str> {
        let id = self.registry.desired(self.key)?.profile.as_ref()?;
        let known = self.registry.profile(id);
        Some(known.map_or(id.as_str(), |row| row.profile.name.as_str()))
    }

    /// Version of that profile.
    pub(in crate::farm) fn version(&self) -> Option<u32> {
        let wish = self.registry.desired(self.key)?;
        wish.profile.as_ref().map(|_| wish.version)
    }

    pub(super) fn ping_ms(&self) -> Option<u64> {
        self.rig?.rtt_ms()
    }

    pub(super) fn score(&self) -> Option<u8> {
        self.rig?.score()
    }

    /// What its score was made of, in words.
    pub(super) fn score_reason(&self) -> String {
        let exchanges = self.rig.map(show::exchanges);
        ExchangesView::why(exchanges.unwrap_or_default())
    }

    pub(super) fn drift(&self) -> Option<bool> {
        show::drifts(self.key, self.registry, self.rig)
    }
}
