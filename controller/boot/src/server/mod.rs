//! The sockets, and who looks after them.
//!
//! | port | what | |
//! |---|---|---|
//! | 67/udp | questions of all the network's machines | broadcasts only, so that a DHCP server on this machine keeps what is sent to it |
//! | 4011/udp | questions to boot servers | |
//! | 69/udp | TFTP | each transfer has a port of its own |
//! | 7402/tcp | HTTP | |
//!
//! All are bound to one interface, and those with an address to that of [`Lan`]. Ports below 1024 need
//! root or `CAP_NET_BIND_SERVICE`.

mod lan;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miner_shared::dhcp::{BOOT_SERVER_PORT, CLIENT_PORT, Mac, SERVER_PORT};
use miner_shared::gate::Bucket;
use miner_shared::limits::{MAX_DHCP_MESSAGE, MAX_DHCP_READ};
use miner_shared::time::Millis;
use smol::channel::Receiver;
use smol::{Async, Executor, Timer};

pub use self::lan::Lan;
use crate::clock::Clock;
use crate::door::lock;
use crate::files::{Content, FileName, Table};
use crate::limits::QUESTION_RATE;
use crate::progress::{Event, Progress, Rig, Step};
use crate::proxy::{self, Port, Recipient, Server, Silence};
use crate::{http, tftp};

/// After a failed accept or receive (out of memory, say), before the next.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Where to listen. Port 0 takes any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Where rigs without an address ask.
    pub dhcp: SocketAddrV4,
    /// Where they hear the answer.
    pub clients: SocketAddrV4,
    /// UDP port of the boot server.
    pub boot_server: u16,
    /// UDP port of TFTP.
    pub tftp: u16,
    /// TCP port of HTTP.
    pub http: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            dhcp: SocketAddrV4::new(Ipv4Addr::BROADCAST, SERVER_PORT),
            clients: SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
            boot_server: BOOT_SERVER_PORT,
            tftp: 69,
            http: 7402,
        }
    }
}

/// What all parts of the server know.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) lan: Lan,
    pub(crate) clock: Clock,
    table: Mutex<Arc<Table>>,
    progress: Mutex<Progress>,
}

impl State {
    pub(crate) fn new(lan: Lan, table: Table) -> Self {
        Self {
            lan,
            clock: Clock::start(),
            table: Mutex::new(Arc::new(table)),
            progress: Mutex::default(),
        }
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&lock(&self.table))
    }

    /// The bytes of a file; `None` if there is none of this name.
    pub(crate) fn open(&self, name: FileName) -> Option<Content> {
        self.table().open(name)
    }

    pub(crate) fn events(&self) -> Receiver<Event> {
        lock(&self.progress).events()
    }

    pub(crate) fn record(&self, mac: Mac, step: Step) {
        lock(&self.progress).record(self.clock.now(), mac, step);
    }

    pub(crate) fn sent(&self, mac: Mac, bytes: u64) {
        lock(&self.progress).sent(self.clock.now(), mac, bytes);
    }
}

/// A hold on a server that runs: what it serves, and what it saw.
#[derive(Clone, Debug)]
pub struct Handle(Arc<State>);

impl Handle {
    /// Serves this from now on; transfers that run go on with what they began with.
    pub fn set_table(&self, table: Table) {
        *lock(&self.0.table) = Arc::new(table);
    }

    /// Steps of rigs from now on; see [`Progress::events`].
    pub fn events(&self) -> Receiver<Event> {
        self.0.events()
    }

    /// The server's time.
    pub fn now(&self) -> Millis {
        self.0.clock.now()
    }

    /// Bytes of a file of this rig, if it has it.
    pub fn length(&self, name: FileName) -> Option<u64> {
        self.0.open(name).map(|content| content.len())
    }

    /// How far each rig has come.
    pub fn rigs(&self) -> Vec<(Mac, Rig)> {
        lock(&self.0.progress).rigs().collect()
    }

    /// Notes that the agent of a rig is there.
    pub fn linked(&self, mac: Mac) {
        self.0.record(mac, Step::Linked);
    }
}

/// A boot server that listens and has yet to run.
#[derive(Debug)]
pub struct BootServer {
    state: Arc<State>,
    clients: SocketAddrV4,
    dhcp: Async<UdpSocket>,
    boot_server: Async<UdpSocket>,
    tftp: Async<UdpSocket>,
    http: Async<TcpListener>,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// UDP, for rigs without an address.
    pub dhcp: SocketAddr,
    /// UDP, for questions to boot servers.
    pub boot_server: SocketAddr,
    /// UDP.
    pub tftp: SocketAddr,
    /// TCP.
    pub http: SocketAddr,
}

impl BootServer {
    /// Binds the sockets; nothing is answered before [`Self::run`].
    ///
    /// # Errors
    /// Which port cannot be had, and why.
    pub fn bind(lan: Lan, ports: Ports, table: Table) -> io::Result<Self> {
        let named = |what: &'static str, port: u16| {
            move |error: io::Error| {
                io::Error::new(error.kind(), format!("port {port} for {what}: {error}"))
            }
        };
        let dhcp = lan
            .shared_udp(ports.dhcp)
            .map_err(named("boot questions", ports.dhcp.port()))?;
        let boot_server = lan
            .udp(lan.address, ports.boot_server)
            .map_err(named("boot servers", ports.boot_server))?;
        let tftp = lan
            .udp(lan.address, ports.tftp)
            .map_err(named("TFTP", ports.tftp))?;
        let http = lan.tcp(ports.http).map_err(named("HTTP", ports.http))?;
        Ok(Self {
            state: Arc::new(State::new(lan, table)),
            clients: ports.clients,
            dhcp,
            boot_server,
            tftp,
            http,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the system.
    pub fn addresses(&self) -> io::Result<Addresses> {
        Ok(Addresses {
            dhcp: self.dhcp.get_ref().local_addr()?,
            boot_server: self.boot_server.get_ref().local_addr()?,
            tftp: self.tftp.get_ref().local_addr()?,
            http: self.http.get_ref().local_addr()?,
        })
    }

    /// A hold on it that outlives [`Self::run`].
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.state))
    }

    /// Serves until `stop` is ready, with an executor of its own. Transfers that run then end with it. The
    /// future is `Send` and runs anywhere.
    ///
    /// # Errors
    /// Those of the system, before anything is served.
    pub async fn run(self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let executor = Arc::new(Executor::new());
        let server = Server {
            address: self.state.lan.address,
            http_port: self.http.get_ref().local_addr()?.port(),
        };
        let ask = |socket, port| Questions {
            socket,
            port,
            server,
            clients: self.clients,
            state: Arc::clone(&self.state),
        };
        let state = || (Arc::clone(&self.state), Arc::clone(&executor));
        let tasks = [
            executor.spawn(ask(self.dhcp, Port::Dhcp).serve()),
            executor.spawn(ask(self.boot_server, Port::BootServer).serve()),
            executor.spawn({
                let (state, executor) = state();
                tftp::serve(self.tftp, state, executor)
            }),
            executor.spawn({
                let (state, executor) = state();
                http::serve(self.http, state, executor)
            }),
        ];
        let until_told = async {
            stop.await;
            // They hold the executor, which holds them: only what is cancelled gives its port back.
            for task in tasks {
                task.cancel().await;
            }
        };
        executor.run(until_told).await;
        Ok(())
    }
}

/// One socket of DHCP.
struct Questions {
    socket: Async<UdpSocket>,
    port: Port,
    server: Server,
    clients: SocketAddrV4,
    state: Arc<State>,
}

impl Questions {
    async fn serve(self) {
        let (mut asked, mut out) = (vec![0; MAX_DHCP_READ + 1], vec![0; MAX_DHCP_MESSAGE]);
        let mut bucket = Bucket::default();
        loop {
            let (length, from) = match self.socket.recv_from(&mut asked).await {
                Ok(received) => received,
                Err(error) => {
                    log::debug!("boot question not received error={error}");
                    Timer::after(PAUSE).await;
                    continue;
                }
            };
            if bucket.take(QUESTION_RATE, self.state.clock.now()) {
                let asked = asked.get(..length).unwrap_or_default();
                self.answer(asked, from, &mut out).await;
            }
        }
    }

    async fn answer(&self, asked: &[u8], from: SocketAddr, out: &mut [u8]) {
        if self.port == Port::BootServer && !self.state.lan.contains(from.ip()) {
            log::debug!("boot question from elsewhere passed over from={from}");
            return;
        }
        let table = self.state.table();
        let has = |name: FileName| {
            table
                .recipe(name.mac)
                .is_some_and(|recipe| recipe.has(name.file))
        };
        let answer = match proxy::answer(asked, self.port, self.server, has, out) {
            Ok(answer) => answer,
            Err(silence) => return self.keep_silent(asked, silence),
        };
        let to = match answer.to {
            Recipient::Everybody => self.clients.into(),
            Recipient::Sender => from,
        };
        let mac = answer.name.mac;
        self.state.record(mac, Step::Asked);
        match self.socket.send_to(answer.bytes, to).await {
            Ok(_) => self.state.record(mac, Step::Offered(answer.name.file)),
            Err(error) => log::warn!("boot answer not sent rig={mac} to={to} error={error}"),
        }
    }

    /// Only a rig that wants to boot and is not on the list of those that may is worth a word.
    fn keep_silent(&self, asked: &[u8], silence: Silence) {
        match silence {
            Silence::Architecture(_) | Silence::NoFile(_) | Silence::TooLong => {
                if let Some(mac) = proxy::booting(asked) {
                    self.state.record(mac, Step::Asked);
                    self.state.record(mac, Step::NotOffered(silence));
                }
            }
            _ => log::trace!("boot question passed over: {silence}"),
        }
    }
}
