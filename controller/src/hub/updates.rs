//! What rigs were booted from, and releases on their way to them.
//!
//! ```text
//!   Image ─▶ kept of the rig, with its time
//!   Wanted ─▶ its turn? ── yes ─▶ Action::Read ─▶ deliver_piece ─▶ Piece
//!               └─ not yet ─▶ a timer ──┘
//! ```
//! A rig gets one piece for one question, [`PIECE_RATE`] of them; another question before the answer takes
//! the place of the first. So a connection holds one piece and one timer at most, however slow it is, and
//! who asks too often waits. Which releases there are is not known here, and need not be.

use heapless::Vec;
use miner_shared::identity::Fingerprint;
use miner_shared::limits::{PEER_RATE, PIECE_RATE};
use miner_shared::wire::{ImageStatus, Piece, Wanted};

use super::conn::Outgoing;
use super::{Action, ConnId, Env, Hub, Timer};

impl Hub {
    /// A rig has said what it was booted from.
    pub(super) fn on_image(&mut self, env: &Env<'_>, key: &Fingerprint, status: ImageStatus) {
        let rig = self.rigs.entry(*key).or_default();
        rig.image = Some(Box::new((status, env.now)));
        self.note_change(env.registry, Some(key));
    }

    /// A rig asks for a piece of a release.
    pub(super) fn on_wanted(
        &mut self,
        env: &Env<'_>,
        id: ConnId,
        key: &Fingerprint,
        wanted: Wanted,
    ) {
        let now = env.now.mono;
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let waited = conn.wanted.replace(wanted).is_some();
        let rig = self.rigs.entry(*key).or_default();
        if !waited {
            // One question for each answer is no noise; it counts as a piece.
            rig.frames.put_back(PEER_RATE);
        }
        if conn.piece_at.is_some() {
            // Its turn is taken already.
            return;
        }
        match rig.pieces.take_ahead(PIECE_RATE, now) {
            0 => self.actions.push_back(Action::Read(id, wanted)),
            pause => {
                conn.piece_at = Some(now + pause);
                self.timers.insert((now + pause, Timer::Piece(id)));
            }
        }
    }

    /// A piece that was asked for early may be read now.
    pub(super) fn piece_due(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        conn.piece_at = None;
        if let Some(wanted) = conn.wanted {
            self.actions.push_back(Action::Read(id, wanted));
        }
    }

    /// What was read of a release for who asked on this connection; nothing, if there is no such place.
    pub fn deliver_piece(&mut self, env: &mut Env<'_>, id: ConnId, wanted: Wanted, bytes: &[u8]) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        // It may have asked for something else since.
        if conn.wanted.take_if(|asked| *asked == wanted).is_some() {
            let bytes = Vec::from_slice(bytes).unwrap_or_default();
            let piece = Box::new(Piece { wanted, bytes });
            self.send(env, id, Outgoing::Piece(piece));
        }
    }
}
