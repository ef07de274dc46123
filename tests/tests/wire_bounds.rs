//! Every message fits its bound, however full; any bytes may come in.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use miner_shared::bytes::Bytes;
use miner_shared::identity::{Fingerprint, NodeKeys, Statement};
use miner_shared::limits::{
    FRAME_HEADER, MAX_CHECK_NAME, MAX_FINDING, MAX_FINDINGS, MAX_FOUND_SHARES, MAX_INTERFACE_NAME,
    MAX_INTERFACES, MAX_LABEL, MAX_LOG_LINE, MAX_LOG_LINES, MAX_MANAGERS, MAX_MESSAGE, MAX_MINERS,
    MAX_PIECE, MAX_POOL_PASS, MAX_POOL_USER, MAX_POOLS, SEQ, SIGNATURE, TAG,
};
use miner_shared::release::Version;
use miner_shared::text::{Address, Label, LogText, MinerName, Name, PoolPass, PoolUser, Text};
use miner_shared::wire::{
    Activity, Admission, Algo, Answer, Backend, Boot, Command, Desired, Finding, FoundBatch,
    FoundShare, ImageId, ImageStatus, Interface, Level, LogLine, LogPage, Manager, Memory, Message,
    MinerStats, Mode, NodeCard, NodeInfo, Offer, Outcome, OwnerView, PageWish, Pages, Piece, Plan,
    Pool, Profile, Query, Refusal, RigStats, Severity, ShareVerdict, State, Step, Threads, Update,
    Wanted, Windows, WireError,
};
use proptest::prelude::*;

/// Bytes on the wire of a message whose body has this length.
fn on_the_wire(message: &Message) -> usize {
    let mut out = [0; MAX_MESSAGE];
    let body = message.encode(&mut out).expect("fits").len();
    FRAME_HEADER + SEQ + body + SIGNATURE + TAG
}

fn text(len: usize) -> String {
    "x".repeat(len)
}

fn full_card() -> NodeCard {
    NodeCard {
        name: Name::parse(&text(64)).expect("a name"),
        software: Label::lossy(&text(MAX_LABEL)),
        host: Label::lossy(&text(MAX_LABEL)),
    }
}

fn full_address() -> Address {
    Address::parse(&format!("{}:65535", text(253))).expect("an address")
}

fn full_stats() -> RigStats {
    let miner = MinerStats {
        name: MinerName::parse(&text(24)).expect("a name"),
        backend: Backend::External,
        algo: Algo::Rx0,
        threads: u16::MAX,
        memory: Some(Memory::Fast),
        pages: Some(Pages::Huge1G),
        hashrate: Windows {
            s10: Some(u64::MAX),
            s60: Some(u64::MAX),
            m15: Some(u64::MAX),
            highest: Some(u64::MAX),
        },
        hashes: u64::MAX,
        accepted: u64::MAX,
        rejected: u64::MAX,
        stale: u64::MAX,
        lost: u64::MAX,
        last_share_ms: Some(u64::MAX),
        uptime_ms: u64::MAX,
        pool: Some(full_address()),
        difficulty: Some(u64::MAX),
    };
    RigStats {
        uptime_ms: u64::MAX,
        generation: u64::MAX,
        profile: Some(Name::parse(&text(64)).expect("a name")),
        activity: Activity::Filling {
            percent: u8::MAX,
            left_ms: Some(u64::MAX),
        },
        miners: (0..MAX_MINERS).map(|_| miner.clone()).collect(),
        logs_lost: u64::MAX,
    }
}

fn full_profile() -> Profile {
    let pool = Pool {
        address: full_address(),
        tls: true,
        user: PoolUser::parse(&text(MAX_POOL_USER)).expect("a user"),
        pass: PoolPass::parse(&text(MAX_POOL_PASS)).expect("a password"),
    };
    Profile {
        name: Name::parse(&text(64)).expect("a name"),
        backend: Backend::External,
        algo: Algo::Rx0,
        mode: Mode::Light,
        threads: Threads::Count(u16::MAX),
        pools: (0..MAX_POOLS).map(|_| pool.clone()).collect(),
    }
}

fn full_logs() -> LogPage {
    let line = LogLine {
        at_ms: u64::MAX,
        level: Level::Trace,
        text: LogText::lossy(&text(MAX_LOG_LINE)),
    };
    LogPage {
        first: u64::MAX,
        next: u64::MAX,
        end: u64::MAX,
        lost: u64::MAX,
        now_ms: u64::MAX,
        lines: (0..MAX_LOG_LINES).map(|_| line.clone()).collect(),
    }
}

fn full_refusal() -> Refusal {
    let name = MinerName::parse(&text(24)).expect("a name");
    Refusal::NoSuchMiner((0..MAX_MINERS).map(|_| name.clone()).collect())
}

fn full_managers() -> heapless::Vec<Manager, MAX_MANAGERS> {
    let manager = Manager {
        fingerprint: Fingerprint([0xff; 32]),
        recovery: Some([0xff; 32]),
    };
    (0..MAX_MANAGERS).map(|_| manager).collect()
}

fn full_recovery() -> Command {
    Command::PinRecovery {
        key: [0xff; 32],
        proof: Some(Bytes([0xff; SIGNATURE])),
    }
}

/// The fullest message of every variant that there is.
fn fullest() -> Vec<Message> {
    let desired = Desired {
        generation: u64::MAX,
        state: State::Mine(full_profile()),
    };
    let logs = Query::GetLogs {
        miner: MinerName::parse(&text(24)).expect("a name"),
        cursor: Some(u64::MAX),
        lines: u16::MAX,
    };
    let info = NodeInfo {
        card: full_card(),
        cpus: u16::MAX,
        cpu_model: Label::lossy(&text(MAX_LABEL)),
        memory_mib: Some(u32::MAX),
        uptime_ms: u64::MAX,
    };
    let who = Fingerprint([0xff; 32]);
    let [old, new] = [1, 2].map(|seed| NodeKeys::from_seed(&[seed; 32]));
    let statement = Statement::by_old(&old, &new);
    vec![
        Message::Hello(full_card()),
        Message::Welcome(Admission::Pending, full_card()),
        Message::Ping(u64::MAX),
        Message::Pong(u64::MAX),
        Message::Heartbeat(full_stats()),
        Message::Query(u32::MAX, Query::GetInfo),
        Message::Query(u32::MAX, Query::GetStats),
        Message::Query(u32::MAX, logs),
        Message::Answer(u32::MAX, Answer::Info(info)),
        Message::Answer(u32::MAX, Answer::Stats(full_stats())),
        Message::Answer(u32::MAX, Answer::Logs(full_logs())),
        Message::Answer(u32::MAX, Answer::Refused(full_refusal())),
        Message::Command([0xff; 16], Command::SetState(desired)),
        Message::Receipt([0xff; 16], Outcome::Behind(u64::MAX)),
        Message::Receipt([0xff; 16], Outcome::Refused(full_refusal())),
        Message::Query(u32::MAX, Query::GetManagers),
        Message::Answer(u32::MAX, Answer::Managers(full_managers())),
        Message::Command([0xff; 16], full_recovery()),
        Message::Command([0xff; 16], Command::Handover { to: who }),
        Message::Command([0xff; 16], Command::Revoke { manager: who }),
        Message::Command([0xff; 16], Command::Rotate),
        Message::Succession(statement),
    ]
    .into_iter()
    .chain(fullest_since_2())
    .chain(fullest_since_3())
    .collect()
}

/// The same of what version 2 added.
fn fullest_since_2() -> Vec<Message> {
    let plan = Plan {
        profile: full_profile(),
        paused: true,
        pages: PageWish::Huge1G,
        nice: u8::MAX,
    };
    let wish = Desired {
        generation: u64::MAX,
        state: State::Plan(plan),
    };
    let logs = Query::GetLogsFrom {
        miner: MinerName::parse(&text(24)).expect("a name"),
        cursor: Some(u64::MAX),
        lines: u16::MAX,
        level: Level::Trace,
    };
    let finding = Finding {
        check: Text::lossy(&text(MAX_CHECK_NAME)),
        severity: Severity::Bad,
        detail: Text::lossy(&text(MAX_FINDING)),
        fix: Text::lossy(&text(MAX_FINDING)),
    };
    let interface = Interface {
        name: Text::lossy(&text(MAX_INTERFACE_NAME)),
        mac: [0xff; 6],
    };
    let share = FoundShare {
        height: Some(u64::MAX),
        nonce: u32::MAX,
        thread: u16::MAX,
        verdict: ShareVerdict::Lost,
        age_ms: u64::MAX,
    };
    let batch = FoundBatch {
        first: u64::MAX,
        shares: (0..MAX_FOUND_SHARES).map(|_| share).collect(),
    };
    let findings = (0..MAX_FINDINGS).map(|_| finding.clone()).collect();
    let interfaces = (0..MAX_INTERFACES).map(|_| interface.clone()).collect();
    let order = |command| Message::Command([0xff; 16], command);
    vec![
        order(Command::SetState(wish)),
        order(Command::Locate { seconds: u16::MAX }),
        order(Command::SetLogLevel(Level::Trace)),
        order(Command::PowerOff),
        Message::Query(u32::MAX, logs),
        Message::Query(u32::MAX, Query::GetDoctor),
        Message::Query(u32::MAX, Query::GetNetwork),
        Message::Answer(u32::MAX, Answer::Doctor(findings)),
        Message::Answer(u32::MAX, Answer::Network(interfaces)),
        Message::Applied {
            generation: u64::MAX,
            hash: [0xff; 32],
        },
        Message::FoundShares(batch),
    ]
}

/// The same of what version 3 added.
fn fullest_since_3() -> Vec<Message> {
    let version = Version {
        major: u32::MAX,
        minor: u32::MAX,
        patch: u32::MAX,
    };
    let offer = Offer {
        release: [0xff; 32],
        manifest_size: u32::MAX,
        version,
    };
    let wanted = Wanted {
        release: [0xff; 32],
        file: u8::MAX,
        from: u64::MAX,
    };
    let piece = Piece {
        wanted,
        bytes: [0xff; MAX_PIECE].into_iter().collect(),
    };
    let image = ImageId {
        arch: Text::lossy(&text(64)),
        version,
        on_trial: true,
        release_key: Some([0xff; 32]),
    };
    let step = Step::Fetching {
        done: u64::MAX,
        total: u64::MAX,
    };
    let status = ImageStatus {
        boot: Boot::Slot,
        image: Some(image),
        update: Some(Update {
            release: [0xff; 32],
            version,
            step,
        }),
    };
    let owner = OwnerView {
        owner: Some(Label::lossy(&text(MAX_LABEL))),
        mine: true,
        max_threads: Some(u16::MAX),
        light: true,
        controllers: Some(u8::MAX),
        wallets: Some(u8::MAX),
        pools: Some(u8::MAX),
    };
    vec![
        Message::Command([0xff; 16], Command::Update(offer)),
        Message::Command([0xff; 16], Command::CancelUpdate([0xff; 32])),
        Message::Image(status),
        Message::Wanted(wanted),
        Message::Piece(piece),
        Message::Query(u32::MAX, Query::GetOwner),
        Message::Answer(u32::MAX, Answer::Owner(owner)),
    ]
}

#[test]
fn the_fullest_message_of_every_kind_fits_and_comes_back() {
    let mut longest = 0;
    for message in fullest() {
        let mut out = [0; MAX_MESSAGE];
        let bytes = message.encode(&mut out).expect("fits");
        longest = longest.max(bytes.len());
        assert_eq!(Message::decode(bytes), Ok(message));
    }
    println!("longest body {longest} of {MAX_MESSAGE} bytes");
}

#[test]
fn a_buffer_that_is_too_small_is_an_error() {
    for message in fullest() {
        let mut out = [0; MAX_MESSAGE];
        let len = message.encode(&mut out).expect("fits").len();
        assert_eq!(message.encode(&mut out[..len - 1]), Err(WireError::TooLong));
    }
}

#[test]
fn every_cut_and_every_byte_too_many_is_an_error() {
    for message in fullest() {
        let mut out = [0; MAX_MESSAGE + 1];
        let len = message.encode(&mut out).expect("fits").len();
        for cut in 0..len {
            assert!(Message::decode(&out[..cut]).is_err(), "cut at {cut}");
        }
        assert_eq!(Message::decode(&out[..=len]), Err(WireError::TrailingBytes));
    }
}

/// The table of sizes in docs/SMSG.md, in its order.
#[test]
fn sizes_on_the_wire_are_those_of_the_table() {
    // 8 header, 8 seq, 2 body, 64 signature, 16 tag: the least that says something.
    let stop = Command::SetState(Desired {
        generation: 100_000,
        state: State::Stopped,
    });
    let sizes = [
        (Message::Ping(1), 98),
        (Message::Ping(u64::MAX), 107),
        (Message::Pong(u64::MAX), 107),
        (Message::Heartbeat(one_miner()), 217),
        (Message::Answer(100_000, Answer::Stats(one_miner())), 221),
        (Message::Command([7; 16], stop), 118),
        (Message::Receipt([7; 16], Outcome::Applied), 114),
    ];
    let document = std::fs::read_to_string(farm_tests::sources::root().join("docs/SMSG.md"));
    let document = document.expect("the document is there");
    for (message, bytes) in sizes {
        assert_eq!(on_the_wire(&message), bytes, "{message:?}");
        let cell = format!("| {bytes} |");
        assert!(document.contains(&cell), "no {cell} in docs/SMSG.md");
    }
    // The promises: the original sends 369 bytes for a ping, 673 for the statistics of one miner.
    assert!(on_the_wire(&Message::Pong(u64::MAX)) < 128);
    assert!(on_the_wire(&Message::Heartbeat(one_miner())) < 256);
}

/// A rig in the middle of its life: a month up, with figures of the size that rigs have.
fn one_miner() -> RigStats {
    let mut stats = full_stats();
    let mut miner = stats.miners.pop().expect("four");
    stats.miners.clear();
    let month_ms = 30 * 24 * 3_600_000;
    let rate = Some(25_000_000);
    miner.name = MinerName::parse("miner-rx0").expect("a name");
    miner.threads = 64;
    miner.hashrate = Windows {
        s10: rate,
        s60: rate,
        m15: rate,
        highest: rate,
    };
    miner.hashes = 25_000 * 30 * 24 * 3_600;
    (miner.accepted, miner.rejected, miner.stale, miner.lost) = (200_000, 1_000, 1_000, 1_000);
    (miner.last_share_ms, miner.uptime_ms) = (Some(600_000), month_ms);
    miner.pool = Some(Address::parse("pool.supportxmr.com:3333").expect("an address"));
    miner.difficulty = Some(1_000_000);
    assert!(stats.miners.push(miner).is_ok());
    stats.uptime_ms = month_ms;
    stats.generation = 100_000;
    stats.profile = Some(Name::parse("xmr-supportxmr").expect("a name"));
    stats.activity = Activity::Mining;
    stats.logs_lost = 100_000;
    stats
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_decode_to_an_error_or_to_what_encodes_again(
        bytes in prop::collection::vec(any::<u8>(), 0..600)
    ) {
        again(&bytes)?;
    }

    #[test]
    fn a_message_with_changed_bytes_does_no_harm(
        which in 0_usize..33,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut out = [0; MAX_MESSAGE];
        let len = fullest()[which].encode(&mut out).expect("fits").len();
        for (at, value) in changes {
            out[at.index(len)] = value;
        }
        again(&out[..len])?;
    }
}

/// What decodes must encode, within the bound, to what decodes to the same.
fn again(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(message) = Message::decode(bytes) {
        let mut out = [0; MAX_MESSAGE];
        let encoded = message.encode(&mut out).expect("fits");
        prop_assert_eq!(Message::decode(encoded), Ok(message));
    }
    Ok(())
}
