//! How a verb ends: with `--json` the API's answer as it came, otherwise words for a person.
//!
//! | the answer is | a person sees | by |
//! |---|---|---|
//! | a list | a table, or what to do while it is empty | [`list`] |
//! | word of a deed | `ID is done` | [`deed`] |
//! | anything else | what the verb makes of it | [`for_a_person`] |
//!
//! Texts come from rigs and pools; [`units::printable`] is between them and the terminal.

use std::io::{self, Write as _};

use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answers;
use super::table::{Output, Table};
use crate::units::{self, UNKNOWN};

/// The answer for words; `None` if JSON was wanted, which is printed by then.
pub(super) fn for_a_person<T: DeserializeOwned>(
    answer: Value,
    json: bool,
) -> Result<Option<T>, Failure> {
    if json {
        say_json(&answer);
        return Ok(None);
    }
    answers::read(answer).map(Some)
}

/// A list as a table, or the line `empty`.
pub(super) fn list<T: DeserializeOwned, const N: usize>(
    answer: Value,
    json: bool,
    empty: &str,
    table: impl FnOnce(&[T]) -> Table<N>,
) -> Result<(), Failure> {
    if let Some(rows) = for_a_person::<Vec<T>>(answer, json)? {
        rows_or(&rows, empty, table);
    }
    Ok(())
}

/// Rows as a table, or the line `empty`.
pub(super) fn rows_or<T, const N: usize>(
    rows: &[T],
    empty: &str,
    table: impl FnOnce(&[T]) -> Table<N>,
) {
    if rows.is_empty() {
        say(empty);
        return;
    }
    let text = table(rows).render(Output::stdout());
    // A reader that has gone away is no error of ours.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// What was done to the thing of this ID.
pub(super) fn deed(
    answer: Value,
    json: bool,
    words: impl FnOnce(&str) -> String,
) -> Result<(), Failure> {
    /// What every answer about a deed has.
    #[derive(Deserialize)]
    struct Done {
        id: Option<String>,
    }
    if let Some(Done { id }) = for_a_person(answer, json)? {
        say_clean(&words(id.as_deref().unwrap_or(UNKNOWN)));
    }
    Ok(())
}

/// The fields that were given, as the body of a request.
pub(super) fn body<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let given = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}

/// Prints JSON as it came, indented.
pub(super) fn say_json(value: &Value) {
    say(serde_json::to_string_pretty(value).unwrap_or_default());
}

/// Prints a line that may hold a rig's words.
pub(super) fn say_clean(line: &str) {
    say(units::printable(line));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_body_holds_what_was_given_alone() {
        let body = body([("uses", Some(json!(3))), ("group", None)]);
        assert_eq!(body, json!({ "uses": 3 }));
    }
}
