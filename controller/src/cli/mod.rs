//! The command line of `miner-ctrl`.
//!
//! ```text
//!   miner-ctrl up                                  all of it on this machine, mining at once
//!   miner-ctrl node init|info|serve|reset          who this machine is, and its service
//!   miner-ctrl node rotate-key|recover|recovery    its key, and the one that takes a farm back
//!   miner-ctrl peer add|list|discover|label|..     the rigs
//!   miner-ctrl token create|list|revoke            by what rigs that dial out enrol
//!   miner-ctrl api-token create|list|revoke        by what programs use the API
//!   miner-ctrl login                               where a browser logs in
//!   miner-ctrl audit list|verify                   who changed what, and whether that record is whole
//!   miner-ctrl remote status|start|stop|logs       what they do
//!   miner-ctrl remote managers|handover|revoke|rotate-key    whom they obey, and by which key
//!   miner-ctrl profile create|edit|list|show|delete    ways to mine
//!   miner-ctrl profile versions|diff|rollback      what they said before, and how rigs did with it
//!   miner-ctrl pool list|check                     where rigs mine, and whether a pool lets a wallet in
//!   miner-ctrl rollout start|list|show|pause|resume|abort|rollback    a version for many rigs
//!   miner-ctrl update add|list|remove|rollout|status|pause|resume|cancel    releases of the image, for many rigs
//!   miner-ctrl attention                           what is wrong, and what to do
//!   miner-ctrl drift                               which rigs do not run what they were told, and why
//!   miner-ctrl events                              what happened
//!   miner-ctrl history, summary                    the farm over time and now; remote history: one rig
//!   miner-ctrl backup, restore                     all of it in one encrypted file, and back
//!   miner-ctrl doctor                              what is wrong with this controller, and what to do
//!   miner-ctrl pxe serve|boots                     boots rigs over the network; how far they are
//!   miner-ctrl worker ...                          the agent; `up` runs it as a child
//!   miner-ctrl import|export xmrig                 profiles from another miner's file, and back
//!   miner-ctrl config check|show|path|example      the file with the options of the service
//!   miner-ctrl completions|man                     for shells and manual readers
//! ```
//!
//! Verbs are clients of the REST API ([`client`]), whether a controller runs or not. Exit codes are
//! [`Exit`]'s for both programs: 0 done, 1 not done, 2 not understood, 3 a person has to confirm.

mod admission;
mod answers;
mod api_token;
mod attention;
mod audit;
mod backup;
mod chart;
mod client;
mod config;
mod discover;
mod doctor;
mod drift;
mod events;
mod follow;
mod history;
mod image;
mod import;
pub(crate) mod instance;
mod keys;
mod label;
mod life;
mod managers;
mod many;
mod node;
mod optimal;
mod orders;
mod peer;
mod pool;
mod profile;
mod pxe;
mod recovery;
mod reference;
mod remote;
mod reset;
mod rest;
mod rollout;
pub(crate) mod secrets;
mod select;
mod show;
mod table;
mod tells;
mod token;
mod transport;
mod update;
mod width;

use std::sync::Arc;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{self as shared, Exit, Failure, say};
use smol::Executor;

use self::client::Client;
use crate::up::Up;

/// The controller of a farm: watches and commands mining rigs.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(help_triggers("-h", "--help", "help"))]
struct Ctrl {
    /// print the version
    #[argh(switch)]
    version: bool,
    #[argh(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
enum Verb {
    Up(Up),
    Node(node::Node),
    Peer(peer::Peer),
    Remote(remote::Remote),
    Attention(attention::Attention),
    Drift(drift::Drift),
    Events(events::Events),
    History(history::History),
    Summary(history::Summary),
    Pool(pool::Pool),
    Profile(profile::Profile),
    Rollout(rollout::Rollout),
    Update(update::Update),
    Token(token::Token),
    ApiToken(api_token::ApiToken),
    Login(api_token::Login),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Doctor(doctor::Doctor),
    Image(image::Image),
    Pxe(pxe::Pxe),
    Import(import::Import),
    Export(import::Export),
    Worker(Worker),
    Config(config::Config),
    Completions(reference::Completions),
    Man(reference::Man),
}

/// The agent of a rig, as in `miner`: node, peer, bench, tune.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "worker")]
struct Worker {
    /// what to say to the agent
    #[argh(positional, greedy)]
    args: Vec<String>,
}

/// Runs the command line, given without the program's name, and says how to exit.
pub fn run(args: &[&str]) -> Exit {
    // The agent parses its own words, so that its help and its rules stay its own.
    if let ["worker", rest @ ..] = args {
        return shared::run("miner-ctrl worker", rest);
    }
    match parse(args).and_then(Verb::run) {
        Ok(()) => Exit::Ok,
        Err(help) if help.exit == Exit::Ok => {
            say(help.line);
            Exit::Ok
        }
        Err(failure) => {
            use std::io::Write as _;
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "miner-ctrl: {}", failure.line);
            failure.exit
        }
    }
}

fn parse(args: &[&str]) -> Result<Verb, Failure> {
    shared::refuse_secrets(args)?;
    let ctrl: Ctrl = shared::parse("miner-ctrl", args)?;
    if ctrl.version {
        return Err(Failure {
            exit: Exit::Ok,
            line: format!("miner-ctrl {}", env!("CARGO_PKG_VERSION")),
        });
    }
    ctrl.verb.ok_or_else(|| {
        Failure::usage("say what to do: `miner-ctrl up` starts everything; --help lists the rest")
    })
}

impl Verb {
    fn run(self) -> Result<(), Failure> {
        match self {
            Self::Up(up) => up.run(),
            Self::Node(node) => node.run(),
            Self::Peer(peer) => with_client(async |client| peer.run(client).await),
            Self::Remote(remote) => with_client(async |client| remote.run(client).await),
            Self::Attention(attention) => with_client(async |client| attention.run(client).await),
            Self::Drift(drift) => with_client(async |client| drift.run(client).await),
            Self::Events(events) => with_client(async |client| events.run(client).await),
            Self::History(history) => with_client(async |client| history.run(client).await),
            Self::Summary(summary) => with_client(async |client| summary.run(client).await),
            Self::Token(token) => with_client(async |client| token.run(client).await),
            Self::Import(import) => with_client(async |client| import.run(client).await),
            Self::Export(export) => with_client(async |client| export.run(client).await),
            Self::ApiToken(token) => with_client(async |client| token.run(client).await),
            Self::Audit(audit) => audit.run(),
            Self::Login(login) => with_client(async |client| login.run(client).await),
            Self::Pool(pool) => with_client(async |client| pool.run(client).await),
            Self::Profile(profile) => with_client(async |client| profile.run(client).await),
            Self::Config(config) => config.run(),
            Self::Update(update) => with_client(async |client| update.run(client).await),
            Self::Rollout(rollout) => with_client(async |client| rollout.run(client).await),
            Self::Backup(backup) => with_client(async |client| backup.run(client).await),
            Self::Restore(restore) => restore.run(),
            Self::Doctor(doctor) => doctor.run(),
            Self::Image(image) => image.run(),
            Self::Pxe(pxe) => pxe.run(),
            Self::Completions(completions) => completions.run(),
            Self::Man(man) => man.run(),
            Self::Worker(worker) => {
                let args: Vec<&str> = worker.args.iter().map(String::as_str).collect();
                match shared::run("miner-ctrl worker", &args) {
                    Exit::Ok => Ok(()),
                    exit => Err(Failure {
                        exit,
                        line: "the agent ended".to_owned(),
                    }),
                }
            }
        }
    }
}

/// Runs a verb on an executor of its own, with a way to the farm.
fn with_client(verb: impl AsyncFnOnce(&Client) -> Result<(), Failure>) -> Result<(), Failure> {
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        let client = Client::open(&executor).await?;
        let done = verb(&client).await;
        client.end().await;
        done
    }))
}

#[cfg(test)]
mod tests;
