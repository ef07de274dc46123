//! The number of a request: in the answer's header, in every error, in the audit log.
//!
//! It is made here and never taken from the asker, so that it means one request.

use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, HeaderName};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;

/// The header of every answer that has it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names one request: 64 random bits, 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestId([u8; 8]);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Gives each request its number, and puts it into the answer.
pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let mut id = RequestId::default();
    // Without randomness all are 0, which is no reason to answer nobody.
    let _filled = getrandom::fill(&mut id.0);
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    let text = id.to_string();
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = with_id(response, problem, &text);
    }
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// The same error with the request's number in it.
fn with_id(response: Response, mut problem: Problem, id: &str) -> Response {
    problem.request_id = Some(id.into());
    let Ok(text) = serde_json::to_string(&problem) else {
        return response;
    };
    let (mut head, _) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}
