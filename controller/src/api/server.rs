//! HTTP/1.1 on the caller's smol executor: hyper drives the connections, axum answers.
//!
//! | bound | value | against |
//! |---|---|---|
//! | [`MAX_CONNECTIONS`] | 128 | a program that opens sockets and forgets them |
//! | [`HEADER_TIMEOUT`] | 10 s | headers that never end; also closes idle connections |
//! | [`MAX_HEADER_BYTES`], [`MAX_HEADERS`] | 16 KiB, 64 | large headers |
//! | [`super::extract::MAX_BODY`] | 64 KiB, 10 s | large or slow bodies |

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use smol::{Async, Executor, Timer};
use smol_hyper::rt::{FuturesIo, SmolTimer};
use tower::ServiceExt;

/// Connections at a time; one more is closed at once.
pub const MAX_CONNECTIONS: usize = 128;
/// From accept, or from the last answer, to the end of the request's headers.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one request's line and headers.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Headers of one request.
pub const MAX_HEADERS: usize = 64;
/// After a failed accept (out of descriptors, say), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the task is dropped; their tasks live on the same executor.
pub async fn serve(listener: Async<TcpListener>, router: Router, executor: Arc<Executor<'static>>) {
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
        let router = router.clone();
        executor
            .spawn(async move {
                connection(stream, from, router).await;
                drop(held);
            })
            .detach();
    }
}

async fn connection(stream: Async<TcpStream>, from: SocketAddr, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
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
