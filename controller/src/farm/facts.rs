//! What a selector finds under each key of a rig: registry first, then what the hub remembers.
//!
//! Nothing is made before a selector asks for it, so that a pass over 10,000 rigs costs what its keys
//! cost. Figures that only a link makes true (hash rate, round trip, uptime) are unknown without one.

use miner_shared::identity::Fingerprint;
use miner_shared::release::Version;
use miner_shared::wire::RigStats;

use super::fleet::PORTION;
use super::select::{Facts, Key};
use super::updates::step_word;
use super::view::DesiredStatus;
use super::{Farm, show};
use crate::clock::Now;
use crate::hub::{Hub, Rig};
use crate::registry::{LabelName, PeerRecord, Registry};

/// One registered peer.
pub(super) struct RigFacts<'a> {
    pub(super) key: &'a Fingerprint,
    pub(super) row: &'a PeerRecord,
    pub(super) registry: &'a Registry,
    pub(super) rig: Option<&'a Rig>,
    /// Whether a link is up.
    pub(super) live: bool,
    pub(super) now: Now,
}

impl<'a> RigFacts<'a> {
    pub(super) fn new(
        key: &'a Fingerprint,
        row: &'a PeerRecord,
        registry: &'a Registry,
        hub: &'a Hub,
        now: Now,
    ) -> Self {
        Self {
            key,
            row,
            registry,
            rig: hub.rig(key),
            live: hub.is_live(key),
            now,
        }
    }

    /// What it said last, also to the process before this one.
    pub(super) fn stats(&self) -> Option<&'a RigStats> {
        self.rig?.last_stats(self.now).map(|(stats, _)| stats)
    }

    /// How far its wish has come.
    pub(super) fn status(&self) -> DesiredStatus {
        show::desired_status(self.key, self.registry, self.rig)
    }

    /// Since it was last heard of, in milliseconds.
    pub(super) fn last_seen_age_ms(&self) -> Option<u64> {
        show::last_seen(self.row, self.rig, self.now).map(|(_, age_ms)| age_ms)
    }

    /// Its statistics as long as a link says that they are of now.
    pub(super) fn live_stats(&self) -> Option<&'a RigStats> {
        self.stats().filter(|_| self.live)
    }

    /// Version of our image that it was booted from.
    pub(super) fn image_version(&self) -> Option<Version> {
        let (status, _) = self.rig?.image()?;
        Some(status.image.as_ref()?.version)
    }

    /// How far the update of that is.
    pub(super) fn update_step(&self) -> Option<&'static str> {
        let (status, _) = self.rig?.image()?;
        Some(step_word(status.update?.step))
    }

    fn has_state(&self, passes: &dyn Fn(&str) -> bool) -> bool {
        if !self.live {
            return passes("offline") || self.has_wish_state(passes);
        }
        let activity = self
            .live_stats()
            .map(|stats| show::activity(stats.activity).state);
        passes("online")
            || activity.is_some_and(passes)
            || passes(self.state().as_str())
            || self.has_wish_state(passes)
    }

    fn has_wish_state(&self, passes: &dyn Fn(&str) -> bool) -> bool {
        let status = match self.status() {
            DesiredStatus::None | DesiredStatus::Applied => None,
            DesiredStatus::Pending => Some("pending"),
            DesiredStatus::Refused => Some("refused"),
            DesiredStatus::Behind => Some("behind"),
        };
        status.is_some_and(passes) || (passes("drift") && self.drift_reason().is_some())
    }
}

impl Farm {
    /// Looks at every rig, [`PORTION`] under one hold of the lock, as of the moment at which it begins: ages
    /// can be compared, however long the pass takes. A rig that changes its key meanwhile may be seen
    /// twice, or not.
    pub(super) async fn look_at_all(&self, mut look: impl FnMut(&RigFacts<'_>)) {
        let now = self.clock.now();
        let mut after = None;
        while let Some(last) = self.look_behind(after, now, &mut look) {
            after = Some(last);
            smol::future::yield_now().await;
        }
    }

    /// Looks at these rigs, in this order, under one hold of the lock.
    pub(super) fn look_at(&self, keys: &[Fingerprint], mut look: impl FnMut(&RigFacts<'_>)) {
        let core = self.lock();
        let now = self.clock.now();
        for key in keys {
            if let Some(row) = core.registry.peer(key) {
                look(&RigFacts::new(key, row, &core.registry, &core.hub, now));
            }
        }
    }

    /// Looks at the next portion of rigs behind this key, and returns the last of their keys.
    fn look_behind(
        &self,
        after: Option<Fingerprint>,
        now: Now,
        look: &mut impl FnMut(&RigFacts<'_>),
    ) -> Option<Fingerprint> {
        let core = self.lock();
        let mut last = None;
        for (key, row) in core.registry.peers_after(after).take(PORTION) {
            look(&RigFacts::new(key, row, &core.registry, &core.hub, now));
            last = Some(*key);
        }
        last
    }
}

impl Facts for RigFacts<'_> {
    fn any(&self, key: Key, passes: &dyn Fn(&str) -> bool) -> Option<bool> {
        let told = self.row.told.as_ref();
        let labels = self.registry.labels(self.key);
        let one = |text: Option<&str>| text.map(passes);
        match key {
            Key::Address => one(self.row.address.as_ref().map(|address| address.as_str())),
            Key::Cpu => {
                let model = &self.registry.machine(self.key)?.cpu_model;
                one(Some(model.as_str()).filter(|model| !model.is_empty()))
            }
            Key::Group => one(labels.group.as_ref().map(LabelName::as_str)),
            Key::Host => one(told.map(|told| told.host.as_str())),
            Key::Id => Some(passes(&self.key.node_id().to_string())),
            Key::Image => {
                let version = self.image_version()?;
                Some(passes(&version.to_string()))
            }
            Key::Mode => one(self.stats().and_then(show::least_memory)),
            Key::Name => Some(passes(self.row.name.as_str())),
            Key::Pages => {
                let miners = self.stats()?.miners.iter();
                let pages = miners.filter_map(|miner| Some(show::pages(miner.pages?)));
                some_passes(pages, passes)
            }
            Key::Pool => {
                let miners = self.stats()?.miners.iter();
                let pools = miners.filter_map(|miner| Some(miner.pool.as_ref()?.as_str()));
                some_passes(pools, passes)
            }
            Key::Profile => {
                let desired = self.registry.desired(self.key)?;
                one(desired.profile.as_ref().map(|id| id.as_str()))
            }
            Key::Role => one(told.map(|told| told.role.as_str())),
            Key::Site => one(labels.site.as_ref().map(LabelName::as_str)),
            Key::Software => one(told.map(|told| told.software.as_str())),
            Key::State => Some(self.has_state(passes)),
            Key::Tag => some_passes(labels.tags.iter().map(LabelName::as_str), passes),
            Key::Trust => Some(passes(self.row.trust.as_str())),
            Key::Update => one(self.update_step()),
            Key::Version => {
                one(told.and_then(|told| Some(told.software.as_str().rsplit_once(' ')?.1)))
            }
            // Numbers.
            Key::Cpus
            | Key::Generation
            | Key::Hashrate
            | Key::Rtt
            | Key::Score
            | Key::Seen
            | Key::Uptime => None,
        }
    }

    fn number(&self, key: Key) -> Option<u64> {
        match key {
            Key::Cpus => self.registry.machine(self.key).map(|row| row.cpus.into()),
            Key::Generation => Some(self.registry.desired(self.key)?.generation),
            Key::Hashrate => show::thousandths(self.live_stats()?),
            Key::Rtt => self.rig.filter(|_| self.live)?.rtt_ms(),
            Key::Score => self.rig?.score().map(u64::from),
            Key::Seen => self.last_seen_age_ms(),
            Key::Uptime => self.live_stats().map(|stats| stats.uptime_ms),
            _ => None,
        }
    }
}

/// Whether one of these passes; `None` if there is none.
fn some_passes<'a>(
    mut texts: impl Iterator<Item = &'a str>,
    passes: &dyn Fn(&str) -> bool,
) -> Option<bool> {
    let first = texts.next()?;
    Some(passes(first) || texts.any(passes))
}
