//! The files of a node, with any content: key, managers, state, pairing code, public identity.
//!
//! Byte 0 says which file, and whether the rest is the file or the body of a record whose magic and
//! checksum are right, so that what is behind the checksum is read too.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use miner_agent::store::{Dirs, NodeStore};
use miner_shared::identity::{NodeKeys, key_file};
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::record;
use tempfile::TempDir;

use super::input::Input;
use super::said;

thread_local! {
    /// One folder for each thread that fuzzes.
    static FOLDER: TempDir = TempDir::with_prefix("farm-fuzz-").expect("a temporary folder");
}

/// The longest record made here.
const LONGEST: usize = 8 * 1024;

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let choice = input.byte();
    let body = input.rest().get(..LONGEST.min(input.rest().len()));
    let body = body.unwrap_or_default();
    let sealed = choice & 0x80 == 0x80;
    FOLDER.with(|folder| {
        let store = NodeStore::new(Dirs::below(folder.path()));
        fs::create_dir_all(store.dirs().node()).expect("ours");
        match choice % 5 {
            0 => key(&content(b"SMSGKEY1", sealed, body)),
            1 => managers(&store, &content(b"SMSGMGR1", sealed, body)),
            2 => state(&store, &content(b"SMSGSTA1", sealed, body)),
            3 => pairing(&store, &content(b"SMSGPAI1", sealed, body)),
            _ => identity(&store, body),
        }
    });
}

fn content(magic: &[u8; 8], sealed: bool, body: &[u8]) -> Vec<u8> {
    if !sealed {
        return body.to_vec();
    }
    let mut out = vec![0; LONGEST + record::OVERHEAD];
    record::encode(magic, body, &mut out)
        .expect("there is room")
        .to_vec()
}

fn key(file: &[u8]) {
    for magic in [b"SMSGKEY1", b"SMSGMGR1"] {
        if let Err(error) = record::decode(magic, file) {
            said(&error);
        }
    }
    let seed = match key_file::decode(file) {
        Ok(seed) => seed,
        Err(error) => return said(&error),
    };
    assert_eq!(*key_file::encode(&seed), *file, "one key has one file");
}

fn managers(store: &NodeStore, file: &[u8]) {
    put(&store.dirs().managers(), file, 0o600);
    let managers = store.managers().inspect_err(|error| said(error));
    if let Ok(managers) = managers {
        assert_eq!(managers.first().is_none(), managers.is_empty());
        assert!(
            managers
                .first()
                .is_none_or(|first| managers.contains(&first))
        );
        let count = managers.iter().count();
        assert!(count <= MAX_MANAGERS, "{count} managers");
        assert_eq!(
            count,
            (file.len() - record::OVERHEAD) / 32,
            "none is left out"
        );
    }
}

fn state(store: &NodeStore, file: &[u8]) {
    put(&store.dirs().state(), file, 0o600);
    let state = store.state().inspect_err(|error| said(error));
    if let Ok(Some(desired)) = state {
        assert!(file.len() <= 2_048 + record::OVERHEAD);
        assert!(desired.generation < u64::MAX || file.len() > record::OVERHEAD);
    }
}

fn pairing(store: &NodeStore, file: &[u8]) {
    put(&store.dirs().pairing(), file, 0o600);
    let _code = store.pairing();
}

/// The public identity beside a good key: a damaged one is an error, never another node.
fn identity(store: &NodeStore, json: &[u8]) {
    const SEED: [u8; 32] = [1; 32];
    put(
        &store.dirs().private_key(),
        &*key_file::encode(&SEED),
        0o600,
    );
    let path = store.dirs().node_json();
    fs::create_dir_all(store.dirs().config()).expect("ours");
    put(&path, json, 0o644);
    let loaded = store.load().inspect_err(|error| said(error));
    if let Ok(Some(node)) = loaded {
        let own = NodeKeys::from_seed(&SEED).fingerprint();
        assert_eq!(node.fingerprint(), own);
    }
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    // A file that an earlier input left has its mode already.
    let mut options = OpenOptions::new();
    let options = options.create(true).write(true).truncate(true).mode(mode);
    let mut file = options.open(path).expect("ours");
    file.write_all(bytes).expect("room");
}
