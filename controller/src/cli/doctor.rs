//! `doctor`: what is wrong with this controller, or will be, and what to do about it.
//!
//! | check | looks at |
//! |---|---|
//! | identity | key and `node.json`, as every start reads them |
//! | clock, disk, descriptors | what the system gives |
//! | backup, recovery key | whether the farm outlives this machine |
//! | controller, registry | asked over the API, served by a running controller or here |
//! | rigs | who is out of reach, who did not do what it was told |
//!
//! Each finding says what it saw; one that is no `ok` says what to do. Exit code 1 if something is
//! broken; warnings alone are 0. What is wrong with a rig, `remote doctor` asks that rig.

use std::fmt::Display;
use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Exit, Failure};
use miner_agent::store::{Dirs, NodeStore};
use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use serde_json::{Value, json};
use smol::Executor;

use super::client::Client;
use super::show;
use super::table::{Column, Table};
use crate::backup;
use crate::clock::{Clock, EpochMs};

/// Check this controller: its files, this machine, and the farm.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "doctor")]
pub(super) struct Doctor {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Severity {
    /// As it should be.
    Ok,
    /// Works, and will cost something some day.
    Warning,
    /// Does not work.
    Broken,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// What a check saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    severity: Severity,
    /// What it saw.
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, detail: impl Display) -> Self {
        Self {
            check,
            severity: Severity::Ok,
            detail: detail.to_string(),
            fix: None,
        }
    }

    fn warning(check: &'static str, detail: impl Display, fix: &'static str) -> Self {
        Self {
            severity: Severity::Warning,
            fix: Some(fix),
            ..Self::ok(check, detail)
        }
    }

    fn broken(check: &'static str, detail: impl Display, fix: &'static str) -> Self {
        Self {
            severity: Severity::Broken,
            ..Self::warning(check, detail, fix)
        }
    }
}

/// Days after which a backup is called old.
const OLD_BACKUP_DAYS: u64 = 30;
/// Less free space than this is a warning, in bytes.
const LITTLE_DISK: u64 = 1 << 30;
/// With less than this nothing can be written for long, in bytes.
const NO_DISK: u64 = 64 << 20;
/// Descriptors besides those of links: files, the API's connections, what the runtime needs.
const OTHER_DESCRIPTORS: u64 = 256;
/// 2024-01-01: a wall clock before it was never set, in milliseconds since 1970.
const NEVER_SET: EpochMs = EpochMs(1_704_067_200_000);
const DAY_MS: u64 = 24 * 3_600_000;

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dirs = Dirs::from_env()?;
        let now = Clock::start().now().wall;
        let mut findings = vec![
            identity(&dirs),
            clock(now),
            disk(&dirs),
            last_backup(&dirs, now),
        ];
        findings.extend(farm());
        self.tell(&findings)
    }

    fn tell(&self, findings: &[Finding]) -> Result<(), Failure> {
        if self.json {
            show::say_json(&json!(findings));
        } else {
            show::rows_or(findings, "nothing was checked", table);
        }
        let broken = findings
            .iter()
            .filter(|finding| finding.severity == Severity::Broken)
            .count();
        match broken {
            0 => Ok(()),
            _ => Err(Failure {
                exit: Exit::Failure,
                line: format!(
                    "{broken} of {} checks found something broken",
                    findings.len()
                ),
            }),
        }
    }
}

fn table(findings: &[Finding]) -> Table<4> {
    let mut table = Table::new([
        Column::text("CHECK", 0),
        Column::text("STATE", 0),
        Column::text("FOUND", 1),
        Column::text("WHAT TO DO", 2),
    ]);
    for finding in findings {
        table.row([
            finding.check.to_owned(),
            finding.severity.as_str().to_owned(),
            finding.detail.clone(),
            finding.fix.unwrap_or_default().to_owned(),
        ]);
    }
    table
}

fn identity(dirs: &Dirs) -> Finding {
    const CHECK: &str = "identity";
    match NodeStore::new(dirs.clone()).load() {
        Ok(Some(node)) => Finding::ok(
            CHECK,
            format!("{} ({})", node.name, node.fingerprint().node_id()),
        ),
        Ok(None) => Finding::broken(
            CHECK,
            "this machine is no node yet",
            "miner-ctrl node init --name NAME, or miner-ctrl restore BACKUP",
        ),
        Err(error) => Finding::broken(
            CHECK,
            error,
            "miner-ctrl restore BACKUP if the file is lost",
        ),
    }
}

fn clock(now: EpochMs) -> Finding {
    const CHECK: &str = "clock";
    if now < NEVER_SET {
        let fix = "set the clock: tokens end by it, and times are shown by it";
        return Finding::warning(CHECK, format!("it says {now}"), fix);
    }
    Finding::ok(CHECK, now)
}

fn disk(dirs: &Dirs) -> Finding {
    const CHECK: &str = "disk";
    let folder = dirs.data();
    let fix = "make room: the registry, history and events are written there";
    let free = match statvfs(folder) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return Finding::broken(CHECK, format!("{}: {error}", folder.display()), fix),
    };
    let detail = format!("{} MiB free in {}", free >> 20, folder.display());
    match free {
        ..NO_DISK => Finding::broken(CHECK, detail, fix),
        NO_DISK..LITTLE_DISK => Finding::warning(CHECK, detail, fix),
        _ => Finding::ok(CHECK, detail),
    }
}

fn last_backup(dirs: &Dirs, now: EpochMs) -> Finding {
    const CHECK: &str = "backup";
    let fix = "miner-ctrl backup --out FILE, and keep the file elsewhere";
    match backup::made_at(dirs) {
        Ok(Some(made)) => {
            let days = now.0.saturating_sub(made.0) / DAY_MS;
            let detail = format!("the last one is {days} days old");
            if days >= OLD_BACKUP_DAYS {
                Finding::warning(CHECK, detail, fix)
            } else {
                Finding::ok(CHECK, detail)
            }
        }
        Ok(None) => Finding::warning(CHECK, "none was ever made here", fix),
        Err(error) => Finding::warning(CHECK, error, fix),
    }
}

/// What the farm itself says, by whoever serves it.
fn farm() -> Vec<Finding> {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let client = match Client::open(&executor).await {
            Ok(client) => client,
            Err(failure) => {
                let fix = "the line says it; `identity` above comes first";
                return vec![Finding::broken("registry", failure.line, fix)];
            }
        };
        let mut findings = vec![served(&client)];
        match client.get("/peers").await {
            Ok(peers) => findings.extend(rigs(&peers, matches!(client, Client::Serving(..)))),
            Err(problem) => {
                let failure = Failure::from(problem);
                findings.push(Finding::broken(
                    "registry",
                    failure.line,
                    "see the controller's log",
                ));
            }
        }
        findings.push(recovery(client.get("/node/recovery").await.ok().as_ref()));
        client.end().await;
        findings
    }))
}

fn served(client: &Client) -> Finding {
    const CHECK: &str = "controller";
    match client {
        Client::Here { .. } => Finding::warning(
            CHECK,
            "none runs here: rigs that dial in find nobody",
            "miner-ctrl up, or miner-ctrl node serve",
        ),
        _ => Finding::ok(CHECK, "it runs and answers"),
    }
}

fn rigs(peers: &Value, served: bool) -> Vec<Finding> {
    let peers = peers.as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |is: &dyn Fn(&Value) -> bool| peers.iter().filter(|peer| is(peer)).count();
    let all = peers.len();
    let mut findings = vec![
        Finding::ok("registry", format!("{all} rigs")),
        descriptors(all),
    ];
    if served && all > 0 {
        let away = count(&|peer| peer["connected"] != true);
        findings.push(match away {
            0 => Finding::ok("links", format!("all {all} rigs are linked")),
            _ => Finding::warning(
                "links",
                format!("{away} of {all} rigs are out of reach"),
                "miner-ctrl peer list shows which, and since when",
            ),
        });
    }
    let refused = count(&|peer| peer["desired"]["status"] == "refused");
    let behind = count(&|peer| peer["desired"]["status"] == "behind");
    findings.push(match refused + behind {
        0 => Finding::ok("wishes", "no rig refuses or is told by somebody else"),
        _ => Finding::warning(
            "wishes",
            format!(
                "{refused} rigs refused what they were told, {behind} were told something newer"
            ),
            "miner-ctrl peer list says why",
        ),
    });
    findings
}

fn descriptors(rigs: usize) -> Finding {
    const CHECK: &str = "descriptors";
    let Some(limit) = getrlimit(Resource::Nofile).maximum else {
        return Finding::ok(CHECK, "as many as there are");
    };
    let needed = u64::try_from(rigs).unwrap_or(u64::MAX) + OTHER_DESCRIPTORS;
    let detail = format!("{limit} may be open, {needed} are needed for {rigs} rigs");
    if limit < needed {
        let fix = "raise it: ulimit -Hn, or LimitNOFILE= in the service's unit";
        return Finding::broken(CHECK, detail, fix);
    }
    Finding::ok(CHECK, detail)
}

fn recovery(key: Option<&Value>) -> Finding {
    const CHECK: &str = "recovery key";
    match key.and_then(|key| Some((key["pinned"].as_u64()?, key["pending"].as_u64()?))) {
        Some((pinned, pending)) => Finding::ok(
            CHECK,
            format!("{pinned} rigs have pinned it, {pending} have yet to"),
        ),
        None => Finding::warning(
            CHECK,
            "none: if this key is stolen, each rig has to be visited",
            "miner-ctrl node recovery create --out FILE, and keep the file elsewhere",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rigs_that_refuse_or_are_away_are_counted() {
        let peers = json!([
            { "connected": true, "desired": { "status": "applied" } },
            { "connected": false, "desired": { "status": "refused" } },
            { "connected": false, "desired": null },
        ]);
        let findings = rigs(&peers, true);
        let of = |check: &str| findings.iter().find(|finding| finding.check == check);
        let links = of("links").expect("checked");
        assert_eq!(links.severity, Severity::Warning);
        assert_eq!(links.detail, "2 of 3 rigs are out of reach");
        assert_eq!(of("wishes").expect("checked").severity, Severity::Warning);
    }

    #[test]
    fn whoever_is_away_is_no_finding_while_no_controller_runs() {
        let findings = rigs(&json!([{ "connected": false }]), false);
        assert!(
            findings
                .iter()
                .all(|finding| finding.severity == Severity::Ok)
        );
    }

    #[test]
    fn a_backup_grows_old() {
        let root = tempfile::tempdir().expect("folder");
        let dirs = Dirs::below(root.path());
        let state = |now| last_backup(&dirs, EpochMs(now)).severity;
        assert_eq!(state(0), Severity::Warning, "none was made");
        backup::note_made(&dirs, EpochMs(0)).expect("written");
        assert_eq!(state(29 * DAY_MS), Severity::Ok);
        assert_eq!(state(30 * DAY_MS), Severity::Warning);
    }

    #[test]
    fn a_machine_without_a_node_is_broken_and_says_what_to_do() {
        let root = tempfile::tempdir().expect("folder");
        let finding = identity(&Dirs::below(root.path()));
        assert_eq!(finding.severity, Severity::Broken);
        assert!(finding.fix.is_some());
    }
}
