//! Rigs that do not run what the registry wants, each with the reason.
//!
//! | reason | the rig | who |
//! |---|---|---|
//! | `refused` | will not have what it was told, or its agent is too old for it | it says so |
//! | `behind` | was told something newer than the registry knows | it says so |
//! | `drifted` | said that it applied this, and has something else in force | its hash |
//! | `pending` | has not said that it has this: not told yet, or off since | it says an older generation |
//! | `unknown` | has never said what it has | nobody heard it |
//!
//! This is the one definition: the selector's `state=drift` and what [attention](super::attention) says of
//! wishes are by [`DriftReason::of`] too. A link makes no difference: a rig that is off has what it said last.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use miner_shared::identity::Fingerprint;
use miner_shared::text::Name;
use miner_shared::wire::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::profiles::short_hash;
use super::select::Selector;
use super::view::DesiredStatus;
use super::{Farm, show};
use crate::hub::{Rig, refused_field};
use crate::registry::{ProfileId, Registry};

/// A rig that does not run what the registry wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftView {
    /// Node ID, 16 hex characters.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether a link is up.
    pub connected: bool,
    /// Since it was last heard of, in milliseconds; `null` if it never was.
    pub last_seen_age_ms: Option<u64>,
    /// Why.
    pub reason: DriftReason,
    /// The field of the profile that it refuses, if its refusal names one.
    pub field: Option<&'static str>,
    /// The reason as a sentence; of a refusal, the rig's.
    pub message: &'static str,
    /// Since when, in milliseconds: the age of the wish. `null` if nobody knows.
    pub since_ms: Option<u64>,
    /// What it should run.
    pub wished: WishedView,
    /// What it said last that it runs; `null` if it never said.
    pub reported: Option<ReportedView>,
}

/// What a rig should run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WishedView {
    /// Number of the wish; 0 is "never told".
    pub generation: u64,
    /// Name of the profile; `null` is "mine nothing".
    pub profile: Option<String>,
    /// Id of that profile.
    pub profile_id: Option<String>,
    /// Which version of it.
    pub version: Option<u32>,
    /// First 12 hex characters of SHA-256 over the state that it was told.
    pub hash: Option<String>,
}

/// What a rig said last that it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportedView {
    /// Number of the wish that it applied.
    pub generation: Option<u64>,
    /// Name of the profile, as the rig says it, or as it is called here if its hash is known here.
    pub profile: Option<String>,
    /// The version whose hash this is; `null` if the rig said no hash, or none that is known here.
    pub version: Option<u32>,
    /// First 12 hex characters of SHA-256 over the state that it has in force.
    pub hash: Option<String>,
}

/// Why a rig does not run what the registry wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DriftReason {
    /// It will not have it, or its agent is too old for it.
    Refused,
    /// It was told something newer than the registry knows.
    Behind,
    /// It said that it applied this, and has something else in force.
    Drifted,
    /// It has not said that it has this: it was not told yet, or has been off since.
    Pending,
    /// It has never said what it has.
    Unknown,
}

/// Every reason by its word.
const REASONS: [(&str, DriftReason); 5] = [
    ("refused", DriftReason::Refused),
    ("behind", DriftReason::Behind),
    ("drifted", DriftReason::Drifted),
    ("pending", DriftReason::Pending),
    ("unknown", DriftReason::Unknown),
];

/// Why a text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriftReasonError;

impl fmt::Display for DriftReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = REASONS.map(|(word, _)| word);
        write!(f, "it is none of {}", words.join(", "))
    }
}

impl std::error::Error for DriftReasonError {}

impl FromStr for DriftReason {
    type Err = DriftReasonError;

    fn from_str(text: &str) -> Result<Self, DriftReasonError> {
        let reason = REASONS.iter().find(|(word, _)| *word == text);
        reason.map(|(_, reason)| *reason).ok_or(DriftReasonError)
    }
}

impl DriftReason {
    /// Why a rig whose wish has come this far does not run it; `None` if it does. `differs` is whether the
    /// state in force is another one, by its hash; `heard` whether it ever said what it has.
    pub(super) const fn of(
        status: DesiredStatus,
        differs: Option<bool>,
        heard: bool,
    ) -> Option<Self> {
        match (status, differs) {
            (DesiredStatus::Refused, _) => Some(Self::Refused),
            (DesiredStatus::Behind, _) => Some(Self::Behind),
            (DesiredStatus::Applied, Some(true)) => Some(Self::Drifted),
            (DesiredStatus::Pending, None | Some(true)) if heard => Some(Self::Pending),
            (DesiredStatus::Pending, None | Some(true)) => Some(Self::Unknown),
            (DesiredStatus::None | DesiredStatus::Applied | DesiredStatus::Pending, _) => None,
        }
    }

    const fn words(self, live: bool) -> &'static str {
        match (self, live) {
            (Self::Refused, _) => "it does not say why",
            (Self::Behind, _) => {
                "it was told something newer by another controller, or before a backup was restored"
            }
            (Self::Drifted, _) => "it said that it applied this, and has something else in force",
            (Self::Pending, true) => "it has not said that it has this",
            (Self::Pending, false) => "it is off, and is told when it is back",
            (Self::Unknown, true) => "it has not said what it has",
            (Self::Unknown, false) => "it has never said what it has; it is told when it links up",
        }
    }
}

impl RigFacts<'_> {
    /// Why it does not run what the registry wants; `None` if it does.
    pub(super) fn drift_reason(&self) -> Option<DriftReason> {
        let differs = show::drifts(self.key, self.registry, self.rig);
        DriftReason::of(self.status(), differs, self.told_generation().is_some())
    }

    /// Generation that it said last that it has.
    fn told_generation(&self) -> Option<u64> {
        let by_hash = || Some(self.rig?.applied_hash()?.0);
        self.rig
            .and_then(Rig::had)
            .or_else(by_hash)
            .or_else(|| self.stats().map(|stats| stats.generation))
    }

    fn drift_view(&self, reason: DriftReason, versions: &mut Versions) -> DriftView {
        let wish = self.registry.desired(self.key);
        let generation = wish.map_or(0, |row| row.generation);
        let refused = self.rig.and_then(Rig::refused).map(|(_, why)| why);
        let refused = refused.filter(|_| reason == DriftReason::Refused);
        let said = show::refusal_of(generation, self.rig);
        let said = said.filter(|_| reason == DriftReason::Refused);
        let since = wish.filter(|_| reason != DriftReason::Behind);
        DriftView {
            id: self.key.node_id().to_string(),
            name: self.row.name.as_str().to_owned(),
            connected: self.live,
            last_seen_age_ms: self.last_seen_age_ms(),
            reason,
            field: refused.and_then(refused_field),
            message: said.unwrap_or_else(|| reason.words(self.live)),
            since_ms: since.map(|row| self.now.wall.0.saturating_sub(row.set_at_ms)),
            wished: WishedView {
                generation,
                profile: self.profile_name().map(str::to_owned),
                profile_id: self.profile_id().map(str::to_owned),
                version: self.version(),
                hash: wish.map(|row| short_hash(&row.state.hash())),
            },
            reported: self.reported(versions),
        }
    }

    fn reported(&self, versions: &mut Versions) -> Option<ReportedView> {
        let generation = self.told_generation()?;
        let hash = self.rig.and_then(Rig::applied_hash).map(|(_, hash)| hash);
        let name = self.stats().and_then(|stats| stats.profile.as_ref());
        // A rig names what it has; the wish's profile is the guess for one that does not.
        let id = name
            .map(|name| ProfileId::of(name.as_str()))
            .filter(|id| self.registry.profile(id).is_some())
            .or_else(|| self.registry.desired(self.key)?.profile.clone());
        let known = id
            .zip(hash)
            .and_then(|(id, hash)| versions.of(&id, &hash, self.registry));
        let name = name.map(|name| name.as_str().to_owned());
        let stopped = hash == Some(State::Stopped.hash());
        let (profile, version) = match known {
            _ if stopped => (None, None),
            Some((name, version)) => (Some(name), Some(version)),
            None => (name, None),
        };
        Some(ReportedView {
            generation: Some(generation),
            profile,
            version,
            hash: hash.as_ref().map(short_hash),
        })
    }
}

/// Names and numbers of versions by the hashes of what rigs get, of the profiles that were asked for. Made
/// once for a portion of rigs: whatever hashes they report, it costs what the versions of their profiles do.
#[derive(Default)]
struct Versions(BTreeMap<ProfileId, BTreeMap<[u8; 32], (String, u32)>>);

impl Versions {
    fn of(
        &mut self,
        id: &ProfileId,
        hash: &[u8; 32],
        registry: &Registry,
    ) -> Option<(String, u32)> {
        let all = self.0.entry(id.clone()).or_insert_with(|| {
            let hashes = registry.versions(id).flat_map(|row| {
                let name = row.profile.name.as_str().to_owned();
                [false, true].map(|paused| {
                    let hash = State::Plan(row.plan(paused)).hash();
                    (hash, (name.clone(), row.version))
                })
            });
            hashes.collect()
        });
        all.get(hash).cloned()
    }
}

impl Farm {
    /// Rigs that this takes and that do not run what the registry wants, for this reason if one is given; by
    /// name, then by key.
    pub async fn drifting(
        &self,
        selector: &Selector,
        reason: Option<DriftReason>,
    ) -> Vec<(Name, Fingerprint)> {
        let mut found = Vec::new();
        self.look_at_all(|rig| {
            if is_wanted(rig.drift_reason(), reason) && selector.takes(rig) {
                found.push((rig.row.name.clone(), *rig.key));
            }
        })
        .await;
        found.sort_unstable();
        found
    }

    /// These rigs, in this order, under one hold of the lock; one that was removed or came right meanwhile is
    /// left out. Of many, ask for [`PORTION`](super::PORTION) at a time.
    pub fn drifts_of(&self, keys: &[Fingerprint], reason: Option<DriftReason>) -> Vec<DriftView> {
        let mut versions = Versions::default();
        let mut views = Vec::with_capacity(keys.len());
        self.look_at(keys, |rig| {
            let why = rig.drift_reason();
            if let Some(why) = why.filter(|_| is_wanted(why, reason)) {
                views.push(rig.drift_view(why, &mut versions));
            }
        });
        views
    }
}

fn is_wanted(why: Option<DriftReason>, wanted: Option<DriftReason>) -> bool {
    why.is_some_and(|why| wanted.is_none_or(|wanted| wanted == why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_drifts_for_one_reason_or_not_at_all() {
        use DesiredStatus as S;
        use DriftReason as R;
        for (status, differs, heard, why) in [
            (S::None, None, false, None),
            (S::None, Some(true), true, None),
            (S::Applied, None, true, None),
            (S::Applied, Some(false), true, None),
            (S::Applied, Some(true), true, Some(R::Drifted)),
            (S::Refused, Some(true), true, Some(R::Refused)),
            (S::Refused, None, false, Some(R::Refused)),
            (S::Behind, Some(true), true, Some(R::Behind)),
            (S::Pending, Some(true), true, Some(R::Pending)),
            (S::Pending, None, true, Some(R::Pending)),
            (S::Pending, None, false, Some(R::Unknown)),
            // Its hash came before its report: it has this.
            (S::Pending, Some(false), false, None),
        ] {
            assert_eq!(DriftReason::of(status, differs, heard), why, "{status:?}");
        }
    }

    #[test]
    fn every_reason_is_read_by_the_word_that_it_is_written_as() {
        for (word, reason) in REASONS {
            assert_eq!(word.parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).expect("JSON"), word);
        }
        let error = "drift".parse::<DriftReason>().expect_err("no reason");
        assert!(error.to_string().contains("drifted, pending"), "{error}");
    }
}
