//! `up` and its local worker are one program in two processes, and end together and soon, however they
//! are told to. Real processes, measured by process ID.

#![expect(
    clippy::disallowed_methods,
    reason = "it is real time that is promised here"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of a test fail by panicking"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use smol::Timer;
use smol::future::FutureExt;
use smol::io::{AsyncBufReadExt, BufReader};
use smol::process::{Child, Command, Stdio};
use smol::stream::StreamExt;

/// The promise.
const SOON: Duration = Duration::from_secs(2);
/// After this a test has failed, whatever it waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// `up` with a worker whose first share was accepted.
struct Up {
    child: Child,
    worker: u32,
    _home: tempfile::TempDir,
}

fn start(home: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_miner-ctrl"))
        .args(["up", "--light", "--threads", "1"])
        .args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
        .args(["--pool-listen", "127.0.0.1:0"])
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_DATA_HOME", home.join("data"))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts")
}

impl Up {
    async fn hashing() -> Self {
        let home = tempfile::tempdir().expect("temporary directory");
        let mut child = start(home.path());
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let hashes = async {
            while let Some(line) = lines.next().await {
                // Two shares between two reports are one line, of the second.
                if line.expect("text").contains(" accepted") {
                    return;
                }
            }
            panic!("it ended before its first share");
        };
        hashes.or(impatience()).await;
        let worker = child_of(child.id()).expect("a local worker");
        Self {
            child,
            worker,
            _home: home,
        }
    }

    /// Sends a signal; how long it took until the process was gone, and its exit code.
    async fn tell(&mut self, signal: Signal) -> (Duration, Option<i32>) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let told = Instant::now();
        kill_process(pid.expect("a process"), signal).expect("is there");
        let ended = async { self.child.status().await.expect("waited for") };
        let late = async {
            impatience().await;
            unreachable!()
        };
        let code = ended.or(late).await.code();
        (told.elapsed(), code)
    }
}

async fn impatience() {
    Timer::after(PATIENCE).await;
    panic!("took longer than {PATIENCE:?}");
}

/// The only child of a process.
fn child_of(parent: u32) -> Option<u32> {
    let entries = fs::read_dir("/proc").expect("Linux");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.into_iter()
        .find(|pid: &u32| status(*pid).is_some_and(|(_, of)| of == parent))
}

/// State letter and parent of a process.
fn status(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Whether a process runs; one that nobody has waited for runs no more.
fn runs(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| !['Z', 'X'].contains(&state))
}

#[test]
fn the_local_worker_is_this_program_again_and_under_its_own_name() {
    let home = tempfile::tempdir().expect("temporary directory");
    smol::block_on(async {
        let mut up = start(home.path());
        let mut lines = BufReader::new(up.stdout.take().expect("piped")).lines();
        let started = async {
            while let Some(line) = lines.next().await {
                if line.expect("text").contains("is up") {
                    return;
                }
            }
            panic!("it ended before its worker was up");
        };
        started.or(impatience()).await;
        let own = Path::new(env!("CARGO_BIN_EXE_miner-ctrl"));
        let worker = child_of(up.id()).expect("a local worker");
        for id in [up.id(), worker] {
            let proc = Path::new("/proc").join(id.to_string());
            assert_eq!(fs::read_link(proc.join("exe")).expect("ours"), own);
            assert_eq!(
                fs::read_to_string(proc.join("comm")).expect("ours"),
                "miner-ctrl\n"
            );
        }
        let proc = Path::new("/proc").join(worker.to_string());
        let typed = fs::read_to_string(proc.join("cmdline")).expect("ours");
        let worker_words = ["worker", "node", "serve", "--with-parent"];
        assert!(
            typed.split('\0').skip(1).take(4).eq(worker_words),
            "{typed}"
        );
        let status = fs::read_to_string(proc.join("status")).expect("ours");
        assert!(
            status.contains("Seccomp:\t2"),
            "the worker starts nothing: {status}"
        );
        assert_eq!(child_of(worker), None);
    });
}

#[test]
fn up_and_its_hashing_worker_end_within_two_seconds_of_a_signal() {
    smol::block_on(async {
        for signal in [Signal::INT, Signal::TERM] {
            let mut up = Up::hashing().await;
            assert!(runs(up.worker));
            let (took, code) = up.tell(signal).await;
            assert!(!runs(up.worker), "{signal:?}: the worker was left behind");
            assert_eq!(code, Some(0), "{signal:?}");
            assert!(took < SOON, "{signal:?}: {took:?}");
        }
    });
}

#[test]
fn a_worker_does_not_outlive_a_controller_that_was_killed() {
    smol::block_on(async {
        let mut up = Up::hashing().await;
        let killed = Instant::now();
        up.tell(Signal::KILL).await;
        while runs(up.worker) {
            assert!(killed.elapsed() < SOON, "the worker mines for nobody");
            Timer::after(Duration::from_millis(10)).await;
        }
    });
}
