//! The listener: rigs dial in here.
//!
//! The 5 s of a handshake begin at TCP accept, before a byte is read: the hub's deadline ends slow TLS,
//! slow HTTP and slow SMSG alike.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::accept_hdr_async_with_config;
use async_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use async_tungstenite::tungstenite::http::header::{HeaderValue, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use async_tungstenite::tungstenite::http::{self, StatusCode};
use miner_agent::tls::Duplex;
use smol::future;
use smol::net::TcpStream;

use super::{Meter, Metered, PATH, PROTOCOL, Ws, config, pump};
use crate::farm::Farm;
use crate::tls::{Speaks, begins_with_tls};

/// Pause after an accept that failed, as it does when no file descriptor is left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// Binds; the future accepts until it is dropped.
pub(crate) fn listen(
    farm: Arc<Farm>,
    address: SocketAddr,
    speaks: Speaks,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind(address)?;
    // Again, with a longer queue than the library's 128: a flood fills that in 25 ms, the time of a sync
    // of the registry, and who finds it full tries again after a second.
    rustix::net::listen(&listener, BACKLOG)?;
    let bound = listener.local_addr()?;
    let listener = smol::Async::new(listener)?;
    let accepting = async move {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => accepted(&farm, stream.into(), from, &speaks),
                Err(error) => {
                    log::warn!("accept failed reason={error}");
                    smol::Timer::after(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    Ok((bound, accepting))
}

fn accepted(farm: &Arc<Farm>, stream: TcpStream, from: SocketAddr, speaks: &Speaks) {
    let meter = Arc::new(Meter::default());
    let end = match farm.accept(from.ip(), &meter) {
        Ok(end) => end,
        Err(shut) => {
            farm.log_stranger(|| format!("refused from={from} reason=\"{shut}\""));
            return;
        }
    };
    farm.came_from(end.id, from.ip());
    if let Err(error) = stream.set_nodelay(true) {
        farm.log_stranger(|| format!("no TCP_NODELAY reason={error}"));
    }
    let speaks = speaks.clone();
    let task_farm = Arc::clone(farm);
    farm.spawn(async move {
        let opened = async {
            let stream = secured(stream, meter, &speaks).await;
            let stream = stream
                .inspect_err(|error| task_farm.log_stranger(|| format!("no TLS reason={error}")))
                .ok()?;
            upgraded(&task_farm, stream).await
        };
        let closed = async {
            end.closed().await;
            None
        };
        // In a box, whose room is free again when it is open: it takes more than all that follows.
        match future::race(Box::pin(opened), closed).await {
            Some(ws) => pump(&task_farm, ws, &end).await,
            None => task_farm.closed(end.id),
        }
    });
}

/// The stream that WebSocket is spoken over: the dialler's first byte says whether it speaks TLS.
async fn secured(
    stream: TcpStream,
    meter: Arc<Meter>,
    speaks: &Speaks,
) -> io::Result<Box<dyn Duplex>> {
    let tls = match speaks {
        Speaks::Plain => None,
        Speaks::Both(tls) => begins_with_tls(&stream).await?.then_some(tls),
        Speaks::Only(tls) => Some(tls),
    };
    Ok(match tls {
        None => Box::new(Metered::new(stream, meter)),
        Some(tls) => Box::new(tls.accept(Metered::for_tls(stream, meter)).await?),
    })
}

async fn upgraded(farm: &Farm, stream: Box<dyn Duplex>) -> Option<Ws> {
    accept_hdr_async_with_config(stream, check, Some(config()))
        .await
        .inspect_err(|error| farm.log_stranger(|| format!("no WebSocket reason={error}")))
        .ok()
}

/// Lets through what is meant for us, and no browser.
#[expect(clippy::result_large_err, reason = "the signature is the library's")]
fn check(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asks_for_ours = request
        .headers()
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .any(|protocol| protocol.trim() == PROTOCOL);
    let status = if request.headers().contains_key(ORIGIN) {
        StatusCode::FORBIDDEN
    } else if request.uri().path() != PATH {
        StatusCode::NOT_FOUND
    } else if !asks_for_ours {
        StatusCode::BAD_REQUEST
    } else {
        let protocol = HeaderValue::from_static(PROTOCOL);
        response
            .headers_mut()
            .insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        return Ok(response);
    };
    let mut refusal = http::Response::new(None);
    *refusal.status_mut() = status;
    Err(refusal)
}
