//! The pinned managers: whom this node obeys.

use std::fs::File;

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::record;

use super::file::{self, Access};
use super::{NodeStore, StoreError};

const MAGIC: &[u8; 8] = b"SMSGMGR1";
const PIN: usize = 32;
const MAX_FILE: usize = record::OVERHEAD + MAX_MANAGERS * PIN;

/// The pinned managers in the order in which they were pinned. The first holds desired state, the
/// others read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers(Vec<Fingerprint, MAX_MANAGERS>);

impl Managers {
    /// The one that holds desired state.
    pub fn first(&self) -> Option<Fingerprint> {
        self.0.first().copied()
    }

    /// Whether this key is pinned.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.0.contains(fingerprint)
    }

    /// Whether nobody is pinned.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.iter()
    }
}

impl NodeStore {
    /// The pinned managers; none if the file is missing.
    pub fn managers(&self) -> Result<Managers, StoreError> {
        let path = self.dirs().managers();
        // The bound is small: at most four pins.
        let Some(bytes) = file::read(&path, Access::Private, MAX_FILE as u64)? else {
            return Ok(Managers::default());
        };
        let damaged = || StoreError::Damaged(path.clone());
        let body = record::decode(MAGIC, &bytes).map_err(|_| damaged())?;
        let (pins, rest) = body.as_chunks::<PIN>();
        if !rest.is_empty() {
            return Err(damaged());
        }
        let pins = pins.iter().map(|pin| Fingerprint(*pin)).collect();
        Ok(Managers(pins))
    }

    /// Pins a manager behind those that are there; on disk when this returns. Pinning one twice
    /// changes nothing. `own` is this node's fingerprint: a node never pins itself.
    pub fn pin_manager(&self, own: Fingerprint, pin: Fingerprint) -> Result<(), StoreError> {
        if pin == own {
            return Err(StoreError::OwnFingerprint);
        }
        let _lock = self.lock()?;
        let mut managers = self.managers()?;
        if managers.contains(&pin) {
            return Ok(());
        }
        managers
            .0
            .push(pin)
            .map_err(|_| StoreError::TooManyManagers)?;
        self.set_managers(&managers)
    }

    /// Takes a pin back; on disk when this returns. False if there was none. The next one in order
    /// becomes the first.
    pub fn unpin_manager(&self, pin: Fingerprint) -> Result<bool, StoreError> {
        if self.managers()?.is_empty() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let mut managers = self.managers()?;
        let before = managers.0.len();
        managers.0.retain(|other| *other != pin);
        if managers.0.len() == before {
            return Ok(false);
        }
        self.set_managers(&managers)?;
        Ok(true)
    }

    fn set_managers(&self, managers: &Managers) -> Result<(), StoreError> {
        let body: Vec<u8, { MAX_MANAGERS * PIN }> = managers.iter().flat_map(|pin| pin.0).collect();
        let path = self.dirs().managers();
        let mut out = [0; MAX_FILE];
        let bytes =
            record::encode(MAGIC, &body, &mut out).map_err(|_| StoreError::TooManyManagers)?;
        file::write(&path, bytes, Access::Private)
    }

    /// Holds the node's folder against other processes that change it, until dropped.
    fn lock(&self) -> Result<File, StoreError> {
        let folder = self.dirs().node();
        let failed = |e| StoreError::Io(folder.clone(), e);
        let lock = File::open(&folder).map_err(failed)?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|e| failed(e.into()))?;
        Ok(lock)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dirs;
    use super::*;

    const OWN: Fingerprint = Fingerprint([0xee; 32]);

    fn store() -> (tempfile::TempDir, NodeStore) {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        std::fs::create_dir_all(store.dirs().node()).expect("ours");
        (root, store)
    }

    #[test]
    fn pins_keep_their_order_and_count_once() {
        let (_root, store) = store();
        assert!(store.managers().expect("none yet").is_empty());
        for pin in [1, 2, 1, 3] {
            store
                .pin_manager(OWN, Fingerprint([pin; 32]))
                .expect("room");
        }
        let managers = store.managers().expect("readable");
        assert_eq!(managers.first(), Some(Fingerprint([1; 32])));
        assert_eq!(managers.iter().count(), 3);
        assert!(managers.contains(&Fingerprint([3; 32])));
        assert!(!managers.contains(&Fingerprint([4; 32])));
    }

    #[test]
    fn a_pin_that_is_taken_back_leaves_its_place_to_the_next() {
        let (_root, store) = store();
        let [first, second] = [1, 2].map(|pin| Fingerprint([pin; 32]));
        assert!(!store.unpin_manager(first).expect("no file, no pin"));
        store.pin_manager(OWN, first).expect("room");
        store.pin_manager(OWN, second).expect("room");
        assert!(store.unpin_manager(first).expect("written"));
        assert!(!store.unpin_manager(first).expect("readable"));
        let managers = store.managers().expect("readable");
        assert_eq!(managers.iter().collect::<std::vec::Vec<_>>(), [&second]);
    }

    #[test]
    fn a_fifth_manager_is_refused() {
        let (_root, store) = store();
        for pin in 1..=4 {
            store
                .pin_manager(OWN, Fingerprint([pin; 32]))
                .expect("room");
        }
        assert!(matches!(
            store.pin_manager(OWN, Fingerprint([5; 32])),
            Err(StoreError::TooManyManagers)
        ));
        store
            .pin_manager(OWN, Fingerprint([4; 32]))
            .expect("there already");
    }

    #[test]
    fn a_node_never_pins_itself() {
        let (_root, store) = store();
        assert!(matches!(
            store.pin_manager(OWN, OWN),
            Err(StoreError::OwnFingerprint)
        ));
    }

    #[test]
    fn a_damaged_file_is_not_an_empty_one() {
        let (_root, store) = store();
        store.pin_manager(OWN, Fingerprint([1; 32])).expect("room");
        let path = store.dirs().managers();
        let mut bytes = std::fs::read(&path).expect("there");
        bytes[10] ^= 1;
        std::fs::write(&path, bytes).expect("ours");
        assert!(matches!(store.managers(), Err(StoreError::Damaged(_))));
        assert!(matches!(
            store.pin_manager(OWN, Fingerprint([2; 32])),
            Err(StoreError::Damaged(_))
        ));
    }
}
