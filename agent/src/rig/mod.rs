//! The rig: miner, pool side, managers' messages and statistics, tied together on one thread.
//!
//! ```text
//!   link ── handle(manager, message) ──▶ Commands ──▶ Works (Host): store, apply, stats, logs
//!                                                       │ apply
//!                                                       ▼
//!                        miner ◀── set_job ── pool side: one task per profile, dropped to end it
//!   tick, each second: hash-rate sample, rest without a pool, say what the miner is doing;
//!                      end the sessions of managers whose pins were taken back; go on under a key that
//!                      another process has made; keep who was refused
//! ```
//! Everything is borrowed for the length of one call; nothing is held while a task waits.

mod doctor;
mod mine;
mod works;

pub use mine::Mine;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::{Rc, Weak};

use log::{debug, info};
use miner_shared::identity::{Fingerprint, Signer, Statement};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Command, Desired, FoundBatch, ImageStatus, Message, Outcome, RigStats, Wanted,
};
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded};

use crate::clock::Clock;
use crate::commands::{Commands, Host};
use crate::link::{Me, Sessions};
use crate::logger::Logger;
use crate::mining::MinerConfig;
use crate::mining::topology::Topology;
use crate::mining::tuned::Tuned;
use crate::platform::{self, machine::MachineEnd};
use crate::report::{Report, Reporter};
use crate::store::{Candidates, NodeStore, StoreError};
use works::Works;

/// Between two samples of the hash rate, in milliseconds.
const TICK_MS: u64 = 1_000;

/// Between two writings of the candidates, in milliseconds.
const CANDIDATES_MS: u64 = 10_000;

/// What a rig is made of.
pub(crate) struct Parts {
    pub(crate) me: Me,
    pub(crate) name: Name,
    pub(crate) store: NodeStore,
    pub(crate) clock: Clock,
    pub(crate) log: &'static Logger,
    pub(crate) miner: Rc<dyn Mine>,
    pub(crate) limits: Limits,
    /// How its controllers and it find each other, in words.
    pub(crate) link: &'static str,
    /// Who ends the machine in its place, and wants to know how it does.
    pub(crate) supervisor: Option<Supervisor>,
    /// Weak, since the tasks that it runs hold the rig.
    pub(crate) executor: Weak<LocalExecutor<'static>>,
}

/// The process that supervises this one.
pub(crate) struct Supervisor {
    pub(crate) reporter: Reporter,
    /// Where it says how the machine was booted.
    pub(crate) system: PathBuf,
    /// Takes how the machine is to end.
    pub(crate) ends: Sender<MachineEnd>,
}

/// What the owner of the machine allows, whatever a profile says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) light: bool,
    pub(crate) threads: Option<u16>,
    /// Hash threads at most, of those that the profile or `threads` asks for.
    pub(crate) max_threads: Option<u16>,
    /// The machine is there for this rig, which may restart it and switch it off.
    pub(crate) owns_machine: bool,
    /// What was measured to be the fastest here.
    pub(crate) tuned: Option<Tuned>,
}

/// One rig. Lives as long as the program.
pub(crate) struct Rig {
    me: RefCell<Rc<Me>>,
    pub(crate) store: NodeStore,
    pub(crate) clock: Clock,
    pub(crate) sessions: Sessions,
    works: RefCell<Works>,
    commands: RefCell<Commands>,
    listeners: Rc<Listeners>,
    candidates: RefCell<Asked>,
    name: Name,
    reporter: Option<Reporter>,
    /// Why no controller is linked, in words; empty while one is.
    refused: RefCell<Label>,
}

/// Who asked to be obeyed and was refused. Strangers come as often as they like; the disk is asked
/// once per [`CANDIDATES_MS`] at most.
struct Asked {
    candidates: Candidates,
    changed: bool,
    written_at: Option<Millis>,
}

impl Asked {
    /// What is to be written now, if anything is.
    fn due(&mut self, now: Millis) -> Option<&Candidates> {
        let rested = self
            .written_at
            .is_none_or(|at| now.since(at) >= CANDIDATES_MS);
        if !self.changed || !rested {
            return None;
        }
        (self.changed, self.written_at) = (false, Some(now));
        Some(&self.candidates)
    }
}

/// Who wants to know that the statistics changed: one channel per live link.
#[derive(Default)]
pub(crate) struct Listeners(RefCell<Vec<Sender<()>>>);

impl Listeners {
    /// Tells everyone; those who have not looked yet need no second word.
    pub(crate) fn notify(&self) {
        let gone = |sender: &Sender<()>| sender.is_closed();
        let mut senders = self.0.borrow_mut();
        senders.retain(|sender| !gone(sender));
        for sender in senders.iter() {
            let _ = sender.try_send(());
        }
    }

    fn listen(&self) -> Receiver<()> {
        let (sender, receiver) = bounded(1);
        self.0.borrow_mut().push(sender);
        receiver
    }
}

impl Rig {
    /// A rig that goes on with the state on disk, if there is one that its owner allows.
    pub(crate) fn new(parts: Parts) -> Result<Rc<Self>, StoreError> {
        let resumed = parts.store.state()?;
        let listeners = Rc::new(Listeners::default());
        let candidates = Asked {
            candidates: parts.store.candidates(),
            changed: false,
            written_at: None,
        };
        let mut works = Works::new(&parts, Rc::clone(&listeners));
        if let Some(desired) = &resumed {
            works.resume(desired);
        }
        Ok(Rc::new(Self {
            me: RefCell::new(Rc::new(parts.me)),
            store: parts.store,
            clock: parts.clock,
            sessions: Sessions::default(),
            works: RefCell::new(works),
            commands: RefCell::new(Commands::default()),
            listeners,
            candidates: RefCell::new(candidates),
            name: parts.name,
            reporter: parts.supervisor.map(|supervisor| supervisor.reporter),
            refused: RefCell::default(),
        }))
    }

    /// This node as new links show it.
    pub(crate) fn me(&self) -> Rc<Me> {
        Rc::clone(&self.me.borrow())
    }

    /// Whether it is this one still.
    pub(crate) fn is_me(&self, me: &Rc<Me>) -> bool {
        Rc::ptr_eq(&self.me.borrow(), me)
    }

    /// Follows a manager to the key `to`, which it has proven, if the chain that it shows leads there from
    /// its pin; on disk then. `expected`: the only pin that counts.
    pub(crate) fn follow(
        &self,
        expected: Option<&Fingerprint>,
        to: &Fingerprint,
        chain: &[Statement],
    ) -> Result<bool, StoreError> {
        let Some(followed) = self.store.follow_manager(expected, to, chain)? else {
            return Ok(false);
        };
        if followed.was != *to {
            let (old, new) = (followed.was.node_id(), to.node_id());
            let by = match followed.by {
                Signer::Old => "old",
                Signer::Recovery => "recovery",
            };
            info!("manager changed its key old={old} new={new} by={by}");
            self.commands.borrow_mut().rename(&followed.was, *to);
            self.notice();
        }
        Ok(true)
    }

    /// Notices what this process or another has changed in the node's files: ends the sessions of
    /// managers that are none any more, and goes on under a new key.
    fn notice(&self) {
        if self.sessions.any() {
            // A list that cannot be read obeys nobody.
            let managers = self.store.managers().unwrap_or_default();
            self.sessions.keep(|manager| managers.contains(manager));
        }
        let own = self.me().fingerprint();
        match self.store.successor(own) {
            Ok(None) => {}
            Ok(Some(node)) => {
                let (old, new) = (own.node_id(), node.fingerprint().node_id());
                info!("this rig has a new key old={old} new={new}");
                self.me.replace(Rc::new(Me::from(node)));
                // Each session looks whether it is of this key when something has changed.
                self.listeners.notify();
            }
            Err(error) => debug!("no look at the key: {error}"),
        }
    }

    /// Notes a key that proved itself and is not pinned, for a person to decide about.
    pub(crate) fn note_candidate(&self, key: Fingerprint) {
        let mut asked = self.candidates.borrow_mut();
        asked.changed |= asked.candidates.note(key);
    }

    /// What to answer to a manager's message; `None` if it wants no answer.
    pub(crate) fn handle(&self, from: Fingerprint, message: &Message) -> Option<Message> {
        let now = self.clock.now();
        let mut commands = self.commands.borrow_mut();
        match message {
            Message::Query(id, query) => {
                let answer = commands.query(from, now, query, &*self.works.borrow());
                Some(Message::Answer(*id, answer))
            }
            Message::Command(op_id, command) => {
                let works = &mut *self.works.borrow_mut();
                let outcome = commands.command(from, now, *op_id, command, works);
                if outcome == Outcome::Applied {
                    self.listeners.notify();
                    if !matches!(command, Command::SetState(_)) {
                        self.notice();
                    }
                }
                Some(Message::Receipt(*op_id, outcome))
            }
            Message::Piece(piece) => {
                let worth_telling = self.works.borrow_mut().updates().take(&from, piece);
                if worth_telling {
                    self.listeners.notify();
                }
                None
            }
            _ => None,
        }
    }

    /// Statistics for a heartbeat.
    pub(crate) fn stats(&self) -> RigStats {
        self.works.borrow().stats()
    }

    /// The generation and hash of the state in force; `None` before the first.
    pub(crate) fn applied(&self) -> Option<(u64, [u8; 32])> {
        let works = self.works.borrow();
        let desired = works.desired()?;
        Some((desired.generation, desired.state.hash()))
    }

    /// Found shares from this number on; `None` if there are none.
    pub(crate) fn found(&self, from: u64) -> Option<FoundBatch> {
        self.works.borrow().found(from)
    }

    /// What the machine was booted from, and how its update does.
    pub(crate) fn image(&self) -> ImageStatus {
        self.works.borrow().image()
    }

    /// When a piece is to be asked for on a link with this manager, if one is.
    pub(crate) fn ask_at(&self, manager: &Fingerprint) -> Option<Millis> {
        self.works.borrow_mut().updates().ask_at(manager)
    }

    /// The piece to ask this manager for now.
    pub(crate) fn wanted(&self, manager: &Fingerprint) -> Option<Wanted> {
        let now = self.clock.now();
        self.works.borrow_mut().updates().wanted(manager, now)
    }

    /// A link with a manager is up: what was asked for on another one is asked for anew.
    pub(crate) fn link_up(&self) {
        self.works.borrow_mut().updates().link_up();
    }

    /// A channel that says when a heartbeat is worth sending before its time.
    pub(crate) fn changes(&self) -> Receiver<()> {
        self.listeners.listen()
    }

    /// Notes why no controller is linked; empty where one is.
    pub(crate) fn note_refusal(&self, why: &str) {
        *self.refused.borrow_mut() = Label::lossy(why);
    }

    /// Tells the supervisor, if there is one, how this rig does.
    fn report(&self) {
        let Some(reporter) = &self.reporter else {
            return;
        };
        let (stats, linked) = (self.stats(), self.sessions.any());
        let report = Report {
            at: Millis(platform::uptime_ms().unwrap_or_default()),
            fingerprint: self.me().fingerprint(),
            name: self.name.clone(),
            activity: stats.activity,
            hashrate: stats.miners.iter().find_map(|miner| miner.hashrate.s60),
            linked,
            refused: match linked {
                true => Label::default(),
                false => self.refused.borrow().clone(),
            },
        };
        if let Err(error) = reporter.write(&report) {
            debug!("the supervisor does not hear: {error}");
        }
    }

    /// Watches over the miner, for ever.
    pub(crate) async fn tick(self: Rc<Self>) {
        loop {
            self.clock.timer_at(self.clock.now() + TICK_MS).await;
            if self.works.borrow_mut().tick(self.clock.now()) {
                self.listeners.notify();
            }
            self.notice();
            self.report();
            if let Some(candidates) = self.candidates.borrow_mut().due(self.clock.now())
                && let Err(error) = self.store.set_candidates(candidates)
            {
                debug!("candidates not written: {error}");
            }
        }
    }
}

/// The miner's configuration for a state: the profile, narrowed by what the owner allows.
pub(crate) fn miner_config(desired: &Desired, limits: Limits) -> MinerConfig {
    use miner_shared::wire::{Mode, Plan, Threads};
    let mut config = MinerConfig::default();
    if let Some(plan) = desired.state.clone().into_plan() {
        let Plan {
            profile,
            paused,
            pages,
            nice,
        } = plan;
        (config.mode, config.threads) = (profile.mode, profile.threads);
        (config.paused, config.pages, config.nice) = (paused, pages, nice);
    }
    config.tuned = limits.tuned;
    if let (Threads::Auto, Some(tuned)) = (config.threads, limits.tuned) {
        config.threads = tuned.threads();
    }
    if limits.light {
        config.mode = Mode::Light;
    }
    if let Some(threads) = limits.threads {
        config.threads = Threads::Count(threads);
    }
    if let Some(most) = limits.max_threads
        && Topology::read().plan(config.threads).len() > usize::from(most)
    {
        config.threads = Threads::Count(most);
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_cannot_keep_the_disk_busy() {
        let mut asked = Asked {
            candidates: Candidates::default(),
            changed: false,
            written_at: None,
        };
        let mut written = 0;
        for ms in (0..60_000_u32).step_by(250) {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&ms.to_le_bytes());
            asked.changed |= asked.candidates.note(Fingerprint(key));
            written += u32::from(asked.due(Millis(ms.into())).is_some());
        }
        assert_eq!(written, 6);
        assert!(asked.due(Millis(60_000)).is_some(), "the last are not lost");
        assert!(asked.due(Millis(90_000)).is_none(), "nothing new");
    }
}
