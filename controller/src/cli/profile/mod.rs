//! `profile`: named ways to mine, in versions.
//!
//! | file | verbs |
//! |---|---|
//! | `mod` | list, show, delete |
//! | `write` | create, edit |
//! | `versions` | versions, diff, rollback |

mod versions;
mod write;

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;

use self::versions::{Diff, Rollback, Versions};
use self::write::{Create, Edit};
use super::answers::{Pool, Profile as Answer};
use super::client::{Client, segment};
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::units;

/// Named ways to mine.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "profile")]
pub(super) struct Profile {
    #[argh(subcommand)]
    verb: ProfileVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum ProfileVerb {
    Create(Create),
    List(List),
    Show(Show),
    Edit(Edit),
    Versions(Versions),
    Diff(Diff),
    Rollback(Rollback),
    Delete(Delete),
}

/// List all profiles.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show a profile; passwords are never shown.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// number of an older version; default: the newest
    #[argh(option)]
    version: Option<u32>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Delete a profile that no rig is told to mine with.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "delete")]
struct Delete {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Profile {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            ProfileVerb::Create(create) => create.run(client).await,
            ProfileVerb::List(list) => list.run(client).await,
            ProfileVerb::Show(show) => show.run(client).await,
            ProfileVerb::Edit(edit) => edit.run(client).await,
            ProfileVerb::Versions(versions) => versions.run(client).await,
            ProfileVerb::Diff(diff) => diff.run(client).await,
            ProfileVerb::Rollback(rollback) => rollback.run(client).await,
            ProfileVerb::Delete(delete) => delete.run(client).await,
        }
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get("/profiles").await?;
        show::list(answer, self.json, NO_PROFILES, table)
    }
}

const NO_PROFILES: &str = "no profiles yet; make one: miner-ctrl profile create --name NAME --pool HOST:PORT --user WALLET";

fn table(profiles: &[Answer]) -> Table<8> {
    let mut table = Table::new([
        Column::text("ID", 0),
        Column::figure("Version", 2),
        Column::text("Name", 5),
        Column::text("Algorithm", 6),
        Column::text("Mode", 4),
        Column::figure("Threads", 3),
        Column::text("Pools", 0),
        Column::text("Used by", 1),
    ]);
    for profile in profiles {
        let pools = profile.pools.iter().map(|pool| pool.url.as_str());
        table.row([
            profile.id.clone(),
            profile.version.to_string(),
            profile.name.clone(),
            profile.algorithm.clone(),
            profile.mode.clone(),
            threads(profile),
            pools.collect::<Vec<_>>().join(", "),
            used_by(profile),
        ]);
    }
    table
}

fn threads(profile: &Answer) -> String {
    match (profile.threads, profile.threads_percent) {
        (Some(count), _) => count.to_string(),
        (None, Some(percent)) => format!("{percent} %"),
        (None, None) => "auto".to_owned(),
    }
}

fn used_by(profile: &Answer) -> String {
    match profile.used_by.as_slice() {
        [] => "nobody".to_owned(),
        few @ [_, ..] if few.len() <= 3 => few.join(", "),
        many => format!("{} rigs", many.len()),
    }
}

impl Show {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let id = segment(&self.profile);
        let path = match self.version {
            None => format!("/profiles/{id}"),
            Some(version) => format!("/profiles/{id}/versions/{version}"),
        };
        let answer = client.get(&path).await?;
        let Some(profile) = show::for_a_person::<Answer>(answer, self.json)? else {
            return Ok(());
        };
        for (key, value) in lines(&profile) {
            say_clean(&format!("{key:<10} {value}"));
        }
        for (number, pool) in (1..).zip(&profile.pools) {
            say_clean(&pool_line(number, pool));
        }
        Ok(())
    }
}

/// What is said of a profile besides its pools.
fn lines(profile: &Answer) -> Vec<(&'static str, String)> {
    let hours = match profile.hours.windows.as_slice() {
        [] => "always".to_owned(),
        windows => format!("{}; {}", windows.join("; "), hours_now(profile)),
    };
    let mut lines = vec![
        ("id", profile.id.clone()),
        ("name", profile.name.clone()),
        ("version", format!("{} ({})", profile.version, profile.hash)),
        (
            "coin",
            profile.coin.clone().unwrap_or_else(|| "any".to_owned()),
        ),
        ("algorithm", profile.algorithm.clone()),
        ("mode", profile.mode.clone()),
        ("threads", threads(profile)),
        ("pages", profile.pages.clone()),
        ("nice", profile.nice.to_string()),
        ("hours", hours),
        ("used by", used_by(profile)),
        ("created", profile.created_at.clone()),
        ("changed", profile.changed_at.clone()),
    ];
    let known = [
        ("by", profile.by.clone()),
        ("comment", profile.comment.clone()),
        ("restores", profile.restores.map(|n| format!("version {n}"))),
    ];
    lines.extend(
        known
            .into_iter()
            .filter_map(|(key, text)| Some((key, text?))),
    );
    lines
}

fn hours_now(profile: &Answer) -> String {
    let state = if profile.hours.open {
        "open"
    } else {
        "resting"
    };
    match &profile.hours.next {
        Some(next) => format!("{state} until {next}"),
        None => state.to_owned(),
    }
}

fn pool_line(number: usize, pool: &Pool) -> String {
    let tls = if pool.tls { ", TLS" } else { "" };
    let pass = if pool.has_pass {
        ", with a password"
    } else {
        ""
    };
    let user = if pool.user.is_empty() {
        units::UNKNOWN
    } else {
        &pool.user
    };
    let checked = match pool.checked.as_str() {
        "address" => " (address checked)",
        "formOnly" => " (unknown coin: checked for form only)",
        "wrong" => " (no good address)",
        _ => "",
    };
    format!(
        "pool {number}     {}{tls}, user {user}{checked}{pass}",
        pool.url
    )
}

impl Delete {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/profiles/{}", segment(&self.profile));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| format!("deleted {id}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_mentioned_and_not_shown() {
        let pool = Pool {
            url: "a.example:1".to_owned(),
            user: "w".to_owned(),
            has_pass: true,
            ..Pool::default()
        };
        assert_eq!(
            pool_line(1, &pool),
            "pool 1     a.example:1, user w, with a password"
        );
    }
}
