//! Lists in parts: `?limit=100`, and from there on by the link that the answer names.
//!
//! ```text
//!   GET /peers?limit=2                  ─▶ [a, b]   X-Total-Count: 3
//!                                                   Link: <?limit=2&after=WyJi…>; rel="next"
//!   GET /peers?limit=2&after=WyJi…      ─▶ [c]      X-Total-Count: 3
//! ```
//!
//! The answer stays a plain array, as the original's clients read it; without `limit` it is whole. A
//! cursor is the sorting key of the last item that was shown, so what is added or removed meanwhile
//! moves nothing: each item that was there all the time is seen once.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::LINK;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::extract::optional;
use super::portions;
use super::problem::Problem;

/// Items that one request may ask for.
pub const MAX_PAGE: usize = 10_000;
/// How many items there are, on all pages.
pub const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// At most so many items; without it all.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 10_000)]
    limit: Option<String>,
    /// Cursor of the link `next` of the answer before.
    after: Option<String>,
    /// The rest of the query, for the link.
    #[serde(skip)]
    #[param(ignore)]
    others: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = Query::<Self>::try_from_uri(&parts.uri);
        let Query(mut page) = query.map_err(|why| Problem::invalid("limit", why))?;
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            let ours = pair.starts_with("limit=") || pair.starts_with("after=");
            if !pair.is_empty() && !ours {
                page.others += &format!("{pair}&");
            }
        }
        Ok(page)
    }
}

impl Page {
    /// The part of these items, which are sorted by this key.
    pub(super) fn of<T, K>(
        self,
        items: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Listing<T>, Problem>
    where
        K: Ord + Serialize + DeserializeOwned,
    {
        let limit = optional::<usize>("limit", self.limit.as_deref())?;
        if limit.is_some_and(|limit| !(1..=MAX_PAGE).contains(&limit)) {
            let why = format!("it must be from 1 to {MAX_PAGE}");
            return Err(Problem::invalid("limit", why));
        }
        let total = items.len();
        let after: Option<K> = self.after.as_deref().map(read).transpose()?;
        let is_shown = |item: &T| after.as_ref().is_some_and(|after| key(item) <= *after);
        let mut items: Vec<T> = items.into_iter().skip_while(is_shown).collect();
        let mut next = None;
        if let Some(limit) = limit.filter(|limit| *limit < items.len()) {
            items.truncate(limit);
            let cursor = items.last().map(|last| write(&key(last)));
            next = cursor.map(|cursor| format!("{}limit={limit}&after={cursor}", self.others));
        }
        Ok(Listing { items, total, next })
    }
}

fn write(key: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

fn read<K: DeserializeOwned>(cursor: &str) -> Result<K, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Problem::invalid("after", "it is no cursor of this list"))
}

/// A part of a list, and where the next one is.
#[derive(Debug)]
pub(super) struct Listing<T> {
    items: Vec<T>,
    total: usize,
    next: Option<String>,
}

impl<T> Listing<T> {
    /// The answer that shows of each item what `show` makes of it, made while it is sent if it is long.
    pub(super) fn sent<V: Serialize>(
        self,
        show: impl Fn(&[T]) -> Vec<V> + Send + 'static,
    ) -> Response
    where
        T: Send + 'static,
    {
        let Self { items, total, next } = self;
        headed(portions::answer(items, show), total, next)
    }
}

impl<T: Serialize> IntoResponse for Listing<T> {
    fn into_response(self) -> Response {
        headed(Json(self.items).into_response(), self.total, self.next)
    }
}

fn headed(mut response: Response, total: usize, next: Option<String>) -> Response {
    let headers = response.headers_mut();
    headers.insert(TOTAL_COUNT, HeaderValue::from(total));
    let link = next.map(|next| format!("<?{next}>; rel=\"next\""));
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        headers.insert(LINK, link);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: Option<usize>, after: Option<&str>) -> Page {
        Page {
            limit: limit.map(|limit| limit.to_string()),
            after: after.map(str::to_owned),
            others: "tag=x&".to_owned(),
        }
    }

    /// Follows the links from the first page on, changing the list before each step.
    fn walk(items: &[u32], limit: usize, mut change: impl FnMut(&mut Vec<u32>)) -> Vec<u32> {
        let (mut items, mut seen, mut after) = (items.to_vec(), Vec::new(), None::<String>);
        loop {
            let page = page(Some(limit), after.as_deref());
            let listing = page.of(items.clone(), |item| *item).expect("a page");
            seen.extend(listing.items);
            let Some(next) = listing.next else {
                return seen;
            };
            let (before, cursor) = next.split_once("&after=").expect("a cursor");
            assert_eq!(before, format!("tag=x&limit={limit}"));
            after = Some(cursor.to_owned());
            change(&mut items);
        }
    }

    #[test]
    fn every_item_is_on_one_page_whatever_the_limit() {
        let items: Vec<u32> = (0..10).collect();
        for limit in 1..=11 {
            assert_eq!(walk(&items, limit, |_| ()), items, "{limit}");
        }
        let whole = page(None, None).of(items.clone(), |item| *item);
        assert_eq!(whole.expect("whole").items, items);
    }

    #[test]
    fn what_goes_or_comes_between_two_pages_hides_nothing_and_shows_nothing_twice() {
        let shown = walk(&[10, 20, 30, 40], 2, |items| {
            // The last one shown goes, one before it comes, one after it comes.
            *items = vec![5, 10, 25, 30, 40];
        });
        assert_eq!(shown, [10, 20, 25, 30, 40]);
    }

    #[test]
    fn a_cursor_of_another_list_is_refused() {
        let other = write(&("name", 1));
        for after in ["x", "!", other.as_str()] {
            let refused = page(None, Some(after)).of(vec![1, 2], |item| *item);
            assert_eq!(
                refused.expect_err("refused").field.as_deref(),
                Some("after")
            );
        }
    }
}
