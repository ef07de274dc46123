//! The one page: fleet totals and the Nodes table, rendered here, refreshed by a small script.
//!
//! | path | what |
//! |---|---|
//! | `/` | the whole page; readable without script. Without a login, `/login` |
//! | `/login` | says how to log in, and does it with the code behind the `#` |
//! | `/fleet` | its changing part, which the script asks for each 2 s and puts in place |
//! | `/assets/page.css`, `/assets/page.js`, `/assets/login.js` | from the binary; the version in the query lets browsers keep them |
//!
//! Nothing comes from elsewhere, so it works offline. Names come from rigs and are hostile until
//! escaped: askama escapes every value of a `.html` template.

mod fleet;

use askama::Template;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

pub(crate) use self::fleet::filling;
#[cfg(test)]
pub(crate) use self::fleet::samples;
pub use self::fleet::{Fleet, Row, RowState, Tone, Totals};
use crate::access::Who;
use crate::api::{Api, Problem};
use crate::scope::Scope;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const LOGIN_SCRIPT: &str = include_str!("login.js");
/// Changes whenever style or scripts do.
const VERSION: u64 = fnv(
    STYLE.as_bytes(),
    fnv(
        LOGIN_SCRIPT.as_bytes(),
        fnv(SCRIPT.as_bytes(), 0xcbf2_9ce4_8422_2325),
    ),
);

/// The whole page.
#[derive(Debug, Template)]
#[template(path = "page.html")]
struct PageTemplate {
    version: String,
    fleet: Fleet,
}

/// Its changing part.
#[derive(Debug, Template)]
#[template(path = "fleet.html")]
struct FleetTemplate {
    version: String,
    fleet: Fleet,
}

/// What somebody sees who is not logged in.
#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginTemplate {
    version: String,
}

/// The page's routes; mounted beside the API and behind the same guard.
pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(page))
        .route("/login", get(login))
        .route("/fleet", get(part))
        .route(
            "/assets/page.css",
            get(|| async { asset("text/css", STYLE) }),
        )
        .route(
            "/assets/page.js",
            get(|| async { asset("text/javascript", SCRIPT) }),
        )
        .route(
            "/assets/login.js",
            get(|| async { asset("text/javascript", LOGIN_SCRIPT) }),
        )
}

/// What a request to this route of the page needs: `Some(None)` is nothing. `None` if it is no route of
/// the page. (`/` shows everybody something.)
pub(crate) fn scope_of(route: &str) -> Option<Option<Scope>> {
    match route {
        "/fleet" => Some(Some(Scope::Read)),
        "/" | "/login" => Some(None),
        _ if route.starts_with("/assets/") => Some(None),
        _ => None,
    }
}

async fn page(State(api): State<Api>, who: Option<Extension<Who>>) -> Result<Response, Problem> {
    if who.is_none() {
        return Ok((StatusCode::UNAUTHORIZED, login().await?).into_response());
    }
    Ok(Html(render_page(Fleet::of(&api.farm)?)?).into_response())
}

/// The page on which a browser logs in.
pub(crate) async fn login() -> Result<Html<String>, Problem> {
    let version = format!("{VERSION:016x}");
    let page = LoginTemplate { version }.render();
    page.map(Html).map_err(not_rendered)
}

async fn part(State(api): State<Api>) -> Result<Html<String>, Problem> {
    Ok(Html(render_part(Fleet::of(&api.farm)?)?))
}

fn render_page(fleet: Fleet) -> Result<String, Problem> {
    let version = format!("{VERSION:016x}");
    PageTemplate { version, fleet }
        .render()
        .map_err(not_rendered)
}

fn render_part(fleet: Fleet) -> Result<String, Problem> {
    let version = format!("{VERSION:016x}");
    FleetTemplate { version, fleet }
        .render()
        .map_err(not_rendered)
}

fn not_rendered(error: askama::Error) -> Problem {
    log::error!("page not rendered error={error}");
    let message = "the page could not be rendered";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "max-age=31536000, immutable"),
    ];
    (headers, text)
}

/// FNV-1a: enough to tell two builds' assets apart.
const fn fnv(bytes: &[u8], mut hash: u64) -> u64 {
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        #[expect(clippy::as_conversions, reason = "u64::from is not const")]
        let wide = *byte as u64;
        hash = (hash ^ wide).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_farm_is_told_the_next_step() {
        let html = render_page(samples::fleet(0)).expect("renders");
        assert!(html.contains("No rigs yet."));
        assert!(html.contains("miner-ctrl peer add --address"));
        assert!(!html.contains("<table"));
    }

    #[test]
    fn the_table_has_the_columns_of_the_page_by_name() {
        let html = render_page(samples::fleet(1)).expect("renders");
        for column in [
            "Peer",
            "Address",
            "Role",
            "Ping",
            "Score",
            "Last Seen",
            "State",
            "Hash rate",
        ] {
            assert!(html.contains(&format!(">{column}</th>")), "{column}");
        }
    }

    #[test]
    fn fifty_rigs_are_fifty_rows() {
        let html = render_part(samples::fleet(50)).expect("renders");
        assert_eq!(html.matches("<tr role=\"row\" id=\"n").count(), 50);
    }

    #[test]
    fn hostile_text_is_escaped_everywhere() {
        let html = render_page(samples::hostile()).expect("renders");
        assert!(!html.contains("<script>alert"), "{html}");
        assert!(!html.contains("\" onmouseover="), "{html}");
        assert!(html.contains("&#60;script&#62;alert"), "{html}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_runs_inline() {
        let html = render_page(samples::fleet(3)).expect("renders");
        for (at, _) in html.match_indices("<script") {
            assert!(html[at..].starts_with("<script type=\"module\" src=\"/assets/"));
        }
        assert!(!html.contains("style=\"") && !html.contains("<style"));
        for (at, _) in html.match_indices("href=\"") {
            let target = &html[at + 6..];
            assert!(target.starts_with("/assets/") || target.starts_with("data:"));
        }
    }
}
