//! The registry in one redb file, `registry.redb` in the data directory, mode 0600 (it holds pool
//! logins and the secrets of tokens).
//!
//! ```text
//!   meta        "schema"        -> u8
//!   peers       fingerprint[32] -> row      tombstones, desired, pending, origins: likewise
//!   profiles    id              -> row      pinned, labels, machines: likewise
//!   orders      op_id[16]       -> row
//!   versions    id, number      -> row      yields: likewise
//!   rollouts    number          -> row      rollout_rigs   number, fingerprint -> row
//!   updates     number          -> row      update_rigs    likewise
//!   tokens      id[8]           -> row      farm    "recovery" -> row
//!   api_tokens  id[8]           -> row
//!   sources     number          -> ms left          made when first written; older programs skip it
//! ```
//!
//! A file is made under another name and renamed when it is whole, so a power cut leaves either no
//! registry or a good one; a file that is there and cannot be read is never replaced.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use miner_shared::identity::Fingerprint;
use redb::{
    AccessGuard, Builder, Database, DatabaseError, Durability, Key, ReadTransaction,
    ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError, WriteTransaction,
};

use super::access::ApiTokenId;
use super::record::{DesiredRecord, OLDEST, ProfileId, Row, SCHEMA, decode, encode};
use super::store::{Change, Contents, Durable, KnownSource, Store, StoreError};
use super::tokens::TokenId;

/// A store in a file.
#[derive(Debug)]
pub struct RedbStore {
    db: Database,
    /// Batches since the last one that was synced.
    unsynced: u32,
}

impl RedbStore {
    /// The file in this data directory.
    pub fn file(dir: &Path) -> PathBuf {
        dir.join(FILE)
    }

    /// Opens the registry in this data directory, or makes an empty one if there is none.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = Self::file(dir);
        if !path.try_exists().map_err(io_error)? {
            create(dir, &path)?;
        }
        let db = builder()
            .set_check_integrity_on_open(true)
            .open(&path)
            .map_err(|error| open_error(error, &path))?;
        let store = Self { db, unsynced: 0 };
        store.check_schema()?;
        Ok(store)
    }

    /// The bytes of a registry file that holds these rows, made in this folder and taken away again.
    pub fn copy(contents: &Contents, folder: &Path) -> Result<Vec<u8>, StoreError> {
        let dir = folder.join(COPY);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            Ok(()) | Err(_) => {}
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(io_error)?;
        let mut store = Self::open(&dir)?;
        store.commit(&contents.changes(), Durable::Now)?;
        drop(store);
        let bytes = fs::read(Self::file(&dir)).map_err(io_error)?;
        fs::remove_dir_all(&dir).map_err(io_error)?;
        Ok(bytes)
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let read = self.db.begin_read().map_err(any)?;
        let meta = read.open_table(META).map_err(any)?;
        match meta.get("schema").map_err(any)?.map(|row| row.value()) {
            Some(SCHEMA) => Ok(()),
            Some(OLDEST..SCHEMA) => self.migrate(),
            Some(schema) if schema > SCHEMA => Err(StoreError::Newer(schema)),
            Some(_) | None => Err(StoreError::Damaged("it has no schema".to_owned())),
        }
    }

    /// Adds what this schema has and the older one lacks, whole or not at all. From then on the older
    /// program refuses the file.
    fn migrate(&self) -> Result<(), StoreError> {
        let write = self.db.begin_write().map_err(any)?;
        make_tables(&write)?;
        write.commit().map_err(any)
    }
}

impl Store for RedbStore {
    fn load(&self) -> Result<Contents, StoreError> {
        let read = self.db.begin_read().map_err(any)?;
        Ok(Contents {
            peers: rows(&read, PEERS, Fingerprint)?,
            tombstones: rows(&read, TOMBSTONES, Fingerprint)?,
            desired: rows(&read, DESIRED, Fingerprint)?,
            profiles: rows(&read, PROFILES, ProfileId::of)?,
            versions: rows(&read, VERSIONS, |(id, number)| (ProfileId::of(id), number))?,
            yields: rows(&read, YIELDS, |(id, number)| (ProfileId::of(id), number))?,
            rollouts: rows(&read, ROLLOUTS, |id| id)?,
            rollout_rigs: rows(&read, ROLLOUT_RIGS, |(id, key)| (id, Fingerprint(key)))?,
            updates: rows(&read, UPDATES, |id| id)?,
            update_rigs: rows(&read, UPDATE_RIGS, |(id, key)| (id, Fingerprint(key)))?,
            tokens: rows(&read, TOKENS, TokenId)?,
            pending: rows(&read, PENDING, Fingerprint)?,
            origins: rows(&read, ORIGINS, Fingerprint)?,
            labels: rows(&read, LABELS, Fingerprint)?,
            machines: rows(&read, MACHINES, Fingerprint)?,
            orders: rows(&read, ORDERS, |op_id| op_id)?,
            recovery: rows(&read, FARM, str::to_owned)?.remove(RECOVERY),
            pinned: rows(&read, PINNED, Fingerprint)?,
            api_tokens: rows(&read, API_TOKENS, ApiTokenId)?,
            sources: sources(&read)?,
        })
    }

    fn commit(&mut self, batch: &[Change], durable: Durable) -> Result<(), StoreError> {
        let mut write = self.db.begin_write().map_err(any)?;
        let synced = durable == Durable::Now || self.unsynced >= MAX_UNSYNCED;
        if !synced {
            write.set_durability(Durability::None).map_err(any)?;
        }
        for change in batch {
            make(&write, change)?;
        }
        write.commit().map_err(any)?;
        self.unsynced = if synced { 0 } else { self.unsynced + 1 };
        Ok(())
    }
}

/// Makes one change within a transaction, which is dropped and so undone if this fails.
fn make(write: &WriteTransaction, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::PutPeer(key, row) => put(write, PEERS, key.0, row),
        Change::DeletePeer(key) => delete(write, PEERS, key.0),
        Change::PutTombstone(key, row) => put(write, TOMBSTONES, key.0, row),
        Change::DeleteTombstone(key) => delete(write, TOMBSTONES, key.0),
        Change::PutDesired(key, row) => put_desired(write, key.0, row),
        Change::DeleteDesired(key) => delete(write, DESIRED, key.0),
        Change::PutProfile(key, row) => put(write, PROFILES, key.as_str(), row),
        Change::DeleteProfile(key) => delete(write, PROFILES, key.as_str()),
        Change::PutVersion(key, n, row) => put(write, VERSIONS, (key.as_str(), *n), row),
        Change::DeleteVersion(key, n) => delete(write, VERSIONS, (key.as_str(), *n)),
        Change::PutYield(key, n, row) => put(write, YIELDS, (key.as_str(), *n), row),
        Change::DeleteYield(key, n) => delete(write, YIELDS, (key.as_str(), *n)),
        Change::PutRollout(id, row) => put(write, ROLLOUTS, *id, row),
        Change::DeleteRollout(id) => delete_with_rigs(write, (ROLLOUTS, ROLLOUT_RIGS), *id),
        Change::PutRolloutRig(id, key, row) => put(write, ROLLOUT_RIGS, (*id, key.0), row),
        Change::DeleteRolloutRig(id, key) => delete(write, ROLLOUT_RIGS, (*id, key.0)),
        Change::PutUpdate(id, row) => put(write, UPDATES, *id, row),
        Change::DeleteUpdate(id) => delete_with_rigs(write, (UPDATES, UPDATE_RIGS), *id),
        Change::PutUpdateRig(id, key, row) => put(write, UPDATE_RIGS, (*id, key.0), row),
        Change::DeleteUpdateRig(id, key) => delete(write, UPDATE_RIGS, (*id, key.0)),
        Change::PutToken(key, row) => put(write, TOKENS, key.0, row),
        Change::DeleteToken(key) => delete(write, TOKENS, key.0),
        Change::PutPending(key, row) => put(write, PENDING, key.0, row),
        Change::DeletePending(key) => delete(write, PENDING, key.0),
        Change::PutOrigin(key, row) => put(write, ORIGINS, key.0, row),
        Change::DeleteOrigin(key) => delete(write, ORIGINS, key.0),
        Change::PutLabels(key, row) => put(write, LABELS, key.0, row),
        Change::DeleteLabels(key) => delete(write, LABELS, key.0),
        Change::PutMachine(key, row) => put(write, MACHINES, key.0, row),
        Change::DeleteMachine(key) => delete(write, MACHINES, key.0),
        Change::PutOrder(key, row) => put(write, ORDERS, *key, row),
        Change::DeleteOrder(key) => delete(write, ORDERS, *key),
        Change::PutRecovery(row) => put(write, FARM, RECOVERY, row),
        Change::PutPinned(key, row) => put(write, PINNED, key.0, row),
        Change::DeletePinned(key) => delete(write, PINNED, key.0),
        Change::PutApiToken(key, row) => put(write, API_TOKENS, key.0, row),
        Change::DeleteApiToken(key) => delete(write, API_TOKENS, key.0),
        Change::PutSources(all) => put_sources(write, all),
    }
}

fn put_desired(
    write: &WriteTransaction,
    key: [u8; 32],
    row: &DesiredRecord,
) -> Result<(), StoreError> {
    let stored = {
        let table = write.open_table(DESIRED).map_err(any)?;
        match table.get(key).map_err(any)? {
            Some(bytes) => decode::<DesiredRecord>(bytes.value())?.generation,
            None => 0,
        }
    };
    if row.generation <= stored {
        return Err(StoreError::Conflict);
    }
    put(write, DESIRED, key, row)
}

/// Deletes a row, and those of its rigs.
fn delete_with_rigs(
    write: &WriteTransaction,
    (table, rigs): (OfNumbers, OfRigs),
    id: u32,
) -> Result<(), StoreError> {
    let mut rigs = write.open_table(rigs).map_err(any)?;
    let all = (id, [0; 32])..=(id, [u8::MAX; 32]);
    rigs.retain_in(all, |_, _| false).map_err(any)?;
    drop(rigs);
    delete(write, table, id)
}

fn put_sources(write: &WriteTransaction, all: &[KnownSource]) -> Result<(), StoreError> {
    write.delete_table(SOURCES).map_err(any)?;
    let mut table = write.open_table(SOURCES).map_err(any)?;
    for known in all {
        table.insert(known.source, known.left_ms).map_err(any)?;
    }
    Ok(())
}

fn sources(read: &ReadTransaction) -> Result<Vec<KnownSource>, StoreError> {
    let table = match read.open_table(SOURCES) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table.map_err(any)?,
    };
    let known = |row: Result<(AccessGuard<'_, u64>, AccessGuard<'_, u64>), StorageError>| {
        let (source, left_ms) = row.map_err(any)?;
        Ok(KnownSource {
            source: source.value(),
            left_ms: left_ms.value(),
        })
    };
    table.iter().map_err(any)?.map(known).collect()
}

fn put<K: Key + 'static, T: Row>(
    write: &WriteTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
    row: &T,
) -> Result<(), StoreError> {
    let bytes = encode(row)?;
    let mut table = write.open_table(table).map_err(any)?;
    table.insert(key, bytes.as_slice()).map_err(any)?;
    Ok(())
}

fn delete<K: Key + 'static>(
    write: &WriteTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: K::SelfType<'_>,
) -> Result<(), StoreError> {
    let mut table = write.open_table(table).map_err(any)?;
    table.remove(key).map_err(any)?;
    Ok(())
}

/// All rows of a table, keyed as the registry keys them.
fn rows<K: Key + 'static, I: Ord, T: Row>(
    read: &ReadTransaction,
    table: TableDefinition<'_, K, &'static [u8]>,
    key: impl for<'a> Fn(K::SelfType<'a>) -> I,
) -> Result<BTreeMap<I, T>, StoreError> {
    let table = read.open_table(table).map_err(any)?;
    let mut out = BTreeMap::new();
    for row in table.iter().map_err(any)? {
        let (id, bytes) = row.map_err(any)?;
        out.insert(key(id.value()), decode(bytes.value())?);
    }
    Ok(out)
}

/// Makes the tables that are missing, and notes the schema.
fn make_tables(write: &WriteTransaction) -> Result<(), StoreError> {
    let mut meta = write.open_table(META).map_err(any)?;
    meta.insert("schema", SCHEMA).map_err(any)?;
    for table in [
        PEERS, TOMBSTONES, DESIRED, PENDING, ORIGINS, PINNED, LABELS, MACHINES,
    ] {
        write.open_table(table).map_err(any)?;
    }
    write.open_table(PROFILES).map_err(any)?;
    write.open_table(VERSIONS).map_err(any)?;
    write.open_table(YIELDS).map_err(any)?;
    write.open_table(ROLLOUTS).map_err(any)?;
    write.open_table(ROLLOUT_RIGS).map_err(any)?;
    write.open_table(UPDATES).map_err(any)?;
    write.open_table(UPDATE_RIGS).map_err(any)?;
    write.open_table(TOKENS).map_err(any)?;
    write.open_table(ORDERS).map_err(any)?;
    write.open_table(API_TOKENS).map_err(any)?;
    write.open_table(FARM).map_err(any)?;
    Ok(())
}

/// Makes an empty registry, whole before it has its name.
fn create(dir: &Path, path: &Path) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(io_error)?;
    let db = builder()
        .create(&unfinished)
        .map_err(|error| open_error(error, &unfinished))?;
    let write = db.begin_write().map_err(any)?;
    make_tables(&write)?;
    write.commit().map_err(any)?;
    drop(db);
    fs::rename(&unfinished, path).map_err(io_error)?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

fn open_error(error: DatabaseError, path: &Path) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::InUse(PathBuf::from(path))
        }
        DatabaseError::Storage(error) => storage(error),
        other => StoreError::Damaged(other.to_string()),
    }
}

/// redb has an error type per call; they all say the same few things.
fn any(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Io(error) => io_error(error),
        redb::Error::Corrupted(what) => StoreError::Damaged(what),
        error @ (redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }) => StoreError::Damaged(error.to_string()),
        error => StoreError::Io(error.to_string()),
    }
}

fn storage(error: StorageError) -> StoreError {
    match error {
        // redb says "invalid data" of a file that is no database.
        StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            StoreError::Damaged(error.to_string())
        }
        StorageError::Io(error) => io_error(error),
        other => StoreError::Damaged(other.to_string()),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is the argument of map_err"
)]
fn io_error(error: io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}

type Rows = TableDefinition<'static, [u8; 32], &'static [u8]>;
type OfVersions = TableDefinition<'static, (&'static str, u32), &'static [u8]>;
type OfNumbers = TableDefinition<'static, u32, &'static [u8]>;
type OfRigs = TableDefinition<'static, (u32, [u8; 32]), &'static [u8]>;
const META: TableDefinition<'static, &str, u8> = TableDefinition::new("meta");
const PEERS: Rows = TableDefinition::new("peers");
const TOMBSTONES: Rows = TableDefinition::new("tombstones");
const DESIRED: Rows = TableDefinition::new("desired");
const PENDING: Rows = TableDefinition::new("pending");
const ORIGINS: Rows = TableDefinition::new("origins");
const PINNED: Rows = TableDefinition::new("pinned");
const LABELS: Rows = TableDefinition::new("labels");
const MACHINES: Rows = TableDefinition::new("machines");
const TOKENS: TableDefinition<'static, [u8; 8], &[u8]> = TableDefinition::new("tokens");
const ORDERS: TableDefinition<'static, [u8; 16], &[u8]> = TableDefinition::new("orders");
const API_TOKENS: TableDefinition<'static, [u8; 8], &[u8]> = TableDefinition::new("api_tokens");
const SOURCES: TableDefinition<'static, u64, u64> = TableDefinition::new("sources");
const PROFILES: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("profiles");
const VERSIONS: OfVersions = TableDefinition::new("versions");
const YIELDS: OfVersions = TableDefinition::new("yields");
const ROLLOUTS: OfNumbers = TableDefinition::new("rollouts");
const ROLLOUT_RIGS: OfRigs = TableDefinition::new("rollout_rigs");
const UPDATES: OfNumbers = TableDefinition::new("updates");
const UPDATE_RIGS: OfRigs = TableDefinition::new("update_rigs");
const FARM: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("farm");
/// The one row of the farm as a whole.
const RECOVERY: &str = "recovery";

const FILE: &str = "registry.redb";
const UNFINISHED: &str = "registry.redb.new";
/// Where a copy is made: a folder of its own, so that the lock of the original is not in the way.
const COPY: &str = "registry.copy";
/// Memory that redb may use for pages; rows are kept by the registry itself.
const CACHE: usize = 4 << 20;
/// Batches that may wait for a sync: redb cannot reuse pages before one.
const MAX_UNSYNCED: u32 = 256;
