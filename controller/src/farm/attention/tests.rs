//! Each kind of trouble: when it appears, and when it goes away. Rigs are facts made by hand, with ages
//! in place of clocks.

use miner_shared::identity::Fingerprint;
use miner_shared::text::{Address, Label, Name};
use miner_shared::wire::{Activity, Memory, Pages, Refusal};

use super::judge::*;
use super::others::Orders;
use super::seen::{Report, Seen, Wish};
use super::*;
use crate::farm::twins::Kind;
use crate::farm::view::{DesiredStatus, ExchangesView};
use crate::history::point::tests::report;
use crate::registry::{Order, OrderRecord, OrderState};

const HOUR: u64 = 3_600_000;

/// A rig that has mined well for an hour: 1 kH/s at difficulty 10,000, a share each 10 s.
fn well(n: u8) -> Seen {
    let mut stats = report(Some(1_000_000), 360);
    stats.miners[0].pool = Address::parse("pool.example:3333").ok();
    stats.miners[0].difficulty = Some(10_000);
    stats.miners[0].last_share_ms = Some(4_000);
    stats.miners[0].uptime_ms = HOUR;
    stats.miners[0].memory = Some(Memory::Fast);
    stats.miners[0].pages = Some(Pages::Huge2M);
    Seen {
        key: Fingerprint([n; 32]),
        name: Name::parse(&format!("rig-{n}")).expect("valid"),
        live: true,
        away_ms: Some(1_000),
        up_ms: Some(HOUR),
        off: false,
        wish: Wish {
            mines: true,
            age_ms: HOUR,
            status: DesiredStatus::Applied,
            reason: None,
            drift: Some(false),
            light: false,
            small: false,
        },
        score: Some((100, ExchangesView::default())),
        linked_ms: Some(HOUR),
        hashing_ms: Some(HOUR),
        idle_ms: Some(1_000),
        kind: Some(Kind {
            cpu: Label::lossy("Ryzen 9 5950X"),
            threads: 32,
        }),
        report: Some(Report::new(&stats, 1_000)),
    }
}

fn with(change: impl FnOnce(&mut Seen)) -> Seen {
    let mut seen = well(1);
    change(&mut seen);
    seen
}

/// The same for what it reports.
fn saying(change: impl FnOnce(&mut Report)) -> Seen {
    with(|seen| change(seen.report.as_mut().expect("there")))
}

fn look(rigs: &[Seen]) -> AttentionView {
    view(EpochMs(1), MAX_ATTENTION, rigs, [])
}

/// The kinds that are wrong with the first of these.
fn kinds(rigs: &[Seen]) -> Vec<AttentionKind> {
    let id = rigs[0].key.node_id().to_string();
    let items = look(rigs).items.into_iter();
    items
        .filter(|item| item.id == id)
        .map(|item| item.kind)
        .collect()
}

fn of(seen: Seen) -> Vec<AttentionKind> {
    kinds(&[seen])
}

fn item(seen: Seen) -> AttentionItem {
    let [item] = <[_; 1]>::try_from(look(&[seen]).items).expect("one");
    item
}

use AttentionKind as K;

#[test]
fn a_rig_that_mines_well_is_no_trouble_nor_is_one_of_which_nothing_is_known() {
    assert_eq!(of(well(1)), []);
    let nothing = with(|seen| {
        seen.away_ms = None;
        seen.live = false;
        seen.report = None;
        seen.kind = None;
        seen.score = None;
    });
    assert_eq!(of(nothing), [], "it never came");
    let idle = with(|seen| {
        seen.wish.mines = false;
        seen.idle_ms = Some(HOUR);
        seen.hashing_ms = None;
    });
    assert_eq!(of(idle), [], "told to mine nothing");
    assert_eq!(look(&[]).total, 0);
}

#[test]
fn a_rig_without_a_link_is_offline_after_half_a_minute_and_red_if_it_should_mine() {
    let away = |ms| {
        with(|seen| {
            seen.live = false;
            seen.away_ms = Some(ms);
        })
    };
    assert_eq!(of(away(OFFLINE_MS - 1)), []);
    let found = item(away(OFFLINE_MS));
    assert_eq!(
        (found.kind, found.severity),
        (K::Offline, AttentionSeverity::Red)
    );
    assert_eq!(found.since_ms, Some(OFFLINE_MS));
    let mut idle = away(OFFLINE_MS);
    idle.wish.mines = false;
    assert_eq!(item(idle).severity, AttentionSeverity::Amber);
    let mut off = away(HOUR);
    off.off = true;
    assert_eq!(of(off), [], "it was switched off by order");
    let mut early = away(HOUR);
    early.up_ms = Some(OFFLINE_MS - 1);
    assert_eq!(of(early), [], "the controller has just started");
    // What it last said is no trouble of now.
    let mut silent = away(HOUR);
    silent.report = saying(|report| report.shares = (100, 50, 0)).report;
    assert_eq!(of(silent), [K::Offline]);
}

#[test]
fn a_rig_that_should_mine_and_has_no_hash_rate_is_red_after_fifteen_seconds() {
    let idle = |ms, change: fn(&mut Seen)| {
        with(|seen| {
            seen.hashing_ms = None;
            seen.idle_ms = Some(ms);
            seen.report.as_mut().expect("there").activity = Activity::Failed;
            change(seen);
        })
    };
    assert_eq!(
        of(idle(IDLE_MS + 999, |_| ())),
        [],
        "by its report of a second ago"
    );
    let found = item(idle(IDLE_MS + 1_000, |_| ()));
    assert_eq!(
        (found.kind, found.severity),
        (K::NoHashrate, AttentionSeverity::Red)
    );
    assert!(
        found
            .text
            .contains("no hash rate for 16 s; it says: failed"),
        "{}",
        found.text
    );
    assert_eq!(
        of(idle(HOUR, |seen| seen.linked_ms = Some(9_000))),
        [],
        "it has just come"
    );
    assert_eq!(
        of(idle(HOUR, |seen| seen.wish.age_ms = 9_000)),
        [],
        "it was just told"
    );
    assert_eq!(of(idle(HOUR, |seen| seen.wish.mines = false)), []);
}

#[test]
fn a_rig_without_a_pool_says_that_and_not_that_it_has_no_hash_rate() {
    let found = item(with(|seen| {
        seen.hashing_ms = None;
        seen.idle_ms = Some(HOUR);
        seen.report.as_mut().expect("there").activity = Activity::NoPool;
    }));
    assert_eq!(
        (found.kind, found.severity),
        (K::NoPool, AttentionSeverity::Red)
    );
    assert!(found.fix.contains("pool check"), "{}", found.fix);
}

#[test]
fn silence_is_ten_times_what_rate_and_difficulty_let_expect_and_five_minutes_at_least() {
    let silent = |rate, difficulty, last_ms| {
        let mut stats = report(Some(rate), 360);
        stats.miners[0].pool = Address::parse("pool.example:3333").ok();
        stats.miners[0].difficulty = Some(difficulty);
        stats.miners[0].last_share_ms = Some(last_ms);
        stats.miners[0].pages = Some(Pages::Small);
        with(|seen| seen.report = Some(Report::new(&stats, 1_000)))
    };
    // A share each 10 s.
    assert_eq!(of(silent(1_000_000, 10_000, SILENT_MS - 1_000)), []);
    let found = item(silent(1_000_000, 10_000, SILENT_MS));
    assert_eq!(
        (found.kind, found.severity),
        (K::NoShare, AttentionSeverity::Red)
    );
    assert_eq!(
        found.text,
        "no accepted share for 5 min; its hash rate and difficulty let expect one each 10 s; \
         the pool answers; pages are 4 KiB"
    );
    // A share each 200 s.
    assert_eq!(of(silent(1_000_000, 200_000, 1_999_000)), []);
    assert_eq!(of(silent(1_000_000, 200_000, 1_999_001)), [K::NoShare]);
    // It rested until a minute ago.
    let mut rested = silent(1_000_000, 10_000, HOUR);
    rested.hashing_ms = Some(60_000);
    assert_eq!(of(rested), []);
    // Nothing can be expected of what nobody knows.
    assert_eq!(of(silent(1_000_000, u64::MAX, HOUR)), []);
    assert_eq!(of(silent(0, 10_000, HOUR)), []);
}

#[test]
fn a_miner_that_never_found_a_share_is_silent_since_its_start() {
    let mut stats = report(Some(1_000_000), 0);
    stats.miners[0].pool = Address::parse("pool.example:3333").ok();
    stats.miners[0].difficulty = Some(10_000);
    stats.miners[0].uptime_ms = HOUR;
    let seen = with(|seen| seen.report = Some(Report::new(&stats, 0)));
    assert_eq!(of(seen), [K::NoShare]);
}

#[test]
fn a_refused_wish_is_told_with_its_reason_and_is_gone_when_it_is_applied() {
    let refused = with(|seen| {
        seen.wish.status = DesiredStatus::Refused;
        seen.wish.reason = Some(crate::hub::refusal_text(&Refusal::TooLittleMemory));
    });
    let found = item(refused);
    assert_eq!(
        (found.kind, found.severity),
        (K::Refused, AttentionSeverity::Amber)
    );
    assert!(found.text.contains("too little memory"), "{}", found.text);
}

#[test]
fn behind_and_drift_are_told_apart_and_a_wish_that_is_new_is_neither() {
    assert_eq!(
        of(with(|seen| seen.wish.status = DesiredStatus::Behind)),
        [K::Behind]
    );
    let drifts = |age_ms, linked_ms| {
        with(|seen| {
            seen.wish.drift = Some(true);
            seen.wish.age_ms = age_ms;
            seen.linked_ms = Some(linked_ms);
        })
    };
    assert_eq!(of(drifts(DRIFT_MS, DRIFT_MS)), [K::Drift]);
    assert_eq!(of(drifts(DRIFT_MS - 1, HOUR)), []);
    assert_eq!(of(drifts(HOUR, DRIFT_MS - 1)), []);
    let pending = with(|seen| {
        seen.wish.status = DesiredStatus::Pending;
        seen.wish.drift = None;
    });
    assert!(
        item(pending)
            .text
            .contains("has not said that it has what it was told")
    );
}

#[test]
fn shares_are_bad_above_five_percent_of_at_least_twenty() {
    let bad = |all, rejected, stale| saying(|report| report.shares = (all, rejected, stale));
    assert_eq!(of(bad(19, 10, 9)), [], "19 say nothing");
    assert_eq!(of(bad(20, 1, 0)), [], "5 % are not more");
    assert_eq!(of(bad(20, 1, 1)), [K::BadShares]);
    assert_eq!(of(bad(100, 2, 3)), []);
    let found = item(bad(1_000, 40, 20));
    assert_eq!(
        found.text,
        "6 % of its 1,000 shares are lost: 40 rejected, 20 stale"
    );
    assert_eq!(of(bad(u64::MAX, u64::MAX, u64::MAX)), [K::BadShares]);
}

#[test]
fn a_rig_more_than_ten_percent_below_its_twins_is_found_among_three() {
    let slow = |rate| saying(|report| report.rate = Some(rate));
    let rigs = |first| [first, well(2), well(3)];
    assert_eq!(kinds(&rigs(slow(900_000))), [], "10 % are not more");
    assert_eq!(kinds(&rigs(slow(899_000))), [K::BelowTwins]);
    assert_eq!(
        kinds(&[slow(1), well(2)]),
        [],
        "of two nobody knows which is right"
    );
    let mut other = rigs(slow(1));
    other[2].kind.as_mut().expect("there").threads = 16;
    assert_eq!(kinds(&other), [], "another kind is no twin");
    let mut young = rigs(slow(1));
    young[0].hashing_ms = Some(SETTLED_MS - 1);
    assert_eq!(kinds(&young), [], "it has just begun");
    let mut away = rigs(slow(1));
    away[2].live = false;
    away[2].away_ms = Some(1);
    assert_eq!(kinds(&away), [], "one that is away makes nothing now");
    let items = look(&rigs(slow(860_000))).items;
    assert_eq!(
        items[0].text,
        "14 % below its twins: 860 H/s against 1.00 kH/s, the median of Ryzen 9 5950X with 32 threads"
    );
}

#[test]
fn light_mode_and_small_pages_are_trouble_where_a_twin_has_better_and_nobody_wished_it_so() {
    let light = || {
        saying(|report| {
            report.memory = Some(Memory::Light);
            report.rate = Some(100_000);
        })
    };
    let small = || saying(|report| report.pages = Some(Pages::Small));
    assert_eq!(
        kinds(&[light(), well(2), well(3)]),
        [K::LightMode],
        "and not below its twins"
    );
    assert_eq!(kinds(&[small(), well(2)]), [K::SmallPages]);
    assert_eq!(of(light()), []);
    assert_eq!(of(small()), []);
    let mut wished = [light(), well(2)];
    wished[0].wish.light = true;
    assert_eq!(kinds(&wished), []);
    let mut wished = [small(), well(2)];
    wished[0].wish.small = true;
    assert_eq!(kinds(&wished), []);
    let mut filling = [light(), well(2)];
    filling[0].report.as_mut().expect("there").activity = Activity::Filling {
        percent: 50,
        left_ms: None,
    };
    assert_eq!(kinds(&filling), [], "it is on its way");
}

#[test]
fn a_link_over_which_nothing_comes_is_trouble_after_three_heartbeats() {
    let old = |age_ms, linked_ms| {
        with(|seen| {
            seen.report.as_mut().expect("there").age_ms = age_ms;
            seen.linked_ms = Some(linked_ms);
        })
    };
    assert_eq!(of(old(OLD_MS - 1, HOUR)), []);
    assert_eq!(of(old(OLD_MS, HOUR)), [K::OldStats]);
    assert_eq!(of(old(HOUR, OLD_MS - 1)), [], "it has just come back");
    assert_eq!(
        of(with(|seen| seen.report = None)),
        [K::OldStats],
        "it never said anything"
    );
}

#[test]
fn a_score_below_fifty_is_low_and_says_what_it_was_made_of() {
    let score = |score| {
        let exchanges = ExchangesView {
            succeeded: 16,
            failed: 4,
            timed_out: 0,
        };
        with(|seen| seen.score = Some((score, exchanges)))
    };
    assert_eq!(of(score(50)), []);
    let found = item(score(44));
    assert_eq!(found.kind, K::LowScore);
    assert_eq!(
        found.text,
        "its score is 44 of 100: 4 failed of the last 20"
    );
}

#[test]
fn the_worst_is_first_then_the_longest_and_the_order_is_total() {
    let away = |n, ms, mines| {
        let mut seen = well(n);
        seen.live = false;
        seen.away_ms = Some(ms);
        seen.wish.mines = mines;
        seen
    };
    let mut rigs = vec![
        away(1, HOUR, false),
        away(2, 2 * HOUR, true),
        away(3, 3 * HOUR, true),
        away(4, HOUR, false),
        {
            let mut behind = well(5);
            behind.wish.status = DesiredStatus::Behind;
            behind
        },
    ];
    let names = |rigs: &[Seen]| {
        let items = look(rigs).items.into_iter();
        items.map(|item| item.name).collect::<Vec<_>>()
    };
    let wanted = ["rig-3", "rig-2", "rig-1", "rig-4", "rig-5"];
    assert_eq!(names(&rigs), wanted);
    rigs.reverse();
    assert_eq!(names(&rigs), wanted);
}

#[test]
fn a_limit_cuts_the_items_and_never_the_counts() {
    let away = |n| {
        let mut seen = well(n);
        seen.live = false;
        seen.away_ms = Some(HOUR);
        seen
    };
    let rigs: Vec<_> = (0..250).map(away).collect();
    let view = view(EpochMs(1), 7, &rigs, []);
    assert_eq!((view.items.len(), view.total), (7, 250));
    assert_eq!(view.counts, [("offline", 250)].into());
}

#[test]
fn hostile_names_and_models_stay_in_their_fields() {
    let name = "rm. -rf --yes_all";
    let mut seen = saying(|report| report.rate = Some(1));
    seen.name = Name::parse(name).expect("a name may be that");
    seen.kind.as_mut().expect("there").cpu = Label::lossy("\u{1b}[2J\u{202e}cpu");
    let twin = |n| {
        let mut twin = well(n);
        twin.kind.clone_from(&seen.kind);
        twin
    };
    let rigs = [seen.clone(), twin(2), twin(3)];
    let [item] = <[_; 1]>::try_from(look(&rigs).items).expect("one");
    assert_eq!(item.name, name);
    assert!(!item.fix.contains(name) && !item.text.contains(name));
    assert!(item.text.contains("?[2J?cpu"), "{}", item.text);
}

fn order(order: Order, state: OrderState, created_ms: u64, sent_ms: Option<u64>) -> OrderRecord {
    OrderRecord {
        rig: Fingerprint([1; 32]),
        order,
        by: Label::lossy("local"),
        created_ms,
        deadline_ms: created_ms + 1,
        sent: sent_ms.map(|ms| (ms, [0; 16])),
        ended_ms: Some(created_ms + 2),
        state,
    }
}

#[test]
fn a_rig_was_switched_off_by_an_order_that_was_sent_and_not_refused() {
    let off = |order: OrderRecord| {
        let mut orders = Orders::default();
        orders.take(&order);
        orders.was_switched_off(&Fingerprint([1; 32]))
    };
    assert_eq!(
        off(order(Order::PowerOff, OrderState::Done, 5, Some(6))),
        Some(6)
    );
    assert_eq!(
        off(order(Order::PowerOff, OrderState::Unknown, 5, Some(6))),
        Some(6)
    );
    assert_eq!(
        off(order(Order::PowerOff, OrderState::Expired, 5, None)),
        None
    );
    let refused = OrderState::Refused(Refusal::NotAllowed);
    assert_eq!(off(order(Order::PowerOff, refused, 5, Some(6))), None);
    assert_eq!(
        off(order(Order::Reboot, OrderState::Done, 5, Some(6))),
        None
    );
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = K::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words.len(), K::ALL.len());
    for kind in K::ALL {
        let json = serde_json::to_value(kind).expect("JSON");
        assert_eq!(json, kind.as_str());
    }
}
