//! The files of the journal: lines at the end of the last one, the oldest deleted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::query::head;
use super::{Begun, SEGMENT_BYTES, SEGMENTS, SKIP, UNSYNCED};

/// Left behind by an end that was clean.
const ENDED: &str = "ended";

/// All files, and the last one open for writing.
#[derive(Debug)]
pub(super) struct Segments {
    folder: PathBuf,
    /// Numbers of the first events of the files, which are their names.
    pub(super) firsts: Vec<u64>,
    /// The last file, unless there is none yet.
    last: Option<File>,
    len: u64,
    /// Lines that are not in the file yet.
    unwritten: Vec<u8>,
    unsynced: u32,
}

impl Segments {
    /// Opens the folder, or makes it.
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Begun)> {
        if !folder.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let mut firsts = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
            firsts.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        firsts.sort_unstable();
        let mut segments = Self {
            folder: folder.to_owned(),
            firsts,
            last: None,
            len: 0,
            unwritten: Vec::new(),
            unsynced: 0,
        };
        let newest = segments.newest()?;
        let ended = folder.join(ENDED);
        let clean = newest.is_none() || ended.exists();
        if ended.exists() {
            fs::remove_file(&ended)?;
        }
        let skipped = if clean { 0 } else { SKIP };
        let begun = Begun {
            next: newest.map_or(0, |newest| newest.saturating_add(1)) + skipped,
            skipped,
        };
        Ok((segments, begun))
    }

    /// Number of the newest event on disk. Opens the last file, without a line that was torn.
    fn newest(&mut self) -> io::Result<Option<u64>> {
        let Some(first) = self.firsts.last().copied() else {
            return Ok(None);
        };
        let bytes = self.read(first)?;
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let file = OpenOptions::new().append(true).open(self.path(first))?;
        if whole < bytes.len() {
            log::warn!(
                "events: a torn line was cut off bytes={}",
                bytes.len() - whole
            );
            file.set_len(whole as u64)?;
        }
        self.last = Some(file);
        self.len = whole as u64;
        let lines = bytes
            .get(..whole)
            .unwrap_or_default()
            .split(|byte| *byte == b'\n');
        let newest = lines.filter_map(head).map(|head| head.seq).max();
        // A file is begun with the event that it is called after.
        Ok(newest.or(Some(first)))
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.jsonl"))
    }

    /// A file's bytes; no more than such a file has.
    pub(super) fn read(&self, first: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = File::open(self.path(first))?;
        file.take(2 * SEGMENT_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Takes a line, which [`flush`](Self::flush) writes.
    pub(super) fn append(&mut self, seq: u64, line: &str) -> io::Result<()> {
        if self.last.is_none() || self.len + self.unwritten.len() as u64 >= SEGMENT_BYTES {
            self.begin(seq)?;
        }
        self.unwritten.extend_from_slice(line.as_bytes());
        self.unwritten.push(b'\n');
        self.unsynced += 1;
        if self.unsynced >= UNSYNCED {
            self.sync()?;
        }
        Ok(())
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.last
            && !self.unwritten.is_empty()
        {
            let written = file.write_all(&self.unwritten);
            self.len += self.unwritten.len() as u64;
            // What a full disk did not take is lost; it must not grow in memory.
            self.unwritten.clear();
            written?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.unsynced = 0;
        self.last.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Begins a file with the event of this number.
    fn begin(&mut self, seq: u64) -> io::Result<()> {
        self.sync()?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(self.path(seq))?;
        self.last = Some(file);
        self.len = 0;
        self.firsts.push(seq);
        while self.firsts.len() > SEGMENTS {
            let oldest = self.firsts.remove(0);
            fs::remove_file(self.path(oldest))?;
        }
        Ok(())
    }

    /// Syncs, and leaves word that nothing is missing.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.sync()?;
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600);
        file.open(self.folder.join(ENDED))?.sync_all()
    }
}
