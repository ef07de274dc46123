//! The `node` verbs, shared word for word by `miner` and `miner-ctrl`.
//!
//! | verb | does |
//! |---|---|
//! | `init --name N --role R [--controller F]` | makes the key, pins a controller |
//! | `info [--json]` | shows id, fingerprint, role |
//! | `reset [--yes]` | deletes the node, so that the next start makes a new one |
//! | `rotate-key [--yes]` | lets a new key take the place of this one |
//! | `serve [--listen [HOST]:PORT] [--controller [wss://]HOST:PORT [--token-file F]] ..` | works until it is told to stop |

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use miner_shared::identity::{EnrolToken, Fingerprint, Role};
use miner_shared::limits::{MAX_STATEMENTS, MAX_THREADS};
use miner_shared::text::Name;
use zeroize::Zeroizing;

use crate::cli::{Failure, say, terminal};
use crate::node::{self, ListenAddress, ServeConfig};
use crate::platform;
use crate::store::{Dirs, NodeStore, StoreError, system_rng};
use crate::tls::SpkiPin;
use crate::url::ControllerUrls;

/// This machine's identity and its work.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "node")]
pub struct Node {
    #[argh(subcommand)]
    verb: NodeVerb,
}

/// What `node` can do.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
#[expect(clippy::large_enum_variant, reason = "one, for the time of parsing")]
enum NodeVerb {
    Init(NodeInit),
    Info(NodeInfo),
    Reset(NodeReset),
    RotateKey(NodeRotateKey),
    Serve(NodeServe),
}

/// Make this machine a node: a key, a name, a role.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "init")]
pub struct NodeInit {
    /// name of this machine, such as rig-alpha; default: its host name
    #[argh(option, short = 'n')]
    pub name: Option<Name>,
    /// controller, worker or dual; default: dual
    #[argh(option, short = 'r', default = "Role::Dual")]
    pub role: Role,
    /// fingerprint of the controller to obey
    #[argh(option)]
    pub controller: Option<Fingerprint>,
}

/// Show who this node is.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "info")]
pub struct NodeInfo {
    /// print JSON
    #[argh(switch)]
    pub json: bool,
}

/// Delete this node: its key, whom it obeys, what it was told. The next start makes a new one.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "reset")]
pub struct NodeReset {
    /// do not ask
    #[argh(switch)]
    pub yes: bool,
}

/// Let a new key take the place of this machine's key. Its controllers follow when they next talk to it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "rotate-key")]
pub struct NodeRotateKey {
    /// do not ask
    #[argh(switch)]
    pub yes: bool,
}

/// Work: wait for a controller, or dial it, and mine what it says.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
pub struct NodeServe {
    /// the owner's word on this machine; default: owner.toml in the folder of configuration, if it is there
    #[argh(option)]
    pub owner: Option<PathBuf>,
    /// where to wait for controllers, such as :9091
    #[argh(option)]
    pub listen: Option<ListenAddress>,
    /// do not tell the local network where this node waits
    #[argh(switch)]
    pub no_announce: bool,
    /// controller to dial, HOST:PORT, or wss://HOST:PORT through TLS, or several such places of it with commas between; opens no port here
    #[argh(option)]
    pub controller: Option<ControllerUrls>,
    /// key that TLS must prove there, sha256/BASE64 as that controller prints it
    #[argh(option)]
    pub tls_pin: Option<SpkiPin>,
    /// fingerprint of the controller to dial; pinned from now on
    #[argh(option)]
    pub fingerprint: Option<Fingerprint>,
    /// file with an enrolment token of that controller, or - for standard input
    #[argh(option)]
    pub token_file: Option<String>,
    /// never use more than 256 MiB for RandomX, whatever the profile says
    #[argh(switch)]
    pub light: bool,
    /// hash threads, whatever the profile says
    #[argh(option)]
    pub threads: Option<u16>,
    /// this machine is there for mining: a manager may restart it and switch it off
    #[argh(switch)]
    pub owns_machine: bool,
    /// end when standard input ends
    #[argh(switch)]
    pub with_parent: bool,
    /// file of the first process of an image, which learns there how this rig does, and from its exit code when to end the machine
    #[argh(option)]
    pub supervised: Option<PathBuf>,
    /// error, warn, info, debug or trace; default: info
    #[argh(option, from_str_fn(log_level), default = "log::LevelFilter::Info")]
    pub log_level: log::LevelFilter,
    /// the same as --log-level debug
    #[argh(switch, short = 'v')]
    pub verbose: bool,
}

impl Node {
    /// Runs the verb.
    pub fn run(self) -> Result<(), Failure> {
        match self.verb {
            NodeVerb::Init(init) => init.run(),
            NodeVerb::Info(info) => info.run(),
            NodeVerb::Reset(reset) => reset.run(),
            NodeVerb::RotateKey(rotate) => rotate.run(),
            NodeVerb::Serve(serve) => serve.run(),
        }
    }
}

impl NodeInit {
    /// Makes the node; refused if this machine is one.
    pub fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let name = self.name.unwrap_or_else(platform::host_name);
        let node = store.init(name, self.role, &mut system_rng())?;
        if let Some(pin) = self.controller {
            store
                .under_owner(None)?
                .pin_manager(node.fingerprint(), pin)?;
        }
        show(&node);
        Ok(())
    }
}

impl NodeInfo {
    /// Shows the node; a failure if this machine is none yet.
    pub fn run(self) -> Result<(), Failure> {
        let node = store()?.load()?.ok_or(StoreError::NoNode)?;
        if self.json {
            say(node.info_json().trim_end());
        } else {
            show(&node);
        }
        Ok(())
    }
}

impl NodeReset {
    /// Deletes the node, after a yes; refused while a process serves with it.
    pub fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let Some(_claim) = claim_doomed(&store)? else {
            return Ok(());
        };
        let node = doomed(&store)?;
        if !self.yes {
            let question = format!(
                "This deletes {node}, for good. A controller that shall command this machine again \
                 has to add it anew. Delete it?"
            );
            terminal::confirm(&question, KEPT, || unasked(&node))?;
        }
        store.reset(&[])?;
        say(DELETED);
        Ok(())
    }
}

/// What a reset says that was not confirmed.
pub const KEPT: &str = "nothing is deleted";
/// What a reset says when it is done.
pub const DELETED: &str = "deleted; the next start makes a new node";

/// What a reset says without a terminal and `--yes`.
pub fn unasked(node: &str) -> String {
    format!("this deletes {node}, for good; repeat with --yes")
}

/// Keeps others from serving with a node that shall be deleted; `None`, and a line that says so, if
/// there is nothing to delete.
pub fn claim_doomed(store: &NodeStore) -> Result<Option<File>, Failure> {
    if !store.has_files() {
        say("this machine is no node; there is nothing to delete");
        return Ok(None);
    }
    Ok(Some(store.claim()?))
}

/// What a reset deletes, in words: `node 068c54d873fc32f7 (rig-alpha, worker), which obeys 1 controller`.
pub fn doomed(store: &NodeStore) -> Result<String, Failure> {
    let mut words = match store.load() {
        Ok(Some(node)) => {
            let id = node.fingerprint().node_id();
            format!("node {id} ({}, {})", node.name, node.role)
        }
        Ok(None) => String::from("what is left of a node"),
        // What cannot be used can be deleted.
        Err(
            error @ (StoreError::Damaged(_)
            | StoreError::KeyMissing { .. }
            | StoreError::KeyMismatch(_)
            | StoreError::TooOpen(..)),
        ) => format!("a node that cannot be used ({error})"),
        Err(error) => return Err(error.into()),
    };
    match store
        .managers()
        .map_or(0, |managers| managers.iter().count())
    {
        0 => {}
        1 => words += ", which obeys 1 controller",
        count => words += &format!(", which obeys {count} controllers"),
    }
    Ok(words)
}

impl NodeRotateKey {
    /// Makes the new key, after a yes. A `node serve` that runs goes on under it within a second.
    pub fn run(self) -> Result<(), Failure> {
        let store = store()?;
        let node = store.load()?.ok_or(StoreError::NoNode)?;
        if !node.role.contains(Role::Worker) {
            return Err(Failure::new(
                "this node is a controller; `miner-ctrl node rotate-key` changes its key",
            ));
        }
        let old = node.fingerprint().node_id();
        if !self.yes {
            let question = format!(
                "The key of {old} is replaced for good. Controllers that talk to this machine follow; \
                 one that misses more than {MAX_STATEMENTS} changes has to be introduced again. Go on?"
            );
            terminal::confirm(&question, "the key stays as it is", || {
                format!("the key of {old} would be replaced for good; repeat with --yes")
            })?;
        }
        let new = store.rotate(&mut system_rng())?;
        say(format_args!("replaced     {old}"));
        show(&new);
        say("back this key up anew: a backup of the old one is of no use any more");
        Ok(())
    }
}

impl NodeServe {
    /// Works until SIGTERM, SIGINT, or with `--with-parent` the end of standard input.
    pub fn run(self) -> Result<(), Failure> {
        node::serve(self.config()?)
    }

    /// The same as a configuration for [`node::serve`].
    pub fn config(self) -> Result<ServeConfig, Failure> {
        if self.listen.is_none() && self.controller.is_none() {
            return Err(Failure::usage(
                "say --listen :9091 to wait for a controller, or --controller HOST:PORT to dial one",
            ));
        }
        if self.fingerprint.is_some() && self.controller.is_none() {
            return Err(Failure::usage(
                "--fingerprint belongs to --controller; to obey a controller that dials, \
                 use `peer accept`",
            ));
        }
        if self.token_file.is_some() && self.controller.is_none() {
            return Err(Failure::usage("--token-file belongs to --controller"));
        }
        if self.tls_pin.is_some() && !self.controller.as_ref().is_some_and(ControllerUrls::is_tls) {
            return Err(Failure::usage(
                "--tls-pin belongs to --controller wss://HOST:PORT",
            ));
        }
        if self.with_parent && self.token_file.as_deref() == Some("-") {
            return Err(Failure::usage(
                "--with-parent and --token-file - cannot share standard input",
            ));
        }
        let in_range = |n: &u16| (1..=MAX_THREADS).contains(&usize::from(*n));
        if self.threads.is_some_and(|n| !in_range(&n)) {
            return Err(Failure::usage(format!(
                "--threads takes 1 to {MAX_THREADS}"
            )));
        }
        Ok(ServeConfig {
            dirs: Dirs::from_env()?,
            owner: self.owner,
            listen: self.listen,
            announce: !self.no_announce,
            controller: self.controller,
            tls_pin: self.tls_pin,
            fingerprint: self.fingerprint,
            token: self.token_file.as_deref().map(read_token).transpose()?,
            light: self.light,
            threads: self.threads,
            owns_machine: self.owns_machine,
            with_parent: self.with_parent,
            supervised: self.supervised,
            log_level: if self.verbose {
                self.log_level.max(log::LevelFilter::Debug)
            } else {
                self.log_level
            },
        })
    }
}

/// Longest file with a token that is read.
const MAX_TOKEN_FILE: u64 = 1024;

/// The enrolment token in the first line of a file, or of standard input for `-`.
fn read_token(file: &str) -> Result<EnrolToken, Failure> {
    let failed = |error: io::Error| Failure::new(format!("{file}: {error}"));
    let mut text = Zeroizing::new(String::new());
    if file == "-" {
        // A line, not all of it: a person may have typed it.
        io::stdin()
            .lock()
            .take(MAX_TOKEN_FILE)
            .read_line(&mut text)
            .map_err(failed)?;
    } else {
        let opened = File::open(file).map_err(failed)?;
        opened
            .take(MAX_TOKEN_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
    }
    let line = text.lines().next().unwrap_or_default();
    line.trim()
        .parse()
        .map_err(|why| Failure::new(format!("{file} holds no enrolment token: {why}")))
}

/// The store that the environment names.
pub(crate) fn store() -> Result<NodeStore, Failure> {
    Ok(NodeStore::new(Dirs::from_env()?))
}

fn log_level(text: &str) -> Result<log::LevelFilter, String> {
    let unknown = |_| String::from("it is not one of error, warn, info, debug, trace");
    text.parse().map_err(unknown)
}

fn show(node: &crate::store::Node) {
    let fingerprint = node.fingerprint();
    say(format_args!("node ID      {}", fingerprint.node_id()));
    say(format_args!("name         {}", node.name));
    say(format_args!("role         {}", node.role));
    say(format_args!("fingerprint  {fingerprint}"));
    if !node.chain.is_empty() {
        let (shown, most) = (node.chain.len(), MAX_STATEMENTS);
        say(format_args!(
            "key changes  {shown}, of at most {most} that it shows"
        ));
    }
}
