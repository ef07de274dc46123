//! `drift`: rigs that do not run what the registry wants.
//!
//! Exit code 1 if there is one, as `diff` has it for files; 0 if there is none.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, segment};
use super::select::selected;
use super::table::{Column, Table};
use super::{answers, show};
use crate::farm::DriftReason;
use crate::units::{self, UNKNOWN};

/// Show rigs that do not run what they were told, and why. Exit code 1 if there is one.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "drift")]
pub(super) struct Drift {
    /// only rigs that this takes, such as "group=shed state=online"
    #[argh(option)]
    select: Option<String>,
    /// only for this reason: refused, behind, drifted, pending or unknown
    #[argh(option)]
    reason: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::DriftView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    name: String,
    connected: bool,
    last_seen_age_ms: Option<u64>,
    reason: String,
    field: Option<String>,
    message: String,
    since_ms: Option<u64>,
    wished: Version,
    reported: Option<Version>,
}

/// See [`crate::farm::WishedView`] and [`crate::farm::ReportedView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Version {
    generation: Option<u64>,
    profile: Option<String>,
    version: Option<u32>,
    hash: Option<String>,
}

impl Drift {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = self.path()?;
        client.reach(None).await;
        let value: Value = client.get(&path).await?;
        let rows: Vec<Row> = answers::read(value.clone())?;
        if self.json {
            show::say_json(&value);
        } else {
            show::rows_or(&rows, "every rig runs what it was told", table);
            if !client.is_served() {
                say("no controller runs here: this is what one look at the rigs shows");
            }
        }
        match rows.len() {
            0 => Ok(()),
            1 => Err(Failure::new("1 rig does not run what it was told")),
            rigs => Err(Failure::new(format!(
                "{rigs} rigs do not run what they were told"
            ))),
        }
    }

    fn path(&self) -> Result<String, Failure> {
        let path = selected("/drift", self.select.as_deref())?;
        let Some(reason) = self.reason.as_deref() else {
            return Ok(path);
        };
        reason
            .parse::<DriftReason>()
            .map_err(|why| Failure::usage(format!("--reason: {why}")))?;
        let joint = if path.contains('?') { '&' } else { '?' };
        Ok(format!("{path}{joint}reason={}", segment(reason)))
    }
}

impl Version {
    /// `my-profile v3 0123456789ab`; what is not known is left out.
    fn words(&self) -> String {
        let hash = self.hash.as_deref().unwrap_or_default();
        let words = match (&self.profile, self.version) {
            (Some(profile), Some(version)) => format!("{profile} v{version} {hash}"),
            (Some(profile), None) => format!("{profile} {hash}"),
            (None, _) if self.generation == Some(0) => "never told".to_owned(),
            (None, _) => format!("nothing {hash}"),
        };
        words.trim_end().to_owned()
    }
}

impl Row {
    fn link(&self) -> String {
        match (self.connected, self.last_seen_age_ms) {
            (true, _) => "on".to_owned(),
            (false, None) => "never".to_owned(),
            (false, age_ms) => format!("off {}", units::age(age_ms)),
        }
    }

    fn why(&self) -> String {
        match &self.field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

fn table(rows: &[Row]) -> Table<7> {
    let mut table = Table::new([
        Column::text("Name", 0),
        Column::state("Reason", 0),
        Column::text("Link", 2),
        Column::figure("Since", 3),
        Column::text("Told", 1),
        Column::text("Has", 4),
        Column::text("Why", 1),
    ]);
    for row in rows {
        let has = row.reported.as_ref().map(Version::words);
        table.row([
            row.name.clone(),
            row.reason.clone(),
            row.link(),
            units::age(row.since_ms),
            row.wished.words(),
            has.unwrap_or_else(|| UNKNOWN.to_owned()),
            row.why(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use miner_agent::cli::Exit;
    use serde_json::json;

    use super::super::table::Output;
    use super::*;

    fn rows() -> Vec<Row> {
        let rows = json!([
            {
                "name": "rig-a", "connected": true, "lastSeenAgeMs": 40, "reason": "refused",
                "field": "mode", "message": "it has too little memory for fast mode",
                "sinceMs": 840_000,
                "wished": { "generation": 7, "profile": "fast", "version": 3, "hash": "0123456789ab" },
                "reported": { "generation": 6, "profile": "fast", "version": 2, "hash": "abcdef012345" },
            },
            {
                "name": "\u{1b}[2J", "connected": false, "lastSeenAgeMs": 7_200_000,
                "reason": "pending", "message": "it is off", "sinceMs": 60_000,
                "wished": { "generation": 2 },
                "reported": { "generation": 1, "profile": "fast" },
            },
            {
                "name": "c", "connected": false, "reason": "unknown", "message": "never",
                "wished": { "generation": 1, "profile": "fast", "version": 1 },
            },
        ]);
        serde_json::from_value(rows).expect("rows")
    }

    #[test]
    fn a_row_says_what_a_rig_was_told_and_what_it_has() {
        assert_eq!(
            table(&rows()).render(Output::PIPE),
            "\
NAME   REASON   LINK      SINCE  TOLD                  HAS                   WHY
rig-a  refused  on       14 min  fast v3 0123456789ab  fast v2 abcdef012345  mode: it has too little memory for fast mode
?[2J   pending  off 2 h   1 min  nothing               fast                  it is off
c      unknown  never         –  fast v1               –                     never
"
        );
    }

    #[test]
    fn the_table_fits_every_terminal() {
        for width in 20..120 {
            let text = table(&rows()).render(Output {
                width: Some(width),
                colour: false,
            });
            let fits = text.lines().all(|line| line.chars().count() <= width);
            assert!(fits, "{width}:\n{text}");
            assert!(text.contains("refu"), "{text}");
        }
    }

    #[test]
    fn selector_and_reason_become_parameters() {
        let path = |select: Option<&str>, reason: Option<&str>| {
            let drift = Drift {
                select: select.map(str::to_owned),
                reason: reason.map(str::to_owned),
                json: false,
            };
            drift.path()
        };
        assert_eq!(path(None, None).expect("a path"), "/drift");
        assert_eq!(
            path(None, Some("refused")).expect("a path"),
            "/drift?reason=refused"
        );
        assert_eq!(
            path(Some("group=shed"), Some("pending")).expect("a path"),
            "/drift?select=group%3Dshed&reason=pending"
        );
        let slip = path(None, Some("drift")).expect_err("a slip");
        assert_eq!(slip.exit, Exit::Usage);
        assert!(slip.line.contains("drifted"), "{}", slip.line);
    }
}
