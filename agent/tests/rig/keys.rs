//! Keys that change: a controller's, the rig's own; recovery, handover, revocation.

use std::rc::Rc;
use std::time::Duration;

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_shared::bytes::Bytes;
use miner_shared::identity::{
    EnrolToken, Fingerprint, NodeKeys, Pin, RecoveryKey, Role, Statement,
};
use miner_shared::smsg::{Event, Expect, LocalNode};
use miner_shared::text::Name;
use miner_shared::wire::{Answer, Command, Desired, Message, Outcome, Query, Refusal, State};
use smol::future;
use smol::net::TcpListener;

use crate::common::{Manager, accept, beside, controller, node, receipt, rig, run};

/// A rig's files; it obeys the controllers with keys 1 and 2.
struct Files {
    root: tempfile::TempDir,
    store: NodeStore,
    key: Fingerprint,
}

impl Files {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let name = Name::parse("rig-alpha").expect("valid");
        let made = store.init(name, Role::Worker, &mut system_rng());
        let key = made.expect("new").fingerprint();
        for seed in [1, 2] {
            store.pin_manager(key, self::key(seed)).expect("room");
        }
        Self { root, store, key }
    }

    /// The pinned keys, in order.
    fn managers(&self) -> Vec<Fingerprint> {
        let managers = self.store.managers().expect("readable");
        managers.iter().copied().collect()
    }

    /// The rig's key now.
    fn own(&self) -> Fingerprint {
        let node = self.store.load().expect("readable").expect("there");
        node.fingerprint()
    }
}

fn keys(seed: u8) -> NodeKeys {
    NodeKeys::from_seed(&[seed; 32])
}

fn key(seed: u8) -> Fingerprint {
    keys(seed).fingerprint()
}

/// The controller of the last of these seeds, whose key the others' became one after the other.
fn successor(seeds: &[u8]) -> Rc<LocalNode> {
    let steps = seeds.windows(2);
    let chain = steps.map(|pair| Statement::by_old(&keys(pair[0]), &keys(pair[1])));
    let last = *seeds.last().expect("a seed");
    Rc::new(node(last, 1).with_chain(chain.collect()))
}

/// The controller of this seed, put in place by the recovery key.
fn recovered(by: &RecoveryKey, seed: u8, counter: u64) -> Rc<LocalNode> {
    let statement = Statement::by_recovery(by, &keys(seed), counter);
    Rc::new(node(seed, 1).with_chain([statement].into_iter().collect()))
}

fn command(op_id: u8, command: Command) -> Message {
    Message::Command([op_id; 16], command)
}

fn stop(op_id: u8, generation: u64) -> Message {
    let state = State::Stopped;
    command(op_id, Command::SetState(Desired { generation, state }))
}

fn pin_recovery(op_id: u8, key: &RecoveryKey, by: Option<&RecoveryKey>) -> Message {
    let proof = by.map(|by| Bytes(by.hand_over(key)));
    let key = key.public();
    command(op_id, Command::PinRecovery { key, proof })
}

/// Fails if the rig has not closed this link, politely, in this time.
async fn ends_within(seconds: u64, manager: &mut Manager) {
    let late = async {
        smol::Timer::after(Duration::from_secs(seconds)).await;
        panic!("still there");
    };
    let code = future::or(manager.close_code(), late).await;
    assert_eq!(code, Some(CloseCode::Normal));
}

/// Whether the rig lets this controller in.
async fn admits(me: &Rc<LocalNode>, rig: std::net::SocketAddr, key: Fingerprint) -> bool {
    let expect = Expect::Fingerprint(key);
    let mut manager = Manager::dial(me, rig, expect, None, None).await;
    manager.comes_up().await
}

#[test]
fn a_controller_that_dials_with_a_new_key_is_obeyed_and_its_old_key_is_cut() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    run(beside(serving, async {
        let old = controller(1, 1);
        let mut before = Manager::up(&old, address, files.key).await;
        assert_eq!(receipt(&mut before, &stop(1, 1)).await, Outcome::Applied);

        let mut new = Manager::up(&successor(&[1, 10, 11]), address, files.key).await;
        assert_eq!(
            files.managers(),
            [key(11), key(2)],
            "on disk before Welcome"
        );
        ends_within(1, &mut before).await;
        assert_eq!(
            receipt(&mut new, &stop(2, 2)).await,
            Outcome::Applied,
            "the first"
        );
        let resent = receipt(&mut new, &stop(1, 1)).await;
        assert_eq!(resent, Outcome::Applied, "the receipt that the old key got");
        assert!(!admits(&old, address, files.key).await);
        // Its chain from the key that is none any more leads a thief nowhere.
        assert!(!admits(&successor(&[1, 66]), address, files.key).await);
        assert!(!admits(&successor(&[7, 8]), address, files.key).await);
        assert_eq!(files.managers(), [key(11), key(2)]);
    }));
}

#[test]
fn a_controller_that_is_dialled_is_followed_and_a_service_file_may_name_its_old_key() {
    let root = tempfile::tempdir().expect("temporary folder");
    let store = NodeStore::new(Dirs::below(root.path()));
    let managers = || -> Vec<Fingerprint> {
        let managers = store.managers().expect("readable");
        managers.iter().copied().collect()
    };
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").to_string();
        let start = || {
            let change = |config: &mut miner_agent::node::ServeConfig| {
                config.listen = None;
                config.controller = Some(here.parse().expect("valid"));
                config.fingerprint = Some(key(1));
            };
            rig(root.path(), change).0
        };
        let owner = RecoveryKey::generate(&mut system_rng());
        let followed = async {
            let mut first = accept(&listener, &controller(1, 1)).await;
            assert!(first.comes_up().await);
            drop(first);
            let mut strange = accept(&listener, &successor(&[7, 10])).await;
            assert!(!strange.comes_up().await, "the rig tells it nothing");
            let mut second = accept(&listener, &successor(&[1, 10])).await;
            assert!(second.comes_up().await);
            assert_eq!(managers(), [key(10)]);
            let pinned = receipt(&mut second, &pin_recovery(1, &owner, None)).await;
            assert_eq!(pinned, Outcome::Applied);
        };
        beside(start(), followed).await;

        let serving = start();
        assert_eq!(managers(), [key(10)], "the old key is not pinned again");
        let restarted = async {
            let mut third = accept(&listener, &successor(&[1, 10])).await;
            assert!(third.comes_up().await);
            drop(third);
            let mut taken_back = accept(&listener, &recovered(&owner, 11, 1)).await;
            assert!(taken_back.comes_up().await);
            assert_eq!(managers(), [key(11)]);
        };
        beside(serving, restarted).await;
    });
}

#[test]
fn a_token_that_was_made_under_an_earlier_key_enrols_and_the_pin_leads_from_then_on() {
    let root = tempfile::tempdir().expect("temporary folder");
    let store = NodeStore::new(Dirs::below(root.path()));
    let token = EnrolToken::generate(&mut system_rng(), &key(1));
    let secret = *token.enrolment().secret;
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").to_string();
        let start = || {
            let change = |config: &mut miner_agent::node::ServeConfig| {
                config.listen = None;
                config.controller = Some(here.parse().expect("valid"));
                config.token = Some(token.clone());
            };
            rig(root.path(), change).0
        };
        let enrolled = async {
            let mut first = accept(&listener, &successor(&[1, 10])).await;
            first.secret = Some(secret);
            assert!(first.comes_up().await);
            first.heartbeat(|_| true).await;
            let managers = store.managers().expect("readable");
            assert_eq!(managers.first(), Some(key(10)));
            drop(first);
            // No token is shown any more: this one has no answer to it.
            let mut second = accept(&listener, &successor(&[1, 10, 11])).await;
            assert!(second.comes_up().await);
        };
        beside(start(), enrolled).await;
        let restarted = async {
            let mut third = accept(&listener, &successor(&[1, 10, 11])).await;
            assert!(third.comes_up().await);
        };
        beside(start(), restarted).await;
        let managers = store.managers().expect("readable");
        assert_eq!(managers.iter().copied().collect::<Vec<_>>(), [key(11)]);
    });
}

#[test]
fn the_recovery_key_takes_a_rig_back_from_a_thief_who_cannot_change_it() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    let [owner, thief] = [(); 2].map(|()| RecoveryKey::generate(&mut system_rng()));
    run(beside(serving, async {
        let mut manager = Manager::up(&controller(1, 1), address, files.key).await;
        let pinned = receipt(&mut manager, &pin_recovery(1, &owner, None)).await;
        assert_eq!(pinned, Outcome::Applied);
        let again = receipt(&mut manager, &pin_recovery(2, &owner, None)).await;
        assert_eq!(again, Outcome::AlreadyThere);

        // Whoever stole the key may move on, and stays on the owner's leash.
        let mut stolen = Manager::up(&successor(&[1, 66]), address, files.key).await;
        for (op_id, by) in [(3, None), (4, Some(&thief))] {
            let told = receipt(&mut stolen, &pin_recovery(op_id, &thief, by)).await;
            assert_eq!(told, Outcome::Refused(Refusal::BadProof));
        }
        let forged = recovered(&thief, 67, 9);
        assert!(!admits(&forged, address, files.key).await);

        let new = recovered(&owner, 5, 1);
        let mut back = Manager::up(&new, address, files.key).await;
        ends_within(1, &mut stolen).await;
        assert_eq!(files.managers(), [key(5), key(2)]);
        assert_eq!(
            receipt(&mut back, &stop(5, 1)).await,
            Outcome::Applied,
            "the first"
        );
        assert!(!admits(&successor(&[1, 66]), address, files.key).await);
        let replayed = recovered(&owner, 1, 1);
        assert!(
            !admits(&replayed, address, files.key).await,
            "counter 1 again"
        );
    }));
}

#[test]
fn a_rig_changes_its_key_by_its_first_manager_s_command_and_comes_back() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    run(beside(serving, async {
        let (me, other) = (controller(1, 1), controller(2, 1));
        let mut first = Manager::up(&me, address, files.key).await;
        let mut second = Manager::up(&other, address, files.key).await;
        let rotate = command(1, Command::Rotate);
        let refused = Outcome::Refused(Refusal::NotAllowed);
        assert_eq!(receipt(&mut second, &rotate).await, refused);
        assert_eq!(files.own(), files.key);

        assert_eq!(receipt(&mut first, &rotate).await, Outcome::Applied);
        assert_ne!(files.own(), files.key, "on disk before the receipt");
        ends_within(1, &mut first).await;
        ends_within(1, &mut second).await;

        for me in [&me, &other] {
            let mut pin = Pin::new(files.key);
            let expect = Expect::Fingerprint(files.key);
            let mut manager = Manager::dial(me, address, expect, None, None).await;
            assert!(manager.comes_up_with(&mut pin).await);
            assert_eq!(pin.fingerprint, files.own());
            let receipt_of_then = receipt(&mut manager, &rotate).await;
            let first = me.fingerprint() == key(1);
            assert_eq!(receipt_of_then == Outcome::Applied, first);
        }
        let node = files.store.load().expect("readable").expect("there");
        assert_eq!(node.chain.len(), 1, "changed once");
    }));
}

#[test]
fn a_rig_that_dials_shows_its_new_key_when_another_process_has_made_it() {
    let files = Files::new();
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("bound").to_string();
        let (serving, _) = rig(files.root.path(), |config| {
            config.listen = None;
            config.controller = Some(here.parse().expect("valid"));
        });
        let dialled = async {
            let me = controller(1, 1);
            let mut pin = Pin::new(files.key);
            let mut first = accept(&listener, &me).await;
            assert!(first.comes_up_with(&mut pin).await);
            assert_eq!(receipt(&mut first, &stop(1, 1)).await, Outcome::Applied);
            // The last for ten seconds: the link rests when the key changes.
            first.heartbeat(|_| true).await;
            // What `miner node rotate-key` does.
            let new = files.store.rotate(&mut system_rng()).expect("written");
            ends_within(3, &mut first).await;
            let mut second = accept(&listener, &me).await;
            assert!(second.comes_up_with(&mut pin).await);
            assert_eq!(pin.fingerprint, new.fingerprint());
            let stats = second.heartbeat(|_| true).await;
            assert_eq!(stats.generation, 1, "the same rig");
        };
        beside(serving, dialled).await;
    });
}

#[test]
fn another_manager_decides_after_a_handover() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    run(beside(serving, async {
        let mut first = Manager::up(&controller(1, 1), address, files.key).await;
        let mut second = Manager::up(&controller(2, 1), address, files.key).await;
        assert_eq!(receipt(&mut first, &stop(1, 5)).await, Outcome::Applied);
        let to = |to| Command::Handover { to };
        let refused = |why| Outcome::Refused(why);
        let told = receipt(&mut second, &command(1, to(key(2)))).await;
        assert_eq!(told, refused(Refusal::NotAllowed));
        let told = receipt(&mut first, &command(2, to(key(9)))).await;
        assert_eq!(told, refused(Refusal::NoSuchManager));
        let told = receipt(&mut first, &command(3, to(key(2)))).await;
        assert_eq!(told, Outcome::Applied);
        assert_eq!(
            files.managers(),
            [key(2), key(1)],
            "on disk before the receipt"
        );

        let told = receipt(&mut first, &stop(4, 6)).await;
        assert_eq!(told, refused(Refusal::NotAllowed));
        assert_eq!(receipt(&mut second, &stop(5, 2)).await, Outcome::Behind(5));
        assert_eq!(receipt(&mut second, &stop(6, 6)).await, Outcome::Applied);
        let answer = first.ask(&Message::Query(7, Query::GetManagers)).await;
        let Message::Answer(7, Answer::Managers(managers)) = answer else {
            panic!("every manager may ask: {answer:?}");
        };
        let order: Vec<_> = managers.iter().map(|m| m.fingerprint).collect();
        assert_eq!(order, [key(2), key(1)]);
    }));
}

#[test]
fn a_revoked_manager_is_cut_within_a_second_and_neither_it_nor_its_successor_comes_back() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    run(beside(serving, async {
        let mut first = Manager::up(&controller(1, 1), address, files.key).await;
        let mut second = Manager::up(&controller(2, 1), address, files.key).await;
        let revoke = |manager| Command::Revoke { manager };
        let told = receipt(&mut first, &command(1, revoke(key(1)))).await;
        assert_eq!(told, Outcome::Refused(Refusal::NotAllowed), "not itself");
        let told = receipt(&mut first, &command(2, revoke(key(2)))).await;
        assert_eq!(told, Outcome::Applied);
        ends_within(1, &mut second).await;
        assert_eq!(files.managers(), [key(1)]);
        assert!(!admits(&controller(2, 2), address, files.key).await);
        assert!(!admits(&successor(&[2, 20]), address, files.key).await);
        let told = receipt(&mut first, &command(2, revoke(key(2)))).await;
        assert_eq!(told, Outcome::Applied, "the receipt of then");
    }));
}

#[test]
fn a_pairing_code_is_not_used_up_by_a_manager_with_a_new_key() {
    let files = Files::new();
    let (serving, _) = rig(files.root.path(), |_| ());
    let address = serving.address().expect("listens");
    run(beside(serving, async {
        let code = files.store.new_pairing(&mut system_rng()).expect("written");
        let mut new = Manager::up(&successor(&[2, 20]), address, files.key).await;
        assert!(matches!(
            new.next().await,
            Some(Event::Message(Message::Heartbeat(_)))
        ));
        assert_eq!(files.managers(), [key(1), key(20)]);
        let waiting = files.store.pairing().expect("it waits");
        assert_eq!(waiting.token_id(), code.token_id());
    }));
}
