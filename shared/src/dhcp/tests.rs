//! Messages as the RFCs and a server on the wire have them, and what strangers may send instead.

use core::net::Ipv4Addr;
use std::string::ToString as _;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::limits::{MAX_DHCP_MESSAGE, MIN_DHCP_MESSAGE};

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

fn offer_header() -> Header {
    Header {
        op: Op::Reply,
        secs: 4,
        broadcast: true,
        yours: Ipv4Addr::new(10, 77, 0, 101),
        next_server: SERVER,
        ..Header::request(RIG, 0x1234_5678)
    }
}

/// A message that is these options and nothing else.
fn with_options(options: &[u8]) -> Vec<u8> {
    with_fields(&[], &[], options)
}

fn with_fields(server_name: &[u8], file: &[u8], options: &[u8]) -> Vec<u8> {
    let mut out = [0; MAX_DHCP_MESSAGE];
    Writer::new(&mut out, &offer_header(), MessageType::Offer).expect("fits");
    out[44..44 + server_name.len()].copy_from_slice(server_name);
    out[108..108 + file.len()].copy_from_slice(file);
    [&out[..240], options].concat()
}

#[test]
fn a_message_is_these_bytes_and_reads_as_what_was_written() {
    let mut out = [0xaa; MAX_DHCP_MESSAGE];
    let mut writer = Writer::new(&mut out, &offer_header(), MessageType::Offer).expect("fits");
    writer.server_name(b"10.77.0.1").expect("fits");
    writer.file(b"rig.efi").expect("fits");
    writer.address(option::SERVER_ID, SERVER).expect("fits");
    writer
        .option(option::VENDOR_CLASS, b"PXEClient")
        .expect("fits");
    let message = writer.finish().expect("fits");

    let mut expected = b"\
        \x02\x01\x06\x00\x12\x34\x56\x78\x00\x04\x80\x00\
        \x00\x00\x00\x00\x0a\x4d\x00\x65\x0a\x4d\x00\x01\x00\x00\x00\x00\
        \x52\x54\x00\x12\x34\x56\0\0\0\0\0\0\0\0\0\x0010.77.0.1"
        .to_vec();
    expected.resize(108, 0);
    expected.extend(b"rig.efi");
    expected.resize(236, 0);
    expected.extend(b"\x63\x82\x53\x63\x35\x01\x02\x36\x04\x0a\x4d\x00\x01\x3c\x09PXEClient\xff");
    expected.resize(300, 0);
    assert_eq!(message, expected);

    let read = Message::parse(message).expect("well-formed");
    assert_eq!(*read.header(), offer_header());
    assert_eq!(read.message_type(), Some(MessageType::Offer));
    assert_eq!(read.server_name(), b"10.77.0.1");
    assert_eq!(read.file(), b"rig.efi");
    assert_eq!(read.server_id(), Some(SERVER));
    assert_eq!(
        read.option(option::VENDOR_CLASS),
        Some(b"PXEClient".as_slice())
    );
    assert_eq!(read.option(option::LEASE_TIME), None);
}

#[test]
fn a_lease_reads_as_a_client_needs_it() {
    let bytes = with_options(
        b"\x35\x01\x05\x36\x04\x0a\x4d\0\x01\x33\x04\0\0\x0e\x10\x3a\x04\0\0\x07\x08\x3b\x04\0\0\x0c\x4e\
          \x01\x04\xff\xff\xff\0\x03\x08\x0a\x4d\0\x01\x0a\x4d\0\x03\x06\x04\x0a\x4d\0\x01\
          \x0c\x09rig-alpha\x0f\x05farm\0\x1a\x02\x05\x78\x2a\x04\x0a\x4d\0\x02\
          \x79\x14\0\x0a\x4d\0\x01\x10\x0a\x4d\x0a\x4d\0\x02\x14\x0a\x4e\x1f\0\0\0\0\xff",
    );
    let lease = Message::parse(&bytes).expect("well-formed");
    assert_eq!(lease.message_type(), Some(MessageType::Ack));
    assert_eq!(lease.header().yours, Ipv4Addr::new(10, 77, 0, 101));
    assert_eq!(lease.server_id(), Some(SERVER));
    assert_eq!(lease.lease_time(), Some(3_600));
    assert_eq!(lease.renewal_time(), Some(1_800));
    assert_eq!(lease.rebinding_time(), Some(3_150));
    assert_eq!(lease.subnet_mask(), Some(Ipv4Addr::new(255, 255, 255, 0)));
    let routers: Vec<_> = lease.routers().collect();
    assert_eq!(routers, [SERVER, Ipv4Addr::new(10, 77, 0, 3)]);
    assert_eq!(lease.dns_servers().collect::<Vec<_>>(), [SERVER]);
    assert_eq!(lease.host_name(), Some("rig-alpha"));
    assert_eq!(
        lease.domain_name(),
        Some("farm"),
        "the NUL is no part of it"
    );
    assert_eq!(lease.interface_mtu(), Some(1_400));
    assert_eq!(
        lease.ntp_servers().next(),
        Some(Ipv4Addr::new(10, 77, 0, 2))
    );
    let routes: Vec<_> = lease.classless_routes().collect();
    let route = |network: [u8; 4], prefix, gateway: [u8; 4]| Route {
        network: network.into(),
        prefix,
        gateway: gateway.into(),
    };
    assert_eq!(
        routes,
        [
            route([0, 0, 0, 0], 0, [10, 77, 0, 1]),
            route([10, 77, 0, 0], 16, [10, 77, 0, 2]),
            route([10, 78, 16, 0], 20, [0, 0, 0, 0]),
        ],
        "bits behind the prefix are no part of the network"
    );
}

#[test]
fn overloaded_fields_hold_options_and_no_names() {
    let bytes = with_fields(
        b"\x36\x04\x0a\x4d\0\x01\xff",
        b"\x33\x04\0\0\x0e\x10\xff",
        b"\x35\x01\x02\x34\x01\x03\xff",
    );
    let message = Message::parse(&bytes).expect("well-formed");
    assert_eq!(message.lease_time(), Some(3_600));
    assert_eq!(message.server_id(), Some(SERVER));
    assert_eq!(
        (message.server_name(), message.file()),
        (&b""[..], &b""[..])
    );

    let bytes = with_fields(b"boot", b"\x33\x04\0\0\x0e\x10\xff", b"\x34\x01\x01\xff");
    let message = Message::parse(&bytes).expect("well-formed");
    assert_eq!(message.lease_time(), Some(3_600));
    assert_eq!(message.server_name(), b"boot");

    let cut = with_options(b"\x35\x01\x05\x79\x11\0\x0a\x4d\0\x01");
    assert_eq!(Message::parse(&cut).err(), Some(Malformed::Option));
    let broken = with_fields(b"\x36\x80", b"", b"\x34\x01\x02\xff");
    assert_eq!(Message::parse(&broken).err(), Some(Malformed::Option));
}

#[test]
fn an_option_in_pieces_is_one_list() {
    let bytes = with_options(b"\x06\x06\x0a\x4d\0\x01\x0a\x4d\x0c\x01x\x06\x02\0\x02");
    let message = Message::parse(&bytes).expect("the end may lack");
    let servers: Vec<_> = message.dns_servers().collect();
    assert_eq!(servers, [SERVER, Ipv4Addr::new(10, 77, 0, 2)]);
}

#[test]
fn what_makes_no_sense_is_absent() {
    let bytes = with_options(
        b"\x35\x01\x09\x33\x03\0\0\x01\x01\x05\xff\xff\xff\0\0\x0c\x03a b\x0f\x02\x1b[\x79\x01\x21\xff",
    );
    let message = Message::parse(&bytes).expect("well-formed");
    assert_eq!(message.message_type(), None);
    assert_eq!(message.lease_time(), None);
    assert_eq!(message.subnet_mask(), None);
    assert_eq!(message.host_name(), None, "a name has no blank");
    assert_eq!(message.domain_name(), None, "nor control characters");
    assert_eq!(message.classless_routes().next(), None);
}

#[test]
fn other_protocols_and_hardware_are_refused() {
    let good = with_options(b"\xff");
    assert!(Message::parse(&good).is_ok());
    for (at, byte, error) in [
        (0, 3, Malformed::NotDhcp),
        (1, 6, Malformed::NotEthernet),
        (2, 16, Malformed::NotEthernet),
        (236, 0, Malformed::NotDhcp),
    ] {
        let mut bad = good.clone();
        bad[at] = byte;
        assert_eq!(Message::parse(&bad).err(), Some(error), "byte {at}");
    }
    for length in 0..240 {
        let cut = Message::parse(&good[..length]);
        assert_eq!(cut.err(), Some(Malformed::Short), "{length} bytes");
    }
}

#[test]
fn an_answer_repeats_what_a_client_knows_itself_by() {
    let asked = Header {
        secs: 9,
        hops: 1,
        broadcast: true,
        relay: SERVER,
        client: Ipv4Addr::new(10, 77, 0, 9),
        ..Header::request(RIG, 7)
    };
    let expected = Header {
        op: Op::Reply,
        broadcast: true,
        relay: SERVER,
        ..Header::request(RIG, 7)
    };
    assert_eq!(asked.reply(), expected);
}

/// Into memory of this many bytes.
fn write(length: usize) -> Result<usize, Full> {
    let mut out = std::vec![0; length];
    let mut writer = Writer::new(&mut out, &offer_header(), MessageType::Ack)?;
    writer.file(b"rig.efi")?;
    writer.option(option::HOST_NAME, &[b'x'; 80])?;
    Ok(writer.finish()?.len())
}

#[test]
fn what_does_not_fit_is_refused_and_never_cut() {
    let needed = 240 + 3 + 82 + 1;
    for length in 0..needed {
        assert_eq!(write(length), Err(Full), "{length} bytes");
    }
    assert_eq!(write(needed), Ok(needed));

    let mut out = [0; MAX_DHCP_MESSAGE];
    let mut writer = Writer::new(&mut out, &offer_header(), MessageType::Ack).expect("fits");
    assert_eq!(writer.server_name(&[b'x'; 64]), Err(Full));
    assert_eq!(writer.file(&[b'x'; 128]), Err(Full));
    assert_eq!(writer.option(option::BOOT_FILE, &[b'x'; 256]), Err(Full));
    writer.file(&[b'x'; 127]).expect("fits");
    assert_eq!(writer.finish().expect("fits").len(), MIN_DHCP_MESSAGE);
}

#[test]
fn a_hardware_address_has_one_text_and_reads_in_both_spellings() {
    assert_eq!(RIG.to_string(), "52:54:00:12:34:56");
    assert_eq!(RIG.hyphenated().to_string(), "52-54-00-12-34-56");
    assert_eq!("52:54:00:12:34:56".parse(), Ok(RIG));
    assert_eq!("52-54-00-12-34-56".parse(), Ok(RIG));
    for text in [
        "",
        "52:54:00:12:34",
        "52:54:00:12:34:56:",
        "52:54:00:12:34:5",
        "525400123456",
    ] {
        assert_eq!(text.parse::<Mac>(), Err(InvalidMac), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_refused(
        head in any::<[u8; 236]>(),
        options in proptest::collection::vec(any::<u8>(), 0..80),
        form in any::<bool>(),
    ) {
        let mut bytes = [&head[..], &COOKIE, &options].concat();
        if form {
            bytes[..3].copy_from_slice(&[1, 1, 6]);
        }
        if let Ok(message) = Message::parse(&bytes) {
            let read: usize = message.options().map(|(_, value)| 2 + value.len()).sum();
            prop_assert!(read <= bytes.len());
            let _ = (message.message_type(), message.host_name(), message.file());
            prop_assert!(message.classless_routes().all(|route| route.prefix <= 32));
            prop_assert!(message.routers().count() <= bytes.len() / 4);
        }
    }

    #[test]
    fn written_options_are_read_in_their_order(
        options in proptest::collection::vec(
            (1_u8..255, proptest::collection::vec(any::<u8>(), 0..30)), 0..8),
    ) {
        let options: Vec<_> = options.into_iter().filter(|(code, _)| *code != option::OVERLOAD).collect();
        let mut out = [0; MAX_DHCP_MESSAGE];
        let mut writer = Writer::new(&mut out, &offer_header(), MessageType::Offer).expect("fits");
        for (code, value) in &options {
            writer.option(*code, value).expect("fits");
        }
        let bytes = writer.finish().expect("fits");
        let message = Message::parse(bytes).expect("well-formed");
        let read: Vec<_> = message.options().skip(1).map(|(code, v)| (code, v.to_vec())).collect();
        prop_assert_eq!(read, options);
    }
}
