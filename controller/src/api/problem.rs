//! The one shape of every REST error:
//! `{code, message, field?, hint?, retryable, fingerprint?, requestId?}`.
//!
//! The farm's own errors keep their code and status ([`crate::error`]); the codes below are those of
//! the HTTP side. The command line reads the same type back, so both ends agree by construction.

use std::borrow::Cow;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::FarmError;

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// HTTP status; in the status line, not in the body.
    #[serde(skip)]
    pub status: StatusCode,
    /// Kind of failure; stable, scripts match on it.
    pub code: Cow<'static, str>,
    /// What happened, in one sentence without a full stop.
    pub message: Box<str>,
    /// The input field that was wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub field: Option<Cow<'static, str>>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hint: Option<Box<str>>,
    /// Whether the same request may succeed later without a change.
    pub retryable: bool,
    /// The fingerprint that was found, where the problem is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fingerprint: Option<Box<str>>,
    /// The request's number, as the header `X-Request-Id` and the audit log have it.
    #[serde(default, rename = "requestId", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub request_id: Option<Box<str>>,
    /// How many seconds to wait before the next attempt; in a header, not in the body.
    #[serde(skip)]
    pub retry_after: Option<u16>,
}

impl Problem {
    /// A problem of the HTTP side; none of them goes away by itself.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: message.into(),
            field: None,
            hint: None,
            retryable: false,
            fingerprint: None,
            request_id: None,
            retry_after: None,
        }
    }

    /// An input field that does not keep its rule: 400.
    pub fn invalid(field: impl Into<Cow<'static, str>>, why: impl std::fmt::Display) -> Self {
        let field = field.into();
        let message = format!("`{field}` cannot be used: {why}");
        Self {
            field: Some(field),
            ..Self::new(StatusCode::BAD_REQUEST, "INVALID_INPUT", message)
        }
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<FarmError> for Problem {
    fn from(error: FarmError) -> Self {
        Self {
            status: StatusCode::from_u16(error.code.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: Cow::Borrowed(error.code.as_str()),
            message: error.message.into(),
            field: error.field,
            hint: error.hint.map(String::into_boxed_str),
            retryable: error.retryable,
            fingerprint: error.fingerprint.map(|f| f.to_string().into()),
            request_id: None,
            retry_after: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For whoever adds the request's number, or notes what became of it.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_read_back_as_it_was_written() {
        let problem = Problem::invalid("lines", "not a number").hint("--lines 100");
        let text = serde_json::to_string(&problem).expect("serialises");
        assert_eq!(
            text,
            r#"{"code":"INVALID_INPUT","message":"`lines` cannot be used: not a number","field":"lines","hint":"--lines 100","retryable":false}"#
        );
        let mut back: Problem = serde_json::from_str(&text).expect("reads back");
        back.status = StatusCode::BAD_REQUEST;
        assert_eq!(back, problem);
    }
}
