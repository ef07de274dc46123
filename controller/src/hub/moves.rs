//! Which pools rigs leave: a rig that says another pool than before, further down in what it is told, has
//! failed over.
//!
//! ```text
//!   a ──▶ b              counted for a
//!   a ──▶ none ──▶ b     counted for a, once
//!   b ──▶ a              not counted: the first choice is back
//!   another wish         not counted: that was a person
//! ```

use std::collections::BTreeMap;

use miner_shared::text::Address;
use miner_shared::wire::{RigStats, State};

/// Pools that are counted apart; 128 KiB at the very most.
pub const MAX_MOVES: usize = 256;

/// Changes away from each pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moves {
    of: BTreeMap<Box<str>, u64>,
    lost: u64,
}

impl Moves {
    /// Changes away from this pool since the controller's start; `None` if there was no room to count them.
    pub(crate) fn of(&self, pool: &str) -> Option<u64> {
        let counted = self.of.get(pool).copied();
        counted.or_else(|| (self.lost == 0).then_some(0))
    }

    /// Compares two reports of one rig. `left` is the pool that it has left without a new one so far.
    pub(super) fn note(
        &mut self,
        told: Option<&State>,
        (old, new): (&RigStats, &RigStats),
        left: &mut Option<Box<str>>,
    ) {
        if old.generation != new.generation {
            *left = None;
            return;
        }
        match (pool_of(old), pool_of(new)) {
            (Some(from), None) => *left = Some(from.as_str().into()),
            (Some(from), Some(to)) => self.moved(told, from.as_str(), to.as_str()),
            (None, Some(to)) => {
                if let Some(from) = left.take() {
                    self.moved(told, &from, to.as_str());
                }
            }
            (None, None) => {}
        }
    }

    fn moved(&mut self, told: Option<&State>, from: &str, to: &str) {
        let pools = told.and_then(State::profile).map(|told| &told.pools);
        let place = |wanted: &str| {
            let mut pools = pools.into_iter().flatten();
            pools.position(|pool| pool.address.as_str() == wanted)
        };
        let (Some(before), Some(after)) = (place(from), place(to)) else {
            return;
        };
        if after <= before {
            return;
        }
        if let Some(count) = self.of.get_mut(from) {
            *count += 1;
        } else if self.of.len() < MAX_MOVES {
            self.of.insert(from.into(), 1);
        } else {
            self.lost += 1;
        }
    }
}

/// The pool that a rig is logged in to.
fn pool_of(stats: &RigStats) -> Option<&Address> {
    stats.miners.iter().find_map(|miner| miner.pool.as_ref())
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};

    use super::*;
    use crate::history::point::tests::report;

    fn on(pool: Option<&str>, generation: u64) -> RigStats {
        let mut stats = report(Some(1), 0);
        stats.generation = generation;
        stats.miners[0].pool = pool.map(|pool| Address::parse(pool).expect("valid"));
        stats
    }

    fn told(pools: &[&str]) -> State {
        let pool = |address: &&str| Pool {
            address: Address::parse(address).expect("valid"),
            tls: false,
            user: PoolUser::parse("w").expect("valid"),
            pass: PoolPass::parse("x").expect("valid"),
        };
        State::Mine(Profile {
            name: Name::parse("main").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: pools.iter().map(pool).collect(),
        })
    }

    fn after(steps: &[(Option<&str>, u64)]) -> Moves {
        let state = told(&["a:1", "b:1"]);
        let (mut moves, mut left) = (Moves::default(), None);
        for pair in steps.windows(2) {
            let (old, new) = (on(pair[0].0, pair[0].1), on(pair[1].0, pair[1].1));
            moves.note(Some(&state), (&old, &new), &mut left);
        }
        moves
    }

    #[test]
    fn a_pool_that_is_left_for_the_next_one_is_counted_once_and_the_way_back_is_not() {
        let at_once = [(Some("a:1"), 1), (Some("b:1"), 1), (Some("a:1"), 1)];
        let with_a_gap = [(Some("a:1"), 1), (None, 1), (None, 1), (Some("b:1"), 1)];
        for steps in [&at_once[..], &with_a_gap] {
            let moves = after(steps);
            assert_eq!((moves.of("a:1"), moves.of("b:1")), (Some(1), Some(0)));
        }
        let back = after(&[(Some("a:1"), 1), (None, 1), (Some("a:1"), 1)]);
        assert_eq!(back.of("a:1"), Some(0));
    }

    #[test]
    fn a_rig_that_was_told_something_else_has_not_failed_over() {
        let moves = after(&[(Some("a:1"), 1), (Some("b:1"), 2)]);
        assert_eq!(moves.of("a:1"), Some(0));
        let moves = after(&[(Some("a:1"), 1), (None, 1), (None, 2), (Some("b:1"), 2)]);
        assert_eq!(moves.of("a:1"), Some(0));
        let moves = after(&[(Some("a:1"), 1), (Some("rogue:1"), 1)]);
        assert_eq!(moves.of("a:1"), Some(0), "nobody told it to go there");
    }

    #[test]
    fn what_there_is_no_room_for_is_unknown_and_not_zero() {
        let mut moves = Moves::default();
        for n in 1..=MAX_MOVES + 1 {
            let from = format!("pool:{n}");
            let state = told(&[&from, "b:1"]);
            moves.moved(Some(&state), &from, "b:1");
        }
        assert_eq!(moves.of("pool:1"), Some(1));
        assert_eq!(moves.of(&format!("pool:{}", MAX_MOVES + 1)), None);
        assert_eq!(moves.of("never:1"), None);
    }
}
