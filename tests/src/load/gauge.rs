//! What the kernel says of the controller: memory and processor time.

use core::time::Duration;
use std::fs;

use super::Stop;
use crate::clock::Deadline;

/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(100);
/// Ticks of processor time in a second, as /proc counts on every machine.
const TICKS: f64 = 100.0;

/// A look at one process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge {
    process: u32,
}

impl Gauge {
    /// Of this process.
    pub(super) const fn of(process: u32) -> Self {
        Self { process }
    }

    /// Of the process that asks.
    pub(super) fn own() -> Self {
        Self::of(std::process::id())
    }

    /// Resident memory in KiB.
    pub(super) fn rss_kib(self) -> f64 {
        let text = self.read("status");
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words = line.unwrap_or_default().split_whitespace().next();
        words.and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
    }

    /// The highest resident memory until told to stop, in KiB.
    pub(super) fn highest_rss(self, stop: &Stop) -> f64 {
        let mut highest = self.rss_kib();
        while !stop.is_set() {
            Deadline::after(LOOK).wait();
            highest = highest.max(self.rss_kib());
        }
        highest
    }

    /// Processor time until now, in seconds.
    pub(super) fn cpu_secs(self) -> f64 {
        let text = self.read("stat");
        // Behind the name, which may hold anything: state is the first, utime the 12th.
        let (_, rest) = text.rsplit_once(')').unwrap_or_default();
        let ticks = rest.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|word| word.parse::<f64>().ok()).sum();
        ticks / TICKS
    }

    fn read(self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process)).unwrap_or_default()
    }
}
