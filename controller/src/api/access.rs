//! Whether a request may go on: [`Guard`](super::Guard), then its credential, then its scope.
//!
//! | credential | | answer |
//! |---|---|---|
//! | none | where one is needed | 401 `UNAUTHENTICATED` |
//! | a bearer token that is none, expired or revoked | | 401, and 429 `TOO_MANY_FAILURES` beyond a rate |
//! | a good one | of a lower scope than the route's | 403 `SCOPE_TOO_LOW`, which names the scope |
//! | a session's cookie | that changes something, with nothing that shows it came from our page | 403 `ORIGIN_NOT_ALLOWED` |
//!
//! Routes that need none (`/health`, `/ready`, the login) are [`scope_of`]'s matter.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::guard::only;
use super::{Api, Problem, scope_of};
use crate::access::{ApiToken, By, Who};
use crate::farm::PayoutChange;
use crate::page;
use crate::scope::Scope;

/// Where a request came from; absent if it came from this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CameFrom(pub(crate) SocketAddr);

/// Who asks, for what is remembered of a deed. A route that needs no credential has nobody to name.
#[derive(Clone, Debug)]
pub(super) struct Asks(pub(super) By);

impl<S: Send + Sync> FromRequestParts<S> for Asks {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Who>();
        Ok(Self(who.map_or(By::Local, |who| who.by.clone())))
    }
}

/// Who asks, where what the body says decides which scope it takes.
#[derive(Clone, Debug)]
pub(super) struct Asker(Option<Who>);

impl Asker {
    /// By what they ask, if that allows it.
    pub(super) fn may(self, needed: Scope) -> Result<By, Problem> {
        let who = self.0.ok_or_else(unauthenticated)?;
        if who.scope.allows(needed) {
            return Ok(who.by);
        }
        Err(too_low(&who, needed))
    }
}

/// Lets rigs mine for another wallet only for an admin who has repeated its end.
pub(super) fn confirm_payout(
    change: Option<&PayoutChange>,
    asker: &Asker,
    said: Option<&str>,
) -> Result<(), Problem> {
    let Some(change) = change else { return Ok(()) };
    asker.clone().may(Scope::Admin)?;
    Ok(change.confirm(said)?)
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(parts.extensions.get::<Who>().cloned()))
    }
}

/// Lets a request go on, with its [`Who`], or refuses it.
/// What may change something is in the audit log by then.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    if !is_safe(request.method()) {
        return api.audited(request, next).await;
    }
    let (mut parts, body) = request.into_parts();
    match api.admit(&parts) {
        Ok(who) => {
            if let Some(who) = who {
                parts.extensions.insert(who);
            }
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

impl Api {
    /// Who asks, if the request may go on.
    pub(super) fn admit(&self, parts: &Parts) -> Result<Option<Who>, Problem> {
        let Parts {
            method,
            uri,
            headers,
            extensions,
            ..
        } = parts;
        self.guard.admit(method, uri, headers)?;
        let route = extensions.get::<MatchedPath>();
        let from = extensions.get::<CameFrom>().map(|from| from.0.ip());
        let needed = needed(method, route.map(MatchedPath::as_str));
        let who = self.who(headers, from);
        let Some(needed) = needed else {
            return Ok(who.ok().flatten());
        };
        let who = who?.ok_or_else(unauthenticated)?;
        if !who.scope.allows(needed) {
            return Err(too_low(&who, needed));
        }
        if matches!(who.by, By::Session(_)) && !is_safe(method) && !is_from_our_page(headers)? {
            let message = "a change by a browser's session must come from this controller's page";
            return Err(
                Problem::new(StatusCode::FORBIDDEN, "ORIGIN_NOT_ALLOWED", message)
                    .hint("programs use an API token: `miner-ctrl api-token create`"),
            );
        }
        Ok(Some(who))
    }

    /// What the request's credential proves; `None` if it has none. A bearer token decides alone.
    fn who(&self, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Option<Who>, Problem> {
        if let Some(text) = only(headers, &AUTHORIZATION)? {
            let found = bearer(text).and_then(|token| self.holder(&token));
            return found.map(Some).ok_or_else(|| self.refuse(from));
        }
        // A cookie of a session that has ended is no attack: its browser logs in again.
        let session = self
            .cookies(headers)
            .find_map(|cookie| self.access.session(cookie));
        Ok(session.map(|session| Who {
            by: By::Session(session.number),
            scope: session.scope,
        }))
    }

    fn holder(&self, token: &ApiToken) -> Option<Who> {
        if self.access.is_own(token) {
            return Some(Who {
                by: By::Local,
                scope: Scope::Admin,
            });
        }
        let (scope, label) = self.farm.holder_of(token)?;
        Some(Who {
            by: By::Token(token.id(), label),
            scope,
        })
    }

    /// What a bad credential hears.
    pub(super) fn refuse(&self, from: Option<IpAddr>) -> Problem {
        let noted = from.map_or(Ok(()), |from| {
            let limited = self.access.failed(from)?;
            self.farm.note_refused(from, limited);
            Ok(())
        });
        match noted {
            Ok(()) => {
                let message = "this token is unknown, revoked or expired";
                Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
                    .hint("`miner-ctrl api-token list` shows those that are good")
            }
            Err(seconds) => {
                let message = "too many bad tokens came from there";
                Problem {
                    retryable: true,
                    retry_after: Some(seconds),
                    ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_FAILURES", message)
                }
            }
        }
    }

    /// Values of all cookies that have the name of ours.
    pub(super) fn cookies<'h>(&self, headers: &'h HeaderMap) -> impl Iterator<Item = &'h str> {
        let name = self.guard.cookie();
        let lines = headers.get_all(COOKIE).iter();
        let pairs = lines.filter_map(|line| line.to_str().ok());
        let pairs = pairs.flat_map(|line| line.split(';'));
        pairs.filter_map(move |pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then_some(value)
        })
    }
}

/// What a request to this route needs; nobody without a credential learns which paths there are.
fn needed(method: &Method, route: Option<&str>) -> Option<Scope> {
    let Some(route) = route else {
        return Some(Scope::Read);
    };
    page::scope_of(route).unwrap_or_else(|| scope_of(method, route))
}

fn bearer(text: &str) -> Option<ApiToken> {
    let (scheme, token) = text.split_once(' ')?;
    let token = scheme.eq_ignore_ascii_case("Bearer").then_some(token)?;
    token.trim().parse().ok()
}

fn unauthenticated() -> Problem {
    let message = "this needs a token or a login";
    Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message).hint(
        "programs send `Authorization: Bearer mct_…` (`miner-ctrl api-token create`); \
         for a browser `miner-ctrl login` prints where to log in",
    )
}

fn too_low(who: &Who, needed: Scope) -> Problem {
    let message = format!(
        "this needs the scope {needed}, and {} has {}",
        who.by, who.scope
    );
    Problem::new(StatusCode::FORBIDDEN, "SCOPE_TOO_LOW", message).hint(match who.by {
        By::Session(_) => format!("`miner-ctrl login --scope {needed}` prints where to log in"),
        By::Local | By::Token(..) => format!("`miner-ctrl api-token create --scope {needed}`"),
    })
}

/// Whether a method changes nothing.
pub(super) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// Whether a browser says that our own page sent it. An `Origin` that is there is ours by now.
fn is_from_our_page(headers: &HeaderMap) -> Result<bool, Problem> {
    const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let same = only(headers, &SEC_FETCH_SITE)? == Some("same-origin");
    Ok(same || only(headers, &ORIGIN)?.is_some())
}
