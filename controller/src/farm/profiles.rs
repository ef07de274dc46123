//! Profiles: named ways to mine.

use miner_shared::wire::Profile;

use super::view::ProfileView;
use super::{Farm, errors, show};
use crate::error::FarmError;
use crate::registry::{ProfileId, RegistryError};

impl Farm {
    /// All profiles, by id.
    pub fn profiles(&self) -> Result<Vec<ProfileView>, FarmError> {
        let core = self.lock();
        let registry = &core.registry;
        Ok(registry
            .profiles()
            .map(|(id, row)| show::profile(id, row, registry))
            .collect())
    }

    /// One profile, by id or name.
    pub fn profile(&self, text: &str) -> Result<ProfileView, FarmError> {
        let core = self.lock();
        let id = ProfileId::of(text);
        let row = core
            .registry
            .profile(&id)
            .ok_or_else(|| errors::registry(RegistryError::NoSuchProfile, text))?;
        Ok(show::profile(&id, row, &core.registry))
    }

    /// Stores a new profile; its id is the slug of its name. It needs at least one pool.
    pub fn create_profile(&self, profile: Profile) -> Result<ProfileView, FarmError> {
        let name = profile.name.clone();
        self.with(|_, env| env.registry.create_profile(profile, env.now.wall))
            .map_err(|error| errors::registry(error, name.as_str()))?;
        self.profile(name.as_str())
    }

    /// Deletes a profile that no rig is told to mine with.
    pub fn delete_profile(&self, text: &str) -> Result<(), FarmError> {
        let id = ProfileId::of(text);
        self.with(|_, env| env.registry.delete_profile(&id))
            .map_err(|error| errors::registry(error, text))
    }
}
