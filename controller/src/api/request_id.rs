//! The number of a request: in the header of its answer, in every [`Problem`], in the log.
//!
//! Whoever asks may bring one in `X-Request-Id`, so that it stands in their log and in ours; without
//! one, or with one that is none, it is made here. It names a request and proves nothing.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;
use crate::access::Who;
use crate::cause::{self, Cause};

/// The header of requests and answers that has it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a number that is taken; a UUID has 36, a trace of OpenTelemetry 55.
pub const MAX_REQUEST_ID: usize = 64;

/// Names one request: what the asker brought, or 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let brought = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
        match brought.filter(|id| is_word(id, MAX_REQUEST_ID)) {
            Some(id) => Self(id.into()),
            None => Self::make(),
        }
    }

    fn make() -> Self {
        let mut id = [0; 8];
        // Without randomness all are 0, which is no reason to answer nobody.
        let _filled = getrandom::fill(&mut id);
        Self(format!("{:016x}", u64::from_be_bytes(id)).into())
    }
}

/// Whether this is a word that can stand in a header, a log line and a terminal.
pub(super) fn is_word(text: &str, max: usize) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=max).contains(&text.len()) && text.bytes().all(fits)
}

/// Gives each request its number, which is then an extension of it, and puts it into the answer.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let asked = format!("{} {}", request.method(), request.uri().path());
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    log::debug!(
        "http {asked} status={} request={id}",
        response.status().as_u16()
    );
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = with_id(response, problem, &id);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Has what the handler does, and the events that come of it, know whose request it is.
pub(super) async fn carry(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>();
    let who = request.extensions().get::<Who>();
    let cause = Cause {
        by: who.map(|who| who.by.to_string().into()),
        request: id.map(|id| Arc::clone(&id.0)),
    };
    cause::carry(cause, next.run(request)).await
}

/// The same error with the request's number in it.
fn with_id(response: Response, mut problem: Problem, id: &RequestId) -> Response {
    problem.request_id = Some((*id.0).into());
    let Ok(text) = serde_json::to_string(&problem) else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &[u8]) -> String {
        let value = HeaderValue::from_bytes(value).expect("a value");
        RequestId::of(&HeaderMap::from_iter([(REQUEST_ID, value)])).to_string()
    }

    #[test]
    fn a_number_that_was_brought_is_taken_and_anything_else_is_replaced() {
        let uuid = "0b2f7f4e-6f1c-4f0e-9d0a-5b6f1d1f2a3b";
        assert_eq!(of(uuid.as_bytes()), uuid);
        let long = "a".repeat(MAX_REQUEST_ID);
        assert_eq!(of(long.as_bytes()), long);
        let longer = "a".repeat(MAX_REQUEST_ID + 1);
        for bad in ["", " ", "a b", "a\tb", "\"a\"", "<b>", "ä", &longer] {
            let made = of(bad.as_bytes());
            assert!(made != bad && made.len() == 16, "{bad}: {made}");
        }
    }

    #[test]
    fn numbers_that_are_made_differ() {
        let none = HeaderMap::new();
        assert_ne!(RequestId::of(&none), RequestId::of(&none));
    }
}
