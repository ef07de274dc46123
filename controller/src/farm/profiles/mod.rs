//! Profiles: named ways to mine, in versions.
//!
//! ```text
//!   create ─▶ v1 ── change ─▶ v2 ── change ─▶ v3 ── restore 1 ─▶ v4 (says what v1 says)
//!                                                                 │ nothing has happened to rigs yet
//!              start of one rig, or a rollout ◀──────────────────┘
//! ```
//!
//! | file | what |
//! |---|---|
//! | `mod` | create, change, restore, delete |
//! | `preview` | what a change would do to which rigs |
//! | `diff` | what two versions differ in |
//! | `view` | what is shown of them |

mod diff;
mod preview;
mod view;

use std::collections::BTreeMap;

use miner_shared::wire::{Pool, Profile, Threads};

pub use self::preview::{PreviewView, RigChangeView};
pub(super) use self::view::short_hash;
pub use self::view::{ChangeView, DiffView, HoursView, PoolView, ProfileView, VersionView};
use super::{Farm, errors};
use crate::access::By;
use crate::error::{Code, FarmError};
use crate::registry::{
    Author, Comment, ProfileId, ProfileRecord, ProfileSpec, Registry, RegistryError, Revision,
};
use crate::schedule::{self, MAX_WINDOWS};
use crate::wallet;

/// A version of a profile to be made.
#[derive(Clone, Debug)]
pub struct NewVersion {
    /// What it says.
    pub spec: ProfileSpec,
    /// Pools, by their number from 0, that keep the password which the newest version has for the same
    /// address.
    pub keeps_pass: Vec<usize>,
    /// The newest version that the owner has seen; if given, it must still be the newest.
    pub expected: Option<u32>,
    /// Who makes it.
    pub by: Option<Author>,
    /// Why.
    pub comment: Option<Comment>,
}

impl<T: Into<ProfileSpec>> From<T> for NewVersion {
    fn from(spec: T) -> Self {
        Self {
            spec: spec.into(),
            keeps_pass: Vec::new(),
            expected: None,
            by: None,
            comment: None,
        }
    }
}

impl NewVersion {
    /// The same, made by them.
    #[must_use]
    pub fn made_by(self, by: &By) -> Self {
        Self {
            by: Some(by.author()),
            ..self
        }
    }

    /// Takes over what the owner could not write again, and checks what the types do not.
    fn completed(mut self, before: Option<&Profile>) -> Result<Self, FarmError> {
        for (at, pool) in self.spec.profile.pools.iter_mut().enumerate() {
            let same = |old: &&Pool| old.address == pool.address;
            if self.keeps_pass.contains(&at)
                && let Some(old) = before.and_then(|old| old.pools.iter().find(same))
            {
                pool.pass = old.pass.clone();
            }
        }
        let settings = &self.spec.settings;
        wallet::check_pools(settings.coin.as_ref(), &self.spec.profile.pools)
            .map_err(|(at, fault)| errors::wallet(at, fault))?;
        if settings.windows.len() > MAX_WINDOWS {
            let message = format!("a profile has at most {MAX_WINDOWS} windows");
            return Err(FarmError::new(Code::InvalidInput, message).field("windows"));
        }
        Ok(self)
    }

    fn revision(&self) -> Revision {
        Revision {
            by: self.by.clone(),
            comment: self.comment.clone(),
            ..Revision::default()
        }
    }
}

impl Farm {
    /// All profiles in their newest version, by id.
    pub fn profiles(&self) -> Result<Vec<ProfileView>, FarmError> {
        let core = self.lock();
        let registry = &core.registry;
        let rows = registry.profiles();
        Ok(rows
            .map(|(id, row)| self.view_of(id, row, registry))
            .collect())
    }

    /// One profile in its newest version, by id or name.
    pub fn profile(&self, text: &str) -> Result<ProfileView, FarmError> {
        self.profile_version(text, None)
    }

    /// One version of a profile; without a number, the newest.
    pub fn profile_version(
        &self,
        text: &str,
        number: Option<u32>,
    ) -> Result<ProfileView, FarmError> {
        let core = self.lock();
        let id = ProfileId::of(text);
        let row = core.registry.version(&id, number);
        let row = row.map_err(|error| errors::registry(error, text))?;
        Ok(self.view_of(&id, row, &core.registry))
    }

    /// What the newest version of a profile says, passwords included, to make the next one of.
    pub(crate) fn newest_version(&self, text: &str) -> Result<NewVersion, FarmError> {
        let core = self.lock();
        let row = core.registry.version(&ProfileId::of(text), None);
        let row = row.map_err(|error| errors::registry(error, text))?;
        Ok(row.spec().into())
    }

    /// Versions of a profile that are kept, newest first.
    pub fn profile_versions(&self, text: &str) -> Result<Vec<VersionView>, FarmError> {
        let core = self.lock();
        let registry = &core.registry;
        let id = ProfileId::of(text);
        registry
            .version(&id, None)
            .map_err(|error| errors::registry(error, text))?;
        let rigs = told(registry, &id);
        let all = registry.versions(&id);
        Ok(all
            .map(|row| {
                let rigs = rigs.get(&row.version).copied().unwrap_or(0);
                view::version(row, rigs, registry.yielded(&id, row.version))
            })
            .collect())
    }

    /// What two versions of a profile differ in; without `to`, the newest.
    pub fn profile_diff(
        &self,
        text: &str,
        from: u32,
        to: Option<u32>,
    ) -> Result<DiffView, FarmError> {
        let core = self.lock();
        let id = ProfileId::of(text);
        let version = |number| {
            let row = core.registry.version(&id, number);
            row.map_err(|error| errors::registry(error, text))
        };
        Ok(view::diff(&id, version(Some(from))?, version(to)?))
    }

    /// Stores a new profile as version 1; its id is the slug of its name.
    pub fn create_profile(&self, new: impl Into<NewVersion>) -> Result<ProfileView, FarmError> {
        let new = new.into().completed(None)?;
        let name = new.spec.profile.name.clone();
        let revision = new.revision();
        self.with(|_, env| {
            env.registry
                .create_profile(new.spec, revision, env.now.wall)
        })
        .map_err(|error| errors::registry(error, name.as_str()))?;
        self.profile(name.as_str())
    }

    /// Gives a profile its next version. Rigs keep the one that they have until they are started with
    /// it, or a rollout brings it. What says the same as the newest makes no version.
    pub fn change_profile(&self, text: &str, new: NewVersion) -> Result<ProfileView, FarmError> {
        let id = ProfileId::of(text);
        self.with(|_, env| {
            let registry = &mut *env.registry;
            let before = registry.version(&id, None);
            let before = before.map_err(|error| errors::registry(error, text))?;
            let new = new.completed(Some(&before.profile))?;
            let revision = new.revision();
            registry
                .change_profile(&id, new.spec, new.expected, revision, env.now.wall)
                .map_err(|error| errors::registry(error, text))
        })?;
        self.profile(text)
    }

    /// Gives a profile a next version that says what this older one says, passwords included.
    pub fn restore_profile(
        &self,
        text: &str,
        number: u32,
        by: Option<Author>,
        comment: Option<Comment>,
    ) -> Result<ProfileView, FarmError> {
        let id = ProfileId::of(text);
        let restored = |error: RegistryError| errors::registry(error, text);
        self.with(|_, env| {
            let older = env.registry.version(&id, Some(number)).map_err(restored)?;
            let spec = older.spec();
            let revision = Revision {
                by,
                comment,
                restores: Some(number),
                ..Revision::default()
            };
            env.registry
                .change_profile(&id, spec, None, revision, env.now.wall)
                .map_err(restored)
        })?;
        self.profile(text)
    }

    /// Deletes a profile that no rig is told to mine with, in all its versions.
    pub fn delete_profile(&self, text: &str) -> Result<(), FarmError> {
        let id = ProfileId::of(text);
        self.with(|_, env| env.registry.delete_profile(&id))
            .map_err(|error| errors::registry(error, text))
    }

    fn view_of(&self, id: &ProfileId, row: &ProfileRecord, registry: &Registry) -> ProfileView {
        let now = self.clock.now().wall;
        let opening = schedule::open_at(&row.settings.windows, &self.zone, now);
        view::profile(id, row, registry, opening)
    }
}

/// How many registered rigs are told to mine with each version.
fn told(registry: &Registry, id: &ProfileId) -> BTreeMap<u32, usize> {
    let mut rigs = BTreeMap::new();
    for (key, _) in registry.peers() {
        if let Some(row) = registry.desired(key)
            && row.profile.as_ref() == Some(id)
        {
            *rigs.entry(row.version).or_default() += 1;
        }
    }
    rigs
}

/// How many threads, in words.
fn threads(threads: Threads) -> String {
    match threads {
        Threads::Auto => "auto".to_owned(),
        Threads::Count(count) => count.to_string(),
        Threads::Percent(percent) => format!("{percent} %"),
    }
}
