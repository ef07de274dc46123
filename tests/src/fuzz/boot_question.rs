//! Any bytes as a question to the boot server, at both of its ports, and as a lease at a client.

use core::net::Ipv4Addr;

use miner_boot::proxy::{Port, Server, answer, booting};
use miner_shared::dhcp::{Message, MessageType, Op};
use miner_shared::limits::{MAX_DHCP_MESSAGE, MIN_DHCP_MESSAGE};

use super::said;

/// Who answers.
const SERVER: Server = Server {
    address: Ipv4Addr::new(192, 0, 2, 1),
    http_port: 7402,
};

/// One datagram.
pub(super) fn run(data: &[u8]) {
    match Message::parse(data) {
        Ok(message) => lease(data, &message),
        Err(error) => said(&error),
    }
    for port in [Port::Dhcp, Port::BootServer] {
        let mut out = [0; MAX_DHCP_MESSAGE];
        match answer(data, port, SERVER, |_| true, &mut out) {
            Ok(answer) => {
                assert_eq!(booting(data), Some(answer.name.mac));
                assert!(answer.bytes.len() >= MIN_DHCP_MESSAGE);
                answers(data, answer.bytes);
            }
            Err(silence) => said(&silence),
        }
    }
}

/// An answer is for who asked, gives no address, and can be read.
fn answers(asked: &[u8], bytes: &[u8]) {
    let (asked, answer) = (Message::parse(asked), Message::parse(bytes));
    let (asked, answer) = (asked.expect("it was read"), answer.expect("we wrote it"));
    assert_eq!(answer.header().op, Op::Reply);
    assert_eq!(answer.header().xid, asked.header().xid);
    assert_eq!(answer.header().mac, asked.header().mac);
    assert!(answer.header().yours.is_unspecified());
    let kind = answer.message_type();
    assert!(kind == Some(MessageType::Offer) || kind == Some(MessageType::Ack));
    assert_eq!(answer.server_id(), Some(SERVER.address));
    assert!(!answer.file().is_empty());
}

/// What a client reads of a message lies within it and makes sense.
fn lease(data: &[u8], message: &Message<'_>) {
    let options: usize = message.options().map(|(_, value)| 2 + value.len()).sum();
    assert!(options <= data.len());
    let lists = message.routers().chain(message.dns_servers());
    assert!(lists.chain(message.ntp_servers()).count() <= data.len() / 4 * 3);
    for route in message.classless_routes() {
        assert!(route.prefix <= 32);
        let host = u32::MAX.checked_shr(route.prefix.into()).unwrap_or(0);
        assert_eq!(route.network.to_bits() & host, 0, "{route:?}");
    }
    for text in [message.host_name(), message.domain_name()] {
        assert!(text.is_none_or(|text| !text.is_empty() && text.is_ascii()));
    }
    assert!(!message.file().contains(&0) && !message.server_name().contains(&0));
}
