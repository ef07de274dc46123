//! What happens when nothing happens.

use miner_shared::limits::{CLOSE_MS, MAX_FRAME, RENEW_MS};
use miner_shared::smsg::{Event, LinkError};
use miner_shared::time::Millis;
use miner_shared::wire::{Message, Query};

use crate::support::{DIALLER, LISTENER, Pair};

#[test]
fn a_handshake_that_stops_is_over_after_five_seconds() {
    for delivered in 0..3 {
        let mut pair = Pair::plain();
        for to in [LISTENER, DIALLER, LISTENER].into_iter().take(delivered) {
            let frame = pair.take(to);
            pair.deliver(to, frame);
        }
        pair.wait(4_999);
        assert!(!pair.ends[LISTENER].link.is_closed());
        pair.wait(1);
        assert_eq!(pair.ends[LISTENER].error, Some(LinkError::HandshakeTimeout));
    }
}

#[test]
fn the_dialler_waits_ten_seconds_for_its_welcome() {
    let mut pair = Pair::plain();
    pair.admission = None;
    pair.drive();
    pair.wait(9_999);
    assert!(!pair.ends[DIALLER].link.is_closed());
    pair.wait(1);
    assert_eq!(pair.ends[DIALLER].error, Some(LinkError::HandshakeTimeout));
}

#[test]
fn silence_brings_one_ping_after_20_s_and_death_after_40() {
    let mut pair = Pair::up();
    pair.wait(19_999);
    assert!(pair.ends.iter().all(|end| end.inbox.is_empty()));
    pair.wait(20_000);
    assert!(
        pair.ends.iter().all(|end| end.inbox.len() == 1),
        "one ping each way"
    );
    assert!(pair.ends.iter().all(|end| end.error.is_none()));
    pair.wait(1);
    assert!(
        pair.ends
            .iter()
            .all(|end| end.error == Some(LinkError::Dead))
    );
    assert!(!pair.transmit());
}

#[test]
fn an_answered_ping_keeps_the_link_and_gives_the_round_trip() {
    let mut pair = Pair::up();
    for _ in 0..10 {
        pair.wait(20_000);
        pair.now += 7;
        pair.drive();
    }
    for end in &pair.ends {
        assert!(end.link.is_up());
        assert_eq!(end.last(), &Event::Pong { rtt_ms: 7 });
        assert_eq!(end.link.rtt_ms(), Some(7));
        assert_eq!(end.link.last_received(), pair.now);
    }
}

#[test]
fn a_ping_on_demand_is_answered_once() {
    let mut pair = Pair::up();
    assert_eq!(
        pair.ends[LISTENER].link.rtt_ms(),
        None,
        "unknown is not zero"
    );
    pair.ends[LISTENER].link.ping(pair.now);
    assert!(pair.transmit());
    pair.now += 40;
    pair.drive();
    assert_eq!(pair.ends[LISTENER].last(), &Event::Pong { rtt_ms: 40 });
    assert!(!pair.transmit());
}

#[test]
fn the_dialler_wants_a_new_link_after_a_day_and_both_close_an_hour_later() {
    let mut pair = Pair::up();
    let born = Millis(1_000);
    while pair.now < born + (CLOSE_MS - 1) {
        let left = (born + (CLOSE_MS - 1)).since(pair.now);
        pair.wait(left.min(20_000));
        pair.drive();
        let wants = pair
            .ends
            .each_ref()
            .map(|end| end.link.wants_renewal(pair.now));
        assert_eq!(wants, [pair.now.since(born) >= RENEW_MS, false]);
    }
    assert!(pair.ends.iter().all(|end| end.link.is_up()));
    pair.wait(1);
    assert!(
        pair.ends
            .iter()
            .all(|end| end.error == Some(LinkError::Expired))
    );
}

#[test]
fn an_expired_link_seals_nothing_even_if_no_timer_was_asked() {
    let mut pair = Pair::up();
    pair.now += CLOSE_MS;
    let query = Message::Query(1, Query::GetInfo);
    assert_eq!(pair.send(LISTENER, &query), Err(LinkError::Expired));
}

#[test]
fn a_closed_link_stays_closed() {
    let mut pair = Pair::up();
    pair.deliver(DIALLER, b"noise".to_vec());
    let end = &mut pair.ends[DIALLER];
    assert!(end.link.is_closed() && !end.link.is_up());
    assert_eq!(end.link.handle_timeout(pair.now), Err(LinkError::Closed));
    let refused = end.link.handle_frame(&end.node, pair.now, &mut [0; 8]);
    assert_eq!(refused, Err(LinkError::Closed));
    let mut out = [0; MAX_FRAME];
    let sent = end
        .link
        .poll_transmit(&end.node, pair.now, &mut pair.rng, &mut out);
    assert_eq!(sent, None);
}

#[test]
fn a_short_buffer_closes_the_link_instead_of_stalling_it() {
    let mut pair = Pair::plain();
    let end = &mut pair.ends[DIALLER];
    let mut out = [0; MAX_FRAME - 1];
    let sent = end
        .link
        .poll_transmit(&end.node, pair.now, &mut pair.rng, &mut out);
    assert_eq!((sent, end.link.is_closed()), (None, true));
    let mut why = || end.link.handle_timeout(pair.now);
    assert_eq!(why(), Err(LinkError::BufferTooSmall));
    assert_eq!(why(), Err(LinkError::Closed), "it is said once");
}
