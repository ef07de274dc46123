//! How the pools are, and whether one lets a wallet in.

use axum::Json;
use axum::extract::State;
use miner_shared::text::{PoolPass, PoolUser};
use miner_shared::wire::Pool;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::Asker;
use super::extract::{JsonBody, optional};
use super::paging::{Listing, Page};
use super::profile_body::pool_url;
use super::{Api, Problem};
use crate::farm::{PoolCheckView, PoolUseView};
use crate::scope::Scope;
use crate::wallet::Coin;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(check))
}

/// Pools that profiles in use name or rigs report, by address.
#[utoipa::path(get, path = "/pools", tag = "profiles", operation_id = "listPools",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<PoolUseView>)))]
async fn list(State(api): State<Api>, page: Page) -> Result<Listing<PoolUseView>, Problem> {
    page.of(api.farm.pools().await, |pool| pool.url.clone())
}

/// What `POST /pools/check` takes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolCheckBody {
    /// `host:port`, also with `stratum+tcp://` or `stratum+ssl://` in front.
    #[schema(value_type = String)]
    url: Option<String>,
    /// Whether to speak TLS with it.
    #[serde(default)]
    tls: bool,
    /// Login: the wallet, with what the pool lets one append.
    #[schema(value_type = String)]
    user: Option<String>,
    /// Password; never given back, and in no log.
    #[serde(default)]
    pass: String,
    /// Coin that the wallet is an address of, such as `monero`: it is checked then.
    #[schema(max_length = 24)]
    coin: Option<String>,
}

/// Connects to a pool, logs in as a rig would, and says how far that came; within 10 s.
///
/// Nothing is stored, nothing is mined, and no redirect is followed. What the pool makes of it is no
/// failure of the request: `error` says it. Who asks again before the end of it is told to wait (429).
#[utoipa::path(post, path = "/pools/check", tag = "profiles", operation_id = "checkPool",
    security(("token" = [Scope::Admin])),
    request_body = PoolCheckBody, responses((status = 200, body = PoolCheckView)))]
async fn check(
    State(api): State<Api>,
    asker: Asker,
    JsonBody(body): JsonBody<PoolCheckBody>,
) -> Result<Json<PoolCheckView>, Problem> {
    let url = body.url.as_deref();
    let url = url.ok_or_else(|| Problem::invalid("url", "it is missing"))?;
    let (address, tls) = pool_url(url).map_err(|why| Problem::invalid("url", why))?;
    let user = body.user.as_deref();
    let user = user.ok_or_else(|| Problem::invalid("user", "it is missing"))?;
    let pool = Pool {
        address,
        tls: body.tls || tls,
        user: PoolUser::parse(user).map_err(|why| Problem::invalid("user", why))?,
        pass: PoolPass::parse(&body.pass).map_err(|why| Problem::invalid("pass", why))?,
    };
    let coin = optional::<Coin>("coin", body.coin.as_deref())?;
    let who = asker.may(Scope::Admin)?.to_string();
    let check = api.farm.check_pool(&pool, coin.as_ref(), who).await;
    Ok(Json(check?))
}
