//! The thread that owns the file, and the queue before it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use miner_shared::identity::Fingerprint;
use smol::channel::{Receiver, Sender, TrySendError, bounded};
use smol::lock::Semaphore;

use super::archive::{Archive, Kept, Step, Unopened};
use super::format::{Header, VERSION};
use super::point::{Fleet, Point};
use super::tier::Tier;
use crate::clock::EpochMs;

/// The file, in the data directory.
const FILE: &str = "history.farm";
/// Things to do that wait for the disk: steps of 5 minutes and the reads at a time. A step of 10,000 rigs is
/// half a megabyte, so a disk that hangs costs 16 MB and not more.
const QUEUE: usize = 32;
/// Reads that wait for the thread at a time; others wait before they get into the queue.
const READS: usize = 4;

/// Whose points are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The whole farm's.
    Fleet,
    /// A rig's.
    Rig(Fingerprint),
}

/// Points that were read, in the order of their steps; empty ones where nothing is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Points {
    /// Of the farm.
    Fleet(Vec<Fleet>),
    /// Of a rig.
    Rig(Vec<Point>),
}

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The disk did not do it.
    #[error("the history cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The thread has ended.
    #[error("the history is closed")]
    Closed,
}

/// How the writing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writing {
    /// Whether the thread runs.
    pub running: bool,
    /// Steps that were lost, as the queue was full.
    pub lost: u64,
    /// Steps that could not be written whole.
    pub failed: u64,
    /// What went wrong with the last step, if something did.
    pub error: Option<String>,
    /// Number of the last step that was written whole.
    pub written: Option<u64>,
    /// Rigs of the last step without a place in the file, as all are taken.
    pub left_out: usize,
}

/// What was in the file at the start.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Rigs that have a place.
    pub rigs: Vec<Fingerprint>,
    /// What rigs said last.
    pub reports: Vec<Kept>,
}

/// The way to the history. Dropping it ends the thread when the queue is done.
#[derive(Debug)]
pub struct History {
    queue: Sender<Work>,
    turns: Semaphore,
    writing: Arc<Mutex<Writing>>,
    /// Closed when the thread has ended.
    ended: Receiver<()>,
}

/// What the thread does.
#[derive(Debug)]
enum Work {
    Close(Step),
    Keep(Vec<Kept>),
    KeepOnly(BTreeSet<Fingerprint>),
    Rename(Fingerprint, Fingerprint),
    Read(Whose, Tier, Range<u64>, Sender<io::Result<Points>>),
}

impl History {
    /// The file in this data directory.
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Opens the history of this data directory, or begins one, and starts its thread.
    pub fn open(folder: &Path, now: EpochMs) -> io::Result<(Self, Found)> {
        let archive = opened(&Self::file(folder), now)?;
        let found = Found {
            rigs: archive.rigs().copied().collect(),
            reports: archive.reports()?,
        };
        let (queue, work) = bounded(QUEUE);
        let (running, ended) = bounded(1);
        let writing = Arc::new(Mutex::new(Writing {
            running: true,
            ..Writing::default()
        }));
        let told = Arc::clone(&writing);
        thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || {
                serve(archive, &work, &told);
                locked(&told).running = false;
                drop::<Sender<()>>(running);
            })?;
        let history = Self {
            queue,
            turns: Semaphore::new(READS),
            writing,
            ended,
        };
        Ok((history, found))
    }

    /// Takes a step that is over; counted as lost if the queue is full. Never waits.
    pub fn close(&self, step: Step) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Work::Close(step)) {
            let lost = {
                let mut writing = locked(&self.writing);
                writing.lost += 1;
                writing.lost
            };
            // Once at the first, and then each hour of it.
            if lost % 360 == 1 {
                log::warn!("history: the disk does not keep up, a step was lost lost={lost}");
            }
        }
    }

    /// Keeps what rigs said last.
    pub fn keep(&self, reports: Vec<Kept>) {
        self.offer(Work::Keep(reports));
    }

    /// Frees the places of all rigs but these.
    pub fn keep_only(&self, rigs: BTreeSet<Fingerprint>) {
        self.offer(Work::KeepOnly(rigs));
    }

    /// A rig has another key.
    pub fn rename(&self, old: Fingerprint, new: Fingerprint) {
        self.offer(Work::Rename(old, new));
    }

    /// For what the next start makes up for: [`Found::rigs`] says what the file has.
    fn offer(&self, work: Work) {
        if self.queue.try_send(work).is_err() {
            log::debug!("history: the queue is full or closed");
        }
    }

    /// Points of these steps. Waits for its turn; at most as many steps as the tier has
    /// points, and the one that is open.
    pub async fn read(
        &self,
        whose: Whose,
        tier: Tier,
        steps: Range<u64>,
    ) -> Result<Points, Unread> {
        let end = steps.end.min(steps.start.saturating_add(tier.points() + 1));
        let _turn = self.turns.acquire().await;
        let (sender, receiver) = bounded(1);
        let work = Work::Read(whose, tier, steps.start..end, sender);
        self.queue.send(work).await.map_err(|_| Unread::Closed)?;
        Ok(receiver.recv().await.map_err(|_| Unread::Closed)??)
    }

    /// How the writing goes.
    pub fn writing(&self) -> Writing {
        locked(&self.writing).clone()
    }

    /// Takes no more work, and waits until what was taken is done.
    pub async fn end(&self) {
        self.queue.close();
        // Nobody sends; the thread closes it.
        let _closed = self.ended.recv().await;
    }
}

fn locked(writing: &Mutex<Writing>) -> std::sync::MutexGuard<'_, Writing> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Works until the queue is closed and empty.
fn serve(mut archive: Archive<File>, work: &Receiver<Work>, writing: &Mutex<Writing>) {
    while let Ok(work) = work.recv_blocking() {
        match work {
            Work::Close(step) => {
                let result = archive.close(&step);
                note(
                    &mut locked(writing),
                    step.number,
                    result,
                    archive.left_out(),
                );
            }
            Work::Keep(reports) => {
                for report in &reports {
                    logged(archive.keep_report(report));
                }
            }
            Work::KeepOnly(rigs) => {
                let all = archive.rigs().filter(|rig| !rigs.contains(rig));
                for rig in all.copied().collect::<Vec<_>>() {
                    logged(archive.forget(&rig));
                }
            }
            Work::Rename(old, new) => logged(archive.rename(&old, &new)),
            Work::Read(whose, tier, steps, answer) => {
                let points = match whose {
                    Whose::Fleet => archive.fleet(tier, steps).map(Points::Fleet),
                    Whose::Rig(key) => archive.rig(&key, tier, steps).map(Points::Rig),
                };
                // Nobody waits any more: the answer has no use.
                let _unheard = answer.try_send(points);
            }
        }
    }
}

fn note(writing: &mut Writing, step: u64, result: io::Result<()>, left_out: usize) {
    writing.left_out = left_out;
    match result {
        Ok(()) => {
            writing.written = Some(step);
            writing.error = None;
        }
        Err(error) => {
            writing.failed += 1;
            let error = error.to_string();
            // A full disk fails each 10 s; it is said once.
            if writing.error.as_ref() != Some(&error) {
                log::warn!("history: step not written whole step={step} reason={error}");
            }
            writing.error = Some(error);
        }
    }
}

fn logged(result: io::Result<()>) {
    if let Err(error) = result {
        log::warn!("history: not written reason={error}");
    }
}

/// The archive in this file; one that is not ours is set aside, and a new one begun.
fn opened(path: &Path, now: EpochMs) -> io::Result<Archive<File>> {
    for _ in 0..2 {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        match Archive::open(options.open(path)?, now) {
            Ok(archive) => return Ok(archive),
            Err(Unopened::Io(error)) => return Err(error),
            Err(Unopened::Foreign(header)) => set_aside(path, header)?,
        }
    }
    Err(io::Error::other("it was set aside, and is there again"))
}

/// Moves a file out of the way; one that was moved there before is lost.
fn set_aside(path: &Path, header: Header) -> io::Result<()> {
    let aside = path.with_extension("farm.aside");
    fs::rename(path, &aside)?;
    let why = match header {
        Header::Version(version) => {
            format!("it has version {version}, this program writes {VERSION}")
        }
        _ => "its header is damaged".to_owned(),
    };
    log::warn!(
        "history: {why}; the file is now {}, and a new one begins",
        aside.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_hangs_costs_steps_that_are_counted_and_nobody_waits() {
        let (queue, work) = bounded(QUEUE);
        let (_running, ended) = bounded(1);
        let history = History {
            queue,
            turns: Semaphore::new(READS),
            writing: Arc::default(),
            ended,
        };
        for number in 0..QUEUE as u64 + 7 {
            let step = Step {
                number,
                ..Step::default()
            };
            history.close(step);
        }
        assert_eq!(history.writing().lost, 7);
        assert_eq!(work.len(), QUEUE);
    }
}
