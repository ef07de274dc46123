//! `remote`: what rigs do, and what they should do.

use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use serde_json::{Value, json};
use smol::Timer;

use super::answers::{self, AllStats, Applied, Logs, Peer, Stats};
use super::client::{Client, segment};
use super::history::RigHistory;
use super::managers::{Handover, Managers, Revoke, RotateKey};
use super::many::Whom;
use super::orders::{Locate, LogLevel, Orders, PowerOff, Reboot, Restart, Wake};
use super::peer::{NO_RIGS, NONE_TAKEN};
use super::rest::{Pause, Resume};
use super::select;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use super::tells::{Doctor, Owner, Shares};
use crate::units::{self, UNKNOWN};

/// What rigs do, and what they should do.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "remote")]
pub(super) struct Remote {
    #[argh(subcommand)]
    verb: RemoteVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum RemoteVerb {
    Status(Status),
    Start(Start),
    Stop(Stop),
    Pause(Pause),
    Resume(Resume),
    Restart(Restart),
    Reboot(Reboot),
    PowerOff(PowerOff),
    Wake(Wake),
    Locate(Locate),
    Logs(ReadLogs),
    LogLevel(LogLevel),
    Doctor(Doctor),
    Owner(Owner),
    Shares(Shares),
    Orders(Orders),
    History(RigHistory),
    Managers(Managers),
    Handover(Handover),
    Revoke(Revoke),
    RotateKey(RotateKey),
}

/// Show the miners of one rig, or of all.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "status")]
struct Status {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// only rigs that this takes, such as "group=shed state=mining"
    #[argh(option)]
    select: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Let a rig mine with a profile, from now on and after every restart.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "start")]
struct Start {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// id of the profile
    #[argh(option, short = 'p')]
    profile: String,
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
    /// the last 6 characters of the new wallet, where rigs mine for another one now
    #[argh(option)]
    confirm_payout: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Let a rig mine nothing, from now on and after every restart.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "stop")]
struct Stop {
    /// node ID, unique prefix of one, or name; behind it, if you like, the name of the miner, such as
    /// miner-rx0 (`remote status` lists them)
    #[argh(positional, arg_name = "peer")]
    words: Vec<String>,
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

/// Between two looks at a log that is followed.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);
/// Lines that one look takes: the whole ring of a rig.
const FOLLOW_LINES: u16 = 10_000;

/// Show the end of a miner's log, or follow it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "logs")]
struct ReadLogs {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// name of the miner, such as miner-rx0; `remote status` lists them
    #[argh(positional)]
    miner: String,
    /// how many lines, 1 to 10000; default: 100
    #[argh(option, short = 'n', default = "100")]
    lines: u16,
    /// only records that are at least this serious: error, warn, info, debug or trace
    #[argh(option)]
    level: Option<String>,
    /// go on with new records until Ctrl-C
    #[argh(switch, short = 'f')]
    follow: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Remote {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            RemoteVerb::Status(status) => status.run(client).await,
            RemoteVerb::Start(start) => start.run(client).await,
            RemoteVerb::Stop(stop) => stop.run(client).await,
            RemoteVerb::Pause(pause) => pause.run(client).await,
            RemoteVerb::Resume(resume) => resume.run(client).await,
            RemoteVerb::Restart(restart) => restart.run(client).await,
            RemoteVerb::Reboot(reboot) => reboot.run(client).await,
            RemoteVerb::PowerOff(power_off) => power_off.run(client).await,
            RemoteVerb::Wake(wake) => wake.run(client).await,
            RemoteVerb::Locate(locate) => locate.run(client).await,
            RemoteVerb::Logs(logs) => logs.run(client).await,
            RemoteVerb::LogLevel(level) => level.run(client).await,
            RemoteVerb::Doctor(doctor) => doctor.run(client).await,
            RemoteVerb::Owner(owner) => owner.run(client).await,
            RemoteVerb::Shares(shares) => shares.run(client).await,
            RemoteVerb::Orders(orders) => orders.run(client).await,
            RemoteVerb::History(history) => history.run(client).await,
            RemoteVerb::Managers(managers) => managers.run(client).await,
            RemoteVerb::Handover(handover) => handover.run(client).await,
            RemoteVerb::Revoke(revoke) => revoke.run(client).await,
            RemoteVerb::RotateKey(rotate) => rotate.run(client).await,
        }
    }
}

impl Status {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let select = self.select.as_deref();
        if self.peer.is_some() && select.is_some() {
            return Err(Failure::usage("name one rig, or give --select"));
        }
        let peers = select::selected("/peers", select)?;
        let stats = select::selected("/remote/stats", select)?;
        client.reach(self.peer.as_deref()).await;
        match &self.peer {
            Some(peer) => self.one(client, peer).await,
            None => self.all(client, &peers, &stats).await,
        }
    }

    async fn one(&self, client: &Client, peer: &str) -> Result<(), Failure> {
        let path = format!("/remote/{}/stats", segment(peer));
        let answer = client.get(&path).await?;
        if let Some(rig) = show::for_a_person(answer, self.json)? {
            show::rows_or(&[rig], NO_RIGS, table);
        }
        Ok(())
    }

    async fn all(&self, client: &Client, peers: &str, stats: &str) -> Result<(), Failure> {
        let peers: Vec<Peer> = answers::read(client.get(peers).await?)?;
        let linked = peers.iter().filter(|peer| peer.connected);
        client.refresh(linked.map(|peer| peer.id.as_str())).await;
        let answer = client.get(stats).await?;
        let Some(mut known) = show::for_a_person::<AllStats>(answer, self.json)? else {
            return Ok(());
        };
        let rows: Vec<Stats> = peers
            .iter()
            .map(|peer| {
                known
                    .remove(&peer.id)
                    .unwrap_or_else(|| never_heard_of(peer))
            })
            .collect();
        let empty = match self.select {
            None => NO_RIGS,
            Some(_) => NONE_TAKEN,
        };
        show::rows_or(&rows, empty, table);
        Ok(())
    }
}

/// A rig in the registry that never sent statistics still has its line.
fn never_heard_of(peer: &Peer) -> Stats {
    Stats {
        node_name: peer.name.clone(),
        connected: peer.connected,
        ..Stats::default()
    }
}

/// One line per miner; a rig without one has a line as well.
fn table(rigs: &[Stats]) -> Table<10> {
    let mut table = Table::new([
        Column::text("Peer", 0),
        Column::text("Miner", 0),
        Column::state("State", 0),
        Column::figure("10s", 0),
        Column::figure("60s", 3),
        Column::figure("15m", 4),
        Column::figure("Shares", 1),
        Column::text("Memory", 5),
        Column::text("Pool", 2),
        Column::figure("Age", 6),
    ]);
    for rig in rigs {
        let state = if rig.connected {
            rig.activity.words()
        } else {
            "offline".to_owned()
        };
        let age = units::age(rig.age_ms);
        let unknown = || UNKNOWN.to_owned();
        if rig.miners.is_empty() {
            let mut cells = [(); 10].map(|()| unknown());
            (cells[0], cells[2], cells[9]) = (rig.node_name.clone(), state.clone(), age.clone());
            table.row(cells);
        }
        for miner in &rig.miners {
            let rate = |window| units::hashrate(miner.windows.get(window).copied().flatten());
            let threads = match miner.cpu_threads {
                1 => "1 thread".to_owned(),
                count => format!("{count} threads"),
            };
            let memory = match (&miner.memory, &miner.pages) {
                (Some(memory), Some(pages)) => format!("{memory}, {pages}, {threads}"),
                (Some(memory), None) => format!("{memory}, {threads}"),
                (None, _) => unknown(),
            };
            table.row([
                rig.node_name.clone(),
                miner.name.clone(),
                state.clone(),
                rate("10s"),
                rate("60s"),
                rate("15m"),
                format!("{}/{}/{}", miner.shares, miner.rejected, miner.stale),
                memory,
                miner.pool.clone().unwrap_or_else(unknown),
                age.clone(),
            ]);
        }
    }
    table
}

impl Start {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "start", "profileId": self.profile });
                let many = many.confirming(self.confirm_payout);
                return many.run(client, "start", &action, self.json).await;
            }
        };
        client.reach(Some(&peer)).await;
        let path = format!("/remote/{}/start", segment(&peer));
        let body = json!({ "profileId": self.profile });
        let said = self.confirm_payout.as_deref();
        let answer = client
            .send_confirmed(Method::POST, &path, &body, said)
            .await?;
        report(&peer, answer, self.json)
    }
}

impl Stop {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut words = self.words.into_iter();
        let (peer, miner) = (words.next(), words.next());
        if words.next().is_some() {
            return Err(Failure::usage(
                "name one rig, and one of its miners at most",
            ));
        }
        let whom = Whom::of(peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "stop" });
                return many.run(client, "stop", &action, self.json).await;
            }
        };
        client.reach(Some(&peer)).await;
        let path = format!("/remote/{}/stop", segment(&peer));
        let body = miner.map_or_else(|| json!({}), |miner| json!({ "minerName": miner }));
        let answer = client.send(Method::POST, &path, Some(&body)).await?;
        report(&peer, answer, self.json)
    }
}

fn report(peer: &str, answer: Value, json: bool) -> Result<(), Failure> {
    if let Some(applied) = show::for_a_person(answer, json)? {
        say_clean(&outcome(peer, &applied));
    }
    Ok(())
}

fn outcome(peer: &str, applied: &Applied) -> String {
    let wish = match &applied.profile {
        Some(profile) => format!("mines with {profile}"),
        None => "is stopped".to_owned(),
    };
    let generation = applied.generation;
    match applied.status.as_str() {
        "applied" => format!("{peer} {wish} (generation {generation})"),
        "pending" => format!(
            "{peer} cannot be reached now; as soon as it can, it {wish} (generation {generation})"
        ),
        other => format!("{peer}: {other} (generation {generation})"),
    }
}

impl ReadLogs {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let mut next = self.show(client, None, self.lines).await?;
        if !self.follow {
            return Ok(());
        }
        let mut away = false;
        loop {
            Timer::after(FOLLOW_PAUSE).await;
            // A rig that is away comes back, and its ring then has what it logged meanwhile.
            match self.show(client, Some(next), FOLLOW_LINES).await {
                Ok(then) => (next, away) = (then, false),
                Err(failure) if !std::mem::replace(&mut away, true) => {
                    say_clean(&format!("({}; still following)", failure.line));
                }
                Err(_) => {}
            }
        }
    }

    /// Shows records, the last ones or those from a cursor on; the cursor to go on with.
    async fn show(&self, client: &Client, cursor: Option<u64>, lines: u16) -> Result<u64, Failure> {
        let (peer, miner) = (segment(&self.peer), segment(&self.miner));
        let mut path = format!("/remote/{peer}/logs/{miner}?lines={lines}");
        if let Some(level) = &self.level {
            path += &format!("&level={}", segment(level));
        }
        if let Some(cursor) = cursor {
            path += &format!("&cursor={cursor}");
        }
        let answer = client.get(&path).await?;
        let logs: Logs = answers::read(answer.clone())?;
        if self.json {
            if cursor.is_none() || !logs.lines.is_empty() {
                show::say_json(&answer);
            }
            return Ok(logs.next);
        }
        if logs.lost > 0 {
            say(format_args!(
                "({} older lines are gone from the rig's memory)",
                logs.lost
            ));
        }
        for line in &logs.lines {
            say_clean(&format!("{} {:<5} {}", line.at, line.level, line.text));
        }
        Ok(logs.next)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::answers::{Activity, Miner};
    use super::super::table::Output;
    use super::*;

    #[test]
    fn every_miner_has_a_line_and_so_has_a_silent_rig() {
        let rate = |window: &str, rate| (window.to_owned(), rate);
        let rigs = [
            Stats {
                node_name: "rig-alpha".to_owned(),
                connected: true,
                age_ms: Some(2_000),
                activity: Activity {
                    state: "filling".to_owned(),
                    percent: Some(42),
                },
                miners: vec![Miner {
                    name: "miner-rx0".to_owned(),
                    windows: BTreeMap::from([rate("10s", Some(19.84)), rate("60s", None)]),
                    shares: 12,
                    stale: 1,
                    memory: Some("light".to_owned()),
                    pages: Some("transparent".to_owned()),
                    cpu_threads: 2,
                    pool: Some("127.0.0.1:3333".to_owned()),
                    ..Miner::default()
                }],
            },
            never_heard_of(&Peer {
                name: "rig-beta".to_owned(),
                ..Peer::default()
            }),
        ];
        assert_eq!(table(&rigs).render(Output::PIPE), "\
PEER       MINER      STATE              10S  60S  15M  SHARES  MEMORY                         POOL            AGE
rig-alpha  miner-rx0  filling 42 %  19.8 H/s    –    –  12/0/1  light, transparent, 2 threads  127.0.0.1:3333  2 s
rig-beta   –          offline              –    –    –       –  –                              –                 –
");
    }

    #[test]
    fn a_wish_that_waits_is_not_called_done() {
        let mut applied = Applied {
            generation: 7,
            profile: Some("my-profile".to_owned()),
            status: "applied".to_owned(),
        };
        assert_eq!(
            outcome("rig-alpha", &applied),
            "rig-alpha mines with my-profile (generation 7)"
        );
        applied.status = "pending".to_owned();
        assert!(outcome("rig-alpha", &applied).contains("cannot be reached now"));
    }
}
