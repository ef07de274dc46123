//! Profiles and their versions. A version is never changed: a profile is changed by its next one.
//!
//! ```text
//!   create ─▶ version 1      profiles: id        -> the newest
//!   change ─▶ version n + 1  versions: id, n     -> each older one, at most MAX_VERSIONS in all
//!                                 the oldest that no rig uses falls out, and is counted
//! ```
//!
//! Rigs stay on the version that they were told. So a version that a rig is told to mine with, or that
//! a rollout may lead back to, is kept whatever its age.

use std::collections::BTreeSet;

use miner_shared::text::{Label, Name, Text};
use miner_shared::wire::{PageWish, Plan, Profile, State};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::record::{ProfileId, Row};
use super::rules::{Registry, RegistryError};
use super::store::{Change, Durable};
use crate::clock::EpochMs;
use crate::schedule::Window;
use crate::wallet::Coin;

/// Profiles of one farm: 256 * 32 versions * 2.3 KiB = 19 MiB at the very most.
pub const MAX_PROFILES: usize = 256;
/// Versions that are kept of one profile, the newest included.
pub const MAX_VERSIONS: usize = 32;
/// Longest comment on a version, in bytes.
pub const MAX_COMMENT: usize = 200;

/// Why a version was made, in the words of who made it.
pub type Comment = Text<MAX_COMMENT>;
/// Who made a version: the name of a token or session.
pub type Author = Label;

/// One version of a named way to mine. Its id, and for older ones its number, are the key of the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRecord {
    /// Pools, threads and mode.
    pub profile: Profile,
    /// When this version was made, in milliseconds since 1970.
    pub created_at_ms: u64,
    /// Its number, from 1.
    pub version: u32,
    /// What else the owner decided.
    pub settings: Settings,
    /// Who made it, when and why.
    pub revision: Revision,
    /// Versions of the profile that have fallen out, counted in the newest.
    pub lost: u32,
}

/// What a profile says besides [`Profile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Pages wanted behind the RandomX memory.
    pub pages: PageWish,
    /// How much hash threads give way to other programs, 0 to [`miner_shared::limits::MAX_NICE`].
    pub nice: u8,
    /// Coin that the wallets are addresses of; `None` where they may be anything.
    pub coin: Option<Coin>,
    /// When to mine; always if there are none. At most [`crate::schedule::MAX_WINDOWS`].
    pub windows: Vec<Window>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pages: PageWish::Auto,
            nice: 0,
            coin: None,
            windows: Vec::new(),
        }
    }
}

/// What an owner decides about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSpec {
    /// Pools, threads and mode.
    pub profile: Profile,
    /// The rest.
    pub settings: Settings,
}

impl From<Profile> for ProfileSpec {
    fn from(profile: Profile) -> Self {
        Self {
            profile,
            settings: Settings::default(),
        }
    }
}

/// Where a version comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// When the first version was made, in milliseconds since 1970; `None` for the first.
    pub first_at_ms: Option<u64>,
    /// Who made it; unknown of versions of older programs.
    pub by: Option<Author>,
    /// Why.
    pub comment: Option<Comment>,
    /// The older version that it brings back, if it does.
    pub restores: Option<u32>,
}

/// What rigs made with a version of a profile, over all the time that they had it applied and their
/// hash rate was known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct YieldRecord {
    /// Time of all rigs together, in seconds.
    pub rig_secs: u64,
    /// Hashes, in thousandths. 10,000 rigs of 10 kH/s fill this in 10^20 years.
    pub milli_hashes: u128,
}

impl YieldRecord {
    /// Mean of one rig, in thousandths of a hash per second; `None` before the first second.
    pub fn mean(&self) -> Option<u64> {
        let mean = self.milli_hashes.checked_div(u128::from(self.rig_secs))?;
        u64::try_from(mean).ok()
    }
}

impl Row for ProfileRecord {
    fn missing_since(schema: u8) -> &'static [u8] {
        /// Version 1, automatic pages, not nice; no coin, no windows; nothing known of the revision,
        /// nothing lost.
        const FIRST_VERSION: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        if schema < 4 { FIRST_VERSION } else { &[] }
    }
}

impl Row for YieldRecord {}

impl ProfileRecord {
    /// What rigs are told to carry out.
    pub fn plan(&self, paused: bool) -> Plan {
        Plan {
            profile: self.profile.clone(),
            paused,
            pages: self.settings.pages,
            nice: self.settings.nice,
        }
    }

    /// SHA-256 of what rigs get while they do not rest. Hours and coin are the controller's own.
    pub fn hash(&self) -> [u8; 32] {
        State::Plan(self.plan(false)).hash()
    }

    /// What the owner decided.
    pub fn spec(&self) -> ProfileSpec {
        ProfileSpec {
            profile: self.profile.clone(),
            settings: self.settings.clone(),
        }
    }

    /// When the profile's first version was made.
    pub fn first_at(&self) -> EpochMs {
        EpochMs(self.revision.first_at_ms.unwrap_or(self.created_at_ms))
    }
}

impl Registry {
    /// All profiles in their newest version, by id.
    pub fn profiles(&self) -> impl ExactSizeIterator<Item = (&ProfileId, &ProfileRecord)> {
        self.rows.profiles.iter()
    }

    /// The newest version of the profile of this id.
    pub fn profile(&self, id: &ProfileId) -> Option<&ProfileRecord> {
        self.rows.profiles.get(id)
    }

    /// Versions of a profile that are kept, newest first.
    pub fn versions(&self, id: &ProfileId) -> impl Iterator<Item = &ProfileRecord> + use<'_> {
        let of = (id.clone(), 0)..=(id.clone(), u32::MAX);
        let older = self.rows.versions.range(of).rev();
        self.profile(id)
            .into_iter()
            .chain(older.map(|(_, row)| row))
    }

    /// This version of a profile; without a number, the newest.
    pub fn version(
        &self,
        id: &ProfileId,
        number: Option<u32>,
    ) -> Result<&ProfileRecord, RegistryError> {
        let newest = self.profile(id).ok_or(RegistryError::NoSuchProfile)?;
        let number = number.unwrap_or(newest.version);
        let mut all = self.versions(id);
        all.find(|row| row.version == number).ok_or_else(|| {
            RegistryError::NoSuchVersion(self.versions(id).map(|row| row.version).collect())
        })
    }

    /// What rigs made with this version.
    pub fn yielded(&self, id: &ProfileId, number: u32) -> Option<&YieldRecord> {
        self.rows.yields.get(&(id.clone(), number))
    }

    /// Adds to what rigs made with versions of profiles. The last minutes may be lost in a power cut.
    pub fn add_yields(
        &mut self,
        made: impl IntoIterator<Item = ((ProfileId, u32), YieldRecord)>,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        for ((id, number), made) in made {
            if self.version(&id, Some(number)).is_ok() {
                let mut row = self.yielded(&id, number).copied().unwrap_or_default();
                row.rig_secs = row.rig_secs.saturating_add(made.rig_secs);
                row.milli_hashes = row.milli_hashes.saturating_add(made.milli_hashes);
                batch.push(Change::PutYield(id, number, row));
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.commit(batch, Durable::Soon)
    }

    /// Stores a new profile under the id that its name leads to, as its version 1.
    pub fn create_profile(
        &mut self,
        spec: ProfileSpec,
        revision: Revision,
        now: EpochMs,
    ) -> Result<ProfileId, RegistryError> {
        let id = ProfileId::of(spec.profile.name.as_str());
        if spec.profile.pools.is_empty() {
            return Err(RegistryError::NoPool);
        }
        if self.rows.profiles.contains_key(&id) {
            return Err(RegistryError::ProfileExists(id));
        }
        if self.rows.profiles.len() >= MAX_PROFILES {
            return Err(RegistryError::TooManyProfiles);
        }
        let row = ProfileRecord {
            profile: spec.profile,
            created_at_ms: now.0,
            version: 1,
            settings: spec.settings,
            revision: Revision {
                first_at_ms: None,
                ..revision
            },
            lost: 0,
        };
        self.commit(vec![Change::PutProfile(id.clone(), row)], Durable::Now)?;
        Ok(id)
    }

    /// Gives a profile another version, if it says anything else than the newest. `expected` is the
    /// version that the owner has seen, if that is to be checked. Returns the newest version's number.
    /// No rig is told: each keeps the version that it has.
    pub fn change_profile(
        &mut self,
        id: &ProfileId,
        spec: ProfileSpec,
        expected: Option<u32>,
        revision: Revision,
        now: EpochMs,
    ) -> Result<u32, RegistryError> {
        let mut row = self.next_version(id, spec, expected)?;
        let newest = self.profile(id).ok_or(RegistryError::NoSuchProfile)?;
        if row.version == newest.version {
            return Ok(newest.version);
        }
        let falls_out = self.falls_out(id)?;
        row.created_at_ms = now.0;
        row.lost = row.lost.saturating_add(u32::from(falls_out.is_some()));
        row.revision = Revision {
            first_at_ms: Some(newest.first_at().0),
            ..revision
        };
        let number = row.version;
        let mut batch = vec![
            Change::PutVersion(id.clone(), newest.version, newest.clone()),
            Change::PutProfile(id.clone(), row),
        ];
        batch.extend(falls_out.into_iter().flat_map(|old| deleted(id, old)));
        self.commit(batch, Durable::Now)?;
        Ok(number)
    }

    /// The version that [`Registry::change_profile`] with the same would make; the newest if that says
    /// the same already.
    pub fn next_version(
        &self,
        id: &ProfileId,
        spec: ProfileSpec,
        expected: Option<u32>,
    ) -> Result<ProfileRecord, RegistryError> {
        let newest = self.profile(id).ok_or(RegistryError::NoSuchProfile)?;
        if expected.is_some_and(|expected| expected != newest.version) {
            return Err(RegistryError::VersionMoved(newest.version));
        }
        let named = ProfileId::of(spec.profile.name.as_str());
        if named != *id {
            return Err(RegistryError::OtherProfile(named));
        }
        if spec.profile.pools.is_empty() {
            return Err(RegistryError::NoPool);
        }
        if newest.spec() == spec {
            return Ok(newest.clone());
        }
        Ok(ProfileRecord {
            profile: spec.profile,
            settings: spec.settings,
            version: newest.version.saturating_add(1),
            ..newest.clone()
        })
    }

    /// The version that makes room for another one, if one has to.
    fn falls_out(&self, id: &ProfileId) -> Result<Option<u32>, RegistryError> {
        let kept: Vec<_> = self.versions(id).map(|row| row.version).collect();
        if kept.len() < MAX_VERSIONS {
            return Ok(None);
        }
        let used = self.versions_in_use(id);
        // The newest becomes an older one now; it may be told to rigs next, and stays.
        let mut oldest_first = kept.into_iter().skip(1).rev();
        let unused = oldest_first.find(|version| !used.contains(version));
        unused.map(Some).ok_or(RegistryError::VersionsInUse)
    }

    /// Versions of a profile that somebody may still need.
    fn versions_in_use(&self, id: &ProfileId) -> BTreeSet<u32> {
        let wishes = self.rows.desired.iter();
        wishes
            .filter(|(key, row)| {
                row.profile.as_ref() == Some(id) && self.rows.peers.contains_key(*key)
            })
            .map(|(_, row)| row.version)
            .chain(self.versions_in_rollouts(id))
            .collect()
    }

    /// Deletes a profile that no registered rig is told to mine with, in all its versions.
    pub fn delete_profile(&mut self, id: &ProfileId) -> Result<(), RegistryError> {
        if !self.rows.profiles.contains_key(id) {
            return Err(RegistryError::NoSuchProfile);
        }
        let users = self.users_of(id);
        if !users.is_empty() {
            return Err(RegistryError::ProfileInUse(users));
        }
        if !self.versions_in_rollouts(id).is_empty() {
            return Err(RegistryError::ProfileInRollout);
        }
        let versions = self.versions(id).map(|row| row.version);
        let mut batch: Vec<_> = versions.flat_map(|version| deleted(id, version)).collect();
        batch.push(Change::DeleteProfile(id.clone()));
        Ok(self.commit(batch, Durable::Now)?)
    }

    /// Names of the registered rigs that are told to mine with this profile.
    pub fn users_of(&self, id: &ProfileId) -> Vec<Name> {
        let uses = |key| {
            self.desired(key)
                .is_some_and(|row| row.profile.as_ref() == Some(id))
        };
        self.peers()
            .filter(|(key, _)| uses(key))
            .map(|(_, peer)| peer.name.clone())
            .collect()
    }
}

/// What goes when an older version does.
fn deleted(id: &ProfileId, version: u32) -> [Change; 2] {
    [
        Change::DeleteVersion(id.clone(), version),
        Change::DeleteYield(id.clone(), version),
    ]
}
