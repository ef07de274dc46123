//! The one-time pairing code that waits for its manager.
//!
//! It lives in a private file, so that `miner peer pair` can make one for a `node serve` that runs
//! already, and so that a restart does not take back what the owner has just read. Its 15 minutes
//! are counted by the kernel's own clock, which nobody sets; a code of an earlier boot is void.
//!
//! ```text
//!   body:  kernel boot id 16 | ends at, ms since boot, u64 LE | the code as text
//! ```

use miner_shared::identity::PairingCode;
use miner_shared::limits::PAIRING_MS;
use miner_shared::record;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::file::{self, Access};
use super::{NodeStore, StoreError};
use crate::platform;

const MAGIC: &[u8; 8] = b"SMSGPAI1";
const MAX_FILE: usize = 128;

/// A moment of the kernel: which boot, and how long after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct KernelTime {
    boot: [u8; 16],
    ms: u64,
}

impl KernelTime {
    fn now() -> Self {
        Self {
            boot: platform::kernel_boot_id().unwrap_or_default(),
            ms: platform::uptime_ms().unwrap_or_default(),
        }
    }
}

impl NodeStore {
    /// Makes a new code, good for 15 minutes; an earlier one is void from now on.
    pub fn new_pairing(&self, rng: &mut dyn CryptoRng) -> Result<PairingCode, StoreError> {
        self.new_pairing_at(KernelTime::now(), rng)
    }

    /// The code that waits, if it is not over; `None` also where the file cannot be read.
    pub fn pairing(&self) -> Option<PairingCode> {
        self.pairing_at(KernelTime::now())
    }

    /// Makes the code void: it was used, or shall not be.
    pub fn end_pairing(&self) -> Result<(), StoreError> {
        file::remove(&self.dirs().pairing())
    }

    fn new_pairing_at(
        &self,
        now: KernelTime,
        rng: &mut dyn CryptoRng,
    ) -> Result<PairingCode, StoreError> {
        let code = PairingCode::generate(rng);
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_FILE));
        body.extend_from_slice(&now.boot);
        body.extend_from_slice(&(now.ms + PAIRING_MS).to_le_bytes());
        body.extend_from_slice(Zeroizing::new(code.to_string()).as_bytes());
        let path = self.dirs().pairing();
        let mut out = Zeroizing::new([0; MAX_FILE]);
        let bytes = record::encode(MAGIC, &body, &mut *out)
            .map_err(|_| StoreError::Damaged(path.clone()))?;
        file::write(&path, bytes, Access::Private)?;
        Ok(code)
    }

    fn pairing_at(&self, now: KernelTime) -> Option<PairingCode> {
        let path = self.dirs().pairing();
        let bytes = file::read(&path, Access::Private, MAX_FILE as u64).ok()??;
        let bytes = Zeroizing::new(bytes);
        let body = record::decode(MAGIC, &bytes).ok()?;
        let (boot, body) = body.split_first_chunk::<16>()?;
        let (ends, text) = body.split_first_chunk::<8>()?;
        if *boot != now.boot || now.ms >= u64::from_le_bytes(*ends) {
            return None;
        }
        str::from_utf8(text).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dirs, system_rng};
    use super::*;

    const BOOT: KernelTime = KernelTime {
        boot: [7; 16],
        ms: 1_000,
    };

    fn later(ms: u64) -> KernelTime {
        KernelTime {
            ms: BOOT.ms + ms,
            ..BOOT
        }
    }

    fn store() -> (tempfile::TempDir, NodeStore) {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        (root, store)
    }

    #[test]
    fn a_code_holds_for_fifteen_minutes_of_this_boot() {
        let (_root, store) = store();
        let made = store
            .new_pairing_at(BOOT, &mut system_rng())
            .expect("written");
        let found = store.pairing_at(later(PAIRING_MS - 1)).expect("still good");
        assert_eq!(found.secret(), made.secret());
        assert!(store.pairing_at(later(PAIRING_MS)).is_none());
        let other_boot = KernelTime {
            boot: [8; 16],
            ..BOOT
        };
        assert!(store.pairing_at(other_boot).is_none());
    }

    #[test]
    fn a_new_code_and_a_used_one_void_the_old() {
        let (_root, store) = store();
        let old = store.new_pairing(&mut system_rng()).expect("written");
        let new = store.new_pairing(&mut system_rng()).expect("written");
        assert_ne!(old.token_id(), new.token_id());
        let found = store.pairing().expect("the new one");
        assert_eq!(found.token_id(), new.token_id());
        store.end_pairing().expect("removed");
        assert!(store.pairing().is_none());
    }
}
