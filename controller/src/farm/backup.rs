//! A backup of this controller: its rows as they are now, its files, sealed.

use miner_agent::store::{Dirs, system_rng};

use super::Farm;
use crate::backup::{self, ArchiveError, Recipient, SealError};
use crate::error::{Code, FarmError};
use crate::registry::RedbStore;

impl Farm {
    /// Everything that makes this controller, sealed to the recipient. The rows are those of one moment;
    /// the disk is asked without the lock, so call it where waiting is allowed.
    pub fn backup(&self, dirs: &Dirs, recipient: &Recipient) -> Result<Vec<u8>, FarmError> {
        let rows = self.lock().registry.contents().clone();
        let registry = RedbStore::copy(&rows, dirs.data())?;
        let now = self.clock.now().wall;
        let archive = backup::collect(dirs, registry, self.me.fingerprint(), now)?;
        let sealed = backup::seal(&archive.encode()?, recipient, &mut system_rng())?;
        backup::note_made(dirs, now)?;
        Ok(sealed)
    }
}

impl From<ArchiveError> for FarmError {
    fn from(error: ArchiveError) -> Self {
        Self::new(Code::InternalError, format!("no backup was made: {error}"))
    }
}

impl From<SealError> for FarmError {
    fn from(error: SealError) -> Self {
        Self::new(Code::InvalidInput, error.to_string()).field("recipient")
    }
}
