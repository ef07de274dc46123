//! R4 in every push: a rig's power is cut after each write that a real one made to its state volume.
//!
//! `state_volume.writes` has them, from its first start over orders and a change of its key to an update. The test
//! of `./tests/run --images` that boots this rig writes it anew with `UPDATE=1`; it belongs to no farm, so its keys
//! are no secret.

use farm_tests::state_volume::survives;
use farm_tests::writes::Writes;

#[test]
fn a_cut_after_every_recorded_write_leaves_the_rig_that_it_was() -> Result<(), String> {
    let writes = Writes::decode(include_bytes!("state_volume.writes")).ok_or("not whole")?;
    let seen = survives(&writes)?;
    println!("{} writes: {seen:?}", writes.count());
    assert_eq!(seen.identities, 2, "one is made, another takes its place");
    assert!(seen.told >= 4 && seen.ready > 0, "{seen:?}");
    assert!(seen.cuts > 100 && seen.with_lost > 0, "{seen:?}");
    Ok(())
}
