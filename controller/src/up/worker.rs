//! The local worker's process: started, watched, started again, ended.
//!
//! ```text
//!   start ──▶ running ──▶ ended by itself ──▶ pause 1, 2, 4 .. 30 s ──▶ start
//!               │            (a minute of life makes the pause 1 s again)
//!               └── told to end: stdin closes, SIGTERM; after 1.5 s SIGKILL
//! ```
//! It is this program again, as `miner-ctrl worker node serve`, visible in the process list. Its
//! standard input is a pipe from us: should we be killed, the pipe ends and so does it.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use smol::channel::Receiver;
use smol::future::FutureExt;
use smol::io::{AsyncBufReadExt, BufReader};
use smol::process::{Child, ChildStderr, Command, Stdio};
use smol::stream::StreamExt;
use smol::{Executor, Timer};

use super::WorkerPlan;
use super::local::Controller;
use super::report::Report;
use crate::clock::Clock;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_millis(1_500);
/// First and last pause before a child that died is started again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A child that lived this long was well: the next pause is the first again.
const WELL_MS: u64 = 60_000;

/// What to start.
#[derive(Clone, Debug)]
pub(super) struct WorkerProcess {
    /// Root of its XDG folders.
    pub(super) root: PathBuf,
    /// The owner's word on this machine, if something is there.
    pub(super) owner: PathBuf,
    /// Whom it is to find, and where.
    pub(super) controller: Controller,
    /// How it runs.
    pub(super) plan: WorkerPlan,
}

/// Keeps one running until `stop` closes.
pub(super) async fn keep(
    process: WorkerProcess,
    stop: Receiver<()>,
    report: Arc<Report>,
    executor: Arc<Executor<'static>>,
) {
    let clock = Clock::start();
    let mut pause = PAUSE.0;
    loop {
        let started = clock.now().mono;
        let why = match process.spawn() {
            Err(error) => error.to_string(),
            Ok(mut child) => {
                // Kept apart, because waiting for a child closes the pipe that it holds.
                let stdin = child.stdin.take();
                if let Some(stderr) = child.stderr.take() {
                    let passing = pass_on(stderr, Arc::clone(&report));
                    executor.spawn(passing).detach();
                }
                let ended = async { Some(child.status().await) };
                let told = async {
                    // Nobody sends; the channel closes.
                    let _ = stop.recv().await;
                    None
                };
                let status = ended.or(told).await;
                drop(stdin);
                match status {
                    None => return end(child).await,
                    Some(Ok(status)) => status.to_string(),
                    Some(Err(error)) => error.to_string(),
                }
            }
        };
        if clock.now().mono.since(started) >= WELL_MS {
            pause = PAUSE.0;
        }
        report.line(&format!(
            "local worker ended ({why}); starts again in {} s",
            pause.as_secs()
        ));
        let waited = async {
            Timer::after(pause).await;
            true
        };
        let told = async {
            let _ = stop.recv().await;
            false
        };
        if !waited.or(told).await {
            return;
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

impl WorkerProcess {
    fn spawn(&self) -> std::io::Result<Child> {
        Command::new(own_program())
            .args(self.args())
            .env("XDG_CONFIG_HOME", self.root.join("config"))
            .env("XDG_DATA_HOME", self.root.join("data"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn args(&self) -> Vec<String> {
        let mut args = ["worker", "node", "serve", "--with-parent"]
            .map(str::to_owned)
            .to_vec();
        let Controller {
            fingerprint,
            url,
            tls_pin,
        } = &self.controller;
        args.extend(["--controller".to_owned(), url.to_string()]);
        args.extend(["--fingerprint".to_owned(), fingerprint.to_string()]);
        if let Some(pin) = tls_pin {
            args.extend(["--tls-pin".to_owned(), pin.to_string()]);
        }
        // Whatever is there: what is no word of an owner keeps the worker from mining.
        if self.owner.symlink_metadata().is_ok() {
            args.extend(["--owner".to_owned(), self.owner.display().to_string()]);
        }
        if self.plan.light {
            args.push("--light".to_owned());
        }
        if let Some(threads) = self.plan.threads {
            args.extend(["--threads".to_owned(), threads.to_string()]);
        }
        args
    }
}

/// Our own program, also after its file was replaced by an update.
fn own_program() -> PathBuf {
    std::env::current_exe()
        .ok()
        .filter(|path| path.exists())
        .unwrap_or_else(|| PathBuf::from("/proc/self/exe"))
}

/// Shows what the child says above INFO; the rest is in its log ring for `remote logs`.
async fn pass_on(stderr: ChildStderr, report: Arc<Report>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Some(Ok(line)) = lines.next().await {
        if !["INFO", "DEBUG", "TRACE"]
            .iter()
            .any(|level| line.starts_with(level))
        {
            report.line(&format!("local worker: {line}"));
        }
    }
}

/// Ends the child, whose standard input is closed: kindly, then not.
async fn end(mut child: Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, Signal::TERM)
    {
        // It has ended by itself; `status` below collects it.
        log::debug!("local worker not signalled error={error}");
    }
    let ended = async { Some(child.status().await) };
    let late = async {
        Timer::after(GRACE).await;
        None::<std::io::Result<ExitStatus>>
    };
    if ended.or(late).await.is_none() {
        log::warn!("local worker does not end; killed");
        if let Err(error) = child.kill() {
            log::debug!("local worker not killed error={error}");
        }
        if let Err(error) = child.status().await {
            log::debug!("local worker not collected error={error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::Fingerprint;

    use super::*;

    #[test]
    fn the_child_is_told_everything_by_visible_arguments_and_no_secret() {
        let process = WorkerProcess {
            root: PathBuf::from("/data/local-worker"),
            owner: PathBuf::from("/dev/null"),
            controller: Controller {
                fingerprint: Fingerprint([7; 32]),
                url: "wss://127.0.0.1:9091".parse().expect("valid"),
                tls_pin: Some("07".repeat(32).parse().expect("valid")),
            },
            plan: WorkerPlan {
                light: true,
                threads: Some(2),
            },
        };
        let args = process.args();
        assert_eq!(&args[..4], ["worker", "node", "serve", "--with-parent"]);
        assert_eq!(&args[4..6], ["--controller", "wss://127.0.0.1:9091"]);
        assert_eq!(args[8], "--tls-pin");
        assert_eq!(&args[10..12], ["--owner", "/dev/null"]);
        assert_eq!(&args[12..], ["--light", "--threads", "2"]);
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        miner_agent::cli::refuse_secrets(&words).expect("nothing secret");
    }
}
