//! Tokens over any store: who is admitted, what is counted, what survives a crash.

use miner_shared::identity::{Enrolment, Fingerprint, PublicKeys, Role};
use miner_shared::smsg::Peer;
use miner_shared::text::{Label, Name};
use miner_shared::wire::NodeCard;

use super::*;
use crate::clock::EpochMs;

const NOW: EpochMs = EpochMs(1_000);
const TOKEN: TokenId = TokenId([7; 8]);

fn name(text: &str) -> Name {
    Name::parse(text).expect("valid")
}

fn key(n: u8) -> Fingerprint {
    Fingerprint([n; 32])
}

fn terms() -> Terms {
    Terms {
        label: None,
        uses: 2,
        expires_at_ms: 5_000,
        name_pattern: None,
        group: Some(name("east")),
        from: None,
        approve: true,
        ephemeral: false,
    }
}

fn registry(terms: Terms) -> Registry {
    with_token(Box::new(MemoryStore::default()), terms)
}

fn with_token(store: Box<dyn Store>, terms: Terms) -> Registry {
    let mut registry = Registry::open(store).expect("opens");
    let enrolment = Enrolment {
        token_id: TOKEN.0,
        secret: [0x5e; 16].into(),
    };
    let row = TokenRecord::new(&enrolment, terms, name("control-center"), NOW);
    registry.add_token(TOKEN, row).expect("adds");
    registry
}

struct Rig {
    peer: Peer,
    card: NodeCard,
    from: &'static str,
}

fn rig(n: u8) -> Rig {
    Rig {
        peer: Peer {
            fingerprint: key(n),
            keys: PublicKeys {
                x25519: [n; 32],
                ed25519: [n; 32],
            },
            role: Role::Worker,
            boot_id: [1; 16],
            statements: 0,
            version: 1,
        },
        card: NodeCard {
            name: name(&format!("rig-{n}")),
            software: Label::lossy("miner 0.1.0"),
            host: Label::lossy("linux"),
        },
        from: "10.1.2.3",
    }
}

fn enrol(registry: &mut Registry, rig: &Rig, now: EpochMs) -> Result<Enrolled, RegistryError> {
    let applicant = Applicant {
        peer: &rig.peer,
        card: &rig.card,
        token: TOKEN,
        from: Some(rig.from.parse().expect("an address")),
    };
    registry.enrol(&applicant, now)
}

fn left(registry: &Registry) -> u32 {
    registry.token(&TOKEN).expect("kept").left
}

/// Why this rig is refused; nothing may have changed.
fn refused(registry: &mut Registry, rig: &Rig, now: EpochMs) -> TokenRefusal {
    let (before, peers) = (left(registry), registry.peers().len());
    let refusal = match enrol(registry, rig, now) {
        Err(RegistryError::Token(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert_eq!((left(registry), registry.peers().len()), (before, peers));
    assert_eq!(registry.waiting().len(), 0);
    refusal
}

#[test]
fn a_token_admits_as_many_rigs_as_it_has_uses() {
    let mut registry = registry(terms());
    for n in 1..=2 {
        assert_eq!(
            enrol(&mut registry, &rig(n), NOW).expect("admitted"),
            Enrolled::Registered
        );
    }
    assert_eq!(refused(&mut registry, &rig(3), NOW), TokenRefusal::UsedUp);
    let row = registry.peer(&key(1)).expect("registered");
    assert_eq!((row.trust, row.name.as_str()), (Trust::Token, "rig-1"));
    let origin = registry.origin(&key(1)).expect("by a token");
    assert_eq!((origin.token, &origin.group), (TOKEN, &Some(name("east"))));
    let group = registry.labels(&key(1)).group.as_ref();
    assert_eq!(group.map(LabelName::as_str), Some("east"));
}

#[test]
fn every_term_refuses_by_itself() {
    let mut expired = registry(terms());
    let at_end = EpochMs(5_000);
    assert_eq!(
        refused(&mut expired, &rig(1), at_end),
        TokenRefusal::Expired
    );
    assert!(enrol(&mut expired, &rig(1), EpochMs(4_999)).is_ok());

    let mut elsewhere = registry(Terms {
        from: Some("10.0.0.0/8".parse().expect("valid")),
        ..terms()
    });
    let far = Rig {
        from: "192.0.2.1",
        ..rig(1)
    };
    assert_eq!(refused(&mut elsewhere, &far, NOW), TokenRefusal::Network);
    assert!(enrol(&mut elsewhere, &rig(1), NOW).is_ok());

    let mut named = registry(Terms {
        name_pattern: Some("gpu-*".parse().expect("valid")),
        ..terms()
    });
    assert_eq!(refused(&mut named, &rig(1), NOW), TokenRefusal::Name);

    let mut dual = rig(1);
    dual.peer.role = Role::Dual;
    assert_eq!(
        refused(&mut registry(terms()), &dual, NOW),
        TokenRefusal::Role
    );

    let mut revoked = registry(terms());
    revoked.revoke_token(&TOKEN, NOW).expect("revokes");
    assert_eq!(refused(&mut revoked, &rig(1), NOW), TokenRefusal::Suspended);
}

#[test]
fn a_removed_key_and_one_with_a_taken_id_stay_out() {
    let mut registry = registry(terms());
    enrol(&mut registry, &rig(1), NOW).expect("admitted");
    registry.remove(&key(1), true, NOW).expect("removes");
    assert!(matches!(
        enrol(&mut registry, &rig(1), NOW),
        Err(RegistryError::Removed)
    ));
    enrol(&mut registry, &rig(2), NOW).expect("admitted");
    let mut twin = rig(2);
    twin.peer.fingerprint.0[31] = 9;
    assert!(matches!(
        enrol(&mut registry, &twin, NOW),
        Err(RegistryError::IdTaken(_))
    ));
}

#[test]
fn a_name_that_is_taken_gets_the_beginning_of_the_id() {
    let mut registry = registry(terms());
    enrol(&mut registry, &rig(1), NOW).expect("admitted");
    let mut second = rig(2);
    second.card.name = name("rig-1");
    enrol(&mut registry, &second, NOW).expect("admitted");
    let row = registry.peer(&key(2)).expect("registered");
    assert_eq!(row.name.as_str(), "rig-1-0202");
    assert_eq!(registry.resolve("rig-1").ok(), Some(key(1)));
}

#[test]
fn removal_suspends_the_token_unless_it_is_kept() {
    let mut registry = registry(terms());
    enrol(&mut registry, &rig(1), NOW).expect("admitted");
    enrol(&mut registry, &rig(2), NOW).expect("admitted");
    registry.remove(&key(1), true, NOW).expect("removes");
    assert_eq!(registry.token(&TOKEN).expect("kept").suspended_at_ms, None);
    registry.remove(&key(2), false, NOW).expect("removes");
    assert_eq!(
        registry.token(&TOKEN).expect("kept").suspended_at_ms,
        Some(NOW.0)
    );
    assert!(registry.origin(&key(2)).is_none());
    registry.revoke_token(&TOKEN, NOW).expect("deletes");
    assert!(registry.token(&TOKEN).is_none(), "revoked twice is deleted");
}

#[test]
fn pending_rigs_take_a_use_and_are_approved_or_denied() {
    let mut registry = registry(Terms {
        approve: false,
        ..terms()
    });
    for n in 1..=2 {
        assert_eq!(
            enrol(&mut registry, &rig(n), NOW).expect("waits"),
            Enrolled::Pending
        );
    }
    assert_eq!((left(&registry), registry.peers().len()), (0, 0));
    registry.approve(&key(1), None, NOW).expect("approves");
    registry.deny(&key(2), NOW).expect("denies");
    assert!(registry.peer(&key(1)).is_some() && registry.origin(&key(1)).is_some());
    assert!(registry.tombstone(&key(2)).is_some());
    assert_eq!(registry.waiting().len(), 0);
    assert!(registry.approve(&key(2), None, NOW).is_err());
}

#[test]
fn a_rig_is_approved_under_a_name_that_no_peer_has_and_waits_on_otherwise() {
    let mut registry = registry(Terms {
        approve: false,
        ..terms()
    });
    for n in 1..=2 {
        enrol(&mut registry, &rig(n), NOW).expect("waits");
    }
    let name = || Some(Name::parse("corner").expect("valid"));
    registry.approve(&key(1), name(), NOW).expect("approves");
    let taken = registry.approve(&key(2), name(), NOW);
    assert!(matches!(taken, Err(RegistryError::NameTaken(_, by)) if by == key(1)));
    assert_eq!(registry.waiting().len(), 1);
    let named = |n| registry.peer(&key(n)).map(|row| row.name.as_str());
    assert_eq!((named(1), named(2)), (Some("corner"), None));
}

#[test]
fn no_more_than_256_wait_and_the_next_one_costs_no_use() {
    let mut registry = registry(Terms {
        approve: false,
        uses: 1_000,
        ..terms()
    });
    for n in 0..MAX_WAITING {
        let mut next = rig(1);
        let [a, b] = u16::try_from(n).expect("small").to_be_bytes();
        (next.peer.fingerprint.0[0], next.peer.fingerprint.0[1]) = (a, b);
        enrol(&mut registry, &next, NOW).expect("waits");
    }
    let before = left(&registry);
    assert!(matches!(
        enrol(&mut registry, &rig(0xff), NOW),
        Err(RegistryError::Token(TokenRefusal::TooManyWaiting))
    ));
    assert_eq!((left(&registry), registry.waiting().len()), (before, 256));
}

#[test]
fn an_ephemeral_entry_that_vanishes_gives_its_use_back() {
    let mut registry = registry(Terms {
        uses: 1,
        ephemeral: true,
        ..terms()
    });
    enrol(&mut registry, &rig(1), NOW).expect("admitted");
    assert_eq!(refused(&mut registry, &rig(2), NOW), TokenRefusal::UsedUp);
    assert!(registry.vanish(&key(1)).expect("vanishes"));
    assert!(registry.peer(&key(1)).is_none() && registry.tombstone(&key(1)).is_none());
    enrol(&mut registry, &rig(2), NOW).expect("there is room");
    registry.remove(&key(2), true, NOW).expect("removes");
    assert_eq!(left(&registry), 1);
}

#[test]
fn an_entry_that_is_not_ephemeral_never_vanishes() {
    let mut registry = registry(terms());
    enrol(&mut registry, &rig(1), NOW).expect("admitted");
    assert!(!registry.vanish(&key(1)).expect("stays"));
    assert!(registry.peer(&key(1)).is_some());
}

#[test]
fn after_a_crash_before_the_welcome_the_use_is_counted_and_the_entry_is_there() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = RedbStore::open(dir.path()).expect("opens");
    let mut registry = with_token(Box::new(store), terms());
    enrol(&mut registry, &rig(1), NOW).expect("admitted");

    // What the disk holds now is what is left after a kill: the process never closes the file.
    let after = tempfile::tempdir().expect("temporary directory");
    let file = "registry.redb";
    std::fs::copy(dir.path().join(file), after.path().join(file)).expect("copies");
    let store = RedbStore::open(after.path()).expect("repairs and opens");
    let reopened = Registry::open(Box::new(store)).expect("loads");
    assert_eq!(left(&reopened), 1);
    assert!(reopened.peer(&key(1)).is_some() && reopened.origin(&key(1)).is_some());
}

#[test]
fn no_debug_output_shows_the_secret() {
    let registry = registry(terms());
    let shown = format!("{registry:?}");
    assert!(
        shown.contains("0707070707070707"),
        "the token's name is shown"
    );
    let decimal = format!("{:?}", [0x5e_u8; 16]);
    for secret in ["5e5e5e5e", "5E5E5E5E", decimal.trim_matches(['[', ']'])] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn many_removals_in_one_step_count_like_as_many_steps() {
    for keep_token in [true, false] {
        let terms = || Terms {
            uses: 3,
            ephemeral: true,
            ..terms()
        };
        let rigs = || {
            let mut registry = registry(terms());
            for n in 1..=3 {
                enrol(&mut registry, &rig(n), NOW).expect("admitted");
            }
            registry
        };
        let (mut at_once, mut singly) = (rigs(), rigs());
        let keys = [1, 2, 3].map(key);
        at_once.remove_all(&keys, keep_token, NOW).expect("removes");
        for key in &keys {
            singly.remove(key, keep_token, NOW).expect("removes");
        }
        assert_eq!(at_once.token(&TOKEN), singly.token(&TOKEN));
        assert_eq!(at_once.rows, singly.rows);
        assert_eq!(at_once.by_id(keys[0].node_id()), None);
    }
}
