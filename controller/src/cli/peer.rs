//! `peer`: the rigs in the registry.

use argh::{ArgsInfo, FromArgs};
use axum::http::Method;
use miner_agent::cli::terminal::{self, is_yes};
use miner_agent::cli::{Exit, Failure};
use miner_shared::identity::{Fingerprint, PairingCode};
use miner_shared::text::{Address, Name};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::admission::{self, Approve, Deny, Forget};
use super::answers::Peer as Answer;
use super::client::{Client, segment};
use super::discover::Discover;
use super::label::LabelRig;
use super::many::Whom;
use super::optimal::Optimal;
use super::secrets;
use super::select;
use super::show::{self, say_clean};
use super::table::{Column, Table};
use crate::api::Problem;
use crate::units::{self, UNKNOWN};

/// The rigs of this farm.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "peer")]
pub(super) struct Peer {
    #[argh(subcommand)]
    verb: PeerVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
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
    Label(LabelRig),
    Optimal(Optimal),
}

/// Add a rig. Without --pair-file, --fingerprint or --tofu it shows the rig's fingerprint and asks.
#[derive(Debug, ArgsInfo, FromArgs)]
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
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// only rigs that wait for approval
    #[argh(switch)]
    pending: bool,
    /// only keys that were removed or denied, and are refused until `peer forget`
    #[argh(switch)]
    removed: bool,
    /// only rigs that this takes, such as "group=shed state=offline"
    #[argh(option)]
    select: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Remove a rig: cut its link and refuse its key.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
    /// leave the token that it came by as it is; otherwise it is suspended
    #[argh(switch)]
    keep_token: bool,
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

/// Measure the round trip to a rig.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "ping")]
struct Ping {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: Option<String>,
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

/// Give a rig another name.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rename")]
struct Rename {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// the new name
    #[argh(positional)]
    name: Name,
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
            PeerVerb::Label(label) => label.run(client).await,
            PeerVerb::Optimal(optimal) => optimal.run(client).await,
        }
    }
}

impl Add {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.body()?;
        client.run();
        let answer = match client.send(Method::POST, "/peers", Some(&body)).await {
            Err(problem) if problem.code == "FINGERPRINT_UNCONFIRMED" => {
                let (key, value) = self.confirm(problem)?;
                if let Some(fields) = body.as_object_mut() {
                    fields.insert(key.to_owned(), Value::String(value));
                }
                client.send(Method::POST, "/peers", Some(&body)).await
            }
            answer => answer,
        }?;
        let Some(peer) = show::for_a_person::<Answer>(answer, self.json)? else {
            return Ok(());
        };
        say_clean(&format!("added {} ({})", peer.name, peer.id));
        if !peer.connected {
            let me = client.get("/node/info").await?;
            let mine = me.pointer("/identity/fingerprint").and_then(Value::as_str);
            say_clean(&format!(
                "no link yet; if the rig has not accepted this controller, run there: miner peer accept {}",
                mine.unwrap_or("FINGERPRINT")
            ));
        }
        Ok(())
    }

    fn body(&self) -> Result<Value, Failure> {
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
        let code = self.pair_file.as_deref().map(read_code).transpose()?;
        let fingerprint = self.fingerprint.as_ref();
        Ok(show::body([
            ("address", self.address.as_ref().map(|a| json!(a.as_str()))),
            ("name", self.name.as_ref().map(|name| json!(name.as_str()))),
            ("pairingCode", code.map(|code| json!(code.as_str()))),
            ("fingerprint", fingerprint.map(|f| json!(f.to_string()))),
            ("tofu", self.tofu.then_some(Value::Bool(true))),
        ]))
    }

    /// Asks the person in front of the terminal; without one, says which flags decide it.
    fn confirm(&self, problem: Problem) -> Result<(&'static str, String), Failure> {
        let Some(found) = problem.fingerprint.clone() else {
            return Err(problem.into());
        };
        let found = units::printable(&found);
        let at = self.address.as_ref().map_or("", Address::as_str);
        let question = format!(
            "The node at {at} has this fingerprint:\n\n  {found}\n\n\
             `miner node info` on the rig shows the rig's. Type the pairing code that the rig shows,\n\
             or y if the fingerprints are the same, or Enter to stop.\n"
        );
        let answer = terminal::ask(&question, || unconfirmed(at, &found))?;
        understand(&answer, found)
    }
}

/// The code in a file, checked here so that a typing error costs no dialling.
fn read_code(file: &str) -> Result<Zeroizing<String>, Failure> {
    let code = secrets::read(file)?;
    match code.parse::<PairingCode>() {
        Ok(_) => Ok(code),
        Err(why) => Err(Failure::new(format!(
            "{file}: that is no pairing code: {why}"
        ))),
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
        yes if is_yes(yes) => Ok(("fingerprint", found)),
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
        match (self.pending, self.removed, &self.select) {
            (false, false, _) => {}
            (true, false, None) => {
                return admission::list_others(client, "/pending", self.json).await;
            }
            (false, true, None) => {
                return admission::list_others(client, "/removed", self.json).await;
            }
            _ => {
                let why = "give one of --pending, --removed and --select";
                return Err(Failure::usage(why));
            }
        }
        let path = select::selected("/peers", self.select.as_deref())?;
        let answer = client.get(&path).await?;
        let Some(peers) = show::for_a_person::<Vec<Answer>>(answer, self.json)? else {
            return Ok(());
        };
        let empty = match self.select {
            None => NO_RIGS,
            Some(_) => NONE_TAKEN,
        };
        show::rows_or(&peers, empty, table);
        for note in notes(&peers) {
            say_clean(&note);
        }
        match self.select {
            None => admission::list_waiting(client).await,
            Some(_) => Ok(()),
        }
    }
}

/// Lines of each kind below the table; the JSON has all of them.
const MAX_NOTES: usize = 8;

/// What the columns have no room for: why a score is low, and whose key was never compared.
fn notes(peers: &[Answer]) -> Vec<String> {
    let mut low: Vec<_> = peers
        .iter()
        .filter_map(|peer| Some((peer.score.filter(|score| *score < 100)?, peer)))
        .collect();
    low.sort_by_key(|(score, _)| *score);
    let low = low.into_iter().map(|(score, peer)| {
        let why = peer.exchanges.why();
        format!("{} has score {score}: {why}", peer.name)
    });
    let unchecked = peers
        .iter()
        .filter(|peer| peer.trust == "tofu")
        .map(|peer| format!("{} was added by --tofu: nobody compared its key", peer.name));
    [first_few(low), first_few(unchecked)].concat()
}

fn first_few(notes: impl Iterator<Item = String>) -> Vec<String> {
    let mut notes: Vec<String> = notes.collect();
    let more = notes.len().saturating_sub(MAX_NOTES);
    notes.truncate(MAX_NOTES);
    if more > 0 {
        notes.push(format!("and {more} more like it; see --json"));
    }
    notes
}

/// What a list of rigs says while there are none.
pub(super) const NO_RIGS: &str = "no rigs yet; run `miner node serve --listen :9091` on one, then here: miner-ctrl peer add --address RIG:9091 --name NAME";

/// What it says when a selector takes none.
pub(super) const NONE_TAKEN: &str = "the selector takes no rig; `peer list` shows all";

/// The page's columns by name, with state, hash rate and ID.
pub(super) fn table(peers: &[Answer]) -> Table<10> {
    let mut table = Table::new([
        Column::text("Peer", 0),
        Column::state("State", 0),
        Column::figure("Hash rate", 0),
        Column::text("Group", 7),
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
            or_unknown(peer.group.clone()),
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
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "remove", "keepToken": self.keep_token });
                return many.run(client, "remove", &action, self.json).await;
            }
        };
        let keep = if self.keep_token {
            "?keepToken=true"
        } else {
            ""
        };
        let path = format!("/peers/{}{keep}", segment(&peer));
        let answer = client.send(Method::DELETE, &path, None).await?;
        show::deed(answer, self.json, |id| {
            format!("removed {id}; its key is refused from now on")
        })
    }
}

/// What [`Ping`] reads.
#[derive(Deserialize)]
struct Pong {
    rtt_ms: Option<u64>,
}

impl Ping {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let whom = Whom::of(self.peer, self.select, self.dry_run, self.yes, self.expect)?;
        let peer = match whom {
            Whom::One(peer) => peer,
            Whom::Many(many) => {
                let action = json!({ "type": "ping" });
                return many.run(client, "ping", &action, self.json).await;
            }
        };
        client.reach(Some(&peer)).await;
        let path = format!("/peers/{}/ping", segment(&peer));
        let answer = client.send(Method::POST, &path, None).await?;
        if let Some(Pong { rtt_ms }) = show::for_a_person(answer, self.json)? {
            let rtt = rtt_ms.map_or_else(|| UNKNOWN.to_owned(), |ms| format!("{ms} ms"));
            say_clean(&format!("{peer}: {rtt}"));
        }
        Ok(())
    }
}

impl Rename {
    async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/peers/{}", segment(&self.peer));
        let body = json!({ "name": self.name.as_str() });
        let answer = client.send(Method::PATCH, &path, Some(&body)).await?;
        show::deed(answer, self.json, |id| {
            format!("{id} is called {}", self.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::answers;
    use super::super::table::Output;
    use super::*;
    use crate::farm::ExchangesView;

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
                group: Some("shed".to_owned()),
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
        assert_eq!(table(&peers).render(Output::PIPE), "\
PEER       STATE           HASH RATE  GROUP  ADDRESS             ROLE    PING  SCORE  LAST SEEN  ID
rig-alpha  mining          12.5 kH/s  shed   192.168.1.100:9091  worker  4 ms    100        2 s  0123456789abcdef
rig-beta   offline 14 min          –  –      dials in            –          –      –     14 min  fedcba9876543210
");
    }

    #[test]
    fn below_the_list_stands_why_a_score_is_low_and_whose_key_nobody_compared() {
        let peer = |name: &str, score, exchanges: [u8; 3], trust: &str| {
            let [succeeded, timed_out, failed] = exchanges;
            Answer {
                name: name.to_owned(),
                score,
                exchanges: ExchangesView {
                    succeeded,
                    failed,
                    timed_out,
                },
                trust: trust.to_owned(),
                ..Answer::default()
            }
        };
        let peers = [
            peer("a", Some(100), [20, 0, 0], "pairing"),
            peer("b", Some(53), [16, 3, 1], "token"),
            peer("c", Some(0), [0, 0, 2], "tofu"),
            peer("d", None, [0, 0, 0], "fingerprint"),
        ];
        assert_eq!(
            notes(&peers),
            [
                "c has score 0: 2 failed of the last 2",
                "b has score 53: 3 late, 1 failed of the last 20",
                "c was added by --tofu: nobody compared its key",
            ]
        );
        let many = vec![peer("e", Some(86), [19, 1, 0], ""); 20];
        let notes = notes(&many);
        assert_eq!(notes.len(), MAX_NOTES + 1);
        assert_eq!(notes[MAX_NOTES], "and 12 more like it; see --json");
    }
}
