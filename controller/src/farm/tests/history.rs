//! The history of a farm with a real rig, over a restart of the controller.

use super::*;
use crate::history::{History, Tier};

/// Gives the farm the history in this folder.
fn remember(farm: &Farm, folder: &std::path::Path) {
    let (history, found) = History::open(folder, farm.now()).expect("opens");
    farm.remember(history, found);
}

/// All of the last hour, newest last, and what is open.
fn minutes() -> HistoryQuery {
    HistoryQuery {
        tier: Some(Tier::Minute),
        ..HistoryQuery::default()
    }
}

#[test]
fn what_a_rig_says_is_in_the_history_and_its_last_words_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().to_owned();
    let open = move || Box::new(RedbStore::open(&at).expect("opens"));
    let path = folder.path().to_owned();
    let rig = TestRig::new(1);
    let key = rig.fingerprint();
    let id = key.node_id();

    with_store(open(), |fixture| async move {
        remember(&fixture.farm, &path);
        let address = fixture.listening(rig).await;
        let added = fixture.add(&address, Proof::Fingerprint(key)).await;
        assert!(added.expect("added").connected);
        fixture.farm.stats_of(id).await.expect("answers");

        let step = Tier::Fine.step_at(fixture.farm.now());
        fixture.farm.close_step(step);
        let view = fixture.farm.history(id, minutes()).await.expect("is read");
        assert_eq!(
            (view.step, view.node_name.as_deref()),
            (60, Some("rig-alpha"))
        );
        let last = view.points.iter().flatten().last().expect("a point");
        assert_eq!((last.hashrate, last.accepted), (Some(1.5), Some(0)));

        let fleet = fixture
            .farm
            .fleet_history(minutes())
            .await
            .expect("is read");
        let last = fleet.points.iter().flatten().last().expect("a point");
        assert_eq!(last.hashrate, Some(1.5));
        assert_eq!((last.online, last.registered), (1.0, 1.0));
        let summary = fixture.farm.summary();
        assert_eq!((summary.hashrate.s10, summary.rigs.online), (Some(1.5), 1));
        fixture.farm.end().await;
    });

    let at = folder.path().to_owned();
    let store = Box::new(RedbStore::open(&at).expect("opens"));
    with_store(store, |fixture| async move {
        remember(&fixture.farm, &at);
        let known = fixture.farm.stats().expect("lists");
        assert_eq!(known.len(), 1, "it is listed though it is away");
        assert_eq!(known[0].miners[0].hashrate, Some(1.5));
        assert!(!known[0].connected && known[0].age_ms < 60_000);
        let summary = fixture.farm.summary();
        assert_eq!((summary.hashrate.s10, summary.rigs.offline), (None, 1));
        let view = fixture.farm.history(id, minutes()).await.expect("is read");
        assert!(
            view.points
                .iter()
                .flatten()
                .any(|point| point.hashrate == Some(1.5))
        );
        fixture.farm.end().await;
    });
}

#[test]
fn a_farm_without_a_history_says_so() {
    with_farm(|fixture| async move {
        let error = fixture
            .farm
            .fleet_history(minutes())
            .await
            .expect_err("has none");
        assert_eq!(error.code, Code::ServiceUnavailable);
    });
}
