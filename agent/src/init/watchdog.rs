//! The watchdog: hardware that restarts the machine when nobody gives it a sign of life.
//!
//! | worker | petted |
//! |---|---|
//! | reports, or was started less than 60 s ago | yes |
//! | waits for its next start, or was never started yet | yes: this process is alive |
//! | has not reported for 60 s | no: it is killed, and if that does not help the machine starts anew |
//!
//! Before a planned end of the machine the letter `V` tells the device to stop counting.

use std::fs::{File, OpenOptions};
use std::io::Write;

use log::{info, warn};

use super::Root;
use crate::platform::watchdog::set_timeout;

/// Seconds without a sign of life after which the machine starts anew. Some chips take less.
const TIMEOUT_S: i32 = 60;
/// Between two signs of life, in milliseconds; even of those chips' 15 s it leaves two in three.
pub(super) const PET_MS: u64 = 5_000;
/// Without a report for so long, a worker hangs.
pub(super) const STALE_MS: u64 = 60_000;

/// The device, if the machine has one.
#[derive(Debug)]
pub(super) struct Watchdog(Option<File>);

impl Watchdog {
    /// Opens it, which starts its count.
    pub(super) fn open(root: &Root) -> Self {
        let path = root.at("dev/watchdog");
        let device = match OpenOptions::new().write(true).open(path) {
            Ok(device) => device,
            Err(error) => {
                info!("no watchdog: {error}");
                return Self(None);
            }
        };
        match set_timeout(&device, TIMEOUT_S) {
            Ok(seconds) => info!("watchdog: timeout_s={seconds}"),
            Err(error) => warn!("watchdog: it keeps its own timeout: {error}"),
        }
        Self(Some(device))
    }

    /// A sign of life.
    pub(super) fn pet(&mut self) {
        self.write(b".");
    }

    /// It shall count no more: the machine ends by plan.
    pub(super) fn stop(&mut self) {
        self.write(b"V");
        self.0 = None;
    }

    fn write(&mut self, byte: &[u8]) {
        if let Some(device) = &mut self.0
            && let Err(error) = device.write_all(byte)
        {
            warn!("watchdog: {error}");
        }
    }
}

/// What a worker's signs of life say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// No worker runs.
    Absent,
    /// It works, or has just begun.
    Fresh,
    /// It hangs.
    Stale,
}

/// `started_ms` and `reported_ms`: how long ago a worker that runs was started, and reported last.
pub(super) const fn pulse(started_ms: Option<u64>, reported_ms: Option<u64>) -> Pulse {
    match (started_ms, reported_ms) {
        (None, _) => Pulse::Absent,
        (Some(started), _) if started < STALE_MS => Pulse::Fresh,
        (Some(_), Some(reported)) if reported < STALE_MS => Pulse::Fresh,
        (Some(_), _) => Pulse::Stale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_worker_that_ran_long_and_is_silent_is_stale() {
        for (started, reported, is) in [
            (None, None, Pulse::Absent),
            (None, Some(99_000), Pulse::Absent),
            (Some(0), None, Pulse::Fresh),
            (Some(59_999), Some(99_000), Pulse::Fresh),
            (Some(60_000), None, Pulse::Stale),
            (Some(60_000), Some(59_999), Pulse::Fresh),
            (Some(99_000), Some(60_000), Pulse::Stale),
        ] {
            assert_eq!(pulse(started, reported), is, "{started:?} {reported:?}");
        }
    }

    #[test]
    fn a_planned_end_is_told_to_the_device_last() {
        let (_folder, root) = Root::with(&[("dev/watchdog", "")]);
        let mut watchdog = Watchdog::open(&root);
        watchdog.pet();
        watchdog.stop();
        watchdog.pet();
        assert_eq!(root.text("dev/watchdog"), Some(".V".into()));
        Watchdog::open(&Root::with(&[]).1).pet();
    }
}
