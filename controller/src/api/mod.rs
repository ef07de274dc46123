//! REST: the farm over HTTP, for scripts, for the page and for our own command line.
//!
//! Every route is under `/api/v1/mining`; `{id}` and `{peerId}` take a node ID, a unique prefix of
//! one, or a name. Handlers are thin: request to checked values, one call of [`Farm`], view to JSON.
//!
//! | what | where |
//! |---|---|
//! | every route: scope, body, answers | [`describe()`], as text in docs/openapi.json and at `GET /openapi.json` |
//! | bodies of answers | [`crate::farm`]'s views |
//! | who may ask | [`Guard`], [`access`], [`scope_of`] |
//!
//! `/health` and `/ready` are without the base too. Anything else, and any failure, is a [`Problem`].

mod access;
mod answer;
mod api_tokens;
mod attention;
mod audit;
mod backup;
mod boots;
mod common;
mod describe;
mod discover;
mod drift;
mod etag;
mod events;
mod extract;
mod fleet;
mod guard;
mod history;
mod idempotency;
mod keys;
mod login;
mod metrics;
mod node;
mod options;
mod orders;
mod paging;
mod peers;
mod pools;
mod portions;
mod problem;
mod profile_body;
mod profiles;
mod query;
mod remote;
mod request_id;
mod rollouts;
mod server;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod tokens;
mod updates;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use miner_agent::store::Dirs;
use utoipa_axum::router::OpenApiRouter;

pub use self::describe::{describe, describe_as_text, scope_of};
pub use self::etag::MAX_TAGGED;
pub(crate) use self::events::KEEP_ALIVE;
pub use self::extract::MAX_BODY;
pub use self::guard::{Guard, ServedName};
use self::idempotency::Replays;
pub use self::idempotency::{
    IDEMPOTENCY_KEY, KEPT_MS, MAX_IDEMPOTENCY_KEY, MAX_KEPT_ANSWER, MAX_KEPT_ANSWERS, REPLAYED,
};
pub use self::paging::{MAX_PAGE, TOTAL_COUNT};
pub use self::problem::Problem;
pub(crate) use self::profile_body::pool_url;
pub use self::profile_body::{PoolBody, ProfileBody};
pub use self::request_id::{MAX_REQUEST_ID, REQUEST_ID, RequestId};
pub(crate) use self::server::serve;
pub use self::server::{HEADER_TIMEOUT, MAX_CONNECTIONS, MAX_HEADER_BYTES, MAX_HEADERS};
use crate::access::Access;
use crate::audit::AuditLog;
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
    /// Who changed what.
    pub audit: Arc<AuditLog>,
    /// Where this node's files are, for a backup; `None` where it has none.
    pub dirs: Option<Dirs>,
}

impl Api {
    /// An API of this farm that nobody is logged in to, of a node without files.
    pub fn new(farm: Arc<Farm>, guard: Guard) -> Self {
        let access = Arc::new(Access::new(farm.clock()));
        let audit = Arc::new(AuditLog::in_memory(farm.clock()));
        Self {
            farm,
            guard,
            access,
            audit,
            dirs: None,
        }
    }

    /// The same, of the node that has its files here, its audit log among them.
    #[must_use]
    pub fn of_node_in(self, dirs: Dirs) -> Self {
        let audit = AuditLog::in_files(dirs.data(), self.farm.clock());
        Self {
            audit: Arc::new(audit),
            dirs: Some(dirs),
            ..self
        }
    }
}

/// All described routes: the API under [`BASE`], and what supervisors ask also at the root.
fn described() -> OpenApiRouter<Api> {
    let routes = OpenApiRouter::default()
        .merge(node::routes())
        .merge(node::probes())
        .merge(describe::routes())
        .merge(peers::routes())
        .merge(boots::routes())
        .merge(fleet::routes())
        .merge(table::routes())
        .merge(remote::routes())
        .merge(orders::routes())
        .merge(profiles::routes())
        .merge(pools::routes())
        .merge(rollouts::routes())
        .merge(updates::routes())
        .merge(tokens::routes())
        .merge(keys::routes())
        .merge(api_tokens::routes())
        .merge(login::routes())
        .merge(audit::routes())
        .merge(discover::routes())
        .merge(options::routes())
        .merge(history::routes())
        .merge(attention::routes())
        .merge(drift::routes())
        .merge(events::routes())
        .merge(metrics::routes())
        .merge(backup::routes());
    OpenApiRouter::with_openapi(describe::head())
        .nest(BASE, routes)
        .merge(node::probes())
        .merge(login::at_root())
        .merge(metrics::routes())
}

/// All routes, guarded: what is [described](describe()), and the page at `/`.
pub fn router(api: Api) -> Router {
    /// Made once: with the routes their description is, which is large.
    static ROUTES: LazyLock<Router<Api>> = LazyLock::new(|| Router::from(described()));
    let replays = Replays::new(api.farm.clock());
    ROUTES
        .clone()
        .merge(page::routes())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(api.clone())
        .layer(from_fn(request_id::carry))
        .layer(from_fn(etag::tag))
        .layer(from_fn_with_state(replays, idempotency::once))
        .layer(from_fn(query::check))
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
