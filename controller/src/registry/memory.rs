//! The registry in memory: the twin that tests run on.

use super::store::{Change, Contents, Durable, Store, StoreError};

/// A store that forgets when it is dropped.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    rows: Contents,
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Contents, StoreError> {
        Ok(self.rows.clone())
    }

    fn commit(&mut self, batch: &[Change], _: Durable) -> Result<(), StoreError> {
        let goes_back = |change: &Change| match change {
            Change::PutDesired(key, row) => self
                .rows
                .desired
                .get(key)
                .is_some_and(|old| row.generation <= old.generation),
            _ => false,
        };
        if batch.iter().any(goes_back) {
            return Err(StoreError::Conflict);
        }
        batch.iter().for_each(|change| self.rows.apply(change));
        Ok(())
    }
}
