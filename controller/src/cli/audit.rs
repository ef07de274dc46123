//! `audit`: who changed what on this farm, and whether the record of it is whole.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Exit, Failure, say};
use miner_agent::store::Dirs;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::show::{self, say_clean, say_json};
use super::table::{Column, Table};
use super::with_client;
use crate::audit::{Report, folder, verify};
use crate::units::{self, UNKNOWN};

/// Who changed what, and whether the record of it is whole.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "audit")]
pub(super) struct Audit {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum Verb {
    List(List),
    Verify(Verify),
}

/// Show the newest entries.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// how many, 1 to 1000; default: 100
    #[argh(option)]
    limit: Option<u16>,
    /// only entries below this number
    #[argh(option)]
    before: Option<u64>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Check the whole log, from its files; no controller has to run. Exit code 1 if something was changed.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "verify")]
struct Verify {
    /// hash that an earlier `audit verify` printed: that entry must still be there
    #[argh(option)]
    expect: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Audit {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            Verb::List(list) => with_client(async |client| list.run(client).await),
            Verb::Verify(verify) => verify.run(),
        }
    }
}

/// What the table reads of [`crate::audit::Entry`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    seq: u64,
    at: String,
    who: String,
    from: Option<String>,
    action: String,
    target: Option<String>,
    status: Option<u16>,
    code: Option<String>,
    unrecorded: u64,
}

#[derive(Debug, Deserialize)]
struct Part {
    entries: Vec<Row>,
    next: Option<u64>,
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut path = format!("/audit?limit={}", self.limit.unwrap_or(100));
        if let Some(before) = self.before {
            path += &format!("&before={before}");
        }
        let answer = client.get(&path).await?;
        let Some(Part { entries, next }) = show::for_a_person(answer, self.json)? else {
            return Ok(());
        };
        show::rows_or(&entries, "nothing was changed yet", table);
        let unrecorded: u64 = entries.iter().map(|row| row.unrecorded).sum();
        if unrecorded > 0 {
            say(format_args!(
                "{} more requests are counted there and not noted",
                units::count(unrecorded)
            ));
        }
        if let Some(next) = next {
            say(format_args!(
                "older ones: miner-ctrl audit list --before {next}"
            ));
        }
        Ok(())
    }
}

fn table(rows: &[Row]) -> Table<7> {
    let mut table = Table::new([
        Column::figure("No", 0),
        Column::text("When", 0),
        Column::text("Who", 0),
        Column::text("From", 3),
        Column::text("What", 1),
        Column::figure("Status", 0),
        Column::text("Code", 2),
    ]);
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    for row in rows {
        // The method, and the path as it was asked.
        let method = row.action.split(' ').next().unwrap_or_default();
        let what = match &row.target {
            Some(target) => format!("{method} {target}"),
            None => row.action.clone(),
        };
        table.row([
            row.seq.to_string(),
            row.at.clone(),
            row.who.clone(),
            or_unknown(&row.from),
            what,
            row.status
                .map_or_else(|| UNKNOWN.to_owned(), |s| s.to_string()),
            or_unknown(&row.code),
        ]);
    }
    table
}

impl Verify {
    fn run(self) -> Result<(), Failure> {
        let folder = folder(Dirs::from_env()?.data());
        let expected = self.expect.as_deref().map(str::trim);
        let failed = |error| Failure::new(format!("{}: {error}", folder.display()));
        let report = verify(&folder, expected).map_err(failed)?;
        if self.json {
            say_json(&json!(report));
        } else {
            lines(&report).iter().for_each(|line| say_clean(line));
        }
        match wrong(&report) {
            None => Ok(()),
            Some(line) => Err(Failure {
                exit: Exit::Failure,
                line,
            }),
        }
    }
}

/// What is well, for a person.
fn lines(report: &Report) -> Vec<String> {
    if report.segments == 0 {
        return vec!["nothing was changed yet".to_owned()];
    }
    let mut lines = vec![format!(
        "{} entries, {} to {}, follow from one another",
        units::count(report.entries),
        report.first,
        report.last
    )];
    if report.first > 1 {
        lines.push(format!(
            "{} older ones went by age",
            units::count(report.first - 1)
        ));
    }
    if report.unrecorded > 0 {
        lines.push(format!(
            "{} requests are counted and not noted",
            units::count(report.unrecorded)
        ));
    }
    if report.cut > 0 {
        lines.push(format!("{} entries were half written and cut", report.cut));
    }
    lines.push(format!("head {}", report.head));
    lines
}

/// What is wrong, in one line.
fn wrong(report: &Report) -> Option<String> {
    if let Some(broken) = &report.broken {
        return Some(format!(
            "the audit log was changed: entry {}, line {} of {}: {}; nothing behind it is proven",
            broken.seq, broken.line, broken.file, broken.why
        ));
    }
    (report.expected == Some(false)).then(|| {
        "the expected entry is not there: the log was cut off or written anew, or that entry went by age"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;
    use crate::audit::{Broken, Flaw};

    #[test]
    fn the_list_shows_who_did_what_and_what_came_of_it() {
        let rows = [Row {
            seq: 8,
            at: "2026-11-26T04:00:00.000Z".to_owned(),
            who: "token 0123456789abcdef (grafana)".to_owned(),
            from: Some("192.0.2.7".to_owned()),
            action: "POST /api/v1/mining/peers/{id}/ping".to_owned(),
            target: Some("/api/v1/mining/peers/rig-alpha/ping".to_owned()),
            status: Some(403),
            code: Some("SCOPE_TOO_LOW".to_owned()),
            unrecorded: 0,
        }];
        let text = table(&rows).render(Output::PIPE);
        let shown = text.lines().nth(1).expect("a row");
        assert_eq!(
            shown
                .split("  ")
                .filter(|cell| !cell.is_empty())
                .collect::<Vec<_>>(),
            [
                " 8",
                "2026-11-26T04:00:00.000Z",
                "token 0123456789abcdef (grafana)",
                "192.0.2.7",
                "POST /api/v1/mining/peers/rig-alpha/ping",
                "   403",
                "SCOPE_TOO_LOW"
            ]
        );
    }

    #[test]
    fn what_is_wrong_names_the_first_broken_entry() {
        let mut report = Report {
            segments: 1,
            ..Report::default()
        };
        assert_eq!(wrong(&report), None);
        report.expected = Some(false);
        assert!(wrong(&report).expect("missing").contains("expected"));
        report.broken = Some(Broken {
            file: "00000000000000000001.jsonl".to_owned(),
            line: 7,
            seq: 7,
            why: Flaw::Hash,
        });
        let line = wrong(&report).expect("broken");
        assert!(
            line.contains("entry 7, line 7 of 00000000000000000001.jsonl"),
            "{line}"
        );
    }
}
