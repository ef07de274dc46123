//! Short form of what `--example fleet` measures: 200 rigs through power-on, orders and a restart of
//! their controller. Counts are as promised; for times there is a ceiling ten times the figure.

use farm_tests::load::Plan;

#[test]
fn two_hundred_rigs_come_online_obey_once_and_come_back_after_a_restart() {
    let plan = Plan {
        rigs: 200,
        sources: 200,
        known: false,
        seconds: 2,
        pinned: false,
    };
    let figures = plan.run(|_| ()).unwrap();
    println!("{figures}");
    let promised = figures.0.iter().filter(|figure| figure.limit.is_some());
    let kept = promised
        .clone()
        .filter(|figure| figure.value <= 10.0 * figure.limit.unwrap());
    assert_eq!(kept.count(), promised.count(), "{figures}");
    assert!(figures.of("steady: reports in a second") > 0.0, "{figures}");
}
