//! HTTP/1.1 for iPXE and UEFI: GET and HEAD of the files of a rig, and nothing else.
//!
//! | | |
//! |---|---|
//! | methods | GET, HEAD; others 405 |
//! | paths | `/MAC/FILE`; others 404, without a listing of anything |
//! | ranges | one of bytes: 206, or 416; what is not understood is as if it were not there (RFC 9110 section 14.2) |
//! | length | `Content-Length` always: UEFI needs it, iPXE shows it |
//! | connections | kept alive |
//!
//! hyper reads and writes the connection; bounds are in [`crate::limits`].

mod body;
mod range;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, RANGE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use smol::future::FutureExt as _;
use smol::net::TcpStream;
use smol::{Async, Executor, Timer};
use smol_hyper::rt::{FuturesIo, SmolTimer};

use self::body::{Body, Watch};
use self::range::{Asked, asked};
use crate::door::Door;
use crate::files::{BootFile, FileName};
use crate::limits::{
    HEADER_MS, MAX_CONNECTION_MS, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ADDRESS, MAX_HEADER_BYTES,
    MAX_HEADERS,
};
use crate::server::{PAUSE, State};

/// Takes connections until the task is dropped; they live on the same executor.
pub(crate) async fn serve(
    listener: Async<TcpListener>,
    state: Arc<State>,
    executor: Arc<Executor<'static>>,
) {
    let door = Door::new(MAX_CONNECTIONS, MAX_CONNECTIONS_OF_ADDRESS);
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("boot http accept failed error={error}");
                Timer::after(PAUSE).await;
                continue;
            }
        };
        if !state.lan.contains(from.ip()) {
            log::debug!("boot http connection from elsewhere refused from={from}");
            continue;
        }
        let Some(guest) = door.enter(from) else {
            log::debug!("boot http connection refused: enough are open from={from}");
            continue;
        };
        let state = Arc::clone(&state);
        let task = async move {
            connection(stream.into(), from, state).await;
            drop(guest);
        };
        executor.spawn(task).detach();
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(
            request.method(),
            request.uri().path(),
            request.headers(),
            &state,
        );
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(Duration::from_millis(HEADER_MS))
        .max_buf_size(MAX_HEADER_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(FuturesIo::new(stream), service);
    let late = async {
        Timer::after(Duration::from_millis(MAX_CONNECTION_MS)).await;
        Ok(())
    };
    // UEFI ends its connection with a reset when it has what it wants.
    if let Err(error) = served.or(late).await {
        log::debug!("boot http connection ended from={from} error={error}");
    }
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, state: &Arc<State>) -> Response<Body> {
    let head = method == Method::HEAD;
    if !head && method != Method::GET {
        let mut refused = empty(StatusCode::METHOD_NOT_ALLOWED);
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let Some(name) = path.strip_prefix('/').and_then(FileName::parse) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let Some(content) = state.open(name) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let length = content.len();
    let (status, from, to) = match asked(headers.get(RANGE), length) {
        Asked::Whole => (StatusCode::OK, 0, length),
        Asked::Part { from, to } => (StatusCode::PARTIAL_CONTENT, from, to),
        Asked::Nothing => {
            let mut refused = empty(StatusCode::RANGE_NOT_SATISFIABLE);
            set(&mut refused, CONTENT_RANGE, format!("bytes */{length}"));
            return refused;
        }
    };
    let body = if head {
        Body::empty()
    } else {
        Body::new(content, from, to, Watch::begin(name, Arc::clone(state)))
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = match name.file {
        BootFile::Script => "text/plain",
        _ => "application/octet-stream",
    };
    let fixed = response.headers_mut();
    fixed.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fixed.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    set(&mut response, CONTENT_LENGTH, (to - from).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        set(
            &mut response,
            CONTENT_RANGE,
            format!("bytes {from}-{}/{length}", to - 1),
        );
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: hyper::header::HeaderName, value: String) {
    // Digits and words of ours are always a header.
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}
