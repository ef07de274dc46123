//! From what a worker has fetched to a slot that starts.
//!
//! ```text
//!   manifest: signature ─▶ product, arch, version ─▶ two files, not too large          nothing is written so far
//!        ─▶ note ─▶ the other slot is closed, emptied ─▶ each file copied, hashed, read back, hashed;
//!                                          one that the slot that runs has too was not fetched: copied from there
//!        ─▶ boot.cfg ─▶ entry+3 ─▶ grubenv on trial ─▶ note
//! ```
//! A power cut before the entry leaves what runs now; after it, either slot may start, and both are whole.

use std::io;

use log::error;
use miner_shared::crypto::sha256;
use miner_shared::limits::MAX_SLOT_BYTES;
use miner_shared::release::{Image, Manifest, ManifestError, Refusal, ReleaseFile, Version};
use miner_shared::slots::{INITRAMFS_FILE, KERNEL_FILE, Slot};
use miner_shared::wire::{Step, Update, UpdateFault};

use super::boot::{Boot, Note};
use super::disk::Disk;
use super::fetched::Fetched;

/// A release that this machine may take.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) update: Update,
    files: [ReleaseFile; 2],
}

/// Looks at the manifest. With a fault comes as much of the update as is known.
pub(super) fn check(fetched: &Fetched, image: &Image) -> Result<Release, Update> {
    let bytes = fetched.manifest().unwrap_or_default();
    let mut update = Update {
        release: sha256(&[&bytes]),
        version: Version::default(),
        step: Step::Installing,
    };
    let files = files(&bytes, image, &mut update.version);
    match files {
        Ok(files) => Ok(Release { update, files }),
        Err(fault) => Err(failed(update, fault)),
    }
}

/// The update, not gone on with.
pub(super) const fn failed(update: Update, fault: UpdateFault) -> Update {
    Update {
        step: Step::Failed(fault),
        ..update
    }
}

fn files(
    bytes: &[u8],
    image: &Image,
    version: &mut Version,
) -> Result<[ReleaseFile; 2], UpdateFault> {
    let Some(key) = &image.release_key else {
        error!(
            "update: this image was built without a release key, so no signature is good; build one \
             with --release-key and write it to the disk"
        );
        return Err(UpdateFault::BadSignature);
    };
    let manifest = Manifest::verify(bytes, key).map_err(|error| match error {
        ManifestError::BadSignature => UpdateFault::BadSignature,
        _ => UpdateFault::BadManifest,
    })?;
    *version = manifest.version;
    let suits = manifest.suits(image.product.as_str(), image.arch.as_str(), image.version);
    suits.map_err(|refusal| match refusal {
        Refusal::NotNewer { .. } => UpdateFault::NotNewer,
        Refusal::TooOld { .. } => UpdateFault::TooOld,
        _ => UpdateFault::OtherMachine,
    })?;
    let named = |name: &str| {
        let mut files = manifest.files().filter(|file| file.name.as_str() == name);
        files.next().ok_or(UpdateFault::BadManifest)
    };
    let files = [named(KERNEL_FILE)?, named(INITRAMFS_FILE)?];
    if manifest.files().count() != files.len() {
        return Err(UpdateFault::BadManifest);
    }
    let bytes = files
        .iter()
        .try_fold(0_u64, |sum, file| sum.checked_add(file.size));
    match bytes {
        Some(..=MAX_SLOT_BYTES) => Ok(files),
        _ => Err(UpdateFault::NoRoom),
    }
}

/// Writes a release to the slot that does not run, and puts it on trial.
pub(super) fn install(
    disk: &Disk,
    running: Slot,
    fetched: &Fetched,
    release: &Release,
) -> Result<Update, Update> {
    let Release { update, files } = release;
    let of_disk = |error: io::Error| {
        error!("update: {error}");
        let fault = match error.kind() {
            io::ErrorKind::StorageFull => UpdateFault::NoRoom,
            _ => UpdateFault::Disk,
        };
        failed(*update, fault)
    };
    let Some(boot) = Boot::open(disk, running).map_err(of_disk)? else {
        return Err(failed(*update, UpdateFault::Disk));
    };
    let note = Note {
        update: *update,
        slot: running.other(),
    };
    let installed = || -> Result<Note, Update> {
        boot.set_note(note).map_err(of_disk)?;
        boot.close_other().map_err(of_disk)?;
        let slot = boot.empty_other().map_err(of_disk)?;
        for file in files {
            let path = format!("{slot}/{}", file.name);
            let bad = failed(*update, UpdateFault::BadFile);
            let own = format!("{running}/{}", file.name);
            let mut from = if disk.sum(&own).ok() == Some((file.size, file.sha256)) {
                disk.open(&own).map_err(of_disk)?
            } else {
                match fetched.open(file.name.as_str()) {
                    // The worker was told that the slot has it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        let what = format!("{own} is no longer what it was, and was not fetched");
                        return Err(of_disk(io::Error::other(what)));
                    }
                    from => from.map_err(|_| bad)?,
                }
            };
            let sum = disk.copy(&path, &mut from, file.size).map_err(of_disk)?;
            if sum != file.sha256 {
                return Err(bad);
            }
            if disk.sum(&path).map_err(of_disk)? != (file.size, file.sha256) {
                return Err(of_disk(io::Error::other(
                    "the disk does not read back what was written",
                )));
            }
        }
        boot.try_other(update.version).map_err(of_disk)?;
        boot.set_step(note, Step::Restarting).map_err(of_disk)
    };
    match installed() {
        Ok(note) => Ok(note.update),
        Err(update) => {
            // Whether or not it can be written down: the other slot was closed, or is on trial and whole.
            let _ = boot.close_other();
            let _ = boot.set_step(note, update.step);
            Err(update)
        }
    }
}
