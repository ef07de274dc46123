//! The pool side of the rig: keeps one login alive, gives its jobs to the miner and its shares to
//! the pool.
//!
//! ```text
//!   order: which pool ──▶ Connection::log_in ──▶ session: job ─▶ miner, share ─▶ pool
//!     ▲                        │ failed              │ ended            │ not the first pool:
//!     └──── pause, jittered ───┴─────────────────────┘                  │ probe the first each 60 s;
//!                                      session with the first ◀─────────┘ logged in? take over
//! ```
//! While nothing is connected the miner goes on with the last job for 30 s, since most gaps are
//! short; then it rests. A login at a better pool is made before the worse one is left. When all
//! nonces of a job are hashed, a new login is the only way to other ones in the dialect of stock
//! pools: the connection is closed for it, at most once per minute. TLS pools are refused earlier,
//! when the profile comes.

mod connection;
mod found;
mod order;

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;

use log::{info, warn};
use miner_shared::limits::MAX_POOLS;
use miner_shared::mining::{Job, Share, Submitted, Verdict};
use miner_shared::stratum::{ClientEvent, Login};
use miner_shared::text::{Address, Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{Pool, ShareVerdict};
use smol::channel::Receiver;
use smol::future;

use crate::clock::Clock;
use crate::store::system_rng;
use connection::{Connection, PoolError};
use found::FoundRing;
use order::PoolOrder;

/// The miner goes on with the last job for this long without a pool, in milliseconds.
pub(crate) const GRACE_MS: u64 = 30_000;
/// Two logins for new nonces are at least this far apart, in milliseconds.
const RENEW_MS: u64 = 60_000;
/// [`PoolSide::probe_ms`] outside tests.
pub(crate) const PROBE_MS: u64 = 60_000;

/// What the pool side has counted, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PoolStats {
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    pub(crate) stale: u64,
    pub(crate) lost: u64,
    /// When the last share was accepted.
    pub(crate) last_share: Option<Millis>,
    /// Pool that it is logged in to.
    pub(crate) pool: Option<Address>,
    /// Difficulty of the current job.
    pub(crate) difficulty: Option<u64>,
    /// Since when there is no login; `None` while there is one.
    pub(crate) offline_since: Option<Millis>,
    /// The last shares, one by one.
    pub(crate) found: FoundRing,
}

/// Gives a job to the miner.
pub(crate) type SetJob = Rc<dyn Fn(&Job)>;
/// Says that the statistics are worth a heartbeat.
pub(crate) type Changed = Rc<dyn Fn()>;

/// The pool side for one profile. Dropping its future closes all its connections.
pub(crate) struct PoolSide {
    pub(crate) pools: heapless::Vec<Pool, MAX_POOLS>,
    pub(crate) rig: Name,
    pub(crate) clock: Clock,
    pub(crate) shares: Receiver<Share>,
    /// Says, as long as it is so, that all nonces of the job are hashed.
    pub(crate) exhausted: Receiver<()>,
    pub(crate) set_job: SetJob,
    pub(crate) changed: Changed,
    pub(crate) stats: Rc<RefCell<PoolStats>>,
    /// How often the first pool is tried while another one is in use, in milliseconds.
    pub(crate) probe_ms: u64,
}

/// Why a session ended.
enum End {
    Failed(PoolError),
    /// The first pool let us in.
    Better(Box<Connection>),
    /// A new login may bring nonces that were not hashed yet.
    Exhausted,
}

/// When the last login for new nonces was.
#[derive(Debug, Default)]
struct Renewals {
    last: Option<Millis>,
}

impl Renewals {
    /// Whether one may be made now, which then counts as the last.
    fn allow(&mut self, now: Millis) -> bool {
        let due = self.last.is_none_or(|last| now.since(last) >= RENEW_MS);
        if due {
            self.last = Some(now);
        }
        due
    }
}

impl PoolSide {
    /// Mines until dropped.
    pub(crate) async fn run(self) {
        self.stats.borrow_mut().offline_since = Some(self.clock.now());
        let mut order = PoolOrder::new(self.pools.len());
        let mut renewals = Renewals::default();
        loop {
            let index = order.current();
            let Some(pool) = self.pools.get(index) else {
                return; // No pool at all: such a profile is not accepted.
            };
            let over = match self.log_in(pool).await {
                Ok(connection) => {
                    order.logged_in(index);
                    self.sessions(&mut order, &mut renewals, index, connection)
                        .await
                }
                Err(error) => Some(error),
            };
            let Some(error) = over else {
                info!("pool left for new nonces pool={}", pool.address);
                continue;
            };
            let pause_ms = order.failed(&mut system_rng());
            warn!(
                "pool away pool={} reason=\"{error}\" retry_ms={pause_ms}",
                pool.address
            );
            self.clock.timer_at(self.clock.now() + pause_ms).await;
        }
    }

    /// Runs sessions, one taking over from the other, until one fails, or until another login is
    /// wanted, which is no error.
    async fn sessions(
        &self,
        order: &mut PoolOrder,
        renewals: &mut Renewals,
        mut index: usize,
        mut connection: Box<Connection>,
    ) -> Option<PoolError> {
        loop {
            self.enter(index, &connection);
            let end = self.session(index, renewals, &mut connection).await;
            connection
                .outstanding_shares()
                .for_each(|share| self.lost(share));
            let error = match end {
                End::Better(better) => {
                    (connection, index) = (better, 0);
                    order.logged_in(0);
                    continue;
                }
                End::Failed(error) => Some(error),
                End::Exhausted => None,
            };
            let mut stats = self.stats.borrow_mut();
            stats.pool = None;
            stats.offline_since = Some(self.clock.now());
            drop(stats);
            (self.changed)();
            return error;
        }
    }

    fn enter(&self, index: usize, connection: &Connection) {
        let address = self.pools.get(index).map(|pool| pool.address.clone());
        if let Some(address) = &address {
            info!("pool up pool={address}");
        }
        // Shares that still wait were found for a session that is over.
        while let Ok(share) = self.shares.try_recv() {
            self.lost(unsent(&share));
        }
        let mut stats = self.stats.borrow_mut();
        stats.pool = address;
        stats.offline_since = None;
        drop(stats);
        if let Some(job) = connection.job() {
            self.mine(job);
        }
        (self.changed)();
    }

    async fn session(
        &self,
        index: usize,
        renewals: &mut Renewals,
        connection: &mut Connection,
    ) -> End {
        let mut probe = pin!(self.probe(index));
        loop {
            match self.step(renewals, connection, probe.as_mut()).await {
                Ok(None) => {}
                Ok(Some(better)) => return better,
                Err(error) => return End::Failed(error),
            }
        }
    }

    /// Waits for one thing and deals with it.
    async fn step(
        &self,
        renewals: &mut Renewals,
        connection: &mut Connection,
        probe: Pin<&mut impl Future<Output = Box<Connection>>>,
    ) -> Result<Option<End>, PoolError> {
        #[expect(clippy::large_enum_variant, reason = "one, for the length of a step")]
        enum Wake {
            Event(ClientEvent),
            Share(Share),
            Better(Box<Connection>),
            Exhausted,
        }
        connection.flush().await?;
        let share = async {
            match self.shares.recv().await {
                Ok(share) => Ok(Wake::Share(share)),
                Err(_) => future::pending().await, // The miner has ended; so will we.
            }
        };
        let better = async {
            let connection = probe.await;
            Ok(Wake::Better(connection))
        };
        let exhausted = async {
            match self.exhausted.recv().await {
                Ok(()) => Ok(Wake::Exhausted),
                Err(_) => future::pending().await, // As above.
            }
        };
        let event = async { connection.next_event().await.map(Wake::Event) };
        match future::or(event, future::or(share, future::or(better, exhausted))).await? {
            Wake::Event(event) => self.handle(event),
            Wake::Share(share) => {
                let unsent = unsent(&share);
                if connection.submit(share).is_err() {
                    self.lost(unsent);
                }
            }
            Wake::Better(connection) => return Ok(Some(End::Better(connection))),
            // Not while an answer is owed: it is said again in a second.
            Wake::Exhausted => {
                if connection.outstanding() == 0 && renewals.allow(self.clock.now()) {
                    return Ok(Some(End::Exhausted));
                }
            }
        }
        Ok(None)
    }

    fn handle(&self, event: ClientEvent) {
        match event {
            ClientEvent::LoggedIn(job) | ClientEvent::Job(job) => self.mine(&job),
            ClientEvent::Answered {
                share,
                verdict,
                latency_ms,
                message,
            } => self.count(share, verdict, latency_ms, message.as_str()),
            ClientEvent::Lost { shares, in_a_row } => {
                shares.into_iter().for_each(|share| self.lost(share));
                if in_a_row >= 3 {
                    warn!("pool does not answer shares in_a_row={in_a_row}");
                }
            }
            ClientEvent::RedirectRefused => warn!("pool asked to go elsewhere: refused"),
            ClientEvent::Notice(notice) => warn!("pool sent something odd: {notice:?}"),
            _ => {}
        }
    }

    fn mine(&self, job: &Job) {
        self.stats.borrow_mut().difficulty = Some(job.target.difficulty().0);
        // What was said of the job before.
        let _ = self.exhausted.try_recv();
        (self.set_job)(job);
    }

    fn lost(&self, share: Submitted) {
        let mut stats = self.stats.borrow_mut();
        stats.lost += 1;
        stats
            .found
            .push(self.clock.now(), share, ShareVerdict::Lost);
    }

    fn count(&self, share: Submitted, verdict: Verdict, latency_ms: u64, message: &str) {
        let mut stats = self.stats.borrow_mut();
        let found = match verdict {
            Verdict::Accepted => ShareVerdict::Accepted,
            Verdict::Stale => ShareVerdict::Stale,
            _ => ShareVerdict::Rejected,
        };
        stats.found.push(self.clock.now(), share, found);
        match verdict {
            Verdict::Accepted => {
                stats.accepted += 1;
                stats.last_share = Some(self.clock.now());
                info!(
                    "share accepted total={} latency_ms={latency_ms}",
                    stats.accepted
                );
            }
            Verdict::Stale => {
                stats.stale += 1;
                info!("share stale total={}", stats.stale);
            }
            _ => {
                stats.rejected += 1;
                warn!(
                    "share rejected total={} reason=\"{message}\"",
                    stats.rejected
                );
            }
        }
        drop(stats);
        (self.changed)();
    }

    /// Ends when the first pool has let us in; never while it is the one in use.
    async fn probe(&self, in_use: usize) -> Box<Connection> {
        let first = self.pools.first().filter(|_| in_use != 0);
        let Some(first) = first else {
            return future::pending().await;
        };
        loop {
            self.clock.timer_at(self.clock.now() + self.probe_ms).await;
            if let Ok(connection) = self.log_in(first).await {
                info!("first pool is back pool={}", first.address);
                return connection;
            }
        }
    }

    async fn log_in(&self, pool: &Pool) -> Result<Box<Connection>, PoolError> {
        let login = Login {
            user: pool.user.clone(),
            pass: pool.pass.clone(),
            agent: Label::lossy(concat!("miner/", env!("CARGO_PKG_VERSION"))),
            rig: Some(self.rig.clone()),
            nicehash: false,
        };
        Connection::log_in(&pool.address, login, self.clock).await
    }
}

/// A share that no pool will hear of.
const fn unsent(share: &Share) -> Submitted {
    Submitted {
        height: None,
        nonce: share.nonce,
        thread: share.thread,
    }
}

#[cfg(test)]
mod tests {
    use smol::channel::{Sender, bounded};
    use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use smol::net::TcpListener;

    use super::*;

    /// Lets one connection in with a job of this name, and holds it until the other side ends it.
    async fn serve_one(listener: &TcpListener, job: &str) {
        let (stream, _) = listener.accept().await.expect("accepts");
        let mut line = String::new();
        let mut lines = BufReader::new(stream.clone());
        lines.read_line(&mut line).await.expect("login");
        let (blob, seed) = ("07".repeat(76), "11".repeat(32));
        let answer = format!(
            r#"{{"id":1,"error":null,"result":{{"id":"s","status":"OK","job":{{"blob":"{blob}","job_id":"{job}","target":"b88d0600","seed_hash":"{seed}"}}}}}}"#
        );
        let mut writer = stream;
        writer.write_all(answer.as_bytes()).await.expect("sent");
        writer.write_all(b"\n").await.expect("sent");
        line.clear();
        assert_eq!(
            lines.read_line(&mut line).await.expect("readable"),
            0,
            "ended, not used"
        );
    }

    fn spec(address: std::net::SocketAddr) -> Pool {
        use miner_shared::text::{PoolPass, PoolUser};
        Pool {
            address: Address::parse(&address.to_string()).expect("valid"),
            tls: false,
            user: PoolUser::parse("w").expect("valid"),
            pass: PoolPass::parse("x").expect("valid"),
        }
    }

    /// The pool side of a rig, what it is told by and what it gives to the miner.
    struct Rig {
        side: PoolSide,
        stats: Rc<RefCell<PoolStats>>,
        /// Names of the jobs that it gave to the miner.
        jobs: Receiver<String>,
        exhausted: Sender<()>,
        _shares: Sender<Share>,
    }

    fn rig(pools: &[std::net::SocketAddr]) -> Rig {
        let (jobs, given) = smol::channel::unbounded();
        let (_shares, shares) = bounded(1);
        let (exhausted, is_exhausted) = bounded(1);
        let stats = Rc::<RefCell<PoolStats>>::default();
        let side = PoolSide {
            pools: pools.iter().map(|address| spec(*address)).collect(),
            rig: Name::parse("rig").expect("valid"),
            clock: Clock::start(),
            shares,
            exhausted: is_exhausted,
            set_job: Rc::new(move |job| {
                let name = job.id.as_str().to_owned();
                jobs.try_send(name).expect("unbounded");
            }),
            changed: Rc::new(|| ()),
            stats: Rc::clone(&stats),
            probe_ms: 10,
        };
        Rig {
            side,
            stats,
            jobs: given,
            exhausted,
            _shares,
        }
    }

    #[test]
    fn the_first_pool_takes_over_before_the_second_is_left() {
        smol::block_on(async {
            let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let first = free.local_addr().expect("bound");
            drop(free);
            let second = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let there = second.local_addr().expect("bound");
            let rig = rig(&[first, there, there]);
            let first_side = async {
                assert_eq!(rig.jobs.recv().await.as_deref(), Ok("second"));
                let listener = TcpListener::bind(first).await.expect("still free");
                serve_one(&listener, "first").await;
            };
            let second_side = async {
                serve_one(&second, "second").await;
                assert_eq!(
                    rig.jobs.try_recv().as_deref(),
                    Ok("first"),
                    "given before it was left"
                );
                assert_eq!(rig.stats.borrow().pool, Some(spec(first).address));
                assert_eq!(rig.stats.borrow().offline_since, None, "never offline");
            };
            let script = future::or(second_side, first_side);
            future::or(script, rig.side.run()).await;
        });
    }

    #[test]
    fn when_all_nonces_are_hashed_it_logs_in_anew_at_once_but_not_again() {
        smol::block_on(async {
            let pool = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let rig = rig(&[pool.local_addr().expect("bound")]);
            let serve = async {
                serve_one(&pool, "first").await;
                serve_one(&pool, "second").await;
            };
            let miner = async {
                assert_eq!(rig.jobs.recv().await.as_deref(), Ok("first"));
                rig.exhausted.send(()).await.expect("heard");
                assert_eq!(rig.jobs.recv().await.as_deref(), Ok("second"));
                // The second of them has room once the first is heard.
                for _ in 0..2 {
                    rig.exhausted.send(()).await.expect("heard");
                }
                assert!(rig.stats.borrow().pool.is_some(), "not within the minute");
            };
            let serve = async {
                serve.await;
                panic!("left twice");
            };
            future::or(future::or(miner, serve), rig.side.run()).await;
        });
    }

    #[test]
    fn logins_for_new_nonces_are_a_minute_apart() {
        let mut renewals = Renewals::default();
        let allowed = [0, 1, 59_999, 60_000, 60_001, 119_999, 120_000];
        assert_eq!(
            allowed.map(|ms| renewals.allow(Millis(ms))),
            [true, false, false, true, false, false, true]
        );
    }
}
