//! The lines of `up`: one per event, and on a terminal one that counts the dataset's filling.
//!
//! ```text
//!   rig-alpha is up
//!   rig-alpha filling the dataset: 42 %, 1 min left; light mode until then     rewritten in place
//!   rig-alpha share 1 accepted, 19.8 H/s
//! ```

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use miner_shared::identity::NodeId;
use smol::{Executor, Timer};

use crate::farm::{Farm, PeerView};
use crate::hub::{Event, EventKind};
use crate::page::filling;
use crate::units;

/// How often the local worker's figures are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the lines go.
#[derive(Debug)]
pub(super) struct Report {
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The line at the bottom that is rewritten in place; empty if there is none.
    progress: String,
    /// The rig whose shares are told.
    watched: Option<NodeId>,
}

impl Report {
    /// Starts telling what happens on this farm.
    pub(super) fn start(farm: &Arc<Farm>, executor: &Arc<Executor<'static>>) -> Arc<Self> {
        let report = Arc::new(Self {
            terminal: io::stdout().is_terminal(),
            state: Mutex::default(),
        });
        executor
            .spawn(Arc::clone(&report).tell_events(Arc::clone(farm)))
            .detach();
        executor
            .spawn(Arc::clone(&report).tell_shares(Arc::clone(farm)))
            .detach();
        report
    }

    /// Whether somebody reads along at a terminal, and no log does.
    pub(super) const fn is_for_a_person(&self) -> bool {
        self.terminal
    }

    /// Tells the shares of this rig from now on.
    pub(super) fn watch(&self, rig: NodeId) {
        self.lock().watched = Some(rig);
    }

    /// Prints the last line: the progress goes, and nothing is told of the watched rig any more.
    pub(super) fn last(&self, text: &str) {
        self.progress(String::new());
        self.lock().watched = None;
        self.line(text);
    }

    /// Prints a line, above the progress if there is one.
    pub(super) fn line(&self, text: &str) {
        let state = self.lock();
        let text = units::printable(text);
        let mut out = io::stdout().lock();
        // A reader that has gone away is no error of ours.
        let _ = if state.progress.is_empty() {
            writeln!(out, "{text}")
        } else {
            writeln!(out, "\r\u{1b}[2K{text}").and_then(|()| write!(out, "{}", state.progress))
        };
        let _ = out.flush();
    }

    /// Rewrites the progress; an empty one takes it away. Only on a terminal.
    fn progress(&self, text: String) {
        let mut state = self.lock();
        if !self.terminal || state.progress == text {
            return;
        }
        state.progress = text;
        let mut out = io::stdout().lock();
        let _ = write!(out, "\r\u{1b}[2K{}", state.progress);
        let _ = out.flush();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell_events(self: Arc<Self>, farm: Arc<Farm>) {
        let events = farm.subscribe();
        while let Ok(event) = events.recv().await {
            if let Some(text) = words(&event) {
                self.line(&text);
            }
        }
    }

    async fn tell_shares(self: Arc<Self>, farm: Arc<Farm>) {
        let mut told = Told::default();
        loop {
            Timer::after(LOOK).await;
            let Some(rig) = self.lock().watched else {
                continue;
            };
            let Ok(peer) = farm.peer(rig) else { continue };
            self.progress(progress(&peer));
            for line in told.news(&peer) {
                self.line(&line);
            }
        }
    }
}

/// What was told of the watched rig.
#[derive(Debug, Default)]
struct Told {
    shares: Option<u64>,
    state: Option<&'static str>,
}

impl Told {
    /// Lines for what is new.
    fn news(&mut self, peer: &PeerView) -> Vec<String> {
        let mut lines = Vec::new();
        let state = peer.activity.as_ref().map(|activity| activity.state);
        if state.is_some() && state != self.state {
            let text = match state {
                Some("filling") => Some("mines in light mode while the dataset is being filled"),
                Some("mining") if peer.memory == Some("light") => Some("mines in light mode"),
                Some("mining") => Some("mines in fast mode"),
                Some("noPool") => Some("cannot reach its pool"),
                Some("failed") => Some("failed; see `miner-ctrl remote logs`"),
                _ => None,
            };
            lines.extend(text.map(|text| format!("{} {text}", peer.name)));
            self.state = state;
        }
        if let Some(shares) = peer.shares {
            // A figure that fell means that the miner started again and counts from 0.
            if shares > 0 && self.shares != Some(shares) {
                let rate = peer.hashrate.map(|rate| units::hashrate(Some(rate)));
                let rate = rate.map_or_else(String::new, |rate| format!(", {rate}"));
                lines.push(format!("{} share {shares} accepted{rate}", peer.name));
            }
            self.shares = Some(shares);
        }
        lines
    }
}

fn progress(peer: &PeerView) -> String {
    match &peer.activity {
        Some(activity) if activity.state == "filling" && peer.connected => {
            format!("{} filling the dataset: {}", peer.name, filling(activity))
        }
        _ => String::new(),
    }
}

/// An event as a line; `None` for what other lines tell.
fn words(event: &Event) -> Option<String> {
    let who = event.node_name.as_deref().or(event.node_id.as_deref());
    let who = who.unwrap_or("a node");
    Some(match &event.kind {
        EventKind::LinkUp { .. } => format!("{who} is up"),
        EventKind::LinkDown { reason } => format!("{who} is down: {reason}"),
        EventKind::ProtocolError {
            link_down: false, ..
        } => return None,
        EventKind::ProtocolError { reason, .. } => {
            format!("{who} is down: it broke the protocol: {reason}")
        }
        EventKind::PeerAdded => format!("{who} added"),
        EventKind::PeerRemoved => format!("{who} removed"),
        EventKind::ApiRefused {
            from,
            limited: false,
        } => format!("{from} came to the API with a bad credential"),
        EventKind::ApiRefused { from, .. } => {
            format!("{from} came to the API with too many bad credentials")
        }
        EventKind::UnknownKey { fingerprint } => {
            format!("a stranger was refused: {fingerprint}")
        }
        EventKind::RemovedKey => format!("{who} was removed and is refused"),
        EventKind::DuplicateIdentity => {
            format!("{who}: two processes use its key at the same time")
        }
        EventKind::KeyChanged { .. } => format!("{who} has a new key"),
        EventKind::RecoveryRefused { reason, .. } => {
            format!("{who} did not pin the recovery key: {reason}")
        }
        EventKind::Refused { reason, .. } => format!("{who} refused: {reason}"),
        EventKind::Behind { generation } => {
            format!("{who} was told something newer (generation {generation})")
        }
        EventKind::Enrolled { token } => format!("{who} enrolled by the token {token}"),
        EventKind::EnrolPending { .. } => {
            format!("{who} waits for approval: miner-ctrl peer approve {who}")
        }
        EventKind::EnrolRefused { reason, .. } => format!("a token was refused: {reason}"),
        EventKind::PeerVanished { name } => format!("{name} was away for long; its entry is gone"),
        EventKind::Strangers { unrecorded } => {
            format!("strangers were refused {unrecorded} more times")
        }
        EventKind::Throttled { .. } => format!("{who} sends too much and is read more slowly"),
        EventKind::Ordered { order, by } => format!("{order} ordered for {who} by {by}"),
        EventKind::OrderEnded { order, status } => format!("{order} of {who}: {status}"),
        EventKind::RolloutStarted {
            rollout,
            profile,
            version,
            rigs,
        } => format!("rollout {rollout}: {profile} version {version} for {rigs} rigs"),
        EventKind::RolloutStage {
            rollout,
            stage,
            stages,
            rigs,
        } => format!("rollout {rollout}: stage {stage} of {stages}, {rigs} rigs are told"),
        EventKind::RolloutHalted { rollout, reason } => {
            format!("rollout {rollout} stopped by itself: {reason}")
        }
        EventKind::RolloutEnded { rollout, status } => format!("rollout {rollout} is {status}"),
        EventKind::UpdateStarted {
            update,
            version,
            rigs,
        } => format!("update {update}: {version} for {rigs} rigs"),
        EventKind::UpdateStage {
            update,
            stage,
            stages,
            rigs,
        } => format!("update {update}: stage {stage} of {stages}, {rigs} rigs"),
        EventKind::UpdateHalted { update, reason } => {
            format!("update {update} stopped by itself: {reason}")
        }
        EventKind::UpdateEnded { update, status } => format!("update {update} is {status}"),
        EventKind::ControllerEnded
        | EventKind::ControllerStarted
        | EventKind::EventsSkipped { .. }
        | EventKind::DesiredSet { .. }
        | EventKind::Applied { .. }
        | EventKind::PeerLabelled
        | EventKind::PeerRenamed
        | EventKind::RecoveryPinned { .. }
        | EventKind::RecoverySet { .. }
        | EventKind::TokenCreated { .. }
        | EventKind::TokenRevoked { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::samples::rig;

    #[test]
    fn a_share_is_told_once_with_the_hash_rate() {
        let mut told = Told::default();
        let mut peer = rig(0);
        (peer.shares, peer.hashrate) = (Some(0), Some(19.84));
        assert_eq!(told.news(&peer), ["rig-000 mines in fast mode"]);
        peer.shares = Some(1);
        assert_eq!(told.news(&peer), ["rig-000 share 1 accepted, 19.8 H/s"]);
        assert!(told.news(&peer).is_empty());
        peer.shares = Some(3);
        assert_eq!(told.news(&peer), ["rig-000 share 3 accepted, 19.8 H/s"]);
    }

    #[test]
    fn light_mode_is_told_as_what_it_is() {
        let mut peer = rig(0);
        peer.memory = Some("light");
        let told = Told::default().news(&peer);
        assert_eq!(told.first().expect("told"), "rig-000 mines in light mode");
    }

    #[test]
    fn filling_counts_and_ends() {
        assert_eq!(
            progress(&rig(3)),
            "rig-003 filling the dataset: 42 %, 1 min left; light mode until then"
        );
        assert_eq!(progress(&rig(0)), "");
    }
}
