//! The owner's word on this machine, `owner.toml`: read once, at start, and never written.
//!
//! ```text
//!   --owner FILE ─▶ has to be there ─┐
//!   owner.toml beside node.json ─────┴▶ file::read (root's or ours, nobody else writes it) ─▶ OwnerWord
//!            └ not there ─▶ everything is allowed
//! ```
//! A store that knows the word tells of no manager whom it does not let manage, and pins none. The pins
//! on disk stay as they are: the owner may think better of it.

use std::path::Path;
use std::sync::Arc;

use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_OWNER_FILE;
use miner_shared::owner::OwnerWord;

use super::file::{self, Access};
use super::managers::Managers;
use super::{NodeStore, StoreError};

impl NodeStore {
    /// The same store under the owner's word: that in `file`, which has to be there, or without one that
    /// in the folder of configuration, if there is any.
    pub fn under_owner(self, file: Option<&Path>) -> Result<Self, StoreError> {
        let path = file.map_or_else(|| self.dirs().owner(), Path::to_owned);
        let owner = match file::read(&path, Access::Owners, MAX_OWNER_FILE as u64)? {
            Some(bytes) => match OwnerWord::parse(&bytes) {
                Ok(word) => Some(Arc::new(word)),
                Err(error) => return Err(StoreError::Owner(path, error)),
            },
            None if file.is_some() => return Err(StoreError::OwnerMissing(path)),
            None => None,
        };
        Ok(Self { owner, ..self })
    }

    /// The owner's word, if it is known and there is one.
    pub fn owner(&self) -> Option<&OwnerWord> {
        self.owner.as_deref()
    }

    /// An error if the owner does not let this controller manage, under its key or the one before.
    pub(super) fn let_manage(
        &self,
        controller: Fingerprint,
        was: Option<Fingerprint>,
    ) -> Result<(), StoreError> {
        let Some(owner) = self.owner() else {
            return Ok(());
        };
        let keys = was.into_iter().chain([controller]);
        if keys.into_iter().any(|key| owner.lets_manage(&key)) {
            return Ok(());
        }
        Err(StoreError::OwnerForbids(controller.node_id()))
    }
}

impl Managers {
    /// Those of them whom the owner lets manage. A file names a controller by any key that it had and
    /// that is remembered here: a changed key is no other controller.
    pub(super) fn let_by(mut self, owner: &OwnerWord) -> Self {
        let former = &self.former;
        self.pins.retain(|pin| {
            let earlier = former.iter().filter(|keys| keys.is == pin.fingerprint);
            let mut keys = earlier.map(|keys| keys.was).chain([pin.fingerprint]);
            keys.any(|key| owner.lets_manage(&key))
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use miner_shared::identity::Statement;

    use super::super::testing::{OWN, key, keys, order, pinned, store};
    use super::*;

    /// The store under a word that stands where it is looked for.
    fn told(store: &NodeStore, word: &str) -> Result<NodeStore, StoreError> {
        let path = store.dirs().owner();
        file::write(&path, word.as_bytes(), Access::Owners).expect("ours");
        store.clone().under_owner(None)
    }

    #[test]
    fn without_a_file_everything_is_allowed_unless_one_was_named() {
        let (root, store) = store();
        let free = store.clone().under_owner(None).expect("nothing to read");
        assert_eq!(free.owner(), None);
        let named = root.path().join("there");
        let missing = store.under_owner(Some(&named)).expect_err("refused");
        assert!(matches!(missing, StoreError::OwnerMissing(path) if path == named));
    }

    #[test]
    fn a_file_that_is_wrong_or_that_others_may_write_is_refused() {
        let (_root, store) = store();
        let wrong = told(&store, "mine = true\nwallet = []").expect_err("refused");
        let said = wrong.to_string();
        assert!(
            said.contains("owner.toml, line 2: no key is called so"),
            "{said}"
        );
        told(&store, "mine = true").expect("right");
        let path = store.dirs().owner();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("ours");
        let writable = store.clone().under_owner(None).expect_err("refused");
        let said = writable.to_string();
        assert!(said.contains("chmod go-w"), "{said}");
        fs::remove_file(&path).expect("ours");
        std::os::unix::fs::symlink("/dev/null", &path).expect("ours");
        let link = store.under_owner(None).expect_err("refused");
        assert!(matches!(link, StoreError::Symlink(_)));
    }

    #[test]
    fn who_is_not_listed_is_neither_pinned_nor_obeyed_and_its_pin_stays() {
        let (_root, store) = store();
        pinned(&store, &[1, 2]);
        let list = format!("controllers = [\"{}\", \"{}\"]", key(2), key(3));
        let told = told(&store, &list).expect("right");
        assert_eq!(order(&told), [key(2)]);
        assert!(matches!(
            told.pin_manager(OWN, key(4)),
            Err(StoreError::OwnerForbids(id)) if id == key(4).node_id()
        ));
        told.pin_manager(OWN, key(3)).expect("listed");
        assert_eq!(order(&told), [key(2), key(3)]);
        assert_eq!(order(&store), [key(1), key(2), key(3)], "on disk");
    }

    #[test]
    fn a_listed_controller_with_a_new_key_is_no_other_controller() {
        let (_root, store) = store();
        pinned(&store, &[1]);
        let list = format!("controllers = [\"{}\"]", key(1));
        let told = told(&store, &list).expect("right");
        let chain = [
            Statement::by_old(&keys(1), &keys(10)),
            Statement::by_old(&keys(10), &keys(11)),
        ];
        told.follow_manager(None, &key(11), &chain)
            .expect("written");
        assert_eq!(order(&told), [key(11)]);
    }

    #[test]
    fn a_controller_that_a_token_names_by_its_listed_key_is_pinned_under_its_new_one() {
        let (_root, store) = store();
        let list = format!("controllers = [\"{}\"]", key(1));
        let told = told(&store, &list).expect("right");
        told.pin_successor(OWN, key(10), Some(key(1)))
            .expect("listed");
        assert_eq!(order(&told), [key(10)]);
    }
}
