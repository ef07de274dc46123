//! From a request to checked values; what does not fit becomes a [`Problem`] that names the field.

use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::{BodyExt, Limited};
use miner_shared::identity::NodeId;
use serde::de::DeserializeOwned;
use smol::Timer;
use smol::future::FutureExt;

use super::Api;
use super::problem::Problem;

/// Bytes of a request body.
pub const MAX_BODY: usize = 64 * 1024;
/// From the end of the headers to the end of the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body of this type, within [`MAX_BODY`] and [`BODY_TIMEOUT`]. No body reads as `{}`.
#[derive(Debug)]
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = read_body(request.into_body()).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let refuse = |why: &dyn std::fmt::Display| {
            let message = format!("the body is not the JSON expected here: {why}");
            Problem::new(StatusCode::BAD_REQUEST, "INVALID_INPUT", message)
        };
        // Serde would read the members of a structure from an array too, in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(refuse(&"it must be an object"));
        }
        serde_json::from_slice(bytes)
            .map(Self)
            .map_err(|error| refuse(&error))
    }
}

/// The whole body, within [`MAX_BODY`] and [`BODY_TIMEOUT`].
pub(super) async fn read_body(body: Body) -> Result<Bytes, Problem> {
    let body = Limited::new(body, MAX_BODY);
    let read = async { Some(body.collect().await) };
    let late = async {
        Timer::after(BODY_TIMEOUT).await;
        None
    };
    match read.or(late).await {
        Some(Ok(collected)) => Ok(collected.to_bytes()),
        Some(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body is longer than {MAX_BODY} bytes");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(Problem::new(status, "BODY_TOO_LARGE", message))
        }
        Some(Err(_)) => {
            let message = "the body ended before it was whole";
            let status = StatusCode::BAD_REQUEST;
            Err(Problem::new(status, "INVALID_INPUT", message))
        }
        None => {
            let message = "the body did not come in time";
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(Problem::new(status, "BODY_TIMEOUT", message))
        }
    }
}

/// The peer that the path's first parameter names: node ID, unique prefix of one, or name.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerPath(pub(super) NodeId);

impl FromRequestParts<Api> for PeerPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Segments(segments) = Segments::from_request_parts(parts, api).await?;
        let name = segments.first().map_or("", String::as_str);
        Ok(Self(api.farm.resolve(name)?))
    }
}

/// The path's parameters, percent-decoded, in order.
#[derive(Debug)]
pub(super) struct Segments(pub(super) Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| {
                let message = "the path is not percent-encoded UTF-8";
                Problem::new(StatusCode::BAD_REQUEST, "INVALID_INPUT", message)
            })?;
        Ok(Self(
            params.iter().map(|(_, value)| value.to_owned()).collect(),
        ))
    }
}

/// The checked value of an optional field.
pub(super) fn optional<T>(field: &'static str, text: Option<&str>) -> Result<Option<T>, Problem>
where
    T: FromStr<Err: std::fmt::Display>,
{
    text.map(|text| text.parse().map_err(|why| Problem::invalid(field, why)))
        .transpose()
}

/// The checked value of a field that must be there.
pub(super) fn required<T>(field: &'static str, text: Option<&str>) -> Result<T, Problem>
where
    T: FromStr<Err: std::fmt::Display>,
{
    optional(field, text)?.ok_or_else(|| Problem::invalid(field, "it is missing"))
}
