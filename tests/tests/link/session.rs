//! Messages: order, numbers, rekey, and who may say what.

use miner_shared::identity::{NodeKeys, Role};
use miner_shared::limits::{CLOSE_FRAMES, MAX_FRAME};
use miner_shared::smsg::{Dial, Event, Expect, Link, LinkError, LocalNode, SeqMemory};
use miner_shared::time::Millis;
use miner_shared::wire::{Activity, Answer, Message, Query, Refusal, RigStats};

use crate::support::{DIALLER, End, LISTENER, Pair, card, node};

fn query(id: u32) -> Message {
    Message::Query(id, Query::GetInfo)
}

fn answer(id: u32) -> Message {
    Message::Answer(id, Answer::Refused(Refusal::NotAllowed))
}

fn heartbeat() -> Message {
    Message::Heartbeat(RigStats {
        uptime_ms: 1,
        generation: 0,
        profile: None,
        activity: Activity::Stopped,
        miners: Default::default(),
        logs_lost: 0,
    })
}

#[test]
fn more_than_3000_messages_each_way_cross_three_rekeys() {
    let mut pair = Pair::up();
    for id in 0..3_500 {
        pair.send(LISTENER, &query(id)).expect("sealed");
        pair.send(DIALLER, &answer(id)).expect("sealed");
        pair.drive();
    }
    for (end, sent) in pair.ends.iter().zip([query as fn(u32) -> Message, answer]) {
        assert_eq!(end.error, None);
        assert!(end.messages().cloned().eq((0..3_500).map(sent)));
    }
}

#[test]
fn a_side_that_misses_a_rekey_is_out() {
    let mut pair = Pair::up();
    // The welcome was frame 0: frame 1,023 is the last under the first key.
    for id in 0..1_022 {
        pair.send(LISTENER, &query(id)).expect("sealed");
        pair.drive();
    }
    pair.send(LISTENER, &query(1_022)).expect("sealed");
    pair.take(DIALLER);
    pair.send(LISTENER, &query(1_023)).expect("sealed");
    pair.drive();
    assert!(pair.ends[DIALLER].link.is_closed());
}

#[test]
fn a_worker_cannot_command_and_a_controller_cannot_report() {
    let mut pair = Pair::up();
    assert_eq!(pair.send(DIALLER, &query(1)), Err(LinkError::Misplaced));
    assert_eq!(pair.send(LISTENER, &heartbeat()), Err(LinkError::Misplaced));
    for own in [Message::Ping(1), Message::Pong(1)] {
        assert_eq!(pair.send(DIALLER, &own), Err(LinkError::Misplaced));
    }
    assert!(
        pair.ends.iter().all(|end| end.link.is_up()),
        "a refusal costs nothing"
    );
    pair.send(DIALLER, &heartbeat()).expect("sealed");
    pair.drive();
    assert_eq!(pair.ends[LISTENER].last(), &Event::Message(heartbeat()));
}

#[test]
fn numbers_go_on_across_sessions_of_the_same_boots() {
    let mut first = Pair::up();
    first.send(LISTENER, &query(1)).expect("sealed");
    first.send(LISTENER, &query(2)).expect("sealed");
    first.drive();
    let [dialler, listener] = first.ends.each_ref().map(|end| end.link.memory());
    // Hello was 1; Welcome and two queries were 1 to 3.
    assert_eq!(dialler.map(|memory| (memory.tx, memory.rx)), Some((1, 3)));
    assert_eq!(listener.map(|memory| (memory.tx, memory.rx)), Some((3, 1)));

    let mut next = again(dialler);
    next.memory = listener;
    next.drive();
    assert!(
        next.ends
            .iter()
            .all(|end| end.link.is_up() && end.error.is_none())
    );
    let memory = next.ends[DIALLER].link.memory().expect("a peer");
    assert_eq!(
        memory.tx,
        1 + CLOSE_FRAMES + 1,
        "above all that the first may still send"
    );
    assert_eq!(memory.rx, 3 + CLOSE_FRAMES + 1);
}

#[test]
fn numbers_start_again_with_another_boot() {
    let stale = SeqMemory {
        peer_boot: [0; 16],
        tx: 500,
        rx: 500,
    };
    let mut pair = again(Some(stale));
    pair.memory = Some(stale);
    pair.drive();
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
    assert_eq!(
        pair.ends[DIALLER].link.memory().map(|memory| memory.tx),
        Some(1)
    );
}

#[test]
fn a_peer_that_forgot_its_numbers_is_refused_loudly() {
    let peer_boot = *node(1, Role::Worker).boot_id();
    let mut pair = again(None);
    pair.memory = Some(SeqMemory {
        peer_boot,
        tx: 1,
        rx: 1,
    });
    pair.drive();
    assert_eq!(pair.ends[LISTENER].error, Some(LinkError::SeqForgotten));
    assert!(!pair.ends[DIALLER].link.is_up());
}

#[test]
fn a_listener_that_forgot_its_numbers_is_left() {
    let memory = Pair::up().ends[DIALLER].link.memory().expect("a peer");
    let mut pair = again(Some(SeqMemory { rx: 1, ..memory }));
    pair.drive();
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::SeqForgotten));
}

#[test]
fn a_message_signed_by_another_process_start_is_refused() {
    let mut pair = Pair::up();
    let End { link, .. } = &mut pair.ends[LISTENER];
    let earlier = LocalNode::new(
        NodeKeys::from_seed(&[2; 32]),
        Role::Controller,
        [0; 16],
        card("node"),
    );
    let mut out = [0; MAX_FRAME];
    let len = link
        .seal(&earlier, pair.now, &query(1), &mut out)
        .expect("sealed");
    pair.deliver(DIALLER, out[..len].to_vec());
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::Unsigned));
}

#[test]
fn a_message_signed_for_another_process_start_is_refused() {
    let mut pair = Pair::up();
    pair.send(LISTENER, &query(1)).expect("sealed");
    let frame = pair.take(DIALLER);
    let later = LocalNode::new(
        NodeKeys::from_seed(&[1; 32]),
        Role::Worker,
        [0; 16],
        card("node"),
    );
    assert_eq!(later.fingerprint(), pair.ends[DIALLER].node.fingerprint());
    pair.ends[DIALLER].node = later;
    pair.deliver(DIALLER, frame);
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::Unsigned));
}

fn again(memory: Option<SeqMemory>) -> Pair {
    let controller = node(2, Role::Controller);
    let expect = Expect::Fingerprint(controller.fingerprint());
    let now = Millis(50_000);
    let link = Link::dial(Dial::WorkerDials, expect, None, memory, now);
    Pair::new(node(1, Role::Worker), controller, link, now)
}

#[test]
fn memories_merge_to_the_higher_numbers_of_one_boot() {
    let memory = |boot, tx, rx| SeqMemory {
        peer_boot: [boot; 16],
        tx,
        rx,
    };
    assert_eq!(memory(1, 5, 2).merge(memory(1, 3, 9)), memory(1, 5, 9));
    assert_eq!(memory(1, 5, 2).merge(memory(2, 1, 1)), memory(2, 1, 1));
}
