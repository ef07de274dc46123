//! A release on its way to this machine: what a manager offers is fetched piece by piece into a folder,
//! and left there for the process that supervises this one.
//!
//! ```text
//!   Update(offer) ─▶ offer ─▶ manifest: is it the one, signed, for this machine, is there room?
//!                                │ file by file, piece by piece; one piece is asked for at a time
//!                                ▼
//!                    vmlinuz, initrd: is it the one?  ─▶ ready ─▶ process 1 checks again, and installs
//!   a file that the slot that runs has too: not fetched, process 1 copies it
//!   a lost link, 15 s without an answer: asks for the same piece again
//!   a restart: goes on before what a power cut may have taken; a file that is then not the one begins anew
//!   anything that is not right: the folder is emptied, and the fault is told
//! ```
//! Nothing here is trusted by who installs it. It is checked all the same, so that a bad release is known
//! before it costs its bytes, and a broken file before the machine's disk is touched.

mod folder;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use log::{debug, info, warn};
use miner_shared::identity::Fingerprint;
use miner_shared::limits::MAX_MANIFEST;
use miner_shared::release::{Manifest, ManifestError, Refusal as Unsuited};
use miner_shared::time::Millis;
use miner_shared::wire::{
    Boot, ImageId, ImageStatus, Offer, Outcome, Piece, Refusal, Step, Update, UpdateFault, Wanted,
};

use self::folder::{Folder, Part, Whole};
use crate::system::{self, System};

/// A piece that did not come within this time is asked for again, in milliseconds.
const AGAIN_MS: u64 = 15_000;
/// What a release for a machine with slots consists of, in whatever order.
const FILES: [&str; 2] = ["vmlinuz", "initrd"];

/// The update of this machine, if there is one under way.
pub(crate) struct Updates {
    folder: Folder,
    /// Where process 1 says how the machine was booted; none without one.
    system: Option<PathBuf>,
    /// What it said last.
    said: System,
    /// Who has the release.
    from: Option<Fingerprint>,
    own: Option<(Offer, Own)>,
}

/// How far the fetching is.
enum Own {
    Fetching(Box<Fetching>),
    /// All is there; so many bytes.
    Ready(u64),
    Failed(UpdateFault),
}

struct Fetching {
    /// The manifest, and once that is there the files that it lists.
    parts: Vec<Part>,
    /// Which of them is being fetched.
    at: usize,
    /// What is there of it.
    open: folder::Open,
    /// When it was asked for on the link that is up.
    asked: Option<Millis>,
}

impl Updates {
    /// Goes on with what is in the folder.
    pub(crate) fn open(folder: PathBuf, system: Option<PathBuf>) -> Self {
        let mut updates = Self {
            folder: Folder::new(folder),
            said: said(system.as_ref()),
            system,
            from: None,
            own: None,
        };
        if updates.said.status.boot != Boot::Slot {
            return updates;
        }
        if let Some(offer) = updates.folder.offer() {
            match updates.folder.ready_bytes() {
                Some(bytes) => updates.own = Some((offer, Own::Ready(bytes))),
                None => updates.fetch(offer),
            }
        }
        updates
    }

    /// What the machine was booted from, and how its update does.
    pub(crate) fn status(&self) -> ImageStatus {
        let own = self.own.as_ref().map(|(offer, own)| Update {
            release: offer.release,
            version: offer.version,
            step: own.step(),
        });
        ImageStatus {
            update: own.or(self.said.status.update),
            ..self.said.status.clone()
        }
    }

    /// Looks at what process 1 says; true if that is something new. `from`: who has releases.
    pub(crate) fn tick(&mut self, from: impl FnOnce() -> Option<Fingerprint>) -> bool {
        // Asked first: where it is gone, what process 1 says is of this release.
        let is_ready = self.folder.ready_bytes().is_some();
        let before = std::mem::replace(&mut self.said, said(self.system.as_ref()));
        let installed = self.installed().map(|update| update.release);
        match &self.own {
            Some(_) if self.said.status.boot != Boot::Slot => {
                warn!("the machine takes no updates; what was fetched is removed");
                self.forget();
                self.own = None;
            }
            // That it names the release is not enough: an earlier try of the same may have failed.
            Some((offer, _)) if installed == Some(offer.release) => self.own = None,
            Some((_, Own::Ready(_))) if !is_ready => self.own = None,
            Some((_, Own::Fetching(_))) => self.from = from(),
            _ => {}
        }
        // Process 1 learns what its slot has a while after the start.
        if before.files != self.said.files
            && let Some((offer, Own::Fetching(_))) = self.own
        {
            self.fetch(offer);
        }
        before.status != self.said.status
    }

    /// The update that process 1 is at: it reads the folder now, or the machine starts anew.
    fn installed(&self) -> Option<Update> {
        let under_way = |update: &Update| {
            let step = update.step;
            matches!(step, Step::Installing | Step::Restarting | Step::Trying)
        };
        self.said.status.update.filter(under_way)
    }

    /// A manager has a release for this machine.
    pub(crate) fn order(&mut self, from: Option<Fingerprint>, offer: &Offer) -> Outcome {
        if self.said.status.boot != Boot::Slot {
            return Outcome::Refused(Refusal::NoSlots);
        }
        let installed = self.installed();
        let fetched = match &self.own {
            Some((offer, Own::Fetching(_) | Own::Ready(_))) => Some(offer.release),
            _ => installed.map(|update| update.release),
        };
        if fetched == Some(offer.release) {
            return Outcome::AlreadyThere;
        }
        // The other is process 1's, which may be reading it.
        if installed.is_some() || matches!(self.own, Some((_, Own::Ready(_)))) {
            return Outcome::Refused(Refusal::Busy);
        }
        if !(1..=MAX_MANIFEST).contains(&usize::try_from(offer.manifest_size).unwrap_or(0)) {
            return Outcome::Refused(Refusal::Unsupported);
        }
        if let Err(error) = self.folder.begin(offer) {
            warn!("update not begun: {error}");
            self.own = None;
            return Outcome::Refused(Refusal::NotStored);
        }
        info!("update to {} begins", offer.version);
        self.from = from;
        self.fetch(*offer);
        Outcome::Applied
    }

    /// The manager takes the release of this name back. One that is whole is process 1's, which may be
    /// reading it.
    pub(crate) fn cancel(&mut self, release: &[u8; 32]) -> Outcome {
        match &self.own {
            Some((offer, Own::Fetching(_))) if offer.release == *release => {
                let offer = *offer;
                self.end(offer, UpdateFault::Cancelled);
                Outcome::Applied
            }
            _ => Outcome::AlreadyThere,
        }
    }

    /// A link with a manager is up: what was asked on another one is asked again.
    pub(crate) fn link_up(&mut self) {
        if let Some((_, Own::Fetching(fetching))) = &mut self.own {
            fetching.asked = None;
        }
    }

    /// When this manager is to be asked for a piece, if it is.
    pub(crate) fn ask_at(&self, manager: &Fingerprint) -> Option<Millis> {
        let Some((_, Own::Fetching(fetching))) = &self.own else {
            return None;
        };
        let at = fetching.asked.map_or(Millis(0), |at| at + AGAIN_MS);
        (self.from == Some(*manager)).then_some(at)
    }

    /// What to ask this manager for now.
    pub(crate) fn wanted(&mut self, manager: &Fingerprint, now: Millis) -> Option<Wanted> {
        if self.ask_at(manager).is_none_or(|at| now < at) {
            return None;
        }
        let Some((offer, Own::Fetching(fetching))) = &mut self.own else {
            return None;
        };
        fetching.asked = Some(now);
        Some(fetching.wanted(offer))
    }

    /// A piece came. One that was not asked for is none. True if that was the last, or not the right one.
    pub(crate) fn take(&mut self, manager: &Fingerprint, piece: &Piece) -> bool {
        let from_it = self.from == Some(*manager);
        let Some((offer, Own::Fetching(fetching))) = &mut self.own else {
            return false;
        };
        let solicited = fetching.asked.is_some() && piece.wanted == fetching.wanted(offer);
        if !from_it || !solicited {
            debug!("a piece that was not asked for");
            return false;
        }
        fetching.asked = None;
        let offer = *offer;
        let part = fetching.parts.get(fetching.at);
        let left = part.map_or(0, |part| part.size.saturating_sub(fetching.open.len));
        if piece.bytes.is_empty() {
            return self.end(offer, UpdateFault::Gone);
        }
        if piece.bytes.len() as u64 > left {
            return self.end(offer, UpdateFault::BadFile);
        }
        if let Err(error) = fetching.open.append(&piece.bytes) {
            return self.failed(offer, &error);
        }
        if fetching.open.len < part_size(fetching) {
            return false;
        }
        self.go_on(offer)
    }

    /// Fetches it from where it is.
    fn fetch(&mut self, offer: Offer) {
        let manifest = Part {
            name: folder::MANIFEST.into(),
            size: offer.manifest_size.into(),
            sha256: offer.release,
            is_there: false,
        };
        match self.folder.open(&manifest) {
            Ok(open) => {
                let fetching = Fetching {
                    parts: vec![manifest],
                    at: 0,
                    open,
                    asked: None,
                };
                self.own = Some((offer, Own::Fetching(Box::new(fetching))));
                self.go_on(offer);
            }
            Err(error) => {
                self.failed(offer, &error);
            }
        }
    }

    /// Checks what is whole, and goes to the next file that is not. True if there is none, or one is bad.
    fn go_on(&mut self, offer: Offer) -> bool {
        loop {
            let Some((_, Own::Fetching(fetching))) = &mut self.own else {
                return false;
            };
            if fetching.open.len < part_size(fetching) {
                return false;
            }
            let (at, sha256) = (fetching.at, fetching.parts.get(fetching.at));
            let sha256 = sha256.map(|part| part.sha256).unwrap_or_default();
            match fetching.open.finish() {
                Ok(Whole(hash)) if hash == sha256 => {}
                // Not all that was there may have been what came.
                Ok(_) if fetching.open.resumed => {
                    return match fetching.open.begin_anew() {
                        Ok(()) => false,
                        Err(error) => self.failed(offer, &error),
                    };
                }
                Ok(_) if at == 0 => return self.end(offer, UpdateFault::BadManifest),
                Ok(_) => return self.end(offer, UpdateFault::BadFile),
                Err(error) => return self.failed(offer, &error),
            }
            if at == 0 {
                match self.listed() {
                    Ok(parts) => {
                        let Some((_, Own::Fetching(fetching))) = &mut self.own else {
                            return false;
                        };
                        fetching.parts.truncate(1);
                        fetching.parts.extend(parts);
                    }
                    Err(fault) => return self.end(offer, fault),
                }
            }
            let Some((_, Own::Fetching(fetching))) = &mut self.own else {
                return false;
            };
            fetching.go_to_next();
            match fetching
                .parts
                .get(fetching.at)
                .map(|part| self.folder.open(part))
            {
                Some(Ok(open)) => fetching.open = open,
                Some(Err(error)) => return self.failed(offer, &error),
                None => break,
            }
        }
        self.ready(offer)
    }

    /// All is there.
    fn ready(&mut self, offer: Offer) -> bool {
        let total = match &self.own {
            Some((_, Own::Fetching(fetching))) => fetching.total(),
            _ => 0,
        };
        if let Err(error) = self.folder.ready() {
            return self.failed(offer, &error);
        }
        info!(
            "update to {} is there, and left to process 1",
            offer.version
        );
        self.own = Some((offer, Own::Ready(total)));
        true
    }

    /// The files that the manifest lists, if this machine may take them.
    fn listed(&self) -> Result<Vec<Part>, UpdateFault> {
        let file = self.folder.manifest().map_err(|_| UpdateFault::Disk)?;
        let image = self.said.status.image.as_ref();
        let (image, key) = image
            .and_then(|image| Some((image, image.release_key?)))
            .ok_or(UpdateFault::BadSignature)?;
        let manifest = Manifest::verify(&file, &key).map_err(|error| match error {
            ManifestError::BadSignature => UpdateFault::BadSignature,
            _ => UpdateFault::BadManifest,
        })?;
        suits(&manifest, image)?;
        let parts: Vec<Part> = manifest
            .files()
            .map(|file| Part {
                name: file.name.as_str().into(),
                size: file.size,
                sha256: file.sha256,
                is_there: self.said.files.contains(&file.sha256),
            })
            .collect();
        let has = |name: &&str| parts.iter().any(|part| *part.name == **name);
        if parts.len() != FILES.len() || !FILES.iter().all(has) {
            return Err(UpdateFault::BadManifest);
        }
        match self.folder.has_room_for(&parts) {
            Ok(true) => Ok(parts),
            Ok(false) => Err(UpdateFault::NoRoom),
            Err(_) => Err(UpdateFault::Disk),
        }
    }

    fn failed(&mut self, offer: Offer, error: &io::Error) -> bool {
        warn!("update not written: {error}");
        let fault = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => UpdateFault::NoRoom,
            _ => UpdateFault::Disk,
        };
        self.end(offer, fault)
    }

    /// Gives it up, and forgets what was fetched.
    fn end(&mut self, offer: Offer, fault: UpdateFault) -> bool {
        warn!("update to {} is not gone on with: {fault:?}", offer.version);
        self.forget();
        self.own = Some((offer, Own::Failed(fault)));
        true
    }

    fn forget(&self) {
        if let Err(error) = self.folder.empty() {
            warn!("what was fetched of it is still there: {error}");
        }
    }
}

impl Own {
    fn step(&self) -> Step {
        match self {
            Self::Fetching(fetching) => Step::Fetching {
                done: fetching.done(),
                total: match fetching.parts.len() {
                    1 => 0,
                    _ => fetching.total(),
                },
            },
            Self::Ready(bytes) => Step::Fetching {
                done: *bytes,
                total: *bytes,
            },
            Self::Failed(fault) => Step::Failed(*fault),
        }
    }
}

impl Fetching {
    fn wanted(&self, offer: &Offer) -> Wanted {
        Wanted {
            release: offer.release,
            // A release has fewer files than there are numbers.
            file: u8::try_from(self.at).unwrap_or(u8::MAX),
            from: self.open.len,
        }
    }

    /// Past what is there already.
    fn go_to_next(&mut self) {
        let rest = self.parts.iter().skip(self.at + 1);
        self.at += 1 + rest.take_while(|part| part.is_there).count();
    }

    /// Bytes to be fetched.
    fn total(&self) -> u64 {
        bytes(&self.parts)
    }

    fn done(&self) -> u64 {
        bytes(self.parts.get(..self.at).unwrap_or(&self.parts)) + self.open.len
    }
}

/// What has to be fetched of these.
fn bytes(parts: &[Part]) -> u64 {
    let fetched = parts.iter().filter(|part| !part.is_there);
    fetched.map(|part| part.size).sum()
}

fn part_size(fetching: &Fetching) -> u64 {
    fetching.parts.get(fetching.at).map_or(0, |part| part.size)
}

/// Whether a machine that runs this image may take the release.
fn suits(manifest: &Manifest<'_>, image: &ImageId) -> Result<(), UpdateFault> {
    let suits = manifest.suits("image", image.arch.as_str(), image.version);
    suits.map_err(|why| match why {
        Unsuited::NotNewer { .. } => UpdateFault::NotNewer,
        Unsuited::TooOld { .. } => UpdateFault::TooOld,
        _ => UpdateFault::OtherMachine,
    })
}

/// What process 1 says; without one the machine's system is not ours.
fn said(system: Option<&PathBuf>) -> System {
    system.map_or(system::UNKNOWN, |path| system::read(path))
}
