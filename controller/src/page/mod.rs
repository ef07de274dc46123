//! The page: a frame that is rendered here, and scripts that fill it from the API.
//!
//! | path | what |
//! |---|---|
//! | `/`, `/workers`, … ([`PATHS`]) | the frame; the script shows the page of the address. Without a login: how to log in |
//! | `/plain` | totals and the Nodes table without script, the first 200 rigs |
//! | `/login` | says how to log in, and does it with the code behind the `#` |
//! | `/assets/VERSION/…` | style and scripts ([`assets`]) |
//!
//! ```text
//!   assets/app.js        frame, totals bar, keyboard, addresses ──▶ assets/pages/NAME.js: one page each
//!   assets/api.js        asks the controller; who asks in vain dims the page
//!   assets/live.js       events as they come; clocks that rest while nobody looks
//!   assets/dom.js        elements from text only, changed in place
//!   assets/{format,chart,dialog,table,actions,selector,sentences,enrol,…}.js   pieces that pages share
//! ```
//! Nothing comes from elsewhere, so it works offline. Names come from rigs and are hostile: askama
//! escapes every value of a `.html` template, and the scripts make text nodes only.

mod assets;
mod fleet;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
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

/// Where the frame is shown, in the order of `ROUTES` in app.js.
const PATHS: [&str; 14] = [
    "/",
    "/workers",
    "/nodes",
    "/profiles",
    "/pools",
    "/console",
    "/map",
    "/events",
    "/audit",
    "/settings",
    "/rigs/{id}",
    "/profiles/{id}",
    "/rollouts/{id}",
    "/start",
];

/// Pages of the navigation: path, title, and the key that goes there.
const PAGES: [Page; 10] = [
    Page::new("/", "Dashboard", '1'),
    Page::new("/workers", "Workers", '2'),
    Page::new("/nodes", "Nodes", '3'),
    Page::new("/profiles", "Profiles", '4'),
    Page::new("/pools", "Pools", '5'),
    Page::new("/console", "Console", '6'),
    Page::new("/map", "Map", '7'),
    Page::new("/events", "Events", '8'),
    Page::new("/audit", "Audit", '9'),
    Page::new("/settings", "Settings", '0'),
];

/// Rigs that the page without script shows.
const PLAIN_ROWS: usize = 200;

/// An entry of the navigation.
#[derive(Clone, Copy, Debug)]
struct Page {
    path: &'static str,
    title: &'static str,
    key: char,
}

impl Page {
    const fn new(path: &'static str, title: &'static str, key: char) -> Self {
        Self { path, title, key }
    }
}

/// The frame.
#[derive(Debug, Template)]
#[template(path = "page.html")]
struct PageTemplate {
    version: &'static str,
    modules: [&'static str; assets::FIRST.len()],
    pages: [Page; PAGES.len()],
    farm: String,
    scope: Scope,
}

/// The page without script.
#[derive(Debug, Template)]
#[template(path = "plain.html")]
struct PlainTemplate {
    version: &'static str,
    fleet: Fleet,
    /// Rigs that are shown.
    shown: usize,
}

/// What somebody sees who is not logged in.
#[derive(Debug, Template)]
#[template(path = "login.html")]
struct LoginTemplate {
    version: &'static str,
}

/// The page's routes; mounted beside the API and behind the same guard.
pub(crate) fn routes() -> Router<Api> {
    let pages = PATHS
        .iter()
        .fold(Router::new(), |pages, path| pages.route(path, get(page)));
    pages
        .route("/plain", get(plain))
        .route("/login", get(login))
        .route("/assets/{version}/{*name}", get(assets::asset))
}

/// What a request to this route of the page needs: `Some(None)` is nothing. `None` if it is no route of
/// the page. (The frame shows everybody something.)
pub(crate) fn scope_of(route: &str) -> Option<Option<Scope>> {
    match route {
        "/plain" => Some(Some(Scope::Read)),
        "/login" => Some(None),
        _ if PATHS.contains(&route) || route.starts_with("/assets/") => Some(None),
        _ => None,
    }
}

async fn page(State(api): State<Api>, who: Option<Extension<Who>>) -> Result<Response, Problem> {
    let Some(Extension(who)) = who else {
        return Ok((StatusCode::UNAUTHORIZED, login().await?).into_response());
    };
    let farm = api.farm.node_info()?.identity.name;
    Ok(render(&frame(farm, who.scope)).into_response())
}

fn frame(farm: String, scope: Scope) -> PageTemplate {
    PageTemplate {
        version: &assets::VERSION,
        modules: assets::FIRST,
        pages: PAGES,
        farm,
        scope,
    }
}

/// The page on which a browser logs in.
pub(crate) async fn login() -> Result<Html<String>, Problem> {
    let version = &assets::VERSION;
    render(&LoginTemplate { version })
}

async fn plain(State(api): State<Api>) -> Result<Html<String>, Problem> {
    render_plain(Fleet::of(&api.farm)?)
}

fn render_plain(fleet: Fleet) -> Result<Html<String>, Problem> {
    let version = &assets::VERSION;
    let shown = PLAIN_ROWS;
    render(&PlainTemplate {
        version,
        fleet,
        shown,
    })
}

fn render(page: &impl Template) -> Result<Html<String>, Problem> {
    page.render().map(Html).map_err(not_rendered)
}

fn not_rendered(error: askama::Error) -> Problem {
    log::error!("page not rendered error={error}");
    let message = "the page could not be rendered";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_html(fleet: Fleet) -> String {
        render_plain(fleet).expect("renders").0
    }

    fn frame_html() -> String {
        let frame = frame("farm\"><script>alert(1)".to_owned(), Scope::Operate);
        render(&frame).expect("renders").0
    }

    #[test]
    fn an_empty_farm_is_told_the_next_step() {
        let html = plain_html(samples::fleet(0));
        assert!(html.contains("No rigs yet."));
        assert!(html.contains("miner-ctrl peer add --address"));
        assert!(!html.contains("<table"));
    }

    #[test]
    fn the_table_has_the_columns_of_the_page_by_name() {
        let html = plain_html(samples::fleet(1));
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
        let html = plain_html(samples::fleet(50));
        assert_eq!(html.matches("<tr role=\"row\" id=\"n").count(), 50);
    }

    #[test]
    fn a_large_farm_is_shown_in_part_and_says_so() {
        let html = plain_html(samples::fleet(201));
        assert_eq!(html.matches("<tr role=\"row\" id=\"n").count(), 200);
        assert!(html.contains("The first 200 of 201"), "{html}");
    }

    #[test]
    fn hostile_text_is_escaped_everywhere() {
        for html in [plain_html(samples::hostile()), frame_html()] {
            assert!(!html.contains("<script>alert"), "{html}");
            assert!(!html.contains("\" onmouseover="), "{html}");
            assert!(html.contains("&#60;script&#62;alert"), "{html}");
        }
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_nothing_runs_inline() {
        for html in [plain_html(samples::fleet(3)), frame_html()] {
            for (at, _) in html.match_indices("<script") {
                let tag = &html[at..];
                let ours = tag.starts_with("<script type=\"module\" src=\"/assets/");
                assert!(ours, "{tag}");
            }
            assert!(!html.contains("style=\"") && !html.contains("<style"));
            for (at, _) in html.match_indices("href=\"") {
                let target = &html[at + 6..];
                assert!(target.starts_with('/') || target.starts_with("data:"));
            }
        }
    }

    #[test]
    fn the_frame_says_what_the_session_may_and_leads_to_every_page() {
        let html = frame_html();
        assert!(html.contains("data-scope=\"operate\""), "{html}");
        for page in PAGES {
            assert!(html.contains(&format!("<a href=\"{}\">{}", page.path, page.title)));
        }
    }
}
