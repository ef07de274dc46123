//! What the agent weighs in memory besides RandomX: `miner node serve` that nobody told to mine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use core::time::Duration;

use crate::tools::{Context as _, Failure, target_dir};

/// Longest wait for the agent to say that it serves.
const START: Duration = Duration::from_secs(20);
/// Time between two readings that must agree.
const SETTLE: Duration = Duration::from_millis(500);

/// Resident memory of a serving, idle agent in KiB.
///
/// It runs with a fresh identity in a directory of its own and listens on a free port of loopback.
///
/// # Errors
/// The agent does not start, or ends instead of serving.
pub(crate) fn resident_kib(miner: &Path) -> Result<u64, Failure> {
    let home = target_dir().join("size-home");
    fs::create_dir_all(&home).context(home.display())?;
    let child = Command::new(miner)
        .args(["node", "serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .env("HOME", &home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context(miner.display())?;
    let mut agent = Serving(child);
    let lines = agent.wait_until_serving()?;
    let mut kib = agent.resident()?;
    // It may still be starting its threads: the figure counts once it has stopped changing.
    while let Err(RecvTimeoutError::Timeout) = lines.recv_timeout(SETTLE) {
        let before = core::mem::replace(&mut kib, agent.resident()?);
        if before == kib {
            break;
        }
    }
    drop(agent);
    fs::remove_dir_all(&home).context(home.display())?;
    Ok(kib)
}

/// A running agent; dropped means killed.
struct Serving(Child);

impl Serving {
    fn wait_until_serving(&mut self) -> Result<Receiver<String>, Failure> {
        let stdout = self
            .0
            .stdout
            .take()
            .ok_or_else(|| Failure::new("no stdout pipe"))?;
        let lines = lines_of(stdout);
        let mut seen = Vec::new();
        while let Ok(line) = lines.recv_timeout(START) {
            if line.contains("listening") {
                return Ok(lines);
            }
            seen.push(line);
        }
        Err(Failure::new(format!(
            "the agent does not serve: {}",
            seen.join(" | ")
        )))
    }

    fn resident(&self) -> Result<u64, Failure> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.0.id())).context("/proc")?;
        resident(&status).ok_or_else(|| Failure::new("/proc: no VmRSS line"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only when the agent has ended by itself.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// The lines of a pipe as they come, read by a thread so that waiting for one can have a deadline.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let read = BufReader::new(pipe).lines().map_while(Result::ok);
        for line in read {
            // Nobody waits for more: keep the pipe empty until the agent ends.
            let _unread = sender.send(line);
        }
    });
    lines
}

/// The `VmRSS` figure of a `/proc/PID/status`, in KiB (proc(5)).
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(
            resident("Name:\tminer\nVmRSS:\t    2304 kB\nThreads:\t1\n"),
            Some(2304)
        );
        assert_eq!(resident("Name:\tminer\n"), None);
    }
}
