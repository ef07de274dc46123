//! Questions as firmware put them on the wire, and the answers.

use miner_shared::dhcp::Header;
use miner_shared::limits::{MAX_DHCP_MESSAGE, MAX_DHCP_READ};
use proptest::prelude::*;

use super::*;

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const SERVER: Server = Server {
    address: Ipv4Addr::new(10, 77, 0, 2),
    http_port: 7402,
};
const UUID_OF_RIG: &[u8] = b"\0\x44\x33\x22\x11\x66\x55\x88\x77\x99\xaa\xbb\xcc\xdd\xee\xff\0";

/// A question: secs and flags, and what follows option 53.
struct Asked {
    kind: MessageType,
    secs: u16,
    broadcast: bool,
    client: [u8; 4],
    options: Vec<(u8, Vec<u8>)>,
}

impl Asked {
    fn discover(class: &str, architecture: u16) -> Self {
        Self {
            kind: MessageType::Discover,
            secs: 0,
            broadcast: true,
            client: [0; 4],
            options: vec![
                (57, vec![0x05, 0xc0]),
                (93, architecture.to_be_bytes().to_vec()),
                (94, vec![1, 3, 0]),
                (60, class.as_bytes().to_vec()),
                (97, UUID_OF_RIG.to_vec()),
            ],
        }
    }

    /// The ROM of `SeaBIOS`, which is iPXE.
    fn ipxe() -> Self {
        let mut asked = Self::discover("PXEClient:Arch:00000:UNDI:002001", 0);
        (asked.secs, asked.broadcast) = (4, false);
        asked
            .with(77, b"iPXE")
            .with(175, b"\xb1\x05\x01\x1a\xf4\x10\x00")
    }

    fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    fn without(mut self, code: u8) -> Self {
        self.options.retain(|(its, _)| *its != code);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let header = Header {
            secs: self.secs,
            broadcast: self.broadcast,
            client: self.client.into(),
            ..Header::request(RIG, 0xcafe_f00d)
        };
        let mut out = [0; MAX_DHCP_READ];
        let mut writer = Writer::new(&mut out, &header, self.kind).unwrap();
        for (code, value) in &self.options {
            writer.option(*code, value).unwrap();
        }
        writer.finish().unwrap().to_vec()
    }
}

/// What is answered at a port where every file is there.
fn at(port: Port, asked: &[u8]) -> Result<(Vec<u8>, Recipient), Silence> {
    let mut out = [0xaa; MAX_DHCP_MESSAGE];
    let answer = answer(asked, port, SERVER, |_| true, &mut out)?;
    Ok((answer.bytes.to_vec(), answer.to))
}

fn offered(asked: &Asked) -> Result<(String<MAX_FILE>, Vec<u8>), Silence> {
    let (bytes, to) = at(Port::Dhcp, &asked.bytes())?;
    assert_eq!(to, Recipient::Everybody);
    let message = Message::parse(&bytes).unwrap();
    let file = core::str::from_utf8(message.file()).unwrap();
    let class = message.option(option::VENDOR_CLASS).unwrap();
    Ok((file.try_into().unwrap(), class.to_vec()))
}

#[test]
fn the_offer_to_a_bios_rom_is_these_bytes() {
    let asked = Asked::discover("PXEClient:Arch:00000:UNDI:002001", 0);
    let mut expected = b"\
        \x02\x01\x06\x00\xca\xfe\xf0\x0d\x00\x00\x80\x00\
        \x00\x00\x00\x00\x00\x00\x00\x00\x0a\x4d\x00\x02\x00\x00\x00\x00\
        \x52\x54\x00\x12\x34\x56\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
        10.77.0.2"
        .to_vec();
    expected.resize(108, 0);
    expected.extend(b"52-54-00-12-34-56/undionly.kpxe");
    expected.resize(236, 0);
    expected
        .extend(b"\x63\x82\x53\x63\x35\x01\x02\x36\x04\x0a\x4d\x00\x02\x3c\x09PXEClient\x61\x11");
    expected.extend(UUID_OF_RIG);
    expected.extend(b"\x2b\x04\x06\x01\x08\xff\xff");
    expected.resize(300, 0);
    assert_eq!(
        at(Port::Dhcp, &asked.bytes()),
        Ok((expected, Recipient::Everybody))
    );
}

#[test]
fn every_kind_of_firmware_is_offered_its_file() {
    let pxe = |number| Asked::discover(&format!("PXEClient:Arch:{number:05}:UNDI:003000"), number);
    let http =
        |number| Asked::discover(&format!("HTTPClient:Arch:{number:05}:UNDI:003000"), number);
    let url = |file| format!("http://10.77.0.2:7402/52-54-00-12-34-56/{file}");
    for (asked, file, class) in [
        (
            pxe(0),
            "52-54-00-12-34-56/undionly.kpxe".to_owned(),
            "PXEClient",
        ),
        (pxe(7), "52-54-00-12-34-56/x64.efi".to_owned(), "PXEClient"),
        (pxe(9), "52-54-00-12-34-56/x64.efi".to_owned(), "PXEClient"),
        (
            pxe(11),
            "52-54-00-12-34-56/arm64.efi".to_owned(),
            "PXEClient",
        ),
        (http(16), url("x64.efi"), "HTTPClient"),
        (http(19), url("arm64.efi"), "HTTPClient"),
        (Asked::ipxe(), url("boot.ipxe"), "PXEClient"),
        (pxe(7).with(77, b"iPXE"), url("boot.ipxe"), "PXEClient"),
        (pxe(11).with(77, b"iPXE"), url("arm64.efi"), "PXEClient"),
        // iPXE that a ROM loaded says no architecture in its class.
        (
            Asked::discover("PXEClient", 0).with(77, b"iPXE"),
            url("boot.ipxe"),
            "PXEClient",
        ),
        // Another user class is not iPXE's.
        (
            pxe(0).with(77, b"iPXE2"),
            "52-54-00-12-34-56/undionly.kpxe".to_owned(),
            "PXEClient",
        ),
        // A ROM that has never heard of option 93.
        (
            pxe(0).without(93),
            "52-54-00-12-34-56/undionly.kpxe".to_owned(),
            "PXEClient",
        ),
    ] {
        let (offered, its) = offered(&asked).unwrap();
        assert_eq!(
            (offered.as_str(), its),
            (file.as_str(), class.as_bytes().to_vec())
        );
    }
}

#[test]
fn http_boot_has_its_url_in_option_67_and_no_menu_of_pxe() {
    let asked = Asked::discover("HTTPClient:Arch:00016:UNDI:003000", 16).bytes();
    let (bytes, _) = at(Port::Dhcp, &asked).unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.option(option::BOOT_FILE), Some(message.file()));
    assert_eq!(message.option(option::VENDOR_SPECIFIC), None);
}

#[test]
fn a_boot_server_acknowledges_to_the_sender_with_the_address_it_has() {
    let mut asked = Asked::discover("PXEClient:Arch:00007:UNDI:003000", 7);
    asked.kind = MessageType::Request;
    (asked.client, asked.broadcast) = ([10, 77, 0, 101], false);
    let (bytes, to) = at(Port::BootServer, &asked.bytes()).unwrap();
    assert_eq!(to, Recipient::Sender);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.message_type(), Some(MessageType::Ack));
    let header = message.header();
    assert_eq!(header.client, Ipv4Addr::new(10, 77, 0, 101));
    assert_eq!((header.xid, header.broadcast), (0xcafe_f00d, false));
    assert!(header.yours.is_unspecified(), "it gives no addresses");
    assert_eq!(message.file(), b"52-54-00-12-34-56/x64.efi");
    assert_eq!(message.server_id(), Some(SERVER.address));
}

#[test]
fn each_port_answers_its_own_questions_only() {
    for kind in [
        MessageType::Offer,
        MessageType::Request,
        MessageType::Decline,
        MessageType::Ack,
        MessageType::Nak,
        MessageType::Release,
        MessageType::Inform,
    ] {
        let asked = Asked {
            kind,
            ..Asked::ipxe()
        };
        assert_eq!(
            at(Port::Dhcp, &asked.bytes()),
            Err(Silence::NotForUs),
            "{kind:?}"
        );
    }
    let asked = Asked::ipxe().bytes();
    assert_eq!(at(Port::BootServer, &asked), Err(Silence::NotForUs));
}

#[test]
fn who_only_wants_an_address_is_not_answered() {
    // A rig's own agent has no class at all.
    for asked in [
        Asked::ipxe().without(60),
        Asked::discover("MSFT 5.0", 0),
        Asked::discover("PXEClien", 0),
        Asked::discover("udhcp 1.30.1", 0),
    ] {
        assert_eq!(offered(&asked), Err(Silence::NotBooting));
        assert_eq!(booting(&asked.bytes()), None);
    }
    assert_eq!(booting(&Asked::ipxe().bytes()), Some(RIG));
}

#[test]
fn relays_answers_and_other_hardware_are_passed_over() {
    let good = Asked::ipxe().bytes();
    for (at_byte, value, why) in [
        (0, 2, Silence::NotForUs),
        (1, 32, Silence::Malformed(Malformed::NotEthernet)),
        (2, 8, Silence::Malformed(Malformed::NotEthernet)),
        (24, 10, Silence::Relayed),
        (239, 0, Silence::Malformed(Malformed::NotDhcp)),
    ] {
        let mut bad = good.clone();
        bad[at_byte] = value;
        assert_eq!(at(Port::Dhcp, &bad), Err(why), "byte {at_byte}");
    }
}

#[test]
fn firmware_that_nothing_runs_on_is_told_nothing() {
    for number in [6, 10, 15, 16, 20, 25, 41, 0xffff] {
        let asked = Asked::discover("PXEClient", number);
        assert_eq!(offered(&asked), Err(Silence::Architecture(Some(number))));
    }
    for number in [0, 7, 11, 15, 18, 20] {
        let asked = Asked::discover("HTTPClient", number);
        assert_eq!(offered(&asked), Err(Silence::Architecture(Some(number))));
    }
}

#[test]
fn a_rig_without_the_file_is_left_to_other_servers() {
    let mut out = [0; MAX_DHCP_MESSAGE];
    let asked = Asked::ipxe().bytes();
    let name = FileName {
        mac: RIG,
        file: BootFile::Script,
    };
    let silent = answer(&asked, Port::Dhcp, SERVER, |its| its != name, &mut out);
    assert_eq!(silent, Err(Silence::NoFile(name)));
    let silent = answer(&asked, Port::Dhcp, SERVER, |_| true, &mut out[..290]);
    assert_eq!(silent, Err(Silence::TooLong));
}

#[test]
fn the_longest_answer_is_one_that_every_client_takes() {
    let server = Server {
        address: Ipv4Addr::new(255, 255, 255, 255),
        http_port: 65_535,
    };
    let mut out = [0; MAX_DHCP_MESSAGE];
    let asked = Asked::discover("HTTPClient", 19).bytes();
    assert!(answer(&asked, Port::Dhcp, server, |_| true, &mut out).is_ok());
}

proptest! {
    #[test]
    fn changed_questions_get_an_answer_of_ours_or_none(
        changes in proptest::collection::vec((0_usize..400, any::<u8>()), 0..6),
        length in 0_usize..400,
        port in any::<bool>(),
    ) {
        let mut asked = Asked::ipxe().bytes();
        for (place, byte) in changes {
            if let Some(place) = asked.get_mut(place) {
                *place = byte;
            }
        }
        asked.truncate(length.max(200));
        let port = if port { Port::Dhcp } else { Port::BootServer };
        if let Ok((bytes, _)) = at(port, &asked) {
            let message = Message::parse(&bytes).unwrap();
            prop_assert_eq!(message.header().op, Op::Reply);
            prop_assert!(message.header().yours.is_unspecified());
            prop_assert_eq!(message.server_id(), Some(SERVER.address));
            prop_assert!((300..=MAX_DHCP_MESSAGE).contains(&bytes.len()));
        }
    }
}
