//! A POST that is sent twice, because its answer was lost, is done once.
//!
//! ```text
//!   Idempotency-Key: K ─┬─ K is new ──────────────────▶ done; a success is kept for a day
//!                       ├─ K was a success ───────────▶ the same answer, Idempotency-Replayed: true
//!                       ├─ K is being done ───────────▶ 409 IDEMPOTENCY_IN_PROGRESS, try again
//!                       ├─ K, its answer was not kept ▶ 409 ANSWER_NOT_KEPT: it was done
//!                       └─ K was another request ─────▶ 422 IDEMPOTENCY_MISMATCH
//! ```
//!
//! A failure is not kept: nothing was done, so the next attempt is one. An answer with a secret is not
//! kept either ([`HoldsSecret`]), as secrets are shown once. Keys belong to their credential. All
//! this is in memory: a controller that starts again knows no key.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use miner_shared::time::Millis;
use sha2::{Digest, Sha256};

use super::extract::read_body;
use super::problem::Problem;
use super::request_id::is_word;
use crate::access::Who;
use crate::clock::Clock;

/// The header that names an attempt and its repetitions.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that was kept.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Bytes of a key; a UUID has 36.
pub const MAX_IDEMPOTENCY_KEY: usize = 64;
/// Keys that are known at a time. One more, and the oldest is forgotten.
pub const MAX_KEPT_ANSWERS: usize = 1024;
/// Bytes of an answer that is kept: all of them are 16 MiB at most. Of a longer one only is known that
/// it was a success.
pub const MAX_KEPT_ANSWER: usize = 16 * 1024;
/// How long a key is known, in milliseconds: a day.
pub const KEPT_MS: u64 = 86_400_000;

/// Marks an answer that must not be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct HoldsSecret;

/// Whose key it is, and the key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    whose: Box<str>,
    key: Box<str>,
}

impl Name {
    fn new(who: &Who, key: &HeaderValue) -> Self {
        Self {
            whose: who.by.to_string().into(),
            key: key.to_str().unwrap_or_default().into(),
        }
    }
}

/// Keys and what came of them.
#[derive(Debug)]
pub(super) struct Replays {
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: BTreeMap<Name, Entry>,
    /// Keys that were forgotten before their day was over.
    lost: u64,
}

#[derive(Debug)]
struct Entry {
    since: Millis,
    /// Hash of path, query and body.
    request: [u8; 32],
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Running,
    /// Done; the answer holds a secret or is too long.
    Done,
    Answered(StatusCode, Option<HeaderValue>, Bytes),
}

/// Does a POST with a key once.
pub(super) async fn once(
    State(replays): State<Arc<Replays>>,
    request: Request,
    next: Next,
) -> Response {
    let key = request.headers().get(IDEMPOTENCY_KEY).cloned();
    // Who has no credential has no keys: nobody else may see what came of them.
    let who = request.extensions().get::<Who>();
    let (Some(key), Some(who), &Method::POST) = (key, who, request.method()) else {
        return next.run(request).await;
    };
    let name = Name::new(who, &key);
    match replays.run(name, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

impl Replays {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        let kept = Mutex::default();
        Arc::new(Self { clock, kept })
    }

    async fn run(&self, name: Name, request: Request, next: Next) -> Result<Response, Problem> {
        if !is_word(&name.key, MAX_IDEMPOTENCY_KEY) {
            let why = format!("it must be 1 to {MAX_IDEMPOTENCY_KEY} letters, digits, - _ . :");
            return Err(Problem::invalid("Idempotency-Key", why));
        }
        let (parts, body) = request.into_parts();
        let body = read_body(body).await?;
        let asked = parts
            .uri
            .path_and_query()
            .map_or("", |asked| asked.as_str());
        let hash = Sha256::new()
            .chain_update(asked)
            .chain_update([0])
            .chain_update(&body);
        if let Some(known) = self.begin(&name, hash.finalize().into())? {
            return Ok(known);
        }
        let running = Running {
            replays: self,
            name,
        };
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        Ok(running.end(response).await)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the request is being done; or the answer that it got before.
    fn begin(&self, name: &Name, request: [u8; 32]) -> Result<Option<Response>, Problem> {
        let now = self.clock.now().mono;
        let mut kept = self.lock();
        kept.entries
            .retain(|_, entry| now.since(entry.since) < KEPT_MS);
        let Some(entry) = kept.entries.get(name) else {
            kept.insert(name.clone(), request, now);
            return Ok(None);
        };
        if entry.request != request {
            let message = "this Idempotency-Key was used for another request";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "IDEMPOTENCY_MISMATCH", message)
                .hint("make a new key for each request"));
        }
        match entry.outcome.clone() {
            Outcome::Running => Err(Problem {
                retryable: true,
                ..Problem::new(
                    StatusCode::CONFLICT,
                    "IDEMPOTENCY_IN_PROGRESS",
                    "this request is being done",
                )
            }),
            Outcome::Done => {
                let message = "this was done, and its answer is not kept";
                Err(
                    Problem::new(StatusCode::CONFLICT, "ANSWER_NOT_KEPT", message).hint(
                        "look at what there is now; a secret that was lost is revoked and made anew",
                    ),
                )
            }
            Outcome::Answered(status, kind, body) => Ok(Some(answer(status, kind, body, true))),
        }
    }
}

impl Kept {
    fn insert(&mut self, name: Name, request: [u8; 32], since: Millis) {
        if self.entries.len() >= MAX_KEPT_ANSWERS {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.since);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.entries.remove(&oldest);
                self.lost += 1;
                log::warn!(
                    "idempotency key forgotten before its day lost={}",
                    self.lost
                );
            }
        }
        let entry = Entry {
            since,
            request,
            outcome: Outcome::Running,
        };
        self.entries.insert(name, entry);
    }
}

fn answer(status: StatusCode, kind: Option<HeaderValue>, body: Bytes, again: bool) -> Response {
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, kind);
    }
    if again {
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// A request that is being done; dropped before its end, it was none.
struct Running<'a> {
    replays: &'a Replays,
    name: Name,
}

impl Running<'_> {
    async fn end(self, response: Response) -> Response {
        if !response.status().is_success() {
            return response;
        }
        let is_secret = response.extensions().get::<HoldsSecret>().is_some();
        let (head, body) = response.into_parts();
        let Ok(body) = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
        else {
            let message = "the answer could not be made";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Problem::new(status, "INTERNAL_ERROR", message).into_response();
        };
        let outcome = if is_secret || body.len() > MAX_KEPT_ANSWER {
            Outcome::Done
        } else {
            let kind = head.headers.get(CONTENT_TYPE).cloned();
            Outcome::Answered(head.status, kind, body.clone())
        };
        if let Some(entry) = self.replays.lock().entries.get_mut(&self.name) {
            entry.outcome = outcome;
        }
        Response::from_parts(head, Body::from(body))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut kept = self.replays.lock();
        let entry = kept.entries.get(&self.name);
        if entry.is_some_and(|entry| matches!(entry.outcome, Outcome::Running)) {
            kept.entries.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Name {
        Name {
            whose: "local".into(),
            key: key.into(),
        }
    }

    #[test]
    fn however_many_keys_come_the_newest_are_known_and_the_others_counted() {
        let replays = Replays::new(Clock::start());
        for n in 0..=MAX_KEPT_ANSWERS {
            let begun = replays.begin(&name(&n.to_string()), [0; 32]);
            assert!(begun.expect("new").is_none());
        }
        let kept = replays.lock();
        assert_eq!((kept.entries.len(), kept.lost), (MAX_KEPT_ANSWERS, 1));
    }

    #[test]
    fn a_key_is_free_again_after_its_day() {
        let day = Clock::hasty(u32::MAX);
        let replays = Replays::new(day);
        replays.begin(&name("k"), [0; 32]).expect("new");
        // A moment of the hasty clock is more than a day.
        while day.now().mono < Millis(2 * KEPT_MS) {
            std::hint::spin_loop();
        }
        assert!(replays.begin(&name("k"), [1; 32]).expect("free").is_none());
    }

    #[test]
    fn a_request_that_ends_without_an_answer_leaves_its_key_free() {
        let replays = Replays::new(Clock::start());
        replays.begin(&name("k"), [0; 32]).expect("new");
        let again = replays.begin(&name("k"), [0; 32]).expect_err("running");
        assert_eq!(again.code, "IDEMPOTENCY_IN_PROGRESS");
        let name = name("k");
        drop(Running {
            replays: &replays,
            name: name.clone(),
        });
        assert!(replays.begin(&name, [1; 32]).expect("free").is_none());
    }
}
