//! `miner peer`: whom this rig obeys.
//!
//! The verbs write the files of the node. A `node serve` that runs reads them at its next handshake,
//! and ends the link of a controller whose pin was taken back within a second.

use argh::FromArgs;
use miner_shared::identity::{Fingerprint, NodeId, Role};

use super::{Failure, say};
use crate::node_cli::store;
use crate::platform;
use crate::store::{Managers, system_rng};

/// Show and choose whom this machine obeys.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "peer")]
pub(super) struct Peer {
    #[argh(subcommand)]
    verb: PeerVerb,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
enum PeerVerb {
    Accept(Accept),
    First(First),
    List(List),
    Pair(Pair),
    Remove(Remove),
}

/// Pin a controller: from now on this machine obeys it.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "accept")]
struct Accept {
    /// the controller's fingerprint in full, as `miner-ctrl node info` shows it
    #[argh(positional, greedy)]
    fingerprint: Vec<String>,
}

/// Let a pinned controller decide from now on; the others read.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "first")]
struct First {
    /// the controller's fingerprint or node ID, as `peer list` shows it
    #[argh(positional, greedy)]
    controller: Vec<String>,
}

/// Take a pin back: that controller is not obeyed any more, and its link ends at once.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "remove")]
struct Remove {
    /// the controller's fingerprint or node ID, as `peer list` shows it
    #[argh(positional, greedy)]
    controller: Vec<String>,
}

/// List the pinned controllers, of which the first decides what is mined, whether each has a recovery
/// key, and who else has asked.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "list")]
struct List {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Print a new one-time pairing code, good for 15 minutes; an older one is void.
#[derive(Debug, FromArgs)]
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
        let pin: Fingerprint = self
            .fingerprint
            .join("")
            .parse()
            .map_err(|e| Failure::usage(format!("that is no fingerprint: {e}")))?;
        let store = store()?;
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
    say("good once, for 15 minutes, while `node serve --listen` runs");
    Ok(())
}
