//! A rig that booted over the network, and its link.

use std::time::Duration;

use super::rig::CARD;
use super::*;
use crate::farm::{BootReport, BootStep, BootView};

fn told(step: BootStep, age_ms: u64) -> BootReport {
    BootReport {
        mac: CARD,
        step,
        file: None,
        bytes: None,
        size: None,
        reason: None,
        age_ms,
    }
}

fn only(farm: &Farm) -> BootView {
    farm.boots().pop().expect("a boot")
}

#[test]
fn a_boot_is_linked_by_name_when_the_rig_with_its_card_is() {
    with_farm(|fixture| async move {
        let farm = Arc::clone(&fixture.farm);
        farm.note_boots(vec![told(BootStep::Loaded, 0)]);
        let loaded = only(&farm);
        assert_eq!((loaded.step, loaded.rig), (BootStep::Loaded, None));

        let rig = TestRig::new(1);
        let key = rig.fingerprint();
        let address = fixture.listening(rig).await;
        fixture
            .add(&address, Proof::Fingerprint(key))
            .await
            .expect("adds");
        // It says which card it has after its link is up.
        while only(&farm).rig.is_none() {
            smol::Timer::after(Duration::from_millis(5)).await;
        }
        let linked = only(&farm);
        assert_eq!(linked.step, BootStep::Linked);
        assert_eq!(linked.rig.as_deref(), Some("rig-alpha"));
        assert_eq!(linked.rig_id, Some(key.node_id().to_string()));

        // Its next start, before the link of the last one is known to be gone.
        smol::Timer::after(Duration::from_millis(5)).await;
        farm.note_boots(vec![told(BootStep::Seen, 0)]);
        let seen = only(&farm);
        assert_eq!(
            (seen.step, seen.rig.as_deref()),
            (BootStep::Seen, Some("rig-alpha"))
        );
    });
}
