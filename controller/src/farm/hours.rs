//! Hours of profiles, kept by the controller: pauses and resumes as wishes, so that a rig which is away
//! at an edge gets the right one when it is back.
//!
//! ```text
//!   each LOOK, and at each edge:   rests = held by a person, or no window is open
//!                                  differs from the wish? ─▶ the same wish, paused or not
//! ```
//! A rig whose agent has no word for rest (protocol version 1) is told to mine nothing instead.
//!
//! A person's pause is remembered apart (`held`) and wins until a person resumes the rig. The clock on
//! the wall may be set at any time, which is why somebody looks even where no edge is near.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use miner_shared::identity::Fingerprint;
use miner_shared::wire::State;

use super::Farm;
use crate::clock::EpochMs;
use crate::hub::Hub;
use crate::registry::{ProfileId, ProfileRecord, Registry, Wish};
use crate::schedule::{Opening, open_at};

/// Longest pause between two looks at the clock.
const LOOK: Duration = Duration::from_secs(20);

impl Farm {
    /// Keeps rigs to the hours of their profiles.
    pub(super) async fn keep_hours(self: Arc<Self>) {
        loop {
            let now = self.clock.now().wall;
            let next = self.look_at_hours(now);
            let until = next.map(|next| Duration::from_millis(next.0.saturating_sub(now.0)));
            smol::Timer::after(until.map_or(LOOK, |until| until.min(LOOK))).await;
        }
    }

    /// Wishes what the hours demand at this moment; returns the next edge.
    pub(super) fn look_at_hours(&self, now: EpochMs) -> Option<EpochMs> {
        self.with(|hub, env| {
            let (mut due, next) = due(env.registry, hub, &self.zone, now);
            for (_, wish) in &mut due {
                env.rng.fill_bytes(&mut wish.op_id);
            }
            // One sync for all: at an edge it is the whole farm.
            if let Err(error) = hub.wish_all(env, due) {
                log::warn!("hours not kept reason={error}");
            }
            next
        })
    }
}

/// What a rig is told so that it mines with this version, or rests. `protocol` is the version of its
/// link, if one is up.
pub(super) fn state(row: &ProfileRecord, rests: bool, protocol: Option<u8>) -> State {
    let state = State::Plan(row.plan(rests));
    let unheard = protocol.is_some_and(|version| state.for_version(version).is_none());
    if rests && unheard {
        State::Stopped
    } else {
        state
    }
}

#[cfg(test)]
impl Farm {
    /// Minutes since midnight on the wall, in the zone of the hours.
    pub(crate) fn clock_minutes(&self) -> u32 {
        let now = i64::try_from(self.clock.now().wall.0).expect("a time");
        let now = jiff::Timestamp::from_millisecond(now).expect("a time");
        let time = self.zone.to_datetime(now).time();
        u32::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).expect("positive")
    }
}

/// Wishes that differ from what the hours of their profiles demand, put right; and the next edge.
fn due(
    registry: &Registry,
    hub: &Hub,
    zone: &TimeZone,
    now: EpochMs,
) -> (Vec<(Fingerprint, Wish)>, Option<EpochMs>) {
    let mut openings: BTreeMap<(&ProfileId, u32), Opening> = BTreeMap::new();
    let mut due = Vec::new();
    for (key, _) in registry.peers() {
        let Some(row) = registry.desired(key) else {
            continue;
        };
        let Some(id) = &row.profile else { continue };
        let Ok(version) = registry.version(id, Some(row.version)) else {
            continue;
        };
        let opening = openings
            .entry((id, row.version))
            .or_insert_with(|| open_at(&version.settings.windows, zone, now));
        let rests = row.held || !opening.open;
        let unheard = hub
            .rig(key)
            .is_some_and(|rig| rig.is_too_old_for(row.generation));
        let state = state(version, rests, hub.protocol(key));
        if rests != row.rests() || (rests && !row.held && unheard && row.state != state) {
            let wish = Wish {
                op_id: [0; 16],
                profile: row.profile.clone(),
                version: row.version,
                held: row.held,
                state,
            };
            due.push((*key, wish));
        }
    }
    let next = openings.values().filter_map(|opening| opening.next).min();
    (due, next)
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};

    use super::*;
    use crate::registry::{MemoryStore, PeerRecord, ProfileSpec, Revision, Trust};

    const NIGHT: EpochMs = EpochMs(23 * 3_600_000);
    const NOON: EpochMs = EpochMs((24 + 12) * 3_600_000);

    fn profile() -> Profile {
        let pool = Pool {
            address: Address::parse("127.0.0.1:3333").expect("valid"),
            tls: false,
            user: PoolUser::parse("practice").expect("valid"),
            pass: PoolPass::parse("").expect("valid"),
        };
        Profile {
            name: Name::parse("nights").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: [pool].into_iter().collect(),
        }
    }

    /// A rig that is told to mine at night, and was told so while it was open.
    fn farm(held: bool) -> (Registry, Fingerprint) {
        let mut registry = Registry::open(Box::new(MemoryStore::default())).expect("opens");
        let key = Fingerprint([1; 32]);
        let peer = PeerRecord {
            name: Name::parse("rig").expect("valid"),
            address: None,
            trust: Trust::Tofu,
            added_at_ms: 1,
            last_seen_ms: None,
            told: None,
        };
        registry.add(key, peer).expect("adds");
        let mut spec = ProfileSpec::from(profile());
        spec.settings.windows = vec!["daily 22:00-06:00".parse().expect("valid")];
        let id = registry
            .create_profile(spec, Revision::default(), NIGHT)
            .expect("creates");
        let plan = registry.profile(&id).expect("made").plan(held);
        let wish = Wish {
            op_id: [7; 16],
            profile: Some(id),
            version: 1,
            held,
            state: State::Plan(plan),
        };
        registry.wish(&key, wish, 0, NIGHT).expect("wishes");
        (registry, key)
    }

    /// Puts right what is due; whether the rig rests then.
    fn rests_at(registry: &mut Registry, now: EpochMs) -> bool {
        let (wishes, next) = due(registry, &Hub::default(), &TimeZone::UTC, now);
        assert!(next.is_some_and(|next| next > now));
        for (key, wish) in wishes {
            registry.wish(&key, wish, 0, now).expect("wishes");
        }
        let (again, _) = due(registry, &Hub::default(), &TimeZone::UTC, now);
        assert!(again.is_empty(), "what was put right stays so");
        let row = registry.desired(&Fingerprint([1; 32])).expect("wished");
        row.state.is_paused()
    }

    #[test]
    fn a_rig_rests_outside_its_hours_and_nothing_is_wished_between_edges() {
        let (mut registry, key) = farm(false);
        assert!(!rests_at(&mut registry, NIGHT));
        assert_eq!(registry.desired(&key).expect("wished").generation, 1);
        assert!(rests_at(&mut registry, NOON));
        assert!(rests_at(&mut registry, EpochMs(NOON.0 + 1)));
        assert_eq!(registry.desired(&key).expect("wished").generation, 2);
        assert!(!rests_at(&mut registry, EpochMs(NIGHT.0 + 24 * 3_600_000)));
    }

    #[test]
    fn a_person_s_pause_wins_over_open_hours() {
        let (mut registry, key) = farm(true);
        assert!(rests_at(&mut registry, NIGHT));
        assert_eq!(registry.desired(&key).expect("wished").generation, 1);
    }

    #[test]
    fn a_stopped_rig_is_left_alone() {
        let (mut registry, key) = farm(false);
        let stop = Wish {
            op_id: [8; 16],
            profile: None,
            version: 0,
            held: false,
            state: State::Stopped,
        };
        registry.wish(&key, stop, 0, NIGHT).expect("wishes");
        let (due, next) = due(&registry, &Hub::default(), &TimeZone::UTC, NOON);
        assert!(due.is_empty() && next.is_none());
    }
}
