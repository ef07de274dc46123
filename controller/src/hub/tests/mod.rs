//! The hub against simulated rigs, in virtual time: every promise of `conn.rs`, `session.rs`,
//! `requests.rs` and `reconcile.rs`.

mod admission;
mod attacks;
mod by_hand;
mod enrol;
mod faults;
mod partitions;
mod requests;
mod revocation;
mod rig;
mod sessions;
mod sim;
mod wishes;

use self::sim::Sim;
use super::EventKind;

fn count(sim: &Sim, wanted: impl Fn(&EventKind) -> bool) -> usize {
    sim.events().iter().filter(|kind| wanted(kind)).count()
}
