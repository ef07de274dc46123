//! What a person should look at, of a farm that has it in its registry, and over a real link.

use miner_shared::text::Label;

use super::*;
use crate::audit::AuditState;
use crate::registry::{
    Change, Durable, OnFailure, Order, OrderRecord, OrderState, Origin, PeerRecord, PendingRecord,
    Phase, ProfileId, Reason, RolloutRecord, RolloutStatus, RolloutTerms, Step, TokenId, Told,
    Trust,
};

const AWAY: Fingerprint = Fingerprint([1; 32]);
const NEW: Fingerprint = Fingerprint([2; 32]);

fn peer(name: &str, last_seen_ms: Option<u64>) -> PeerRecord {
    PeerRecord {
        name: Name::parse(name).expect("valid"),
        address: None,
        trust: Trust::Fingerprint,
        added_at_ms: 1,
        last_seen_ms,
        told: None,
    }
}

fn order(order: Order, state: OrderState, at_ms: u64) -> OrderRecord {
    OrderRecord {
        rig: AWAY,
        order,
        by: Label::lossy("local"),
        created_ms: at_ms,
        deadline_ms: at_ms + 1,
        sent: (state == OrderState::Done).then_some((at_ms, [0; 16])),
        ended_ms: Some(at_ms + 1),
        state,
    }
}

fn waits(since_ms: u64) -> PendingRecord {
    PendingRecord {
        name: Name::parse("newcomer").expect("valid"),
        told: Told {
            x25519: [0; 32],
            ed25519: [0; 32],
            role: Role::Worker,
            software: Label::lossy("miner"),
            host: Label::lossy("linux"),
        },
        origin: Origin {
            token: TokenId([7; 8]),
            group: None,
            ephemeral: false,
        },
        from: Some([192, 0, 2, 1].into()),
        since_ms,
    }
}

fn halted(started_at_ms: u64) -> RolloutRecord {
    RolloutRecord {
        profile: ProfileId::of("main"),
        version: 3,
        terms: RolloutTerms {
            stages: vec![Step::Percent(100)],
            observe_secs: 60,
            min_percent: 95,
            on_failure: OnFailure::Halt,
        },
        bounds: vec![0],
        stage: 0,
        phase: Phase::Observe,
        status: RolloutStatus::Halted,
        reason: Some(Reason::lossy("its rigs made 80 % of before")),
        by: None,
        comment: None,
        started_at_ms,
        ended_at_ms: None,
    }
}

fn farm(rows: &[Change]) -> Arc<Farm> {
    let mut store = MemoryStore::default();
    store.commit(rows, Durable::Now).expect("commits");
    let me = node(0xcc, Role::Controller, "control-center");
    Farm::open(Box::new(store), me, Clock::start()).expect("opens")
}

fn look(farm: &Farm) -> AttentionView {
    smol::block_on(farm.attention(ATTENTION, AuditState::default()))
}

fn kinds(farm: &Farm) -> Vec<&'static str> {
    look(farm)
        .items
        .iter()
        .map(|item| item.kind.as_str())
        .collect()
}

fn now() -> u64 {
    Clock::start().now().wall.0
}

#[test]
fn a_rig_that_waits_is_trouble_until_it_is_approved_or_denied() {
    let farm = farm(&[Change::PutPending(NEW, waits(now() - 60_000))]);
    let view = look(&farm);
    let [item] = view.items.as_slice() else {
        panic!("{view:?}");
    };
    assert_eq!(
        (item.kind, &*item.name),
        (AttentionKind::Waiting, "newcomer")
    );
    assert!(item.text.contains("192.0.2.1"), "{}", item.text);
    assert!(item.fix.contains(&format!("peer approve {}", item.id)));
    assert!(
        item.since_ms
            .is_some_and(|ms| (60_000..120_000).contains(&ms))
    );
    let at = farm.now();
    farm.lock().registry.deny(&NEW, at).expect("denied");
    assert_eq!(kinds(&farm), Vec::<&str>::new());
}

#[test]
fn an_order_that_expired_is_trouble_for_a_day_or_until_it_is_given_again() {
    let expired = |at_ms| order(Order::Restart, OrderState::Expired, at_ms);
    let with = |orders: &[OrderRecord]| {
        let mut rows = vec![Change::PutPeer(AWAY, peer("rig-a", None))];
        let orders = (0..).zip(orders.iter().cloned());
        rows.extend(orders.map(|(n, row)| Change::PutOrder([n; 16], row)));
        kinds(&farm(&rows))
    };
    let hour = now() - 3_600_000;
    assert_eq!(with(&[expired(hour)]), ["orderExpired"]);
    assert_eq!(with(&[expired(now() - 90_000_000)]), Vec::<&str>::new());
    let again = order(Order::Restart, OrderState::Done, hour + 60_000);
    assert_eq!(with(&[expired(hour), again.clone()]), Vec::<&str>::new());
    assert_eq!(with(&[again, expired(hour)]), Vec::<&str>::new());
    let other = order(Order::Reboot, OrderState::Done, hour + 60_000);
    assert_eq!(with(&[expired(hour), other]), ["orderExpired"]);
}

#[test]
fn a_rig_that_was_switched_off_by_order_is_not_offline_and_one_that_came_back_since_is() {
    let off = now() - 3_600_000;
    let with = |last_seen_ms, order: Option<OrderRecord>| {
        let mut rows = vec![Change::PutPeer(AWAY, peer("rig-a", last_seen_ms))];
        rows.extend(order.map(|row| Change::PutOrder([1; 16], row)));
        kinds(&farm(&rows))
    };
    let order = || Some(order(Order::PowerOff, OrderState::Done, off));
    assert_eq!(with(Some(off), None), ["offline"]);
    assert_eq!(with(Some(off + 5_000), order()), Vec::<&str>::new());
    assert_eq!(with(Some(off + 600_000), order()), ["offline"]);
    assert_eq!(with(None, None), Vec::<&str>::new(), "it never came");
}

#[test]
fn a_rollout_that_stopped_by_itself_is_red_until_somebody_decides() {
    let farm = farm(&[Change::PutRollout(4, halted(now()))]);
    let view = look(&farm);
    let [item] = view.items.as_slice() else {
        panic!("{view:?}");
    };
    assert_eq!((&*item.id, &*item.name), ("4", "main"));
    assert_eq!(item.severity, AttentionSeverity::Red);
    assert!(item.text.contains("80 % of before"), "{}", item.text);
    assert_eq!(item.since_ms, None, "the process before saw it");
    farm.steer_rollout(4, RolloutVerb::Abort).expect("ended");
    assert_eq!(kinds(&farm), Vec::<&str>::new());
}

#[test]
fn what_the_controller_lost_and_cannot_write_is_trouble() {
    let farm = farm(&[]);
    assert_eq!(kinds(&farm), Vec::<&str>::new());
    let audit = AuditState {
        failing: true,
        unrecorded: 3,
    };
    let view = smol::block_on(farm.attention(1, audit));
    assert_eq!(view.counts, [("auditLost", 1)].into());
    assert!(view.items[0].text.contains("3 requests"), "{view:?}");
    farm.lock().losses.lose();
    assert_eq!(kinds(&farm), ["historyLost", "eventsLost"]);
    farm.lock().serving = true;
    let kinds = kinds(&farm);
    assert_eq!(kinds.iter().filter(|kind| **kind == "notReady").count(), 3);
}

#[test]
fn a_rig_that_mines_as_it_was_told_is_no_trouble_and_one_that_refuses_is() {
    with_farm(|fixture| async move {
        let address = fixture.listening(TestRig::new(1)).await;
        let farm = &fixture.farm;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        farm.create_profile(profile()).expect("creates");
        farm.start(id, "my-profile").await.expect("starts");
        farm.stats_of(id).await.expect("answers");
        let view = farm.attention(ATTENTION, AuditState::default()).await;
        assert_eq!(view.total, 0, "{view:?}");
        let pools = farm.pools().await;
        let [pool] = pools.as_slice() else {
            panic!("{pools:?}");
        };
        assert_eq!((&*pool.url, pool.rigs_told), ("127.0.0.1:3333", 1));
        assert_eq!(pool.state, PoolState::SomeAway, "it says no pool");
        assert_eq!((pool.failovers, pool.tls), (Some(0), Some(false)));
        assert_eq!(farm.summary().effort, None);
    });
}
