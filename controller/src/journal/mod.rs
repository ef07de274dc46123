//! The journal: the farm's events on disk, in a bounded number of files, readable by any program.
//!
//! ```text
//!   hub ── Event ─▶ line of JSON ─▶ queue, bounded ─▶ thread "journal" ─▶ events/00000000000000004711.jsonl
//!                                    full: counted          │             up to 16 files of 4 MiB,
//!   REST, CLI ── query ────────────────────────────────────▶┘             the oldest is deleted
//! ```
//!
//! | after | numbers go on | lost |
//! |---|---|---|
//! | a clean end | without a gap | nothing |
//! | `kill -9` | [`SKIP`] later | what was in the queue: milliseconds, at most [`QUEUE`] events |
//! | a power cut | the same | at most [`UNSYNCED`] events, and the queue |
//!
//! An event is not synced by itself: the file is after [`UNSYNCED`] of them, at its end, and at a clean end of
//! the process, which leaves the file `ended` behind. Without that file numbers may have been used that are
//! not on disk; they are skipped, so that a number never means two events. A last line that was torn is cut
//! off.

mod query;
mod segments;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use smol::channel::{Receiver, Sender, TrySendError, bounded};
use smol::lock::Semaphore;

pub use self::query::{EventFilter, Page};
use self::segments::Segments;

/// Lines that wait for the disk; more are lost and counted. A line has about 200 bytes.
pub const QUEUE: usize = 1_024;
/// Lines that are written before the file is synced.
pub const UNSYNCED: u32 = 1_024;
/// Numbers that are left out after an end that was not clean: at most as many events had got one and were
/// not on disk.
pub const SKIP: u64 = QUEUE as u64 + UNSYNCED as u64;
/// Bytes of a file, which a line may exceed by its own length.
pub const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
/// Files; 16 * 4 MiB = 64 MiB, about 300,000 events.
pub const SEGMENTS: usize = 16;
/// Queries in the queue at a time; others wait before they get into it.
const QUERIES: usize = 4;

/// How a journal began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Number of the first event of this process.
    pub next: u64,
    /// Numbers that were left out, as the process before may have used them.
    pub skipped: u64,
}

/// The way to the journal.
#[derive(Debug)]
pub struct Journal {
    queue: Sender<Work>,
    turns: Semaphore,
    state: Arc<State>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

#[derive(Debug, Default)]
struct State {
    running: AtomicBool,
    lost: AtomicU64,
    failing: AtomicBool,
}

#[derive(Debug)]
enum Work {
    Append(u64, String),
    Query(EventFilter, Sender<io::Result<Page>>),
}

impl Journal {
    /// The folder of the files, in this data directory.
    pub fn folder(data: &Path) -> PathBuf {
        data.join("events")
    }

    /// All files of it, in this data directory.
    pub fn files(data: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(Self::folder(data)).into_iter().flatten();
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()
    }

    /// Opens the journal of this data directory, or begins one, and starts its thread.
    pub fn open(data: &Path) -> io::Result<(Self, Begun)> {
        let (segments, begun) = Segments::open(&Self::folder(data))?;
        let (queue, work) = bounded(QUEUE);
        let (running, ended) = bounded(1);
        let state = Arc::new(State::default());
        state.running.store(true, Ordering::Relaxed);
        let told = Arc::clone(&state);
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                serve(segments, &work, &told);
                told.running.store(false, Ordering::Relaxed);
                drop::<Sender<()>>(running);
            })?;
        let journal = Self {
            queue,
            turns: Semaphore::new(QUERIES),
            state,
            ended,
        };
        Ok((journal, begun))
    }

    /// Takes the event of this number as a line of JSON without its end. Never waits.
    pub fn append(&self, seq: u64, line: String) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Work::Append(seq, line)) {
            self.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events that this filter takes.
    pub async fn query(&self, filter: EventFilter) -> io::Result<Page> {
        let closed = |_| io::Error::other("the journal is closed");
        let _turn = self.turns.acquire().await;
        let (sender, receiver) = bounded(1);
        let work = Work::Query(filter, sender);
        self.queue.send(work).await.map_err(|_| closed(()))?;
        receiver.recv().await.map_err(|_| closed(()))?
    }

    /// Events that were lost, as the queue was full or the disk did not take them.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }

    /// Whether events get to the disk.
    pub fn is_well(&self) -> bool {
        self.state.running.load(Ordering::Relaxed) && !self.state.failing.load(Ordering::Relaxed)
    }

    /// Takes no more, and waits until what was taken is on disk.
    pub async fn end(&self) {
        self.queue.close();
        // Nobody sends; the thread closes it.
        let _closed = self.ended.recv().await;
    }
}

/// Works until the queue is closed and empty, then leaves word that the end was clean.
fn serve(mut segments: Segments, work: &Receiver<Work>, state: &State) {
    while let Ok(first) = work.recv_blocking() {
        let mut taken = 0;
        let mut result = Ok(());
        let waiting = std::iter::from_fn(|| work.try_recv().ok());
        for work in std::iter::once(first).chain(waiting.take(QUEUE)) {
            match work {
                Work::Append(seq, line) => {
                    taken += 1;
                    let appended = segments.append(seq, &line);
                    result = result.and(appended);
                }
                Work::Query(filter, answer) => {
                    let page = segments.flush().and_then(|()| segments.query(&filter));
                    // Nobody waits any more: the answer has no use.
                    let _unheard = answer.try_send(page);
                }
            }
        }
        let flushed = segments.flush();
        state.note(taken, result.and(flushed));
    }
    state.note(0, segments.end());
}

impl State {
    /// What became of so many events; of those that were not written it is not known which are.
    fn note(&self, taken: u64, result: io::Result<()>) {
        let failed = result.is_err();
        let failed_before = self.failing.swap(failed, Ordering::Relaxed);
        if let Err(error) = result {
            self.lost.fetch_add(taken, Ordering::Relaxed);
            // A full disk fails each time; it is said once.
            if !failed_before {
                log::warn!("events: not written reason={error}");
            }
        }
    }
}

#[cfg(test)]
mod tests;
