//! The thread that reads pieces of releases, so that no disk is waited for where links are served.
//!
//! One file stays open: rigs of a stage ask for the same ones at about the same time, and what one has read
//! the kernel has for the others.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use miner_shared::limits::MAX_PIECE;
use miner_shared::wire::Wanted;
use smol::channel::Receiver;

use super::{
    Deliver, Index, MAX_RELEASES, Release, ReleaseId, Shelf, Untaken, Work, lock, piece_len,
};
use crate::hub::ConnId;

/// Files that stay open: the manifest, the kernel and the initrd of two architectures, and some.
const OPEN: usize = 8;

pub(super) struct Reader {
    shelf: Shelf,
    index: Index,
    deliver: Deliver,
    /// The last that was used stands last.
    open: Vec<((ReleaseId, u8), File)>,
}

impl Reader {
    pub(super) fn new(shelf: Shelf, index: Index, deliver: Deliver) -> Self {
        Self {
            shelf,
            index,
            deliver,
            open: Vec::new(),
        }
    }

    pub(super) fn run(mut self, todo: &Receiver<Work>) {
        let mut buffer = [0; MAX_PIECE];
        while let Ok(work) = todo.recv_blocking() {
            match work {
                Work::Read(conn, wanted) => {
                    if !self.read(conn, wanted, &mut buffer) {
                        return;
                    }
                }
                Work::Take(id, done) => {
                    let _unheard = done.try_send(self.take(&id));
                }
                Work::Remove(id, done) => {
                    let _unheard = done.try_send(self.remove(&id));
                }
            }
        }
    }

    /// Reads a piece and delivers it; of what is not there, none. What cannot be read is not answered: the
    /// disk may be there again when the rig asks again.
    fn read(&mut self, conn: ConnId, wanted: Wanted, buffer: &mut [u8; MAX_PIECE]) -> bool {
        let release = lock(&self.index).get(&wanted.release).cloned();
        let Some((release, size)) = release.and_then(|release| {
            let (_, size) = release.file(wanted.file)?;
            Some((release, size))
        }) else {
            return (self.deliver)(conn, wanted, &[]);
        };
        let bytes = buffer.get_mut(..piece_len(size, wanted.from));
        let bytes = bytes.unwrap_or_default();
        let read = self.file(&release, wanted.file);
        let read = read.and_then(|file| file.read_exact_at(bytes, wanted.from));
        match read {
            Ok(()) => (self.deliver)(conn, wanted, bytes),
            Err(error) => {
                self.open.clear();
                log::warn!(
                    "release not read version={} file={} reason={error}",
                    release.version,
                    wanted.file
                );
                true
            }
        }
    }

    fn file(&mut self, release: &Release, number: u8) -> std::io::Result<&File> {
        let key = (release.id, number);
        let known = self.open.iter().position(|(of, _)| *of == key);
        let entry = match known {
            Some(at) => self.open.remove(at),
            None => {
                let name = release.file(number).map_or("", |(name, _)| name);
                let file = File::open(self.shelf.folder(&release.id).join(name))?;
                if self.open.len() >= OPEN {
                    self.open.remove(0);
                }
                (key, file)
            }
        };
        self.open.push(entry);
        // It was pushed just now.
        self.open
            .last()
            .map(|(_, file)| file)
            .ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }

    fn take(&self, id: &ReleaseId) -> Result<Arc<Release>, Untaken> {
        let release = self.shelf.check(id)?;
        let mut index = lock(&self.index);
        if index.len() >= MAX_RELEASES && !index.contains_key(id) {
            return Err(Untaken::TooMany);
        }
        let release = Arc::new(release);
        index.insert(*id, Arc::clone(&release));
        Ok(release)
    }

    fn remove(&mut self, id: &ReleaseId) -> Result<(), Untaken> {
        self.open.retain(|((of, _), _)| of != id);
        lock(&self.index).remove(id);
        self.shelf.remove(id)
    }
}
