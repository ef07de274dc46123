//! The verbs of `peer` about rigs that are no peers: those that wait, and those that are refused.
//!
//! ```text
//!   by a token of --pending ─▶ waits ──approve──▶ peer ──remove──▶ refused ──forget──▶ a stranger
//!                                └────deny────────────────────────────▲
//! ```

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use miner_shared::text::Name;
use serde::Deserialize;
use serde_json::json;

use super::answers;
use super::client::{Client, segment};
use super::show;
use super::table::{Column, Table};
use crate::units::{self, UNKNOWN};

/// Make a peer of a rig that waits for approval.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "approve")]
pub(super) struct Approve {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// the name that it enters under (default: its own)
    #[argh(option)]
    name: Option<Name>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Refuse a rig that waits for approval, until `peer forget`.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "deny")]
pub(super) struct Deny {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Forget a removed or denied rig: its key may enrol again.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "forget")]
pub(super) struct Forget {
    /// node ID, unique prefix of one, or name that it had
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Approve {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/pending/{}/approve", segment(&self.peer));
        let body = self.name.map(|name| json!({ "name": name.as_str() }));
        let answer = client.send(Method::POST, &path, body.as_ref()).await?;
        show::deed(answer, self.json, |id| {
            format!("{id} is approved; its link comes within a minute")
        })
    }
}

impl Deny {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/pending/{}", segment(&self.peer));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| {
            format!("{id} is denied; its key is refused from now on")
        })
    }
}

impl Forget {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/removed/{}", segment(&self.peer));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| {
            format!("{id} is forgotten; its key is a stranger's")
        })
    }
}

/// What the table reads of [`crate::farm::PendingView`] and [`crate::farm::RemovedView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Waiting {
    id: String,
    name: String,
    fingerprint: String,
    from: Option<String>,
    age_ms: Option<u64>,
}

/// The rigs that wait, below the list of peers; nothing if none does.
pub(super) async fn list_waiting(client: &Client) -> Result<(), Failure> {
    let rows: Vec<Waiting> = answers::read(client.get("/pending").await?)?;
    if !rows.is_empty() {
        say("\nwaiting for `peer approve` or `peer deny`:");
        show::rows_or(&rows, "", table);
    }
    Ok(())
}

/// `peer list --pending` and `peer list --removed`.
pub(super) async fn list_others(client: &Client, path: &str, json: bool) -> Result<(), Failure> {
    show::list(client.get(path).await?, json, "none", table)
}

fn table(rows: &[Waiting]) -> Table<5> {
    let mut table = Table::new([
        Column::text("Rig", 0),
        Column::text("ID", 0),
        Column::text("From", 2),
        Column::figure("Since", 1),
        Column::text("Fingerprint", 3),
    ]);
    for row in rows {
        table.row([
            row.name.clone(),
            row.id.clone(),
            row.from.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            units::age(row.age_ms),
            row.fingerprint.clone(),
        ]);
    }
    table
}
