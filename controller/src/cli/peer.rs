//! `peer`: the rigs in the registry.

use std::io::{self, BufRead, IsTerminal, Write};

use argh::FromArgs;
use axum::http::Method;
use miner_agent::cli::{Exit, Failure, say};
use miner_shared::identity::{Fingerprint, PairingCode};
use miner_shared::text::{Address, Name};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::answers::{self, Peer as Answer};
use super::client::{Client, failure, segment};
use super::discover::Discover;
use super::table::{Column, Output, Table};
use super::token::{self, Approve, Deny, Forget, Rename};
use super::{say_clean, say_json, secrets};
use crate::api::Problem;
use crate::units::{self, UNKNOWN};

/// The rigs of this farm.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "peer")]
pub(super) struct Peer {
    #[argh(subcommand)]
    verb: PeerVerb,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives, for the length of a command"
)]
enum PeerVerb {
    Add(Add),
    List(List),
    Discover(Discover),
    Remove(Remove),
    Ping(Ping),
    Approve(Approve),
    Deny(Deny),
    Forget(Forget),
    Rename(Rename),
}

/// Add a rig. Without --pair-file, --fingerprint or --tofu it shows the rig's fingerprint and asks.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "add")]
pub(super) struct Add {
    /// where the rig listens, HOST:PORT; leave out for a rig that dials in (needs --fingerprint)
    #[argh(option, short = 'a')]
    address: Option<Address>,
    /// name in this farm; default: what the rig calls itself
    #[argh(option, short = 'n')]
    name: Option<Name>,
    /// file with the pairing code that the rig shows, or - for standard input
    #[argh(option)]
    pair_file: Option<String>,
    /// fingerprint that the rig shows; quote it if it has blanks
    #[argh(option)]
    fingerprint: Option<Fingerprint>,
    /// trust whoever answers at the address; the registry remembers that
    #[argh(switch)]
    tofu: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// List all rigs.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// only rigs that wait for approval
    #[argh(switch)]
    pending: bool,
    /// only keys that were removed or denied, and are refused until `peer forget`
    #[argh(switch)]
    removed: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Remove a rig: cut its link and refuse its key.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// leave the token that it came by as it is; otherwise it is suspended
    #[argh(switch)]
    keep_token: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Measure the round trip to a rig.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "ping")]
struct Ping {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

impl Peer {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        match self.verb {
            PeerVerb::Add(add) => add.run(client).await,
            PeerVerb::List(list) => list.run(client).await,
            PeerVerb::Discover(discover) => discover.run(client).await,
            PeerVerb::Remove(remove) => remove.run(client).await,
            PeerVerb::Ping(ping) => ping.run(client).await,
            PeerVerb::Approve(approve) => approve.run(client).await,
            PeerVerb::Deny(deny) => deny.run(client).await,
            PeerVerb::Forget(forget) => forget.run(client).await,
            PeerVerb::Rename(rename) => rename.run(client).await,
        }
    }
}

impl Add {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.body()?;
        client.run();
        let answer = match client
            .send(Method::POST, "/peers", Some(&Value::Object(body.clone())))
            .await
        {
            Err(problem) if problem.code == "FINGERPRINT_UNCONFIRMED" => {
                let (key, value) = self.confirm(problem)?;
                body.insert(key.to_owned(), Value::String(value));
                client
                    .send(Method::POST, "/peers", Some(&Value::Object(body)))
                    .await
            }
            answer => answer,
        }
        .map_err(failure)?;
        if self.json {
            say_json(&answer);
            return Ok(());
        }
        let peer: Answer = answers::read(answer)?;
        say_clean(&format!("added {} ({})", peer.name, peer.id));
        if !peer.connected {
            let me = client.get("/node/info").await.map_err(failure)?;
            let mine = me.pointer("/identity/fingerprint").and_then(Value::as_str);
            say_clean(&format!(
                "no link yet; if the rig has not accepted this controller, run there: miner peer accept {}",
                mine.unwrap_or("FINGERPRINT")
            ));
        }
        Ok(())
    }

    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let proofs = [
            self.pair_file.is_some(),
            self.fingerprint.is_some(),
            self.tofu,
        ];
        if proofs.iter().filter(|given| **given).count() > 1 {
            return Err(Failure::usage(
                "give one of --pair-file, --fingerprint and --tofu",
            ));
        }
        if self.address.is_none() && self.fingerprint.is_none() {
            return Err(Failure::usage(
                "give --address HOST:PORT, or --fingerprint F for a rig that dials in",
            ));
        }
        let mut body = Map::new();
        if let Some(address) = &self.address {
            body.insert("address".to_owned(), json!(address.as_str()));
        }
        if let Some(name) = &self.name {
            body.insert("name".to_owned(), json!(name.as_str()));
        }
        if let Some(file) = &self.pair_file {
            let code = secrets::read(file)?;
            // Checked here, so that a typing error costs no dialling.
            code.parse::<PairingCode>()
                .map_err(|why| Failure::new(format!("{file}: that is no pairing code: {why}")))?;
            body.insert("pairingCode".to_owned(), json!(code.as_str()));
        }
        if let Some(fingerprint) = &self.fingerprint {
            body.insert("fingerprint".to_owned(), json!(fingerprint.to_string()));
        }
        if self.tofu {
            body.insert("tofu".to_owned(), json!(true));
        }
        Ok(body)
    }

    /// Asks the person in front of the terminal; without one, says which flags decide it.
    fn confirm(&self, problem: Problem) -> Result<(&'static str, String), Failure> {
        let Some(found) = problem.fingerprint.clone() else {
            return Err(failure(problem));
        };
        let found = units::printable(&found);
        let at = self.address.as_ref().map_or("", Address::as_str);
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Failure {
                exit: Exit::NeedsConsent,
                line: unconfirmed(at, &found),
            });
        }
        // On stderr, so that a piped standard output holds the result alone.
        let _ = writeln!(
            io::stderr(),
            "The node at {at} has this fingerprint:\n\n  {found}\n\n\
             `miner node info` on the rig shows the rig's. Type the pairing code that the rig shows,\n\
             or y if the fingerprints are the same, or Enter to stop."
        );
        let mut line = Zeroizing::new(String::new());
        io::stdin()
            .lock()
            .read_line(&mut line)
            .map_err(|error| Failure::new(format!("standard input: {error}")))?;
        understand(line.trim(), found)
    }
}

fn unconfirmed(at: &str, found: &str) -> String {
    format!(
        "the node at {at} has the fingerprint {found}, which nobody has confirmed; \
         compare it with `miner node info` on the rig and repeat with --fingerprint \"{found}\", \
         or give the rig's pairing code with --pair-file FILE (- for standard input); \
         --tofu trusts without a check"
    )
}

/// What the person's answer to the question means.
fn understand(line: &str, found: String) -> Result<(&'static str, String), Failure> {
    match line {
        "y" | "Y" | "yes" => Ok(("fingerprint", found)),
        "" | "n" | "N" | "no" => Err(Failure {
            exit: Exit::NeedsConsent,
            line: "not added".to_owned(),
        }),
        code => match code.parse::<PairingCode>() {
            Ok(_) => Ok(("pairingCode", code.to_owned())),
            Err(why) => Err(Failure::new(format!(
                "not added: that is neither y nor a pairing code ({why})"
            ))),
        },
    }
}

impl List {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        match (self.pending, self.removed) {
            (true, true) => return Err(Failure::usage("give one of --pending and --removed")),
            (true, false) => return token::list_others(client, "/pending", self.json).await,
            (false, true) => return token::list_others(client, "/removed", self.json).await,
            (false, false) => {}
        }
        let answer = client.get("/peers").await.map_err(failure)?;
        if self.json {
            say_json(&answer);
            return Ok(());
        }
        let peers: Vec<Answer> = answers::read(answer)?;
        if peers.is_empty() {
            say(
                "no rigs yet; run `miner node serve --listen :9091` on one, then here: miner-ctrl peer add --address RIG:9091 --name NAME",
            );
        } else {
            print_table(&peers);
        }
        token::list_waiting(client).await
    }
}

fn print_table(peers: &[Answer]) {
    use std::io::Write as _;
    let text = table(peers).render(Output::stdout());
    // A reader that has gone away is no error of ours.
    let _ = io::stdout().write_all(text.as_bytes());
}

/// The page's columns by name, with state, hash rate and ID.
pub(super) fn table(peers: &[Answer]) -> Table<9> {
    let mut table = Table::new([
        Column::text("Peer", 0),
        Column::text("State", 0),
        Column::figure("Hash rate", 0),
        Column::text("Address", 3),
        Column::text("Role", 6),
        Column::figure("Ping", 4),
        Column::figure("Score", 5),
        Column::figure("Last seen", 2),
        Column::text("ID", 1),
    ]);
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    for peer in peers {
        let dials_in = || "dials in".to_owned();
        table.row([
            peer.name.clone(),
            peer.state(),
            // A rig without a link hashes at a rate that nobody knows.
            units::hashrate(peer.hashrate.filter(|_| peer.connected)),
            peer.address.clone().unwrap_or_else(dials_in),
            or_unknown(peer.role.clone()),
            or_unknown(peer.ping_ms.map(|ms| format!("{ms} ms"))),
            or_unknown(peer.score.map(|score| score.to_string())),
            units::age(peer.last_seen_age_ms),
            peer.id.clone(),
        ]);
    }
    table
}

impl Remove {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let keep = if self.keep_token {
            "?keepToken=true"
        } else {
            ""
        };
        let path = format!("/peers/{}{keep}", segment(&self.peer));
        let answer = client
            .send(Method::DELETE, &path, None)
            .await
            .map_err(failure)?;
        if self.json {
            say_json(&answer);
        } else {
            let id = answer
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or(&self.peer);
            say_clean(&format!("removed {id}; its key is refused from now on"));
        }
        Ok(())
    }
}

impl Ping {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(Some(&self.peer)).await;
        let path = format!("/peers/{}/ping", segment(&self.peer));
        let answer = client
            .send(Method::POST, &path, None)
            .await
            .map_err(failure)?;
        if self.json {
            say_json(&answer);
        } else {
            let rtt = answer.get("rtt_ms").and_then(Value::as_u64);
            say_clean(&format!(
                "{}: {}",
                self.peer,
                rtt.map_or_else(|| UNKNOWN.to_owned(), |ms| format!("{ms} ms"))
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_the_flags_are_named() {
        let line = unconfirmed("192.168.1.100:9091", "ABCD EFGH");
        for flag in ["--fingerprint \"ABCD EFGH\"", "--pair-file", "--tofu"] {
            assert!(line.contains(flag), "{flag}");
        }
    }

    #[test]
    fn only_a_clear_answer_adds_a_rig() {
        let found = || "ABCD".to_owned();
        assert_eq!(
            understand("y", found()).expect("confirmed").0,
            "fingerprint"
        );
        for no in ["", "n", "no", "maybe", "ABCD EFGH"] {
            assert!(understand(no, found()).is_err(), "{no}");
        }
        let code = PairingCode::generate(&mut miner_agent::store::system_rng()).to_string();
        assert_eq!(
            understand(&code, found()).expect("a code"),
            ("pairingCode", code)
        );
    }

    #[test]
    fn the_list_has_the_columns_of_the_page() {
        let peers = vec![
            Answer {
                id: "0123456789abcdef".to_owned(),
                name: "rig-alpha".to_owned(),
                address: Some("192.168.1.100:9091".to_owned()),
                role: Some("worker".to_owned()),
                ping_ms: Some(4),
                score: Some(100),
                last_seen_age_ms: Some(2_000),
                connected: true,
                activity: Some(answers::Activity {
                    state: "mining".to_owned(),
                    percent: None,
                }),
                hashrate: Some(12_480.0),
                ..Answer::default()
            },
            Answer {
                id: "fedcba9876543210".to_owned(),
                name: "rig-beta".to_owned(),
                hashrate: Some(11_800.0),
                last_seen_age_ms: Some(840_000),
                ..Answer::default()
            },
        ];
        let wide = Output {
            width: None,
            colour: false,
        };
        assert_eq!(table(&peers).render(wide), "\
PEER       STATE           HASH RATE  ADDRESS             ROLE    PING  SCORE  LAST SEEN  ID
rig-alpha  mining          12.5 kH/s  192.168.1.100:9091  worker  4 ms    100        2 s  0123456789abcdef
rig-beta   offline 14 min          –  dials in            –          –      –     14 min  fedcba9876543210
");
    }
}
