//! `update`: releases of the image, and one on its way to many rigs.
//!
//! `add` copies into the data directory of the controller on this machine, whether it runs or not, and tells
//! it: a path never goes over the network.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use data_encoding::HEXLOWER;
use miner_agent::cli::Failure;
use miner_agent::store::Dirs;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, segment};
use super::select::understood;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::releases::{Shelf, parse_key};
use crate::units::{self, UNKNOWN};

/// Releases of the image, and one on its way to many rigs, stage by stage.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "update")]
pub(super) struct Update {
    #[argh(subcommand)]
    verb: UpdateVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum UpdateVerb {
    Add(Add),
    List(List),
    Remove(Remove),
    Rollout(Rollout),
    Status(Status),
    Pause(Pause),
    Resume(Resume),
    Cancel(Cancel),
}

/// Copy a release that `image build` made and the farm's release key signed to the controller on this
/// machine. One that is not above those that are there is refused.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "add")]
struct Add {
    /// folder with vmlinuz and initrd; the manifest lies among them, or beside the folder
    #[argh(positional)]
    folder: String,
    /// the key that image key printed, 64 hexadecimal digits; needed the first time
    #[argh(option)]
    public_key: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// List the releases that are here for rigs, the highest version first.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Remove the releases of a version with their files.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {
    /// the version
    #[argh(positional)]
    version: String,
    /// for this architecture alone
    #[argh(option)]
    arch: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Bring a release to rigs. It stops by itself when too many do not take it, or make too little with it,
/// and goes on after a restart of the controller.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rollout")]
struct Rollout {
    /// to which version
    #[argh(positional)]
    version: String,
    /// which rigs, such as group=shed; default: all
    #[argh(option)]
    select: Option<String>,
    /// rigs that have it after each stage, such as 1,10%,100% (the default); all is 100%
    #[argh(option)]
    stages: Option<String>,
    /// seconds that the rigs of a stage are watched once they run it; default: 600
    #[argh(option)]
    observe: Option<u32>,
    /// what of a stage's rigs must take it, and make of what they made before, in percent; default: 90
    #[argh(option)]
    min_hashrate: Option<u8>,
    /// start rigs anew that boot from the network; put the release into the boot server's folder before
    #[argh(switch)]
    restart: bool,
    /// why
    #[argh(option)]
    comment: Option<String>,
    /// show which rigs it would be, and do nothing
    #[argh(switch)]
    dry_run: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show how updates do: one with its rigs, or all.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status")]
struct Status {
    /// number of the update; default: the newest
    #[argh(positional)]
    update: Option<u32>,
    /// all updates, without their rigs
    #[argh(switch)]
    all: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Have an update wait: no further rig is told.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pause")]
struct Pause {
    /// number of the update
    #[argh(positional)]
    update: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Let an update go on. Rigs that failed, and a stage that makes too little, are taken for good.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "resume")]
struct Resume {
    /// number of the update
    #[argh(positional)]
    update: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// End an update. Rigs that fetch stop doing so; those that run the version, or try it, go on.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "cancel")]
struct Cancel {
    /// number of the update
    #[argh(positional)]
    update: u32,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::ReleaseView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Release {
    release: String,
    version: String,
    arch: String,
    min_from: String,
    bytes: u64,
}

/// See [`crate::farm::UpdateView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    id: Option<u32>,
    version: String,
    status: String,
    reason: Option<String>,
    stage: u8,
    phase: String,
    stages: Vec<Value>,
    observe_left_secs: Option<u64>,
    min_hashrate_percent: u8,
    rigs: usize,
    done: usize,
    told: usize,
    failed: usize,
    waiting: usize,
    hashrate_before: Option<f64>,
    hashrate_observed: Option<f64>,
    by: Option<String>,
    comment: Option<String>,
    started_at: String,
    ended_at: Option<String>,
    members: Option<Vec<Member>>,
}

/// See [`crate::farm::UpdateRigView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Member {
    node_id: String,
    name: Option<String>,
    stage: usize,
    outcome: String,
    reason: Option<String>,
    before: Option<String>,
    image: Option<Image>,
    hashrate_before: Option<f64>,
    hashrate_observed: Option<f64>,
}

/// See [`crate::farm::ImageView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Image {
    version: Option<String>,
    on_trial: bool,
    update: Option<StepOf>,
}

/// See [`crate::farm::UpdateStepView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StepOf {
    step: String,
    done: Option<u64>,
    total: Option<u64>,
}

/// See [`crate::farm::StartedUpdateView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Started {
    update: Answer,
    dry_run: bool,
    had_it: usize,
    left_out: Vec<LeftOut>,
}

/// See [`crate::farm::LeftOutUpdateView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LeftOut {
    node_id: String,
    name: String,
    reason: String,
}

const NONE: &str = "no releases yet; copy one in: miner-ctrl update add FOLDER --public-key KEY";
const NO_UPDATES: &str = "no updates yet; start one: miner-ctrl update rollout VERSION";

impl Update {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            UpdateVerb::Add(add) => add.run(client).await,
            UpdateVerb::List(list) => {
                let answer = client.get("/updates").await?;
                show::list(answer, list.json, NONE, releases)
            }
            UpdateVerb::Remove(remove) => remove.run(client).await,
            UpdateVerb::Rollout(rollout) => rollout.run(client).await,
            UpdateVerb::Status(status) => status.run(client).await,
            UpdateVerb::Pause(it) => steer(client, it.update, "pause", it.json).await,
            UpdateVerb::Resume(it) => steer(client, it.update, "resume", it.json).await,
            UpdateVerb::Cancel(it) => steer(client, it.update, "cancel", it.json).await,
        }
    }
}

impl Add {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let key = self.public_key.as_deref().map(|key| {
            let wrong = || Failure::usage("--public-key: not 64 hexadecimal digits; copy it again");
            parse_key(key).ok_or_else(wrong)
        });
        let shelf = Shelf::of(Dirs::from_env()?.data());
        let copied = shelf.copy_in(Path::new(&self.folder), key.transpose()?);
        let release = copied.map_err(Failure::new)?;
        let body = json!({ "release": HEXLOWER.encode(&release.id) });
        let answer = client.send(Method::POST, "/updates", Some(&body)).await?;
        if let Some(release) = show::for_a_person::<Release>(answer, self.json)? {
            say_clean(&format!(
                "{} for {} is here, {}: bring it to rigs with `miner-ctrl update rollout {}`",
                release.version,
                release.arch,
                size(release.bytes),
                release.version
            ));
        }
        Ok(())
    }
}

impl Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let all = client.get("/updates").await?;
        let all: Vec<Release> = serde_json::from_value(all).map_err(Failure::new)?;
        let fits = |it: &&Release| {
            it.version == self.version && self.arch.as_ref().is_none_or(|arch| *arch == it.arch)
        };
        let found: Vec<_> = all.iter().filter(fits).collect();
        if found.is_empty() {
            let line = format!("there is no release {} here; `update list`", self.version);
            return Err(Failure::new(line));
        }
        let mut removed = Vec::new();
        for release in found {
            let path = format!("/updates/{}", segment(&release.release));
            client.send(Method::DELETE, &path, None).await?;
            removed.push(release.release.as_str());
        }
        if self.json {
            show::say_json(&json!({ "removed": removed }));
        } else {
            say_clean(&format!("{} is removed", self.version));
        }
        Ok(())
    }
}

impl Rollout {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let stages = self.stages.as_ref().map(|stages| {
            let stages = stages.split(',').map(|stage| match stage.trim() {
                "all" => "100%",
                stage => stage,
            });
            json!(stages.collect::<Vec<_>>())
        });
        if let Some(select) = &self.select {
            understood(select)?;
        }
        let body = show::body([
            ("version", Some(json!(self.version))),
            ("select", self.select.map(Value::from)),
            ("stages", stages),
            ("observeSecs", self.observe.map(Value::from)),
            ("minHashratePercent", self.min_hashrate.map(Value::from)),
            ("restart", self.restart.then_some(Value::Bool(true))),
            ("dryRun", self.dry_run.then_some(Value::Bool(true))),
            ("comment", self.comment.map(Value::from)),
        ]);
        let path = "/updates/rollouts";
        let answer = client.send(Method::POST, path, Some(&body)).await?;
        if let Some(started) = show::for_a_person::<Started>(answer, self.json)? {
            started.say();
            if matches!(client, Client::Here { .. }) && !started.dry_run {
                say_clean("no controller is running: the update begins when one serves");
            }
        }
        Ok(())
    }
}

impl Status {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.all {
            let answer = client.get("/updates/rollouts").await?;
            return show::list(answer, self.json, NO_UPDATES, table);
        }
        let id = match self.update {
            Some(id) => Some(id),
            None => {
                let all = client.get("/updates/rollouts").await?;
                let all: Vec<Answer> = serde_json::from_value(all).map_err(Failure::new)?;
                all.first().and_then(|newest| newest.id)
            }
        };
        let Some(id) = id else {
            if self.json {
                show::say_json(&Value::Null);
            } else {
                say_clean(NO_UPDATES);
            }
            return Ok(());
        };
        let answer = client.get(&format!("/updates/rollouts/{id}")).await?;
        if let Some(update) = show::for_a_person::<Answer>(answer, self.json)? {
            update.say();
        }
        Ok(())
    }
}

impl Started {
    fn say(&self) {
        let it = &self.update;
        let stages: Vec<_> = it
            .stages
            .iter()
            .filter_map(|stage| Some(stage.get("upTo")?.to_string()))
            .collect();
        let what = match it.id {
            Some(id) => format!("update {id}"),
            None => "it would be".to_owned(),
        };
        let mut line = format!(
            "{what}: {} for {} rigs, after each stage {}",
            it.version,
            it.rigs,
            stages.join(", ")
        );
        if self.had_it > 0 {
            line += &format!("; {} run it already", self.had_it);
        }
        say_clean(&line);
        for rig in &self.left_out {
            say_clean(&format!(
                "left out: {} ({}): {}",
                rig.name, rig.node_id, rig.reason
            ));
        }
        if self.dry_run
            && let Some(members) = &it.members
        {
            show::rows_or(members, "no rigs", rigs);
        }
    }
}

async fn steer(client: &Client, id: u32, verb: &str, json: bool) -> Result<(), Failure> {
    let path = format!("/updates/rollouts/{id}/{verb}");
    let answer = client.send(Method::POST, &path, None).await?;
    if let Some(update) = show::for_a_person::<Answer>(answer, json)? {
        say_clean(&format!("update {id} is {}", update.status()));
    }
    Ok(())
}

impl Answer {
    fn status(&self) -> String {
        match (
            self.status.as_str(),
            self.phase.as_str(),
            self.observe_left_secs,
        ) {
            ("running", "observe", Some(left)) => format!("watching, {left} s left"),
            ("running", "apply", _) => "waiting for rigs".to_owned(),
            ("aborted", ..) => "cancelled".to_owned(),
            (word, ..) => word.to_owned(),
        }
    }

    fn say(&self) {
        let rate = match (self.hashrate_before, self.hashrate_observed) {
            (Some(before), Some(after)) if before > 0.0 => {
                format!("{:.0} %", 100.0 * after / before)
            }
            _ => UNKNOWN.to_owned(),
        };
        let id = self.id.map(|id| id.to_string()).unwrap_or_default();
        let mut lines = vec![
            ("update", id),
            ("version", self.version.clone()),
            ("status", self.status()),
            ("stage", format!("{} of {}", self.stage, self.stages.len())),
            (
                "rigs",
                format!(
                    "{} of {} done, {} under way, {} failed, {} waiting",
                    self.done, self.rigs, self.told, self.failed, self.waiting
                ),
            ),
            (
                "hash rate",
                format!(
                    "{rate} of before; below {} % it would halt",
                    self.min_hashrate_percent
                ),
            ),
            ("started", self.started_at.clone()),
        ];
        let known = [
            ("ended", &self.ended_at),
            ("by", &self.by),
            ("comment", &self.comment),
            ("reason", &self.reason),
        ];
        let known = known.into_iter();
        lines.extend(known.filter_map(|(key, text)| Some((key, text.clone()?))));
        for (key, value) in lines {
            say_clean(&format!("{key:<10} {value}"));
        }
        if let Some(members) = &self.members {
            show::rows_or(members, "no rigs", rigs);
        }
    }
}

impl Member {
    fn outcome(&self) -> String {
        let update = self.image.as_ref().and_then(|image| image.update.as_ref());
        match (self.outcome.as_str(), &self.reason, update) {
            ("failed", Some(reason), _) => format!("failed: {reason}"),
            ("told", _, Some(update)) => match (update.step.as_str(), update.done, update.total) {
                ("fetching", Some(done), Some(total)) => {
                    format!("fetching, {} %", done.saturating_mul(100) / total.max(1))
                }
                (step, ..) => step.to_owned(),
            },
            ("hadIt", ..) => "had it".to_owned(),
            (outcome, ..) => outcome.to_owned(),
        }
    }

    fn runs(&self) -> String {
        let image = self.image.as_ref();
        let version = image.and_then(|image| image.version.clone());
        match (version, image.is_some_and(|image| image.on_trial)) {
            (Some(version), true) => format!("{version} on trial"),
            (version, _) => version.unwrap_or_else(|| UNKNOWN.to_owned()),
        }
    }
}

/// In millions of bytes.
fn size(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn releases(releases: &[Release]) -> Table<5> {
    let mut table = Table::new([
        Column::text("Version", 0),
        Column::text("Arch", 0),
        Column::figure("Size", 1),
        Column::text("From", 2),
        Column::text("Release", 3),
    ]);
    for release in releases {
        table.row([
            release.version.clone(),
            release.arch.clone(),
            size(release.bytes),
            release.min_from.clone(),
            release.release.clone(),
        ]);
    }
    table
}

fn table(updates: &[Answer]) -> Table<6> {
    let mut table = Table::new([
        Column::figure("ID", 0),
        Column::text("Version", 0),
        Column::text("Status", 0),
        Column::figure("Stage", 1),
        Column::figure("Rigs", 0),
        Column::text("Started", 2),
    ]);
    for update in updates {
        table.row([
            update.id.map(|id| id.to_string()).unwrap_or_default(),
            update.version.clone(),
            update.status(),
            format!("{}/{}", update.stage, update.stages.len()),
            format!("{}/{}", update.done, update.rigs),
            update.started_at.clone(),
        ]);
    }
    table
}

fn rigs(members: &[Member]) -> Table<7> {
    let mut table = Table::new([
        Column::figure("Stage", 2),
        Column::text("Rig", 0),
        Column::text("Outcome", 0),
        Column::text("Before", 3),
        Column::text("Runs", 1),
        Column::figure("Made", 4),
        Column::figure("Makes", 4),
    ]);
    for rig in members {
        table.row([
            rig.stage.to_string(),
            rig.name.clone().unwrap_or_else(|| rig.node_id.clone()),
            rig.outcome(),
            rig.before.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            rig.runs(),
            units::hashrate(rig.hashrate_before),
            units::hashrate(rig.hashrate_observed),
        ]);
    }
    table
}
