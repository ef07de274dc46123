//! The owner's word, over real links: who is not listed does not manage, and what is not listed is not
//! mined.

use std::rc::Rc;

use miner_agent::store::file::{self, Access};
use miner_agent::store::{Dirs, system_rng};
use miner_shared::wire::{Activity, Outcome, Refusal, State};

use crate::common::{Managed, Manager, controller, node, receipt, run};
use crate::pool::Pool;
use crate::work::{profile, set_state, with};

/// Puts this word where the rig looks for it when it starts.
fn write(managed: &Managed, word: &str) {
    let path = Dirs::below(managed.root()).owner();
    file::write(&path, word.as_bytes(), Access::Owners).expect("ours");
}

fn lists(keys: &[u8]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| format!("\"{}\"", controller(*key, 1).fingerprint()))
        .collect();
    format!("controllers = [{}]", keys.join(", "))
}

#[test]
fn what_the_owner_forbids_changes_nothing_and_is_said_in_the_words_of_either_version() {
    let managed = Managed::by(&[1]);
    write(&managed, "wallets = [\"another\"]");
    run(managed.serve(async |here| {
        let pool = Pool::bind("aa").await;
        let test = async {
            let mut manager = here.manager(1).await;
            let start = set_state(1, 1, State::Mine(profile(&[&pool])));
            let refused = Outcome::Refused(Refusal::OwnerForbids);
            assert_eq!(receipt(&mut manager, &start).await, refused);
            let stats = manager.heartbeat(|_| true).await;
            assert_eq!((stats.generation, stats.activity), (0, Activity::Stopped));
            assert!(here.straw.config().is_none());

            let old = Rc::new(node(1, 2).up_to_version(1));
            let mut old = Manager::up(&old, here.address, here.key).await;
            let start = set_state(2, 1, State::Mine(profile(&[&pool])));
            let refused = Outcome::Refused(Refusal::NotAllowed);
            assert_eq!(receipt(&mut old, &start).await, refused);
        };
        with(&pool, test).await;
        assert_eq!(pool.logins.get(), 0);
    }));
}

#[test]
fn a_pinned_manager_that_the_owner_does_not_list_is_obeyed_no_more_and_the_next_decides() {
    let managed = Managed::by(&[1, 2]);
    write(&managed, &lists(&[2]));
    run(managed.serve(async |here| {
        let mut first = here.dial(&controller(1, 1), None).await;
        assert!(!first.comes_up().await);
        let mut second = here.manager(2).await;
        let stop = set_state(1, 1, State::Stopped);
        assert_eq!(receipt(&mut second, &stop).await, Outcome::Applied);
    }));
}

#[test]
fn a_pairing_code_pins_nobody_whom_the_owner_does_not_list() {
    let managed = Managed::by(&[]);
    write(&managed, &lists(&[2]));
    run(managed.serve(async |here| {
        let code = here.code.as_ref().expect("nobody manages it");
        let mut stranger = here.pair(&controller(1, 1), &code.enrolment()).await;
        assert!(!stranger.comes_up().await);
        assert!(here.store.managers().expect("readable").is_empty());
        let code = here.store.new_pairing(&mut system_rng()).expect("written");
        let mut listed = here.pair(&controller(2, 1), &code.enrolment()).await;
        assert!(listed.comes_up().await);
    }));
}
