//! The keys that asked to be obeyed and were refused: candidates for `miner peer accept`.
//!
//! Strangers write this file, so it is small, tells nothing but keys, and is never obeyed.

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::record;

use super::file::{self, Access};
use super::{NodeStore, StoreError};

/// As many as a person can compare.
const MAX_CANDIDATES: usize = 8;
const MAGIC: &[u8; 8] = b"SMSGCAN1";
const KEY: usize = 32;
const MAX_FILE: usize = record::OVERHEAD + MAX_CANDIDATES * KEY;

/// The last keys that completed a handshake and are not pinned, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates(Vec<Fingerprint, MAX_CANDIDATES>);

impl Candidates {
    /// Notes a key; the oldest falls out. False if it was the newest already.
    pub fn note(&mut self, key: Fingerprint) -> bool {
        if self.0.last() == Some(&key) {
            return false;
        }
        self.0.retain(|other| *other != key);
        if self.0.is_full() {
            self.0.remove(0);
        }
        // There is room: the oldest has just made some.
        let _ = self.0.push(key);
        true
    }

    /// All of them, the newest last.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.iter()
    }
}

impl NodeStore {
    /// The candidates last written; none if the file is missing or of no use, since nothing depends
    /// on it.
    pub fn candidates(&self) -> Candidates {
        let path = self.dirs().candidates();
        // The bound is small: at most eight keys.
        let bytes = file::read(&path, Access::Private, MAX_FILE as u64);
        let bytes = bytes.ok().flatten().unwrap_or_default();
        let body = record::decode(MAGIC, &bytes).unwrap_or_default();
        let (keys, _) = body.as_chunks::<KEY>();
        Candidates(
            keys.iter()
                .map(|key| Fingerprint(*key))
                .take(MAX_CANDIDATES)
                .collect(),
        )
    }

    /// Keeps the candidates for `miner peer list`.
    pub fn set_candidates(&self, candidates: &Candidates) -> Result<(), StoreError> {
        let body: Vec<u8, { MAX_CANDIDATES * KEY }> =
            candidates.iter().flat_map(|key| key.0).collect();
        let path = self.dirs().candidates();
        let mut out = [0; MAX_FILE];
        let bytes = record::encode(MAGIC, &body, &mut out)
            .map_err(|_| StoreError::Damaged(path.clone()))?;
        file::write(&path, bytes, Access::Private)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dirs;
    use super::*;

    #[test]
    fn the_last_eight_candidates_are_kept_each_once() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let mut candidates = store.candidates();
        assert_eq!(candidates, Candidates::default());
        for key in [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 4] {
            candidates.note(Fingerprint([key; 32]));
        }
        assert!(!candidates.note(Fingerprint([4; 32])), "nothing new");
        store.set_candidates(&candidates).expect("written");
        let found = store.candidates();
        let keys: std::vec::Vec<u8> = found.iter().map(|key| key.0[0]).collect();
        assert_eq!(keys, [2, 3, 5, 6, 7, 8, 9, 4]);
    }

    #[test]
    fn a_damaged_file_has_no_candidates() {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let mut candidates = Candidates::default();
        candidates.note(Fingerprint([1; 32]));
        store.set_candidates(&candidates).expect("written");
        std::fs::write(store.dirs().candidates(), b"SMSGCAN1 and no more").expect("ours");
        assert_eq!(store.candidates(), Candidates::default());
    }
}
