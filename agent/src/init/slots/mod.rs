//! Updates of a disk by the machine itself: what the worker has fetched becomes the slot that starts next.
//!
//! ```text
//!   FARMSTATE/update/ready ─▶ installing ─▶ restarting ─▶ the machine starts anew ─▶ trying ─▶ confirmed
//!        each second             │ not good                                            │ 10 min without a good one
//!                                ▼                                                     ▼
//!                              failed                       three starts, then the old slot again: fell back
//! ```
//! | module | what it does |
//! |---|---|
//! | [`fetched`] | reads what the worker left, trusting nothing |
//! | [`install`] | checks it, writes the other slot, puts it on trial |
//! | [`boot`] | what boot loaders read and write: entries, GRUB's state; the note of the last update |
//! | [`disk`] | each change of the boot volume, one step at a time |
//! | [`trial`] | when a version on trial has shown that it works |
//!
//! [`miner_shared::slots`] has the layout and says why a power cut leaves a slot that starts. The boot volume
//! is mounted for root alone, and only while it is needed.

mod boot;
mod disk;
mod fetched;
mod install;
#[cfg(test)]
mod tests;
mod trial;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use log::{error, info, warn};
use miner_shared::release::{IMAGE_FILE, Image};
use miner_shared::slots::{BOOT_LABEL, INITRAMFS_FILE, KERNEL_FILE, SLOT_WORD, Slot};
use miner_shared::time::Millis;
use miner_shared::wire::{Boot as Booted, ImageId, ImageStatus, Step, Update, UpdateFault};
use smol::channel::bounded;

use super::Root;
use super::volume::{self, Found};
use super::worker::REPORT;
use crate::system::{self, Files, System};
use boot::Boot;
use disk::Disk;
use fetched::Fetched;
use trial::Trial;
use trial::Verdict;
pub(super) use trial::is_good;

/// How long the boot volume is looked for before the worker is told that there is none, and how long until
/// each further look, in milliseconds.
const LOOK_FOR_MS: u64 = 60_000;
/// Until the next attempt after one that came to nothing, in milliseconds; twice as long after each more.
const ATTEMPT_MS: u64 = 60_000;
/// How often that pause is doubled at most: an hour and four minutes.
const DOUBLINGS: u32 = 6;

/// What the machine has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, for now.
    Look,
    /// Start anew: another version, or another try.
    StartAnew,
}

/// The machine's image, its slots, and an update of them.
#[derive(Debug)]
pub(super) struct Slots {
    root: Root,
    image: Option<Image>,
    /// The slot that runs; `None` where there are none.
    running: Option<Slot>,
    /// Whether the boot volume was read.
    known: bool,
    begun: Millis,
    /// When the boot volume is looked for.
    next_look: Millis,
    attempts: Attempts,
    /// Also where nobody knows whether this version is on trial: a version that does not see its own disk is
    /// the last that may stay.
    trial: Option<Trial>,
    status: ImageStatus,
    /// SHA-256 of what the running slot consists of.
    files: Files,
}

/// When the next release is looked at. A worker that offers what is not good again and again wears no disk out.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    failures: u32,
    next: Millis,
}

impl Attempts {
    /// One came to nothing.
    fn failed(&mut self, now: Millis) {
        let pause = ATTEMPT_MS << self.failures.min(DOUBLINGS);
        self.failures = self.failures.saturating_add(1);
        self.next = now + pause;
    }

    /// No more until the machine starts anew.
    const fn end(&mut self) {
        self.next = Millis(u64::MAX);
    }
}

/// What the boot volume says when the machine has started.
struct Start {
    on_trial: bool,
    update: Option<Update>,
    files: Files,
}

impl Slots {
    /// Reads what the image and the boot loader say, and tells the worker.
    pub(super) fn begin(root: &Root, now: Millis) -> Self {
        let image = fs::read(root.at(IMAGE_FILE))
            .map_err(|error| error.to_string())
            .and_then(|file| Image::decode(&file).map_err(|error| error.to_string()));
        let image = image
            .inspect_err(|error| warn!("/{IMAGE_FILE}: {error}; this machine takes no updates"))
            .ok();
        let running = image.as_ref().and_then(|_| running(root));
        let slots = Self {
            status: ImageStatus {
                boot: match running {
                    Some(_) => Booted::Slot,
                    None => Booted::Whole,
                },
                image: image.as_ref().map(|image| ImageId {
                    arch: image.arch.clone(),
                    version: image.version,
                    // As long as nobody knows.
                    on_trial: running.is_some(),
                    release_key: image.release_key,
                }),
                update: None,
            },
            files: Files::new(),
            root: root.clone(),
            image,
            running,
            known: false,
            begun: now,
            next_look: now,
            attempts: Attempts::default(),
            trial: running.map(|_| Trial::begin(now)),
        };
        slots.tell();
        slots
    }

    /// A look at everything, each second. `is_good`: the worker does what it was told; `home`: its files.
    pub(super) async fn look(&mut self, now: Millis, is_good: bool, home: Option<&Path>) -> Next {
        let (Some(image), Some(running)) = (self.image.clone(), self.running) else {
            return Next::Look;
        };
        if !self.known && now >= self.next_look {
            self.learn(running, now).await;
        }
        if let Some(trial) = &mut self.trial {
            match trial.look(now, is_good) {
                Verdict::Wait => {}
                Verdict::Works if self.known => self.confirm(running, now).await,
                Verdict::Works => self.trial = None,
                Verdict::StartAnew => {
                    error!("update: this version does not work; the machine starts anew");
                    self.trial = None;
                    return Next::StartAnew;
                }
            }
        } else if self.known
            && now >= self.attempts.next
            && let Some(fetched) = home.and_then(Fetched::look)
        {
            return self.update(&image, running, fetched, now).await;
        }
        Next::Look
    }

    /// Reads the boot volume, once it is there.
    async fn learn(&mut self, running: Slot, now: Millis) {
        let start = self.with_disk(move |disk| at_start(disk, running)).await;
        match start {
            Ok(Some(start)) => {
                self.known = true;
                self.trial = match (start.on_trial, self.trial) {
                    (true, None) => Some(Trial::begin(now)),
                    (true, trial) => trial,
                    (false, _) => None,
                };
                self.status.boot = Booted::Slot;
                self.status.update = start.update;
                self.files = start.files;
                if let Some(image) = &mut self.status.image {
                    image.on_trial = start.on_trial;
                }
                match (start.on_trial, start.update.map(|update| update.step)) {
                    (true, _) => info!("update: slot {running} is on trial"),
                    (_, Some(Step::FellBack)) => {
                        error!("update: the other version did not work; this is the one before");
                    }
                    _ => info!("slot {running}"),
                }
                self.tell();
            }
            Ok(None) => {
                warn!(
                    "{BOOT_LABEL} has no entry for slot {running}; this machine takes no updates"
                );
                (self.running, self.trial) = (None, None);
                if let Some(image) = &mut self.status.image {
                    image.on_trial = false;
                }
                self.stand_alone();
            }
            Err(error) if now.since(self.begun) >= LOOK_FOR_MS => {
                self.next_look = now + LOOK_FOR_MS;
                if self.status.boot == Booted::Slot {
                    warn!("{error}; this machine takes no updates as long as that is so");
                    self.stand_alone();
                }
            }
            Err(_) => {}
        }
    }

    /// The machine runs, and cannot be updated.
    fn stand_alone(&mut self) {
        self.status.boot = Booted::Whole;
        self.tell();
    }

    async fn confirm(&mut self, running: Slot, now: Millis) {
        let confirmed = self.with_disk(move |disk| confirm(disk, running)).await;
        match confirmed {
            Ok(update) => {
                info!("update: slot {running} is confirmed");
                self.trial = None;
                self.status.update = update;
                if let Some(image) = &mut self.status.image {
                    image.on_trial = false;
                }
                self.tell();
            }
            Err(error) => {
                error!("update: not confirmed, the next attempt follows: {error}");
                self.trial = Some(Trial::begin(now));
            }
        }
    }

    async fn update(
        &mut self,
        image: &Image,
        running: Slot,
        fetched: Fetched,
        now: Millis,
    ) -> Next {
        let release = match install::check(&fetched, image) {
            Ok(release) => release,
            Err(update) => {
                let before = self.status.update.map(|before| before.release);
                let again = update.step == Step::Failed(UpdateFault::NotNewer)
                    && before == Some(update.release);
                // The worker ends its own part when the folder is empty, and tells this then.
                if !again {
                    self.say(update);
                }
                self.done_with(&fetched, now);
                return Next::Look;
            }
        };
        self.say(release.update);
        let (asked, fetched) = (release.update, Arc::new(fetched));
        let from = Arc::clone(&fetched);
        let install = move |disk: &Disk| Ok(install::install(disk, running, &from, &release));
        let update = match self.with_disk(install).await {
            Ok(Ok(update) | Err(update)) => update,
            Err(error) => {
                error!("update: {error}");
                install::failed(asked, UpdateFault::Disk)
            }
        };
        if update.step == Step::Failed(UpdateFault::Disk) {
            // Next time all of it is fetched.
            self.files.clear();
        }
        self.say(update);
        self.done_with(&fetched, now);
        match update.step {
            Step::Restarting => Next::StartAnew,
            _ => Next::Look,
        }
    }

    /// Good or not, it is not tried again each second, nor after the next start.
    fn done_with(&mut self, fetched: &Fetched, now: Millis) {
        self.attempts.failed(now);
        if let Err(error) = fetched.clear() {
            error!(
                "update: what was fetched cannot be removed, no more until the next start: {error}"
            );
            self.attempts.end();
        }
    }

    /// Tells of an update.
    fn say(&mut self, update: Update) {
        match update.step {
            Step::Failed(fault) => error!("update: not gone on with: {fault:?}"),
            step => info!("update: version={} {step:?}", update.version),
        }
        self.status.update = Some(update);
        self.tell();
    }

    fn tell(&self) {
        let path = system::beside(&self.root.at(REPORT));
        let system = System {
            status: self.status.clone(),
            files: self.files.clone(),
        };
        if let Err(error) = system::write(&path, &system) {
            warn!("the worker is not told of the image: {error}");
        }
    }

    /// Does something on the boot volume, in a thread of its own: disks are slow.
    async fn with_disk<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Disk) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let root = self.root.clone();
        let (done, end) = bounded(1);
        let work = move || {
            // Its receiver waits for it below.
            let _ = done.try_send(mounted(&root, what));
        };
        thread::Builder::new().name("slots".into()).spawn(work)?;
        end.recv().await.map_err(io::Error::other)?
    }
}

/// Does something on the boot volume, which is mounted for it.
fn mounted<T>(root: &Root, what: impl FnOnce(&Disk) -> io::Result<T>) -> io::Result<T> {
    let folder = root.at("run/boot");
    let Found::Device(device) = volume::find(root, BOOT_LABEL) else {
        let why = format!("no volume {BOOT_LABEL}, or more than one");
        return Err(io::Error::other(why));
    };
    volume::mount_fat(&device, &folder, 0)?;
    let done = what(&Disk::at(folder.clone()));
    volume::unmount_whole(&folder);
    done
}

/// What the boot loader says of the slot that it started.
fn running(root: &Root) -> Option<Slot> {
    let line = root.text("proc/cmdline")?;
    let mut words = line.split_ascii_whitespace();
    let name = words.find_map(|word| word.strip_prefix(SLOT_WORD))?;
    Slot::parse(name)
}

/// Reads the boot volume of a machine that has started, and writes down what follows from it; `None` if the
/// running slot is none of its own.
fn at_start(disk: &Disk, running: Slot) -> io::Result<Option<Start>> {
    let Some(boot) = Boot::open(disk, running)? else {
        return Ok(None);
    };
    let on_trial = boot.is_on_trial()?;
    if !on_trial {
        // A power cut may have ended a confirmation before both firmwares knew of it.
        boot.confirm()?;
    }
    let note = boot.note()?.map(|note| {
        let is_this = note.slot == running;
        let step = match note.update.step {
            Step::Installing | Step::Restarting | Step::Trying if is_this && on_trial => {
                Step::Trying
            }
            Step::Installing | Step::Restarting | Step::Trying if is_this => Step::Confirmed,
            Step::Installing => Step::Failed(UpdateFault::Disk),
            Step::Restarting | Step::Trying => Step::FellBack,
            // It worked then, and does not start any more.
            Step::Confirmed if !is_this => Step::FellBack,
            _ => return Ok(note),
        };
        if !is_this {
            boot.close_other()?;
        }
        boot.set_step(note, step)
    });
    // One that cannot be read is fetched.
    let sum = |file| Some(disk.sum(&format!("{running}/{file}")).ok()?.1);
    Ok(Some(Start {
        on_trial,
        update: note.transpose()?.map(|note| note.update),
        files: [KERNEL_FILE, INITRAMFS_FILE]
            .into_iter()
            .filter_map(sum)
            .collect(),
    }))
}

/// The running slot is what the machine starts from now on.
fn confirm(disk: &Disk, running: Slot) -> io::Result<Option<Update>> {
    let boot = Boot::open(disk, running)?
        .ok_or_else(|| io::Error::other("the running slot has no entry"))?;
    boot.confirm()?;
    let note = boot.note()?.filter(|note| note.slot == running);
    let note = note.map(|note| boot.set_step(note, Step::Confirmed));
    Ok(note.transpose()?.map(|note| note.update))
}
