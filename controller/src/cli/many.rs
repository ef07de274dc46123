//! A verb on many rigs: `--select EXPR` in the place of a rig's name.
//!
//! ```text
//!   dry run ─▶ none: said, done
//!           ─▶ --dry-run: its table
//!           ─▶ --yes, or --expect N that holds, or a person's yes; without a person exit code 3
//!                └─▶ the rigs of the dry run, 512 at a time ─▶ table, summary; exit code 1 if one did not
//! ```
//! What is done is done to the rigs that were shown, not to what the selector takes a moment later.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use axum::http::Method;
use miner_agent::cli::terminal;
use miner_agent::cli::{Failure, Terminal};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers;
use super::client::Client;
use super::peer::NONE_TAKEN;
use super::select::understood;
use super::show::{self, say_clean, say_json};
use super::table::{Column, Table};
use crate::units;

/// Rigs of one request: its body stays far below what the API takes, and each answer comes in time.
const AT_ONCE: usize = 512;
/// Names in a question.
const FIRST: usize = 5;
/// Rows that a terminal gets of rigs on which all went well.
const MAX_ROWS: usize = 40;

/// Whom a verb is about.
#[derive(Debug)]
pub(super) enum Whom {
    /// The rig that this names.
    One(String),
    /// All that a selector takes.
    Many(Many),
}

/// The options that go with `--select`.
#[derive(Debug)]
pub(super) struct Many {
    select: String,
    dry_run: bool,
    yes: bool,
    expect: Option<usize>,
    /// The end of the new wallet, if it was given.
    payout: Option<String>,
}

impl Whom {
    /// Whom these options of a verb name: a rig or `--select`, and the others with the latter alone.
    pub(super) fn of(
        peer: Option<String>,
        select: Option<String>,
        dry_run: bool,
        yes: bool,
        expect: Option<usize>,
    ) -> Result<Self, Failure> {
        match (peer, select) {
            (None, Some(select)) => Ok(Self::Many(Many {
                select,
                dry_run,
                yes,
                expect,
                payout: None,
            })),
            (Some(_), None) if dry_run || yes || expect.is_some() => Err(Failure::usage(
                "--dry-run, --yes and --expect go with --select",
            )),
            (Some(peer), None) => Ok(Self::One(peer)),
            (Some(_), Some(_)) => Err(Failure::usage("name one rig, or give --select")),
            (None, None) => Err(Failure::usage(
                "name a rig, or give --select EXPR for many (`--select all` for every one)",
            )),
        }
    }
}

/// See [`crate::farm::BulkView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    counts: BTreeMap<String, usize>,
    results: Vec<RigResult>,
}

/// See [`crate::farm::RigResult`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RigResult {
    id: String,
    name: String,
    status: String,
    code: Option<String>,
    message: Option<String>,
}

impl Many {
    /// The same, with what confirms that the rigs mine for another wallet.
    pub(super) fn confirming(self, payout: Option<String>) -> Self {
        Self { payout, ..self }
    }

    /// Does this to all of them; `verb` says it in the imperative.
    pub(super) async fn run(
        &self,
        client: &Client,
        verb: &str,
        action: &Value,
        json: bool,
    ) -> Result<(), Failure> {
        let selector = understood(&self.select)?;
        // What the registry does alone needs no link.
        if !["label", "remove"].contains(&verb) {
            client.reach(None).await;
        }
        let body = show::body([
            ("select", Some(json!(selector.as_str()))),
            ("action", Some(action.clone())),
            ("dryRun", Some(Value::Bool(true))),
            ("expect", self.expect.map(|expect| json!(expect))),
        ]);
        let foreseen = client.send(Method::POST, "/bulk", Some(&body)).await?;
        if self.dry_run {
            return report(foreseen, verb, json);
        }
        let rigs = answers::read::<Answer>(foreseen.clone())?.results;
        if rigs.is_empty() {
            return report(foreseen, verb, json);
        }
        if !self.yes && self.expect.is_none() {
            consent(&rigs, verb)?;
        }
        let (done, broken) = carry_out(client, &rigs, action, self.payout.as_deref()).await;
        report(done, verb, json)?;
        broken
    }
}

/// Asks the person; without one, says which flags decide it.
fn consent(rigs: &[RigResult], verb: &str) -> Result<(), Failure> {
    let about = about(rigs);
    let count = rigs.len();
    terminal::confirm(
        &units::printable(&format!("{verb} {about}?")),
        "nothing was done",
        || {
            units::printable(&format!(
                "{verb} is about {about}; look with --dry-run, then repeat with --expect {count} or --yes"
            ))
        },
    )
}

/// `3 rigs (a, b, c)`; of many the first few.
fn about(rigs: &[RigResult]) -> String {
    let count = rigs.len();
    let names: Vec<_> = rigs
        .iter()
        .take(FIRST)
        .map(|rig| rig.name.as_str())
        .collect();
    let more = match count.saturating_sub(FIRST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let unit = if count == 1 { "rig" } else { "rigs" };
    format!("{count} {unit} ({}{more})", names.join(", "))
}

/// Does it to these rigs, some at a time. What was done before a request failed is in the answer too.
async fn carry_out(
    client: &Client,
    rigs: &[RigResult],
    action: &Value,
    payout: Option<&str>,
) -> (Value, Result<(), Failure>) {
    let (mut counts, mut results) = (BTreeMap::<String, usize>::new(), Vec::new());
    let mut broken = Ok(());
    for part in rigs.chunks(AT_ONCE) {
        progress(results.len(), rigs.len());
        let ids: Vec<_> = part.iter().map(|rig| rig.id.as_str()).collect();
        let body = json!({ "ids": ids, "action": action });
        let answer = client.send_confirmed(Method::POST, "/bulk", &body, payout);
        match answer.await {
            Ok(mut answer) => {
                match answers::read::<Answer>(answer.clone()) {
                    Ok(part) => {
                        for (status, count) in part.counts {
                            *counts.entry(status).or_default() += count;
                        }
                    }
                    Err(failure) => broken = Err(failure),
                }
                if let Some(Value::Array(part)) = answer.get_mut("results").map(Value::take) {
                    results.extend(part);
                }
            }
            Err(failure) => broken = Err(failure),
        }
        if broken.is_err() {
            break;
        }
    }
    progress(rigs.len(), rigs.len());
    let matched = rigs.len();
    let done = json!({
        "matched": matched, "action": action, "dryRun": false,
        "counts": counts, "results": results,
    });
    (done, broken)
}

/// How far it is, on a terminal, where it takes more than one request.
fn progress(done: usize, all: usize) {
    let mut stderr = io::stderr();
    if all <= AT_ONCE || !stderr.is_terminal() {
        return;
    }
    // At the end the line is left empty. A terminal that is gone shows nothing.
    let _ = match done {
        done if done < all => write!(stderr, "\r{done} of {all} rigs"),
        _ => write!(stderr, "\r{:40}\r", ""),
    };
    let _ = stderr.flush();
}

/// The table and the summary; exit code 1 if something was not done.
fn report(answer: Value, verb: &str, json: bool) -> Result<(), Failure> {
    let read: Answer = answers::read(answer.clone())?;
    if json {
        say_json(&answer);
    } else if read.results.is_empty() {
        say_clean(NONE_TAKEN);
    } else {
        let (rows, hidden) = worth_a_row(&read.results, Terminal::stdout().is_some());
        show::rows_or(&rows, "", table);
        if hidden > 0 {
            say_clean(&format!(
                "and {hidden} more on which all went well; see --json"
            ));
        }
        say_clean(&summary(verb, &read.counts));
    }
    let undone = ["failed", "refused", "unknown"];
    let undone = undone.iter().filter_map(|status| read.counts.get(*status));
    match undone.sum::<usize>() {
        0 => Ok(()),
        undone => Err(Failure::new(format!(
            "{verb}: not done on {undone} of {} rigs",
            read.results.len()
        ))),
    }
}

/// The rigs that get a row, and how many do not: a terminal is no place for 10,000 good ones.
fn worth_a_row(results: &[RigResult], on_terminal: bool) -> (Vec<RigResult>, usize) {
    let mut good = 0;
    let rows = results.iter().filter(|result| {
        let is_good = matches!(
            result.status.as_str(),
            "applied" | "alreadyThere" | "wouldChange"
        );
        good += usize::from(is_good);
        !is_good || !on_terminal || good <= MAX_ROWS
    });
    let rows: Vec<_> = rows.cloned().collect();
    let hidden = results.len() - rows.len();
    (rows, hidden)
}

fn table(results: &[RigResult]) -> Table<4> {
    let mut table = Table::new([
        Column::text("Rig", 0),
        Column::text("Result", 0),
        Column::text("Why", 1),
        Column::text("ID", 2),
    ]);
    for result in results {
        let why = match (&result.message, &result.code) {
            (Some(message), Some(code)) => format!("{message} ({code})"),
            (Some(text), None) | (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        };
        let (name, id) = (result.name.clone(), result.id.clone());
        table.row([name, words(&result.status).to_owned(), why, id]);
    }
    table
}

/// `stop: 12 done, 1 pending`.
fn summary(verb: &str, counts: &BTreeMap<String, usize>) -> String {
    let count = |(status, count): (&String, &usize)| {
        let count = u64::try_from(*count).unwrap_or(u64::MAX);
        format!("{} {}", units::count(count), words(status))
    };
    let counts: Vec<_> = counts.iter().map(count).collect();
    format!("{verb}: {}", counts.join(", "))
}

/// A status as people say it.
fn words(status: &str) -> &str {
    match status {
        "alreadyThere" => "so already",
        "applied" => "done",
        "wouldChange" => "would change",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use miner_agent::cli::Exit;

    use super::super::table::Output;
    use super::*;

    fn result(name: &str, status: &str) -> RigResult {
        RigResult {
            id: "0123456789abcdef".to_owned(),
            name: name.to_owned(),
            status: status.to_owned(),
            ..RigResult::default()
        }
    }

    #[test]
    fn a_rig_and_a_selector_are_one_too_many_and_none_is_too_few() {
        let text = |text: &str| Some(text.to_owned());
        assert!(Whom::of(text("rig"), None, false, false, None).is_ok());
        assert!(Whom::of(None, text("all"), true, false, Some(2)).is_ok());
        for (peer, select, yes) in [
            (None, None, false),
            (text("rig"), text("all"), false),
            (text("rig"), None, true),
        ] {
            let refused = Whom::of(peer, select, false, yes, None).expect_err("not clear");
            assert_eq!(refused.exit, Exit::Usage);
        }
    }

    #[test]
    fn the_question_names_the_count_and_the_first_rigs() {
        let rigs: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"]
            .iter()
            .map(|name| result(name, "wouldChange"))
            .collect();
        assert_eq!(about(&rigs), "7 rigs (a, b, c, d, e and 2 more)");
        assert_eq!(about(&rigs[..1]), "1 rig (a)");
    }

    #[test]
    fn without_a_terminal_the_flags_that_answer_are_named() {
        let refused = consent(&[result("a", "wouldChange")], "stop").expect_err("nobody");
        assert_eq!(refused.exit, Exit::NeedsConsent);
        for flag in ["--dry-run", "--expect 1", "--yes"] {
            assert!(refused.line.contains(flag), "{}", refused.line);
        }
    }

    #[test]
    fn every_rig_has_its_row_and_the_summary_its_counts() {
        let refused = RigResult {
            code: Some("STOP_FAILED".to_owned()),
            message: Some("b refused: another controller holds its desired state".to_owned()),
            ..result("b", "refused")
        };
        let results = [result("a", "applied"), refused];
        assert_eq!(
            table(&results).render(Output::PIPE),
            "\
RIG  RESULT   WHY                                                                  ID
a    done                                                                          0123456789abcdef
b    refused  b refused: another controller holds its desired state (STOP_FAILED)  0123456789abcdef
"
        );
        let counts = [("applied", 9_998), ("pending", 1), ("refused", 1)];
        let counts = counts.map(|(status, count)| (status.to_owned(), count));
        assert_eq!(
            summary("stop", &counts.into()),
            "stop: 9,998 done, 1 pending, 1 refused"
        );
    }

    #[test]
    fn a_terminal_gets_what_went_wrong_and_a_pipe_gets_all() {
        let mut results = vec![result("good", "applied"); 100];
        results.push(result("bad", "failed"));
        let (rows, hidden) = worth_a_row(&results, true);
        assert_eq!((rows.len(), hidden), (MAX_ROWS + 1, 60));
        assert_eq!(rows.last().map(|row| row.name.as_str()), Some("bad"));
        assert_eq!(worth_a_row(&results, false).1, 0);
    }

    #[test]
    fn what_was_not_done_is_exit_code_1() {
        let answer =
            |status: &str| json!({ "counts": { status: 1 }, "results": [{ "status": status }] });
        for good in ["applied", "alreadyThere", "pending", "wouldChange"] {
            assert!(report(answer(good), "stop", true).is_ok(), "{good}");
        }
        for bad in ["failed", "refused", "unknown"] {
            let failure = report(answer(bad), "stop", true).expect_err(bad);
            assert_eq!(failure.exit, Exit::Failure);
            assert_eq!(failure.line, "stop: not done on 1 of 1 rigs");
        }
    }
}
