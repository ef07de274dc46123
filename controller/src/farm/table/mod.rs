//! The table of rigs: any window of it, sorted by any column, and all of it as CSV.
//!
//! ```text
//!   10,000 rigs ── selector, 256 under one hold of the lock ──▶ keys: one value, the name
//!                                                                │ the window is put aside, and alone sorted
//!                                                                ▼
//!                                     60 rows, made under one hold ──▶ JSON;  portions of 256 ──▶ CSV
//! ```
//! What is unknown is last, whichever way the others are sorted. Ties are by name, as people count:
//! `rig-2` before `rig-10`. `state` and `tone` are sorted by how bad they are, the worst first.

mod column;
mod csv;
mod figures;
mod row;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use miner_shared::identity::Fingerprint;
use miner_shared::text::Name;

use self::column::Cell;
pub use self::column::{Sort, SortError};
pub use self::row::{TableRow, TableView};
use super::Farm;
use super::facts::RigFacts;
use super::fleet::PORTION;
use super::select::Selector;
use crate::natural::natural;

/// What a rig is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    value: Option<Value>,
    name: Name,
    key: Fingerprint,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    Text(Box<str>),
}

impl Entry {
    fn new(rig: &RigFacts<'_>, sort: Sort) -> Self {
        let value = rig.cell(sort.column).map(|cell| match cell {
            Cell::Text(text) => Value::Text(text.into()),
            Cell::Word(_, number) | Cell::Number(number) | Cell::Rate(number) => {
                Value::Number(number)
            }
            // Numbers that are not below 0 are in the order of their bits.
            Cell::Percent(percent) => Value::Number(percent.to_bits()),
            Cell::Flag(flag) => Value::Number(flag.into()),
        });
        Self {
            value,
            name: rig.row.name.clone(),
            key: *rig.key,
        }
    }

    /// Which of two comes first; never none of them.
    fn order(&self, other: &Self, descending: bool) -> Ordering {
        let by_value = match (&self.value, &other.value) {
            (Some(a), Some(b)) if descending => b.order(a),
            (Some(a), Some(b)) => a.order(b),
            // What is known comes before what is not.
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        by_value
            .then_with(|| natural(self.name.as_str(), other.name.as_str()))
            .then_with(|| self.key.cmp(&other.key))
    }
}

impl Value {
    fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => natural(a, b),
            // A column has values of one kind.
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// The entries from `offset` on, at most `limit`, sorted. No more is sorted than these.
fn window(entries: &mut [Entry], offset: usize, limit: usize, descending: bool) -> &[Entry] {
    let order = |a: &Entry, b: &Entry| a.order(b, descending);
    if offset >= entries.len() {
        return &[];
    }
    if offset > 0 {
        entries.select_nth_unstable_by(offset, order);
    }
    let (_, behind) = entries.split_at_mut(offset);
    if (1..behind.len()).contains(&limit) {
        behind.select_nth_unstable_by(limit, order);
    }
    let (window, _) = behind.split_at_mut(limit.min(behind.len()));
    window.sort_unstable_by(order);
    window
}

impl Farm {
    /// The rows from `offset` on, at most `limit`, of the table of the rigs that this takes.
    pub async fn table(
        &self,
        selector: &Selector,
        sort: Sort,
        offset: usize,
        limit: usize,
    ) -> TableView {
        let (mut entries, registered) = self.entries(selector, sort).await;
        let matched = entries.len();
        let window = window(&mut entries, offset, limit, sort.descending);
        let mut rows = Vec::with_capacity(window.len());
        let keys: Vec<_> = window.iter().map(|entry| entry.key).collect();
        for portion in keys.chunks(PORTION) {
            self.look_at(portion, |rig| rows.push(rig.table_row()));
        }
        TableView {
            at: self.clock.now().wall,
            registered,
            matched,
            offset,
            rows,
        }
    }

    /// All rigs that this takes, in the order of the table.
    pub async fn sorted(&self, selector: &Selector, sort: Sort) -> Vec<Fingerprint> {
        let (mut entries, _) = self.entries(selector, sort).await;
        let all = entries.len();
        let all = window(&mut entries, 0, all, sort.descending);
        all.iter().map(|entry| entry.key).collect()
    }

    /// The first line of the table as CSV.
    pub fn csv_head() -> String {
        csv::head()
    }

    /// The lines of these rigs, in this order; one that was removed meanwhile is left out.
    pub fn csv_lines(&self, keys: &[Fingerprint]) -> String {
        let mut lines = String::new();
        self.look_at(keys, |rig| csv::line(rig, &mut lines));
        lines
    }

    async fn entries(&self, selector: &Selector, sort: Sort) -> (Vec<Entry>, usize) {
        let (mut entries, mut registered) = (Vec::new(), 0);
        self.look_at_all(|rig| {
            registered += 1;
            if selector.takes(rig) {
                entries.push(Entry::new(rig, sort));
            }
        })
        .await;
        (entries, registered)
    }
}
