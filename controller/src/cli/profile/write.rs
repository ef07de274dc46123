//! `profile create` and `profile edit`: the same flags make the first version and the next one.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::versions::{Change, say_changes};
use crate::api::{PoolBody, ProfileBody};
use crate::cli::answers;
use crate::cli::client::{Client, segment};
use crate::cli::secrets;
use crate::cli::show::{self, say_clean};
use crate::cli::table::{Column, Table};
use crate::units::UNKNOWN;

/// Create a profile. Repeat --pool for up to three pools, first choice first; --user, --user-file
/// and --pass-file are given once for all pools, or once for each in the same order.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create")]
pub(super) struct Create {
    /// name; the id is the name in lower case with dashes
    #[argh(option, short = 'n')]
    name: String,
    /// pool, HOST:PORT or stratum+ssl://HOST:PORT
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
    /// coin that the wallet is an address of, such as monero; it is checked then
    #[argh(option)]
    coin: Option<String>,
    /// hash threads: a number from 1 to 256, or a part of those that suit the rig such as 75%;
    /// default: as many as suit
    #[argh(option)]
    threads: Option<Threads>,
    /// auto, fast or light; default: auto
    #[argh(option)]
    mode: Option<String>,
    /// pages wanted: auto, small, huge2M or huge1G; default: auto
    #[argh(option)]
    pages: Option<String>,
    /// how much hash threads give way to other programs, 0 to 19; default: 0
    #[argh(option)]
    nice: Option<u8>,
    /// when to mine, such as "mon-fri 22:00-06:00", in local time; may be repeated; default: always
    #[argh(option)]
    hours: Vec<String>,
    /// why, for the list of versions
    #[argh(option)]
    comment: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Change a profile: makes its next version. Rigs keep theirs until they are started with it or a
/// rollout brings it. What is not named stays as it is.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "edit")]
pub(super) struct Edit {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// pool, HOST:PORT; all pools anew, first choice first
    #[argh(option)]
    pool: Vec<String>,
    /// login at the pool: once for all, or once for each
    #[argh(option, short = 'u')]
    user: Vec<String>,
    /// file with the login, or - for standard input
    #[argh(option)]
    user_file: Vec<String>,
    /// file with the pool's password, or - for standard input; without it, a pool keeps its password
    #[argh(option)]
    pass_file: Vec<String>,
    /// coin that the wallet is an address of, or none
    #[argh(option)]
    coin: Option<String>,
    /// hash threads: a number, a part such as 75%, or auto
    #[argh(option)]
    threads: Option<Threads>,
    /// auto, fast or light
    #[argh(option)]
    mode: Option<String>,
    /// auto, small, huge2M or huge1G
    #[argh(option)]
    pages: Option<String>,
    /// how much hash threads give way, 0 to 19
    #[argh(option)]
    nice: Option<u8>,
    /// when to mine; all windows anew, or always
    #[argh(option)]
    hours: Vec<String>,
    /// why, for the list of versions
    #[argh(option)]
    comment: Option<String>,
    /// show what would change and for which rigs, and change nothing
    #[argh(switch)]
    dry_run: bool,
    /// the last 6 characters of the new wallet, where rigs mine for another one now
    #[argh(option)]
    confirm_payout: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// A number of threads, a part of them, or as many as suit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    Auto,
    Count(u16),
    Percent(u8),
}

impl std::str::FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| "write a number, a part such as 75%, or auto".to_owned();
        match text.strip_suffix('%') {
            Some(percent) => percent.trim().parse().map(Self::Percent).map_err(wrong),
            None if text == "auto" => Ok(Self::Auto),
            None => text.parse().map(Self::Count).map_err(wrong),
        }
    }
}

impl Threads {
    fn say(self, body: &mut ProfileBody) {
        (body.threads, body.threads_percent) = match self {
            Self::Auto => (None, None),
            Self::Count(count) => (Some(count), None),
            Self::Percent(percent) => (None, Some(percent)),
        };
    }
}

impl Create {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = json!(self.body()?);
        let answer = client.send(Method::POST, "/profiles", Some(&body)).await?;
        show::deed(answer, self.json, |id| format!("created {id}"))
    }

    fn body(&self) -> Result<ProfileBody, Failure> {
        if self.pool.is_empty() {
            return Err(Failure::usage("give --pool HOST:PORT at least once"));
        }
        let users = with_files(&self.user, &self.user_file)?;
        if users.is_empty() {
            return Err(Failure::usage("give --user WALLET, or --user-file FILE"));
        }
        let mut body = ProfileBody {
            name: Some(self.name.clone()),
            coin: self.coin.clone(),
            mode: self.mode.clone(),
            pages: self.pages.clone(),
            nice: self.nice,
            windows: self.hours.clone(),
            pools: self.pool.iter().map(|url| pool_at(url)).collect(),
            comment: self.comment.clone(),
            ..ProfileBody::default()
        };
        if let Some(threads) = self.threads {
            threads.say(&mut body);
        }
        say_logins(&mut body.pools, &users, &self.pass_file)?;
        Ok(body)
    }
}

impl Edit {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/profiles/{}", segment(&self.profile));
        let current: Answer = answers::read(client.get(&path).await?)?;
        let body = json!(self.body(&current)?);
        if self.dry_run {
            let path = format!("{path}/preview");
            let answer = client.send(Method::POST, &path, Some(&body)).await?;
            if let Some(preview) = show::for_a_person::<Preview>(answer, self.json)? {
                preview.say();
            }
            return Ok(());
        }
        let said = self.confirm_payout.as_deref();
        let answer = client
            .send_confirmed(Method::PUT, &path, &body, said)
            .await?;
        if let Some(changed) = show::for_a_person::<Answer>(answer, self.json)? {
            say_clean(&told(&current, &changed));
        }
        Ok(())
    }

    /// What the profile says now, changed as the flags say.
    fn body(&self, current: &Answer) -> Result<ProfileBody, Failure> {
        let mut body = ProfileBody {
            coin: current.coin.clone(),
            mode: self.mode.clone().or_else(|| Some(current.mode.clone())),
            threads: current.threads,
            threads_percent: current.threads_percent,
            pages: self.pages.clone().or_else(|| Some(current.pages.clone())),
            nice: self.nice.or(Some(current.nice)),
            windows: current.hours.windows.clone(),
            comment: self.comment.clone(),
            version: Some(current.version),
            ..ProfileBody::default()
        };
        if let Some(coin) = &self.coin {
            body.coin = Some(coin.clone()).filter(|coin| coin != "none");
        }
        if let Some(threads) = self.threads {
            threads.say(&mut body);
        }
        match self.hours.as_slice() {
            [] => {}
            [always] if always == "always" => body.windows.clear(),
            hours => body.windows = hours.to_vec(),
        }
        let mut users = with_files(&self.user, &self.user_file)?;
        body.pools = if self.pool.is_empty() {
            let kept = current.pools.iter().map(|pool| PoolBody {
                url: Some(pool.url.clone()),
                user: Some(pool.user.clone()),
                pass: None,
                tls: pool.tls,
            });
            kept.collect()
        } else {
            if users.is_empty() {
                users = vec![the_one_login(current)?];
            }
            self.pool.iter().map(|url| pool_at(url)).collect()
        };
        say_logins(&mut body.pools, &users, &self.pass_file)?;
        Ok(body)
    }
}

fn told(before: &Answer, after: &Answer) -> String {
    let id = &after.id;
    if before.version == after.version {
        return format!(
            "{id} says that already: version {} ({})",
            after.version, after.hash
        );
    }
    let told = format!("{id} is version {} ({}) now", after.version, after.hash);
    match after.used_by.len() {
        0 => told,
        rigs => format!(
            "{told}; {rigs} rigs keep the version that they have until `rollout start {id}` or `remote start`"
        ),
    }
}

/// The login that all pools of a profile share.
fn the_one_login(current: &Answer) -> Result<String, Failure> {
    let mut users = current.pools.iter().map(|pool| &pool.user);
    match users.next() {
        Some(first) if users.all(|user| user == first) => Ok(first.clone()),
        _ => Err(Failure::usage(
            "its pools have more than one login: give --user for the new ones",
        )),
    }
}

fn pool_at(url: &str) -> PoolBody {
    PoolBody {
        url: Some(url.to_owned()),
        ..PoolBody::default()
    }
}

/// Texts that were given, and then what the files hold.
fn with_files(texts: &[String], files: &[String]) -> Result<Vec<String>, Failure> {
    let mut all = texts.to_vec();
    for file in files {
        all.push(secrets::read(file)?.to_string());
    }
    Ok(all)
}

/// Gives each pool its login and password, as far as some were given.
fn say_logins(
    pools: &mut [PoolBody],
    users: &[String],
    pass_files: &[String],
) -> Result<(), Failure> {
    let passes = with_files(&[], pass_files)?;
    let count = pools.len();
    for (at, pool) in pools.iter_mut().enumerate() {
        if let Some(user) = each(users, at, count, "--user")? {
            pool.user = Some(user);
        }
        if let Some(pass) = each(&passes, at, count, "--pass-file")? {
            pool.pass = Some(pass);
        }
    }
    Ok(())
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

/// See [`crate::farm::PreviewView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preview {
    id: String,
    from: u32,
    from_hash: String,
    to: u32,
    to_hash: String,
    changes: Vec<Change>,
    payout_changed: bool,
    rigs: Vec<RigChange>,
}

/// See [`crate::farm::RigChangeView`].
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct RigChange {
    name: String,
    connected: bool,
    from: u32,
    from_hash: Option<String>,
    changes: bool,
    would_refuse: Option<String>,
    note: Option<String>,
}

impl Preview {
    fn say(&self) {
        if self.from == self.to {
            say_clean(&format!(
                "{} says that already: version {}",
                self.id, self.from
            ));
            return;
        }
        say_clean(&format!(
            "{}: version {} ({}) would become {} ({})",
            self.id, self.from, self.from_hash, self.to, self.to_hash
        ));
        say_changes(&self.changes);
        if self.payout_changed {
            say("the payout would change: other wallets would be paid");
        }
        show::rows_or(&self.rigs, "no rig mines with it", rigs);
        say("nothing was changed");
    }
}

fn rigs(rigs: &[RigChange]) -> Table<5> {
    let mut table = Table::new([
        Column::text("Rig", 0),
        Column::text("Link", 2),
        Column::text("Version", 1),
        Column::text("Would", 0),
        Column::text("Because", 0),
    ]);
    for rig in rigs {
        let hash = rig.from_hash.as_deref().unwrap_or(UNKNOWN);
        let would = match (&rig.would_refuse, rig.changes) {
            (Some(_), _) => "refuse",
            (None, true) => "change",
            (None, false) => "stay the same",
        };
        let because = rig.would_refuse.as_ref().or(rig.note.as_ref());
        table.row([
            rig.name.clone(),
            if rig.connected { "up" } else { "down" }.to_owned(),
            format!("{} ({hash})", rig.from),
            would.to_owned(),
            because.cloned().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::Pool;
    use super::*;

    fn parse<T: FromArgs>(args: &[&str]) -> T {
        T::from_args(&["profile"], args).expect("understood")
    }

    fn users(body: &ProfileBody) -> Vec<&str> {
        let users = body.pools.iter().map(|pool| pool.user.as_deref());
        users.map(Option::unwrap_or_default).collect()
    }

    #[test]
    fn one_login_serves_all_pools_and_two_serve_one_each() {
        let create = |logins: &[&str]| {
            let mut args = vec!["--name", "p", "--pool", "a:1", "--pool", "b:2"];
            args.extend(logins.iter().flat_map(|login| ["--user", login]));
            parse::<Create>(&args).body()
        };
        assert_eq!(users(&create(&["w"]).expect("whole")), ["w", "w"]);
        assert_eq!(users(&create(&["v", "w"]).expect("whole")), ["v", "w"]);
        assert!(create(&["u", "v", "w"]).is_err());
        assert!(create(&[]).is_err());
    }

    #[test]
    fn threads_are_a_number_a_part_or_auto() {
        assert_eq!("8".parse(), Ok(Threads::Count(8)));
        assert_eq!("75%".parse(), Ok(Threads::Percent(75)));
        assert_eq!("auto".parse(), Ok(Threads::Auto));
        assert!("many".parse::<Threads>().is_err());
        assert!("-1%".parse::<Threads>().is_err());
    }

    fn current() -> Answer {
        let pool = |url: &str, user: &str| Pool {
            url: url.to_owned(),
            user: user.to_owned(),
            tls: true,
            ..Pool::default()
        };
        Answer {
            id: "p".to_owned(),
            version: 3,
            mode: "light".to_owned(),
            threads: Some(4),
            pages: "small".to_owned(),
            nice: 7,
            pools: vec![pool("a:1", "v"), pool("b:2", "w")],
            ..Answer::default()
        }
    }

    #[test]
    fn an_edit_keeps_what_it_does_not_name() {
        let body = parse::<Edit>(&["p", "--threads", "75%"]).body(&current());
        let body = body.expect("whole");
        assert_eq!((body.threads, body.threads_percent), (None, Some(75)));
        assert_eq!((body.mode.as_deref(), body.nice), (Some("light"), Some(7)));
        assert_eq!((users(&body), body.version), (vec!["v", "w"], Some(3)));
        assert!(
            body.pools
                .iter()
                .all(|pool| pool.tls && pool.pass.is_none())
        );
    }

    #[test]
    fn new_pools_take_the_old_login_only_if_there_was_one() {
        let edit = |args: &[&str], current: &Answer| parse::<Edit>(args).body(current);
        assert!(edit(&["p", "--pool", "c:3"], &current()).is_err());
        let mut one = current();
        one.pools.truncate(1);
        let body = edit(&["p", "--pool", "c:3"], &one).expect("whole");
        assert_eq!(users(&body), ["v"]);
        assert!(!body.pools[0].tls, "the scheme says it");
        let body = edit(&["p", "--user", "x"], &current()).expect("whole");
        assert_eq!(users(&body), ["x", "x"]);
    }
}
