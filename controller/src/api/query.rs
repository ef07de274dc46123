//! What a query names must be known: a parameter that is misspelt would otherwise be left out in silence.

use axum::extract::{MatchedPath, Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::describe::parameters_of;
use super::problem::Problem;

/// Refuses what the description of the route does not know.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match unknown(&request) {
        None => next.run(request).await,
        Some(problem) => problem.into_response(),
    }
}

fn unknown(request: &Request) -> Option<Problem> {
    let matched = request.extensions().get::<MatchedPath>()?;
    let known = parameters_of(request.method(), matched.as_str())?;
    request.uri().query().filter(|query| !query.is_empty())?;
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let Ok(Query(pairs)) = pairs else {
        let why = "it is not percent-encoded UTF-8";
        return Some(Problem::invalid("query", why));
    };
    let mut names = pairs.into_iter().map(|(name, _)| name);
    let name = names.find(|name| !known.contains(name))?;
    let why = match known {
        [] => "this route takes no parameters".to_owned(),
        known => format!("this route takes {}", known.join(", ")),
    };
    Some(Problem::invalid(name, why))
}
