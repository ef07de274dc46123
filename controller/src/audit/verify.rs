//! Whether the log is as it was written, from its files alone.
//!
//! What a chain of hashes shows: whoever changes, takes out, puts in or moves an entry has to write all
//! entries behind it anew. What it does not show: that somebody with the right to write the files did
//! write all of them anew, or cut entries off at the end. For that, keep the last hash that `verify`
//! printed somewhere else, and give it back: `--expect`.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::chain::{self, Flaw, Hash, NOTHING};
use super::segments::{KEPT_SEGMENTS, segments, whole_lines};

/// What the files say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Entries that are there and follow from one another.
    pub entries: u64,
    /// Number of the first one; those before it were thrown away by age.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// Hash of the last one: keep it elsewhere.
    pub head: String,
    /// Segments.
    pub segments: usize,
    /// Requests that are in no entry, as the entries say.
    pub unrecorded: u64,
    /// Entries that were half written when the power failed, as the entries say.
    pub cut: u64,
    /// Whether there is an entry of the hash that was expected, if one was.
    pub expected: Option<bool>,
    /// The first thing that is wrong; everything behind it is unproven.
    pub broken: Option<Broken>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Broken {
    /// File.
    pub file: String,
    /// Line of it, from 1.
    pub line: u64,
    /// Number that the entry there should have.
    pub seq: u64,
    /// What is wrong with it.
    #[serde(serialize_with = "as_text")]
    pub why: Flaw,
}

fn as_text<S: serde::Serializer>(flaw: &Flaw, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(flaw)
}

/// Reads the whole log in this folder.
///
/// # Errors
/// A file cannot be read.
pub fn verify(folder: &Path, expected: Option<&str>) -> io::Result<Report> {
    let all = segments(folder)?;
    let mut walk = Walk {
        report: Report {
            first: all.first().map_or(0, |(first, _)| *first),
            segments: all.len(),
            expected: expected.map(|_| false),
            ..Report::default()
        },
        expected,
        hash: NOTHING,
        next: all.first().map_or(1, |(first, _)| *first),
    };
    for (index, (first, path)) in all.iter().enumerate() {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        // The oldest goes when there is one too many, and never otherwise.
        let missing = index == 0 && *first != 1 && all.len() < KEPT_SEGMENTS;
        let found = if missing || *first != walk.next {
            Err((1, Flaw::Missing))
        } else {
            walk.segment(&std::fs::read(path)?, index == 0)
        };
        if let Err((line, why)) = found {
            let broken = Broken {
                file: file.into_owned(),
                line,
                seq: walk.next,
                why,
            };
            walk.report.broken = Some(broken);
            break;
        }
    }
    walk.report.last = walk.next.saturating_sub(1);
    walk.report.head = chain::hex(&walk.hash);
    Ok(walk.report)
}

struct Walk<'a> {
    report: Report,
    expected: Option<&'a str>,
    hash: Hash,
    next: u64,
}

impl Walk<'_> {
    fn segment(&mut self, bytes: &[u8], is_first: bool) -> Result<(), (u64, Flaw)> {
        let mut number = 0;
        for line in whole_lines(bytes) {
            number += 1;
            self.line(line, number == 1, is_first)
                .map_err(|flaw| (number, flaw))?;
        }
        let is_whole = bytes.last() == Some(&b'\n');
        if is_whole {
            Ok(())
        } else {
            Err((number + 1, Flaw::Torn))
        }
    }

    fn line(&mut self, line: &[u8], begins: bool, is_first: bool) -> Result<(), Flaw> {
        let claims = || {
            let entry = chain::entry_of(line)?;
            chain::unhex(entry.prev.as_deref()?)
        };
        if begins && is_first {
            // Nothing older is there to say otherwise.
            self.hash = claims().ok_or(Flaw::NoEntry)?;
            if self.next == 1 && self.hash != NOTHING {
                return Err(Flaw::Hash);
            }
        } else if begins && claims() != Some(self.hash) {
            return Err(Flaw::Hash);
        }
        let (entry, hash) = chain::check(&self.hash, line)?;
        if entry.seq != self.next {
            return Err(Flaw::Number);
        }
        self.next += 1;
        self.hash = hash;
        self.report.entries += 1;
        self.report.unrecorded += entry.unrecorded;
        self.report.cut += entry.cut;
        if self.expected == Some(&*chain::hex(&hash)) {
            self.report.expected = Some(true);
        }
        Ok(())
    }
}
