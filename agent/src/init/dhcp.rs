//! The socket of the DHCP client ([`miner_shared::dhcp::client`]): UDP port 68, on one card.
//!
//! No raw socket: the socket is bound to the card, so that it sends and receives before the card has an
//! address, and answers are asked for by broadcast. A server that sends to the address that it is yet to
//! give, whatever it is asked, is not heard.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use log::debug;
use miner_shared::dhcp::client::{Client, SENT, To};
use miner_shared::dhcp::{CLIENT_PORT, SERVER_PORT};
use miner_shared::limits::MAX_DHCP_READ;
use miner_shared::time::Millis;
use rustix::rand::{GetRandomFlags, getrandom};
use smol::Async;
use smol::future;

use crate::platform::netif;

/// Messages sent at a time, at most.
const BURST: usize = 4;

/// The socket on one card.
pub(super) struct Socket(Async<UdpSocket>);

impl Socket {
    /// Opens it; no two may be open.
    pub(super) fn open(card: &str) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, CLIENT_PORT))?;
        socket.set_broadcast(true)?;
        netif::bind_to(&socket, card)?;
        Ok(Self(Async::new(socket)?))
    }

    /// Sends what is due.
    pub(super) fn send_due(&self, client: &mut Client, now: Millis) {
        for _ in 0..BURST {
            let mut out = [0; SENT];
            let Some((to, message)) = client.poll(now, random(now), &mut out) else {
                return;
            };
            let to = match to {
                To::Everyone => Ipv4Addr::BROADCAST,
                To::Server(server) => server,
            };
            let to = SocketAddrV4::new(to, SERVER_PORT);
            // As good as lost on the way: it is sent again.
            if let Err(error) = self.0.get_ref().send_to(message, to) {
                debug!("DHCP message to {to} not sent: {error}");
            }
        }
    }

    /// Waits for a message, for as long as `timer` runs, and hands it to the client.
    pub(super) async fn receive(
        &self,
        client: &mut Client,
        timer: smol::Timer,
        now: impl Fn() -> Millis,
    ) {
        let mut bytes = [0; MAX_DHCP_READ];
        let received = async { self.0.recv_from(&mut bytes).await.map(Some) };
        let late = async {
            timer.await;
            Ok(None)
        };
        match future::or(received, late).await {
            Ok(Some((length, from))) if from.port() == SERVER_PORT => {
                client.received(bytes.get(..length).unwrap_or_default(), now());
            }
            Ok(_) => {}
            Err(error) => debug!("DHCP socket: {error}"),
        }
    }
}

/// A number that differs from call to call; that it can be guessed before the kernel has randomness harms
/// nobody, as who can answer can read it as well.
fn random(now: Millis) -> u32 {
    let mut bytes = [0_u8; 4];
    match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
        Ok(_) => u32::from_ne_bytes(bytes),
        Err(_) => u32::try_from(now.0 & 0xffff_ffff)
            .unwrap_or_default()
            .wrapping_mul(0x9e37_79b9),
    }
}
