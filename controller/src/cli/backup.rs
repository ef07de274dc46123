//! `backup` and `restore`: all of a controller in one encrypted file, and back.
//!
//! The controller seals the backup, running or not; the passphrase never leaves this process.

use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::{Exit, Failure, say};
use miner_agent::store::file::{self, Access};
use miner_agent::store::{Dirs, NodeStore, StoreError, system_rng};
use serde_json::json;
use zeroize::Zeroizing;

use super::client::Client;
use super::instance::Lock;
use super::secrets;
use super::show;
use crate::backup::{self, Archive, MAX_BACKUP, MIN_PASSPHRASE, Recipient, present};
use crate::clock::{Clock, EpochMs};

/// Write all of this controller (keys, rigs, profiles, tokens) to one encrypted file.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "backup")]
pub(super) struct Backup {
    /// new file for the backup, mode 0600
    #[argh(option)]
    out: String,
    /// file with the passphrase, or - for standard input; without it, it is asked for
    #[argh(option)]
    passphrase_file: Option<String>,
    /// the recipient (BAK1-...) that an earlier backup printed: no passphrase is needed
    #[argh(option)]
    to: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Bring a controller back from its backup, on this machine or another one.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "restore")]
pub(super) struct Restore {
    /// the backup
    #[argh(positional)]
    file: String,
    /// file with the passphrase, or - for standard input; without it, it is asked for
    #[argh(option)]
    passphrase_file: Option<String>,
    /// only show what is in it
    #[argh(switch)]
    check: bool,
    /// move a controller that is here aside
    #[argh(switch)]
    force: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Backup {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let recipient = match &self.to {
            Some(text) => text.parse().map_err(Failure::usage)?,
            None => self.new_recipient()?,
        };
        let clock = Clock::start();
        let body = json!({ "recipient": recipient.to_string() });
        let sealed = client.download(Method::POST, "/backup", &body).await?;
        file::create(Path::new(&self.out), &sealed, Access::Private).map_err(
            |error| match error {
                StoreError::Exists(path) => Failure::new(format!(
                    "{} exists; a backup never replaces a file, choose another name",
                    path.display()
                )),
                error => error.into(),
            },
        )?;
        if self.json {
            show::say_json(&json!({
                "file": self.out,
                "bytes": sealed.len(),
                "recipient": recipient.to_string(),
            }));
            return Ok(());
        }
        let took_ms = clock.now().mono.0;
        say(format_args!(
            "{}: {} bytes in {took_ms} ms",
            self.out,
            sealed.len()
        ));
        if self.to.is_none() {
            say(format_args!(
                "more of them without the passphrase: --to {recipient}"
            ));
        }
        Ok(())
    }

    fn new_recipient(&self) -> Result<Recipient, Failure> {
        let passphrase = match &self.passphrase_file {
            Some(file) => secrets::read(file)?,
            None => {
                let flags = || {
                    "a backup needs a passphrase: --passphrase-file F, or --to RECIPIENT".to_owned()
                };
                let question =
                    format!("Passphrase for the backup, {MIN_PASSPHRASE} characters or more: ");
                let first = secrets::ask(&question, flags)?;
                let again = secrets::ask("The same again: ", flags)?;
                if first != again {
                    return Err(Failure {
                        exit: Exit::NeedsConsent,
                        line: "the two differ; nothing was written".to_owned(),
                    });
                }
                first
            }
        };
        backup::recipient_of(&passphrase, &mut system_rng()).map_err(Failure::usage)
    }
}

impl Restore {
    pub(super) fn run(self) -> Result<(), Failure> {
        let sealed = self.read()?;
        let passphrase = self.passphrase()?;
        let opened = backup::open(&sealed, &passphrase);
        let opened = opened.map_err(|error| Failure::new(format!("{}: {error}", self.file)))?;
        let archive = Archive::decode(&opened)
            .map_err(|error| Failure::new(format!("{}: {error}", self.file)))?;
        if self.check {
            return self.tell(&archive, None);
        }
        let dirs = Dirs::from_env()?;
        let Some(_lock) = Lock::take(dirs.data())? else {
            return Err(Failure::new(format!(
                "a controller or a command has {} open; stop it first",
                dirs.data().display()
            )));
        };
        let _claim = NodeStore::new(dirs.clone()).claim()?;
        let there = present(&dirs);
        if let (Some(first), false) = (there.first(), self.force) {
            return Err(Failure {
                exit: Exit::NeedsConsent,
                line: format!(
                    "a controller is here already ({} and {} more); --force moves it aside",
                    first.display(),
                    there.len() - 1
                ),
            });
        }
        let now = Clock::start().now().wall;
        let aside = dirs.data().join(format!("before-restore-{}", now.0 / 1000));
        backup::restore(&archive, &dirs, &aside).map_err(Failure::new)?;
        self.tell(&archive, (!there.is_empty()).then_some(aside))
    }

    fn read(&self) -> Result<Vec<u8>, Failure> {
        use std::io::Read as _;
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", self.file));
        let opened = std::fs::File::open(&self.file).map_err(failed)?;
        let mut sealed = Vec::new();
        opened
            .take(MAX_BACKUP + 1)
            .read_to_end(&mut sealed)
            .map_err(failed)?;
        if u64::try_from(sealed.len()).is_ok_and(|len| len <= MAX_BACKUP) {
            return Ok(sealed);
        }
        Err(Failure::new(format!(
            "{}: this is no backup of miner-ctrl",
            self.file
        )))
    }

    fn passphrase(&self) -> Result<Zeroizing<String>, Failure> {
        match &self.passphrase_file {
            Some(file) => secrets::read(file),
            None => secrets::ask("Passphrase of the backup: ", || {
                "a backup is opened by its passphrase: --passphrase-file F".to_owned()
            }),
        }
    }

    fn tell(&self, archive: &Archive, aside: Option<PathBuf>) -> Result<(), Failure> {
        let made_at = EpochMs(archive.made_at_ms);
        if self.json {
            let pieces: Vec<_> = archive
                .sizes()
                .map(|(piece, bytes)| json!({ "piece": format!("{piece:?}"), "bytes": bytes }))
                .collect();
            show::say_json(&json!({
                "nodeId": archive.node_id().to_string(),
                "fingerprint": archive.fingerprint.to_string(),
                "madeAt": made_at,
                "software": archive.software,
                "pieces": pieces,
                "restored": !self.check,
                "aside": aside,
            }));
            return Ok(());
        }
        say(format_args!("node ID      {}", archive.node_id()));
        say(format_args!("fingerprint  {}", archive.fingerprint));
        say(format_args!(
            "made         {made_at} by {}",
            archive.software
        ));
        for (piece, bytes) in archive.sizes() {
            say(format_args!("{bytes:>12} bytes  {piece:?}"));
        }
        if let Some(aside) = aside {
            say(format_args!("what was here is in {}", aside.display()));
        }
        if !self.check {
            say("restored; rigs link up when `miner-ctrl up` or `node serve` runs");
        }
        Ok(())
    }
}
