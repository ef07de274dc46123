//! The audit log: who changed what on this farm, in an order that cannot be changed unseen.
//!
//! ```text
//!   a request that is no GET ─▶ done or refused ─▶ Draft ─▶ [thread "audit"] seal, write, sync ─▶ answer
//!                                                              │ all that wait, with one sync
//!                                                              ▼
//!   audit/00000000000000000001.jsonl   one JSON object a line; each holds the hash over the one before
//!         00000000000000012044.jsonl   the next segment begins with the hash of the last one's end
//! ```
//!
//! | file | what |
//! |---|---|
//! | `mod` | the log of a running controller: who waits for whom |
//! | `entry` | what is noted, and what of a body is |
//! | `chain` | one line, its hash, and what is wrong with it |
//! | `segments` | files: appended to, cut after a power failure, thrown away by age |
//! | `verify` | the whole chain, from files alone |
//!
//! Files of its own and no table: see docs/decisions/0012-the-audit-log-in-files-of-its-own.md.

mod chain;
mod entry;
mod segments;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use miner_shared::gate::{Bucket, Rate};
use smol::channel::{Receiver, Sender, bounded};

pub use self::chain::Flaw;
pub use self::entry::{Draft, Entry, MAX_TARGET, digest};
use self::segments::Writer;
pub use self::segments::{KEPT_SEGMENTS, SEGMENT_BYTES};
pub use self::verify::{Broken, Report, verify};
use crate::clock::Clock;

/// How often requests without a good credential are noted: anybody may send such. Those beyond it are
/// counted in the next entry.
pub const REFUSED_RATE: Rate = Rate {
    every_ms: 10_000,
    burst: 30,
};
/// Entries that wait for the disk; a request more waits before it.
const QUEUE: usize = 256;
/// Entries that a log without files keeps.
const KEPT_IN_MEMORY: usize = 1024;

/// The audit log of a controller.
#[derive(Debug)]
pub struct AuditLog {
    clock: Clock,
    sink: Sink,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Sink {
    Files {
        folder: PathBuf,
        /// To the thread, which begins with the first entry.
        jobs: OnceLock<Sender<Job>>,
    },
    Memory(Mutex<VecDeque<Entry>>),
}

#[derive(Debug, Default)]
struct State {
    refused: Bucket,
    /// Requests since the last entry that are in none.
    unrecorded: u64,
    /// Whether the last entry could not be written.
    failing: bool,
}

/// How the audit log does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuditState {
    /// Whether the last entry could not be written: nothing is changed until one can.
    pub failing: bool,
    /// Requests that are in no entry yet.
    pub unrecorded: u64,
}

#[derive(Debug)]
struct Job {
    draft: Draft,
    done: Sender<Result<(), String>>,
}

/// Why an entry is not on the disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct Unwritten(String);

impl AuditLog {
    /// The log in `audit/` of this data directory, which is made with the first entry.
    pub fn in_files(data: &Path, clock: Clock) -> Self {
        let folder = folder(data);
        let jobs = OnceLock::new();
        Self::with(clock, Sink::Files { folder, jobs })
    }

    /// A log that is gone with the process: for a node without files.
    pub fn in_memory(clock: Clock) -> Self {
        Self::with(clock, Sink::Memory(Mutex::default()))
    }

    fn with(clock: Clock, sink: Sink) -> Self {
        let state = Mutex::default();
        Self { clock, sink, state }
    }

    /// Notes what became of a request; it is on the disk when this returns.
    pub async fn record(&self, mut draft: Draft) -> Result<(), Unwritten> {
        let now = self.clock.now();
        draft.at = now.wall.to_string();
        {
            let mut state = self.lock();
            if draft.is_strangers() && !state.refused.take(REFUSED_RATE, now.mono) {
                state.unrecorded += 1;
                return Ok(());
            }
            draft.unrecorded = std::mem::take(&mut state.unrecorded);
        }
        let missing = draft.unrecorded;
        let written = self.write(draft).await;
        let mut state = self.lock();
        state.failing = written.is_err();
        if written.is_err() {
            state.unrecorded += missing + 1;
        }
        written
    }

    /// Whether a change may be made: if the last entry could not be written, one is tried first.
    pub async fn ready(&self) -> Result<(), Unwritten> {
        if !self.lock().failing {
            return Ok(());
        }
        self.record(Draft::of_ours("audit.resumed")).await
    }

    async fn write(&self, draft: Draft) -> Result<(), Unwritten> {
        let (folder, jobs) = match &self.sink {
            Sink::Files { folder, jobs } => (folder, jobs),
            Sink::Memory(kept) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let seq = kept.back().map_or(1, |entry| entry.seq + 1);
                if kept.len() >= KEPT_IN_MEMORY {
                    kept.pop_front();
                }
                kept.push_back(draft.into_entry(seq));
                return Ok(());
            }
        };
        let jobs = jobs.get_or_init(|| {
            let (jobs, taken) = bounded(QUEUE);
            let (folder, clock) = (folder.clone(), self.clock);
            let thread = thread::Builder::new().name("audit".to_owned());
            if let Err(error) = thread.spawn(move || work(&folder, clock, &taken)) {
                log::error!("no thread for the audit log error={error}");
            }
            jobs
        });
        let (done, written) = bounded(1);
        let gone = |_| Unwritten("its thread has ended".to_owned());
        jobs.send(Job { draft, done }).await.map_err(|_| gone(()))?;
        let written = written.recv().await.map_err(|_| gone(()))?;
        written.map_err(Unwritten)
    }

    /// Up to `limit` entries below this number, the newest first.
    pub fn page(&self, before: Option<u64>, limit: usize) -> io::Result<Vec<Entry>> {
        match &self.sink {
            Sink::Files { folder, .. } => segments::page(folder, before, limit),
            Sink::Memory(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let newest = kept.iter().rev();
                let below = newest.filter(|entry| before.is_none_or(|before| entry.seq < before));
                Ok(below.take(limit).cloned().collect())
            }
        }
    }

    /// How it does.
    pub fn state(&self) -> AuditState {
        let state = self.lock();
        AuditState {
            failing: state.failing,
            unrecorded: state.unrecorded,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the log of a controller with this data directory is.
pub fn folder(data: &Path) -> PathBuf {
    data.join("audit")
}

/// Writes what comes until nobody is left to send. All that wait are synced together.
fn work(folder: &Path, clock: Clock, jobs: &Receiver<Job>) {
    let mut writer = None;
    while let Ok(first) = jobs.recv_blocking() {
        let mut batch = vec![first];
        batch.extend(std::iter::from_fn(|| jobs.try_recv().ok()).take(QUEUE));
        let (drafts, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.draft, job.done)).unzip();
        let written = append(&mut writer, folder, clock, drafts);
        if let Err(error) = &written {
            log::error!("audit log not written error={error}");
            // Opened again, what is half written is cut.
            writer = None;
        }
        for done in waiting {
            // Whoever has gone away does not need to know.
            let _unheard = done.try_send(written.clone());
        }
    }
}

fn append(
    writer: &mut Option<Writer>,
    folder: &Path,
    clock: Clock,
    drafts: Vec<Draft>,
) -> Result<(), String> {
    let failed = |error: io::Error| error.to_string();
    let open = match writer {
        Some(open) => open,
        None => writer.insert(Writer::open(folder, clock.now().wall).map_err(failed)?),
    };
    open.append(drafts).map_err(failed)
}
