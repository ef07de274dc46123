//! The job that the hash threads work on: published by one thread, read by many, without a lock.
//!
//! A sequence lock: the number in front is odd while the words behind are being written, and goes
//! up by two with each job, so it is also the job's *generation*. A hash thread looks at it once per
//! hash, relaxed, and reads the words only when it has changed. A reader that met a writer sees
//! another number afterwards and reads again; all words are atomics, so nothing here is unsafe.
//!
//! ```text
//!   word   0           1        2 ..            53 ..
//!        ├ lengths ───┼ target ┼ blob, 51 words ┼ job id, 16 words ┤
//!          and slot
//! ```
//!
//! Beside it lies the word that hands out nonces. It carries the generation too, halved, as it is
//! even: what a thread takes from it says of which job it is, so a chunk can never be taken for the
//! wrong one.
//!
//! ```text
//!   63 ── 32 bits of generation / 2 ── 32 │ 31 ── next chunk ── 0
//! ```
//!
//! Why each ordering suffices:
//!
//! | access | order | because |
//! |---|---|---|
//! | writer: odd number, then words | relaxed, release fence | a reader that sees a new word and then fences sees the odd number or a later one |
//! | writer: even number, last | release | who acquires it sees all words, and the nonce word, of that job or a later one |
//! | reader: number, words, number | acquire, relaxed, acquire fence and relaxed | equal and even: no writer was between |
//! | look per hash | relaxed | it only asks for change; the job itself is read as above |
//! | taking nonces | relaxed | one atomic word: its changes have one order, and each taker a place in it |
//! | `swap` before publishing | relaxed | the same order: whoever comes later finds another generation |

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread;

use miner_shared::limits::{MAX_BLOB, MAX_JOB_ID, NONCE_CHUNK};
use miner_shared::mining::{Blob, Job, JobId, NonceKey, NonceMemory, NonceSlot, Target};

/// Generation of no job: no thread has read any yet.
pub(super) const NEVER: u64 = u64::MAX;

const BLOB_WORDS: usize = MAX_BLOB.div_ceil(8);
const ID_WORDS: usize = MAX_JOB_ID.div_ceil(8);
const TEXT_BYTES: usize = (BLOB_WORDS + ID_WORDS) * 8;
/// A chunk number that no job reaches, even if every thread takes some more.
const NO_CHUNKS: u64 = 1 << 31;

const _: () = assert!(NonceSlot::Whole.size().div_ceil(NONCE_CHUNK as u64) < NO_CHUNKS);

/// The job slot.
#[derive(Debug)]
pub(super) struct JobSlot {
    sequence: AtomicU64,
    head: AtomicU64,
    target: AtomicU64,
    text: [AtomicU64; BLOB_WORDS + ID_WORDS],
    nonces: AtomicU64,
    exhausted: AtomicU64,
}

/// A job as a hash thread keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) id: JobId,
    pub(super) blob: Blob,
    pub(super) target: Target,
    pub(super) slot: NonceSlot,
}

/// What a thread gets that asks for nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    /// These counters of the job's slot are its own.
    Mine(Range<u64>),
    /// All were handed out.
    Exhausted,
    /// The job has changed.
    OtherJob,
}

impl JobSlot {
    pub(super) fn new() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            head: AtomicU64::new(0),
            target: AtomicU64::new(0),
            text: [const { AtomicU64::new(0) }; BLOB_WORDS + ID_WORDS],
            nonces: AtomicU64::new(NO_CHUNKS),
            exhausted: AtomicU64::new(NEVER),
        }
    }

    /// The current generation; odd while a job is being written. The one look per hash.
    pub(super) fn generation(&self) -> u64 {
        self.sequence.load(Ordering::Relaxed)
    }

    /// The current job, if any, and its generation. Allocates nothing; waits for a writer, which
    /// takes well below a microsecond unless the system interrupts it.
    pub(super) fn read(&self) -> (u64, Option<Work>) {
        loop {
            let before = self.sequence.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let (head, target) = (
                    self.head.load(Ordering::Relaxed),
                    self.target.load(Ordering::Relaxed),
                );
                let mut text = [0; TEXT_BYTES];
                for (bytes, word) in text.as_chunks_mut::<8>().0.iter_mut().zip(&self.text) {
                    *bytes = word.load(Ordering::Relaxed).to_le_bytes();
                }
                // Pairs with the writer's release fence: had any word above been of a later job,
                // the number below would be one too.
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return (before, decode(head, target, &text));
                }
            }
            thread::yield_now();
        }
    }

    /// Takes the next chunk of the job of this generation, of which `slot` is the slot.
    pub(super) fn take(&self, generation: u64, slot: NonceSlot) -> Chunk {
        let word = self.nonces.fetch_add(1, Ordering::Relaxed);
        if word >> 32 != tag(generation) {
            return Chunk::OtherJob;
        }
        let first = (word & u64::from(u32::MAX)) * u64::from(NONCE_CHUNK);
        let end = (first + u64::from(NONCE_CHUNK)).min(slot.size());
        if first >= end {
            self.exhausted.store(generation, Ordering::Relaxed);
            return Chunk::Exhausted;
        }
        Chunk::Mine(first..end)
    }

    /// Whether a thread found the current job without nonces.
    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed) == self.generation()
    }
}

/// The one writer of a slot, and the memory of what was hashed already.
#[derive(Debug)]
pub(super) struct Publisher {
    slot: Arc<JobSlot>,
    current: Option<Job>,
    memory: NonceMemory,
}

impl Publisher {
    /// The slot must have no other publisher.
    pub(super) fn new(slot: Arc<JobSlot>) -> Self {
        Self {
            slot,
            current: None,
            memory: NonceMemory::new(),
        }
    }

    /// The job that is published.
    pub(super) fn current(&self) -> Option<&Job> {
        self.current.as_ref()
    }

    /// Makes this the job, with the nonces that nobody has hashed in it. Threads notice within one
    /// hash, or when they are woken: one that asks for nonces meanwhile may rest.
    pub(super) fn publish(&mut self, job: Option<&Job>) {
        let slot = &*self.slot;
        let sequence = slot.sequence.load(Ordering::Relaxed);
        let generation = sequence.wrapping_add(2);

        // From here on nobody can take nonces of the old job: what was taken is final. Nor of the
        // new one, which no thread knows yet.
        let tag = tag(generation) << 32;
        let old = slot.nonces.swap(tag | NO_CHUNKS, Ordering::Relaxed);
        if let Some(current) = &self.current {
            let taken = (old & u64::from(u32::MAX)) * u64::from(NONCE_CHUNK);
            let next = taken.min(current.slot().size());
            self.memory.record(NonceKey::of(current), next);
        }
        let next_chunk = job.map_or(NO_CHUNKS, |job| {
            self.memory.next(job).div_ceil(NONCE_CHUNK.into())
        });

        slot.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        // Whoever sees a word written below also sees the odd number.
        fence(Ordering::Release);
        store(slot, job);
        slot.nonces.store(tag | next_chunk, Ordering::Relaxed);
        slot.sequence.store(generation, Ordering::Release);
        self.current = job.cloned();
    }
}

/// The bits of a generation that the nonce word carries; they come back after 2^32 jobs.
const fn tag(generation: u64) -> u64 {
    generation >> 1 & u32::MAX as u64
}

fn store(slot: &JobSlot, job: Option<&Job>) {
    let Some(job) = job else {
        return slot.head.store(0, Ordering::Relaxed);
    };
    let (blob, id) = (job.blob.as_bytes(), job.id.as_str().as_bytes());
    let mut text = [0; TEXT_BYTES];
    let (blob_part, id_part) = text.split_at_mut(BLOB_WORDS * 8);
    for (part, bytes) in [(blob_part, blob), (id_part, id)] {
        for (to, from) in part.iter_mut().zip(bytes) {
            *to = *from;
        }
    }
    for (bytes, word) in text.as_chunks::<8>().0.iter().zip(&slot.text) {
        word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
    }
    slot.target.store(job.target.value(), Ordering::Relaxed);
    slot.head
        .store(Head::of(job, blob, id).encode(), Ordering::Relaxed);
}

/// The first word: nothing (0), or how long the texts are and which nonces are ours.
struct Head {
    blob_len: u16,
    id_len: u8,
    slot: NonceSlot,
}

impl Head {
    fn of(job: &Job, blob: &[u8], id: &[u8]) -> Self {
        Self {
            // Both types are bounded far below.
            blob_len: u16::try_from(blob.len()).unwrap_or(u16::MAX),
            id_len: u8::try_from(id.len()).unwrap_or(u8::MAX),
            slot: job.slot(),
        }
    }

    fn encode(&self) -> u64 {
        let [low, high] = self.blob_len.to_le_bytes();
        let (fixed, byte) = match self.slot {
            NonceSlot::Whole => (0, 0),
            NonceSlot::Byte(byte) => (1, byte),
        };
        u64::from_le_bytes([low, high, self.id_len, fixed, byte, 0, 0, 1])
    }

    fn decode(word: u64) -> Option<Self> {
        let [low, high, id_len, fixed, byte, _, _, 1] = word.to_le_bytes() else {
            return None;
        };
        Some(Self {
            blob_len: u16::from_le_bytes([low, high]),
            id_len,
            slot: if fixed == 0 {
                NonceSlot::Whole
            } else {
                NonceSlot::Byte(byte)
            },
        })
    }
}

fn decode(head: u64, target: u64, text: &[u8; TEXT_BYTES]) -> Option<Work> {
    let head = Head::decode(head)?;
    let (blob, id) = text.split_at_checked(BLOB_WORDS * 8)?;
    let id = str::from_utf8(id.get(..head.id_len.into())?).ok()?;
    Some(Work {
        id: JobId::parse(id).ok()?,
        blob: Blob::from_bytes(blob.get(..head.blob_len.into())?).ok()?,
        target: Target::new(target)?,
        slot: head.slot,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use miner_shared::mining::SeedHash;
    use miner_shared::wire::Algo;

    use super::*;

    /// Miri, which looks for races and not for speed, needs fewer.
    const JOBS: u16 = if cfg!(miri) { 40 } else { 5_000 };
    const READS: usize = if cfg!(miri) { 10 } else { 1_000 };

    /// A job all of whose parts follow from `number`.
    fn job(number: u16, nicehash: bool) -> Job {
        let [low, high] = number.to_le_bytes();
        let mut blob = [low; 76];
        blob[1] = high;
        blob[42] = 0x40;
        Job {
            id: JobId::parse(&format!("{number:05}").repeat(usize::from(number % 7 + 1)))
                .expect("short"),
            blob: Blob::from_bytes(&blob).expect("of the right size"),
            target: Target::new(u64::from(number) + 1).expect("not 0"),
            algo: Algo::Rx0,
            height: None,
            seed: SeedHash([7; 32]),
            next_seed: None,
            nicehash,
        }
    }

    fn work(job: &Job) -> Work {
        Work {
            id: job.id.clone(),
            blob: job.blob.clone(),
            target: job.target,
            slot: job.slot(),
        }
    }

    fn slot() -> (Arc<JobSlot>, Publisher) {
        let slot = Arc::new(JobSlot::new());
        (Arc::clone(&slot), Publisher::new(slot))
    }

    #[test]
    fn what_is_published_is_read_up_to_the_longest() {
        let (slot, mut publisher) = slot();
        assert_eq!(slot.read(), (0, None));
        let mut longest = job(1, false);
        longest.id = JobId::parse(&"x".repeat(MAX_JOB_ID)).expect("fits");
        longest.blob = Blob::from_bytes(&[9; MAX_BLOB - 1]).expect("fits");
        for job in [job(5, true), longest, job(6, false)] {
            let before = slot.generation();
            publisher.publish(Some(&job));
            let (generation, read) = slot.read();
            assert_eq!(read, Some(work(&job)));
            assert_eq!(generation, slot.generation());
            assert_ne!(generation, before);
        }
        publisher.publish(None);
        assert_eq!(slot.read().1, None);
    }

    #[test]
    fn readers_beside_a_writer_never_see_parts_of_two_jobs() {
        let (slot, mut publisher) = slot();
        let over = AtomicBool::new(false);
        publisher.publish(Some(&job(0, false)));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut reads = 0;
                    while reads < READS || !over.load(Ordering::Relaxed) {
                        let (_, read) = slot.read();
                        let read = read.expect("there always is a job");
                        let number = u16::try_from(read.target.value() - 1).expect("small");
                        assert_eq!(read, work(&job(number, number % 2 == 1)));
                        reads += 1;
                    }
                });
            }
            for number in 0..JOBS {
                publisher.publish(Some(&job(number, number % 2 == 1)));
            }
            over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn chunks_follow_each_other_and_belong_to_their_job() {
        let (slot, mut publisher) = slot();
        publisher.publish(Some(&job(1, false)));
        let (first, _) = slot.read();
        assert_eq!(slot.take(first, NonceSlot::Whole), Chunk::Mine(0..256));
        assert_eq!(slot.take(first, NonceSlot::Whole), Chunk::Mine(256..512));
        publisher.publish(Some(&job(2, false)));
        assert_eq!(slot.take(first, NonceSlot::Whole), Chunk::OtherJob);
        let (second, _) = slot.read();
        // The attempt above cost a chunk, which nobody hashes: never twice is what counts.
        assert_eq!(slot.take(second, NonceSlot::Whole), Chunk::Mine(256..512));
    }

    #[test]
    fn a_job_that_returns_goes_on_where_it_was_left() {
        let (slot, mut publisher) = slot();
        publisher.publish(Some(&job(1, false)));
        for _ in 0..3 {
            slot.take(slot.generation(), NonceSlot::Whole);
        }
        publisher.publish(Some(&job(2, false)));
        publisher.publish(None);
        let mut harder = job(1, false);
        harder.id = JobId::parse("the same with another name").expect("short");
        harder.target = Target::new(5).expect("not 0");
        publisher.publish(Some(&harder));
        assert_eq!(
            slot.take(slot.generation(), NonceSlot::Whole),
            Chunk::Mine(768..1024)
        );
    }

    #[test]
    fn a_slot_of_one_byte_ends_after_2_pow_24_nonces_and_says_so() {
        let (slot, mut publisher) = slot();
        let job_1 = job(1, true);
        let size = job_1.slot().size();
        publisher
            .memory
            .record(NonceKey::of(&job_1), size - 2 * u64::from(NONCE_CHUNK));
        publisher.publish(Some(&job_1));
        let (generation, work) = slot.read();
        let own = work.expect("published").slot;
        assert_eq!(own, NonceSlot::Byte(0x40));
        assert_eq!(
            slot.take(generation, own),
            Chunk::Mine(size - 512..size - 256)
        );
        assert_eq!(slot.take(generation, own), Chunk::Mine(size - 256..size));
        assert!(!slot.is_exhausted());
        assert_eq!(slot.take(generation, own), Chunk::Exhausted);
        assert_eq!(slot.take(generation, own), Chunk::Exhausted);
        assert!(slot.is_exhausted());
        publisher.publish(Some(&job(2, true)));
        assert!(!slot.is_exhausted());
        publisher.publish(Some(&job_1));
        assert_eq!(slot.take(slot.generation(), own), Chunk::Exhausted);
    }
}
