//! What the hub remembers of one peer while the process lives.

use miner_shared::gate::Bucket;
use miner_shared::smsg::SeqMemory;
use miner_shared::time::Millis;
use miner_shared::wire::{ImageStatus, Refusal, RigStats};

use super::found::FoundShares;
use super::recovery::Offer;
use super::score::{Counts, Score};
use super::work::Work;
use super::{ConnId, RequestId};
use crate::clock::{EpochMs, Now};
use crate::history::{Point, Shares, Tally};

/// What is known of a peer besides its row in the registry.
#[derive(Debug, Default)]
pub struct Rig {
    pub(super) memory: Option<SeqMemory>,
    pub(super) score: Score,
    /// Of some size, and not yet there of a rig that has said nothing.
    pub(super) stats: Option<Box<(RigStats, Now)>>,
    /// What it said before this process began, until it says something.
    restored: Option<Box<(RigStats, EpochMs)>>,
    /// What it has said in the open step of the history.
    tally: Tally,
    /// Whether its last statistics are kept for the next start.
    kept: bool,
    /// Whether any that it sent to this process are.
    ever_kept: bool,
    /// Since when it hashes, or not.
    pub(super) work: Work,
    /// The pool that it has left without a new one so far.
    pub(super) left_pool: Option<Box<str>>,
    pub(super) last_seen: Option<Now>,
    pub(super) rtt_ms: Option<u64>,
    /// Generation that the rig last said it has.
    pub(super) applied: Option<u64>,
    /// The same with the hash of the state, on this link; a rig of protocol version 1 does not say it.
    pub(super) applied_hash: Option<(u64, [u8; 32])>,
    /// Generation of a wish that the rig's protocol version has no words for.
    pub(super) too_old: Option<u64>,
    /// Generation that the rig refused, and why.
    pub(super) refused: Option<(u64, Refusal)>,
    /// The refusal that was last reported as an event.
    pub(super) refusal_told: Option<(u64, Refusal)>,
    /// Newer generation than ours that was already reported as an event.
    pub(super) ahead: Option<u64>,
    /// Wish that is on its way.
    pub(super) sent: Option<Sent>,
    /// How far the recovery key has come on this link.
    pub(super) offer: Offer,
    /// Shares that it found.
    pub(super) found: FoundShares,
    /// Requests that wait or are asked.
    pub(super) requests: Vec<RequestId>,
    /// Until when other boots of this key are refused, after a duplicate was seen.
    pub(super) closed_to_others: Option<Millis>,
    /// Frames that are read of it, on whatever connection.
    pub(super) frames: Bucket,
    /// Frames that had to wait and are in no event yet.
    pub(super) delayed: u64,
    /// When the last event said so.
    pub(super) throttled_at: Option<Millis>,
    /// What its machine was booted from, and how its update does, as it said last to this process.
    pub(super) image: Option<Box<(ImageStatus, Now)>>,
    /// Pieces of releases that it gets.
    pub(super) pieces: Bucket,
    /// When its entry vanishes if no link is up then, of an ephemeral peer.
    pub(super) vanishes_at: Option<Millis>,
}

/// A wish that was sent and has no receipt yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) generation: u64,
    /// On which connection.
    pub(super) on: ConnId,
    pub(super) at: Millis,
    /// It is sent again after this, in milliseconds.
    pub(super) pause_ms: u64,
}

impl Rig {
    /// Statistics came; the shares since those before.
    pub(super) fn heard(&mut self, stats: RigStats, now: Now) -> Shares {
        let old = self.stats.as_deref().map(|(stats, _)| stats);
        let shares = self.tally.add(old, &stats);
        self.work.heard(&stats, now.mono);
        self.stats = Some(Box::new((stats, now)));
        self.restored = None;
        self.kept = false;
        shares
    }

    /// What it said to the process before this one.
    pub(super) fn restore(&mut self, stats: RigStats, at: EpochMs) {
        self.restored = Some(Box::new((stats, at)));
    }

    /// Closes the open step of the history.
    pub(super) fn take_point(&mut self, live: bool) -> Point {
        self.tally.take(live)
    }

    /// Its last statistics, once, unless they are kept already.
    pub(super) fn take_unkept(&mut self) -> Option<&(RigStats, Now)> {
        let stats = self.stats.as_deref()?;
        self.ever_kept = true;
        let unkept = !std::mem::replace(&mut self.kept, true);
        unkept.then_some(stats)
    }

    /// Whether nothing that it sent to this process is kept yet.
    pub(super) fn is_never_kept(&self) -> bool {
        !self.ever_kept
    }

    /// What it said last, to this process or the one before it, and the age of that in milliseconds.
    pub fn last_stats(&self, now: Now) -> Option<(&RigStats, u64)> {
        let here = self.stats.as_deref();
        let here = here.map(|(stats, at)| (stats, now.mono.since(at.mono)));
        here.or_else(|| {
            let (stats, at) = self.restored.as_deref()?;
            Some((stats, now.wall.0.saturating_sub(at.0)))
        })
    }

    /// Statistics that it sent last to this process, and when they came.
    pub fn stats(&self) -> Option<&(RigStats, Now)> {
        self.stats.as_deref()
    }

    /// Since when it hashes, or not, in this process.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// What its machine was booted from and how its update does, as it said last to this process, and when.
    pub fn image(&self) -> Option<&(ImageStatus, Now)> {
        self.image.as_deref()
    }

    /// When a frame of it last came in this process.
    pub fn last_seen(&self) -> Option<Now> {
        self.last_seen
    }

    /// Round trip of the last answered ping, in milliseconds.
    pub fn rtt_ms(&self) -> Option<u64> {
        self.rtt_ms
    }

    /// Reliability, 0 to 100; `None` before the first exchange.
    pub fn score(&self) -> Option<u8> {
        self.score.value()
    }

    /// Of the last exchanges: answered, late, failed.
    pub fn exchanges(&self) -> (u8, u8, u8) {
        let Counts {
            answered,
            late,
            failed,
        } = self.score.counts();
        (answered, late, failed)
    }

    /// Frames of it that had to wait, as it sends too many, and are in no event yet.
    pub fn delayed(&self) -> u64 {
        self.delayed
    }

    /// Generation that it last said it has.
    pub fn applied(&self) -> Option<u64> {
        self.applied
    }

    /// The same; of a rig that has had no link to this process, what it said to the one before it.
    pub fn had(&self) -> Option<u64> {
        let before = || Some(self.restored.as_deref()?.0.generation);
        let unheard = self.last_seen.is_none();
        self.applied.or_else(|| unheard.then(before).flatten())
    }

    /// Generation and hash of the state that it said on this link that it has.
    pub fn applied_hash(&self) -> Option<(u64, [u8; 32])> {
        self.applied_hash
    }

    /// The last shares that it found.
    pub fn found(&self) -> &FoundShares {
        &self.found
    }

    /// Whether its agent is too old for the wish of this generation.
    pub fn is_too_old_for(&self, generation: u64) -> bool {
        self.too_old == Some(generation)
    }

    /// Generation that it refused, and why.
    pub fn refused(&self) -> Option<&(u64, Refusal)> {
        self.refused.as_ref()
    }

    /// Newest generation that it said it was told; 0 if it said nothing.
    pub fn told(&self) -> u64 {
        self.applied.max(self.ahead).unwrap_or(0)
    }
}
