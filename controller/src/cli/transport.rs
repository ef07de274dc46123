//! Requests on their way: over a socket to the controller that runs here, or to the router in this process.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::request::Builder;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use miner_agent::tls::{self, Duplex};
use smol::Async;
use smol::future::FutureExt;
use smol_hyper::rt::FuturesIo;
use tower::ServiceExt;

use super::instance::ApiAt;
use crate::access::ApiToken;
use crate::api::{BASE, Problem};

/// Bytes of an answer: 10,000 rigs are about 8 MiB of JSON.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Status and body of an answer, or why there is none.
pub(super) type Answer = Result<(StatusCode, Bytes), Problem>;

/// The head of a request to the API at this address, as the owner of this token.
pub(super) fn request(
    method: Method,
    path: &str,
    address: SocketAddr,
    token: &ApiToken,
) -> Result<Builder, Problem> {
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|error| unanswered(&error))?;
    // What hyper says at level trace leaves it out.
    bearer.set_sensitive(true);
    Ok(Request::builder()
        .method(method)
        .uri(format!("{BASE}{path}"))
        .header(HOST, address.to_string())
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json"))
}

/// Asks the router in this process.
pub(super) async fn in_process(router: Router, request: Request<Full<Bytes>>) -> Answer {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    whole(response).await
}

/// Asks the controller at this place, and reads its whole answer.
pub(super) async fn over_tcp(at: ApiAt, request: Request<Full<Bytes>>) -> Answer {
    open(at, request).await?.whole().await
}

/// An answer whose body comes piece by piece.
pub(super) struct Streamed {
    pub(super) response: Response<Incoming>,
    /// Moves the bytes; the body stands still unless this is polled too.
    connection: Pin<Box<dyn Future<Output = Infallible> + Send>>,
}

impl Streamed {
    /// The whole of it.
    pub(super) async fn whole(mut self) -> Answer {
        driven(whole(self.response), &mut self.connection).await
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        let frame = driven(self.response.body_mut().frame(), &mut self.connection);
        let frame = frame.await.transpose();
        let frame = frame.map_err(|error| unanswered(&error))?;
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }
}

/// Waits for something that comes over a connection.
async fn driven<T>(
    wanted: impl Future<Output = T>,
    connection: &mut Pin<Box<dyn Future<Output = Infallible> + Send>>,
) -> T {
    let connection = async { match connection.await {} };
    wanted.or(connection).await
}

/// Asks the controller at this place; the head of its answer is there, the body is to come.
pub(super) async fn open(at: ApiAt, request: Request<Full<Bytes>>) -> Result<Streamed, Problem> {
    let stream = Async::<TcpStream>::connect(at.address)
        .await
        .map_err(|error| unanswered(&error))?;
    let stream: Box<dyn Duplex> = match at.tls {
        None => Box::new(stream),
        pin => {
            let secured = tls::connect(stream, "localhost", pin).await;
            Box::new(secured.map_err(|error| unanswered(&error))?)
        }
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(FuturesIo::new(stream))
        .await
        .map_err(|error| unanswered(&error))?;
    let mut connection: Pin<Box<dyn Future<Output = Infallible> + Send>> = Box::pin(async move {
        if let Err(error) = connection.await {
            log::debug!("http connection ended error={error}");
        }
        // Whoever waits for a head or a body hears of its end there.
        smol::future::pending().await
    });
    let response = driven(sender.send_request(request), &mut connection).await;
    Ok(Streamed {
        response: response.map_err(|error| unanswered(&error))?,
        connection,
    })
}

/// The whole of an answer, as far as it is no longer than answers are.
async fn whole<B>(response: Response<B>) -> Answer
where
    B: HttpBody,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER);
    let collected = body.collect().await.map_err(|error| unanswered(&error))?;
    Ok((status, collected.to_bytes()))
}

/// What an answer that is no success says.
pub(super) fn problem(status: StatusCode, body: &[u8]) -> Problem {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => Problem { status, ..problem },
        Err(_) => unanswered(&format_args!("it answered {status}")),
    }
}

/// There is no answer.
pub(super) fn unanswered(why: &dyn std::fmt::Display) -> Problem {
    let message = format!("the controller that runs here did not answer: {why}");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "CONTROLLER_UNREACHABLE",
        message,
    )
}
