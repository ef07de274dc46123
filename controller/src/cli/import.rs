//! `import` and `export`: profiles from and to the files of other miners.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Failure, say};
use serde_json::json;

use super::answers::{self, Profile as Answer};
use super::client::{Client, segment};
use super::show::{rows_or, say_clean, say_json};
use super::table::{Column, Table};
use crate::api::{PoolBody, ProfileBody};
use crate::import::{self, Import as Imported, Line, MAX_IMPORT, Program, Verdict};
use crate::wallet;

/// Make a profile of another program's configuration.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "import")]
pub(super) struct Import {
    #[argh(subcommand)]
    verb: ImportVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum ImportVerb {
    Xmrig(FromXmrig),
    XmrigProxy(FromXmrigProxy),
}

/// Make a profile of XMRig's config.json, and say of each field what became of it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "xmrig")]
struct FromXmrig {
    /// the file
    #[argh(positional)]
    file: PathBuf,
    /// name of the profile; default: xmrig
    #[argh(option, short = 'n')]
    name: Option<String>,
    /// say what would become of it, and store nothing
    #[argh(switch)]
    dry_run: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Make a profile of the pools in xmrig-proxy's config.json, and say of each field what became of it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "xmrig-proxy")]
struct FromXmrigProxy {
    /// the file
    #[argh(positional)]
    file: PathBuf,
    /// name of the profile; default: xmrig-proxy
    #[argh(option, short = 'n')]
    name: Option<String>,
    /// say what would become of it, and store nothing
    #[argh(switch)]
    dry_run: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Write a profile as another program's configuration.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "export")]
pub(super) struct Export {
    #[argh(subcommand)]
    verb: ExportVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum ExportVerb {
    Xmrig(ToXmrig),
}

/// Write a profile as XMRig's config.json, without passwords.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "xmrig")]
struct ToXmrig {
    /// id or name
    #[argh(positional)]
    profile: String,
    /// file to write, which must not be there; default: standard output
    #[argh(option)]
    out: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            ImportVerb::Xmrig(from) => from.run(Program::Xmrig, client).await,
            ImportVerb::XmrigProxy(from) => {
                let FromXmrigProxy {
                    file,
                    name,
                    dry_run,
                    json,
                } = from;
                let name = name.or_else(|| Some("xmrig-proxy".to_owned()));
                let from = FromXmrig {
                    file,
                    name,
                    dry_run,
                    json,
                };
                from.run(Program::XmrigProxy, client).await
            }
        }
    }
}

impl FromXmrig {
    async fn run(self, program: Program, client: &Client) -> Result<(), Failure> {
        let text = read(&self.file)?;
        let name = self.name.as_deref().unwrap_or("xmrig");
        let Imported { profile, report } =
            import::import(program, &text, name).map_err(Failure::new)?;
        if !self.json {
            rows_or(&report, "", table);
            say(counts(&report));
        }
        let version = profile.check()?;
        let created = if self.dry_run {
            // What storing it would find as well.
            let spec = &version.spec;
            wallet::check_pools(spec.settings.coin.as_ref(), &spec.profile.pools)
                .map_err(|(at, fault)| Failure::new(format!("pools[{at}].user: {fault}")))?;
            None
        } else {
            let body = json!(profile);
            Some(client.send(Method::POST, "/profiles", Some(&body)).await?)
        };
        if self.json {
            say_json(&json!({
                "profile": shown(profile),
                "report": report,
                "created": created,
            }));
            return Ok(());
        }
        match created {
            None => say("nothing is stored: --dry-run"),
            Some(answer) => {
                let profile: Answer = answers::read(answer)?;
                say_clean(&format!("created {}", profile.id));
            }
        }
        Ok(())
    }
}

/// The text of a file that is not too long to be one.
fn read(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    let failed = |error: io::Error| Failure::new(format!("{name}: {error}"));
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(failed)?;
    opened
        .take(MAX_IMPORT + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_IMPORT) {
        return Err(Failure::new(format!(
            "{name} is longer than {MAX_IMPORT} bytes, and no configuration is"
        )));
    }
    String::from_utf8(bytes).map_err(|_| Failure::new(format!("{name} is no UTF-8 text")))
}

/// The profile as it may be shown: without passwords.
fn shown(profile: ProfileBody) -> ProfileBody {
    let without = |pool| PoolBody { pass: None, ..pool };
    ProfileBody {
        pools: profile.pools.into_iter().map(without).collect(),
        ..profile
    }
}

fn table(report: &[Line]) -> Table<3> {
    let mut table = Table::new([
        Column::text("Field", 0),
        Column::text("Is", 0),
        Column::text("Because", 1),
    ]);
    for line in report {
        table.row([
            line.field.clone(),
            line.verdict.as_str().to_owned(),
            line.note.clone(),
        ]);
    }
    table
}

/// `12 taken, 3 changed, 9 refused, 1 unknown`.
fn counts(report: &[Line]) -> String {
    let counts = Verdict::ALL.map(|verdict| {
        let count = report.iter().filter(|line| line.verdict == verdict).count();
        format!("{count} {}", verdict.as_str())
    });
    counts.join(", ")
}

impl Export {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let ExportVerb::Xmrig(to) = self.verb;
        let path = format!("/profiles/{}", segment(&to.profile));
        let profile: Answer = answers::read(client.get(&path).await?)?;
        let with_pass = profile.pools.iter().filter(|pool| pool.has_pass).count();
        let (text, mut lost) = import::export(&body(profile));
        if with_pass > 0 {
            lost.push(format!("passwords ({with_pass})"));
        }
        match to.out {
            None => say(text.trim_end()),
            Some(out) => write_new(&out, &text)?,
        }
        if !lost.is_empty() {
            // On stderr, so that a pipe holds the file alone.
            eprintln!(
                "not in the file: {}",
                crate::units::printable(&lost.join("; "))
            );
        }
        Ok(())
    }
}

fn write_new(out: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let failed = |error: io::Error| Failure::new(format!("{}: {error}", out.display()));
    let mut file = fs::File::create_new(out).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

/// The body that would make this profile.
fn body(profile: Answer) -> ProfileBody {
    let pools = profile.pools.into_iter().map(|pool| PoolBody {
        url: Some(pool.url),
        user: Some(pool.user),
        pass: None,
        tls: pool.tls,
    });
    ProfileBody {
        name: Some(profile.name),
        coin: profile.coin,
        mode: Some(profile.mode),
        threads: profile.threads,
        threads_percent: profile.threads_percent,
        pages: Some(profile.pages),
        nice: Some(profile.nice),
        windows: profile.hours.windows,
        pools: pools.collect(),
        ..ProfileBody::default()
    }
}
