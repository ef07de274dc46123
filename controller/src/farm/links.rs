//! What sockets and diallers need of the farm, and what the farm keeps of them.
//!
//! ```text
//!   net ── accept, dial, received, closed ──▶ Farm ── Socket, Dialler ──▶ net
//! ```

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{MAX_FRAME, REDIAL_MS};
use miner_shared::pause::full_jitter;
use miner_shared::text::Address;
use miner_shared::time::Millis;
use smol::Task;
use smol::channel::{Receiver, Sender, bounded};

use super::{Core, Farm};
use crate::hub::{ConnId, Target, Unreached};
use crate::net::{self, Meter, Shut, Socket, SocketEnd};

/// Between two writings of what was noted of rigs.
const NOTES_PAUSE: Duration = Duration::from_secs(1);
/// Rows of one such writing: as many links as may come up in the time between.
const NOTES: usize = 512;
/// Writings of notes between two of the addresses that rigs came from: a minute.
const SOURCES_TURN: u64 = 60;
/// Reasons to dial that may wait for a dialler.
const NUDGES: usize = 8;

/// The task that keeps a peer dialled; dropping it ends it.
#[derive(Debug)]
pub(super) struct Dialler {
    /// Takes whether to dial at once.
    nudge: Sender<bool>,
    _task: Task<()>,
}

impl Farm {
    /// Starts the dialler of a peer that has an address and none yet.
    pub(super) fn keep_dialled(self: &Arc<Self>, key: &Fingerprint) {
        let mut core = self.lock();
        let Some(executor) = core.executor.clone() else {
            return;
        };
        let has_address = core
            .registry
            .peer(key)
            .is_some_and(|peer| peer.address.is_some());
        if has_address && !core.diallers.contains_key(key) {
            let (nudge, nudged) = bounded(NUDGES);
            let task = executor.spawn(net::keep_dialled(Arc::clone(self), *key, nudged));
            core.diallers.insert(*key, Dialler { nudge, _task: task });
        }
    }

    /// Gives the store what is worth keeping and not worth a commit of its own: when rigs were seen, and
    /// where they came from.
    pub(super) async fn keep_notes(self: Arc<Self>) {
        for turn in 1_u64.. {
            smol::Timer::after(NOTES_PAUSE).await;
            let now = self.clock.now().mono;
            let mut core = self.lock();
            if let Err(error) = core.registry.keep_notes(NOTES) {
                log::warn!("links not noted reason={error}");
            }
            core.note_losses(now);
            if turn.is_multiple_of(SOURCES_TURN) {
                core.save_sources(now);
            }
        }
    }

    /// A socket was accepted, from there.
    pub(crate) fn accept(&self, from: IpAddr, meter: &Arc<Meter>) -> Result<SocketEnd, Shut> {
        let now = self.clock.now().mono;
        let mut core = self.lock();
        let pass = core.gate.admit(from, now)?;
        let Ok(id) = core.hub.accept(now) else {
            core.gate.gone(pass);
            return Err(Shut::Pending);
        };
        core.passes.insert(id, pass);
        let (socket, end) = Socket::new(id, Arc::clone(meter));
        core.sockets.insert(id, socket);
        self.settle(&mut core);
        Ok(end)
    }

    /// How long to read nothing from a connection after what just came, in milliseconds.
    pub(crate) fn pace(&self, id: ConnId) -> u64 {
        self.with(|hub, env| hub.pace(env, id))
    }

    /// Logs what a stranger did, for those who debug, and not each time that it is done.
    pub(crate) fn log_stranger(&self, line: impl FnOnce() -> String) {
        if !log::log_enabled!(log::Level::Debug) {
            return;
        }
        let now = self.clock.now().mono;
        let unsaid = self.lock().hub.may_log_stranger(now);
        if let Some(unsaid) = unsaid {
            log::debug!("{} unsaid={unsaid}", line());
        }
    }

    /// A socket was connected; the receiver hears whom it reached.
    pub(crate) fn dial(
        &self,
        target: Target,
        meter: Arc<Meter>,
    ) -> (SocketEnd, Receiver<Result<Fingerprint, Unreached>>) {
        let mut core = self.lock();
        let id = core.call(self, |hub, env| hub.dial(env.now.mono, target));
        let (socket, end) = Socket::new(id, meter);
        core.sockets.insert(id, socket);
        let (reaching, reached) = bounded(1);
        core.reaching.insert(id, reaching);
        self.settle(&mut core);
        (end, reached)
    }

    /// A frame came.
    pub(crate) fn received(&self, id: ConnId, frame: &mut [u8]) {
        self.with(|hub, env| hub.handle_frame(env, id, frame));
    }

    /// The next frame to send on a connection.
    pub(crate) fn transmit(&self, id: ConnId) -> Option<Vec<u8>> {
        // Here and not with the connection: it would be most of what an idle one holds.
        let mut frame = [0; MAX_FRAME];
        let len = self.with(|hub, env| hub.poll_transmit(env, id, &mut frame))?;
        frame.get(..len).map(<[u8]>::to_vec)
    }

    /// A socket is gone.
    pub(crate) fn closed(&self, id: ConnId) {
        self.with(|hub, env| hub.handle_closed(env, id));
    }

    /// A peer's address could not be connected to.
    pub(crate) fn unreachable(&self, key: &Fingerprint) {
        self.with(|hub, _| hub.handle_unreachable(key));
    }

    /// Whether there is nothing to dial.
    pub(crate) fn is_served(&self, key: &Fingerprint) -> bool {
        self.lock().hub.is_served(key)
    }

    /// Where to dial a peer; `None` if it has no address or was removed.
    pub(crate) fn address_of(&self, key: &Fingerprint) -> Option<Address> {
        self.lock().registry.peer(key)?.address.clone()
    }

    /// The key that the peer of this one has now.
    pub(crate) fn current_key(&self, key: &Fingerprint) -> Fingerprint {
        self.lock().registry.current_key(key)
    }

    /// The pause before a peer is dialled again after so many failures in a row, in milliseconds.
    pub(crate) fn redial_ms(&self, failures: u32) -> u64 {
        full_jitter(REDIAL_MS, failures, &mut self.lock().rng)
    }

    /// Runs a connection's task. It ends when its socket's control is dropped.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (executor, running) = {
            let core = self.lock();
            (core.executor.clone(), core.running.clone())
        };
        if let Some(executor) = executor {
            let counted = async move {
                task.await;
                drop(running);
            };
            executor.spawn(counted).detach();
        }
    }
}

impl Core {
    /// A registered peer is at the other end of this connection.
    pub(super) fn proven(&mut self, id: ConnId, now: Millis) {
        if let Some(pass) = self.passes.remove(&id) {
            self.gate.proven(pass, now);
        }
        if let Some(socket) = self.sockets.get(&id) {
            socket.lift();
        }
    }

    /// What is kept under a rig's old key moves. The dialler itself asks for the key of now.
    pub(super) fn rename(&mut self, old: &Fingerprint, new: Fingerprint) {
        if let Some(history) = &self.history {
            history.rename(*old, new);
        }
        if let Some(dialler) = self.diallers.remove(old) {
            self.diallers.insert(new, dialler);
        }
    }

    pub(super) fn save_sources(&mut self, now: Millis) {
        if let Some(all) = self.gate.unsaved(now)
            && let Err(error) = self.registry.note_sources(all)
        {
            log::warn!("addresses of rigs not noted reason={error}");
        }
    }

    pub(super) fn nudge(&mut self, key: &Fingerprint, now: bool) {
        if let Some(dialler) = self.diallers.get(key) {
            // Full means that it is about to look anyway.
            let _looking = dialler.nudge.try_send(now);
        }
    }

    /// Ends a connection: 1001 when this controller ends, 1000 otherwise.
    pub(super) fn close_socket(&mut self, id: ConnId) {
        if let Some(pass) = self.passes.remove(&id) {
            self.gate.gone(pass);
        }
        let ending = self.running.is_none();
        if let Some(socket) = self.sockets.remove(&id) {
            socket.close(if ending {
                CloseCode::Away
            } else {
                CloseCode::Normal
            });
        }
    }
}

#[cfg(test)]
impl Farm {
    /// This node's key.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.me.fingerprint()
    }

    /// Whether a registered peer came from there lately.
    pub(crate) fn knows(&self, from: IpAddr) -> bool {
        let now = self.clock.now().mono;
        self.lock().gate.knows(from, now)
    }

    /// Connections in any state.
    pub(crate) fn connections(&self) -> usize {
        self.lock().hub.connections()
    }

    /// Frames of this peer that had to wait and are in no event yet.
    pub(crate) fn delayed(&self, key: &Fingerprint) -> u64 {
        self.lock().hub.rig(key).map_or(0, crate::hub::Rig::delayed)
    }
}
