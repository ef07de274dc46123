//! Rigs that come by a token: who gets in, what the others get, and that nobody gets in twice.

use miner_shared::identity::{EnrolToken, Fingerprint, Role};
use miner_shared::smsg::Expect;
use miner_shared::text::Name;

use super::super::enrol::VANISH_MS;
use super::super::*;
use super::count;
use super::rig::node;
use super::sim::Sim;
use crate::registry::{Terms, TokenId};

fn terms(uses: u32) -> Terms {
    Terms {
        label: None,
        uses,
        expires_at_ms: 10_000_000,
        name_pattern: None,
        group: None,
        from: None,
        approve: true,
        ephemeral: false,
    }
}

fn token(sim: &mut Sim, terms: Terms) -> EnrolToken {
    let token = EnrolToken::generate(&mut sim.rng, &sim.me.fingerprint());
    sim.call(|hub, env| hub.add_token(env, token.enrolment(), terms))
        .expect("stored");
    token
}

fn id(token: &EnrolToken) -> TokenId {
    TokenId(token.enrolment().token_id)
}

/// A rig dials in by a token; what it heard.
fn by_token(sim: &mut Sim, rig: usize, token: &EnrolToken) -> ConnId {
    let expect = Expect::Prefix(*token.controller());
    sim.dial_in_by(rig, expect, Some(token.enrolment()), "10.0.0.7")
}

fn refusals(sim: &Sim) -> Vec<String> {
    let reason = |kind| match kind {
        EventKind::EnrolRefused { reason, .. } => Some(reason),
        _ => None,
    };
    sim.events().into_iter().filter_map(reason).collect()
}

/// That this rig is refused by the token, with this one event and the registry as it was.
fn assert_refused(sim: &mut Sim, rig: usize, token: &EnrolToken, reason: &str) {
    let before = (
        sim.registry.peers().len(),
        sim.registry.waiting().len(),
        sim.registry.token(&id(token)).map(|row| row.left),
    );
    let events = sim.events().len();
    let conn = by_token(sim, rig, token);
    assert!(!sim.is_open(conn) && !sim.is_live(rig));
    let after = (
        sim.registry.peers().len(),
        sim.registry.waiting().len(),
        sim.registry.token(&id(token)).map(|row| row.left),
    );
    assert_eq!(after, before);
    assert_eq!(sim.events().len(), events + 1, "{:?}", sim.events());
    assert_eq!(refusals(sim).last().map(String::as_str), Some(reason));
}

#[test]
fn a_hundred_rigs_race_for_ten_uses_and_exactly_ten_get_in() {
    let mut sim = Sim::new(100);
    let token = token(&mut sim, terms(10));
    let expect = || Expect::Prefix(*token.controller());
    // All handshakes are under way at once: nothing settles before the last one has dialled.
    for rig in 0..100 {
        sim.begin_dial_in(rig, expect(), Some(token.enrolment()), "10.0.0.7");
    }
    sim.settle();
    assert_eq!((0..100).filter(|rig| sim.is_live(*rig)).count(), 10);
    assert_eq!(sim.registry.peers().len(), 10);
    assert_eq!(sim.registry.token(&id(&token)).expect("kept").left, 0);
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Enrolled { .. })), 10);
    assert_eq!(sim.hub.connections(), 10, "90 were closed");
    // The log takes of them what strangers may fill.
    let refused = refusals(&sim);
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|reason| reason == "the token is used up")
    );
}

#[test]
fn a_rig_that_enrolled_comes_back_without_its_token_and_also_with_it() {
    let mut sim = Sim::new(1);
    let token = token(&mut sim, terms(1));
    by_token(&mut sim, 0, &token);
    assert!(sim.is_live(0));
    sim.restart_rig(0);
    sim.dial_in(0);
    assert!(sim.is_live(0), "by its key");
    sim.restart_rig(0);
    by_token(&mut sim, 0, &token);
    assert!(sim.is_live(0), "by a token that is used up: it is a peer");
    assert_eq!(sim.registry.peers().len(), 1);
    assert_eq!(count(&sim, |e| matches!(e, EventKind::Enrolled { .. })), 1);
}

#[test]
fn every_term_of_a_token_is_enforced() {
    let mut sim = Sim::new(1);
    let expired = Terms {
        expires_at_ms: 1_000,
        ..terms(1)
    };
    let elsewhere = Terms {
        from: Some("192.0.2.0/24".parse().expect("valid")),
        ..terms(1)
    };
    let named = Terms {
        name_pattern: Some("gpu-*".parse().expect("valid")),
        ..terms(1)
    };
    for (terms, reason) in [
        (expired, "the token has expired"),
        (elsewhere, "the address is outside the token's network"),
        (named, "the name does not fit the token's pattern"),
    ] {
        let token = token(&mut sim, terms);
        assert_refused(&mut sim, 0, &token, reason);
    }
}

#[test]
fn a_node_that_is_more_than_a_worker_is_refused() {
    let mut sim = Sim::new(1);
    let token = token(&mut sim, terms(1));
    sim.rigs[0].node = node([9; 32], Role::Dual, 1, "rig-0");
    assert_refused(&mut sim, 0, &token, "tokens admit workers only");
    // A pure controller does not even play the part that dials.
    sim.rigs[0].node = node([8; 32], Role::Controller, 1, "rig-0");
    let conn = by_token(&mut sim, 0, &token);
    sim.advance(5_000);
    assert!(!sim.is_open(conn) && sim.registry.peers().len() == 0);
}

#[test]
fn an_unknown_a_revoked_and_a_guessed_token_get_no_answer() {
    let mut sim = Sim::new(1);
    let stranger = EnrolToken::generate(&mut sim.rng, &sim.me.fingerprint());
    assert_refused(&mut sim, 0, &stranger, "no such token");
    assert!(
        sim.events().contains(&EventKind::EnrolRefused {
            token: None,
            reason: "no such token".to_owned(),
        }),
        "a stranger's words stay out of the log"
    );

    let revoked = token(&mut sim, terms(1));
    sim.call(|hub, env| hub.revoke_token(env, &id(&revoked)))
        .expect("revokes");
    assert_refused(&mut sim, 0, &revoked, "the token is suspended");

    let known = token(&mut sim, terms(1));
    let mut guess = known.enrolment().clone();
    guess.secret = [0; 16].into();
    let expect = Expect::Prefix(*known.controller());
    let conn = sim.dial_in_by(0, expect, Some(&guess), "10.0.0.7");
    assert!(!sim.is_open(conn));
    let last = refusals(&sim);
    assert_eq!(
        last.last().map(String::as_str),
        Some("it does not know the token's secret")
    );
    assert_eq!(sim.registry.peers().len(), 0);
}

#[test]
fn a_removed_rig_does_not_come_back_by_its_token() {
    let mut sim = Sim::new(2);
    let token = token(&mut sim, terms(5));
    by_token(&mut sim, 0, &token);
    let key = sim.key(0);
    sim.call(|hub, env| hub.remove(env, &key, true))
        .expect("removes");
    let conn = by_token(&mut sim, 0, &token);
    assert!(!sim.is_open(conn) && !sim.is_live(0));
    assert_eq!(count(&sim, |e| *e == EventKind::RemovedKey), 1);

    by_token(&mut sim, 1, &token);
    assert!(sim.is_live(1), "the token was kept");
    let key = sim.key(1);
    sim.call(|hub, env| hub.remove(env, &key, false))
        .expect("removes");
    sim.call(|_, env| env.registry.forget(&key))
        .expect("forgets");
    assert_refused(&mut sim, 1, &token, "the token is suspended");
}

#[test]
fn a_node_with_another_key_in_between_is_left_before_anything_is_said() {
    let mut sim = Sim::new(1);
    // It even stole the secret of the token, but the prefix names the true controller.
    let token = EnrolToken::generate(&mut sim.rng, &Fingerprint([0x77; 32]));
    sim.call(|hub, env| hub.add_token(env, token.enrolment(), terms(1)))
        .expect("stored");
    let conn = by_token(&mut sim, 0, &token);
    assert!(!sim.is_open(conn) && !sim.is_live(0));
    assert_eq!(sim.registry.peers().len(), 0);
    assert_eq!(sim.registry.token(&id(&token)).expect("kept").left, 1);
    assert_eq!(sim.recorded.len(), 1, "the rig sent HS1 and nothing else");
}

#[test]
fn a_rig_waits_until_it_is_approved_and_a_denied_one_stays_out() {
    let mut sim = Sim::new(2);
    let token = token(
        &mut sim,
        Terms {
            approve: false,
            ..terms(2)
        },
    );
    for rig in 0..2 {
        let conn = by_token(&mut sim, rig, &token);
        assert!(!sim.is_open(conn) && !sim.is_live(rig));
        assert_eq!(sim.was_told_to_wait(conn), Some(true));
    }
    assert_eq!(sim.registry.waiting().len(), 2);
    sim.advance(60_000);
    let conn = sim.dial_in(0);
    assert_eq!(sim.was_told_to_wait(conn), Some(true), "by its key as well");
    assert_eq!(sim.registry.token(&id(&token)).expect("kept").left, 0);
    assert_eq!(
        count(&sim, |e| matches!(e, EventKind::EnrolPending { .. })),
        2,
        "one event for each, however often they come"
    );

    let (first, second) = (sim.key(0), sim.key(1));
    sim.call(|hub, env| hub.approve(env, &first, None))
        .expect("waits");
    sim.call(|hub, env| hub.deny(env, &second)).expect("waits");
    by_token(&mut sim, 0, &token);
    assert!(sim.is_live(0));
    let conn = by_token(&mut sim, 1, &token);
    assert!(!sim.is_open(conn) && !sim.is_live(1));
    assert_eq!(sim.hub.connections(), 1);
}

#[test]
fn an_ephemeral_entry_vanishes_ten_minutes_after_its_link_was_lost() {
    let mut sim = Sim::new(2);
    let token = token(
        &mut sim,
        Terms {
            ephemeral: true,
            ..terms(1)
        },
    );
    by_token(&mut sim, 0, &token);
    sim.advance(VANISH_MS + 1);
    assert!(sim.is_live(0), "it stays as long as its link");
    sim.restart_rig(0);
    sim.advance(VANISH_MS - 1);
    assert_eq!(sim.registry.peers().len(), 1);
    by_token(&mut sim, 0, &token);
    sim.advance(VANISH_MS);
    assert!(sim.is_live(0), "coming back in time keeps it");
    sim.restart_rig(0);
    sim.advance(VANISH_MS);
    assert_eq!(sim.registry.peers().len(), 0);
    by_token(&mut sim, 1, &token);
    assert!(sim.is_live(1), "its use is free again");
}

#[test]
fn an_ephemeral_entry_vanishes_also_after_the_controller_was_restarted() {
    let mut sim = Sim::new(1);
    let token = token(
        &mut sim,
        Terms {
            ephemeral: true,
            ..terms(1)
        },
    );
    by_token(&mut sim, 0, &token);
    sim.restart_controller();
    sim.call(|hub, env| hub.await_ends(env));
    sim.advance(VANISH_MS);
    assert_eq!(sim.registry.peers().len(), 0);
}

#[test]
fn a_peer_is_renamed_for_good() {
    let mut sim = Sim::registered(1);
    let (key, name) = (sim.key(0), Name::parse("corner").expect("valid"));
    sim.call(|hub, env| hub.rename(env, &key, name))
        .expect("registered");
    sim.dial_in(0);
    let row = sim.registry.peer(&key).expect("registered");
    assert_eq!(
        row.name.as_str(),
        "corner",
        "what it calls itself is not asked"
    );
}
