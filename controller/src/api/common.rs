//! What operations have in common, added to the description of each by its shape.
//!
//! | shape | gets |
//! |---|---|
//! | any | the errors of the guard, of the disk, and `default` |
//! | `{name}` in its path | that parameter, and 404 |
//! | GET | `If-None-Match`, and 304 |
//! | POST | `Idempotency-Key`, a body of JSON if it has none, and 409, 415, 422 |
//! | a body | 408 and 413 |
//! | `If-Match` | 412 |
//! | a list in parts | the headers that say how long it is and where the next part is |

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Object, ObjectBuilder, OpenApi, Ref, RefOr, Required,
    Response, ResponseBuilder, schema,
};

use super::BASE;
use super::idempotency::MAX_IDEMPOTENCY_KEY;

/// Adds what follows from the shape of each operation.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    let paths = &mut document.paths.paths;
    let based = paths.keys().filter_map(|path| path.strip_prefix(BASE));
    let based: BTreeSet<String> = based.map(str::to_owned).collect();
    for (path, item) in paths {
        for (method, operation) in operations(item) {
            if based.contains(path) {
                // The same handler as under the base.
                operation.operation_id = operation.operation_id.take().map(|id| id + "AtRoot");
            }
            add_parameters(operation, &method, path);
            add_answers(operation, &method, path);
            if method == Method::POST {
                // After the answers: nobody reads this body.
                operation.request_body.get_or_insert_with(ignored_body);
            }
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
        "history" | "peers" | "remote" => "Node ID, a unique prefix of one, or name.",
        "orders" => "32 hex characters.",
        "pending" | "removed" => "Node ID or name.",
        "profiles" => "Id or name.",
        "logs" => "Name of the miner, such as `miner-rx0`.",
        _ => "Its id.",
    }
}

fn add_parameters(operation: &mut Operation, method: &Method, path: &str) {
    let known = operation.parameters.get_or_insert_default();
    let segments = path.split('/');
    for (before, segment) in segments.clone().zip(segments.skip(1)) {
        let name = segment.strip_prefix('{').and_then(|s| s.strip_suffix('}'));
        if let Some(name) = name.filter(|name| find(known, name).is_none()) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(parameter_after(before)))
                .schema(Some(text()));
            known.push(parameter.build().into());
        }
    }
    let secured = is_secured(operation);
    let known = operation.parameters.get_or_insert_default();
    for (shared, of) in SHARED_PARAMETERS {
        if of == method && (secured || of != Method::POST) {
            known.push(RefOr::Ref(Ref::new(format!(
                "#/components/parameters/{shared}"
            ))));
        }
    }
    if known.is_empty() {
        operation.parameters = None;
    }
}

/// Whether it needs a credential.
fn is_secured(operation: &Operation) -> bool {
    let needed = operation.security.as_ref();
    needed.is_none_or(|needed| *needed != [Default::default()])
}

fn find<'p>(parameters: &'p [RefOr<Parameter>], name: &str) -> Option<&'p Parameter> {
    parameters.iter().find_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.name == name => Some(parameter),
        _ => None,
    })
}

/// Headers that every operation of a method takes.
const SHARED_PARAMETERS: [(&str, Method); 2] = [
    ("IfNoneMatch", Method::GET),
    ("IdempotencyKey", Method::POST),
];

/// Errors that an operation of some shape may answer whatever it does.
const PROBLEMS: [(Shape, u16, &str); 14] = [
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
    (
        Shape::Post,
        409,
        "It is so already, or what there is stands against it.",
    ),
    (Shape::Conditional, 412, "It is not what `If-Match` says."),
    (Shape::Body, 413, "The body is too long."),
    (Shape::Post, 415, "A POST that is not `application/json`."),
    (Shape::Any, 421, "The `Host` is not one of ours."),
    (
        Shape::Post,
        422,
        "The `Idempotency-Key` was used for another request.",
    ),
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
    /// Takes `If-Match`.
    Conditional,
}

fn add_answers(operation: &mut Operation, method: &Method, path: &str) {
    let secured = is_secured(operation);
    let body = operation.request_body.is_some();
    let takes = |name| find(operation.parameters.as_deref().unwrap_or_default(), name).is_some();
    let (conditional, in_parts) = (takes("If-Match"), takes("after"));
    let answers = &mut operation.responses.responses;
    for (status, answer) in &mut *answers {
        let RefOr::T(answer) = answer else { continue };
        if answer.description.is_empty() {
            let reason = status
                .parse()
                .ok()
                .and_then(|status: StatusCode| status.canonical_reason());
            answer.description = reason.unwrap_or("Done").to_owned();
        }
        if in_parts && status == "200" {
            for (name, shared) in [("X-Total-Count", "TotalCount"), ("Link", "NextPage")] {
                let shared = Ref::new(format!("#/components/headers/{shared}"));
                answer.headers.insert(name.to_owned(), RefOr::Ref(shared));
            }
        }
    }
    for (shape, status, _) in PROBLEMS {
        let fits = match shape {
            Shape::Any => true,
            Shape::Secured => secured,
            Shape::Named => path.contains('{'),
            Shape::Body => body,
            Shape::Post => method == Method::POST,
            Shape::Conditional => conditional,
        };
        if fits {
            let shared = || Ref::from_response_name(problem_name(status)).into();
            answers.entry(status.to_string()).or_insert_with(shared);
        }
    }
    if method == Method::GET {
        let unchanged = || Ref::from_response_name(UNCHANGED).into();
        answers.entry("304".to_owned()).or_insert_with(unchanged);
    }
    let other = || Ref::from_response_name(OTHER).into();
    answers.entry("default".to_owned()).or_insert_with(other);
}

/// The body of a POST that takes none: any JSON. Every POST is `application/json`, which no form is.
fn ignored_body() -> RefOr<RequestBody> {
    let anything = ContentBuilder::new().schema(Some(schema::empty()));
    let body = RequestBodyBuilder::new()
        .description(Some("Not read; the content type is."))
        .required(Some(Required::True))
        .content("application/json", anything.build());
    RefOr::T(body.build())
}

/// Name of the answer that is every other failure.
const OTHER: &str = "Failure";
/// Name of the answer without a body.
const UNCHANGED: &str = "NotModified";

/// Adds the answers, parameters and headers that operations refer to.
pub(super) fn shared(components: ComponentsBuilder) -> ComponentsBuilder {
    let problems = PROBLEMS.map(|(_, status, when)| (problem_name(status), problem(when)));
    let unchanged = ResponseBuilder::new().description("The client has it already.");
    components
        .responses_from_iter(problems)
        .response(OTHER, problem("Any other failure."))
        .response(UNCHANGED, unchanged.build())
        .parameter(
            "IfNoneMatch",
            in_header(
                "If-None-Match",
                "`ETag` of the answer that the client has.",
                text(),
            ),
        )
        .parameter(
            "IdempotencyKey",
            in_header(
                "Idempotency-Key",
                "Names this request and its repetitions: they are done once.",
                ObjectBuilder::from(text())
                    .pattern(Some("^[A-Za-z0-9._:-]+$"))
                    .max_length(Some(MAX_IDEMPOTENCY_KEY))
                    .build(),
            ),
        )
        .header(
            "TotalCount",
            header(
                "How many items there are, on all pages.",
                schema::Type::Integer,
            ),
        )
        .header(
            "NextPage",
            header(
                "`<?…>; rel=\"next\"` if there is more.",
                schema::Type::String,
            ),
        )
}

fn text() -> Object {
    ObjectBuilder::new()
        .schema_type(schema::Type::String)
        .build()
}

fn in_header(name: &str, what: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(schema))
        .build()
}

fn header(what: &str, of: schema::Type) -> Header {
    let schema = ObjectBuilder::new().schema_type(of);
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(what))
        .build()
}

/// The status in words, as one: `NotFound`.
fn problem_name(status: u16) -> String {
    let status = StatusCode::from_u16(status).ok();
    let reason = status.and_then(|status| status.canonical_reason());
    reason.unwrap_or(OTHER).replace(' ', "")
}

fn problem(when: &str) -> Response {
    let body = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(when)
        .content("application/json", body)
        .build()
}
