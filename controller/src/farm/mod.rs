//! The farm as a service: everything that REST, page and CLI do with rigs goes through [`Farm`].
//!
//! ```text
//!   REST, page, CLI ──▶ Farm (async, deadlines) ──▶ Mutex { hub, registry } ◀── net (sockets)
//!                         ◀── oneshot answers ───────┘  never held across an await
//! ```
//!
//! | file | what |
//! |---|---|
//! | `mod` | the lock, what runs, what comes out of the hub |
//! | `peers` | who belongs to the farm: list, resolve, add, remove, ping |
//! | `select`, `facts` | the selector language, and what it finds on a rig |
//! | `fleet` | many rigs: chosen, labelled, summed up by group |
//! | `action`, `bulk` | what can be done to a rig; the same to many, with a result each |
//! | `optimal` | which rigs answer best |
//! | `boots` | rigs that boot over the network |
//! | `enrol` | tokens, rigs that wait, removed keys |
//! | `access` | API tokens |
//! | `attention`, `twins`, `losses` | what a person should look at; rigs that should make the same; what is gone |
//! | `payout` | whether rigs would mine for another wallet |
//! | `drift` | rigs that do not run what the registry wants |
//! | `discover` | who announces itself on the local network |
//! | `orders` | what rigs do once |
//! | `health` | findings, found shares, wake-on-LAN |
//! | `remote` | what rigs do: statistics, start, stop, pause, logs |
//! | `links` | what sockets and diallers need, and what is kept of them |
//! | `keys` | the recovery key, managers of rigs, orders about them |
//! | `profiles` | named ways to mine, in versions |
//! | `pools`, `pool_check` | how the pools are; whether one lets a wallet in |
//! | `backup` | all of it in one encrypted file |
//! | `history` | hash rate and shares over time |
//! | `events`, `board` | what happened, and what changes, for those who follow |
//! | `ready`, `counters` | which parts of the controller are not well; what it counts |
//! | `table`, `map`, `breakdown` | the rigs by any column, in racks, in parts |
//! | `state` | what a rig does in one word, how loud that is, and why |
//! | `totals` | what all rigs come to |
//! | `reports` | shapes of what rigs will report |
//! | `rollouts` | a version on its way to many rigs |
//! | `updates` | releases of the image, and one on its way to many rigs |
//! | `hours`, `yields` | pauses and resumes by the hours of profiles; what rigs make with their versions |
//! | `view`, `show` | what is shown, and how it is made |
//! | `errors` | what goes wrong, in words |

mod access;
pub mod action;
mod attention;
mod backup;
mod board;
mod boots;
mod breakdown;
mod bulk;
mod counters;
mod discover;
mod drift;
mod enrol;
mod errors;
mod events;
mod facts;
mod fleet;
mod health;
mod history;
mod hours;
mod keys;
mod links;
mod losses;
mod map;
mod optimal;
mod orders;
mod payout;
mod peers;
mod pool_check;
mod pools;
mod profiles;
mod ready;
mod remote;
mod reports;
mod rollouts;
pub mod select;
mod show;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod totals;
mod twins;
mod updates;
mod view;
mod yields;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::tz::TimeZone;
use miner_shared::identity::Fingerprint;
use miner_shared::smsg::LocalNode;
use miner_shared::time::Millis;
use rand_core::UnwrapErr;
use smol::channel::{Receiver, Sender, bounded};
use smol::{Executor, Task};

pub use self::access::{API_TOKEN_LIFE_SECS, ApiTokenView, NewApiToken, NewApiTokenView};
pub use self::attention::{
    ATTENTION, AttentionItem, AttentionKind, AttentionSeverity, AttentionView, MAX_ATTENTION,
};
pub use self::board::{BoardRow, Tick};
pub use self::boots::{
    BOOT_KEPT_MS, BootReport, BootStep, BootView, MAX_BOOTS, MAX_REPORTED_BOOTS,
};
pub use self::breakdown::{BreakdownBy, BreakdownByError, BreakdownPart, BreakdownView, MAX_PARTS};
pub use self::bulk::{Bulk, BulkStatus, BulkView, RigResult, Rigs};
pub use self::counters::Counters;
pub use self::discover::{DISCOVER_SECS, DiscoveryView, FoundView};
pub use self::drift::{DriftReason, DriftReasonError, DriftView, ReportedView, WishedView};
pub use self::enrol::{
    DEFAULT_LIFE_SECS, NewToken, NewTokenView, PendingView, RemovedView, TOKEN_LIFE_SECS, TokenView,
};
pub use self::events::{EventsView, MAX_EVENTS, MAX_FOLLOWERS};
pub use self::fleet::{GroupsView, LabelView, PORTION};
pub use self::health::{DoctorView, FindingView, OwnerView, SeverityView, WakeView};
pub use self::history::{
    DEFAULT_POINTS, FleetPointView, HistoryQuery, HistoryView, MAX_POINTS, RigPointView,
};
pub use self::keys::{
    ManagerView, ManagersView, OrderStatus, OrderView, RecoveryStatus, RecoveryView,
};
use self::links::Dialler;
pub use self::map::{MapView, RackView};
pub use self::optimal::{LeftOutView, OptimalPeer, OptimalView};
pub use self::orders::{LOCATE_SECS, ORDER_SECS, RigOrderStatus, RigOrderView};
pub use self::payout::{PayoutChange, REPEATED, payout_change};
pub use self::peers::{AddPeer, Proof};
pub use self::pool_check::{MAX_CHECKS, PoolCheckView};
pub use self::pools::{PoolState, PoolUseView};
pub use self::profiles::{
    ChangeView, DiffView, HoursView, NewVersion, PoolView, PreviewView, ProfileView, RigChangeView,
    VersionView,
};
pub use self::ready::{PartStatus, PartView, ReadyView};
pub use self::remote::LogsWanted;
pub use self::reports::{
    FanView, FoundShareView, FoundSharesView, FrequencyView, PowerView, TelemetryView,
    TemperatureView, VerdictView,
};
pub use self::rollouts::{
    NewRollout, RolloutRigView, RolloutVerb, RolloutView, StageView, StartedView,
};
pub(crate) use self::state::filling;
pub use self::state::{OLD_MS, RigState, Tone};
pub use self::table::{Sort, SortError, TableRow, TableView};
pub use self::totals::{RigsView, SummaryView};
pub use self::updates::{
    ImageView, LeftOutUpdateView, NewUpdate, ReleaseView, StartedUpdateView, UpdateRigView,
    UpdateStepView, UpdateVerb, UpdateView,
};
pub use self::view::{
    ActivityView, AppliedView, DesiredStatus, DesiredView, ExchangesView, IdentityView,
    LogLineView, LogsView, MinerView, NodeInfoView, PeerView, StatsView, WindowsView,
};
use crate::cause;
use crate::clock::Clock;
use crate::history::History;
use crate::hub::{
    Action, Ask, ConnId, Env, Event, EventKind, Failure, Hub, Reply, RequestId, Unreached,
};
use crate::journal::Journal;
use crate::net::{self, Gate, Pass, Socket};
use crate::registry::{Registry, Store, StoreError};
use crate::releases::Releases;
use crate::schedule;
use crate::tls::Speaks;

/// How long the end waits for close frames to leave.
const GOODBYES: Duration = Duration::from_millis(400);
/// How long the last words of history and events may take to the disk.
const WRITTEN: Duration = Duration::from_millis(800);
/// Heart of the controller: registry, links and the commands over them.
#[derive(Debug)]
pub struct Farm {
    me: LocalNode,
    clock: Clock,
    /// In which the hours of profiles are.
    zone: TimeZone,
    core: Mutex<Core>,
    /// Tells the timer task that something is due earlier than it thinks.
    earlier: (Sender<()>, Receiver<()>),
    /// Closed when the farm is and its connections have ended.
    ended: Receiver<()>,
    /// Held by whoever asks the local network: one at a time.
    discovering: smol::lock::Mutex<()>,
    checks: pool_check::Checks,
}

/// What the lock guards.
#[derive(Debug)]
struct Core {
    hub: Hub,
    registry: Registry,
    rng: UnwrapErr<getrandom::SysRng>,
    gate: Gate,
    /// Accepted connections that have not proven themselves.
    passes: BTreeMap<ConnId, Pass>,
    sockets: BTreeMap<ConnId, Socket>,
    waiting: BTreeMap<RequestId, Sender<Result<Reply, Failure>>>,
    reaching: BTreeMap<ConnId, Sender<Result<Fingerprint, Unreached>>>,
    diallers: BTreeMap<Fingerprint, Dialler>,
    rollouts: rollouts::Rollouts,
    update: Option<(u32, updates::Run)>,
    releases: Option<Arc<Releases>>,
    subscribers: Vec<Sender<Event>>,
    /// Number of the next event that subscribers get.
    published: u64,
    /// What the timer task sleeps until.
    armed: Option<Millis>,
    /// The caller's, while the farm runs.
    executor: Option<Arc<Executor<'static>>>,
    /// Timer and listener.
    tasks: Vec<Task<()>>,
    /// Every connection's task holds one of these; `None` once the farm is closed.
    running: Option<Sender<()>>,
    listen: Option<SocketAddr>,
    history: Option<Arc<History>>,
    journal: Option<Arc<Journal>>,
    losses: losses::Losses,
    boots: boots::Boots,
    /// Whether the farm's life is told in events, as a serving controller's is.
    serving: bool,
    /// Those who follow events; one word is enough to have them look.
    followers: Vec<Sender<()>>,
    /// Those who follow rows and sums.
    watchers: Vec<Sender<Tick>>,
}

impl Farm {
    /// Opens the farm on this registry, as this node. Nothing runs before [`Farm::run`].
    pub fn open(
        store: Box<dyn Store>,
        me: LocalNode,
        clock: Clock,
    ) -> Result<Arc<Self>, StoreError> {
        let (running, ended) = bounded(1);
        let registry = Registry::open(store)?;
        let gate = Gate::knowing(registry.sources(), clock.now().mono);
        let core = Core {
            running: Some(running),
            rollouts: rollouts::Rollouts::open(&registry, clock.now()),
            update: updates::open(&registry, clock.now()),
            releases: None,
            hub: Hub::default(),
            registry,
            rng: UnwrapErr(getrandom::SysRng),
            gate,
            passes: BTreeMap::new(),
            sockets: BTreeMap::new(),
            waiting: BTreeMap::new(),
            reaching: BTreeMap::new(),
            diallers: BTreeMap::new(),
            subscribers: Vec::new(),
            published: 0,
            armed: None,
            executor: None,
            tasks: Vec::new(),
            listen: None,
            history: None,
            journal: None,
            losses: losses::Losses::default(),
            boots: boots::Boots::default(),
            serving: false,
            followers: Vec::new(),
            watchers: Vec::new(),
        };
        Ok(Arc::new(Self {
            me,
            clock,
            zone: schedule::local_zone(),
            core: Mutex::new(core),
            earlier: bounded(1),
            ended,
            discovering: smol::lock::Mutex::default(),
            checks: pool_check::Checks::default(),
        }))
    }

    /// Starts the timer and the diallers of all peers with an address, on the caller's executor.
    /// Call it once, before any method that talks to a rig.
    pub fn run(self: &Arc<Self>, executor: &Arc<Executor<'static>>) {
        let timer = executor.spawn(Arc::clone(self).keep_time());
        let notes = executor.spawn(Arc::clone(self).keep_notes());
        let hours = executor.spawn(Arc::clone(self).keep_hours());
        let yields = executor.spawn(Arc::clone(self).keep_yields());
        let rollouts = executor.spawn(Arc::clone(self).keep_rollouts());
        let update = executor.spawn(Arc::clone(self).keep_update());
        let keys: Vec<_> = {
            let mut core = self.lock();
            core.executor = Some(Arc::clone(executor));
            core.tasks
                .extend([timer, notes, hours, yields, rollouts, update]);
            core.registry.peers().map(|(key, _)| *key).collect()
        };
        keys.iter().for_each(|key| self.keep_dialled(key));
        self.with(|hub, env| {
            hub.await_ends(env);
            hub.await_orders(env);
        });
    }

    /// Listens for rigs that dial in, after [`Farm::run`]; returns the address bound (port 0 picks
    /// one).
    pub(crate) fn listen(
        self: &Arc<Self>,
        address: SocketAddr,
        speaks: Speaks,
    ) -> io::Result<SocketAddr> {
        let (bound, accepting) = net::listen(Arc::clone(self), address, speaks)?;
        let mut core = self.lock();
        let executor = core.executor.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let task = executor.spawn(accepting);
        core.tasks.push(task);
        core.listen = Some(bound);
        Ok(bound)
    }

    /// [`Farm::close`], and waits a moment for the goodbyes to leave and for the disk.
    pub async fn end(&self) {
        self.close();
        let gone = async {
            // Nobody sends: this ends when the last connection's task has.
            let _closed = self.ended.recv().await;
        };
        let late = |after| async move {
            smol::Timer::after(after).await;
        };
        smol::future::race(gone, late(GOODBYES)).await;
        let written = async {
            smol::future::zip(self.end_history(), self.end_journal()).await;
        };
        smol::future::race(written, late(WRITTEN)).await;
    }

    /// Ends listener, diallers and links. Rigs go on mining.
    pub fn close(&self) {
        let mut core = self.lock();
        core.running = None;
        core.save_sources(self.clock.now().mono);
        let serving = std::mem::take(&mut core.serving);
        core.call(self, |hub, env| {
            hub.shut_down(env);
            if serving {
                hub.record(env, None, EventKind::ControllerEnded);
            }
            if let Err(error) = env.registry.sync() {
                log::warn!("registry not synced reason={error}");
            }
        });
        self.settle(&mut core);
        let ended = (
            core.executor.take(),
            std::mem::take(&mut core.tasks),
            std::mem::take(&mut core.diallers),
            std::mem::take(&mut core.sockets),
            std::mem::take(&mut core.waiting),
            std::mem::take(&mut core.subscribers),
            std::mem::take(&mut core.followers),
            std::mem::take(&mut core.watchers),
        );
        core.listen = None;
        // Dropping a task may wake another one that wants the lock.
        drop(core);
        drop(ended);
    }

    /// The clock that its ages are told by.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Wakes the hub when something is due.
    async fn keep_time(self: Arc<Self>) {
        loop {
            let next = {
                let mut core = self.lock();
                core.armed = core.hub.poll_timeout();
                core.armed
            };
            let due = async {
                match next {
                    Some(at) => drop(smol::Timer::at(self.clock.instant(at)).await),
                    None => smol::future::pending().await,
                }
            };
            let earlier = async {
                if self.earlier.1.recv().await.is_err() {
                    smol::future::pending::<()>().await;
                }
            };
            smol::future::race(due, earlier).await;
            self.with(|hub, env| hub.handle_timeout(env));
        }
    }

    /// Asks a rig something and waits for the answer, until `within_ms` from now at the latest.
    async fn ask(&self, key: Fingerprint, ask: Ask, within_ms: u64) -> Result<Reply, Failure> {
        let (sender, receiver) = bounded(1);
        let id = {
            let mut core = self.lock();
            let id = core.call(self, |hub, env| {
                let deadline = env.now.mono + within_ms;
                hub.ask(env, key, ask, deadline)
            });
            core.waiting.insert(id, sender);
            self.settle(&mut core);
            id
        };
        let _forget = Forget { farm: self, id };
        // The sender is only dropped without an answer when the farm closes.
        receiver.recv().await.unwrap_or(Err(Failure::Offline))
    }

    /// Calls the hub under the lock, and does what it wants done.
    fn with<T>(&self, call: impl FnOnce(&mut Hub, &mut Env<'_>) -> T) -> T {
        let mut core = self.lock();
        let result = core.call(self, call);
        self.settle(&mut core);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        // A panic while the lock was held is a bug that the panicking task has reported; the rows
        // in the store are whole whatever happened.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the hub wants done; nothing here waits.
    fn settle(&self, core: &mut Core) {
        while let Some(action) = core.hub.poll_action() {
            match action {
                Action::Close(id) => core.close_socket(id),
                Action::Proven(id) => core.proven(id, self.clock.now().mono),
                Action::Dial { key, now } => core.nudge(&key, now),
                Action::KeyChanged { old, new } => core.rename(&old, new),
                Action::Finished(id, result) => {
                    if let Some(waiter) = core.waiting.remove(&id) {
                        // Nobody waits any more: the answer has no use.
                        let _unheard = waiter.try_send(result);
                    }
                }
                Action::Reached(id, result) => {
                    if let Some(waiter) = core.reaching.remove(&id) {
                        let _unheard = waiter.try_send(result);
                    }
                }
                Action::Read(id, wanted) => match &core.releases {
                    Some(releases) => releases.read(id, wanted),
                    None => core.call(self, |hub, env| hub.deliver_piece(env, id, wanted, &[])),
                },
                Action::Transmit(id) => {
                    if let Some(socket) = core.sockets.get(&id) {
                        socket.wake();
                    }
                }
            }
        }
        core.publish();
        let next = core.hub.poll_timeout();
        if next.is_some_and(|next| core.armed.is_none_or(|armed| next < armed)) {
            core.armed = next;
            // Full means that the timer task is about to look anyway.
            let _looking = self.earlier.0.try_send(());
        }
    }
}

impl Core {
    fn call<T>(&mut self, farm: &Farm, call: impl FnOnce(&mut Hub, &mut Env<'_>) -> T) -> T {
        let mut env = Env {
            now: farm.clock.now(),
            me: &farm.me,
            registry: &mut self.registry,
            rng: &mut self.rng,
            cause: cause::current(),
        };
        call(&mut self.hub, &mut env)
    }
}

/// Forgets a request when its caller stops waiting.
struct Forget<'a> {
    farm: &'a Farm,
    id: RequestId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut core = self.farm.lock();
        core.waiting.remove(&self.id);
        core.hub.cancel(self.id);
    }
}
