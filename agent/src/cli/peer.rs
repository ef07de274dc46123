//! `miner peer`: whom this rig obeys.
//!
//! The verbs write the files of the node. A `node serve` that runs reads them at its next handshake,
//! and ends the link of a controller whose pin was taken back within a second.

use argh::{ArgsInfo, FromArgs};
use miner_shared::identity::{Fingerprint, NodeId, Role};

use super::{Failure, qr, say, terminal};
use crate::node_cli::store;
use crate::platform;
use crate::store::{Candidates, Managers, system_rng};

/// Show and choose whom this machine obeys.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "peer")]
pub(super) struct Peer {
    #[argh(subcommand)]
    verb: PeerVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum PeerVerb {
    Accept(Accept),
    First(First),
    List(List),
    Pair(Pair),
    Remove(Remove),
}

/// Pin a controller: from now on this machine obeys it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "accept")]
struct Accept {
    /// the controller's fingerprint, as `miner-ctrl node info` shows it; of one that has asked the
    /// beginning of it, or of its node ID, is enough to be shown it in full and asked
    #[argh(positional, greedy)]
    fingerprint: Vec<String>,
}

/// Let a pinned controller decide from now on; the others read.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "first")]
struct First {
    /// the controller's fingerprint or node ID, as `peer list` shows it
    #[argh(positional, greedy)]
    controller: Vec<String>,
}

/// Take a pin back: that controller is not obeyed any more, and its link ends at once.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {
    /// the controller's fingerprint or node ID, as `peer list` shows it
    #[argh(positional, greedy)]
    controller: Vec<String>,
}

/// List the pinned controllers, of which the first decides what is mined, whether each has a recovery
/// key, and who else has asked.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Print a new one-time pairing code, good for 15 minutes; an older one is void.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "pair")]
struct Pair {}

impl Peer {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            PeerVerb::Accept(accept) => accept.run(),
            PeerVerb::First(first) => first.run(),
            PeerVerb::List(list) => list.run(),
            PeerVerb::Pair(Pair {}) => pair(),
            PeerVerb::Remove(remove) => remove.run(),
        }
    }
}

impl Accept {
    fn run(self) -> Result<(), Failure> {
        // The text has spaces when it is copied from a screen, so all words are taken together.
        let text = self.fingerprint.join("");
        let store = store()?.under_owner(None)?;
        let pin = match text.parse::<Fingerprint>() {
            Ok(pin) => pin,
            Err(why) => {
                let asked = meant(&store.candidates(), &text);
                let pin = asked.map_err(|other| {
                    Failure::usage(format!("that is no fingerprint ({why}), and {other}"))
                })?;
                let question = format!(
                    "The controller that asked has this fingerprint:\n\n  {pin}\n\n\
                     `miner-ctrl node info` shows the controller's. Are they the same?"
                );
                terminal::confirm(&question, "not accepted", || unconfirmed(pin))?;
                pin
            }
        };
        let node = store.load_or_create(platform::host_name(), Role::Dual, &mut system_rng())?;
        store.pin_manager(node.fingerprint(), pin)?;
        say(format_args!("obeys {} ({pin})", pin.node_id()));
        Ok(())
    }
}

impl First {
    fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let pin = pinned(&store.managers()?, &self.controller)?;
        store.put_manager_first(pin)?;
        say(format_args!("{} decides now", pin.node_id()));
        Ok(())
    }
}

impl Remove {
    fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let managers = store.managers()?;
        let pin = pinned(&managers, &self.controller)?;
        store.unpin_manager(pin)?;
        say(format_args!("obeys {} no more", pin.node_id()));
        match store.managers()?.first() {
            Some(first) if managers.first() == Some(pin) => {
                say(format_args!("{} decides now", first.node_id()));
            }
            Some(_) => {}
            None => say("nobody is obeyed now; the rig goes on with what it was told last"),
        }
        Ok(())
    }
}

/// The candidate whose fingerprint or node ID begins so, if it is one alone.
fn meant(candidates: &Candidates, text: &str) -> Result<Fingerprint, &'static str> {
    let bare = |text: &str| text.replace('-', "").to_ascii_lowercase();
    let text = bare(text);
    if text.is_empty() {
        return Err("nobody is meant by nothing");
    }
    let begins = |key: &&Fingerprint| {
        bare(&key.to_string()).starts_with(&text) || key.node_id().to_string().starts_with(&text)
    };
    let mut found = candidates.iter().filter(begins);
    match (found.next(), found.next()) {
        (Some(key), None) => Ok(*key),
        (Some(_), Some(_)) => Err("more than one who asked begins so; see `peer list`"),
        (None, _) => Err("nobody who asked begins so; see `peer list`"),
    }
}

fn unconfirmed(pin: Fingerprint) -> String {
    format!(
        "compare {pin} with `miner-ctrl node info` on the controller, and repeat with all of it: \
         miner peer accept {pin}"
    )
}

/// The pinned controller that the words name: its fingerprint, which has spaces when it is copied from a
/// screen, or its node ID.
fn pinned(managers: &Managers, words: &[String]) -> Result<Fingerprint, Failure> {
    let text = words.join("");
    let pin = match (text.parse::<Fingerprint>(), text.parse::<NodeId>()) {
        (Ok(pin), _) => Some(pin).filter(|pin| managers.contains(pin)),
        (_, Ok(id)) => one(managers.iter().filter(|pin| pin.node_id() == id)),
        _ => return Err(Failure::usage("that is no fingerprint and no node ID")),
    };
    pin.ok_or_else(|| Failure::new("no such controller is pinned; `peer list` shows who is"))
}

/// The only one; `None` if there is none, or two: an ID is too short to choose by then.
fn one<'p>(mut pins: impl Iterator<Item = &'p Fingerprint>) -> Option<Fingerprint> {
    let first = pins.next().copied();
    first.filter(|_| pins.next().is_none())
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let (managers, candidates) = (store.managers()?, store.candidates());
        let parts = ["first"].into_iter().chain(std::iter::repeat("reads"));
        let pinned = managers.pins().iter().zip(parts);
        let pinned = pinned.map(|(pin, part)| (&pin.fingerprint, part, pin.recovery.is_some()));
        let asked = candidates.iter().filter(|key| !managers.contains(key));
        let asked = asked.map(|key| (key, "refused", false));
        let rows: Vec<_> = pinned.chain(asked).collect();
        if self.json {
            let row = |(key, part, recovery): &(&Fingerprint, &str, bool)| {
                let id = key.node_id();
                format!(
                    r#"{{"id":"{id}","fingerprint":"{key}","part":"{part}","recovery":{recovery}}}"#
                )
            };
            let rows: Vec<String> = rows.iter().map(row).collect();
            say(format_args!("[{}]", rows.join(",")));
            return Ok(());
        }
        for (key, part, recovery) in &rows {
            let recovery = if *recovery { "recovery key" } else { "–" };
            let id = key.node_id();
            say(format_args!("{id}  {part:7}  {recovery:12}  {key}"));
        }
        if managers.is_empty() {
            say(
                "nobody is obeyed yet: `miner peer pair` prints a code for the controller's \
                 `peer add --pair-file`",
            );
        }
        if rows.len() > managers.iter().count() {
            say(
                "refused ones asked to be obeyed; if one is yours, run: miner peer accept FINGERPRINT",
            );
        }
        Ok(())
    }
}

fn pair() -> Result<(), Failure> {
    let code = store()?.new_pairing(&mut system_rng())?;
    say(format_args!("pairing code: {code}"));
    qr::show(&code);
    say("good once, for 15 minutes, while `node serve --listen` runs");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_means_the_only_one_who_asked_and_has_it() {
        let mut candidates = Candidates::default();
        let keys = [[0x11; 32], [0x12; 32], [0xff; 32]].map(Fingerprint);
        for key in keys {
            candidates.note(key);
        }
        let full = keys[2].to_string();
        for text in [
            "ff",
            "FFFF",
            &full[..6],
            &full[..7].to_lowercase(),
            &full.replace('-', "")[..20],
        ] {
            assert_eq!(meant(&candidates, text), Ok(keys[2]), "{text}");
        }
        assert_eq!(meant(&candidates, "12"), Ok(keys[1]));
        for text in ["", "-", "1", "abcd", "qqq"] {
            assert!(meant(&candidates, text).is_err(), "{text}");
        }
    }
}
