//! The diallers: one task per peer with an address, which keeps a link to it up.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::client_async_with_config;
use async_tungstenite::tungstenite::ClientRequestBuilder;
use async_tungstenite::tungstenite::http::Uri;
use miner_agent::tls::Duplex;
use miner_shared::identity::Fingerprint;
use miner_shared::text::Address;
use smol::channel::Receiver;
use smol::future;
use smol::net::TcpStream;

use super::{Meter, Metered, PATH, PROTOCOL, Ws, config, pump};
use crate::farm::Farm;
use crate::hub::{Target, Unreached};

/// For name lookup, TCP and the WebSocket handshake together.
const CONNECT: Duration = Duration::from_secs(5);

/// Keeps a link to this peer up, for as long as it has an address, also under a new key.
///
/// `nudge` brings reasons to look: `true` somebody waits (dial at once), `false` the link was lost
/// (dial after a pause).
pub(crate) async fn keep_dialled(farm: Arc<Farm>, mut key: Fingerprint, nudge: Receiver<bool>) {
    let mut failures = 0;
    loop {
        // What was asked before this attempt is answered by it.
        while nudge.try_recv().is_ok() {}
        // It may have another key since, on whichever link that was seen.
        key = farm.current_key(&key);
        if !farm.is_served(&key) {
            let Some(address) = farm.address_of(&key) else {
                return;
            };
            let reached = dial_once(&farm, &key, &address).await;
            failures = if reached { 0 } else { failures + 1 };
        }
        let mut urgent = false;
        if farm.is_served(&key) {
            let Ok(now) = nudge.recv().await else {
                return;
            };
            urgent = now;
        }
        if !urgent {
            let pause = Duration::from_millis(farm.redial_ms(failures));
            let slept = async {
                smol::Timer::after(pause).await;
            };
            future::race(slept, asked(&nudge)).await;
        }
    }
}

/// Ends when somebody waits for the peer.
async fn asked(nudge: &Receiver<bool>) {
    while let Ok(now) = nudge.recv().await {
        if now {
            return;
        }
    }
    future::pending::<()>().await;
}

/// Dials a peer; whether a link came up.
async fn dial_once(farm: &Arc<Farm>, key: &Fingerprint, address: &Address) -> bool {
    match connect(address).await {
        Ok(ws) => {
            let reached = run(farm, ws, Target::Peer(*key));
            matches!(reached.recv().await, Ok(Ok(_)))
        }
        Err(error) => {
            log::debug!("dial failed node={} reason={error}", key.node_id());
            farm.unreachable(key);
            false
        }
    }
}

/// Starts a dialled connection's task; the receiver hears whom it reached.
pub(crate) fn run(
    farm: &Arc<Farm>,
    (ws, meter): (Ws, Arc<Meter>),
    target: Target,
) -> Receiver<Result<Fingerprint, Unreached>> {
    let (end, reached) = farm.dial(target, meter);
    let task_farm = Arc::clone(farm);
    farm.spawn(async move { pump(&task_farm, ws, &end).await });
    reached
}

/// Connects to a node's `/ws`.
pub(crate) async fn connect(address: &Address) -> io::Result<(Ws, Arc<Meter>)> {
    let connected = async {
        let (host, port) = address.host_port();
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let uri: Uri = format!("ws://{address}{PATH}")
            .parse()
            .map_err(io::Error::other)?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol(PROTOCOL);
        let meter = Arc::new(Meter::default());
        let stream: Box<dyn Duplex> = Box::new(Metered::new(stream, Arc::clone(&meter)));
        let (ws, _) = client_async_with_config(request, stream, Some(config()))
            .await
            .map_err(io::Error::other)?;
        Ok((ws, meter))
    };
    future::race(connected, async {
        smol::Timer::after(CONNECT).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))
    })
    .await
}
