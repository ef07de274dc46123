//! What happened: the newest events from memory, older ones from the journal.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use smol::channel::{Receiver, bounded};
use utoipa::ToSchema;

use super::{Core, Farm, show};
use crate::error::{Code, FarmError};
use crate::hub::{Event, EventKind};
use crate::journal::{Begun, EventFilter, Journal, Page};

/// Most events of one answer: about 200 KiB of JSON.
pub const MAX_EVENTS: usize = 1_000;

/// Events that a subscriber may be behind before it loses some.
const SUBSCRIBER_QUEUE: usize = 256;
/// Who follows events at a time: a quarter of the API's connections.
pub const MAX_FOLLOWERS: usize = 32;

/// Events, oldest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventsView {
    /// The events.
    #[schema(value_type = Vec<Event>)]
    pub events: Vec<Value>,
    /// What to give as `after` for those behind them.
    pub next: Option<u64>,
    /// Whether there may be more behind them now.
    pub more: bool,
    /// Events behind `after` that have fallen out of the log.
    pub lost: u64,
}

impl Farm {
    /// Events from now on. A subscriber that does not keep up loses some: their numbers are missing.
    pub fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = bounded(SUBSCRIBER_QUEUE);
        self.lock().subscribers.push(sender);
        receiver
    }

    /// The last events, oldest first, and how many older ones have fallen out.
    pub fn events(&self) -> (Vec<Event>, u64) {
        let core = self.lock();
        (
            core.hub.events_since(0).cloned().collect(),
            core.hub.events_lost(),
        )
    }

    /// From now on events are kept in this journal, whose numbers go on.
    pub fn keep_events(&self, journal: Journal, begun: Begun) {
        {
            let mut core = self.lock();
            core.hub.begin_events_at(begun.next);
            core.published = begun.next;
            core.journal = Some(Arc::new(journal));
        }
        if begun.skipped > 0 {
            let kind = EventKind::EventsSkipped {
                numbers: begun.skipped,
            };
            self.with(|hub, env| hub.record(env, None, kind));
        }
    }

    /// Waits until all events are on disk.
    pub(super) async fn end_journal(&self) {
        let journal = self.lock().journal.clone();
        if let Some(journal) = journal {
            journal.end().await;
        }
    }

    /// Events that this filter takes; at most [`MAX_EVENTS`].
    pub async fn find_events(&self, filter: EventFilter) -> Result<EventsView, FarmError> {
        let limit = filter.limit.min(MAX_EVENTS);
        let page = self.page(EventFilter { limit, ..filter }).await?;
        let events = page
            .lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        Ok(EventsView {
            events: events.collect(),
            next: page.last,
            more: page.more,
            lost: page.lost,
        })
    }

    /// The same as lines of JSON.
    pub(crate) async fn page(&self, filter: EventFilter) -> Result<Page, FarmError> {
        let journal = {
            let core = self.lock();
            let oldest = core.hub.events_lost();
            // Who follows closely, and a farm without a journal, never waits for the disk.
            let is_near = filter.from.is_some_and(|from| from >= oldest);
            match core.journal.clone() {
                Some(journal) if !is_near => journal,
                _ => {
                    let events = core.hub.events_since(filter.from.unwrap_or_default());
                    let lines: Vec<_> = events
                        .filter_map(|event| serde_json::to_string(event).ok())
                        .collect();
                    let mut page = filter.of_lines(lines.into_iter());
                    page.lost = filter.from.map_or(0, |from| oldest.saturating_sub(from));
                    return Ok(page);
                }
            }
        };
        let unread = |error| {
            FarmError::new(
                Code::ServiceUnavailable,
                format!("events cannot be read: {error}"),
            )
        };
        journal.query(filter).await.map_err(unread)
    }

    /// Number that the next event gets.
    pub(crate) fn next_event(&self) -> u64 {
        self.lock().hub.next_event()
    }

    /// Hears a word whenever there are new events; closed when the farm is.
    pub(crate) fn follow(&self) -> Result<Receiver<()>, FarmError> {
        let (sender, receiver) = bounded(1);
        let followers = &mut self.lock().followers;
        followers.retain(|follower| !follower.is_closed());
        if followers.len() >= MAX_FOLLOWERS {
            let message = format!("{MAX_FOLLOWERS} streams of events are open; there are no more");
            return Err(FarmError::new(Code::ServiceUnavailable, message));
        }
        followers.push(sender);
        Ok(receiver)
    }
}

impl Core {
    /// Hands new events to the journal and to all subscribers; one that is gone is forgotten.
    pub(super) fn publish(&mut self) {
        let new: Vec<_> = self.hub.events_since(self.published).cloned().collect();
        if new.is_empty() {
            return;
        }
        self.published = self.hub.next_event();
        for event in new {
            log::info!("{}", show::log_line(&event));
            if let (Some(journal), Ok(line)) = (&self.journal, serde_json::to_string(&event)) {
                journal.append(event.seq, line);
            }
            self.subscribers
                .retain(|subscriber| heard(subscriber.try_send(event.clone())));
        }
        self.followers
            .retain(|follower| heard(follower.try_send(())));
    }
}

/// Whether somebody is still there; one whose queue is full is.
pub(super) fn heard<T>(sent: Result<(), smol::channel::TrySendError<T>>) -> bool {
    !matches!(sent, Err(smol::channel::TrySendError::Closed(_)))
}

#[cfg(test)]
impl Farm {
    /// Something happens.
    pub(crate) fn make_happen(&self, token: &str) {
        let token = token.to_owned();
        self.with(|hub, env| hub.record(env, None, EventKind::TokenCreated { token }));
    }
}
