//! `remote managers`, `handover`, `revoke`, `rotate-key`: whom a rig obeys, and by which key.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::many::Whom;
use super::show::{self, say_clean, say_json};
use super::table::{Column, Table};
use crate::units::UNKNOWN;

/// Show whom a rig obeys; the first decides what it does.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "managers")]
pub(super) struct Managers {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have another of its managers decide for a rig from now on; this controller only reads then.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "handover")]
pub(super) struct Handover {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// fingerprint or node ID of the manager, as `remote managers` shows it
    #[argh(option)]
    to: String,
    /// all rigs that this takes, such as "group=shed state=online", instead of one
    #[argh(option)]
    select: Option<String>,
    /// with --select: show what it would do to which rigs, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// with --select: do not ask
    #[argh(switch)]
    yes: bool,
    /// with --select: do not ask if it is this number of rigs, and do nothing if it is another
    #[argh(option)]
    expect: Option<usize>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have a rig obey another of its managers no more.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "revoke")]
pub(super) struct Revoke {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// fingerprint or node ID of the manager, as `remote managers` shows it
    #[argh(option)]
    manager: String,
    /// all rigs that this takes, such as "group=shed state=online", instead of one
    #[argh(option)]
    select: Option<String>,
    /// with --select: show what it would do to which rigs, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// with --select: do not ask
    #[argh(switch)]
    yes: bool,
    /// with --select: do not ask if it is this number of rigs, and do nothing if it is another
    #[argh(option)]
    expect: Option<usize>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have a rig take a new key; it stays the same rig here.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rotate-key")]
pub(super) struct RotateKey {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// all rigs that this takes, such as "group=shed state=online", instead of one
    #[argh(option)]
    select: Option<String>,
    /// with --select: show what it would do to which rigs, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// with --select: do not ask
    #[argh(switch)]
    yes: bool,
    /// with --select: do not ask if it is this number of rigs, and do nothing if it is another
    #[argh(option)]
    expect: Option<usize>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// What is read of [`crate::farm::ManagersView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    managers: Vec<Manager>,
}

/// What is read of [`crate::farm::ManagerView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Manager {
    place: usize,
    id: String,
    fingerprint: String,
    this_controller: bool,
    recovery: Option<String>,
}

impl Managers {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let path = format!("/remote/{}/managers", segment(&self.peer));
        let answer = client.get(&path).await?;
        if let Some(Answer { managers }) = show::for_a_person(answer, self.json)? {
            show::rows_or(&managers, "it obeys nobody", table);
        }
        Ok(())
    }
}

fn table(managers: &[Manager]) -> Table<5> {
    let mut table = Table::new([
        Column::figure("Place", 0),
        Column::text("Manager", 0),
        Column::text("Part", 0),
        Column::text("Recovery key", 1),
        Column::text("Fingerprint", 2),
    ]);
    for manager in managers {
        let part = if manager.place == 1 {
            "decides"
        } else {
            "reads"
        };
        let here = if manager.this_controller {
            ", this controller"
        } else {
            ""
        };
        table.row([
            manager.place.to_string(),
            manager.id.clone(),
            format!("{part}{here}"),
            manager
                .recovery
                .clone()
                .unwrap_or_else(|| UNKNOWN.to_owned()),
            manager.fingerprint.clone(),
        ]);
    }
    table
}

impl Handover {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "handover", "to": self.to });
                return many.run(client, "handover", &action, self.json).await;
            }
        };
        let body = json!({ "to": self.to });
        let says = format!("takes its orders from {} from now on", self.to);
        order(client, &peer, "handover", Some(&body), self.json, &says).await
    }
}

impl Revoke {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "revoke", "manager": self.manager });
                return many.run(client, "revoke", &action, self.json).await;
            }
        };
        let body = json!({ "manager": self.manager });
        let says = format!("obeys {} no more", self.manager);
        order(client, &peer, "revoke", Some(&body), self.json, &says).await
    }
}

impl RotateKey {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "rotateKey" });
                return many.run(client, "rotate-key", &action, self.json).await;
            }
        };
        let says = "has taken a new key; `peer list` shows its new ID within moments";
        order(client, &peer, "rotate-key", None, self.json, says).await
    }
}

/// Orders a rig something and says what became of it.
async fn order(
    client: &Client,
    peer: &str,
    verb: &str,
    body: Option<&Value>,
    json: bool,
    says: &str,
) -> Result<(), Failure> {
    client.reach(Some(peer)).await;
    let path = format!("/remote/{}/{verb}", segment(peer));
    let answer = client.send(Method::POST, &path, body).await?;
    if json {
        say_json(&answer);
    }
    let status = answer.get("status").and_then(Value::as_str);
    let line = outcome(peer, status.unwrap_or(UNKNOWN), says)?;
    if !json {
        say_clean(&line);
    }
    Ok(())
}

/// What became of an order, in words. What nobody knows is neither done nor undone.
fn outcome(peer: &str, status: &str, says: &str) -> Result<String, Failure> {
    match status {
        "applied" => Ok(format!("{peer} {says}")),
        "alreadyThere" => Ok(format!("{peer} {says}; it was so already")),
        "unknown" => Err(Failure::new(format!(
            "unknown: {peer} was told, and did not answer before its process or the time ended; \
             see `remote managers {peer}`, then repeat if need be"
        ))),
        other => Ok(format!("{peer}: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use miner_agent::cli::Exit;

    use super::super::table::Output;
    use super::*;

    #[test]
    fn managers_are_shown_in_order_with_what_they_may() {
        let manager = |place: usize, id: &str| Manager {
            place,
            id: id.to_owned(),
            fingerprint: "ABCD-EFGH".to_owned(),
            ..Manager::default()
        };
        let managers = [
            Manager {
                this_controller: true,
                recovery: Some("0123456789abcdef".to_owned()),
                ..manager(1, "aaaa")
            },
            manager(2, "bbbb"),
        ];
        let wide = Output {
            width: None,
            colour: false,
        };
        assert_eq!(
            table(&managers).render(wide),
            "\
PLACE  MANAGER  PART                      RECOVERY KEY      FINGERPRINT
    1  aaaa     decides, this controller  0123456789abcdef  ABCD-EFGH
    2  bbbb     reads                     –                 ABCD-EFGH
"
        );
    }

    #[test]
    fn an_order_that_nobody_knows_of_is_not_called_done() {
        let done = outcome("rig-alpha", "applied", "obeys bbbb no more").expect("done");
        assert_eq!(done, "rig-alpha obeys bbbb no more");
        let unknown = outcome("rig-alpha", "unknown", "obeys bbbb no more").expect_err("unknown");
        assert_eq!(unknown.exit, Exit::Failure);
        assert!(unknown.line.contains("remote managers rig-alpha"));
        assert!(!unknown.line.contains("no more"));
    }
}
