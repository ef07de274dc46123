//! The hub against simulated rigs, in virtual time: every promise of `conn.rs`, `session.rs`,
//! `requests.rs`, `orders.rs`, `reconcile.rs`, `succession.rs` and `recovery.rs`.

mod admission;
mod attacks;
mod by_hand;
mod deliveries;
mod enrol;
mod faults;
mod once;
mod orders;
mod partitions;
mod recovery;
mod requests;
mod revocation;
mod rig;
mod sessions;
mod sim;
mod succession;
mod updates;
mod versions;
mod wishes;

use self::sim::Sim;
use super::EventKind;

fn count(sim: &Sim, wanted: impl Fn(&EventKind) -> bool) -> usize {
    sim.events().iter().filter(|kind| wanted(kind)).count()
}
