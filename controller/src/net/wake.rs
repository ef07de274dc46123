//! Wake-on-LAN: the packet by which a network card turns its machine on.
//!
//! ```text
//!   ff ff ff ff ff ff | mac | mac | .. 16 times .. | mac        102 bytes, UDP to the broadcast address
//! ```
//! Nobody answers, and nothing in it is secret or proven: a machine that is on is not affected.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use miner_agent::lan::Network;

/// The discard port, by custom.
pub(crate) const PORT: u16 = 9;
/// A run of ones, and the address sixteen times.
const PACKET: usize = 6 + 16 * 6;

/// Calls these interfaces on these networks. Returns this machine's addresses on those that took all of
/// it.
pub(crate) fn call(macs: &[[u8; 6]], networks: &[Network], port: u16) -> Vec<Ipv4Addr> {
    let mut called = Vec::new();
    for network in networks {
        match call_on(macs, network, port) {
            Ok(()) => called.push(network.address),
            Err(error) => log::debug!("not called from={} error={error}", network.address),
        }
    }
    called
}

fn call_on(macs: &[[u8; 6]], network: &Network, port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((network.address, 0))?;
    socket.set_broadcast(true)?;
    for mac in macs {
        socket.send_to(&packet(mac), (network.broadcast(), port))?;
    }
    Ok(())
}

fn packet(mac: &[u8; 6]) -> [u8; PACKET] {
    let mut packet = [0xff; PACKET];
    let addresses = packet.iter_mut().skip(6);
    addresses
        .zip(mac.iter().cycle())
        .for_each(|(place, byte)| *place = *byte);
    packet
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_card_hears_ones_and_its_address_sixteen_times() {
        let hears = UdpSocket::bind((Ipv4Addr::new(127, 255, 255, 255), 0)).expect("bound");
        let timeout = Some(Duration::from_secs(10));
        hears.set_read_timeout(timeout).expect("set");
        let port = hears.local_addr().expect("bound").port();
        let macs = [[2, 0xfc, 0, 0, 0, 1], [2, 0xfc, 0, 0, 0, 2]];
        let called = call(&macs, &[Network::LOOPBACK], port);
        assert_eq!(called, [Ipv4Addr::LOCALHOST]);
        for mac in macs {
            let mut buffer = [0; 200];
            let length = hears.recv(&mut buffer).expect("heard");
            assert_eq!(buffer[..length], [vec![0xff; 6], mac.repeat(16)].concat());
        }
    }
}
