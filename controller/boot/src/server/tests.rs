//! A rig boots on this machine's loopback: every socket and every step.

use std::net::UdpSocket;

use miner_shared::dhcp::{Header, Message, MessageType, Writer, option};
use smol::channel::bounded;

use super::*;
use crate::files::{BootFile, Recipe};

const RIG: Mac = Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

fn table() -> Table {
    Recipe::default()
        .with(BootFile::UkiX64, Content::memory(vec![7; 5_000]))
        .into()
}

fn question(kind: MessageType) -> Vec<u8> {
    let mut out = [0; MAX_DHCP_MESSAGE];
    let mut writer = Writer::new(&mut out, &Header::request(RIG, 1), kind).unwrap();
    writer
        .option(option::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003000")
        .unwrap();
    writer.option(option::CLIENT_ARCHITECTURE, &[0, 7]).unwrap();
    writer.finish().unwrap().to_vec()
}

/// Firmware's socket. What does not come in ten seconds does not come.
fn rig() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    socket
}

fn received(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut packet = vec![0; 2_000];
    let (length, from) = socket.recv_from(&mut packet).expect("an answer");
    packet.truncate(length);
    (packet, from)
}

fn boot_file(answer: &[u8], kind: MessageType) -> Vec<u8> {
    let message = Message::parse(answer).unwrap();
    assert_eq!(message.message_type(), Some(kind));
    assert_eq!(message.header().next_server, Ipv4Addr::LOCALHOST);
    message.file().to_vec()
}

/// Loads a file by TFTP, as UEFI does.
fn loaded(socket: &UdpSocket, tftp: SocketAddr, name: &[u8]) -> Vec<u8> {
    let options = b"\0octet\0blksize\x001468\0windowsize\x004\0".as_slice();
    socket
        .send_to(&[b"\0\x01", name, options].concat(), tftp)
        .unwrap();
    let (granted, from) = received(socket);
    assert_eq!(granted, b"\0\x06blksize\x001468\0windowsize\x004\0");
    assert_ne!(from, tftp, "a port of its own");
    socket.send_to(b"\0\x04\0\0", from).unwrap();
    let mut file = Vec::new();
    loop {
        let (data, its) = received(socket);
        assert_eq!(its, from);
        file.extend(&data[4..]);
        if data.len() < 4 + 1_468 {
            socket.send_to(&[0, 4, data[2], data[3]], from).unwrap();
            return file;
        }
    }
}

#[test]
fn a_uefi_rig_asks_is_told_and_loads() {
    let client = rig();
    let SocketAddr::V4(clients) = client.local_addr().unwrap() else {
        panic!("an IPv4 address")
    };
    let ports = Ports {
        dhcp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        clients,
        boot_server: 0,
        tftp: 0,
        http: 0,
    };
    let lan = Lan {
        interface: None,
        address: Ipv4Addr::LOCALHOST,
        prefix: 8,
    };
    let server = BootServer::bind(lan, ports, table()).unwrap();
    let (addresses, handle) = (server.addresses().unwrap(), server.handle());
    let events = handle.events();
    let (done, stop) = bounded::<()>(1);
    let step = || events.recv_blocking().unwrap().step;
    std::thread::scope(|threads| {
        let runs = threads.spawn(|| {
            smol::block_on(server.run(async {
                let _ = stop.recv().await;
            }))
        });

        client
            .send_to(&question(MessageType::Discover), addresses.dhcp)
            .unwrap();
        let (offer, _) = received(&client);
        let name = boot_file(&offer, MessageType::Offer);
        assert_eq!(name, b"52-54-00-12-34-56/x64.efi");
        assert_eq!(
            [step(), step()],
            [Step::Asked, Step::Offered(BootFile::UkiX64)]
        );

        client
            .send_to(&question(MessageType::Request), addresses.boot_server)
            .unwrap();
        let (ack, _) = received(&client);
        assert_eq!(boot_file(&ack, MessageType::Ack), name);
        assert_eq!(
            [step(), step()],
            [Step::Asked, Step::Offered(BootFile::UkiX64)]
        );

        assert_eq!(loaded(&client, addresses.tftp, &name), [7; 5_000]);
        assert_eq!(step(), Step::Started(BootFile::UkiX64));
        let Step::Finished {
            file: BootFile::UkiX64,
            bytes: 5_000,
            ..
        } = step()
        else {
            panic!("the file did not get through")
        };
        handle.linked(RIG);
        let (mac, known) = handle.rigs()[0];
        assert_eq!((mac, known.bytes), (RIG, 5_000));
        assert!(known.asked.is_some() && known.finished.is_some() && known.linked.is_some());

        client
            .send_to(b"\0\x01nothing\0octet\0", addresses.tftp)
            .unwrap();
        assert_eq!(received(&client).0[..4], [0, 5, 0, 1]);

        handle.set_table(Table::default());
        let elsewhere = rig();
        elsewhere
            .send_to(b"\0\x0152-54-00-12-34-56/x64.efi\0octet\0", addresses.tftp)
            .unwrap();
        assert_eq!(
            received(&elsewhere).0[..4],
            [0, 5, 0, 1],
            "nobody boots any more"
        );

        drop(done);
        runs.join().unwrap().unwrap();
    });
    for port in [addresses.dhcp, addresses.boot_server, addresses.tftp] {
        UdpSocket::bind(port).expect("the port is free again");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let taken = rig();
    let port = taken.local_addr().unwrap().port();
    let ports = Ports {
        dhcp: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
        boot_server: 0,
        tftp: port,
        http: 0,
        ..Ports::default()
    };
    let lan = Lan {
        interface: None,
        address: Ipv4Addr::LOCALHOST,
        prefix: 8,
    };
    let error = BootServer::bind(lan, ports, table())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("port {port} for TFTP: ")),
        "{error}"
    );
}
