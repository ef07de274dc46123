//! `profile versions`, `diff` and `rollback`: what a profile said before.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use crate::cli::client::{Client, segment};
use crate::cli::show::{self, say_clean};
use crate::cli::table::{Column, Table};
use crate::units::{self, UNKNOWN};

/// List the versions of a profile that are kept, and what rigs made with each.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "versions")]
pub(super) struct Versions {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show what two versions of a profile differ in; passwords are never shown.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "diff")]
pub(super) struct Diff {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// number of the one version
    #[argh(option)]
    from: u32,
    /// number of the other; default: the newest
    #[argh(option)]
    to: Option<u32>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Bring an older version back: makes a next version that says the same. Rigs keep theirs until they
/// are started with it or a rollout brings it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rollback")]
pub(super) struct Rollback {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// number of the version to bring back
    #[argh(option)]
    to: u32,
    /// why, for the list of versions
    #[argh(option)]
    comment: Option<String>,
    /// the last 6 characters of the new wallet, where rigs mine for another one now
    #[argh(option)]
    confirm_payout: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::VersionView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    version: u32,
    hash: String,
    at: String,
    by: Option<String>,
    comment: Option<String>,
    restores: Option<u32>,
    rigs: usize,
    hashrate: Option<f64>,
    rig_hours: f64,
}

/// See [`crate::farm::ChangeView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Change {
    field: String,
    old: Option<String>,
    new: Option<String>,
}

/// See [`crate::farm::DiffView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Differences {
    changes: Vec<Change>,
    payout_changed: bool,
}

impl Versions {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/profiles/{}/versions", segment(&self.profile));
        show::list(client.get(&path).await?, self.json, "no versions", table)
    }
}

fn table(versions: &[Version]) -> Table<8> {
    let mut table = Table::new([
        Column::figure("Version", 0),
        Column::text("Hash", 3),
        Column::figure("Rigs", 0),
        Column::figure("Rate per rig", 0),
        Column::figure("Rig hours", 4),
        Column::text("Made", 2),
        Column::text("By", 5),
        Column::text("Comment", 1),
    ]);
    for version in versions {
        let restores = version.restores.map(|n| format!("brings back {n}"));
        let said = [restores, version.comment.clone()];
        table.row([
            version.version.to_string(),
            version.hash.clone(),
            version.rigs.to_string(),
            units::hashrate(version.hashrate),
            format!("{:.1}", version.rig_hours),
            version.at.clone(),
            version.by.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            said.into_iter().flatten().collect::<Vec<_>>().join("; "),
        ]);
    }
    table
}

impl Diff {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let id = segment(&self.profile);
        let mut path = format!("/profiles/{id}/diff?from={}", self.from);
        if let Some(to) = self.to {
            path += &format!("&to={to}");
        }
        let answer = client.get(&path).await?;
        if let Some(diff) = show::for_a_person::<Differences>(answer, self.json)? {
            say_changes(&diff.changes);
            if diff.payout_changed {
                say("other wallets are paid");
            }
        }
        Ok(())
    }
}

/// One line for each field that changes.
pub(super) fn say_changes(changes: &[Change]) {
    if changes.is_empty() {
        say("no difference");
    }
    for change in changes {
        say_clean(&line(change));
    }
}

fn line(change: &Change) -> String {
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let (old, new) = (word(&change.old), word(&change.new));
    format!("  {:<16} {old} → {new}", change.field)
}

impl Rollback {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/profiles/{}/rollback", segment(&self.profile));
        let mut body = json!({ "to": self.to });
        if let Some(comment) = &self.comment {
            body["comment"] = json!(comment);
        }
        let said = self.confirm_payout.as_deref();
        let answer = client
            .send_confirmed(Method::POST, &path, &body, said)
            .await?;
        if let Some(now) = show::for_a_person::<Answer>(answer, self.json)? {
            say_clean(&format!(
                "{} is version {} ({}) now, which says what version {} says; rigs keep theirs until `rollout start {}` or `remote start`",
                now.id, now.version, now.hash, self.to, now.id
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::Output;

    #[test]
    fn versions_say_how_rigs_did_and_unknown_is_no_zero() {
        let versions = [
            Version {
                version: 2,
                hash: "0123456789ab".to_owned(),
                at: "2026-01-12T07:00:00.000Z".to_owned(),
                comment: Some("warmer weather".to_owned()),
                rigs: 3,
                restores: Some(1),
                ..Version::default()
            },
            Version {
                version: 1,
                hash: "ba9876543210".to_owned(),
                at: "2026-01-11T07:00:00.000Z".to_owned(),
                by: Some("night shift".to_owned()),
                hashrate: Some(12_500.0),
                rig_hours: 72.25,
                ..Version::default()
            },
        ];
        assert_eq!(
            table(&versions).render(Output::PIPE),
            "VERSION  HASH          RIGS  RATE PER RIG  RIG HOURS  MADE                      BY           COMMENT
      2  0123456789ab     3             –        0.0  2026-01-12T07:00:00.000Z  –            brings back 1; warmer weather
      1  ba9876543210     0     12.5 kH/s       72.2  2026-01-11T07:00:00.000Z  night shift\n"
        );
    }
}
