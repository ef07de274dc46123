//! The bytes of docs/SMSG.md, and what strangers may send instead.

use core::net::Ipv4Addr;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::limits::MAX_MDNS_PACKET;
use crate::time::Millis;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 100);

/// The announcement of a node whose fingerprint is 32 times 01, written by hand.
const ANNOUNCEMENT: &[u8] = b"\
    \0\0\x84\0\0\0\0\x04\0\0\0\0\
    \x05_smsg\x04_tcp\x05local\0\0\x0c\0\x01\0\0\x11\x94\0\x1d\
        \x1arig-alpha 0101010101010101\xc0\x0c\
    \xc0\x28\0\x21\x80\x01\0\0\0\x78\0\x1e\
        \0\0\0\0\x23\x83\x15smsg-0101010101010101\xc0\x17\
    \xc0\x28\0\x10\x80\x01\0\0\x11\x94\0\x71\
        \x09txtvers=1\x0brole=worker\x13id=0101010101010101\
        \x46fp=040G-2081-040G-2081-040G-2081-040G-2081-040G-2081-040G-2081-040G-ZQ\
    \xc0\x57\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\xa8\x01\x64";

fn instance() -> Instance {
    Instance {
        name: Name::parse("rig-alpha").expect("a name"),
        role: Role::Worker,
        fingerprint: Fingerprint([1; 32]),
        port: 9091,
    }
}

fn written(instance: &Instance, life: Life) -> Vec<u8> {
    let mut out = [0; MAX_MDNS_PACKET];
    let length = instance.write(ADDRESS, life, &mut out).expect("fits");
    out[..length].to_vec()
}

fn replaced(packet: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len(), "lengths stand in front of things");
    let at = packet.windows(old.len()).position(|part| part == old);
    let at = at.expect("it is there");
    [&packet[..at], new, &packet[at + old.len()..]].concat()
}

#[test]
fn an_announcement_is_these_bytes_and_reads_as_what_was_written() {
    assert_eq!(written(&instance(), Life::Full), ANNOUNCEMENT);
    assert_eq!(Instance::read(ANNOUNCEMENT), Some(instance()));
}

#[test]
fn the_longest_name_is_cut_so_that_the_label_fits_and_the_rest_is_a_name() {
    let long = |text: &str| Instance {
        name: Name::parse(text).expect("a name"),
        ..instance()
    };
    for (name, shown) in [
        ("x".repeat(64), "x".repeat(46)),
        ("x".repeat(40) + " - - - y", "x".repeat(40)),
    ] {
        let packet = written(&long(&name), Life::Full);
        assert_eq!(Instance::read(&packet), Some(long(&shown)));
        assert!(packet.len() <= MAX_MDNS_PACKET);
    }
}

#[test]
fn what_a_reader_passes_over_does_not_count() {
    let upper = replaced(
        ANNOUNCEMENT,
        b"_smsg\x04_tcp\x05local",
        b"_SMSG\x04_TCP\x05LOCAL",
    );
    assert_eq!(Instance::read(&upper), Some(instance()));
    let upper = replaced(ANNOUNCEMENT, b"role=", b"ROLE=");
    assert_eq!(Instance::read(&upper), Some(instance()));
    let more = replaced(ANNOUNCEMENT, b"\0\x71\x09txtvers=1", b"\0\x71\x09TxtVers=1");
    assert_eq!(Instance::read(&more), Some(instance()));
    let trailing = [ANNOUNCEMENT, b"garbage"].concat();
    assert_eq!(Instance::read(&trailing), Some(instance()));
}

#[test]
fn an_answer_whose_parts_contradict_each_other_is_none() {
    for (old, new) in [
        (&b"\x84\0"[..], &b"\x04\0"[..]),
        (b"\x84\0", b"\x84\x03"),
        (b"txtvers=1", b"txtvers=2"),
        (b"txtvers=1", b"txtvars=1"),
        (b"role=worker", b"role=wOrker"),
        (b"\x13id=01", b"\x13id=02"),
        (b"\x1arig-alpha 01", b"\x1arig-alpha 02"),
        (b"rig-alpha 01", b"rig-alph\x1b 01"),
        (b"rig-alpha 01", b"rig-alpha-01"),
        (b"fp=040G", b"fp=041G"),
        (b"\x23\x83", b"\0\0"),
        (b"_smsg", b"_ssmg"),
        (b"01\xc0\x0c", b"01\xc0\x17"),
        (b"\x46fp=", b"\x47fp="),
    ] {
        let packet = replaced(ANNOUNCEMENT, old, new);
        assert_eq!(Instance::read(&packet), None, "{old:?} as {new:?}");
    }
    let other_id = replaced(ANNOUNCEMENT, b"alpha 01", b"alpha 02");
    let other_id = replaced(&other_id, b"id=01", b"id=02");
    assert_eq!(Instance::read(&other_id), None, "not the ID of the key");
    assert_eq!(Instance::read(&written(&instance(), Life::Over)), None);
    for length in 0..ANNOUNCEMENT.len() - 16 {
        assert_eq!(Instance::read(&ANNOUNCEMENT[..length]), None, "{length}");
    }
}

#[test]
fn pointers_that_lead_round_forward_or_to_pointers_end_the_name() {
    let question = b"\0\x0c\0\x01";
    let header = |questions| [b"\0\0\0\0\0", &[questions][..], b"\0\0\0\0\0\0"].concat();
    let hears = |packet: &[u8]| asks(&mut quiet(), Millis(5_000), packet);
    for name in [
        &b"\xc0\x0c"[..],     // itself
        b"\xc0\x0e\xc0\x0c",  // round, by what follows
        b"\xff\xff",          // beyond the end
        b"\xc0",              // cut off
        b"\x05_smsg\xc0\x0c", // round, with a label in it
        b"\x40_smsg",         // kinds of label that nobody uses
        b"\x80_smsg",
        b"\x3f_smsg", // a label beyond the end
    ] {
        let packet = [&header(1), name, question].concat();
        assert_eq!(hears(&packet), None, "{name:?}");
    }
    // A genuine question whose name stands in an earlier one, and the same by one pointer too many.
    let first = b"\x05_smsg\x04_tcp\x05local\0\0\xff\0\x03";
    let by_pointer = [&header(2), &first[..], b"\xc0\x0c", question].concat();
    assert!(hears(&by_pointer).is_some());
    let by_two = [
        &header(3),
        &first[..],
        b"\xc0\x0c\0\xff\0\x03\xc0\x22",
        question,
    ]
    .concat();
    assert_eq!(hears(&by_two), None);
    let forward = [&header(2), &b"\xc0\x12"[..], question, first].concat();
    assert_eq!(hears(&forward), None);
    // As many labels as a packet holds are no name: it ends after 255 bytes.
    let long = [&header(1), &b"\x01a".repeat(200)[..], b"\0", question].concat();
    let asked = Header::read(&long).expect("whole").questions(&long).next();
    let owner = asked.flatten().expect("a question").owner;
    assert_eq!(owner.labels().count(), 127);
    assert!(!owner.is_same(owner));
}

#[test]
fn counts_beyond_the_end_refuse_the_packet() {
    for at in [4, 6, 8, 10] {
        let mut query = QUERY.to_vec();
        query[at..at + 2].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(asks(&mut quiet(), Millis(5_000), &query), None, "{at}");
    }
    let mut answer = ANNOUNCEMENT.to_vec();
    answer[6..8].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(Instance::read(&answer), None);
}

/// A random source that says the same number for ever.
struct Always(u64);

impl rand_core::TryRng for Always {
    type Error = rand_core::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, rand_core::Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, rand_core::Infallible> {
        Ok(self.0)
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), rand_core::Infallible> {
        Ok(())
    }
}

/// What is sent, as of `now`.
fn sent(responder: &mut Responder, now: u64) -> Option<Vec<u8>> {
    let mut out = [0; MAX_MDNS_PACKET];
    let length = responder.poll_transmit(Millis(now), &mut out)?;
    Some(out[..length].to_vec())
}

/// A responder that has made its announcements at 0 and 1 s.
fn quiet() -> Responder {
    let mut responder = Responder::new(instance(), ADDRESS, Millis(0));
    assert_eq!(sent(&mut responder, 0).expect("announced"), ANNOUNCEMENT);
    assert_eq!(sent(&mut responder, 999), None);
    assert_eq!(sent(&mut responder, 1_000).expect("again"), ANNOUNCEMENT);
    assert_eq!(responder.poll_timeout(), None);
    responder
}

/// When the answer to `packet` is due.
fn asks(responder: &mut Responder, now: Millis, packet: &[u8]) -> Option<Millis> {
    responder.handle_packet(now, &mut Always(0), packet);
    responder.poll_timeout()
}

#[test]
fn a_question_for_the_service_is_answered_after_20_to_120_ms() {
    for (random, due) in [(0, 5_020), (100, 5_120), (101, 5_020)] {
        let mut responder = quiet();
        responder.handle_packet(Millis(5_000), &mut Always(random), QUERY);
        assert_eq!(responder.poll_timeout(), Some(Millis(due)));
        assert_eq!(sent(&mut responder, due - 1), None);
        assert_eq!(sent(&mut responder, due).expect("answered"), ANNOUNCEMENT);
        assert_eq!(sent(&mut responder, due + 9_999), None);
    }
}

#[test]
fn questions_for_the_instance_and_its_host_are_answered_at_once() {
    let query = |owner: &[u8], kind: u8, class: u8| {
        let header = b"\0\0\0\0\0\x01\0\0\0\0\0\0";
        [&header[..], owner, &[0, kind, 0x80, class]].concat()
    };
    let instance = b"\x1arig-alpha 0101010101010101\x05_smsg\x04_tcp\x05local\0";
    let host = b"\x15SMSG-0101010101010101\x05local\0";
    for (owner, kind) in [
        (&instance[..], Kind::Srv),
        (instance, Kind::Txt),
        (instance, Kind::Any),
        (host, Kind::A),
        (host, Kind::Any),
    ] {
        for class in [1, 255] {
            let packet = query(owner, kind as u8, class);
            let due = asks(&mut quiet(), Millis(5_000), &packet);
            assert_eq!(due, Some(Millis(5_000)), "{kind:?}");
        }
    }
    for (owner, kind, class) in [
        (&instance[..], 28, 1),
        (host, 28, 1),
        (instance, 12, 1),
        (instance, 33, 3),
        (b"\x15smsg-0101010101010102\x05local\0", 1, 1),
    ] {
        let packet = query(owner, kind, class);
        assert_eq!(asks(&mut quiet(), Millis(5_000), &packet), None);
    }
}

#[test]
fn however_often_it_is_asked_a_node_speaks_once_a_second() {
    let mut responder = quiet();
    let mut count = 0;
    for now in (5_000..15_000).step_by(10) {
        asks(&mut responder, Millis(now), QUERY);
        count += usize::from(sent(&mut responder, now).is_some());
    }
    assert_eq!(count, 10);
    // The last question is answered as soon as the second is over.
    let due = responder.poll_timeout().expect("not lost");
    assert!(sent(&mut responder, due.0).is_some());
}

#[test]
fn who_knows_the_instance_already_gets_no_answer() {
    let known = |life: &[u8], name: &[u8]| {
        let record = [b"\xc0\x0c\0\x0c\0\x01", life, b"\0\x1d", name, b"\xc0\x0c"].concat();
        let mut query = [QUERY, &record].concat();
        query[7] = 1;
        query
    };
    let (half, less) = (b"\0\0\x08\xca", b"\0\0\x08\xc9");
    let mine = b"\x1arig-alpha 0101010101010101";
    let other = b"\x1arig-alpha 0101010101010102";
    let due = |packet: &[u8]| asks(&mut quiet(), Millis(5_000), packet);
    assert_eq!(due(&known(half, mine)), None);
    assert!(
        due(&known(less, mine)).is_some(),
        "less than half of its life is left"
    );
    assert!(due(&known(half, other)).is_some());
}

#[test]
fn answers_and_other_operations_are_no_questions() {
    for flags in [[0x84, 0], [0x08, 0], [0x28, 0], [0, 1]] {
        let mut query = QUERY.to_vec();
        query[2..4].copy_from_slice(&flags);
        assert_eq!(asks(&mut quiet(), Millis(5_000), &query), None, "{flags:?}");
    }
    let mut truncated = QUERY.to_vec();
    truncated[2] = 2;
    assert!(asks(&mut quiet(), Millis(5_000), &truncated).is_some());
}

#[test]
fn a_goodbye_is_the_announcement_with_lives_of_0() {
    let mut out = [0; MAX_MDNS_PACKET];
    let length = quiet().goodbye(&mut out).expect("fits");
    let lives = |old: &[u8], packet: &[u8]| replaced(packet, old, &[old[0], old[1], 0, 0, 0, 0]);
    let mut expected = ANNOUNCEMENT.to_vec();
    for old in [
        &b"\0\x01\0\0\x11\x94"[..],
        b"\x80\x01\0\0\0\x78",
        b"\x80\x01\0\0\x11\x94",
        b"\x80\x01\0\0\0\x78",
    ] {
        expected = lives(old, &expected);
    }
    assert_eq!(&out[..length], expected);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut packet in prop::collection::vec(any::<u8>(), 0..300), from in 0..3_usize) {
        let genuine = [&[][..], QUERY, ANNOUNCEMENT][from];
        // Genuine at the front, so that the parsers get deeper.
        let keep = genuine.len().min(packet.len());
        packet.splice(..keep / 2, genuine[..keep].iter().copied());
        let mut responder = quiet();
        asks(&mut responder, Millis(5_000), &packet);
        let _any = Instance::read(&packet);
    }
}
