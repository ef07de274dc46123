//! `node reset` of a controller: the agent's own, and what hangs on a controller's key.
//!
//! | goes | when |
//! |---|---|
//! | key, `node.json`, what the node keeps beside them | always |
//! | `tls.key`, `tls.crt` of `--tls` | always |
//! | `registry.redb`: rigs, profiles, tokens; `history.farm`, `events/` | with `--registry`, or after a second yes |
//! | `audit/`: who changed what | never |
//! | `releases/`: of the image, and the public key that signs them | never: they hold no secret |
//! | `local-worker/` | never: it obeys the new key at the next start |

use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say, terminal};
use miner_agent::node_cli::{DELETED, KEPT, claim_doomed, doomed, unasked};
use miner_agent::store::{Dirs, NodeStore};

use super::instance::Lock;
use crate::history::History;
use crate::journal::Journal;
use crate::registry::{RedbStore, Registry};
use crate::tls;

/// Delete this node: its key and what it was told. The next start makes a new one, which no rig
/// obeys.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "reset")]
pub(super) struct Reset {
    /// do not ask; the registry stays
    #[argh(switch)]
    yes: bool,
    /// delete the registry too: rigs, profiles, tokens
    #[argh(switch)]
    registry: bool,
}

impl Reset {
    pub(super) fn run(self) -> Result<(), Failure> {
        let store = NodeStore::new(Dirs::from_env()?);
        let Some(_claim) = claim_doomed(&store)? else {
            return Ok(());
        };
        let data = store.dirs().data();
        let Some(_lock) = Lock::take(data)? else {
            return Err(Failure::new(format!(
                "a controller or a command has {} open; stop it first",
                data.display()
            )));
        };
        let mut node = doomed(&store)?;
        let registry = Found::in_folder(data);
        if let Some(registry) = &registry {
            node += &format!(", whose registry has {}", registry.holds);
        }
        if !self.yes {
            let question = format!(
                "This deletes {node}, for good. Rigs that are pinned to this key will not follow the \
                 next one: each has to be added anew, after `miner peer remove` on it. Delete it?"
            );
            terminal::confirm(&question, KEPT, || unasked(&node))?;
        }
        let mut also = tls::own_files(data).to_vec();
        let doomed = registry.as_ref().filter(|registry| self.wants(registry));
        if let Some(registry) = doomed {
            also.extend([registry.file.clone(), History::file(data)]);
            also.extend(Journal::files(data));
        }
        store.reset(&also)?;
        say(DELETED);
        if let (Some(registry), None) = (&registry, doomed) {
            say(format_args!("the registry stays, with {}", registry.holds));
        }
        Ok(())
    }

    /// Whether the registry goes as well.
    fn wants(&self, registry: &Found) -> bool {
        let question = format!("Delete the registry with its {} too?", registry.holds);
        self.registry || (!self.yes && terminal::confirm(&question, "", String::new).is_ok())
    }
}

/// A registry that is there.
#[derive(Debug)]
struct Found {
    file: PathBuf,
    /// What it holds, in words.
    holds: String,
}

impl Found {
    fn in_folder(data: &Path) -> Option<Self> {
        let file = RedbStore::file(data);
        file.symlink_metadata().ok()?;
        let opened = RedbStore::open(data).and_then(|store| Registry::open(Box::new(store)));
        let holds = match opened {
            Ok(registry) => format!(
                "{}, {} and {}",
                counted(registry.peers().len(), "rig"),
                counted(registry.profiles().len(), "profile"),
                counted(registry.tokens().len(), "token"),
            ),
            Err(error) => format!("what cannot be read ({error})"),
        };
        Some(Self { file, holds })
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
