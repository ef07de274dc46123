//! Keys and managers over real sockets.

use super::rig::STANDBY;
use super::*;
use crate::access::By;

#[test]
fn a_rig_that_comes_back_with_a_new_key_is_dialled_on_as_the_same_rig() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let events = farm.subscribe();
        let (address, old) = fixture.listening_at("127.0.0.1:0", TestRig::new(1)).await;
        let added = fixture.add(&address, Proof::Tofu).await.expect("adds");
        let down = |e: &EventKind| matches!(e, EventKind::LinkDown { .. });
        old.cancel().await;
        Fixture::event(&events, down).await;

        let new = TestRig::new(2).succeeding(1);
        let key = new.fingerprint();
        let (_, running) = fixture.listening_at(address.as_str(), new).await;
        Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
        let view = farm.peer(key.node_id()).expect("it is a peer");
        assert!(view.connected && view.id != added.id);
        assert_eq!((view.name, view.trust), (added.name, added.trust));
        let removed = farm.removed();
        assert_eq!(removed[0].id, added.id);
        assert_eq!(removed[0].succeeded_by, Some(view.id));

        // Its dialler has gone along: the next link comes by itself.
        running.cancel().await;
        Fixture::event(&events, down).await;
        let newer = TestRig::new(3).succeeding(2);
        let key = newer.fingerprint();
        let (_, _running) = fixture.listening_at(address.as_str(), newer).await;
        Fixture::event(&events, |e| matches!(e, EventKind::LinkUp { .. })).await;
        farm.ping(key.node_id()).await.expect("answers");
    });
}

#[test]
fn a_rig_whose_key_changes_while_it_is_asked_is_not_found_under_its_old_id() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let events = farm.subscribe();
        let (address, old) = fixture.listening_at("127.0.0.1:0", TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        old.cancel().await;
        let down = |e: &EventKind| matches!(e, EventKind::LinkDown { .. });
        Fixture::event(&events, down).await;

        let new = TestRig::new(2).succeeding(1);
        let (_, _running) = fixture.listening_at(address.as_str(), new).await;
        assert!(farm.peer(id).is_ok(), "nobody has dialled it yet");
        let gone = farm.stats_of(id).await.expect_err("another key");
        assert_eq!(gone.code, Code::PeerNotFound);
        assert!(gone.message.contains("meanwhile"), "{gone:?}");
        let new = farm.resolve("rig-alpha").expect("by name");
        farm.stats_of(new).await.expect("answers");
    });
}

#[test]
fn managers_are_shown_and_orders_come_to_what_the_rig_says() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");

        let shown = farm.managers(id).await.expect("answers");
        let parts = |m: &ManagerView| (m.place, m.this_controller);
        let parts: Vec<_> = shown.managers.iter().map(parts).collect();
        assert_eq!(parts, [(1, true), (2, false)]);
        assert_eq!(shown.managers[1].fingerprint, STANDBY.to_string());

        let by_id = farm
            .hand_over(id, "5b5b", &By::Local)
            .await
            .expect("ordered");
        assert_eq!(by_id.status, OrderStatus::Applied);
        assert_eq!(by_id.manager, Some(STANDBY.to_string()));
        let revoked = farm
            .revoke_manager(id, &STANDBY.to_string(), &By::Local)
            .await;
        assert_eq!(revoked.expect("ordered").status, OrderStatus::Applied);

        let nobody = farm
            .hand_over(id, "ffff", &By::Local)
            .await
            .expect_err("nobody");
        assert_eq!(
            (nobody.code, nobody.field.as_deref()),
            (Code::ManagerNotFound, Some("to"))
        );
        let stranger = Fingerprint([9; 32]).to_string();
        let nobody = farm.revoke_manager(id, &stranger, &By::Local).await;
        assert_eq!(nobody.expect_err("nobody").code, Code::ManagerNotFound);
        let refused = farm.rotate_rig(id, &By::Local).await.expect_err("refused");
        assert_eq!(refused.code, Code::OrderRefused);
        assert!(refused.hint.expect("advice").contains("remote managers"));
    });
}

#[test]
fn a_recovery_key_that_a_rig_refuses_is_shown() {
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1)).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let events = farm.subscribe();
        let key = miner_shared::identity::RecoveryKey::generate(&mut UnwrapErr(getrandom::SysRng));
        farm.set_recovery(key.public(), crate::registry::Authority::First)
            .expect("set");
        let refused = |e: &EventKind| matches!(e, EventKind::RecoveryRefused { .. });
        Fixture::event(&events, refused).await;
        assert_eq!(farm.recovery().expect("set").refused, 1);
        let peers = farm.peers().expect("lists");
        assert_eq!(peers[0].recovery, Some(RecoveryStatus::Refused));
    });
}

#[test]
fn an_order_that_is_never_answered_is_unknown() {
    let store = Box::new(MemoryStore::default());
    with_clock(store, Clock::hasty(100), |fixture| async move {
        let farm = &fixture.farm;
        let address = fixture.listening(TestRig::new(1).muted()).await;
        fixture.add(&address, Proof::Tofu).await.expect("adds");
        let id = farm.resolve("rig-alpha").expect("by name");
        let order = farm.rotate_rig(id, &By::Local).await.expect("no error");
        assert_eq!(order.status, OrderStatus::Unknown);
    });
}
