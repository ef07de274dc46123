//! `up` and `node serve`: everything that a serving controller runs, from start to end.
//!
//! ```text
//!   lock ─▶ identity ─▶ registry ─▶ Farm ─┬─ SMSG listener :9091 ◀══ rigs; announced by mDNS
//!                                         ├─ API and page 127.0.0.1:9090 ◀── browser, CLI
//!                                         ├─ practice pool 127.0.0.1:3333 ◀── stratum
//!                                         └─ local worker: a child process that dials :9091
//!   SIGINT, SIGTERM, SIGHUP ─▶ child ends, links close, ports free: within 2 s, exit code 0
//! ```
//!
//! What is missing is made: the key on the first run, the registry, with `--tls` a certificate, the local worker's identity, the
//! profile it mines with. Nothing of it is special afterwards; every verb works on it.

mod args;
mod descriptors;
mod local;
mod profile;
mod report;
mod worker;

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use async_signal::{Signal, Signals};
use miner_agent::cli::Failure;
use miner_agent::clock::Clock as AgentClock;
use miner_agent::node::ListenAddress;
use miner_agent::store::{Dirs, Node, NodeStore, system_rng};
use miner_agent::url::ControllerUrl;
use miner_agent::{lan, logger, platform};
use miner_proxy::practice::{PracticeConfig, PracticePool};
use miner_shared::identity::{Fingerprint, Role};
use miner_shared::mdns::Instance;
use miner_shared::smsg::LocalNode;
use miner_shared::text::{Address, Label, PoolPass, PoolUser};
use miner_shared::wire::NodeCard;
use smol::channel::Sender;
use smol::stream::StreamExt;
use smol::{Async, Executor, Task};

pub use self::args::{HttpAddress, Up};
pub(crate) use self::args::{HttpPlan, log_level};
use self::local::{Controller, LocalRig};
use self::report::Report;
use crate::api::{self, Api, Guard};
use crate::cli::instance::{self, Announced, ApiAt, Lock};
use crate::clock::Clock;
use crate::farm::Farm;
use crate::history::History;
use crate::journal::Journal;
use crate::registry::RedbStore;
use crate::scope::Scope;
use crate::tls::{Speaks, Tls, TlsPlan};

/// What to run, and where.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the files are.
    pub(crate) dirs: Dirs,
    /// Where rigs dial in.
    pub(crate) listen: ListenAddress,
    /// Whether the local network is told where that is.
    pub(crate) announce: bool,
    /// Where API and page are.
    pub(crate) http: HttpPlan,
    /// What the local worker mines on.
    pub(crate) pool: PoolPlan,
    /// The local worker, if there is to be one.
    pub(crate) worker: Option<WorkerPlan>,
    /// Both ports speak TLS, with this certificate.
    pub(crate) tls: Option<TlsPlan>,
    /// Least serious records that are logged.
    pub(crate) log_level: log::LevelFilter,
}

/// What the local worker mines on.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one lives, for the length of a start"
)]
pub(crate) enum PoolPlan {
    /// Whatever its registry entry says.
    None,
    /// The built-in practice pool, which listens here.
    Practice(SocketAddr),
    /// A real pool.
    Real {
        address: Address,
        user: PoolUser,
        pass: PoolPass,
    },
}

/// How the local worker runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerPlan {
    /// Light mode, whatever a profile says.
    pub(crate) light: bool,
    /// Hash threads, whatever a profile says.
    pub(crate) threads: Option<u16>,
}

/// This node as its links show it, from now until the process ends.
pub(crate) fn local_node(node: Node) -> Result<LocalNode, Failure> {
    if !node.role.contains(Role::Controller) {
        return Err(Failure::new(
            "this node is a worker, and a controller is needed for that; \
             `node serve` runs a worker, `node init --role dual` in another data directory makes both",
        ));
    }
    let mut boot_id = [0; 16];
    getrandom::fill(&mut boot_id).map_err(Failure::new)?;
    let card = NodeCard {
        name: node.name,
        software: Label::lossy(concat!("miner-ctrl ", env!("CARGO_PKG_VERSION"))),
        host: Label::lossy(&format!(
            "{} {}",
            std::env::consts::OS,
            std::env::consts::ARCH
        )),
    };
    Ok(LocalNode::new(node.keys, node.role, boot_id, card).with_chain(node.chain))
}

/// Serves until SIGINT, SIGTERM or SIGHUP.
pub(crate) fn serve(plan: Plan) -> Result<(), Failure> {
    logger::start(plan.log_level, AgentClock::start());
    let executor = Arc::new(Executor::new());
    smol::block_on(executor.run(async {
        // Before anything is started, so that an early signal ends it as cleanly as a late one.
        let mut signals = Signals::new([Signal::Int, Signal::Term, Signal::Hup])?;
        let running = Running::start(plan, &executor).await?;
        signals.next().await;
        running.end().await;
        Ok(())
    }))
}

/// All that runs.
struct Running {
    lock: Lock,
    /// Keeps an agent from serving under the controller's key.
    _claim: File,
    farm: Arc<Farm>,
    local: Option<LocalRig>,
    practice: Option<Practice>,
    report: Arc<Report>,
    announcing: Option<Task<()>>,
}

/// The practice pool, running.
struct Practice {
    /// Dropping it tells the pool to end.
    stop: Sender<()>,
    task: Task<()>,
}

impl Running {
    async fn start(plan: Plan, executor: &Arc<Executor<'static>>) -> Result<Self, Failure> {
        let lock = lock(&plan.dirs)?;
        let store = NodeStore::new(plan.dirs.clone());
        let node = store.load_or_create(platform::host_name(), Role::Dual, &mut system_rng())?;
        let claim = store.claim()?;
        let (fingerprint, chain) = (node.fingerprint(), node.chain.clone());
        let (name, role) = (node.name.clone(), node.role);
        let registry = RedbStore::open(lock.folder()).map_err(Failure::new)?;
        let farm = Farm::open(Box::new(registry), local_node(node)?, Clock::start())
            .map_err(Failure::new)?;

        remember(&farm, lock.folder());
        let (links, peers) = (
            descriptors::raise(),
            farm.node_info().map_err(Failure::new)?,
        );
        if links < peers.registered_peers {
            log::warn!(
                "too few open files for all rigs links={links} rigs={}: allow more, \
                 with LimitNOFILE= in the unit or ulimit -n",
                peers.registered_peers
            );
        }

        let speaks = Speaks::open(plan.tls.as_ref(), lock.folder()).map_err(Failure::new)?;

        // All ports before anything runs: a port in use ends the start without a trace.
        let http = bind(plan.http.address)?;
        let practice = bind_practice(&plan.pool).await?;
        farm.run(executor);
        farm.serve();
        let smsg_at = listen(&farm, &plan.listen, &speaks)?;
        let (api, announced) = serve_api(http, &plan.http, &farm, &plan.dirs, &speaks, executor)?;
        let api_at = announced.at;
        lock.announce(&announced)?;
        let announcing = plan.announce.then(|| {
            let instance = Instance {
                name,
                role,
                fingerprint,
                port: smsg_at.port(),
            };
            executor.spawn(lan::announce(instance, smsg_at, AgentClock::start()))
        });

        let report = Report::start(&farm, executor);
        let practice_at = practice.as_ref().map(PracticePool::address);
        banner(&report, &api, fingerprint, smsg_at, &speaks);
        if let Some(practice) = practice_at {
            report.line(&format!("practice pool  {practice}"));
        }
        if let PoolPlan::Real { address, .. } = &plan.pool {
            report.line(&format!("pool           {address}"));
        }
        let practice = practice.map(|pool| run_practice(pool, &report, executor));
        let local = match plan.worker {
            None => None,
            Some(worker) => {
                let controller = Controller {
                    fingerprint,
                    // Through TLS if it is on, so that the owner's own rig shows that it works.
                    url: ControllerUrl {
                        tls: api_at.tls.is_some(),
                        address: Address::parse(&reached_at(smsg_at).to_string())?,
                    },
                    tls_pin: api_at.tls,
                };
                let rig = LocalRig::start(
                    &plan.dirs,
                    (controller, &chain),
                    worker,
                    &farm,
                    &report,
                    executor,
                );
                Some(rig.await?)
            }
        };
        let running = Self {
            lock,
            _claim: claim,
            farm,
            local,
            practice,
            report,
            announcing,
        };
        running.mine(plan.pool, practice_at, plan.worker, executor)?;
        Ok(running)
    }

    /// Makes the profile that `up` mines with, and tells the local worker to.
    fn mine(
        &self,
        pool: PoolPlan,
        practice_at: Option<SocketAddr>,
        worker: Option<WorkerPlan>,
        executor: &Arc<Executor<'static>>,
    ) -> Result<(), Failure> {
        let Some(wanted) = profile::wanted(pool, practice_at, worker)? else {
            return Ok(());
        };
        let (farm, report) = (Arc::clone(&self.farm), Arc::clone(&self.report));
        let rig = self.local.as_ref().map(LocalRig::id);
        executor
            .spawn(async move {
                if let Err(error) = profile::mine(&farm, rig, wanted, &report).await {
                    report.line(&format!("not mining: {error}"));
                }
            })
            .detach();
        Ok(())
    }

    async fn end(self) {
        self.report.last("ending");
        self.lock.silence();
        if let Some(announcing) = self.announcing {
            announcing.cancel().await;
        }
        if let Some(local) = self.local {
            local.end().await;
        }
        let pool = async {
            if let Some(Practice { stop, task }) = self.practice {
                drop(stop);
                task.await;
            }
        };
        smol::future::zip(self.farm.end(), pool).await;
    }
}

fn lock(dirs: &Dirs) -> Result<Lock, Failure> {
    if let Some(lock) = Lock::take(dirs.data())? {
        return Ok(lock);
    }
    Err(match instance::announced(dirs.data())? {
        Some(api) => Failure::new(format!(
            "a controller runs on this data directory already: {}",
            api.at
        )),
        None => Failure::new("another command has the registry open; try again when it is done"),
    })
}

/// Gives the farm its events, its history and its releases; without them the controller runs all the same.
pub(crate) fn remember(farm: &Arc<Farm>, folder: &Path) {
    match Journal::open(folder) {
        Ok((journal, begun)) => farm.keep_events(journal, begun),
        Err(error) => {
            let folder = Journal::folder(folder);
            log::warn!(
                "events are not kept folder={} reason={error}",
                folder.display()
            );
        }
    }
    match History::open(folder, farm.now()) {
        Ok((history, found)) => farm.remember(history, found),
        Err(error) => {
            let file = History::file(folder);
            log::warn!("no history file={} reason={error}", file.display());
        }
    }
    if let Err(error) = farm.keep_releases(folder) {
        log::warn!("no releases for rigs reason={error}");
    }
}

fn bind(http: HttpAddress) -> Result<Async<TcpListener>, Failure> {
    Async::<TcpListener>::bind(http.0).map_err(|error| taken("--http", &http.0, &error, ""))
}

/// Serves API and page; where they are, and how the owner's commands are heard there.
fn serve_api(
    http: Async<TcpListener>,
    plan: &HttpPlan,
    farm: &Arc<Farm>,
    dirs: &Dirs,
    speaks: &Speaks,
    executor: &Arc<Executor<'static>>,
) -> Result<(Api, Announced), Failure> {
    let (address, tls) = (http.get_ref().local_addr()?, speaks.tls());
    let guard = Guard {
        address,
        tls: tls.is_some(),
        names: plan.names.clone(),
    };
    let api = Api::new(Arc::clone(farm), guard).of_node_in(dirs.clone());
    let tls = tls.cloned();
    let announced = Announced {
        at: ApiAt {
            address: reached_at(address),
            tls: tls.as_ref().map(Tls::pin),
        },
        token: api.access.own_token().clone(),
    };
    let router = api::router(api.clone());
    let serving = api::serve(http, tls, router, Arc::clone(executor));
    executor.spawn(serving).detach();
    Ok((api, announced))
}

async fn bind_practice(pool: &PoolPlan) -> Result<Option<PracticePool>, Failure> {
    let PoolPlan::Practice(listen) = *pool else {
        return Ok(None);
    };
    let config = PracticeConfig {
        listen,
        ..PracticeConfig::default()
    };
    match PracticePool::bind(config).await {
        Ok(pool) => Ok(Some(pool)),
        Err(error) => Err(taken("--pool-listen", &listen, &error, "")),
    }
}

/// Binds the first address that can be: with IPv6 if the kernel has it.
fn listen(
    farm: &Arc<Farm>,
    wanted: &ListenAddress,
    speaks: &Speaks,
) -> Result<SocketAddr, Failure> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in wanted.candidates()? {
        match farm.listen(address, speaks.clone()) {
            Ok(bound) => return Ok(bound),
            Err(error) => {
                let in_use = error.kind() == io::ErrorKind::AddrInUse;
                last = error;
                if in_use {
                    break;
                }
            }
        }
    }
    Err(taken(
        "--listen",
        wanted,
        &last,
        " (9091 is also Transmission's port)",
    ))
}

/// The line for a port that was not to be had; names the flag that changes it.
fn taken(flag: &str, at: &dyn std::fmt::Display, error: &io::Error, aside: &str) -> Failure {
    if error.kind() == io::ErrorKind::AddrInUse {
        return Failure::new(format!(
            "{at} is in use by another program{aside}; choose another port with {flag}"
        ));
    }
    Failure::new(format!("{at}: {error}; {flag} changes the address"))
}

fn run_practice(
    pool: PracticePool,
    report: &Arc<Report>,
    executor: &Arc<Executor<'static>>,
) -> Practice {
    let report = Arc::clone(report);
    let (stop, stopped) = smol::channel::bounded(1);
    let told = async move {
        // Nobody sends; the channel closes.
        let _ = stopped.recv().await;
    };
    let task = executor.spawn(async move {
        if let Err(error) = pool.run(system_rng(), told).await {
            report.line(&format!("practice pool ended: {error}"));
        }
    });
    Practice { stop, task }
}

fn banner(report: &Report, api: &Api, fingerprint: Fingerprint, smsg: SocketAddr, speaks: &Speaks) {
    report.line(&format!("page           {}", api.guard.home()));
    // A log keeps what it is told, and a code in it is a login for whoever reads logs.
    let login = match report.is_for_a_person() {
        true => format!("{} (once, within 15 minutes)", api.invite(Scope::Admin).url),
        false => "`miner-ctrl login` prints where".to_owned(),
    };
    report.line(&format!("log in         {login}"));
    report.line(&format!("node ID        {}", fingerprint.node_id()));
    report.line(&format!("fingerprint    {fingerprint}"));
    let dial_in = match speaks {
        Speaks::Plain => smsg.to_string(),
        Speaks::Both(_) => format!("{smsg} or wss://{smsg}"),
        Speaks::Only(_) => format!("wss://{smsg}"),
    };
    report.line(&format!("rigs dial in   {dial_in}"));
    if let Some(tls) = speaks.tls() {
        report.line(&format!("TLS pin        {}", tls.pin()));
        report.line(&format!("TLS SHA-256    {}", tls.fingerprint()));
    }
}

/// Where a program on this machine reaches a listener that is bound to `address`.
fn reached_at(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        // Also for `[::]`, which takes IPv4 as well.
        return SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_names_the_flag_that_changes_it() {
        let first = bind(HttpAddress("127.0.0.1:0".parse().expect("valid"))).expect("free");
        let at = first.get_ref().local_addr().expect("bound");
        let failure = bind(HttpAddress(at)).expect_err("taken");
        assert_eq!(
            failure.line,
            format!("{at} is in use by another program; choose another port with --http")
        );
    }

    #[test]
    fn the_local_worker_dials_loopback_wherever_the_listener_is_bound() {
        for (bound, dialled) in [
            ("0.0.0.0:9091", "127.0.0.1:9091"),
            ("[::]:9091", "127.0.0.1:9091"),
            ("192.0.2.1:7", "192.0.2.1:7"),
        ] {
            let bound = bound.parse().expect("valid");
            assert_eq!(reached_at(bound).to_string(), dialled);
        }
    }
}
