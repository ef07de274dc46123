//! A manager with a new key gets the place of its old one.
//!
//! ```text
//!   peer (proven key P) shows: A ─old─▶ B,  B ─old─▶ P          pins  A  M      ─▶  P  M
//!                              recovery key of A ─▶ P           pins  A  P  M   ─▶  P  M    a standby goes first
//!                              anything else                    pins  A  M          as they were
//! ```
//! Each pin is asked whether the statements lead from it to the peer's key: first by words of old keys
//! alone, then with those of a recovery key, which count for the first pin that holds it. A peer that
//! is pinned already stands once afterwards, at the better of the two places.
//!
//! A stranger, who may show any four statements, makes us check one signature for each that names a
//! pinned key (two, if the pin has a recovery key), and one for each and each different recovery key.

use miner_shared::identity::{Fingerprint, Pin, Signer, Statement};

use super::managers::{Former, Managers};
use super::{NodeStore, StoreError};

/// A manager whose key has taken another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The key that was pinned. The new one itself, if no more than its counter is new.
    pub was: Fingerprint,
    /// Whose word the last step was.
    pub by: Signer,
}

/// The pin after it has followed the statements, and whose word the last step was; `None` if that does
/// not end at `to`, or took no step.
pub(crate) fn lead<'s>(
    mut pin: Pin,
    to: &Fingerprint,
    statements: impl Iterator<Item = &'s Statement>,
) -> Option<(Pin, Signer)> {
    let steps = statements.filter(|statement| pin.follow(statement));
    let by = steps.last()?.signer();
    (pin.fingerprint == *to).then_some((pin, by))
}

impl Managers {
    /// What the module head says. `expected`: the only pin that counts. `None`, and nothing has
    /// changed, if the chain leads from no pin to it.
    fn follow(
        &mut self,
        expected: Option<&Fingerprint>,
        to: &Fingerprint,
        chain: &[Statement],
    ) -> Option<Followed> {
        let pins = &self.pins;
        let asked = pins
            .iter()
            .filter(|pin| expected.is_none_or(|only| pin.fingerprint == *only));
        let by_old = chain.iter().filter(|s| s.signer() == Signer::Old);
        let first_holder =
            |pin: &&Pin| pins.iter().find(|other| other.recovery == pin.recovery) == Some(*pin);
        let by_old = asked
            .clone()
            .find_map(|pin| Some((*pin, lead(*pin, to, by_old.clone())?)));
        let led = by_old.or_else(|| {
            asked
                .filter(|pin| expected.is_some() || first_holder(pin))
                .find_map(|pin| Some((*pin, lead(*pin, to, chain.iter())?)))
        });
        let (before, (after, by)) = led?;
        if after == before {
            return None;
        }
        self.replace(before.fingerprint, after);
        let was = before.fingerprint;
        Some(Followed { was, by })
    }

    /// Puts the pin where `was` stands, or where its own key does if that is the better place.
    fn replace(&mut self, was: Fingerprint, mut pin: Pin) {
        let is = pin.fingerprint;
        if pin.recovery.is_none()
            && let Some(own) = self.pin(&is)
        {
            pin = *own;
        }
        let concerned = |pin: &Pin| pin.fingerprint == was || pin.fingerprint == is;
        let place = self.pins.iter().position(concerned).unwrap_or_default();
        self.pins.retain(|pin| !concerned(pin));
        // There is room: one was taken out at least, at `place` or behind it.
        let _ = self.pins.insert(place, pin);
        // The counter orders the words of one recovery key: none is to be heard again for another pin.
        for other in &mut self.pins {
            if other.recovery == pin.recovery {
                other.counter = other.counter.max(pin.counter);
            }
        }
        if was != is {
            self.remember(was, is);
        }
    }

    pub(super) fn remember(&mut self, was: Fingerprint, is: Fingerprint) {
        self.former
            .retain(|former| former.was != was && former.was != is);
        for former in &mut self.former {
            if former.is == was {
                former.is = is;
            }
        }
        if self.former.is_full() {
            self.former.remove(0);
        }
        // There is room: the oldest has just made some.
        let _ = self.former.push(Former { was, is });
    }
}

impl NodeStore {
    /// Follows a peer that has proven the key `to` and shown this chain; on disk when this returns.
    /// `expected`: the only pin whose place it may take. `None` if it takes none's.
    pub fn follow_manager(
        &self,
        expected: Option<&Fingerprint>,
        to: &Fingerprint,
        chain: &[Statement],
    ) -> Result<Option<Followed>, StoreError> {
        // Strangers come here: nothing is locked for them.
        if chain.is_empty() || self.managers()?.follow(expected, to, chain).is_none() {
            return Ok(None);
        }
        let mut followed = None;
        self.change_managers(|managers| {
            followed = managers.follow(expected, to, chain);
            Ok(followed.is_some())
        })?;
        Ok(followed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{key, keys, order, pinned, recovery, store};
    use super::*;

    #[test]
    fn a_successor_gets_its_predecessor_s_place_and_the_old_key_is_none_any_more() {
        let (_root, store) = store();
        pinned(&store, &[1, 2, 3]);
        let chain = [
            Statement::by_old(&keys(2), &keys(20)),
            Statement::by_old(&keys(20), &keys(21)),
        ];
        let followed = store.follow_manager(None, &key(21), &chain);
        let expected = Followed {
            was: key(2),
            by: Signer::Old,
        };
        assert_eq!(followed.expect("written"), Some(expected));
        assert_eq!(order(&store), [key(1), key(21), key(3)]);
        let again = store.follow_manager(None, &key(21), &chain);
        assert_eq!(again.expect("readable"), None, "nothing new");

        let managers = store.managers().expect("readable");
        assert_eq!(
            managers.current(key(2)),
            key(21),
            "what a service file names"
        );
        assert_eq!(managers.current(key(9)), key(9));
        let prefix = key(2).prefix();
        assert_eq!(managers.named(|k| k.prefix() == prefix), Some(key(21)));
        let chain = [Statement::by_old(&keys(21), &keys(22))];
        store
            .follow_manager(None, &key(22), &chain)
            .expect("written");
        let managers = store.managers().expect("readable");
        assert_eq!(managers.current(key(2)), key(22), "through both changes");
    }

    #[test]
    fn a_chain_from_nobody_or_to_somebody_else_changes_nothing() {
        let (_root, store) = store();
        pinned(&store, &[1, 2]);
        let before = store.managers().expect("readable");
        let honest = Statement::by_old(&keys(1), &keys(10));
        let strange = Statement::by_old(&keys(8), &keys(9));
        let unasked = Statement::by_recovery(&recovery(7), &keys(9), 1);
        for (to, chain) in [
            (9, &[strange.clone()][..]),
            (9, std::slice::from_ref(&honest)),
            (9, &[unasked]),
            (9, &[honest.clone(), strange]),
            (10, &[]),
        ] {
            let followed = store.follow_manager(None, &key(to), chain);
            assert_eq!(followed.expect("readable"), None);
        }
        let other = store.follow_manager(Some(&key(2)), &key(10), &[honest]);
        assert_eq!(other.expect("readable"), None, "another pin was expected");
        assert_eq!(store.managers().expect("readable"), before);
    }

    #[test]
    fn a_removed_manager_s_successor_is_nobody() {
        let (_root, store) = store();
        pinned(&store, &[1, 2]);
        store.unpin_manager(key(2)).expect("written");
        let chain = [Statement::by_old(&keys(2), &keys(20))];
        let followed = store.follow_manager(None, &key(20), &chain);
        assert_eq!(followed.expect("readable"), None);
    }

    #[test]
    fn the_recovery_key_puts_a_standby_first_and_is_heard_once() {
        let (_root, store) = store();
        pinned(&store, &[1, 2, 3]);
        for seed in [1, 3] {
            let public = recovery(7).public();
            assert!(
                store
                    .pin_recovery(key(seed), &public, None)
                    .expect("written")
            );
            assert!(
                !store
                    .pin_recovery(key(seed), &public, None)
                    .expect("readable")
            );
        }
        // A thief of the first key has moved on already.
        let theft = [Statement::by_old(&keys(1), &keys(66))];
        store
            .follow_manager(None, &key(66), &theft)
            .expect("written");
        assert_eq!(order(&store), [key(66), key(2), key(3)]);
        let chain = [Statement::by_recovery(&recovery(7), &keys(2), 1)];
        let followed = store
            .follow_manager(None, &key(2), &chain)
            .expect("written");
        let expected = Followed {
            was: key(66),
            by: Signer::Recovery,
        };
        assert_eq!(followed, Some(expected));
        assert_eq!(order(&store), [key(2), key(3)]);
        // Shown on the next link too: it must not take the place of the other pin with this key.
        let again = store.follow_manager(None, &key(2), &chain);
        assert_eq!(again.expect("readable"), None);
        assert_eq!(order(&store), [key(2), key(3)]);
        let too_late = store.follow_manager(None, &key(66), &theft);
        assert_eq!(too_late.expect("readable"), None);
        store.unpin_manager(key(2)).expect("written");
        let again = store.follow_manager(None, &key(2), &chain);
        assert_eq!(again.expect("readable"), None, "nor after its removal");
    }

    #[test]
    fn a_word_of_the_recovery_key_for_the_key_that_is_pinned_moves_nobody() {
        let (_root, store) = store();
        pinned(&store, &[2, 3]);
        for seed in [2, 3] {
            let public = recovery(7).public();
            store
                .pin_recovery(key(seed), &public, None)
                .expect("written");
        }
        let chain = [Statement::by_recovery(&recovery(7), &keys(2), 4)];
        let followed = store
            .follow_manager(None, &key(2), &chain)
            .expect("written");
        assert_eq!(followed.map(|f| f.was), Some(key(2)));
        assert_eq!(order(&store), [key(2), key(3)]);
        let managers = store.managers().expect("readable");
        assert!(managers.pins().iter().all(|pin| pin.counter == 4));
    }

    #[test]
    fn a_key_named_again_by_an_old_service_file_keeps_the_better_place() {
        let (_root, store) = store();
        pinned(&store, &[10, 2, 1]);
        let chain = [Statement::by_old(&keys(1), &keys(10))];
        store
            .follow_manager(None, &key(10), &chain)
            .expect("written");
        assert_eq!(order(&store), [key(10), key(2)]);
    }

    #[test]
    fn the_fullest_list_comes_back_as_it_was() {
        let (_root, store) = store();
        pinned(&store, &[1, 2, 3, 4]);
        let public = recovery(7).public();
        store.pin_recovery(key(4), &public, None).expect("written");
        for seed in 10..20 {
            let old = if seed == 10 { 1 } else { seed - 1 };
            let chain = [Statement::by_old(&keys(old), &keys(seed))];
            store
                .follow_manager(None, &key(seed), &chain)
                .expect("written");
        }
        let managers = store.managers().expect("readable");
        assert!(managers.former.is_full());
        let again = Managers::decode(&managers.encode());
        assert_eq!(again.as_ref(), Some(&managers));
        assert_eq!(managers.current(key(18)), key(19));
        assert_eq!(
            managers.current(key(1)),
            key(1),
            "ten changes ago: forgotten"
        );
    }
}
