use super::samples::{info, rig};
use super::*;

#[test]
fn totals_count_each_rig_once_and_sum_live_ones_only() {
    let peers: Vec<PeerView> = (0..8).map(rig).collect();
    let fleet = Fleet::new(info("c"), &peers);
    let totals = &fleet.totals;
    assert_eq!(
        (totals.mining, totals.attention, totals.offline, totals.idle),
        (4, 1, 2, 1)
    );
    // Rigs 0 to 3 are live with a figure; the offline rig 4 keeps its last one, which does not count.
    assert_eq!(totals.hashrate_exact, "4740.400 H/s");
    assert_eq!(totals.shares, units::count((0..7).map(|n| n * 17).sum()));
}

#[test]
fn nothing_known_is_a_dash_and_never_zero() {
    let fleet = Fleet::new(info("c"), &[rig(7)]);
    assert_eq!(fleet.totals.hashrate, UNKNOWN);
    assert_eq!(fleet.totals.shares, UNKNOWN);
    let row = &fleet.rows[0];
    assert_eq!(
        [&row.hashrate, &row.ping, &row.score, &row.last_seen],
        [UNKNOWN; 4]
    );
    assert_eq!(row.state.word, "pending");
}

#[test]
fn a_figure_older_than_two_heartbeats_is_stale_and_says_its_age() {
    let mut peer = rig(0);
    peer.age_ms = Some(STALE_MS);
    assert!(!Row::new(&peer).stale);
    peer.age_ms = Some(31_000);
    let row = Row::new(&peer);
    assert!(row.stale);
    assert_eq!(row.age, "31 s");
}

#[test]
fn every_state_has_a_shape_and_a_word() {
    let state = |number| RowState::new(&rig(number));
    assert_eq!(state(0).shape, "●");
    assert_eq!(state(3).detail, "42 %, 1 min left; light mode until then");
    assert_eq!(
        (state(4).shape, state(4).detail.as_str(), state(4).tone),
        ("○", "for 14 min", Tone::Amber)
    );
    assert_eq!(state(5).word, "no pool");
    assert_eq!(state(6).tone, Tone::Quiet);
    let mut refused = rig(0);
    refused.desired.status = DesiredStatus::Refused;
    refused.desired.reason = Some("too little memory".to_owned());
    assert_eq!(RowState::new(&refused).detail, "too little memory");
}

#[test]
fn ping_and_score_are_marked_by_the_bounds_of_the_page() {
    let tones = |ping, score| {
        let mut peer = rig(0);
        (peer.ping_ms, peer.score) = (ping, score);
        let row = Row::new(&peer);
        (row.ping_tone, row.score_tone)
    };
    assert_eq!(tones(Some(49), Some(90)), ("good", "good"));
    assert_eq!(tones(Some(50), Some(89)), ("fair", "fair"));
    assert_eq!(tones(Some(199), Some(50)), ("fair", "fair"));
    assert_eq!(tones(Some(200), Some(49)), ("poor", "poor"));
    assert_eq!(tones(None, None), ("", ""));
}
