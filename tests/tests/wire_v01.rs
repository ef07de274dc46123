//! The bytes of every message of protocol version 1, spelled out.
//!
//! If a test in this file fails, do not change the test! It means that you have changed, deleted or
//! reordered an existing message, variant or field, and that nodes in the field can no longer talk
//! to this one. Add a new variant at the end instead, raise the version, and freeze it in a new file.
//!
//! The encoding is postcard: an enum is its variant's number, numbers are LEB128 varints (7 bits per
//! byte, lowest first), text and lists have their length in front, `Option` is 0 or 1 and the value,
//! byte arrays of fixed length stand as they are.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use miner_shared::bytes::Bytes;
use miner_shared::identity::{Fingerprint, NodeKeys, Statement};
use miner_shared::text::{Address, Label, LogText, MinerName, Name, PoolPass, PoolUser};
use miner_shared::wire::{
    Activity, Admission, Algo, Answer, Backend, Command, Desired, Level, LogLine, LogPage, Manager,
    Memory, Message, MinerStats, Mode, NodeCard, NodeInfo, Outcome, Pages, Pool, Profile, Query,
    Refusal, RigStats, State, Threads, Windows,
};

fn frozen(message: &Message, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    let mut out = [0; 4096];
    assert_eq!(message.encode(&mut out).expect("fits"), bytes);
    assert_eq!(Message::decode(&bytes).as_ref(), Ok(message));
}

fn card() -> NodeCard {
    NodeCard {
        name: Name::parse("rig").expect("a name"),
        software: Label::lossy("miner 0.1.0"),
        host: Label::lossy("linux x86_64"),
    }
}

/// The bytes of [`card`].
const CARD: &[&[u8]] = &[
    b"\x03rig",          // name
    b"\x0bminer 0.1.0",  // software
    b"\x0clinux x86_64", // host
];

fn card_bytes() -> Vec<u8> {
    CARD.concat()
}

fn refusal(refusal: Refusal) -> Message {
    Message::Answer(1, Answer::Refused(refusal))
}

#[test]
fn m00_hello() {
    frozen(&Message::Hello(card()), &[b"\x00", &card_bytes()]);
}

#[test]
fn m01_welcome() {
    let welcome = |admission| Message::Welcome(admission, card());
    frozen(
        &welcome(Admission::Registered),
        &[b"\x01", b"\x00", &card_bytes()],
    );
    frozen(
        &welcome(Admission::Pending),
        &[b"\x01", b"\x01", &card_bytes()],
    );
}

#[test]
fn m02_ping_and_m03_pong() {
    frozen(&Message::Ping(1), &[b"\x02", b"\x01"]);
    frozen(&Message::Ping(300), &[b"\x02", b"\xac\x02"]);
    frozen(
        &Message::Pong(u64::MAX),
        &[b"\x03", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"],
    );
}

#[test]
fn m04_heartbeat() {
    frozen(&Message::Heartbeat(stats()), &[b"\x04", &stats_bytes()]);
    let idle = |activity| {
        Message::Heartbeat(RigStats {
            uptime_ms: 0,
            generation: 0,
            profile: None,
            activity,
            miners: heapless_vec([]),
            logs_lost: 0,
        })
    };
    let filling = |percent, left_ms| Activity::Filling { percent, left_ms };
    for (activity, bytes) in [
        (Activity::Stopped, &b"\x00"[..]),
        (Activity::Starting, b"\x01"),
        (Activity::NoPool, b"\x02"),
        (filling(50, None), b"\x03\x32\x00"),
        (filling(99, Some(1_000)), b"\x03\x63\x01\xe8\x07"),
        (Activity::Mining, b"\x04"),
        (Activity::Failed, b"\x05"),
    ] {
        frozen(
            &idle(activity),
            &[b"\x04", b"\x00\x00\x00", bytes, b"\x00\x00"],
        );
    }
}

fn stats() -> RigStats {
    RigStats {
        uptime_ms: 60_000,
        generation: 3,
        profile: Some(Name::parse("xmr").expect("a name")),
        activity: Activity::Mining,
        miners: heapless_vec([
            miner(Some(Memory::Fast), Some(Pages::Huge2M)),
            miner(None, None),
        ]),
        logs_lost: 0,
    }
}

fn miner(memory: Option<Memory>, pages: Option<Pages>) -> MinerStats {
    MinerStats {
        name: MinerName::parse("miner-rx0").expect("a name"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        threads: 8,
        memory,
        pages,
        hashrate: Windows {
            s10: Some(1_000),
            s60: None,
            m15: None,
            highest: Some(2_000),
        },
        hashes: 500,
        accepted: 2,
        rejected: 0,
        stale: 1,
        lost: 0,
        last_share_ms: Some(127),
        uptime_ms: 128,
        pool: Some(Address::parse("p:3333").expect("an address")),
        difficulty: None,
    }
}

fn stats_bytes() -> Vec<u8> {
    [
        b"\xe0\xd4\x03",                        // uptime_ms 60,000
        &b"\x03"[..],                           // generation
        b"\x01\x03xmr",                         // profile
        b"\x04",                                // activity: mining
        b"\x02",                                // two miners
        &miner_bytes(b"\x01\x01", b"\x01\x02"), // fast, huge 2M
        &miner_bytes(b"\x00", b"\x00"),         // memory and pages unknown
        b"\x00",                                // logs_lost
    ]
    .concat()
}

fn miner_bytes(memory: &[u8], pages: &[u8]) -> Vec<u8> {
    [
        b"\x09miner-rx0", // name
        &b"\x00"[..],     // backend: cpu
        b"\x00",          // algo: rx/0
        b"\x08",          // threads
        memory,
        pages,
        b"\x01\xe8\x07",   // hashrate.s10: 1,000
        b"\x00",           // hashrate.s60: not known yet
        b"\x00",           // hashrate.m15
        b"\x01\xd0\x0f",   // hashrate.highest: 2,000
        b"\xf4\x03",       // hashes: 500
        b"\x02",           // accepted
        b"\x00",           // rejected
        b"\x01",           // stale
        b"\x00",           // lost
        b"\x01\x7f",       // last_share_ms: 127
        b"\x80\x01",       // uptime_ms: 128
        b"\x01\x06p:3333", // pool
        b"\x00",           // difficulty: unknown
    ]
    .concat()
}

#[test]
fn m04_memory_pages_and_backends_keep_their_numbers() {
    let of = |memory, pages, backend| {
        let mut miner = miner(memory, pages);
        miner.backend = backend;
        let mut out = [0; 256];
        let bytes = postcard_bytes(&miner, &mut out);
        // Behind the name: backend, algo, threads, memory, pages.
        bytes[10..].to_vec()
    };
    let (cpu, light, fast) = (Backend::Cpu, Some(Memory::Light), Some(Memory::Fast));
    assert_eq!(
        of(light, Some(Pages::Small), cpu)[..7],
        *b"\x00\x00\x08\x01\x00\x01\x00"
    );
    assert_eq!(
        of(fast, Some(Pages::Transparent), cpu)[..7],
        *b"\x00\x00\x08\x01\x01\x01\x01"
    );
    assert_eq!(
        of(fast, Some(Pages::Huge2M), cpu)[..7],
        *b"\x00\x00\x08\x01\x01\x01\x02"
    );
    assert_eq!(
        of(fast, Some(Pages::Huge1G), cpu)[..7],
        *b"\x00\x00\x08\x01\x01\x01\x03"
    );
    assert_eq!(of(None, None, Backend::Cuda)[..5], *b"\x01\x00\x08\x00\x00");
    assert_eq!(
        of(None, None, Backend::External)[..5],
        *b"\x02\x00\x08\x00\x00"
    );
}

/// The bytes of one miner, cut out of a heartbeat that holds nothing else.
fn postcard_bytes<'b>(miner: &MinerStats, out: &'b mut [u8]) -> &'b [u8] {
    let message = Message::Heartbeat(RigStats {
        uptime_ms: 0,
        generation: 0,
        profile: None,
        activity: Activity::Stopped,
        miners: heapless_vec([miner.clone()]),
        logs_lost: 0,
    });
    let bytes = message.encode(out).expect("fits");
    // Heartbeat, uptime, generation, no profile, stopped, one miner; logs_lost at the end.
    &bytes[6..bytes.len() - 1]
}

#[test]
fn m05_query() {
    frozen(
        &Message::Query(7, Query::GetInfo),
        &[b"\x05", b"\x07", b"\x00"],
    );
    frozen(
        &Message::Query(200, Query::GetStats),
        &[b"\x05", b"\xc8\x01", b"\x01"],
    );
    let logs = |cursor| Query::GetLogs {
        miner: MinerName::parse("miner-rx0").expect("a name"),
        cursor,
        lines: 100,
    };
    frozen(
        &Message::Query(1, logs(None)),
        &[
            b"\x05",
            b"\x01",
            b"\x02",
            b"\x09miner-rx0",
            b"\x00",
            b"\x64",
        ],
    );
    frozen(
        &Message::Query(1, logs(Some(128))),
        &[
            b"\x05",
            b"\x01",
            b"\x02",
            b"\x09miner-rx0",
            b"\x01\x80\x01",
            b"\x64",
        ],
    );
}

#[test]
fn m06_answer() {
    let info = NodeInfo {
        card: card(),
        cpus: 16,
        cpu_model: Label::lossy("EPYC"),
        memory_mib: Some(65_536),
        uptime_ms: 1,
    };
    frozen(
        &Message::Answer(1, Answer::Info(info)),
        &[
            b"\x06\x01", // answer to query 1
            b"\x00",     // info
            &card_bytes(),
            b"\x10",             // cpus
            b"\x04EPYC",         // cpu_model
            b"\x01\x80\x80\x04", // memory_mib
            b"\x01",             // uptime_ms
        ],
    );
    frozen(
        &Message::Answer(1, Answer::Stats(stats())),
        &[b"\x06\x01", b"\x01", &stats_bytes()],
    );
    let line = |level| LogLine {
        at_ms: 5,
        level,
        text: LogText::lossy("up"),
    };
    let levels = [
        Level::Error,
        Level::Warn,
        Level::Info,
        Level::Debug,
        Level::Trace,
    ];
    let page = LogPage {
        first: 10,
        next: 15,
        end: 20,
        lost: 1,
        now_ms: 9,
        lines: heapless_vec(levels.map(line)),
    };
    frozen(
        &Message::Answer(1, Answer::Logs(page)),
        &[
            b"\x06\x01",
            b"\x02",                 // logs
            b"\x0a\x0f\x14\x01\x09", // first, next, end, lost, now_ms
            b"\x05",                 // five lines
            b"\x05\x00\x02up",       // at_ms, error, text
            b"\x05\x01\x02up",       // warn
            b"\x05\x02\x02up",       // info
            b"\x05\x03\x02up",       // debug
            b"\x05\x04\x02up",       // trace
        ],
    );
}

#[test]
fn m06_refusals_keep_their_numbers() {
    let names = heapless_vec([MinerName::parse("miner-rx0").expect("a name")]);
    for (why, bytes) in [
        (Refusal::NotAllowed, &b"\x00"[..]),
        (Refusal::NoSuchMiner(names), b"\x01\x01\x09miner-rx0"),
        (Refusal::Unsupported, b"\x02"),
        (Refusal::OpIdReused, b"\x03"),
        (Refusal::NotStored, b"\x04"),
        (Refusal::NoTls, b"\x05"),
        (Refusal::TooLittleMemory, b"\x06"),
        (Refusal::NotAWorker, b"\x07"),
        (Refusal::Busy, b"\x08"),
    ] {
        frozen(&refusal(why), &[b"\x06\x01", b"\x03", bytes]);
    }
}

#[test]
fn m07_command() {
    let command = |state| {
        let desired = Desired {
            generation: 4,
            state,
        };
        Message::Command([0xaa; 16], Command::SetState(desired))
    };
    frozen(
        &command(State::Stopped),
        &[
            b"\x07",
            &[0xaa; 16], // op_id
            b"\x00",     // set state
            b"\x04",     // generation
            b"\x00",     // stopped
        ],
    );
    let pool = Pool {
        address: Address::parse("pool:3333").expect("an address"),
        tls: true,
        user: PoolUser::parse("4W").expect("a user"),
        pass: PoolPass::parse("x").expect("a password"),
    };
    let profile = |mode, threads| Profile {
        name: Name::parse("xmr").expect("a name"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode,
        threads,
        pools: heapless_vec([pool.clone()]),
    };
    for (mode, threads, bytes) in [
        (Mode::Auto, Threads::Auto, &b"\x00\x00"[..]),
        (Mode::Fast, Threads::Count(2), b"\x01\x01\x02"),
        (Mode::Light, Threads::Count(256), b"\x02\x01\x80\x02"),
    ] {
        frozen(
            &command(State::Mine(profile(mode, threads))),
            &[
                b"\x07",
                &[0xaa; 16],
                b"\x00\x04",
                b"\x01",          // mine
                b"\x03xmr",       // name
                b"\x00\x00",      // backend: cpu, algo: rx/0
                bytes,            // mode, threads
                b"\x01",          // one pool
                b"\x09pool:3333", // address
                b"\x01",          // tls
                b"\x024W",        // user
                b"\x01x",         // pass
            ],
        );
    }
}

#[test]
fn m08_receipt() {
    for (outcome, bytes) in [
        (Outcome::Applied, &b"\x00"[..]),
        (Outcome::AlreadyThere, b"\x01"),
        (Outcome::Behind(9), b"\x02\x09"),
        (Outcome::Refused(Refusal::NoTls), b"\x03\x05"),
    ] {
        frozen(
            &Message::Receipt([0xbb; 16], outcome),
            &[b"\x08", &[0xbb; 16], bytes],
        );
    }
}

#[test]
fn m09_succession() {
    let [old, new] = [1, 2].map(|seed| NodeKeys::from_seed(&[seed; 32]));
    let statement = Statement::by_old(&old, &new);
    let bytes = *statement.as_bytes();
    let signed = [
        b"SMSG/1 succ\0",
        &old.public().x25519[..],
        &old.public().ed25519,
        &new.public().x25519,
        &new.public().ed25519,
        &[0; 8], // counter
        &[1],    // signed by the old key
    ];
    assert_eq!(bytes[..149], signed.concat());
    frozen(&Message::Succession(statement), &[b"\x09", &bytes]);
}

#[test]
fn m05_and_m06_managers() {
    frozen(&Message::Query(7, Query::GetManagers), &[b"\x05\x07\x03"]);
    let manager = |recovery| Manager {
        fingerprint: Fingerprint([0xf0; 32]),
        recovery,
    };
    let both = heapless_vec([manager(None), manager(Some([0xec; 32]))]);
    frozen(
        &Message::Answer(7, Answer::Managers(both)),
        &[
            b"\x06\x07\x04",
            b"\x02", // two
            &[0xf0; 32],
            b"\x00", // no recovery key
            &[0xf0; 32],
            b"\x01",
            &[0xec; 32],
        ],
    );
}

#[test]
fn m07_commands_about_keys() {
    let pin = |proof| Command::PinRecovery {
        key: [0xec; 32],
        proof,
    };
    let who = Fingerprint([0xf0; 32]);
    for (command, bytes) in [
        (pin(None), [&b"\x01"[..], &[0xec; 32], b"\x00"].concat()),
        (
            pin(Some(Bytes([0x51; 64]))),
            [&b"\x01"[..], &[0xec; 32], b"\x01", &[0x51; 64]].concat(),
        ),
        (
            Command::Handover { to: who },
            [&b"\x02"[..], &[0xf0; 32]].concat(),
        ),
        (
            Command::Revoke { manager: who },
            [&b"\x03"[..], &[0xf0; 32]].concat(),
        ),
        (Command::Rotate, b"\x04".to_vec()),
    ] {
        frozen(
            &Message::Command([0xaa; 16], command),
            &[b"\x07", &[0xaa; 16], &bytes],
        );
    }
}

#[test]
fn the_next_message_is_10_and_unknown_to_this_version() {
    assert!(Message::decode(&[10]).is_err());
    assert!(Message::decode(&[10, 0, 0, 0, 0, 0, 0, 0, 0]).is_err());
}

fn heapless_vec<T, const N: usize, const M: usize>(items: [T; M]) -> heapless::Vec<T, N> {
    items.into_iter().collect()
}
