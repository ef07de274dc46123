//! Short forms of the attacks that `--example flood` measures: a real controller, seconds instead of a
//! minute. Counts are as promised; for times there is a ceiling ten times the figure.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use farm_tests::load::{Case, Extent, Figures};

fn measured(case: Case, change: impl FnOnce(&mut Extent)) -> Figures {
    let mut extent = Extent {
        seconds: 2,
        rate: 500,
        sources: 50,
        count: 32,
        rigs: 4,
    };
    change(&mut extent);
    case.run(&extent, |doing| println!("{doing}")).unwrap()
}

/// Every promise that is a count, and every other one ten times over.
fn assert_holds(figures: &Figures, wanted: usize) {
    println!("{figures}");
    let promised = figures.0.iter().filter(|figure| figure.limit.is_some());
    let kept = promised.filter(|figure| figure.value <= 10.0 * figure.limit.unwrap());
    assert_eq!(kept.count(), wanted, "{figures}");
}

#[test]
fn a_flood_of_handshakes_loses_no_command_and_no_link() {
    let figures = measured(Case::Flood, |_| ());
    assert!(figures.of("handshakes answered") > 0.0, "{figures}");
    assert!(figures.of("connections refused") > 0.0, "{figures}");
    assert!(figures.of("commands during") > 0.0, "{figures}");
    assert_holds(&figures, 8);
}

#[test]
fn sockets_that_stay_are_closed_and_a_known_rig_connects_meanwhile() {
    let figures = measured(Case::Slow, |extent| extent.count = 100);
    assert!(figures.of("connects of a known rig meanwhile") > 0.0);
    assert_holds(&figures, 4);
}

#[test]
fn oversized_input_costs_no_memory() {
    let figures = measured(Case::Oversize, |extent| extent.seconds = 1);
    assert_holds(&figures, 3);
}

#[test]
fn a_hostile_rig_costs_the_others_no_command() {
    let figures = measured(Case::Hostile, |extent| extent.count = 1);
    assert!(figures.of("messages that they got rid of") > 0.0);
    assert_holds(&figures, 5);
}
