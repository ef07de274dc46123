//! The description agrees with docs/openapi.json and with itself.

use std::collections::BTreeSet;

use super::*;
use crate::scope::Scope;

/// One described operation and a request for it.
pub(super) struct Route {
    pub(super) method: Method,
    /// As the router matches it.
    pub(super) matched: String,
    /// With names of nothing for its parameters.
    pub(super) path: String,
    pub(super) operation: Value,
}

impl Route {
    /// Whether it reads a body, and not only its type.
    pub(super) fn reads_body(&self) -> bool {
        self.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].is_string()
    }
}

/// Every route there is.
pub(super) fn every_route() -> Vec<Route> {
    let document = document();
    let mut routes = Vec::new();
    for (matched, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let filled = matched
                .split('/')
                .map(|segment| match segment.strip_prefix('{') {
                    Some(_) => "nobody",
                    None => segment,
                });
            routes.push(Route {
                method: method.to_uppercase().parse().expect("a method"),
                matched: matched.clone(),
                path: filled.collect::<Vec<_>>().join("/"),
                operation: operation.clone(),
            });
        }
    }
    routes
}

fn document() -> Value {
    serde_json::from_str(describe_as_text()).expect("JSON")
}

#[test]
fn the_description_in_docs_is_that_of_the_code() {
    crate::golden::check("docs/openapi.json", describe_as_text(), "openapi");
}

/// All names of properties below a value.
fn properties(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(named) = value["properties"].as_object() {
        found.extend(named.keys().cloned());
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|field| properties(field, found)),
        Value::Array(items) => items.iter().for_each(|item| properties(item, found)),
        _ => {}
    }
}

#[test]
fn fields_are_described_by_the_names_that_they_have() {
    let mut found = BTreeSet::new();
    properties(&document(), &mut found);
    assert!(found.contains("profileId") && found.contains("dialledIn"));
    // `rtt_ms` is what the page of old reads.
    let snakes = found.iter().filter(|name| name.contains('_'));
    assert_eq!(snakes.collect::<Vec<_>>(), ["rtt_ms"]);
}

#[test]
fn the_description_is_served_as_it_is_stored() {
    let reply = Server::new().get("/openapi.json");
    assert_eq!(reply.text, describe_as_text());
    assert_eq!(reply.json()["openapi"], "3.1.0");
}

#[test]
fn every_operation_has_an_id_of_its_own_a_known_tag_a_summary_and_a_scope() {
    let document = document();
    let tags: BTreeSet<&str> = names(&document["tags"]);
    let mut ids = BTreeSet::new();
    for Route {
        method,
        matched,
        operation,
        ..
    } in every_route()
    {
        let route = format!("{method} {matched}");
        let id = operation["operationId"].as_str().expect(&route);
        assert!(ids.insert(id.to_owned()), "{route}: {id} is taken");
        let tag = operation["tags"][0].as_str().expect(&route);
        assert!(tags.contains(tag), "{route}: {tag} is not in TAGS");
        assert!(operation["summary"].is_string(), "{route} says nothing");
        let security = &operation["security"][0];
        let open = security.as_object().is_some_and(serde_json::Map::is_empty);
        let named = security["token"][0].as_str().map(str::parse::<Scope>);
        assert!(
            open || matches!(named, Some(Ok(_))),
            "{route} has no security(...)"
        );
    }
}

fn names(tags: &Value) -> BTreeSet<&str> {
    let tags = tags.as_array().expect("tags").iter();
    tags.map(|tag| tag["name"].as_str().expect("named"))
        .collect()
}

#[test]
fn every_schema_and_every_field_says_what_it_is() {
    let document = document();
    let schemas = document["components"]["schemas"]
        .as_object()
        .expect("schemas");
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let said = ["description", "$ref", "oneOf"].map(|key| !schema[key].is_null());
            let said = said.contains(&true);
            assert!(said, "{name}.{field}");
        }
    }
}

#[test]
fn scopes_are_those_of_the_description_and_a_route_without_one_is_for_admins() {
    let scope = |method: Method, path: &str| scope_of(&method, path);
    let under = |path: &str| format!("{BASE}{path}");
    assert_eq!(scope(Method::GET, "/health"), None);
    assert_eq!(scope(Method::GET, &under("/ready")), None);
    assert_eq!(scope(Method::GET, &under("/peers")), Some(Scope::Read));
    assert_eq!(scope(Method::HEAD, &under("/peers")), Some(Scope::Read));
    let start = under("/remote/{peerId}/start");
    assert_eq!(scope(Method::POST, &start), Some(Scope::Operate));
    let peer = under("/peers/{id}");
    assert_eq!(scope(Method::DELETE, &peer), Some(Scope::Admin));
    assert_eq!(scope(Method::PUT, &peer), Some(Scope::Admin), "unknown");
    assert_eq!(scope(Method::GET, "/nowhere"), Some(Scope::Admin));
}

#[test]
fn what_reads_changes_nothing_and_what_changes_is_not_for_readers() {
    for Route {
        method, matched, ..
    } in every_route()
    {
        let scope = scope_of(&method, &matched);
        // A browser gets its credential there, and gives it back.
        if ["/login", "/logout"].contains(&matched.as_str()) {
            continue;
        }
        let weak = matches!(scope, None | Some(Scope::Read));
        assert!(
            method == Method::GET || !weak,
            "{method} {matched}: {scope:?}"
        );
    }
}

#[test]
fn bounds_in_the_document_are_those_of_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/API.md");
    let text = std::fs::read_to_string(path).expect("docs/API.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let written: Vec<(&str, u64)> = rows
        .filter_map(|row| {
            let (name, rest) = row.split_once("` | ")?;
            let (value, _) = rest.split_once(" | ")?;
            Some((name, value.replace(',', "").parse().ok()?))
        })
        .collect();
    let bound = |name, value: usize| (name, value as u64);
    let bounds = [
        bound("MAX_BODY", MAX_BODY),
        bound("MAX_HEADER_BYTES", MAX_HEADER_BYTES),
        bound("MAX_HEADERS", MAX_HEADERS),
        bound("MAX_CONNECTIONS", MAX_CONNECTIONS),
        bound("MAX_REQUEST_ID", MAX_REQUEST_ID),
        bound("MAX_PAGE", MAX_PAGE),
        bound("MAX_IDEMPOTENCY_KEY", MAX_IDEMPOTENCY_KEY),
        bound("MAX_KEPT_ANSWERS", MAX_KEPT_ANSWERS),
        bound("MAX_KEPT_ANSWER", MAX_KEPT_ANSWER),
        ("KEPT_MS", KEPT_MS),
        ("MAX_TAGGED", MAX_TAGGED),
        bound("MAX_ATTENTION", crate::farm::MAX_ATTENTION),
        bound("MAX_CHECKS", crate::farm::MAX_CHECKS),
        bound("MAX_BOOTS", crate::farm::MAX_BOOTS),
        bound("MAX_REPORTED_BOOTS", crate::farm::MAX_REPORTED_BOOTS),
        ("BOOT_KEPT_MS", crate::farm::BOOT_KEPT_MS),
        bound("MAX_MOVES", crate::hub::MAX_MOVES),
    ];
    assert_eq!(written, bounds);
}
