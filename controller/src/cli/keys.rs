//! `node rotate-key` and `node recover`: another key for this controller, and the word of the recovery
//! key for the one it has.
//!
//! Both are done while no controller runs on the data directory: a running one would go on under the
//! old key, and could not show the new statement on links that are up. From its next start on it shows
//! its statements on every link, and rigs follow.

use std::io::{self, Write as _};

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::terminal;
use miner_agent::cli::{Failure, say};
use miner_agent::node_cli::NodeRotateKey;
use miner_agent::store::{Dirs, Node, NodeStore, system_rng};
use miner_shared::identity::{Role, Signer};
use miner_shared::limits::MAX_STATEMENTS;

use super::instance::{self, Lock};
use super::recovery::read_key;
use crate::clock::{Clock, EpochMs};
use crate::hub::recovery_id;
use crate::registry::{RedbStore, Registry, RegistryError};

/// Earliest plausible wall clock: 2025-01-01. The counter of a recovery comes from the clock, and one
/// that was never set would be below what rigs have seen.
const CLOCK_IS_SET: EpochMs = EpochMs(1_735_689_600_000);

/// Let a new key take the place of this node's key. Rigs follow when they next link.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rotate-key")]
pub(super) struct RotateKey {
    /// do not ask
    #[argh(switch)]
    yes: bool,
}

/// Take a farm back: rigs that pinned this recovery key obey this controller from their next link on.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "recover")]
pub(super) struct Recover {
    /// file with the recovery key, or - for standard input
    #[argh(option)]
    recovery_file: String,
}

impl RotateKey {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = NodeStore::new(Dirs::from_env()?);
        let node = node(&store)?;
        if node.role == Role::Worker {
            return NodeRotateKey { yes: self.yes }.run();
        }
        let _lock = stopped(store.dirs())?;
        if !self.yes {
            confirm(&question(&node))?;
        }
        let new = store.rotate(&mut system_rng())?;
        say(format_args!("node ID      {}", new.fingerprint().node_id()));
        say(format_args!("fingerprint  {}", new.fingerprint()));
        say(format_args!(
            "took the place of {}; rigs follow once this controller runs again. Back the new key up: {}",
            node.fingerprint().node_id(),
            store.dirs().node().display()
        ));
        Ok(())
    }
}

impl Recover {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = NodeStore::new(Dirs::from_env()?);
        let node = node(&store)?;
        if node.role == Role::Worker {
            return Err(Failure::new(
                "this node is a worker, and rigs are taken back by a controller; \
                 `node init --role controller` in another data directory makes one",
            ));
        }
        let key = read_key(&self.recovery_file)?;
        let lock = stopped(store.dirs())?;
        let now = Clock::start().now().wall;
        if now < CLOCK_IS_SET {
            return Err(Failure::new(format!(
                "this machine's clock says {now}; set it first: the statement is numbered by it, above \
                 those that rigs have seen"
            )));
        }
        let mut registry = Registry::open(Box::new(
            RedbStore::open(lock.folder()).map_err(Failure::new)?,
        ))
        .map_err(Failure::new)?;
        let public = key.public();
        let counter = registry.next_counter(public, now).map_err(|error| match error {
            RegistryError::BadProof => Failure::new(format!(
                "{} holds the recovery key {}, and this farm's is another one by now; `node recovery show` says which",
                self.recovery_file,
                recovery_id(&public)
            )),
            error => Failure::new(error),
        })?;
        if let Some(dropped) = dropped(&node) {
            warn(&dropped);
        }
        let node = store.recover(&key, counter)?;
        let fingerprint = node.fingerprint();
        say(format_args!("node ID      {}", fingerprint.node_id()));
        say(format_args!("fingerprint  {fingerprint}"));
        say(format_args!("recovery key {}", recovery_id(&public)));
        say(format_args!("statement    {}", EpochMs(counter)));
        say(
            "rigs that pinned this recovery key obey this controller once it runs and they reach it; a rig that \
             this registry does not know also needs: miner-ctrl peer add",
        );
        Ok(())
    }
}

fn node(store: &NodeStore) -> Result<Node, Failure> {
    store.load()?.ok_or_else(|| {
        Failure::new("this machine is no node yet; run `miner-ctrl node init --name NAME`")
    })
}

/// The data directory, on which no controller runs.
fn stopped(dirs: &Dirs) -> Result<Lock, Failure> {
    if let Some(lock) = Lock::take(dirs.data())? {
        return Ok(lock);
    }
    Err(Failure::new(match instance::announced(dirs.data())? {
        Some(http) => format!(
            "a controller runs on this data directory ({}) under the key of now: end it \
             (Ctrl-C, or `systemctl stop` its service), repeat this, and start it again; rigs mine on meanwhile",
            http.at
        ),
        None => "another command has the registry open; try again when it is done".to_owned(),
    }))
}

/// What is about to happen.
fn question(node: &Node) -> String {
    let mut text = format!(
        "The key of {} is replaced, and the old one is gone for good.\n\
         Rigs follow by themselves when they next link, and so do tokens and fingerprints given out before,\n\
         through at most {MAX_STATEMENTS} changes.\n",
        node.fingerprint().node_id()
    );
    if let Some(dropped) = dropped(node) {
        text += &format!("{dropped}\n");
    }
    text
}

/// What another statement costs a node that shows as many as it may.
fn dropped(node: &Node) -> Option<String> {
    let oldest = node.chain.first().filter(|_| node.chain.is_full())?;
    let whom = match oldest.predecessor() {
        Some(old) if oldest.signer() == Signer::Old => {
            format!("that last linked under the key {}", old.node_id())
        }
        _ => "that the recovery key has yet to bring here".to_owned(),
    };
    Some(format!(
        "{MAX_STATEMENTS} changes are shown already, and the oldest falls out: rigs {whom} \
         must be introduced again (on the rig: miner peer accept)."
    ))
}

/// Asks the person in front of the terminal; without one, nothing is done.
fn confirm(question: &str) -> Result<(), Failure> {
    terminal::confirm(
        &format!("{question}Go on?"),
        "the key stays as it is",
        || {
            let told = question.lines().collect::<Vec<_>>().join(" ");
            format!("{told} --yes says that this is meant")
        },
    )
}

/// On stderr, so that a piped standard output holds the result alone.
fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::RecoveryKey;
    use miner_shared::text::Name;

    use super::super::instance::{Announced, ApiAt};
    use super::*;

    fn store() -> (tempfile::TempDir, NodeStore) {
        let root = tempfile::tempdir().expect("temporary folder");
        let store = NodeStore::new(Dirs::below(root.path()));
        let name = Name::parse("control-center").expect("valid");
        store
            .init(name, Role::Controller, &mut system_rng())
            .expect("new");
        (root, store)
    }

    #[test]
    fn a_fifth_change_says_whom_it_leaves_behind() {
        let (_root, store) = store();
        let first = node(&store).expect("there");
        assert!(!question(&first).contains("introduced again"));
        for _ in 0..MAX_STATEMENTS {
            store.rotate(&mut system_rng()).expect("written");
        }
        let node = node(&store).expect("there");
        let question = question(&node);
        assert!(question.contains("introduced again"), "{question}");
        let id = first.fingerprint().node_id().to_string();
        assert!(question.contains(&id), "{question}");
    }

    #[test]
    fn a_word_of_the_recovery_key_that_falls_out_is_told_too() {
        let (_root, store) = store();
        let key = RecoveryKey::generate(&mut system_rng());
        for counter in 1..=4 {
            store.recover(&key, counter).expect("written");
        }
        let dropped = dropped(&node(&store).expect("there")).expect("full");
        assert!(dropped.contains("recovery key"), "{dropped}");
    }

    #[test]
    fn without_a_terminal_the_flag_is_named_and_nothing_done() {
        let failure = confirm("It is for good.\n").expect_err("nobody to ask");
        assert_eq!(failure.exit, miner_agent::cli::Exit::NeedsConsent);
        assert_eq!(
            failure.line,
            "It is for good. --yes says that this is meant"
        );
    }

    #[test]
    fn a_running_controller_is_named_with_the_way_to_end_it() {
        let (_root, store) = store();
        let lock = stopped(store.dirs()).expect("nobody runs");
        let address = "127.0.0.1:9090".parse().expect("valid");
        lock.announce(&Announced::of(ApiAt { address, tls: None }))
            .expect("written");
        let failure = stopped(store.dirs()).expect_err("one runs");
        assert!(failure.line.contains("systemctl stop"), "{}", failure.line);
        let at = "(http://127.0.0.1:9090/)";
        assert!(failure.line.contains(at), "{}", failure.line);
    }
}
