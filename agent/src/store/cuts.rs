//! A power cut after each step of what is written to the state volume.

use std::cell::Cell;
use std::io;

use miner_shared::identity::{Fingerprint, Role};
use miner_shared::text::Name;
use miner_shared::wire::{Desired, State};

use super::NodeStore;
use super::testing::{Counting, OWN, key, order, pinned, store};

thread_local! {
    /// Steps until the power is cut; `None`: never.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Counts a step; without power it fails.
pub(super) fn powered() -> io::Result<()> {
    LEFT.with(|left| match left.get() {
        None => Ok(()),
        Some(0) => Err(io::Error::other("no power")),
        Some(steps) => {
            left.set(Some(steps - 1));
            Ok(())
        }
    })
}

/// Runs `what` with a cut after so many steps; whether it came to its end.
fn cut_after(steps: u32, what: impl FnOnce() -> bool) -> bool {
    LEFT.set(Some(steps));
    let done = what();
    LEFT.set(None);
    done
}

/// A start of the program: who it is.
fn start(store: &NodeStore, rng: &mut Counting) -> Fingerprint {
    let node = store.load_or_create(Name::parse("rig").expect("valid"), Role::Worker, rng);
    node.expect("a node").fingerprint()
}

#[test]
fn a_first_start_that_the_power_ends_is_followed_by_one_that_makes_a_node_for_good() {
    let mut steps = 0;
    loop {
        let (_root, store) = store();
        let mut rng = Counting(1);
        let name = Name::parse("rig").expect("valid");
        let done = cut_after(steps, || {
            store.load_or_create(name, Role::Worker, &mut rng).is_ok()
        });
        let is = start(&store, &mut rng);
        assert_eq!(start(&store, &mut rng), is, "cut after {steps}");
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "{steps} steps");
}

#[test]
fn a_change_of_the_key_that_the_power_ends_leaves_the_old_node_or_the_new_one() {
    let (mut steps, mut olds, mut news) = (0, 0, 0);
    loop {
        let (_root, store) = store();
        let mut rng = Counting(1);
        let old = start(&store, &mut rng);
        let mut new = None;
        let whole = cut_after(steps, || {
            new = store.rotate(&mut rng).ok().map(|node| node.fingerprint());
            // Without the public identity it is the new node all the same.
            new.is_some() && LEFT.get() > Some(0)
        });
        let is = start(&store, &mut rng);
        assert_eq!(start(&store, &mut rng), is, "cut after {steps}");
        if new.is_some() {
            assert_eq!(new, Some(is), "what was said to be done is, after {steps}");
        }
        if is == old {
            assert_eq!(news, 0, "no way back from the new one, after {steps}");
            olds += 1;
        } else {
            news += 1;
        }
        if whole {
            break;
        }
        steps += 1;
    }
    assert!(olds > 4 && news > 2, "{olds} old, {news} new");
}

#[test]
fn what_a_rig_is_told_and_by_whom_is_the_old_or_the_new_after_a_power_cut() {
    let told = |generation| Desired {
        generation,
        state: State::Stopped,
    };
    let mut steps = 0;
    loop {
        let (_root, store) = store();
        store.set_state(&told(1)).expect("written");
        pinned(&store, &[1]);
        let done = [
            cut_after(steps, || store.set_state(&told(2)).is_ok()),
            cut_after(steps, || store.pin_manager(OWN, key(2)).is_ok()),
        ];
        let is = store.state().expect("readable").expect("there").generation;
        assert!(is == 2 || is == 1 && !done[0], "cut after {steps}: {is}");
        let by = order(&store);
        let both = by == [key(1), key(2)];
        assert!(both || by == [key(1)] && !done[1], "cut after {steps}");
        if done == [true; 2] {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 4, "{steps} steps");
}
