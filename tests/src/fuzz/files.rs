//! The files of a node, with any content: key, managers (both versions), state, pairing code, public
//! identity, statements of succession.
//!
//! Byte 0 says which file, and whether the rest is the file or the body of a record whose magic and
//! checksum are right, so that what is behind the checksum is read too.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use miner_agent::store::{Dirs, NodeStore};
use miner_shared::identity::{Fingerprint, NodeKeys, Statement, key_file};
use miner_shared::limits::MAX_MANAGERS;
use miner_shared::record;
use tempfile::TempDir;

use super::input::Input;
use super::said;

thread_local! {
    /// One folder for each thread that fuzzes.
    static FOLDER: TempDir = TempDir::with_prefix("farm-fuzz-").expect("a temporary folder");
}

/// The key of the node.
const SEED: [u8; 32] = [1; 32];
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
        match choice % 7 {
            0 => key(&content(b"SMSGKEY1", sealed, body)),
            1 => managers(&store, &content(b"SMSGMGR2", sealed, body)),
            5 => managers(&store, &content(b"SMSGMGR1", sealed, body)),
            6 => succession(&store, &content(b"SMSGSUC1", sealed, body)),
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
    let Ok(managers) = store.managers().inspect_err(|error| said(error)) else {
        return;
    };
    let count = managers.iter().count();
    assert!(count <= MAX_MANAGERS, "{count} managers");
    let first = managers.first();
    assert_eq!(first.is_none(), managers.is_empty());
    assert!(first.is_none_or(|first| managers.contains(&first)));
    let body = file.len() - record::OVERHEAD;
    if file.starts_with(b"SMSGMGR1") {
        assert_eq!(count, body / 32, "none is left out");
    } else {
        assert_eq!(file.get(8), u8::try_from(count).ok().as_ref());
        assert_eq!((body - 1 - 73 * count) % 64, 0, "nothing is left over");
    }
    // Whatever stood there, the next change keeps the others as they were.
    let own = Fingerprint([0xee; 32]);
    let new = Fingerprint([0xdd; 32]);
    if count < MAX_MANAGERS && store.pin_manager(own, new).is_ok() && !managers.contains(&new) {
        let after = store.managers().expect("just written");
        assert_eq!(
            after.pins().split_last().map(|(_, o)| o),
            Some(managers.pins())
        );
    }
}

/// The statements beside a good key: those that do not end at it are not shown.
fn succession(store: &NodeStore, file: &[u8]) {
    // What an earlier input left would be refused first.
    let _none = fs::remove_file(store.dirs().node_json());
    put(&store.dirs().succession(), file, 0o600);
    put(
        &store.dirs().private_key(),
        &*key_file::encode(&SEED),
        0o600,
    );
    let loaded = store.load();
    fs::remove_file(store.dirs().succession()).expect("ours");
    if let Ok(Some(node)) = loaded {
        let own = NodeKeys::from_seed(&SEED);
        let last = node.chain.last().map(Statement::successor);
        assert!(last.is_none_or(|last| last == own.public()));
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
