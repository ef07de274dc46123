//! Answers that a client has already, and changes of what a client has not seen.
//!
//! | header | on | what |
//! |---|---|---|
//! | `ETag` | the answer of a GET | hash of its bytes |
//! | `If-None-Match` | a GET | 304 without a body if that is what would be answered |
//! | `If-Match` | a change that says so | 412 unless that is what a GET would answer now |
//!
//! The tag is strong: equal tags are equal bytes. What carries ages (rigs, statistics) is another
//! answer at each moment, so tags help with profiles, tokens, keys and this API's description.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderMap, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// Bytes of the hash that a tag shows: 64 bits, as nobody gains by two answers with one tag.
const TAG_BYTES: usize = 8;

/// Bytes of an answer that is tagged. A longer one is a list of many rigs, with ages, and another one
/// at each moment: hashing it would help nobody.
pub const MAX_TAGGED: u64 = 256 * 1024;

/// Tags the JSON that a GET answers, and leaves it away if the client has it.
pub(super) async fn tag(request: Request, next: Next) -> Response {
    if request.method() != Method::GET {
        return next.run(request).await;
    }
    let known = values(request.headers(), &IF_NONE_MATCH);
    let response = next.run(request).await;
    let is_json =
        response.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static("application/json"));
    let is_short = response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= MAX_TAGGED);
    if response.status() != StatusCode::OK || !is_json || !is_short {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // JSON is whole in memory already; a stream has another type.
    let Ok(bytes) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        let message = "the answer could not be made";
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Problem::new(status, "INTERNAL_ERROR", message).into_response();
    };
    let tag = tag_of(&bytes);
    let is_known = known.is_some_and(|known| lists(&known, &tag));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        head.headers.insert(ETAG, tag);
    }
    if is_known {
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(CONTENT_TYPE);
        return Response::from_parts(head, Body::empty());
    }
    Response::from_parts(head, Body::from(bytes))
}

fn tag_of(bytes: &Bytes) -> String {
    let hash = Sha256::digest(bytes);
    let digits = hash.iter().take(TAG_BYTES);
    let digits: String = digits.map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

/// All values of a header that may come several times.
fn values(headers: &HeaderMap, name: &HeaderName) -> Option<Arc<str>> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.filter_map(|line| line.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(",").into())
}

/// Whether the list names the tag; a proxy may have made it weak.
fn lists(list: &str, tag: &str) -> bool {
    let mut named = list.split(',').map(str::trim);
    named.any(|named| named == "*" || named.trim_start_matches("W/") == tag)
}

/// What a client has seen of the thing that it changes: the header `If-Match`.
#[derive(Clone, Debug)]
pub(super) struct IfMatch(Option<Arc<str>>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(values(&parts.headers, &IF_MATCH)))
    }
}

impl IfMatch {
    /// Refuses the change if `current`, what a GET answers now, is not what the client has seen.
    pub(super) fn check(&self, current: &impl Serialize) -> Result<(), Problem> {
        let Some(seen) = &self.0 else { return Ok(()) };
        let bytes = serde_json::to_vec(current).unwrap_or_default();
        if lists(seen, &tag_of(&bytes.into())) {
            return Ok(());
        }
        let message = "somebody has changed it since";
        Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "PRECONDITION_FAILED",
            message,
        )
        .hint("read it again, and send its `ETag` as `If-Match`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_strong_or_weak_and_by_a_star() {
        let tag = tag_of(&Bytes::from_static(b"[]"));
        assert_eq!(tag, "\"4f53cda18c2baa0c\"");
        for list in [&*tag, "*", &format!("\"x\", W/{tag}")] {
            assert!(lists(list, &tag), "{list}");
        }
        for list in ["", "\"x\"", "4f53cda18c2baa0c"] {
            assert!(!lists(list, &tag), "{list}");
        }
    }
}
