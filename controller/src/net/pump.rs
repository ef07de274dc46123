//! Moves frames between one socket and the hub until either ends.

use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use async_tungstenite::{WebSocketReceiver, WebSocketSender};
use miner_agent::tls::Duplex;
use smol::channel::{Receiver, Sender, bounded};
use smol::future;
use smol::stream::StreamExt;

use super::{Meter, Ws};
use crate::farm::Farm;
use crate::hub::ConnId;

/// How long a peer may take to let the close frame out, before its socket is dropped.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// The farm's handle on a connection's task; dropping it ends the task at once, without a word.
#[derive(Debug)]
pub(crate) struct Socket {
    wake: Sender<()>,
    goodbye: Sender<CloseCode>,
    meter: Arc<Meter>,
}

/// The task's own end.
#[derive(Debug)]
pub(crate) struct SocketEnd {
    pub(crate) id: ConnId,
    wake: Receiver<()>,
    goodbye: Receiver<CloseCode>,
}

impl Socket {
    /// Both ends of a new connection's control.
    pub(crate) fn new(id: ConnId, meter: Arc<Meter>) -> (Self, SocketEnd) {
        let (wake, woken) = bounded(1);
        let (goodbye, told) = bounded(1);
        let socket = Self {
            wake,
            goodbye,
            meter,
        };
        let end = SocketEnd {
            id,
            wake: woken,
            goodbye: told,
        };
        (socket, end)
    }

    /// A registered peer is at the other end.
    pub(crate) fn lift(&self) {
        self.meter.lift();
    }

    /// There may be something to send.
    pub(crate) fn wake(&self) {
        // Full means that the task will look anyway; closed, that it has ended.
        let _awake = self.wake.try_send(());
    }

    /// Ends the connection with this close code.
    pub(crate) fn close(self, code: CloseCode) {
        // It fits: nothing was sent before. A task that has ended needs no goodbye.
        let _told = self.goodbye.try_send(code);
    }
}

impl SocketEnd {
    /// Ends when the farm closes the connection: with this code, or without a word.
    pub(crate) async fn closed(&self) -> Option<CloseCode> {
        self.goodbye.recv().await.ok()
    }
}

/// Runs a connection to its end.
pub(crate) async fn pump(farm: &Farm, ws: Ws, end: &SocketEnd) {
    let (mut sender, mut receiver) = ws.split();
    let moved = future::race(
        read(farm, end.id, &mut receiver),
        write(farm, end, &mut sender),
    );
    let ended = future::race(moved, end.closed());
    if let Some(code) = ended.await {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        let polite = async {
            if let Err(error) = sender.close(Some(frame)).await {
                log::debug!("close not sent reason={error}");
            }
        };
        future::race(polite, async {
            smol::Timer::after(CLOSE_WAIT).await;
        })
        .await;
    }
    farm.closed(end.id);
}

/// Hands frames to the farm until the peer ends it, or breaks the protocol: then with what code.
async fn read(
    farm: &Farm,
    id: ConnId,
    receiver: &mut WebSocketReceiver<Box<dyn Duplex>>,
) -> Option<CloseCode> {
    while let Some(message) = receiver.next().await {
        match message {
            Ok(Message::Binary(bytes)) => {
                let mut frame = Vec::from(bytes);
                farm.received(id, &mut frame);
                rest(farm, id).await;
            }
            // Not our protocol.
            Ok(Message::Text(_)) => return Some(CloseCode::Unsupported),
            // tungstenite answers pings and the close by itself.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                rest(farm, id).await;
            }
            Err(error) => {
                log::debug!("read failed reason={error}");
                return None;
            }
        }
    }
    None
}

/// Lets a peer wait that sends more than its rate: its own network holds the rest back.
async fn rest(farm: &Farm, id: ConnId) {
    let pause = farm.pace(id);
    if pause > 0 {
        smol::Timer::after(Duration::from_millis(pause)).await;
    }
}

async fn write(
    farm: &Farm,
    end: &SocketEnd,
    sender: &mut WebSocketSender<Box<dyn Duplex>>,
) -> Option<CloseCode> {
    while end.wake.recv().await.is_ok() {
        while let Some(frame) = farm.transmit(end.id) {
            if let Err(error) = sender.send(Message::binary(frame)).await {
                log::debug!("write failed reason={error}");
                return None;
            }
        }
    }
    // The hub has let go of it; its goodbye says how to end.
    future::pending().await
}
