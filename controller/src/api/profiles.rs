//! Profiles: named ways to mine.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use miner_shared::limits::{MAX_POOLS, MAX_THREADS};
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Done;
use super::etag::IfMatch;
use super::extract::{JsonBody, Segments, required};
use super::paging::{Listing, Page};
use super::{Api, Problem};
use crate::farm::ProfileView;
use crate::scope::Scope;

// A profile says who is paid, so that writing one is for admins; operators choose among them.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(show, delete))
}

/// All profiles, by id.
#[utoipa::path(get, path = "/profiles", tag = "profiles", operation_id = "listProfiles",
    security(("token" = [Scope::Read])),
    params(Page), responses((status = 200, body = Vec<ProfileView>)))]
pub(super) async fn list(
    State(api): State<Api>,
    page: Page,
) -> Result<Listing<ProfileView>, Problem> {
    page.of(api.farm.profiles()?, |profile| profile.id.clone())
}

/// One profile.
#[utoipa::path(get, path = "/profiles/{id}", tag = "profiles", operation_id = "getProfile",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = ProfileView)))]
pub(super) async fn show(
    State(api): State<Api>,
    Segments(segments): Segments,
) -> Result<Json<ProfileView>, Problem> {
    Ok(Json(api.farm.profile(first(&segments))?))
}

/// Makes a profile.
#[utoipa::path(post, path = "/profiles", tag = "profiles", operation_id = "createProfile",
    security(("token" = [Scope::Admin])),
    request_body = ProfileBody,
    responses((status = 201, body = ProfileView), (status = 409, body = Problem)))]
pub(super) async fn create(
    State(api): State<Api>,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<(StatusCode, Json<ProfileView>), Problem> {
    let created = api.farm.create_profile(body.check()?)?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Deletes a profile that no rig is told to mine with.
#[utoipa::path(delete, path = "/profiles/{id}", tag = "profiles", operation_id = "deleteProfile",
    security(("token" = [Scope::Admin])),
    params(("If-Match" = Option<String>, Header)),
    responses((status = 200, body = Done), (status = 409, body = Problem)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Segments(segments): Segments,
    seen: IfMatch,
) -> Result<Json<Done>, Problem> {
    let profile = api.farm.profile(first(&segments))?;
    seen.check(&profile)?;
    api.farm.delete_profile(&profile.id)?;
    Ok(Done::new("deleted", profile.id))
}

fn first(segments: &[String]) -> &str {
    segments.first().map_or("", String::as_str)
}

/// What `POST /profiles` takes.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileBody {
    /// Name; the profile's id follows from it.
    #[schema(value_type = String)]
    pub name: Option<String>,
    /// `auto` (default), `fast` or `light`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Hash threads, from 1 to 256; without it, as many as suit the rig.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 256)]
    pub threads: Option<u16>,
    /// One to three pools, first choice first.
    #[serde(default)]
    #[schema(required, min_items = 1, max_items = 3)]
    pub pools: Vec<PoolBody>,
}

/// One pool of a [`ProfileBody`].
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolBody {
    /// `host:port`.
    #[schema(value_type = String)]
    pub url: Option<String>,
    /// Login: the wallet, with what the pool lets one append.
    #[schema(value_type = String)]
    pub user: Option<String>,
    /// Password; never given back by any route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pass: Option<String>,
    /// Whether to speak TLS with the pool.
    #[serde(default)]
    pub tls: bool,
}

impl std::fmt::Debug for PoolBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolBody")
            .field("url", &self.url)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl ProfileBody {
    /// The profile, if every field keeps its rule.
    pub fn check(&self) -> Result<Profile, Problem> {
        let mut pools = heapless::Vec::new();
        for pool in &self.pools {
            pools.push(pool.check()?).map_err(|_| {
                Problem::invalid("pools", format!("a profile has at most {MAX_POOLS}"))
            })?;
        }
        if pools.is_empty() {
            return Err(Problem::invalid("pools", "a profile needs at least one"));
        }
        Ok(Profile {
            name: required::<Name>("name", self.name.as_deref())?,
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: mode(self.mode.as_deref())?,
            threads: threads(self.threads)?,
            pools,
        })
    }
}

impl PoolBody {
    fn check(&self) -> Result<Pool, Problem> {
        let address = required::<Address>("pools.url", self.url.as_deref())?;
        let user = self.user.as_deref().unwrap_or("");
        let pass = self.pass.as_deref().unwrap_or("");
        Ok(Pool {
            address,
            tls: self.tls,
            user: PoolUser::parse(user).map_err(|why| Problem::invalid("pools.user", why))?,
            pass: PoolPass::parse(pass).map_err(|why| Problem::invalid("pools.pass", why))?,
        })
    }
}

fn mode(text: Option<&str>) -> Result<Mode, Problem> {
    match text {
        None | Some("auto") => Ok(Mode::Auto),
        Some("fast") => Ok(Mode::Fast),
        Some("light") => Ok(Mode::Light),
        Some(_) => Err(Problem::invalid("mode", "it must be auto, fast or light")),
    }
}

fn threads(count: Option<u16>) -> Result<Threads, Problem> {
    match count {
        None => Ok(Threads::Auto),
        Some(count) if (1..=MAX_THREADS).contains(&usize::from(count)) => Ok(Threads::Count(count)),
        Some(_) => {
            let why = format!("it must be from 1 to {MAX_THREADS}");
            Err(Problem::invalid("threads", why))
        }
    }
}
