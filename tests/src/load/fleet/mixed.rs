//! A farm as real ones are: most rigs are well, and each kind of trouble is there.
//!
//! | number, by 25 | |
//! |---|---|
//! | 3 | switched off |
//! | 7 | reaches no pool |
//! | 11 | light mode, small pages, half of its twins' hash rate |
//! | 13 | a quarter below its twins |
//! | 17 | its dataset is being filled |
//! | 19 | its pool rejects every tenth share |
//! | 23 | refuses to mine: too little memory |
//!
//! Its texts are what an evil rig would say: markup, and characters of other scripts.

use miner_shared::text::{Label, LogText, Text};
use miner_shared::wire::{
    Activity, Answer, Finding, FoundBatch, FoundShare, Level, LogLine, LogPage, Memory, Message,
    NodeInfo, OwnerView, Pages, Query, RigStats, Severity, ShareVerdict, Windows,
};

/// Log records come each so many milliseconds.
const LOG_MS: u64 = 3_000;
/// A found share each so many milliseconds.
const FOUND_MS: u64 = 10_000;

/// Whether the rig of this number is switched off.
pub(super) fn is_off(number: u32) -> bool {
    number % 25 == 3
}

/// Whether the rig of this number refuses to mine.
pub(super) fn refuses(number: u32) -> bool {
    number % 25 == 23
}

/// Makes what a good rig reports into what the rig of this number reports.
pub(super) fn adjust(number: u32, stats: &mut RigStats) {
    let Some(miner) = stats.miners.first_mut() else {
        return;
    };
    match number % 25 {
        7 => {
            stats.activity = Activity::NoPool;
            miner.pool = None;
            miner.difficulty = None;
            scale(&mut miner.hashrate, 0);
        }
        11 => {
            miner.memory = Some(Memory::Light);
            miner.pages = Some(Pages::Small);
            scale(&mut miner.hashrate, 50);
        }
        13 => scale(&mut miner.hashrate, 75),
        17 => {
            stats.activity = Activity::Filling {
                percent: 42,
                left_ms: Some(61_000),
            };
            miner.memory = Some(Memory::Light);
        }
        19 => miner.rejected = miner.accepted / 10,
        _ => {}
    }
}

fn scale(windows: &mut Windows, percent: u64) {
    for rate in [&mut windows.s10, &mut windows.s60, &mut windows.m15] {
        *rate = rate.map(|rate| rate * percent / 100);
    }
}

/// Makes what a good rig says of its machine into what this one says.
pub(super) fn describe(number: u32, info: &mut NodeInfo) {
    if number % 25 == 2 {
        info.cpu_model = Label::lossy("<img src=x onerror=alert(1)> \"9\" & 処理装置");
    }
}

/// What a rig answers beside statistics; `None` if it does not know the question.
pub(super) fn answer(number: u32, query: &Query, uptime_ms: u64) -> Option<Answer> {
    Some(match query {
        Query::GetLogs { cursor, lines, .. } => {
            Answer::Logs(logs(*cursor, *lines, Level::Trace, uptime_ms))
        }
        Query::GetLogsFrom {
            cursor,
            lines,
            level,
            ..
        } => Answer::Logs(logs(*cursor, *lines, *level, uptime_ms)),
        Query::GetDoctor => {
            let mut findings = heapless::Vec::new();
            for finding in [
                finding(
                    "huge-pages",
                    number % 25 == 11,
                    "pages are 4 KiB",
                    "sysctl vm.nr_hugepages=1280",
                ),
                finding("memory", false, "16 GiB, 14 GiB free", ""),
                finding("clock", false, "0.2 s apart from the controller's", ""),
            ] {
                // There is room for sixteen.
                let _full = findings.push(finding);
            }
            Answer::Doctor(findings)
        }
        Query::GetOwner => Answer::Owner(OwnerView {
            owner: (number % 25 == 3).then(|| Label::lossy("<b>Alice</b>")),
            mine: true,
            max_threads: (number % 25 == 3).then_some(8),
            light: false,
            controllers: Some(1),
            wallets: Some(2),
            pools: None,
        }),
        _ => return None,
    })
}

fn finding(check: &str, is_bad: bool, detail: &str, fix: &str) -> Finding {
    Finding {
        check: Text::lossy(check),
        severity: match is_bad {
            true => Severity::Warning,
            false => Severity::Good,
        },
        detail: Text::lossy(if is_bad || fix.is_empty() {
            detail
        } else {
            "pages are 2 MiB"
        }),
        fix: Text::lossy(if is_bad { fix } else { "" }),
    }
}

fn logs(cursor: Option<u64>, lines: u16, level: Level, uptime_ms: u64) -> LogPage {
    let end = uptime_ms / LOG_MS;
    let first = cursor
        .unwrap_or_else(|| end.saturating_sub(lines.into()))
        .min(end);
    let mut page = LogPage {
        first,
        next: end,
        end,
        lost: 0,
        now_ms: uptime_ms,
        lines: heapless::Vec::new(),
    };
    for number in first..end {
        let line = log_line(number);
        if line.level <= level && page.lines.push(line).is_err() {
            page.next = number;
            break;
        }
    }
    page
}

fn log_line(number: u64) -> LogLine {
    let (level, text) = match number % 7 {
        0 => (
            Level::Info,
            format!("share accepted height={} ms=42", 3_100_000 + number / 40),
        ),
        3 => (
            Level::Warn,
            "pool is slow ms=812 <script>alert('log')</script>".to_owned(),
        ),
        5 => (
            Level::Error,
            "share rejected reason=\"low difficulty\" 断られた".to_owned(),
        ),
        _ => (Level::Debug, format!("job number={number} seed=3f1c")),
    };
    LogLine {
        at_ms: number * LOG_MS,
        level,
        text: LogText::lossy(&text),
    }
}

/// The shares that a rig has found since it told last; none while it does not mine.
pub(super) fn found(number: u32, told: &mut u64, uptime_ms: u64) -> Option<Message> {
    let end = uptime_ms / FOUND_MS;
    // Whatever was found long before a link came up is not told of.
    let first = (*told).max(end.saturating_sub(8));
    let mut shares = heapless::Vec::new();
    for share in first..end {
        // There is room for 32.
        let _full = shares.push(FoundShare {
            height: Some(3_100_000 + share / 12),
            nonce: u32::try_from(share.wrapping_mul(2_654_435_761) & 0xffff_ffff).unwrap_or(0)
                ^ number,
            thread: u16::try_from(share % 8).unwrap_or(0),
            verdict: match share % 11 {
                7 => ShareVerdict::Stale,
                _ => ShareVerdict::Accepted,
            },
            age_ms: uptime_ms - share * FOUND_MS,
        });
    }
    *told = end;
    (!shares.is_empty()).then_some(Message::FoundShares(FoundBatch { first, shares }))
}
