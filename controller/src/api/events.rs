//! What happened, asked for or followed.
//!
//! A stream is a cursor into the log and a word that there is more: whoever reads slowly reads old events
//! from the journal, and only what has fallen out of that is lost to it. No stream has a queue of events.
//!
//! ```text
//!   : keep-alive                                   after 15 s of silence
//!   id: 4711                                       one event of the log; `Last-Event-ID` goes on behind it
//!   event: event
//!   data: {"seq":4711,"at":"...","type":"linkUp", ...}
//!
//!   event: lost        data: {"events":12}         so many have fallen out before they were read
//!   event: stats       data: [{"id": ...}, ...]    rows that have changed, with `stats=true`
//!   event: summary     data: {"at": ...}           what the farm comes to, with `stats=true`
//!   event: statsLost   data: {"ticks":3}           rows were missed: read `/remote/stats` or `/peers` again
//! ```

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderName;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use smol::Timer;
use smol::channel::Receiver;
use smol::future::FutureExt as _;
use smol::stream::unfold;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::optional;
use super::{Api, Problem};
use crate::clock::When;
use crate::farm::{EventsView, Farm, MAX_EVENTS, Tick};
use crate::journal::EventFilter;
use crate::scope::Scope;

/// Silence after which a stream says that it lives.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events of one piece of a stream.
const PIECE: usize = 100;
/// Events of an answer, unless another number is asked for.
const DEFAULT_EVENTS: usize = 100;
/// Where a stream goes on, by the standard of server-sent events.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What nginx and others obey.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(stream))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Those with a higher number, oldest first; the newest without it and `since`.
    #[param(value_type = Option<u64>, format = "uint64")]
    after: Option<String>,
    /// Those of this moment and later: an age such as `24h`, RFC 3339 in UTC, or milliseconds since 1970.
    since: Option<String>,
    /// Those of these types, such as `linkUp,linkDown`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Those about the rig of this node ID or name, also one that was removed.
    peer: Option<String>,
    /// At most so many; 100 without it.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1_000)]
    limit: Option<String>,
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Followed {
    /// Begin behind this number; with the events to come without it. `Last-Event-ID` outranks it.
    #[param(value_type = Option<u64>, format = "uint64")]
    after: Option<String>,
    /// Those of these types, such as `linkUp,linkDown`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// Those about the rig of this node ID or name.
    peer: Option<String>,
    /// Rows of rigs that have changed, once a second, and sums of the farm too.
    #[param(value_type = Option<bool>)]
    stats: Option<String>,
}

/// What happened on the farm.
///
/// The newest without `after` and `since`. Go on with `after` from `next`.
#[utoipa::path(get, path = "/events", tag = "events", operation_id = "listEvents",
    security(("token" = [Scope::Read])),
    params(Wanted), responses((status = 200, body = EventsView)))]
async fn list(
    State(api): State<Api>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<EventsView>, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("query", why))?;
    let limit = optional("limit", query.limit.as_deref())?.unwrap_or(DEFAULT_EVENTS);
    if !(1..=MAX_EVENTS).contains(&limit) {
        let why = format!("it must be from 1 to {MAX_EVENTS}");
        return Err(Problem::invalid("limit", why));
    }
    let after = optional::<u64>("after", query.after.as_deref())?;
    let since = optional::<When>("since", query.since.as_deref())?;
    let filter = EventFilter {
        from: after.map(|after| after.saturating_add(1)),
        since: since.map(|since| since.at(api.farm.now())),
        types: types(query.kind.as_deref()),
        peer: query.peer.map(|peer| named(&api.farm, peer)),
        limit,
    };
    Ok(Json(api.farm.find_events(filter).await?))
}

fn types(list: Option<&str>) -> Vec<String> {
    let types = list.unwrap_or_default().split(',').map(str::trim);
    types
        .filter(|kind| !kind.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The node ID of a rig that is there; otherwise the words as they are, which a removed one may have had.
fn named(farm: &Farm, peer: String) -> String {
    farm.resolve(&peer).map_or(peer, |id| id.to_string())
}

/// Events as they come, as server-sent events; with `stats=true` rows and sums too.
///
/// A piece is an `event` of the log with its number as `id`, `lost` with the number of events that had fallen
/// out, and with `stats=true` `stats` (an array of `BoardRow`), `summary` (a `SummaryView`) and `statsLost`.
#[utoipa::path(get, path = "/events/stream", tag = "events", operation_id = "followEvents",
    security(("token" = [Scope::Read])),
    params(Followed, ("Last-Event-ID" = Option<u64>, Header, description = "The last number that was read.")),
    responses((status = 200, content_type = "text/event-stream", body = String)))]
async fn stream(
    State(api): State<Api>,
    headers: HeaderMap,
    query: Result<Query<Followed>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|why| Problem::invalid("query", why))?;
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = match last {
        Some(last) => optional::<u64>("Last-Event-ID", Some(last))?,
        None => optional::<u64>("after", query.after.as_deref())?,
    };
    let stats = optional::<bool>("stats", query.stats.as_deref())?.unwrap_or_default();
    // Who follows before it looks where the log ends misses nothing in between.
    let more = api.farm.follow()?;
    let ticks = stats.then(|| api.farm.watch());
    let follower = Follower {
        next: after.map_or_else(|| api.farm.next_event(), |after| after.saturating_add(1)),
        types: types(query.kind.as_deref()),
        peer: query.peer.map(|peer| named(&api.farm, peer)),
        farm: Arc::clone(&api.farm),
        more,
        ticks,
        tick: None,
        greeted: false,
    };
    let pieces = unfold(follower, |mut follower| async move {
        let piece = follower.piece().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), follower))
    });
    let head = [
        (CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        // A proxy in front must not collect what is to be seen at once.
        (X_ACCEL_BUFFERING, "no"),
    ];
    Ok((head, Body::from_stream(pieces)).into_response())
}

/// Somebody who follows.
struct Follower {
    farm: Arc<Farm>,
    /// Number of the event that is read next.
    next: u64,
    types: Vec<String>,
    peer: Option<String>,
    more: Receiver<()>,
    ticks: Option<Receiver<Tick>>,
    /// Number of the last tick that was told.
    tick: Option<u64>,
    greeted: bool,
}

/// Why a follower wakes.
enum Woken {
    More,
    Tick(Tick),
    Silence,
    Closed,
}

impl Follower {
    /// The next piece of the stream; `None` at its end.
    async fn piece(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.greeted, true) {
            // Headers leave with the first piece: a browser hears at once that it is connected.
            return Some(": connected\n\n".to_owned());
        }
        loop {
            let piece = self.events().await;
            if !piece.is_empty() {
                return Some(piece);
            }
            match self.woken().await {
                Woken::More => {}
                Woken::Tick(tick) => {
                    let piece = self.tick(&tick);
                    if !piece.is_empty() {
                        return Some(piece);
                    }
                }
                Woken::Silence => return Some(": keep-alive\n\n".to_owned()),
                Woken::Closed => return None,
            }
        }
    }

    async fn woken(&self) -> Woken {
        let more = async {
            let word = self.more.recv().await;
            word.map_or(Woken::Closed, |()| Woken::More)
        };
        let tick = async {
            match &self.ticks {
                None => smol::future::pending().await,
                Some(ticks) => ticks.recv().await.map_or(Woken::Closed, Woken::Tick),
            }
        };
        let silence = async {
            Timer::after(KEEP_ALIVE).await;
            Woken::Silence
        };
        more.or(tick).or(silence).await
    }

    /// Events that are there and not told; empty if there are none.
    async fn events(&mut self) -> String {
        let mut text = String::new();
        // One page after the other until one has something: a filter may leave out many.
        while text.is_empty() && self.next < self.farm.next_event() {
            let filter = EventFilter {
                from: Some(self.next),
                since: None,
                types: self.types.clone(),
                peer: self.peer.clone(),
                limit: PIECE,
            };
            let end = self.farm.next_event();
            let Ok(page) = self.farm.page(filter).await else {
                break;
            };
            if page.lost > 0 {
                text += &format!("event: lost\ndata: {{\"events\":{}}}\n\n", page.lost);
            }
            for line in &page.lines {
                text += &match seq_of(line) {
                    Some(seq) => format!("id: {seq}\nevent: event\ndata: {line}\n\n"),
                    None => continue,
                };
            }
            let told = page.last.map_or(self.next, |last| last.saturating_add(1));
            self.next = if page.more { told } else { told.max(end) };
        }
        text
    }

    fn tick(&mut self, tick: &Tick) -> String {
        let mut text = String::new();
        let missed = self
            .tick
            .map_or(0, |last| tick.number.saturating_sub(last + 1));
        if missed > 0 {
            text += &format!("event: statsLost\ndata: {{\"ticks\":{missed}}}\n\n");
        }
        self.tick = Some(tick.number);
        if let Some(rows) = &tick.rows {
            text += &format!("event: stats\ndata: {rows}\n\n");
        }
        if let Some(summary) = &tick.summary {
            text += &format!("event: summary\ndata: {summary}\n\n");
        }
        text
    }
}

/// The number of an event in JSON.
fn seq_of(line: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    serde_json::from_str::<Numbered>(line)
        .ok()
        .map(|event| event.seq)
}
