//! Which nonces are ours, and which were hashed already.
//!
//! A nonce hashed twice in one job is work for nothing, and its share a duplicate. Pools repeat
//! jobs: after a reconnect, on a new difficulty, when two heights alternate. So the position in a
//! job's nonces belongs to what is hashed, not to the connection: [`NonceMemory`] keeps it for the
//! last [`NONCE_MEMORY`] keys of (algorithm, seed, blob without nonce, slot).
//!
//! ```text
//!   NonceSlot::Whole        0x00000000 ..= 0xffffffff     the client owns all 32 bits
//!   NonceSlot::Byte(0x40)   0x40000000 ..= 0x40ffffff     nicehash: byte 42 of the blob is fixed
//! ```

use heapless::Deque;

use super::Job;
use crate::crypto::sha256;
use crate::limits::NONCE_MEMORY;

/// The part of the nonces that a job leaves to its miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceSlot {
    /// All 32 bits.
    Whole,
    /// The low 24 bits; the high byte is given.
    Byte(u8),
}

/// Says that two jobs hash the same inputs: SHA-256 over algorithm, seed, slot, and blob with the
/// nonce bytes zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceKey([u8; 32]);

/// How far the last [`NONCE_MEMORY`] jobs were searched; oldest use is forgotten first.
#[derive(Clone, Debug, Default)]
pub struct NonceMemory {
    known: Deque<(NonceKey, u64), NONCE_MEMORY>,
}

impl NonceSlot {
    /// Number of nonces in it.
    pub const fn size(self) -> u64 {
        match self {
            Self::Whole => 1 << 32,
            Self::Byte(_) => 1 << 24,
        }
    }

    /// The nonce of a counter; counters at or above [`Self::size`] wrap within the slot.
    pub const fn nonce(self, counter: u32) -> u32 {
        match self {
            Self::Whole => counter,
            Self::Byte(slot) => (slot as u32) << 24 | (counter & 0x00ff_ffff),
        }
    }

    /// Whether the nonce is one of this slot.
    pub const fn contains(self, nonce: u32) -> bool {
        match self {
            Self::Whole => true,
            Self::Byte(slot) => nonce >> 24 == slot as u32,
        }
    }
}

impl NonceKey {
    /// The key of a job.
    pub fn of(job: &Job) -> Self {
        let slot = match job.slot() {
            NonceSlot::Whole => [0, 0],
            NonceSlot::Byte(slot) => [1, slot],
        };
        Self(sha256(&[
            job.algo.as_str().as_bytes(),
            &[0],
            &job.seed.0,
            &slot,
            job.blob.with_nonce(0).as_bytes(),
        ]))
    }
}

impl NonceMemory {
    /// Remembers nothing yet.
    pub const fn new() -> Self {
        Self {
            known: Deque::new(),
        }
    }

    /// The first counter of a job that is not done with; [`NonceSlot::size`] when all are.
    pub fn next(&self, job: &Job) -> u64 {
        let key = NonceKey::of(job);
        let known = self.known.iter().find(|(known, _)| *known == key);
        known.map_or(0, |(_, next)| (*next).min(job.slot().size()))
    }

    /// Notes that the counters below `next` of this key are done with. Never goes back.
    pub fn record(&mut self, key: NonceKey, next: u64) {
        let mut reached = next;
        // Rotate once: what is kept moves to the back in order, the key itself goes last.
        for _ in 0..self.known.len() {
            match self.known.pop_front() {
                Some((known, before)) if known == key => reached = reached.max(before),
                Some(other) => self.push(other),
                None => break,
            }
        }
        if self.known.is_full() {
            self.known.pop_front();
        }
        self.push((key, reached));
    }

    fn push(&mut self, entry: (NonceKey, u64)) {
        // There is room: every caller popped one before, or the store was not full.
        let _ = self.known.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::{Blob, JobId, SeedHash, Target};
    use crate::wire::Algo;

    fn job(byte: u8) -> Job {
        Job {
            id: JobId::parse("a").expect("valid"),
            blob: Blob::from_bytes(&[byte; 76]).expect("valid").with_nonce(0),
            target: Target::EASIEST,
            algo: Algo::Rx0,
            height: None,
            seed: SeedHash([1; 32]),
            next_seed: None,
            nicehash: false,
        }
    }

    #[test]
    fn slots_are_disjoint_and_keep_their_byte() {
        let slot = NonceSlot::Byte(0x40);
        assert_eq!(slot.nonce(0).to_le_bytes(), [0, 0, 0, 0x40]);
        assert_eq!(
            slot.nonce(0x00ff_ffff).to_le_bytes(),
            [0xff, 0xff, 0xff, 0x40]
        );
        assert_eq!(
            slot.nonce(0x0100_0000),
            slot.nonce(0),
            "never into the next slot"
        );
        assert!(slot.contains(0x4000_03d0) && !slot.contains(0x4100_0000));
        assert_eq!(NonceSlot::Byte(1).size() * 256, NonceSlot::Whole.size());
    }

    #[test]
    fn what_is_done_never_exceeds_the_slot() {
        let mut memory = NonceMemory::new();
        let mut job = job(7);
        job.nicehash = true;
        memory.record(NonceKey::of(&job), u64::MAX);
        assert_eq!(memory.next(&job), 1 << 24);
    }

    #[test]
    fn the_same_work_goes_on_where_it_stopped() {
        let mut memory = NonceMemory::new();
        memory.record(NonceKey::of(&job(1)), 4_096);
        let mut again = job(1);
        again.id = JobId::parse("another name after a reconnect").expect("valid");
        again.target = Target::new(5).expect("not zero");
        again.blob.set_nonce(99);
        assert_eq!(memory.next(&again), 4_096);

        memory.record(NonceKey::of(&again), 17);
        assert_eq!(memory.next(&again), 4_096, "never back");
    }

    #[test]
    fn other_work_starts_at_zero() {
        let mut memory = NonceMemory::new();
        memory.record(NonceKey::of(&job(1)), 4_096);
        let mut seed = job(1);
        seed.seed = SeedHash([2; 32]);
        let mut slot = job(1);
        slot.nicehash = true;
        for other in [job(2), seed, slot] {
            assert_eq!(memory.next(&other), 0);
        }
    }

    #[test]
    fn the_least_recently_used_key_is_forgotten() {
        let mut memory = NonceMemory::new();
        for byte in 0..8 {
            memory.record(NonceKey::of(&job(byte)), 100);
        }
        memory.record(NonceKey::of(&job(0)), 200);
        memory.record(NonceKey::of(&job(8)), 100);
        assert_eq!(memory.next(&job(0)), 200, "used a moment ago");
        assert_eq!(memory.next(&job(1)), 0, "the oldest use");
        assert_eq!(memory.next(&job(2)), 100);
    }
}
