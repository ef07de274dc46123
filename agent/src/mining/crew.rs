//! The hash threads: one crew for one memory. Another memory needs other machines, so the crew
//! ends and a new one starts; the job in the slot goes on.
//!
//! The loop of a thread allocates nothing, locks nothing and logs nothing. Per hash it does one
//! relaxed load (has the job changed?), one relaxed add (its own counter) and one comparison (is it
//! a share?); per chunk of nonces one `fetch_add` on the shared word.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use miner_engine::{
    Backing, Cache, Dataset, EngineError, Hash, HashEngine, MAX_WAYS, Prefetch, Vm,
};
use miner_shared::limits::{MAX_THREADS, SHARE_QUEUE};
use miner_shared::mining::Share;
use miner_shared::wire::Memory;
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, gettid, sched_setaffinity};
use smol::channel::{Receiver, Sender, TrySendError, bounded};

use super::datasets::PerNode;
use super::slot::{Chunk, JobSlot, Work};

/// What all hash threads of a miner share, over all crews.
#[derive(Debug)]
pub(super) struct Floor {
    pub(super) slot: Arc<JobSlot>,
    shares: Sender<Share>,
    found: AtomicU64,
    lost: AtomicU64,
    hashes: Box<[Counter]>,
}

/// One thread's count of hashes, alone in its cache line so that threads do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counter(AtomicU64);

impl Floor {
    pub(super) fn new() -> (Self, Receiver<Share>) {
        let (shares, receiver) = bounded(SHARE_QUEUE);
        let floor = Self {
            slot: Arc::new(JobSlot::new()),
            shares,
            found: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            hashes: (0..MAX_THREADS).map(|_| Counter::default()).collect(),
        };
        (floor, receiver)
    }

    /// Hashes done by all threads of all crews.
    pub(super) fn hashes(&self) -> u64 {
        let counts = self.hashes.iter();
        counts.map(|count| count.0.load(Ordering::Relaxed)).sum()
    }

    /// Shares found, and how many of them found the queue full.
    pub(super) fn shares(&self) -> (u64, u64) {
        let lost = self.lost.load(Ordering::Relaxed);
        (self.found.load(Ordering::Relaxed).max(lost), lost)
    }

    /// No share comes after those that wait.
    pub(super) fn close(&self) {
        self.shares.close();
    }

    fn hand_in(&self, work: &Work, nonce: u32, hash: &Hash, thread: u16) {
        self.found.fetch_add(1, Ordering::Relaxed);
        let share = Share {
            job_id: work.id.clone(),
            nonce,
            hash: *hash,
            thread,
        };
        if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) = self.shares.try_send(share) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The memory that a crew hashes with.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Light(Arc<Cache>),
    Fast(PerNode<Arc<Dataset>>),
}

impl Source {
    pub(crate) const fn memory(&self) -> Memory {
        match self {
            Self::Light(_) => Memory::Light,
            Self::Fast(_) => Memory::Fast,
        }
    }

    /// How many datasets it has.
    pub(crate) const fn datasets(&self) -> usize {
        match self {
            Self::Light(_) => 0,
            Self::Fast(datasets) => datasets.count(),
        }
    }

    /// Pages behind it, once it was written.
    pub(crate) fn backing(&self) -> Option<Backing> {
        match self {
            Self::Light(cache) => cache.backing(),
            Self::Fast(datasets) => datasets.backing(),
        }
    }

    /// A machine on it, for one thread on this processor, with as many inputs in flight as it gets memory
    /// for.
    pub(crate) fn machine(&self, cpu: Option<u16>, style: Style) -> Result<Vm, EngineError> {
        let one = || match self {
            Self::Light(cache) => Vm::light(cache),
            Self::Fast(datasets) => Vm::fast(datasets.near(cpu)),
        };
        let vm = one()?.with_ways(style.ways).or_else(|_| one())?;
        Ok(vm.prefetching(style.prefetch))
    }
}

/// How the threads of a crew hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Inputs in flight per thread.
    pub(crate) ways: usize,
    pub(crate) prefetch: Prefetch,
    /// Above 0 they give way to other threads.
    pub(crate) niceness: u8,
}

/// Running hash threads.
#[derive(Debug)]
pub(super) struct Crew {
    leave: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    hashing: usize,
}

impl Crew {
    /// Starts one thread per entry of `plan`, on the processor that it names. Returns when each has its
    /// machine; those that got none are missing.
    ///
    /// # Errors
    /// Why there is not a single thread.
    pub(super) fn start(
        floor: &Arc<Floor>,
        source: &Source,
        plan: &[Option<u16>],
        style: Style,
    ) -> Result<Self, EngineError> {
        let leave = Arc::new(AtomicBool::new(false));
        let (ready, answers) = mpsc::channel();
        let mut threads = Vec::with_capacity(plan.len());
        for (index, cpu) in (0_u16..).zip(plan.iter().copied()) {
            let (floor, leave) = (Arc::clone(floor), Arc::clone(&leave));
            let (source, ready) = (source.clone(), ready.clone());
            let body = move || {
                settle(cpu, style.niceness);
                let machine = source.machine(cpu, style);
                // The machine keeps what it needs of the memory.
                drop(source);
                let _ = ready.send(machine.as_ref().map(|_| ()).map_err(|error| *error));
                drop(ready);
                if let (Ok(mut machine), Some(counter)) =
                    (machine, floor.hashes.get(usize::from(index)))
                {
                    let thread = Thread {
                        index,
                        hashes: &counter.0,
                    };
                    work_until_told_to_leave(&floor, &leave, &mut machine, thread);
                }
            };
            let thread = thread::Builder::new().name(format!("rx-hash-{index}"));
            threads.extend(thread.spawn(body));
        }
        drop(ready);
        // Ends when each thread has answered.
        let (got, failed): (Vec<_>, Vec<_>) = answers.iter().partition(Result::is_ok);
        let mut crew = Self {
            leave,
            threads,
            hashing: got.len(),
        };
        if crew.hashing == 0 {
            crew.join();
            let failure = failed.into_iter().find_map(Result::err);
            return Err(failure.unwrap_or(EngineError::NoThread));
        }
        Ok(crew)
    }

    /// Number of threads that hash.
    pub(super) const fn len(&self) -> usize {
        self.hashing
    }

    /// Has those that rest look at the slot.
    pub(super) fn wake(&self) {
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }

    /// Tells them to leave; they do when they look up from their hash, which a new generation in
    /// the slot makes them do: publish one, then [`Self::join`].
    pub(super) fn dismiss(&self) {
        self.leave.store(true, Ordering::Release);
    }

    /// Waits for the end of the dismissed threads: what each has in flight at most.
    pub(super) fn join(&mut self) {
        self.wake();
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// Puts this thread on a processor and in its place in the queue; the system may refuse both.
pub(crate) fn settle(cpu: Option<u16>, niceness: u8) {
    if let Some(cpu) = cpu {
        let mut set = CpuSet::new();
        set.set(cpu.into());
        let _ = sched_setaffinity(None, &set);
    }
    if niceness != 0 {
        // On Linux this is the thread's own, not the process's.
        let _ = setpriority_process(Some(gettid()), niceness.into());
    }
}

/// Which hash thread, and where it counts its hashes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread<'f> {
    pub(super) index: u16,
    pub(super) hashes: &'f AtomicU64,
}

/// Hashes whatever job is in the slot, and rests while there is none or all its nonces are done.
fn work_until_told_to_leave<E: HashEngine>(
    floor: &Floor,
    leave: &AtomicBool,
    engine: &mut E,
    thread: Thread<'_>,
) {
    loop {
        let (generation, work) = floor.slot.read();
        if leave.load(Ordering::Acquire) {
            return;
        }
        if let Some(work) = work {
            hash_job(floor, engine, thread, generation, &work);
        }
        // A wake between the look and the rest is not lost: `park` then returns at once.
        while floor.slot.generation() == generation && !leave.load(Ordering::Acquire) {
            thread::park();
        }
    }
}

/// Hashes this job until there is another one or no nonce is left.
pub(super) fn hash_job<E: HashEngine>(
    floor: &Floor,
    engine: &mut E,
    thread: Thread<'_>,
    generation: u64,
    work: &Work,
) {
    let mut chunk = 0..0;
    let mut next_nonce = || {
        if chunk.is_empty() {
            chunk = match floor.slot.take(generation, work.slot) {
                Chunk::Mine(counters) => counters,
                Chunk::Exhausted | Chunk::OtherJob => return None,
            };
        }
        let counter = u32::try_from(chunk.next()?).ok()?;
        Some(work.slot.nonce(counter))
    };
    let mut blob = work.blob.clone();
    let mut hash = [0; 32];
    let Some(nonce) = next_nonce() else {
        return;
    };
    // The nonces of the inputs in flight, the oldest first; those of before have none.
    let mut in_flight: heapless::Deque<Option<u32>, MAX_WAYS> = heapless::Deque::new();
    for _ in 1..engine.ways() {
        let _ = in_flight.push_back(None);
    }
    blob.set_nonce(nonce);
    engine.first(blob.as_bytes());
    let _ = in_flight.push_back(Some(nonce));
    while floor.slot.generation() == generation {
        let Some(oldest) = in_flight.pop_front() else {
            return;
        };
        match next_nonce() {
            Some(next) => {
                blob.set_nonce(next);
                engine.next(blob.as_bytes(), &mut hash);
                // One was taken out: there is room.
                let _ = in_flight.push_back(Some(next));
            }
            None => engine.last(&mut hash),
        }
        let Some(nonce) = oldest else { continue };
        thread.hashes.fetch_add(1, Ordering::Relaxed);
        if work.target.is_met_by(&hash) {
            floor.hand_in(work, nonce, &hash, thread.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashSet, VecDeque};
    use std::sync::Mutex;

    use miner_shared::mining::{Blob, Job, JobId, SeedHash, Target};
    use miner_shared::wire::Algo;

    use super::super::slot::Publisher;
    use super::*;

    /// "Hashes" by noting what it was given; the hash of an input is its nonce.
    struct Notes {
        /// The oldest first; empty ones were never given.
        in_flight: VecDeque<Vec<u8>>,
        hashed: Vec<Vec<u8>>,
    }

    impl Notes {
        fn with_ways(ways: usize) -> Self {
            Self {
                in_flight: vec![Vec::new(); ways].into(),
                hashed: Vec::new(),
            }
        }
    }

    impl HashEngine for Notes {
        fn ways(&self) -> usize {
            self.in_flight.len()
        }

        fn first(&mut self, input: &[u8]) {
            self.in_flight.pop_front();
            self.in_flight.push_back(input.to_vec());
        }

        fn next(&mut self, input: &[u8], hash: &mut Hash) {
            self.last(hash);
            self.in_flight.pop_back();
            self.in_flight.push_back(input.to_vec());
        }

        fn last(&mut self, hash: &mut Hash) {
            let input = self.in_flight.pop_front().expect("one way at least");
            self.in_flight.push_back(Vec::new());
            // An input that nobody gave has a hash that meets every target.
            *hash = [0; 32];
            if input.is_empty() {
                return;
            }
            hash[..24].fill(0xff);
            hash[24..28].copy_from_slice(&input[39..43]);
            self.hashed.push(input);
        }
    }

    fn job(number: u8, nicehash: bool, target: u64) -> Job {
        let mut blob = [number; 76];
        blob[42] = 0x40;
        Job {
            id: JobId::parse(&format!("job {number}")).expect("short"),
            blob: Blob::from_bytes(&blob).expect("of the right size"),
            target: Target::new(target).expect("not 0"),
            algo: Algo::Rx0,
            height: None,
            seed: SeedHash([7; 32]),
            next_seed: None,
            nicehash,
        }
    }

    #[test]
    fn no_input_is_hashed_twice_by_threads_while_jobs_come_and_return() {
        let (floor, _shares) = Floor::new();
        let mut publisher = Publisher::new(Arc::clone(&floor.slot));
        let jobs = [job(1, false, 1), job(2, true, 1), job(3, false, 1)];
        let (leave, all) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|index| {
                    let (floor, leave, all) = (&floor, &leave, &all);
                    scope.spawn(move || {
                        // One thread with one input in flight, and others with more.
                        let mut notes = Notes::with_ways(1 + index % MAX_WAYS);
                        let thread = Thread {
                            index: 0,
                            hashes: &floor.hashes[index].0,
                        };
                        work_until_told_to_leave(floor, leave, &mut notes, thread);
                        all.lock().expect("no panic").append(&mut notes.hashed);
                    })
                })
                .collect();
            let wake = || threads.iter().for_each(|thread| thread.thread().unpark());
            for round in 0..60 {
                publisher.publish(Some(&jobs[round % jobs.len()]));
                wake();
                let enough = floor.hashes() + 100;
                while floor.hashes() < enough {
                    thread::yield_now();
                }
            }
            leave.store(true, Ordering::Release);
            publisher.publish(None);
            wake();
        });
        let all = all.into_inner().expect("no panic");
        // Of a job that was replaced, some hashes come out that nobody counts.
        let uncounted = all.len() - usize::try_from(floor.hashes()).expect("small");
        assert!(uncounted <= 60 * 4, "{uncounted}");
        assert!(all.len() >= 60 * 100);
        let nicehash = all.iter().filter(|input| input[0] == 2);
        assert!(nicehash.clone().count() > 0);
        assert!(nicehash.clone().all(|input| input[42] == 0x40));
        let different: HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }

    #[test]
    fn shares_are_those_below_the_target_with_the_nonce_that_was_hashed() {
        for ways in 1..=MAX_WAYS {
            shares_are_those_below_the_target(ways);
        }
    }

    fn shares_are_those_below_the_target(ways: usize) {
        let (floor, shares) = Floor::new();
        let mut publisher = Publisher::new(Arc::clone(&floor.slot));
        // The slot 0x40 makes every "hash" 0x40000000 plus a counter: three are below.
        publisher.publish(Some(&job(1, true, 0x4000_0003)));
        let (generation, work) = floor.slot.read();
        let work = work.expect("published");
        let mut notes = Notes::with_ways(ways);
        let hashes = AtomicU64::new(0);
        let thread = Thread {
            index: 5,
            hashes: &hashes,
        };
        thread::scope(|scope| {
            scope.spawn(|| hash_job(&floor, &mut notes, thread, generation, &work));
            while hashes.load(Ordering::Relaxed) < 1000 {
                thread::yield_now();
            }
            publisher.publish(None);
        });
        let found: Vec<_> = std::iter::from_fn(|| shares.try_recv().ok()).collect();
        let nonces: Vec<_> = found.iter().map(|share| share.nonce).collect();
        assert_eq!(nonces, [0x4000_0000, 0x4000_0001, 0x4000_0002]);
        assert!(found.iter().all(|share| share.job_id.as_str() == "job 1"));
        assert!(found.iter().all(|share| share.thread == 5));
        assert!(found.iter().all(|share| work.target.is_met_by(&share.hash)));
        assert_eq!(floor.shares(), (3, 0));
    }

    #[test]
    fn shares_beyond_the_queue_are_counted_as_lost() {
        let (floor, shares) = Floor::new();
        let mut publisher = Publisher::new(Arc::clone(&floor.slot));
        publisher.publish(Some(&job(1, false, u64::MAX)));
        let (_, work) = floor.slot.read();
        let work = work.expect("published");
        for nonce in 0..100 {
            floor.hand_in(&work, nonce, &[0; 32], 0);
        }
        assert_eq!(shares.len(), SHARE_QUEUE);
        assert_eq!(floor.shares(), (100, 36));
    }
}
