//! What happened on the farm: typed, bounded, and honest about what it lost.

use std::collections::VecDeque;

use miner_shared::gate::{Bucket, Rate};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::STRANGER_EVENT_RATE;
use miner_shared::time::Millis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cause::Cause;
use crate::clock::{EpochMs, Now};
use crate::registry::Registry;

/// Events kept in memory; older ones are in the journal alone.
const KEPT: usize = 1024;

/// One entry of the event log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Number, without gaps but for those that `eventsSkipped` says: another gap is what a reader lost.
    pub seq: u64,
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// Node ID of the peer concerned, if one is.
    pub node_id: Option<String>,
    /// Its name in the registry, if it has one.
    pub node_name: Option<String>,
    /// Who asked for it, if somebody did and is known.
    pub by: Option<String>,
    /// Number of the request that it came of, if it came of one.
    pub request: Option<String>,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
#[non_exhaustive]
pub enum EventKind {
    /// Somebody came to API or page with a credential that is none.
    ApiRefused {
        /// Address.
        from: String,
        /// Whether the next one from there is told to wait: no event follows while it goes on.
        limited: bool,
    },
    /// A rig reported that it has a wish.
    Applied {
        /// Its number.
        generation: u64,
    },
    /// A rig was told something newer than the registry knows.
    Behind {
        /// The rig's generation.
        generation: u64,
    },
    /// The controller has ended as it should.
    ControllerEnded,
    /// The controller has started.
    ControllerStarted,
    /// A new wish for a rig was stored.
    DesiredSet {
        /// Its number.
        generation: u64,
        /// Profile to mine with; `null` is "mine nothing".
        profile: Option<String>,
    },
    /// Two processes use one key at the same time: a copied image or a stolen key.
    DuplicateIdentity,
    /// A rig was registered by a token.
    Enrolled {
        /// Its name.
        token: String,
    },
    /// A rig came by a token and waits for approval.
    EnrolPending {
        /// The token's name.
        token: String,
    },
    /// Somebody came by a token and got nothing.
    EnrolRefused {
        /// The token's name, if there is such a token.
        token: Option<String>,
        /// Why, in few words.
        reason: String,
    },
    /// The process before was killed: numbers were left out, as it may have used them.
    EventsSkipped {
        /// How many.
        numbers: u64,
    },
    /// A rig has another key, and has shown that it is the same rig.
    KeyChanged {
        /// Fingerprint that it had.
        old: String,
        /// Fingerprint that it has.
        new: String,
    },
    /// A link ended, and not because the peer broke the protocol.
    LinkDown {
        /// Why.
        reason: &'static str,
    },
    /// A link is up.
    LinkUp {
        /// Whether the peer dialled in.
        #[serde(rename = "dialledIn")]
        dialled_in: bool,
    },
    /// What became of an order.
    OrderEnded {
        /// What was ordered.
        order: &'static str,
        /// `done`, `alreadyThere`, `refused`, `expired` or `unknown`.
        status: &'static str,
    },
    /// An order was given to a rig.
    Ordered {
        /// What was ordered.
        order: &'static str,
        /// By whom.
        by: String,
    },
    /// A peer was registered.
    PeerAdded,
    /// A peer has other labels.
    PeerLabelled,
    /// A peer was removed; its key is refused from now on.
    PeerRemoved,
    /// A peer has another name.
    PeerRenamed,
    /// An ephemeral peer was away for long; its entry is gone.
    PeerVanished {
        /// The name that it had.
        name: String,
    },
    /// A peer broke the protocol, and its connection was closed for it.
    ProtocolError {
        /// What was wrong.
        reason: String,
        /// Whether a link that was up ended by it: no [`EventKind::LinkDown`] follows.
        #[serde(rename = "linkDown")]
        link_down: bool,
    },
    /// A rig has pinned the recovery key.
    RecoveryPinned {
        /// The key's ID.
        recovery: String,
    },
    /// A rig would not pin the recovery key.
    RecoveryRefused {
        /// The key's ID.
        recovery: String,
        /// Why.
        reason: String,
    },
    /// The farm has another recovery key, or its first one.
    RecoverySet {
        /// The key's ID.
        recovery: String,
    },
    /// A rig refused a wish.
    Refused {
        /// Its number.
        generation: u64,
        /// Why.
        reason: String,
    },
    /// A removed peer came back and got nothing.
    RemovedKey,
    /// Strangers did more than the log has room for: so many events are not in it.
    Strangers {
        /// How many.
        unrecorded: u64,
    },
    /// A peer sends more than its rate: it is read more slowly. At most one event in a minute.
    Throttled {
        /// Frames that had to wait since the last such event.
        frames: u64,
    },
    /// A token was made.
    TokenCreated {
        /// Its name.
        token: String,
    },
    /// A token was revoked.
    TokenRevoked {
        /// Its name.
        token: String,
    },
    /// A rollout came to its end.
    RolloutEnded {
        /// Its number.
        rollout: u32,
        /// `done`, `aborted` or `rolledBack`.
        status: &'static str,
    },
    /// A rollout stopped by itself.
    RolloutHalted {
        /// Its number.
        rollout: u32,
        /// Why.
        reason: String,
    },
    /// A stage of a rollout begins.
    RolloutStage {
        /// The rollout's number.
        rollout: u32,
        /// Which, from 1.
        stage: u8,
        /// Of how many.
        stages: usize,
        /// Rigs that are told.
        rigs: usize,
    },
    /// A rollout was started.
    RolloutStarted {
        /// Its number.
        rollout: u32,
        /// Id of the profile.
        profile: String,
        /// Version that rigs get.
        version: u32,
        /// Rigs in all.
        rigs: usize,
    },
    /// An update rollout came to its end.
    UpdateEnded {
        /// Its number.
        update: u32,
        /// `done` or `aborted`.
        status: &'static str,
    },
    /// An update rollout stopped by itself.
    UpdateHalted {
        /// Its number.
        update: u32,
        /// Why.
        reason: String,
    },
    /// A stage of an update rollout begins.
    UpdateStage {
        /// The rollout's number.
        update: u32,
        /// Which, from 1.
        stage: u8,
        /// Of how many.
        stages: usize,
        /// Rigs that are in it.
        rigs: usize,
    },
    /// An update rollout was started.
    UpdateStarted {
        /// Its number.
        update: u32,
        /// Version that rigs get.
        version: String,
        /// Rigs in all.
        rigs: usize,
    },
    /// A stranger completed a handshake and got nothing.
    UnknownKey {
        /// Its fingerprint.
        fingerprint: String,
    },
}

impl EventKind {
    /// Whether strangers can cause it as often as they like.
    pub(super) fn is_strangers(&self) -> bool {
        matches!(
            self,
            Self::ApiRefused { .. }
                | Self::EnrolRefused { .. }
                | Self::ProtocolError { .. }
                | Self::RemovedKey
                | Self::UnknownKey { .. }
        )
    }
}

/// The last [`KEPT`] events.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    kept: VecDeque<Event>,
    next: u64,
    strangers: Quiet,
    /// The same for the log of those who debug.
    pub(super) debug: Quiet,
}

/// How often strangers may make a node say something.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    bucket: Bucket,
    unsaid: u64,
}

impl Quiet {
    /// Whether it may be said: then with the number of what was not since.
    pub(super) fn may(&mut self, rate: Rate, now: Millis) -> Option<u64> {
        if self.bucket.take(rate, now) {
            return Some(std::mem::take(&mut self.unsaid));
        }
        self.unsaid += 1;
        None
    }
}

impl EventLog {
    /// Whether an event about strangers is recorded. Says before it how many were not.
    pub(super) fn admit_stranger(&mut self, now: Now, registry: &Registry) -> Result<(), ()> {
        let unrecorded = self
            .strangers
            .may(STRANGER_EVENT_RATE, now.mono)
            .ok_or(())?;
        if unrecorded > 0 {
            self.record(
                (now.wall, &Cause::default()),
                registry,
                None,
                EventKind::Strangers { unrecorded },
            );
        }
        Ok(())
    }

    /// Records what happened, about this peer if one is named.
    pub(crate) fn record(
        &mut self,
        (at, cause): (EpochMs, &Cause),
        registry: &Registry,
        about: Option<&Fingerprint>,
        kind: EventKind,
    ) {
        let name = about.and_then(|key| {
            let peer = registry.peer(key).map(|peer| &peer.name);
            peer.or_else(|| registry.waiting_name(key))
                .or_else(|| registry.tombstone(key).map(|stone| &stone.name))
        });
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Event {
            seq: self.next,
            at,
            node_id: about.map(|key| key.node_id().to_string()),
            node_name: name.map(|name| name.as_str().to_owned()),
            by: cause.by.as_deref().map(str::to_owned),
            request: cause.request.as_deref().map(str::to_owned),
            kind,
        });
        self.next += 1;
    }

    /// The first event gets this number.
    pub(crate) fn begin_at(&mut self, next: u64) {
        self.kept.clear();
        self.next = next;
    }

    /// Events from this number on that are still kept, oldest first.
    pub(crate) fn since(&self, seq: u64) -> impl Iterator<Item = &Event> {
        let skipped = seq.saturating_sub(self.lost());
        self.kept
            .iter()
            .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
    }

    /// Number that the next event gets.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Number of the oldest event that is still kept: how many have fallen out of a log that began at 0.
    pub(crate) fn lost(&self) -> u64 {
        self.kept.front().map_or(self.next, |event| event.seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::MemoryStore;

    #[test]
    fn a_full_log_counts_what_falls_out() {
        let registry = Registry::open(Box::new(MemoryStore::default())).expect("opens");
        let mut log = EventLog::default();
        for _ in 0..KEPT + 3 {
            log.record(
                (EpochMs(1), &Cause::default()),
                &registry,
                None,
                EventKind::PeerAdded,
            );
        }
        assert_eq!(log.lost(), 3);
        assert_eq!(log.since(0).count(), KEPT);
        assert_eq!(log.since(log.next() - 2).count(), 2);
    }
}
