//! Which scope each route needs.

use axum::http::Method;

use super::BASE;
use crate::access::Scope;

/// What a request of this method to this route, named by its template, needs; `None` is nothing.
pub fn scope_of(method: &Method, route: &str) -> Option<Scope> {
    let inside = route.strip_prefix(BASE).unwrap_or(route);
    let is_read = [Method::GET, Method::HEAD].contains(method);
    match inside {
        "/health" | "/ready" | "/" | "/login" | "/logout" => None,
        asset if asset.starts_with("/assets/") => None,
        "/api-tokens" | "/api-tokens/{id}" | "/logins" | "/audit" => Some(Scope::Admin),
        _ if is_read => Some(Scope::Read),
        "/peers/{id}/ping" | "/remote/{peerId}/start" | "/remote/{peerId}/stop" | "/discover" => {
            Some(Scope::Operate)
        }
        // A route that nobody has thought of is the owner's.
        _ => Some(Scope::Admin),
    }
}
