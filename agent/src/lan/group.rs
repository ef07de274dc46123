//! The socket of multicast DNS: UDP port 5353 of 224.0.0.251, shared with whoever else uses it here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use miner_shared::mdns::{GROUP, PORT};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use smol::Async;

use super::Network;

/// Hops of a packet (RFC 6762 section 11). No router passes this group on anyway.
const HOPS: u32 = 255;

/// Hears the group on some networks, and speaks to it.
#[derive(Debug)]
pub struct Group {
    socket: Async<UdpSocket>,
    networks: Vec<Network>,
}

impl Group {
    /// Joins the group on these networks; those that cannot be joined are left out.
    ///
    /// # Errors
    /// The port cannot be had, or the group can be joined on none of them.
    pub fn join(networks: &[Network]) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        sockopt::set_ip_multicast_ttl(&socket, HOPS)?;
        // Bound to the group, it gets no packet that was sent to this machine alone: those stay with
        // other programs on this port, and nobody from elsewhere is heard.
        bind(&socket, &SocketAddr::from((GROUP, PORT)))?;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let mut joined = networks.to_vec();
        joined.retain(|network| {
            match sockopt::set_ip_add_membership(&socket, &GROUP, &network.address) {
                Ok(()) => true,
                Err(error) => {
                    failed = error.into();
                    false
                }
            }
        });
        if joined.is_empty() {
            return Err(failed);
        }
        Ok(Self {
            socket: Async::new(socket.into())?,
            networks: joined,
        })
    }

    /// The networks that were joined.
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// Sends a packet to the group on one of its networks; lost like any other where it cannot go now.
    ///
    /// # Errors
    /// The system's.
    pub fn send(&self, network: &Network, packet: &[u8]) -> io::Result<()> {
        sockopt::set_ip_multicast_if(&self.socket, &network.address)?;
        self.socket.get_ref().send_to(packet, (GROUP, PORT))?;
        Ok(())
    }

    /// The next packet that came from one of its networks: which, from whom, and how long it is. Longer ones
    /// than `buffer` are cut.
    ///
    /// # Errors
    /// The system's.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Ipv4Addr, usize)> {
        loop {
            let (length, from) = self.socket.recv_from(buffer).await?;
            if let IpAddr::V4(from) = from.ip()
                && let Some(at) = self.networks.iter().position(|n| n.contains(from))
            {
                return Ok((at, from, length));
            }
            // However much comes from elsewhere, the other tasks get their turns.
            smol::future::yield_now().await;
        }
    }
}
