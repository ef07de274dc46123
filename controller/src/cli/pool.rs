//! `pool list`, `pool check`: how the pools are, and whether one lets a wallet in.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;
use serde::Deserialize;
use serde_json::json;

use super::client::Client;
use super::table::{Column, Table};
use super::{answers, secrets, show};
use crate::units::{self, UNKNOWN};

/// Pools that rigs mine at, or would.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pool")]
pub(super) struct Pool {
    #[argh(subcommand)]
    verb: PoolVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum PoolVerb {
    List(List),
    Check(Check),
}

/// List the pools that profiles in use name or rigs report, with what rigs make there.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Connect to a pool from this controller, log in as a rig would, and say how far that came. Nothing is
/// mined. Exit code 1 if the pool gave no job, or the wallet cannot be paid.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "check")]
struct Check {
    /// HOST:PORT, also with stratum+tcp:// or stratum+ssl:// in front
    #[argh(positional)]
    url: String,
    /// login there: the wallet, with what the pool lets one append
    #[argh(option)]
    user: String,
    /// file with the pool's password, or - for standard input
    #[argh(option)]
    pass_file: Option<String>,
    /// coin that the wallet is an address of, such as monero: it is checked then
    #[argh(option)]
    coin: Option<String>,
    /// speak TLS with the pool
    #[argh(switch)]
    tls: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::PoolUseView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    url: String,
    state: String,
    rigs_told: usize,
    rigs_on: usize,
    hashrate: Option<f64>,
    accepted: u64,
    rejected: u64,
    stale: u64,
    difficulty_lowest: Option<u64>,
    difficulty_highest: Option<u64>,
    last_share_age_ms: Option<u64>,
    failovers: Option<u64>,
}

/// See [`crate::farm::PoolCheckView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Found {
    url: String,
    connect_ms: Option<u64>,
    tls: bool,
    logged_in: bool,
    height: Option<u64>,
    difficulty: Option<u64>,
    algorithm: Option<String>,
    error: Option<String>,
    note: Option<String>,
    wallet_valid: Option<bool>,
    wallet_note: String,
}

impl Pool {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            PoolVerb::List(list) => list.run(client).await,
            PoolVerb::Check(check) => check.run(client).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(None).await;
        let answer = client.get("/pools").await?;
        let empty = "no rig is told to mine; `remote start` tells one";
        show::list(answer, self.json, empty, table)
    }
}

impl Check {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let pass = self.pass_file.as_deref().map(secrets::read).transpose()?;
        let body = json!({
            "url": self.url,
            "user": self.user,
            "pass": pass.as_ref().map_or("", |pass| pass.as_str()),
            "tls": self.tls,
            "coin": self.coin,
        });
        let answer = client
            .send(Method::POST, "/pools/check", Some(&body))
            .await?;
        let found: Found = answers::read(answer.clone())?;
        if self.json {
            show::say_json(&answer);
        } else {
            for line in found.lines() {
                show::say_clean(&line);
            }
        }
        found.end()
    }
}

impl Found {
    fn lines(&self) -> Vec<String> {
        let connected = self.connect_ms.map_or_else(
            || "not reachable".to_owned(),
            |ms| {
                format!(
                    "connected in {ms} ms{}",
                    if self.tls { ", with TLS" } else { "" }
                )
            },
        );
        let job = self.logged_in.then(|| {
            let or_unknown =
                |figure: Option<u64>| figure.map_or_else(|| UNKNOWN.to_owned(), units::count);
            format!(
                "logged in: a job of {}, difficulty {}, height {}",
                self.algorithm.as_deref().unwrap_or(UNKNOWN),
                or_unknown(self.difficulty),
                or_unknown(self.height)
            )
        });
        let wallet = match self.wallet_valid {
            Some(true) => "good",
            Some(false) => "bad",
            None => "not checked",
        };
        let lines = [
            Some(format!("{}: {connected}", self.url)),
            job,
            self.error.as_ref().map(|error| format!("failed: {error}")),
            Some(format!("wallet {wallet}: {}", self.wallet_note)),
            self.note.as_ref().map(|note| format!("note: {note}")),
        ];
        lines.into_iter().flatten().collect()
    }

    fn end(&self) -> Result<(), Failure> {
        match (self.logged_in, self.wallet_valid) {
            (true, None | Some(true)) => Ok(()),
            (true, Some(false)) => Err(Failure::new(
                "the pool takes this wallet, and it cannot be paid",
            )),
            (false, _) => Err(Failure::new("rigs would not mine there")),
        }
    }
}

fn table(rows: &[Row]) -> Table<9> {
    let mut table = Table::new([
        Column::text("Pool", 0),
        Column::state("State", 0),
        Column::figure("Told", 2),
        Column::figure("On", 0),
        Column::figure("Hash rate", 0),
        Column::figure("Shares", 3),
        Column::figure("Last share", 1),
        Column::figure("Difficulty", 5),
        Column::figure("Left", 4),
    ]);
    for row in rows {
        let state = match row.state.as_str() {
            "someAway" => "waiting: some away",
            other => other,
        };
        let difficulty = match (row.difficulty_lowest, row.difficulty_highest) {
            (Some(lowest), Some(highest)) if lowest == highest => units::count(lowest),
            (Some(lowest), Some(highest)) => {
                format!("{} to {}", units::count(lowest), units::count(highest))
            }
            _ => UNKNOWN.to_owned(),
        };
        table.row([
            row.url.clone(),
            state.to_owned(),
            row.rigs_told.to_string(),
            row.rigs_on.to_string(),
            units::hashrate(row.hashrate),
            format!("{}/{}/{}", row.accepted, row.rejected, row.stale),
            units::age(row.last_share_age_ms),
            difficulty,
            row.failovers
                .map_or_else(|| UNKNOWN.to_owned(), units::count),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    #[test]
    fn pools_are_a_table_that_fits() {
        let rows = [
            Row {
                url: "pool.example:3333".to_owned(),
                state: "ok".to_owned(),
                rigs_told: 3,
                rigs_on: 3,
                hashrate: Some(12_480.0),
                accepted: 100,
                stale: 1,
                difficulty_lowest: Some(10_000),
                difficulty_highest: Some(20_000),
                last_share_age_ms: Some(4_000),
                failovers: Some(2),
                ..Row::default()
            },
            Row {
                url: "spare.example:3333".to_owned(),
                state: "unused".to_owned(),
                ..Row::default()
            },
        ];
        let render = |width| {
            table(&rows).render(Output {
                width,
                colour: false,
            })
        };
        assert_eq!(
            render(None),
            "\
POOL                STATE   TOLD  ON  HASH RATE   SHARES  LAST SHARE        DIFFICULTY  LEFT
pool.example:3333   ok         3   3  12.5 kH/s  100/0/1         4 s  10,000 to 20,000     2
spare.example:3333  unused     0   0          –    0/0/0           –                 –     –
"
        );
        let narrow = render(Some(50));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 50),
            "{narrow}"
        );
    }

    #[test]
    fn a_check_ends_well_only_with_a_job_and_no_bad_wallet() {
        let found = |logged_in, wallet_valid| Found {
            logged_in,
            wallet_valid,
            ..Found::default()
        };
        assert!(found(true, None).end().is_ok());
        assert!(found(true, Some(true)).end().is_ok());
        assert!(found(true, Some(false)).end().is_err());
        assert!(found(false, Some(true)).end().is_err());
    }

    #[test]
    fn a_check_is_said_line_by_line() {
        let found = Found {
            url: "pool.example:3333".to_owned(),
            connect_ms: Some(12),
            logged_in: true,
            difficulty: Some(10_000),
            algorithm: Some("rx/0".to_owned()),
            wallet_note: "it is taken for an account".to_owned(),
            ..Found::default()
        };
        assert_eq!(
            found.lines(),
            [
                "pool.example:3333: connected in 12 ms",
                "logged in: a job of rx/0, difficulty 10,000, height –",
                "wallet not checked: it is taken for an account",
            ]
        );
    }
}
