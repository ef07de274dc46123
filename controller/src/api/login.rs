//! Logins of browsers.
//!
//! ```text
//!   POST /logins (admin) ─▶ a code ─▶ https://…/login#CODE ─▶ the page's script ─▶ POST /login {code}
//!                                     the code is in the fragment:                   │
//!                                     no server, log or Referer sees it              ▼
//!                                                       Set-Cookie, HttpOnly, SameSite=Strict
//! ```

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::{Extension, response::IntoResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::CameFrom;
use super::extract::{JsonBody, optional, required};
use super::idempotency::HoldsSecret;
use super::{Api, Problem};
use crate::access::{By, CODE_MS, LoginCode, Who};
use crate::scope::Scope;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(invite))
}

/// Beside the page, whose cookie they set.
pub(super) fn at_root() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(log_in))
        .routes(routes!(log_out))
}

/// What `POST /logins` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InviteBody {
    /// What the session may do; `admin` without it.
    scope: Option<String>,
}

/// Where somebody may log in, once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoginView {
    /// Address for a browser, with the code in its fragment: a secret.
    pub(crate) url: String,
    /// What the session may do.
    pub(crate) scope: Scope,
    /// How long the code is good, in milliseconds.
    pub(crate) expires_in_ms: u64,
}

/// The code is not shown.
impl std::fmt::Debug for LoginView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LoginView({}, …)", self.scope)
    }
}

impl Api {
    /// Makes a login that is good once.
    pub(crate) fn invite(&self, scope: Scope) -> LoginView {
        let code = self.access.invite(scope);
        LoginView {
            url: format!("{}login#{code}", self.guard.home()),
            scope,
            expires_in_ms: CODE_MS,
        }
    }
}

/// Makes an address at which a browser may log in, once.
#[utoipa::path(post, path = "/logins", tag = "access", operation_id = "createLogin",
    security(("token" = [Scope::Admin])),
    request_body = InviteBody, responses((status = 201, body = LoginView)))]
pub(super) async fn invite(
    State(api): State<Api>,
    JsonBody(body): JsonBody<InviteBody>,
) -> Result<(StatusCode, Extension<HoldsSecret>, Json<LoginView>), Problem> {
    let scope = optional::<Scope>("scope", body.scope.as_deref())?.unwrap_or(Scope::Admin);
    let made = api.invite(scope);
    Ok((StatusCode::CREATED, Extension(HoldsSecret), Json(made)))
}

/// What `POST /login` takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginBody {
    /// The code, as it stood behind the `#`.
    #[schema(value_type = String)]
    code: Option<String>,
}

impl std::fmt::Debug for LoginBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginBody(…)")
    }
}

/// What a browser is by now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionView {
    /// `loggedIn` or `loggedOut`.
    status: &'static str,
    /// What it may do; `null` is nothing.
    scope: Option<Scope>,
}

/// Turns a login code into a session, whose cookie the answer sets.
#[utoipa::path(post, path = "/login", tag = "access", operation_id = "logIn", security(()),
    request_body = LoginBody, responses((status = 200, body = SessionView)))]
pub(super) async fn log_in(
    State(api): State<Api>,
    from: Option<Extension<CameFrom>>,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<impl IntoResponse, Problem> {
    let code: String = required("code", body.code.as_deref())?;
    let code = code.parse::<LoginCode>().ok();
    let Some((session, cookie)) = code.and_then(|code| api.access.log_in(&code)) else {
        let message = "this login code was used, or has run out";
        let refused = api.refuse(from.map(|Extension(from)| from.0.ip()));
        return Err(match refused.status {
            StatusCode::UNAUTHORIZED => Problem {
                message: message.into(),
                ..refused.hint("`miner-ctrl login` prints a new one")
            },
            _ => refused,
        });
    };
    let cookie = [(SET_COOKIE, set_cookie(&api, &cookie.to_string(), None))];
    let view = SessionView {
        status: "loggedIn",
        scope: Some(session.scope),
    };
    let who = Who {
        by: By::Session(session.number),
        scope: session.scope,
    };
    Ok((cookie, Extension(HoldsSecret), Extension(who), Json(view)))
}

/// Ends the session of the browser that asks.
#[utoipa::path(post, path = "/logout", tag = "access", operation_id = "logOut", security(()),
    responses((status = 200, body = SessionView)))]
pub(super) async fn log_out(
    State(api): State<Api>,
    headers: HeaderMap,
) -> ([(HeaderName, String); 1], Json<SessionView>) {
    api.cookies(&headers).for_each(|cookie| {
        api.access.log_out(cookie);
    });
    let gone = [(SET_COOKIE, set_cookie(&api, "", Some(0)))];
    let view = SessionView {
        status: "loggedOut",
        scope: None,
    };
    (gone, Json(view))
}

/// The cookie ends with the browser; the session by the controller's word.
fn set_cookie(api: &Api, value: &str, max_age: Option<u32>) -> String {
    let mut text = format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Strict",
        api.guard.cookie()
    );
    if api.guard.tls {
        text += "; Secure";
    }
    if let Some(seconds) = max_age {
        text += &format!("; Max-Age={seconds}");
    }
    text
}
