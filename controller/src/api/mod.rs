//! REST: the farm over HTTP, for scripts, for the page and for our own command line.
//!
//! Every route is under `/api/v1/mining`; `{id}` and `{peerId}` take a node ID, a unique prefix of
//! one, or a name. Handlers are thin: request to checked values, one call of [`Farm`], view to JSON.
//!
//! | method and path | body | answer |
//! |---|---|---|
//! | `GET /node/info` | | [`NodeInfoView`](crate::farm::NodeInfoView) |
//! | `POST /node/init` | `{name, role?}` | 409: a node that answers has an identity |
//! | `GET, POST /node/recovery` | `{publicKey, proof?, lost?}` | [`RecoveryView`](crate::farm::RecoveryView) |
//! | `GET /peers`, `GET /peers/{id}` | | [`PeerView`](crate::farm::PeerView), a list of them |
//! | `POST /peers` | `{address?, name?, pairingCode?, fingerprint?, tofu?}` | 201, or 409 with the fingerprint found |
//! | `PATCH /peers/{id}` | `{name}` | [`PeerView`](crate::farm::PeerView) |
//! | `DELETE /peers/{id}?keepToken=true` | | `{status, id}` |
//! | `POST /peers/{id}/ping` | | `{rtt_ms, pingMs}` |
//! | `GET /optimal?count=1` | | [`OptimalView`](crate::farm::OptimalView): the linked rigs that answer best |
//! | `GET /remote/stats` | | `{peerId: `[`StatsView`](crate::farm::StatsView)`}` |
//! | `GET /remote/{peerId}/stats` | | [`StatsView`](crate::farm::StatsView) |
//! | `POST /remote/{peerId}/start` | `{profileId}` | [`AppliedView`](crate::farm::AppliedView) |
//! | `POST /remote/{peerId}/stop` | `{minerName?}` | [`AppliedView`](crate::farm::AppliedView) |
//! | `GET /remote/{peerId}/logs/{miner}?lines=100` | | [`LogsView`](crate::farm::LogsView) |
//! | `GET /remote/{peerId}/managers` | | [`ManagersView`](crate::farm::ManagersView) |
//! | `POST /remote/{peerId}/handover`, `/revoke`, `/rotate-key` | `{to}`, `{manager}`, | [`OrderView`](crate::farm::OrderView); `unknown` is a status, not an error |
//! | `GET, POST /profiles`, `GET, DELETE /profiles/{id}` | `{name, pools, threads?, mode?}` | [`ProfileView`](crate::farm::ProfileView) |
//! | `GET /tokens`, `POST /tokens` | `{label?, uses?, expiresSecs?, namePattern?, group?, from?, approve?, ephemeral?}` | [`TokenView`](crate::farm::TokenView)s; the new one alone with `token` |
//! | `DELETE /tokens/{id}` | | `{status, id}` |
//! | `GET /pending` | | [`PendingView`](crate::farm::PendingView)s: rigs that wait for approval |
//! | `POST /pending/{id}/approve`, `DELETE /pending/{id}` | | [`PeerView`](crate::farm::PeerView), `{status, id}` |
//! | `GET /removed`, `DELETE /removed/{id}` | | [`RemovedView`](crate::farm::RemovedView)s, `{status, id}` |
//! | `GET, POST /api-tokens`, `DELETE /api-tokens/{id}` | `{scope, label?, expiresSecs?}` | [`ApiTokenView`](crate::farm::ApiTokenView)s; the new one alone with `token` |
//! | `POST /logins` | `{scope?}` | `{url, scope, expiresInMs}`: where a browser may log in, once |
//! | `POST /login`, `POST /logout`, without the base | `{code}` | a session's cookie, or its end |
//! | `POST /discover` | `{seconds?}` | [`DiscoveryView`](crate::farm::DiscoveryView): who announces itself on the local network |
//! | `GET /health`, `GET /ready` | | `{status}`, also without the base |
//!
//! Anything else, and any failure, is a [`Problem`]. Who may ask is the matter of [`Guard`] and
//! [`access`]; which scope a route needs is in [`scope_of`].

mod access;
mod api_tokens;
mod discover;
mod extract;
mod guard;
mod keys;
mod login;
mod node;
mod peers;
mod problem;
mod profiles;
mod remote;
mod request_id;
mod scope;
mod server;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};

pub use self::extract::MAX_BODY;
pub use self::guard::{Guard, ServedName};
pub use self::problem::Problem;
pub use self::profiles::{PoolBody, ProfileBody};
pub use self::request_id::{REQUEST_ID, RequestId};
pub use self::scope::scope_of;
pub(crate) use self::server::serve;
pub use self::server::{HEADER_TIMEOUT, MAX_CONNECTIONS, MAX_HEADER_BYTES, MAX_HEADERS};
use crate::access::Access;
use crate::farm::Farm;
use crate::page;

/// Where every route of the API begins.
pub const BASE: &str = "/api/v1/mining";

/// What the handlers share.
#[derive(Clone, Debug)]
pub struct Api {
    /// The farm that they show and change.
    pub farm: Arc<Farm>,
    /// Under which names, and from whose pages.
    pub guard: Guard,
    /// Who may ask.
    pub access: Arc<Access>,
}

impl Api {
    /// An API of this farm that nobody is logged in to.
    pub fn new(farm: Arc<Farm>, guard: Guard) -> Self {
        let access = Arc::new(Access::new(farm.clock()));
        Self {
            farm,
            guard,
            access,
        }
    }
}

/// All routes, guarded: the API under [`BASE`] and the page at `/`.
pub fn router(api: Api) -> Router {
    let routes = Router::new()
        .route("/node/info", get(node::info))
        .route("/node/init", post(node::init))
        .route(
            "/node/recovery",
            get(keys::recovery).post(keys::set_recovery),
        )
        .route("/peers", get(peers::list).post(peers::add))
        .route(
            "/peers/{id}",
            get(peers::show).patch(tokens::rename).delete(peers::remove),
        )
        .route("/peers/{id}/ping", post(peers::ping))
        .route("/optimal", get(peers::optimal))
        .route("/remote/stats", get(remote::all_stats))
        .route("/remote/{peerId}/stats", get(remote::stats))
        .route("/remote/{peerId}/start", post(remote::start))
        .route("/remote/{peerId}/stop", post(remote::stop))
        .route("/remote/{peerId}/logs/{miner}", get(remote::logs))
        .route("/remote/{peerId}/managers", get(keys::managers))
        .route("/remote/{peerId}/handover", post(keys::hand_over))
        .route("/remote/{peerId}/revoke", post(keys::revoke))
        .route("/remote/{peerId}/rotate-key", post(keys::rotate))
        .route("/profiles", get(profiles::list).post(profiles::create))
        .route(
            "/profiles/{id}",
            get(profiles::show).delete(profiles::delete),
        )
        .route("/tokens", get(tokens::list).post(tokens::create))
        .route("/tokens/{id}", delete(tokens::revoke))
        .route("/pending", get(tokens::pending))
        .route("/pending/{id}", delete(tokens::deny))
        .route("/pending/{id}/approve", post(tokens::approve))
        .route("/removed", get(tokens::removed))
        .route("/removed/{id}", delete(tokens::forget))
        .route(
            "/api-tokens",
            get(api_tokens::list).post(api_tokens::create),
        )
        .route("/api-tokens/{id}", delete(api_tokens::revoke))
        .route("/logins", post(login::invite))
        .route("/discover", post(discover::ask))
        .route("/health", get(node::health))
        .route("/ready", get(node::ready));
    Router::new()
        .nest(BASE, routes)
        .merge(page::routes())
        .route("/login", post(login::log_in).get(page::login))
        .route("/logout", post(login::log_out))
        .route("/health", get(node::health))
        .route("/ready", get(node::ready))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(api.clone())
        .layer(from_fn_with_state(api, access::check))
        .layer(from_fn(request_id::name))
        .layer(from_fn(guard::harden))
}

async fn no_such_route(uri: Uri) -> Problem {
    let message = format!("nothing is at {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, "NOT_FOUND", message)
        .hint(format!("the API is under {BASE}, the page at /"))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let message = format!("{} does not take {method}", uri.path());
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        message,
    )
}
