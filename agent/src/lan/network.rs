//! The networks that this machine is directly on, by the kernel's table of routes.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use log::debug;
use miner_shared::limits::MAX_NETWORKS;

/// The kernel's IPv4 routes as text: interface, destination, gateway, flags, .., mask.
const ROUTES: &str = "/proc/net/route";
/// Bytes of it that are read; a router may have many.
const MAX_ROUTES: u64 = 64 * 1024;

/// An IPv4 network without a router in between, and this machine's address there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// This machine's address.
    pub address: Ipv4Addr,
    first: Ipv4Addr,
    mask: u32,
}

impl Network {
    /// The machine itself. Nobody else hears what is said there.
    pub const LOOPBACK: Self = Self {
        address: Ipv4Addr::LOCALHOST,
        first: Ipv4Addr::new(127, 0, 0, 0),
        mask: 0xff00_0000,
    };

    /// Bits that its addresses have in common.
    pub fn prefix(&self) -> u8 {
        // 32 at the most.
        u8::try_from(self.mask.count_ones()).unwrap_or(u8::MAX)
    }

    /// The address that all of its machines hear.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first.to_bits() | !self.mask)
    }

    /// Whether this address belongs to it.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask == self.first.to_bits()
    }
}

/// The networks of this machine, loopback left out, at most [`MAX_NETWORKS`]. None where the kernel
/// does not say.
pub fn networks() -> Vec<Network> {
    let mut all: Vec<Network> = Vec::new();
    for route in routes().lines().filter_map(direct) {
        let network = network(route);
        all.extend(network.filter(|new| !new.address.is_loopback() && !all.contains(new)));
    }
    if all.len() > MAX_NETWORKS {
        debug!("local networks left out={}", all.len() - MAX_NETWORKS);
        all.truncate(MAX_NETWORKS);
    }
    all
}

/// The network behind this interface, the first of several. `None` where there is none, or the kernel does
/// not say.
pub fn network_on(interface: &str) -> Option<Network> {
    let routes = routes();
    let mut lines = routes.lines();
    lines.find_map(|line| {
        let of_it = line.split_whitespace().next() == Some(interface);
        of_it.then(|| direct(line).and_then(network)).flatten()
    })
}

/// The networks on which others reach what listens there: all, or the one with that address. None for
/// loopback, and for IPv6 alone.
pub fn networks_of(listening: SocketAddr) -> Vec<Network> {
    let mut all = networks();
    match listening.ip().to_canonical() {
        ip if ip.is_unspecified() => {}
        IpAddr::V4(own) => all.retain(|network| network.address == own),
        IpAddr::V6(_) => all.clear(),
    }
    all
}

/// The kernel's table; empty where it cannot be read.
fn routes() -> String {
    let mut text = String::new();
    match File::open(ROUTES).and_then(|file| file.take(MAX_ROUTES).read_to_string(&mut text)) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

/// The network of a route, by its first address and its mask.
fn network((first, mask): (Ipv4Addr, u32)) -> Option<Network> {
    let address = source_for(first)?;
    Some(Network {
        address,
        first,
        mask,
    })
}

/// First address and mask of a route that needs no gateway and leads to more than one machine.
fn direct(line: &str) -> Option<(Ipv4Addr, u32)> {
    let mut fields = line.split_whitespace();
    // The numbers are the bytes in network order, read as a number of this machine.
    let mut number = |skip| {
        let field = fields.nth(skip)?;
        let number = u32::from_str_radix(field, 16).ok()?;
        Some(u32::from_be_bytes(number.to_ne_bytes()))
    };
    let (first, gateway) = (number(1)?, number(0)?);
    let mask = number(4)?;
    let local = gateway == 0 && mask != 0 && mask != u32::MAX && first & mask == first;
    local.then(|| (Ipv4Addr::from_bits(first), mask))
}

/// The address by which this machine would speak to the network that begins so. Nothing is sent.
fn source_for(first: Ipv4Addr) -> Option<Ipv4Addr> {
    let someone = Ipv4Addr::from_bits(first.to_bits().saturating_add(1));
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((someone, miner_shared::mdns::PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) if !own.is_unspecified() => Some(own),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_without_a_gateway_are_the_networks() {
        const TABLE: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\tFEA9FEA9\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
eth1\t0000000A\t0201A8C0\t0003\t0\t0\t0\t000000FF\t0\t0\t0
tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0
eth2\t0000\n";
        let found: Vec<_> = TABLE.lines().filter_map(direct).collect();
        // The text is of a little-endian machine.
        if cfg!(target_endian = "little") {
            assert_eq!(found, [(Ipv4Addr::new(192, 168, 1, 0), 0xffff_ff00)]);
        }
    }

    #[test]
    fn a_network_contains_its_own_addresses() {
        assert!(Network::LOOPBACK.contains(Ipv4Addr::new(127, 255, 0, 9)));
        assert!(!Network::LOOPBACK.contains(Ipv4Addr::new(128, 0, 0, 1)));
        let all = Ipv4Addr::new(127, 255, 255, 255);
        assert_eq!(Network::LOOPBACK.broadcast(), all);
    }
}
