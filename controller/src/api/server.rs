//! HTTP/1.1 on the caller's smol executor: hyper drives the connections, axum answers.
//!
//! With TLS nothing is served without it: a plain request is told to come with `https`.
//!
//! | bound | value | against |
//! |---|---|---|
//! | [`MAX_CONNECTIONS`] | 128 | a program that opens sockets and forgets them |
//! | [`HEADER_TIMEOUT`] | 10 s | TLS, and then headers, that never end; also closes idle connections |
//! | [`MAX_HEADER_BYTES`], [`MAX_HEADERS`] | 16 KiB, 64 | large headers |
//! | [`super::extract::MAX_BODY`] | 64 KiB, 10 s | large or slow bodies |

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use smol::future::FutureExt as _;
use smol::io::{AsyncRead, AsyncWrite};
use smol::{Async, Executor, Timer, net};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use tower::ServiceExt;

use super::access::CameFrom;
use super::guard;
use super::problem::Problem;
use crate::tls::{Tls, begins_with_tls};

/// Connections at a time; one more is closed at once.
pub const MAX_CONNECTIONS: usize = 128;
/// From accept to the end of the TLS handshake; from there, or from the last answer, to the end of the
/// request's headers.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one request's line and headers.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of one request.
pub const MAX_HEADERS: usize = 64;
/// After a failed accept (out of descriptors, say), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the task is dropped; their tasks live on the same executor.
pub(crate) async fn serve(
    listener: Async<TcpListener>,
    tls: Option<Tls>,
    router: Router,
    executor: Arc<Executor<'static>>,
) {
    // The count of owners is the count of connections: each holds one clone while it lives.
    let open = Arc::new(());
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("http accept failed error={error}");
                Timer::after(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if Arc::strong_count(&open) > MAX_CONNECTIONS {
            log::debug!("http connection refused: {MAX_CONNECTIONS} are open from={from}");
            continue;
        }
        let held = Arc::clone(&open);
        let (tls, router) = (tls.clone(), router.clone());
        executor
            .spawn(async move {
                match tls {
                    None => connection(stream, from, router).await,
                    Some(tls) => secured(stream.into(), from, &tls, router).await,
                }
                drop(held);
            })
            .detach();
    }
}

/// Opens TLS, in time, and serves what is inside.
async fn secured(stream: net::TcpStream, from: SocketAddr, tls: &Tls, router: Router) {
    let opened = async {
        Ok(match begins_with_tls(&stream).await? {
            true => Ok(tls.accept(stream).await?),
            false => Err(stream),
        })
    };
    let late = async {
        Timer::after(HEADER_TIMEOUT).await;
        Err(io::Error::from(io::ErrorKind::TimedOut))
    };
    match opened.or(late).await {
        Ok(Ok(stream)) => connection(stream, from, router).await,
        Ok(Err(plain)) => connection(plain, from, without_tls()).await,
        Err(error) => log::debug!("http without TLS ended from={from} error={error}"),
    }
}

/// What a plain request hears where TLS is spoken.
fn without_tls() -> Router {
    let use_https = async || {
        let message = "this port speaks TLS";
        Problem::new(StatusCode::BAD_REQUEST, "TLS_REQUIRED", message).hint("use https://")
    };
    Router::new()
        .fallback(use_https)
        .layer(from_fn(guard::harden))
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    from: SocketAddr,
    router: Router,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(CameFrom(from));
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(FuturesIo::new(stream), service)
        .await;
    if let Err(error) = served {
        log::debug!("http connection ended from={from} error={error}");
    }
}
