//! Who changed what: one entry for each request that is no read, refused ones too, on the disk before the
//! answer.
//!
//! ```text
//!   admitted? ─ no ──────────────────────────────▶ refused ─┐
//!       └ yes ─▶ can the log be written? ─ no ─▶ 503        ├─▶ entry ─▶ answer
//!                     └ yes ─▶ body ─▶ handler ─▶ answered ─┘     └─ not written ─▶ 500 AUDIT_FAILED
//! ```

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::CameFrom;
use super::extract::{optional, read_body};
use super::{Api, Problem, RequestId};
use crate::access::Who;
use crate::audit::{Draft, Entry, Unwritten, digest};
use crate::scope::Scope;

/// Entries that one request may ask for.
const MAX_ENTRIES: usize = 1_000;
/// The same if nothing is said.
const USUAL_ENTRIES: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(list))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditQuery {
    /// At most so many entries; 100 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1_000)]
    limit: Option<String>,
    /// Only entries below this number: `next` of the answer before.
    #[param(value_type = Option<u64>, format = "uint64")]
    before: Option<String>,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditView {
    /// The newest first.
    entries: Vec<Entry>,
    /// What `before` takes for the next part; `null` if this is the last one.
    next: Option<u64>,
}

/// Who changed what, the newest first.
#[utoipa::path(get, path = "/audit", tag = "access", operation_id = "listAudit",
    security(("token" = [Scope::Admin])),
    params(AuditQuery), responses((status = 200, body = AuditView)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("query", why))?;
    let limit = optional::<usize>("limit", query.limit.as_deref())?.unwrap_or(USUAL_ENTRIES);
    if !(1..=MAX_ENTRIES).contains(&limit) {
        let why = format!("it must be from 1 to {MAX_ENTRIES}");
        return Err(Problem::invalid("limit", why));
    }
    let before = optional::<u64>("before", query.before.as_deref())?;
    let entries = api.audit.page(before, limit).map_err(|error| {
        log::error!("audit log not read error={error}");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "AUDIT_FAILED", "the audit log could not be read")
    })?;
    let is_full = entries.len() == limit;
    let next = entries.last().map(|last| last.seq).filter(|_| is_full);
    Ok(Json(AuditView { entries, next }))
}

impl Api {
    /// Lets a change go on and notes what became of it, or notes that it was refused.
    pub(super) async fn audited(&self, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let mut draft = draft(&parts);
        let mut who = None;
        let response = match self.admit(&parts) {
            Ok(found) => {
                who.clone_from(&found);
                let done = self.change(parts, body, found, &mut draft, next).await;
                done.unwrap_or_else(IntoResponse::into_response)
            }
            Err(problem) => problem.into_response(),
        };
        // Whoever logs in is known by what that gave them.
        let who = who.or_else(|| response.extensions().get::<Who>().cloned());
        let mut draft = draft.by(who.as_ref().map(|who| &who.by));
        draft.status = Some(response.status().as_u16());
        let problem = response.extensions().get::<Problem>();
        draft.code = problem.map(|problem| problem.code.to_string());
        match self.audit.record(draft).await {
            Ok(()) => response,
            Err(error) => unwritten(response.status(), &error).into_response(),
        }
    }

    async fn change(
        &self,
        mut parts: Parts,
        body: Body,
        who: Option<Who>,
        draft: &mut Draft,
        next: Next,
    ) -> Result<Response, Problem> {
        self.audit
            .ready()
            .await
            .map_err(|error| not_begun(&error))?;
        let body = read_body(body).await?;
        draft.body = digest(&body);
        if let Some(who) = who {
            parts.extensions.insert(who);
        }
        Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
    }
}

fn draft(parts: &Parts) -> Draft {
    let Parts {
        method,
        uri,
        extensions,
        ..
    } = parts;
    let route = extensions.get::<MatchedPath>();
    let route = route.map_or("(no route)", MatchedPath::as_str);
    Draft {
        from: extensions.get::<CameFrom>().map(|from| from.0.ip()),
        request_id: extensions.get::<RequestId>().map(ToString::to_string),
        ..Draft::of_request(method.as_str(), route, uri.path())
    }
}

fn not_begun(error: &Unwritten) -> Problem {
    log::error!("change refused reason={error}");
    let message = "nothing is changed while the audit log cannot be written";
    Problem {
        retryable: true,
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "AUDIT_FAILED", message)
    }
    .hint("the controller's log says why; is the disk full?")
}

fn unwritten(answered: StatusCode, error: &Unwritten) -> Problem {
    log::error!("request not in the audit log status={answered} reason={error}");
    let message = format!(
        "the request was answered {}, but the audit log could not be written",
        answered.as_u16()
    );
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "AUDIT_FAILED", message)
        .hint("look at what there is now before you repeat it")
}
