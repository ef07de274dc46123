//! A new key in the old one's place, so that a power cut at any moment leaves one good node.
//!
//! | cut after | `succession` | `private.key` | `node.json` | the next start |
//! |---|---|---|---|---|
//! | nothing | old | old | old | the old node |
//! | the statement | names the new key | old | old | the old node: what does not end at its key is not shown |
//! | the key | names the new key | new | old | the new node; its statements explain `node.json`, written anew |
//! | all | names the new key | new | new | the new node |
//!
//! The old seed is gone with its file; none is kept for peers that were away, because they follow the
//! statements.

use heapless::Vec;
use miner_shared::identity::{Fingerprint, NodeKeys, PublicKeys, RecoveryKey, Statement, key_file};
use miner_shared::limits::{MAX_STATEMENTS, STATEMENT};
use miner_shared::record;
use rand_core::CryptoRng;

use super::file::{self, Access};
use super::identity::Node;
use super::{NodeStore, StoreError};

const MAGIC: &[u8; 8] = b"SMSGSUC1";
const MAX_BODY: usize = MAX_STATEMENTS * STATEMENT;
const MAX_FILE: usize = record::OVERHEAD + MAX_BODY;

impl NodeStore {
    /// Makes a new key, which takes the old one's place; on disk when this returns. The oldest
    /// statement falls out where there are as many as a node shows.
    pub fn rotate(&self, rng: &mut dyn CryptoRng) -> Result<Node, StoreError> {
        let _lock = self.lock()?;
        let old = self.load()?.ok_or(StoreError::NoNode)?;
        let keys = NodeKeys::generate(rng);
        let statement = Statement::by_old(&old.keys, &keys);
        let chain = longer(old.chain, statement);
        let node = Node { keys, chain, ..old };
        self.write_chain(&node.chain)?;
        self.write_key(&node.keys)?;
        if let Err(error) = self.write_json(&node) {
            // The node is the new one all the same, and the next start tries again.
            log::warn!("public identity not written: {error}");
        }
        Ok(node)
    }

    /// Has the recovery key say that this node's key takes the place of whatever key was pinned; on disk
    /// when this returns. `counter` is above that of all that it said before.
    pub fn recover(&self, by: &RecoveryKey, counter: u64) -> Result<Node, StoreError> {
        let _lock = self.lock()?;
        let node = self.load()?.ok_or(StoreError::NoNode)?;
        let statement = Statement::by_recovery(by, &node.keys, counter);
        let chain = longer(node.chain, statement);
        self.write_chain(&chain)?;
        Ok(Node { chain, ..node })
    }

    /// The node, if its key has taken the place of this one since.
    pub fn successor(&self, of: Fingerprint) -> Result<Option<Node>, StoreError> {
        // A rig asks each second: one small file, or none, says that there is nothing to see.
        let chain = self.chain()?;
        let last = chain.last().map(|last| last.successor().fingerprint());
        if last.is_none_or(|last| last == of) {
            return Ok(None);
        }
        let node = self.load()?;
        Ok(node.filter(|node| node.fingerprint() != of && node.replaced(of)))
    }

    /// The statements that end at this key: a cut may have left one of a key that never was.
    pub(super) fn chain_to(
        &self,
        key: &PublicKeys,
    ) -> Result<Vec<Statement, MAX_STATEMENTS>, StoreError> {
        let mut chain = self.chain()?;
        while chain.last().is_some_and(|last| last.successor() != key) {
            chain.pop();
        }
        Ok(chain)
    }

    fn chain(&self) -> Result<Vec<Statement, MAX_STATEMENTS>, StoreError> {
        let path = self.dirs().succession();
        let Some(bytes) = file::read(&path, Access::Private, MAX_FILE as u64)? else {
            return Ok(Vec::new());
        };
        let chain = record::decode(MAGIC, &bytes).ok().and_then(decode);
        chain.ok_or(StoreError::Damaged(path))
    }

    fn write_chain(&self, chain: &[Statement]) -> Result<(), StoreError> {
        let path = self.dirs().succession();
        let body: Vec<u8, MAX_BODY> = chain.iter().flat_map(|s| *s.as_bytes()).collect();
        let mut out = [0; MAX_FILE];
        let bytes = record::encode(MAGIC, &body, &mut out)
            .map_err(|_| StoreError::Damaged(path.clone()))?;
        file::write(&path, bytes, Access::Private)
    }

    fn write_key(&self, keys: &NodeKeys) -> Result<(), StoreError> {
        let bytes = key_file::encode(keys.seed());
        file::write(&self.dirs().private_key(), &*bytes, Access::Private)
    }
}

/// The statements that a node shows once it has made this one.
fn longer(
    mut chain: Vec<Statement, MAX_STATEMENTS>,
    statement: Statement,
) -> Vec<Statement, MAX_STATEMENTS> {
    if chain.is_full() {
        chain.remove(0);
    }
    // There is room: the oldest has just made some.
    let _ = chain.push(statement);
    chain
}

fn decode(body: &[u8]) -> Option<Vec<Statement, MAX_STATEMENTS>> {
    let (statements, []) = body.as_chunks::<STATEMENT>() else {
        return None;
    };
    let mut chain = Vec::new();
    for statement in statements {
        let statement = Statement::try_from(&statement[..]).ok()?;
        chain.push(statement).ok()?;
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use miner_shared::identity::{Pin, Role};
    use miner_shared::text::Name;

    use super::super::system_rng;
    use super::super::testing::store;
    use super::*;

    fn init(store: &NodeStore) -> Node {
        let name = Name::parse("rig-alpha").expect("valid");
        store
            .init(name, Role::Worker, &mut system_rng())
            .expect("new")
    }

    fn load(store: &NodeStore) -> Node {
        store.load().expect("readable").expect("there")
    }

    fn restart(store: &NodeStore) -> Node {
        let name = Name::parse("ignored").expect("valid");
        store
            .load_or_create(name, Role::Dual, &mut system_rng())
            .expect("there")
    }

    /// A rotation that ends where it would write this file, as if the power had been cut there.
    fn cut_at(store: &NodeStore, path: &Path) -> Result<Node, StoreError> {
        let name = path.file_name().expect("a file").display();
        let blocked = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        fs::create_dir(&blocked).expect("ours");
        let outcome = store.rotate(&mut system_rng());
        fs::remove_dir(&blocked).expect("ours");
        outcome
    }

    #[test]
    fn the_new_key_is_the_node_s_and_the_old_seed_is_nowhere() {
        let (root, store) = store();
        let old = init(&store);
        let seed = *old.keys.seed();
        let new = store.rotate(&mut system_rng()).expect("written");
        assert_ne!(new.fingerprint(), old.fingerprint());
        assert!(new.replaced(old.fingerprint()));
        let found = load(&store);
        assert_eq!(found.fingerprint(), new.fingerprint());
        assert_eq!((found.name, found.role), (old.name, old.role));
        assert_eq!((found.chain.len(), found.created_at), (1, old.created_at));
        let json = fs::read_to_string(store.dirs().node_json()).expect("there");
        assert!(json.contains(&new.fingerprint().to_string()));
        let mode = fs::metadata(store.dirs().succession()).expect("there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        let mut folders = vec![root.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("ours") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let bytes = fs::read(&path).expect("ours");
                let found = bytes.windows(seed.len()).any(|window| window == seed);
                assert!(!found, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_cut_before_the_key_leaves_the_old_node_with_its_own_statements() {
        let (_root, store) = store();
        let first = init(&store);
        let old = store.rotate(&mut system_rng()).expect("written");
        for (path, left) in [
            (store.dirs().succession(), 1),
            (store.dirs().private_key(), 2),
        ] {
            assert!(cut_at(&store, &path).is_err());
            assert_eq!(store.chain().expect("readable").len(), left);
            for found in [load(&store), restart(&store)] {
                assert_eq!(found.fingerprint(), old.fingerprint());
                assert_eq!(found.chain, old.chain);
                assert!(found.replaced(first.fingerprint()));
            }
        }
        // The next attempt does not show the key that never was.
        let new = store.rotate(&mut system_rng()).expect("written");
        assert_eq!(new.chain.len(), 2);
        assert!(new.replaced(first.fingerprint()));
    }

    #[test]
    fn a_cut_after_the_key_leaves_the_new_node_whose_public_identity_is_written_anew() {
        let (_root, store) = store();
        let old = init(&store);
        let new = cut_at(&store, &store.dirs().node_json()).expect("it is the new one");
        let shown = || fs::read_to_string(store.dirs().node_json()).expect("there");
        assert!(shown().contains(&old.fingerprint().to_string()));
        let found = load(&store);
        assert_eq!(found.fingerprint(), new.fingerprint());
        assert_eq!(
            (found.name.as_str(), found.role),
            ("rig-alpha", Role::Worker)
        );
        assert!(found.replaced(old.fingerprint()));
        restart(&store);
        assert!(shown().contains(&new.fingerprint().to_string()));
    }

    #[test]
    fn the_recovery_key_s_word_is_shown_with_the_others() {
        let (_root, store) = store();
        let old = init(&store);
        let key = RecoveryKey::generate(&mut system_rng());
        store.rotate(&mut system_rng()).expect("written");
        let node = store.recover(&key, 7).expect("written");
        assert_eq!(load(&store).chain, node.chain);
        assert!(node.replaced(old.fingerprint()));
        let mut pin = Pin {
            recovery: Some(key.public()),
            ..Pin::new(Fingerprint([6; 32]))
        };
        assert!(node.chain.iter().any(|statement| pin.follow(statement)));
        assert_eq!((pin.fingerprint, pin.counter), (node.fingerprint(), 7));
    }

    #[test]
    fn four_statements_are_kept_and_the_oldest_falls_out() {
        let (_root, store) = store();
        let mut keys = vec![init(&store).fingerprint()];
        for _ in 0..5 {
            keys.push(
                store
                    .rotate(&mut system_rng())
                    .expect("written")
                    .fingerprint(),
            );
        }
        let node = load(&store);
        let replaced: Vec<bool, 6> = keys.iter().map(|key| node.replaced(*key)).collect();
        assert_eq!(replaced, [false, true, true, true, true, false]);
    }

    #[test]
    fn a_serving_process_sees_another_s_rotation_once_it_is_done() {
        let (_root, store) = store();
        let old = init(&store);
        let sees = |of: &Node| {
            let node = store.successor(of.fingerprint()).expect("readable");
            node.map(|node| node.fingerprint())
        };
        assert_eq!(sees(&old), None);
        assert!(cut_at(&store, &store.dirs().private_key()).is_err());
        assert_eq!(sees(&old), None, "not done yet");
        let new = store.rotate(&mut system_rng()).expect("written");
        assert_eq!(sees(&old), Some(new.fingerprint()));
        assert_eq!(sees(&new), None);
        let newer = store.rotate(&mut system_rng()).expect("written");
        assert_eq!(sees(&old), Some(newer.fingerprint()));
    }

    #[test]
    fn a_file_of_statements_that_is_damaged_is_reported_and_an_older_node_s_is_not_shown() {
        let (_root, store) = store();
        init(&store);
        store.rotate(&mut system_rng()).expect("written");
        fs::remove_file(store.dirs().private_key()).expect("ours");
        fs::remove_file(store.dirs().node_json()).expect("ours");
        assert!(init(&store).chain.is_empty());
        assert!(load(&store).chain.is_empty());
        let path = store.dirs().succession();
        let mut bytes = fs::read(&path).expect("there");
        bytes[100] ^= 1;
        fs::write(&path, bytes).expect("ours");
        assert!(matches!(store.load(), Err(StoreError::Damaged(p)) if p == path));
    }

    #[test]
    fn no_node_has_no_key_to_change() {
        let (_root, store) = store();
        let outcome = store.rotate(&mut system_rng());
        assert!(matches!(outcome, Err(StoreError::NoNode)));
    }
}
