//! `remote pause`, `resume`: rigs that rest, and go on.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;
use serde_json::json;

use super::answers::Applied;
use super::client::Client;
use super::many::Whom;
use super::orders::post;
use super::show::{self, say_clean};

/// Let a rig rest: it stays logged in and keeps its memory, until `remote resume`, also after a restart.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pause")]
pub(super) struct Pause {
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

/// Let a rig that rests go on.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "resume")]
pub(super) struct Resume {
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

impl Pause {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "pause" });
                return many.run(client, "pause", &action, self.json).await;
            }
        };
        rest(client, &peer, "pause", self.json).await
    }
}

impl Resume {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "resume" });
                return many.run(client, "resume", &action, self.json).await;
            }
        };
        rest(client, &peer, "resume", self.json).await
    }
}

async fn rest(client: &Client, peer: &str, verb: &str, json: bool) -> Result<(), Failure> {
    let answer = post(client, peer, verb, &json!({})).await?;
    if let Some(applied) = show::for_a_person::<Applied>(answer, json)? {
        say_clean(&rested(peer, verb, &applied));
    }
    Ok(())
}

fn rested(peer: &str, verb: &str, applied: &Applied) -> String {
    let generation = applied.generation;
    let does = match verb {
        "pause" => "rests",
        _ => "goes on",
    };
    match applied.status.as_str() {
        "applied" => format!("{peer} {does} (generation {generation})"),
        "pending" => format!(
            "{peer} cannot be reached now; as soon as it can, it {does} (generation {generation})"
        ),
        other => format!("{peer}: {other} (generation {generation})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_out_of_reach_is_not_said_to_rest_already() {
        let applied = Applied {
            generation: 7,
            profile: None,
            status: "pending".to_owned(),
        };
        assert!(rested("rig-alpha", "pause", &applied).contains("as soon as it can, it rests"));
    }
}
