//! Sockets: WebSockets over TCP, one task per connection, nothing decided here.
//!
//! ```text
//!   listen.rs  accept ─▶ TLS? ─▶ /ws, smsg.1, no Origin ─┐
//!   dial.rs    connect, pause, connect again ────────────┴▶ pump.rs  bytes between socket and hub
//! ```
//! `gate.rs` says who may begin, `meter.rs` how much is read from whom.
//! The hub says what to send and when to close; a connection's whole buffer is what is below.

mod dial;
mod gate;
mod listen;
mod meter;
pub(crate) mod pool;
mod pump;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
pub(crate) mod wake;

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::protocol::WebSocketConfig;
use miner_agent::tls::Duplex;
use miner_shared::limits::MAX_FRAME;

pub(crate) use self::dial::{connect, keep_dialled, run};
pub(crate) use self::gate::{Gate, Pass, Shut};
pub(crate) use self::listen::listen;
pub(crate) use self::meter::{Meter, Metered};
use self::pump::pump;
pub(crate) use self::pump::{Socket, SocketEnd};

/// A connection that speaks WebSocket.
pub(crate) type Ws = WebSocketStream<Box<dyn Duplex>>;

/// Path of the link.
const PATH: &str = "/ws";
/// Sub-protocol of the link.
const PROTOCOL: &str = "smsg.1";
/// Bytes of a socket's read buffer at rest: a report is below 400. It grows while a larger frame comes.
const READ_BUFFER: usize = 1024;
/// Bytes that wait in a socket's write buffer at most: two frames, and what is around them.
const WRITE_BUFFER: usize = 2 * MAX_FRAME + 64;

/// One frame per message, small buffers: tungstenite's own limits are 64 MiB.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME))
}
