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
use miner_agent::node as agent;
use miner_agent::node_cli::{NodeInfo, NodeInit, NodeServe};
use miner_agent::platform;
use miner_agent::store::{Dirs, NodeStore, system_rng};
use miner_agent::tls::SpkiPin;
use miner_agent::url::ControllerUrls;
use miner_shared::identity::{Fingerprint, Role};

use super::keys::{Recover, RotateKey};
use super::recovery::Recovery;
use super::reset::Reset;
use super::with_client;
use crate::options::service::{
    ANNOUNCE, HTTP, HTTP_NAME, HTTP_PLAIN, LIGHT, LISTEN, LOG_LEVEL, THREADS, TLS, TLS_CERT,
    TLS_KEY, TLS_ONLY, WORKER,
};
use crate::options::{ConfigFile, Definition, Layer, Settings};
use crate::up::{self, Plan, PoolPlan};

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
pub(super) struct Serve {
    /// configuration file; default: controller.toml beside node.json, if it is there (controller, dual)
    #[argh(option)]
    config: Option<PathBuf>,
    /// no worker on this machine (dual)
    #[argh(switch)]
    no_worker: bool,
    /// never use more than 256 MiB for RandomX: several times slower (worker, dual)
    #[argh(switch)]
    light: bool,
    /// hash threads, 1 to 256; default: as many as suit the processor (worker, dual)
    #[argh(option)]
    threads: Option<String>,
    /// where rigs dial in, HOST:PORT or :PORT; default: :9091 (a worker: where controllers do)
    #[argh(option, short = 'l')]
    listen: Option<String>,
    /// do not tell the local network where rigs dial in
    #[argh(switch)]
    no_announce: bool,
    /// where API and page are, beyond loopback with --tls, HOST:PORT; default: 127.0.0.1:9090
    /// (controller, dual)
    #[argh(option)]
    http: Option<String>,
    /// further name of API and page, may be repeated, NAME or NAME:PORT (controller, dual)
    #[argh(option)]
    http_name: Vec<String>,
    /// beyond loopback without TLS: anyone on the network can read the tokens (controller, dual)
    #[argh(switch)]
    http_plain: bool,
    /// both ports speak TLS, with a certificate that is made once (controller, dual)
    #[argh(switch)]
    tls: bool,
    /// the same with your own certificate: a PEM file, the chain after it (controller, dual)
    #[argh(option)]
    tls_cert: Option<String>,
    /// private key of --tls-cert, a PEM file (controller, dual)
    #[argh(option)]
    tls_key: Option<String>,
    /// refuse rigs that dial in without TLS (controller, dual)
    #[argh(switch)]
    tls_only: bool,
    /// controller to dial, HOST:PORT, or wss://HOST:PORT through TLS, or several such places of it with commas between; opens no port here (worker)
    #[argh(option)]
    controller: Option<ControllerUrls>,
    /// key that TLS must prove there, sha256/BASE64 as that controller prints it (worker)
    #[argh(option)]
    tls_pin: Option<SpkiPin>,
    /// fingerprint of the controller to dial (worker)
    #[argh(option)]
    fingerprint: Option<Fingerprint>,
    /// file with an enrolment token of that controller, or - for standard input (worker)
    #[argh(option)]
    token_file: Option<String>,
    /// the owner's word on this machine; default: owner.toml beside node.json, if it is there (worker)
    #[argh(option)]
    owner: Option<PathBuf>,
    /// this machine is there for mining: a manager may restart it and switch it off (worker)
    #[argh(switch)]
    owns_machine: bool,
    /// end when standard input ends (worker)
    #[argh(switch)]
    with_parent: bool,
    /// least serious records that are logged, error, warn, info, debug or trace; default: warn (a
    /// worker: info)
    #[argh(option)]
    log_level: Option<String>,
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
        let settings = Settings::of(self.flags(), Layer::default())?;
        let serving = [
            &HTTP,
            &HTTP_NAME,
            &HTTP_PLAIN,
            &WORKER,
            &TLS,
            &TLS_CERT,
            &TLS_KEY,
            &TLS_ONLY,
        ];
        let said = serving.into_iter().find(|of| settings.is_said(of));
        let said = said.and_then(Definition::flag);
        let config = self.config.as_ref().map(|_| "--config".to_owned());
        if let Some(flag) = said.or(config) {
            return Err(Failure::usage(format!(
                "{flag} is for controllers, and this node is a worker"
            )));
        }
        let is_told = settings.is_said(&LISTEN) || self.controller.is_none();
        Ok(NodeServe {
            owner: self.owner,
            listen: if is_told {
                settings.get(&LISTEN)?
            } else {
                None
            },
            no_announce: self.no_announce,
            controller: self.controller,
            tls_pin: self.tls_pin,
            fingerprint: self.fingerprint,
            token_file: self.token_file,
            light: self.light,
            threads: settings.get(&THREADS)?,
            owns_machine: self.owns_machine,
            with_parent: self.with_parent,
            supervised: None,
            log_level: match settings.is_said(&LOG_LEVEL) {
                true => settings.get(&LOG_LEVEL)?.unwrap_or(log::LevelFilter::Info),
                false => log::LevelFilter::Info,
            },
            verbose: self.verbose,
        })
    }

    fn into_controller(self, role: Role, dirs: Dirs) -> Result<Plan, Failure> {
        let dials = self.controller.is_some() || self.fingerprint.is_some();
        let ends = self.with_parent || self.owns_machine || self.owner.is_some();
        if dials || self.tls_pin.is_some() || self.token_file.is_some() || ends {
            return Err(Failure::usage(format!(
                "--controller, --fingerprint, --tls-pin, --token-file, --owner, --with-parent and \
                 --owns-machine are for workers, and this node's role is {role}"
            )));
        }
        let file = ConfigFile::open(self.config.as_deref(), &dirs)?;
        let settings = Settings::of(self.flags(), file.layer()?)?;
        let plan = Plan::of(&settings, dirs, PoolPlan::None)?;
        Ok(Plan {
            worker: plan.worker.filter(|_| role == Role::Dual),
            ..plan
        })
    }

    /// What the flags say of the controller's options; those of a worker alone are the agent's.
    fn flags(&self) -> Layer {
        Layer::default()
            .texts([
                (&THREADS, self.threads.clone()),
                (&LISTEN, self.listen.clone()),
                (&HTTP, self.http.clone()),
                (&TLS_CERT, self.tls_cert.clone()),
                (&TLS_KEY, self.tls_key.clone()),
                (
                    &LOG_LEVEL,
                    up::log_level(self.log_level.clone(), self.verbose),
                ),
            ])
            .switches([
                (&WORKER, self.no_worker),
                (&LIGHT, self.light),
                (&ANNOUNCE, self.no_announce),
                (&TLS, self.tls),
                (&TLS_ONLY, self.tls_only),
                (&HTTP_PLAIN, self.http_plain),
            ])
            .list(&HTTP_NAME, self.http_name.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Kind, Of, service, tests::compare};

    /// Flags of a worker alone, which are the agent's options, and those that are no options.
    const OWN: [&str; 10] = [
        "--config",
        "--controller",
        "--fingerprint",
        "--help",
        "--owner",
        "--owns-machine",
        "--tls-pin",
        "--token-file",
        "--verbose",
        "--with-parent",
    ];

    fn serve(args: &[&str]) -> Serve {
        Serve::from_args(&["miner-ctrl", "node", "serve"], args).expect("parses")
    }

    #[test]
    fn flags_and_their_help_are_those_of_the_table() {
        compare(&Serve::get_args_info(), &OWN, true);
    }

    #[test]
    fn every_flag_of_serve_reaches_its_option() {
        for of in service::ALL.iter().filter(|of| of.of != Of::Up) {
            let flag = of.flag().expect("has one");
            let value = of.default_value().unwrap_or(of.example);
            let args = match of.kind {
                Kind::Switch => vec![flag.as_str()],
                _ => vec![flag.as_str(), value],
            };
            let settings = Settings::of(serve(&args).flags(), Layer::default()).expect("good");
            assert!(settings.is_said(of), "{flag}");
        }
    }

    #[test]
    fn a_worker_refuses_what_is_a_controllers_and_the_other_way_round() {
        for flag in [&["--http", ":1"][..], &["--no-worker"], &["--config", "x"]] {
            let failure = serve(flag).into_worker().expect_err("refused");
            assert!(failure.line.starts_with(flag[0]), "{}", failure.line);
        }
        let worker = serve(&[]).into_worker().expect("defaults");
        assert_eq!(
            worker.listen.map(|at| at.to_string()).as_deref(),
            Some(":9091")
        );
        let dials = serve(&["--controller", "127.0.0.1:1"]).into_worker();
        assert_eq!(dials.expect("good").listen, None);
        let nowhere = Dirs::below(std::path::Path::new("/nowhere"));
        let dials = serve(&["--controller", "127.0.0.1:1"]);
        assert!(dials.into_controller(Role::Dual, nowhere).is_err());
    }

    #[test]
    fn only_a_dual_node_runs_a_local_worker() {
        let plan = |role| {
            let nowhere = Dirs::below(std::path::Path::new("/nowhere"));
            serve(&[]).into_controller(role, nowhere).expect("complete")
        };
        assert!(plan(Role::Dual).worker.is_some());
        assert!(plan(Role::Controller).worker.is_none());
    }
}
