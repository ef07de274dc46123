//! `rollout`: a version of a profile on its way to many rigs.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::select::understood;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::units::{self, UNKNOWN};

/// A version of a profile on its way to many rigs, stage by stage.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rollout")]
pub(super) struct Rollout {
    #[argh(subcommand)]
    verb: RolloutVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum RolloutVerb {
    Start(Start),
    List(List),
    Show(Show),
    Pause(Pause),
    Resume(Resume),
    Abort(Abort),
    Rollback(Rollback),
}

/// Start a rollout. It stops by itself when the rigs of a stage make too little, and goes on after a
/// restart of the controller.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "start")]
struct Start {
    /// id or name of the profile
    #[argh(positional)]
    profile: String,
    /// number of its version; default: the newest
    #[argh(option)]
    version: Option<u32>,
    /// which rigs, such as group=shed; default: those that mine with the profile
    #[argh(option)]
    select: Option<String>,
    /// rigs that have it after each stage, such as 1,10%,100% (the default)
    #[argh(option)]
    stages: Option<String>,
    /// seconds that the rigs of a stage are watched; default: 600
    #[argh(option)]
    observe: Option<u32>,
    /// what they must make together, in percent of what they made before; default: 90
    #[argh(option)]
    min_hashrate: Option<u8>,
    /// what is done if they do not: halt (default), or rollback
    #[argh(option)]
    on_failure: Option<String>,
    /// why
    #[argh(option)]
    comment: Option<String>,
    /// the last 6 characters of the new wallet, where rigs mine for another one now
    #[argh(option)]
    confirm_payout: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// List rollouts, the newest first.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show a rollout and its rigs.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// number of the rollout
    #[argh(positional)]
    rollout: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have a rollout wait: no further rig is told.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pause")]
struct Pause {
    /// number of the rollout
    #[argh(positional)]
    rollout: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Let a rollout go on. What was being watched is watched anew; a stage that fell short is taken for
/// good.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "resume")]
struct Resume {
    /// number of the rollout
    #[argh(positional)]
    rollout: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// End a rollout; rigs keep what they have.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "abort")]
struct Abort {
    /// number of the rollout
    #[argh(positional)]
    rollout: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Give the rigs that a rollout changed what they had before; also after its end.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rollback")]
struct Rollback {
    /// number of the rollout
    #[argh(positional)]
    rollout: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::RolloutView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    id: u32,
    profile: String,
    version: u32,
    hash: Option<String>,
    status: String,
    reason: Option<String>,
    stage: u8,
    phase: String,
    stages: Vec<Value>,
    observe_left_secs: Option<u64>,
    min_hashrate_percent: u8,
    on_failure: String,
    rigs: usize,
    applied: usize,
    told: usize,
    refused: usize,
    hashrate_before: Option<f64>,
    hashrate_observed: Option<f64>,
    unjudged: usize,
    by: Option<String>,
    comment: Option<String>,
    started_at: String,
    ended_at: Option<String>,
    members: Option<Vec<Member>>,
}

/// See [`crate::farm::RolloutRigView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Member {
    node_id: String,
    name: Option<String>,
    stage: usize,
    outcome: String,
    reason: Option<String>,
    before: Option<String>,
    hashrate_before: Option<f64>,
    hashrate_observed: Option<f64>,
}

/// See [`crate::farm::StartedView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Started {
    rollout: Answer,
    stopped: usize,
    had_it: usize,
}

impl Rollout {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            RolloutVerb::Start(start) => start.run(client).await,
            RolloutVerb::List(list) => {
                let answer = client.get("/rollouts").await?;
                show::list(answer, list.json, NONE, table)
            }
            RolloutVerb::Show(it) => {
                let answer = client.get(&format!("/rollouts/{}", it.rollout)).await?;
                if let Some(rollout) = show::for_a_person::<Answer>(answer, it.json)? {
                    rollout.say();
                }
                Ok(())
            }
            RolloutVerb::Pause(it) => steer(client, it.rollout, "pause", it.json).await,
            RolloutVerb::Resume(it) => steer(client, it.rollout, "resume", it.json).await,
            RolloutVerb::Abort(it) => steer(client, it.rollout, "abort", it.json).await,
            RolloutVerb::Rollback(it) => steer(client, it.rollout, "rollback", it.json).await,
        }
    }
}

const NONE: &str = "no rollouts yet; start one: miner-ctrl rollout start PROFILE";

impl Start {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let stages = self.stages.as_ref().map(|stages| {
            let stages = stages.split(',').map(str::trim);
            json!(stages.collect::<Vec<_>>())
        });
        if let Some(select) = &self.select {
            understood(select)?;
        }
        let body = show::body([
            ("select", self.select.map(Value::from)),
            ("profileId", Some(json!(self.profile))),
            ("version", self.version.map(Value::from)),
            ("stages", stages),
            ("observeSecs", self.observe.map(Value::from)),
            ("minHashratePercent", self.min_hashrate.map(Value::from)),
            ("onFailure", self.on_failure.map(Value::from)),
            ("comment", self.comment.map(Value::from)),
        ]);
        let said = self.confirm_payout.as_deref();
        let answer = client
            .send_confirmed(Method::POST, "/rollouts", &body, said)
            .await?;
        if let Some(started) = show::for_a_person::<Started>(answer, self.json)? {
            say_clean(&started.words());
            if matches!(client, Client::Here { .. }) {
                say_clean("no controller is running: the rollout begins when one serves");
            }
        }
        Ok(())
    }
}

impl Started {
    fn words(&self) -> String {
        let it = &self.rollout;
        let mut line = format!(
            "rollout {}: {} version {} for {} rigs in {} stages",
            it.id,
            it.profile,
            it.version,
            it.rigs,
            it.stages.len()
        );
        if self.had_it > 0 {
            line += &format!("; {} have it already", self.had_it);
        }
        if self.stopped > 0 {
            line += &format!("; {} mine nothing and are left out", self.stopped);
        }
        line
    }
}

async fn steer(client: &Client, id: u32, verb: &str, json: bool) -> Result<(), Failure> {
    let path = format!("/rollouts/{}/{verb}", segment(&id.to_string()));
    let answer = client.send(Method::POST, &path, None).await?;
    if let Some(rollout) = show::for_a_person::<Answer>(answer, json)? {
        say_clean(&format!("rollout {id} is {}", rollout.status()));
    }
    Ok(())
}

impl Answer {
    fn status(&self) -> String {
        let word = match self.status.as_str() {
            "rollingBack" => "rolling back",
            "rolledBack" => "rolled back",
            word => word,
        };
        match (word, self.phase.as_str(), self.observe_left_secs) {
            ("running", "observe", Some(left)) => format!("watching, {left} s left"),
            ("running", "apply", _) => "waiting for rigs to apply".to_owned(),
            _ => word.to_owned(),
        }
    }

    /// What watched rigs make, in percent of what they made before.
    fn rate(&self) -> String {
        match (self.hashrate_before, self.hashrate_observed) {
            (Some(before), Some(after)) if before > 0.0 => {
                format!("{:.0} %", 100.0 * after / before)
            }
            _ => UNKNOWN.to_owned(),
        }
    }

    fn say(&self) {
        let hash = self.hash.as_deref().unwrap_or("no longer kept");
        let mut lines = vec![
            ("rollout", self.id.to_string()),
            (
                "profile",
                format!("{} version {} ({hash})", self.profile, self.version),
            ),
            ("status", self.status()),
            ("stage", format!("{} of {}", self.stage, self.stages.len())),
            (
                "rigs",
                format!(
                    "{} of {} have it, {} told, {} refused",
                    self.applied, self.rigs, self.told, self.refused
                ),
            ),
            (
                "hash rate",
                format!(
                    "{} of before; below {} % it would {}",
                    self.rate(),
                    self.min_hashrate_percent,
                    self.on_failure
                ),
            ),
            ("started", self.started_at.clone()),
        ];
        if self.unjudged > 0 {
            let why = format!("{} rigs: what they made before is not known", self.unjudged);
            lines.push(("unjudged", why));
        }
        let known = [
            ("ended", &self.ended_at),
            ("by", &self.by),
            ("comment", &self.comment),
            ("reason", &self.reason),
        ];
        lines.extend(
            known
                .into_iter()
                .filter_map(|(key, text)| Some((key, text.clone()?))),
        );
        for (key, value) in lines {
            say_clean(&format!("{key:<10} {value}"));
        }
        if let Some(members) = &self.members {
            show::rows_or(members, "no rigs", rigs);
        }
    }
}

fn table(rollouts: &[Answer]) -> Table<8> {
    let mut table = Table::new([
        Column::figure("ID", 0),
        Column::text("Profile", 0),
        Column::figure("Version", 2),
        Column::text("Status", 0),
        Column::figure("Stage", 1),
        Column::figure("Rigs", 0),
        Column::figure("Rate", 3),
        Column::text("Started", 4),
    ]);
    for rollout in rollouts {
        table.row([
            rollout.id.to_string(),
            rollout.profile.clone(),
            rollout.version.to_string(),
            rollout.status(),
            format!("{}/{}", rollout.stage, rollout.stages.len()),
            format!("{}/{}", rollout.applied, rollout.rigs),
            rollout.rate(),
            rollout.started_at.clone(),
        ]);
    }
    table
}

fn rigs(members: &[Member]) -> Table<6> {
    let mut table = Table::new([
        Column::figure("Stage", 2),
        Column::text("Rig", 0),
        Column::text("Outcome", 0),
        Column::text("Before", 3),
        Column::figure("Made", 1),
        Column::figure("Makes", 1),
    ]);
    for rig in members {
        let outcome = match (rig.outcome.as_str(), &rig.reason) {
            ("refused", Some(reason)) => format!("refused: {reason}"),
            ("toldBack", _) => "told back".to_owned(),
            ("hadIt", _) => "had it".to_owned(),
            ("leftOut", _) => "left out".to_owned(),
            (outcome, _) => outcome.to_owned(),
        };
        table.row([
            rig.stage.to_string(),
            rig.name.clone().unwrap_or_else(|| rig.node_id.clone()),
            outcome,
            rig.before.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            units::hashrate(rig.hashrate_before),
            units::hashrate(rig.hashrate_observed),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::Output;

    fn running() -> Answer {
        Answer {
            id: 7,
            profile: "nights".to_owned(),
            version: 3,
            status: "running".to_owned(),
            stage: 2,
            phase: "observe".to_owned(),
            stages: vec![Value::Null; 3],
            observe_left_secs: Some(340),
            rigs: 40,
            applied: 4,
            hashrate_before: Some(50_000.0),
            hashrate_observed: Some(48_500.0),
            started_at: "2026-01-12T07:00:00.000Z".to_owned(),
            ..Answer::default()
        }
    }

    #[test]
    fn a_list_says_how_far_each_has_come() {
        let waiting = Answer {
            phase: "apply".to_owned(),
            hashrate_before: None,
            ..running()
        };
        assert_eq!(
            table(&[running(), waiting]).render(Output::PIPE),
            "ID  PROFILE  VERSION  STATUS                     STAGE  RIGS  RATE  STARTED
 7  nights         3  watching, 340 s left         2/3  4/40  97 %  2026-01-12T07:00:00.000Z
 7  nights         3  waiting for rigs to apply    2/3  4/40     –  2026-01-12T07:00:00.000Z\n"
        );
    }

    #[test]
    fn who_is_left_out_is_said() {
        let started = Started {
            rollout: running(),
            stopped: 2,
            had_it: 1,
        };
        assert_eq!(
            started.words(),
            "rollout 7: nights version 3 for 40 rigs in 3 stages; 1 have it already; 2 mine nothing and are left out"
        );
    }
}
