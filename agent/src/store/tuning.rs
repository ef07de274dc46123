//! What `miner tune` found, for the processor that it was found on: another processor in its place, or
//! fewer of them, makes it void.
//!
//! ```text
//!   body, by postcard:  processor, text | processors | threads, if another number | ways | prefetch by name
//! ```

use miner_engine::{MAX_WAYS, Prefetch};
use miner_shared::record;

use super::file::{self, Access};
use super::{NodeStore, StoreError};
use crate::mining::tuned::Tuned;
use crate::platform;

const MAGIC: &[u8; 8] = b"SMSGTUN1";
const MAX_FILE: usize = 256;

type Body<'a> = (&'a str, u16, Option<u16>, u8, &'a str);

impl NodeStore {
    /// What was tuned here; `None` if nothing was, or on another processor.
    pub fn tuning(&self) -> Result<Option<Tuned>, StoreError> {
        let path = self.dirs().tuning();
        let Some(bytes) = file::read(&path, Access::Private, MAX_FILE as u64)? else {
            return Ok(None);
        };
        let damaged = || StoreError::Damaged(path.clone());
        let body = record::decode(MAGIC, &bytes).map_err(|_| damaged())?;
        let (cpu, cpus, threads, ways, prefetch): Body<'_> =
            postcard::from_bytes(body).map_err(|_| damaged())?;
        if (cpu, cpus) != (platform::cpu_model().as_str(), platform::cpus()) {
            return Ok(None);
        }
        let mut known = Prefetch::ALL.iter();
        Ok(Some(Tuned {
            threads,
            ways: usize::from(ways).clamp(1, MAX_WAYS),
            prefetch: *known
                .find(|known| known.name() == prefetch)
                .ok_or_else(damaged)?,
        }))
    }

    /// Keeps what was tuned, for this processor.
    pub fn set_tuning(&self, tuned: Tuned) -> Result<(), StoreError> {
        let path = self.dirs().tuning();
        let damaged = || StoreError::Damaged(path.clone());
        let cpu = platform::cpu_model();
        let ways = u8::try_from(tuned.ways).unwrap_or(u8::MAX);
        let prefetch = tuned.prefetch.name();
        let content: Body<'_> = (
            cpu.as_str(),
            platform::cpus(),
            tuned.threads,
            ways,
            prefetch,
        );
        let (mut body, mut out) = ([0; MAX_FILE - record::OVERHEAD], [0; MAX_FILE]);
        let body = postcard::to_slice(&content, &mut body).map_err(|_| damaged())?;
        let bytes = record::encode(MAGIC, body, &mut out).map_err(|_| damaged())?;
        file::write(&path, bytes, Access::Private)
    }

    /// Forgets what was tuned.
    pub fn forget_tuning(&self) -> Result<(), StoreError> {
        file::remove(&self.dirs().tuning())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dirs;
    use super::*;

    #[test]
    fn what_was_tuned_comes_back_on_the_same_processor_and_on_no_other() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        assert_eq!(store.tuning().expect("none yet"), None);
        for prefetch in Prefetch::ALL {
            let tuned = Tuned {
                threads: Some(7),
                ways: MAX_WAYS,
                prefetch: *prefetch,
            };
            store.set_tuning(tuned).expect("fits");
            assert_eq!(store.tuning().expect("readable"), Some(tuned));
        }
        let write = |content: Body<'_>| {
            let (mut body, mut out) = ([0; 200], [0; MAX_FILE]);
            let body = postcard::to_slice(&content, &mut body).expect("fits");
            let bytes = record::encode(MAGIC, body, &mut out).expect("fits");
            file::write(&store.dirs().tuning(), bytes, Access::Private).expect("written");
            store.tuning()
        };
        let (cpu, cpus) = (platform::cpu_model(), platform::cpus());
        let cpu = cpu.as_str();
        assert!(matches!(write((cpu, cpus, None, 1, "t0")), Ok(Some(_))));
        assert!(matches!(write((cpu, cpus + 1, None, 1, "t0")), Ok(None)));
        assert!(matches!(write(("other", cpus, None, 1, "t0")), Ok(None)));
        let odd = write((cpu, cpus, None, 1, "t9"));
        assert!(matches!(odd, Err(StoreError::Damaged(_))));
        store.forget_tuning().expect("removed");
        assert_eq!(store.tuning().expect("none any more"), None);
    }
}
