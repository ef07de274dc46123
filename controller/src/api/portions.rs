//! Lists of many rigs, made while they are sent.
//!
//! ```text
//!   10,000 keys ─▶ 256 of them ─▶ views, under one hold of the farm's lock ─▶ JSON ─▶ socket
//!                      ▲                                                         │ others have their turn
//!                      └─────────────────────────────────────────────────────────┘
//! ```
//! So whatever the length of the list, nobody waits longer than for one portion, and the memory that it
//! takes is a portion's. A list of one portion is sent whole, with a length; a longer one has neither a
//! length nor an `ETag`, as nobody knows its end before it is there.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use smol::{future, stream};

use crate::farm::PORTION;

/// Answers with the JSON array or object that `show` makes of these items. It makes it of [`PORTION`] of
/// them at a time, and what it makes of each is put together.
pub(super) fn answer<T, V>(items: Vec<T>, show: impl Fn(&[T]) -> V + Send + 'static) -> Response
where
    T: Send + 'static,
    V: Serialize,
{
    if items.len() <= PORTION {
        return Json(show(&items)).into_response();
    }
    let list = List {
        items,
        sent: 0,
        is_begun: false,
    };
    let portions = stream::try_unfold((list, show), |(mut list, show)| async move {
        if list.sent > 0 {
            // The socket may take all of it at once: others have their turn all the same.
            future::yield_now().await;
        }
        let portion = list.next(&show)?;
        Ok::<_, serde_json::Error>(portion.map(|portion| (portion, (list, show))))
    });
    let json = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, json)], Body::from_stream(portions)).into_response()
}

/// A list on its way.
struct List<T> {
    items: Vec<T>,
    /// Items of which portions are made.
    sent: usize,
    /// Whether something has been made of them: there is a comma before the next.
    is_begun: bool,
}

impl<T> List<T> {
    /// The text of the next portion; `None` behind the end.
    fn next<V: Serialize>(
        &mut self,
        show: impl Fn(&[T]) -> V,
    ) -> Result<Option<Vec<u8>>, serde_json::Error> {
        let Some(left) = self.items.get(self.sent..).filter(|left| !left.is_empty()) else {
            return Ok(None);
        };
        let is_first = self.sent == 0;
        let portion = left.get(..PORTION).unwrap_or(left);
        let is_last = portion.len() == left.len();
        self.sent += portion.len();
        let whole = serde_json::to_vec(&show(portion))?;
        // `[…]` or `{…}`, of which only the first beginning and the last end are sent.
        let [begin, inside @ .., end] = &*whole else {
            return Ok(Some(whole));
        };
        let mut text = Vec::with_capacity(whole.len() + 1);
        if is_first {
            text.push(*begin);
        }
        if !inside.is_empty() {
            if std::mem::replace(&mut self.is_begun, true) {
                text.push(b',');
            }
            text.extend_from_slice(inside);
        }
        if is_last {
            text.push(*end);
        }
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::body::HttpBody as _;
    use http_body_util::BodyExt as _;
    use smol::future::poll_once;

    use super::*;

    fn body(response: Response) -> String {
        let collected = smol::block_on(response.into_body().collect());
        String::from_utf8(collected.expect("made").to_bytes().to_vec()).expect("text")
    }

    #[test]
    fn the_portions_are_together_what_the_whole_list_is() {
        for count in [0, 1, PORTION, PORTION + 1, 3 * PORTION, 3 * PORTION + 7] {
            let items: Vec<_> = (0..count).collect();
            // Some are gone when their turn comes: all of one portion, some of another.
            let kept = |item: &&usize| **item < 10 || **item > PORTION + 3;
            let array =
                move |items: &[usize]| items.iter().filter(kept).copied().collect::<Vec<_>>();
            let object = move |items: &[usize]| {
                let kept = items.iter().filter(kept);
                kept.map(|n| (format!("{n:06}"), *n))
                    .collect::<BTreeMap<_, _>>()
            };
            let whole = serde_json::to_string(&array(&items)).expect("JSON");
            assert_eq!(body(answer(items.clone(), array)), whole, "{count}");
            let whole = serde_json::to_string(&object(&items)).expect("JSON");
            assert_eq!(body(answer(items, object)), whole, "{count}");
        }
    }

    #[test]
    fn a_list_of_which_nothing_is_left_is_an_empty_one() {
        let items = vec![(); 2 * PORTION + 1];
        let none = |_: &[()]| Vec::<u8>::new();
        assert_eq!(body(answer(items, none)), "[]");
    }

    #[test]
    fn others_have_their_turn_before_each_further_portion() {
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let show = move |items: &[usize]| {
            counted.fetch_add(1, Ordering::Relaxed);
            items.to_vec()
        };
        let response = answer((0..3 * PORTION).collect(), show);
        let mut body = response.into_body();
        assert_eq!(body.size_hint().upper(), None, "no length, and so no tag");
        smol::block_on(async {
            assert!(poll_once(body.frame()).await.flatten().is_some());
            for portions in [1, 2] {
                assert!(poll_once(body.frame()).await.is_none(), "not at once");
                assert_eq!(made.load(Ordering::Relaxed), portions);
                assert!(poll_once(body.frame()).await.flatten().is_some());
            }
        });
    }
}
