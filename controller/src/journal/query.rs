//! Which events are wanted, and how they are found.

use std::borrow::Cow;
use std::io;

use serde::Deserialize;

use super::segments::Segments;
use crate::clock::EpochMs;

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of this number and higher, the oldest first; without it and `since` the newest.
    pub from: Option<u64>,
    /// Those of this moment and later, the oldest first.
    pub since: Option<EpochMs>,
    /// Those of one of these types; empty is all.
    pub types: Vec<String>,
    /// Those about the rig of this node ID or name.
    pub peer: Option<String>,
    /// At most so many.
    pub limit: usize,
}

/// Events, oldest first, each as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// One line each.
    pub lines: Vec<String>,
    /// Number of the last one.
    pub last: Option<u64>,
    /// Whether there may be more behind them.
    pub more: bool,
    /// Events of `from` and higher that have fallen out of the log.
    pub lost: u64,
}

/// What a filter needs of a line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head<'a> {
    pub(super) seq: u64,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    node_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    node_name: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// Reads it; `None` for what is no event.
pub(super) fn head(line: &[u8]) -> Option<Head<'_>> {
    serde_json::from_slice(line).ok()
}

impl EventFilter {
    /// Whether the newest are wanted.
    const fn is_tail(&self) -> bool {
        self.from.is_none() && self.since.is_none()
    }

    fn takes(&self, head: &Head<'_>) -> bool {
        let is_peer = |peer: &String| {
            let names = [head.node_id.as_deref(), head.node_name.as_deref()];
            names.contains(&Some(peer.as_str()))
        };
        // Moments are written so that they sort as text.
        self.from.is_none_or(|from| head.seq >= from)
            && self
                .since
                .is_none_or(|since| *head.at >= *since.to_string())
            && (self.types.is_empty() || self.types.iter().any(|kind| *kind == head.kind))
            && self.peer.as_ref().is_none_or(is_peer)
    }

    /// The page that these lines make, which are all that there are, oldest first.
    pub(crate) fn of_lines(&self, lines: impl DoubleEndedIterator<Item = String>) -> Page {
        let mut page = Page::default();
        let taken = |line: &String| {
            head(line.as_bytes())
                .filter(|head| self.takes(head))
                .map(|head| head.seq)
        };
        if self.is_tail() {
            let newest = lines.rev().filter_map(|line| Some((taken(&line)?, line)));
            let mut newest: Vec<_> = newest.take(self.limit).collect();
            page.last = newest.first().map(|(seq, _)| *seq);
            newest.reverse();
            page.lines = newest.into_iter().map(|(_, line)| line).collect();
            return page;
        }
        for line in lines {
            let Some(seq) = taken(&line) else { continue };
            if page.lines.len() == self.limit {
                page.more = true;
                break;
            }
            page.last = Some(seq);
            page.lines.push(line);
        }
        page
    }
}

impl Segments {
    /// Events that this filter takes. Reads one file at a time.
    pub(super) fn query(&self, filter: &EventFilter) -> io::Result<Page> {
        let mut page = if filter.is_tail() {
            self.tail(filter)?
        } else {
            self.forward(filter)?
        };
        let oldest = self.firsts.first().copied().unwrap_or_default();
        page.lost = filter.from.map_or(0, |from| oldest.saturating_sub(from));
        Ok(page)
    }

    fn tail(&self, filter: &EventFilter) -> io::Result<Page> {
        let mut page = Page::default();
        for first in self.firsts.iter().rev() {
            let left = filter.limit - page.lines.len();
            let part = EventFilter {
                limit: left,
                ..filter.clone()
            };
            let mut found = part.of_lines(lines(&self.read(*first)?));
            page.last = page.last.or(found.last);
            found.lines.append(&mut page.lines);
            page.lines = found.lines;
            if page.lines.len() >= filter.limit {
                break;
            }
        }
        Ok(page)
    }

    fn forward(&self, filter: &EventFilter) -> io::Result<Page> {
        let wanted = filter.from.unwrap_or_default();
        // The file that has the first one wanted is the last that begins at or before it.
        let begin = self
            .firsts
            .partition_point(|first| *first <= wanted)
            .saturating_sub(1);
        let mut page = Page::default();
        for first in self.firsts.iter().skip(begin) {
            // One more than there is room for says that there is more.
            let part = EventFilter {
                limit: filter.limit - page.lines.len(),
                ..filter.clone()
            };
            let found = part.of_lines(lines(&self.read(*first)?));
            page.last = found.last.or(page.last);
            page.lines.extend(found.lines);
            page.more = found.more;
            if page.more {
                break;
            }
        }
        Ok(page)
    }
}

/// The lines of a file; what is no text is no line.
fn lines(bytes: &[u8]) -> impl DoubleEndedIterator<Item = String> + '_ {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines.filter_map(|line| Some(std::str::from_utf8(line).ok()?.to_owned()))
}
