//! The end of a node: its key and its state are deleted, so that the next start makes a new one.
//!
//! ```text
//!   private.key ─▶ succession, managers, state, pairing, candidates ─▶ what the caller adds ─▶ node.json
//! ```
//!
//! `node.json` without `private.key` is no node and no new one either: nothing starts, and a reset
//! goes on. So the key goes first and `node.json` last, and a power cut leaves the node as it was or
//! a reset to be repeated. The folder and its `lock` stay: a lock that is unlinked can be held twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file;
use super::{NodeStore, StoreError};

impl NodeStore {
    /// Whether there is anything that [`Self::reset`] would delete.
    pub fn has_files(&self) -> bool {
        let dirs = self.dirs();
        let mut files = self.state_files().to_vec();
        files.extend([dirs.private_key(), dirs.node_json()]);
        files.iter().any(|file| file.symlink_metadata().is_ok())
    }

    /// Deletes the node; nobody may serve with it. `also` are files of the caller that belong to the
    /// node and go with it.
    pub fn reset(&self, also: &[PathBuf]) -> Result<(), StoreError> {
        for file in self.doomed(also)? {
            file::remove(&file)?;
        }
        Ok(())
    }

    /// All files that go, in order.
    fn doomed(&self, also: &[PathBuf]) -> Result<Vec<PathBuf>, StoreError> {
        // Without it a cut after the key would leave the old state to a new node.
        if !self.dirs().node_json().exists()
            && let Ok(Some(node)) = self.load()
        {
            self.write_json(&node)?;
        }
        let mut files = vec![self.dirs().private_key()];
        files.extend(self.state_files());
        for file in &files.clone() {
            files.extend(left_behind(file)?);
        }
        files.extend_from_slice(also);
        files.push(self.dirs().node_json());
        Ok(files)
    }

    /// What a node keeps besides its identity. A file that is new in `node/` belongs here.
    fn state_files(&self) -> [PathBuf; 5] {
        let dirs = self.dirs();
        [
            dirs.succession(),
            dirs.managers(),
            dirs.state(),
            dirs.pairing(),
            dirs.candidates(),
        ]
    }
}

/// Temporary files of a write that was cut, which hold what the file would have held.
fn left_behind(file: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Ok(Vec::new());
    };
    let failed = |e| StoreError::Io(folder.to_owned(), e);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if file::is_temporary_of(&entry.file_name(), name) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use miner_shared::identity::{Fingerprint, Role};
    use miner_shared::text::Name;
    use miner_shared::wire::{Desired, State};

    use super::super::{Candidates, Dirs, Node, system_rng};
    use super::*;

    /// A node with every file that a node can have.
    fn full() -> (tempfile::TempDir, NodeStore, Node) {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let name = Name::parse("rig-alpha").expect("valid");
        let rng = &mut system_rng();
        let node = store.init(name, Role::Worker, rng).expect("new");
        let manager = Fingerprint([1; 32]);
        store
            .pin_manager(node.fingerprint(), manager)
            .expect("room");
        store.new_pairing(rng).expect("written");
        let mut candidates = Candidates::default();
        candidates.note(manager);
        store.set_candidates(&candidates).expect("written");
        let desired = Desired {
            generation: 7,
            state: State::Stopped,
        };
        store.set_state(&desired).expect("written");
        drop(store.claim().expect("free"));
        (root, store, node)
    }

    fn files(store: &NodeStore) -> BTreeSet<String> {
        let entries = fs::read_dir(store.dirs().node()).expect("there");
        let name = |entry: io::Result<fs::DirEntry>| entry.expect("readable").file_name();
        entries
            .map(|entry| name(entry).into_string().expect("text"))
            .collect()
    }

    #[test]
    fn nothing_of_the_node_is_left_and_the_next_one_is_new() {
        let (_root, store, old) = full();
        let cut = store.dirs().node().join(".private.key.77.tmp");
        fs::write(&cut, b"half a key").expect("ours");
        assert!(store.has_files());
        store.reset(&[]).expect("deleted");
        assert!(!store.has_files());
        assert_eq!(files(&store), BTreeSet::from(["lock".to_owned()]));
        assert!(!store.dirs().node_json().exists());
        let new = store
            .load_or_create(old.name.clone(), Role::Worker, &mut system_rng())
            .expect("new");
        assert_ne!(new.fingerprint(), old.fingerprint());
        assert!(store.managers().expect("none").is_empty());
        assert_eq!(store.state().expect("none"), None);
    }

    #[test]
    fn a_cut_after_any_step_leaves_the_node_or_a_reset_to_repeat() {
        let steps = full().1.doomed(&[]).expect("listed").len();
        for done in 0..steps {
            for without_json in [false, true] {
                let (_root, store, node) = full();
                if without_json {
                    fs::remove_file(store.dirs().node_json()).expect("ours");
                }
                for file in store.doomed(&[]).expect("listed").iter().take(done) {
                    file::remove(file).expect("removed");
                }
                let name = node.name.clone();
                match store.load_or_create(name, Role::Worker, &mut system_rng()) {
                    Ok(found) => {
                        assert_eq!(found.fingerprint(), node.fingerprint());
                        assert_eq!(store.managers().expect("readable").iter().count(), 1);
                    }
                    Err(error) => assert!(matches!(error, StoreError::KeyMissing { .. })),
                }
                store.reset(&[]).expect("completes");
                assert!(store.load().expect("none").is_none() && !store.has_files());
            }
        }
    }

    #[test]
    fn files_of_others_stay_and_those_of_the_caller_go_before_the_node_may_be_made_anew() {
        let (root, store, _) = full();
        let [backup, also] = ["private.key.bak", "registry"].map(|name| {
            let path = store.dirs().node().join(name);
            fs::write(&path, name).expect("ours");
            path
        });
        let elsewhere = root.path().join("elsewhere");
        fs::write(&elsewhere, "mine").expect("ours");
        fs::remove_file(store.dirs().state()).expect("ours");
        std::os::unix::fs::symlink(&elsewhere, store.dirs().state()).expect("linked");
        let order = store.doomed(std::slice::from_ref(&also)).expect("listed");
        let last: Vec<_> = order.iter().rev().take(2).collect();
        assert_eq!(last, [&store.dirs().node_json(), &also]);
        store.reset(std::slice::from_ref(&also)).expect("deleted");
        assert!(backup.exists() && !also.exists());
        assert_eq!(fs::read_to_string(&elsewhere).expect("there"), "mine");
    }

    #[test]
    fn a_damaged_node_can_be_reset() {
        let (_root, store, _) = full();
        fs::write(store.dirs().private_key(), b"nonsense").expect("ours");
        store.reset(&[]).expect("deleted");
        assert!(!store.has_files());
    }
}
