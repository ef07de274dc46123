//! The bytes of what protocol version 2 added, spelled out.
//!
//! If a test in this file fails, do not change the test! What `wire_v01.rs` says of version 1 holds here:
//! what is new goes to the end, under the next version, into a file of its own.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use miner_shared::text::{Address, LogText, MinerName, Name, PoolPass, PoolUser, Text};
use miner_shared::wire::{
    Activity, Algo, Answer, Backend, Command, Desired, Finding, FoundBatch, FoundShare, Interface,
    Level, LogLine, LogPage, Message, Mode, Outcome, PageWish, Plan, Pool, Profile, Query, Refusal,
    RigStats, Severity, ShareVerdict, State, Threads,
};

fn frozen(message: &Message, bytes: &[&[u8]]) {
    let bytes = bytes.concat();
    let mut out = [0; 4096];
    assert_eq!(message.encode(&mut out).expect("fits"), bytes);
    assert_eq!(Message::decode(&bytes).as_ref(), Ok(message));
    assert_eq!(message.since(), 2, "{message:?}");
}

fn text<const N: usize>(text: &str) -> Text<N> {
    Text::parse(text).expect("short")
}

fn profile(threads: Threads) -> Profile {
    let pool = Pool {
        address: Address::parse("pool:3333").expect("an address"),
        tls: false,
        user: PoolUser::parse("4W").expect("a user"),
        pass: PoolPass::parse("x").expect("a password"),
    };
    Profile {
        name: Name::parse("xmr").expect("a name"),
        backend: Backend::Cpu,
        algo: Algo::Rx0,
        mode: Mode::Auto,
        threads,
        pools: [pool].into_iter().collect(),
    }
}

/// The bytes of [`profile`] with these of its threads.
fn profile_bytes(threads: &[u8]) -> Vec<u8> {
    let parts: [&[u8]; 4] = [
        b"\x03xmr\x00\x00\x00", // name, cpu, rx/0, mode auto
        threads,
        b"\x01\x09pool:3333\x00", // one pool, no TLS
        b"\x024W\x01x",
    ];
    parts.concat()
}

fn wish(state: State) -> Message {
    let desired = Desired {
        generation: 4,
        state,
    };
    Message::Command([0xaa; 16], Command::SetState(desired))
}

const WISH: [&[u8]; 3] = [b"\x07", &[0xaa; 16], b"\x00\x04"];

#[test]
fn m07_a_plan() {
    for (paused, pages, nice, bytes) in [
        (false, PageWish::Auto, 0, b"\x00\x00\x00"),
        (true, PageWish::Small, 5, b"\x01\x01\x05"),
        (false, PageWish::Huge2M, 19, b"\x00\x02\x13"),
        (true, PageWish::Huge1G, 0, b"\x01\x03\x00"),
    ] {
        let plan = Plan {
            profile: profile(Threads::Auto),
            paused,
            pages,
            nice,
        };
        let plan_bytes = profile_bytes(b"\x00");
        let parts = [&WISH.concat()[..], b"\x02", &plan_bytes, bytes];
        frozen(&wish(State::Plan(plan)), &parts);
    }
}

#[test]
fn m07_percent_of_the_threads() {
    for (percent, bytes) in [(1, b"\x02\x01"), (100, b"\x02\x64")] {
        let state = State::Mine(profile(Threads::Percent(percent)));
        let parts = [&WISH.concat()[..], b"\x01", &profile_bytes(bytes)];
        frozen(&wish(state), &parts);
    }
}

#[test]
fn m07_orders() {
    for (command, bytes) in [
        (Command::Restart, &b"\x05"[..]),
        (Command::Reboot, b"\x06"),
        (Command::PowerOff, b"\x07"),
        (Command::Locate { seconds: 300 }, b"\x08\xac\x02"),
        (Command::SetLogLevel(Level::Error), b"\x09\x00"),
        (Command::SetLogLevel(Level::Trace), b"\x09\x04"),
    ] {
        let message = Message::Command([0xaa; 16], command);
        frozen(&message, &[b"\x07", &[0xaa; 16], bytes]);
    }
}

#[test]
fn m04_paused() {
    let stats = RigStats {
        uptime_ms: 0,
        generation: 0,
        profile: None,
        activity: Activity::Paused,
        miners: heapless::Vec::new(),
        logs_lost: 0,
    };
    let bytes: &[u8] = b"\x00\x00\x00\x06\x00\x00";
    frozen(&Message::Heartbeat(stats.clone()), &[b"\x04", bytes]);
    frozen(
        &Message::Answer(1, Answer::Stats(stats)),
        &[b"\x06\x01\x01", bytes],
    );
}

#[test]
fn m05_questions() {
    let logs = |cursor, level| Query::GetLogsFrom {
        miner: MinerName::parse("miner-rx0").expect("a name"),
        cursor,
        lines: 100,
        level,
    };
    for (query, bytes) in [
        (
            logs(None, Level::Warn),
            &b"\x04\x09miner-rx0\x00\x64\x01"[..],
        ),
        (
            logs(Some(128), Level::Trace),
            b"\x04\x09miner-rx0\x01\x80\x01\x64\x04",
        ),
        (Query::GetDoctor, b"\x05"),
        (Query::GetNetwork, b"\x06"),
    ] {
        frozen(&Message::Query(7, query), &[b"\x05\x07", bytes]);
    }
}

#[test]
fn m06_answers() {
    let severities = [
        Severity::Good,
        Severity::Unknown,
        Severity::Warning,
        Severity::Bad,
    ];
    let finding = |severity| Finding {
        check: text("aes"),
        severity,
        detail: text("no"),
        fix: text(""),
    };
    frozen(
        &Message::Answer(
            1,
            Answer::Doctor(severities.map(finding).into_iter().collect()),
        ),
        &[
            b"\x06\x01\x05\x04",      // doctor, four findings
            b"\x03aes\x00\x02no\x00", // good
            b"\x03aes\x01\x02no\x00", // unknown
            b"\x03aes\x02\x02no\x00", // warning
            b"\x03aes\x03\x02no\x00", // bad
        ],
    );
    let interface = Interface {
        name: text("eth0"),
        mac: [2, 0, 0, 0, 0, 0xfe],
    };
    frozen(
        &Message::Answer(1, Answer::Network([interface].into_iter().collect())),
        &[
            b"\x06\x01\x06\x01",
            b"\x04eth0",
            b"\x02\x00\x00\x00\x00\xfe",
        ],
    );
    for (refusal, bytes) in [
        (Refusal::NotOurImage, b"\x0b"),
        (Refusal::OwnerForbids, b"\x0c"),
    ] {
        frozen(
            &Message::Answer(1, Answer::Refused(refusal.clone())),
            &[b"\x06\x01\x03", bytes],
        );
        frozen(
            &Message::Receipt([0xbb; 16], Outcome::Refused(refusal)),
            &[b"\x08", &[0xbb; 16], b"\x03", bytes],
        );
    }
}

#[test]
fn m10_applied_and_m11_found_shares() {
    let applied = Message::Applied {
        generation: 300,
        hash: [0xab; 32],
    };
    frozen(&applied, &[b"\x0a", b"\xac\x02", &[0xab; 32]]);
    let share = |height, verdict| FoundShare {
        height,
        nonce: 0x0102_0304,
        thread: 3,
        verdict,
        age_ms: 200,
    };
    let batch = FoundBatch {
        first: 9,
        shares: [
            share(Some(3_500_000), ShareVerdict::Accepted),
            share(None, ShareVerdict::Rejected),
            share(None, ShareVerdict::Stale),
            share(None, ShareVerdict::Lost),
        ]
        .into_iter()
        .collect(),
    };
    let nonce_and_thread: &[u8] = b"\x84\x86\x88\x08\x03";
    frozen(
        &Message::FoundShares(batch),
        &[
            b"\x0b\x09\x04",         // from number 9 on, four
            b"\x01\xe0\xcf\xd5\x01", // height
            nonce_and_thread,
            b"\x00\xc8\x01", // accepted, 200 ms ago
            b"\x00",
            nonce_and_thread,
            b"\x01\xc8\x01", // rejected
            b"\x00",
            nonce_and_thread,
            b"\x02\xc8\x01", // stale
            b"\x00",
            nonce_and_thread,
            b"\x03\xc8\x01", // lost
        ],
    );
}

/// By this hash a controller knows whether a rig has what was wished: it must never change.
#[test]
fn the_hash_of_a_state_is_that_of_its_bytes() {
    let sha256 = |bytes: &[u8]| -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(bytes).into()
    };
    assert_eq!(State::Stopped.hash(), sha256(&[0]));
    let mine = State::Mine(profile(Threads::Auto));
    let bytes = [&[1][..], &profile_bytes(&[0])].concat();
    assert_eq!(mine.hash(), sha256(&bytes));
    let plan = State::Plan(Plan::new(profile(Threads::Auto)));
    let bytes = [&[2][..], &profile_bytes(&[0]), &[0, 0, 0]].concat();
    assert_eq!(plan.hash(), sha256(&bytes));
}

#[test]
fn what_version_1_can_say_is_said_to_it_in_its_words() {
    let plain = Plan::new(profile(Threads::Count(2)));
    let mine = State::Mine(plain.profile.clone());
    let plan = |change: fn(&mut Plan)| {
        let mut plan = plain.clone();
        change(&mut plan);
        State::Plan(plan)
    };
    for known in [State::Stopped, mine.clone()] {
        assert_eq!(known.for_version(1), Some(known));
    }
    assert_eq!(plan(|_| ()).for_version(1), Some(mine));
    for unsaid in [
        plan(|plan| plan.paused = true),
        plan(|plan| plan.pages = PageWish::Small),
        plan(|plan| plan.nice = 1),
        plan(|plan| plan.profile.threads = Threads::Percent(50)),
        State::Mine(profile(Threads::Percent(50))),
    ] {
        assert_eq!(unsaid.for_version(1), None, "{unsaid:?}");
        assert_eq!(unsaid.for_version(2), Some(unsaid));
    }
}

#[test]
fn a_refusal_without_a_word_in_version_1_is_not_allowed_there() {
    let refused = |why: Refusal| Outcome::Refused(why);
    for (outcome, in_version_1) in [
        (refused(Refusal::OwnerForbids), refused(Refusal::NotAllowed)),
        (refused(Refusal::NoTls), refused(Refusal::NoTls)),
        (Outcome::Applied, Outcome::Applied),
    ] {
        assert_eq!(outcome.clone().for_version(1), in_version_1);
        assert_eq!(outcome.clone().for_version(2), outcome);
    }
}

#[test]
fn what_logs_by_level_answer_is_the_answer_of_version_1() {
    let page = LogPage {
        lines: [LogLine {
            at_ms: 1,
            level: Level::Warn,
            text: LogText::lossy("up"),
        }]
        .into_iter()
        .collect(),
        ..LogPage::default()
    };
    assert_eq!(Message::Answer(1, Answer::Logs(page)).since(), 1);
}
