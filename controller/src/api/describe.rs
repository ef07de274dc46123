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
//! have in common follows from their shape and is added here, so that no handler can forget it: the
//! errors of the guard and of the body's reader, and the parameters of the path.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method, StatusCode};
use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi,
    OpenApiBuilder, Ref, RefOr, Required, Response, ResponseBuilder, schema, tag::TagBuilder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, BASE, Problem};
use crate::scope::Scope;

/// The description of every route.
pub fn describe() -> &'static OpenApi {
    static DOCUMENT: LazyLock<OpenApi> =
        LazyLock::new(|| complete(super::described().into_openapi()));
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
    static SCOPES: LazyLock<BTreeMap<(String, String), Option<Scope>>> = LazyLock::new(scopes);
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let route = (matched.to_owned(), method.as_str().to_ascii_lowercase());
    SCOPES.get(&route).copied().unwrap_or(Some(Scope::Admin))
}

fn scopes() -> BTreeMap<(String, String), Option<Scope>> {
    let document = serde_json::to_value(describe()).unwrap_or_default();
    let mut scopes = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for (method, operation) in members(item) {
            let security = &operation["security"][0];
            let open = security.as_object().is_some_and(serde_json::Map::is_empty);
            let named = || security["token"][0].as_str()?.parse().ok();
            let scope = (!open).then(|| named().unwrap_or(Scope::Admin));
            scopes.insert((path.clone(), method.clone()), scope);
        }
    }
    scopes
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
const TAGS: [(&str, &str); 7] = [
    ("node", "The local node and its farm in numbers."),
    ("peers", "The nodes in the registry."),
    ("remote", "What rigs do, and what they should do."),
    ("profiles", "Named ways to mine."),
    (
        "enrolment",
        "Tokens, rigs that wait for approval, removed keys.",
    ),
    ("keys", "The recovery key of the farm, and whom rigs obey."),
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
    let tags = TAGS.map(|(name, holds)| {
        TagBuilder::new()
            .name(name)
            .description(Some(holds))
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
            ComponentsBuilder::new()
                .schema_from::<Problem>()
                .responses_from_iter(shared_answers())
                .security_scheme("token", SecurityScheme::Http(bearer))
                .build(),
        ))
        .build()
}

/// Adds what follows from the shape of each operation.
fn complete(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            if !path.starts_with(BASE) {
                // The same handler as under the base.
                operation.operation_id = operation.operation_id.take().map(|id| id + "AtRoot");
            }
            add_parameters(operation, path);
            add_answers(operation, &method, path);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// What the parameters of paths are, by the segment before them.
fn parameter_after(segment: &str) -> &'static str {
    match segment {
        "peers" | "remote" => "Node ID, a unique prefix of one, or name.",
        "pending" | "removed" => "Node ID or name.",
        "profiles" => "Id or name.",
        "logs" => "Name of the miner, such as `miner-rx0`.",
        _ => "Its id.",
    }
}

fn add_parameters(operation: &mut Operation, path: &str) {
    let known = operation.parameters.get_or_insert_default();
    let segments = path.split('/');
    for (before, segment) in segments.clone().zip(segments.skip(1)) {
        let Some(name) = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) else {
            continue;
        };
        let is_it =
            |known: &RefOr<Parameter>| matches!(known, RefOr::T(known) if known.name == name);
        if !known.iter().any(is_it) {
            let text = ObjectBuilder::new().schema_type(schema::Type::String);
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(parameter_after(before)))
                .schema(Some(text));
            known.push(parameter.build().into());
        }
    }
    if known.is_empty() {
        operation.parameters = None;
    }
}

/// Errors that an operation of some shape may answer whatever it does.
const PROBLEMS: [(Shape, u16, &str); 11] = [
    (
        Shape::Any,
        400,
        "A field, a parameter or a header does not keep its rule.",
    ),
    (
        Shape::Secured,
        401,
        "No credential, or one that is not good.",
    ),
    (
        Shape::Any,
        403,
        "The credential's scope is too small, or a page of another site asks.",
    ),
    (Shape::Named, 404, "Nothing has this id or name."),
    (Shape::Body, 408, "The body did not come in time."),
    (Shape::Body, 413, "The body is too long."),
    (Shape::Post, 415, "A POST that is not `application/json`."),
    (Shape::Any, 421, "The `Host` is not one of ours."),
    (
        Shape::Any,
        429,
        "Too many failures; or a rig is asked more than its rate.",
    ),
    (Shape::Any, 500, "A fault of this program or of its disk."),
    (
        Shape::Any,
        503,
        "Too much is going on, or a rig cannot be reached; try again.",
    ),
];

#[derive(Clone, Copy)]
enum Shape {
    Any,
    /// Needs a credential.
    Secured,
    /// Something is named in its path.
    Named,
    Body,
    Post,
}

fn add_answers(operation: &mut Operation, method: &Method, path: &str) {
    let secured = operation
        .security
        .as_ref()
        .is_none_or(|needed| needed != &[Default::default()]);
    let body = operation.request_body.is_some();
    let answers = &mut operation.responses.responses;
    for (status, answer) in &mut *answers {
        if let RefOr::T(answer) = answer
            && answer.description.is_empty()
        {
            let reason = status
                .parse()
                .ok()
                .and_then(|status: StatusCode| status.canonical_reason());
            answer.description = reason.unwrap_or("Done").to_owned();
        }
    }
    for (shape, status, _) in PROBLEMS {
        let fits = match shape {
            Shape::Any => true,
            Shape::Secured => secured,
            Shape::Named => path.contains('{'),
            Shape::Body => body,
            Shape::Post => method == Method::POST,
        };
        if fits {
            let shared = || Ref::from_response_name(problem_name(status)).into();
            answers.entry(status.to_string()).or_insert_with(shared);
        }
    }
    let other = || Ref::from_response_name(OTHER).into();
    answers.entry("default".to_owned()).or_insert_with(other);
}

/// Name of the answer that is every other failure.
const OTHER: &str = "Failure";

/// The answers that [`add_answers`] refers to.
fn shared_answers() -> impl Iterator<Item = (String, RefOr<Response>)> {
    let shared = PROBLEMS.map(|(_, status, when)| (problem_name(status), problem(when)));
    let other = (OTHER.to_owned(), problem("Any other failure."));
    shared.into_iter().chain([other])
}

/// The status in words, as one: `NotFound`.
fn problem_name(status: u16) -> String {
    let status = StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or(OTHER).replace(' ', "")
}

fn problem(when: &str) -> RefOr<Response> {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let answer = ResponseBuilder::new()
        .description(when)
        .content("application/json", body);
    answer.build().into()
}
