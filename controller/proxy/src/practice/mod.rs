//! The practice pool: a real stratum server over TCP whose blocks lead nowhere.
//!
//! ```text
//!   socket ── connection ── session ── stratum::Server ── claim ──▶ verifier thread: RandomX, light
//!     ▲           ▲            ▲                                        │
//!     └── lines ──┴────────────┴──────────────── verdict ◀──────────────┘
//!   chain (height, seed, blob) ── session: vardiff ──▶ job        door: bounds on connections
//! ```
//!
//! Any stratum miner can mine on it; every share is verified. `chain`, `vardiff` and `session` know
//! no socket and no clock and are tested with virtual time; `connection` drives them.

mod chain;
mod connection;
mod door;
mod session;
mod vardiff;
mod verifier;

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use miner_shared::mining::{Difficulty, Verdict};
use miner_shared::text::Label;
use rand_core::CryptoRng;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::or;
use smol::net::{TcpListener, TcpStream};
use smol::{Executor, Timer};

use self::chain::Chain;
use self::connection::Connection;
use self::door::Door;
use self::session::Work;
use self::verifier::{LightVerifier, Request, Verifier};
use crate::clock::Clock;

/// How a practice pool behaves.
#[derive(Clone, Debug)]
pub struct PracticeConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Time from block to block, in milliseconds.
    pub block_ms: u64,
    /// Height of the first block.
    pub first_height: u64,
    /// Difficulty of a miner's first job; from there on it follows the miner.
    pub start_difficulty: Difficulty,
}

impl Default for PracticeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3333)),
            block_ms: 30_000,
            first_height: 3_500_000,
            start_difficulty: vardiff::START,
        }
    }
}

/// A pool that listens and has yet to run.
#[derive(Debug)]
pub struct PracticePool {
    config: PracticeConfig,
    listener: TcpListener,
    address: SocketAddr,
    events: (Sender<PracticeEvent>, Receiver<PracticeEvent>),
}

/// What happened at the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PracticeEvent {
    /// A miner logged in.
    LoggedIn {
        /// Number of the connection, counted from 1.
        connection: u64,
        /// Its rig name, or the beginning of its login.
        miner: Label,
        /// Its program.
        agent: Label,
        /// Where it is.
        peer: SocketAddr,
    },
    /// A share got its verdict.
    Share {
        /// Number of the connection.
        connection: u64,
        /// As in [`Self::LoggedIn`].
        miner: Label,
        /// What became of it.
        verdict: Verdict,
        /// Difficulty of its job; `None` if it was refused before verification.
        difficulty: Option<Difficulty>,
        /// From the line to the answer, in milliseconds.
        latency_ms: u64,
    },
    /// A miner's connection ended.
    Left {
        /// Number of the connection.
        connection: u64,
        /// As in [`Self::LoggedIn`].
        miner: Label,
    },
    /// A new block: all miners got new jobs.
    Block {
        /// Its height.
        height: u64,
    },
    /// Events that nobody read in time and that are gone.
    Lost {
        /// How many.
        count: u64,
    },
}

impl fmt::Display for PracticeEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoggedIn {
                connection,
                miner,
                agent,
                ..
            } => {
                write!(
                    f,
                    "miner logged in miner={miner} agent={agent:?} connection={connection}"
                )
            }
            Self::Share {
                miner,
                verdict,
                difficulty,
                latency_ms,
                ..
            } => {
                let words = match verdict {
                    Verdict::Accepted => "share accepted",
                    Verdict::Stale => "share refused: stale",
                    Verdict::LowDifficulty => "share refused: low difficulty",
                    Verdict::Duplicate => "share refused: duplicate",
                    Verdict::Invalid => "share refused: wrong hash",
                    _ => "share refused",
                };
                write!(f, "{words} miner={miner}")?;
                if let Some(difficulty) = difficulty {
                    write!(f, " difficulty={difficulty}")?;
                }
                write!(f, " latency_ms={latency_ms}")
            }
            Self::Left { connection, miner } => {
                write!(f, "miner left miner={miner} connection={connection}")
            }
            Self::Block { height } => write!(f, "new block height={height}"),
            Self::Lost { count } => write!(f, "events not shown count={count}"),
        }
    }
}

/// How long the end waits for the verdicts on what was submitted, in milliseconds.
const END_MS: u64 = 400;
/// Events that wait for a reader.
const EVENTS: usize = 256;

impl PracticePool {
    /// Binds the listener; nothing is served before [`Self::run`].
    ///
    /// # Errors
    /// Those of the system, such as an address in use.
    pub async fn bind(config: PracticeConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(config.listen).await?;
        Ok(Self {
            address: listener.local_addr()?,
            config,
            listener,
            events: bounded(EVENTS),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens from now on. Beyond 256 unread ones, events are counted instead of kept.
    pub fn events(&self) -> Receiver<PracticeEvent> {
        self.events.1.clone()
    }

    /// Serves until `stop` is ready, with an executor of its own for the connections and a thread
    /// for verification (256 MiB from the first login on). Then it takes nothing more, answers what
    /// was submitted, for 400 ms at the most, and closes. The future is `Send` and runs anywhere.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub async fn run(
        self,
        rng: impl CryptoRng + Send + 'static,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        self.run_with(Box::new(rng), Box::new(LightVerifier::default()), stop)
            .await
    }

    async fn run_with(
        self,
        mut rng: Box<dyn CryptoRng + Send>,
        verifier: Box<dyn Verifier>,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let clock = Clock::start();
        let chain = Chain::new(&self.config, clock.now(), &mut rng);
        let shared = Arc::new(Shared {
            clock,
            start: self.config.start_difficulty,
            work: Mutex::new(Work { chain, rng }),
            verifier: verifier::start(verifier)?,
            events: Events::new(self.events.0),
            blocks: Mutex::default(),
        });
        let executor = Executor::new();
        let (guests, left) = bounded(1);
        let listener = self.listener;
        let serving = async {
            let blocks = executor.spawn(make_blocks(Arc::clone(&shared)));
            or(accept(&listener, &shared, &executor, &guests), stop).await;
            drop((listener, blocks, guests));
            // To a connection, the end of blocks is the end of the pool.
            lock(&shared.blocks).clear();
            let gone = async {
                // Nobody sends: this ends with the last connection.
                let _closed = left.recv().await;
            };
            let late = async {
                Timer::after(Duration::from_millis(END_MS)).await;
            };
            or(gone, late).await;
        };
        executor.run(serving).await;
        Ok(())
    }
}

/// What all connections share.
struct Shared {
    clock: Clock,
    start: Difficulty,
    work: Mutex<Work>,
    verifier: Sender<Request>,
    events: Events,
    /// Wakes each connection at a new block; the keys are the connections' numbers.
    blocks: Mutex<BTreeMap<u64, Sender<()>>>,
}

/// Lets miners in, for ever. Every connection holds a `guests` while it lives.
async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    executor: &Executor<'_>,
    guests: &Sender<()>,
) {
    let door = Door::default();
    let mut number = 0;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the ones in use have to end first.
                log::warn!("practice pool cannot accept: {error}");
                Timer::after(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(guest) = door.enter(peer.ip()) else {
            log::debug!("miner turned away, too many connections peer={peer}");
            continue;
        };
        number += 1;
        let connection = admit(shared, (stream, peer), number, guest);
        let here = guests.clone();
        let counted = async move {
            connection.await;
            drop(here);
        };
        executor.spawn(counted).detach();
    }
}

/// The task of a connection, which hears of blocks from now on.
fn admit(
    shared: &Arc<Shared>,
    (stream, peer): (TcpStream, SocketAddr),
    number: u64,
    guest: door::Guest,
) -> impl Future<Output = ()> + Send + use<> {
    // Lines are short and waited for; without this they may wait for the one before.
    let _ = stream.set_nodelay(true);
    let (wake, blocks) = bounded(1);
    lock(&shared.blocks).insert(number, wake);
    let shared = Arc::clone(shared);
    async move {
        let connection = Connection::new(Arc::clone(&shared), (stream, peer), number, guest);
        connection.run(blocks).await;
        lock(&shared.blocks).remove(&number);
    }
}

/// Makes the chain grow, for ever.
async fn make_blocks(shared: Arc<Shared>) {
    loop {
        let now = shared.clock.now();
        let due = lock(&shared.work).chain.poll_timeout();
        if now < due {
            Timer::after(Duration::from_millis(due.since(now))).await;
            continue;
        }
        let height = {
            let Work { chain, rng } = &mut *lock(&shared.work);
            chain.handle_timeout(now, rng);
            chain.height()
        };
        for wake in lock(&shared.blocks).values() {
            // Full means that it was woken and has not looked yet.
            let _ = wake.try_send(());
        }
        shared.events.push(PracticeEvent::Block { height });
    }
}

/// Events on their way out; what finds no room is counted and the number told later.
#[derive(Debug)]
struct Events {
    sender: Sender<PracticeEvent>,
    lost: AtomicU64,
}

impl Events {
    const fn new(sender: Sender<PracticeEvent>) -> Self {
        Self {
            sender,
            lost: AtomicU64::new(0),
        }
    }

    fn push(&self, event: PracticeEvent) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let told = lost == 0
            || self
                .sender
                .try_send(PracticeEvent::Lost { count: lost })
                .is_ok();
        let kept = told && self.sender.try_send(event).is_ok();
        let missing = if told { 0 } else { lost } + u64::from(!kept);
        self.lost.fetch_add(missing, Ordering::Relaxed);
    }
}

/// A lock whose holder panicked is taken all the same: every change under it is a whole one.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
