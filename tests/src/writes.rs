//! What a machine wrote to a volume, write by write, so that its power can be cut after each of them.
//!
//! ```text
//!   qemu, driver blklogwrites ─▶ log of the disk ─▶ Writes: one volume, as it was and each write to it
//!                                                     │ kept as a file: only the bytes that differ
//!                                                     ▼
//!   for every prefix of the writes: the volume      and, where a disk has a cache of its own: the same
//!   as a power cut there leaves it                  without one of the writes since the last flush
//! ```
//! The log has the form of Linux's dm-log-writes; `qemu` writes it for [`crate::machine::Machine::noting_writes`].
//! All numbers in either file are little-endian.

use core::ops::Range;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

const SECTOR: usize = 512;
/// First word of a log.
const LOG_MAGIC: u64 = 0x6a_7366_7773_6872;
const LOG_FLUSH: u64 = 1;
/// The write is on the disk when it is done.
const LOG_FUA: u64 = 2;
const LOG_DISCARD: u64 = 4;
/// Begin of a file of these.
const MAGIC: &[u8; 8] = b"FARMWRT1";
/// Equal bytes between two others that are kept rather than counted.
const GAP: usize = 8;

/// The writes to one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    len: usize,
    before: Patch,
    steps: Vec<Step>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Write(Patch),
    /// All before it are on the disk.
    Flush,
}

/// Bytes that change, by where they are.
type Patch = Vec<(usize, Vec<u8>)>;

/// Where the power was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Writes that the machine had made.
    pub writes: usize,
    /// Of these, the first so many are surely on the disk.
    pub flushed: usize,
    /// Of these, the one that the disk's own cache had not let go of yet.
    pub lost: Option<usize>,
}

impl Writes {
    /// Those of a log that went to this part of the disk, which was `before`.
    ///
    /// # Errors
    /// The log is none, or cannot be read.
    pub fn of_log(log: &Path, before: &[u8], place: Range<usize>) -> io::Result<Self> {
        let mut log = BufReader::new(File::open(log)?);
        let mut head = [0; SECTOR];
        log.read_exact(&mut head)?;
        let bad = |why: &'static str| io::Error::new(ErrorKind::InvalidData, why);
        if word(&head, 0) != LOG_MAGIC {
            return Err(bad("it is no log of writes"));
        }
        let [mut volume, mut flushed] = [before.to_vec(), before.to_vec()];
        let mut writes = Self {
            len: volume.len(),
            before: difference(0, [&vec![0; volume.len()]; 2], &volume),
            steps: Vec::new(),
        };
        // The number of entries in the head is of the last time that it was written: the log goes further.
        while let Some(entry) = next_sector(&mut log)? {
            let [sector, sectors, flags] = [0, 8, 16].map(|at| word(&entry, at));
            if flags & LOG_DISCARD != 0 {
                return Err(bad("nothing of ours discards sectors"));
            }
            let size = |sectors: u64| usize::try_from(sectors).map(|count| count * SECTOR);
            let at = size(sector).map_err(io::Error::other)?;
            let mut bytes = vec![0; size(sectors).map_err(io::Error::other)?];
            match log.read_exact(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                read => read?,
            }
            if flags & LOG_FLUSH != 0 {
                writes.flush(&mut flushed, &volume);
            }
            if let Some(at) = at.checked_sub(place.start)
                && let Some(old) = volume.get_mut(at..at + bytes.len())
                && !bytes.is_empty()
            {
                let before = flushed.get(at..at + bytes.len()).unwrap_or_default();
                let patch = difference(at, [old, before], &bytes);
                old.copy_from_slice(&bytes);
                writes.steps.push(Step::Write(patch));
            }
            if flags & LOG_FUA != 0 {
                writes.flush(&mut flushed, &volume);
            }
        }
        Ok(writes)
    }

    /// One flush is as good as two.
    fn flush(&mut self, flushed: &mut [u8], volume: &[u8]) {
        if let Some(Step::Write(_)) = self.steps.last() {
            self.steps.push(Step::Flush);
            flushed.copy_from_slice(volume);
        }
    }

    /// How many there are, flushes left out.
    pub fn count(&self) -> usize {
        let writes = self.steps.iter();
        writes.filter(|step| **step != Step::Flush).count()
    }

    /// Shows the volume as each cut leaves it, in order.
    ///
    /// # Errors
    /// Those of `look`.
    pub fn cut_everywhere<E>(
        &self,
        mut look: impl FnMut(Cut, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut volume = vec![0; self.len];
        apply(&mut volume, &self.before);
        let mut flushed = volume.clone();
        // Since the last flush.
        let mut open: Vec<(usize, &Patch)> = Vec::new();
        let mut cut = Cut::default();
        look(cut, &volume)?;
        for step in &self.steps {
            let Step::Write(patch) = step else {
                for (_, patch) in open.drain(..) {
                    copy(&mut flushed, &volume, patch);
                }
                cut.flushed = cut.writes;
                continue;
            };
            apply(&mut volume, patch);
            open.push((cut.writes, patch));
            cut.writes += 1;
            look(cut, &volume)?;
            for (lost, _) in open.iter().take(open.len() - 1) {
                for (_, patch) in &open {
                    copy(&mut volume, &flushed, patch);
                }
                for (_, patch) in open.iter().filter(|(write, _)| write != lost) {
                    apply(&mut volume, patch);
                }
                let lost = Some(*lost);
                look(Cut { lost, ..cut }, &volume)?;
                for (_, patch) in &open {
                    apply(&mut volume, patch);
                }
            }
        }
        Ok(())
    }

    /// As a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let number = |value: usize, out: &mut Vec<u8>| {
            out.extend(u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes());
        };
        number(self.len, &mut out);
        let steps = core::iter::once(Some(&self.before)).chain(self.steps.iter().map(Step::patch));
        for patch in steps {
            let Some(patch) = patch else {
                number(usize::MAX, &mut out);
                continue;
            };
            number(patch.len(), &mut out);
            for (at, bytes) in patch {
                number(*at, &mut out);
                number(bytes.len(), &mut out);
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    /// From a file.
    pub fn decode(file: &[u8]) -> Option<Self> {
        let mut rest = file.strip_prefix(MAGIC)?;
        let len = usize::try_from(number(&mut rest)?).ok()?;
        let mut writes = Self {
            len,
            before: Patch::new(),
            steps: Vec::new(),
        };
        let mut is_first = true;
        while !rest.is_empty() {
            let step = Step::decode(&mut rest, len)?;
            match step {
                Step::Write(patch) if is_first => writes.before = patch,
                step => writes.steps.push(step),
            }
            is_first = false;
        }
        Some(writes)
    }
}

impl Step {
    const fn patch(&self) -> Option<&Patch> {
        match self {
            Self::Write(patch) => Some(patch),
            Self::Flush => None,
        }
    }

    fn decode(rest: &mut &[u8], len: usize) -> Option<Self> {
        let count = number(rest)?;
        if count == u32::MAX {
            return Some(Self::Flush);
        }
        let mut patch = Patch::new();
        for _ in 0..count {
            let at = usize::try_from(number(rest)?).ok()?;
            let length = usize::try_from(number(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            (at.checked_add(bytes.len())? <= len).then_some(())?;
            patch.push((at, bytes.to_vec()));
        }
        Some(Self::Write(patch))
    }
}

fn apply(volume: &mut [u8], patch: &Patch) {
    for (at, bytes) in patch {
        if let Some(place) = volume.get_mut(*at..*at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Copies what a patch changes from one volume to another.
fn copy(to: &mut [u8], from: &[u8], patch: &Patch) {
    for (at, bytes) in patch {
        let place = *at..*at + bytes.len();
        if let (Some(to), Some(from)) = (to.get_mut(place.clone()), from.get(place)) {
            to.copy_from_slice(from);
        }
    }
}

/// What of `new`, which begins at this byte, is not as it is now, or was at the last flush: it has to come
/// about without the writes in between too.
fn difference(at: usize, old: [&[u8]; 2], new: &[u8]) -> Patch {
    let [now, flushed] = old;
    let differs = now.iter().zip(flushed).zip(new).enumerate();
    let differs = differs.filter(|(_, ((now, flushed), new))| now != new || flushed != new);
    let mut patch = Patch::new();
    for (offset, _) in differs {
        let here = at + offset;
        match patch.last_mut() {
            // The few that are the same stand between.
            Some((start, bytes)) if here <= *start + bytes.len() + GAP => {
                let from = *start + bytes.len() - at;
                bytes.extend(new.get(from..=offset).unwrap_or_default());
            }
            _ => patch.push((here, new.get(offset..=offset).unwrap_or_default().to_vec())),
        }
    }
    patch
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*number))
}

/// The next sector of a log; none at its end, which a killed qemu may leave in the middle of one.
fn next_sector(log: &mut (impl Read + Seek)) -> io::Result<Option<[u8; SECTOR]>> {
    let mut sector = [0; SECTOR];
    match log.read_exact(&mut sector) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
            log.seek(SeekFrom::End(0))?;
            Ok(None)
        }
        read => read.map(|()| Some(sector)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A volume of two sectors: write, flush, two writes.
    fn writes() -> Writes {
        Writes {
            len: 8,
            before: vec![(0, vec![9])],
            steps: vec![
                Step::Write(vec![(1, vec![1])]),
                Step::Flush,
                Step::Write(vec![(1, vec![2]), (3, vec![2, 2])]),
                Step::Write(vec![(3, vec![3])]),
            ],
        }
    }

    #[test]
    fn each_prefix_is_shown_and_each_that_lacks_one_write_since_the_flush() {
        let mut seen = Vec::new();
        let look = |cut: Cut, volume: &[u8]| {
            seen.push((cut.writes, cut.flushed, cut.lost, volume[..5].to_vec()));
            Ok::<(), ()>(())
        };
        writes().cut_everywhere(look).unwrap();
        let expected = [
            (0, 0, None, vec![9, 0, 0, 0, 0]),
            (1, 0, None, vec![9, 1, 0, 0, 0]),
            (2, 1, None, vec![9, 2, 0, 2, 2]),
            (3, 1, None, vec![9, 2, 0, 3, 2]),
            (3, 1, Some(1), vec![9, 1, 0, 3, 0]),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_file_gives_back_what_was_put_in_and_a_cut_one_nothing() {
        let writes = writes();
        let file = writes.encode();
        assert_eq!(Writes::decode(&file), Some(writes));
        assert_eq!(Writes::decode(&file[..file.len() - 1]), None);
        assert_eq!(Writes::decode(b"FARMWRT2"), None);
    }

    #[test]
    fn a_difference_leaves_out_what_is_the_same() {
        let (old, mut new, mut flushed) = ([0; 100], [0; 100], [0; 100]);
        (new[3], new[5], new[50], flushed[99]) = (1, 2, 3, 4);
        let patch = difference(1_000, [&old, &flushed], &new);
        let expected = [(1_003, vec![1, 0, 2]), (1_050, vec![3]), (1_099, vec![0])];
        assert_eq!(patch, expected);
    }

    #[test]
    fn of_a_log_only_what_went_to_the_volume_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Vec::new();
        let entry = |words: [u64; 4]| {
            let mut sector: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            sector.resize(SECTOR, 0);
            sector
        };
        log.extend(entry([LOG_MAGIC, 1, 3, 512]));
        log.extend(entry([7, 1, 0, 0]));
        log.extend([7; SECTOR]);
        log.extend(entry([1, 1, 0, 0]));
        log.extend([1; SECTOR]);
        log.extend(entry([0, 0, LOG_FLUSH, 0]));
        log.extend(entry([1, 1, 0, 0]));
        std::fs::write(&path, log).unwrap();
        let place = SECTOR..3 * SECTOR;
        let found = Writes::of_log(&path, &[0; 2 * SECTOR], place).unwrap();
        let all = Step::Write(vec![(0, vec![1; SECTOR])]);
        assert_eq!(found.steps, [all, Step::Flush]);
        assert_eq!(found.count(), 1);
    }
}
