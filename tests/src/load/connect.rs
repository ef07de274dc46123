//! Connections of strangers: from any loopback address, with any bytes, without a thread each.

use core::time::Duration;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use miner_shared::identity::{Fingerprint, NodeKeys, Role};
use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Dial, Expect, Link, LocalNode};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::NodeCard;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use smol::Async;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The request that opens the link, without the empty line at its end.
pub(super) const OPENING: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: smsg.1\r\n";

/// The loopback address of this number: 127.0.1.1 and on, never one that rigs use.
pub(super) fn source(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f00_0101 + n % 60_000)
}

/// Connects from this address. Its end leaves nothing behind: the socket is reset.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr) -> io::Result<Async<TcpStream>> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = Async::new_nonblocking(TcpStream::from(socket))?;
    stream.writable().await?;
    match stream.get_ref().take_error()? {
        None => Ok(stream),
        Some(error) => Err(error),
    }
}

/// Opens the WebSocket; whether the other side agrees. It takes nothing together with the request.
pub(super) async fn opens(stream: &mut Async<TcpStream>) -> io::Result<bool> {
    says(stream, format!("{OPENING}\r\n").as_bytes(), b"\r\n\r\n").await
}

/// Sends, and reads until the other side says this or ends; whether it did say it.
pub(super) async fn says(
    stream: &mut Async<TcpStream>,
    sent: &[u8],
    wanted: &[u8],
) -> io::Result<bool> {
    stream.write_all(sent).await?;
    let mut heard = Vec::new();
    loop {
        let mut buffer = [0; 512];
        let len = stream.read(&mut buffer).await?;
        heard.extend_from_slice(buffer.get(..len).unwrap_or_default());
        if heard.windows(wanted.len()).any(|window| window == wanted) {
            return Ok(true);
        }
        if len == 0 {
            return Ok(false);
        }
    }
}

/// Reads until the other side ends it.
pub(super) async fn ended(mut stream: &Async<TcpStream>) {
    let mut buffer = [0; 512];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}

/// A first message with a valid ephemeral key.
pub(super) fn first_message(controller: Fingerprint) -> Vec<u8> {
    let expect = Expect::Fingerprint(controller);
    let mut link = Link::dial(Dial::WorkerDials, expect, None, None, Millis(0));
    let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
    let mut out = [0; MAX_FRAME];
    let me = node(u64::MAX, "stranger");
    let len = link.poll_transmit(&me, Millis(0), &mut rng, &mut out);
    let first = out.get(..len.unwrap_or_default()).unwrap_or_default();
    frame(0x82, first)
}

/// A client's WebSocket frame of at most 125 bytes under the mask zero.
pub(super) fn frame(head: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len()).unwrap_or(125).min(125);
    let body = body.get(..len.into()).unwrap_or_default();
    [&[head, 0x80 | len, 0, 0, 0, 0], body].concat()
}

/// A worker whose key follows from its number, in its first process.
pub(crate) fn node(number: u64, name: &str) -> LocalNode {
    let mut seed = [0x5a; 32];
    let mut boot = [0x5a; 16];
    for bytes in [&mut seed[..8], &mut boot[..8]] {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let card = NodeCard {
        name: Name::parse(name).expect("a name of ours"),
        software: Label::lossy("farm-tests"),
        host: Label::lossy("loopback"),
    };
    LocalNode::new(NodeKeys::from_seed(&seed), Role::Worker, boot, card)
}
