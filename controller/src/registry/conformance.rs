//! One suite for every store, then what only a file can show, then the rules over any store.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use miner_shared::bytes::Bytes;
use miner_shared::identity::{Enrolment, Fingerprint, Role};
use miner_shared::limits::MAX_INTERFACES;
use miner_shared::release::Version;
use miner_shared::text::{Address, Label, Name, PoolPass, PoolUser, Text};
use miner_shared::wire::{
    Algo, Backend, Interface, Mode, PageWish, Pool, Profile, Refusal, State, Threads,
};

use super::*;
use crate::clock::EpochMs;
use crate::scope::Scope;

fn key(n: u8) -> Fingerprint {
    Fingerprint([n; 32])
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("valid")
}

fn peer(text: &str) -> PeerRecord {
    PeerRecord {
        name: name(text),
        address: Some(Address::parse("192.0.2.7:9091").expect("valid")),
        trust: Trust::Tofu,
        added_at_ms: 1,
        last_seen_ms: None,
        told: None,
    }
}

fn wish(generation: u64) -> DesiredRecord {
    DesiredRecord {
        generation,
        op_id: [7; 16],
        profile: None,
        state: State::Stopped,
        set_at_ms: 2,
        version: 3,
        held: true,
    }
}

/// The longest profile there can be.
fn profile(text: &str) -> Profile {
    let pool = Pool {
        address: Address::parse(&format!("{}:65535", "h".repeat(253))).expect("valid"),
        tls: true,
        user: PoolUser::parse(&"w".repeat(256)).expect("valid"),
        pass: PoolPass::parse(&"p".repeat(64)).expect("valid"),
    };
    Profile {
        name: name(text),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Count(256),
        pools: [pool.clone(), pool.clone(), pool].into_iter().collect(),
    }
}

/// The longest row of a profile there can be.
fn profile_row(text: &str) -> ProfileRecord {
    let window = "mon,wed,fri,sun 22:22-21:21".parse().expect("valid");
    ProfileRecord {
        profile: profile(text),
        created_at_ms: u64::MAX,
        version: u32::MAX,
        settings: Settings {
            pages: PageWish::Huge1G,
            nice: 19,
            coin: Some("c".repeat(24).parse().expect("valid")),
            windows: vec![window; crate::schedule::MAX_WINDOWS],
        },
        revision: Revision {
            first_at_ms: Some(u64::MAX),
            by: Some(Author::lossy(&"b".repeat(64))),
            comment: Some(Comment::lossy(&"c".repeat(MAX_COMMENT))),
            restores: Some(u32::MAX),
        },
        lost: u32::MAX,
    }
}

/// The longest row of a rollout there can be.
fn rollout() -> RolloutRecord {
    RolloutRecord {
        profile: ProfileId::of(&"p".repeat(64)),
        version: u32::MAX,
        terms: RolloutTerms {
            stages: vec![Step::Rigs(u32::MAX); MAX_STAGES],
            observe_secs: u32::MAX,
            min_percent: 100,
            on_failure: OnFailure::RollBack,
        },
        bounds: vec![u32::MAX; MAX_STAGES],
        stage: 7,
        phase: Phase::Observe,
        status: RolloutStatus::Halted,
        reason: Some(Reason::lossy(&"r".repeat(200))),
        by: Some(Author::lossy(&"b".repeat(64))),
        comment: Some(Comment::lossy(&"c".repeat(MAX_COMMENT))),
        started_at_ms: u64::MAX,
        ended_at_ms: Some(u64::MAX),
    }
}

fn rollout_rig() -> RolloutRig {
    RolloutRig {
        place: u32::MAX,
        before: Some(Before {
            generation: u64::MAX,
            profile: ProfileId::of("Long Name"),
            version: 7,
        }),
        baseline: Some(u64::MAX),
        observed: None,
        outcome: RigOutcome::Refused(Reason::lossy("no")),
    }
}

fn update() -> UpdateRecord {
    UpdateRecord {
        version: Version {
            major: u32::MAX,
            minor: 2,
            patch: 3,
        },
        restart: true,
        terms: rollout().terms,
        bounds: vec![u32::MAX; MAX_STAGES],
        stage: 7,
        phase: Phase::Observe,
        status: RolloutStatus::Halted,
        reason: Some(Reason::lossy(&"r".repeat(200))),
        by: Some(Author::lossy(&"b".repeat(64))),
        comment: Some(Comment::lossy(&"c".repeat(MAX_COMMENT))),
        started_at_ms: u64::MAX,
        ended_at_ms: Some(u64::MAX),
    }
}

fn update_rig() -> UpdateRig {
    UpdateRig {
        place: u32::MAX,
        before: Some(Version::default()),
        baseline: Some(u64::MAX),
        observed: None,
        outcome: UpdateOutcome::Accepted(Reason::lossy("no")),
    }
}

fn yielded() -> YieldRecord {
    YieldRecord {
        rig_secs: u64::MAX,
        milli_hashes: u128::MAX,
    }
}

fn token() -> TokenRecord {
    let enrolment = Enrolment {
        token_id: [3; 8],
        secret: [9; 16].into(),
    };
    let terms = Terms {
        label: Some(name("hall")),
        uses: 7,
        expires_at_ms: 9_000,
        name_pattern: Some("rig-*".parse().expect("valid")),
        group: Some(name("east")),
        from: Some("fd00::/8".parse().expect("valid")),
        approve: false,
        ephemeral: true,
    };
    TokenRecord::new(&enrolment, terms, name("control-center"), EpochMs(5))
}

fn waiting() -> PendingRecord {
    PendingRecord {
        name: name("rig-5"),
        told: Told {
            x25519: [1; 32],
            ed25519: [2; 32],
            role: Role::Worker,
            software: Label::lossy("miner 0.1.0"),
            host: Label::lossy("linux x86_64"),
        },
        origin: Origin {
            token: TokenId([3; 8]),
            group: Some(name("east")),
            ephemeral: true,
        },
        from: Some([192, 0, 2, 7].into()),
        since_ms: 6,
    }
}

/// So many recovery keys, each of the longest form.
fn recovery(keys: usize) -> RecoveryRecord {
    let pin = RecoveryPin {
        key: [4; 32],
        proof: Some(Bytes([5; 64])),
        made_at_ms: u64::MAX,
    };
    RecoveryRecord {
        keys: vec![pin; keys],
        counter: u64::MAX,
    }
}

fn pinned() -> PinnedRecord {
    PinnedRecord {
        pinned: Some([4; 32]),
        refused: Some([6; 32]),
    }
}

fn api_token() -> ApiTokenRecord {
    ApiTokenRecord {
        hash: [1; 32],
        scope: Scope::Operate,
        label: Some(name("grafana")),
        created_at_ms: 7,
        expires_at_ms: Some(8),
        last_used_ms: None,
    }
}

/// The longest labels that there can be.
fn labels() -> LabelsRecord {
    let label = |n: usize| LabelName::parse(&format!("{n:064}")).expect("valid");
    LabelsRecord {
        group: Some(label(0)),
        site: Some(label(1)),
        tags: (2..2 + MAX_TAGS).map(label).collect(),
    }
}

fn machine() -> MachineRecord {
    MachineRecord {
        cpu_model: Label::lossy("AMD Ryzen 9 5950X 16-Core Processor"),
        cpus: 32,
        memory_mib: Some(65_536),
        interfaces: vec![
            Interface {
                name: Text::lossy("enp0s31f6"),
                mac: [2; 6],
            };
            MAX_INTERFACES
        ],
    }
}

fn order() -> OrderRecord {
    OrderRecord {
        rig: key(1),
        order: Order::Handover(key(2)),
        by: Label::lossy(&"o".repeat(64)),
        created_ms: u64::MAX,
        deadline_ms: u64::MAX,
        sent: Some((u64::MAX, [7; 16])),
        ended_ms: Some(u64::MAX),
        state: OrderState::Refused(Refusal::NotOurImage),
    }
}

fn source(n: u64) -> KnownSource {
    KnownSource {
        source: n,
        left_ms: 1_000 * n,
    }
}

/// What every store must do.
fn suite(store: &mut dyn Store) {
    starts_empty(store);
    gives_back_every_kind_of_row(store);
    takes_a_batch_whole_or_not_at_all(store);
    deletes_what_is_there_and_what_is_not(store);
}

fn starts_empty(store: &dyn Store) {
    assert_eq!(store.load().expect("loads"), Contents::default());
}

fn gives_back_every_kind_of_row(store: &mut dyn Store) {
    let id = ProfileId::of("Long Name");
    let tombstone = Tombstone {
        name: name("gone"),
        removed_at_ms: 9,
        successor: Some(key(9)),
    };
    let batch = [
        Change::PutPeer(key(1), peer("rig-1")),
        Change::PutTombstone(key(2), tombstone.clone()),
        Change::PutDesired(key(1), wish(1)),
        Change::PutProfile(id.clone(), profile_row("Long Name")),
        Change::PutVersion(id.clone(), 7, profile_row("Long Name")),
        Change::PutYield(id.clone(), 7, yielded()),
        Change::PutRollout(6, rollout()),
        Change::PutRolloutRig(6, key(1), rollout_rig()),
        Change::PutRolloutRig(6, key(2), rollout_rig()),
        Change::PutRolloutRig(7, key(1), rollout_rig()),
        Change::PutUpdate(6, update()),
        Change::PutUpdateRig(6, key(1), update_rig()),
        Change::PutUpdateRig(6, key(2), update_rig()),
        Change::PutUpdateRig(7, key(1), update_rig()),
        Change::PutToken(TokenId([3; 8]), token()),
        Change::PutPending(key(5), waiting()),
        Change::PutOrigin(key(1), waiting().origin),
        Change::PutLabels(key(1), labels()),
        Change::PutMachine(key(1), machine()),
        Change::PutOrder([8; 16], order()),
        Change::PutRecovery(recovery(3)),
        Change::PutPinned(key(1), pinned()),
        Change::PutApiToken(ApiTokenId([8; 8]), api_token()),
        Change::PutSources(vec![source(1), source(2)]),
    ];
    store.commit(&batch, Durable::Now).expect("commits");
    let later = [
        Change::PutPeer(key(3), peer("rig-3")),
        Change::PutSources(vec![source(3)]),
    ];
    store.commit(&later, Durable::Soon).expect("commits");
    let rows = store.load().expect("loads");
    assert_eq!(rows.sources, [source(3)], "all of them anew");
    assert_eq!(rows.peers.get(&key(1)), Some(&peer("rig-1")));
    assert_eq!(rows.peers.get(&key(3)), Some(&peer("rig-3")));
    assert_eq!(rows.tombstones.get(&key(2)), Some(&tombstone));
    assert_eq!(rows.desired.get(&key(1)), Some(&wish(1)));
    assert_eq!(rows.profiles.get(&id), Some(&profile_row("Long Name")));
    let seventh = (id, 7);
    assert_eq!(rows.versions.get(&seventh), Some(&profile_row("Long Name")));
    assert_eq!(rows.yields.get(&seventh), Some(&yielded()));
    assert_eq!(rows.rollouts.get(&6), Some(&rollout()));
    assert_eq!(rows.rollout_rigs.get(&(6, key(1))), Some(&rollout_rig()));
    assert_eq!(rows.rollout_rigs.len(), 3);
    assert_eq!(rows.updates.get(&6), Some(&update()));
    assert_eq!(rows.update_rigs.get(&(6, key(1))), Some(&update_rig()));
    assert_eq!(rows.update_rigs.len(), 3);
    assert_eq!(rows.tokens.get(&TokenId([3; 8])), Some(&token()));
    assert_eq!(rows.pending.get(&key(5)), Some(&waiting()));
    assert_eq!(rows.origins.get(&key(1)), Some(&waiting().origin));
    assert_eq!(rows.labels.get(&key(1)), Some(&labels()));
    assert_eq!(rows.orders.get(&[8; 16]), Some(&order()));
    assert_eq!(rows.machines.get(&key(1)), Some(&machine()));
    assert_eq!(rows.recovery, Some(recovery(3)));
    assert_eq!(rows.pinned.get(&key(1)), Some(&pinned()));
    let api_tokens = rows.api_tokens.get(&ApiTokenId([8; 8]));
    assert_eq!(api_tokens, Some(&api_token()));
    assert_copied_whole(&rows);
}

/// That a copy of the registry, as a backup holds it, has every row of it.
fn assert_copied_whole(rows: &Contents) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let bytes = RedbStore::copy(rows, folder.path()).expect("copied");
    assert_eq!(
        fs::read_dir(folder.path()).expect("there").count(),
        0,
        "nothing is left behind"
    );
    fs::write(RedbStore::file(folder.path()), bytes).expect("written");
    let copy = RedbStore::open(folder.path()).expect("opens");
    assert_eq!(copy.load().expect("loads"), *rows);
}

fn takes_a_batch_whole_or_not_at_all(store: &mut dyn Store) {
    let before = store.load().expect("loads");
    for generation in [0, 1] {
        let batch = [
            Change::PutPeer(key(4), peer("rig-4")),
            Change::PutDesired(key(1), wish(generation)),
        ];
        let refused = store.commit(&batch, Durable::Now);
        assert!(matches!(refused, Err(StoreError::Conflict)));
        assert_eq!(store.load().expect("loads"), before, "generation went back");
    }
    store
        .commit(&[Change::PutDesired(key(1), wish(2))], Durable::Now)
        .expect("a higher generation is taken");
}

fn deletes_what_is_there_and_what_is_not(store: &mut dyn Store) {
    let batch = [
        Change::DeletePeer(key(1)),
        Change::DeletePeer(key(3)),
        Change::DeletePeer(key(99)),
        Change::DeleteTombstone(key(2)),
        Change::DeleteDesired(key(1)),
        Change::DeleteProfile(ProfileId::of("Long Name")),
        Change::DeleteProfile(ProfileId::of("never there")),
        Change::DeleteVersion(ProfileId::of("Long Name"), 7),
        Change::DeleteVersion(ProfileId::of("Long Name"), 8),
        Change::DeleteYield(ProfileId::of("Long Name"), 7),
        Change::DeleteYield(ProfileId::of("Long Name"), 8),
        Change::DeleteRollout(6),
        Change::DeleteRollout(99),
        Change::DeleteRolloutRig(7, key(1)),
        Change::DeleteUpdate(6),
        Change::DeleteUpdate(99),
        Change::DeleteUpdateRig(7, key(1)),
        Change::DeleteToken(TokenId([3; 8])),
        Change::DeletePending(key(5)),
        Change::DeleteOrigin(key(1)),
        Change::DeleteOrigin(key(99)),
        Change::DeletePinned(key(1)),
        Change::DeleteApiToken(ApiTokenId([8; 8])),
        Change::DeleteApiToken(ApiTokenId([9; 8])),
        Change::DeleteLabels(key(1)),
        Change::DeleteLabels(key(99)),
        Change::DeleteMachine(key(1)),
        Change::DeleteOrder([8; 16]),
        Change::PutRecovery(recovery(MAX_RECOVERY_KEYS)),
        Change::PutSources(Vec::new()),
    ];
    store.commit(&batch, Durable::Now).expect("commits");
    let left = Contents {
        recovery: Some(recovery(MAX_RECOVERY_KEYS)),
        ..Contents::default()
    };
    assert_eq!(store.load().expect("loads"), left);
}

#[test]
fn memory_store_conforms() {
    suite(&mut MemoryStore::default());
}

#[test]
fn redb_store_conforms() {
    let dir = tempfile::tempdir().expect("temporary directory");
    suite(&mut RedbStore::open(dir.path()).expect("opens"));
}

#[test]
fn acknowledged_rows_survive_a_process_that_never_closes_the_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = RedbStore::open(dir.path()).expect("opens");
    let batch = [Change::PutPeer(key(1), peer("rig-1"))];
    store.commit(&batch, Durable::Now).expect("commits");
    let noted = [Change::PutPeer(key(2), peer("rig-2"))];
    store.commit(&noted, Durable::Soon).expect("notes");
    store.commit(&[], Durable::Now).expect("syncs");

    // What the disk holds now is what is left after a kill or a power cut.
    let after = tempfile::tempdir().expect("temporary directory");
    let file = "registry.redb";
    fs::copy(dir.path().join(file), after.path().join(file)).expect("copies");
    let reopened = RedbStore::open(after.path()).expect("repairs and opens");
    let rows = reopened.load().expect("loads");
    assert_eq!(rows.peers.get(&key(1)), Some(&peer("rig-1")));
    assert_eq!(rows.peers.get(&key(2)), Some(&peer("rig-2")));
}

#[test]
fn a_torn_file_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("registry.redb");
    drop(RedbStore::open(dir.path()).expect("opens"));
    let whole = fs::read(&path).expect("reads");
    let mut flipped = whole.clone();
    flipped[..64].fill(0xff);
    for damaged in [&b""[..], &b"not a database"[..], &flipped, &whole[..5000]] {
        fs::write(&path, damaged).expect("writes");
        let refused = RedbStore::open(dir.path())
            .expect_err("damaged")
            .to_string();
        assert!(refused.contains("restore it from a backup"), "{refused}");
        assert_eq!(fs::read(&path).expect("reads"), damaged, "was changed");
    }
}

#[test]
fn a_registry_of_a_newer_program_is_refused_with_advice() {
    let dir = tempfile::tempdir().expect("temporary directory");
    drop(RedbStore::open(dir.path()).expect("opens"));
    let db = redb::Database::open(dir.path().join("registry.redb")).expect("opens");
    let write = db.begin_write().expect("begins");
    write
        .open_table(redb::TableDefinition::<&str, u8>::new("meta"))
        .expect("opens")
        .insert("schema", SCHEMA + 1)
        .expect("inserts");
    write.commit().expect("commits");
    drop(db);
    let refused = RedbStore::open(dir.path()).expect_err("newer").to_string();
    assert!(refused.contains("newer miner-ctrl"), "{refused}");
}

#[test]
fn a_registry_of_an_older_schema_opens_with_its_rows_and_takes_new_ones() {
    for schema in [1, 2, 3] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = RedbStore::open(dir.path()).expect("opens");
        let batch = [
            Change::PutPeer(key(1), peer("rig-1")),
            Change::PutDesired(key(1), first_wish()),
            Change::PutProfile(ProfileId::of("Old"), first_version()),
        ];
        store.commit(&batch, Durable::Now).expect("commits");
        drop(store);
        as_older(&dir.path().join("registry.redb"), schema);

        let mut store = RedbStore::open(dir.path()).expect("migrates");
        let put = [
            Change::PutToken(TokenId([3; 8]), token()),
            Change::PutRecovery(recovery(1)),
            Change::PutPinned(key(1), pinned()),
            Change::PutLabels(key(1), labels()),
            Change::PutMachine(key(1), machine()),
            Change::PutUpdate(1, update()),
            Change::PutUpdateRig(1, key(1), update_rig()),
        ];
        store.commit(&put, Durable::Now).expect("commits");
        drop(store);
        let rows = RedbStore::open(dir.path()).expect("opens").load();
        let rows = rows.expect("loads");
        assert_eq!(rows.peers.get(&key(1)), Some(&peer("rig-1")));
        assert_eq!(rows.tombstones.get(&key(2)), Some(&removed()));
        assert_eq!(rows.desired.get(&key(1)), Some(&first_wish()));
        let profile = rows.profiles.get(&ProfileId::of("Old"));
        assert_eq!(profile, Some(&first_version()));
        assert_eq!(rows.tokens.len(), 1);
        assert_eq!((rows.recovery, rows.pinned.len()), (Some(recovery(1)), 1));
        assert_eq!((rows.labels.len(), rows.machines.len()), (1, 1));
        assert_eq!((rows.updates.len(), rows.update_rigs.len()), (1, 1));
    }
}

#[test]
fn a_registry_of_schema_4_opens_with_its_rows_and_takes_updates() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = RedbStore::open(dir.path()).expect("opens");
    let batch = [
        Change::PutPeer(key(1), peer("rig-1")),
        Change::PutDesired(key(1), wish(1)),
        Change::PutRollout(6, rollout()),
    ];
    store.commit(&batch, Durable::Now).expect("commits");
    drop(store);
    let db = redb::Database::open(dir.path().join("registry.redb")).expect("opens");
    let write = db.begin_write().expect("begins");
    without_stages(&write, "updates", "update_rigs");
    let meta = redb::TableDefinition::<&str, u8>::new("meta");
    let mut table = write.open_table(meta).expect("opens");
    table.insert("schema", 4).expect("inserts");
    drop(table);
    write.commit().expect("commits");
    drop(db);

    let mut store = RedbStore::open(dir.path()).expect("migrates");
    let put = [
        Change::PutUpdate(1, update()),
        Change::PutUpdateRig(1, key(1), update_rig()),
    ];
    store.commit(&put, Durable::Now).expect("commits");
    let rows = store.load().expect("loads");
    assert_eq!(rows.desired.get(&key(1)), Some(&wish(1)));
    assert_eq!(rows.rollouts.get(&6), Some(&rollout()));
    assert_eq!((rows.updates.len(), rows.update_rigs.len()), (1, 1));
}

/// Takes the tables of one kind of rollout away.
fn without_stages(write: &redb::WriteTransaction, table: &str, rigs: &str) {
    let rollouts = redb::TableDefinition::<u32, &[u8]>::new(table);
    write.delete_table(rollouts).expect("was there");
    let rigs = redb::TableDefinition::<(u32, [u8; 32]), &[u8]>::new(rigs);
    write.delete_table(rigs).expect("was there");
}

/// What a wish of an older schema reads as.
fn first_wish() -> DesiredRecord {
    DesiredRecord {
        version: 1,
        held: false,
        ..wish(1)
    }
}

/// What a profile of an older schema reads as.
fn first_version() -> ProfileRecord {
    ProfileRecord {
        profile: profile("Old"),
        created_at_ms: 3,
        version: 1,
        settings: Settings::default(),
        revision: Revision::default(),
        lost: 0,
    }
}

fn removed() -> Tombstone {
    Tombstone {
        name: name("gone"),
        removed_at_ms: 9,
        successor: None,
    }
}

/// Makes of a registry with one peer what the program of an older schema wrote, with one tombstone.
fn as_older(path: &std::path::Path, schema: u8) {
    type Rows = redb::TableDefinition<'static, [u8; 32], &'static [u8]>;
    let db = redb::Database::open(path).expect("opens");
    let write = db.begin_write().expect("begins");
    let gone: &[&str] = match schema {
        1 => &["labels", "machines", "pinned", "pending", "origins"],
        2 => &["labels", "machines", "pinned"],
        _ => &["labels", "machines"],
    };
    for table in gone {
        write.delete_table(Rows::new(table)).expect("was there");
    }
    without_stages(&write, "rollouts", "rollout_rigs");
    without_stages(&write, "updates", "update_rigs");
    for table in ["versions", "yields"] {
        let table = redb::TableDefinition::<(&str, u32), &[u8]>::new(table);
        write.delete_table(table).expect("was there");
    }
    if schema < 3 {
        let farm = redb::TableDefinition::<&str, &[u8]>::new("farm");
        write.delete_table(farm).expect("was there");
    }
    let api_tokens = redb::TableDefinition::<[u8; 8], &[u8]>::new("api_tokens");
    write.delete_table(api_tokens).expect("was there");
    if schema == 1 {
        let tokens = redb::TableDefinition::<[u8; 8], &[u8]>::new("tokens");
        write.delete_table(tokens).expect("was there");
    }
    let orders = redb::TableDefinition::<[u8; 16], &[u8]>::new("orders");
    write.delete_table(orders).expect("was there");
    let meta = redb::TableDefinition::<&str, u8>::new("meta");
    let mut table = write.open_table(meta).expect("opens");
    table.insert("schema", schema).expect("inserts");
    drop(table);
    let peers = record::encode(&peer("rig-1")).expect("short");
    // The last bytes are what there was not yet: a tombstone's successor; version and hold of a wish; all
    // of a profile that is not in the profile as rigs get it.
    let mut tombstones = record::encode(&removed()).expect("short");
    if schema < 3 {
        tombstones.pop();
    }
    let mut wishes = record::encode(&first_wish()).expect("short");
    wishes.truncate(wishes.len() - 2);
    let mut old = record::encode(&first_version()).expect("short");
    old.truncate(old.len() - 10);
    old[0] = schema;
    let profiles = redb::TableDefinition::<&str, &[u8]>::new("profiles");
    let mut table = write.open_table(profiles).expect("opens");
    table.insert("old", old.as_slice()).expect("inserts");
    drop(table);
    for (table, key, mut row) in [
        ("peers", 1, peers),
        ("tombstones", 2, tombstones),
        ("desired", 1, wishes),
    ] {
        let mut table = write.open_table(Rows::new(table)).expect("opens");
        row[0] = schema;
        table.insert([key; 32], row.as_slice()).expect("inserts");
    }
    write.commit().expect("commits");
}

#[test]
fn a_registry_in_use_is_refused_and_one_half_made_is_made_anew() {
    let dir = tempfile::tempdir().expect("temporary directory");
    fs::write(dir.path().join("registry.redb.new"), b"half").expect("writes");
    let first = RedbStore::open(dir.path()).expect("opens");
    let second = RedbStore::open(dir.path());
    assert!(matches!(second, Err(StoreError::InUse(_))));
    drop(first);
    let mode = fs::metadata(dir.path().join("registry.redb"))
        .expect("exists")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "it holds pool logins");
}

fn registry() -> Registry {
    Registry::open(Box::new(MemoryStore::default())).expect("opens")
}

const NOW: EpochMs = EpochMs(1_000);

#[test]
fn a_second_key_under_a_registered_id_is_refused() {
    let mut registry = registry();
    registry.add(key(1), peer("rig")).expect("adds");
    let mut twin = [1; 32];
    twin[31] = 2;
    let refused = registry.add(Fingerprint(twin), peer("rig"));
    assert!(matches!(refused, Err(RegistryError::IdTaken(k)) if k == key(1)));
    let again = registry.add(key(1), peer("rig"));
    assert!(matches!(again, Err(RegistryError::PeerExists(_))));
}

#[test]
fn a_name_belongs_to_one_peer() {
    let mut registry = registry();
    registry.add(key(1), peer("rig")).expect("adds");
    let taken = registry.add(key(2), peer("rig"));
    assert!(matches!(taken, Err(RegistryError::NameTaken(_, k)) if k == key(1)));
    registry.add(key(2), peer("other")).expect("adds");
    let address = Address::parse("192.0.2.9:9091").expect("valid");
    let taken = registry.readdress(&key(2), address.clone(), Some(name("rig")));
    assert!(matches!(taken, Err(RegistryError::NameTaken(..))));
    registry
        .readdress(&key(1), address, Some(name("rig")))
        .expect("its own");
}

#[test]
fn removal_leaves_a_tombstone_until_the_peer_is_added_or_forgotten() {
    let mut registry = registry();
    registry.add(key(1), peer("rig")).expect("adds");
    registry.remove(&key(1), false, NOW).expect("removes");
    assert!(registry.peer(&key(1)).is_none());
    assert!(registry.tombstone(&key(1)).is_some());
    registry.add(key(1), peer("rig")).expect("adds again");
    assert!(registry.tombstone(&key(1)).is_none());
    registry.remove(&key(1), false, NOW).expect("removes");
    registry.forget(&key(1)).expect("forgets");
    assert!(registry.tombstone(&key(1)).is_none());
}

#[test]
fn generations_rise_also_over_removal_and_above_what_the_rig_was_told() {
    let mut registry = registry();
    let stop = || Wish {
        op_id: [1; 16],
        profile: None,
        version: 0,
        held: false,
        state: State::Stopped,
    };
    registry.add(key(1), peer("rig")).expect("adds");
    assert_eq!(registry.wish(&key(1), stop(), 0, NOW).expect("wishes"), 1);
    assert_eq!(registry.wish(&key(1), stop(), 40, NOW).expect("wishes"), 41);
    registry.remove(&key(1), false, NOW).expect("removes");
    assert!(registry.wish(&key(1), stop(), 0, NOW).is_err());
    registry.add(key(1), peer("rig")).expect("adds");
    assert_eq!(registry.wish(&key(1), stop(), 0, NOW).expect("wishes"), 42);
}

#[test]
fn a_text_that_could_mean_two_peers_means_none() {
    let mut registry = registry();
    registry.add(key(0xaa), peer("rig-1")).expect("adds");
    registry.add(key(0xab), peer("rig-2")).expect("adds");
    registry.add(key(0xcd), peer("aaaa")).expect("adds");

    let resolved = |text: &str| registry.resolve(text).ok();
    assert_eq!(resolved("rig-1"), Some(key(0xaa)));
    assert_eq!(resolved("aaaaaaaaaaaaaaaa"), Some(key(0xaa)));
    assert_eq!(resolved(&key(0xab).to_string()), Some(key(0xab)));
    assert_eq!(resolved("CD"), Some(key(0xcd)), "a unique prefix");
    assert_eq!(resolved("nobody"), None);
    assert_eq!(resolved(""), None);
    assert_eq!(resolved("aaaa"), None, "a name that is another's prefix");
    match registry.resolve("a") {
        Err(RegistryError::Ambiguous(matches)) => assert_eq!(matches.len(), 2),
        other => panic!("{other:?}"),
    }
}
