//! Limits over real sockets: who is known after a restart, a rig without time, removals.

use std::cell::Cell;

use miner_shared::identity::NodeId;

use super::*;
use crate::api::Problem;

/// Registers a rig that dials in, by its fingerprint.
async fn register(farm: &Arc<Farm>, name: &str, rig: &TestRig) -> NodeId {
    let peer = AddPeer {
        address: None,
        name: Some(Name::parse(name).expect("valid")),
        proof: Proof::Fingerprint(rig.fingerprint()),
    };
    farm.add_peer(peer).await.expect("adds");
    rig.fingerprint().node_id()
}

#[test]
fn addresses_that_rigs_came_from_are_known_after_a_restart() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Box::new(RedbStore::open(dir.path()).expect("opens"));
    let (rigs, others) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
    with_store(open(), |fixture| async move {
        let farm = &fixture.farm;
        assert!(!farm.knows(rigs));
        let rig = TestRig::new(1);
        register(farm, "rig-alpha", &rig).await;
        let events = farm.subscribe();
        let controller = farm.me.fingerprint();
        let dialled = fixture.executor.spawn(rig.dial(fixture.listen, controller));
        Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
        assert!(farm.knows(rigs) && !farm.knows(others));
        drop(dialled);
    });
    with_store(open(), |fixture| async move {
        assert!(fixture.farm.knows(rigs), "before any rig has come");
        assert!(!fixture.farm.knows(others));
    });
}

#[test]
fn a_busy_rig_is_status_429_and_may_be_asked_again() {
    with_farm(|fixture| async move {
        let address = fixture.listening(TestRig::new(1).busy()).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let farm = &fixture.farm;
        let id = farm.resolve("rig-alpha").expect("by name");
        let asked = farm.logs(id, &miner("miner-rx0"), &last(10)).await;
        let problem = Problem::from(asked.expect_err("busy"));
        assert_eq!((problem.status.as_u16(), &*problem.code), (429, "BUSY"));
        assert!(problem.retryable && problem.hint.is_some());
    });
}

/// Removes so many rigs over sockets, each while it is linked, and lets it come back. Returns how long the
/// slowest removal took until the rig's socket was closed, in milliseconds.
fn removals(count: u8, clock: Clock) -> u64 {
    let dir = tempfile::tempdir().expect("temporary directory");
    let open = || Box::new(RedbStore::open(dir.path()).expect("opens"));
    let slowest = Cell::new(0);
    with_clock(open(), clock, async |fixture: Fixture| {
        let farm = &fixture.farm;
        let controller = farm.me.fingerprint();
        let real = Clock::start();
        for seed in 1..=count {
            let rig = TestRig::new(seed);
            let id = register(farm, &format!("rig-{seed}"), &rig).await;
            let events = farm.subscribe();
            let linked = fixture.executor.spawn(rig.dial(fixture.listen, controller));
            Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
            farm.remove_peer(id, false).expect("removes");
            let acknowledged = real.now().mono;
            let rig = linked.await;
            slowest.set(slowest.get().max(real.now().mono.since(acknowledged)));
            assert_eq!(rig.goodbye, Some(CloseCode::Normal));
            let ups = rig.ups;
            let again = rig.dial(fixture.listen, controller).await;
            assert_eq!(again.ups, ups, "let in again");
        }
    });
    // What was acknowledged holds for the next process.
    with_clock(open(), clock, async |fixture: Fixture| {
        let farm = &fixture.farm;
        for seed in 1..=count {
            let rig = TestRig::new(seed);
            let again = rig.dial(fixture.listen, farm.me.fingerprint()).await;
            assert_eq!(again.ups, 0, "let in by the next process");
        }
        assert_eq!(farm.connections(), 0);
    });
    slowest.get()
}

/// The controller's clock stands still: only the removal can have ended a link, and how busy the machine is
/// makes no difference.
#[test]
fn ten_rigs_removed_over_sockets_are_cut_and_stay_out_after_a_restart() {
    removals(10, Clock::still());
}

#[test]
#[ignore = "slow: the count of the promise, by the world's clock"]
fn two_hundred_rigs_removed_over_sockets_are_cut_within_a_second_and_stay_out() {
    let slowest = removals(200, Clock::start());
    println!("slowest of 200 removals until the socket was closed: {slowest} ms");
    assert!(slowest < 1_000, "{slowest} ms");
}
