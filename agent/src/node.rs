//! `node serve` for the role worker: from a configuration to a working rig, and to its end.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;

use async_signal::{Signal, Signals};
use log::{info, warn};
use miner_engine::EngineError;
use miner_shared::identity::{EnrolToken, Fingerprint, PairingCode, Role};
use miner_shared::mdns::Instance;
use miner_shared::text::Address;
use smol::LocalExecutor;
use smol::channel::Receiver;
use smol::future;
use smol::net::TcpListener;
use smol::stream::StreamExt;

use crate::cli::{Exit, Failure, qr, say};
use crate::clock::Clock;
use crate::lan;
use crate::link::{self, Me, Target, Way};
use crate::logger;
use crate::mining::tuned::Tuned;
use crate::mining::{Miner, MinerConfig};
use crate::platform::{self, machine::MachineEnd};
use crate::report::Reporter;
use crate::rig::{Limits, Mine, Parts, Rig, Supervisor};
use crate::store::{Dirs, NodeStore, system_rng};
use crate::system;
use crate::tls::SpkiPin;
use crate::url::ControllerUrls;

/// Peers have this long to take the end of the program, in milliseconds.
const CLOSE_MS: u64 = 1_000;

/// What a rig needs to know to serve.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where its files are.
    pub dirs: Dirs,
    /// The owner's word on the machine; without one `owner.toml` beside `node.json`, if it is there.
    pub owner: Option<PathBuf>,
    /// Where it waits for controllers, if it does.
    pub listen: Option<ListenAddress>,
    /// Whether the local network is told that it waits there.
    pub announce: bool,
    /// Where it dials its controller, if it does.
    pub controller: Option<ControllerUrls>,
    /// The key that TLS has to prove there; any, if none is given.
    pub tls_pin: Option<SpkiPin>,
    /// Fingerprint of that controller, pinned at start; otherwise the token's controller or the first
    /// manager is expected.
    pub fingerprint: Option<Fingerprint>,
    /// Enrolment token of that controller: who registers this rig is pinned.
    pub token: Option<EnrolToken>,
    /// Light mode, whatever the profile says.
    pub light: bool,
    /// Hash threads, 1 to [`miner_shared::limits::MAX_THREADS`], whatever the profile says.
    pub threads: Option<u16>,
    /// The machine is there for this rig: a manager may restart it and switch it off.
    pub owns_machine: bool,
    /// End when standard input ends: the parent is gone.
    pub with_parent: bool,
    /// File of a supervisor, which learns there how the rig does and ends the machine where a manager says so.
    pub supervised: Option<PathBuf>,
    /// Least serious records that are logged.
    pub log_level: log::LevelFilter,
}

/// Serves until SIGTERM, SIGINT, or the parent's end. Blocks; ends within 2 s of the signal.
pub fn serve(config: ServeConfig) -> Result<(), Failure> {
    let signals = Signals::new([Signal::Term, Signal::Int]).map_err(Failure::new)?;
    let parent = config.with_parent.then(parent_end);
    let clock = Clock::start();
    let confined = platform::no_exec::forbid_programs();
    let node = Serving::start(config, clock, |config| {
        let now = Arc::new(move || clock.now());
        Ok(Rc::new(Miner::start(config, now)?))
    })?;
    node.introduce();
    if let Err(error) = confined {
        info!("the kernel does not watch that no program is started error={error}");
    }
    let end = smol::block_on(node.run(stop(signals, parent)));
    info!("stopped");
    end.map_or(Ok(()), |how| Err(left_to_supervisor(how)))
}

/// What `miner tune` kept, if it can be read: a rig that cannot read it mines all the same.
fn tuned(store: &NodeStore) -> Option<Tuned> {
    match store.tuning() {
        Ok(tuned) => {
            if let Some(tuned) = tuned {
                info!("tuned: {tuned}");
            }
            tuned
        }
        Err(error) => {
            warn!("not tuned: {error}");
            None
        }
    }
}

/// How the program ends so that its supervisor ends the machine.
fn left_to_supervisor(how: MachineEnd) -> Failure {
    let (exit, what) = match how {
        MachineEnd::Reboot => (Exit::Reboot, "starts anew"),
        MachineEnd::PowerOff => (Exit::PowerOff, "is switched off"),
    };
    Failure {
        exit,
        line: format!("the machine {what}"),
    }
}

/// A rig that is ready to serve. What [`serve`] runs; tests run it with a miner of their own.
pub struct Serving {
    rig: Rc<Rig>,
    executor: Rc<LocalExecutor<'static>>,
    listener: Option<(TcpListener, SocketAddr)>,
    announce: bool,
    dial: Option<Target>,
    pairing: Option<PairingCode>,
    /// How the supervisor is to end the machine, if there is one and a manager says so.
    machine_ends: Receiver<MachineEnd>,
    /// Keeps other processes from serving under this identity.
    _claim: File,
}

impl Serving {
    /// Makes the identity if there is none, binds the port, goes on with the state on disk.
    pub fn start(
        config: ServeConfig,
        clock: Clock,
        make_miner: impl FnOnce(MinerConfig) -> Result<Rc<dyn Mine>, EngineError>,
    ) -> Result<Self, Failure> {
        let log = logger::start(config.log_level, clock);
        let store = NodeStore::new(config.dirs.clone()).under_owner(config.owner.as_deref())?;
        // A token admits workers only, so a rig that is made by one is a worker and no more.
        let role = match config.token {
            Some(_) => Role::Worker,
            None => Role::Dual,
        };
        let node = store.load_or_create(platform::host_name(), role, &mut system_rng())?;
        if config.token.is_some() && node.role != Role::Worker {
            return Err(Failure::new(format!(
                "a token admits workers only, and this node's role is {}; add the rig by its \
                 fingerprint, or give it a key of its own with `node init --role worker`",
                node.role
            )));
        }
        if !node.role.contains(Role::Worker) {
            return Err(Failure::new(
                "this node is a controller and no worker; `miner-ctrl node serve` runs it",
            ));
        }
        let claim = store.claim()?;
        let dial = dial_target(&config, &store, node.fingerprint())?;
        let listener = config.listen.as_ref().map(bind).transpose()?;
        let pairing = match &listener {
            Some(_) if store.managers()?.is_empty() => Some(match store.pairing() {
                // A restart does not take back what the owner has just read.
                Some(code) => code,
                None => store.new_pairing(&mut system_rng())?,
            }),
            _ => None,
        };
        let owner = store.owner();
        let limits = Limits {
            light: config.light || owner.is_some_and(|owner| owner.light),
            threads: config.threads,
            max_threads: owner.and_then(|owner| owner.max_threads),
            owns_machine: config.owns_machine,
            tuned: tuned(&store),
        };
        if let Some(owner) = owner {
            info!("owner's word: {owner}");
        }
        let (ends, machine_ends) = smol::channel::bounded(1);
        let supervisor = match &config.supervised {
            None => None,
            Some(path) => Some(Supervisor {
                system: system::beside(path),
                reporter: Reporter::open(path)
                    .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?,
                ends,
            }),
        };
        let executor = Rc::new(LocalExecutor::new());
        let rig = Rig::new(Parts {
            name: node.name.clone(),
            me: Me::from(node),
            store,
            clock,
            log,
            miner: make_miner(MinerConfig::default())?,
            limits,
            link: link_words(&config),
            supervisor,
            executor: Rc::downgrade(&executor),
        })?;
        Ok(Self {
            rig,
            executor,
            listener,
            announce: config.announce,
            dial,
            pairing,
            machine_ends,
            _claim: claim,
        })
    }

    /// Where it listens, if it does; the port is the real one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    /// The code by which the first manager may pair, if there is no manager yet.
    pub const fn pairing(&self) -> Option<&PairingCode> {
        self.pairing.as_ref()
    }

    /// The node's identity.
    pub fn fingerprint(&self) -> Fingerprint {
        self.rig.me().fingerprint()
    }

    /// Works until `stop` is ready or its supervisor is to end the machine, then closes everything.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Option<MachineEnd> {
        let Self {
            rig,
            executor,
            listener,
            announce,
            dial,
            machine_ends,
            _claim,
            ..
        } = self;
        let clock = rig.clock;
        executor.spawn(Rc::clone(&rig).tick()).detach();
        let mut announcing = None;
        if let Some((listener, address)) = listener {
            if announce {
                announcing = Some(executor.spawn(announce_for_ever(Rc::clone(&rig), address)));
            }
            let tasks = Rc::downgrade(&executor);
            executor
                .spawn(link::listen_for_ever(Rc::clone(&rig), listener, tasks))
                .detach();
        }
        if let Some(target) = dial {
            executor
                .spawn(link::dial_for_ever(Rc::clone(&rig), target))
                .detach();
        }
        let stop = async {
            stop.await;
            None
        };
        let machine_ends = async {
            match machine_ends.recv().await {
                Ok(how) => Some(how),
                // Nobody supervises: it is never said.
                Err(_) => future::pending().await,
            }
        };
        let end = async {
            let end = future::or(stop, machine_ends).await;
            if let Some(announcing) = announcing {
                announcing.cancel().await;
            }
            // Peers are told, as long as they take it.
            let late = async {
                clock.timer_at(clock.now() + CLOSE_MS).await;
            };
            future::or(rig.sessions.stop(), late).await;
            end
        };
        executor.run(end).await
    }

    /// Tells the person at the console what to do next. The pairing code goes nowhere else.
    fn introduce(&self) {
        let fingerprint = self.fingerprint();
        say(format_args!("node ID      {}", fingerprint.node_id()));
        say(format_args!("fingerprint  {fingerprint}"));
        if let Some(address) = self.address() {
            say(format_args!("listening    {address}"));
        }
        if let Some(Target { urls, .. }) = &self.dial {
            say(format_args!("dialling     {urls}"));
        }
        if let Some(code) = &self.pairing {
            say(format_args!("pairing code {code}"));
            qr::show(code);
            say("the code is good once, up to 15 minutes; `miner peer pair` makes a new one");
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serving({})", self.fingerprint().node_id())
    }
}

/// Announces this rig on the local network, under the key that it has, for ever.
async fn announce_for_ever(rig: Rc<Rig>, listening: SocketAddr) {
    let changes = rig.changes();
    loop {
        let me = rig.me();
        let instance = Instance {
            name: me.node.card().name.clone(),
            role: me.node.role(),
            fingerprint: me.fingerprint(),
            port: listening.port(),
        };
        let another_key = async { while rig.is_me(&me) && changes.recv().await.is_ok() {} };
        future::or(another_key, lan::announce(instance, listening, rig.clock)).await;
    }
}

/// How controllers and this rig find each other, in words.
fn link_words(config: &ServeConfig) -> &'static str {
    match (&config.controller, &config.listen, &config.tls_pin) {
        (Some(urls), _, Some(_)) if urls.is_tls() => "SMSG through TLS with a pinned key; dials",
        (Some(urls), ..) if urls.is_tls() => "SMSG through TLS; dials",
        (Some(_), Some(_), _) => "SMSG; dials, and listens",
        (Some(_), None, _) => "SMSG; dials, no port is open here",
        (None, ..) => "SMSG; listens",
    }
}

/// Whom to dial, and how.
fn dial_target(
    config: &ServeConfig,
    store: &NodeStore,
    own: Fingerprint,
) -> Result<Option<Target>, Failure> {
    let Some(urls) = config.controller.clone() else {
        return Ok(None);
    };
    if let (Some(token), Some(given)) = (&config.token, config.fingerprint)
        && given.prefix() != *token.controller()
    {
        return Err(Failure::usage(
            "the token is of another controller than --fingerprint says",
        ));
    }
    let pinned = store.managers()?;
    // What a service file names may have a new key since.
    let given = config.fingerprint.map(|key| pinned.current(key));
    if let Some(pin) = given {
        store.pin_manager(own, pin)?;
    }
    let way = match (&config.token, given) {
        (Some(token), given) => {
            let vouched = |key: &Fingerprint| key.prefix() == *token.controller();
            match pinned.named(vouched) {
                Some(pin) if pinned.contains(&pin) => Way::by_key(pin, Some(token.clone())),
                known => Way::by_token(token.clone(), given.or(known)),
            }
        }
        (None, given) => match given.or_else(|| pinned.first()) {
            Some(pin) => Way::by_key(pin, None),
            None => return Err(nobody_to_expect()),
        },
    };
    Ok(Some(Target {
        urls,
        tls_pin: config.tls_pin,
        way,
    }))
}

fn nobody_to_expect() -> Failure {
    Failure {
        exit: Exit::NeedsConsent,
        line: String::from(
            "no controller is pinned; add --token-file with a token of its `token create`, or \
             --fingerprint with what `miner-ctrl node info` shows",
        ),
    }
}

fn bind(listen: &ListenAddress) -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |e: std::io::Error| {
        let hint = match e.kind() {
            std::io::ErrorKind::AddrInUse => "; --listen :PORT chooses another one",
            _ => "",
        };
        Failure::new(format!("cannot listen on {listen}: {e}{hint}"))
    };
    let mut error = std::io::ErrorKind::AddrNotAvailable.into();
    for candidate in listen.candidates().map_err(failed)? {
        match std::net::TcpListener::bind(candidate) {
            Ok(listener) => {
                let address = listener.local_addr().map_err(failed)?;
                let listener = smol::Async::new(listener).map_err(failed)?;
                return Ok((listener.into(), address));
            }
            Err(e) => error = e,
        }
    }
    Err(failed(error))
}

async fn stop(mut signals: Signals, parent: Option<Receiver<()>>) {
    let signal = async {
        signals.next().await;
        info!("stopping: signal");
    };
    let parent = async {
        match parent {
            // Nothing is ever sent: the channel closes when standard input ends.
            Some(parent) => drop(parent.recv().await),
            None => future::pending().await,
        }
        info!("stopping: standard input ended");
    };
    future::or(signal, parent).await;
}

/// A channel that closes when standard input ends. A thread reads it: not every kind of file can be
/// waited for, and a thread that blocks costs nothing.
fn parent_end() -> Receiver<()> {
    let (sender, receiver) = smol::channel::bounded(1);
    std::thread::spawn(move || {
        let _held_until_the_end = sender;
        let mut byte = [0];
        while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
    });
    receiver
}

/// `[HOST]:PORT` to listen on; without a host all addresses, port 0 for any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: Option<String>,
    port: u16,
}

impl ListenAddress {
    /// The addresses to try, in order: the first that can be bound is it.
    pub fn candidates(&self) -> std::io::Result<Vec<SocketAddr>> {
        use std::net::ToSocketAddrs;
        match &self.host {
            Some(host) => Ok((host.as_str(), self.port).to_socket_addrs()?.collect()),
            // The first takes IPv4 as well; the second is for kernels without IPv6.
            None => Ok(vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)),
            ]),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = NotToListenOn;

    fn from_str(text: &str) -> Result<Self, NotToListenOn> {
        let (host, port) = text.rsplit_once(':').ok_or(NotToListenOn)?;
        let port = port.parse().map_err(|_| NotToListenOn)?;
        let host = if host.is_empty() {
            None
        } else {
            // The rule of addresses, asked with a port that it accepts.
            let address = Address::parse(&format!("{host}:1")).map_err(|_| NotToListenOn)?;
            Some(address.host_port().0.to_owned())
        };
        Ok(Self { host, port })
    }
}

/// A text that is no [`ListenAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotToListenOn;

impl fmt::Display for NotToListenOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not [HOST]:PORT, such as :9091")
    }
}

impl std::error::Error for NotToListenOn {}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_means_all_addresses() {
        let listen: ListenAddress = ":9091".parse().expect("the page's form");
        let candidates = listen.candidates().expect("no lookup");
        assert_eq!(candidates[0], "[::]:9091".parse().expect("valid"));
        assert_eq!(candidates[1], "0.0.0.0:9091".parse().expect("valid"));
        assert_eq!(listen.to_string(), ":9091");
    }

    #[test]
    fn a_host_narrows_it_and_nonsense_is_refused() {
        for text in ["127.0.0.1:0", "[::1]:9091", "rig.local:9091"] {
            let listen: ListenAddress = text.parse().expect(text);
            assert_eq!(listen.to_string(), text);
        }
        for text in ["9091", ":", ":65536", "::1:9091", "a b:1"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}
