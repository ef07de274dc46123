//! The pinned managers: whom this node obeys, and which keys they had before.
//!
//! ```text
//! SMSGMGR2  number of pins 1
//!           each pin:         fingerprint 32 | 1 if it has a recovery key 1 | that, or zero 32 | counter 8
//!           each former key:  fingerprint 32 | the one that took its place 32
//! SMSGMGR1  fingerprints, 32 each; read, and written anew as the other at the next change
//! ```
//! Former keys are remembered (`follow` writes them): a service file may still name one by
//! `--fingerprint` or a token, and must not pin it again, since it may have been replaced because it was
//! stolen.

use std::fs::File;

use heapless::Vec;
use miner_shared::identity::{Fingerprint, Pin};
use miner_shared::limits::{MAX_MANAGERS, SIGNATURE};
use miner_shared::record;

use super::file::{self, Access};
use super::{NodeStore, StoreError};

const MAGIC: &[u8; 8] = b"SMSGMGR2";
const MAGIC_1: &[u8; 8] = b"SMSGMGR1";
const FINGERPRINT: usize = 32;
const PIN: usize = FINGERPRINT + 1 + 32 + 8;
const FORMER: usize = 2 * FINGERPRINT;
/// Former keys that are remembered: two changes of each manager. The oldest falls out.
const MAX_FORMER: usize = 2 * MAX_MANAGERS;
const MAX_BODY: usize = 1 + MAX_MANAGERS * PIN + MAX_FORMER * FORMER;
const MAX_FILE: usize = record::OVERHEAD + MAX_BODY;

/// The pinned managers in their order. The first holds desired state, the others read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Managers {
    pub(super) pins: Vec<Pin, MAX_MANAGERS>,
    pub(super) former: Vec<Former, MAX_FORMER>,
}

/// A key that was a manager's, and the one that manager has now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Former {
    pub(super) was: Fingerprint,
    pub(super) is: Fingerprint,
}

impl FromIterator<Pin> for Managers {
    /// Of more pins than may be, those in front.
    fn from_iter<I: IntoIterator<Item = Pin>>(pins: I) -> Self {
        Self {
            pins: pins.into_iter().take(MAX_MANAGERS).collect(),
            former: Vec::new(),
        }
    }
}

impl Managers {
    /// The one that holds desired state.
    pub fn first(&self) -> Option<Fingerprint> {
        self.iter().next().copied()
    }

    /// Whether this key is pinned.
    pub fn contains(&self, fingerprint: &Fingerprint) -> bool {
        self.pin(fingerprint).is_some()
    }

    /// Whether nobody is pinned.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }

    /// The keys of all of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.pins.iter().map(|pin| &pin.fingerprint)
    }

    /// All of them, in order.
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// What is known of the manager with this key.
    pub fn pin(&self, of: &Fingerprint) -> Option<&Pin> {
        self.pins.iter().find(|pin| pin.fingerprint == *of)
    }

    /// The key of the manager that `names` fits, by the key that is pinned or by one that it had before;
    /// in the latter case the manager may have been unpinned since.
    pub fn named(&self, names: impl Fn(&Fingerprint) -> bool) -> Option<Fingerprint> {
        let pinned = self.iter().find(|key| names(key));
        let former = || self.former.iter().find(|former| names(&former.was));
        pinned.copied().or_else(|| former().map(|former| former.is))
    }

    /// The key that has taken the place of this one; itself if none is known to have.
    pub fn current(&self, key: Fingerprint) -> Fingerprint {
        self.named(|known| *known == key).unwrap_or(key)
    }

    pub(super) fn encode(&self) -> Vec<u8, MAX_BODY> {
        let count = u8::try_from(self.pins.len()).unwrap_or(u8::MAX);
        let pins = self.pins.iter().flat_map(|pin| {
            let flag = [u8::from(pin.recovery.is_some())];
            let recovery = pin.recovery.unwrap_or_default();
            let key = pin.fingerprint.0.into_iter().chain(flag);
            key.chain(recovery).chain(pin.counter.to_le_bytes())
        });
        let former = &self.former;
        let former = former
            .iter()
            .flat_map(|f| f.was.0.into_iter().chain(f.is.0));
        [count].into_iter().chain(pins).chain(former).collect()
    }

    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let (count, rest) = body.split_first()?;
        let (pins, former) = rest.split_at_checked(usize::from(*count) * PIN)?;
        let (former, []) = former.as_chunks::<FORMER>() else {
            return None;
        };
        let mut all = Self::default();
        for pin in pins.as_chunks::<PIN>().0 {
            all.pins.push(decode_pin(pin)?).ok()?;
        }
        for keys in former {
            let (was, is) = keys.split_first_chunk()?;
            let (was, is) = (Fingerprint(*was), Fingerprint(is.try_into().ok()?));
            all.former.push(Former { was, is }).ok()?;
        }
        Some(all)
    }

    /// The pins of a file of version 1.
    fn decode_1(body: &[u8]) -> Option<Self> {
        let (keys, []) = body.as_chunks::<FINGERPRINT>() else {
            return None;
        };
        let mut all = Self::default();
        for key in keys {
            all.pins.push(Pin::new(Fingerprint(*key))).ok()?;
        }
        Some(all)
    }
}

fn decode_pin(bytes: &[u8; PIN]) -> Option<Pin> {
    let (fingerprint, rest) = bytes.split_first_chunk()?;
    let ([flag], rest) = rest.split_first_chunk()?;
    let (recovery, counter) = rest.split_first_chunk::<32>()?;
    let recovery = match flag {
        0 if *recovery == [0; 32] => None,
        1 => Some(*recovery),
        _ => return None,
    };
    Some(Pin {
        fingerprint: Fingerprint(*fingerprint),
        recovery,
        counter: u64::from_le_bytes(counter.try_into().ok()?),
    })
}

impl NodeStore {
    /// The pinned managers whom the owner lets manage; none if the file is missing.
    pub fn managers(&self) -> Result<Managers, StoreError> {
        let managers = self.pinned()?;
        Ok(match self.owner() {
            Some(owner) => managers.let_by(owner),
            None => managers,
        })
    }

    /// All pinned managers, as the file has them.
    fn pinned(&self) -> Result<Managers, StoreError> {
        let path = self.dirs().managers();
        let Some(bytes) = file::read(&path, Access::Private, MAX_FILE as u64)? else {
            return Ok(Managers::default());
        };
        let managers = match record::decode(MAGIC, &bytes) {
            Ok(body) => Managers::decode(body),
            Err(_) => record::decode(MAGIC_1, &bytes)
                .ok()
                .and_then(Managers::decode_1),
        };
        managers.ok_or(StoreError::Damaged(path))
    }

    /// Pins a manager behind those that are there; on disk when this returns. Pinning one twice
    /// changes nothing. `own` is this node's fingerprint: a node never pins itself.
    pub fn pin_manager(&self, own: Fingerprint, pin: Fingerprint) -> Result<(), StoreError> {
        self.pin_successor(own, pin, None)
    }

    /// The same for a manager that was named to this node by an earlier key, which is remembered.
    pub fn pin_successor(
        &self,
        own: Fingerprint,
        pin: Fingerprint,
        was: Option<Fingerprint>,
    ) -> Result<(), StoreError> {
        if pin == own {
            return Err(StoreError::OwnFingerprint);
        }
        self.let_manage(pin, was)?;
        self.change_managers(|managers| {
            if managers.contains(&pin) {
                return Ok(false);
            }
            managers.former.retain(|former| former.was != pin);
            let added = managers.pins.push(Pin::new(pin));
            added.map_err(|_| StoreError::TooManyManagers)?;
            if let Some(was) = was {
                managers.remember(was, pin);
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Takes a pin back; on disk when this returns. False if there was none. The next one in order
    /// becomes the first.
    pub fn unpin_manager(&self, pin: Fingerprint) -> Result<bool, StoreError> {
        if self.pinned()?.is_empty() {
            return Ok(false);
        }
        self.change_managers(|managers| {
            let before = managers.pins.len();
            managers.pins.retain(|other| other.fingerprint != pin);
            Ok(managers.pins.len() != before)
        })
    }

    /// Puts a pinned manager first; on disk when this returns. False if it is first already, or not
    /// pinned.
    pub fn put_manager_first(&self, manager: Fingerprint) -> Result<bool, StoreError> {
        self.change_managers(|managers| {
            let place = managers.iter().position(|key| *key == manager);
            let upto = place.and_then(|place| managers.pins.get_mut(..=place));
            let upto = upto.unwrap_or_default();
            upto.rotate_right(upto.len().min(1));
            Ok(upto.len() > 1)
        })
    }

    /// Pins the recovery key of a manager; on disk when this returns. False if it is pinned already,
    /// or may not be ([`Pin::may_pin_recovery`]), or the manager is not pinned.
    pub fn pin_recovery(
        &self,
        manager: Fingerprint,
        key: &[u8; 32],
        proof: Option<&[u8; SIGNATURE]>,
    ) -> Result<bool, StoreError> {
        self.change_managers(|managers| {
            // What this key has said for another pin is not to be followed again.
            let said = |pin: &&Pin| pin.recovery == Some(*key);
            let counter = managers.pins.iter().filter(said).map(|pin| pin.counter);
            let counter = counter.max().unwrap_or_default();
            let mut pins = managers.pins.iter_mut();
            let Some(pin) = pins.find(|pin| pin.fingerprint == manager) else {
                return Ok(false);
            };
            if pin.recovery == Some(*key) || !pin.may_pin_recovery(key, proof) {
                return Ok(false);
            }
            (pin.recovery, pin.counter) = (Some(*key), counter);
            Ok(true)
        })
    }

    /// Changes the list under the folder's lock; on disk when this returns, if `change` says that
    /// there is a change.
    pub(super) fn change_managers(
        &self,
        change: impl FnOnce(&mut Managers) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let _lock = self.lock()?;
        let mut managers = self.pinned()?;
        let changed = change(&mut managers)?;
        if changed {
            let path = self.dirs().managers();
            let mut out = [0; MAX_FILE];
            let bytes = record::encode(MAGIC, &managers.encode(), &mut out)
                .map_err(|_| StoreError::TooManyManagers)?;
            file::write(&path, bytes, Access::Private)?;
        }
        Ok(changed)
    }

    /// Holds the node's folder against other processes that change it, until dropped.
    pub(super) fn lock(&self) -> Result<File, StoreError> {
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
    use miner_shared::identity::RecoveryKey;

    use super::super::testing::{OWN, key, order, pinned, recovery, store};
    use super::*;

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

    #[test]
    fn another_recovery_key_needs_the_word_of_the_one_before() {
        let (_root, store) = store();
        pinned(&store, &[1]);
        let (first, next) = (recovery(7), recovery(8));
        let [own, proof] = [&next, &first].map(|by| by.hand_over(&next));
        let pin = |new: &RecoveryKey, proof| store.pin_recovery(key(1), &new.public(), proof);
        assert!(pin(&first, None).expect("written"));
        assert!(!pin(&next, None).expect("readable"));
        assert!(!pin(&next, Some(&own)).expect("readable"));
        assert!(pin(&next, Some(&proof)).expect("written"));
        let managers = store.managers().expect("readable");
        assert_eq!(managers.pins()[0].recovery, Some(next.public()));
        let nobody = store.pin_recovery(key(5), &first.public(), None);
        assert!(!nobody.expect("readable"));
    }

    #[test]
    fn a_manager_is_put_first_and_the_others_keep_their_order() {
        let (_root, store) = store();
        pinned(&store, &[1, 2, 3, 4]);
        assert!(store.put_manager_first(key(3)).expect("written"));
        assert_eq!(order(&store), [key(3), key(1), key(2), key(4)]);
        assert!(!store.put_manager_first(key(3)).expect("readable"), "it is");
        assert!(
            !store.put_manager_first(key(9)).expect("readable"),
            "nobody"
        );
        assert_eq!(order(&store), [key(3), key(1), key(2), key(4)]);
    }

    #[test]
    fn a_file_of_version_1_is_read_and_written_anew_at_the_next_change() {
        let (_root, store) = store();
        let path = store.dirs().managers();
        let mut out = [0; 128];
        let body = [[1; 32], [2; 32]].concat();
        let bytes = record::encode(MAGIC_1, &body, &mut out).expect("fits");
        file::write(&path, bytes, Access::Private).expect("ours");
        let managers = store.managers().expect("readable");
        assert_eq!(
            managers.pins(),
            [1, 2].map(|pin| Pin::new(Fingerprint([pin; 32])))
        );
        pinned(&store, &[3]);
        let bytes = std::fs::read(&path).expect("there");
        assert!(bytes.starts_with(MAGIC));
        assert_eq!(order(&store).len(), 3);
    }
}
