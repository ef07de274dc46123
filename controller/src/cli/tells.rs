//! `remote doctor`, `owner`, `shares`: what a rig tells of itself.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use serde::Deserialize;

use super::client::{Client, segment};
use super::show;
use super::table::{Column, Table};
use crate::units::{self, UNKNOWN};

/// Show what a rig finds wrong with itself and its machine, and what to do about it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "doctor")]
pub(super) struct Doctor {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show what the owner of a rig's machine allows: its owner.toml, which no controller overrides.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "owner")]
pub(super) struct Owner {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show the last shares that a rig found, one by one.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "shares")]
pub(super) struct Shares {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Doctor {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let path = format!("/remote/{}/doctor", segment(&self.peer));
        let answer = client.get(&path).await?;
        if let Some(Findings { findings }) = show::for_a_person(answer, self.json)? {
            show::rows_or(&findings, "it found nothing to say", findings_table);
        }
        Ok(())
    }
}

/// What is read of [`crate::farm::DoctorView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Findings {
    findings: Vec<Finding>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Finding {
    check: String,
    severity: String,
    detail: String,
    fix: Option<String>,
}

fn findings_table(findings: &[Finding]) -> Table<4> {
    let mut table = Table::new([
        Column::text("Check", 0),
        Column::text("Is", 0),
        Column::text("Found", 0),
        Column::text("What to do", 1),
    ]);
    for finding in findings {
        table.row([
            finding.check.clone(),
            finding.severity.clone(),
            finding.detail.clone(),
            finding.fix.clone().unwrap_or_default(),
        ]);
    }
    table
}

impl Owner {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let path = format!("/remote/{}/owner", segment(&self.peer));
        let answer = client.get(&path).await?;
        if let Some(word) = show::for_a_person::<Word>(answer, self.json)? {
            show::rows_or(&word.lines(), "", word_table);
        }
        Ok(())
    }
}

/// What is read of [`crate::farm::OwnerView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Word {
    owner: Option<String>,
    mine: bool,
    max_threads: Option<u16>,
    light: bool,
    controllers: Option<u8>,
    wallets: Option<u8>,
    pools: Option<u8>,
}

impl Word {
    /// In the order of the file.
    fn lines(&self) -> [(&'static str, String); 7] {
        let listed = |count: Option<u8>, any: &str| match count {
            None => any.to_owned(),
            Some(count) => format!("{count} listed"),
        };
        let threads = self.max_threads.map(|most| format!("{most} at most"));
        [
            (
                "Owner",
                self.owner.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            ),
            (
                "Mining",
                if self.mine { "allowed" } else { "not allowed" }.to_owned(),
            ),
            (
                "Threads",
                threads.unwrap_or_else(|| "any number".to_owned()),
            ),
            (
                "Memory",
                if self.light {
                    "light mode alone"
                } else {
                    "light and fast mode"
                }
                .to_owned(),
            ),
            (
                "Controllers",
                listed(self.controllers, "any that was let in"),
            ),
            ("Wallets", listed(self.wallets, "any")),
            ("Pools", listed(self.pools, "any")),
        ]
    }
}

fn word_table(lines: &[(&'static str, String)]) -> Table<2> {
    let mut table = Table::new([Column::text("Setting", 0), Column::text("Is", 0)]);
    for (setting, is) in lines {
        table.row([(*setting).to_owned(), is.clone()]);
    }
    table
}

impl Shares {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let path = format!("/remote/{}/shares", segment(&self.peer));
        let answer = client.get(&path).await?;
        if let Some(Found { shares, lost }) = show::for_a_person(answer, self.json)? {
            if lost > 0 {
                say(format_args!("({lost} older shares are not known here)"));
            }
            show::rows_or(&shares, "it has told of no share", shares_table);
        }
        Ok(())
    }
}

/// What is read of [`crate::farm::FoundSharesView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    shares: Vec<Share>,
    lost: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Share {
    height: Option<u64>,
    nonce: u32,
    thread: u16,
    verdict: String,
    age_ms: Option<u64>,
}

fn shares_table(shares: &[Share]) -> Table<5> {
    let mut table = Table::new([
        Column::figure("Age", 0),
        Column::text("Verdict", 0),
        Column::figure("Height", 1),
        Column::figure("Thread", 2),
        Column::text("Nonce", 3),
    ]);
    for share in shares {
        let height = share.height.map(|height| height.to_string());
        table.row([
            units::age(share.age_ms),
            share.verdict.clone(),
            height.unwrap_or_else(|| UNKNOWN.to_owned()),
            share.thread.to_string(),
            format!("{:08x}", share.nonce),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    #[test]
    fn what_an_owner_does_not_limit_is_said_to_be_free() {
        let free = Word {
            mine: true,
            ..Word::default()
        };
        let table = word_table(&free.lines()).render(Output::PIPE);
        for said in [
            "allowed",
            "any number",
            "any that was let in",
            "light and fast",
        ] {
            assert!(table.contains(said), "{said}: {table}");
        }
        let strict = Word {
            owner: Some("Alice\u{1b}[2J".to_owned()),
            max_threads: Some(8),
            light: true,
            pools: Some(0),
            ..Word::default()
        };
        let table = word_table(&strict.lines()).render(Output::PIPE);
        for said in ["not allowed", "8 at most", "light mode alone", "0 listed"] {
            assert!(table.contains(said), "{said}: {table}");
        }
        assert!(!table.contains('\u{1b}'));
    }

    #[test]
    fn findings_are_a_table_that_moves_no_cursor() {
        let finding = Finding {
            check: "aes".to_owned(),
            severity: "warning".to_owned(),
            detail: "the processor has no AES\u{1b}[2J".to_owned(),
            fix: Some("another processor".to_owned()),
        };
        let table = findings_table(&[finding]).render(Output::PIPE);
        assert!(table.contains("another processor") && !table.contains('\u{1b}'));
    }
}
