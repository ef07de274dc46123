//! What the tests of the pins share: nodes and recovery keys named by a number.

use std::vec::Vec;

use miner_shared::identity::{Fingerprint, NodeKeys, RecoveryKey};

use super::{Dirs, NodeStore};

/// The key of the node whose pins these are.
pub(super) const OWN: Fingerprint = Fingerprint([0xee; 32]);

pub(super) fn store() -> (tempfile::TempDir, NodeStore) {
    let root = tempfile::tempdir().expect("temporary folder");
    let store = NodeStore::new(Dirs::below(root.path()));
    std::fs::create_dir_all(store.dirs().node()).expect("ours");
    (root, store)
}

pub(super) fn keys(seed: u8) -> NodeKeys {
    NodeKeys::from_seed(&[seed; 32])
}

pub(super) fn key(seed: u8) -> Fingerprint {
    keys(seed).fingerprint()
}

pub(super) fn recovery(seed: u8) -> RecoveryKey {
    RecoveryKey::generate(&mut Same(seed))
}

/// Pins these, in this order.
pub(super) fn pinned(store: &NodeStore, seeds: &[u8]) {
    for seed in seeds {
        store.pin_manager(OWN, key(*seed)).expect("room");
    }
}

/// The pinned keys, in their order.
pub(super) fn order(store: &NodeStore) -> Vec<Fingerprint> {
    let managers = store.managers().expect("readable");
    managers.iter().copied().collect()
}

/// One byte again and again.
struct Same(u8);

impl rand_core::TryRng for Same {
    type Error = rand_core::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.into())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.into())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(self.0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Same {}

/// Another byte each time.
pub(super) struct Counting(pub(super) u8);

impl rand_core::TryRng for Counting {
    type Error = rand_core::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.0 = self.0.wrapping_add(1);
        Ok(self.0.into())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        self.try_next_u32().map(u64::from)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0 = self.0.wrapping_add(1);
        out.fill(self.0);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counting {}
