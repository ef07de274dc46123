//! What a worker tells the process that supervises it: one small record, written over once a second.
//!
//! ```text
//!   supervisor ── makes FILE, keeps it open ──▶ node serve --supervised FILE
//!              ◀── is the worker alive, what shall the console show ── record in FILE, each second
//!              ◀── start the machine anew, switch it off ── exit code (cli::Exit)
//!
//!   FILE: a record (miner_shared::record) of exactly SIZE bytes, magic MINERST1
//!   body: by postcard at, fingerprint, name, activity, hashrate, linked, refused; then zeros
//! ```
//! A reader that meets half of one record and half of the next sees it by the check sum, and keeps what it
//! had.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use miner_shared::identity::Fingerprint;
use miner_shared::record::{self, OVERHEAD};
use miner_shared::text::{Label, Name};
use miner_shared::time::Millis;
use miner_shared::wire::Activity;

/// Length of the file, in bytes.
pub(crate) const SIZE: usize = 512;

const MAGIC: &[u8; 8] = b"MINERST1";

/// How a worker does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// When it was written, since the kernel's boot ([`crate::platform::uptime_ms`]).
    pub(crate) at: Millis,
    /// Who the worker is.
    pub(crate) fingerprint: Fingerprint,
    /// How it is called.
    pub(crate) name: Name,
    /// What it is doing.
    pub(crate) activity: Activity,
    /// Hash rate over the last minute, in thousandths of a hash per second, once it can be told.
    pub(crate) hashrate: Option<u64>,
    /// Whether a controller is linked.
    pub(crate) linked: bool,
    /// Why no controller is linked, or what the owner forbade; empty if there is nothing to say.
    pub(crate) refused: Label,
}

type Fields = (u64, Fingerprint, Name, Activity, Option<u64>, bool, Label);

impl Report {
    /// The file's content.
    fn encode(&self) -> io::Result<[u8; SIZE]> {
        let fields: Fields = (
            self.at.0,
            self.fingerprint,
            self.name.clone(),
            self.activity,
            self.hashrate,
            self.linked,
            self.refused.clone(),
        );
        let (mut body, mut file) = ([0; SIZE - OVERHEAD], [0; SIZE]);
        postcard::to_slice(&fields, &mut body).map_err(io::Error::other)?;
        record::encode(MAGIC, &body, &mut file).map_err(io::Error::other)?;
        Ok(file)
    }

    fn decode(file: &[u8; SIZE]) -> Option<Self> {
        let body = record::decode(MAGIC, file).ok()?;
        let (fields, _zeros) = postcard::take_from_bytes::<Fields>(body).ok()?;
        let (at, fingerprint, name, activity, hashrate, linked, refused) = fields;
        Some(Self {
            at: Millis(at),
            fingerprint,
            name,
            activity,
            hashrate,
            linked,
            refused,
        })
    }

    /// The record in the supervisor's file; `None` before the first, and where it is being written.
    pub(crate) fn read(file: &File) -> Option<Self> {
        let mut bytes = [0; SIZE];
        file.read_exact_at(&mut bytes, 0).ok()?;
        Self::decode(&bytes)
    }
}

/// The worker's end: the file that it writes.
#[derive(Debug)]
pub(crate) struct Reporter(File);

impl Reporter {
    /// Opens the file that the supervisor made.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().write(true).open(path)?))
    }

    /// Writes the report over the last one.
    pub(crate) fn write(&self, report: &Report) -> io::Result<()> {
        self.0.write_all_at(&report.encode()?, 0)
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::limits::{MAX_LABEL, MAX_NAME};

    use super::*;

    fn report() -> Report {
        Report {
            at: Millis(u64::MAX),
            fingerprint: Fingerprint([0xff; 32]),
            name: Name::parse(&"n".repeat(MAX_NAME)).expect("valid"),
            activity: Activity::Filling {
                percent: 99,
                left_ms: Some(u64::MAX),
            },
            hashrate: Some(u64::MAX),
            linked: true,
            refused: Label::lossy(&"r".repeat(MAX_LABEL)),
        }
    }

    #[test]
    fn the_longest_report_fits_and_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report");
        assert!(Reporter::open(&path).is_err(), "the supervisor makes it");
        File::create(&path).expect("made");
        let kept = File::open(&path).expect("made");
        assert_eq!(Report::read(&kept), None);
        let reporter = Reporter::open(&path).expect("there");
        for linked in [false, true] {
            let report = Report { linked, ..report() };
            reporter.write(&report).expect("written");
            assert_eq!(Report::read(&kept), Some(report));
        }
        assert_eq!(kept.metadata().expect("there").len(), SIZE as u64);
    }

    #[test]
    fn halves_of_two_records_are_none() {
        let (one, mut other) = (report(), report());
        other.at = Millis(1);
        let (one, other) = (one.encode().expect("fits"), other.encode().expect("fits"));
        let mut mixed = one;
        mixed[SIZE / 2..].copy_from_slice(&other[SIZE / 2..]);
        assert_eq!(Report::decode(&mixed), None);
        assert_eq!(Report::decode(&[0; SIZE]), None);
    }
}
