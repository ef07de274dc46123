//! The one network that rigs boot from, and sockets on it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};

use smol::Async;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// A local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// The interface that leads there; `None` takes what has the address.
    pub interface: Option<String>,
    /// This machine's address on it.
    pub address: Ipv4Addr,
    /// Bits of its subnet, 0 to 32.
    pub prefix: u8,
}

impl Lan {
    /// Whether an address is of this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        let host_bits = 32_u32.saturating_sub(self.prefix.into());
        let network = |address: Ipv4Addr| u64::from(address.to_bits()) >> host_bits;
        network(address) == network(self.address)
    }

    /// A UDP socket of ours alone.
    pub(crate) fn udp(&self, address: Ipv4Addr, port: u16) -> io::Result<Async<UdpSocket>> {
        let socket = self.socket(Type::DGRAM, Protocol::UDP)?;
        bind(&socket, SocketAddrV4::new(address, port))?;
        Async::new(socket.into())
    }

    /// A UDP socket that hears broadcasts beside other programs, and sends them.
    pub(super) fn shared_udp(&self, address: SocketAddrV4) -> io::Result<Async<UdpSocket>> {
        let socket = self.socket(Type::DGRAM, Protocol::UDP)?;
        socket.set_reuse_address(true)?;
        socket.set_broadcast(true)?;
        bind(&socket, address)?;
        Async::new(socket.into())
    }

    /// A TCP listener.
    pub(crate) fn tcp(&self, port: u16) -> io::Result<Async<TcpListener>> {
        let socket = self.socket(Type::STREAM, Protocol::TCP)?;
        // Old connections of a server that ran before are no obstacle.
        socket.set_reuse_address(true)?;
        bind(&socket, SocketAddrV4::new(self.address, port))?;
        socket.listen(BACKLOG)?;
        Async::new(socket.into())
    }

    fn socket(&self, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, kind, Some(protocol))?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        Ok(socket)
    }
}

fn bind(socket: &Socket, address: SocketAddrV4) -> io::Result<()> {
    socket.bind(&SocketAddr::from(address).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_ends_at_its_prefix() {
        let lan = |prefix| Lan {
            interface: None,
            address: Ipv4Addr::new(10, 77, 0, 2),
            prefix,
        };
        let other = |a, b, c, d| IpAddr::from([a, b, c, d]);
        assert!(lan(24).contains(other(10, 77, 0, 255)));
        assert!(!lan(24).contains(other(10, 77, 1, 2)));
        assert!(lan(16).contains(other(10, 77, 1, 2)));
        assert!(lan(32).contains(other(10, 77, 0, 2)) && !lan(32).contains(other(10, 77, 0, 3)));
        assert!(lan(0).contains(other(1, 2, 3, 4)));
        assert!(!lan(0).contains("::1".parse().expect("an address")));
    }
}
