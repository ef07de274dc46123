//! Who may talk to the controller before tokens exist: this machine, and no page of another site.
//!
//! The listener is on loopback, which keeps other machines out. A browser on this machine still runs
//! other people's pages, so every request must prove that it is not one of theirs:
//!
//! | attack | what stops it | answer |
//! |---|---|---|
//! | DNS rebinding: `evil.example` resolves to 127.0.0.1 | `Host` must be a loopback name with our port | 421 |
//! | script or form of a foreign page | a foreign `Origin` (or `null`) | 403 |
//! | form or `fetch` without CORS, from a browser that sends no `Origin` | a POST must be `application/json`, which needs a preflight that is never answered | 415 |
//! | framing, sniffing, injected script | the headers of [`harden`] | |
//!
//! No CORS header is ever sent, so no foreign page can read an answer either.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// What a request must say to be ours.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// The port that we listen on; every `Host` and `Origin` must name it.
    pub port: u16,
    /// Whether we listen with TLS: then an `Origin` must begin with `https`.
    pub tls: bool,
}

/// Refuses what a foreign page could have sent.
pub(super) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.admit(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Adds the headers that keep a browser from doing more than showing the page.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HARDENING {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// `default-src 'none'` first, then exactly what the page needs; no inline script or style.
const HARDENING: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

impl Guard {
    fn admit(self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        // In HTTP/1.1 the authority of an absolute request target outranks Host.
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => only(headers, &HOST)?,
        };
        if !host.is_some_and(|host| self.is_ours(host)) {
            let message = "this address is served only under a loopback name with its port";
            return Err(
                Problem::new(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", message)
                    .hint(format!("use {}127.0.0.1:{}", self.scheme(), self.port)),
            );
        }
        if let Some(origin) = only(headers, &ORIGIN)? {
            let ours = origin
                .strip_prefix(self.scheme())
                .is_some_and(|host| self.is_ours(host));
            if !ours {
                let message = "pages of other sites may not use this controller";
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "ORIGIN_NOT_ALLOWED",
                    message,
                ));
            }
        }
        // GET and HEAD change nothing. DELETE and the rest always need a preflight; only a POST
        // can be sent by a plain form, and a form cannot name this content type.
        if method == Method::POST && !is_json(only(headers, &CONTENT_TYPE)?) {
            let message =
                "a POST here must have the content type application/json, also without a body";
            return Err(
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "JSON_REQUIRED", message)
                    .hint("add the header `Content-Type: application/json`"),
            );
        }
        Ok(())
    }

    const fn scheme(self) -> &'static str {
        if self.tls { "https://" } else { "http://" }
    }

    /// Whether `host[:port]` is a loopback name with our port.
    fn is_ours(self, host: &str) -> bool {
        let (name, port) = match host.rsplit_once(':') {
            // The colon of a bare IPv6 literal is followed by its closing bracket, never by a port.
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
            _ => (host, Some(if self.tls { 443 } else { 80 })),
        };
        let loopback =
            ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost");
        loopback && port == Some(self.port)
    }
}

/// The header's value, if it is there once; a request with two of it is malformed on purpose.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    let text = first.map(|value| value.to_str().ok());
    match (text, values.next()) {
        (None, _) => Ok(None),
        (Some(Some(text)), None) => Ok(Some(text)),
        _ => {
            let message = format!("the header `{name}` must be there once, in plain text");
            Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "INVALID_INPUT",
                message,
            ))
        }
    }
}

fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Guard = Guard {
        port: 9090,
        tls: false,
    };
    const WITH_TLS: Guard = Guard {
        port: 9090,
        tls: true,
    };

    fn status(method: Method, headers: &[(HeaderName, &'static str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        let refused = GUARD.admit(&method, &Uri::from_static("/"), &map).err();
        refused.map(|problem| problem.status.as_u16())
    }

    #[test]
    fn only_loopback_names_with_our_port_are_ours() {
        for host in [
            "127.0.0.1:9090",
            "localhost:9090",
            "LocalHost:9090",
            "[::1]:9090",
        ] {
            assert_eq!(status(Method::GET, &[(HOST, host)]), None, "{host}");
        }
        for host in [
            "127.0.0.1",
            "127.0.0.1:9091",
            "127.0.0.1:",
            "localhost.evil.example:9090",
            "evil.example:9090",
            "evil.example",
            "127.0.0.1:9090:9090",
            "[::1]",
            "::1:9090",
            "",
        ] {
            assert_eq!(status(Method::GET, &[(HOST, host)]), Some(421), "{host}");
        }
        assert_eq!(status(Method::GET, &[]), Some(421));
        for (port, tls) in [(80, false), (443, true)] {
            let default = Guard { port, tls };
            assert!(default.is_ours("localhost") && default.is_ours("[::1]"));
            let other = Guard { tls: !tls, port };
            assert!(!other.is_ours("localhost"), "{port} is not its default");
        }
    }

    #[test]
    fn two_host_headers_are_refused() {
        let twice = [(HOST, "127.0.0.1:9090"), (HOST, "evil.example")];
        assert_eq!(status(Method::GET, &twice), Some(400));
    }

    #[test]
    fn the_authority_of_the_target_counts_before_the_header() {
        let mut map = HeaderMap::new();
        map.insert(HOST, HeaderValue::from_static("127.0.0.1:9090"));
        let uri = Uri::from_static("http://evil.example:9090/");
        let refused = GUARD.admit(&Method::GET, &uri, &map).expect_err("refused");
        assert_eq!(refused.status, StatusCode::MISDIRECTED_REQUEST);
    }

    #[test]
    fn foreign_origins_are_refused_for_every_method() {
        let host = (HOST, "127.0.0.1:9090");
        let with = |origin| [host.clone(), (ORIGIN, origin)];
        for origin in ["http://127.0.0.1:9090", "http://localhost:9090"] {
            assert_eq!(status(Method::DELETE, &with(origin)), None, "{origin}");
        }
        for origin in [
            "null",
            "http://127.0.0.1:8080",
            "https://127.0.0.1:9090",
            "http://evil.example",
            "http://127.0.0.1:9090.evil.example",
        ] {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                assert_eq!(status(method, &with(origin)), Some(403), "{origin}");
            }
        }
    }

    #[test]
    fn with_tls_only_https_is_ours() {
        let admit = |origin| {
            let mut map = HeaderMap::new();
            map.insert(HOST, HeaderValue::from_static("127.0.0.1:9090"));
            map.insert(ORIGIN, HeaderValue::from_static(origin));
            WITH_TLS.admit(&Method::DELETE, &Uri::from_static("/"), &map)
        };
        admit("https://127.0.0.1:9090").expect("ours");
        admit("https://localhost:9090").expect("ours");
        for origin in [
            "http://127.0.0.1:9090",
            "https://127.0.0.1:8080",
            "https://evil.example",
            "https://127.0.0.1:9090.evil.example",
            "null",
        ] {
            let refused = admit(origin).expect_err(origin);
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin}");
        }
        let nowhere = WITH_TLS.admit(&Method::GET, &Uri::from_static("/"), &HeaderMap::new());
        let hint = nowhere.expect_err("no Host").hint.expect("says where");
        assert_eq!(&*hint, "use https://127.0.0.1:9090");
    }

    #[test]
    fn what_a_plain_form_can_send_is_refused() {
        let host = (HOST, "127.0.0.1:9090");
        assert_eq!(status(Method::POST, std::slice::from_ref(&host)), Some(415));
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/plain; application/json",
        ] {
            let form = [host.clone(), (CONTENT_TYPE, kind)];
            assert_eq!(status(Method::POST, &form), Some(415), "{kind}");
        }
        let json = [host, (CONTENT_TYPE, "application/json; charset=utf-8")];
        assert_eq!(status(Method::POST, &json), None);
    }
}
