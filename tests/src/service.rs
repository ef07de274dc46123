//! A program of the test that keeps running: what it prints, and its end.

use core::time::Duration;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use crate::clock::{Deadline, eventually};

/// A running program; dropped means killed, so that a failed test leaves nothing behind.
#[derive(Debug)]
pub struct Service {
    line: String,
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Service {
    /// Takes over a program that has both outputs piped.
    ///
    /// # Errors
    /// An output is not piped.
    pub(crate) fn new(mut child: Child, line: String) -> Result<Self, String> {
        let (sender, lines) = mpsc::channel();
        let outputs = child.stdout.take().zip(child.stderr.take());
        let (stdout, stderr) = outputs.ok_or_else(|| format!("{line}: outputs are not piped"))?;
        read_lines(stdout, sender.clone());
        read_lines(stderr, sender);
        Ok(Self {
            line,
            child,
            lines,
            seen: Vec::new(),
        })
    }

    /// The first line, printed since the last such call, that contains `text`.
    ///
    /// # Errors
    /// The program did not print it in time, or ended; the error shows what it did print.
    pub fn expect(&mut self, text: &str, limit: Duration) -> Result<String, String> {
        let deadline = Deadline::after(limit);
        while let Ok(line) = self.lines.recv_timeout(deadline.left()) {
            self.seen.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
        Err(self.missed(text, limit))
    }

    /// Waits until each of `texts` was printed, in whatever order, since the last such call: two lines
    /// of the two outputs have none.
    ///
    /// # Errors
    /// The program did not print one in time, or ended; the error shows what it did print.
    pub fn expect_all(&mut self, texts: &[&str], limit: Duration) -> Result<(), String> {
        let deadline = Deadline::after(limit);
        let mut missing = texts.to_vec();
        while let Some(first) = missing.first() {
            let Ok(line) = self.lines.recv_timeout(deadline.left()) else {
                return Err(self.missed(first, limit));
            };
            missing.retain(|text| !line.contains(text));
            self.seen.push(line);
        }
        Ok(())
    }

    /// What an error says of a text that never came.
    fn missed(&mut self, text: &str, limit: Duration) -> String {
        let seconds = limit.as_secs();
        format!("no {text:?} in {seconds} s from {}", self.transcript())
    }

    /// Everything that the program has printed so far.
    pub fn transcript(&mut self) -> String {
        self.seen.extend(self.lines.try_iter());
        format!("{}\n{}", self.line, self.seen.join("\n"))
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the end.
    ///
    /// # Errors
    /// The program is still there after `limit`.
    pub fn interrupt(&mut self, limit: Duration) -> Result<(ExitStatus, Duration), String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).map_err(|error| format!("{}: {error}", self.line))?;
        self.end(limit)
    }

    /// Ends the program as a power cut does.
    ///
    /// # Errors
    /// The program cannot be waited for.
    pub fn kill(&mut self) -> Result<(), String> {
        self.child
            .kill()
            .map_err(|error| format!("{}: {error}", self.line))?;
        self.end(Duration::from_secs(5)).map(|_| ())
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// It is still there after `limit`.
    pub fn ends(&mut self, limit: Duration) -> Result<ExitStatus, String> {
        self.end(limit).map(|(status, _)| status)
    }

    /// Types on its standard input.
    ///
    /// # Errors
    /// It reads no more.
    pub fn say(&mut self, bytes: &[u8]) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", self.line);
        let stdin = self.child.stdin.as_mut();
        let stdin = stdin.ok_or_else(|| format!("{}: no input", self.line))?;
        stdin
            .write_all(bytes)
            .and_then(|()| stdin.flush())
            .map_err(failed)
    }

    /// Waits for the end; how it ended, and how long that took.
    fn end(&mut self, limit: Duration) -> Result<(ExitStatus, Duration), String> {
        let deadline = Deadline::after(limit);
        let what = format!("the end of {}", self.line);
        let status = eventually(&what, limit, || self.child.try_wait().ok().flatten());
        let status = status.map_err(|error| format!("{error}\n{}", self.transcript()))?;
        Ok((status, deadline.elapsed()))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processes that this program started and that still run.
    pub fn children(&self) -> Vec<u32> {
        let id = self.id();
        let path = format!("/proc/{id}/task/{id}/children");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only when the program has ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {}", self.transcript());
        }
    }
}

/// Sends the lines of a pipe on as they come, until the program closes it.
fn read_lines(pipe: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The test has what it wanted: keep the pipe empty until the program ends.
            let _unread = lines.send(line);
        }
    });
}
