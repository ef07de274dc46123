//! `node`: who this machine is, and its service by role.
//!
//! `init` and `info` are the agent's own verbs, so that both programs keep one identity the same way.
//! `rotate-key` and `recover` are in [`keys`](super::keys), `recovery` is in [`recovery`](super::recovery).
//!
//! | role | `node serve` runs |
//! |---|---|
//! | controller | API, page, and SMSG for rigs that dial in |
//! | dual | the same, and the local worker as a child |
//! | worker | the agent, as `miner node serve` |

use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;
use miner_agent::node::{self as agent, ListenAddress};
use miner_agent::node_cli::{NodeInfo, NodeInit, NodeServe};
use miner_agent::platform;
use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_agent::tls::SpkiPin;
use miner_agent::url::ControllerUrl;
use miner_shared::identity::{Fingerprint, Role};

use super::keys::{Recover, RotateKey};
use super::recovery::Recovery;
use super::reset::Reset;
use super::with_client;
use crate::up::{self, HttpAddress, Plan, PoolPlan, WorkerPlan};

/// Who this machine is, and its service.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "node")]
pub(super) struct Node {
    #[argh(subcommand)]
    verb: NodeVerb,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives, for the length of a command"
)]
enum NodeVerb {
    Init(NodeInit),
    Info(NodeInfo),
    Recover(Recover),
    Recovery(Recovery),
    Reset(Reset),
    RotateKey(RotateKey),
    Serve(Serve),
}

/// Serve by this node's role: controller, dual (with a local worker), or worker (the agent).
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "serve")]
struct Serve {
    /// where links come in, HOST:PORT or :PORT; default: :9091
    #[argh(option, short = 'l')]
    listen: Option<ListenAddress>,
    /// do not tell the local network where links come in
    #[argh(switch)]
    no_announce: bool,
    /// where API and page are, on loopback; default: 127.0.0.1:9090 (controller, dual)
    #[argh(option)]
    http: Option<HttpAddress>,
    /// both ports speak TLS, with a certificate that is made once (controller, dual)
    #[argh(switch)]
    tls: bool,
    /// the same with your own certificate: a PEM file, the chain after it (controller, dual)
    #[argh(option)]
    tls_cert: Option<PathBuf>,
    /// private key of --tls-cert, a PEM file (controller, dual)
    #[argh(option)]
    tls_key: Option<PathBuf>,
    /// refuse rigs that dial in without TLS (controller, dual)
    #[argh(switch)]
    tls_only: bool,
    /// no local worker (dual)
    #[argh(switch)]
    no_worker: bool,
    /// controller to dial, HOST:PORT, or wss://HOST:PORT through TLS; opens no port here (worker)
    #[argh(option)]
    controller: Option<ControllerUrl>,
    /// key that TLS must prove there, sha256/BASE64 as that controller prints it (worker)
    #[argh(option)]
    tls_pin: Option<SpkiPin>,
    /// fingerprint of the controller to dial (worker)
    #[argh(option)]
    fingerprint: Option<Fingerprint>,
    /// file with an enrolment token of that controller, or - for standard input (worker)
    #[argh(option)]
    token_file: Option<String>,
    /// never use more than 256 MiB for RandomX (worker, dual)
    #[argh(switch)]
    light: bool,
    /// hash threads (worker, dual)
    #[argh(option)]
    threads: Option<u16>,
    /// this machine is there for mining: a manager may restart it and switch it off (worker)
    #[argh(switch)]
    owns_machine: bool,
    /// end when standard input ends (worker)
    #[argh(switch)]
    with_parent: bool,
    /// error, warn, info, debug or trace; default: info (worker), warn (others)
    #[argh(option)]
    log_level: Option<log::LevelFilter>,
    /// the same as --log-level debug
    #[argh(switch, short = 'v')]
    verbose: bool,
}

impl Node {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.verb {
            NodeVerb::Init(init) => init.run(),
            NodeVerb::Info(info) => info.run(),
            NodeVerb::Recover(recover) => recover.run(),
            NodeVerb::Recovery(recovery) => with_client(async |client| recovery.run(client).await),
            NodeVerb::Reset(reset) => reset.run(),
            NodeVerb::RotateKey(rotate) => rotate.run(),
            NodeVerb::Serve(serve) => serve.run(),
        }
    }
}

impl Serve {
    fn run(self) -> Result<(), Failure> {
        let store = NodeStore::new(Dirs::from_env()?);
        let me = store.load_or_create(platform::host_name(), Role::Dual, &mut system_rng())?;
        if me.role == Role::Worker {
            return agent::serve(self.into_worker()?.config()?);
        }
        up::serve(self.into_controller(me.role, store.dirs().clone())?)
    }

    fn into_worker(self) -> Result<NodeServe, Failure> {
        let serves_tls = self.tls || self.tls_cert.is_some() || self.tls_key.is_some();
        if self.http.is_some() || self.no_worker || serves_tls || self.tls_only {
            return Err(Failure::usage(
                "--http, --no-worker, --tls, --tls-cert, --tls-key and --tls-only are for \
                 controllers, and this node is a worker",
            ));
        }
        let default = self.controller.is_none().then(up::default_listen);
        Ok(NodeServe {
            listen: self.listen.or(default),
            no_announce: self.no_announce,
            controller: self.controller,
            tls_pin: self.tls_pin,
            fingerprint: self.fingerprint,
            token_file: self.token_file,
            light: self.light,
            threads: self.threads,
            owns_machine: self.owns_machine,
            with_parent: self.with_parent,
            log_level: self.log_level.unwrap_or(log::LevelFilter::Info),
            verbose: self.verbose,
        })
    }

    fn into_controller(self, role: Role, dirs: Dirs) -> Result<Plan, Failure> {
        let dials = self.controller.is_some() || self.fingerprint.is_some();
        let ends = self.with_parent || self.owns_machine;
        if dials || self.tls_pin.is_some() || self.token_file.is_some() || ends {
            return Err(Failure::usage(format!(
                "--controller, --fingerprint, --tls-pin, --token-file, --with-parent and --owns-machine are \
                 for workers, and this node's role is {role}"
            )));
        }
        let worker = (role == Role::Dual && !self.no_worker).then_some(WorkerPlan {
            light: self.light,
            threads: up::checked_threads(self.threads)?,
        });
        Ok(Plan {
            dirs,
            listen: self.listen.unwrap_or_else(up::default_listen),
            announce: !self.no_announce,
            http: self.http.unwrap_or_default(),
            pool: PoolPlan::None,
            tls: up::tls_plan(self.tls, self.tls_cert, self.tls_key, self.tls_only)?,
            worker,
            log_level: up::log_level(
                self.log_level.unwrap_or(log::LevelFilter::Warn),
                self.verbose,
            ),
        })
    }
}
