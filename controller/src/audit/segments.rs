//! The files of the log: `NUMBER.jsonl`, named by the number of their first entry, 0600 in a folder of
//! 0700.
//!
//! | | what happens |
//! |---|---|
//! | a segment is full | the next one begins, with the hash that the full one ended with; beyond [`KEPT_SEGMENTS`] the oldest goes |
//! | the power failed within a line | the rest of a line at the end is cut, and an entry says so |
//! | a line in the middle was changed | nothing is thrown away: the log goes on in a new segment, and `verify` names that line for as long as it is there |

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::chain::{self, Hash, NOTHING};
use super::entry::{Draft, Entry};
use crate::clock::EpochMs;

/// Bytes of a segment, about 12,000 entries.
pub const SEGMENT_BYTES: u64 = 4 << 20;
/// Segments that are kept: 32 MiB in all, about 100,000 entries.
pub const KEPT_SEGMENTS: usize = 8;

/// The end of the log, where entries are appended.
#[derive(Debug)]
pub(super) struct Writer {
    folder: PathBuf,
    file: File,
    /// Bytes of the segment.
    size: u64,
    /// Bytes after which the next one begins.
    full: u64,
    /// Number and hash of the last entry.
    seq: u64,
    hash: Hash,
}

impl Writer {
    /// Opens the log, or begins it.
    pub(super) fn open(folder: &Path, now: EpochMs) -> io::Result<Self> {
        Self::with_segments_of(SEGMENT_BYTES, folder, now)
    }

    /// The same with segments of this size.
    pub(super) fn with_segments_of(full: u64, folder: &Path, now: EpochMs) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut log = loop {
            let Some((first, path)) = segments(folder)?.pop() else {
                break Self::begin(full, folder, 0, NOTHING, now.to_string())?;
            };
            let bytes = fs::read(&path)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n');
            let Some(whole) = whole.map(|at| at + 1) else {
                // It was begun, and the power failed before its first line was whole.
                fs::remove_file(&path)?;
                continue;
            };
            let end = End::of(first, bytes.get(..whole).unwrap_or_default());
            break Self::resume(full, folder, &path, end, bytes.len() > whole, now)?;
        };
        log.forget_old()?;
        Ok(log)
    }

    fn resume(
        full: u64,
        folder: &Path,
        path: &Path,
        end: End,
        is_torn: bool,
        now: EpochMs,
    ) -> io::Result<Self> {
        let mut cut = 0;
        let file = OpenOptions::new().append(true).open(path)?;
        if is_torn {
            file.set_len(end.size)?;
            file.sync_all()?;
            cut = 1;
        }
        let mut log = if end.is_broken {
            log::error!("audit log changed by others file={}", path.display());
            Self::begin(full, folder, end.seq, end.hash, now.to_string())?
        } else {
            Self {
                folder: folder.to_owned(),
                file,
                size: end.size,
                full,
                seq: end.seq,
                hash: end.hash,
            }
        };
        if cut > 0 {
            let note = Draft {
                at: now.to_string(),
                cut,
                ..Draft::of_ours("audit.cut")
            };
            log.append(vec![note])?;
        }
        Ok(log)
    }

    /// Begins a segment behind the entry of this number and hash.
    fn begin(full: u64, folder: &Path, seq: u64, hash: Hash, at: String) -> io::Result<Self> {
        let path = folder.join(name(seq + 1));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut log = Self {
            folder: folder.to_owned(),
            file,
            size: 0,
            full,
            seq,
            hash,
        };
        let first = Draft {
            at,
            prev: Some(chain::hex(&hash)),
            ..Draft::of_ours("audit.segment")
        };
        let line = log.seal(first)?;
        log.flush(line.as_bytes())?;
        File::open(folder)?.sync_all()?;
        Ok(log)
    }

    /// Appends entries; they are on the disk when this returns. After an error the log is to be opened
    /// again.
    pub(super) fn append(&mut self, drafts: Vec<Draft>) -> io::Result<()> {
        let mut lines = String::new();
        for draft in drafts {
            if self.size + u64::try_from(lines.len()).unwrap_or(u64::MAX) >= self.full {
                self.flush(lines.as_bytes())?;
                lines.clear();
                self.rotate(draft.at.clone())?;
            }
            lines += &self.seal(draft)?;
        }
        self.flush(lines.as_bytes())
    }

    fn rotate(&mut self, at: String) -> io::Result<()> {
        *self = Self::begin(self.full, &self.folder, self.seq, self.hash, at)?;
        self.forget_old()
    }

    fn seal(&mut self, draft: Draft) -> io::Result<String> {
        let entry = draft.into_entry(self.seq + 1);
        let (line, hash) = chain::seal(&self.hash, &entry)?;
        (self.seq, self.hash) = (entry.seq, hash);
        Ok(line)
    }

    fn flush(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.size += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn forget_old(&mut self) -> io::Result<()> {
        let all = segments(&self.folder)?;
        let old = all.len().saturating_sub(KEPT_SEGMENTS);
        for (_, path) in all.iter().take(old) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// What the last segment ends with.
#[derive(Debug)]
struct End {
    size: u64,
    seq: u64,
    hash: Hash,
    /// Whether a line of it does not fit the one before.
    is_broken: bool,
}

impl End {
    fn of(first: u64, lines: &[u8]) -> Self {
        let mut end = Self {
            size: u64::try_from(lines.len()).unwrap_or(u64::MAX),
            seq: first.saturating_sub(1),
            hash: NOTHING,
            is_broken: false,
        };
        let mut prev = lines
            .split(|byte| *byte == b'\n')
            .next()
            .and_then(chain::entry_of)
            .and_then(|entry| chain::unhex(entry.prev.as_deref()?));
        for line in whole_lines(lines) {
            end.seq += 1;
            let fits = prev.and_then(|prev| chain::check(&prev, line).ok());
            end.hash = match fits {
                Some((entry, hash)) if entry.seq == end.seq => hash,
                Some(_) | None => {
                    end.is_broken = true;
                    chain::claimed(line).unwrap_or(NOTHING)
                }
            };
            prev = Some(end.hash);
        }
        end
    }
}

/// Lines that end, without what ends them.
pub(super) fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.filter_map(|line| line.strip_suffix(b"\n"))
}

fn name(first: u64) -> String {
    format!("{first:020}.jsonl")
}

/// All segments with the numbers of their first entries, the oldest first.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut all = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let text = entry.file_name();
        let number = text.to_str().and_then(|text| text.strip_suffix(".jsonl"));
        let number = number.and_then(|digits| digits.parse().ok());
        if let Some(first) = number.filter(|first| text == *name(*first)) {
            all.push((first, entry.path()));
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// Up to `limit` entries below this number, the newest first. A line that is none is left out:
/// `verify` is who names it.
pub(super) fn page(folder: &Path, before: Option<u64>, limit: usize) -> io::Result<Vec<Entry>> {
    let below = |seq: u64| before.is_none_or(|before| seq < before);
    let mut found = Vec::new();
    for (_, path) in segments(folder)?
        .iter()
        .rev()
        .filter(|(first, _)| below(*first))
    {
        let bytes = match fs::read(path) {
            // It was thrown away just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            bytes => bytes?,
        };
        let entries: Vec<_> = whole_lines(&bytes).filter_map(chain::entry_of).collect();
        let newest = entries.into_iter().rev().filter(|entry| below(entry.seq));
        found.extend(newest.take(limit - found.len()));
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}
