//! The description of the API, made from the handlers: OpenAPI 3.1.
//!
//! ```text
//!   #[utoipa::path] on handlers ─┐                 ┌─▶ axum routes
//!   ToSchema on views and bodies ─┴▶ OpenApiRouter ─┴─▶ document ─ complete ─┬─▶ docs/openapi.json, compared by a test
//!                                                                           ├─▶ GET /openapi.json
//!                                                                           └─▶ scope_of: what the guard asks for
//! ```
//!
//! A handler says what is its own: what it does, its scope, its body, its answer. What operations
//! have in common follows from their shape and is added by [`common`], so that no handler can forget it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Schema,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, Problem, common};
use crate::farm::{FoundSharesView, TelemetryView};
use crate::scope::Scope;

/// The description of every route.
pub fn describe() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> =
        LazyLock::new(|| common::complete(super::described().into_openapi()));
    &DOCUMENT
}

/// The same as text, with a line feed at its end.
pub fn describe_as_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let json = describe().to_pretty_json().unwrap_or_default();
        json + "\n"
    });
    &TEXT
}

/// What a credential needs for a request to the route of this path, as the router matches it; `None`
/// is open to everybody. A route that does not say is for admins.
pub fn scope_of(method: &Method, matched: &str) -> Option<Scope> {
    known(method, matched).map_or(Some(Scope::Admin), |known| known.scope)
}

/// Names of the parameters that a query to this route may have; `None` if the route is not described.
pub(super) fn parameters_of(method: &Method, matched: &str) -> Option<&'static [String]> {
    known(method, matched).map(|known| &*known.parameters)
}

/// What the description knows of a route that is asked for with each request.
struct Known {
    scope: Option<Scope>,
    parameters: Vec<String>,
}

fn known(method: &Method, matched: &str) -> Option<&'static Known> {
    static KNOWN: LazyLock<BTreeMap<String, Known>> = LazyLock::new(all_known);
    // The router answers HEAD by what answers GET.
    let is_head = method == Method::HEAD;
    let method = if is_head { "GET" } else { method.as_str() };
    KNOWN.get(&format!("{method} {matched}"))
}

fn all_known() -> BTreeMap<String, Known> {
    let document = serde_json::to_value(describe()).unwrap_or_default();
    let mut all = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let security = &operation["security"][0];
            let open = security.as_object().is_some_and(serde_json::Map::is_empty);
            let named = || security["token"][0].as_str()?.parse().ok();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            let known = Known {
                scope: (!open).then(|| named().unwrap_or(Scope::Admin)),
                parameters: in_query
                    .filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned()))
                    .collect(),
            };
            all.insert(format!("{} {path}", method.to_uppercase()), known);
        }
    }
    all
}

fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(show))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "node", operation_id = "getDescription",
    security(("token" = [Scope::Read])),
    responses((status = 200, body = Value)))]
async fn show() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], describe_as_text())
}

/// Tags and what they hold; an operation has one of them.
const TAGS: &[(&str, &str)] = &[
    ("node", "The local node and its farm in numbers."),
    ("peers", "The nodes in the registry."),
    ("remote", "What rigs do, and what they should do."),
    ("profiles", "Named ways to mine, in versions."),
    (
        "rollouts",
        "Versions of profiles on their way to many rigs.",
    ),
    (
        "updates",
        "Releases of the image, and one on its way to many rigs.",
    ),
    (
        "enrolment",
        "Tokens, rigs that wait for approval, removed keys.",
    ),
    ("access", "Who may ask: API tokens, and logins of browsers."),
    ("keys", "The recovery key of the farm, and whom rigs obey."),
    ("care", "What keeps a controller from being lost."),
    ("history", "Figures over time, and what they come to."),
    ("events", "What happened, asked for or followed."),
    ("health", "Whether the controller is well."),
];

/// The document before its routes.
pub(super) fn head() -> OpenApi {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A token of `miner-ctrl api-token create`. Its scope is read, operate or admin; each \
             holds the ones before it.",
        ))
        .build();
    let tags = TAGS.iter().map(|(name, holds)| {
        TagBuilder::new()
            .name(*name)
            .description(Some(*holds))
            .build()
    });
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("miner-ctrl")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "The farm over HTTP. Unknown is `null`, never 0; a figure from a rig carries its \
                     age; hash rates are in H/s; every failure is a `Problem`.",
                ))
                .license(Some(LicenseBuilder::new().name(env!("CARGO_PKG_LICENSE")).build())),
        )
        .tags(Some(tags))
        .components(Some(
            common::shared(ComponentsBuilder::new())
                .schemas_from_iter(schemas::<Problem>())
                .schemas_from_iter(schemas::<FoundSharesView>())
                .schemas_from_iter(schemas::<TelemetryView>())
                .security_scheme("token", SecurityScheme::Http(bearer))
                .build(),
        ))
        .build()
}

/// Of this type and of those in it.
fn schemas<T: ToSchema>() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    schemas
}
