//! Style and scripts of the page, from the binary.
//!
//! They lie under `/assets/VERSION/`, where the version follows from what they hold: modules find each
//! other by relative addresses, a browser may keep them for ever, and a new program brings new ones. They
//! travel packed, to a third of their length.

use std::sync::{LazyLock, OnceLock};

use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// A file for browsers.
struct Asset {
    /// Path below the version.
    name: &'static str,
    text: &'static str,
}

/// Names and texts of files in `assets/`.
macro_rules! assets {
    ($($name:literal),+ $(,)?) => {
        &[$(Asset { name: $name, text: include_str!(concat!("assets/", $name)) }),+]
    };
}

const ASSETS: &[Asset] = assets![
    "page.css",
    "app.js",
    "actions.js",
    "api.js",
    "chart.js",
    "dialog.js",
    "dom.js",
    "enrol.js",
    "form.js",
    "format.js",
    "list.js",
    "live.js",
    "loaded.js",
    "login.js",
    "loglines.js",
    "profile-form.js",
    "qr.js",
    "rigparts.js",
    "rollout-start.js",
    "selector.js",
    "sentences.js",
    "table.js",
    "pages/audit.js",
    "pages/console.js",
    "pages/dashboard.js",
    "pages/events.js",
    "pages/map.js",
    "pages/nodes.js",
    "pages/pools.js",
    "pages/profile.js",
    "pages/profiles.js",
    "pages/rig.js",
    "pages/rollout.js",
    "pages/settings.js",
    "pages/wizard.js",
    "pages/workers.js",
    "vendor/uPlot.css",
    "vendor/uPlot.js",
    "vendor/uPlot.LICENSE",
    // uqr 0.1.3, dist/index.mjs of the npm package, unchanged.
    "vendor/uqr.js",
    "vendor/uqr.LICENSE",
];

/// The same packed, each when somebody first asks for it.
static PACKED: [OnceLock<Vec<u8>>; ASSETS.len()] = [const { OnceLock::new() }; ASSETS.len()];

/// The best that it can do; it is done once.
const LEVEL: u8 = 9;

/// Modules that every page needs: a browser asks for them at once, not one after the other.
pub(super) const FIRST: [&str; 6] = [
    "api.js",
    "chart.js",
    "dialog.js",
    "dom.js",
    "format.js",
    "live.js",
];

/// Changes whenever one of them does.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let bytes = ASSETS.iter().flat_map(|asset| asset.text.bytes());
    format!("{:016x}", bytes.fold(0xcbf2_9ce4_8422_2325, fnv))
});

/// FNV-1a: enough to tell two builds' assets apart.
fn fnv(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

/// `/assets/{version}/{*name}`
pub(super) async fn asset(
    Path((version, name)): Path<(String, String)>,
    asked: HeaderMap,
) -> Response {
    let both = ASSETS.iter().zip(&PACKED);
    let Some((asset, packed)) = both.into_iter().find(|(asset, _)| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file").into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    // A page of the program before asks for its own version and gets this one: not to be kept.
    let keep = match version == *VERSION {
        true => "max-age=31536000, immutable",
        false => "no-store",
    };
    let headers: [(HeaderName, &str); 3] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, keep),
        (VARY, "accept-encoding"),
    ];
    if !unpacks(&asked) {
        return (headers, asset.text).into_response();
    }
    let packed = packed.get_or_init(|| compress_to_vec_zlib(asset.text.as_bytes(), LEVEL));
    (headers, [(CONTENT_ENCODING, "deflate")], packed.as_slice()).into_response()
}

/// Whether who asks takes `deflate`, the zlib format of RFC 9110, without a wish for less of it.
fn unpacks(asked: &HeaderMap) -> bool {
    let lists = asked.get_all(ACCEPT_ENCODING).into_iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .any(|coding| coding.trim().eq_ignore_ascii_case("deflate"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> &'static str {
        let asset = ASSETS.iter().find(|asset| asset.name == name);
        asset.expect("it is there").text
    }

    #[test]
    fn every_file_of_the_folder_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page/assets");
        let mut files = 0;
        for below in ["", "pages", "vendor"] {
            for file in std::fs::read_dir(format!("{folder}/{below}")).expect("a folder") {
                let file = file.expect("an entry");
                if file.path().is_file() {
                    let name = file.file_name().to_string_lossy().into_owned();
                    let name = format!("{below}/{name}");
                    let _served = text(name.trim_start_matches('/'));
                    files += 1;
                }
            }
        }
        assert_eq!(files, ASSETS.len());
    }

    #[test]
    fn files_travel_packed_to_who_can_unpack_them() {
        let answer = |codings: &'static str| {
            let mut asked = HeaderMap::new();
            asked.insert(ACCEPT_ENCODING, codings.parse().expect("a header"));
            let path = Path((VERSION.clone(), "app.js".to_owned()));
            let answer = smol::block_on(asset(path, asked));
            let coding = answer.headers().get(CONTENT_ENCODING).cloned();
            let body = smol::block_on(http_body_util::BodyExt::collect(answer.into_body()));
            (coding, body.expect("a body").to_bytes())
        };
        for codings in ["", "gzip, br", "deflate;q=0"] {
            assert_eq!(answer(codings), (None, text("app.js").into()), "{codings}");
        }
        let (coding, body) = answer("gzip, Deflate, br, zstd");
        assert_eq!(coding.expect("a coding"), "deflate");
        assert!(body.len() < text("app.js").len() / 2, "{}", body.len());
        let whole = miniz_oxide::inflate::decompress_to_vec_zlib(&body);
        assert_eq!(whole.expect("it is whole"), text("app.js").as_bytes());
    }

    #[test]
    fn scripts_make_no_markup_and_ask_nobody_else() {
        let ours = |asset: &&Asset| !asset.name.starts_with("vendor/");
        for asset in ASSETS.iter().filter(ours) {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "https://",
            ] {
                assert!(!asset.text.contains(word), "{} has {word}", asset.name);
            }
            let elsewhere = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://"), "{}", asset.name);
        }
    }

    #[test]
    fn script_and_server_know_the_same_pages() {
        let script: Vec<_> = text("app.js")
            .lines()
            .filter_map(|line| line.trim().strip_prefix("{ path: \""))
            .map(|rest| rest.split('"').next().unwrap_or_default())
            .collect();
        let axum_style = |path: &&str| path.replace('{', ":").replace('}', "");
        let server: Vec<_> = super::super::PATHS.iter().map(axum_style).collect();
        assert_eq!(script, server);
    }

    #[test]
    fn every_page_of_the_script_has_its_module() {
        let pages = text("app.js")
            .lines()
            .filter_map(|line| line.split_once("page: \""))
            .map(|(_, rest)| rest.split('"').next().unwrap_or_default());
        for page in pages {
            let module = text(&format!("pages/{page}.js"));
            assert!(
                module.contains("export async function open(place)"),
                "{page}"
            );
        }
    }
}
