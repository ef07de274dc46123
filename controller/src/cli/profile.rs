//! `profile`: named ways to mine.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::Failure;
use serde_json::json;

use super::answers::{Pool, Profile as Answer};
use super::client::{Client, segment};
use super::secrets;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::api::{PoolBody, ProfileBody};
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
    Delete(Delete),
}

/// Create a profile. Repeat --pool for up to three pools, first choice first; --user, --user-file
/// and --pass-file are given once for all pools, or once for each in the same order.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create")]
pub(super) struct Create {
    /// name; the id is the name in lower case with dashes
    #[argh(option, short = 'n')]
    name: String,
    /// pool, HOST:PORT
    #[argh(option)]
    pool: Vec<String>,
    /// login at the pool: the wallet
    #[argh(option, short = 'u')]
    user: Vec<String>,
    /// file with the login, or - for standard input
    #[argh(option)]
    user_file: Vec<String>,
    /// file with the pool's password, or - for standard input
    #[argh(option)]
    pass_file: Vec<String>,
    /// hash threads, 1 to 256; default: as many as suit the rig
    #[argh(option)]
    threads: Option<u16>,
    /// auto, fast or light; default: auto
    #[argh(option)]
    mode: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
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
            ProfileVerb::Delete(delete) => delete.run(client).await,
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = json!(self.body()?);
        let answer = client.send(Method::POST, "/profiles", Some(&body)).await?;
        show::deed(answer, self.json, |id| format!("created {id}"))
    }

    fn body(&self) -> Result<ProfileBody, Failure> {
        if self.pool.is_empty() {
            return Err(Failure::usage("give --pool HOST:PORT at least once"));
        }
        let mut users = self.user.clone();
        for file in &self.user_file {
            users.push(secrets::read(file)?.to_string());
        }
        if users.is_empty() {
            return Err(Failure::usage("give --user WALLET, or --user-file FILE"));
        }
        let mut passes = Vec::new();
        for file in &self.pass_file {
            passes.push(secrets::read(file)?.to_string());
        }
        let pools = self.pool.iter().enumerate().map(|(at, pool)| {
            Ok(PoolBody {
                url: Some(pool.clone()),
                user: each(&users, at, self.pool.len(), "--user")?,
                pass: each(&passes, at, self.pool.len(), "--pass-file")?,
                tls: false,
            })
        });
        Ok(ProfileBody {
            name: Some(self.name.clone()),
            mode: self.mode.clone(),
            threads: self.threads,
            pools: pools.collect::<Result<_, Failure>>()?,
        })
    }
}

/// The value for pool number `at`: none, one for all, or one for each.
fn each(values: &[String], at: usize, pools: usize, flag: &str) -> Result<Option<String>, Failure> {
    match values {
        [] => Ok(None),
        [all] => Ok(Some(all.clone())),
        each if each.len() == pools => Ok(each.get(at).cloned()),
        _ => Err(Failure::usage(format!(
            "give {flag} once for all pools, or once for each of the {pools}"
        ))),
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get("/profiles").await?;
        show::list(answer, self.json, NO_PROFILES, table)
    }
}

const NO_PROFILES: &str = "no profiles yet; make one: miner-ctrl profile create --name NAME --pool HOST:PORT --user WALLET";

fn table(profiles: &[Answer]) -> Table<7> {
    let mut table = Table::new([
        Column::text("ID", 0),
        Column::text("Name", 4),
        Column::text("Algorithm", 5),
        Column::text("Mode", 3),
        Column::figure("Threads", 2),
        Column::text("Pools", 0),
        Column::text("Used by", 1),
    ]);
    for profile in profiles {
        let pools = profile.pools.iter().map(|pool| pool.url.as_str());
        table.row([
            profile.id.clone(),
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
    profile
        .threads
        .map_or_else(|| "auto".to_owned(), |count| count.to_string())
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
        let path = format!("/profiles/{}", segment(&self.profile));
        let answer = client.get(&path).await?;
        let Some(profile) = show::for_a_person::<Answer>(answer, self.json)? else {
            return Ok(());
        };
        for (key, value) in [
            ("id", profile.id.clone()),
            ("name", profile.name.clone()),
            ("algorithm", profile.algorithm.clone()),
            ("mode", profile.mode.clone()),
            ("threads", threads(&profile)),
            ("used by", used_by(&profile)),
            ("created", profile.created_at.clone()),
        ] {
            say_clean(&format!("{key:<10} {value}"));
        }
        for (number, pool) in (1..).zip(&profile.pools) {
            say_clean(&pool_line(number, pool));
        }
        Ok(())
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
    format!("pool {number}     {}{tls}, user {user}{pass}", pool.url)
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

    fn create(users: &[&str]) -> Create {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Create {
            name: "Two Pools".to_owned(),
            pool: own(&["a.example:1", "b.example:2"]),
            user: own(users),
            user_file: Vec::new(),
            pass_file: Vec::new(),
            threads: None,
            mode: None,
            json: false,
        }
    }

    #[test]
    fn one_login_serves_all_pools_and_two_serve_one_each() {
        let users = |create: Create| {
            let body = create.body().expect("complete");
            let users = body
                .pools
                .into_iter()
                .map(|pool| pool.user.unwrap_or_default());
            users.collect::<Vec<_>>()
        };
        assert_eq!(users(create(&["w"])), ["w", "w"]);
        assert_eq!(users(create(&["v", "w"])), ["v", "w"]);
        assert!(create(&["u", "v", "w"]).body().is_err());
        assert!(create(&[]).body().is_err());
    }

    #[test]
    fn a_password_is_mentioned_and_not_shown() {
        let pool = Pool {
            url: "a.example:1".to_owned(),
            user: "w".to_owned(),
            has_pass: true,
            tls: false,
        };
        assert_eq!(
            pool_line(1, &pool),
            "pool 1     a.example:1, user w, with a password"
        );
    }
}
