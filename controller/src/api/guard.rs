//! No page of another site: what every request must say, before anybody looks at its credential.
//!
//! A browser that is logged in runs other people's pages too, so every request must prove that it is
//! not one of theirs:
//!
//! | attack | what stops it | answer |
//! |---|---|---|
//! | DNS rebinding: `evil.example` resolves to 127.0.0.1 | `Host` must be exactly a name of ours with our port: loopback, the address of `--http`, those of `--http-name` | 421 |
//! | script or form of a foreign page | a foreign `Origin` (or `null`) | 403 |
//! | form or `fetch` without CORS, from a browser that sends no `Origin` | a POST must be `application/json`, which needs a preflight that is never answered | 415 |
//! | framing, sniffing, injected script | the headers of [`harden`] | |
//!
//! No CORS header is ever sent, so no foreign page can read an answer either.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::Problem;

/// What a request must say to be ours.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Where we listen; every `Host` and `Origin` must name its port.
    pub address: SocketAddr,
    /// Whether we listen with TLS: then an `Origin` must begin with `https`.
    pub tls: bool,
    /// Further names under which we are served.
    pub names: Arc<[ServedName]>,
}

/// A name under which the controller is served beyond loopback, and the port if it is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedName {
    host: Box<str>,
    port: Option<u16>,
}

impl FromStr for ServedName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "write NAME or NAME:PORT, as in farm.example or 192.168.1.2";
        let (host, port) = split_port(text);
        let port = port
            .map(|port| port.parse().map_err(|_| FORM))
            .transpose()?;
        let bare = host.strip_prefix('[').and_then(|v6| v6.strip_suffix(']'));
        let is_v6 = bare.is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let is_name = !host.is_empty() && host.len() <= 253 && host.chars().all(of_name);
        if !is_v6 && !is_name {
            return Err(FORM);
        }
        Ok(Self {
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }
}

/// `host[:port]`. The colon of a bare IPv6 literal is followed by its closing bracket, never by a port.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
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
    /// On this port of loopback alone.
    pub fn loopback(port: u16, tls: bool) -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            tls,
            names: Arc::default(),
        }
    }

    /// Where a person finds the page, with a slash at the end: under the first name that was given.
    pub fn home(&self) -> String {
        let port = self.address.port();
        let at = match self.names.first() {
            Some(name) => match name.port.unwrap_or(port) {
                port if port == self.default_port() => name.host.to_string(),
                port => format!("{}:{port}", name.host),
            },
            None if self.address.ip().is_unspecified() => format!("127.0.0.1:{port}"),
            None => self.address.to_string(),
        };
        format!("{}{at}/", self.scheme())
    }

    /// Name of the cookie of a session. Cookies know no ports, so two controllers on one machine need
    /// two names; `__Host-` keeps other hosts of a domain from setting it, where TLS lets it.
    pub(super) fn cookie(&self) -> String {
        let prefix = if self.tls { "__Host-" } else { "" };
        format!("{prefix}miner-ctrl-{}", self.address.port())
    }

    pub(super) fn admit(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        // In HTTP/1.1 the authority of an absolute request target outranks Host.
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => only(headers, &HOST)?,
        };
        if !host.is_some_and(|host| self.is_ours(host)) {
            let message = "this controller is not served under that name";
            return Err(
                Problem::new(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", message).hint(
                    format!("use {}, or start it with `--http-name NAME`", self.home()),
                ),
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

    const fn scheme(&self) -> &'static str {
        if self.tls { "https://" } else { "http://" }
    }

    const fn default_port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }

    /// Whether `host[:port]` is one of our names with its port.
    fn is_ours(&self, host: &str) -> bool {
        let (name, port) = split_port(host);
        let port = match port {
            None => self.default_port(),
            // `u16` would take a sign, which no browser sends.
            Some(port) if port.starts_with('+') => return false,
            Some(port) => match port.parse() {
                Ok(port) => port,
                Err(_) => return false,
            },
        };
        let own = self.address.port();
        let named = |known: &ServedName| {
            known.host.eq_ignore_ascii_case(name) && port == known.port.unwrap_or(own)
        };
        (port == own && self.is_own_address(name)) || self.names.iter().any(named)
    }

    /// A loopback name, or the one address that we are bound to: an address cannot be rebound.
    fn is_own_address(&self, name: &str) -> bool {
        let loopback =
            ["127.0.0.1", "[::1]"].contains(&name) || name.eq_ignore_ascii_case("localhost");
        let bound = match self.address.ip() {
            ip if ip.is_unspecified() => return loopback,
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        };
        loopback || name == bound
    }
}

/// The header's value, if it is there once; a request with two of it is malformed on purpose.
pub(super) fn only<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'h str>, Problem> {
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

    fn guard(address: &str, tls: bool, names: &[&str]) -> Guard {
        let names = names.iter().map(|name| name.parse().expect("a name"));
        Guard {
            address: address.parse().expect("an address"),
            tls,
            names: names.collect(),
        }
    }

    fn status(method: Method, headers: &[(HeaderName, &'static str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        let refused = Guard::loopback(9090, false)
            .admit(&method, &Uri::from_static("/"), &map)
            .err();
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
            "127.0.0.1:+9090",
            "127.0.0.1.:9090",
            "127.0.0.2:9090",
            "0.0.0.0:9090",
            "[::1]",
            "::1:9090",
            "",
        ] {
            assert_eq!(status(Method::GET, &[(HOST, host)]), Some(421), "{host}");
        }
        assert_eq!(status(Method::GET, &[]), Some(421));
        for (port, tls) in [(80, false), (443, true)] {
            let default = Guard::loopback(port, tls);
            assert!(default.is_ours("localhost") && default.is_ours("[::1]"));
            let other = Guard::loopback(port, !tls);
            assert!(!other.is_ours("localhost"), "{port} is not its default");
        }
    }

    #[test]
    fn beyond_loopback_only_the_bound_address_and_the_given_names_are_ours() {
        let farm = guard(
            "192.168.1.2:9090",
            true,
            &["Farm.example", "far.example:443", "[2001:db8::1]"],
        );
        for host in [
            "192.168.1.2:9090",
            "farm.example:9090",
            "FARM.example:9090",
            "far.example",
            "far.example:443",
            "[2001:db8::1]:9090",
            "127.0.0.1:9090",
        ] {
            assert!(farm.is_ours(host), "{host}");
        }
        for host in [
            "192.168.1.3:9090",
            "farm.example",
            "far.example:9090",
            "farm.example.:9090",
            "farm.example.evil.example:9090",
            "evil.farm.example:9090",
        ] {
            assert!(!farm.is_ours(host), "{host}");
        }
        let any = guard("0.0.0.0:9090", true, &[]);
        assert!(any.is_ours("localhost:9090"));
        for host in ["0.0.0.0:9090", "192.168.1.2:9090"] {
            assert!(!any.is_ours(host), "{host}");
        }
        assert_eq!(farm.home(), "https://farm.example:9090/");
        assert_eq!(any.home(), "https://127.0.0.1:9090/");
        let default = guard("0.0.0.0:9090", true, &["farm.example:443"]);
        assert_eq!(default.home(), "https://farm.example/");
    }

    #[test]
    fn a_name_that_no_browser_would_send_is_refused() {
        for bad in [
            "",
            "https://farm.example",
            "farm.example/",
            "farm.example:x",
            "a b",
            "[farm]",
            "*.example",
        ] {
            assert!(bad.parse::<ServedName>().is_err(), "{bad}");
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
        let guard = Guard::loopback(9090, false);
        let refused = guard.admit(&Method::GET, &uri, &map).expect_err("refused");
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
            Guard::loopback(9090, true).admit(&Method::DELETE, &Uri::from_static("/"), &map)
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
        let guard = Guard::loopback(9090, true);
        let nowhere = guard.admit(&Method::GET, &Uri::from_static("/"), &HeaderMap::new());
        let hint = nowhere.expect_err("no Host").hint.expect("says where");
        assert!(hint.starts_with("use https://127.0.0.1:9090/"), "{hint}");
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
