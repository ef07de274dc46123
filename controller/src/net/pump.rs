//! Moves frames between one socket and the hub until either ends.

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::{WebSocketReceiver, WebSocketSender};
use miner_shared::limits::MAX_FRAME;
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::net::TcpStream;
use smol::stream::StreamExt;
use std::time::Duration;

use super::Ws;
use crate::farm::Farm;
use crate::hub::ConnId;

/// How long a refused peer may take to read why, before its socket is dropped.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The farm's handle on a connection's task; dropping it ends the task at once.
#[derive(Debug)]
pub(crate) struct Socket {
    wake: Sender<()>,
    _alive: Sender<()>,
}

/// The task's own end.
#[derive(Debug)]
pub(crate) struct SocketEnd {
    pub(crate) id: ConnId,
    wake: Receiver<()>,
    alive: Receiver<()>,
}

impl Socket {
    /// Both ends of a new connection's control.
    pub(crate) fn new(id: ConnId) -> (Self, SocketEnd) {
        let (wake, woken) = bounded(1);
        let (dropped, alive) = bounded(1);
        let socket = Self {
            wake,
            _alive: dropped,
        };
        let end = SocketEnd {
            id,
            wake: woken,
            alive,
        };
        (socket, end)
    }

    /// There may be something to send.
    pub(crate) fn wake(&self) {
        // Full means that the task will look anyway; closed, that it has ended.
        let _awake = self.wake.try_send(());
    }
}

impl SocketEnd {
    /// Ends when the hub closes the connection.
    pub(crate) async fn closed(&self) {
        // Nothing is ever sent: this ends when the other end is dropped.
        let _closed = self.alive.recv().await;
    }
}

/// Runs a connection to its end.
pub(crate) async fn pump(farm: &Farm, ws: Ws, end: &SocketEnd) {
    let (mut sender, mut receiver) = ws.split();
    let moved = future::race(
        read(farm, end.id, &mut receiver),
        write(farm, end, &mut sender),
    );
    let stop = future::race(moved, async {
        end.closed().await;
        Stop::Ended
    });
    if stop.await == Stop::Text {
        let frame = CloseFrame {
            code: CloseCode::Unsupported,
            reason: "".into(),
        };
        let refused = async {
            if let Err(error) = sender.close(Some(frame)).await {
                log::debug!("close not sent reason={error}");
            }
        };
        future::race(refused, async {
            smol::Timer::after(CLOSE_WAIT).await;
        })
        .await;
    }
    farm.closed(end.id);
}

/// Why a connection stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Either side ended it.
    Ended,
    /// A text frame came: not our protocol.
    Text,
}

async fn read(farm: &Farm, id: ConnId, receiver: &mut WebSocketReceiver<TcpStream>) -> Stop {
    while let Some(message) = receiver.next().await {
        match message {
            Ok(Message::Binary(bytes)) => {
                let mut frame = Vec::from(bytes);
                farm.received(id, &mut frame);
            }
            Ok(Message::Text(_)) => return Stop::Text,
            // tungstenite answers pings and the close by itself.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {}
            Err(error) => {
                log::debug!("read failed reason={error}");
                return Stop::Ended;
            }
        }
    }
    Stop::Ended
}

async fn write(farm: &Farm, end: &SocketEnd, sender: &mut WebSocketSender<TcpStream>) -> Stop {
    let mut frame = [0; MAX_FRAME];
    while end.wake.recv().await.is_ok() {
        while let Some(len) = farm.transmit(end.id, &mut frame) {
            let bytes = frame.get(..len).unwrap_or_default().to_vec();
            if let Err(error) = sender.send(Message::binary(bytes)).await {
                log::debug!("write failed reason={error}");
                return Stop::Ended;
            }
        }
    }
    Stop::Ended
}
