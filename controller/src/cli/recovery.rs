//! `node recovery`: the key that takes a farm back. It is made here, written to a file of the owner's,
//! and never sent anywhere: the controller gets its public half.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miner_agent::cli::{Failure, say};
use miner_agent::store::file::{self, Access};
use miner_agent::store::{StoreError, system_rng};
use miner_shared::identity::RecoveryKey;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::client::Client;
use super::secrets;
use super::show::{self, say_clean};
use crate::hub::recovery_id;

/// The key that takes a farm back when this controller, or its key, is lost.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "recovery")]
pub(super) struct Recovery {
    #[argh(subcommand)]
    verb: RecoveryVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum RecoveryVerb {
    Create(Create),
    Replace(Replace),
    Show(Show),
}

/// Make the recovery key of this farm, and have every rig pin it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "create")]
struct Create {
    /// new file for the key, mode 0600; keep it away from this machine
    #[argh(option)]
    out: String,
    /// the key before is lost: rigs that pinned it will refuse this one until they are introduced again
    #[argh(switch)]
    lost: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Put another recovery key in the place of the one in force, by its word.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "replace")]
struct Replace {
    /// file with the key in force, or - for standard input
    #[argh(option)]
    old: String,
    /// new file for the key, mode 0600; keep it away from this machine
    #[argh(option)]
    out: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show which recovery key is in force, and how many rigs have pinned it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "show")]
struct Show {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// What is read of [`crate::farm::RecoveryView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    id: String,
    public_key: String,
    made_at: String,
    pinned: usize,
    refused: usize,
    pending: usize,
}

const PATH: &str = "/node/recovery";

impl Recovery {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            RecoveryVerb::Create(create) => create.run(client).await,
            RecoveryVerb::Replace(replace) => replace.run(client).await,
            RecoveryVerb::Show(show) => show.run(client).await,
        }
    }
}

impl Create {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = |public: &str| json!({ "publicKey": public, "lost": self.lost });
        let key = RecoveryKey::generate(&mut system_rng());
        put_in_force(client, &key, &self.out, body, self.json).await
    }
}

impl Replace {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let old = read_key(&self.old)?;
        let key = RecoveryKey::generate(&mut system_rng());
        let proof = STANDARD.encode(old.hand_over(&key));
        let body = |public: &str| json!({ "publicKey": public, "proof": proof });
        put_in_force(client, &key, &self.out, body, self.json).await
    }
}

impl Show {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get(PATH).await?;
        let Some(shown) = show::for_a_person::<Answer>(answer, self.json)? else {
            return Ok(());
        };
        say_clean(&format!("recovery key {}", shown.id));
        say_clean(&format!("public key   {}", shown.public_key));
        say_clean(&format!("made         {}", shown.made_at));
        say_clean(&format!("pinned by    {}", words(&shown)));
        Ok(())
    }
}

/// How far a recovery key has come.
fn words(shown: &Answer) -> String {
    let Answer {
        pinned,
        refused,
        pending,
        ..
    } = shown;
    let rigs = pinned + refused + pending;
    let mut line = format!("{pinned} of {rigs} rigs");
    if *pending > 0 {
        line += &format!(", {pending} to hear of it when they link");
    }
    if *refused > 0 {
        line += &format!(
            ", {refused} refuse it: on those run `miner peer remove` and `miner peer accept`"
        );
    }
    line
}

/// Writes the key to its file, then has the farm's rigs pin it. The file comes first: a key in force
/// that nobody has would be one that nobody can ever replace.
async fn put_in_force(
    client: &Client,
    key: &RecoveryKey,
    out: &str,
    body: impl Fn(&str) -> Value,
    json: bool,
) -> Result<(), Failure> {
    let text = Zeroizing::new(format!("{key}\n"));
    // A bare name has the empty parent; the folder is the current one.
    let path = Path::new(".").join(out);
    file::create(&path, text.as_bytes(), Access::Private).map_err(|error| match error {
        StoreError::Exists(_) => Failure::new(format!(
            "{out} is there already, and is not written over: choose another name"
        )),
        error => error.into(),
    })?;
    let body = body(&STANDARD.encode(key.public()));
    let answer = match client.send(Method::POST, PATH, Some(&body)).await {
        Ok(answer) => answer,
        // The farm has said no: the key is of no use.
        Err(problem) if problem.status.is_client_error() => {
            file::remove(&path)?;
            return Err(problem.into());
        }
        Err(problem) => {
            let failure = Failure::from(problem);
            let line = format!(
                "{}; whether the key in {out} is in force, `node recovery show` says: its ID is {}",
                failure.line,
                recovery_id(&key.public())
            );
            return Err(Failure { line, ..failure });
        }
    };
    let Some(shown) = show::for_a_person::<Answer>(answer, json)? else {
        return Ok(());
    };
    say_clean(&format!("recovery key {} is in {out}", shown.id));
    say(
        "keep that file, or what is in it on paper, away from this machine: whoever has it can take the farm",
    );
    say_clean(&format!("pinned by {}", words(&shown)));
    Ok(())
}

/// The recovery key in the first line of a file, or of standard input for `-`.
pub(super) fn read_key(file: &str) -> Result<RecoveryKey, Failure> {
    let text = secrets::read(file)?;
    text.parse()
        .map_err(|why| Failure::new(format!("{file} holds no recovery key: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_its_file_and_a_wrong_one_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let key = RecoveryKey::generate(&mut system_rng());
        let path = folder.path().join("recovery");
        std::fs::write(&path, format!("{key}\n")).expect("written");
        let file = path.to_str().expect("plain");
        assert_eq!(read_key(file).expect("a key").public(), key.public());
        std::fs::write(&path, "REC1-WHAT").expect("written");
        let failure = read_key(file).expect_err("no key");
        assert!(failure.line.contains("holds no recovery key"));
        assert!(!failure.line.contains("WHAT"), "{}", failure.line);
    }

    #[test]
    fn rigs_that_refuse_are_shown_with_what_helps() {
        let mut shown = Answer {
            pinned: 2,
            ..Answer::default()
        };
        assert_eq!(words(&shown), "2 of 2 rigs");
        (shown.refused, shown.pending) = (1, 3);
        assert_eq!(
            words(&shown),
            "2 of 6 rigs, 3 to hear of it when they link, 1 refuse it: \
             on those run `miner peer remove` and `miner peer accept`"
        );
    }
}
