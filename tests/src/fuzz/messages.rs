//! One message of each variant, with what it can carry: the seeds of whatever decodes messages.

use miner_shared::release::Version;
use miner_shared::text::{Address, Label, LogText, MinerName, Name, PoolPass, PoolUser, Text};
use miner_shared::wire::{
    Activity, Admission, Algo, Answer, Backend, Boot, Command, Desired, Finding, FoundBatch,
    FoundShare, ImageId, ImageStatus, Interface, Level, LogLine, LogPage, Memory, Message,
    MinerStats, Mode, NodeInfo, Offer, Outcome, OwnerView, PageWish, Pages, Piece, Plan, Pool,
    Profile, Query, Refusal, RigStats, Severity, ShareVerdict, State, Step, Threads, Update,
    Wanted, Windows,
};

use super::world;

/// Each variant, with what it can carry.
pub(super) fn messages() -> Vec<Message> {
    let miner = MinerName::parse("miner-rx0").expect("a name");
    let line = LogLine {
        at_ms: 7,
        level: Level::Info,
        text: LogText::lossy("pool in use"),
    };
    let page = LogPage {
        first: 1,
        next: 3,
        end: 3,
        lost: 1,
        now_ms: 9,
        lines: heapless::Vec::from_array([line.clone(), line]),
    };
    let info = NodeInfo {
        card: world::card("rig-alpha"),
        cpus: 8,
        cpu_model: Label::lossy("a processor"),
        memory_mib: Some(16_384),
        uptime_ms: 12_345,
    };
    let set = |state| {
        let generation = 3;
        Command::SetState(Desired { generation, state })
    };
    let logs = |cursor| Query::GetLogs {
        miner: miner.clone(),
        cursor,
        lines: 100,
    };
    let op = [9; 16];
    let no_miner = Refusal::NoSuchMiner(heapless::Vec::from_array([miner.clone()]));
    vec![
        Message::Hello(world::card("rig-alpha")),
        Message::Welcome(Admission::Registered, world::card("control-center")),
        Message::Welcome(Admission::Pending, world::card("c")),
        Message::Ping(1),
        Message::Pong(u64::MAX),
        Message::Heartbeat(stats()),
        Message::Query(1, Query::GetInfo),
        Message::Query(2, Query::GetStats),
        Message::Query(3, logs(None)),
        Message::Query(4, logs(Some(300))),
        Message::Answer(1, Answer::Info(info)),
        Message::Answer(2, Answer::Stats(stats())),
        Message::Answer(3, Answer::Logs(page)),
        Message::Answer(4, Answer::Refused(no_miner)),
        Message::Command(op, set(State::Stopped)),
        Message::Command(op, set(State::Mine(profile()))),
        Message::Receipt(op, Outcome::Applied),
        Message::Receipt(op, Outcome::Behind(8)),
        Message::Receipt(op, Outcome::Refused(Refusal::OpIdReused)),
    ]
    .into_iter()
    .chain(of_version_2())
    .chain(of_version_3())
    .collect()
}

/// The same of what version 2 added.
fn of_version_2() -> Vec<Message> {
    let plan = Plan {
        paused: true,
        pages: PageWish::Huge2M,
        nice: 5,
        ..Plan::new(profile())
    };
    let wish = Desired {
        generation: 4,
        state: State::Plan(plan),
    };
    let logs = Query::GetLogsFrom {
        miner: MinerName::parse("miner-rx0").expect("a name"),
        cursor: Some(7),
        lines: 15,
        level: Level::Warn,
    };
    let finding = Finding {
        check: Text::lossy("huge-pages"),
        severity: Severity::Warning,
        detail: Text::lossy("none reserved"),
        fix: Text::lossy("reserve 1280"),
    };
    let interface = Interface {
        name: Text::lossy("eth0"),
        mac: [2, 0, 0, 0, 0, 1],
    };
    let share = FoundShare {
        height: Some(3_500_000),
        nonce: 7,
        thread: 1,
        verdict: ShareVerdict::Stale,
        age_ms: 900,
    };
    let batch = FoundBatch {
        first: 9,
        shares: heapless::Vec::from_array([share]),
    };
    let op = [10; 16];
    vec![
        Message::Command(op, Command::SetState(wish)),
        Message::Command(op, Command::Restart),
        Message::Command(op, Command::Locate { seconds: 60 }),
        Message::Command(op, Command::SetLogLevel(Level::Debug)),
        Message::Receipt(op, Outcome::Refused(Refusal::NotOurImage)),
        Message::Query(5, logs),
        Message::Query(6, Query::GetDoctor),
        Message::Answer(6, Answer::Doctor(heapless::Vec::from_array([finding]))),
        Message::Answer(7, Answer::Network(heapless::Vec::from_array([interface]))),
        Message::Applied {
            generation: 4,
            hash: [0xab; 32],
        },
        Message::FoundShares(batch),
    ]
}

/// The same of what version 3 added.
fn of_version_3() -> Vec<Message> {
    let version = Version {
        major: 1,
        minor: 2,
        patch: 3,
    };
    let release = [0xcd; 32];
    let offer = Offer {
        release,
        manifest_size: 900,
        version,
    };
    let wanted = Wanted {
        release,
        file: 1,
        from: 3_584,
    };
    let piece = Piece {
        wanted,
        bytes: b"a piece of a kernel".iter().copied().collect(),
    };
    let status = ImageStatus {
        boot: Boot::Slot,
        image: Some(ImageId {
            arch: Text::lossy("x86_64"),
            version,
            on_trial: true,
            release_key: Some([0xef; 32]),
        }),
        update: Some(Update {
            release,
            version,
            step: Step::Fetching {
                done: 1,
                total: 12_000_000,
            },
        }),
    };
    let owner = OwnerView {
        owner: Some(Label::lossy("Ada")),
        mine: true,
        max_threads: Some(8),
        light: false,
        controllers: None,
        wallets: Some(1),
        pools: None,
    };
    let op = [11; 16];
    vec![
        Message::Command(op, Command::Update(offer)),
        Message::Command(op, Command::CancelUpdate(release)),
        Message::Image(status),
        Message::Wanted(wanted),
        Message::Piece(piece),
        Message::Query(8, Query::GetOwner),
        Message::Answer(8, Answer::Owner(owner)),
    ]
}

pub(super) fn profile() -> Profile {
    let pool = Pool {
        address: Address::parse("pool.example:3333").expect("an address"),
        tls: true,
        user: PoolUser::parse("wallet.rig").expect("a login"),
        pass: PoolPass::parse("x").expect("a password"),
    };
    Profile {
        name: Name::parse("default").expect("a name"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads: Threads::Count(4),
        pools: heapless::Vec::from_array([pool.clone(), pool]),
    }
}

pub(super) fn stats() -> RigStats {
    let miner = MinerStats {
        name: MinerName::parse("miner-rx0").expect("a name"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        threads: 4,
        memory: Some(Memory::Fast),
        pages: Some(Pages::Huge1G),
        hashrate: Windows {
            s10: Some(1_000),
            ..Windows::default()
        },
        hashes: 300,
        accepted: 2,
        rejected: 1,
        stale: 0,
        lost: 0,
        last_share_ms: Some(500),
        uptime_ms: 10_000,
        pool: Some(Address::parse("[::1]:3333").expect("an address")),
        difficulty: Some(1_000),
    };
    RigStats {
        uptime_ms: 12_000,
        generation: 3,
        profile: Some(Name::parse("default").expect("a name")),
        activity: Activity::Filling {
            percent: 40,
            left_ms: Some(1_000),
        },
        miners: heapless::Vec::from_array([miner]),
        logs_lost: 0,
    }
}
