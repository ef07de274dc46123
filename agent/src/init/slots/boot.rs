//! The boot volume as process 1 knows it: which slot runs, whether on trial, and which update was tried last.

use std::io;

use miner_shared::limits::MAX_CMDLINE;
use miner_shared::record::{self, OVERHEAD};
use miner_shared::release::Version;
use miner_shared::slots::{
    BootState, ENTRY_FOLDER, EntryName, GRUBENV, GRUBENV_PATH, INITRAMFS_FILE, KERNEL_FILE,
    SCRIPT_FILE, Slot, Start, UPDATE_PATH,
};
use miner_shared::wire::{Step, Update};

use super::disk::Disk;

/// Longest entry: the command line, and a few short lines.
const MAX_ENTRY: usize = MAX_CMDLINE + 256;
/// Length of the record of an update: a sector, so that it is written in one piece.
const NOTE: usize = 512;
const MAGIC: &[u8; 8] = b"MINERUP1";

/// The boot volume of a machine that runs one of its slots.
#[derive(Debug)]
pub(super) struct Boot<'d> {
    disk: &'d Disk,
    running: Slot,
    /// The entry of the running slot, as UEFI knows it.
    entry: String,
}

/// The update that was tried last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) update: Update,
    /// The slot that it was written to.
    pub(super) slot: Slot,
}

/// A file by which UEFI starts a slot.
struct Entry {
    path: String,
    name: EntryName,
    text: String,
}

impl Entry {
    /// Whose entry it is; `None` if it is damaged.
    fn slot(&self) -> Option<Slot> {
        Start::read(&self.text).map(|start| start.slot())
    }
}

impl<'d> Boot<'d> {
    /// The volume, if the running slot is one of its own.
    pub(super) fn open(disk: &'d Disk, running: Slot) -> io::Result<Option<Self>> {
        let mut all = entries(disk)?.into_iter();
        let own = all.find(|entry| entry.slot() == Some(running));
        Ok(own.map(|entry| Self {
            disk,
            running,
            entry: entry.text,
        }))
    }

    /// How the running slot starts.
    fn start(&self) -> io::Result<Start<'_>> {
        let start = Start::read(&self.entry);
        start.ok_or_else(|| io::Error::other("the entry of the running slot is damaged"))
    }

    /// Whether the running slot has yet to be confirmed. UEFI's entries say so under a BIOS too: they are
    /// written first in either direction, and an entry that counts no more is a decision.
    pub(super) fn is_on_trial(&self) -> io::Result<bool> {
        let own = entries(self.disk)?.into_iter();
        let mut own = own.filter(|entry| entry.slot() == Some(self.running));
        Ok(own.all(|entry| entry.name.tries.is_some()))
    }

    /// The running slot is what the machine starts from now on.
    pub(super) fn confirm(&self) -> io::Result<()> {
        let version = self.start()?.version();
        let confirmed = format!("{ENTRY_FOLDER}/{}", EntryName::confirmed(version));
        let all = entries(self.disk)?.into_iter();
        let own = all.filter(|entry| entry.slot() == Some(self.running));
        let (done, counting): (Vec<Entry>, Vec<Entry>) =
            own.partition(|entry| entry.path == confirmed);
        if done.is_empty() {
            self.disk.write(&confirmed, self.entry.as_bytes())?;
        }
        for entry in counting {
            self.disk.remove(&entry.path)?;
        }
        self.set_state(BootState::confirmed(self.running))
    }

    /// Nothing starts the other slot any more.
    pub(super) fn close_other(&self) -> io::Result<()> {
        self.set_state(BootState::confirmed(self.running))?;
        for entry in entries(self.disk)? {
            if entry.slot() != Some(self.running) {
                self.disk.remove(&entry.path)?;
            }
        }
        let other = self.running.other();
        self.disk.remove(&format!("{other}/{SCRIPT_FILE}"))
    }

    /// Makes room in the other slot, which was closed.
    pub(super) fn empty_other(&self) -> io::Result<Slot> {
        let other = self.running.other();
        self.disk.make_folder(other.as_str())?;
        for file in [KERNEL_FILE, INITRAMFS_FILE] {
            self.disk.remove(&format!("{other}/{file}"))?;
        }
        Ok(other)
    }

    /// The other slot, whose files are there, is tried from the next start on.
    pub(super) fn try_other(&self, version: Version) -> io::Result<()> {
        let other = self.running.other();
        let start = self.start()?.of(other, version);
        let state = self.state()?;
        if state.is_some() {
            let script = start.script().to_string();
            let path = format!("{other}/{SCRIPT_FILE}");
            self.disk.write(&path, script.as_bytes())?;
        }
        let path = format!("{ENTRY_FOLDER}/{}", EntryName::on_trial(version));
        self.disk
            .write(&path, start.entry().to_string().as_bytes())?;
        self.set_state(BootState::confirmed(self.running).on_trial())
    }

    /// GRUB's state; `None` where there is no GRUB. One that is damaged reads as if nothing were on trial.
    fn state(&self) -> io::Result<Option<BootState>> {
        let file = self.disk.read(GRUBENV_PATH, GRUBENV)?;
        let nothing = BootState::confirmed(self.running.other());
        Ok(file.map(|file| BootState::decode(&file).unwrap_or(nothing)))
    }

    fn set_state(&self, state: BootState) -> io::Result<()> {
        match self.state()? {
            Some(is) if is != state => self.disk.overwrite(GRUBENV_PATH, &state.encode()),
            _ => Ok(()),
        }
    }

    /// The update that was tried last.
    pub(super) fn note(&self) -> io::Result<Option<Note>> {
        let file = self.disk.read(UPDATE_PATH, NOTE)?.unwrap_or_default();
        Ok(decode(&file))
    }

    /// Remembers an update.
    pub(super) fn set_note(&self, note: Note) -> io::Result<()> {
        let bytes = encode(note)?;
        match self.disk.read(UPDATE_PATH, NOTE)? {
            Some(file) if file.len() == NOTE => self.disk.overwrite(UPDATE_PATH, &bytes),
            _ => self.disk.write(UPDATE_PATH, &bytes),
        }
    }

    /// Remembers how far an update is.
    pub(super) fn set_step(&self, note: Note, step: Step) -> io::Result<Note> {
        let update = Update {
            step,
            ..note.update
        };
        let now = Note { update, ..note };
        if now != note {
            self.set_note(now)?;
        }
        Ok(now)
    }
}

/// The files by which UEFI starts a slot.
fn entries(disk: &Disk) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for file in disk.list(ENTRY_FOLDER)? {
        let Ok(name) = file.parse() else {
            continue;
        };
        let path = format!("{ENTRY_FOLDER}/{file}");
        let text = disk.read(&path, MAX_ENTRY)?.unwrap_or_default();
        let text = String::from_utf8(text).unwrap_or_default();
        found.push(Entry { path, name, text });
    }
    Ok(found)
}

fn encode(note: Note) -> io::Result<[u8; NOTE]> {
    let (mut body, mut file) = ([0; NOTE - OVERHEAD], [0; NOTE]);
    let fields = (note.update, note.slot == Slot::B);
    postcard::to_slice(&fields, &mut body).map_err(io::Error::other)?;
    record::encode(MAGIC, &body, &mut file).map_err(io::Error::other)?;
    Ok(file)
}

fn decode(file: &[u8]) -> Option<Note> {
    let body = record::decode(MAGIC, file).ok()?;
    let ((update, is_b), _zeros) = postcard::take_from_bytes::<(Update, bool)>(body).ok()?;
    let slot = if is_b { Slot::B } else { Slot::A };
    Some(Note { update, slot })
}
